import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from facebench.cli import cli
from facebench.testing import check_sampler

NETS = """
import numpy as np

def good(seeds):
    return np.stack([np.random.default_rng(s).integers(0, 256, (3, 8, 8), np.uint8) for s in seeds])

def constant(seeds):
    return np.full((len(seeds), 3, 8, 8), 7, np.uint8)

def copies(seeds):
    return good([s // 2 for s in seeds])

def dies(seeds):
    import os
    os._exit(3)

def hangs(seeds):
    import time
    time.sleep(600)
"""


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (3, 8, 8), np.uint8)


class Sampler:
    """Samples by a function of all seeds."""

    def __init__(self, draw: Callable[[Sequence[int]], np.ndarray]):
        self.sample = draw


def each(draw: Callable[[int], np.ndarray]) -> Sampler:
    return Sampler(lambda seeds: np.stack([draw(seed) for seed in seeds]))


def level(sampler: Sampler, check: str, num: int = 16) -> str:
    (found,) = [f.level for f in check_sampler(sampler, num).findings if f.check == check]
    return found


def test_a_good_sampler_has_nothing_but_good_findings() -> None:
    report = check_sampler(each(noise), num=16)
    assert report.ok
    levels = {finding.check: finding.level for finding in report.findings}
    assert {c for c, found in levels.items() if found == "note"} == {"speed", "memory"}
    checks = ("contract range determinism batches order seeds pictures speed memory").split()
    assert set(checks) <= set(levels)


class Restless:
    """Draws from one generator in turn, as samplers must not."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def sample(self, seeds: Sequence[int]) -> np.ndarray:
        return self.rng.integers(0, 256, (len(seeds), 3, 8, 8), np.uint8)


class Reused:
    """Gives the same memory again and again."""

    def __init__(self) -> None:
        self.memory = np.zeros((64, 3, 8, 8), np.uint8)

    def sample(self, seeds: Sequence[int]) -> np.ndarray:
        images = self.memory[: len(seeds)]
        images[:] = np.stack([noise(seed) for seed in seeds])
        return images


def normalized(seeds: Sequence[int]) -> np.ndarray:
    """Scale by the whole batch, as BatchNorm in training does."""
    images = np.stack([noise(seed) * (seed % 5 / 8 + 0.2) for seed in seeds])
    return (images / images.max() * 255).astype(np.uint8)


def by_place(seeds: Sequence[int]) -> np.ndarray:
    return np.stack([noise(place) for place, _ in enumerate(seeds)])


@pytest.mark.parametrize(
    ("sampler", "check"),
    [
        (Restless(), "determinism"),
        (Restless(), "batches"),
        (Sampler(normalized), "batches"),
        (Sampler(by_place), "order"),
        (Sampler(by_place), "batches"),
        (Reused(), "memory kept"),
        (each(lambda _: noise(0)), "seeds"),
        (each(lambda _: np.full((3, 8, 8), 9, np.uint8)), "range"),
        (each(lambda s: np.full((3, 8, 8), s * 9, np.uint8)), "pictures"),
        (each(lambda s: noise(s) // 200), "range"),
        (each(lambda s: noise(s) / 255), "contract"),
        (Sampler(lambda seeds: np.stack([noise(s) for s in seeds])[1:]), "contract"),
        (Sampler(lambda seeds: 1 / 0), "contract"),  # type: ignore[arg-type, return-value]
    ],
)
def test_each_fault_is_found(sampler: Sampler, check: str) -> None:
    assert level(sampler, check) == "failed"


def test_rounding_and_copies_are_noted_not_failed() -> None:
    def rounded(seeds: Sequence[int]) -> np.ndarray:
        return np.stack([noise(seed) | 1 for seed in seeds]) - np.uint8(len(seeds) > 8)

    assert level(Sampler(rounded), "batches") == "note"
    assert level(each(lambda s: noise(s // 2)), "seeds") == "note"
    assert check_sampler(each(lambda s: noise(s // 2))).ok


@pytest.mark.processes
@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["a=python+takes=seeds:nets:good", "--num", "8"], 0, "8 seeds give 8 different images"),
        (["a=python+takes=seeds:nets:constant"], 1, r"failed  range: every pixel .* is 7"),
        (["a=python+takes=seeds:nets:copies"], 0, "note    seeds: 16 of 32 images are copies"),
        (["a=python+takes=seeds:nets:copies", "--strict"], 1, "16 of 32 images are copies"),
        (["a=python+takes=seeds:nets:copies", "--seed", "1"], 0, "15 of 32 images are copies"),
        (["a=python+takes=seeds:nets:good", "--strict"], 0, "images a second"),
        (["a=python+takes=seeds:nets:dies"], 1, r"failed  process: .*exit code 3"),
        (["a=python+takes=seeds:nets:hangs", "--time-limit", "0.01"], 1, "nothing for 0.01 s"),
        (["a=python+takes=seeds:nets:good", "--memory-limit", "0.01"], 1, "0.0 GiB that"),
    ],
)
def test_the_command_has_a_line_a_finding_and_an_exit_code(
    words: list[str], code: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nets.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    answer = CliRunner().invoke(cli, ["check", *words])
    assert answer.exit_code == code, answer.output
    assert re.search(says, answer.output), answer.output
