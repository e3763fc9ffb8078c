"""Every metric with its intervals."""

from collections.abc import Iterator, Mapping, Sequence

from facebench.results.result import Result, Value
from facebench.results.visuals import Exhibits
from facebench_reports.board import Board
from facebench_reports.columns import Column
from facebench_reports.plots.parts import (
    NAMES,
    Figure,
    Panel,
    Spec,
    interval,
    orders,
    rows_height,
    shown,
    tip,
)


def metrics(board: Board, exhibits: Mapping[str, Exhibits]) -> Figure:
    """Plot every metric with its intervals."""
    results = shown(board)
    names = orders(board)[board.ordering.key]
    return Figure(
        "metrics",
        "Every metric with its interval",
        "A dot is the value, the line its 95 % interval, the dashed line what real images score in "
        "the generated ones' place, the dotted line the real images' own value.",
        [_metric(column, results, names) for column in board.columns],
        is_sortable=True,
    )


def _metric(column: Column, results: Sequence[Result], names: Sequence[str]) -> Panel:
    held = [(result, value) for result in results if (value := column.value(result))]
    y = {"field": "model", "type": "nominal", "sort": names, "title": None, "axis": NAMES}
    number = {"field": "value", "type": "quantitative", "title": None, "axis": {"tickCount": 5}}
    x = number | {"scale": {"zero": False}}
    tips = [tip("model", "model"), tip("value", column.title), *map(tip, ("low", "high"))]
    rule: Spec = {
        "transform": [{"filter": "isValid(datum.low)"}],
        "mark": {"type": "rule", "strokeWidth": 1.5},
        "encoding": {"y": y, "x": x | {"field": "low"}, "x2": {"field": "high"}},
    }
    layers = [
        *_reference_lines([value for _, value in held]),
        *([rule] if any(value.low is not None for _, value in held) else []),
        {"mark": "point", "encoding": {"y": y, "x": x, "tooltip": tips}},
    ]
    data = [{"model": result.model, **interval(value)} for result, value in held]
    spec: Spec = {"data": {"values": data}, "layer": layers}
    return Panel(f"{column.title} {column.arrow}", spec, rows_height(len(held)))


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
                "encoding": {"x": {"field": "real", "type": "quantitative"}},
            }
