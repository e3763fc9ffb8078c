"""A sampler that breaks the contract is not scored, whatever the batches that it is drawn in."""

from pathlib import Path

import numpy as np
import pytest

from facebench.engine import evaluate
from facebench.engine.batch_independence import Witnesses, apart
from facebench.errors import RowFailed

BROKEN = """
import numpy as np
import torch
from torch import nn

torch.manual_seed(0)
network = nn.Sequential(
    nn.Linear(8, 64), nn.BatchNorm1d(64, track_running_stats=False), nn.ReLU(),
    nn.Linear(64, 3 * 32 * 32), nn.Tanh(), nn.Unflatten(1, (3, 32, 32)),
)  # fmt: skip
network[0].weight.data *= 3

def images(values):
    return np.rint(127.5 * (np.asarray(values) + 1)).astype(np.uint8)

@torch.inference_mode()
def batch_statistics(seeds):
    z = torch.stack([torch.randn(8, generator=torch.Generator().manual_seed(s)) for s in seeds])
    few = z if len(z) > 1 else torch.cat([z, z + 1])
    return images(network(few)[: len(z)])

def one_generator_a_batch(seeds):
    rng = np.random.default_rng(seeds[0])
    return rng.integers(0, 256, (len(seeds), 3, 32, 32), np.uint8)

def a_global_generator(seeds):
    return np.random.randint(0, 256, (len(seeds), 3, 32, 32)).astype(np.uint8)

calls = 0

def a_counter(seeds):
    global calls
    calls += 1
    return np.stack([good([s])[0] // (1 + calls) for s in seeds])

def good(seeds):
    rngs = map(np.random.default_rng, seeds)
    return np.stack([rng.integers(0, 256, (3, 32, 32), np.uint8) for rng in rngs])

def half_precision(seeds):
    away = 2 if len(seeds) > 3 else 0
    clipped = [np.clip(image, 0, 250) for image in good(seeds)]
    for image in clipped:
        image[0, 0, :4] += np.uint8(away)
    return np.stack(clipped)
"""


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.py").write_text(BROKEN)


def _row(*names: str) -> dict[str, str]:
    return {name: f"python+takes=seeds:broken:{name}" for name in names}


@pytest.mark.processes
@pytest.mark.parametrize("batch_size", [1, 7, 32])
def test_a_broken_contract_is_no_score(batch_size: int, tiny_folder: Path) -> None:
    models = _row("batch_statistics", "one_generator_a_batch", "a_global_generator", "a_counter")
    for _ in range(2):  # nor is what was kept of the first attempt
        found = evaluate(
            models, tiny_folder, num=24, split="all", extractor="random", metrics="fid",
            batch_size=batch_size,
        )  # fmt: skip
        assert not found.results and found.failures.keys() == models.keys()
        for error in found.failures.values():
            with pytest.raises(
                RowFailed, match=r"changes with the batch that it is drawn in, by up to \d+ grey"
            ):
                raise error


@pytest.mark.processes
def test_rounding_is_said_and_scored_and_said_again(tiny_folder: Path) -> None:
    for _ in range(2):
        results = evaluate(
            _row("half_precision", "good"), tiny_folder, num=24, split="all", extractor="random",
            metrics="fid",
        ).results  # fmt: skip
        said = [
            "an image differs by up to 2 grey levels from batch to batch" in r.notes
            for r in results
        ]
        assert said == [True, False]


@pytest.mark.parametrize("count", [1, 2, 3, 5, 100])
def test_what_is_drawn_apart_is_of_the_seeds_and_in_other_batches(count: int) -> None:
    seeds = range(50, 50 + count)
    batches = apart(seeds)
    drawn = {seed for batch in batches for seed in batch}
    assert drawn <= set(seeds) and {seeds[0], seeds[-1]} <= drawn
    assert all(batch == list(dict.fromkeys(batch)) for batch in batches)


def test_images_of_another_size_are_not_compared() -> None:
    witnesses = Witnesses()
    witnesses.keep([3], np.zeros((1, 3, 4, 4), np.uint8))
    with pytest.raises(RowFailed, match="seed 3 has another size"):
        witnesses.compare([2, 3], np.zeros((2, 3, 8, 8), np.uint8))
