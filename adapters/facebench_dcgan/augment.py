"""DiffAugment: the same random changes to all that the discriminator is given.

Zhao et al. 2020, arXiv:2006.10738: colour, translation and cutout, differentiable, on real and
generated images alike, so that the discriminator cannot learn a small data set by heart and the
generator does not learn the changes.
"""

from typing import Any

NUMBERS = 7
"""Uniform random numbers that one image takes."""
SHIFT, CUTOUT = 1 / 8, 1 / 2
"""Largest translation, and side of the hole, as shares of the image's."""


def augment(x: Any, u: Any) -> Any:
    """Return images `x` (n, s, s, 3) in [-1, 1], changed by `u` (n, NUMBERS) in [0, 1)."""
    from keras import ops

    u = ops.reshape(u, (-1, NUMBERS, 1, 1, 1))
    x = x + u[:, 0] - 0.5  # brightness
    x = _around(ops.mean(x, -1, keepdims=True), x, 2 * u[:, 1])  # saturation
    x = _around(ops.mean(x, (1, 2, 3), keepdims=True), x, u[:, 2] + 0.5)  # contrast
    x = _translate(x, u[:, 3:5, 0, 0, 0])
    return x * (1 - _hole(x.shape[1], u[:, 5:7, 0, 0, 0]))


def _around(centre: Any, x: Any, factor: Any) -> Any:
    return centre + (x - centre) * factor


def _translate(x: Any, u: Any) -> Any:
    """Move images by whole pixels; what comes in from outside is 0.

    Rows and columns are chosen by products with matrices of zeros and ones, whose gradients every
    backend has.
    """
    from keras import ops

    size = x.shape[1]
    most = round(SHIFT * size)
    shift = ops.floor(u * (2 * most + 1)) - most
    places = ops.arange(size, dtype="float32")
    rows, columns = (
        ops.cast(places[None, :, None] + shift[:, axis, None, None] == places, "float32")
        for axis in (0, 1)
    )
    return ops.einsum("nij,njkc,nlk->nilc", rows, x, columns)


def _hole(size: int, u: Any) -> Any:
    """Return 1 inside a square around a random pixel, 0 elsewhere: (n, size, size, 1)."""
    from keras import ops

    places = ops.arange(size, dtype="float32")
    centre = ops.floor(u * size)
    rows, columns = (
        ops.cast(ops.abs(places - centre[:, axis, None]) < CUTOUT * size / 2, "float32")
        for axis in (0, 1)
    )
    return (rows[:, :, None] * columns[:, None, :])[..., None]
