"""Line charts as SVG, one panel a curve; intervals are bands."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from facebench.files import write_text

Number = int | float
Curve = Sequence[tuple[Number, Number]]
Band = Sequence[tuple[Number, Number, Number]]
"""The place of an interval, and its ends."""

_MOST_POINTS = 400
_TEXT = {"labelColor": "#444", "labelFontSize": 12, "titleColor": "#444"}
_CONFIG = {
    "font": "system-ui, sans-serif",
    "padding": 12,
    "view": {"stroke": None},
    "title": {"anchor": "start", "color": "#111", "fontSize": 12},
    "axis": _TEXT | {"domain": False, "ticks": False, "tickCount": 5, "gridColor": "#ddd"},
    "line": {"color": "#2563eb", "strokeWidth": 1.5, "strokeCap": "round"},
    "area": {"color": "#2563eb", "opacity": 0.2},
}


def save_chart(
    curves: Mapping[str, Curve],
    target: Path,
    x_label: str = "step",
    bands: Mapping[str, Band] | None = None,
) -> Path:
    """Save one panel per curve, two a row, as the SVG file `target`; an empty one for none.

    `bands` are the intervals of those curves that have any, by the curves' names.
    """
    import vl_convert  # here, for it starts a JavaScript engine

    bands = bands or {}
    panels = [_panel(title, each, bands.get(title), x_label) for title, each in curves.items()]
    spec = {"concat": panels, "columns": 2, "background": "white", "config": _CONFIG}
    write_text(target, vl_convert.vegalite_to_svg(spec))
    return target


def _panel(title: str, curve: Curve, band: Band | None, x_label: str) -> dict[str, Any]:
    """Return the Vega-Lite description of one curve."""
    x = _channel("x", x_label) | {"axis": {"grid": False, "tickMinStep": 1}}
    line = _layer("line", curve, {"x": x, "y": _channel("y", None)})
    panel = {"title": title, "width": 340, "height": 150}
    if not band:
        return panel | line
    ends = {"x": x, "y": _channel("y", None), "y2": {"field": "y2"}}
    return panel | {"layer": [_layer("area", band, ends), line]}


def _layer(mark: str, points: Sequence[Any], encoding: dict[str, Any]) -> dict[str, Any]:
    values = [dict(zip(("x", "y", "y2"), point, strict=False)) for point in _thin(points)]
    return {"data": {"values": values}, "mark": mark, "encoding": encoding}


def _channel(field: str, title: str | None) -> dict[str, Any]:
    return {"field": field, "type": "quantitative", "title": title, "scale": {"zero": False}}


def _thin(points: Sequence[Any]) -> list[Any]:
    """Return means of neighbours where there are more points than pixels to tell them apart."""
    stride = math.ceil(len(points) / _MOST_POINTS)
    starts = range(0, len(points), stride)
    return [np.mean(points[start : start + stride], axis=0).tolist() for start in starts]
