"""Plots as files: PNG or SVG, by the library whose script the page embeds."""

import contextlib
import itertools
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import vl_convert

from facebench.cache.paths import cache_folder
from facebench.errors import BadInput
from facebench.files import atomic_path, write_text
from facebench.results.result import Result
from facebench.results.visuals import Visuals, read_visuals, visuals_folder
from facebench_reports import theme
from facebench_reports.board import Board, boards
from facebench_reports.plots import Figure, Plot

VERSION = "6.4"
"""Of Vega-Lite, for the page and for files."""
_WIDTH = 300  # CSS pixels of a panel in a file
_COLUMNS = 3
_SCALE = 2  # pixels of a PNG by CSS pixels


def save_figure(figure: Figure, target: Path) -> Path:
    """Write a figure as ``.png`` or ``.svg``, by the suffix of `target`."""
    if target.suffix not in (".png", ".svg"):
        raise BadInput(f"{target} is neither .png nor .svg: give a name that ends so.")
    spec = theme.paint(whole(figure))
    with atomic_path(target) as partial:
        if target.suffix == ".svg":
            partial.write_text(vl_convert.vegalite_to_svg(spec, VERSION), "utf-8")
        else:
            partial.write_bytes(vl_convert.vegalite_to_png(spec, VERSION, scale=_SCALE))
    return target


def save_plot(plot: Plot, results: Sequence[Result], folder: Path, target: Path) -> list[Path]:
    """Write one plot of every board of `results`: of several to ``NAME-1.png`` and so on.

    Return where they are: nowhere if there are no numbers for it.
    """
    groups = boards(results)
    figures = [plot(board, visuals_of(board, folder)) for board in groups]
    targets = (target.with_stem(f"{target.stem}-{i}") for i in itertools.count(1))
    return [
        save_figure(figure, target if len(groups) == 1 else next(targets))
        for figure in figures
        if figure.panels
    ]


def whole(figure: Figure) -> dict[str, Any]:
    """Return all panels as one Vega-Lite description."""
    width = _WIDTH if len(figure.panels) > 1 else 2 * _WIDTH
    panels = [
        panel.spec | {"title": panel.title, "width": width, "height": panel.height - 44}
        for panel in figure.panels
    ]
    return {
        "config": theme.settings() | {"background": "var(--paper)"},
        "padding": 16,
        "title": {"text": figure.title, "fontSize": 16, "fontWeight": "normal", "offset": 16},
        "spacing": 28,
        "columns": min(_COLUMNS, len(panels)),
        "concat": panels,
        "resolve": {"scale": {"color": "independent", "shape": "independent"}},
    }


@cache
def script() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script, which sets ``vegaEmbed``.

    It is kept in the cache, for it takes most of a page's time to make.
    """
    with contextlib.suppress(BadInput, OSError):  # no cache, or none that may be written
        kept = cache_folder() / "scripts" / f"vega-lite-{VERSION}-{version('vl-convert-python')}.js"
        if not kept.is_file():
            write_text(kept, _bundle())
        return kept.read_text("utf-8")
    return _bundle()


def _bundle() -> str:
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", VERSION)


def visuals_of(board: Board, folder: Path) -> dict[str, Visuals]:
    """Return what lies beside each of the board's results, by model."""
    names = [result.model for result in board.results]
    inside = [name for name in names if Path(name).name == name]
    return {name: read_visuals(visuals_folder(folder, name)) for name in inside}
