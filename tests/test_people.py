"""Who is shown: lists of people in every form that they come in, and hold-outs by person."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from facebench.cli import cli
from facebench.data.dataset import Dataset, open_dataset
from facebench.data.holdout import people_held_out
from facebench.data.prepare import prepare
from facebench.data.stats import describe
from facebench.errors import BadInput

NAMES = [f"00000{i}.jpg" for i in range(6)]
WHO = dict(zip(NAMES, [2880, 7, 2880, 12, 7, 7], strict=True))


def lay(folder: Path, names: list[str]) -> Path:
    """Save a picture of a colour of its own under each name."""
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number * 8, 0, 0)).save(folder / name, "PNG")
    return folder


def rows(form: str, who: dict[str, Any]) -> str:
    return "".join(form.format(name=name, who=number) for name, number in who.items())


def shown_in(dataset: Dataset) -> dict[str, int]:
    """Return who each picture shows, by its name."""
    names = (dataset.folder / "files.txt").read_text(encoding="utf-8").splitlines()
    assert dataset.people is not None
    return dict(zip(names, dataset.people.tolist(), strict=True))


def prepared(
    tmp_path: Path, text: str | bytes, names: list[str] = NAMES, **options: Any
) -> Dataset:
    pictures = lay(tmp_path / "in", names)
    path = tmp_path / "list.txt"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return prepare(pictures, tmp_path / "out", size=8, identities=path, **options)


# --- Forms of lists ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(rows("{name} {who}\n", WHO), id="CelebA's"),
        pytest.param(rows("{name}   {who} \r\n", WHO), id="blanks and CRLF"),
        pytest.param("file,identity\n" + rows("{name},{who}\n", WHO), id="CSV"),
        pytest.param("﻿file,identity\r\n" + rows("{name},{who}\r\n", WHO), id="BOM and CRLF"),
        pytest.param("image_id\tIdentity\n" + rows("{name}\t{who}\n", WHO), id="tabs"),
        pytest.param("file;identity\n" + rows("{name};{who}\n", WHO), id="semicolons"),
        pytest.param(rows('"{name}","{who}"\n', WHO), id="quoted, without header"),
        pytest.param("sex,person,path\n" + rows("m,{who},./{name}\n", WHO), id="other columns"),
        pytest.param("\n" + rows("{name} {who}\n\n", WHO), id="empty lines"),
        pytest.param(rows("{name} {who}\n", WHO) * 2, id="rows twice"),
        pytest.param(rows("{name} {who}\n", WHO | {"999999.jpg": 1}), id="others, too"),
        pytest.param(rows("{name} {who}\n", WHO)[:-1], id="no end of line"),
    ],
)
def test_lists_say_who_is_shown(tmp_path: Path, text: str) -> None:
    dataset = prepared(tmp_path, text, holdout=2)
    assert shown_in(dataset) == WHO
    assert dataset.info["people"] == 3 and "notes" not in dataset.info
    parts = [dataset.split(part).people for part in ("train", "holdout")]
    assert [len(part) for part in parts if part is not None] == [4, 2]
    dataset.verify()


@pytest.mark.parametrize(
    ("names", "there", "how"),
    [
        (["img/1.jpg", "img/2.jpg"], ["1.jpg", "2.jpg"], "without folders"),
        (["1.png", "2.png"], ["1.jpg", "2.jpg"], "without endings"),
        (["1.JPG", "2.jpg"], ["1.jpg", "2.JPG"], "without endings"),
        (["IMG_1.jpg", "IMG_2.jpg"], ["img_1", "img_2"], "without endings"),
        (["c/1.png", "c/2.png"], ["1.jpg", "2.jpg"], "without folders and endings"),
        (["all/a/1.png", "all/b/1.png"], ["a/1.png", "b/1.png"], "by their last folder"),
        (["all/a/1.png", "all/b/1.png"], ["a/1.jpg", "b/1.jpg"], "last folder, without endings"),
        (["1.jpg", "2.jpg"], ["/data/x/1.jpg", "/data/x/2.jpg"], "without folders"),
    ],
)
def test_names_are_matched_as_far_as_that_is_unambiguous(
    tmp_path: Path, names: list[str], there: list[str], how: str
) -> None:
    text = "".join(f"{name},{number}\n" for number, name in enumerate(there, 5))
    dataset = prepared(tmp_path, text, names)
    assert shown_in(dataset) == dict(zip(names, (5, 6), strict=True))
    (note,) = dataset.info["notes"]
    assert f"list.txt: names compared {how} ({names[0]} is {there[0]} there)" == note or how in note


def test_names_as_they_are_go_first(tmp_path: Path) -> None:
    names = ["a/1.jpg", "b/1.jpg", "b/1.png"]
    dataset = prepared(tmp_path, "a/1.jpg,1\nb/1.jpg,2\nb/1.png,3\n1.jpg,4\n", names)
    assert shown_in(dataset) == dict(zip(names, (1, 2, 3), strict=True))


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["1.jpg"], "a/1.jpg,1\nb/1.jpg,2\n"),  # two rows that may be the picture's
        (["a/1.jpg", "b/1.jpg"], "1.jpg,1\n"),  # two pictures that may be the row's
        (["1.webp"], "1.jpg,1\n1.png,2\n"),
    ],
)
def test_ambiguous_names_are_not_guessed(tmp_path: Path, names: list[str], text: str) -> None:
    with pytest.raises(
        BadInput, match=r"says nothing of any picture, .*1\.\w+ for one, but of oth"
    ):
        prepared(tmp_path, text, names)


def test_rows_that_agree_are_not_ambiguous(tmp_path: Path) -> None:
    assert shown_in(prepared(tmp_path, "a/1.jpg,1\nb/1.jpg,1\n", ["1.jpg"])) == {"1.jpg": 1}


def test_people_may_have_names(tmp_path: Path) -> None:
    who = dict(zip(NAMES, ["Zoë, née X", "Al", "Zoë, née X", "Bo Li", "Al", "Al"], strict=True))
    dataset = prepared(tmp_path, "file,name\n" + rows('{name},"{who}"\n', who))
    assert list(shown_in(dataset)[name] for name in NAMES) == [2, 0, 2, 1, 0, 0]


def test_numbers_with_zeros_before_them_are_names(tmp_path: Path) -> None:
    assert shown_in(prepared(tmp_path, "1.jpg 07\n2.jpg 7\n", ["1.jpg", "2.jpg"])) == {
        "1.jpg": 0,
        "2.jpg": 1,
    }


def test_folders_may_be_people(tmp_path: Path) -> None:
    names = ["lfw/Al_B/Al_B_0001.jpg", "lfw/Al_B/Al_B_0002.jpg", "lfw/Zoe/Zoe_0001.jpg"]
    pictures = lay(tmp_path / "in", names)
    dataset = prepare(pictures, tmp_path / "out", size=8, identities="folders")
    assert shown_in(dataset) == dict(zip(names, (0, 0, 1), strict=True))
    assert dataset.labels is None
    lay(pictures, ["alone.jpg"])
    with pytest.raises(BadInput, match=r"alone\.jpg lies in no folder that could be its person"):
        prepare(pictures, tmp_path / "out2", size=8, identities="folders")


# --- What is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "cannot be read .it is empty"),
        ("a\n", "row 1 has 1 fields and not 2"),
        ("file,who,sex\n", "row 1 has 3 fields and not 2"),
        ("my photo.jpg 4\n", "row 1 has 3 fields and not 2"),
        ("file,identity\n000000.jpg\n", "row 2 has 1 fields and not 2"),
        ('file,identity\n000000.jpg,"4\n', "unexpected end of data"),
        ("000000.jpg,1\n000000.jpg,2\n", "says of 000000.jpg one thing in one row and another"),
        ("000000.jpg,1\n./000000.jpg,2\n", "one thing in one row and another in another"),
        ("elsewhere.jpg,1\n", r"000000\.jpg for one, but of others, elsewhere\.jpg for one"),
        ("file,identity\n", "says nothing of any picture, 000000.jpg .* or nothing at all"),
        ("000000.jpg,1\n000001.jpg,\n", r"who 000001\.jpg shows, while it says so of 1 of 6"),
        ("000000.jpg\0,1\n", "not text in lines"),
        ("000000.jpg,é\n".encode("utf-16"), "codec"),
    ],
)
def test_lists_that_cannot_be_used_are_refused(tmp_path: Path, text: str | bytes, why: str) -> None:
    with pytest.raises(BadInput, match=why) as refused:
        prepared(tmp_path, text)
    assert str(refused.value).endswith(".") and "\n" not in str(refused.value)
    assert "list.txt" in str(refused.value) and not (tmp_path / "out").exists()


@pytest.mark.parametrize("path", ["nowhere.csv", "."])
def test_a_list_that_is_none_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(BadInput, match=r"check the path|it is a folder"):
        prepare(lay(tmp_path / "in", NAMES), tmp_path / "out", identities=tmp_path / path)


# --- Hold-out by person --------------------------------------------------------------------------

MANY = [f"{i:03}.jpg" for i in range(120)]
OF_MANY = {name: (i * 7919 % 41) ** 2 // 40 for i, name in enumerate(MANY)}


def apart(dataset: Dataset) -> bool:
    train, holdout = (dataset.split(part).people for part in ("train", "holdout"))
    assert train is not None and holdout is not None
    return not np.isin(holdout, train).any()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("holdout", [0, 3, 12, 40, 120])
def test_a_holdout_by_person_shows_other_people(tmp_path: Path, holdout: int, seed: int) -> None:
    options: dict[str, Any] = {"holdout": holdout, "holdout_by": "person", "seed": seed}
    dataset = prepared(tmp_path, rows("{name} {who}\n", OF_MANY), MANY, **options)
    assert apart(dataset)
    held = len(dataset.split("holdout"))
    assert held == dataset.info["holdout"] and holdout - 2 <= held <= holdout
    assert shown_in(dataset) == OF_MANY
    reds = dataset.images[:, 0, 0, 0] // 8
    assert len(np.unique(reds)) == min(120, 32)  # the pictures went with their names
    again = prepared(tmp_path, rows("{name} {who}\n", OF_MANY), MANY, **options)
    assert again.info == dataset.info


def test_where_everybody_has_one_picture_both_holdouts_are_one(tmp_path: Path) -> None:
    pictures = lay(tmp_path / "in", MANY)
    path = tmp_path / "list.csv"
    path.write_text(rows("{name},{who}\n", {name: 500 - i for i, name in enumerate(MANY)}))
    one, other = (
        prepare(pictures, tmp_path / by, size=8, identities=path, holdout_by=by)
        for by in ("image", "person")
    )
    assert one.digest == other.digest and one.info["splits"] == other.info["splits"]


def test_people_of_many_pictures_are_drawn_as_often_as_others() -> None:
    people = np.repeat(np.arange(300), np.arange(300) % 3 + 1)
    drawn = np.mean([people_held_out(people, 200, seed) for seed in range(200)], axis=0)
    by_size = [drawn[people % 3 == size].mean() for size in range(3)]
    assert np.abs(np.array(by_size) - 1 / 3).max() < 0.015


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"in_order": True}, "--in-order holds out the last pictures by name"),
        ({"identities": None}, "needs to know who is shown: give --identities"),
        (
            {"holdout": 1},
            "not possible by person, as everybody has more pictures: .*--holdout 2 or",
        ),
        ({"holdout": 7}, "from 0 to 6"),
        ({"holdout_by": "class"}, "no hold-out by 'class'; there are: image, person"),
    ],
)
def test_impossible_holdouts_are_refused(tmp_path: Path, options: dict[str, Any], why: str) -> None:
    (tmp_path / "list").write_text(rows("{name} {who}\n", dict(zip(NAMES, "AABBCC", strict=True))))
    given: dict[str, Any] = {"identities": tmp_path / "list", "holdout_by": "person"}
    given |= options
    with pytest.raises(BadInput, match=why):
        prepare(lay(tmp_path / "in", NAMES), tmp_path / "out", size=8, **given)


@pytest.mark.parametrize("by", ["image", "person"])
def test_what_is_skipped_takes_its_person_along(tmp_path: Path, by: str) -> None:
    lay(tmp_path / "in", MANY)
    for name in MANY[::5]:
        (tmp_path / "in" / name).write_bytes(b"")
    path = tmp_path / "list"
    path.write_text(rows("{name} {who}\n", OF_MANY))
    options: dict[str, Any] = {"identities": path, "holdout_by": by, "holdout": 30}
    dataset = prepare(tmp_path / "in", tmp_path / "out", size=8, skip_unreadable=True, **options)
    there = {name: who for name, who in OF_MANY.items() if name not in MANY[::5]}
    assert shown_in(dataset) == there
    assert apart(dataset) == (by == "person")
    again = prepare(tmp_path / "in", tmp_path / "out", size=8, skip_unreadable=True, **options)
    assert again.info == dataset.info


# --- Data sets -----------------------------------------------------------------------------------


def test_data_sets_without_lists_are_as_they_were(tmp_path: Path) -> None:
    dataset = prepare(lay(tmp_path / "in", NAMES), tmp_path / "out", size=8)
    assert dataset.people is None and dataset.attributes is None
    text = (tmp_path / "out" / "dataset.json").read_text()
    assert [*json.loads(text)] == [
        *("format", "count", "splits", "digest", "holdout", "source", "crop", "size", "filter"),
        *("order", "skipped", "left_out"),
    ]


def test_preparing_otherwise_is_refused(tmp_path: Path) -> None:
    text = rows("{name} {who}\n", WHO)
    options: dict[str, Any] = {"holdout": 3, "holdout_by": "person"}
    first = prepared(tmp_path, text, **options)
    other: dict[str, dict[str, Any]] = {
        "image": options | {"holdout_by": "image"},
        "holdout": options | {"holdout": 4},
        "seed": options | {"seed": 1},
    }
    for changed in other.values():
        with pytest.raises(BadInput, match="made otherwise"):
            prepared(tmp_path, text, **changed)
    with pytest.raises(BadInput, match="made otherwise"):
        prepared(tmp_path, text.replace("12", "7"), **options)
    with pytest.raises(BadInput, match="made otherwise"):
        prepare(tmp_path / "in", tmp_path / "out", size=8, holdout=3)
    longer = text + "another.jpg 9\n"  # says the same of these pictures
    assert prepared(tmp_path, longer, **options).info == first.info


def test_a_data_set_keeps_the_people_of_its_source(tmp_path: Path) -> None:
    first = prepared(tmp_path, rows("{name} {who}\n", WHO))
    again = prepare(first.folder, tmp_path / "again", size=8, in_order=True)
    assert first.people is not None and again.people is not None
    assert again.people.tolist() == first.people.tolist()


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda p: p.unlink(), id="none"),
        pytest.param(lambda p: np.save(p, np.zeros(4, np.int64)), id="fewer"),
        pytest.param(lambda p: np.save(p, np.zeros((6, 1), np.int64)), id="shape"),
        pytest.param(lambda p: np.save(p, np.zeros(6, np.int32)), id="dtype"),
        pytest.param(lambda p: np.save(p, np.full(6, -1)), id="negative"),
        pytest.param(lambda p: p.write_bytes(p.read_bytes()[:-4]), id="cut"),
        pytest.param(lambda p: p.write_bytes(b"PK\3\4"), id="zip"),
        pytest.param(lambda p: np.save(p, np.array([{}] * 6), allow_pickle=True), id="pickle"),
    ],
)
def test_damaged_people_are_told_in_a_sentence(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    out = prepared(tmp_path, rows("{name} {who}\n", WHO)).folder
    damage(out / "identities.npy")
    with pytest.raises(BadInput, match=rf"identities\.npy .*: remove {out} and prepare"):
        open_dataset(out)


@pytest.mark.parametrize("people", [None, "3", -1, True, [3]])
def test_a_damaged_number_of_people_is_told(tmp_path: Path, people: Any) -> None:
    out = prepared(tmp_path, rows("{name} {who}\n", WHO)).folder
    info = json.loads((out / "dataset.json").read_text()) | {"people": people}
    (out / "dataset.json").write_text(json.dumps(info))
    with pytest.raises(BadInput, match=rf"damaged at 'people': remove {out} and prepare"):
        open_dataset(out)


def test_changed_people_are_seen(tmp_path: Path) -> None:
    text = rows("{name} {who}\n", WHO)
    dataset = prepared(tmp_path, text)
    assert dataset.people is not None
    np.save(dataset.folder / "identities.npy", dataset.people[::-1].copy())
    with pytest.raises(BadInput, match=r"identities\.npy was changed after it was made"):
        prepared(tmp_path, text)


# --- What is said --------------------------------------------------------------------------------


def test_the_commands_say_who_is_shown(tmp_path: Path) -> None:
    lay(tmp_path / "in", [f"img/{name[:-4]}.png" for name in NAMES])
    (tmp_path / "list.txt").write_text(rows("{name} {who}\n", WHO))
    words = ["data", "prepare", str(tmp_path / "in"), str(tmp_path / "out"), "--size", "8"]
    words += ["--identities", str(tmp_path / "list.txt"), "--holdout", "2"]
    answer = CliRunner().invoke(cli, words)
    assert answer.exit_code == 0, answer.output
    assert "people 3: 1 to 3 images each, 2.0 on average\n" in answer.output
    assert "list.txt: names compared without folders and endings (img/" in answer.output
    met = describe(open_dataset(tmp_path / "out"))["held-out images of people in training"]
    assert f"{met[0]} of the 2 held out show someone who is also among those to tr" in answer.output
    shutil.rmtree(tmp_path / "out")
    answer = CliRunner().invoke(cli, [*words, "--holdout-by", "person"])
    assert "0 of the " in answer.output
    said = CliRunner().invoke(cli, ["data", "stats", str(tmp_path / "out")]).output
    assert "3: 1 to 3 images each, 2.0 on average" in said and re.search(
        "people in training +0 of 1", said
    )


@pytest.mark.long
def test_two_thirds_of_the_last_thousand_of_celeba_show_people_of_the_first(
    shared: Path, tmp_path: Path
) -> None:
    archive = shared / "faces" / "celeba_9000_89x109.zip"
    identities = shared / "faces" / "celeba_9000_identities.csv"
    options: dict[str, Any] = {"crop": "celeba", "size": 8, "identities": identities}
    dataset = prepare(archive, tmp_path / "out", holdout=1000, in_order=True, **options)
    rows = describe(dataset)
    assert rows["held-out images of people in training"] == "670 of 1,000"
    assert rows["people"].startswith("5,144: 1 to 7")
    other = prepare(archive, tmp_path / "other", holdout=1000, holdout_by="person", **options)
    assert len(other.split("holdout")) == 1000 and apart(other)
