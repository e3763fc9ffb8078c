"""The engine with its networks on a GPU: a pretended one, so numbers are the CPU's to the bit."""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from plain_transformers import clip_shapes, dinov2_shapes, seeded
from pretended_gpu import PretendedGPU, pretended_gpu

import facebench
from facebench.cache.paths import cache_folder
from facebench.cache.store import FeatureStore
from facebench.engine import extract as engine
from facebench.engine.extract import extract
from facebench.engine.sources import ObjectSource
from facebench.features import create, inception
from facebench.features.clip import CLIPFeatures
from facebench.features.dinov2 import DINOv2Features
from facebench.features.extractor import Extractor, ImageBatch, Record, Tensors
from facebench.features.lpips import LPIPSFeatures
from facebench.features.resize import Resize
from facebench.features.vision_transformer import Size
from facebench.numerics.allocator import kept_memory
from facebench.numerics.precision import Precision, layout
from facebench.numerics.transfer import download, send
from facebench.sampler import Images
from facebench.weights import WeightSource

CUSTOM = """
import torch
def make(device):
    weight = torch.ones(3, 5, device=device) / 100
    def network(images):
        images //= 2                        # a copy of its own
        return images.float().mean((2, 3)) @ weight
    return network
"""


@pytest.fixture
def gpu() -> Iterator[PretendedGPU]:
    with pretended_gpu() as card:
        yield card


@pytest.fixture(scope="module")
def weights(shared: Path) -> WeightSource:
    folder = shared / "weights"
    files = {"inception": "inception_parity.pth", "alexnet": "alexnet_features.pth"}
    return WeightSource({name: folder / file for name, file in files.items()}, trust=True)


def faces(count: int) -> Images:
    return np.random.default_rng(0).integers(0, 256, (count, 3, 40, 40), np.uint8)


class Faces:
    """A sampler; notes the batches that it was asked for."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def sample(self, seeds: Sequence[int]) -> Images:
        self.batches.append(len(seeds))
        return np.stack(
            [np.random.default_rng(s).integers(0, 256, (3, 40, 40), np.uint8) for s in seeds]
        )


def equal(a: Record, b: Record) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)


# Every network


def same_on_both(make: Callable[[str], Extractor], *, count: int = 5, waits: bool = False) -> None:
    """Compare what the extractor makes of images on the CPU and on the GPU, without waiting."""
    images = faces(count)
    expected = make("cpu").extract(images, 2)
    with pretended_gpu() as gpu:
        extractor, there = make("cuda"), send(images, "cuda")
        extractor.compute(there[:1], 2)  # loads the network
        before = gpu.operations
        if waits:
            tensors = extractor.compute(there, 2)
        else:
            with gpu.never_waiting(sending=True):
                tensors = extractor.compute(there, 2)
        assert gpu.operations > before
        assert all(each.is_cuda for name, each in tensors.items() if name != "count")
        assert equal(download(tensors)(), expected)
        assert np.array_equal(there.cpu().numpy(), images)  # others are shown them, too


@pytest.fixture
def gpus_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let images lie on a CPU as they do on a GPU: another order of sums has other last bits."""
    monkeypatch.setattr(inception, "layout", lambda precision, device: layout(precision, "cuda"))


@pytest.mark.usefixtures("gpus_layout")
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
@pytest.mark.parametrize("name", ["portrait", "random", "inception@64", "custom"])
def test_an_extractor_gives_the_cpus_features(
    weights: WeightSource,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    precision: Precision,
) -> None:
    (tmp_path / "net.py").write_text(CUSTOM)
    monkeypatch.syspath_prepend(tmp_path)
    called = "net:make" if name == "custom" else name
    waits = name == "custom"  # its features are looked through for NaN
    same_on_both(lambda at: create(called, weights, at, precision=precision), waits=waits)


@pytest.mark.usefixtures("gpus_layout")
@pytest.mark.parametrize("resize", ["tf1", "torch", "pil-bicubic"])
def test_inception_gives_the_cpus_features_and_logits(
    weights: WeightSource, resize: Resize
) -> None:
    waits = resize == "pil-bicubic"  # Pillow has no GPU
    same_on_both(lambda at: create("inception", weights, at, resize=resize), count=3, waits=waits)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", ["dinov2", "dinov2~pil-bytes", "clip"])
def test_vision_transformers_give_the_cpus_features(
    tmp_path: Path, name: str, precision: Precision
) -> None:
    size = Size(width=64, depth=2, heads=4)
    shapes = {"dinov2": dinov2_shapes, "clip": clip_shapes}[name.partition("~")[0]]
    torch.save(seeded(shapes(size.width, size.depth)), tmp_path / "w.pth")
    source = WeightSource({name.partition("~")[0]: tmp_path / "w.pth"}, trust=True)
    resize: Resize | None = "pil-bytes" if "~" in name else None

    def make(at: str) -> Extractor:
        if name == "clip":
            return CLIPFeatures(source, at, precision, size=size)
        return DINOv2Features(source, at, resize, precision, size=size)

    same_on_both(make, waits=name != "dinov2")  # Pillow has no GPU


def test_lpips_gives_the_cpus_moments(weights: WeightSource) -> None:
    same_on_both(lambda at: LPIPSFeatures(weights, at), count=70)


@pytest.mark.long  # half a gigabyte of weights
def test_torch_fidelitys_networks_give_the_cpus_features(tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(torchvision.models.vgg16().state_dict(), tmp_path / "vgg16")
    source = WeightSource({"vgg16": tmp_path / "vgg16"}, trust=True)
    same_on_both(lambda at: create("vgg16", source, at), count=2, waits=True)


# The whole way


@pytest.mark.parametrize("options", [{}, {"precision": "bf16"}, {"batch_size": 7}])
def test_an_evaluation_gives_the_cpus_scores(
    weights: WeightSource, tiny_folder: Path, options: dict[str, object]
) -> None:
    def scores(device: str) -> object:
        found = facebench.evaluate(
            {"x": _small}, tiny_folder, num=20, split="train", extractor="random",
            weights=weights, device=device, **options,
        )  # fmt: skip
        assert not found.failures
        (result,) = found.results
        assert not result.failed
        assert ("a pretended GPU" in result.environment["device"]) == (device == "cuda")
        return result.metrics

    expected = scores("cpu")
    with pretended_gpu():
        assert scores("cuda") == expected


def _small(seeds: Sequence[int]) -> Images:
    return np.stack(
        [np.random.default_rng(s).integers(0, 256, (3, 32, 32), np.uint8) for s in seeds]
    )


def extracted(
    extractor: Extractor, count: int, batch_size: int, sampler: Faces | None = None
) -> Record:
    sampler, store = sampler or Faces(), FeatureStore(cache_folder())
    source, place = ObjectSource(lambda: sampler), extractor.device
    records = extract(source, range(count), [extractor], store, batch_size=batch_size, device=place)
    return records[extractor.name]


@pytest.mark.parametrize("name", ["random", "lpips"])
def test_a_batch_may_be_larger_than_what_is_kept(
    gpu: PretendedGPU,
    weights: WeightSource,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
) -> None:
    def make() -> Extractor:
        return (
            LPIPSFeatures(weights, "cuda") if name == "lpips" else create("random", weights, "cuda")
        )

    monkeypatch.setattr(engine, "CHUNK", 32)
    sampler = Faces()
    large = extracted(make(), 110, 64, sampler)
    assert sampler.batches[-2:] == [64, 110 - 64]
    monkeypatch.setenv("FACEBENCH_CACHE", str(tmp_path / "other"))
    small = extracted(make(), 110, 32)
    for key in small:
        np.testing.assert_allclose(large[key], small[key], rtol=1e-5, atol=1e-5)


def test_what_one_batch_has_kept_serves_another(
    gpu: PretendedGPU, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "CHUNK", 8)
    extracted(create("random", WeightSource(), "cuda"), 30, 20)
    sampler = Faces()
    extracted(create("random", WeightSource(), "cuda"), 70, 64, sampler)
    assert sampler.batches[-1] == 70 - 24  # three chunks were whole


def test_kept_on_one_kind_of_device_is_not_served_to_another(gpu: PretendedGPU) -> None:
    for device in ("cuda", "cpu"):
        sampler = Faces()
        extracted(create("random", WeightSource(), device), 9, 9, sampler)
        assert sampler.batches[-1] == 9


def test_compiled_or_not_the_reference_is_extracted_once(weights: WeightSource) -> None:
    made = [
        create("inception", weights, "cpu", compiled=flag, load=False) for flag in (False, True)
    ]
    assert made[0].arithmetic == made[1].arithmetic
    bf16 = create("inception", weights, "cpu", precision="bf16", compiled=True, load=False)
    assert bf16.arithmetic == "bf16 compiled"  # which rounds otherwise


class Slow(FeatureStore):
    """A store that keeps nothing before the second block is being computed."""

    second = threading.Event()

    def save(self, key: str, record: Record) -> Record:
        assert self.second.wait(30), "the networks waited for what is kept"
        return super().save(key, record)


class Means(Extractor):
    name, layer, arithmetic, notes, device = "means", "", "fp32", (), "cpu"
    weights: dict[str, str] = {}  # noqa: RUF012

    def __init__(self) -> None:
        self.calls = 0

    def compute(self, images: ImageBatch, batch_size: int) -> Tensors:
        self.calls += 1
        if self.calls == 2:
            Slow.second.set()
        return {"features": images.float().mean((1, 2, 3))[:, None]}


def test_the_next_block_is_computed_while_the_last_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "CHUNK", 8)
    source, store = ObjectSource(Faces), Slow(cache_folder())
    extract(source, range(24), [Means()], store, batch_size=8)


class Full(FeatureStore):
    """A store on a disk that is full."""

    def save(self, key: str, record: Record) -> Record:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("count", [8, 80])
def test_a_disk_that_is_full_ends_the_extraction(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "CHUNK", 8)
    with pytest.raises(OSError, match="No space left"):
        extract(
            ObjectSource(Faces),
            range(count),
            [Means()],
            Full(cache_folder()),
            batch_size=8,
        )


def test_the_c_librarys_memory_is_left_alone_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked() -> None:
        raise AssertionError("mallopt was asked for")

    monkeypatch.setattr("facebench.numerics.allocator.glibc", asked)
    with kept_memory("cuda:1"):
        pass
    with pytest.raises(AssertionError), kept_memory("cpu"):
        pass


# Mistakes that only a GPU shows


class Mistaken(Means):
    """Means, with a mistake."""

    device = "cuda"

    def __init__(self, mistake: Callable[[torch.Tensor], torch.Tensor]):
        super().__init__()
        self._mistake = mistake

    def compute(self, images: ImageBatch, batch_size: int) -> Tensors:
        return {"features": self._mistake(images.float().flatten(1))}


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda x: x @ torch.ones(4800, 1), "expected all tensors on one device"),
        (lambda x: torch.from_numpy(x.numpy()), r"numpy\(\) is not supported"),
        (lambda x: torch.zeros(len(x)).index_add_(0, torch.arange(len(x)), x[:, 0]), "one device"),
    ],
)
def test_a_planted_mistake_is_caught(
    gpu: PretendedGPU, mistake: Callable[[torch.Tensor], torch.Tensor], message: str
) -> None:
    with pytest.raises((RuntimeError, TypeError), match=message):
        extracted(Mistaken(mistake), 9, 9)


def test_an_extractor_that_waits_is_caught(gpu: PretendedGPU) -> None:
    images = send(faces(3), "cuda")
    with gpu.never_waiting(), pytest.raises(RuntimeError, match="wait for the GPU"):
        Mistaken(lambda x: x / x.max().item()).compute(images, 3)


def test_what_has_not_arrived_is_nonsense(gpu: PretendedGPU) -> None:
    x = send(np.ones((3, 2), np.float32), "cuda")
    early = x.to("cpu", non_blocking=True)
    assert early.isnan().all()
    waits = download({"x": x})
    assert (waits()["x"] == 1).all()
    assert (early == 1).all()  # a later event is after all that was asked for before
