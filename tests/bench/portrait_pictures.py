"""What the portrait network learns from: painted faces and procedural textures.

Picture number i is drawn from i alone. No photograph is among them, so weights may be shipped.
"""

from collections.abc import Callable
from operator import attrgetter

import numpy as np
from jaxtyping import Float32
from numpy.random import Generator, Philox
from scipy.ndimage import gaussian_filter, map_coordinates

from facebench.synth import ATTRIBUTES, FaceFactors, draw, factors

SIZE = 64
_NUMBERS = (
    *("yaw", "pitch", "roll", "zoom", "head_width", "jaw_width", "age", "skin_tone", "hair_tone"),
    *("hair_volume", "eye_size", "eye_spacing", "eye_open", "gaze_x", "iris_tone", "brow_angle"),
    *("nose_width", "mouth_width", "smile", "mouth_open", "light_x", "light_y", "light_strength"),
    *("background_value", "clothes_value"),
)
FIRST_FACE = 10**9
"""The faces of pictures; others, mixed in, are 10⁸ to 2 · 10⁸. None is shown elsewhere."""
FACTORS: dict[str, Callable[[FaceFactors], float]] = {
    **{name: attrgetter(name) for name in _NUMBERS},
    **ATTRIBUTES,
}
"""What is told of a face, by name."""
Picture = Float32[np.ndarray, "3 64 64"]
"""0 to 255, not yet rounded."""


def picture(number: int) -> Picture:
    """Return picture `number`, undamaged: seven of eight are faces, many repainted or mixed."""
    kind, rng = _kind(number)
    return _KINDS[kind][1](number, rng).astype(np.float32)


def _kind(number: int) -> tuple[str, Generator]:
    rng = Generator(Philox(key=number + (1 << 64)))
    names = list(_KINDS)
    shares = np.array([_KINDS[name][0] for name in names])
    return names[int(rng.choice(len(names), p=shares / shares.sum()))], rng


def face_factors(number: int) -> Float32[np.ndarray, " f"]:
    """Return what the face of picture `number` was drawn from; NaN where it is not one face."""
    if _kind(number)[0] not in ("face", "repainted", "collage"):
        return np.full(len(FACTORS), np.nan, np.float32)
    drawn = factors(FIRST_FACE + number)
    return np.array([of_face(drawn) for of_face in FACTORS.values()], np.float32)


def face(number: int) -> Picture:
    """Return the painted face that belongs to `number`."""
    return draw(factors(FIRST_FACE + number), SIZE).astype(np.float32)


def _face(number: int, rng: Generator) -> Picture:
    return face(number)


def another(rng: Generator) -> Picture:
    """Return a face that belongs to no picture."""
    return face(int(rng.integers(10**8)) + 10**8)


def _repainted(number: int, rng: Generator) -> Picture:
    """Return a face nearer or farther, in other colours, with a texture of light over it."""
    framed = _framed(face(number), rng.uniform(0.75, 1.3), rng.normal(0, 3, 2), rng)
    light = 1 + rng.uniform(0, 0.5) * (_clouds(rng, rng.uniform(1, 3))[:1] - 0.5)
    return np.clip(_toned(framed, rng) * light, 0, 255)


def _mixed(number: int, rng: Generator) -> Picture:
    """Return parts of two faces, along soft borders."""
    mask = _soft_mask(rng)
    return mask * face(number) + (1 - mask) * another(rng)


def _collage(number: int, rng: Generator) -> Picture:
    """Return a face in front of a texture."""
    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    wide, high = rng.uniform(0.45, 0.9, 2)
    inside = 1 / (1 + np.exp(12 * ((x / wide) ** 2 + (y / high) ** 2 - 1)))
    return inside * face(number) + (1 - inside) * _texture(number, rng)


def _crowd(number: int, rng: Generator) -> Picture:
    """Return a weighted mean of several faces, as models of few components make."""
    weights = rng.dirichlet(np.full(int(rng.integers(2, 9)), 0.7))
    others = [face(number), *(another(rng) for _ in weights[1:])]
    return np.tensordot(weights, np.stack(others), 1)


def _texture(number: int, rng: Generator) -> Picture:
    return _TEXTURES[int(rng.integers(len(_TEXTURES)))](rng)


def _clouds(rng: Generator, slope: float | None = None) -> Float32[np.ndarray, "3 64 64"]:
    """Return noise of spectrum 1/f^slope in mixed channels, 0 to 1."""
    slope = rng.uniform(0.5, 3) if slope is None else slope
    fy, fx = np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE)[None]
    falling = np.maximum(np.hypot(fy, fx), 1 / SIZE) ** -slope
    noise = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((3, SIZE, SIZE))) * falling)
    mixed = np.tensordot(np.eye(3) + rng.normal(0, 1, (3, 3)), noise, 1)
    mixed -= mixed.mean((1, 2), keepdims=True)
    mixed /= 4 * mixed.std((1, 2), keepdims=True) + 1e-9
    return np.clip(mixed + rng.uniform(0.25, 0.75, (3, 1, 1)), 0, 1)


def _cloudy(rng: Generator) -> Picture:
    return 255 * _clouds(rng)


def _leaves(rng: Generator) -> Picture:
    """Return ellipses that lie on each other: the "dead leaves" of Lee, Mumford & Huang 2001."""
    canvas = np.tile(rng.uniform(0, 255, (3, 1, 1)), (1, SIZE, SIZE))
    y, x = np.mgrid[:SIZE, :SIZE]
    for _ in range(int(rng.integers(5, 60))):
        centre, radius = rng.uniform(0, SIZE, 2), min(2 / rng.uniform(0.05, 1), 40)
        angle, flat = rng.uniform(0, np.pi), rng.uniform(0.4, 1)
        u = np.cos(angle) * (x - centre[0]) + np.sin(angle) * (y - centre[1])
        v = np.cos(angle) * (y - centre[1]) - np.sin(angle) * (x - centre[0])
        inside = np.clip(radius - np.hypot(u, v / flat) + 0.5, 0, 1)
        canvas += inside * (rng.uniform(0, 255, (3, 1, 1)) - canvas)
    return canvas


def _waves(rng: Generator) -> Picture:
    """Return a few plane waves in two colours."""
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    waves = sum(np.sin(2 * np.pi * (a * x + b * y + c)) for a, b, c in rng.normal(0, 4, (4, 3)))
    low, high = rng.uniform(0, 255, (2, 3, 1, 1))
    return low + (high - low) / (1 + np.exp(-rng.uniform(0.5, 4) * waves))


_TEXTURES: tuple[Callable[[Generator], Picture], ...] = (_cloudy, _leaves, _waves)
_KINDS: dict[str, tuple[float, Callable[[int, Generator], Picture]]] = {
    "face": (0.35, _face),
    "repainted": (0.3, _repainted),
    "mixed": (0.07, _mixed),
    "collage": (0.08, _collage),
    "crowd": (0.08, _crowd),
    "texture": (0.12, _texture),
}
"""How often each kind is drawn."""


def _framed(
    image: Picture, scale: float, shift: np.ndarray, rng: Generator, turn: float = 0.15
) -> Picture:
    """Return the picture scaled, shifted and turned about its middle, its border mirrored."""
    angle = rng.normal(0, turn)
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
    places = np.stack([cos * y - sin * x + shift[0], sin * y + cos * x + shift[1]])
    return sampled(image, places + (SIZE - 1) / 2)


def sampled(image: Picture, places: np.ndarray) -> Picture:
    """Return what lies at `places`, rows and columns of shape (2, 64, 64), between pixels too."""
    return np.stack([map_coordinates(c, places, order=1, mode="mirror") for c in image])


def _toned(image: Picture, rng: Generator) -> Picture:
    """Return the picture with other contrast, saturation, gamma and white."""
    x = np.clip(image / 255, 0, 1) ** np.exp(rng.normal(0, 0.3))
    grey = x.mean(0, keepdims=True)
    x = grey + (x - grey) * np.exp(rng.normal(0, 0.4))
    x = 0.5 + (x - 0.5) * np.exp(rng.normal(0, 0.2)) + rng.normal(0, 0.06)
    return 255 * np.clip(x * np.exp(rng.normal(0, 0.08, (3, 1, 1))), 0, 1)


def _soft_mask(rng: Generator) -> Float32[np.ndarray, "1 64 64"]:
    field = gaussian_filter(rng.standard_normal((SIZE, SIZE)), rng.uniform(4, 14), mode="wrap")
    return (1 / (1 + np.exp(-rng.uniform(2, 12) * field / field.std())))[None]
