"""facebench beside the programs whose numbers it must meet: same files, same weights, same run.

At 2048 dimensions and for the Inception Score the parity weights serve to compare two programs on
one network; they are no published network there.
"""

import inspect
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy
import torch
from PIL import Image
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d
from torch.utils.data import DataLoader
from torchvision.transforms import ToTensor

import facebench
from facebench.data.picture_files import open_images
from facebench.data.pictures import random_order
from facebench.data.prepare import prepare
from facebench.features import create
from facebench.features.inception import pil_bicubic
from facebench.metrics import frechet_distance
from facebench.metrics.feature_sets import Comparison, FeatureSet
from facebench.metrics.modes import MODES
from facebench.metrics.table import METRICS
from facebench.samplers.image_files import ImageFilesSampler
from facebench.weights import WeightSource

pytestmark = pytest.mark.long

SUBSETS = 20
CELEBA = "faces/celeba_9000_89x109.zip"
GAN = "generated/celeba_gan_2000_64x64.zip"
LFW = "faces/lfw_3000_250x250.zip"


def with_their_root(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a test that calls pytorch-fid's or clean-fid's own Fréchet distance.

    They take the root of a product of covariances by scipy's `sqrtm`, with an argument that SciPy
    is giving up; at low rank SciPy warns of inaccuracy.
    """
    for mark in (
        pytest.mark.filterwarnings("ignore:The `disp` argument is deprecated:DeprecationWarning"),
        pytest.mark.filterwarnings("ignore:Matrix is singular:scipy.linalg.LinAlgWarning"),
        pytest.mark.filterwarnings("ignore:Matrix is ill-cond:scipy.linalg.LinAlgWarning"),
        pytest.mark.skipif(
            "disp" not in inspect.signature(scipy.linalg.sqrtm).parameters,
            reason="pytorch-fid and clean-fid ask scipy's sqrtm for what this SciPy has no more",
        ),
    ):
        test = mark(test)
    return test


@dataclass(frozen=True)
class Files:
    """Folders of as many real PNG files as generated ones, which every program reads itself."""

    real: Path
    fake: Path
    count: int


Compare = Callable[..., Comparison]


def pictures(path: Path, indices: range) -> np.ndarray:
    return ImageFilesSampler(path).sample(indices)


def by_name(folder: Path) -> np.ndarray:
    """All pictures in the order in which other programs read them."""
    sampler = ImageFilesSampler(folder)
    return sampler.sample(np.argsort(random_order(len(sampler))).tolist())


def held_out(shared: Path, count: int, folder: Path) -> np.ndarray:
    """Crop and resize the last `count` pictures of CelebA."""
    files = open_images(shared / CELEBA)
    originals = folder / "originals"
    originals.mkdir()
    for name in files.names[-count:]:
        (originals / name).write_bytes(files.read(name))
    return prepare(
        originals, folder / "prepared", crop="celeba", size=64, holdout=0, in_order=True
    ).images


def write_pngs(images: np.ndarray, folder: Path) -> Path:
    folder.mkdir()
    for i, image in enumerate(images):
        Image.fromarray(image.transpose(1, 2, 0)).save(folder / f"{i:04}.png")
    return folder


def score(comparison: Comparison, key: str) -> float:
    return METRICS[key].compute(comparison).value


def furthest(ours: Any, theirs: np.ndarray) -> float:
    """The largest relative error of any image's feature vector."""
    assert ours.shape == theirs.shape
    return float((np.linalg.norm(ours - theirs, axis=1) / np.linalg.norm(theirs, axis=1)).max())


@pytest.fixture(scope="module")
def files(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Files]:
    @cache
    def write(count: int) -> Files:
        folder = tmp_path_factory.mktemp("parity")
        gan = pictures(shared / GAN, range(count))
        real = write_pngs(held_out(shared, count, folder), folder / "real")
        return Files(real, write_pngs(gan, folder / "fake"), count)

    return write


@pytest.fixture(scope="module")
def network_file(shared: Path) -> Path:
    return shared / "weights" / "inception_parity.pth"


@pytest.fixture(scope="module")
def compare(files: Callable[[int], Files], network_file: Path) -> Compare:
    """What facebench makes of the files in a mode, at a layer."""
    weights = WeightSource({"inception": network_file}, trust=True)

    @cache
    def features(folder: Path, layer: str, resize: Any) -> FeatureSet:
        images = by_name(folder)
        record = create(f"inception@{layer}", weights, "cpu", resize).extract(images, 32)
        return FeatureSet(record["features"], record.get("logits"))

    def compared(mode: str, layer: str, count: int) -> Comparison:
        given, chosen = files(count), MODES[mode]
        real, fake = (features(path, layer, chosen.resize) for path in (given.real, given.fake))
        return Comparison(real, fake, mode=chosen)

    return compared


# torch-fidelity


@pytest.fixture(
    scope="module",
    params=[40, pytest.param(500, marks=pytest.mark.slow)],
    ids="{} images a side".format,
)
def count(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(scope="module")
def published(files: Callable[[int], Files], network_file: Path, count: int) -> dict[str, float]:
    """What torch-fidelity says; its first input is the generated one."""
    from torch_fidelity import calculate_metrics

    return calculate_metrics(
        input1=str(files(count).fake),
        input2=str(files(count).real),
        isc=True,
        fid=True,
        kid=True,
        prc=True,
        feature_extractor="inception-v3-compat",
        feature_extractor_weights_path=str(network_file),
        kid_subsets=SUBSETS,
        kid_subset_size=count // 2,
        cuda=False,
        cache=False,
        save_cpu_ram=True,
        verbose=False,
    )


@pytest.fixture(scope="module")
def as_torch_fidelity(compare: Compare, count: int) -> Comparison:
    comparison = compare("torch-fidelity", "2048", count)
    smaller = replace(comparison.mode, kid_subsets=SUBSETS, kid_subset_size=count // 2)
    return replace(comparison, mode=smaller)


def test_fid_equals_torch_fidelitys(
    as_torch_fidelity: Comparison, published: dict[str, float]
) -> None:
    expected = published["frechet_inception_distance"]
    assert score(as_torch_fidelity, "fid") == pytest.approx(expected, rel=1e-4)


def test_kid_equals_torch_fidelitys(
    as_torch_fidelity: Comparison, published: dict[str, float]
) -> None:
    expected = published["kernel_inception_distance_mean"]
    assert score(as_torch_fidelity, "kid") == pytest.approx(expected, rel=1e-4)


def test_inception_score_equals_torch_fidelitys(
    as_torch_fidelity: Comparison, published: dict[str, float]
) -> None:
    expected = published["inception_score_mean"]
    assert score(as_torch_fidelity, "is") == pytest.approx(expected, rel=1e-5)


def test_precision_and_recall_equal_torch_fidelitys_to_one_sample(
    as_torch_fidelity: Comparison, published: dict[str, float], count: int
) -> None:
    ours, one = as_torch_fidelity.manifold, 1.01 / count
    assert ours.precision.value == pytest.approx(published["precision"], abs=one)
    assert ours.recall.value == pytest.approx(published["recall"], abs=one)
    assert abs(ours.precision.value - ours.recall.value) > 2 * one  # or else a swap would pass


# pytorch-fid


@pytest.fixture(scope="module")
def their_weights(network_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Put the weights where pytorch-fid looks for its download."""
    home = tmp_path_factory.mktemp("torch")
    checkpoints = home / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints / "pt_inception-2015-12-05-6726825d.pth").symlink_to(network_file.resolve())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_HOME", str(home))
        yield


@pytest.fixture(scope="module")
def pytorch_fids(their_weights: None) -> Callable[[Path, str], np.ndarray]:
    """What pytorch-fid's network makes of the files that it reads."""
    from pytorch_fid.fid_score import ImagePathDataset
    from pytorch_fid.inception import InceptionV3

    @cache
    def features(folder: Path, layer: str) -> np.ndarray:
        network = InceptionV3([InceptionV3.BLOCK_INDEX_BY_DIM[int(layer)]]).eval()
        network = network.to(memory_format=torch.channels_last)  # the same, in half the time
        images = ImagePathDataset(sorted(folder.iterdir()), ToTensor())
        with torch.inference_mode():
            maps = [network(batch)[0] for batch in DataLoader(images, batch_size=20)]
        return torch.cat([adaptive_avg_pool2d(m, 1).flatten(1) for m in maps]).double().numpy()

    return features


@pytest.mark.parametrize(
    ("layer", "count"),
    [("64", 80), pytest.param("192", 200, marks=pytest.mark.slow), ("768", 20), ("2048", 20)],
)
def test_features_equal_pytorch_fids(
    files: Callable[[int], Files],
    compare: Compare,
    pytorch_fids: Callable[[Path, str], np.ndarray],
    layer: str,
    count: int,
) -> None:
    real, fake = pytorch_fids(files(count).real, layer), pytorch_fids(files(count).fake, layer)
    ours = compare("pytorch-fid", layer, count)
    assert furthest(ours.real.features, real) < 1e-5
    assert furthest(ours.fake.features, fake) < 1e-5
    assert score(ours, "fid") == pytest.approx(frechet_distance(real, fake), rel=1e-4)


@with_their_root
@pytest.mark.parametrize(
    ("layer", "count"),
    [
        ("64", 80),  # covariances of full rank
        ("192", 200),  # of full rank
        ("768", 20),  # of low rank, where pytorch-fid's root may fail, but does not here
        pytest.param("768", 800, marks=pytest.mark.slow),  # of full rank
        pytest.param("2048", 20, marks=pytest.mark.slow),  # of low rank; the root takes 15 s
    ],
)
def test_fid_equals_pytorch_fids(
    files: Callable[[int], Files],
    compare: Compare,
    pytorch_fids: Callable[[Path, str], np.ndarray],
    layer: str,
    count: int,
) -> None:
    from pytorch_fid.fid_score import calculate_frechet_distance

    sets = [pytorch_fids(folder, layer) for folder in (files(count).real, files(count).fake)]
    (mean, spread), (mean2, spread2) = [(x.mean(0), np.cov(x, rowvar=False)) for x in sets]
    theirs = calculate_frechet_distance(mean, spread, mean2, spread2)
    assert score(compare("pytorch-fid", layer, count), "fid") == pytest.approx(theirs, rel=1e-4)


@with_their_root
@pytest.mark.usefixtures("their_weights")
def test_fid_equals_what_pytorch_fid_says_from_beginning_to_end(
    files: Callable[[int], Files], compare: Compare
) -> None:
    from pytorch_fid.fid_score import calculate_fid_given_paths

    folders = [str(files(20).real), str(files(20).fake)]
    theirs = calculate_fid_given_paths(folders, 20, "cpu", 64, num_workers=0)
    assert score(compare("pytorch-fid", "64", 20), "fid") == pytest.approx(theirs, rel=1e-4)
    other = score(compare("torch-fidelity", "64", 20), "fid")
    assert abs(other / theirs - 1) > 1e-3  # or else the way to resize would not show


# clean-fid


@pytest.mark.parametrize("path", [GAN, CELEBA, LFW])
def test_resizing_equals_clean_fids(shared: Path, path: str) -> None:
    from cleanfid.resize import build_resizer

    resize = build_resizer("clean")
    images = pictures(shared / path, range(8))
    theirs = np.stack([resize(image) for image in images.transpose(0, 2, 3, 1)])
    ours = pil_bicubic(torch.from_numpy(images)).numpy()
    np.testing.assert_array_equal(ours, (theirs.transpose(0, 3, 1, 2) - 128) / 128)


@pytest.fixture(scope="module")
def clean_fids(network_file: Path) -> Callable[[Path], np.ndarray]:
    """What clean-fid makes of the files that it reads, resizes and normalises.

    It loads its network as TorchScript, of which the parity weights have none, so within its
    wrapper it is given torch-fidelity's.
    """
    from cleanfid.fid import get_folder_features
    from cleanfid.inception_torchscript import InceptionV3W
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Network(InceptionV3W):  # type: ignore[misc]
        def __init__(self) -> None:
            nn.Module.__init__(self)
            whole = FeatureExtractorInceptionV3(
                "theirs", ["2048"], feature_extractor_weights_path=str(network_file)
            )
            self.layers = nn.Sequential(*list(whole.children())[:-1])  # up to the pool
            self.resize_inside = False

    network = Network().eval().to(memory_format=torch.channels_last)

    @cache
    def features(folder: Path) -> np.ndarray:
        return get_folder_features(
            str(folder), network, num_workers=0, batch_size=20, device="cpu", verbose=False
        )

    return features


def test_features_kid_and_fid_equal_clean_fids(
    files: Callable[[int], Files],
    compare: Compare,
    clean_fids: Callable[[Path], np.ndarray],
) -> None:
    from cleanfid.fid import kernel_distance

    real, fake = clean_fids(files(20).real), clean_fids(files(20).fake)
    ours = compare("clean-fid", "2048", 20)
    assert furthest(ours.real.features, real) < 1e-5
    assert furthest(ours.fake.features, fake) < 1e-5
    # Of fewer than 1,000 images clean-fid's subsets are the whole set, whatever their order.
    theirs = kernel_distance(real.astype(np.float64), fake.astype(np.float64), num_subsets=1)
    assert score(ours, "kid") == pytest.approx(theirs, rel=1e-4)
    assert score(ours, "fid") == pytest.approx(frechet_distance(real, fake), rel=1e-4)


@with_their_root
@pytest.mark.slow
def test_fid_equals_clean_fids(
    files: Callable[[int], Files],
    compare: Compare,
    clean_fids: Callable[[Path], np.ndarray],
) -> None:
    from cleanfid.fid import fid_from_feats

    theirs = fid_from_feats(*(clean_fids(folder) for folder in (files(20).real, files(20).fake)))
    assert score(compare("clean-fid", "2048", 20), "fid") == pytest.approx(theirs, rel=1e-4)


# facebench score: JPEG files of 89×109 pixels against PNG files of 64×64, as they are


Unlike = tuple[Path, Path]


@pytest.fixture(scope="module")
def unlike(files: Callable[[int], Files]) -> Unlike:
    return files(20).real.with_name("originals"), files(20).fake


def scored(unlike: Unlike, network_file: Path, mode: str) -> float:
    weights = WeightSource({"inception": network_file}, trust=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        found = facebench.score(*unlike, mode=mode, metrics="fid", weights=weights, device="cpu")
    value = found["fake"]["fid"]["value"]
    assert value is not None
    return value


def test_two_folders_of_unlike_sizes_score_as_torch_fidelity_says(
    unlike: Unlike, network_file: Path
) -> None:
    from torch_fidelity import calculate_metrics

    theirs = calculate_metrics(
        input1=str(unlike[1]),
        input2=str(unlike[0]),
        fid=True,
        feature_extractor="inception-v3-compat",
        feature_extractor_weights_path=str(network_file),
        cuda=False,
        cache=False,
        save_cpu_ram=True,
        verbose=False,
    )["frechet_inception_distance"]
    assert scored(unlike, network_file, "facebench") == pytest.approx(theirs, rel=1e-4)
    assert scored(unlike, network_file, "torch-fidelity") == pytest.approx(theirs, rel=1e-4)


def test_two_folders_of_unlike_sizes_score_as_pytorch_fid_says(
    unlike: Unlike, network_file: Path, pytorch_fids: Callable[[Path, str], np.ndarray]
) -> None:
    theirs = frechet_distance(*(pytorch_fids(folder, "2048") for folder in unlike))
    assert scored(unlike, network_file, "pytorch-fid") == pytest.approx(theirs, rel=1e-4)


def test_two_folders_of_unlike_sizes_score_as_clean_fid_says(
    unlike: Unlike, network_file: Path, clean_fids: Callable[[Path], np.ndarray]
) -> None:
    theirs = frechet_distance(*map(clean_fids, unlike))
    assert scored(unlike, network_file, "clean-fid") == pytest.approx(theirs, rel=1e-4)


@with_their_root
@pytest.mark.slow  # their root takes 15 s
def test_pytorch_fid_and_clean_fid_themselves_say_the_same(
    unlike: Unlike,
    network_file: Path,
    pytorch_fids: Callable[[Path, str], np.ndarray],
    clean_fids: Callable[[Path], np.ndarray],
) -> None:
    from cleanfid.fid import fid_from_feats
    from pytorch_fid.fid_score import calculate_frechet_distance

    sets = [pytorch_fids(folder, "2048") for folder in unlike]
    (mean, spread), (mean2, spread2) = [(x.mean(0), np.cov(x, rowvar=False)) for x in sets]
    theirs = calculate_frechet_distance(mean, spread, mean2, spread2)
    assert scored(unlike, network_file, "pytorch-fid") == pytest.approx(theirs, rel=1e-4)
    theirs = fid_from_feats(*map(clean_fids, unlike))
    assert scored(unlike, network_file, "clean-fid") == pytest.approx(theirs, rel=1e-4)


# prdc


def test_precision_recall_density_and_coverage_equal_prdcs_to_one_sample(
    compare: Compare, count: int
) -> None:
    from prdc import compute_prdc

    comparison = compare("prdc", "2048", count)
    theirs = compute_prdc(comparison.real.features, comparison.fake.features, nearest_k=5)
    for key, expected in theirs.items():
        ours = getattr(comparison.manifold, key).value
        assert ours == pytest.approx(expected, abs=1.01 / count)


# Others' measurements

MEASURED = {
    "celeba": (0.109, CELEBA, range(1000, 2000)),
    "gan": (0.545, GAN, range(1000)),
    "lfw": (0.801, LFW, range(1000)),
    "vae": (1.32, "generated/celeba_vae_2000_64x64.zip", range(1000)),
}
"""Measured FID at layer 768 to 1,000 CelebA faces, all at their own size, which files, which."""


@pytest.mark.slow
def test_fid_768_of_raw_files_is_what_was_measured_elsewhere(
    shared: Path, network_file: Path
) -> None:
    network = create("inception@768", WeightSource({"inception": network_file}, trust=True), "cpu")

    def features(path: str, indices: range) -> np.ndarray:
        return network.extract(pictures(shared / path, indices), 50)["features"]

    reference = features(CELEBA, range(1000))
    distances = {
        name: frechet_distance(reference, features(path, indices))
        for name, (_, path, indices) in MEASURED.items()
    }
    assert sorted(distances, key=distances.__getitem__) == ["celeba", "gan", "lfw", "vae"]
    for name, distance in distances.items():
        assert 1 / 1.5 < distance / MEASURED[name][0] < 1.5
