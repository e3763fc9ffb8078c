"""The eigenfaces as facebench.training sees them: each step is one pass over the images."""

from pathlib import Path
from typing import Any

import numpy as np

from facebench.errors import BadInput
from facebench.sampler import LatentSampler
from facebench.training.learner import ImageRows, State, generator
from facebench.training.sampler import ModelSampler
from facebench_pca.model import Eigenfaces, save
from facebench_pca.solve import Pixels, iterate, random_basis, solve_exactly


class PCALearner:
    """A basis that turns towards the leading eigenvectors, and the model within it."""

    control_scale = 1.0

    def __init__(self, config: dict[str, Any], images: ImageRows):
        self.components, self.exact = config["components"], config["solver"] == "covariance"
        self.steps = 1 if self.exact else config["passes"]
        self.images_per_step = len(images)
        self.pixels = Pixels(images)
        if not self.pixels.variance > 0:
            raise BadInput(
                "All images to learn are the same, so there is nothing to learn of them: give "
                "others."
            )
        self.basis = np.zeros((0, 0), np.float32)
        if not self.exact:
            rng = generator(config["seed"], 0)
            self.basis = random_basis(self.pixels, self.components, rng)
        none = np.zeros((0, len(self.pixels.mean)), np.float32)
        self.model = Eigenfaces(self.pixels.mean, none, none[:, 0])

    def step(self, number: int) -> dict[str, Any]:
        """Take one pass; return the share of variance that the components explain."""
        if self.exact:
            self.model = solve_exactly(self.pixels, self.components)
        else:
            self.model, self.basis = iterate(self.pixels, self.basis, self.components)
        return {"explained_variance": self.model.variances.sum() / self.pixels.variance}

    def sampler(self) -> LatentSampler:
        """Return the sampler of the components found so far."""
        return ModelSampler(self.model)

    def state(self) -> State:
        """Return the model and the basis of the next pass."""
        return vars(self.model) | {"basis": self.basis}

    def restore(self, state: State) -> None:
        """Take up the model and the basis."""
        self.basis = state["basis"]
        self.model = Eigenfaces(*(state[name] for name in ("mean", "components", "variances")))

    def save(self, path: Path) -> None:
        """Write the model."""
        save(self.model, path)
