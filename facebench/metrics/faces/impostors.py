"""How alike the faces of different people can be: real faces against those of *other people*.

An *impostor* is a real face that is compared with faces of other people. m, its greatest
similarity to any of them, is what an innocent generated face would score against the training
faces; so the threshold of a leak is a high quantile of the impostors' m.

**Where it is known who is shown**, each training face is an impostor to the training faces of all
others: thousands of values from the training set itself. They are not independent: if two faces
are each other's nearest, both values are high. So they are counted by *families*: all faces of
people of whom any two are alike beyond the threshold.

**Where nobody knows**, the nearest training face may well be another photograph of the same person.
But the tenth nearest hardly is, so the tail is followed from there: ranks 10, 20 and 40 tell its
shape (Pickands 1975), common to all faces, and the generalised Pareto distribution tells how much
more alike the nearest would be if it were of somebody else. Of the ways tried against the
identities of CelebA and LFW (docs/uncertainty.md) this was the best, and yet the share of innocent
faces beyond such a threshold was 0.2 to 2.5 % and not 1 %: the interval counts that.
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
BAND = 5
"""The tail's neighbourhood of the threshold: from 5 times its share to a fifth of it."""

DOUBT = (0.2, 2.5)
"""How many times as many innocent faces as there should be lie beyond an extrapolated threshold, at
least and at most: against known identities, with two networks and 1,000 to 7,000 faces."""

_RANK = 10
"""The nearest face that is surely of somebody else, where nobody knows who is shown."""
_FACES_PER_RANK = 100  # of fewer faces, so many ranks are no longer the tail

_OTHERS = "training faces of other people"
_EXTRAPOLATED = "extrapolated from training faces too unlike to be of one person"

Sums = tuple[Float64[np.ndarray, " f"], Int64[np.ndarray, " f"]]


@dataclass(frozen=True, eq=False)
class Impostors:
    """What real faces of other people say of an innocent face's m."""

    level: float
    threshold: float
    """The quantile of m at `level`."""
    count: int
    """How many faces it was seen on."""
    way: str
    """How, in plain words."""
    band: tuple[float, float] | None = None
    """Its quantiles where BAND times the threshold's share lies beyond, and that share / BAND."""
    families: Sums | None = None
    """How many faces of each family are beyond the threshold, and how many there are. This and the
    band are None where nobody knows who is shown."""

    @property
    def floor(self) -> float:
        """The share of innocent faces that are called leaks."""
        return 1 - self.level

    @property
    def variance(self) -> float:
        """That of the share of innocent faces which the threshold, an estimate, lets through.

        The families beyond it are few and rare, so their number is Poisson's.
        """
        if self.families is None:
            return 0.0
        return float(np.square(self.families[0]).sum()) / self.count**2


def impostors(training: FaceSet, memory: int = MEMORY) -> Impostors:
    """Return what training faces say of innocent ones, by the identities if they are known.

    Args:
        training: faces that were found, each of them.
        memory: bytes that the comparison may take at a time.

    Raises:
        BadInput: for too few faces, and where all show one person.
    """
    if len(training) < FEWEST:
        raise BadInput(
            f"Identity leakage needs {FEWEST} training images with a face, to know how alike "
            f"different people are; a face was found in {len(training)}."
        )
    if training.people is None:
        return _extrapolated(training.embeddings, memory)
    return _labelled(training.embeddings, training.people, memory)


def is_beyond(similarities: Float64[np.ndarray, " n"], threshold: float) -> Bool[np.ndarray, " n"]:
    """Return which similarities reach the threshold; those that are NaN do not."""
    return np.asarray(similarities >= threshold - ROUNDING)


def level_for(count: int) -> float:
    """Return the level of the quantile that so many impostors can tell."""
    return FINE_LEVEL if count >= ENOUGH_FOR_FINE else LEVEL


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


def _labelled(embeddings: np.ndarray, people: Int64[np.ndarray, " n"], memory: int) -> Impostors:
    """Compare each face with those of all other people."""
    people = np.unique(people, return_inverse=True)[1].astype(np.int64)
    if not people.any():
        raise BadInput(
            "All training faces show one and the same person by the identities given, so nobody "
            "says how alike different people are: check the file of identities."
        )
    similarities, nearest = nearest_of_others(embeddings, people, memory)
    return from_others(similarities, people, people[nearest])


def from_others(
    similarities: Float64[np.ndarray, " n"],
    people: Int64[np.ndarray, " n"],
    of_nearest: Int64[np.ndarray, " n"],
) -> Impostors:
    """Return the impostors of whom m is known, and who is shown by them and by their nearest."""
    count = len(similarities)
    level = level_for(count)
    shares = np.array([1.0, BAND, 1 / BAND]) * (1 - level)
    # of n values the k-th largest is exceeded by the share k / (n + 1) of new ones, on average
    found = np.quantile(similarities, 1 - shares, method="weibull")
    threshold, low, high = map(float, found)
    beyond = is_beyond(similarities, threshold)
    family = _families(people, of_nearest, beyond)
    sums = np.bincount(family, beyond), np.bincount(family)
    return Impostors(level, threshold, count, _OTHERS, (low, high), sums)


def _families(
    people: Int64[np.ndarray, " n"],
    of_nearest: Int64[np.ndarray, " n"],
    beyond: Bool[np.ndarray, " n"],
) -> Int64[np.ndarray, " n"]:
    """Return a number for each face: the same for those of people linked beyond the threshold."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    names, numbers = np.unique(np.concatenate([people, of_nearest]), return_inverse=True)
    own, other = np.split(numbers, 2)
    links = own[beyond], other[beyond]
    graph = coo_array((np.ones(len(links[0])), links), shape=(len(names), len(names)))
    return connected_components(graph, directed=False)[1][own].astype(np.int64)


def _extrapolated(embeddings: np.ndarray, memory: int) -> Impostors:
    """Follow the tail of each face's similarities from ranks that are surely other people's."""
    count = len(embeddings)
    rank = min(_RANK, count // _FACES_PER_RANK)  # of the FEWEST faces 1
    points, _ = as_points(embeddings, embeddings[:1], memory)
    ranks = [rank - 1, 2 * rank - 1, 4 * rank - 1]
    squares = points.nearest_others(4 * rank).squares[:, ranks].cpu().double().numpy()
    tail = _Tail.through(rank, *(1 - squares * points.scale**2 / 2).T)
    # the finer level is yet farther away, where nothing was tested
    return Impostors(LEVEL, tail.quantile(1 - LEVEL), count, _EXTRAPOLATED)


@dataclass(frozen=True, eq=False)
class _Tail:
    """How many faces of other people reach a similarity t to a face, from that of rank K on.

    K (1 + ξ (t - s) / scale)^(-1/ξ) on average, s the similarity at rank K; scale and ξ, the shape,
    are common to all faces.
    """

    rank: int
    starts: Float64[np.ndarray, " n"]
    scale: float
    shape: float

    @classmethod
    def through(
        cls,
        rank: int,
        first: Float64[np.ndarray, " n"],
        second: Float64[np.ndarray, " n"],
        fourth: Float64[np.ndarray, " n"],
    ) -> "_Tail":
        """Return the tail through the mean similarities at ranks K, 2K and 4K."""
        near, far = max((first - second).mean(), ROUNDING), max((second - fourth).mean(), ROUNDING)
        shape = float(np.log2(near / far)) or ROUNDING
        return cls(rank, first, float(near * shape / (1 - 2**-shape)), shape)

    def beyond(self, similarity: float) -> float:
        """Return the share of faces with any other person's at `similarity` or beyond."""
        base = np.maximum(1 + self.shape * (similarity - self.starts) / self.scale, ROUNDING)
        return float(-np.expm1(-self.rank * base ** (-1 / self.shape)).mean())

    def quantile(self, share: float) -> float:
        """Return the similarity that `share` of the faces reach; 1 at most."""
        low, high = -1.0, 1.0
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if self.beyond(middle) > share else (low, middle)
        return high
