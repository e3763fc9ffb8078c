"""Every metric of the table on the card, of as many features as a paper has, beside the CPU."""

import time
from collections.abc import Iterator
from functools import cache, partial

import numpy as np
import torch
from gpu_timing import DEVICE, Bench, Case, Row, seconds

from facebench.metrics.device import computing_on
from facebench.metrics.feature_sets import Comparison, FeatureSet
from facebench.metrics.table import METRICS

SHARES = ("precision", "recall", "density", "coverage", "authenticity")
"""What is told in images: rounding may carry one of them over the edge of a ball."""
SWEEP = [
    key
    for key in METRICS
    if key in {*SHARES, "clipped_density", "clipped_coverage"} and key != "authenticity"
]
"""They share distances: the first takes the time of all."""
SETS = ("real", "fake", "training")
SHIFT = 0.02
"""Between the means of the two sets, in units of the largest standard deviation."""
GROUP = 32  # images to a row of LPIPS' moments
PART = 5000  # rows drawn at a time
CLASSES = 10


def headings(bench: Bench) -> list[str]:
    """Return the table's."""
    sizes = bench.sizes
    return [
        *("metric", f"card, {sizes.points:,} a side: s", "GiB on the card"),
        *(f"card, {sizes.few:,} a side: s", f"CPU, {sizes.few:,} a side: s", "values apart by"),
    ]


def cases(bench: Bench) -> list[Case]:
    """Return a case for each metric but those that are made of others' values."""
    keys = [
        key
        for key, row in METRICS.items()
        if not (row.is_of_faces or row.is_of_pairs) and row.needs not in ("floors", "steps")
    ]
    return [Case(key, partial(measured, key)) for key in keys]


def measured(key: str, bench: Bench) -> Iterator[Row]:
    """Time one metric on the card and on the CPU, and compare what they say."""
    row, sizes = METRICS[key], bench.sizes
    few = {place: comparison(bench, sizes.few, place) for place in (DEVICE, "cpu")}
    values, taken = {}, {}
    for place, both in few.items():
        started = time.perf_counter()
        with computing_on(place):
            values[place] = float(row.compute(both).value)
        taken[place] = time.perf_counter() - started
    torch.cuda.reset_peak_memory_stats()
    many = comparison(bench, sizes.points, DEVICE)
    with computing_on(DEVICE):
        whole = seconds(lambda: row.compute(many))
    peak = torch.cuda.max_memory_allocated() / 2**30
    apart = difference(key, values[DEVICE], values["cpu"], sizes.few)
    name = f"{key} (of the sweep that `{SWEEP[0]}` took)" if key in SWEEP[1:] else key
    cells = [name, f"{whole:.2f}", f"{peak:.2f}", f"{taken[DEVICE]:.2f}", f"{taken['cpu']:.2f}"]
    yield Row([*cells, apart], {f"metric {key}": whole})


def difference(key: str, ours: float, theirs: float, count: int) -> str:
    """Say how far a value is from the CPU's."""
    if key in SHARES:
        return f"{abs(ours - theirs) * count:.2g} images"
    return f"{abs(ours - theirs) / max(abs(theirs), 1e-300):.1e}"


@cache
def comparison(bench: Bench, count: int, place: str) -> Comparison:
    """Return what is compared, one for each place: sets keep what several metrics share."""
    real, fake, training = (feature_set(bench, name, count) for name in SETS)
    return Comparison(real, fake, training)


def feature_set(bench: Bench, name: str, count: int) -> FeatureSet:
    """Return seeded features, logits and moments of LPIPS, as the engine has them."""
    seed = SETS.index(name)
    shift = SHIFT if name == "fake" else 0.0
    features = on_disk(bench, f"{name}.npy", count, bench.sizes.width, seed, shift)
    logits = on_disk(bench, "logits.npy", count, bench.sizes.logits, 10, 0.0)
    labels = np.arange(count) % CLASSES
    return FeatureSet(features, logits, moments(features[: 64 * GROUP]), labels)


def on_disk(bench: Bench, name: str, count: int, width: int, seed: int, shift: float) -> np.ndarray:
    """Return the first `count` rows of a mapped file, which is drawn when it is first asked for."""
    path = bench.folder / name
    if not path.exists():
        every = bench.sizes.points
        file = np.lib.format.open_memmap(path, "w+", np.float32, (every, width))
        for part, start in enumerate(range(0, every, PART)):
            rows = file[start : start + PART]
            rows[:] = correlated(len(rows), width, 1000 * seed + part) + shift
        file.flush()
    return np.load(path, mmap_mode="r")[:count]


def correlated(count: int, width: int, seed: int) -> np.ndarray:
    """Draw features as networks have them: no two dimensions independent, variances that fall."""
    spread = np.arange(1, width + 1, dtype=np.float32) ** -0.5
    rows = np.random.default_rng(seed).standard_normal((count, width), np.float32) * spread
    return 0.5 + (torch.from_numpy(rows) @ mixing(width)).numpy()


@cache
def mixing(width: int) -> torch.Tensor:
    """Return a rotation."""
    generator = torch.Generator("cpu").manual_seed(0)
    return torch.linalg.qr(torch.randn(width, width, generator=generator, device="cpu")).Q


def moments(embeddings: np.ndarray) -> dict[str, np.ndarray]:
    """Return LPIPS' moments of what stands for its embeddings, a row for every GROUP of them."""
    groups = np.array_split(embeddings.astype(np.float64), len(embeddings) // GROUP)
    return {
        "count": np.array([len(group) for group in groups]),
        "total": np.stack([group.sum(0) for group in groups]),
        "square": np.array([np.square(group).sum() for group in groups]),
    }
