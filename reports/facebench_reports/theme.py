"""How plots look: Vega's settings by the page's own colours, which are CSS variables.

So a plot follows the page from light to dark to paper without being drawn again. Where there is no
page, `paint` puts the light colours in their places.
"""

import re
from typing import Any

SERIES = 7
"""Colours of models, told apart by colour-blind readers (after Okabe & Ito 2008)."""
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross")

LIGHT = {
    "paper": "#fcfbf8",
    "panel": "#f3f1ea",
    "ink": "#1c1e22",
    "quiet": "#5a5d63",
    "rule": "#c9c5ba",
    "c1": "#0068a5",
    "c2": "#b84a00",
    "c3": "#00795a",
    "c4": "#9b3f83",
    "c5": "#846000",
    "c6": "#2f7fb8",
    "c7": "#6b6b6b",
}
"""The style sheet's light colours; a test holds that both agree."""
FONT = (
    'Seravek, "Gill Sans Nova", "Source Sans 3", Ubuntu, Calibri, "Noto Sans", '
    '"Liberation Sans", sans-serif'
)
_VARIABLE = re.compile(r"var\(--(\w+)\)")


def colour(index: int) -> str:
    """Return the colour of model number `index`."""
    return f"var(--c{index % SERIES + 1})"


def shape(index: int) -> str:
    """Return its mark: with the colour it tells 42 models apart."""
    return SHAPES[index % len(SHAPES)]


def settings() -> dict[str, Any]:
    """Return Vega-Lite's ``config``."""
    axis = {
        "domainColor": "var(--rule)",
        "gridColor": "var(--rule)",
        "gridOpacity": 0.45,
        "gridWidth": 0.6,
        "tickColor": "var(--rule)",
        "labelColor": "var(--quiet)",
        "titleColor": "var(--quiet)",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelLimit": 130,
        "titlePadding": 8,
    }
    return {
        "font": FONT,
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
        "legend": {
            "labelColor": "var(--ink)",
            "titleColor": "var(--quiet)",
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "orient": "bottom",
            "columns": 3,
            "labelLimit": 180,
        },
    }


def paint(spec: Any) -> Any:
    """Return a plot's description with colours in the place of variables."""
    match spec:
        case dict():
            return {key: paint(value) for key, value in spec.items()}
        case list():
            return [paint(value) for value in spec]
        case str():
            return _VARIABLE.sub(lambda found: LIGHT[found[1]], spec)
        case _:
            return spec
