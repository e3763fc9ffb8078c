"""Image to image: how near the answers are to the true ones, a function and a row each.

LPIPS is the first, and so orders the board where it was computed: PSNR and SSIM prefer blur to
detail in a slightly wrong place (Zhang et al. 2018), and so rank the mean of all possible answers
above any of them (Blau & Michaeli 2018).
"""

import math
from typing import TYPE_CHECKING

from facebench.metrics.metric import Metric

if TYPE_CHECKING:
    from facebench.metrics.feature_sets import Comparison
    from facebench.metrics.uncertainty import Estimate


def _lpips_to_target(c: "Comparison") -> "Estimate":
    from facebench.features.to_target import LPIPS_FROM
    from facebench.metrics.pair_scores import of_pixels

    return of_pixels(c.fake.pairs, "to_target", LPIPS_FROM, "LPIPS")


def _psnr(c: "Comparison") -> "Estimate":
    from facebench.metrics.pair_scores import of_pixels

    return of_pixels(c.fake.pairs, "psnr", 1, "PSNR")


def _ssim(c: "Comparison") -> "Estimate":
    from facebench.features.to_target import SSIM_FROM
    from facebench.metrics.pair_scores import of_pixels

    return of_pixels(c.fake.pairs, "ssim", SSIM_FROM, "SSIM, whose window is 11 pixels,")


def _ms_ssim(c: "Comparison") -> "Estimate":
    from facebench.features.to_target import MS_SSIM_FROM
    from facebench.metrics.pair_scores import of_pixels

    why = "MS-SSIM, which has five scales,"
    return of_pixels(c.fake.pairs, "ms_ssim", MS_SSIM_FROM, why)


def _lpips_between_answers(c: "Comparison") -> "Estimate":
    from facebench.features.to_target import LPIPS_FROM
    from facebench.metrics.pair_scores import of_pixels

    return of_pixels(c.fake.pairs, "between", LPIPS_FROM, "LPIPS")


def _calibration(c: "Comparison") -> "Estimate":
    from facebench.metrics.pair_scores import calibration

    return calibration(c.fake.pairs)


_BLUR = "Prefers blur to detail that is slightly out of place: the mean of all answers scores best."

ROWS: tuple[Metric, ...] = (
    Metric(
        "lpips_to_target",
        "LPIPS to target",
        _lpips_to_target,
        "lower",
        "Zhang et al. 2018, arXiv:1801.03924",
        "Perceptual distance of each answer to the true one, mean over the sources; 0 is the true "
        "answer itself.",
        "AlexNet's, at the targets' own size; LPIPS of VGG or of other sizes is another scale. Not "
        "LPIPS diversity, which compares generated images with each other.",
        unit="LPIPS",
        needs="lpips pairs",
        looks_at=(),
    ),
    Metric(
        "psnr",
        "PSNR",
        _psnr,
        "higher",
        "10 log₁₀(255² / mean squared error) of each answer, as torchmetrics",
        "How small the squared error of the pixels is, in decibels, mean over the sources.",
        f"{_BLUR} An answer equal to the truth counts as 58.9 dB, the error of rounding, and none "
        "as more.",
        unit="dB",
        valid=(-math.inf, math.inf),
        needs="pairs",
        looks_at=(),
    ),
    Metric(
        "ssim",
        "SSIM",
        _ssim,
        "higher",
        "Wang et al. 2004, doi:10.1109/TIP.2003.819861",
        "How alike each answer and the true one are in local brightness, contrast and structure, "
        "mean over the sources; 1 is the true answer itself.",
        f"{_BLUR} Of colours, each channel by itself, and of the edge as well, mirrored, as "
        "torchmetrics has it; other tools leave the edge out or take the grey image.",
        unit="1 = equal",
        valid=(-1.0, 1.0),
        needs="pairs",
        looks_at=(),
    ),
    Metric(
        "ms_ssim",
        "MS-SSIM",
        _ms_ssim,
        "higher",
        "Wang et al. 2003, doi:10.1109/ACSSC.2003.1292216",
        "SSIM at five scales, down to a 16th of the size: of images of 161 pixels a side or more.",
        "Less of what SSIM sees at the finest scale: blur and noise cost little.",
        unit="1 = equal",
        valid=(0.0, 1.0),
        needs="pairs",
        looks_at=(),
    ),
    Metric(
        "lpips_between_answers",
        "LPIPS between answers",
        _lpips_between_answers,
        "higher",
        "Zhu et al. 2017 (BicycleGAN), arXiv:1711.11586",
        "How different a model's answers to one source are: their mean perceptual distance, mean "
        "over the sources. 0 is always the same answer.",
        "Noise and artefacts raise it: read it with the distance to the target and calibration.",
        unit="LPIPS",
        needs="lpips answers",
        looks_at=(),
    ),
    Metric(
        "calibration",
        "Calibration",
        _calibration,
        "reference",
        "rank histogram: Hamill 2001, doi:10.1175/1520-0493(2001)129<0550:IORHFV>2.0.CO;2",
        "Share of the true answer's pixel values that lie within the range of the model's answers: "
        "of K answers that the truth could be one of it is (K − 1)/(K + 1). Less is a model too "
        "sure of itself, more one too unsure.",
        "Of each pixel by itself: noise of the right strength is calibrated, too, whatever it "
        "looks like.",
        unit="share of the pixel values",
        valid=(0.0, 1.0),
        needs="answers",
        looks_at=(),
    ),
)
