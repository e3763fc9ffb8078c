"""Mean over classes of the Fréchet distance within each: intra FID (Miyato & Koyama 2018).

A generator that is asked for a class may draw good images of another one, which the distance of all
images does not see. At few images a class the distance is biased upwards, as at few images in all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float64, Int64

from facebench.errors import BadInput
from facebench.metrics.arrays import Features, Rows, as_pair
from facebench.metrics.frechet import frechet_with_influence, influence_of_pairs
from facebench.metrics.uncertainty import Estimate, from_influence, pairs_counted_once
from facebench.text import shown

_NAMED = 5  # classes in a sentence
RowsOf = Mapping[str, Int64[np.ndarray, " _"]]
"""The numbers of the images of each class."""


def frechet_per_class(
    real: Features, fake: Features, real_labels: np.ndarray, fake_labels: np.ndarray
) -> Estimate:
    """Return the mean of the Fréchet distances within classes, those of each, and what is left out.

    Args:
        real: features (n, d).
        fake: features (m, d).
        real_labels: the class of each real image, its name or its number, shape (n,); an empty
            name is no class.
        fake_labels: those of the generated images, shape (m,).

    Raises:
        BadInput: where no class has 2 images on either side, and as `frechet_distance` does.
    """
    x, y = as_pair(real, fake, minimum=2)
    rows_x, rows_y = _by_class(real_labels, x, "real"), _by_class(fake_labels, y, "generated")
    both = sorted(rows_x.keys() & rows_y.keys(), key=_in_order)
    kept = [name for name in both if min(len(rows_x[name]), len(rows_y[name])) > 1]
    if not kept:
        raise BadInput(
            "No class has 2 images on either side: the real images' classes are "
            f"{_listed(rows_x)}, the generated ones' {_listed(rows_y)}."
        )
    found = [_within(x, y, rows_x[name], rows_y[name]) for name in kept]
    values = {name: each.value for name, each in zip(kept, found, strict=True)}
    of_x = _spread([each.of_real for each in found])
    of_y = _spread([each.of_fake for each in found])
    estimate = from_influence(float(np.mean([*values.values()])), of_x, of_y)
    return replace(estimate, classes=values, note=_left_out(rows_x, rows_y, kept))


class _Within(NamedTuple):
    """The distance within a class, and its images' influence on it."""

    value: float
    of_real: Float64[np.ndarray, " n"]
    of_fake: Float64[np.ndarray, " m"]


def _within(
    x: Rows, y: Rows, rows_x: Int64[np.ndarray, " n"], rows_y: Int64[np.ndarray, " m"]
) -> _Within:
    parts = [z.subset(torch.from_numpy(rows)) for z, rows in ((x, rows_x), (y, rows_y))]
    value, *influences = frechet_with_influence(*parts)
    once = map(pairs_counted_once, influences, influence_of_pairs(*parts))
    return _Within(value, *(each.cpu().numpy() for each in once))


def _spread(influences: Sequence[Float64[np.ndarray, " _"]]) -> Float64[np.ndarray, " n"]:
    """Return the influence of all classes' images on the mean, each class spread over the whole.

    An image counts N/N_c times what it does within its class, whose part of the mean is one in C.
    Each class keeps its order, but where images lie class by class a group of consecutive ones
    would be of one class alone, and groups tell how a value scatters only where they are alike.
    """
    total = sum(map(len, influences))
    places = [(np.arange(len(each)) + 0.5) / len(each) for each in influences]
    scaled = [each * (total / len(each) / len(influences)) for each in influences]
    return np.concatenate(scaled)[np.argsort(np.concatenate(places), kind="stable")]


def _by_class(labels: np.ndarray, features: Rows, side: str) -> RowsOf:
    if labels.shape != (len(features),):
        raise BadInput(
            f"The {side} images have labels of the shape {labels.shape}, where "
            f"({len(features)},) is needed: one for each image."
        )
    names, numbers = np.unique(labels.astype(str), return_inverse=True)
    order = np.argsort(numbers, kind="stable").astype(np.int64)
    parts = np.split(order, np.cumsum(np.bincount(numbers, minlength=len(names)))[:-1])
    return {str(name): part for name, part in zip(names, parts, strict=True) if name}


def _in_order(name: str) -> str:
    """Return what sorts names, and numbers by their size."""
    return name.zfill(12) if name.isdecimal() else name


def _left_out(rows_x: RowsOf, rows_y: RowsOf, kept: Sequence[str]) -> str:
    """Say which classes have no part in the mean; empty where all have."""
    reasons = {
        "only real images have": rows_x.keys() - rows_y.keys(),
        "only generated images have": rows_y.keys() - rows_x.keys(),
        "with fewer than 2 images on a side": (rows_x.keys() & rows_y.keys()) - {*kept},
    }
    told = [f"{_listed(names)}, {why}" for why, names in reasons.items() if names]
    if not told:
        return ""
    count = len(rows_x.keys() | rows_y.keys())
    return f"the mean over classes is of {len(kept)} of {count}, without {'; '.join(told)}"


def _listed(names: Mapping[str, object] | set[str]) -> str:
    listing = [shown(name) for name in sorted(names, key=_in_order)]
    more = f" and {len(listing) - _NAMED} others" if len(listing) > _NAMED else ""
    return (", ".join(listing[:_NAMED]) or "none") + more
