"""The reference models' lines as a table and a plot of docs/reference.md."""

from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from statistics import mean
from typing import TYPE_CHECKING, Any

from shared_files import ROOT

if TYPE_CHECKING:
    from reference import Line

PAGE, PLOT = ROOT / "docs" / "reference.md", ROOT / "docs" / "reference.webp"
BEGIN, END = "<!-- made by tests/bench/reference.py -->", "<!-- end -->"
TITLES = {
    "pca": "PCA",
    "vae": "VAE",
    "vae-fitted": "VAE, fitted prior",
    "dcgan": "DCGAN",
    "dcgan-r3": "DCGAN, `--loss r3`",
    "flow": "flow",
}
NAMES = {model: title.replace("`", "") for model, title in TITLES.items()}
"""The same without marks, for the plot."""
Cell = tuple[int, int]
"""Faces, minutes."""


def write_page(lines: "Sequence[Line]") -> None:
    """Draw the plot, and write the table between its marks."""
    _draw(lines)
    text = PAGE.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{table(lines)}\n\n{END}{after}", "utf-8")


def table(lines: "Sequence[Line]") -> str:
    """Return a row for each model, and a column for each number of faces and of minutes."""
    cells = sorted({(each.faces, each.minutes) for each in lines})
    rows = [
        "| model | " + " | ".join(f"{n:,} faces, {minutes} min" for n, minutes in cells) + " |",
        "|---" * (len(cells) + 1) + "|",
    ]
    for model, title in TITLES.items():
        own = [each for each in lines if each.model == model]
        if own:
            rows.append(f"| {title} | " + " | ".join(_cell(own, cell) for cell in cells) + " |")
    return "\n".join(rows)


def _cell(lines: "Sequence[Line]", cell: Cell) -> str:
    """Say the mean of some seeds and their range, or one value and its interval."""
    there = [each for each in lines if (each.faces, each.minutes) == cell]
    if not there:
        return ""
    values = [each.fid for each in there]
    if len(there) == 1:
        return f"{values[0]:.3f} ({there[0].low:.3f} – {there[0].high:.3f})"
    return f"{mean(values):.3f} [{min(values):.3f}, {max(values):.3f}] of {len(there)} seeds"


def _points(lines: "Sequence[Line]") -> Iterator[Mapping[str, Any]]:
    for each in lines:
        yield {
            "model": NAMES[each.model],
            "faces": f"trained on {each.faces:,} faces",
            "asked": each.minutes,
            "minutes": each.seconds / 60,
            "fid": each.fid,
            "low": each.low,
            "high": each.high,
        }


def _draw(lines: "Sequence[Line]") -> None:
    import vl_convert
    from PIL import Image

    column = {"field": "faces", "type": "nominal", "title": None}
    panel = {"layer": _layers(), "width": 330, "height": 280}
    spec = {"data": {"values": [*_points(lines)]}, "facet": {"column": column}, "spec": panel}
    image = vl_convert.vegalite_to_png(spec | {"background": "white"}, scale=2)
    Image.open(BytesIO(image)).save(PLOT, quality=85)


def _layers() -> list[Mapping[str, Any]]:
    """Return the plot: each model's intervals, a line through its means, and its points."""
    x = {
        "field": "minutes",
        "type": "quantitative",
        "title": "minutes of training, one core",
        "scale": {"type": "log", "domain": [0.15, 60]},
        "axis": {"values": [0.2, 0.5, 1, 2, 5, 10, 20, 40]},
    }
    y = {"type": "quantitative", "title": "FID @768 (lower is better)", "scale": {"zero": False}}
    names = {"domain": [*NAMES.values()]}
    model = {"field": "model", "type": "nominal", "title": None, "legend": {"symbolOpacity": 1}}
    shape, colour = model | {"scale": names}, model | {"scale": names | {"scheme": "dark2"}}
    means = [{"op": "mean", "field": name, "as": name} for name in ("minutes", "fid")]
    over_seeds = {"aggregate": means, "groupby": ["model", "faces", "asked"]}
    interval = {"y": y | {"field": "low"}, "y2": {"field": "high"}}
    value = {"y": y | {"field": "fid"}}
    return [
        {"mark": "rule", "encoding": {"x": x, "color": colour} | interval},
        {
            "mark": {"type": "line", "opacity": 0.5},
            "encoding": {"x": x, "color": colour} | value,
            "transform": [over_seeds],
        },
        {
            "mark": {"type": "point", "filled": True, "size": 50},
            "encoding": {"x": x, "color": colour, "shape": shape} | value,
        },
    ]
