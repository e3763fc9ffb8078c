"""How plots look: Vega's settings by the page's own colours, which are CSS variables.

So a plot follows the page from light to dark to paper without being drawn again. Where there is no
page, `paint` puts the light colours in their places.
"""

import json
import re
from importlib.resources import files
from typing import Any

SERIES = 7
"""Colours of models, told apart by colour-blind readers (after Okabe & Ito 2008)."""
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross")

_STYLE = (files("facebench_reports") / "templates" / "leaderboard.css").read_text("utf-8")
_VARIABLES = dict(re.findall(r"--(\w+): (.+);", _STYLE.partition("}")[0]))
LIGHT = {name: text for name, text in _VARIABLES.items() if text.startswith("#")}
"""The style sheet's light colours, by their names."""
_VARIABLE = re.compile(r"var\(--(\w+)\)")


def colour(index: int) -> str:
    """Return the colour of model number `index`."""
    return f"var(--c{index % SERIES + 1})"


def shape(index: int) -> str:
    """Return its mark: with the colour it tells 42 models apart."""
    return SHAPES[index % len(SHAPES)]


def settings() -> dict[str, Any]:
    """Return Vega-Lite's ``config``."""
    words = {
        "titleColor": "var(--quiet)",
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelFontSize": 12,
    }
    axis = words | {
        "domainColor": "var(--rule)",
        "gridColor": "var(--rule)",
        "gridOpacity": 0.45,
        "gridWidth": 0.6,
        "tickColor": "var(--rule)",
        "labelColor": "var(--quiet)",
        "labelLimit": 130,
        "titlePadding": 8,
    }
    return {
        "font": _VARIABLES["sans"],
        "background": "transparent",
        "aria": False,  # a figure's caption says what it shows, and the tables hold its numbers
        "view": {"stroke": None},
        "axis": axis,
        "title": {
            "anchor": "start",
            "color": "var(--ink)",
            "fontSize": 13,
            "fontWeight": 600,
            "offset": 6,
        },
        "text": {"color": "var(--ink)", "fontSize": 12},
        "rule": {"color": "var(--ink)"},
        "point": {"filled": True, "size": 55, "opacity": 1, "color": "var(--ink)"},
        "line": {"strokeWidth": 1.6, "color": "var(--ink)"},
        "bar": {"color": "var(--c1)"},
        "legend": words
        | {"labelColor": "var(--ink)", "orient": "bottom", "columns": 3, "labelLimit": 180},
    }


def paint(spec: dict[str, Any]) -> dict[str, Any]:
    """Return a plot's description with colours in the place of variables."""
    painted = _VARIABLE.sub(lambda found: LIGHT[found[1]], json.dumps(spec))
    return dict(json.loads(painted))
