"""The jobs. tests/test_parity.py shows that both sides compute the same; the cheap is checked."""

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from data import (
    BATCH,
    DEVICE,
    NETWORKS,
    PEERS_BATCH,
    PEERS_BEST,
    PRECISIONS,
    SHIFT,
    features,
    generated,
    source,
)
from harness import Case
from jaxtyping import Int64

from facebench.features import create
from facebench.metrics import frechet_distance, lpips_diversity
from facebench.metrics.frechet import Moments, frechet_from_moments
from facebench.metrics.manifold import manifold_scores
from facebench.metrics.memorization import memorization


def help_text() -> Case:
    """Time how long the help takes to appear."""
    words = [sys.executable, "-m", "facebench", "--help"]
    return Case(
        "facebench --help (≤ 0.3 s)",
        {"": partial(subprocess.run, words, check=True, capture_output=True)},
        {},
    )


def inception(count: int) -> Case:
    """Compare Inception's features, on full batches: others are not compiled."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    count = max(count // BATCH, 1) * BATCH
    images = generated(count)
    some = images[:BATCH]
    network = {
        precision: create("inception", source(), DEVICE, precision=precision, compiled=True)
        for precision in PRECISIONS
    }
    folded = create("inception", source(), DEVICE)
    theirs = FeatureExtractorInceptionV3(
        "theirs", ["2048"], feature_extractor_weights_path=str(NETWORKS["inception"])
    ).to(DEVICE)

    def their_features(images: np.ndarray, batch_size: int = PEERS_BATCH) -> np.ndarray:
        with torch.inference_mode():
            parts = torch.split(torch.from_numpy(images).to(DEVICE), batch_size)
            return torch.cat([theirs(part)[0] for part in parts]).cpu().numpy()

    expected = their_features(some)
    error = np.linalg.norm(folded.extract(some, BATCH)["features"] - expected)
    assert error < 1e-5 * np.linalg.norm(expected)
    compiled = {f"{each}, compiled": network[each] for each in PRECISIONS}
    return Case(
        f"Inception features of {count} images",
        {
            way: partial(each.extract, images, BATCH)
            for way, each in {"fp32": folded, **compiled}.items()
        },
        {
            f"torch-fidelity, batches of {size}": partial(their_features, images, size)
            for size in sorted({PEERS_BATCH, PEERS_BEST}, reverse=True)
        },
        ["", "≥ 1.9×", "≥ 3.4×"],
        count,
        {way: partial(each.extract, some, BATCH) for way, each in compiled.items()},
    )


def frechet(count: int, with_root: bool) -> Case:
    """Compare the Fréchet distance of given features, or of given moments at full rank."""
    import scipy.linalg
    from torch_fidelity.metric_fid import fid_statistics_to_metric

    x, y = features(count, 0).astype(np.float64), features(count, 1, SHIFT).astype(np.float64)
    statistics = [{"mu": z.mean(0), "sigma": np.cov(z, rowvar=False)} for z in (x, y)]
    eigvals = partial(fid_statistics_to_metric, *statistics, False)
    peers: dict[str, Any] = {"torch-fidelity (eigvals)": eigvals}
    if with_root:
        product = statistics[0]["sigma"] @ statistics[1]["sigma"]
        peers["SciPy's sqrtm"] = lambda: scipy.linalg.sqrtm(product)
    a, b = Moments.of(x), Moments.of(y)
    full = count > x.shape[1]
    ours: Callable[[], float] = (
        partial(frechet_from_moments, a, b) if full else partial(frechet_distance, x, y)
    )
    expected = next(iter(eigvals().values()))
    assert abs(ours() / expected - 1) < 1e-6
    target = "≥ 8×; ≥ 10×" if with_root else "≥ 50×"
    return Case(f"Fréchet term, d = 2048, N = {count:,}", {"": ours}, peers, [target])


def neighbours(count: int) -> Case:
    """Compare all metrics of neighbourhoods, and the search for copies, which the peers lack."""
    from prdc import compute_prdc
    from torch_fidelity.metric_prc import prc_features_to_metric

    x, y = features(count, 0), features(count, 1, SHIFT)

    def ours() -> None:
        manifold_scores(x, y)
        memorization(x, y, 5)

    def theirs() -> None:
        prc_features_to_metric(
            torch.from_numpy(y),
            torch.from_numpy(x),
            prc_neighborhood=3,
            prc_batch_size=10000,
            verbose=False,
            save_cpu_ram=False,
        )
        compute_prdc(x, y, nearest_k=5)

    name = f"P + R + D + C + authenticity + 5 nearest, {count:,} × {count:,} × 2048"
    return Case(name, {"": ours}, {"torch-fidelity + prdc": theirs}, ["≥ 3×"])


def diversity(count: int) -> Case:
    """Compare LPIPS over all pairs with lpips on as many sampled ones as there are images."""
    from facebench.features.lpips import LPIPSFeatures

    images, ours, theirs = generated(count), LPIPSFeatures(source(), DEVICE), peers_lpips()
    pairs = some_pairs(count)
    return Case(
        f"LPIPS diversity of {count} images",
        {"": lambda: lpips_diversity(images, ours)},
        {f"lpips on {count} pairs": lambda: lpips_of_pairs(theirs, images, pairs)},
        ["> 1×, and exact"],
    )


def peers_lpips() -> Any:
    """Return the peer's network."""
    from facebench.features.lpips import lpips_network

    return lpips_network(source().find("alexnet")).to(DEVICE)


def lpips_of_pairs(network: Any, images: np.ndarray, pairs: np.ndarray) -> float:
    """Do what lpips does of many pairs."""
    scaled = torch.from_numpy(images).to(DEVICE).float() / 127.5 - 1
    with torch.inference_mode():
        parts = [
            network(*scaled[torch.from_numpy(part.T)])
            for part in np.array_split(pairs, len(pairs) // PEERS_BATCH)
        ]
    return float(torch.cat(parts).mean())


def some_pairs(count: int) -> Int64[np.ndarray, "n 2"]:
    """Draw as many pairs of images as there are images."""
    return np.random.default_rng(0).integers(count, size=(count, 2))
