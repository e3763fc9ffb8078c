"""The population of painted faces: what a face is made of, and how the factors vary together."""

from dataclasses import dataclass

import numpy as np

HAIR_STYLES = {
    "bald": (4, 0), "buzz": (3, 0), "short": (8, 1), "swept": (8, 1), "curly": (4, 1),
    "afro": (1, 2), "bob": (0, 5), "fringe": (0, 5), "long": (1, 9), "wavy": (0, 8), "updo": (0, 4),
}  # fmt: skip
"""How often rugged and delicate faces wear each; all but "bald" have dials in `hair.STYLES`."""
BEARDS = {"stubble": 0.3, "moustache": 0.15, "goatee": 0.2, "full": 0.35}
"""How often bearded faces wear each."""


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
    """Return the face of an integer `seed`.

    >>> factors(7) == factors(7), factors(7) == factors(8)
    (True, False)
    """
    rng = _Random(int(seed))
    # Two hidden traits make the recorded factors vary together, as they do in people.
    rugged, tone = rng.uniform(), rng.uniform()
    return FaceFactors(
        # Framing and pose
        shift_x=rng.normal(0.0, 0.025),
        shift_y=rng.normal(0.0, 0.025),
        zoom=rng.normal(1.1, 0.04),
        yaw=rng.normal(0.0, 0.23),
        pitch=rng.normal(0.0, 0.10),
        roll=rng.normal(0.0, 0.06),
        # Head
        head_width=rng.normal(0.98 + 0.05 * rugged, 0.045),
        head_height=rng.normal(1.0, 0.035),
        jaw_width=rng.normal(0.74 + 0.19 * rugged, 0.07),
        jaw_square=rng.normal(0.15 + 0.5 * rugged, 0.12),
        cheekbones=rng.normal(1.0, 0.35),
        age=rng.uniform() ** 1.5,
        skin_tone=tone**1.6,
        skin_warmth=rng.normal(0.4, 0.4),
        blush=rng.uniform(0.2, 1.2 - 0.5 * rugged),
        # Hair
        hair_style=rng.choice(_hair_styles(rugged)),
        hair_tone=rng.uniform() ** (1.0 + 4 * tone),
        hair_red=rng.uniform() ** 4,
        hair_grey=max(0.0, rng.normal(-0.7, 0.6)),
        hair_volume=rng.normal(1.0, 0.25),
        hair_line=rng.normal(0.0, 0.03),
        hair_part=rng.normal(0.0, 0.14),
        hair_strands=rng.uniform(0.0, 100.0),
        # Eyes and brows
        eye_size=rng.normal(1.12 - 0.1 * rugged, 0.07),
        eye_spacing=rng.normal(1.0, 0.04),
        eye_tilt=rng.normal(0.03, 0.06),
        eye_open=rng.normal(0.95, 0.16),
        eye_makeup=rng.uniform() * (1 - rugged),
        gaze_x=rng.normal(0.0, 0.3),
        gaze_y=rng.normal(0.0, 0.15),
        iris_tone=rng.uniform() ** (1.0 + 8 * tone),
        brow_height=rng.normal(0.0, 0.016),
        brow_angle=rng.normal(-0.03 - 0.04 * rugged, 0.07),
        brow_thickness=rng.normal(0.75 + 0.5 * rugged, 0.15),
        brow_depth=rng.uniform(0.5, 1.0),
        # Nose and mouth
        smile=(smile := rng.uniform(-0.05, 1.1)),
        nose_length=rng.normal(0.98 + 0.06 * rugged, 0.06),
        nose_width=rng.normal(0.95 + 0.12 * rugged, 0.12),
        mouth_width=rng.normal(1.0, 0.07),
        mouth_open=max(0.0, rng.normal(1.1 * smile - 0.2, 0.3)),
        lip_fullness=rng.normal(1.1 - 0.25 * rugged, 0.18),
        lip_colour=rng.uniform(0.2, 1.2 - 0.8 * rugged),
        # Beard, glasses, jewels
        beard=rng.choice(_beards(rugged)),
        beard_density=rng.uniform(0.5, 1.0),
        glasses=rng.choice({"none": 0.82, "round": 0.09, "square": 0.09}),
        glasses_tone=rng.uniform(),
        earrings=rng.uniform() < 0.6 * (1 - rugged),
        # Light
        light_x=rng.normal(0.0, 0.45),
        light_y=rng.normal(-0.45, 0.18),
        light_strength=rng.uniform(0.35, 0.85),
        light_warmth=rng.normal(0.1, 0.4),
        gloss=rng.uniform(),
        # Surroundings
        background_hue=rng.normal(0.58 if rng.uniform() < 0.5 else 0.09, 0.09) % 1,
        background_colour=rng.uniform() ** 1.3,
        background_value=rng.uniform(0.08, 0.95),
        background_slope=rng.normal(0.0, 0.5),
        background_shapes=rng.uniform(0.0, 100.0),
        clothes_hue=rng.uniform(),
        clothes_colour=rng.uniform() ** 2,
        clothes_value=rng.uniform(0.06, 0.9),
        neckline=rng.choice({"round": 3.0, "vee": 2.0, "collar": 2.0}),
        shoulders=rng.normal(1.0, 0.1),
    )


def _hair_styles(rugged: float) -> dict[str, float]:
    """Return how often each style is worn."""
    cropped, grown = rugged**3, (1 - rugged) ** 3
    return {style: a * cropped + b * grown for style, (a, b) in HAIR_STYLES.items()}


def _beards(rugged: float) -> dict[str, float]:
    bearded = max(0.0, 1.6 * rugged - 0.9)
    return {"none": 1 - bearded} | {beard: bearded * share for beard, share in BEARDS.items()}


class _Random:
    """The few distributions a population is made of, from a counter-based generator."""

    def __init__(self, seed: int) -> None:
        self.generator = np.random.Generator(np.random.Philox(key=seed))

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        return float(self.generator.uniform(low, high))

    def normal(self, mean: float, spread: float) -> float:
        """Return a value cut at two and a half spreads, so that no face falls apart."""
        return mean + spread * min(max(float(self.generator.standard_normal()), -2.5), 2.5)

    def choice(self, weights: dict[str, float]) -> str:
        edges = np.cumsum(list(weights.values()))
        return list(weights)[int(np.searchsorted(edges, self.uniform() * edges[-1], side="right"))]
