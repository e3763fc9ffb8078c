import pickle
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facebench.errors import BadInput
from facebench.features import create
from facebench.features.extractor import Extractor
from facebench.features.lpips import LPIPSFeatures
from facebench.features.random import RandomFeatures
from facebench.features.torch_fidelity import networks
from facebench.metrics import frechet_distance
from facebench.numerics.precision import exact_float32
from facebench.samplers.image_files import ImageFilesSampler
from facebench.weights import WeightSource

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


# Weights


def test_weights_of_another_digest_are_named_in_a_note(weights: WeightSource) -> None:
    inception = create("inception@64", weights, "cpu")
    lpips = LPIPSFeatures(weights, "cpu")
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
        lambda: create("dinov2", WeightSource({"dinov2": path}, trust=True), "cpu"),
        lambda: create("clip", WeightSource({"clip": path}, trust=True), "cpu"),
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
        {"pos_embed": torch.zeros(1, 1, 1024)},
        {"pos_embed": torch.zeros(()), "vision_model.x.q_proj.weight": torch.zeros(())},
        {"pos_embed": torch.zeros(1, 1370, 1024, device="meta")},
        {"pos_embed": torch.zeros(1, 1370, 1024).to_sparse()},
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


@pytest.mark.parametrize("name", ["resnet50", "random@64", "dinov2@2", "clip@x", "", "@64"])
def test_unknown_extractors_are_refused_with_what_there_is(name: str) -> None:
    message = refusal(lambda: create(name, WeightSource(), "cpu"))
    assert repr(name) in message
    assert all(
        known in message
        for known in ("portrait", "random", "inception", "dinov2", "clip", *networks())
    )


@pytest.mark.parametrize("layer", ["100", "logits", "logits_unbiased", "64@192"])
def test_unknown_layers_are_refused_with_what_there_is(layer: str) -> None:
    message = refusal(lambda: create(f"inception@{layer}", WeightSource(), "cpu"))
    assert message == f"inception has no layer {layer!r}; it has: 64, 192, 768, 2048."


def test_other_networks_resize_in_their_own_way_only() -> None:
    message = refusal(lambda: create("random", WeightSource(), "cpu", "torch"))
    assert message == "random resizes images in its own way: torch is for inception only."


def test_every_extractor_keeps_the_contract(weights: WeightSource) -> None:
    for name, layer in {"random": "", "inception": "2048", "inception@192": "192"}.items():
        extractor = create(name, weights, "cpu")
        assert isinstance(extractor, Extractor)
        assert (extractor.name, extractor.layer) == (name, layer)
    assert isinstance(LPIPSFeatures(weights, "cpu"), Extractor)


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


@pytest.mark.long
def test_random_features_do_not_depend_on_the_batch_size() -> None:
    images = noise(65)
    one, seven, all_at_once = (
        RandomFeatures("cpu").extract(images, size)["features"] for size in (1, 7, 64)
    )
    assert furthest(one, all_at_once) < 1e-5
    assert furthest(seven, all_at_once) < 1e-5


@pytest.mark.long
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
