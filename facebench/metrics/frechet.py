"""Fréchet distance between Gaussians fitted to two feature sets (Heusel et al. 2017, 1706.08500).

    ‖μ₁ - μ₂‖² + tr Σ₁ + tr Σ₂ - 2 tr √(Σ₁Σ₂)

Covariances are over N - 1, as in pytorch-fid and torch-fidelity (StyleGAN3 takes N); at full rank
the value agrees with torch-fidelity's to rounding. The product Σ₁Σ₂ is never formed: its computed
root is complex or NaN at low rank. For any factors Σ = A Aᵀ the last trace is the nuclear norm, the
sum of the singular values S, of M = A₁ᵀA₂: real at any N, and accurate to rounding. Large M are
decomposed by way of MᵀM, whose eigenvalues are S²: eight times as fast.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from facebench.errors import BadInput
from facebench.metrics import exchange
from facebench.metrics.arrays import Features, Rows, as_pair, as_rows
from facebench.metrics.moments import Moments as Moments
from facebench.metrics.moments import require_equal_widths
from facebench.metrics.uncertainty import Estimate, from_squared_distance

SMALL = 512
"""Up to this size M is decomposed itself. By way of MᵀM a singular value that should be 0 comes out
as 1e-8 of the largest, which would show where many are 0: a few images repeated, say."""
_NOISE = 1e-7
_FEWEST = 4  # images of which there are two halves with a covariance each


def frechet_distance(real: Features, fake: Features) -> float:
    """Return the Fréchet distance of features (n, d) and (m, d), in squared feature units.

    Raises:
        BadInput: for fewer than 2 samples a side, unequal widths, or values that are not finite.
    """
    x, y = as_pair(real, fake, minimum=2)
    return _distance(_fit(x), _fit(y))


def frechet_estimate(real: Features, fake: Features) -> Estimate:
    """Return the Fréchet distance and its uncertainty, for two decompositions with vectors more.

    The interval is that of the distance at these numbers of images, of whose bias it knows
    nothing. Arguments and errors are those of `frechet_distance`.
    """
    x, y = as_pair(real, fake, minimum=2)
    value, *influences = frechet_with_influence(x, y)
    return from_squared_distance(value, influences, influence_of_pairs(x, y), value)


def frechet_with_influence(
    x: Rows, y: Rows
) -> tuple[float, Float64[Tensor, " n"], Float64[Tensor, " m"]]:
    """Return the distance, and n (m) times its derivative by each sample's weight."""
    a, b = _fit(x), _fit(y)
    u, s, v = _singular(a.root.T @ b.root)
    shift = a.mean - b.mean
    return _distance(a, b, s), _influence(x, a, u, s, shift), _influence(y, b, v, s, -shift)


def influence_of_pairs(*sets: Rows) -> list[Float64[Tensor, ""]]:
    """Return the mean square of the influence that pairs make, for each set."""
    return exchange.influence_of_pairs(frechet_with_influence, *sets, minimum=_FEWEST)


def frechet_from_moments(a: Moments, b: Moments) -> float:
    """Return the Fréchet distance of two sets of which only the moments are known.

    For count ≤ d, `frechet_distance` of the features themselves is much faster.
    """
    require_equal_widths(a, b)
    return _distance(
        _Gaussian(a.mean, *_root(a.covariance)), _Gaussian(b.mean, *_root(b.covariance))
    )


def frechet_to_moments(features: Features, fixed: Moments) -> Estimate:
    """Return the Fréchet distance of features (n, d), n ≥ 2, to a Gaussian that is given.

    The interval is that of the features alone: the Gaussian is taken as it stands, and whatever it
    was made of has no part in it.
    """
    x = as_rows(features, "features", minimum=2)
    value, influence = FixedGaussian(fixed).with_influence(x)
    return from_squared_distance(value, [influence], influence_of_pairs(x), value)


class FixedGaussian:
    """A Gaussian that sets of features are compared with: its covariance is decomposed once."""

    def __init__(self, moments: Moments) -> None:
        self._moments = moments
        self._fitted: _Gaussian | None = None

    def with_influence(self, x: Rows) -> tuple[float, Float64[Tensor, " n"]]:
        """Return the distance, and n times its derivative by each sample's weight."""
        fixed = self._on(x.device)
        if x.width != len(fixed.mean):
            raise BadInput(
                f"The features have {x.width} columns and the statistics are of "
                f"{len(fixed.mean)}: compute both with one extractor."
            )
        a = _fit(x)
        u, s, _ = _singular(a.root.T @ fixed.root)
        return _distance(a, fixed, s), _influence(x, a, u, s, a.mean - fixed.mean)

    def _on(self, device: torch.device) -> "_Gaussian":
        if self._fitted is None:
            mean, covariance = self._moments.mean, self._moments.covariance
            self._fitted = _Gaussian(mean.to(device), *_root(covariance.to(device)))
        return self._fitted


Along = Callable[[slice, Float64[Tensor, "n d"]], Float64[Tensor, "n k"]]
"""From some rows of a set, and them less its mean, to their components in some directions."""
Unroot = Callable[[Float64[Tensor, "r k"]], Float64[Tensor, "d k"]]
"""From columns u to A⁺ᵀu, for Σ = A Aᵀ."""


@dataclass(frozen=True, eq=False)
class _Gaussian:
    mean: Float64[Tensor, " d"]
    root: Float64[Tensor, "d r"]
    """Any A with Σ = A Aᵀ."""
    unroot: Unroot | None
    """None where A is the centred features themselves."""

    def along(self, directions: Float64[Tensor, "r k"]) -> Along:
        """Return what gives wᵀu for each x - μ = A w, w being whitened features, and column u."""
        if self.unroot is None:  # each sample is a column of A, and so far from the mean
            scaled = (len(directions) - 1) ** 0.5 * directions
            return lambda rows, centred: scaled[rows]
        projection = self.unroot(directions)
        return lambda rows, centred: centred @ projection


def _fit(features: Rows) -> _Gaussian:
    count = len(features)
    if count > features.width:
        moments = Moments.of_rows(features)
        return _Gaussian(moments.mean, *_root(moments.covariance))
    x = features[:]
    mean = x.mean(0)  # few samples, once centred, are a root as they stand
    return _Gaussian(mean, (x - mean).T / (count - 1) ** 0.5, None)


def _root(covariance: Float64[Tensor, "d d"]) -> tuple[Float64[Tensor, "d r"], Unroot]:
    """Return A with Σ = A Aᵀ: by Cholesky, or from the eigenvectors where Σ is singular."""
    root, failed = torch.linalg.cholesky_ex(covariance)
    if not failed:
        return root, lambda u: torch.linalg.solve_triangular(root.T, u, upper=True)
    values, vectors = torch.linalg.eigh(covariance)
    # Directions without variance hold only rounding, which the square root would magnify.
    kept = values > values[-1] * len(values) * torch.finfo(values.dtype).eps
    scales, vectors = values[kept].sqrt(), vectors[:, kept]
    return vectors * scales, lambda u: vectors / scales @ u


def _distance(
    a: _Gaussian, b: _Gaussian, singular_values: Float64[Tensor, " k"] | None = None
) -> float:
    if singular_values is None:
        singular_values = _singular_values(a.root.T @ b.root)
    shift = (a.mean - b.mean).square().sum()
    variance = a.root.square().sum() + b.root.square().sum()
    # Equal sets may round to just below 0, where no squared distance lies.
    return max(0.0, float(shift + variance - 2 * singular_values.sum()))


def _singular_values(matrix: Float64[Tensor, "r q"]) -> Float64[Tensor, " k"]:
    if min(matrix.shape) <= SMALL:
        return torch.linalg.svdvals(matrix)
    return torch.linalg.eigvalsh(_gram(matrix)).clamp(min=0).sqrt()


def _singular(
    matrix: Float64[Tensor, "r q"],
) -> tuple[Float64[Tensor, "r k"], Float64[Tensor, " k"], Float64[Tensor, "q k"]]:
    """Return U, S and V with M = U S Vᵀ; where S is 0 a column of U may be 0, too."""
    if min(matrix.shape) <= SMALL:
        u, s, vh = torch.linalg.svd(matrix, full_matrices=False)
        return u, s, vh.T
    if matrix.shape[0] < matrix.shape[1]:
        v, s, u = _singular(matrix.T)
        return u, s, v
    squares, v = torch.linalg.eigh(_gram(matrix))
    s = squares.clamp(min=0).sqrt()
    return matrix @ v * torch.where(s > _NOISE * s.max(), 1 / s, 0), s, v


def _gram(matrix: Float64[Tensor, "r q"]) -> Float64[Tensor, "k k"]:
    """Return the smaller of MᵀM and MMᵀ."""
    return matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T


def _influence(
    features: Rows,
    fitted: _Gaussian,
    directions: Float64[Tensor, "r k"],
    weights: Float64[Tensor, " k"],
    shift: Float64[Tensor, " d"],
) -> Float64[Tensor, " n"]:
    """Return n times the distance's derivative by each sample's weight, but for a constant.

        2 (x - μ₁)ᵀ(μ₁ - μ₂) + ‖x - μ₁‖² - Σₖ Sₖ (wᵀUₖ)²

    The terms are those of ‖μ₁ - μ₂‖², tr Σ₁ and 2 tr √(Σ₁Σ₂), for M = U S Vᵀ and the sample's
    whitened w = A₁⁺(x - μ₁). `directions` are U, `weights` S, and `shift` is μ₁ - μ₂.
    """
    along, parts = fitted.along(directions), []
    for rows, chunk in features.chunks():
        centred = chunk - fitted.mean
        on_root_trace = along(rows, centred).square() @ weights
        parts.append(2 * centred @ shift + centred.square().sum(1) - on_root_trace)
    return torch.cat(parts)
