"""RKE, the number of modes by Rényi's entropy of order 2 (Jalali et al. 2023, 2310.11714).

    1 / mean of k(xᵢ, xⱼ)² over all pairs i ≠ j,    k(x, y) = exp(-‖x - y‖²/2s²)

In the authors' n²/Σᵢⱼ k(xᵢ, xⱼ)² each image is paired with itself, too, so it grows with n; the
mean over pairs is unbiased at any n. The bandwidth s is the real images', for all models alike:
half the root of the mean squared distance between two of them, which is 2 tr Σ.

k² is a Gaussian kernel again: its mean over all pairs, those of i = j among them, is the mean of
|Σⱼ exp(√-1 wᵀxⱼ)|²/n² over frequencies w drawn from N(0, 2/s² I) (Rahimi & Recht 2007). That takes
n·d steps a frequency, not n²·d in all, and is done with more than EXACT images. The error of
drawing, the standard error over the frequencies, is told beside the value.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Float64
from torch import Tensor

from facebench.errors import BadInput
from facebench.metrics.arrays import Features, Rows, as_pair, as_rows
from facebench.metrics.uncertainty import Estimate, from_influence
from facebench.numerics.transfer import send

EXACT = 50_000
"""The most images of which all pairs are looked at."""
FREQUENCIES = 4096
SEED = 2020


def rke(features: Features, bandwidth: float | None = None) -> float:
    """Return the RKE of features (n, d): 1 where all are alike, the more the more modes there are.

    Args:
        features: features (n, d).
        bandwidth: s, in feature units; None for that of the features themselves.

    Raises:
        BadInput: for fewer than 2 samples, values that are not finite, a bandwidth that is not
            positive, or one at which no two samples are alike.
    """
    rows = as_rows(features, minimum=2)
    return _value(_likeness(rows, _own(rows) if bandwidth is None else bandwidth))


def rke_estimate(real: Features, generated: Features) -> Estimate:
    """Return the RKE of generated features (m, d) at the bandwidth of real ones (n, d).

    Its interval has the noise of the bandwidth in it; differences of models, which have the
    bandwidth in common, are judged without. Errors are those of `rke`.
    """
    x, y = as_pair(real, generated, minimum=2)
    squares, bandwidth = _squares(x), _own(x)
    found = _likeness(y, bandwidth)
    value = _value(found)
    of_fake = -2 * value**2 * found.of_each
    of_real = -(value**2) * found.slope * squares / (2 * squares.mean())  # log s = log(tr Σ/2) / 2
    with_bandwidth = from_influence(value, of_fake, of_real).groups
    without = from_influence(value, of_fake, torch.zeros_like(of_real))  # in the same groups
    details = {"bandwidth": bandwidth, **_error_of_drawing(found)}
    return replace(without, of_interval=with_bandwidth, details=details)


class _Likeness(NamedTuple):
    """The mean of k² over all pairs, and what it is made of."""

    mean: Float64[Tensor, ""]
    of_each: Float64[Tensor, " n"]
    """The mean of each sample with all others."""
    slope: Float64[Tensor, ""]
    """The derivative of the mean by log s."""
    of_frequencies: Float64[Tensor, " frequencies"] | None = None
    """The mean by each frequency alone, where these were drawn."""


def _value(found: _Likeness) -> float:
    mean = float(found.mean)
    if mean <= 0:
        raise BadInput(
            f"No two of the {len(found.of_each)} images are alike at the real images' scale, so "
            "RKE has no value: see whether both sets are of the same kind, and from one extractor."
        )
    return 1 / mean


def _error_of_drawing(found: _Likeness) -> Mapping[str, float]:
    """Return what drawing frequencies adds to the value's error; nothing where none were."""
    if found.of_frequencies is None:
        return {}
    error = found.of_frequencies.std() / math.sqrt(FREQUENCIES) / found.mean.square()
    return {"error_of_random_frequencies": float(error)}


def _squares(rows: Rows) -> Float64[Tensor, " n"]:
    """Return each sample's squared distance from the mean, times n/(n - 1): their mean is tr Σ."""
    total = sum((chunk.sum(0) for _, chunk in rows.chunks()), rows[:0].sum(0))
    mean, unbiased = total / len(rows), len(rows) / (len(rows) - 1)
    return unbiased * torch.cat([(chunk - mean).square().sum(1) for _, chunk in rows.chunks()])


def _own(rows: Rows) -> float:
    """Return the bandwidth that is a set's own."""
    return math.sqrt(float(_squares(rows).mean()) / 2)


def _likeness(rows: Rows, bandwidth: float) -> _Likeness:
    if not bandwidth > 0:
        raise BadInput(
            f"RKE needs a bandwidth above 0, not {bandwidth:g}: real images that are all alike "
            "have none."
        )
    return (_of_pairs if len(rows) <= EXACT else _of_frequencies)(rows, bandwidth)


def _of_pairs(rows: Rows, bandwidth: float) -> _Likeness:
    sums = torch.zeros(len(rows), dtype=rows.dtype, device=rows.device)
    slope = torch.zeros((), dtype=rows.dtype, device=rows.device)
    for here, a in rows.chunks():
        for there, b in rows.chunks(here.start):  # it is symmetric
            exponents = _squared_distances(a, b).div_(-(bandwidth**2))
            kernel = exponents.exp()
            if here == there:
                kernel.diagonal().zero_()
            else:
                sums[there] += kernel.sum(0)
            sums[here] += kernel.sum(1)
            weight = 2 if here == there else 4  # d k²/d log s = 2k² ‖x - y‖²/s², of both orders
            slope -= weight * (kernel * exponents).sum()
    pairs = len(rows) * (len(rows) - 1)
    return _Likeness(sums.sum() / pairs, sums / (len(rows) - 1), slope / pairs)


def _squared_distances(
    x: Float64[Tensor, "n d"], y: Float64[Tensor, "m d"]
) -> Float64[Tensor, "n m"]:
    lengths = x.square().sum(1)[:, None] + y.square().sum(1)
    return torch.addmm(lengths, x, y.T, alpha=-2).clamp_(min=0)


def _of_frequencies(rows: Rows, bandwidth: float) -> _Likeness:
    """Estimate by random frequencies, of which each sample's likeness takes a second sweep."""
    n, drawn = len(rows), _drawn(rows, bandwidth)
    zero = torch.zeros(FREQUENCIES, dtype=rows.dtype, device=rows.device)
    real, imaginary, along = zero, zero, zero
    for _, chunk in rows.chunks():
        phase = chunk @ drawn
        real, imaginary = real + phase.cos().sum(0), imaginary + phase.sin().sum(0)
    slope, of_each = torch.zeros((), dtype=rows.dtype, device=rows.device), []
    for _, chunk in rows.chunks():
        phase = chunk @ drawn
        cos, sin = phase.cos(), phase.sin()
        of_each.append((cos @ real + sin @ imaginary) / FREQUENCIES - 1)
        along = along + (phase * (sin * real - cos * imaginary)).sum(0)
    squares = (real.square() + imaginary.square() - n) / (n * (n - 1))
    slope = 2 * along.mean() / (n * (n - 1))  # for the phases fall as 1/s
    return _Likeness(squares.mean(), torch.cat(of_each) / (n - 1), slope, squares)


def _drawn(rows: Rows, bandwidth: float) -> Float64[Tensor, "d frequencies"]:
    """Draw frequencies from the CPU's generator: the same for every model and device."""
    random = torch.Generator(device="cpu").manual_seed(SEED)
    size = rows.width, FREQUENCIES
    normal = torch.randn(*size, generator=random, dtype=torch.float64, device="cpu")
    return send(normal * (math.sqrt(2) / bandwidth), rows.device)
