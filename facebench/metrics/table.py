"""The table of metrics: one row each. A new metric is one function and one row here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from facebench.errors import BadInput

if TYPE_CHECKING:
    from facebench.metrics.comparison import Comparison
    from facebench.result import Value


@dataclass(frozen=True)
class Metric:
    """One row: what a metric is called, how it is computed, how it is read."""

    key: str
    """Its name with the default extractor, Inception's pool features."""
    title: str
    compute: "Callable[[Comparison], Value]"
    better: Literal["lower", "higher", "reference"]
    """Which direction is better; "reference": the closer to the reference's own value."""
    paper: str
    card: str
    """One sentence for a reader who has never heard of it."""
    caution: str = ""
    """Its known failure mode."""
    note: str = ""
    """What must stand beside its every value, not in a footnote."""
    needs: Literal["features", "logits", "lpips"] = "features"
    minimum: int = 2
    """The fewest images a side it is defined for."""
    distance: str = ""
    """For distances: the stem of its name with any other extractor, e.g. "fd" in fd_random."""

    def named(self, extractor: str) -> str:
        """Return the key under which this metric is reported with `extractor`.

        >>> METRICS["fid"].named("inception"), METRICS["fid"].named("inception@768")
        ('fid', 'fid_768')
        >>> METRICS["fid"].named("random"), METRICS["recall"].named("random")
        ('fd_random', 'recall')
        """
        network, _, layer = extractor.partition("@")
        if not self.distance or extractor == "inception":
            return self.key
        return f"{self.key}_{layer}" if network == "inception" else f"{self.distance}_{extractor}"


_ROWS = (
    Metric(
        "fid",
        "FID",
        lambda c: c.frechet,
        "lower",
        "Heusel et al. 2017, arXiv:1706.08500",
        "Distance between the real and the generated images' feature distributions, each taken "
        "as one Gaussian; 0 is perfect.",
        "Biased upwards at small N, so compare only at equal N; it sees backgrounds and hats "
        "before eyes and mouths.",
        distance="fd",
    ),
    Metric(
        "kid",
        "KID",
        lambda c: c.kernel,
        "lower",
        "Bińkowski et al. 2018, arXiv:1801.01401",
        "Squared kernel distance between the two feature distributions; unbiased, so it may fall "
        "slightly below its ideal of 0.",
        "Values near 0 are noise; its features are FID's, with the same blind spots.",
        distance="kd",
    ),
    Metric(
        "is",
        "IS",
        lambda c: c.inception_score,
        "higher",
        "Salimans et al. 2016, arXiv:1606.03498",
        "Whether an ImageNet classifier is sure of each image and sees many classes; it never "
        "looks at the real images.",
        "Sees ImageNet's classes, of which a face is none.",
        note="IS is uninformative on faces: every model sits near 2.7",
        needs="logits",
        minimum=10,
    ),
    Metric(
        "precision",
        "Precision",
        lambda c: c.precision,
        "higher",
        "Kynkäänniemi et al. 2019, arXiv:1904.06991",
        "Share of the generated images that look real: they lie within the real images' "
        "neighbourhoods.",
        "A generator that repeats one good face scores high; read it with recall.",
        minimum=6,
    ),
    Metric(
        "recall",
        "Recall",
        lambda c: c.recall,
        "higher",
        "Kynkäänniemi et al. 2019, arXiv:1904.06991",
        "Share of the real images that the generator could have made: they lie within the "
        "generated images' neighbourhoods.",
        "Outliers among the generated images widen their neighbourhoods and flatter it.",
        minimum=6,
    ),
    Metric(
        "density",
        "Density",
        lambda c: c.density,
        "higher",
        "Naeem et al. 2020, arXiv:2002.09797",
        "How many real neighbourhoods each generated image lies in, relative to what real images "
        "would score; 1 is par.",
        "Not bounded by 1: crowding the densest real regions raises it further.",
        minimum=6,
    ),
    Metric(
        "coverage",
        "Coverage",
        lambda c: c.coverage,
        "higher",
        "Naeem et al. 2020, arXiv:2002.09797",
        "Share of the real images that have a generated image among their neighbours.",
        "Depends on N: compare only at equal N.",
        minimum=6,
    ),
    Metric(
        "lpips_diversity",
        "LPIPS diversity",
        lambda c: c.diversity,
        "reference",
        "Zhang et al. 2018, arXiv:1801.03924",
        "Mean perceptual distance between all pairs of generated images; it should match the real "
        "images' own, neither less nor more.",
        "Noise and artefacts raise it, so more is not better.",
        needs="lpips",
    ),
)

METRICS = {row.key: row for row in _ROWS}


def metric(key: str) -> Metric:
    """Return the row that reports under `key`, whatever the extractor in its name.

    >>> metric("fd_random").title, metric("kid_768").title
    ('FID', 'KID')
    """
    if key in METRICS:
        return METRICS[key]
    stem = key.partition("_")[0]
    for row in _ROWS:
        if row.distance and stem in (row.key, row.distance):
            return row
    raise BadInput(f"There is no metric {key!r}; there are: {', '.join(METRICS)}.")


def title(key: str) -> str:
    """Return the heading for `key`; only Inception's own distances are called FID or KID.

    >>> title("fid"), title("fid_768"), title("fd_random"), title("kd_vgg16")
    ('FID', 'FID @768', 'Fréchet distance, random', 'Kernel distance, vgg16')
    """
    row = metric(key)
    if key == row.key:
        return row.title
    stem, _, rest = key.partition("_")
    if stem == row.key:
        return f"{row.title} @{rest}"
    return f"{'Fréchet' if stem == 'fd' else 'Kernel'} distance, {rest}"
