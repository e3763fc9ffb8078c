"""Every metric with its intervals."""

from collections.abc import Iterator, Mapping, Sequence

from facebench.results.result import Result, Value
from facebench.results.visuals import Visuals
from facebench_reports.board import Board
from facebench_reports.metric_columns import Column
from facebench_reports.plots import shared
from facebench_reports.plots.shared import Figure, Panel, Spec, tip


def metrics(board: Board, visuals: Mapping[str, Visuals]) -> Figure:
    """Plot every metric with its intervals."""
    results = shared.shown(board)
    names = shared.orders(board)[board.ordering.key]
    return Figure(
        "metrics",
        "Every metric with its interval",
        "A dot is the value, the line its 95 % interval, the dashed line what real images score in "
        "the generated ones' place, the dotted line the real images' own value."
        + (" Pose and attributes have tables in the section on faces." if board.of_many else ""),
        [_metric(column, results, names) for column in shared.columns(board)],
        is_sortable=True,
    )


def _metric(column: Column, results: Sequence[Result], names: Sequence[str]) -> Panel:
    held = [(result, value) for result in results if (value := column.value(result))]
    x, y = _axis("value"), shared.names(names)
    tips = [tip("model", "model"), tip("value", column.title), *map(tip, ("low", "high"))]
    rule: Spec = {
        "transform": [{"filter": "isValid(datum.low)"}],
        "mark": {"type": "rule", "strokeWidth": 1.5},
        "encoding": {"y": y, "x": _axis("low"), "x2": {"field": "high"}},
    }
    layers = [
        *_reference_lines([value for _, value in held]),
        *([rule] if any(value.low is not None for _, value in held) else []),
        {"mark": "point", "encoding": {"y": y, "x": x, "tooltip": tips}},
    ]
    data = [{"model": result.model, **shared.interval(value)} for result, value in held]
    spec: Spec = {"data": {"values": data}, "layer": layers}
    return Panel(f"{column.title} {column.arrow}", spec, shared.rows_height(len(held)))


def _axis(field: str) -> Spec:
    return shared.number(field, title=None, axis={"tickCount": 5}, scale={"zero": False})


def _reference_lines(values: Sequence[Value]) -> Iterator[Spec]:
    """Yield the noise floor and the real images' own value as lines across."""
    for dash, numbers in (
        ([5, 3], {value.floor for value in values}),
        ([1, 3], {value.reference for value in values}),
    ):
        found = sorted(number for number in numbers if number is not None)
        if found:
            yield {
                "data": {"values": [{"real": number} for number in found]},
                "mark": {"type": "rule", "strokeDash": dash, "color": "var(--quiet)"},
                "encoding": {"x": shared.number("real")},
            }
