"""Metrics on the pretended GPU: the CPU's numbers to the bit, and no waiting for each part."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pretended_gpu import PretendedGPU, pretended_gpu

from facebench import evaluate
from facebench.engine.context import Context, make_context
from facebench.engine.real_images import open_real
from facebench.engine.scores import Scores, compute_metrics
from facebench.errors import BadInput
from facebench.metrics import (
    arrays,
    authenticity,
    clipped_coverage,
    clipped_density,
    cmmd,
    data_copying_test,
    density_coverage,
    double_precision,
    frechet,
    frechet_distance,
    frechet_infinity,
    inception_score,
    kernel_distance,
    mind,
    nearest_neighbours,
    precision_recall,
    rke,
    upload,
    vendi,
)
from facebench.metrics.arrays import as_pair, as_rows
from facebench.metrics.device import computing_on
from facebench.metrics.feature_sets import Comparison, FeatureSet
from facebench.metrics.metric import Metric
from facebench.metrics.table import METRICS
from facebench.metrics.uncertainty import Estimate, from_influence
from facebench.progress import silent
from facebench.sandbox.limits import Limits
from facebench.weights import WeightSource

ON_HOST = {"lpips_diversity"}
"""What is made of moments that are there already."""
IN_FLOAT32 = {
    *("precision", "recall", "density", "coverage", "clipped_density", "clipped_coverage"),
    *("authenticity", "ct"),
}


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let few rows be many parts, and float64 be as fast on the card."""
    monkeypatch.setattr(arrays, "CHUNK", 24)
    monkeypatch.setattr(upload, "BUFFER", 16)
    monkeypatch.setattr(double_precision, "product_seconds", lambda _: 1.0)
    double_precision.forget()
    yield
    double_precision.forget()


OF_FEATURES = [
    row
    for row in METRICS.values()
    if not (row.is_of_faces or row.is_of_pairs) and row.needs not in ("floors", "steps")
]
"""All metrics but those that are made of others' values."""


@pytest.fixture
def gpu() -> Iterator[PretendedGPU]:
    with pretended_gpu() as gpu:
        yield gpu


@pytest.fixture
def context(tiny_folder: Path) -> Context:
    made = make_context(
        open_real(tiny_folder, None, None, Limits(), "cpu"),
        num=8,
        plain=False,
        seed=0,
        extractor="random",
        metrics=None,
        mode="facebench",
        sanity=False,
        batch_size=4,
        precision="fp32",
        compiled=None,
        weights=WeightSource(),
        device="cpu",
        track=silent,
        limits=Limits(),
    )
    return replace(made, mode=replace(made.mode, kid_subsets=4, kid_subset_size=30))


def mapped(folder: Path, name: str, values: np.ndarray) -> np.ndarray:
    np.save(folder / f"{name}.npy", values)
    return np.load(folder / f"{name}.npy", mmap_mode="r")


def normal(n: int, d: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return (random.standard_normal((n, d)) + seed / 10).astype(np.float32)


def repeated(n: int, d: int, seed: int = 0) -> np.ndarray:
    """Ten images again and again: a covariance without full rank, and many equal distances."""
    return normal(10, d, seed)[np.arange(n) % 10]


def feature_sets(folder: Path, make: Callable[..., np.ndarray], n: int, d: int) -> list[FeatureSet]:
    sets = []
    for name, (count, seed) in {"x": (n, 0), "y": (n - 9, 1), "t": (n + 5, 2)}.items():
        moments = normal(8, 6, seed).astype(float)
        sets.append(
            FeatureSet(
                mapped(folder, name, make(count, d, seed)),
                mapped(folder, f"{name}-logits", normal(count, 12, seed)),
                {"count": np.full(8, 4), "total": moments, "square": 9 + moments[:, 0] ** 2},
                np.arange(count) % 3,
            )
        )
    return sets


def same(a: Estimate, b: Estimate) -> bool:
    """Say whether two estimates are equal to the bit."""
    groups = [() if e.groups is None else tuple(e.groups.tolist()) for e in (a, b)]
    return groups[0] == groups[1] and (a.value, a.reference, a.curve) == (
        b.value,
        b.reference,
        b.curve,
    )


def score(context: Context, device: str, sets: list[FeatureSet], *rows: Metric) -> Scores:
    again = [
        FeatureSet(each.features, each.logits, each.lpips, each.labels) for each in sets
    ]  # nothing kept
    real, fake, training = again
    name, there = context.network.name, replace(context, device=device)
    return compute_metrics(there, {name: real}, {name: fake}, rows, training)


@pytest.mark.parametrize("share", [1 / 8, 0.0], ids=["resident", "streamed"])
@pytest.mark.parametrize(
    ("make", "n", "d", "small"),
    [
        pytest.param(normal, 70, 20, 512, id="n > d"),
        pytest.param(normal, 70, 20, 4, id="large"),
        pytest.param(normal, 80, 90, 512, id="n < d"),
        pytest.param(repeated, 70, 20, 512, id="repeated"),
    ],
)
def test_each_metric_through_the_engine_is_the_cpus_to_the_bit(
    share: float,
    make: Callable[..., np.ndarray],
    n: int,
    d: int,
    small: int,
    context: Context,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upload, "RESIDENT", share)
    monkeypatch.setattr(frechet, "SMALL", small)
    sets = feature_sets(tmp_path, make, n, d)
    expected = score(context, "cpu", sets, *OF_FEATURES)
    with pretended_gpu():
        found = score(context, "cuda", sets, *OF_FEATURES)
    assert found.failed == expected.failed == {}
    assert found.values.keys() == expected.values.keys()
    assert len(found.values) == len(OF_FEATURES)
    unlike = [key for key in found.values if not same(found.values[key], expected.values[key])]
    assert not unlike


@pytest.mark.parametrize(("n", "d"), [(70, 20), (40, 60)])
def test_a_reference_of_moments_is_compared_with_there(
    n: int, d: int, context: Context, gpu: PretendedGPU
) -> None:
    real = {"random": FeatureSet.of_moments(frechet.Moments.of(normal(100, d)))}
    fake = {"random": FeatureSet(normal(n, d, 1))}
    rows = [row for row in METRICS.values() if row.from_moments]
    expected = compute_metrics(replace(context, device="cpu"), real, fake, rows=rows).values
    before = gpu.operations
    found = compute_metrics(replace(context, device="cuda"), real, fake, rows=rows).values
    assert gpu.operations > before and found.keys() == {"fd_random", "fd_inf_random"}
    assert all(same(found[key], expected[key]) for key in found)


@pytest.mark.parametrize("share", [1 / 8, 0.0], ids=["resident", "streamed"])
def test_each_metric_computes_there_and_waits_for_no_part(
    share: float,
    context: Context,
    gpu: PretendedGPU,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upload, "RESIDENT", share)
    sets = feature_sets(tmp_path, normal, 80, 20)

    def waits(row: Metric, chunk: int) -> int:
        monkeypatch.setattr(arrays, "CHUNK", chunk)
        waited, done = gpu.waits, gpu.operations
        assert not score(context, "cuda:0", sets, row).failed
        assert (gpu.operations > done) == (row.key not in ON_HOST)
        return gpu.waits - waited

    for row in OF_FEATURES:
        assert waits(row, 40) == waits(row, 11), row.key


PUBLIC: dict[str, Callable[[Any, Any], Any]] = {
    "authenticity": authenticity,
    "clipped coverage": clipped_coverage,
    "clipped density": clipped_density,
    "cmmd": cmmd,
    "C_T": lambda x, y: data_copying_test(x, y[:40], y[40:]),
    "density and coverage": density_coverage,
    "Fréchet": frechet_distance,
    "Fréchet to infinity": frechet_infinity,
    "Inception Score": lambda x, y: inception_score(x),
    "kernel": lambda x, y: kernel_distance(x, y, 5, 20),
    "mind": mind,
    "merged moments": lambda x, y: (
        (frechet.Moments.of(x) + frechet.Moments.of(y)).mean.cpu().tolist()
    ),
    "neighbours": lambda x, y: [part.tolist() for part in nearest_neighbours(x, y)],
    "precision and recall": precision_recall,
    "rke": lambda x, y: rke(x),
    "vendi": lambda x, y: vendi(x),
}


@pytest.mark.parametrize("name", PUBLIC)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_public_functions_take_tensors_of_the_card(
    name: str, dtype: type, gpu: PretendedGPU
) -> None:
    x: np.ndarray = normal(90, 12).astype(dtype)
    y: np.ndarray = normal(80, 12, 1).astype(dtype)
    on_card = [torch.from_numpy(values).to("cuda") for values in (x, y)]
    before = gpu.operations
    assert PUBLIC[name](*on_card) == PUBLIC[name](x, y)
    assert gpu.operations > before


@pytest.mark.parametrize(
    "name", sorted(PUBLIC.keys() - {"merged moments"})
)  # which are of two places
def test_one_set_may_be_a_tensor_of_the_card(name: str, gpu: PretendedGPU) -> None:
    x, y = normal(90, 12), normal(80, 12, 1)
    expected = PUBLIC[name](x, y)
    assert PUBLIC[name](x, torch.from_numpy(y).to("cuda")) == expected
    assert PUBLIC[name](torch.from_numpy(x).to("cuda"), y) == expected


@pytest.mark.parametrize("share", [1 / 8, 0.0], ids=["resident", "streamed"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "kind", ["<f4", ">f4", "<f8", ">f8", "<f2", "i1", "u1", ">i2", "<i8", "u8", "g"]
)
def test_arrays_of_any_kind_arrive_as_on_the_cpu(
    kind: str, dtype: torch.dtype, share: float, monkeypatch: pytest.MonkeyPatch, gpu: PretendedGPU
) -> None:
    monkeypatch.setattr(upload, "RESIDENT", share)
    values = (100 * np.abs(normal(70, 3))).astype(kind)
    values.flags.writeable = False
    order = torch.from_numpy(np.random.default_rng(0).permutation(70))
    here = as_rows(values, dtype=dtype)
    with computing_on("cuda"):
        there = as_rows(values, dtype=dtype)
    assert here[:].device.type == "cpu"
    for slices in (slice(None), slice(3, 60), slice(3, 60, 2), slice(5, 5)):
        for x, y in ((here, there), (here.subset(order), there.subset(order))):
            assert y[slices].device.type == "cuda"
            assert y[slices].dtype == dtype
            assert torch.equal(x[slices], y[slices].cpu())
    chosen = order[:9]
    twice = here.subset(order).subset(chosen)[:]
    assert torch.equal(twice, there.subset(order).subset(chosen)[:].cpu())
    for (where, a), (also, b) in zip(here.chunks(7), there.chunks(7), strict=True):
        assert where == also
        assert torch.equal(a, b.cpu())


@pytest.mark.parametrize("share", [1 / 8, 0.0], ids=["resident", "streamed"])
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_no_metric_could_use_is_refused_there_too(
    wrong: float,
    dtype: torch.dtype,
    share: float,
    monkeypatch: pytest.MonkeyPatch,
    gpu: PretendedGPU,
) -> None:
    monkeypatch.setattr(upload, "RESIDENT", share)
    values = normal(70, 3).astype(np.float64)
    values[40, 1] = wrong
    with computing_on("cuda"), pytest.raises(BadInput, match="NaN or infinite"):
        as_rows(values, dtype=dtype)


@pytest.mark.usefixtures("gpu")
def test_pinned_memory_that_is_filled_too_early_is_found(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NobodyWaits(torch.cuda.Event):
        def synchronize(self) -> None:
            pass

    monkeypatch.setattr(upload, "RESIDENT", 0.0)
    sets = feature_sets(tmp_path, normal, 70, 20)
    assert not score(context, "cuda", sets, METRICS["fid"]).failed
    monkeypatch.setattr(torch.cuda, "Event", NobodyWaits)
    failed = score(context, "cuda", sets, METRICS["fid"]).failed
    assert "filled again before its copy had arrived" in failed["fd_random"]


def custom(compute: Callable[[Comparison], Estimate]) -> Metric:
    return Metric("beauty", "Beauty", compute, "lower", "nobody 1900", "How beautiful they are.")


def shift(c: Comparison) -> Estimate:
    """Return the distance of the means along drawn directions, as docs/metrics.md says."""
    x, y = as_pair(c.real.features, c.fake.features)
    random = torch.Generator(device="cpu").manual_seed(c.mode.seed)
    drawn = torch.randn(x.width, 5, generator=random, device="cpu").to(x[:1])
    ones = torch.ones(5, dtype=x.dtype, device=x.device)
    a, b = (torch.cat([chunk @ drawn @ ones for _, chunk in z.chunks()]) for z in (x, y))
    return from_influence(float(a.mean() - b.mean()), a, -b)


def with_numpy(c: Comparison) -> Estimate:
    a, b = (np.asarray(z.features, np.float64).mean(1) for z in (c.real, c.fake))
    return from_influence(float(a.mean() - b.mean()), a, -b)


@pytest.mark.parametrize("compute", [shift, with_numpy])
def test_a_metric_of_ones_own_computes_on_either_device(
    compute: Callable[[Comparison], Estimate], context: Context, tmp_path: Path, gpu: PretendedGPU
) -> None:
    sets = feature_sets(tmp_path, normal, 70, 20)
    on_cpu = score(context, "cpu", sets, custom(compute)).values["beauty"]
    before = gpu.operations
    assert same(score(context, "cuda", sets, custom(compute)).values["beauty"], on_cpu)
    assert (gpu.operations > before) == (compute is shift)


def left_on_the_cpu(c: Comparison) -> Estimate:
    x, y = as_pair(c.real.features, c.fake.features)
    direction = torch.from_numpy(np.ones(x.width))
    return Estimate(float((x[:] @ direction).mean() - y[:].mean()))


def taken_by_numpy(c: Comparison) -> Estimate:
    x, _ = as_pair(c.real.features, c.fake.features)
    return Estimate(float(x[:].numpy().mean()))


@pytest.mark.parametrize("compute", [left_on_the_cpu, taken_by_numpy])
def test_a_metric_that_forgets_the_device_fails_alone(
    compute: Callable[[Comparison], Estimate], context: Context, tmp_path: Path
) -> None:
    sets = feature_sets(tmp_path, normal, 70, 20)
    assert not score(context, "cpu", sets, custom(compute)).failed
    with pretended_gpu():
        scores = score(context, "cuda", sets, custom(compute), METRICS["fid"])
    assert scores.failed.keys() == {"beauty"}
    assert scores.values.keys() == {"fd_random"}


def test_metrics_know_only_the_cpu_and_cuda(gpu: PretendedGPU) -> None:
    values = normal(30, 3)
    for device, place in {"cpu": "cpu", "mps": "cpu", "cuda": "cuda", "cuda:0": "cuda"}.items():
        with computing_on(device):
            assert as_rows(values).device.type == place
            assert as_rows(torch.from_numpy(values)).device.type == "cpu"
    assert as_rows(values).device.type == "cpu"


class Measured:
    """Times that are given, and which devices were asked for them."""

    def __init__(self, **seconds: float) -> None:
        self.seconds = seconds
        self.asked: list[str] = []

    def __call__(self, device: torch.device) -> float:
        self.asked.append(device.type)
        return self.seconds[device.type]


def test_a_card_that_is_slow_in_float64_leaves_it_to_the_cpu(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gpu: PretendedGPU
) -> None:
    measured = Measured(cuda=0.02, cpu=0.01)
    monkeypatch.setattr(double_precision, "product_seconds", measured)
    sets = feature_sets(tmp_path, normal, 70, 20)
    assert double_precision.notes("cuda") == []
    for row in OF_FEATURES:
        before = gpu.operations
        on_card, here = (score(context, device, sets, row) for device in ("cuda:0", "cpu"))
        assert not on_card.failed
        assert all(same(on_card.values[key], here.values[key]) for key in here.values)
        assert (gpu.operations > before) == (row.key in IN_FLOAT32)
    assert sorted(measured.asked) == ["cpu", "cuda"]
    assert double_precision.notes("cpu") == double_precision.notes("cuda:1") == []
    assert (
        double_precision.notes("cuda")
        == double_precision.notes("cuda:0")
        == [
            "what needs float64 was computed on the CPU, which is faster at it than a pretended GPU"
        ]
    )


@pytest.mark.parametrize("seconds", [0.011, 0.001])
def test_a_card_that_is_about_as_fast_computes_float64(
    seconds: float, monkeypatch: pytest.MonkeyPatch, gpu: PretendedGPU
) -> None:
    monkeypatch.setattr(double_precision, "product_seconds", Measured(cuda=seconds, cpu=0.01))
    with computing_on("cuda"):
        assert as_rows(normal(30, 3)).device.type == "cuda"
    assert double_precision.notes("cuda") == []


def test_a_tensor_stays_where_its_owner_put_it(
    monkeypatch: pytest.MonkeyPatch, gpu: PretendedGPU
) -> None:
    monkeypatch.setattr(double_precision, "product_seconds", Measured(cuda=1.0, cpu=0.01))
    assert as_rows(torch.from_numpy(normal(30, 3)).to("cuda")).device.type == "cuda"


def test_the_product_is_timed(monkeypatch: pytest.MonkeyPatch, gpu: PretendedGPU) -> None:
    monkeypatch.undo()
    for device in (torch.device("cpu"), torch.device("cuda", 0)):
        assert 0 < double_precision.product_seconds(device) < 60


def seeds_to_faces(seeds: list[int]) -> np.ndarray:
    return np.stack([np.random.default_rng(s).integers(0, 256, (3, 32, 32)) for s in seeds]).astype(
        np.uint8
    )


def test_a_whole_evaluation_says_where_float64_was_computed(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(double_precision, "product_seconds", Measured(cuda=1.0, cpu=0.01))

    def scored(device: str) -> Any:
        found = evaluate(
            {"noise": seeds_to_faces},
            tiny_folder,
            extractor="random",
            num=12,
            out=tmp_path / device,
            device=device,
        )
        assert not found.failures
        return found.results[0]

    here = scored("cpu")
    with pretended_gpu():
        there, said = scored("cuda"), double_precision.notes("cuda")
    assert there.metrics == here.metrics
    assert [note for note in there.notes if note not in here.notes] == said
    assert len(said) == 1
    assert double_precision.notes("cpu") == []
