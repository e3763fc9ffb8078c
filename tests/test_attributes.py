"""What is to be seen of people: lists of attributes, and those of painted faces."""

import csv
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from facebench.cli import cli
from facebench.data.dataset import Dataset, open_dataset
from facebench.data.prepare import prepare, synthesize
from facebench.data.stats import describe
from facebench.errors import BadInput
from facebench.synth import ATTRIBUTES, another, attributes, draw, factors, render
from facebench.synth.people import OF_THE_MOMENT

FILES = ["000001.jpg", "000002.jpg", "000003.jpg"]
SEEN = {"5_o_Clock_Shadow": [1, 0, 0], "Smiling": [0, 1, 0], "Young": [1, 1, 0]}
HEAD = " ".join(SEEN)
CELEBA = f"""3
{HEAD}
000001.jpg  1 -1  1
000002.jpg -1  1  1
000003.jpg -1 -1 -1
"""
KAGGLE = "image_id,5_o_Clock_Shadow,Smiling,Young\n" + "\n".join(
    ["000001.jpg,1,-1,1", "000002.jpg,-1,1,1", "000003.jpg,-1,-1,-1"]
)
ZEROS = KAGGLE.replace("-1", "0")


def prepared(tmp_path: Path, text: str | bytes, **options: Any) -> Dataset:
    folder = tmp_path / "in"
    folder.mkdir(exist_ok=True)
    for number, name in enumerate(FILES):
        Image.new("RGB", (8, 8), (number * 8, 0, 0)).save(folder / name, "PNG")
    path = tmp_path / "list.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return prepare(folder, tmp_path / "out", size=8, attributes=path, **options)


def seen_in(dataset: Dataset) -> dict[str, list[int]]:
    """Return the values of each attribute in the order of the pictures' names."""
    names = (dataset.folder / "files.txt").read_text().splitlines()
    order = np.argsort(names)
    assert dataset.attributes is not None
    return {name: values[order].tolist() for name, values in dataset.attributes.items()}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(CELEBA, id="CelebA's"),
        pytest.param(CELEBA[2:], id="CelebA's without its count"),
        pytest.param(CELEBA.replace("\n", "\r\n"), id="CRLF"),
        pytest.param("﻿" + CELEBA, id="BOM"),
        pytest.param(KAGGLE, id="Kaggle's"),
        pytest.param(ZEROS, id="1 and 0"),
        pytest.param(ZEROS.replace(",1", ",True").replace(",0", ",false"), id="words"),
        pytest.param(KAGGLE.replace(",1", ",1.0").replace(",-1", ",-1.0"), id="of pandas"),
        pytest.param(KAGGLE.replace(",", "\t"), id="tabs"),
        pytest.param(ZEROS + "\n999999.jpg,1,1,1\n", id="others, too"),
        pytest.param(ZEROS.replace("image_id", "who"), id="another name of the first column"),
        pytest.param(ZEROS.replace("image_id,", ""), id="no name of the first column"),
    ],
)
def test_lists_say_what_is_to_be_seen(tmp_path: Path, text: str) -> None:
    dataset = prepared(tmp_path, text, holdout=1)
    assert seen_in(dataset) == SEEN and [*dataset.info["attributes"]] == [*SEEN]
    assert dataset.attributes is not None
    assert {values.dtype for values in dataset.attributes.values()} == {np.dtype(np.int8)}
    held = dataset.split("holdout").attributes
    assert held is not None and {len(values) for values in held.values()} == {1}
    assert "notes" not in dataset.info and dataset.people is None
    dataset.verify()


def test_the_column_of_files_may_stand_anywhere(tmp_path: Path) -> None:
    text = "\n".join(
        ",".join([*row.split(",")[1:3], row.split(",")[0], row.split(",")[3]])
        for row in ZEROS.splitlines()
    )
    assert seen_in(prepared(tmp_path, text)) == SEEN


def test_what_is_not_said_is_unknown(tmp_path: Path) -> None:
    text = "file,Male,Young\n000001.png,1,\n000002.png,0,nan\n"
    dataset = prepared(tmp_path, text)
    assert seen_in(dataset) == {"Male": [1, 0, -1], "Young": [-1, -1, -1]}
    assert dataset.info["notes"] == [
        "list.csv: names compared without endings (000001.jpg is 000001.png there)",
        "list.csv: nothing on 1 of the pictures",
    ]
    assert describe(dataset)["attributes"] == "2: Male 50%, Young unknown"


def test_names_of_control_characters_cannot_steer_a_terminal(tmp_path: Path) -> None:
    dataset = prepared(tmp_path, "file,a\x1b[31mb\n000001.jpg,1\n")
    assert [*seen_in(dataset)] == ["a\\x1b[31mb"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no header and rows"),
        ("3\n", "no header and rows"),
        ("file,Male\n", "no header and rows"),
        ("file\n000001.jpg\n", "it has 0 attributes, and 1 to 256 can be"),
        (
            f"file,{','.join(f'a{i}' for i in range(2000))}\n000001.jpg{',1' * 2000}\n",
            "it has 2,000 attributes, and 1 to 256 can be",
        ),
        ("file,Male,Male\n000001.jpg,1,1\n", "it has the attribute Male twice"),
        ("file,Big Hat,Big_Hat\n000001.jpg,1,1\n", "it has the attribute Big Hat twice"),
        (",file,Male\n0,000001.jpg,1\n", "row 1 has a name of 0 characters"),
        (f"file,{'x' * 101}\n000001.jpg,1\n", "row 1 has a name of 101 characters"),
        ("000001.jpg,1,-1\n000002.jpg,1,1\n", "it has no header"),
        ("file,Male\n000001.jpg,1,1\n000002.jpg,1\n", "row 3 has 2 fields and not 3"),
        ("file,Male\n000001.jpg,1\n000002.jpg\n", "row 3 has 1 fields and not 2"),
        ("file,Male,age\n000001.jpg,1,34\n", "row 2: age is 34, which is neither yes nor no"),
        ("file,a,b\n000001.jpg,1,0\n000002.jpg,-1,1\n", "has 0 and -1, of which either may"),
        ("file,a\n000001.jpg,1\n000001.jpg,0\n", "says of 000001.jpg one thing in one row"),
        ("file,a\nelsewhere.jpg,1\n", r"000001\.jpg for one, but of others, elsewhere\.jpg for"),
        (b"file,a\n\xff.jpg,1\n", "codec can't decode"),
        ('file,a\n000001.jpg,"1\n', "unexpected end of data"),
    ],
)
def test_lists_that_cannot_be_used_are_refused(tmp_path: Path, text: str | bytes, why: str) -> None:
    with pytest.raises(BadInput, match=why) as refused:
        prepared(tmp_path, text)
    assert str(refused.value).endswith(".") and "\n" not in str(refused.value)
    assert len(str(refused.value)) < 500 and not (tmp_path / "out").exists()


def test_preparing_otherwise_is_refused(tmp_path: Path) -> None:
    first = prepared(tmp_path, ZEROS)
    assert prepared(tmp_path, CELEBA).info == first.info  # says the same
    for text in (ZEROS.replace("Young", "Old"), ZEROS.replace(",0,0,0", ",0,0,1")):
        with pytest.raises(BadInput, match="made otherwise"):
            prepared(tmp_path, text)
    with pytest.raises(BadInput, match="made otherwise"):
        prepare(tmp_path / "in", tmp_path / "out", size=8)


def test_what_is_skipped_takes_its_attributes_along(tmp_path: Path) -> None:
    prepared(tmp_path, ZEROS)
    (tmp_path / "in" / FILES[1]).write_bytes(b"")
    dataset = prepare(
        *(tmp_path / "in", tmp_path / "less"),
        size=8,
        attributes=tmp_path / "list.csv",
        skip_unreadable=True,
    )
    assert seen_in(dataset) == {name: [row[0], row[2]] for name, row in SEEN.items()}


def test_a_data_set_keeps_the_attributes_of_its_source(tmp_path: Path) -> None:
    first = prepared(tmp_path, ZEROS)
    again = prepare(first.folder, tmp_path / "again", size=8, in_order=True)
    assert first.every_attribute is not None
    np.testing.assert_array_equal(again.every_attribute, first.every_attribute)
    assert again.info["attributes"] == first.info["attributes"]


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(np.zeros((3, 2), np.int8), id="fewer"),
        pytest.param(np.zeros((3, 3), np.int64), id="dtype"),
        pytest.param(np.full((3, 3), 2, np.int8), id="beyond"),
        pytest.param(np.full((3, 3), -2, np.int8), id="below"),
        pytest.param(np.array([{}] * 3), id="pickle"),
        pytest.param(None, id="none"),
    ],
)
def test_damaged_attributes_are_told_in_a_sentence(
    tmp_path: Path, array: np.ndarray | None
) -> None:
    out = prepared(tmp_path, ZEROS).folder
    (out / "attributes.npy").unlink()
    if array is not None:
        np.save(out / "attributes.npy", array, allow_pickle=True)
    with pytest.raises(BadInput, match=rf"attributes\.npy .*: remove {out} and prepare"):
        open_dataset(out)


@pytest.mark.parametrize(
    "names", [None, [], "abc", ["a", "b"], ["a", "b", "b"], ["a", "b", "\x1b"], ["a", "", "b"]]
)
def test_damaged_names_are_told_in_a_sentence(tmp_path: Path, names: Any) -> None:
    out = prepared(tmp_path, ZEROS).folder
    info = json.loads((out / "dataset.json").read_text()) | {"attributes": names}
    (out / "dataset.json").write_text(json.dumps(info))
    with pytest.raises(BadInput, match=rf": remove {out} and prepare"):
        open_dataset(out)


def test_changed_attributes_are_seen(tmp_path: Path) -> None:
    dataset = prepared(tmp_path, ZEROS)
    np.save(dataset.folder / "attributes.npy", np.zeros((3, 3), np.int8))
    with pytest.raises(BadInput, match=r"attributes\.npy was changed after it was made"):
        prepared(tmp_path, ZEROS)


def test_the_commands_say_the_shares(tmp_path: Path) -> None:
    dataset = prepared(tmp_path, ZEROS)
    words = ["data", "prepare", str(tmp_path / "in"), str(dataset.folder), "--size", "8"]
    words += ["--attributes", str(tmp_path / "list.csv")]
    told = "3: 5_o_Clock_Shadow 33%, Smiling 33%, Young 67%\n"
    assert f"attributes {told}" in CliRunner().invoke(cli, words).output
    assert told in CliRunner().invoke(cli, ["data", "stats", str(dataset.folder)]).output


# --- Painted faces -------------------------------------------------------------------------------


def test_every_painted_face_is_a_person_with_attributes(tmp_path: Path) -> None:
    dataset = synthesize(tmp_path / "out", num=6, size=8, seed=5, holdout=2)
    assert dataset.people is not None and dataset.people.tolist() == [5, 6, 7, 8, 9, 10]
    assert dataset.attributes is not None and [*dataset.attributes] == [*ATTRIBUTES]
    for place in range(6):
        row = {name: bool(values[place]) for name, values in dataset.attributes.items()}
        assert row == attributes(factors(place + 5))
    dataset.verify()


def test_each_attribute_is_neither_rare_nor_everywhere() -> None:
    seen = [attributes(factors(seed)) for seed in range(3000)]
    for name in ATTRIBUTES:
        assert 0.05 < np.mean([each[name] for each in seen]) < 0.95, name
    for first, second, third in [("skin_light", "skin_medium", "skin_dark")]:
        assert all(each[first] + each[second] + each[third] == 1 for each in seen)
    assert not any(each["young"] and each["old"] for each in seen)


def test_people_may_be_painted_several_times(tmp_path: Path) -> None:
    dataset = synthesize(tmp_path / "out", num=7, size=16, seed=4, people=3)
    assert dataset.people is not None and dataset.people.tolist() == [4, 5, 6, 4, 5, 6, 4]
    pictures = [another(4 + place % 3, place // 3) for place in range(7)]
    np.testing.assert_array_equal(dataset.images, [draw(face, 16) for face in pictures])
    np.testing.assert_array_equal(dataset.images[:3], render([4, 5, 6], 16))
    with (tmp_path / "out" / "factors.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["seed"], row["picture"]) for row in rows[3:5]] == [("4", "1"), ("5", "1")]
    assert rows[3]["yaw"] == str(pictures[3].yaw)
    with pytest.raises(BadInput, match="made otherwise"):
        synthesize(tmp_path / "out", num=7, size=16, seed=4)
    same = synthesize(tmp_path / "each", num=3, size=16, people=3)
    assert same.info == synthesize(tmp_path / "each", num=3, size=16).info
    with pytest.raises(BadInput, match="8 people cannot be shown in 7 faces: give 1 to 7"):
        synthesize(tmp_path / "none", num=7, people=8)


def test_another_picture_shows_the_same_person() -> None:
    first, second = asdict(another(3, 1)), asdict(another(3, 2))
    changed = {name for name, value in asdict(factors(3)).items() if value != first[name]}
    assert changed <= set(OF_THE_MOMENT) and len(changed) >= len(OF_THE_MOMENT) - 3
    assert first["yaw"] != second["yaw"]
    assert another(3, 1) == another(3, 1) and another(3, 0) == factors(3)


def test_painted_data_sets_of_before_stay_as_they_are(tmp_path: Path) -> None:
    out = tmp_path / "out"
    info = synthesize(out, num=3, size=8).info
    for name in ("identities.npy", "attributes.npy"):
        (out / name).unlink()
    later = {"people", "identities_digest", "attributes", "attributes_digest"}
    before = {key: value for key, value in info.items() if key not in later}
    (out / "dataset.json").write_text(json.dumps(before))
    dataset = synthesize(out, num=3, size=8)
    assert dataset.info == before and dataset.people is None and dataset.attributes is None
