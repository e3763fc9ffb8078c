"""What a GPU computes is what a CPU does; run by `make gpu`, where there is one.

There much may not be installed, so nothing here asks for conftest.py, nor for a package that its
test does not need. Without a GPU all of this is skipped, or runs on the pretended one where the
environment says FACEBENCH_PRETENDED_GPU=1, as `make gpu` on a pretended GPU does.
"""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from any_card import card, own_cache  # noqa: F401  # fixtures

from facebench.metrics.device import computing_on
from facebench.metrics.feature_sets import Comparison, FeatureSet
from facebench.metrics.table import METRICS
from facebench.numerics.precision import Precision

pytestmark = pytest.mark.gpu
SHARES = ("precision", "recall", "density", "coverage", "authenticity")
FARTHEST: dict[Precision, float] = {"fp32": 1e-4, "tf32": 1e-2, "bf16": 5e-2}
"""How far features may be from the CPU's in float32, relative to their length."""
BESIDE = 2 << 30
"""Bytes of the card's memory that a metric may take besides the sets it compares."""


def correlated(count: int, width: int, seed: int, shift: float = 0.0) -> np.ndarray:
    """Features no two dimensions of which are independent."""
    mixing = np.random.default_rng(0).standard_normal((width, width)) / width**0.5
    rows = np.random.default_rng(seed).standard_normal((count, width))
    return (rows * np.arange(1, width + 1) ** -0.5 @ mixing + 0.5 + shift).astype(np.float32)


@pytest.fixture(scope="module")
def sets(card: str) -> tuple[FeatureSet, ...]:  # noqa: F811
    """Features of real, generated and training images, with logits and LPIPS' moments."""
    count, width = (4000, 512) if card == "real" else (200, 24)
    return tuple(
        FeatureSet(
            correlated(count, width, seed, shift),
            correlated(count, 100, seed),
            {
                "count": np.full(count // 10, 10),
                "total": correlated(count // 10, width, seed),
                "square": np.full(count // 10, float(width)),
            },
            np.arange(count) % 3,
        )
        for seed, shift in ((1, 0.0), (2, 0.05), (3, 0.0))
    )


def value(key: str, sets: tuple[FeatureSet, ...], device: str) -> float:
    """Compute a metric on `device`."""
    with computing_on(device):
        return float(METRICS[key].compute(Comparison(sets[0], sets[1], sets[2])).value)


def fresh(sets: tuple[FeatureSet, ...]) -> tuple[FeatureSet, ...]:
    """The same sets, of which nothing is known yet."""
    return tuple(FeatureSet(each.features, each.logits, each.lpips, each.labels) for each in sets)


@pytest.mark.parametrize(
    "key",
    [
        key
        for key, row in METRICS.items()
        if not (row.is_of_faces or row.is_of_pairs) and row.needs not in ("floors", "steps")
    ],
)
def test_a_metric_equals_the_cpus(key: str, sets: tuple[FeatureSet, ...]) -> None:
    ours, theirs = (value(key, fresh(sets), device) for device in ("cuda", "cpu"))
    assert np.isfinite(theirs)
    if key in SHARES:
        assert abs(ours - theirs) * len(sets[0].features) <= 1.01  # one image
    else:
        assert ours == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize("key", ["fid", "kid", "precision", "authenticity", "vendi", "cmmd"])
def test_memory_stays_under_its_cap(key: str, card: str) -> None:  # noqa: F811
    count, width = (20_000, 2048) if card == "real" else (100, 8)
    rng = np.random.default_rng(0)
    sets = tuple(
        FeatureSet(rng.standard_normal((count, width), np.float32) + 0.01 * i) for i in range(3)
    )
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    value(key, sets, "cuda")
    taken = torch.cuda.max_memory_allocated()
    assert taken < 2 * sets[0].features.nbytes + BESIDE, f"{taken / 2**30:.2f} GiB"


@pytest.mark.parametrize("chosen", ["cpu", "cuda"])
def test_float64_is_computed_where_it_is_faster(
    chosen: str, sets: tuple[FeatureSet, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = importlib.import_module("facebench.metrics.double_precision")
    seconds = {"cpu": 1.0, "cuda": 0.01} if chosen == "cuda" else {"cpu": 0.01, "cuda": 1.0}
    monkeypatch.setattr(home, "product_seconds", lambda device: seconds[device.type])
    home.forget()
    try:
        ours = value("fid", fresh(sets), "cuda")
        assert home.faster_device(torch.device("cuda", 0)).type == chosen
        assert bool(home.notes("cuda")) == (chosen == "cpu")  # and said so
    finally:
        home.forget()
    assert ours == pytest.approx(value("fid", fresh(sets), "cpu"), rel=1e-6)


def noise(count: int, side: int = 64) -> np.ndarray:
    """Seeded images."""
    return np.random.default_rng(0).integers(0, 256, (count, 3, side, side), np.uint8)


def furthest(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest relative error of any image's feature vector."""
    return float((np.linalg.norm(ours - theirs, axis=1) / np.linalg.norm(theirs, axis=1)).max())


@pytest.mark.parametrize("precision", FARTHEST)
def test_random_features_are_near_the_cpus(precision: Precision) -> None:
    from facebench.features.random import RandomFeatures

    images = noise(10)
    ours, theirs = (
        RandomFeatures(*where).extract(images, 4)["features"]
        for where in (("cuda", precision), ("cpu",))
    )
    assert furthest(ours, theirs) < FARTHEST[precision]


@pytest.fixture(scope="module")
def inception(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Where seeded weights of Inception are."""
    pytest.importorskip("torch_fidelity")
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    from facebench.weights import WeightSource

    class Seeded(FeatureExtractorInceptionV3):  # type: ignore[misc]
        def load_state_dict(self, state: Any) -> None:
            torch.manual_seed(0)
            for module in self.modules():
                if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
                    torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save({}, path)
    network = Seeded("seeded", ["2048"], feature_extractor_weights_path=path)
    torch.save(network.state_dict(), path)
    return WeightSource({"inception": path}, trust=True)


@pytest.fixture(scope="module")
def on_cpu(inception: Any) -> dict[str, np.ndarray]:
    """What the CPU makes of a few images."""
    from facebench.features import create

    return create("inception", inception, "cpu").extract(noise(2), 2)


@pytest.mark.parametrize("precision", FARTHEST)
def test_inceptions_features_are_near_the_cpus(
    precision: Precision, inception: Any, on_cpu: dict[str, np.ndarray]
) -> None:
    from facebench.features import create

    ours = create("inception", inception, "cuda", precision=precision).extract(noise(2), 2)
    for name, theirs in on_cpu.items():
        assert furthest(ours[name], theirs) < FARTHEST[precision]


def alexnet() -> dict[str, torch.Tensor]:
    """Seeded weights of AlexNet's convolutions."""
    shapes = {
        0: (64, 3, 11),
        3: (192, 64, 5),
        6: (384, 192, 3),
        8: (256, 384, 3),
        10: (256, 256, 3),
    }
    torch.manual_seed(0)
    state = {}
    for number, (out, of, side) in shapes.items():
        weight = torch.randn(out, of, side, side) * (2 / (of * side**2)) ** 0.5
        state[f"features.{number}.weight"] = weight
        state[f"features.{number}.bias"] = torch.zeros(out)
    return state


def test_lpips_is_the_cpus(tmp_path: Path) -> None:
    pytest.importorskip("lpips")
    from facebench.features.lpips import LPIPSFeatures
    from facebench.metrics.diversity import diversity_estimate
    from facebench.weights import WeightSource

    torch.save(alexnet(), tmp_path / "alexnet.pth")
    weights = WeightSource({"alexnet": tmp_path / "alexnet.pth"}, trust=True)
    images = noise(70)
    ours, theirs = (
        diversity_estimate(LPIPSFeatures(weights, device).extract(images, 16)).value
        for device in ("cuda", "cpu")
    )
    assert ours == pytest.approx(theirs, rel=1e-5)


def test_the_vae_draws_the_cpus_images_to_one_grey_level() -> None:
    from facebench_vae.model import VAE

    torch.manual_seed(0)
    model = VAE(32, 16, 8)
    z = np.random.default_rng(0).standard_normal((9, 16), np.float32)
    theirs = model.render(z).astype(np.int16)
    ours = model.to("cuda").render(z).astype(np.int16)
    assert theirs.std() > 1
    assert np.abs(ours - theirs).max() <= 1
