"""The same painted person in other pictures."""

from dataclasses import replace

from facebench.synth.population import FaceFactors, factors

OF_THE_MOMENT = (
    *("shift_x", "shift_y", "zoom", "yaw", "pitch", "roll"),
    *("eye_open", "gaze_x", "gaze_y", "smile", "mouth_open"),
    *("hair_volume", "hair_part", "hair_strands"),
    *("light_x", "light_y", "light_strength", "light_warmth", "gloss"),
    *("background_hue", "background_colour", "background_value"),
    *("background_slope", "background_shapes"),
    *("clothes_hue", "clothes_colour", "clothes_value", "neckline"),
)
"""The factors that differ between pictures of one person: framing, pose, expression, how the hair
falls, light, place and clothes. The head, its skin, hair, beard, glasses and jewels stay."""


def another(person: int, picture: int) -> FaceFactors:
    """Return a person in picture number `picture`, of which number 0 is ``factors(person)``.

    >>> another(7, 0) == factors(7), another(7, 1) == factors(7)
    (True, False)
    >>> another(7, 1).skin_tone == factors(7).skin_tone
    True
    """
    moment = factors((picture << 64) + person)  # no person's own: their seeds are below
    return replace(factors(person), **{name: getattr(moment, name) for name in OF_THE_MOMENT})
