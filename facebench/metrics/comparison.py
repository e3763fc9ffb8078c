"""One model's features against the reference's: each metric of the table, computed on demand."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from facebench.errors import BadInput
from facebench.metrics.arrays import Features
from facebench.metrics.diversity import diversity_estimate
from facebench.metrics.extrapolation import frechet_infinity_estimate
from facebench.metrics.frechet import frechet_estimate
from facebench.metrics.inception import inception_estimate
from facebench.metrics.kernel import cmmd_estimate, kernel_estimate
from facebench.metrics.manifold import ManifoldEstimates, manifold_estimates
from facebench.metrics.memorization import authenticity_estimate
from facebench.metrics.modes import DEFAULT, MODES, Mode
from facebench.metrics.uncertainty import Estimate
from facebench.metrics.vendi_score import vendi_estimate


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """What the extractors made of one set of images; None where the metrics asked for need none."""

    features: Features
    """Shape (n, d)."""
    logits: Features | None = None
    """Inception's unbiased logits, shape (n, classes)."""
    lpips: dict[str, np.ndarray] | None = None
    """Rows of :class:`facebench.metrics.diversity.PairMoments`."""

    def part(self, start: int, stop: int) -> "FeatureSet":
        """Return what belongs to images `start` to `stop`, of LPIPS' moments whole rows only."""
        rows = self.lpips
        if rows is not None:
            ends = rows["count"].cumsum()
            inside = (ends - rows["count"] >= start) & (ends <= stop)
            rows = {name: array[inside] for name, array in rows.items()}
        logits = None if self.logits is None else self.logits[start:stop]
        return FeatureSet(self.features[start:stop], logits, rows)

    @cached_property
    def diversity(self) -> Estimate:
        """Mean LPIPS over all pairs."""
        if self.lpips is None:
            raise BadInput("LPIPS diversity needs the LPIPS moments of both sets: extract them.")
        return diversity_estimate(self.lpips)

    @cached_property
    def vendi(self) -> Estimate:
        """The effective number of different images."""
        return vendi_estimate(self.features)


@dataclass(frozen=True, eq=False)
class Comparison:
    """The metrics of a generated set against a real one, by the definitions of `mode`."""

    real: FeatureSet
    fake: FeatureSet
    training: FeatureSet | None = None
    """What the model may have been trained on, for metrics that ask whether it copies."""
    mode: Mode = MODES[DEFAULT]

    @cached_property
    def frechet(self) -> Estimate:
        """Fréchet distance (FID on Inception's pool features)."""
        return frechet_estimate(self.real.features, self.fake.features)

    @cached_property
    def frechet_infinity(self) -> Estimate:
        """Fréchet distance extrapolated to infinitely many images."""
        return frechet_infinity_estimate(self.real.features, self.fake.features, self.mode.seed)

    @cached_property
    def kernel(self) -> Estimate:
        """Kernel distance (KID)."""
        real, fake = self.real.features, self.fake.features
        size = min(self.mode.kid_subset_size, len(real), len(fake))
        return kernel_estimate(real, fake, self.mode.kid_subsets, size, self.mode.seed)

    @cached_property
    def cmmd(self) -> Estimate:
        """Maximum mean discrepancy under a Gaussian kernel."""
        return cmmd_estimate(self.real.features, self.fake.features)

    @cached_property
    def inception_score(self) -> Estimate:
        """Inception Score of the generated set."""
        if self.fake.logits is None:
            raise BadInput("The Inception Score needs logits: extract with inception.")
        return inception_estimate(self.fake.logits, self.mode.splits, self.mode.seed)

    @cached_property
    def manifold(self) -> ManifoldEstimates:
        """Precision, recall, density and coverage."""
        mode = self.mode
        return manifold_estimates(
            self.real.features, self.fake.features, mode.k, mode.k_density, strict=mode.strict
        )

    @cached_property
    def authenticity(self) -> Estimate:
        """Share of the generated images that are no near copies of training images."""
        if self.training is None:
            raise BadInput("Authenticity needs the training images' features: extract them.")
        return authenticity_estimate(self.training.features, self.fake.features)

    @cached_property
    def diversity(self) -> Estimate:
        """Mean LPIPS over all generated pairs, beside that over all real pairs."""
        return self.fake.diversity.beside(self.real.diversity.value)

    @cached_property
    def vendi(self) -> Estimate:
        """Effective number of different generated images, beside that of the real ones."""
        return self.fake.vendi.beside(self.real.vendi.value)
