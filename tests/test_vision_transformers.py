"""DINOv2 as FD-DINOv2 has it, and CLIP as CMMD has it, on seeded weights."""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import plain_transformers as plain
import pytest
import torch
from PIL import Image
from torchvision import transforms

import facebench
from facebench.errors import BadInput
from facebench.features import clip, create, dinov2
from facebench.features.clip import CLIPFeatures
from facebench.features.dinov2 import DINOv2Features
from facebench.features.extractor import Extractor
from facebench.features.resize import Resize
from facebench.features.vision_transformer import LARGE, Size
from facebench.metrics import cmmd, frechet_distance, kernel_distance
from facebench.numerics.precision import Precision
from facebench.weights import MANIFEST, WeightSource

SMALL = Size(width=64, depth=3, heads=4)
SIZES = [(64, 64), (224, 224), (250, 250), (109, 89), (31, 400)]


def noise(size: tuple[int, int], n: int = 2) -> np.ndarray:
    """Blocks of full black and white, whose bicubic overshoots, under noise."""
    rng = np.random.default_rng(size)
    blocks = rng.integers(0, 2, (n, 3, 5, 4)) * 255
    big = np.kron(blocks, np.ones((-(-size[0] // 5), -(-size[1] // 4))))[..., : size[0], : size[1]]
    return np.clip(big + rng.normal(0, 20, big.shape), 0, 255).astype(np.uint8)


def furthest(ours: np.ndarray | torch.Tensor, theirs: np.ndarray | torch.Tensor) -> float:
    """The largest relative error of any image's feature vector."""
    a, b = np.asarray(ours), np.asarray(theirs)
    assert a.shape == b.shape
    return float((np.linalg.norm(a - b, axis=1) / np.linalg.norm(b, axis=1)).max())


def refusal(source: Callable[[], object]) -> str:
    """The one sentence with which `source` is refused."""
    with pytest.raises(BadInput) as caught:
        source()
    message = str(caught.value)
    assert "\n" not in message and ". " not in message
    return message


STATES = {
    "dinov2": plain.seeded(plain.dinov2_shapes(SMALL.width, SMALL.depth)),
    "clip": plain.seeded(plain.clip_shapes(SMALL.width, SMALL.depth)),
}
"""Seeded weights of small networks, in the layout of their makers' files."""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> WeightSource:
    folder = tmp_path_factory.mktemp("weights")
    for name, state in STATES.items():
        torch.save(state, folder / name)
    return WeightSource({name: folder / name for name in STATES}, trust=True)


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `create` make small networks."""
    monkeypatch.setattr(dinov2, "DINOv2Features", partial(DINOv2Features, size=SMALL))
    monkeypatch.setattr(clip, "CLIPFeatures", partial(CLIPFeatures, size=SMALL))


# What the networks see


@pytest.mark.parametrize("size", SIZES)
def test_dinov2_sees_what_edm2_shows_it(weights: WeightSource, size: tuple[int, int]) -> None:
    images = torch.from_numpy(noise(size))
    ours = DINOv2Features(weights, "cpu", size=SMALL).pixels(images)
    x = torch.nn.functional.interpolate(  # EDM2's DINOv2Detector, resize_mode "torch"
        images.to(torch.float32), size=(224, 224), mode="bicubic", antialias=True
    )
    mean, std = (torch.tensor(x).reshape(1, 3, 1, 1) for x in IMAGENET)
    torch.testing.assert_close(ours, (x / 255 - mean) / std, rtol=0, atol=1e-6)
    for image, found in zip(images, ours, strict=True):  # and Pillow's bicubic, on fractions
        for channel, x, m, s in zip(image, found, *IMAGENET, strict=True):
            floats = Image.fromarray(channel.numpy().astype(np.float32))
            theirs = np.asarray(floats.resize((224, 224), Image.Resampling.BICUBIC))
            np.testing.assert_allclose((x * s + m) * 255, theirs, atol=5e-3)


IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.mark.parametrize("size", SIZES)
def test_dinov2_sees_what_dgm_eval_shows_it(weights: WeightSource, size: tuple[int, int]) -> None:
    images = noise(size)
    ours = DINOv2Features(weights, "cpu", "pil-bytes", size=SMALL).pixels(torch.from_numpy(images))
    show = transforms.Compose(  # dgm-eval's DINOv2Encoder
        [
            transforms.Resize((224, 224), transforms.InterpolationMode.BICUBIC),
            transforms.ToTensor(),
            transforms.Normalize(*map(np.array, IMAGENET)),
        ]
    )
    theirs = torch.stack([show(Image.fromarray(each.transpose(1, 2, 0))) for each in images])
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_clip_sees_what_cmmd_shows_it(weights: WeightSource, size: tuple[int, int]) -> None:
    images = noise(size)
    ours = CLIPFeatures(weights, "cpu", size=SMALL).pixels(torch.from_numpy(images))
    theirs = []
    for each in images:  # as its authors read files, resize again, and normalise
        picture = Image.fromarray(each.transpose(1, 2, 0))
        width, height = picture.size
        side = min(width, height)
        top, left = (height - side) // 2, (width - side) // 2
        square = picture.crop((left, top, left + side, top + side))
        x = np.asarray(square.resize((336, 336), resample=Image.Resampling.BICUBIC))
        again = torch.nn.functional.interpolate(
            torch.from_numpy(x.astype(np.float32) / 255).permute(2, 0, 1)[None],
            size=(336, 336),
            mode="bicubic",
        )
        theirs.append((again[0].permute(1, 2, 0).numpy() - CLIP_MEAN) / CLIP_STD)
    expected = np.stack(theirs).transpose(0, 3, 1, 2).astype(np.float32)
    np.testing.assert_allclose(ours.numpy(), expected, rtol=0, atol=1e-5)


CLIP_MEAN = np.array([0.48145466, 0.4578275, 0.40821073])
CLIP_STD = np.array([0.26862954, 0.26130258, 0.27577711])


@pytest.mark.parametrize("size", SIZES)
def test_the_two_ways_of_published_fd_dinov2_differ_by_a_grey_level_but_at_hard_edges(
    weights: WeightSource, size: tuple[int, int]
) -> None:
    def seen(images: np.ndarray) -> list[torch.Tensor]:
        kinds = (DINOv2Features(weights, "cpu", way, size=SMALL) for way in WAYS)
        return [(each.pixels(torch.from_numpy(images)) * STD + MEAN) * 255 for each in kinds]

    soft, hard = seen(noise(size) // 8 + 100), seen(noise(size))
    assert float((soft[0] - soft[1]).abs().max()) < 1.6  # two roundings, and what a cubic adds
    assert (float(hard[1].min()), float(hard[1].max())) == pytest.approx((0, 255), abs=1e-3)
    if size != (224, 224):
        assert float(hard[0].min()) < -2 and float(hard[0].max()) > 257  # EDM2 does not clip


WAYS: tuple[Resize | None, ...] = (None, "pil-bytes")
MEAN, STD = (torch.tensor(x).reshape(1, 3, 1, 1) for x in IMAGENET)


# The networks


def extractors(weights: WeightSource) -> Iterator[tuple[Extractor, Any, dict[str, Any]]]:
    yield DINOv2Features(weights, "cpu", size=SMALL), plain.dinov2, plain.WRONG_DINOV2
    yield CLIPFeatures(weights, "cpu", size=SMALL), plain.clip, plain.WRONG_CLIP


def test_features_are_those_of_the_networks_written_anew(weights: WeightSource) -> None:
    images = noise((80, 70), 3)
    for extractor, right, wrong in extractors(weights):
        state = STATES[extractor.name]
        pixels = extractor.pixels(torch.from_numpy(images))  # type: ignore[attr-defined]
        ours = extractor.extract(images, 2)["features"]
        assert furthest(ours, right(state, pixels, SMALL.heads)) < 1e-5
        for name, other in wrong.items():  # or else it would not show
            assert furthest(ours, other(state, pixels, SMALL.heads)) > 1e-4, name


def test_positions_are_those_of_cubic_convolution_at_their_makers_points() -> None:
    trained = STATES["dinov2"]["pos_embed"]
    at = plain.cubic(37, 16, 16.1 / 37, -0.75)
    grid = torch.einsum("ik,jl,kld->ijd", at, at, trained[0, 1:].reshape(37, 37, -1))
    ours = dinov2.positions(trained)
    assert torch.equal(ours[:, 0], trained[:, 0])
    assert furthest(ours[0, 1:], grid.flatten(0, 1)) < 1e-5


@pytest.mark.long
@pytest.mark.parametrize("name", ["dinov2", "clip"])
def test_networks_of_the_published_size_are_those_written_anew(name: str, tmp_path: Path) -> None:
    shapes = {"dinov2": plain.dinov2_shapes, "clip": plain.clip_shapes}[name]
    state = plain.seeded(shapes(LARGE.width, LARGE.depth))
    file = tmp_path / "weights.pth"
    torch.save(state, file)
    try:
        extractor = create(name, WeightSource({name: file}, trust=True), "cpu")
    finally:
        file.unlink()  # over a gigabyte
    images = noise((128, 128), 1)
    pixels = extractor.pixels(torch.from_numpy(images))  # type: ignore[attr-defined]
    ours = extractor.extract(images, 1)["features"]
    assert ours.shape == (1, {"dinov2": 1024, "clip": 768}[name])
    assert furthest(ours, getattr(plain, name)(state, pixels, LARGE.heads)) < 1e-4


def test_features_do_not_depend_on_the_batch_size(weights: WeightSource) -> None:
    images = noise((64, 64), 5)
    for extractor, _, _ in extractors(weights):
        one, all_at_once = (extractor.extract(images, size)["features"] for size in (1, 5))
        assert furthest(one, all_at_once) < 1e-5


@pytest.mark.parametrize("precision", ["bf16"])
def test_half_precision_is_near_and_named(weights: WeightSource, precision: Precision) -> None:
    images = noise((64, 64))
    for kind in (DINOv2Features, CLIPFeatures):
        exact = kind(weights, "cpu", size=SMALL)
        fast = kind(weights, "cpu", precision=precision, size=SMALL)
        assert (exact.arithmetic, fast.arithmetic) == ("fp32", precision)
        a, b = (each.extract(images, 2)["features"] for each in (exact, fast))
        assert b.dtype == np.float32 and 1e-6 < furthest(b, a) < 0.1


def test_clips_features_are_of_length_1(weights: WeightSource) -> None:
    features = CLIPFeatures(weights, "cpu", size=SMALL).extract(noise((64, 64)), 2)["features"]
    assert features.shape == (2, 768)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-6)


# Their names


@pytest.mark.usefixtures("_small")
def test_every_way_has_its_name_and_says_whose_weights_they_are(weights: WeightSource) -> None:
    named = {"dinov2": create("dinov2", weights, "cpu"), "clip": create("clip", weights, "cpu")}
    named["dinov2~pil-bytes"] = create("dinov2", weights, "cpu", "pil-bytes")
    for name, extractor in named.items():
        assert isinstance(extractor, Extractor) and extractor.name == name
        (file,) = extractor.weights
        assert file == name.partition("~")[0]
        assert [note for note in extractor.notes if f"weights {file} taken on trust" in note]
    assert {each.layer for each in named.values()} == {"x_norm_clstoken", "image_embeds"}


def test_a_resize_is_for_its_own_extractor_only(weights: WeightSource) -> None:
    for name, resize, home in (
        ("dinov2", "tf1", "inception"),
        ("clip", "pil-bytes", "dinov2"),
        ("inception", "pil-bytes", "dinov2"),
    ):
        message = refusal(lambda: create(name, weights, "cpu", resize))  # type: ignore[arg-type] # noqa: B023
        assert message == f"{name} resizes images in its own way: {resize} is for {home} only."


@pytest.mark.usefixtures("_small")
def test_distances_have_their_published_names_and_values(
    weights: WeightSource, tiny_folder: Path
) -> None:
    fake = noise((32, 32), 24)

    def values(extractor: str, **options: str) -> dict[str, float]:
        found = facebench.evaluate(
            {"x": lambda seeds: fake[list(seeds)]},
            tiny_folder,
            split="all",
            extractor=extractor,
            weights=weights,
            device="cpu",
            **options,
        )
        assert not found.failures and not found.results[0].failed
        return {key: value.value for key, value in found.results[0].metrics.items()}

    images = np.load(tiny_folder / "images.npy")
    edm2, dgm_eval, clips = (
        [kind.extract(each, 8)["features"] for each in (images, fake)]
        for kind in (
            create("dinov2", weights, "cpu"),
            create("dinov2", weights, "cpu", "pil-bytes"),
            create("clip", weights, "cpu"),
        )
    )
    assert values("dinov2", metrics="fid") == {
        "fd_dinov2": pytest.approx(frechet_distance(*edm2), rel=1e-6)
    }
    assert values("clip", metrics="cmmd") == {"cmmd": pytest.approx(cmmd(*clips), rel=1e-6)}
    from prdc import compute_prdc

    expected = compute_prdc(*dgm_eval, nearest_k=5) | {
        "fd_dinov2": frechet_distance(*dgm_eval),
        "kd_dinov2": kernel_distance(*dgm_eval, subsets=1, subset_size=24),
    }
    assert values("dinov2", mode="dgm-eval") == pytest.approx(expected, rel=1e-6)
    assert abs(frechet_distance(*edm2) / frechet_distance(*dgm_eval) - 1) > 1e-6


# What can be wrong


@pytest.mark.parametrize("name", ["dinov2", "clip"])
def test_weights_that_are_not_here_are_not_fetched_offline(name: str) -> None:
    message = refusal(lambda: create(name, WeightSource(offline=True), "cpu"))
    assert message.startswith(f"The weights {name!r} are not here, and this is offline: put ")
    assert MANIFEST[name].url in message and f"--weights {name}=FILE" in message


@pytest.mark.parametrize("name", ["dinov2", "clip"])
def test_weights_of_another_size_are_refused(weights: WeightSource, name: str) -> None:
    message = refusal(lambda: create(name, weights, "cpu"))  # small ones
    assert message == f"{weights.files[name]} does not fit {name}: give {MANIFEST[name].url}."


@pytest.mark.parametrize("name", ["dinov2", "clip"])
def test_one_tensor_misshapen_missing_or_too_many_is_refused(name: str, tmp_path: Path) -> None:
    kind: Any = {"dinov2": DINOv2Features, "clip": CLIPFeatures}[name]
    path, state = tmp_path / "weights.pth", STATES[name]
    path.touch()
    source = WeightSource({name: path}, trust=True)

    def is_refused(other: plain.State) -> bool:
        torch.save(other, path)
        return refusal(lambda: kind(source, "cpu", size=SMALL)).startswith(f"{path} does not fit")

    for key in sorted(state.keys() - UNUSED):
        if ".1." in key or "embed" in key or "norm." in key:
            assert is_refused(state | {key: state[key][..., :1]})
            assert is_refused({k: v for k, v in state.items() if k != key})
    assert is_refused(state | {f"{'vision_model.' * (name == 'clip')}register": torch.zeros(1)})
    torch.save({k: v for k, v in state.items() if k not in UNUSED}, path)
    kind(source, "cpu", size=SMALL)


UNUSED = {
    "mask_token",
    "logit_scale",
    "text_projection.weight",
    "text_model.final_layer_norm.weight",
    "text_model.encoder.layers.0.self_attn.q_proj.weight",
    "vision_model.embeddings.position_ids",
}
"""What is of training, or of texts."""


@pytest.mark.parametrize("name", ["dinov2", "clip"])
def test_a_cut_file_is_refused(weights: WeightSource, name: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(weights.files[name].read_bytes()[:-2000])
    message = refusal(lambda: create(name, WeightSource({name: path}, trust=True), "cpu"))
    assert message.startswith(f"{path} is damaged")
    assert "--trust-weights" in refusal(lambda: create(name, WeightSource({name: path}), "cpu"))


@pytest.mark.parametrize("name", ["dinov2", "clip"])
def test_what_to_install_is_said_before_a_gigabyte_is_fetched(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    message = refusal(lambda: create(name, WeightSource(offline=True), "cpu", load=False))
    assert "'timm'" in message and message.endswith("pip install 'facebench[vit]'")
