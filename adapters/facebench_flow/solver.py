"""From noise to images and back: an ordinary differential equation, solved in so many steps."""

from collections.abc import Callable
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

SolverName = Literal["heun", "euler"]
Velocity = Callable[[Tensor, Tensor], Tensor]
"""Maps points (n, …) and times (n,) to the direction in which the points move."""


def solve(
    velocity: Velocity,
    x: Float[Tensor, "n ..."],
    steps: int,
    solver: SolverName = "heun",
    *,
    backwards: bool = False,
    power: int = 1,
) -> Float[Tensor, "n ..."]:
    """Return where `x` has moved from time 0 to 1, or `backwards` from 1 to 0.

    Euler's method asks for the velocity once a step, Heun's twice, which pays for itself, but for
    the step to time 1, where no network was trained (Karras et al. 2022, arXiv:2206.00364, section
    3). Steps are of equal length; or the shorter the nearer to time 1, where velocities change
    most: 1 - t falls by this `power`.
    """
    even = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
    times = (even if power == 1 else 1 - (1 - even) ** power).tolist()
    for now, then in pairwise(times[::-1] if backwards else times):
        slope = velocity(x, x.new_full((len(x),), now))
        moved = x + (then - now) * slope
        if solver == "heun" and then < 1:
            end = velocity(moved, x.new_full((len(x),), then))
            moved = x + (then - now) * (slope + end) / 2
        x = moved
    return x
