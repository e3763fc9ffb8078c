"""The population of painted faces: what a face is made of, and how the factors vary together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

HAIR_STYLES = (
    "bald", "buzz", "short", "swept", "curly", "afro", "bob", "fringe", "long", "wavy", "updo",
)  # fmt: skip
"""All but the first have a row of dials in `facebench.synth.hair.STYLES`."""


@dataclass(frozen=True)
class FaceFactors:
    """Everything that decides one picture. Relative floats: 0 is none, 1 the usual.

    Lengths are in half image heights, angles in radians, and left and right are the viewer's.
    """

    # Framing and pose
    shift_x: float
    shift_y: float
    zoom: float
    yaw: float
    pitch: float
    roll: float
    # Head
    head_width: float
    head_height: float
    jaw_width: float
    jaw_square: float
    cheekbones: float
    age: float
    skin_tone: float
    skin_warmth: float
    blush: float
    # Hair
    hair_style: str
    hair_tone: float
    hair_red: float
    hair_grey: float
    hair_volume: float
    hair_line: float
    hair_part: float
    hair_strands: float
    # Eyes and brows
    eye_size: float
    eye_spacing: float
    eye_tilt: float
    eye_open: float
    eye_makeup: float
    gaze_x: float
    gaze_y: float
    iris_tone: float
    brow_height: float
    brow_angle: float
    brow_thickness: float
    brow_depth: float
    # Nose and mouth
    nose_length: float
    nose_width: float
    mouth_width: float
    mouth_open: float
    lip_fullness: float
    lip_colour: float
    smile: float
    # Beard, glasses, jewels
    beard: str
    beard_density: float
    glasses: str
    glasses_tone: float
    earrings: bool
    # Light
    light_x: float
    light_y: float
    light_strength: float
    light_warmth: float
    gloss: float
    # Surroundings
    background_hue: float
    background_colour: float
    background_value: float
    background_slope: float
    background_shapes: float
    clothes_hue: float
    clothes_colour: float
    clothes_value: float
    neckline: str
    shoulders: float


def factors(seed: int) -> FaceFactors:
    """Return the face of an integer `seed`, from a counter-based generator keyed by it.

    >>> factors(7) == factors(7), factors(7) == factors(8)
    (True, False)
    """
    draw = _Draw(np.random.Generator(np.random.Philox(key=int(seed))))
    # Two hidden traits make the recorded factors vary together, as they do in people.
    rugged, tone = draw.unit(), draw.unit()
    return FaceFactors(
        **_framing(draw),
        **_head(draw, rugged, tone),
        **_hair(draw, rugged, tone),
        **_eyes(draw, rugged, tone),
        **_nose_and_mouth(draw, rugged),
        **_extras(draw, rugged),
        **_light(draw),
        **_surroundings(draw),
    )


class _Draw:
    """The few distributions a population is made of."""

    def __init__(self, generator: np.random.Generator) -> None:
        self.generator = generator

    def unit(self, low: float = 0.0, high: float = 1.0) -> float:
        return float(self.generator.uniform(low, high))

    def near(self, mean: float, spread: float) -> float:
        """Return a normal draw cut at two and a half spreads, so that no face falls apart."""
        return mean + spread * min(max(float(self.generator.standard_normal()), -2.5), 2.5)

    def chance(self, probability: float) -> bool:
        return self.unit() < probability

    def choice(self, names: Sequence[str], weights: Sequence[float]) -> str:
        edges = np.cumsum(weights)
        return names[int(np.searchsorted(edges, self.unit() * edges[-1], side="right"))]


def _framing(draw: _Draw) -> dict[str, Any]:
    return {
        "shift_x": draw.near(0.0, 0.025),
        "shift_y": draw.near(0.0, 0.025),
        "zoom": draw.near(1.1, 0.04),
        "yaw": draw.near(0.0, 0.23),
        "pitch": draw.near(0.0, 0.10),
        "roll": draw.near(0.0, 0.06),
    }


def _head(draw: _Draw, rugged: float, tone: float) -> dict[str, Any]:
    return {
        "head_width": draw.near(0.98 + 0.05 * rugged, 0.045),
        "head_height": draw.near(1.0, 0.035),
        "jaw_width": draw.near(0.74 + 0.19 * rugged, 0.07),
        "jaw_square": draw.near(0.15 + 0.5 * rugged, 0.12),
        "cheekbones": draw.near(1.0, 0.35),
        "age": draw.unit() ** 1.5,
        "skin_tone": tone**1.6,
        "skin_warmth": draw.near(0.4, 0.4),
        "blush": draw.unit(0.2, 1.2 - 0.5 * rugged),
    }


def _hair(draw: _Draw, rugged: float, tone: float) -> dict[str, Any]:
    cropped = np.array([4, 3, 8, 8, 4, 1, 0, 0, 1, 0, 0]) * rugged**3
    grown = np.array([0, 0, 1, 1, 1, 2, 5, 5, 9, 8, 4]) * (1 - rugged) ** 3
    return {
        "hair_style": draw.choice(HAIR_STYLES, (cropped + grown).tolist()),
        "hair_tone": draw.unit() ** (1.0 + 4 * tone),
        "hair_red": draw.unit() ** 4,
        "hair_grey": max(0.0, draw.near(-0.7, 0.6)),
        "hair_volume": draw.near(1.0, 0.25),
        "hair_line": draw.near(0.0, 0.03),
        "hair_part": draw.near(0.0, 0.14),
        "hair_strands": draw.unit(0.0, 100.0),
    }


def _eyes(draw: _Draw, rugged: float, tone: float) -> dict[str, Any]:
    return {
        "eye_size": draw.near(1.12 - 0.1 * rugged, 0.07),
        "eye_spacing": draw.near(1.0, 0.04),
        "eye_tilt": draw.near(0.03, 0.06),
        "eye_open": draw.near(0.95, 0.16),
        "eye_makeup": draw.unit() * (1 - rugged),
        "gaze_x": draw.near(0.0, 0.3),
        "gaze_y": draw.near(0.0, 0.15),
        "iris_tone": draw.unit() ** (1.0 + 8 * tone),
        "brow_height": draw.near(0.0, 0.016),
        "brow_angle": draw.near(-0.03 - 0.04 * rugged, 0.07),
        "brow_thickness": draw.near(0.75 + 0.5 * rugged, 0.15),
        "brow_depth": draw.unit(0.5, 1.0),
    }


def _nose_and_mouth(draw: _Draw, rugged: float) -> dict[str, Any]:
    smile = draw.unit(-0.05, 1.1)
    return {
        "nose_length": draw.near(0.98 + 0.06 * rugged, 0.06),
        "nose_width": draw.near(0.95 + 0.12 * rugged, 0.12),
        "mouth_width": draw.near(1.0, 0.07),
        "mouth_open": max(0.0, draw.near(1.1 * smile - 0.2, 0.3)),
        "lip_fullness": draw.near(1.1 - 0.25 * rugged, 0.18),
        "lip_colour": draw.unit(0.2, 1.2 - 0.8 * rugged),
        "smile": smile,
    }


def _extras(draw: _Draw, rugged: float) -> dict[str, Any]:
    bearded = max(0.0, 1.6 * rugged - 0.9)
    return {
        "beard": draw.choice(("none", "stubble", "moustache", "goatee", "full"),
                             (1 - bearded, *(bearded * share for share in (0.3, 0.15, 0.2, 0.35)))),
        "beard_density": draw.unit(0.5, 1.0),
        "glasses": draw.choice(("none", "round", "square"), (0.82, 0.09, 0.09)),
        "glasses_tone": draw.unit(),
        "earrings": draw.chance(0.6 * (1 - rugged)),
    }  # fmt: skip


def _light(draw: _Draw) -> dict[str, Any]:
    return {
        "light_x": draw.near(0.0, 0.45),
        "light_y": draw.near(-0.45, 0.18),
        "light_strength": draw.unit(0.35, 0.85),
        "light_warmth": draw.near(0.1, 0.4),
        "gloss": draw.unit(),
    }


def _surroundings(draw: _Draw) -> dict[str, Any]:
    return {
        "background_hue": draw.near(0.58 if draw.chance(0.5) else 0.09, 0.09) % 1,
        "background_colour": draw.unit() ** 1.3,
        "background_value": draw.unit(0.08, 0.95),
        "background_slope": draw.near(0.0, 0.5),
        "background_shapes": draw.unit(0.0, 100.0),
        "clothes_hue": draw.unit(),
        "clothes_colour": draw.unit() ** 2,
        "clothes_value": draw.unit(0.06, 0.9),
        "neckline": draw.choice(("round", "vee", "collar"), (3.0, 2.0, 2.0)),
        "shoulders": draw.near(1.0, 0.1),
    }
