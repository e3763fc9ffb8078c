"""MIND, the sliced Wasserstein distance of two feature sets (Berthet et al. 2026, 2605.06797).

    3d/M Σᵢ ∫ (F⁻¹(t) - G⁻¹(t))² dt

with F and G the distributions of uᵢᵀx and uᵢᵀy along M random unit directions. Of equally large
sets the integral is the mean of (sort(uᵢᵀX)ⱼ - sort(uᵢᵀY)ⱼ)². Of others it is that of the two
steps' difference, exact, so that every image counts: torch-fidelity 0.5 leaves images of the larger
set out. The directions are torch-fidelity's for the same seed, and where sizes are equal the value
is its value, which it computes in float32.

Along a direction the derivative by an image's weight is its Kantorovich potential φ, which grows by

    φ(x') - φ(x) = (x' - x) (x + x' - y - y')

from one step x, y of both sets to the next, x', y' (Santambrogio 2015, proposition 7.17): of ψ, in
which x and y change places, the same holds, and φ + ψ = (x - y)² all along.
"""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Float32, Float64, Int64
from torch import Tensor

from facebench.errors import BadInput
from facebench.metrics.arrays import Features, Rows, as_pair
from facebench.metrics.exchange import influence_of_pairs
from facebench.metrics.uncertainty import Estimate, from_squared_distance
from facebench.numerics.transfer import send

DIRECTIONS = 1000
SEED = 2020
PROJECTED = 1 << 30
"""Bytes that projections may take: those of a million images are made some directions at a time."""
SORTED = 1 << 25
"""Bytes of projections that are sorted at a time, for which some ten times as many are needed."""


def mind(
    real: Features, generated: Features, directions: int = DIRECTIONS, seed: int = SEED
) -> float:
    """Return the MIND of features (n, d) and (m, d), in squared feature units.

    Args:
        real: features (n, d).
        generated: features (m, d); m need not be n.
        directions: along how many the sets are compared.
        seed: of the directions.

    Raises:
        BadInput: for fewer than 2 samples a side, no direction, unequal widths, or values that are
            not finite.
    """
    return mind_estimate(real, generated, directions, seed).value


def mind_estimate(
    real: Features, generated: Features, directions: int = DIRECTIONS, seed: int = SEED
) -> Estimate:
    """Return MIND and its uncertainty, that of the images along the directions that were drawn.

    Arguments and errors are those of `mind`.
    """
    x, y = as_pair(real, generated, minimum=2)
    distance = partial(mind_with_influence, directions=directions, seed=seed)
    value, *influences = distance(x, y)
    return from_squared_distance(value, influences, influence_of_pairs(distance, x, y), value)


def mind_with_influence(
    x: Rows, y: Rows, directions: int = DIRECTIONS, seed: int = SEED
) -> tuple[float, Float64[Tensor, " n"], Float64[Tensor, " m"]]:
    """Return the distance, and n (m) times its derivative by each sample's weight."""
    if directions < 1:
        raise BadInput(f"{directions} directions give no distance: take at least 1.")
    steps = _steps(x, y)
    values, of_x, of_y = (
        torch.zeros(size, dtype=x.dtype, device=x.device) for size in (1, len(x), len(y))
    )
    for a, b in _projections(x, y, _units(x.width, directions, seed)):
        squares, by_a, by_b = _compared(a, b, steps)
        values, of_x, of_y = values + squares, of_x + by_a, of_y + by_b
    scale = 3 * x.width / directions
    return float(scale * values), scale * of_x, scale * of_y


def _units(width: int, directions: int, seed: int) -> Float32[Tensor, "directions d"]:
    """Draw directions as torch-fidelity does, in float32 from the CPU's generator."""
    random = torch.Generator(device="cpu").manual_seed(seed)
    drawn = torch.randn(directions, width, generator=random, dtype=torch.float32, device="cpu")
    return torch.nn.functional.normalize(drawn)


def _projections(
    x: Rows, y: Rows, units: Float32[Tensor, "directions d"]
) -> Iterator[tuple[Float64[Tensor, "k n"], Float64[Tensor, "k m"]]]:
    """Yield both sets along some directions at a time."""
    bytes_each = x.dtype.itemsize * (len(x) + len(y))
    at_once, together = (max(1, size // bytes_each) for size in (PROJECTED, SORTED))
    for some in torch.split(units, at_once):
        directions = send(some.to(x.dtype), x.device)
        a, b = (torch.cat([directions @ part.T for _, part in z.chunks()], 1) for z in (x, y))
        yield from zip(torch.split(a, together), torch.split(b, together), strict=True)


class _Steps(NamedTuple):
    """How the mass of one sorted set is moved to another: in steps, each between two images."""

    x: Int64[Tensor, " steps"]
    """The rank from which it comes."""
    y: Int64[Tensor, " steps"]
    """The rank to which it goes."""
    mass: Float64[Tensor, " steps"]
    """How much of all."""
    first_x: Int64[Tensor, " n"]
    """The first step of each rank."""
    first_y: Int64[Tensor, " m"]


def _steps(x: Rows, y: Rows) -> _Steps:
    """Return the steps, whose ends are multiples of 1/n and of 1/m: counted in parts of nm."""
    n, m = len(x), len(y)
    starts_x, starts_y = m * torch.arange(n), n * torch.arange(m)
    starts = torch.unique(torch.cat([starts_x, starts_y]))
    mass = torch.diff(starts, append=torch.tensor([n * m])).to(x.dtype) / (n * m)
    first_x, first_y = (torch.searchsorted(starts, each) for each in (starts_x, starts_y))
    parts = starts // m, starts // n, mass, first_x, first_y
    return _Steps(*(send(part, x.device) for part in parts))


def _compared(
    a: Float64[Tensor, "k n"], b: Float64[Tensor, "k m"], steps: _Steps
) -> tuple[Float64[Tensor, ""], Float64[Tensor, " n"], Float64[Tensor, " m"]]:
    """Return the squared distance and the potentials of all images, summed over k directions."""
    (a, order_a), (b, order_b) = a.sort(dim=1), b.sort(dim=1)
    x, y = a[:, steps.x], b[:, steps.y]
    squares = (x - y).square()
    potential = _potential(x, x - y)
    of_a = _in_order(potential[:, steps.first_x], order_a)
    of_b = _in_order((squares - potential)[:, steps.first_y], order_b)
    return (squares @ steps.mass).sum(), of_a.sum(0), of_b.sum(0)


def _potential(
    x: Float64[Tensor, "k steps"], moved: Float64[Tensor, "k steps"]
) -> Float64[Tensor, "k steps"]:
    """Sum (x' - x)(x + x' - y - y') over the steps; `moved` is x - y."""
    growth = x.diff(dim=1) * (moved[:, 1:] + moved[:, :-1])
    return torch.nn.functional.pad(growth.cumsum(1), (1, 0))


def _in_order(
    values: Float64[Tensor, "k n"], order: Int64[Tensor, "k n"]
) -> Float64[Tensor, "k n"]:
    """Return the values of sorted images in the order in which the images came."""
    return torch.empty_like(values).scatter_(1, order, values)
