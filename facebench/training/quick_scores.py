"""Scores of a model in training, against images that it may know: cheap, and labelled so.

A name says all that the number hangs on: ``fd_portrait@256`` is the Fréchet distance of portrait's
features between 256 images a side, ``fid@1000`` that of Inception's between 1,000. Such
values belong beside one another, never beside a published FID, which is of 50,000 images.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from facebench.errors import BadInput
from facebench.metrics.metric import Metric
from facebench.metrics.table import METRICS
from facebench.results.interval_ends import HIGH, LOW
from facebench.sampler import Images
from facebench.weights import WeightSource

if TYPE_CHECKING:
    from facebench.metrics.feature_sets import FeatureSet

DEFAULT = ("fid", "kid")
"""FID, which everybody reads, and KID, which no bias shifts at so few images."""
_BATCH = 32
_COMPUTED_FROM = ("features", "logits")
Numbers = dict[str, float]
"""Values by their names, and the ends of their 95 % intervals by ``NAME_low`` and ``NAME_high``."""


class QuickScores:
    """Some metrics of generated images, against the same real ones every time.

    Neither the random state of any library nor the user's autocast has a part in them.
    """

    def __init__(
        self,
        real: Images,
        extractor: str = "portrait",
        metrics: Sequence[str] = DEFAULT,
        device: str = "cpu",
    ):
        """Load the network, and compute what it makes of the `real` images."""
        from facebench import features

        self.metrics = choose_metrics(metrics, extractor, len(real))
        self.network = features.create(extractor, WeightSource(), device)
        self._count = len(real)
        self._real = self.extract(real)

    def extract(self, images: Images) -> "FeatureSet":
        """Return what the network makes of `images`."""
        import torch

        from facebench.metrics.feature_sets import FeatureSet

        with torch.autocast(torch.device(self.network.device).type, enabled=False):
            record = self.network.extract(images, _BATCH)
        return FeatureSet(record["features"], record.get("logits"))

    def compute(self, metric: Metric, fake: "FeatureSet") -> Numbers:
        """Return one metric's value, and its interval where there are images enough for one.

        It is computed on the CPU: a training loop wants its GPU's memory.
        """
        from facebench.metrics.feature_sets import Comparison

        estimate = metric.compute(Comparison(self._real, fake))
        name, ends = self.name(metric), estimate.interval(metric.valid)
        interval = dict(zip((name + LOW, name + HIGH), ends, strict=True)) if ends else {}
        return {name: float(estimate.value)} | interval

    def of(self, fake: Images) -> Numbers:
        """Return every metric of as many generated images."""
        extracted = self.extract(fake)
        found = [self.compute(metric, extracted) for metric in self.metrics]
        return {name: value for each in found for name, value in each.items()}

    def name(self, metric: Metric) -> str:
        """Return the name of a metric's values: with the network, and the images a side."""
        network = self.network.name
        key = metric.named(network)
        if not metric.distance and network != "inception":
            key += f"_{network}"
        return f"{key}@{self._count}"


def choose_metrics(keys: Sequence[str], extractor: str, count: int) -> list[Metric]:
    """Return the rows that `keys` name, or raise BadInput where they cannot be tracked."""
    unknown = [key for key in keys if key not in METRICS]
    if unknown or not keys:
        named = f"There is no metric {unknown[0]!r}" if unknown else "No metric is named"
        there = (key for key, row in METRICS.items() if row.needs in _COMPUTED_FROM)
        raise BadInput(f"{named}; there are: {', '.join(there)}.")
    rows = [METRICS[key] for key in dict.fromkeys(keys)]
    for row in rows:
        if row.needs not in _COMPUTED_FROM:
            raise BadInput(f"{row.key} takes too long for a training loop: ask facebench eval.")
        if row.needs == "logits" and extractor != "inception":
            raise BadInput(f"{row.key} needs the extractor inception, not {extractor}.")
        if count < row.minimum:
            raise BadInput(
                f"{row.key} needs at least {row.minimum} images a side, and there are {count}: "
                "give more, or choose other metrics."
            )
    return rows
