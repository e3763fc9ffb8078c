"""Line charts as SVG, one panel a curve."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from facebench.files import write_text

Number = int | float
Curve = Sequence[tuple[Number, Number]]

_MOST_POINTS = 400
_TEXT = {"labelColor": "#444", "labelFontSize": 12, "titleColor": "#444"}
_CONFIG = {
    "font": "system-ui, sans-serif",
    "padding": 12,
    "view": {"stroke": None},
    "title": {"anchor": "start", "color": "#111", "fontSize": 12},
    "axis": _TEXT | {"domain": False, "ticks": False, "tickCount": 5, "gridColor": "#ddd"},
    "line": {"color": "#2563eb", "strokeWidth": 1.5, "strokeCap": "round"},
}


def save_chart(curves: Mapping[str, Curve], target: Path, x_label: str = "step") -> Path:
    """Save one panel per curve, two a row, as the SVG file `target`; an empty one for none."""
    import vl_convert  # here, for it starts a JavaScript engine

    panels = [_panel(title, curve, x_label) for title, curve in curves.items()]
    spec = {"concat": panels, "columns": 2, "background": "white", "config": _CONFIG}
    write_text(target, vl_convert.vegalite_to_svg(spec))
    return target


def _panel(title: str, curve: Curve, x_label: str) -> dict[str, Any]:
    """Return the Vega-Lite description of one curve."""
    return {
        "title": title,
        "width": 340,
        "height": 150,
        "data": {"values": [{"x": x, "y": y} for x, y in _thin(curve)]},
        "mark": "line",
        "encoding": {
            "x": _channel("x", x_label) | {"axis": {"grid": False, "tickMinStep": 1}},
            "y": _channel("y", None),
        },
    }


def _channel(field: str, title: str | None) -> dict[str, Any]:
    return {"field": field, "type": "quantitative", "title": title, "scale": {"zero": False}}


def _thin(curve: Curve) -> list[Any]:
    """Return means of neighbours where there are more points than pixels to tell them apart."""
    stride = math.ceil(len(curve) / _MOST_POINTS)
    starts = range(0, len(curve), stride)
    return [np.mean(curve[start : start + stride], axis=0).tolist() for start in starts]
