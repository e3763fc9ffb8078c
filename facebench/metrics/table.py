"""The table of metrics: one row each. A new metric is one function and one row here."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from facebench.errors import BadInput

if TYPE_CHECKING:
    from facebench.metrics.comparison import Comparison
    from facebench.metrics.uncertainty import Estimate


@dataclass(frozen=True)
class Metric:
    """One row: what a metric is called, how it is computed, how it is read."""

    key: str
    """Its name with the default extractor, Inception's pool features."""
    title: str
    compute: "Callable[[Comparison], Estimate]"
    better: Literal["lower", "higher", "reference"]
    """Which direction is better; "reference": the closer to the reference's own value."""
    paper: str
    card: str
    """One sentence for a reader who has never heard of it."""
    caution: str = ""
    """Its known failure mode."""
    note: str = ""
    """What must stand beside its every value, not in a footnote."""
    unit: str = "1"
    valid: tuple[float, float] = (0.0, math.inf)
    """Which values can occur."""
    needs: Literal["features", "logits", "lpips", "training"] = "features"
    minimum: int = 2
    """The fewest images a side it is defined for."""
    distance: str = ""
    """For distances: the stem of its name with any other extractor, e.g. "fd" in fd_random."""
    home: str = "inception"
    """The extractor under which a distance goes by its bare key."""
    default: bool = True
    """Whether it is computed unasked."""
    interval_note: str = ""
    """Where its interval is not what 95 % promises."""

    def named(self, extractor: str) -> str:
        """Return the key under which this metric is reported with `extractor`.

        >>> METRICS["fid"].named("inception"), METRICS["fid"].named("inception@768")
        ('fid', 'fid_768')
        >>> METRICS["fid"].named("random"), METRICS["recall"].named("random")
        ('fd_random', 'recall')
        """
        extractor = extractor.partition("~")[0]  # a mode's way to resize, which the protocol names
        network, _, layer = extractor.partition("@")
        if not self.distance or extractor == self.home:
            return self.key
        return f"{self.key}_{layer}" if network == self.home else f"{self.distance}_{extractor}"


_NULL_NOTE = (
    "Close to its best value the interval is too wide, by up to about √2: differences between "
    "nearly perfect models are called too rarely, never too often."
)
_SHARE = (0.0, 1.0)

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
        unit="squared feature units",
        distance="fd",
        interval_note=_NULL_NOTE,
    ),
    Metric(
        "fid_inf",
        "FID∞",
        lambda c: c.frechet_infinity,
        "lower",
        "Chong & Forsyth 2020, arXiv:1911.07023",
        "FID as it would be of infinitely many images: a line in 1/N through nested subsets, "
        "followed to its end.",
        "Noisier than FID; with fewer images than feature dimensions only part of the bias is "
        "taken away.",
        unit="squared feature units",
        valid=(-math.inf, math.inf),
        minimum=4,
        distance="fd_inf",
        interval_note=_NULL_NOTE,
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
        unit="kernel units",
        valid=(-math.inf, math.inf),
        distance="kd",
        interval_note=_NULL_NOTE,
    ),
    Metric(
        "cmmd",
        "CMMD",
        lambda c: c.cmmd,
        "lower",
        "Jayasumana et al. 2024, arXiv:2401.09603",
        "Squared distance under a Gaussian kernel, times 1000, between features of length 1; "
        "unbiased, and no Gaussian is assumed.",
        "Published values are of CLIP's features: of others it is another scale, which its name "
        "says.",
        unit="kernel units × 1000",
        valid=(-math.inf, math.inf),
        distance="cmmd",
        home="clip-vit-l-14-336px",
        interval_note=_NULL_NOTE,
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
        note="IS says little of faces: ImageNet has no class for them",
        unit="effective classes",
        valid=(1.0, 1008.0),
        needs="logits",
        minimum=10,
    ),
    Metric(
        "precision",
        "Precision",
        lambda c: c.manifold.precision,
        "higher",
        "Kynkäänniemi et al. 2019, arXiv:1904.06991",
        "Share of the generated images that look real: they lie within the real images' "
        "neighbourhoods.",
        "A generator that repeats one good face scores high; read it with recall.",
        unit="share of the generated images",
        valid=_SHARE,
        minimum=6,
        interval_note="With fewer images than feature dimensions the interval is too wide, by up "
        "to 1.5 times.",
    ),
    Metric(
        "recall",
        "Recall",
        lambda c: c.manifold.recall,
        "higher",
        "Kynkäänniemi et al. 2019, arXiv:1904.06991",
        "Share of the real images that the generator could have made: they lie within the "
        "generated images' neighbourhoods.",
        "Outliers among the generated images widen their neighbourhoods and flatter it.",
        unit="share of the real images",
        valid=_SHARE,
        minimum=6,
    ),
    Metric(
        "density",
        "Density",
        lambda c: c.manifold.density,
        "higher",
        "Naeem et al. 2020, arXiv:2002.09797",
        "How many real neighbourhoods each generated image lies in, relative to what real images "
        "would score; 1 is par.",
        "Not bounded by 1: crowding the densest real regions raises it further.",
        unit="1 = as real images",
        minimum=6,
    ),
    Metric(
        "coverage",
        "Coverage",
        lambda c: c.manifold.coverage,
        "higher",
        "Naeem et al. 2020, arXiv:2002.09797",
        "Share of the real images that have a generated image among their neighbours.",
        "Depends on N: compare only at equal N.",
        unit="share of the real images",
        valid=_SHARE,
        minimum=6,
    ),
    Metric(
        "authenticity",
        "Authenticity",
        lambda c: c.authenticity,
        "higher",
        "Alaa et al. 2022, arXiv:2102.08921",
        "Share of the generated images that lie farther from their nearest training image than "
        "that image from its own neighbour: a copycat has 0.",
        "Blind to copies of faces that training holds twice, and good models score lower than bad "
        "ones, which lie far from everything.",
        unit="share of the generated images",
        valid=_SHARE,
        needs="training",
        default=False,
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
        unit="LPIPS",
        needs="lpips",
    ),
    Metric(
        "vendi",
        "Vendi score",
        lambda c: c.vendi,
        "reference",
        "Friedman & Dieng 2023, arXiv:2210.02410",
        "How many entirely different images the set is worth, by the cosine similarity of their "
        "features; it should match the real images' own. Exact at any N.",
        "Grows with N, so compare only at equal N; noise raises it as well as variety.",
        unit="effective images",
        valid=(1.0, math.inf),
        interval_note="With fewer images than feature dimensions the interval is too narrow: it "
        "held the true value in 88 % of simulations, not 95 %.",
    ),
)

METRICS = {row.key: row for row in _ROWS}
_ELSEWHERE = {
    "fid": "Fréchet distance",
    "fid_inf": "Fréchet distance∞",
    "kid": "Kernel distance",
    "cmmd": "CMMD",
}
"""What distances are called with another network than the one they are named for."""


def metric(key: str) -> Metric:
    """Return the row that reports under `key`, whatever the extractor in its name.

    >>> metric("fd_random").title, metric("kid_768").title
    ('FID', 'KID')
    """
    for row in sorted(_ROWS, key=lambda row: -len(row.key)):  # fid_inf_768 is no fid_768
        stems = {row.key, row.distance} if row.distance else set()
        if key == row.key or any(key.startswith(f"{stem}_") for stem in stems):
            return row
    raise BadInput(f"There is no metric {key!r}; there are: {', '.join(METRICS)}.")


def title(key: str) -> str:
    """Return the heading for `key`; only Inception's own distances are called FID or KID.

    >>> title("fid"), title("fid_768"), title("fid_inf_768"), title("cmmd_random")
    ('FID', 'FID @768', 'FID∞ @768', 'CMMD, random')
    >>> title("fd_random"), title("kd_vgg16"), title("fd_inf_random")
    ('Fréchet distance, random', 'Kernel distance, vgg16', 'Fréchet distance∞, random')
    """
    row = metric(key)
    if key == row.key:
        return row.title
    if key.startswith(f"{row.distance}_"):
        return f"{_ELSEWHERE[row.key]}, {key.removeprefix(f'{row.distance}_')}"
    return f"{row.title} @{key.removeprefix(f'{row.key}_')}"
