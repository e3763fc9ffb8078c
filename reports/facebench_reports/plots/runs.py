"""What making and evaluating the models took."""

from collections.abc import Mapping, Sequence

from facebench.results.result import Result
from facebench.results.visuals import Curve, Visuals
from facebench_reports import theme
from facebench_reports.board import Board
from facebench_reports.plots import shared
from facebench_reports.plots.shared import Figure, Panel, Spec, number, tip

SERIES = 6
"""Curves of one training that are shown: the first it logged."""


def training(board: Board, visuals: Mapping[str, Visuals]) -> Figure:
    """Plot what each model's training logged."""
    panels = [
        _curve(f"{model}: {name}", theme.colour(index), name, points)
        for index, model, held in shared.held_visuals(board, visuals)
        for name, points in [*held.training.items()][:SERIES]
    ]
    return Figure(
        "training", "How the models were trained", "What each run logged, by step.", panels
    )


def _curve(title: str, colour: str, name: str, points: Curve) -> Panel:
    few = {"tickCount": 4}
    spec: Spec = {
        "data": {"values": [{"step": step, "value": value} for step, value in points]},
        "mark": {"type": "line", "color": colour},
        "encoding": {
            "x": number("step", axis=few),
            "y": number("value", title=None, scale={"zero": False}, axis=few | {"format": "~g"}),
            "tooltip": [tip("step", "step"), tip("value", name)],
        },
    }
    return Panel(title, spec, 170)


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
