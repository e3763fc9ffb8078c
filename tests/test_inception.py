from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

from facebench.features import create
from facebench.features.extractor import Extractor
from facebench.features.inception import RESIZES, tf1
from facebench.features.resize import Resize
from facebench.samplers.image_files import ImageFilesSampler
from facebench.weights import WeightSource

LAYERS = ("64", "192", "768", "2048")


def pictures(path: Path, indices: range) -> np.ndarray:
    return ImageFilesSampler(path).sample(indices)


def furthest(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest relative error of any image's feature vector."""
    assert ours.shape == theirs.shape
    return float((np.linalg.norm(ours - theirs, axis=1) / np.linalg.norm(theirs, axis=1)).max())


@pytest.fixture(scope="module")
def weights(shared: Path) -> WeightSource:
    return WeightSource({"inception": shared / "weights" / "inception_parity.pth"}, trust=True)


@pytest.fixture(scope="module")
def faces(shared: Path) -> np.ndarray:
    return pictures(shared / "faces" / "celeba_9000_89x109.zip", range(8000, 8024))


@pytest.fixture(scope="module")
def extractor(weights: WeightSource) -> Callable[[str], Extractor]:
    """Load each network once."""
    loaded: dict[str, Extractor] = {}

    def load(name: str) -> Extractor:
        if name not in loaded:
            loaded[name] = create(name, weights, "cpu")
        return loaded[name]

    return load


@pytest.fixture(scope="module")
def published(weights: WeightSource, faces: np.ndarray) -> dict[str, np.ndarray]:
    """What torch-fidelity's own network makes of the faces."""
    return published_features(weights.files["inception"], faces)


def published_features(path: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    names = [*LAYERS, "logits_unbiased"]
    network = FeatureExtractorInceptionV3("theirs", names, feature_extractor_weights_path=str(path))
    outputs = network(torch.from_numpy(images))
    return {name: output.numpy() for name, output in zip(names, outputs, strict=True)}


@pytest.mark.long
@pytest.mark.parametrize("layer", LAYERS)
def test_inception_features_equal_torch_fidelitys(
    extractor: Callable[[str], Extractor],
    published: dict[str, np.ndarray],
    faces: np.ndarray,
    layer: str,
) -> None:
    features = extractor(f"inception@{layer}").extract(faces, 8)["features"]
    assert features.dtype == np.float32
    assert features.shape == (24, int(layer))
    assert furthest(features, published[layer]) < 1e-5


@pytest.mark.long
def test_inception_logits_equal_torch_fidelitys(
    extractor: Callable[[str], Extractor], published: dict[str, np.ndarray], faces: np.ndarray
) -> None:
    logits = extractor("inception@2048").extract(faces, 8)["logits"]
    assert logits.shape == (24, 1008)
    assert furthest(logits, published["logits_unbiased"]) < 1e-5


def test_folding_keeps_the_features_when_batch_norm_does_something(
    weights: WeightSource, faces: np.ndarray, tmp_path: Path
) -> None:
    # The parity weights' own BatchNorm is folded already.
    state = torch.load(weights.files["inception"], weights_only=True)
    torch.manual_seed(0)
    for name, tensor in state.items():
        if name.endswith(("bn.weight", "bn.running_var")):
            state[name] = torch.empty_like(tensor).uniform_(0.7, 1.4)
        elif name.endswith("bn.running_mean"):
            state[name] = 0.1 * torch.randn_like(tensor)
    path = tmp_path / "inception.pth"
    torch.save(state, path)
    ours = create("inception", WeightSource({"inception": path}, trust=True), "cpu")
    record, theirs = ours.extract(faces[:4], 4), published_features(path, faces[:4])
    assert furthest(record["features"], theirs["2048"]) < 1e-5
    assert furthest(record["logits"], theirs["logits_unbiased"]) < 1e-5


def test_the_default_layer_has_one_name_and_others_have_no_logits(
    extractor: Callable[[str], Extractor], faces: np.ndarray
) -> None:
    assert extractor("inception@2048").name == "inception"
    assert extractor("inception@64").name == "inception@64"
    assert list(extractor("inception@64").extract(faces[:1], 1)) == ["features"]


@pytest.mark.parametrize(("name", "count"), [("inception@2048", 8), ("inception@64", 65)])
def test_inception_features_do_not_depend_on_the_batch_size(
    extractor: Callable[[str], Extractor], shared: Path, name: str, count: int
) -> None:
    images = pictures(shared / "faces" / "celeba_9000_89x109.zip", range(count))
    one, seven, all_at_once = (extractor(name).extract(images, size) for size in (1, 7, 64))
    for key, expected in all_at_once.items():
        assert furthest(one[key], expected) < 1e-5
        assert furthest(seven[key], expected) < 1e-5


@pytest.mark.parametrize("resize", RESIZES)
def test_every_way_to_resize_fills_the_networks_range(resize: Resize) -> None:
    black, white = torch.zeros(1, 3, 40, 30), torch.full((1, 3, 40, 30), 255)
    both = RESIZES[resize](torch.cat([black, white]).to(torch.uint8))
    assert both.shape == (2, 3, 299, 299) and both.dtype == torch.float32
    torch.testing.assert_close(both[0], torch.full_like(both[0], -1))
    # TensorFlow's networks take (x - 128) / 128, PyTorch's 2x / 255 - 1.
    torch.testing.assert_close(
        both[1], torch.full_like(both[1], 1.0 if resize == "torch" else 127 / 128)
    )


def test_bicubic_overshoot_is_cut_to_what_a_byte_holds() -> None:
    edge = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)
    edge[..., 8:] = 255
    resized = RESIZES["pil-bicubic"](edge)
    assert float(resized.min()) == -1 and float(resized.max()) == 127 / 128


def test_features_of_another_way_to_resize_are_others_by_name_and_value(
    weights: WeightSource, faces: np.ndarray
) -> None:
    ways: list[Resize] = ["tf1", "torch", "pil-bicubic"]
    extractors = [create("inception@64", weights, "cpu", resize) for resize in ways]
    names = [extractor.name for extractor in extractors]
    assert names == ["inception@64", "inception@64~torch", "inception@64~pil-bicubic"]
    one, two, three = (extractor.extract(faces, 8)["features"] for extractor in extractors)
    assert min(furthest(one, two), furthest(two, three), furthest(one, three)) > 1e-3


@pytest.mark.parametrize("size", [(64, 64), (89, 109), (299, 299), (512, 300), (1, 2)])
def test_two_matrix_products_resize_as_tensorflow_1(size: tuple[int, int]) -> None:
    images = torch.randint(0, 256, (2, 3, *size), generator=torch.manual_seed(0)).to(torch.uint8)
    theirs = interpolate_bilinear_2d_like_tensorflow1x(
        images.float(), (299, 299), align_corners=False
    )
    torch.testing.assert_close(tf1(images), (theirs - 128) / 128, rtol=0, atol=5e-7)


def test_bfloat16_is_near_and_says_so(
    weights: WeightSource, extractor: Callable[[str], Extractor], faces: np.ndarray
) -> None:
    quick, exact = create("inception@768", weights, "cpu", precision="bf16"), "inception@768"
    features = quick.extract(faces[:8], 8)["features"]
    assert features.dtype == np.float32
    assert 1e-4 < furthest(features, extractor(exact).extract(faces[:8], 8)["features"]) < 0.05
    assert (quick.arithmetic, extractor(exact).arithmetic) == ("bf16", "fp32")


@pytest.mark.slow
@pytest.mark.processes  # torch's compiler has workers
def test_a_compiled_network_gives_the_same_features(
    weights: WeightSource, extractor: Callable[[str], Extractor], faces: np.ndarray
) -> None:
    compiled = create("inception@192", weights, "cpu", compiled=True)
    expected = extractor("inception@192").extract(faces, 16)["features"]
    assert furthest(compiled.extract(faces, 16)["features"], expected) < 1e-5
    assert compiled.arithmetic == "fp32"  # so that what is kept serves both
