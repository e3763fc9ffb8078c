"""What the face pass found in one set of images, and who is known to be shown there."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int, Int8, Int64

LEFT_EYE, RIGHT_EYE, NOSE = range(3)
"""The places of a face's points; left is the viewer's."""


@dataclass(frozen=True, eq=False)
class FaceSet:
    """One row an image; of an image's faces the largest is looked at."""

    counts: Int[np.ndarray, " n"]
    """How many faces were found in each image."""
    confidence: Float[np.ndarray, " n"]
    """The detector's, in the largest face; NaN where there is none."""
    points: Float[np.ndarray, "n 3 2"]
    """Eyes and nose, x and y as shares of the image's width and height; NaN where there is none."""
    embeddings: Float[np.ndarray, "n d"]
    """Of unit length, so that a product of two is their similarity; NaN where there is none."""
    people: Int64[np.ndarray, " n"] | None = None
    """Who each image shows; None where nobody knows."""
    attributes: Mapping[str, Int8[np.ndarray, " n"]] = field(default_factory=dict)
    """What each image is known to show: 1 where it does, 0 where it does not, -1 unknown."""

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def found(self) -> Bool[np.ndarray, " n"]:
        """Whether there is any face in each image."""
        return np.asarray(self.counts) > 0

    def take(self, places: np.ndarray | slice) -> "FaceSet":
        """Return what belongs to the images at `places`."""
        return FaceSet(
            self.counts[places],
            self.confidence[places],
            self.points[places],
            self.embeddings[places],
            None if self.people is None else self.people[places],
            {name: each[places] for name, each in self.attributes.items()},
        )
