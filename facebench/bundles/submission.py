"""What somebody submits: rows with the pictures beside them, from a bundle or from a folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from facebench.errors import BadInput
from facebench.metrics.table import METRICS, is_known, metric
from facebench.numerics.precision import Precision
from facebench.results.result import Result, read_result, read_results
from facebench.text import listed

BUNDLE = ".zip"
_SAMPLED = "sampled"
"""The split of a model in the reference's place."""
_OF_NO_MODEL = {"images": "pictures that are there already", "statistics": "statistics"}


@dataclass(frozen=True)
class Submission:
    """Rows by their names, and each one's sheet of pictures, if there is any."""

    name: str
    results: Mapping[str, Result]
    pictures: Mapping[str, bytes]

    def row(self, name: str) -> Result:
        """Return the row called `name`, if it can be verified, or raise BadInput."""
        if name not in self.results:
            raise BadInput(
                f"{self.name} has no row {name!r}; it has: {listed(self.results)}. Call the model "
                "as its row, in --models NAME=PATH."
            )
        result = self.results[name]
        if why := _why_not(result):
            raise BadInput(f"The row {name} cannot be verified: {why}.")
        return result


def read_submission(path: Path) -> Submission:
    """Read a bundle, a results folder, or the file of one row with what lies beside it."""
    if path.is_file() and path.suffix == BUNDLE:
        from facebench.bundles.bundle import read_bundle

        bundle = read_bundle(path)
        return Submission(path.name, {r.model: r for r in bundle.results}, bundle.pictures)
    if not path.exists():
        raise BadInput(f"There is no bundle {path}: check the path.")
    results = [read_result(path)] if path.is_file() else read_results(path)
    samples = (path.parent if path.is_file() else path) / "samples"
    sheets = {result.model: samples / f"{result.model}.png" for result in results}
    pictures = {name: sheet.read_bytes() for name, sheet in sheets.items() if sheet.is_file()}
    return Submission(path.name, {result.model: result for result in results}, pictures)


def keys_of(result: Result) -> list[str]:
    """Return the metrics that computed a row's values, each by its key in the table."""
    return list(dict.fromkeys(metric(key).key for key in result.metrics if is_known(key)))


def _why_not(result: Result) -> str:
    """Say why no other images can be drawn for a row and compared; empty where they can."""
    if result.is_sanity:
        return "it is a sanity check, made of real images"
    if result.adapter in _OF_NO_MODEL:
        kind = _OF_NO_MODEL[result.adapter]
        return f"it is of {kind}, and only a model can be asked for images of other seeds"
    if result.protocol.pairs:
        return "it is of image to image, whose answers are not redrawn yet"
    if result.protocol.split == _SAMPLED:
        return "its real images were sampled from a model, and would be others"
    if result.protocol.precision not in get_args(Precision):
        return f"nothing is known here of its arithmetic, {result.protocol.precision}"
    if not keys_of(result):
        return f"it has no metric that is known here; there are: {', '.join(METRICS)}"
    return ""
