"""How alike the faces of different people can be: real faces against those of *other people*.

An *impostor* is a real face that is compared with faces of other people. m, its greatest
similarity to any of them, is what an innocent generated face would score against the training
faces; so the threshold of a leak is a high quantile of the impostors' m.

Where it is known who is shown, each training face is an impostor to the training faces of all
others: thousands of values from the training set itself. They are not independent: if two faces
are each other's nearest, both values are high. So they are counted by *families*: all faces of
people of whom any two are alike beyond the threshold.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64

from facebench.errors import BadInput
from facebench.metrics.distances import MEMORY, as_points
from facebench.metrics.face_sets import FaceSet

LEVEL, FINE_LEVEL = 0.99, 0.999
"""Of the quantile: one in a hundred innocent faces is called a leak, or one in a thousand."""
ENOUGH_FOR_FINE = 10_000
"""Impostors from which on there are ten beyond the finer level."""
FEWEST = 100
"""Impostors: fewer have none beyond the level."""
ROUNDING = 1e-6
"""Similarities no further apart are equal."""

OTHER_PEOPLE = "training faces of other people"


@dataclass(frozen=True, eq=False)
class Impostors:
    """Real faces, how alike each is to faces of other people, and the threshold that follows."""

    similarities: Float64[np.ndarray, " n"]
    """m of each."""
    level: float
    threshold: float
    """The quantile of m at `level`."""
    families: Int64[np.ndarray, " n"]
    """Which of them belong together: their m are not independent of each other."""
    way: str
    """Where they come from, in plain words."""

    @property
    def beyond(self) -> Bool[np.ndarray, " n"]:
        """Which are as alike to somebody else as the threshold."""
        return is_beyond(self.similarities, self.threshold)

    @property
    def by_family(self) -> tuple[Float64[np.ndarray, " f"], Int64[np.ndarray, " f"]]:
        """How many of each family are beyond the threshold, and how many there are."""
        return np.bincount(self.families, self.beyond), np.bincount(self.families)

    @property
    def variance(self) -> float:
        """That of the share of innocent faces which the threshold lets through.

        The families beyond it are few and rare, so their number is Poisson's.
        """
        beyond, _ = self.by_family
        return float(np.square(beyond).sum()) / len(self.similarities) ** 2


def is_beyond(similarities: Float64[np.ndarray, " n"], threshold: float) -> Bool[np.ndarray, " n"]:
    """Return which similarities reach the threshold; those that are NaN do not."""
    return np.asarray(similarities >= threshold - ROUNDING)


def level_for(count: int) -> float:
    """Return the level of the quantile that so many impostors can tell."""
    return FINE_LEVEL if count >= ENOUGH_FOR_FINE else LEVEL


def labelled_impostors(training: FaceSet, memory: int = MEMORY) -> Impostors:
    """Return each training face against the training faces of other people.

    Args:
        training: faces of known people, each of them found.
        memory: bytes that the comparison may take at a time.

    Raises:
        BadInput: for too few faces, and where all show one person.
    """
    assert training.people is not None
    people = np.unique(training.people, return_inverse=True)[1].astype(np.int64)
    require_enough(len(people))
    if not people.any():
        raise BadInput(
            "All training faces show one and the same person by the identities given, so nobody "
            "says how alike different people are: check the file of identities."
        )
    similarities, nearest = nearest_of_others(training.embeddings, people, memory)
    level = level_for(len(people))
    # of n values the k-th largest is exceeded by the share k / (n + 1) of new ones, on average
    threshold = float(np.quantile(similarities, level, method="weibull"))
    beyond = is_beyond(similarities, threshold)
    families = _families(people, people[nearest], beyond)
    return Impostors(similarities, level, threshold, families, OTHER_PEOPLE)


def require_enough(count: int) -> None:
    """Refuse fewer training faces than tell the one in a hundred that is most like another."""
    if count < FEWEST:
        raise BadInput(
            f"Identity leakage needs {FEWEST} training images with a face, to know how alike "
            f"different people are; a face was found in {count}."
        )


def nearest_of_others(
    embeddings: np.ndarray, people: Int64[np.ndarray, " n"], memory: int = MEMORY
) -> tuple[Float64[np.ndarray, " n"], Int64[np.ndarray, " n"]]:
    """Return each face's greatest similarity to a face of another person, and which that is.

    Args:
        embeddings: of shape (n, d) and unit length, of two people at least.
        people: whom each shows.
        memory: bytes that the comparison may take at a time.
    """
    points, _ = as_points(embeddings, embeddings[:1], memory)
    who = torch.from_numpy(people).to(points.norms.device)
    found, squares = [], []
    for rows, block in points.distances_to(points):
        block.masked_fill_(who[rows, None] == who, torch.inf)
        found.append(block.argmin(1))
        # measured by the difference, which is 0 for a copy where a product is rounded
        apart = points.values[rows] - points.values[found[-1]]
        squares.append(apart.square_().sum(1))
    distances = torch.cat(squares).cpu().double().numpy() * points.scale**2
    return 1 - distances / 2, torch.cat(found).cpu().numpy()


def _families(
    people: Int64[np.ndarray, " n"], of_nearest: Int64[np.ndarray, " n"], beyond: np.ndarray
) -> Int64[np.ndarray, " n"]:
    """Return a number for each face: the same for those of people linked beyond the threshold."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = people[beyond], of_nearest[beyond]
    count = int(people.max()) + 1
    graph = coo_array((np.ones(len(links[0])), links), shape=(count, count))
    return connected_components(graph, directed=False)[1][people].astype(np.int64)
