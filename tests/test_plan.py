"""How many images tell a difference, and how long they take."""

import json
import math
import re
import subprocess
import sys
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from click.testing import Result as Answer
from jsonschema import Draft202012Validator
from scipy import stats

from facebench.cli import cli
from facebench.errors import BadInput
from facebench.metrics import t_distribution as student
from facebench.metrics.paired import difference
from facebench.metrics.power import noncentrality, plans
from facebench.results.result import Protocol, Result, Value, write_result
from facebench.results.speeds import Speed, find_speed, keep_speed, work_of

GROUPS = 32
NUM = 1000
PROTOCOL = Protocol(
    *("faces64", "ab" * 32, "holdout", "140", 64, "lanczos", "inception"),
    *({"inception": "a" * 64}, "float32", NUM, NUM),
)


def value(level: float, spread: float = 1.0, seed: int = 0) -> Value:
    noise = np.random.default_rng(seed).normal(0, spread, GROUPS)
    return Value(level, groups=tuple((level + noise - noise.mean()).tolist()))


def result(model: str, **metrics: Value) -> Result:
    made = Result(model, "images", f"runs/{model}", "cd" * 32, 0, PROTOCOL, metrics)
    return replace(
        made,
        seconds={"waiting for images": 40.0, "looking at them": 60.0, "metrics": 2.0},
        images=NUM,
        environment={"device": "cuda (NVIDIA H100)"},
    )


def error_of(a: Value, b: Value) -> float:
    return float(student.standard_error(np.subtract(a.groups, b.groups)))


@pytest.mark.parametrize("groups", [5, 10, 32])
@pytest.mark.parametrize("power", [0.5, 0.8, 0.95])
def test_so_many_standard_errors_are_told_in_that_share(groups: int, power: float) -> None:
    delta, critical = noncentrality(groups, power), stats.t.ppf(0.975, groups - 1)
    told = stats.nct.sf(critical, groups - 1, delta) + stats.nct.cdf(-critical, groups - 1, delta)
    assert told == pytest.approx(power, abs=1e-4)


def test_what_is_planned_has_the_power_that_was_asked_for() -> None:
    a, b = result("a", fid=value(10.0, seed=1)), result("b", fid=value(10.3, seed=2))
    for power in (0.6, 0.8, 0.95):
        planned = plans(a, b, wanted=0.3, power=power)["fid"].num
        assert planned is not None
        error = error_of(a.metrics["fid"], b.metrics["fid"]) * math.sqrt(NUM / planned)
        rng = np.random.default_rng(3)
        shifts = rng.normal(0.3, error * math.sqrt(GROUPS), (4000, GROUPS))
        called = stats.ttest_1samp(shifts, 0, axis=1).pvalue < 0.05
        assert np.mean(called) == pytest.approx(power, abs=0.03)


def test_the_difference_that_was_seen_gives_a_range() -> None:
    a, b = result("a", fid=value(10.0, seed=1)), result("b", fid=value(11.0, seed=2))
    found, seen = plans(a, b)["fid"], difference(a.metrics["fid"], b.metrics["fid"])
    assert found.is_seen and found.difference == pytest.approx(-1.0)
    assert seen.low is not None and seen.high is not None
    reach = noncentrality(GROUPS) * error_of(a.metrics["fid"], b.metrics["fid"])
    assert found.num == pytest.approx(NUM * (reach / 1.0) ** 2)
    assert found.least == pytest.approx(NUM * (reach / seen.low) ** 2)
    assert found.most == pytest.approx(NUM * (reach / seen.high) ** 2)


def test_where_no_difference_was_seen_the_range_has_no_end() -> None:
    a, b = result("a", fid=value(10.0, seed=1)), result("b", fid=value(10.1, seed=2))
    found = plans(a, b)["fid"]
    assert not found.is_seen and found.most is None
    assert found.least is not None and found.num is not None and NUM < found.least < found.num


def test_four_times_the_images_tell_half_the_difference() -> None:
    a, b = result("a", fid=value(10.0, seed=1)), result("b", fid=value(10.1, seed=2))
    one, half = (plans(a, b, wanted=wanted)["fid"].num for wanted in (1.0, 0.5))
    assert one and half and half == pytest.approx(4 * one)


def test_of_one_model_the_other_is_taken_to_be_as_noisy() -> None:
    a = result("a", fid=value(10.0, seed=1))
    found = plans(a, None, wanted=0.5)["fid"]
    error = 2**0.5 * float(student.standard_error(np.array(a.metrics["fid"].groups)))
    assert found.num == pytest.approx(NUM * (noncentrality(GROUPS) * error / 0.5) ** 2)


def test_without_noise_or_difference_there_is_no_number() -> None:
    a = result("a", fid=Value(1.0), kid=value(1.0))
    b = result("b", fid=Value(2.0), kid=value(1.0))
    found = plans(a, b)
    assert (found["fid"].num, found["kid"].num) == (None, None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    results = tmp_path / "results"
    for i, name in enumerate(("a", "b")):
        metrics = {"fid": value(10.0 + i, seed=i), "recall": value(0.5 + i / 50, 0.1, seed=i)}
        write_result(result(name, **metrics), results)
    odd = result("odd", fid=value(9.0))
    write_result(replace(odd, protocol=replace(PROTOCOL, crop="108")), results)
    return results


def run(folder: Path, *words: object) -> Answer:
    return CliRunner().invoke(cli, ["plan", *map(str, words), "--results", str(folder)])


def test_the_table_says_how_many_and_how_long(folder: Path) -> None:
    answer = run(folder, "a", "b")
    assert answer.exit_code == 0, answer.output
    assert re.search(r"FID ↓ +−1\.000 +\d+ +\d[\d,]+ – [\d,]+ +\d+ (s|min)", answer.output)
    assert re.search(r"Recall ↑ +−0\.0200\d* +[\d,]+ +[\d,]+ – no end", answer.output)
    assert "no difference was seen" in answer.output
    assert "on the cuda (NVIDIA H100) that scored them" in answer.output
    assert max(map(len, answer.output.splitlines())) <= 80


def test_a_speed_of_this_machine_is_taken_where_there_is_one(folder: Path) -> None:
    told = {}
    for name in ("theirs", "ours"):
        told[name] = json.loads(run(folder, "a", "b", "--json").output)["metrics"]["fid"]
        for each in "ab":
            keep_speed(work_of(result(each)), Speed(10.0, 500))
    num = told["ours"]["images"]
    assert told["theirs"]["seconds"] == pytest.approx(2 * (num * 0.1 + 2.0))
    assert told["ours"]["seconds"] == pytest.approx(2 * (num * 10.0 + 2.0))
    assert "the speed of this machine" in run(folder, "a", "b").output


def test_the_json_is_as_the_schema_says(folder: Path) -> None:
    schema = json.loads((files("facebench") / "schema.json").read_text(encoding="utf-8"))
    for words in (("a", "b"), ("a", "--metrics", "fid", "--difference", "0.5")):
        record = json.loads(run(folder, *words, "--json").output)
        Draft202012Validator(schema).validate(record)
        assert record["metrics"]["fid"]["images"] > 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("a",), "second model, or the --difference"),
        (("a", "nobody"), "holds no result 'nobody'; it holds: a, b, odd"),
        (("a", "odd"), "unlike protocols"),
        (("a", "b", "--metrics", "kid"), "'kid' was not measured here; there are: fid, recall"),
        (("a", "b", "--metrics", "fid", "--difference", "-1"), "give a number above 0"),
        (("a", "b", "--metrics", "fid", "--difference", "nan"), "give a number above 0"),
    ],
)
def test_what_cannot_be_planned_is_said_in_a_sentence(
    words: tuple[str, ...], says: str, folder: Path
) -> None:
    answer = run(folder, *words)
    assert isinstance(answer.exception, BadInput)
    assert says in str(answer.exception)


def test_a_difference_is_in_the_unit_of_one_metric(folder: Path) -> None:
    for words in (("--difference", "1"), ("--difference", "1", "--metrics", "fid,recall")):
        answer = run(folder, "a", "b", *words)
        assert answer.exit_code == 2 and "unit of one metric" in answer.output


def test_statistics_of_unknown_number_are_refused() -> None:
    a = replace(result("a", fid=value(1.0)), protocol=replace(PROTOCOL, num=0))
    with pytest.raises(BadInput, match="does not say of how many images"):
        plans(a, None, wanted=1.0)


SPEED = '{"format": "facebench-speed/1", "seconds": %s, "images": 9}'


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"seconds": 1, "images": 2}', *(SPEED % n for n in (-1, "1e999", '"x"'))],
)
def test_a_damaged_speed_is_no_speed(text: str, tmp_path: Path) -> None:
    work = work_of(result("a"))
    keep_speed(work, Speed(1.0, 5))
    [kept] = (tmp_path / "cache" / "speeds").iterdir()
    kept.write_text(text)
    assert find_speed(work) is None
    keep_speed(work, Speed(2.0, 5))
    assert find_speed(work) == Speed(2.0, 5)


def test_a_speed_of_few_images_does_not_replace_one_of_many() -> None:
    work = work_of(result("a"))
    for speed, known in (
        (Speed(1.0, 1000), Speed(1.0, 1000)),
        (Speed(9.0, 100), Speed(1.0, 1000)),
        (Speed(2.0, 600), Speed(2.0, 600)),
    ):
        keep_speed(work, speed)
        assert find_speed(work) == known


def test_where_the_cache_may_not_be_written_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("no folder")
    work = work_of(result("a"))
    keep_speed(work, Speed(1.0, 5))
    assert find_speed(work) is None


@pytest.mark.slow
@pytest.mark.processes
def test_what_is_planned_tells_the_difference_and_holm_holds_its_promise() -> None:
    script, metrics = Path(__file__).parent / "bench" / "plan_simulations.py", "fid,kid,vendi"
    words = [sys.executable, str(script), "--repetitions", "400", "--metrics", metrics, "--json"]
    found = json.loads(subprocess.run(words, check=True, capture_output=True).stdout)
    for key, one in found.items():
        assert 0.75 <= one["power"] <= 0.88, key
        assert one["held"] >= 0.9, key
        assert one["holm"] <= 0.07 < one["any"], key
