"""What answers and targets score, against the libraries and against slow loops."""

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError
from scipy.ndimage import correlate1d
from scipy.stats import beta

from facebench.errors import BadInput
from facebench.features.to_target import (
    BEST_PSNR,
    LPIPSToTargets,
    PixelsToTargets,
    compared,
    ms_ssim,
    ranks,
)
from facebench.metrics.face_sets import FaceSet
from facebench.metrics.pair_scores import PairScores, calibration, identity_kept, of_pixels
from facebench.metrics.uncertainty import SOURCES, from_sources
from facebench.samplers.image_files import ImageFilesSampler
from facebench.weights import WeightSource

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def targets(shared: Path) -> np.ndarray:
    """Give photographs of 109×89 pixels."""
    return ImageFilesSampler(shared / "faces" / "celeba_9000_89x109.zip").sample(range(5))


def spoilt(images: np.ndarray, noise: float = 12, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (images + rng.normal(0, noise, images.shape)).clip(0, 255).round().astype(np.uint8)


def pixels(answers: np.ndarray, targets: np.ndarray, each: int = 1, batch: int = 64) -> Any:
    extractor = PixelsToTargets(targets, each, "cpu")
    return extractor.beside(range(len(answers))).extract(answers, batch)


def test_psnr_and_ssim_are_torchmetrics_and_scikit_images(targets: np.ndarray) -> None:
    from skimage import metrics
    from torchmetrics.image import PeakSignalNoiseRatio, StructuralSimilarityIndexMeasure

    theirs: Any = metrics
    answers = spoilt(targets)
    found = pixels(answers, targets)
    for i, (answer, target) in enumerate(zip(answers, targets, strict=True)):
        psnr = theirs.peak_signal_noise_ratio(target, answer, data_range=255)
        assert found["psnr"][i] == pytest.approx(psnr, abs=1e-4)
        edges = [np.pad(x, ((0, 0), (5, 5), (5, 5)), mode="reflect") for x in (target, answer)]
        ssim = theirs.structural_similarity(
            *edges, channel_axis=0, data_range=255, gaussian_weights=True, sigma=1.5,
            use_sample_covariance=False,
        )  # fmt: skip
        assert found["ssim"][i] == pytest.approx(ssim, abs=1e-4)
    pair = [torch.from_numpy(each).float() for each in (answers, targets)]
    whole = StructuralSimilarityIndexMeasure(data_range=255.0)(*pair)
    assert found["ssim"].mean() == pytest.approx(float(whole), abs=1e-4)
    one = PeakSignalNoiseRatio(data_range=255.0)(pair[0][:1], pair[1][:1])
    assert found["psnr"][0] == pytest.approx(float(one), abs=1e-4)


def test_an_equal_image_has_the_error_of_rounding(targets: np.ndarray) -> None:
    answers = targets.copy()
    answers[1, 0, 0, 0] ^= 1
    found = pixels(answers, targets)
    assert found["psnr"].tolist() == pytest.approx([10 * math.log10(255**2 * 12)] * 5)
    assert pytest.approx(58.92, abs=0.01) == BEST_PSNR
    assert found["ssim"][0] == pytest.approx(1)


@pytest.mark.parametrize("size", [(176, 192), (256, 256)])
def test_ms_ssim_is_pytorch_msssims(size: tuple[int, int], targets: np.ndarray) -> None:
    from pytorch_msssim import ms_ssim as theirs

    x, y = pair_of(size, targets)
    wanted = theirs(x, y, data_range=255, size_average=False)
    np.testing.assert_allclose(ms_ssim(x, y), wanted, atol=1e-5)  # their window is float32
    assert "ms_ssim" in compared(x, y)


def pair_of(size: tuple[int, int], targets: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    large = torch.nn.functional.interpolate(
        torch.from_numpy(targets[:2]).double(), size, mode="bicubic"
    )
    target = large.clamp(0, 255).round()
    return torch.from_numpy(spoilt(target.numpy())).double(), target


def test_ms_ssim_begins_at_161_pixels(targets: np.ndarray) -> None:
    x, y = pair_of((161, 161), targets)
    wanted = [slow_ms_ssim(*(each[i].numpy() for each in (x, y))) for i in range(2)]
    np.testing.assert_allclose(ms_ssim(x, y), wanted, atol=1e-6)
    assert "ms_ssim" not in compared(x[..., :160], y[..., :160])


def slow_ms_ssim(x: np.ndarray, y: np.ndarray) -> float:
    """Wang et al. 2003, after their MATLAB."""
    weights = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])
    at = np.arange(11) - 5
    window = np.exp(-(at**2) / (2 * 1.5**2))
    window /= window.sum()

    def blurred(image: np.ndarray) -> np.ndarray:
        return correlate1d(correlate1d(image, window, 0), window, 1)[5:-5, 5:-5]

    found = []
    for one, other in zip(x, y, strict=True):
        product = 1.0
        for scale, weight in enumerate(weights):
            a, b = blurred(one), blurred(other)
            va, vb = blurred(one * one) - a * a, blurred(other * other) - b * b
            both = blurred(one * other) - a * b
            part = (2 * both + 58.5225) / (va + vb + 58.5225)
            if scale == 4:
                part = part * (2 * a * b + 6.5025) / (a * a + b * b + 6.5025)
            product *= max(part.mean(), 0) ** weight
            halves = []
            for image in (one, other):
                even = np.pad(image, [(0, side % 2) for side in image.shape], mode="edge")
                halves.append(even.reshape(len(even) // 2, 2, -1, 2).mean((1, 3)))
            one, other = halves
        found.append(product)
    return float(np.mean(found))


def test_lpips_is_that_of_the_package_on_the_same_files(shared: Path, targets: np.ndarray) -> None:
    import lpips as package

    file = shared / "weights" / "alexnet_features.pth"
    weights = WeightSource({"alexnet": file}, trust=True)
    answers = np.stack([spoilt(targets, seed=s) for s in range(3)], 1).reshape(
        15, *targets.shape[1:]
    )
    extractor = LPIPSToTargets(targets, 3, weights, "cpu")
    found = extractor.beside(range(15)).extract(answers, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = package.LPIPS(net="alex", pnet_rand=True, verbose=False).eval()
    state = torch.load(file, weights_only=True)
    for name, parameter in theirs.net.named_parameters():
        parameter.data.copy_(state[f"features.{name.partition('.')[2]}"])

    def distance(one: np.ndarray, other: np.ndarray) -> float:
        scaled = [torch.from_numpy(each[None]).float() / 127.5 - 1 for each in (one, other)]
        with torch.no_grad():
            return float(theirs(*scaled))

    for i, target in enumerate(targets):
        a, b, c = answers[3 * i : 3 * i + 3]
        to_target = np.mean([distance(each, target) for each in (a, b, c)])
        between = np.mean([distance(a, b), distance(a, c), distance(b, c)])
        assert found["to_target"][i] == pytest.approx(to_target, abs=1e-4)
        assert found["between"][i] == pytest.approx(between, abs=1e-4)


def test_a_row_is_of_one_source_whatever_the_batch(targets: np.ndarray) -> None:
    answers = np.stack([spoilt(targets, seed=s) for s in range(3)], 1)
    flat = answers.reshape(15, *targets.shape[1:])
    found = pixels(flat, targets, each=3)
    for name in ("psnr", "ssim"):
        of_each = [pixels(answers[:, d], targets)[name] for d in range(3)]
        np.testing.assert_allclose(found[name], np.mean(of_each, 0), rtol=1e-12)
    for batch in (1, 4, 7):
        again = pixels(flat, targets, each=3, batch=batch)
        for name, values in found.items():
            np.testing.assert_allclose(again[name], values, rtol=1e-10)
    last = PixelsToTargets(targets, 3, "cpu").beside(range(9, 15)).extract(flat[9:], 64)
    np.testing.assert_allclose(last["psnr"], found["psnr"][3:], rtol=1e-10)


def test_ranks_are_counted_and_ties_broken_evenly() -> None:
    answers = torch.from_numpy(RNG.integers(0, 6, (12, 3, 2, 5), dtype=np.uint8))
    target = torch.from_numpy(RNG.integers(0, 6, (4, 3, 2, 5), dtype=np.uint8))
    found = ranks(answers, target)
    for i in range(4):
        wanted = np.zeros(4)
        for values, truth in zip(
            answers[3 * i : 3 * i + 3].flatten(1).T.tolist(),
            target[i].flatten().tolist(),
            strict=True,
        ):
            below, equal = sum(v < truth for v in values), sum(v == truth for v in values)
            wanted[below : below + equal + 1] += 1 / (equal + 1) / 30
        np.testing.assert_allclose(found[i], wanted)


@pytest.mark.parametrize("levels", [256, 4])
def test_a_truth_that_is_one_of_the_answers_is_calibrated(levels: int) -> None:
    images = RNG.integers(0, levels, (60 * 6, 3, 8, 8), dtype=np.uint8)
    answers, targets = images.reshape(60, 6, 3, 8, 8)[:, 1:], images[::6]
    shares = pixels(answers.reshape(300, 3, 8, 8), targets, each=5)["ranks"]
    estimate = calibration(PairScores({"ranks": shares}, (8, 8)))
    assert estimate.reference == pytest.approx(4 / 6)
    low, high = estimate.interval() or (0, 0)
    assert low < 4 / 6 < high and high - low < 0.02
    histogram = [float(x) for x in str(estimate.details["rank_histogram"]).split()]
    np.testing.assert_allclose(histogram, 1 / 6, atol=0.01)


def test_a_model_that_is_too_sure_covers_too_little() -> None:
    targets = RNG.integers(0, 256, (20, 3, 8, 8), dtype=np.uint8)
    same = np.repeat(255 - targets, 4, 0)
    shares = pixels(same, targets, each=4)["ranks"]
    estimate = calibration(PairScores({"ranks": shares}, (8, 8)))
    assert estimate.value == 0 and estimate.details["deviation"] == pytest.approx(-0.6)


def test_what_is_too_small_is_refused_with_both_sizes() -> None:
    small = RNG.integers(0, 256, (6, 3, 10, 10), dtype=np.uint8)
    scores = PairScores(pixels(small, small), (10, 10))
    assert of_pixels(scores, "psnr", 1, "PSNR").value == pytest.approx(BEST_PSNR)
    for name, least in (("ssim", 11), ("ms_ssim", 161), ("to_target", 31)):
        with pytest.raises(BadInput, match=f"of {least} pixels a side or more, .* are of 10×10"):
            of_pixels(scores, name, least, "It")
    with pytest.raises(BadInput, match="needs several answers to each source"):
        calibration(scores)


def test_the_pseudo_values_are_the_sources_own() -> None:
    values = RNG.normal(size=50)
    estimate = from_sources(values)
    np.testing.assert_array_equal(estimate.groups, values)
    assert estimate.error == pytest.approx(values.std(ddof=1) / math.sqrt(50))
    assert from_sources(values[:4]).interval() is None
    many = RNG.normal(size=SOURCES * 2 + 500)
    grouped = from_sources(many)
    assert grouped.groups is not None and len(grouped.groups) == SOURCES
    assert grouped.groups.mean() == pytest.approx(many.mean())
    assert grouped.error == pytest.approx(many.std() / math.sqrt(len(many)), rel=0.05)
    with pytest.raises(TypeCheckError):
        from_sources(values.astype(np.float32))


def faces(embeddings: np.ndarray) -> FaceSet:
    found = ~np.isnan(embeddings).any(1)
    n = len(embeddings)
    points = np.full((n, 3, 2), np.nan, np.float32)
    return FaceSet(found.astype(np.int32), np.full(n, np.nan), points, embeddings)


def test_identity_is_kept_where_a_pair_is_more_alike_than_strangers_are() -> None:
    real = RNG.normal(size=(60, 128))
    real /= np.linalg.norm(real, axis=1, keepdims=True)
    fake = np.repeat(real, 2, 0)
    fake[1::2] = np.roll(real, 1, 0)  # the second answer shows somebody else
    fake[0] = np.nan  # and the first of all no face
    target = real.copy()
    target[59] = np.nan
    estimate = identity_kept(faces(target), faces(fake))
    assert estimate.value == pytest.approx((59 - 1) / (2 * 59))
    assert estimate.details["sources"] == 59
    with pytest.raises(BadInput, match="needs 1000 pairs of different targets with a face"):
        identity_kept(faces(real[:20]), faces(real[:20]))


def test_a_share_of_one_has_an_interval_and_it_is_jeffreys() -> None:
    real = RNG.normal(size=(60, 128))
    real /= np.linalg.norm(real, axis=1, keepdims=True)
    ends = identity_kept(faces(real), faces(real)).interval()
    assert ends is not None and ends[1] == 1
    assert ends[0] == pytest.approx(beta.ppf(0.025, 60.5, 0.5))
    assert identity_kept(faces(real), faces(np.repeat(real, 3, 0))).interval() == ends
