import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from facebench.errors import BadInput
from facebench.results.result import (
    Protocol,
    Result,
    Value,
    read_result,
    read_results,
    write_result,
)

PROTOCOL = Protocol(
    dataset="faces64",
    dataset_digest="ab" * 32,
    split="holdout",
    crop="celeba",
    size=64,
    filter="pillow-lanczos",
    extractor="inception",
    weights={"inception": "67" * 32},
    precision="float32",
    num=1000,
    num_reference=1000,
)
RESULT = Result(
    model="dcgan",
    adapter="dcgan",
    path="runs/dcgan",
    model_digest="cd" * 32,
    first_seed=0,
    protocol=PROTOCOL,
    metrics={"fid": Value(12.5, 0.25), "lpips_diversity": Value(0.3, None, 0.35)},
    notes=("weights taken on trust <b>",),
    seconds={"draw": 1.5},
    environment={"torch": "2.15"},
    command="facebench eval --models dcgan",
    created="2026-11-24T00:00:00+00:00",
)


def test_a_result_survives_its_file(tmp_path: Path) -> None:
    path = write_result(RESULT, tmp_path / "results")
    assert path == tmp_path / "results" / "dcgan.json"
    assert read_result(path) == RESULT


def test_a_value_has_its_classes_where_there_are_any(tmp_path: Path) -> None:
    by_class = Value(4.0, classes={"smiling": 3.0, "7": 5.0})
    path = write_result(
        replace(RESULT, metrics={"fid": Value(1.0), "fid_class": by_class}), tmp_path
    )
    assert read_result(path).metrics["fid_class"] == by_class
    record = json.loads(path.read_text("utf-8"))["metrics"]
    assert "classes" in record["fid_class"] and "classes" not in record["fid"]


def test_writing_again_replaces(tmp_path: Path) -> None:
    write_result(RESULT, tmp_path)
    write_result(replace(RESULT, first_seed=9), tmp_path)
    assert [result.first_seed for result in read_results(tmp_path)] == [9]


def test_results_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("vae", "dcgan", "pca"):
        write_result(replace(RESULT, model=name), tmp_path)
    (tmp_path / "leaderboard.json").write_text("[]")
    (tmp_path / "samples").mkdir()
    assert [result.model for result in read_results(tmp_path)] == ["dcgan", "pca", "vae"]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_no_result_is_not_a_number(tmp_path: Path, value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_result(replace(RESULT, metrics={"fid": Value(value)}), tmp_path)
    assert list(tmp_path.iterdir()) == []


def record(tmp_path: Path, **changes: Any) -> dict[str, Any]:
    written: dict[str, Any] = json.loads(write_result(RESULT, tmp_path).read_text())
    return {k: v for k, v in (written | changes).items() if v is not ...}


@pytest.mark.parametrize(
    "changes",
    [
        {"format": ...},
        {"format": "facebench-result/9"},
        {"model": ...},
        {"unheard": 1},
        {"protocol": {}},
        {"protocol": None},
        {"metrics": [1]},
        {"metrics": {"fid": 3}},
        {"metrics": {"fid": {"error": 1}}},
        {"metrics": {"fid": {"value": "12"}}},
        {"metrics": {"fid": {"value": 1, "unheard": 2}}},
        {"notes": None},
    ],
    ids=str,
)
def test_a_foreign_record_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = tmp_path / "dcgan.json"
    path.write_text(json.dumps(record(tmp_path, **changes)))
    with pytest.raises(BadInput, match=r"dcgan\.json is not a facebench Result"):
        read_result(path)


@pytest.mark.parametrize("text", ["[]", '"text"', "3", "null"])
def test_foreign_json_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(BadInput, match=r"a\.json is not a facebench Result"):
        read_result(tmp_path / "a.json")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(tmp_path: Path, number: str) -> None:
    path = write_result(RESULT, tmp_path)
    path.write_text(path.read_text().replace("12.5", number))
    with pytest.raises(BadInput, match=r"dcgan\.json is not"):
        read_result(path)


def test_no_results_tell_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no results folder .*facebench eval"):
        read_results(tmp_path / "nowhere")
    with pytest.raises(BadInput, match=r"holds no results.*facebench eval"):
        read_results(tmp_path)


def test_a_file_that_is_being_written_is_no_result(tmp_path: Path) -> None:
    write_result(RESULT, tmp_path)
    (tmp_path / ".half.json").write_text("{")
    assert read_results(tmp_path) == [RESULT]
