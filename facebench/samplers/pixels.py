"""From what a network gives to ``uint8`` RGB images, by a stated range and layout.

Nothing is guessed: what does not fit the stated range or layout is an error that names the likely
one. ``tanh`` is [−1, 1], ``sigmoid`` [0, 1], ``uint8`` [0, 255], all with nothing outside;
``LOW..HIGH`` is for networks without a bounded last layer, and what lies outside is clipped.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from facebench.errors import BadInput
from facebench.sampler import Images, tensor_to_uint8, to_uint8

RANGES = {"tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0), "uint8": (0.0, 255.0)}
LAYOUTS = ("NCHW", "NHWC")
_SLACK = 0.01  # of a range's width: half precision and float32 sums overshoot a little
_FEW_LEVELS = 8  # what goes beyond is counted in grey levels
_NARROWER = {"tanh": ("sigmoid", "0..1"), "uint8": ("tanh", "sigmoid", "-1..1", "0..1")}
"""What several images do not lie in by chance, where another range is stated."""
_LARGEST = 16384  # pixels a side


@dataclass(frozen=True)
class Pixels:
    """What the numbers of an output mean."""

    range: str
    layout: str

    def __post_init__(self) -> None:
        """Refuse ranges and layouts that there are not."""
        if self.layout not in LAYOUTS:
            raise BadInput(f"There is no layout={self.layout!r}; there are: {', '.join(LAYOUTS)}.")
        low, high = self._bounds
        if not (-1e6 < low < high < 1e6 and high - low > 1e-6):
            raise _no_range(self.range)

    @property
    def _bounds(self) -> tuple[float, float]:
        if self.range in RANGES:
            return RANGES[self.range]
        low, _, high = self.range.partition("..")
        try:
            return float(low), float(high)
        except ValueError:
            raise _no_range(self.range) from None

    def images(self, values: Any) -> Images:
        """Return `values` as images, or raise BadInput naming what would fit them better.

        They are an array, or a tensor of PyTorch, which is mapped to bytes where it is.
        """
        is_array = isinstance(values, np.ndarray)
        if not _is_real(values):
            raise BadInput(f"the output is of type {values.dtype}, where real numbers are needed.")
        values = self._channels_first(values)
        low, high = self._bounds
        if not (np.isfinite(values) if is_array else values.isfinite()).all():
            raise BadInput("the output holds NaN or infinite values: mend the model.")
        if self.range in RANGES:
            self._check_bounds(values)
        if not is_array:
            return tensor_to_uint8(values, low, high)
        if values.dtype == np.uint8 and self.range == "uint8":
            return np.ascontiguousarray(values)
        return to_uint8(values.astype(np.float32), low, high)

    def numbers(self, images: Images) -> np.ndarray:
        """Return images as float32 numbers in this range and layout: the way back.

        >>> Pixels("tanh", "NHWC").numbers(np.full((1, 3, 2, 5), 255, np.uint8)).shape
        (1, 2, 5, 3)
        """
        low, high = self._bounds
        values = images.astype(np.float32) * np.float32((high - low) / 255) + np.float32(low)
        return values if self.layout == "NCHW" else values.transpose(0, 2, 3, 1)

    def check(self, values: np.ndarray) -> None:
        """Refuse a probe of several images that fits another range better than the stated one.

        A single image may lie anywhere in its range, so this must not depend on the batch: it is
        for a fixed probe, once. Bytes are grey levels, however dark.
        """
        self.images(values)
        if values.dtype != np.uint8 and likely_range(values) in _NARROWER.get(self.range, ()):
            low, high = self._bounds
            text = str(self._misfit(values)).rstrip(".")
            raise BadInput(f"{text}; if it is meant so, say range={low:g}..{high:g}.")

    def _channels_first(self, values: Any) -> Any:
        shape = tuple(values.shape)
        if values.ndim != 4:
            raise BadInput(
                f"the output has the shape {shape}, where images of shape "
                f"{'(n, 3, h, w)' if self.layout == 'NCHW' else '(n, h, w, 3)'} are needed: let "
                "the function of torch: or python: reshape it."
            )
        axis, other = (1, 3) if self.layout == "NCHW" else (3, 1)
        if values.shape[axis] not in (1, 3):
            hint = "let the model give 3 channels, RGB, or 1, grey"
            if values.shape[other] in (1, 3):
                hint = f"layout={LAYOUTS[self.layout == 'NCHW']} fits"
            raise BadInput(f"the output has the shape {shape}, not {self.layout}: {hint}.")
        if max(values.shape) > _LARGEST:
            raise BadInput(f"the output has the shape {shape}, too large for images.")
        first = values if self.layout == "NCHW" else values.swapaxes(1, 3).swapaxes(2, 3)
        if first.shape[1] == 3:
            return first
        is_array = isinstance(first, np.ndarray)
        return first.repeat(3, axis=1) if is_array else first.repeat(1, 3, 1, 1)

    def _check_bounds(self, values: Any) -> None:
        low, high = self._bounds
        slack = _SLACK * (high - low)
        if 0 not in values.shape and (values.min() < low - slack or values.max() > high + slack):
            raise self._misfit(values)

    def _misfit(self, values: Any) -> BadInput:
        low, high = float(values.min()), float(values.max())
        return BadInput(
            f"the output lies in {low:.3g} to {high:.3g}, which does not fit range={self.range}: "
            f"range={likely_range(values)} does."
        )


def _is_real(values: Any) -> bool:
    if isinstance(values, np.ndarray):
        return values.dtype.kind in "fiu"
    return not values.is_complex() and str(values.dtype) != "torch.bool"


def likely_range(values: Any) -> str:
    """Return the narrowest named range that all `values` fit, else one that would clip little.

    What is hardly ever below 0 is about [0, 1], of a network without a bounded last layer.

    >>> [likely_range(np.array([low, 0.9])) for low in (0.0, -0.7, -0.02)]
    ['sigmoid', 'tanh', '0..1']
    """
    low, high = float(values.min()), float(values.max())
    if high > _FEW_LEVELS:
        return "uint8" if low > -1 and high < 256 else "0..255"
    name, clips = ("sigmoid", "0..1") if -low <= high / 4 else ("tanh", "-1..1")
    bottom, top = RANGES[name]
    slack = _SLACK * (top - bottom)
    return name if bottom - slack <= low and high <= top + slack else clips


def _no_range(text: str) -> BadInput:
    return BadInput(
        f"There is no range={text!r}; there are: {', '.join(RANGES)}, and LOW..HIGH, which clips."
    )
