"""Where the images lie."""

from collections.abc import Mapping, Sequence
from typing import Any

from facebench.results.visuals import Exhibits
from facebench_reports import theme
from facebench_reports.board import Board
from facebench_reports.plots.parts import (
    LABELLED,
    Figure,
    Panel,
    Spec,
    shown,
)


def features(board: Board, exhibits: Mapping[str, Exhibits]) -> Figure:
    """Plot the real and each model's images in the plane of the real ones' largest variance."""
    found = [
        (result.model, plane)
        for result in shown(board)[:LABELLED]
        if (plane := exhibits.get(result.model, Exhibits()).plane)
    ]
    points = [point for _, plane in found for point in (*plane.real, *plane.model)]
    shares = " and ".join(f"{share:.0%}" for share in found[0][1].explained) if found else ""
    return Figure(
        "features",
        "Where the images lie",
        "The first two principal components of the real images' features "
        f"({shares} of their variance): real images grey, the model's coloured.",
        [
            _cloud(name, index, plane, _span(points, 0), _span(points, 1))
            for index, (name, plane) in enumerate(found)
        ],
    )


def _span(points: Sequence[tuple[float, float]], axis: int) -> list[float]:
    values = [point[axis] for point in points]
    margin = 0.03 * (max(values) - min(values)) or 1.0
    return [min(values) - margin, max(values) + margin]


def _cloud(name: str, index: int, plane: Any, across: list[float], up: list[float]) -> Panel:
    layers = [
        {
            "data": {"values": [{"x": x, "y": y} for x, y in points]},
            "mark": {"type": "point", "color": colour, "opacity": opacity, "size": 14},
            "encoding": {"x": _component("x", 1, across), "y": _component("y", 2, up)},
        }
        for points, colour, opacity in (
            (plane.real, "var(--quiet)", 0.4),
            (plane.model, theme.colour(index), 0.75),
        )
    ]
    return Panel(name, {"layer": layers}, 260)


def _component(field: str, number: int, domain: list[float]) -> Spec:
    return {
        "field": field,
        "type": "quantitative",
        "title": f"component {number}",
        "scale": {"domain": domain, "nice": False},
        "axis": {"labels": False, "ticks": False, "tickCount": 4},
    }
