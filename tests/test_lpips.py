import warnings
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision

from facebench.data.pictures import random_order
from facebench.errors import BadInput
from facebench.features.lpips import GROUP, SMALLEST, LPIPSFeatures, lpips_network
from facebench.metrics import lpips_diversity
from facebench.numerics.pair_moments import mean_distance, merged, moments_of
from facebench.samplers.image_files import ImageFilesSampler
from facebench.weights import WeightSource


def pictures(path: Path, indices: Sequence[int]) -> np.ndarray:
    return ImageFilesSampler(path).sample(indices)


@pytest.fixture(scope="module")
def weights(shared: Path) -> WeightSource:
    return WeightSource({"alexnet": shared / "weights" / "alexnet_features.pth"}, trust=True)


@pytest.fixture(scope="module")
def faces(shared: Path) -> np.ndarray:
    return pictures(shared / "faces" / "celeba_9000_89x109.zip", range(8000, 8024))


@pytest.fixture(scope="module")
def lpips(weights: WeightSource) -> LPIPSFeatures:
    return LPIPSFeatures(weights, "cpu")


@pytest.fixture(scope="module")
def lpips_package(weights: WeightSource) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """The distance of the `lpips` package itself, its trunk cut from torchvision's AlexNet."""
    from lpips import LPIPS

    with warnings.catch_warnings():  # lpips 0.1.4 asks torchvision in a way of before 0.13
        warnings.filterwarnings("ignore", "The parameter 'pretrained' is deprecated")
        warnings.filterwarnings("ignore", "Arguments other than a weight enum")
        package = LPIPS(net="alex", version="0.1", pnet_rand=True, verbose=False)
    trunk = torchvision.models.AlexNet().features
    state = torch.load(weights.files["alexnet"], weights_only=True)
    trunk.load_state_dict({key.removeprefix("features."): value for key, value in state.items()})
    for i, (first, last) in enumerate([(0, 2), (2, 5), (5, 8), (8, 10), (10, 12)], start=1):
        setattr(package.net, f"slice{i}", trunk[first:last])

    def distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        a, b = (torch.from_numpy(images).float() / 127.5 - 1 for images in (x, y))
        with torch.no_grad():
            return package(a, b).flatten().double().numpy()

    return distances


def test_lpips_of_the_official_example(shared: Path, lpips: LPIPSFeatures) -> None:
    folder = shared / "weights" / "lpips_example"
    p0, p1, reference = pictures(folder, np.argsort(random_order(3)).tolist())  # by name
    e = lpips.embed(torch.from_numpy(np.stack([reference, p0, p1])))
    assert float((e[0] - e[1]).square().sum()) == pytest.approx(0.722, abs=5e-4)
    assert float((e[0] - e[2]).square().sum()) == pytest.approx(0.138, abs=5e-4)


def test_lpips_equals_the_packages_own_distance(
    faces: np.ndarray,
    lpips: LPIPSFeatures,
    lpips_package: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> None:
    x, y = faces[:12], faces[12:]
    e, f = (lpips.embed(torch.from_numpy(images)).double() for images in (x, y))
    ours = (e - f).square().sum(1).numpy()
    np.testing.assert_allclose(ours, lpips_package(x, y), rtol=1e-5)


def test_lpips_weights_have_square_roots(weights: WeightSource) -> None:
    network: Any = lpips_network(weights.find("alexnet"))
    layers = [lin.model[-1].weight for lin in network.lins]
    assert [len(weight[0]) for weight in layers] == [64, 192, 384, 256, 256]
    assert all((weight >= 0).all() and (weight > 0).any() for weight in layers)


def test_diversity_is_the_mean_over_all_pairs(
    faces: np.ndarray,
    lpips: LPIPSFeatures,
    lpips_package: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> None:
    first, second = np.array(list(combinations(range(24), 2))).T
    distances = lpips_package(faces[first], faces[second])
    assert distances.shape == (276,)
    assert lpips_diversity(faces, lpips) == pytest.approx(distances.mean(), abs=1e-6)


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_diversity_does_not_depend_on_the_batch_size(
    faces: np.ndarray, lpips: LPIPSFeatures, batch_size: int
) -> None:
    expected = lpips_diversity(faces, lpips, batch_size=24)
    assert lpips_diversity(faces, lpips, batch_size) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("batch_size", [7, 24, 100])
def test_every_group_of_images_has_moments_of_its_own_whatever_the_batch_size(
    shared: Path, lpips: LPIPSFeatures, batch_size: int
) -> None:
    images = pictures(shared / "generated" / "celeba_gan_2000_64x64.zip", range(2 * GROUP + 3))
    rows = lpips.extract(images, batch_size)
    assert rows["count"].tolist() == [GROUP, GROUP, 3]
    for i, part in enumerate((images[:GROUP], images[GROUP:-3], images[-3:])):
        e = lpips.embed(torch.from_numpy(part)).double()
        np.testing.assert_allclose(rows["total"][i], e.sum(0), rtol=1e-4, atol=1e-5)
        assert rows["square"][i] == pytest.approx(float(e.square().sum()), rel=1e-6)


@pytest.mark.parametrize("bounds", [[1], [12], [3, 4, 20], list(range(1, 24))])
def test_moments_of_any_split_add_up(bounds: list[int]) -> None:
    embeddings = torch.from_numpy(np.random.default_rng(0).standard_normal((24, 50)) + 3)
    whole = moments_of([torch.split(embeddings, 20, 1)])  # in parts, as of AlexNet's layers
    batches = moments_of([[part] for part in torch.tensor_split(embeddings, bounds)])
    parts = [moments_of([[part]]) for part in torch.tensor_split(embeddings, bounds)]
    rows = {key: torch.cat([row[key] for row in parts]) for key in whole}
    expected = float(np.mean([(a - b).square().sum() for a, b in combinations(embeddings, 2)]))
    for moments in (whole, batches, rows, merged(rows, 2), merged(rows, 100)):
        assert moments["count"].sum() == 24
        arrays = {key: tensor.numpy() for key, tensor in moments.items()}
        assert mean_distance(arrays) == pytest.approx(expected, rel=1e-6)


def test_far_from_the_first_image_more_images_share_a_row(lpips: LPIPSFeatures) -> None:
    random = torch.from_numpy(np.random.default_rng(0).standard_normal((8, GROUP, 5)))
    rows = [moments_of([[part]]) for part in random]
    fine = {key: torch.cat([row[key] for row in rows]) for key in rows[0]}
    images = {first: lpips.kept(fine, first)["count"].tolist() for first in (0, 2048, 5000, 10**6)}
    assert images == {0: [32] * 8, 2048: [64] * 4, 5000: [128] * 2, 10**6: [256]}
    assert len({lpips.kept_as(first) for first in images}) == 4
    whole = {key: tensor.numpy() for key, tensor in lpips.kept(fine, 10**6).items()}
    apart = {key: tensor.numpy() for key, tensor in fine.items()}
    assert mean_distance(whole) == pytest.approx(mean_distance(apart), rel=1e-6)


def test_copies_of_one_image_have_no_diversity(faces: np.ndarray, lpips: LPIPSFeatures) -> None:
    assert lpips_diversity(np.repeat(faces[:1], 5, axis=0), lpips) == pytest.approx(0, abs=1e-9)


def test_diversity_of_one_image_is_refused(faces: np.ndarray, lpips: LPIPSFeatures) -> None:
    with pytest.raises(BadInput, match=r"LPIPS diversity needs at least 2 images, not 1\.$"):
        lpips_diversity(faces[:1], lpips)


def test_images_too_small_for_alexnet_are_refused(lpips: LPIPSFeatures) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (2, 3, SMALLEST, SMALLEST), dtype=np.uint8)
    assert lpips_diversity(noise, lpips) > 0
    with pytest.raises(BadInput, match=f"not {SMALLEST - 1}×{SMALLEST}: leave"):
        lpips_diversity(noise[..., 1:], lpips)
