"""The Fréchet distance against 1/N."""

from collections.abc import Mapping, Sequence

from facebench.results.result import Result, Value
from facebench.results.visuals import Visuals
from facebench_reports.board import Board
from facebench_reports.metric_columns import Column
from facebench_reports.plots import shared
from facebench_reports.plots.shared import Figure, Panel, Spec, tip


def extrapolation(board: Board, visuals: Mapping[str, Visuals]) -> Figure:
    """Plot the Fréchet distance against 1/N, and where the line ends."""
    results = shared.shown(board)
    columns = [c for c in board.columns if _curves(c, results)]
    return Figure(
        "extrapolation",
        "How the distance falls with the number of images",
        "Each dot is the distance of as many images; the line through them ends, left, at what "
        "infinitely many would score, with its 95 % interval beside it.",
        [_lines_to_infinity(column, results) for column in columns],
    )


def _curves(column: Column, results: Sequence[Result]) -> dict[str, Value]:
    """Return the extrapolated values by model."""
    return {r.model: value for r in results if (value := column.value(r)) and value.curve}


def _lines_to_infinity(column: Column, results: Sequence[Result]) -> Panel:
    curves = _curves(column, results)
    points: list[Spec] = [
        {"model": model, "inverse": 1 / count, "value": at}
        for model, value in curves.items()
        for count, at in value.curve
    ]
    reach = max(point["inverse"] for point in points)
    ends = [
        end for i, each in enumerate(curves.items()) for end in _ends(*each, -0.012 * i * reach)
    ]
    x = _by_number_of_images(points, reach * (-0.012 * len(curves) - 0.02), reach * 1.02)
    y = shared.number("value", title=column.title.replace("∞", ""))
    marks = shared.identity([result.model for result in results])
    colour = {"color": marks["color"]}
    tips = [tip("model", "model"), tip("value", "distance")]
    is_end, is_line = {"filter": "isValid(datum.low)"}, {"filter": "datum.part == 'line'"}
    to_high = {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}, **colour}
    layers: list[Spec] = [
        {"transform": [is_line], "mark": "line", "encoding": {"x": x, "y": y, **colour}},
        {"transform": [is_end], "mark": {"type": "rule", "strokeWidth": 2}, "encoding": to_high},
        {
            "data": {"values": points},
            "mark": {"type": "point", "size": 40},
            "encoding": {"x": x, "y": y, "tooltip": tips, **marks},
        },
    ]
    if len(curves) <= shared.LABELLED:
        layers.append(shared.labels([is_line, {"filter": "datum.inverse > 0"}], x, y))
    return Panel("", {"data": {"values": ends}, "layer": layers}, 340)


def _ends(model: str, value: Value, aside: float) -> list[Spec]:
    """Return a fitted line's two ends, and the interval, a little aside from the others'.

    The value is the intercept of the fit, so the slope follows from the means.
    """
    inverse = [1 / count for count, _ in value.curve]
    mean = sum(at for _, at in value.curve) / len(inverse)
    slope = (mean - value.value) / (sum(inverse) / len(inverse))
    far = value.value + slope * max(inverse)
    line = {"model": model, "part": "line"}
    return [
        line | {"inverse": 0.0, "value": value.value},
        line | {"inverse": max(inverse), "value": far},
        {"model": model, "part": "end", "inverse": aside, **shared.interval(value)},
    ]


def _by_number_of_images(points: Sequence[Spec], low: float, high: float) -> Spec:
    """Return an axis in 1/N that shows N, at both ends of what was measured and at infinity."""
    measured = [point["inverse"] for point in points]
    axis = {
        "values": [0.0, min(measured), max(measured)],
        "labelExpr": "datum.value == 0 ? '∞' : format(1 / datum.value, ',.0f')",
        "labelFlush": False,
    }
    scale = {"domain": [low, high], "nice": False}
    return shared.number("inverse", title="images N, by 1/N", scale=scale, axis=axis)
