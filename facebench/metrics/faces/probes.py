"""Probes: what features tell of attributes, learnt from labelled real images and asked of others.

A probe is Fisher's linear discriminant on standardised features, (S + λI)⁻¹ (μ₁ - μ₀), with a ridge
λ of three tenths of the mean variance. Seen on painted faces in Inception's features, it orders
held-out images as well as logistic regression does (AUC within .005 of each other for ten
attributes), and takes a tenth to a twentieth of its time, for S is the same for all attributes: one
pass over the images does for forty of them.

Probes are cross-fitted: of five, each learns from four fifths of the real images and is asked of
the rest, so what is known of its errors is from images that it never saw. The fifths are of
consecutive images, so that pictures of one person, which often lie together, are not on both sides.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int8
from scipy.special import expit
from torch import Tensor

from facebench.errors import BadInput
from facebench.metrics.arrays import CHUNK, Features, Rows, as_rows
from facebench.numerics.precision import exact_float32

FOLDS = 5
FEWEST = 20
"""Real images with the attribute, and as many without, that a probe is learnt from."""
LEAST_AUC = 0.9
"""A probe that orders held-out images less well is not used."""
_RIDGE = 0.3
_NEWTON_STEPS = 30
_LONGEST_STEP = 5.0
_SLOPE_PENALTY = 1e-3  # keeps the slope finite where both classes are told apart without error


class Learnt(NamedTuple):
    """What is known of one attribute's five probes from the real images."""

    labels: Int8[np.ndarray, " n"]
    """1 for each real image that has it, 0 for one that has not, -1 where nobody knows."""
    auc: float
    """Of held-out real images; 1 is without error, one half is guessing."""
    scores: Float64[np.ndarray, " n"]
    """Each real image's, between 0 and 1, by the probe that did not see it."""
    slope: float
    middle: float


class Probes(NamedTuple):
    """The probes of all attributes that there are probes of."""

    learnt: Mapping[str, Learnt]
    refused: Mapping[str, str]
    """Why there is none of an attribute."""
    standard: "_Standard | None"
    fits: "Sequence[_Discriminant]"

    def scores(self, features: Features) -> dict[str, Float64[np.ndarray, "m folds"]]:
        """Return what each probe says of other images, between 0 and 1, by attribute.

        Raises:
            BadInput: for features that are not those of the same network, or not finite.
        """
        if self.standard is None:
            return {}
        y = as_rows(features, "generated features", dtype=torch.float32)
        if y.width != len(self.standard.mean):
            raise BadInput("The probes were learnt from features of another width.")
        whole = slice(0, len(y))
        raw = np.stack([_scores(y, self.standard, fit, whole) for fit in self.fits], 2)
        return {
            name: expit(each.slope * (raw[:, place] - each.middle))
            for place, (name, each) in enumerate(self.learnt.items())
        }


def learn_probes(real: Features, attributes: Mapping[str, Int8[np.ndarray, " n"]]) -> Probes:
    """Return the probes of all attributes that the features tell.

    Args:
        real: features (n, d).
        attributes: by name, 1 for each real image that has it, 0 for one that has not, -1 where
            nobody knows.

    Raises:
        BadInput: for features that no metric could use.
    """
    for labels in attributes.values():
        if len(labels) != len(real):
            raise BadInput(f"{len(labels)} images are labelled and {len(real)} have features.")
    refused = {name: why for name, labels in attributes.items() if (why := _too_few(labels))}
    names = [name for name in attributes if name not in refused]
    if not names:
        return Probes({}, refused, None, ())
    x = as_rows(real, "real features", minimum=2, dtype=torch.float32)
    labels = np.stack([attributes[name] for name in names], 1)
    standard, parts = _standard(x), folds(len(x))
    fits = _discriminants(x, standard, parts, labels)
    # Of the real images each fifth is asked of the probe that was learnt without it.
    held_out = [_scores(x, standard, fit, part) for fit, part in zip(fits, parts, strict=True)]
    found = dict(zip(names, map(_judged, np.concatenate(held_out).T, labels.T), strict=True))
    learnt = {name: each for name, each in found.items() if isinstance(each, Learnt)}
    refused |= {name: each for name, each in found.items() if isinstance(each, str)}
    kept = [names.index(name) for name in learnt]
    fits = [_Discriminant(fit.weights[:, kept], fit.offset[kept]) for fit in fits]
    return Probes(learnt, refused, standard, fits)


def folds(count: int) -> list[slice]:
    """Return the fifths of consecutive images."""
    bounds = [k * count // FOLDS for k in range(FOLDS + 1)]
    return [slice(*pair) for pair in pairwise(bounds)]


def area_under_curve(scores: Float64[np.ndarray, " n"], labels: Int8[np.ndarray, " n"]) -> float:
    """Return how often an image that has it scores above one that has not; equals count half."""
    having, without = scores[labels == 1], np.sort(scores[labels == 0])
    below = [np.searchsorted(without, having, side) for side in ("left", "right")]
    return float(np.mean(below) / len(without))


def supposed(probes: Probes, features: Features) -> dict[str, Int8[np.ndarray, " m"]]:
    """Return which attributes other images seem to have: 1 where all probes together say so."""
    said = probes.scores(features)
    return {name: (scores.mean(1) > 0.5).astype(np.int8) for name, scores in said.items()}


def _too_few(labels: Int8[np.ndarray, " n"]) -> str:
    has, has_not = int((labels == 1).sum()), int((labels == 0).sum())
    if min(has, has_not) >= FEWEST:
        return ""
    return (
        f"{has} real images are known to have it and {has_not} to have it not, where a probe "
        f"needs {FEWEST} of either"
    )


class _Standard(NamedTuple):
    """By which features are made comparable, that of all real images; no label is in it."""

    mean: Float32[Tensor, " d"]
    scale: Float32[Tensor, " d"]

    def of(self, chunk: Float32[Tensor, "b d"]) -> Float32[Tensor, "b d"]:
        return (chunk - self.mean) / self.scale


class _Sums(NamedTuple):
    """What a discriminant is made of, summed over some images."""

    images: Float64[Tensor, ""]
    total: Float64[Tensor, " d"]
    products: Float64[Tensor, "d d"]
    of_class: Float64[Tensor, "2 a d"]
    in_class: Float64[Tensor, "2 a 1"]


class _Discriminant(NamedTuple):
    """Scores are features @ weights - offset: one half below 0 and above for the classes' means."""

    weights: Float64[Tensor, "d a"]
    offset: Float64[Tensor, " a"]


def _standard(x: Rows) -> _Standard:
    total = sum(chunk.double().sum(0) for _, chunk in x.chunks())
    mean = torch.as_tensor(total) / len(x)
    squares = sum((chunk.double() - mean).square().sum(0) for _, chunk in x.chunks())
    scale = (torch.as_tensor(squares) / len(x)).sqrt()
    return _Standard(mean.float(), torch.where(scale > 0, scale, 1.0).float())


def _discriminants(
    x: Rows, standard: _Standard, parts: Sequence[slice], labels: Int8[np.ndarray, "n a"]
) -> list[_Discriminant]:
    """Return those that are learnt without each of the parts."""
    sums = [_summed(x, standard, part, labels) for part in parts]
    whole = _Sums(*(torch.stack(each).sum(0) for each in zip(*sums, strict=True)))
    return [
        _discriminant(_Sums(*(a - b for a, b in zip(whole, part, strict=True)))) for part in sums
    ]


def _summed(x: Rows, standard: _Standard, part: slice, labels: Int8[np.ndarray, "n a"]) -> _Sums:
    sums = []
    for rows in _chunks(part):
        z = standard.of(x[rows])
        of_rows = torch.from_numpy(labels[rows].T)
        is_of = torch.stack([of_rows == 0, of_rows == 1]).to(z)
        with exact_float32():
            made = torch.tensor(len(z)), z.sum(0), z.T @ z, is_of @ z, is_of.sum(2, keepdim=True)
        sums.append([each.to(z.device, torch.float64) for each in made])
    return _Sums(*(torch.stack(each).sum(0) for each in zip(*sums, strict=True)))


def _discriminant(sums: _Sums) -> _Discriminant:
    mean = sums.total / sums.images
    scatter = sums.products / sums.images - torch.outer(mean, mean)
    scatter.diagonal().add_(_RIDGE * scatter.diagonal().mean() + torch.finfo(torch.float32).eps)
    without, having = sums.of_class / sums.in_class
    apart = having - without  # NaN where nobody is left to learn from
    weights = torch.cholesky_solve(apart.nan_to_num(0.0).T, torch.linalg.cholesky(scatter))
    reach = (weights * apart.T).sum(0)
    middle = (weights * (having + without).T).sum(0) / 2
    return _Discriminant(weights / reach, middle / reach)


def _scores(
    rows: Rows, standard: _Standard, fit: _Discriminant, part: slice
) -> Float64[np.ndarray, "r a"]:
    chunks = (standard.of(rows[chunk]).double() for chunk in _chunks(part))
    scores = torch.cat([chunk @ fit.weights - fit.offset for chunk in chunks])
    return scores.cpu().numpy()


def _chunks(part: slice) -> list[slice]:
    starts = range(part.start, part.stop, CHUNK)
    return [slice(first, min(first + CHUNK, part.stop)) for first in starts]


def _judged(raw: Float64[np.ndarray, " n"], labels: Int8[np.ndarray, " n"]) -> Learnt | str:
    """Return what held-out scores tell of an attribute's probes, or why they are not used."""
    if not np.isfinite(raw).all():
        return "all who have it, or have it not, are in one fifth of the real images"
    auc = area_under_curve(raw, labels)
    if auc < LEAST_AUC:
        return (
            f"these features do not tell it: on held-out real images the probe's AUC is {auc:.2f}, "
            f"below {LEAST_AUC:g}"
        )
    slope, middle = _calibration(raw[labels >= 0], labels[labels >= 0])
    return Learnt(labels, auc, expit(slope * (raw - middle)), slope, middle)


def _calibration(
    scores: Float64[np.ndarray, " n"], labels: Int8[np.ndarray, " n"]
) -> tuple[float, float]:
    """Return slope and middle of the logistic curve by which a score tells a probability.

    A share is told with the least noise from probabilities; wrong ones would add noise, no bias.
    """
    design = np.stack([scores, np.ones(len(scores))], 1)
    penalty = np.diag([_SLOPE_PENALTY, _SLOPE_PENALTY])
    weights = np.array([4.0, 0.0])
    for _ in range(_NEWTON_STEPS):
        likely = expit(design @ weights)
        slope = design.T @ (labels - likely) - penalty @ weights
        bend = design.T @ (design * (likely * (1 - likely))[:, None]) + penalty
        weights = weights + np.clip(np.linalg.solve(bend, slope), -_LONGEST_STEP, _LONGEST_STEP)
    return float(weights[0]), float(-weights[1] / weights[0])
