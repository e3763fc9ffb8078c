"""What the plots share: panels, and the marks that mean the same in all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from facebench.results.result import Result, Value
from facebench.results.visuals import Visuals
from facebench_reports import theme
from facebench_reports.board import Board
from facebench_reports.metric_columns import Column

PLOTTED = 30
"""Models in a plot, the best ones: more cannot be told apart."""
LABELLED = 12
"""Models that have their names beside their points; of more, names would cover each other."""

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


def shown(board: Board) -> list[Result]:
    """Return the models that are plotted, best first: checks only where there is nothing else."""
    models = [result for result in board.results if not result.is_sanity]
    return (models or board.results)[:PLOTTED]


def held_visuals(board: Board, visuals: Mapping[str, Visuals]) -> list[tuple[int, str, Visuals]]:
    """Return the numbers, names and visuals of the models that have panels of their own."""
    models = [result.model for result in shown(board)[:LABELLED]]
    return [(i, model, visuals.get(model, Visuals())) for i, model in enumerate(models)]


def orders(board: Board) -> dict[str, list[str]]:
    """Return the models from best to worst by each metric."""
    results = shown(board)
    return {
        column.key: [result.model for result in sorted(results, key=column.sort_key)]
        for column in columns(board)
    }


def columns(board: Board) -> tuple[Column, ...]:
    """Return the metrics that have panels: of attributes and the like only what differs."""
    return (*board.columns, *board.face_columns_in_brief)


def number(field: str, **more: Any) -> Spec:
    """Return an axis of numbers."""
    return {"field": field, "type": "quantitative", **more}


def names(models: Sequence[str]) -> Spec:
    """Return the axis that has the models' names, in their order."""
    axis = {"grid": True, "labelColor": "var(--ink)", "ticks": False, "domain": False}
    return {"field": "model", "type": "nominal", "sort": models, "title": None, "axis": axis}


def interval(value: Value) -> Spec:
    """Return a value and its interval as fields of a point."""
    return {"value": value.value, "low": value.low, "high": value.high}


def rows_height(count: int) -> int:
    """Return the height, in CSS pixels, of a panel with a row for each of `count` models."""
    return 44 + 20 * max(count, 2)


def labels(transform: Sequence[Spec], x: Spec, y: Spec) -> Spec:
    """Return a layer with the models' names beside the points that `transform` leaves."""
    return {
        "transform": [*transform],
        "mark": {"type": "text", "align": "right", "dx": -7, "dy": -9, "limit": 120},
        "encoding": {"x": x, "y": y, "text": {"field": "model"}},
    }


def identity(names: Sequence[str]) -> Spec:
    """Return the colour and the mark of each model: the same in every plot."""
    marks = {"color": theme.colour, "shape": theme.shape}
    return {
        name: {
            "field": "model",
            "type": "nominal",
            "scale": {"domain": list(names), "range": [mark(i) for i in range(len(names))]},
            "legend": None,
        }
        for name, mark in marks.items()
    }


def tip(field: str, title: str = "") -> Spec:
    """Return a line of what is shown to who points at a mark."""
    named: Spec = {"field": field, "title": title or field}
    if field in ("model", "phase"):
        return named | {"type": "nominal"}
    return named | {"type": "quantitative", "format": ".4~g"}
