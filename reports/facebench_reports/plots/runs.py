"""What making and evaluating the models took."""

from collections.abc import Mapping, Sequence

from facebench.results.result import Result
from facebench.results.visuals import Exhibits
from facebench_reports import theme
from facebench_reports.board import Board
from facebench_reports.plots.parts import (
    LABELLED,
    NAMES,
    Figure,
    Panel,
    Spec,
    rows_height,
    shown,
    tip,
)

SERIES = 6
"""Curves of one training that are shown: the first it logged."""


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
    tips = [tip("step", "step"), tip("value", name)]
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
        "y": {"field": "model", "type": "nominal", "sort": names, "title": None, "axis": NAMES},
        "x": {"field": "value", "type": "quantitative", "title": None, "axis": {"tickCount": 5}},
        "color": {
            "field": "phase",
            "type": "nominal",
            "scale": {"domain": phases, "range": colours},
            "legend": {"title": None},
        },
        "tooltip": [tip("model", "model"), tip("phase", "phase"), tip("value", title)],
    }
    if not stacked:
        encoding["yOffset"] = {"field": "phase", "type": "nominal", "sort": phases}
    lines = len(results) * (1 if stacked else max(1, len(phases)))
    spec: Spec = {"data": {"values": data}, "mark": "bar", "encoding": encoding}
    return Panel(title, spec, 30 + rows_height(max(len(results), lines * 3 // 4)))
