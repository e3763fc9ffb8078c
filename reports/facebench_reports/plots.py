"""The plots of a board, as data: each panel is a Vega-Lite description of one view.

The page draws them with Vega's script, and ``facebench plot`` by vl-convert, which brings the same
script: one description, one look. Vega was chosen over Plotly (a script of 4.5 MB, and PNG or SVG
only with a browser) and Bokeh (PNG only with a browser); its own takes .9 MB.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from facebench.exhibits import Exhibits
from facebench.result import Result, Value
from facebench_reports import theme
from facebench_reports.board import Board
from facebench_reports.columns import Column

PLOTTED = 30
"""Models in a plot, the best ones: more cannot be told apart."""
LABELLED = 12
"""Models that have their names beside their points; of more, names would cover each other."""
SERIES = 6
"""Curves of one training that are shown: the first it logged."""

Spec = dict[str, Any]


@dataclass(frozen=True)
class Panel:
    """One view."""

    title: str
    spec: Spec
    """Without size, title and settings."""
    height: int
    """In CSS pixels."""


@dataclass(frozen=True)
class Figure:
    """Panels that belong together."""

    key: str
    title: str
    caption: str
    panels: Sequence[Panel]
    is_sortable: bool = False
    """Whether the rows of its panels may be put in another order."""


def figures(board: Board, exhibits: Mapping[str, Exhibits]) -> list[Figure]:
    """Return every figure that there are numbers for."""
    found = (draw(board, exhibits) for draw in FIGURES.values())
    return [figure for figure in found if figure.panels]


def shown(board: Board) -> list[Result]:
    """Return the models that are plotted, best first: checks only where there is nothing else."""
    models = [result for result in board.results if not result.is_sanity]
    return (models or board.results)[:PLOTTED]


def orders(board: Board) -> dict[str, list[str]]:
    """Return the models from best to worst by each metric."""
    results = shown(board)
    return {
        column.key: [result.model for result in sorted(results, key=column.badness)]
        for column in board.columns
    }


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
    y = {"field": "model", "type": "nominal", "sort": names, "title": None, "axis": _NAMES}
    number = {"field": "value", "type": "quantitative", "title": None, "axis": {"tickCount": 5}}
    x = number | {"scale": {"zero": False}}
    tips = [_tip("model", "model"), _tip("value", column.title), *map(_tip, ("low", "high"))]
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
    data = [{"model": result.model, **_interval(value)} for result, value in held]
    spec: Spec = {"data": {"values": data}, "layer": layers}
    return Panel(f"{column.title} {column.arrow}", spec, _rows_height(len(held)))


_NAMES = {"grid": True, "labelColor": "var(--ink)", "ticks": False, "domain": False}


def _interval(value: Value) -> Spec:
    return {"value": value.value, "low": value.low, "high": value.high}


def _rows_height(count: int) -> int:
    return 44 + 20 * max(count, 2)


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


def planes(board: Board, exhibits: Mapping[str, Exhibits]) -> Figure:
    """Plot precision against recall, and density against coverage."""
    by_key = {column.key: column for column in board.columns}
    pairs = [("recall", "precision"), ("coverage", "density")]
    return Figure(
        "planes",
        "Fidelity against variety",
        "Up is more faithful, right is more varied; the best model is where the real images are "
        "(✕). Lines are 95 % intervals. Grey rings are sanity checks: "
        "point at one for its name.",
        [_scatter(by_key[x], by_key[y], board) for x, y in pairs if {x, y} <= by_key.keys()],
    )


def _scatter(across: Column, up: Column, board: Board) -> Panel:
    models = shown(board)
    checks = [result for result in board.results if result.is_sanity and result not in models]
    data = [*_pairs("model", models, across, up), *_pairs("check", checks, across, up)]
    x, y = _axis(across, "x"), _axis(up, "y")
    identity = _identity([result.model for result in models])
    tips = [_tip("model", "model"), _tip("x", across.title), _tip("y", up.title)]
    place: Spec = {"x": x, "y": y, "tooltip": tips}
    ring = {"type": "point", "color": "var(--quiet)", "filled": False, "size": 30}
    layers: list[Spec] = [
        *_interval_rules(data, x, y, identity["color"]),
        *([{"transform": [_only("check")], "mark": ring, "encoding": place}] if checks else []),
        *_real_points(across, up, board.results, place),
        {
            "transform": [_only("model")],
            "mark": {"type": "point", "size": 70},
            "encoding": place | identity,
        },
    ]
    if len(models) <= LABELLED:
        layers.append(_labels([_only("model")], x, y))
    spec: Spec = {"data": {"values": data}, "layer": layers}
    return Panel(f"{up.title} against {across.title.lower()}", spec, 340)


def _only(kind: str) -> Spec:
    return {"filter": f"datum.kind == '{kind}'"}


def _pairs(kind: str, results: Sequence[Result], across: Column, up: Column) -> Iterator[Spec]:
    for result in results:
        x, y = across.value(result), up.value(result)
        if x and y:
            yield {"model": result.model, "kind": kind, **_point(x, y)}


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


def _point(x: Value, y: Value) -> Spec:
    return {
        **{"x": x.value, "x_low": x.low, "x_high": x.high},
        **{"y": y.value, "y_low": y.low, "y_high": y.high},
    }


def _axis(column: Column, field: str) -> Spec:
    title = f"{column.title} {column.arrow}"
    return {"field": field, "type": "quantitative", "title": title, "scale": {"nice": True}}


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


def _labels(transform: Sequence[Spec], x: Spec, y: Spec) -> Spec:
    return {
        "transform": [*transform],
        "mark": {"type": "text", "align": "right", "dx": -7, "dy": -9, "limit": 120},
        "encoding": {"x": x, "y": y, "text": {"field": "model"}},
    }


def _identity(names: Sequence[str]) -> Spec:
    """Return the colour and the mark of each model: the same in every plot."""
    domain = list(names)
    colours = [theme.colour(index) for index in range(len(domain))]
    shapes = [theme.shape(index) for index in range(len(domain))]
    return {
        "color": _scale(domain, colours, None),
        "shape": _scale(domain, shapes, None),
    }


def _scale(domain: Sequence[str], values: Sequence[str], legend: Spec | None) -> Spec:
    scale = {"domain": list(domain), "range": list(values)}
    return {"field": "model", "type": "nominal", "scale": scale, "legend": legend}


def extrapolation(board: Board, exhibits: Mapping[str, Exhibits]) -> Figure:
    """Plot the Fréchet distance against 1/N, and where the line ends."""
    columns = [c for c in board.columns if any(v.curve for v in _values(c, shown(board)))]
    return Figure(
        "extrapolation",
        "How the distance falls with the number of images",
        "Each dot is the distance of as many images; the line through them ends, left, at what "
        "infinitely many would score, with its 95 % interval beside it.",
        [_lines_to_infinity(column, shown(board)) for column in columns],
    )


def _values(column: Column, results: Sequence[Result]) -> list[Value]:
    return [value for result in results if (value := column.value(result))]


def _lines_to_infinity(column: Column, results: Sequence[Result]) -> Panel:
    curves = {r.model: v for r in results if (v := column.value(r)) and v.curve}
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
    y = {"field": "value", "type": "quantitative", "title": column.title.replace("∞", "")}
    identity = _identity([result.model for result in results])
    colour = {"color": identity["color"]}
    tips = [_tip("model", "model"), _tip("value", "distance")]
    is_end, is_line = {"filter": "isValid(datum.low)"}, {"filter": "datum.part == 'line'"}
    to_high = {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}}
    layers: list[Spec] = [
        {"transform": [is_line], "mark": "line", "encoding": {"x": x, "y": y, **colour}},
        {
            "transform": [is_end],
            "mark": {"type": "rule", "strokeWidth": 2},
            "encoding": to_high | colour,
        },
        {
            "data": {"values": points},
            "mark": {"type": "point", "size": 40},
            "encoding": {"x": x, "y": y, "tooltip": tips, **identity},
        },
    ]
    if len(curves) <= LABELLED:
        layers.append(_labels([is_line, {"filter": "datum.inverse > 0"}], x, y))
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
        {"model": model, "part": "end", "inverse": aside, **_interval(value)},
    ]


def _by_number_of_images(points: Sequence[Spec], low: float, high: float) -> Spec:
    """Return an axis in 1/N that shows N, at both ends of what was measured and at infinity."""
    measured = sorted(point["inverse"] for point in points)
    named = "datum.value == 0 ? '∞' : format(1 / datum.value, ',.0f')"
    return {
        "field": "inverse",
        "type": "quantitative",
        "title": "images N, by 1/N",
        "scale": {"domain": [low, high], "nice": False},
        "axis": {
            "values": [0.0, measured[0], measured[-1]],
            "labelExpr": named,
            "labelFlush": False,
        },
    }


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


def training(board: Board, exhibits: Mapping[str, Exhibits]) -> Figure:
    """Plot what each model's training logged."""
    curves = [
        (result.model, index, name, points)
        for index, result in enumerate(shown(board)[:LABELLED])
        for name, points in [*exhibits.get(result.model, Exhibits()).training.items()][:SERIES]
    ]
    return Figure(
        "training",
        "How the models were trained",
        "What each run logged, by step.",
        [_curve(*curve) for curve in curves],
    )


def _curve(model: str, index: int, name: str, points: Sequence[tuple[float, float]]) -> Panel:
    tips = [_tip("step", "step"), _tip("value", name)]
    spec: Spec = {
        "data": {"values": [{"step": step, "value": value} for step, value in points]},
        "mark": {"type": "line", "color": theme.colour(index)},
        "encoding": {
            "x": {"field": "step", "type": "quantitative", "axis": {"tickCount": 4}},
            "y": {
                "field": "value",
                "type": "quantitative",
                "title": None,
                "scale": {"zero": False},
                "axis": {"tickCount": 4, "format": "~g"},
            },
            "tooltip": tips,
        },
    }
    return Panel(f"{model}: {name}", spec, 170)


def cost(board: Board, exhibits: Mapping[str, Exhibits]) -> Figure:
    """Plot time and memory by phase."""
    results = shown(board)
    panels = [
        _bars(results, [r.seconds for r in results], "Seconds", stacked=True),
        _bars(results, [r.memory for r in results], "Peak memory of the engine, MiB"),
    ]
    return Figure(
        "cost",
        "What evaluating cost",
        "Time is short where features were there already; memory is without the sampler's process.",
        [panel for panel in panels if panel.spec["data"]["values"]],
    )


def _bars(
    results: Sequence[Result],
    amounts: Sequence[Mapping[str, float]],
    title: str,
    stacked: bool = False,
) -> Panel:
    data = [
        {"model": result.model, "phase": phase, "value": amount}
        for result, by_phase in zip(results, amounts, strict=True)
        for phase, amount in by_phase.items()
    ]
    phases = list(dict.fromkeys(point["phase"] for point in data))
    colours = [theme.colour(index) for index in range(len(phases))]
    names = [result.model for result in results]
    encoding: Spec = {
        "y": {"field": "model", "type": "nominal", "sort": names, "title": None, "axis": _NAMES},
        "x": {"field": "value", "type": "quantitative", "title": None, "axis": {"tickCount": 5}},
        "color": {
            "field": "phase",
            "type": "nominal",
            "scale": {"domain": phases, "range": colours},
            "legend": {"title": None},
        },
        "tooltip": [_tip("model", "model"), _tip("phase", "phase"), _tip("value", title)],
    }
    if not stacked:
        encoding["yOffset"] = {"field": "phase", "type": "nominal", "sort": phases}
    lines = len(results) * (1 if stacked else max(1, len(phases)))
    spec: Spec = {"data": {"values": data}, "mark": "bar", "encoding": encoding}
    return Panel(title, spec, 30 + _rows_height(max(len(results), lines * 3 // 4)))


def _tip(field: str, title: str = "") -> Spec:
    kind: Spec = {"type": "nominal"} if field in ("model", "phase") else {"type": "quantitative"}
    number = {} if field in ("model", "phase") else {"format": ".4~g"}
    return {"field": field, "title": title or field, **kind, **number}


Draw = Callable[[Board, Mapping[str, Exhibits]], Figure]
FIGURES: Mapping[str, Draw] = MappingProxyType(
    {draw.__name__: draw for draw in (metrics, planes, extrapolation, features, training, cost)}
)
"""Every plot by its name, in the order of the page."""
