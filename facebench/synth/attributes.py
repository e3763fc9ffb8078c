"""What is to be seen of a painted face: attributes as a labelled data set has them."""

from collections.abc import Callable

from facebench.synth.hair import STYLES
from facebench.synth.population import FaceFactors


def _is_long(face: FaceFactors) -> bool:
    return face.hair_style in STYLES and STYLES[face.hair_style].long


ATTRIBUTES: dict[str, Callable[[FaceFactors], bool]] = {
    "glasses": lambda face: face.glasses != "none",
    "beard": lambda face: face.beard not in ("none", "stubble"),
    "bald": lambda face: face.hair_style == "bald",
    "long_hair": _is_long,
    "earrings": lambda face: face.earrings and not _is_long(face),
    "makeup": lambda face: face.eye_makeup > 0.4,
    "smiling": lambda face: face.smile > 0.5,
    "mouth_open": lambda face: face.mouth_open > 0.3,
    "young": lambda face: face.age < 0.2,
    "old": lambda face: face.age > 0.5,
    "skin_light": lambda face: face.skin_tone < 0.15,
    "skin_medium": lambda face: 0.15 <= face.skin_tone <= 0.5,
    "skin_dark": lambda face: face.skin_tone > 0.5,
}
"""By name, whether a face has it. Each is had by 5 to 60 % of all faces, and can be seen: stubble
is no beard, and earrings under long hair are none."""


def attributes(face: FaceFactors) -> dict[str, bool]:
    """Return which of the :data:`ATTRIBUTES` a face has.

    >>> from facebench.synth import factors
    >>> [name for name, has in attributes(factors(7)).items() if has]
    ['earrings', 'old', 'skin_light']
    """
    return {name: has(face) for name, has in ATTRIBUTES.items()}
