"""What can be wrong with a picture: the damage that the portrait network learns to see."""

from collections.abc import Callable

import numpy as np
from jaxtyping import UInt8
from numpy.random import Generator, Philox
from PIL import Image
from PIL.Image import Resampling
from portrait_pictures import SIZE, Picture, another, sampled
from scipy.ndimage import gaussian_filter


def damaged(image: Picture, number: int) -> tuple[UInt8[np.ndarray, "3 64 64"], np.ndarray]:
    """Return picture `number` with up to three kinds of damage, and how strong each kind is.

    Strengths are 0 where there is none, else 0 to 1; the order is that of DAMAGE.
    """
    rng = Generator(Philox(key=number + (2 << 64)))
    strengths = np.zeros(len(DAMAGE), np.float32)
    count = int(rng.choice(4, p=(0.3, 0.4, 0.2, 0.1)))
    chosen = rng.permutation(len(DAMAGE))[:count]
    for place in sorted(chosen.tolist()):
        strength = float(rng.uniform(0.02, 1))
        strengths[place] = strength
        image = list(DAMAGE.values())[place](image, strength, rng)
        image = np.clip(image, 0, 255).astype(np.float32)
    return np.rint(image).astype(np.uint8), strengths


def _warp(image: Picture, strength: float, rng: Generator) -> Picture:
    """Bend the picture as generators that have not learnt faces do."""
    smooth = rng.uniform(3, 10)
    fields = [gaussian_filter(rng.standard_normal((SIZE, SIZE)), smooth) for _ in range(2)]
    bend = np.stack([field / field.std() for field in fields]) * (0.4 + 3.5 * strength)
    return sampled(image, np.mgrid[:SIZE, :SIZE] + bend)


def _ghost(image: Picture, strength: float, rng: Generator) -> Picture:
    return (1 - strength / 2) * image + strength / 2 * another(rng)


def _cast(image: Picture, strength: float, rng: Generator) -> Picture:
    direction = rng.normal(0, 1, (3, 1, 1))
    direction -= direction.mean()
    return image + 65 * strength * direction / np.linalg.norm(direction)


def _faded(image: Picture, strength: float, rng: Generator) -> Picture:
    """Lessen or raise contrast or saturation."""
    middle = image.mean(0, keepdims=True) if rng.uniform() < 0.5 else image.mean()
    return middle + (image - middle) * (1 + rng.choice([-0.8, 0.8]) * strength)


def _blotches(image: Picture, strength: float, rng: Generator) -> Picture:
    """Lay smooth coloured blotches over the picture, as GANs do."""
    noise = gaussian_filter(rng.standard_normal((3, SIZE, SIZE)), (0, *rng.uniform(2, 8, 2)))
    return image + 45 * strength * noise / noise.std()


def _checks(image: Picture, strength: float, rng: Generator) -> Picture:
    """Add the checkerboard of transposed convolutions."""
    period = int(rng.choice([2, 4, 8]))
    tile = rng.normal(0, 1, (3, period, period)) * np.array([1, 0.3, 0.3])[:, None, None]
    return image + 28 * strength * np.tile(tile - tile.mean(), (1, SIZE // period, SIZE // period))


def _sharp(image: Picture, strength: float, rng: Generator) -> Picture:
    soft = gaussian_filter(image, (0, 1, 1))
    return image + 2.5 * strength * (image - soft)


def _blur(image: Picture, strength: float, rng: Generator) -> Picture:
    sigma = 0.3 + 2.7 * strength**1.5
    return gaussian_filter(image, (0, sigma, sigma), mode="nearest")


def _mosaic(image: Picture, strength: float, rng: Generator) -> Picture:
    """Show the picture by fewer pixels, as blocks or smoothly."""
    fewer = round(SIZE / (1 + 7 * strength))
    back = Resampling.NEAREST if rng.uniform() < 0.5 else Resampling.BILINEAR
    coarse = (Image.fromarray(c).resize((fewer, fewer), Resampling.BOX) for c in image)
    return np.stack([np.asarray(c.resize((SIZE, SIZE), back)) for c in coarse])


def _noise(image: Picture, strength: float, rng: Generator) -> Picture:
    grain = rng.standard_normal(image.shape)
    return image + (2 + 58 * strength**1.5) * grain


def _jpeg(image: Picture, strength: float, rng: Generator) -> Picture:
    from validity_changes import jpeg

    quality = round(90 * (1 - strength) + 4)
    return jpeg(np.rint(image).astype(np.uint8)[None], quality)[0].astype(np.float32)


DAMAGE: dict[str, Callable[[Picture, float, Generator], Picture]] = {
    "warp": _warp,
    "ghosting": _ghost,
    "colour cast": _cast,
    "fading": _faded,
    "blotches": _blotches,
    "checks": _checks,
    "sharpening": _sharp,
    "blur": _blur,
    "mosaic": _mosaic,
    "noise": _noise,
    "jpeg": _jpeg,
}
"""The kinds of damage, in the order in which they happen."""
