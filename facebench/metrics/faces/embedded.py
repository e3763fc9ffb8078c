"""Distance, precision and recall in the space of the face network, of the faces that were found.

They look at what tells people apart and at nothing else, so they see neither hats nor backgrounds;
images without a face are left out, and how many stands beside the value.
"""

from dataclasses import replace

import numpy as np

from facebench.errors import BadInput
from facebench.metrics.face_sets import FaceSet
from facebench.metrics.frechet import frechet_estimate
from facebench.metrics.manifold import ManifoldEstimates, manifold_estimates
from facebench.metrics.uncertainty import Estimate


def frechet_identity(real: FaceSet, fake: FaceSet) -> Estimate:
    """Return the Fréchet distance between the embeddings of real and of generated faces.

    Raises:
        BadInput: where fewer than 2 faces were found on a side.
    """
    sets = _embeddings(real, fake, 2)
    return replace(frechet_estimate(*sets), details=_counted(*sets))


def identity_manifold(
    real: FaceSet, fake: FaceSet, k: int = 3, strict: bool = False
) -> ManifoldEstimates:
    """Return precision and recall (and density and coverage) of the embeddings.

    Args:
        real: faces of real images.
        fake: those of generated ones.
        k: the neighbour to which a ball reaches.
        strict: whether a ball lacks its surface.

    Raises:
        BadInput: where k faces or fewer were found on a side.
    """
    sets = _embeddings(real, fake, k + 1)
    found = manifold_estimates(*sets, k, k, strict=strict)
    return ManifoldEstimates(*(replace(each, details=_counted(*sets)) for each in found))


def _embeddings(real: FaceSet, fake: FaceSet, minimum: int) -> tuple[np.ndarray, np.ndarray]:
    of_real, of_fake = (each.embeddings[each.found] for each in (real, fake))
    if min(len(of_real), len(of_fake)) < minimum:
        raise BadInput(
            f"{minimum} faces a side are needed; {len(of_real)} were found in the real images and "
            f"{len(of_fake)} in the generated ones."
        )
    return of_real, of_fake


def _counted(real: np.ndarray, fake: np.ndarray) -> dict[str, float]:
    return {"faces": float(len(fake)), "faces_real": float(len(real))}
