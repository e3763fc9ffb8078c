"""One model's features against the reference's, and what several metrics make of both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool

from facebench.errors import BadInput
from facebench.metrics.arrays import Features
from facebench.metrics.clipped import ClippedEstimates
from facebench.metrics.face_sets import FaceSet
from facebench.metrics.frechet_ratio import OverFloor
from facebench.metrics.manifold import Manifold, ManifoldEstimates, manifold
from facebench.metrics.modes import DEFAULT, MODES, Mode
from facebench.metrics.moments import Moments
from facebench.metrics.pair_scores import PairScores
from facebench.metrics.uncertainty import Estimate

if TYPE_CHECKING:
    from facebench.metrics.data_copying import Cells
    from facebench.metrics.faces.probes import Probes


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """What the extractors made of one set of images; None where the metrics asked for need none.

    Image *i* of a generated set is that of the *i*-th seed.
    """

    features: Features
    """Shape (n, d)."""
    logits: Features | None = None
    """Inception's unbiased logits, shape (n, classes)."""
    lpips: dict[str, np.ndarray] | None = None
    """Rows of moments, see :mod:`facebench.numerics.pair_moments`."""
    labels: np.ndarray | None = None
    """The class of each image, its name or its number, shape (n,); an empty name is no class."""
    faces: FaceSet | None = None
    """What the face pass found."""
    steps: Mapping[str, np.ndarray] | None = None
    """Of steps through the latent space, see :mod:`facebench.features.lpips_steps`."""
    pairs: PairScores | None = None
    """Of a translator's answers, how near they are to their targets."""
    moments: Moments | None = None
    """What there is instead of features, where the set is known by somebody's statistics alone."""

    @classmethod
    def of_moments(cls, moments: Moments) -> "FeatureSet":
        """Return a set of which only the moments are known: its features have no rows."""
        return cls(np.empty((0, len(moments.mean)), np.float32), moments=moments)

    def part(self, start: int, stop: int) -> "FeatureSet":
        """Return what belongs to images `start` to `stop`, of LPIPS' moments whole rows only."""
        rows = self.lpips
        if rows is not None:
            ends = rows["count"].cumsum()
            inside = (ends - rows["count"] >= start) & (ends <= stop)
            rows = {name: array[inside] for name, array in rows.items()}
        logits = None if self.logits is None else self.logits[start:stop]
        labels = None if self.labels is None else self.labels[start:stop]
        faces = None if self.faces is None else self.faces.take(slice(start, stop))
        return FeatureSet(self.features[start:stop], logits, rows, labels, faces)

    def take(self, places: np.ndarray) -> "FeatureSet":
        """Return what belongs to the images at `places`; LPIPS' moments of as many first ones."""
        whole = self.part(0, len(places))
        logits = None if self.logits is None else self.logits[places]
        labels = None if self.labels is None else self.labels[places]
        faces = None if self.faces is None else self.faces.take(places)
        return FeatureSet(self.features[places], logits, whole.lpips, labels, faces)

    @cached_property
    def diversity(self) -> Estimate:
        """Mean LPIPS over all pairs: the reference's is computed once for all models."""
        from facebench.metrics.diversity import diversity_estimate

        if self.lpips is None:
            raise BadInput("LPIPS diversity needs the LPIPS moments of both sets: extract them.")
        return diversity_estimate(self.lpips)

    @cached_property
    def vendi(self) -> Estimate:
        """The effective number of different images: the reference's is computed once, too."""
        from facebench.metrics.vendi_score import vendi_estimate

        return vendi_estimate(self.features)

    @cached_property
    def cells(self) -> "Cells":
        """Where images lie: of the training images, found once for all models."""
        from facebench.metrics.data_copying import cells_of

        return cells_of(self.features)

    @cached_property
    def rke(self) -> float:
        """The number of modes at the set's own bandwidth: of the reference it is computed once."""
        from facebench.metrics.renyi import rke

        return rke(self.features)

    @cached_property
    def probes(self) -> "Probes":
        """What the features tell of the attributes that are known: learnt once for all models."""
        from facebench.metrics.faces.probes import learn_probes

        return learn_probes(self.features, {} if self.faces is None else self.faces.attributes)


@dataclass(frozen=True, eq=False)
class Comparison:
    """A generated set and a real one, which metrics compare by the definitions of `mode`."""

    real: FeatureSet
    fake: FeatureSet
    training: FeatureSet | None = None
    """What the model may have been trained on, for metrics that ask whether it copies."""
    mode: Mode = MODES[DEFAULT]
    over_floors: Sequence[OverFloor] = ()
    """The Fréchet distance in each network and its noise floor, for metrics made of these."""
    is_apart: bool = True
    """Whether the real images are others than those of `training`."""

    @property
    def manifold(self) -> ManifoldEstimates:
        """Precision, recall, density and coverage, of which one sweep tells all four."""
        return self._swept.estimates

    @property
    def clipped(self) -> ClippedEstimates:
        """Clipped Density and Clipped Coverage, of the same sweep."""
        return self._swept.clipped

    @property
    def covered(self) -> Bool[np.ndarray, " n"]:
        """Whether each real image has a generated one near: their share is the coverage."""
        return self._swept.covered.cpu().numpy()

    @cached_property
    def _swept(self) -> Manifold:
        mode = self.mode
        return manifold(
            self.real.features, self.fake.features, mode.k, mode.k_density, strict=mode.strict
        )
