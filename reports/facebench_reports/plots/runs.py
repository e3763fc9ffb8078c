"""What making and evaluating the models took."""

from collections.abc import Iterator, Mapping, Sequence

from facebench.results.interval_ends import HIGH, LOW
from facebench.results.result import Result
from facebench.results.visuals import Curve, Visuals
from facebench_reports import theme
from facebench_reports.board import Board
from facebench_reports.plots import shared
from facebench_reports.plots.shared import Figure, Panel, Spec, number, tip

SERIES = 6
"""Curves of one training that are shown: the first it logged."""
WIDE = 30
"""From how many times the least end of an interval the largest makes the scale logarithmic."""

Point = dict[str, float]


def training(board: Board, visuals: Mapping[str, Visuals]) -> Figure:
    """Plot what each model's training logged."""
    panels = [
        _curve(f"{model}: {name}", theme.colour(index), name, points)
        for index, model, held in shared.held_visuals(board, visuals)
        for name, points in _series(held.training)
    ]
    return Figure(
        "training",
        "How the models were trained",
        "What each run logged, by step; bands are 95 % intervals. Numbers behind an @ are images "
        "a side: such scores are a training's own, and none of the table's.",
        panels,
    )


def _series(training: Mapping[str, Curve]) -> Iterator[tuple[str, list[Point]]]:
    """Yield the curves that are shown, each with its intervals where it has any."""
    ends = {name + end for name in training for end in (LOW, HIGH)}
    for name in [name for name in training if name not in ends][:SERIES]:
        low, high = (dict(training.get(name + end, ())) for end in (LOW, HIGH))
        yield (
            name,
            [
                {"step": step, "value": value}
                | ({"low": low[step], "high": high[step]} if step in low.keys() & high else {})
                for step, value in training[name]
            ],
        )


def _curve(title: str, colour: str, name: str, points: list[Point]) -> Panel:
    few = {"tickCount": 4}
    x = number("step", axis=few)
    y = number("value", title=None, scale=_scale(points), axis=few | {"format": ".4~g"})
    tips = [tip("step", "step"), tip("value", name)]
    line: Spec = {
        "mark": {"type": "line", "color": colour},
        "encoding": {"x": x, "y": y, "tooltip": tips},
    }
    data: Spec = {"data": {"values": points}}
    if not any("low" in point for point in points):
        return Panel(title, data | line, 170)
    band = {
        "mark": {"type": "area", "color": colour, "opacity": 0.2},
        "encoding": {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}},
    }
    return Panel(title, data | {"layer": [band, line]}, 170)


def _scale(points: list[Point]) -> Spec:
    """Return a logarithmic scale for distances that fall by orders of magnitude."""
    ends = [point[end] for point in points for end in ("low", "high") if end in point]
    is_wide = bool(ends) and 0 < WIDE * min(ends) < max(ends)
    return {"type": "log"} if is_wide else {"zero": False}


def cost(board: Board, visuals: Mapping[str, Visuals]) -> Figure:
    """Plot time and memory by phase."""
    results = shared.shown(board)
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
    encoding: Spec = {
        "y": shared.names([result.model for result in results]),
        "x": number("value", title=None, axis={"tickCount": 5}),
        "color": {
            "field": "phase",
            "type": "nominal",
            "scale": {"domain": phases, "range": [*map(theme.colour, range(len(phases)))]},
            "legend": {"title": None},
        },
        "tooltip": [tip("model", "model"), tip("phase", "phase"), tip("value", title)],
    }
    if not stacked:
        encoding["yOffset"] = {"field": "phase", "type": "nominal", "sort": phases}
    lines = len(results) * (1 if stacked else max(1, len(phases)))
    spec: Spec = {"data": {"values": data}, "mark": "bar", "encoding": encoding}
    return Panel(title, spec, 30 + shared.rows_height(max(len(results), lines * 3 // 4)))
