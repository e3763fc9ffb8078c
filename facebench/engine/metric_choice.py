"""Which metrics an evaluation computes: those asked for, or all that everything else serves."""

from collections.abc import Sequence

from facebench.engine.entries import Entry, PicturesRow
from facebench.engine.real_images import RealImages
from facebench.errors import BadInput
from facebench.features import WITHOUT_DOWNLOAD
from facebench.metrics.metric import OF_ANSWERS, OF_FACES, OF_LPIPS_PAIRS, OF_PAIRS, OF_TRAINING
from facebench.metrics.modes import Mode
from facebench.metrics.table import METRICS, Metric

PLAIN = (
    *("fid", "fdr", "fid_class", "mind", "cmmd", "kid"),
    *("clipped_density", "precision", "clipped_coverage", "coverage", "recall"),
)
"""What sets as they are get unasked: what one network and some seconds give."""
BESIDE_PAIRS = ("fid", "kid")
"""What translators get unasked, besides what answers and their targets tell."""


def choose_metrics(
    extractors: Sequence[str],
    keys: Sequence[str] | None,
    mode: Mode,
    real: RealImages,
    sanity: bool = False,
    plain: bool = False,
    faces: bool = False,
    has_lpips: bool = True,
) -> list[Metric]:
    """Return the rows that `keys` name; by default all that everything else can serve.

    With `faces`, those of faces are among them, unless `keys` name some of those.

    With features that need no download LPIPS' network is not asked for by default; nor is what
    needs every training image extracted, unless there are sanity rows to show it on.
    """
    if not real.has_images:
        if faces:
            raise BadInput(
                f"The face pass needs the real images themselves, and {real.name} holds statistics "
                "of them: leave --faces out, or give the pictures."
            )
        return _of_statistics(keys, _default(mode, plain), real.name)
    missing = _missing(extractors, real, faces)
    of_faces = [row for row in _default(mode, plain=False) if row.is_of_faces]
    of_faces = [row for row in of_faces if row.needs not in missing]
    if faces and not of_faces:
        raise BadInput(f"The mode {mode.name} has no metrics of faces: leave --faces out.")
    if keys is None:
        is_offline = extractors[0] in WITHOUT_DOWNLOAD
        skipped = {*missing, *OF_FACES} | ({"lpips"} if is_offline else set())
        if real.pairs and not has_lpips:
            skipped |= {*OF_LPIPS_PAIRS}
        rows = [row for row in _default(mode, plain, sanity) if row.needs not in skipped]
        if real.pairs:
            rows = [row for row in rows if row.is_of_pairs or row.key in BESIDE_PAIRS]
    else:
        rows = _named(keys)
    if not any(row.is_of_faces for row in rows):
        rows += of_faces
    for name in extractors:
        mode.check(name, [row.key for row in rows])
    for row in rows:
        if row.needs in missing:
            raise BadInput(f"{row.key} needs {missing[row.needs]}.")
    is_of_distances = any(row.needs == "floors" for row in rows)
    return [*dict.fromkeys([METRICS["fid"], *rows])] if is_of_distances else rows


def _of_statistics(
    keys: Sequence[str] | None, default: Sequence[Metric], name: str
) -> list[Metric]:
    rows = default if keys is None else _named(keys)
    there = [row for row in rows if "real" in row.from_moments]
    if keys is not None and len(there) < len(rows):
        row = next(row for row in rows if row not in there)
        raise BadInput(
            f"{row.key} needs the real images themselves, and {name} holds statistics of them: "
            "leave it out, or give the pictures."
        )
    return there


def _missing(extractors: Sequence[str], real: RealImages, faces: bool) -> dict[str, str]:
    """Return what metrics need and there is not, and what to do."""
    missing = {}
    if len(extractors) + faces < 2:
        missing["floors"] = "two networks or more: name them with commas between, in --extractor"
    if not faces:
        missing |= dict.fromkeys(OF_FACES, "the face pass: add --faces")
    elif real.dataset is None or not real.dataset.attributes:
        missing["attributes"] = (
            f"attributes of the real images, and {real.name} has none: prepare them with facebench "
            "data prepare --attributes"
        )
    if extractors[0] != "inception":
        missing["logits"] = f"the extractor inception, not {extractors[0]}"
    if real.training is None:
        for needs in OF_TRAINING:
            missing.setdefault(
                needs,
                f"training images, and {real.name} does not say which they are: give a prepared "
                "data set (facebench data prepare)",
            )
    if real.pairs is None:
        missing |= dict.fromkeys(OF_PAIRS, "a source and a target for each image: eval-pairs")
    elif real.pairs.asked.answers < 2:
        several = "several answers to each source: add --seeds-per-source"
        missing |= dict.fromkeys(OF_ANSWERS, several)
    if not real.has_pairs:
        missing["lpips"] = (
            f"images of one size, and {real.name} has several: leave it out, or bring them to one "
            "(facebench data prepare)"
        )
    if real.classes is None:
        missing["labels"] = _no_classes(real.name)
    return missing


def _no_classes(name: str) -> str:
    return (
        f"a class for each image, and {name} has none: leave it out, or give pictures with labels "
        "(images+labels=folders:PATH takes folders for classes)"
    )


def check_classes(entries: Sequence[Entry], keys: Sequence[str]) -> None:
    """Refuse metrics of classes that are asked for where no row has any; of some, a note tells."""
    of_classes = [key for key in keys if key in METRICS and METRICS[key].needs == "labels"]
    if of_classes and entries and all(map(_lacks_classes, entries)):
        raise BadInput(f"{of_classes[0]} needs {_no_classes(entries[0].name)}.")


def _lacks_classes(row: Entry) -> bool:
    """Say whether a row is known to have none; what cannot be opened is told in its turn."""
    try:
        return isinstance(row, PicturesRow) and not row.pictures.labels
    except BadInput:
        return False


def check_count(rows: Sequence[Metric], count: int, what: str) -> None:
    """Refuse fewer images than any of `rows` is defined for."""
    for row in rows:
        if count < row.minimum:
            raise BadInput(
                f"{row.key} needs at least {row.minimum} images a side and {what} gives "
                f"{count}: give more, or choose other --metrics."
            )


def _default(mode: Mode, plain: bool, sanity: bool = False) -> list[Metric]:
    """Return what is computed unasked: in another tool's mode, all that the tool defines."""
    if mode.metrics is not None:
        return [METRICS[key] for key in METRICS if key in mode.metrics]
    return [
        row
        for row in METRICS.usable
        if (row.default or (sanity and row.needs == "training")) and (row.key in PLAIN or not plain)
    ]


def _named(keys: Sequence[str]) -> list[Metric]:
    unknown = [key for key in keys if key not in METRICS]
    if unknown or not keys:
        named = f"There is no metric {unknown[0]!r}" if unknown else "No metric is named"
        raise BadInput(f"{named}; there are: {', '.join(METRICS)}.")
    return [METRICS[key] for key in dict.fromkeys(keys)]
