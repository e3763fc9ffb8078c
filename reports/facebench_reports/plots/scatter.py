"""One metric against another."""

from collections.abc import Iterator, Mapping, Sequence

from facebench.results.result import Result
from facebench.results.visuals import Visuals
from facebench_reports.board import Board
from facebench_reports.metric_columns import Column
from facebench_reports.plots import shared
from facebench_reports.plots.shared import Figure, Panel, Spec, tip


def planes(board: Board, visuals: Mapping[str, Visuals]) -> Figure:
    """Plot precision against recall, and density against coverage, clipped and not."""
    by_key = {column.key: column for column in board.columns}
    pairs = [
        ("recall", "precision"),
        ("clipped_coverage", "clipped_density"),
        ("coverage", "density"),
    ]
    return Figure(
        "planes",
        "Fidelity against variety",
        "Up is more faithful, right is more varied; the best model is where the real images are "
        "(✕). Lines are 95 % intervals. Grey rings are sanity checks: "
        "point at one for its name.",
        [_scatter(by_key[x], by_key[y], board) for x, y in pairs if {x, y} <= by_key.keys()],
    )


def _scatter(across: Column, up: Column, board: Board) -> Panel:
    models = shared.shown(board)
    checks = [result for result in board.results if result.is_sanity and result not in models]
    data = [*_pairs("model", models, across, up), *_pairs("check", checks, across, up)]
    x, y = _axis(across, "x"), _axis(up, "y")
    marks = shared.identity([result.model for result in models])
    tips = [tip("model", "model"), tip("x", across.title), tip("y", up.title)]
    place: Spec = {"x": x, "y": y, "tooltip": tips}
    ring = {"type": "point", "color": "var(--quiet)", "filled": False, "size": 30}
    layers: list[Spec] = [
        *_interval_rules(data, x, y, marks["color"]),
        *([{"transform": [_only("check")], "mark": ring, "encoding": place}] if checks else []),
        *_real_points(across, up, board.results, place),
        {
            "transform": [_only("model")],
            "mark": {"type": "point", "size": 70},
            "encoding": place | marks,
        },
    ]
    if len(models) <= shared.LABELLED:
        layers.append(shared.labels([_only("model")], x, y))
    spec: Spec = {"data": {"values": data}, "layer": layers}
    return Panel(f"{up.title} against {across.title.lower()}", spec, 340)


def _only(kind: str) -> Spec:
    return {"filter": f"datum.kind == '{kind}'"}


def _pairs(kind: str, results: Sequence[Result], across: Column, up: Column) -> Iterator[Spec]:
    for result in results:
        x, y = across.value(result), up.value(result)
        if x and y:
            yield {
                **{"model": result.model, "kind": kind},
                **{"x": x.value, "x_low": x.low, "x_high": x.high},
                **{"y": y.value, "y_low": y.low, "y_high": y.high},
            }


def _interval_rules(data: Sequence[Spec], x: Spec, y: Spec, colour: Spec) -> Iterator[Spec]:
    """Yield the models' intervals across and up, as far as any is known."""
    for name, along, across, other in (("x", x, "y", y), ("y", y, "x", x)):
        if any(point[f"{name}_low"] is not None for point in data):
            ends = {name: along | {"field": f"{name}_low"}, f"{name}2": {"field": f"{name}_high"}}
            yield {
                "transform": [_only("model"), {"filter": f"isValid(datum.{name}_low)"}],
                "mark": {"type": "rule", "opacity": 0.6},
                "encoding": {**ends, across: other, "color": colour},
            }


def _axis(column: Column, field: str) -> Spec:
    return shared.number(field, title=f"{column.title} {column.arrow}", scale={"nice": True})


def _real_points(
    across: Column, up: Column, results: Sequence[Result], place: Spec
) -> Iterator[Spec]:
    """Yield where other real images lie, as far as that is known."""
    floors = {
        (x.floor, y.floor)
        for result in results
        if (x := across.value(result)) and (y := up.value(result))
    }
    data = [
        {"model": "real images", "x": x, "y": y}
        for x, y in sorted(floors, key=str)
        if x is not None and y is not None
    ]
    if data:
        mark = {"type": "text", "text": "✕", "fontSize": 15}
        yield {"data": {"values": data}, "mark": mark, "encoding": place}
