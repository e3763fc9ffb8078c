"""What the speed of facebench is measured on: networks, pictures and features."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from shared_files import INCEPTION, SHARED

from facebench.data.dataset import Dataset
from facebench.data.prepare import prepare
from facebench.engine.batch_size import choose_batch_size
from facebench.engine.extract import CHUNK
from facebench.numerics.precision import Precision
from facebench.samplers.image_files import ImageFilesSampler
from facebench.weights import WeightSource

NETWORKS = {
    "inception": INCEPTION,
    "alexnet": SHARED / "weights" / "alexnet_features.pth",
}
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
PRECISIONS: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}
WIDTH = 2048  # of features
SHIFT = 0.01  # between the means of two sets of them
BATCH = min(choose_batch_size(DEVICE), CHUNK)
PEERS_BATCH = 64  # torch-fidelity's own choice
PEERS_BEST = 8 if DEVICE == "cpu" else PEERS_BATCH  # where it is fastest


def source() -> WeightSource:
    """Return the parity networks."""
    return WeightSource(NETWORKS, trust=True)


def generated(count: int) -> UInt8[np.ndarray, "n 3 64 64"]:
    """Return other people's samples, 64×64."""
    return ImageFilesSampler(SHARED / "generated" / "celeba_gan_2000_64x64.zip").sample(
        range(count)
    )


def features(count: int, seed: int, shift: float = 0.0) -> np.ndarray:
    """Draw features whose variance falls as a network's does."""
    rng = np.random.default_rng(seed)
    spread = np.arange(1, WIDTH + 1) ** -0.5
    return (rng.standard_normal((count, WIDTH)) * spread + shift).astype(np.float32)


def faces(folder: Path) -> Dataset:
    """Prepare the real faces in `folder`, 64×64."""
    archive = SHARED / "faces" / "celeba_9000_89x109.zip"
    return prepare(archive, folder, crop="celeba", size=64)
