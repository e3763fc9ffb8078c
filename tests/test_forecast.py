"""About how long it takes, said beforehand."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import facebench
from facebench.cli import cli
from facebench.engine.block import Block, Chunk
from facebench.engine.clock import Clock
from facebench.engine.environment import device_name
from facebench.progress import silent
from facebench.results.speeds import Speed, Work, find_speed, keep_speed

WORK = Work("random", "fp32", "cpu (x86_64)")


def blocks(*counts: int) -> list[Block]:
    return [[Chunk(range(count), 0, {})] for count in counts]


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let the clock read these, one after another."""
    left: list[float] = []
    monkeypatch.setattr("facebench.engine.clock.monotonic", lambda: left.pop(0))
    return left


def test_the_first_block_in_which_networks_are_loaded_does_not_count(times: list[float]) -> None:
    times += [0.0, 60.0, 61.0, 62.5]
    assert len(list(Clock().timed(silent, WORK)(blocks(256, 256, 244), "x", 3))) == 3
    assert find_speed(WORK) == Speed(2.5 / 500, 500)


def test_a_single_block_is_better_than_nothing(times: list[float]) -> None:
    times += [0.0, 60.0]
    list(Clock().timed(silent, WORK)(blocks(120)))
    assert find_speed(WORK) == Speed(0.5, 120)


def test_several_processes_are_faster_by_their_number(times: list[float]) -> None:
    times += [0.0, 1.0, 3.0]
    work = Work("random", "fp32", "cpu", processes=4)
    list(Clock().timed(silent, work)(blocks(100, 100)))
    assert find_speed(work) == Speed(2 / 400, 400)


def test_what_was_interrupted_is_not_kept(times: list[float]) -> None:
    times += [0.0, 1.0]
    looked_at = iter(Clock().timed(silent, WORK)(blocks(9, 9, 9)))
    next(looked_at), next(looked_at)
    del looked_at
    assert find_speed(WORK) is None


def test_it_tells_once_as_soon_as_there_is_a_speed(times: list[float]) -> None:
    times += [0.0, 60.0, 61.0, 62.0, 70.0, 71.0, 72.0, 73.0]
    clock, told = Clock(), list[Speed]()
    clock.tell(told.append)
    list(clock.timed(silent, WORK)(blocks(100, 100, 100)))
    list(clock.timed(silent, WORK)(blocks(100, 100, 100)))
    assert told == [Speed(0.01, 100)]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let there be several chunks of few images, and a second be long."""
    monkeypatch.setattr("facebench.engine.extract.CHUNK", 4)
    monkeypatch.setattr("facebench.engine.forecast.SHORT", 0.0)


def paint(seeds: Sequence[int]) -> np.ndarray:
    drawn = [np.random.default_rng(seed).integers(0, 256, (3, 32, 32)) for seed in seeds]
    return np.stack(drawn).astype(np.uint8)


def said_of(models: Any, reference: Path, num: int = 8, **options: Any) -> list[str]:
    lines: list[str] = []
    options = {"extractor": "random", "metrics": "fid", "batch_size": 4, "num": num} | options
    ended = facebench.evaluate(models, reference, say_time=lines.append, **options)
    assert not ended.failures
    return lines


@pytest.mark.usefixtures("small")
def test_the_first_time_it_is_said_after_the_first_blocks(tiny_folder: Path) -> None:
    pictures = f"copies=images:{tiny_folder / 'images.npy'}"
    [line] = said_of(pictures, tiny_folder)
    assert re.fullmatch(r"About \d+ s for \d+ images, at the speed of the first\.", line)
    [line] = said_of(f"others=images:{tiny_folder / 'images.npy'}", tiny_folder, seed=1)
    assert re.fullmatch(r"About 1 s for 8 images, at the speed of earlier ones here\.", line)


@pytest.mark.usefixtures("small")
def test_of_what_is_there_already_nothing_is_said_but_of_scoring(tiny_folder: Path) -> None:
    pictures = f"copies=images:{tiny_folder / 'images.npy'}"
    said_of(pictures, tiny_folder)
    assert said_of(pictures, tiny_folder) == ["About 1 s for scoring: all features are there."]


def test_of_a_few_seconds_nothing_is_said(tiny_folder: Path) -> None:
    assert said_of(f"copies=images:{tiny_folder / 'images.npy'}", tiny_folder) == []


@pytest.mark.usefixtures("small")
def test_a_model_that_was_never_drawn_from_may_be_slower(tiny_folder: Path) -> None:
    said_of(f"copies=images:{tiny_folder / 'images.npy'}", tiny_folder)
    [line] = said_of(paint, tiny_folder)
    assert line.endswith("at the speed of earlier ones here, if models draw no slower.")


@pytest.mark.usefixtures("small")
def test_no_number_depends_on_it(tiny_folder: Path) -> None:
    options: Any = {"extractor": "random", "metrics": "fid", "num": 8}
    silent_ones, told = (
        facebench.evaluate({"painted": paint}, tiny_folder, **options, **say).results[0]
        for say in ({}, {"say_time": lambda line: None})
    )
    assert silent_ones.metrics == told.metrics
    assert silent_ones.model_digest == told.model_digest
    assert silent_ones.seconds.keys() == told.seconds.keys()


@pytest.mark.usefixtures("small")
def test_the_speed_is_that_of_the_same_networks_alone(tiny_folder: Path) -> None:
    device = device_name("cpu")
    keep_speed(Work("inception", "fp32", device), Speed(3600.0, 10**6))
    [line] = said_of(f"copies=images:{tiny_folder / 'images.npy'}", tiny_folder)
    assert "at the speed of the first" in line
    keep_speed(Work("random", "fp32", device), Speed(3600.0, 10**6))
    [line] = said_of(f"others=images:{tiny_folder / 'images.npy'}", tiny_folder, seed=1)
    assert line == "About 8 h for 8 images, at the speed of earlier ones here."


PAINTER = """
import numpy as np

def paint(seeds):
    drawn = [np.random.default_rng(seed).integers(0, 256, (3, 32, 32)) for seed in seeds]
    return np.stack(drawn).astype(np.uint8)
"""


@pytest.mark.processes
@pytest.mark.usefixtures("small")
def test_of_a_model_that_has_to_be_opened_features_may_be_there(
    tiny_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "painter.py").write_text(PAINTER)
    model = f"painter=python+takes=seeds:{tmp_path / 'painter.py'}:paint"
    said_of(model, tiny_folder)
    for _ in range(2):  # whether its code has changed only its images show
        [line] = said_of(model, tiny_folder)
        assert line.endswith("earlier ones here, if no features of theirs are there already.")


@pytest.mark.processes
@pytest.mark.usefixtures("small")
def test_whether_a_runs_features_are_there_is_known_without_opening_it(
    tiny_folder: Path, tmp_path: Path
) -> None:
    words = ["pca", "--components", "4", "--data", str(tiny_folder), "--out", str(tmp_path / "run")]
    assert CliRunner().invoke(cli, ["train", *words]).exit_code == 0
    model = f"pca={tmp_path / 'run'}"
    said_of(model, tiny_folder)
    [line] = said_of(model, tiny_folder, seed=8)
    assert line.endswith("for 8 images, at the speed of earlier ones here.")
    assert said_of(model, tiny_folder) == ["About 1 s for scoring: all features are there."]
