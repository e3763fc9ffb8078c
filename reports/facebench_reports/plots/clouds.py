"""Where the images lie."""

from collections.abc import Mapping

from facebench.results.visuals import Curve, Plane, Visuals
from facebench_reports import theme
from facebench_reports.board import Board
from facebench_reports.plots import shared
from facebench_reports.plots.shared import Figure, Panel, Spec


def features(board: Board, visuals: Mapping[str, Visuals]) -> Figure:
    """Plot the real and each model's images in the plane of the real ones' largest variance."""
    held = [(model, each.plane) for _, model, each in shared.held_visuals(board, visuals)]
    found = [(model, plane) for model, plane in held if plane]
    points = tuple(point for _, plane in found for point in (*plane.real, *plane.model))
    shares = " and ".join(f"{share:.0%}" for share in found[0][1].explained) if found else ""
    axes = [_component(axis, points) for axis in range(2)] if found else []
    return Figure(
        "features",
        "Where the images lie",
        "The first two principal components of the real images' features "
        f"({shares} of their variance): real images grey, the model's coloured.",
        [_cloud(name, theme.colour(i), plane, *axes) for i, (name, plane) in enumerate(found)],
    )


def _cloud(name: str, colour: str, plane: Plane, x: Spec, y: Spec) -> Panel:
    layers = [
        {
            "data": {"values": [{"x": x, "y": y} for x, y in points]},
            "mark": {"type": "point", "color": colour, "opacity": opacity, "size": 14},
            "encoding": {"x": x, "y": y},
        }
        for points, colour, opacity in (
            (plane.real, "var(--quiet)", 0.4),
            (plane.model, colour, 0.75),
        )
    ]
    return Panel(name, {"layer": layers}, 260)


def _component(axis: int, points: Curve) -> Spec:
    """Return the axis of one component, as long as all points of all models need it."""
    values = [point[axis] for point in points]
    margin = 0.03 * (max(values) - min(values)) or 1.0
    return shared.number(
        "xy"[axis],
        title=f"component {axis + 1}",
        scale={"domain": [min(values) - margin, max(values) + margin], "nice": False},
        axis={"labels": False, "ticks": False, "tickCount": 4},
    )
