"""Who lies in whose neighbourhood, fidelity and diversity apart: rows."""

from typing import TYPE_CHECKING

from facebench.metrics.metric import Metric

if TYPE_CHECKING:
    from facebench.metrics.feature_sets import Comparison
    from facebench.metrics.uncertainty import Estimate


def _coverage(c: "Comparison") -> "Estimate":
    estimate, faces = c.manifold.coverage, c.real.faces
    if faces is None or not faces.attributes:
        return estimate
    from facebench.metrics.faces.subgroups import group_shares, with_groups

    return with_groups(estimate, group_shares(c.covered, faces.attributes))


_AT_1_NOTE = (
    "Close to 1, above which no value goes, the interval is too wide: it holds the true value in "
    "99 % of simulations."
)

ROWS: tuple[Metric, ...] = (
    Metric(
        "clipped_density",
        "Clipped Density",
        lambda c: c.clipped.density,
        "higher",
        "Salvy et al. 2025, arXiv:2507.01761",
        "How far the generated images lie where real ones do, as a share of good images: 1 as real "
        "ones, 0 nowhere near any.",
        "No image counts more than once, and real outliers no more than others; a generator that "
        "repeats one good face scores high: read it with Clipped Coverage.",
        unit="share of the generated images",
        valid=(0.0, 1.0),
        minimum=6,
        interval_note=_AT_1_NOTE,
        looks_at=("fidelity",),
        interval="more noise",
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
        valid=(0.0, 1.0),
        minimum=6,
        looks_at=("fidelity",),
        interval_note="Of clustered features it is too narrow: it held the true value in 89 % of "
        "simulations.",
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
        looks_at=("fidelity",),
        default=False,
    ),
    Metric(
        "clipped_coverage",
        "Clipped Coverage",
        lambda c: c.clipped.coverage,
        "higher",
        "Salvy et al. 2025, arXiv:2507.01761",
        "How many good images, as a share of those generated, would be expected to cover the real "
        "ones as well.",
        "Bad images and missing kinds of faces lower it alike; read it with Clipped Density.",
        unit="share of the generated images",
        valid=(0.0, 1.0),
        minimum=6,
        interval_note=_AT_1_NOTE,
        interval="more noise",
    ),
    Metric(
        "coverage",
        "Coverage",
        _coverage,
        "higher",
        "Naeem et al. 2020, arXiv:2002.09797",
        "Share of the real images that have a generated image among their neighbours.",
        "Depends on N: compare only at equal N.",
        unit="share of the real images",
        valid=(0.0, 1.0),
        minimum=6,
        interval_note="Of clustered features, and of generators that repeat images, it is too "
        "narrow: it held the true value in 85 and 74 % of simulations, and equal generators were "
        "called different in 16 %.",
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
        valid=(0.0, 1.0),
        minimum=6,
        looks_at=("diversity",),
        interval_note="Of generators that repeat images it is too narrow: it held the true value "
        "in 91 % of simulations.",
    ),
)
