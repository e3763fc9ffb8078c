"""Crop presets, given in the coordinates of CelebA's aligned 178×218 pictures.

A preset scales to sources of another size but the same shape: half-size CelebA is cropped to the
same content. Which crop was used is half of what makes CelebA scores differ between papers.
"""

from facebench.errors import BadInput

CELEBA_WIDTH, CELEBA_HEIGHT = 178, 218
_ASPECT_TOLERANCE = 0.01

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels; fractions of a pixel are kept."""


def _centre(side: int, width: int, height: int) -> Box:
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


CELEBA_BOXES: dict[str, Box] = {
    "celeba": (0, 15, 178, 193),
    **{
        f"celeba-{side}": _centre(side, CELEBA_WIDTH, CELEBA_HEIGHT)
        for side in (108, 128, 140, 148, 160)
    },
}
PRESETS = ("none", *CELEBA_BOXES)


def crop_box(preset: str, width: int, height: int) -> Box:
    """Return the box that `preset` cuts out of a `width`×`height` picture.

    >>> crop_box("celeba", 89, 109), crop_box("none", 250, 200)
    ((0.0, 7.5, 89.0, 96.5), (25.0, 0.0, 225.0, 200.0))
    """
    if preset == "none":
        return _centre(min(width, height), width, height)
    x, y = width / CELEBA_WIDTH, height / CELEBA_HEIGHT
    if abs(x / y - 1) > _ASPECT_TOLERANCE:
        raise BadInput(
            f"crop {preset} is for CelebA's aligned pictures (178×218 or that shape), not for "
            f"{width}×{height}: use --crop none for a centre square"
        )
    left, top, right, bottom = CELEBA_BOXES[preset]
    return left * x, top * y, right * x, bottom * y
