"""Whether people can be told apart at this size: what the face network recognises of real ones.

Small or blurred pictures lose who is shown before they lose that it is a face. Where photographs of
the same people are known, two shares say how much is left: of pairs of one person's photographs,
those *recognised* at a threshold that one in a thousand pairs of different people reach; and the
*power* of the leak test, the share of training faces that its threshold finds through another
photograph of the same person. Below one half, what the test finds are copies rather than people.
"""

import numpy as np
import torch
from jaxtyping import Float64, Int64

from facebench.metrics.distances import MEMORY, as_points
from facebench.metrics.face_sets import FaceSet
from facebench.metrics.faces.impostors import is_beyond

RATE = 1e-3
"""The share of pairs of different people that are taken for one person: the false-match rate."""
PAIRS = 1 << 19
"""As many pairs are looked at, at most: the 500 most alike of them tell the threshold to 5 %."""
_STEP = 1 << 16  # pairs at a time: in 512 dimensions 256 MiB

Places = Int64[np.ndarray, " p"]


def recognised(faces: FaceSet) -> dict[str, float]:
    """Return the share of pairs of one person that is recognised; nothing where there is none.

    Args:
        faces: each of them found.
    """
    if faces.people is None:
        return {}
    same = pairs_of_same(faces.people)
    threshold = pair_threshold(faces)
    if not len(same[0]) or threshold is None:
        return {}
    alike = pair_similarities(faces.embeddings, *same)
    return {"recognised": float((alike >= threshold).mean())}


def power(faces: FaceSet, threshold: float, memory: int = MEMORY) -> dict[str, float]:
    """Return the share of faces that are found through another one of the same person.

    Of those faces whose person has another; nothing where there are none, or nobody knows.
    """
    if faces.people is None:
        return {}
    points, _ = as_points(faces.embeddings, faces.embeddings[:1], memory)
    of_each = [points[_sent(rows, points.norms)] for rows in _by_person(faces.people)]
    nearest = [each.nearest_others(1).squares[:, 0] for each in of_each]
    if not nearest:
        return {}
    squares = torch.cat(nearest).cpu().double().numpy() * points.scale**2
    return {"power": float(is_beyond(1 - squares / 2, threshold).mean())}


def pair_threshold(faces: FaceSet, rate: float = RATE) -> float | None:
    """Return the cosine that the share `rate` of pairs of different people reach; None if unknown.

    Where nobody knows who is shown, all pairs are taken for pairs of different people, as most are.

    Args:
        faces: each of them found.
        rate: the false-match rate.
    """
    first, second = _some_pairs(len(faces))
    if faces.people is not None:
        differ = faces.people[first] != faces.people[second]
        first, second = first[differ], second[differ]
    if len(first) * rate < 1:
        return None
    alike = pair_similarities(faces.embeddings, first, second)
    return float(np.quantile(alike, 1 - rate, method="weibull"))


def pairs_of_same(people: Int64[np.ndarray, " n"], most: int = PAIRS) -> tuple[Places, Places]:
    """Return pairs of images of one person: all, or about the first `most`, spread over people."""
    order = np.argsort(people, kind="stable")
    ordered, found, count = people[order], [np.empty((2, 0), np.int64)], 0
    for lag in range(1, len(order)):
        places = np.flatnonzero(ordered[lag:] == ordered[:-lag])
        count += len(places)
        if not len(places) or count > most > len(places):
            break
        found.append(np.stack([order[places], order[places + lag]]))
    first, second = np.concatenate(found, 1)
    return first, second


def pair_similarities(
    embeddings: np.ndarray, first: Places, second: Places
) -> Float64[np.ndarray, " p"]:
    """Return the cosine of each pair of faces."""
    starts = range(0, len(first), _STEP)
    parts = ((first[start : start + _STEP], second[start : start + _STEP]) for start in starts)
    found = [np.einsum("pd,pd->p", embeddings[a], embeddings[b]) for a, b in parts]
    return np.concatenate([np.empty(0), *found]).astype(np.float64)


def _some_pairs(count: int) -> tuple[Places, Places]:
    """Return all pairs of `count` things, or PAIRS of them at random: the same each time."""
    if count * (count - 1) // 2 <= PAIRS:
        first, second = np.triu_indices(count, 1)
        return first.astype(np.int64), second.astype(np.int64)
    rng = np.random.default_rng(0)
    first = rng.integers(0, count, PAIRS)
    return first, (first + rng.integers(1, count, PAIRS)) % count


def _by_person(people: Int64[np.ndarray, " n"]) -> list[Places]:
    """Return the places of each person with two faces or more."""
    order = np.argsort(people, kind="stable")
    ends = np.flatnonzero(np.diff(people[order])) + 1
    return [places for places in np.split(order, ends) if len(places) > 1]


def _sent(places: Places, beside: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(places).to(beside.device)
