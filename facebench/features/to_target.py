"""How near each answer is to its target, pixel by pixel and by LPIPS: one row for each source.

Image *k* of a set is the answer number ``k mod answers`` to source ``k div answers``; a row is the
mean over the answers to one source, or what they are among themselves.
"""

import copy
import math
from collections.abc import Iterator, Sequence
from functools import reduce
from hashlib import sha256

import torch
from jaxtyping import Float, Float64, UInt8
from torch import Tensor

from facebench.features.extractor import Extractor, ImageBatch, Tensors
from facebench.features.lpips import SMALLEST, LPIPSFeatures
from facebench.numerics.allocator import kept_memory
from facebench.numerics.precision import exact_float32
from facebench.translator import Answers
from facebench.weights import WeightSource

SSIM_FROM, MS_SSIM_FROM, LPIPS_FROM = 11, 161, SMALLEST
"""Pixels a side: the window is 11 pixels, and must fit into the image at its smallest scale, a 16th
of the size."""
_RANGE = 255.0
BEST_PSNR = 10 * math.log10(_RANGE**2 * 12)
"""58.9 dB, that of an image whose only error is rounding to bytes, a mean square of 1/12: what is
nearer cannot be told from equal, and one equal image would make the mean infinite."""
_SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Weights of MS-SSIM's scales, the finest first (Wang et al. 2003, found by experiment)."""

Pixels = Float64[Tensor, "n 3 h w"]
OfImages = Float64[Tensor, " n"]


class ToTargets(Extractor):
    """What extractors share that compare each image with a target."""

    layer = ""
    _targets: Answers
    _numbers: Sequence[int] = ()

    def compare_with(self, targets: Answers, answers: int) -> None:
        """Compare so many consecutive `answers` with each of the `targets`."""
        self._targets, self.images_per_row, self.group = targets, answers, answers
        self._digest = sha256(targets.tobytes()).hexdigest()

    def beside(self, numbers: Sequence[int]) -> Extractor:
        """Return the one of the images that are so numbered in their set."""
        other = copy.copy(self)
        other._numbers = numbers
        return other

    def kept_as(self, first: int) -> str:
        """Name what the images are compared with."""
        return f"{self.images_per_row} to each of the targets {self._digest}"

    def parts(
        self, images: ImageBatch, most: int
    ) -> Iterator[tuple[ImageBatch, UInt8[Tensor, "_ 3 h w"]]]:
        """Yield all answers to some sources at a time, `most` images or those to one, and targets.

        Args:
            images: whole groups of answers.
            most: images at a time.
        """
        each = self.images_per_row
        step = max(1, most // each) * each
        for start in range(0, len(images), step):
            part = images[start : start + step]
            places = [number // each for number in self._numbers[start : start + step : each]]
            yield part, torch.from_numpy(self._targets[places]).to(part.device)


class PixelsToTargets(ToTargets):
    """PSNR, SSIM and MS-SSIM to the target, and where its pixels rank among the answers'."""

    name = "pixels to targets"
    arithmetic = "fp64"
    notes = ()

    def __init__(self, targets: Answers, answers: int, device: str):
        """Compare so many `answers` with each of the `targets`."""
        self.compare_with(targets, answers)
        self.device, self.weights = device, {}

    def compute(self, images: ImageBatch, batch_size: int) -> Tensors:
        """Return the values that images of this size have: psnr, ssim, ms_ssim, and the ranks.

        Of several answers `ranks` has a column for each rank that a target's pixel can have among
        them, from below all to above all: the share of pixels, see :func:`ranks`.
        """
        found = [
            self._compared(answers, targets.repeat_interleave(self.images_per_row, 0))
            | ({"ranks": ranks(answers, targets)} if self.images_per_row > 1 else {})
            for answers, targets in self.parts(images, batch_size)
        ]
        return {name: torch.cat([part[name] for part in found]) for name in found[0]}

    def _compared(self, answers: ImageBatch, targets: ImageBatch) -> dict[str, Tensor]:
        of_images = compared(answers.double(), targets.double())
        each = self.images_per_row
        return {name: values.view(-1, each).mean(1) for name, values in of_images.items()}


class LPIPSToTargets(ToTargets, LPIPSFeatures):
    """The LPIPS of each answer and its target, and of the answers to one source."""

    name = "lpips-alex-v0.1 to targets"

    def __init__(self, targets: Answers, answers: int, weights: WeightSource, device: str):
        """Find AlexNet's features, to be loaded when they are needed."""
        self.compare_with(targets, answers)
        LPIPSFeatures.__init__(self, weights, device, load=False)

    def kept(self, rows: Tensors, first: int) -> Tensors:
        """Return all of them."""
        return rows

    def compute(self, images: ImageBatch, batch_size: int) -> Tensors:
        """Return the means to_target and, of several answers, between: none of small images."""
        if min(images.shape[2:]) < LPIPS_FROM:
            return {}
        most = max(1, min(batch_size, self.most(*images.shape[2:])) // 2)
        with torch.inference_mode(), exact_float32(), kept_memory(self.device):
            found = [self._distances(*part) for part in self.parts(images, most)]
            return {name: torch.cat([part[name] for part in found]) for name in found[0]}

    def _distances(
        self, answers: ImageBatch, targets: UInt8[Tensor, "_ 3 h w"]
    ) -> dict[str, Tensor]:
        each = self.images_per_row
        pairs = zip(self.layers(answers), self.layers(targets), strict=True)
        sums = [_of_layer(e.view(len(t), each, -1), t) for e, t in pairs]
        return {name: reduce(torch.add, (one[name] for one in sums)) for name in sums[0]}


def _of_layer(
    answers: Float[Tensor, "n answers d"], targets: Float[Tensor, "n d"]
) -> dict[str, Float[Tensor, " n"]]:
    """Return what a layer adds to the mean distances of the answers to one source.

    Of squared distances the mean over pairs is twice the unbiased variance.
    """
    to_target = (answers - targets[:, None]).square().sum(2).mean(1)
    if answers.shape[1] == 1:
        return {"to_target": to_target}
    return {"to_target": to_target, "between": 2 * answers.var(1).sum(1)}


def compared(answers: Pixels, targets: Pixels) -> dict[str, OfImages]:
    """Return PSNR, SSIM and MS-SSIM of each image, as far as images of this size have them.

    Pixels are 0 to 255. PSNR and SSIM (Wang et al. 2004: a Gaussian window of 11 pixels, sigma
    1.5, each channel by itself) are torchmetrics', but that no PSNR is above `BEST_PSNR`.
    """
    from torchmetrics.functional.image import (
        peak_signal_noise_ratio,
        structural_similarity_index_measure,
    )

    psnr = peak_signal_noise_ratio(answers, targets, _RANGE, reduction="none", dim=(1, 2, 3))
    found = {"psnr": psnr.clamp(max=BEST_PSNR)}
    side = min(answers.shape[2:])
    if side >= SSIM_FROM:
        ssim = structural_similarity_index_measure(
            answers, targets, reduction="none", data_range=_RANGE
        )
        assert isinstance(ssim, Tensor), "nothing else was asked for"
        found["ssim"] = ssim
    if side >= MS_SSIM_FROM:
        found["ms_ssim"] = ms_ssim(answers, targets)
    return found


def ms_ssim(answers: Pixels, targets: Pixels) -> OfImages:
    """Return the MS-SSIM of each image (Wang et al. 2003), the mean of its channels'.

    Its parts are torchmetrics'. Torchmetrics' own MS-SSIM refuses images of 161 to 175 pixels, and
    at the last scale averages beyond the edge, where at the others it does not.
    """
    n, channels, *size = answers.shape
    pair = [each.reshape(n * channels, 1, *size) for each in (answers, targets)]
    whole = torch.ones(n * channels, dtype=answers.dtype, device=answers.device)
    for scale, weight in enumerate(_SCALES):
        is_last = scale == len(_SCALES) - 1
        part = _luminance_too(*pair) if is_last else _contrast_and_structure(*pair)
        whole = whole * part.relu() ** weight
        pair = [_halved(each) for each in pair]
    return whole.view(n, channels).mean(1)


def _contrast_and_structure(x: Tensor, y: Tensor) -> OfImages:
    from torchmetrics.functional.image import structural_similarity_index_measure

    _, found = structural_similarity_index_measure(
        x, y, reduction="none", data_range=_RANGE, return_contrast_sensitivity=True
    )
    return found


def _luminance_too(x: Tensor, y: Tensor) -> OfImages:
    """Return the mean SSIM where the window is within the image."""
    from torchmetrics.functional.image import structural_similarity_index_measure

    _, found = structural_similarity_index_measure(
        x, y, reduction="none", data_range=_RANGE, return_full_image=True
    )
    edge = SSIM_FROM // 2
    return found[..., edge:-edge, edge:-edge].flatten(1).mean(1)


def _halved(images: Tensor) -> Tensor:
    """Return the means of 2×2 pixels; an odd last row or column is taken twice, as Wang's is."""
    height, width = images.shape[2:]
    padded = torch.nn.functional.pad(images, (0, width % 2, 0, height % 2), mode="replicate")
    return torch.nn.functional.avg_pool2d(padded, 2)


def ranks(
    answers: UInt8[Tensor, "_ 3 h w"], targets: UInt8[Tensor, "n 3 h w"]
) -> Float64[Tensor, "n ranks"]:
    """Return the rank histogram of each target's pixel values among those of its K answers.

    Column *r* is the share of values that *r* of the answers are below, K + 1 columns (Talagrand;
    Hamill 2001). Among *e* equal answers a value has each of the e + 1 ranks at an equal share, as
    if ties were broken by chance: so bytes, too, have a flat histogram where they are exchangeable.
    """
    n = len(targets)
    of_sources = answers.view(n, -1, *answers.shape[1:])
    count = of_sources.shape[1]
    below = (of_sources < targets[:, None]).sum(1).flatten(1)
    equal = (of_sources == targets[:, None]).sum(1).flatten(1)
    shares = 1 / (equal + 1).double()
    columns = [
        (shares * ((below <= rank) & (rank <= below + equal))).mean(1) for rank in range(count + 1)
    ]
    return torch.stack(columns, 1)
