"""The plots of a board, as data: each panel is a Vega-Lite description of one view.

The page draws them with Vega's script, and ``facebench plot`` by vl-convert, which brings the same
script: one description, one look. Vega was chosen over Plotly (a script of 4.5 MB, and PNG or SVG
only with a browser) and Bokeh (PNG only with a browser); its own takes .9 MB.
"""

from collections.abc import Callable, Mapping

from facebench.results.visuals import Visuals
from facebench_reports.board import Board
from facebench_reports.plots.clouds import features
from facebench_reports.plots.infinity import extrapolation
from facebench_reports.plots.intervals import metrics
from facebench_reports.plots.runs import cost, training
from facebench_reports.plots.scatter import planes
from facebench_reports.plots.shared import PLOTTED, Figure, Panel, orders

__all__ = [
    "PLOTTED",
    "Figure",
    "Panel",
    "Plot",
    "cost",
    "extrapolation",
    "features",
    "figures",
    "metrics",
    "orders",
    "planes",
    "training",
]

Plot = Callable[[Board, Mapping[str, Visuals]], Figure]


def figures(board: Board, visuals: Mapping[str, Visuals]) -> list[Figure]:
    """Return every figure that there are numbers for, in the order of the page."""
    plots = (metrics, planes, extrapolation, features, training, cost)
    return [figure for plot in plots if (figure := plot(board, visuals)).panels]
