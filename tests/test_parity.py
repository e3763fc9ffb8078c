"""Scores of real files: torch-fidelity's own, and what was measured on the parity network."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch_fidelity import calculate_metrics

from facebench.data.prepare import prepare
from facebench.data.source import open_images
from facebench.features import create
from facebench.features.extractor import Extractor, Record
from facebench.images import ImageFilesSampler
from facebench.metrics import (
    frechet_distance,
    inception_score,
    kernel_distance,
    precision_recall,
)
from facebench.weights import WeightSource

SUBSETS = 20


@dataclass(frozen=True)
class Scored:
    """As many real pictures as generated ones, and what both programs make of them."""

    real: Record
    fake: Record
    published: dict[str, float]
    count: int


def inception(shared: Path, layer: str) -> Extractor:
    weights = {"inception": shared / "weights" / "inception_parity.pth"}
    return create(f"inception@{layer}", WeightSource(weights, trust=True), "cpu")


def pictures(path: Path, indices: range) -> np.ndarray:
    return ImageFilesSampler(path).sample(indices)


def held_out(shared: Path, count: int, folder: Path) -> np.ndarray:
    """Crop and resize the last `count` pictures of CelebA."""
    files = open_images(shared / "faces" / "celeba_9000_89x109.zip")
    originals = folder / "originals"
    originals.mkdir()
    for name in files.names[-count:]:
        (originals / name).write_bytes(files.read(name))
    return prepare(originals, folder / "prepared", crop="celeba", size=64, holdout=0).images


def write_pngs(images: np.ndarray, folder: Path) -> Path:
    folder.mkdir()
    for i, image in enumerate(images):
        Image.fromarray(image.transpose(1, 2, 0)).save(folder / f"{i:04}.png")
    return folder


def published_metrics(fake: Path, real: Path, weights: Path, subset_size: int) -> dict[str, float]:
    """What torch-fidelity says; its first input is the generated one."""
    return calculate_metrics(
        input1=str(fake),
        input2=str(real),
        isc=True,
        fid=True,
        kid=True,
        prc=True,
        feature_extractor="inception-v3-compat",
        feature_extractor_weights_path=str(weights),
        kid_subsets=SUBSETS,
        kid_subset_size=subset_size,
        cuda=False,
        cache=False,
        save_cpu_ram=True,
        verbose=False,
    )


@pytest.fixture(
    scope="module",
    params=[pytest.param(60), pytest.param(500, marks=pytest.mark.slow)],
    ids="{} images a side".format,
)
def scored(
    request: pytest.FixtureRequest, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Scored:
    """Show the same PNG files to both programs, each reading them in its own way."""
    count: int = request.param
    folder = tmp_path_factory.mktemp("parity")
    gan = pictures(shared / "generated" / "celeba_gan_2000_64x64.zip", range(count))
    fake = write_pngs(gan, folder / "fake")
    real = write_pngs(held_out(shared, count, folder), folder / "real")
    network = inception(shared, "2048")
    weights = shared / "weights" / "inception_parity.pth"
    return Scored(
        real=network.extract(pictures(real, range(count)), 32),
        fake=network.extract(pictures(fake, range(count)), 32),
        published=published_metrics(fake, real, weights, subset_size=count // 2),
        count=count,
    )


def test_fid_equals_torch_fidelitys(scored: Scored) -> None:
    ours = frechet_distance(scored.real["features"], scored.fake["features"])
    assert ours == pytest.approx(scored.published["frechet_inception_distance"], rel=1e-4)


def test_kid_equals_torch_fidelitys(scored: Scored) -> None:
    real, fake = scored.real["features"], scored.fake["features"]
    ours = kernel_distance(real, fake, subsets=SUBSETS, subset_size=scored.count // 2)
    assert ours == pytest.approx(scored.published["kernel_inception_distance_mean"], rel=1e-4)


def test_inception_score_equals_torch_fidelitys(scored: Scored) -> None:
    mean, deviation = inception_score(scored.fake["logits"])
    assert mean == pytest.approx(scored.published["inception_score_mean"], rel=1e-4)
    assert deviation == pytest.approx(scored.published["inception_score_std"], rel=1e-4)


def test_precision_and_recall_equal_torch_fidelitys_to_one_sample(scored: Scored) -> None:
    precision, recall = precision_recall(scored.real["features"], scored.fake["features"])
    one = 1.01 / scored.count
    assert precision == pytest.approx(scored.published["precision"], abs=one)
    assert recall == pytest.approx(scored.published["recall"], abs=one)
    assert abs(precision - recall) > 2 * one  # or else a swap would pass


MEASURED = {
    "celeba": (0.109, "faces/celeba_9000_89x109.zip", range(1000, 2000)),
    "gan": (0.545, "generated/celeba_gan_2000_64x64.zip", range(1000)),
    "lfw": (0.801, "faces/lfw_3000_250x250.zip", range(1000)),
    "vae": (1.32, "generated/celeba_vae_2000_64x64.zip", range(1000)),
}
"""Measured FID at layer 768 to 1,000 CelebA faces, all at their own size, which files, which."""


@pytest.mark.slow
def test_fid_768_of_raw_files_is_what_was_measured_elsewhere(shared: Path) -> None:
    network = inception(shared, "768")

    def features(path: str, indices: range) -> np.ndarray:
        return network.extract(pictures(shared / path, indices), 50)["features"]

    reference = features("faces/celeba_9000_89x109.zip", range(1000))
    distances = {
        name: frechet_distance(reference, features(path, indices))
        for name, (_, path, indices) in MEASURED.items()
    }
    assert sorted(distances, key=distances.__getitem__) == ["celeba", "gan", "lfw", "vae"]
    for name, distance in distances.items():
        assert 1 / 1.5 < distance / MEASURED[name][0] < 1.5
