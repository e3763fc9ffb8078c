"""FDr: one number of several networks, of their distances over their noise floors."""

import csv
import json
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import Tensor

import facebench
from facebench.cli import cli
from facebench.data.dataset import open_dataset
from facebench.data.pictures import random_order
from facebench.engine import evaluate
from facebench.engine.score import evaluate_sets
from facebench.errors import BadInput
from facebench.features.random import RandomFeatures
from facebench.metrics import frechet_distance
from facebench.metrics.frechet_ratio import OverFloor, mean_over_floors
from facebench.metrics.paired import compare
from facebench.metrics.uncertainty import Estimate
from facebench.results.result import Result
from facebench_reports.board import boards
from facebench_reports.csv_and_json import to_csv

NAMES = "random,test_fdr:means"
KEYS = ("fd_random", "fd_test_fdr:means")
FEW: dict[str, Any] = {"extractor": NAMES, "metrics": "fdr", "device": "cpu"}


def means(device: str) -> Any:
    """A network: the mean of each channel, and of each half."""
    return lambda images: images.float().unflatten(3, (2, -1)).mean((2, 4)).flatten(1)


def spreads(device: str) -> Any:
    """Another one."""
    return lambda images: images.float().std((2, 3))


def noise(count: int, seed: int, brighter: float = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    base = rng.normal(120 + brighter, 20, (count, 3, 1, 2)).repeat(8, 3)
    return (base + rng.normal(0, 20, (count, 3, 16, 16))).clip(0, 255).astype(np.uint8)


def features(images: np.ndarray) -> list[np.ndarray]:
    """What the two networks of `NAMES` make of images."""
    of_random = RandomFeatures("cpu").extract(images, 8)["features"]
    found: Tensor = means("cpu")(Tensor(images))
    return [of_random, found.numpy()]


def by_hand(real: np.ndarray, others: np.ndarray, fake: np.ndarray) -> float:
    """The mean of FD(real, fake) / FD(real, others)."""
    each = zip(features(real), features(others), features(fake), strict=True)
    return float(np.mean([frechet_distance(r, f) / frechet_distance(r, o) for r, o, f in each]))


def results(real: Any, fake: Any, **options: Any) -> Sequence[Result]:
    return evaluate_sets(real, fake, **(FEW | options)).results


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give pictures as files, those of `noise(24, 1)`."""
    (tmp_path / "fake").mkdir()
    for i, image in enumerate(noise(24, 1)):
        Image.fromarray(image.transpose(1, 2, 0)).save(tmp_path / "fake" / f"{i:02}.png")
    return tmp_path / "fake"


def estimate(value: float, *groups: float) -> Estimate:
    return Estimate(value, np.array(groups, np.float64))


def test_it_is_the_mean_of_the_distances_over_their_floors() -> None:
    one = OverFloor(estimate(6.0, 4, 8), estimate(2.0, 2, 2))
    other = OverFloor(estimate(100.0, 100, 100), estimate(50.0, 40, 60))
    found = mean_over_floors([one, other])
    assert found.value == 2.5
    assert found.groups is not None
    assert found.of_interval is not None
    assert found.groups.tolist() == [(2 + 2) / 2, (4 + 2) / 2]  # as if the floors were exact
    larger, smaller = 2 - 2 * 0.2, 2 + 2 * 0.2  # floors of 60 and 40, where there are 50
    assert found.of_interval.tolist() == pytest.approx([(2 + smaller) / 2, (4 + larger) / 2])
    assert found.error == Estimate(2.5, found.of_interval).error


def test_of_the_floor_itself_it_is_1_without_a_doubt() -> None:
    floors = [estimate(2.0, 1, 3), estimate(50.0, 70, 30)]
    found = mean_over_floors([OverFloor(each, each) for each in floors])
    assert found.value == 1
    assert found.error == 0


def test_it_has_an_interval_only_where_all_distances_have_the_same_groups() -> None:
    floor = estimate(2.0, 1, 3)
    known, unknown = OverFloor(estimate(6.0, 4, 8), floor), OverFloor(Estimate(100.0), floor)
    longer = OverFloor(estimate(6.0, 4, 6, 8), estimate(2.0, 1, 2, 3))
    of_two = OverFloor(estimate(6.0, 4, 8), longer.floor)
    for other in (unknown, longer, of_two):
        assert mean_over_floors([known, other]).groups is None
        assert mean_over_floors([known, other]).error is None


def test_it_is_refused_of_one_network_and_over_nothing() -> None:
    part = OverFloor(estimate(6.0, 4, 8), estimate(2.0, 1, 3))
    with pytest.raises(BadInput, match="two networks or more"):
        mean_over_floors([part])
    for nothing in (0.0, 1e-12):  # of rounding
        with pytest.raises(BadInput, match="which is 0 in one of the networks"):
            mean_over_floors([part, replace(part, floor=Estimate(nothing))])


def test_without_other_real_images_distance_and_floor_are_of_half_as_many() -> None:
    real, fake = noise(40, 0), noise(30, 1, brighter=15)
    [result] = results(real, {"fake": fake})
    assert [*result.metrics] == [*KEYS, "fdr"]
    found = result.metrics["fdr"]
    real, fake = real[random_order(40)], fake[random_order(30)]
    assert found.value == pytest.approx(by_hand(real[20:], real[:20], fake[:20]), rel=1e-5)
    assert found.floor == 1
    assert found.low is not None and found.high is not None
    assert 0 <= found.low < found.value < found.high
    assert len(found.groups) == 20
    said = "fdr: of the first 20 generated images against 20 real ones, as its noise floor is"
    assert said in result.notes


def test_in_the_place_of_few_generated_images_as_few_real_ones_are_taken() -> None:
    real, fake = noise(40, 0), noise(12, 1, brighter=15)
    [result] = results(real, {"fake": fake})
    taken = real[random_order(40)]
    expected = by_hand(taken[12:], taken[:12], fake)
    assert result.metrics["fdr"].value == pytest.approx(expected, rel=1e-5)


def test_against_a_hold_out_it_is_of_the_columns_beside_it(tiny_folder: Path) -> None:
    """And the very images of the floor have 1 in every network."""
    training = open_dataset(tiny_folder).split("train").images
    models = {"floor": np.array(training[:8]), "noise": noise(8, 3)}
    found = {r.model: r.metrics for r in evaluate(models, tiny_folder, num=8, **FEW).results}
    for metrics in found.values():
        ratios = [metrics[key].value / (metrics[key].floor or 0) for key in KEYS]
        assert metrics["fdr"].value == pytest.approx(np.mean(ratios), rel=1e-12)
        assert metrics["fdr"].floor == 1
    assert found["floor"]["fdr"].value == pytest.approx(1)
    assert found["noise"]["fdr"].value > 1


def test_of_more_pictures_than_the_floor_has_no_more_are_taken(tiny_folder: Path) -> None:
    images = noise(12, 3)
    [result] = evaluate({"a": images}, tiny_folder, plain=True, **FEW).results
    first_8 = images[random_order(12)[:8]]
    [first] = evaluate({"a": first_8}, tiny_folder, plain=True, **FEW).results
    assert result.metrics["fdr"].value == pytest.approx(first.metrics["fdr"].value)
    assert result.metrics[KEYS[0]].value != first.metrics[KEYS[0]].value
    assert any("fdr: of the first 8 generated images" in note for note in result.notes)
    assert not any("fdr: of the first" in note for note in first.notes)


def test_it_is_there_unasked_where_there_are_several_networks() -> None:
    real, fake = noise(40, 0), noise(40, 1)
    assert "fdr" in results(real, {"f": fake}, metrics=None)[0].metrics
    assert "fdr" not in results(real, {"f": fake}, metrics=None, extractor="random")[0].metrics
    assert "fdr" not in results(real, {"f": fake}, metrics="kid")[0].metrics


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"extractor": "random"}, "fdr needs two networks or more: name them"),
        ({"mode": "torch-fidelity"}, "mode torch-fidelity does not define fdr"),
        ({"num": 3}, "fdr needs at least 4 images a side"),
        ({"extractor": "random,random"}, "names a network twice, or none"),
        ({"extractor": "random,test_fdr:means,other/test_fdr.py:means"}, "test_fdr:means twice"),
    ],
)
def test_where_there_is_none_one_sentence_says_so(
    options: dict[str, Any], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "test_fdr.py").write_text(
        "def means(device):\n    return lambda images: images.float().amax((2, 3))\n"
    )
    with pytest.raises(BadInput, match=says) as refused:
        results(noise(40, 0), {"fake": noise(40, 1)}, **options)
    assert str(refused.value).count(". ") == 0


def test_a_reference_of_statistics_has_no_floor_to_divide_by(tmp_path: Path) -> None:
    pool = np.random.default_rng(0).normal(size=(70, 64))
    np.savez(tmp_path / "s.npz", mu=pool.mean(0), sigma=np.cov(pool, rowvar=False))
    with pytest.raises(BadInput, match="fdr needs the real images themselves"):
        results(tmp_path / "s.npz", {"fake": noise(40, 1)})


def test_real_images_that_are_all_copies_fail_it_alone() -> None:
    real = noise(20, 0)[[0] * 20]
    [result] = results(real, {"fake": noise(20, 1)})
    assert "FDr divides by the distance between real images, which is 0" in result.failed["fdr"]
    assert {*result.metrics} == {*KEYS}


def test_two_models_are_compared_and_ranked_by_it(tmp_path: Path) -> None:
    real = noise(200, 0)
    models = {"bad": noise(200, 1, brighter=40), "good": noise(200, 2)}
    found = {result.model: result for result in results(real, models)}
    assert compare(found["good"], found["bad"])["fdr"].verdict == "first"
    [board] = boards([*found.values()])
    assert [row.result.model for row in board.rows] == ["good", "bad"]
    assert board.ordering.title == "Fréchet distance, random"
    assert board.columns[-1].title == "FDr"
    assert [row.cells[-1].best for row in board.rows if row.cells[-1]] == [True, False]
    real_scores = board.reals[-1]
    assert real_scores is not None and float(real_scores.floor) == 1
    to_csv([*found.values()], tmp_path)
    lines = (tmp_path / "leaderboard.csv").read_text(encoding="utf-8").splitlines()
    [good, _] = csv.DictReader(lines)
    assert float(good["fdr"]) == pytest.approx(found["good"].metrics["fdr"].value)


def test_other_networks_are_another_protocol_and_the_first_orders_the_board() -> None:
    real, fake = noise(40, 0), {"fake": noise(40, 1)}
    three = f"test_fdr:spreads,{NAMES}"
    found = [*results(real, fake), *results(real, fake, extractor=three)]
    assert [result.protocol.extractor for result in found] == [NAMES, three]
    two_boards = boards(found)
    assert len(two_boards) == 2
    orders = {board.protocol.extractor: board.ordering.key for board in two_boards}
    assert orders == {NAMES: "fd_random", three: "fd_test_fdr:spreads"}
    with pytest.raises(BadInput, match=r"unlike protocols .*extractor"):
        compare(*found)


def test_order_of_networks_matters_to_what_is_of_the_first_only() -> None:
    real, fake = noise(40, 0), {"fake": noise(40, 1, brighter=10)}
    options = {"metrics": "fdr,precision,kid"}
    [first], [second] = (
        results(real, fake, extractor=names, **options)
        for names in (NAMES, "test_fdr:means,random")
    )
    one, other = first.metrics, second.metrics
    assert "of random alone, the first network: precision" in first.notes
    assert "of test_fdr:means alone, the first network: precision" in second.notes
    assert one["fdr"].value == pytest.approx(other["fdr"].value)
    assert {*one} == {*other} == {*KEYS, "kd_random", "kd_test_fdr:means", "precision", "fdr"}
    assert one["precision"].value != other["precision"].value


@pytest.mark.parametrize(
    ("mode", "names", "says"),
    [
        ("pytorch-fid", "inception,random", "mode pytorch-fid has no extractor 'random'"),
        ("clean-fid", "inception,inception@768", "mode clean-fid has no extractor 'inception@768'"),
    ],
)
def test_a_mode_has_each_network_or_none(mode: str, names: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        results(noise(8, 0), noise(8, 1), extractor=names, mode=mode, metrics="fid")


def test_a_network_is_added_without_asking_the_others_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = tmp_path / "real.npy"
    np.save(real, noise(24, 0))
    alone = results(real, str(folder), extractor="random", metrics="fid", out=tmp_path / "alone")

    def never(*_: Any) -> None:
        raise AssertionError("its features are kept")

    monkeypatch.setattr(RandomFeatures, "compute", never)
    both = results(real, str(folder), out=tmp_path / "both")
    assert both[0].metrics["fd_random"] == alone[0].metrics["fd_random"]
    assert both[0].metrics["fdr"].value > 0


def test_the_command_has_it_in_its_table_and_its_json(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    real = tmp_path / "real.npy"
    np.save(real, noise(24, 0))
    words = ["score", str(real), str(folder), "--extractor", NAMES, "--metrics", "fdr"]
    cli(words, standalone_mode=False)
    assert "FDr ↓" in capsys.readouterr().out
    cli([*words, "--json"], standalone_mode=False)
    found = json.loads(capsys.readouterr().out)["fake"]["fdr"]
    assert found["floor"] == 1.0 and found["low"] < found["value"] < found["high"]


def test_in_python_it_is_beside_the_others() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        found = facebench.score(noise(40, 0), {"fake": noise(40, 1)}, **FEW)["fake"]
    assert [*found] == [*KEYS, "fdr"]
