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
            "model": TITLES[each.model].replace("`", ""),
            "faces": f"{each.faces:,} faces",
            "minutes": each.seconds / 60,
            "FID @768": each.fid,
            "low": each.low,
            "high": each.high,
        }


def _draw(lines: "Sequence[Line]") -> None:
    import vl_convert
    from PIL import Image

    x: dict[str, Any] = {
        "field": "minutes",
        "type": "quantitative",
        "title": "minutes of training, one core",
    }
    x["scale"] = {"type": "symlog", "constant": 1}
    colour = {"field": "model", "type": "nominal"}
    y = {"field": "FID @768", "type": "quantitative", "scale": {"zero": False}}
    ends = {"y": y | {"field": "low", "title": "FID @768"}, "y2": {"field": "high"}}
    layers = [
        {"mark": "rule", "encoding": {"x": x, "color": colour} | ends},
        {
            "mark": {"type": "line", "opacity": 0.4},
            "encoding": {"x": x, "y": y | {"aggregate": "mean"}, "color": colour},
            "transform": [
                {"calculate": "round(datum.minutes / 10) * 10", "as": "minutes"},
                {"filter": "datum.minutes > 0"},
            ],
        },
        {
            "mark": {"type": "point", "filled": True},
            "encoding": {"x": x, "y": y, "color": colour, "shape": colour},
        },
    ]
    panel = {"layer": layers, "width": 330, "height": 280}
    column = {"field": "faces", "type": "nominal", "title": None}
    spec = {"data": {"values": [*_points(lines)]}, "facet": {"column": column}}
    image = vl_convert.vegalite_to_png(spec | {"spec": panel, "background": "white"}, scale=2)
    Image.open(BytesIO(image)).save(PLOT, quality=85)
