import pickle
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import reduce
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from facebench.errors import BadInput
from facebench.features import create
from facebench.features.extractor import Extractor, exact_float32
from facebench.features.fidelity import networks
from facebench.features.lpips import SMALLEST, LPIPSFeatures
from facebench.features.random import RandomFeatures
from facebench.images import ImageFilesSampler
from facebench.metrics import frechet_distance, lpips_diversity
from facebench.metrics.diversity import PairMoments
from facebench.weights import WeightSource

LAYERS = ("64", "192", "768", "2048")
BACKENDS: Any = torch.backends  # whose types say less than there is
SWITCHES = {
    "matmul": BACKENDS.cuda.matmul,
    "conv": BACKENDS.cudnn.conv,
    "mkldnn matmul": BACKENDS.mkldnn.matmul,
    "mkldnn conv": BACKENDS.mkldnn.conv,
}


def pictures(path: Path, indices: range) -> np.ndarray:
    return ImageFilesSampler(path).sample(indices)


def noise(n: int, height: int = 40, width: int = 36) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 256, (n, 3, height, width), dtype=np.uint8)


def furthest(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest relative error of any image's feature vector."""
    assert ours.shape == theirs.shape
    return float((np.linalg.norm(ours - theirs, axis=1) / np.linalg.norm(theirs, axis=1)).max())


def refusal(source: Callable[[], object]) -> str:
    """The one sentence with which `source` is refused."""
    with pytest.raises(BadInput) as caught:
        source()
    message = str(caught.value)
    assert message[-1] == "." or message[-1].isalpha()
    assert "\n" not in message and ". " not in message
    return message


@pytest.fixture(scope="module")
def weights(shared: Path) -> WeightSource:
    folder = shared / "weights"
    files = {
        "inception": folder / "inception_parity.pth",
        "alexnet": folder / "alexnet_features.pth",
    }
    return WeightSource(files, trust=True)


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


# Inception


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


# Weights


def test_weights_of_another_digest_are_named_in_a_note(
    extractor: Callable[[str], Extractor], lpips: LPIPSFeatures
) -> None:
    inception = extractor("inception@64")
    digest = "3379c142ce662852868315652e3dea7c3b25e59abc80ca4b39e788ad7f8db131"
    assert inception.weights == {"inception": digest}
    assert [note for note in inception.notes if "taken on trust" in note and digest[:12] in note]
    assert [note for note in lpips.notes if "alexnet taken on trust" in note]


def test_weights_of_another_digest_need_trust(weights: WeightSource) -> None:
    untrusted = WeightSource(weights.files)
    for load in (
        lambda: create("inception", untrusted, "cpu"),
        lambda: LPIPSFeatures(untrusted, "cpu"),
    ):
        assert "--trust-weights" in refusal(load)


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self) -> tuple[Callable[..., object], tuple[Path]]:
        return Path.touch, (self.target,)


def _pickled(value: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(value, protocol=2))


def _saved(value: object, path: Path) -> None:
    torch.save(value, path)


def _saved_as_of_old(value: object, path: Path) -> None:
    torch.save(value, path, _use_new_zipfile_serialization=False)


def loaders(path: Path) -> list[Callable[[], object]]:
    """Load `path` as each network."""
    return [
        lambda: create("inception", WeightSource({"inception": path}, trust=True), "cpu"),
        lambda: create("vgg16", WeightSource({"vgg16": path}, trust=True), "cpu"),
        lambda: LPIPSFeatures(WeightSource({"alexnet": path}, trust=True), "cpu"),
    ]


@pytest.mark.parametrize("write", [_pickled, _saved, _saved_as_of_old])
@pytest.mark.parametrize("wrap", [lambda bomb: bomb, lambda bomb: {"fc.weight": bomb}])
def test_code_in_a_weight_file_is_refused_and_never_run(
    write: Callable[[object, Path], None], wrap: Callable[[Bomb], object], tmp_path: Path
) -> None:
    target, path = tmp_path / "executed", tmp_path / "weights.pth"
    write(wrap(Bomb(target)), path)
    for load in loaders(path):
        assert "holds more than tensors" in refusal(load)
    assert not target.exists()
    with suppress(RuntimeError):  # which plain pickles cause, too late
        torch.load(path, weights_only=False)
    assert target.exists()  # so it would have gone off


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 and no more"])
def test_damaged_weights_are_refused_in_one_sentence(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    for load in loaders(path):
        assert refusal(load).startswith(f"{path} is damaged")


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"features.0.weight": torch.zeros(64, 3, 11, 11)},
        {"features.0.weight": torch.zeros(3), "fc.weight": torch.zeros(3)},
        {"features.0.weight": 1.0},
        {0: torch.zeros(1)},
        [torch.zeros(1)],
    ],
)
def test_tensors_of_another_network_are_refused_in_one_sentence(
    state: object, tmp_path: Path
) -> None:
    path = tmp_path / "weights.pth"
    torch.save(state, path)
    for load in loaders(path):
        assert refusal(load).startswith(str(path))


@pytest.mark.parametrize(
    ("network", "name"), [("inception", "fc.weight"), ("alexnet", "features.0.bias")]
)
def test_one_tensor_of_another_shape_is_refused(
    weights: WeightSource, tmp_path: Path, network: str, name: str
) -> None:
    state = torch.load(weights.files[network], weights_only=True)
    state[name] = state[name][:1]  # which would broadcast
    path = tmp_path / "weights.pth"
    torch.save(state, path)
    source = WeightSource({network: path}, trust=True)
    load = {
        "inception": lambda: create("inception", source, "cpu"),
        "alexnet": lambda: LPIPSFeatures(source, "cpu"),
    }[network]
    assert refusal(load).startswith(str(path))


# Names


@pytest.mark.parametrize("name", ["resnet50", "random@64", "", "@64"])
def test_unknown_extractors_are_refused_with_what_there_is(name: str) -> None:
    message = refusal(lambda: create(name, WeightSource(), "cpu"))
    assert repr(name) in message
    assert all(known in message for known in ("random", *networks()))


@pytest.mark.parametrize("layer", ["100", "logits", "logits_unbiased", "64@192"])
def test_unknown_layers_are_refused_with_what_there_is(layer: str) -> None:
    message = refusal(lambda: create(f"inception@{layer}", WeightSource(), "cpu"))
    assert message == f"inception has no layer {layer!r}; it has: 64, 192, 768, 2048."


def test_weights_without_a_known_digest_need_trust() -> None:
    message = refusal(lambda: create("clip-vit-b-32", WeightSource(), "cpu"))
    assert "clip-vit-b-32" in message and "--trust-weights" in message


# Precision


def precisions() -> dict[str, str]:
    return {name: switch.fp32_precision for name, switch in SWITCHES.items()}


def _by_the_old_switches() -> None:
    BACKENDS.cuda.matmul.allow_tf32 = BACKENDS.cudnn.allow_tf32 = True


def _by_the_new_switches() -> None:
    for switch in SWITCHES.values():
        switch.fp32_precision = "tf32"


def _by_one_call() -> None:
    torch.set_float32_matmul_precision("medium")


@pytest.fixture
def _settings_put_back() -> Iterator[None]:
    cudnn, before = BACKENDS.cudnn.allow_tf32, precisions()
    yield
    torch.set_float32_matmul_precision("highest")
    BACKENDS.cudnn.allow_tf32 = cudnn
    for name, switch in SWITCHES.items():
        switch.fp32_precision = before[name]


@pytest.mark.usefixtures("_settings_put_back")
@pytest.mark.parametrize("ask", [_by_the_old_switches, _by_the_new_switches, _by_one_call])
def test_float32_is_exact_inside_and_as_the_user_set_it_outside(ask: Callable[[], None]) -> None:
    ask()
    before = precisions()
    assert "tf32" in before.values()
    with exact_float32():
        assert set(precisions().values()) == {"ieee"}
    assert precisions() == before
    with pytest.raises(ZeroDivisionError), exact_float32():
        _ = 1 / 0
    assert precisions() == before


# Random features


def test_random_features_are_the_same_on_every_call_and_machine() -> None:
    across = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (64, 1))
    images = np.stack([[across, across.T, across], [across.T, across, across.T]])
    one = RandomFeatures("cpu")
    first = one.extract(images, 2)["features"]
    assert first.shape == (2, 1408) and first.dtype == np.float32
    np.testing.assert_array_equal(one.extract(images, 2)["features"], first)
    np.testing.assert_array_equal(RandomFeatures("cpu").extract(images, 2)["features"], first)
    np.testing.assert_allclose(first[0, :4], [0.151477, 0.274011, 0.195543, 0.448283], rtol=1e-4)
    np.testing.assert_allclose(first[1, -4:], [0.0947950, 0.411919, 0.328632, 0.0605887], rtol=1e-4)


def test_random_features_do_not_depend_on_the_batch_size() -> None:
    images = noise(65)
    one, seven, all_at_once = (
        RandomFeatures("cpu").extract(images, size)["features"] for size in (1, 7, 64)
    )
    assert furthest(one, all_at_once) < 1e-5
    assert furthest(seven, all_at_once) < 1e-5


def test_random_features_order_real_halves_a_gan_and_a_vae(shared: Path) -> None:
    real = shared / "faces" / "celeba_9000_89x109.zip"
    generated = shared / "generated"
    random = RandomFeatures("cpu")
    reference, half, gan, vae = (
        random.extract(pictures(path, indices), 50)["features"]
        for path, indices in (
            (real, range(300)),
            (real, range(300, 600)),
            (generated / "celeba_gan_2000_64x64.zip", range(300)),
            (generated / "celeba_vae_2000_64x64.zip", range(300)),
        )
    )
    distances = [frechet_distance(reference, other) for other in (half, gan, vae)]
    assert distances == sorted(distances)
    assert distances[1] > 1.2 * distances[0] and distances[2] > 5 * distances[1]


# LPIPS


def test_lpips_of_the_official_example(shared: Path, lpips: LPIPSFeatures) -> None:
    folder = shared / "weights" / "lpips_example"
    p0, p1, reference = pictures(folder, range(3))  # in the order of their names
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


def test_lpips_weights_have_square_roots(lpips: LPIPSFeatures) -> None:
    layers = [lin.model[-1].weight for lin in lpips._lpips.lins]
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


@pytest.mark.parametrize("bounds", [[1], [12], [3, 4, 20], list(range(1, 24))])
def test_moments_of_any_split_add_up(bounds: list[int]) -> None:
    embeddings = torch.from_numpy(np.random.default_rng(0).standard_normal((24, 50)) + 3)
    whole = PairMoments.of(embeddings)
    parts = [PairMoments.of(part) for part in torch.tensor_split(embeddings, bounds)]
    rows = [part.arrays() for part in parts]
    stored = {key: np.concatenate([row[key] for row in rows]) for key in rows[0]}
    expected = float(np.mean([(a - b).square().sum() for a, b in combinations(embeddings, 2)]))
    for moments in (
        whole,
        PairMoments.merge(parts),
        PairMoments.merge(parts[::-1]),
        reduce(lambda a, b: PairMoments.merge([a, b]), parts),
        PairMoments.from_arrays(stored),
    ):
        assert moments.count == 24
        assert moments.mean() == pytest.approx(expected, rel=1e-12)


def test_copies_of_one_image_have_no_diversity(faces: np.ndarray, lpips: LPIPSFeatures) -> None:
    assert lpips_diversity(np.repeat(faces[:1], 5, axis=0), lpips) == pytest.approx(0, abs=1e-9)


def test_diversity_of_one_image_is_refused(faces: np.ndarray, lpips: LPIPSFeatures) -> None:
    message = refusal(lambda: lpips_diversity(faces[:1], lpips))
    assert message == "LPIPS diversity needs at least 2 images, not 1."


def test_images_too_small_for_alexnet_are_refused(lpips: LPIPSFeatures) -> None:
    assert lpips_diversity(noise(2, SMALLEST, SMALLEST), lpips) > 0
    message = refusal(lambda: lpips_diversity(noise(2, SMALLEST, SMALLEST - 1), lpips))
    assert f"not {SMALLEST - 1}×{SMALLEST}" in message
