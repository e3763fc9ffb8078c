"""One model's features against the reference's: each metric of the table, computed on demand."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from facebench.errors import BadInput
from facebench.metrics.arrays import Features
from facebench.metrics.frechet import frechet_distance
from facebench.metrics.inception import inception_score
from facebench.metrics.kernel import kernel_distances
from facebench.metrics.manifold import ManifoldScores, manifold_scores
from facebench.result import Value

if TYPE_CHECKING:
    from facebench.metrics.diversity import PairMoments

_SUBSET_SIZE = 1000
_SPLITS = 10


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """What the extractors made of one set of images; None where the metrics asked for need none."""

    features: Features
    """Shape (n, d)."""
    logits: Features | None = None
    """Inception's unbiased logits, shape (n, classes)."""
    lpips: "PairMoments | None" = None


@dataclass(frozen=True, eq=False)
class Comparison:
    """The metrics of a generated set against a real one; `seed` draws subsets and splits."""

    real: FeatureSet
    fake: FeatureSet
    seed: int = 2020

    @cached_property
    def frechet(self) -> Value:
        """Fréchet distance (FID on Inception's pool features)."""
        return Value(frechet_distance(self.real.features, self.fake.features))

    @cached_property
    def kernel(self) -> Value:
        """Kernel distance (KID). Subsets overlap, so their spread is no standard error."""
        real, fake = self.real.features, self.fake.features
        size = min(_SUBSET_SIZE, len(real), len(fake))
        distances = kernel_distances(real, fake, subset_size=size, seed=self.seed)
        return Value(float(distances.mean()))

    @cached_property
    def inception_score(self) -> Value:
        """Inception Score of the generated set."""
        if self.fake.logits is None:
            raise BadInput("The Inception Score needs logits: extract with inception.")
        mean, std = inception_score(self.fake.logits, _SPLITS, self.seed)
        return Value(mean, std / math.sqrt(_SPLITS))

    @cached_property
    def precision(self) -> Value:
        """Share of the generated images within the real manifold, k = 3."""
        return Value(self._manifold.precision)

    @cached_property
    def recall(self) -> Value:
        """Share of the real images within the generated manifold, k = 3."""
        return Value(self._manifold.recall)

    @cached_property
    def density(self) -> Value:
        """Generated images in the real neighbourhoods relative to par, k = 5."""
        return Value(self._manifold.density)

    @cached_property
    def coverage(self) -> Value:
        """Share of the real neighbourhoods that hold a generated image, k = 5."""
        return Value(self._manifold.coverage)

    @cached_property
    def diversity(self) -> Value:
        """Mean LPIPS over all generated pairs, beside that over all real pairs."""
        if self.fake.lpips is None or self.real.lpips is None:
            raise BadInput("LPIPS diversity needs the LPIPS moments of both sets: extract them.")
        return Value(self.fake.lpips.mean(), reference=self.real.lpips.mean())

    @cached_property
    def _manifold(self) -> ManifoldScores:
        return manifold_scores(self.real.features, self.fake.features)
