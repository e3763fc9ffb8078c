"""Classes that files beside the pictures tell of, and what becomes of them in a data set."""

import io
import json
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from torchvision.datasets import ImageFolder

from facebench.cli import cli
from facebench.data.dataset import open_dataset
from facebench.data.picture_files import open_images
from facebench.data.pictures import open_pictures
from facebench.data.prepare import prepare
from facebench.errors import BadInput

NAMES = [f"0000{i // 3}/img0000000{i}.png" for i in range(5)]
LABELS = [6, 0, 10, 6, 0]
TEXT = ["6", "0", "10", "6", "0"]


def png(number: int, side: int = 8) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (side + number, side), (number * 40, 0, 0)).save(stream, "PNG")
    return stream.getvalue()


FILES = {name: png(number) for number, name in enumerate(NAMES)}


def laid(path: Path, files: dict[str, bytes]) -> Path:
    """Lay files into a folder, a zip or a tar, as the suffix of `path` says."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
    elif path.suffix == ".tar":
        with tarfile.open(path, "w") as tar:
            for name, data in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    else:
        for name, data in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)
    return path


def stylegan(labels: Any) -> bytes:
    return json.dumps({"labels": labels}).encode()


PAIRS: list[list[Any]] = [[name, label] for name, label in zip(NAMES, LABELS, strict=True)]
KINDS = ["a", "a.zip", "a.tar"]


# --- StyleGAN's and EDM's dataset.json -----------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("below", ["", "top/"])
@pytest.mark.parametrize("form", ["number", "float", "one-hot"])
def test_labels_of_stylegan(tmp_path: Path, kind: str, form: str, below: str) -> None:
    forms: dict[str, Callable[[int], Any]] = {
        "number": int, "float": float, "one-hot": lambda n: np.eye(11)[n].tolist(),
    }  # fmt: skip
    pairs = [[name, forms[form](label)] for name, label in PAIRS]
    files = FILES | {"dataset.json": stylegan(pairs[::-1])}
    path = laid(tmp_path / kind, {below + name: data for name, data in files.items()})
    pictures = open_pictures(path)
    assert [name.removeprefix(below) for name in pictures.names] == NAMES
    assert pictures.labels == TEXT
    assert pictures.left_out == []
    assert [pictures.load(i).width for i in range(5)] == [8, 9, 10, 11, 12]
    assert pictures.read is not None and pictures.read(4) == FILES[NAMES[4]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("labels", [None, []])
def test_no_labels_change_nothing(tmp_path: Path, kind: str, labels: Any) -> None:
    path = laid(tmp_path / kind, FILES | {"dataset.json": stylegan(labels)})
    pictures = open_pictures(path)
    assert pictures.labels is None and pictures.left_out == ["dataset.json"]
    assert pictures.digest() == open_images(path).digest()


def test_labels_are_in_the_digest_of_every_kind_alike(tmp_path: Path) -> None:
    files = FILES | {"dataset.json": stylegan(PAIRS)}
    paths = [laid(tmp_path / kind, files) for kind in KINDS]
    (digest,) = {open_pictures(path).digest() for path in paths}
    (without,) = {open_pictures(path, "none").digest() for path in paths}
    assert without == open_images(paths[0]).digest() != digest
    other = laid(tmp_path / "b", FILES | {"dataset.json": stylegan([*PAIRS[:4], [NAMES[4], 1]])})
    assert open_pictures(other).digest() not in (digest, without)


def test_a_picture_without_a_label_is_named(tmp_path: Path) -> None:
    path = laid(tmp_path / "a", FILES | {"dataset.json": stylegan(PAIRS[:3])})
    with pytest.raises(
        BadInput, match=rf"{NAMES[3]} has no label, while 3 of 5 .*give it one, or .*--labels none"
    ):
        open_pictures(path)
    assert open_pictures(path, "none").left_out == ("dataset.json",)


def test_labels_of_other_files_are_refused(tmp_path: Path) -> None:
    pairs = [[f"elsewhere/{name}", label] for name, label in PAIRS]
    path = laid(tmp_path / "a", FILES | {"dataset.json": stylegan(pairs)})
    with pytest.raises(BadInput, match=r"labels for other files than it holds, elsewhere/0"):
        open_pictures(path)


def test_labels_that_are_no_classes_are_left_out_and_told(tmp_path: Path) -> None:
    """EG3D's are cameras, of 25 numbers each."""
    pairs = [[name, np.linspace(0, 1, 25).tolist()] for name in NAMES]
    pictures = open_pictures(laid(tmp_path / "a", FILES | {"dataset.json": stylegan(pairs)}))
    assert pictures.labels is None
    assert pictures.left_out == ["dataset.json [its labels are no classes]"]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b'{"labels": [["a.png"', "cannot be read as labels"),
        (b"\xff\xfe{}", "cannot be read as labels"),
        (b"[" * 100_000, "cannot be read as labels"),
        (stylegan([1, 2]), "cannot be read as labels"),
        (stylegan([["a.png", 1, 2]]), "cannot be read as labels"),
        (stylegan([[1, 2]]), "1 is no file's name"),
        (stylegan(3), "cannot be read as labels"),
        (stylegan({"ab": 3}), "no list of pairs"),
        (stylegan([*PAIRS, [NAMES[0], 7]]), r"the label 7, which has another, 6"),
        (b'{"labels": [["x", ' + b"9" * 9999 + b"]]}", "cannot be read as labels"),
    ],
)
def test_a_broken_dataset_json_is_refused(tmp_path: Path, data: bytes, why: str) -> None:
    path = laid(tmp_path / "a.zip", FILES | {"dataset.json": data})
    with pytest.raises(BadInput, match=rf"a\.zip: dataset\.json .*{why}.*--labels none") as refused:
        open_pictures(path)
    assert len(str(refused.value)) < 800
    assert open_pictures(path, "none").labels is None


@pytest.mark.parametrize("data", [b"[]", b"{}", b"3", b'{"count": 3}'])
def test_another_file_of_that_name_is_none_of_labels(tmp_path: Path, data: bytes) -> None:
    pictures = open_pictures(laid(tmp_path / "a", FILES | {"dataset.json": data}))
    assert pictures.labels is None and pictures.left_out == ["dataset.json"]


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_in_npy_as_edm_may_hold_them(tmp_path: Path, kind: str) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.integers(0, 256, (3, 8, 8 + n), dtype=np.uint8) for n in range(5)]
    names = [name.replace("png", "npy") for name in NAMES]
    files = {name: npy(array) for name, array in zip(names, arrays, strict=True)}
    pairs = list(map(list, zip(names, LABELS, strict=True)))
    pictures = open_pictures(laid(tmp_path / kind, files | {"dataset.json": stylegan(pairs)}))
    assert pictures.labels == TEXT and pictures.read is None
    for index, array in enumerate(arrays):
        np.testing.assert_array_equal(np.asarray(pictures.load(index)).transpose(2, 0, 1), array)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((8, 64, 64), np.float32),
        np.zeros((3, 8, 8), np.float32),
        np.zeros((4, 8, 8), np.uint8),
        np.zeros((0, 3), np.uint8),
    ],
)
def test_latents_are_refused(tmp_path: Path, array: np.ndarray) -> None:
    path = laid(tmp_path / "a.zip", {"0/img-mean-std-0.npy": npy(array), "dataset.json": b"{}"})
    with pytest.raises(BadInput, match=r"img-mean-std-0\.npy holds .*latents.*name the pictures"):
        open_pictures(path)


@pytest.mark.parametrize(
    "data",
    [
        npy(np.array([{}], object)), b"", npy(np.zeros((3, 8, 8), np.uint8))[:-9],
        npy(np.zeros((3, 8, 8), np.uint8)).replace(b"(3, 8, 8)", b"(9, 8, 8)"),
    ],
)  # fmt: skip
def test_broken_arrays_are_refused(tmp_path: Path, data: bytes) -> None:
    good = npy(np.zeros((3, 8, 8), np.uint8))
    with pytest.raises(BadInput, match=r"0/a\.npy is not a readable array"):
        open_pictures(laid(tmp_path / "a.zip", {"0/a.npy": data, "0/b.npy": good}))
    path = laid(tmp_path / "b.zip", {"0/a.npy": good, "0/b.npy": data})
    assert len(prepare(path, tmp_path / "out", size=8, skip_unreadable=True)) == 1


# --- Hugging Face's metadata ---------------------------------------------------------------------


def table(column: str, form: str, names: list[str] = NAMES, labels: Any = LABELS) -> bytes:
    if form == "csv":
        rows = [f'{name},"a, b",{label}' for name, label in zip(names, labels, strict=True)]
        return "\n".join([f"file_name,caption,{column}", *rows]).encode("utf-8-sig")
    rows = [
        json.dumps({"file_name": name, "caption": "ä", column: label})
        for name, label in zip(names, labels, strict=True)
    ]
    return "\n".join([*rows, ""]).encode()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["csv", "jsonl"])
@pytest.mark.parametrize("column", ["label", "labels", "class"])
def test_labels_of_imagefolder(tmp_path: Path, kind: str, form: str, column: str) -> None:
    files = FILES | {f"metadata.{form}": table(column, form)}
    pictures = open_pictures(laid(tmp_path / kind, files))
    assert pictures.labels == TEXT and pictures.left_out == []


def test_each_metadata_is_of_its_own_folder(tmp_path: Path) -> None:
    files = {f"{part}/{name}": FILES[name] for part in ("train", "test") for name in NAMES}
    files |= {
        "train/metadata.csv": table("label", "csv", labels=["child"] * 5),
        "test/metadata.jsonl": table("label", "jsonl", [f"./{name}" for name in NAMES],
                                     ["woman"] * 5),
    }  # fmt: skip
    assert open_pictures(laid(tmp_path / "a", files)).labels == ["woman"] * 5 + ["child"] * 5


@pytest.mark.parametrize(
    "data",
    [table("caption2", "csv"), b"file,label\na,b\n", b"", table("label", "csv", [], [])],
)
def test_metadata_without_labels_is_none_of_labels(tmp_path: Path, data: bytes) -> None:
    pictures = open_pictures(laid(tmp_path / "a", FILES | {"metadata.csv": data}))
    assert pictures.labels is None and pictures.left_out == ["metadata.csv"]


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("metadata.csv", table("label", "csv", labels=[1, 2, "", 4, 5]), "has no label"),
        ("metadata.csv", b"file_name,label\n" + b"x" * 200_000 + b",1\n", "field larger"),
        ("metadata.csv", b"file_name,label\n\xff,1\n", "utf-8"),
        ("metadata.csv", table("label", "csv", ["../" + n for n in NAMES]), "for other files"),
        ("metadata.csv", table("label", "csv", ["/etc/passwd"] * 5, [1] * 5), "for other files"),
        ("metadata.jsonl", table("label", "jsonl")[:-20], "cannot be read as labels"),
        ("metadata.jsonl", table("label", "jsonl", labels=[1, None, 2, 3, 4]), "has no label"),
        ("metadata.jsonl", b'{"file_name": "a", "label": [1' + b"[" * 99_999, "cannot be read"),
    ],
)
def test_broken_metadata_is_refused(tmp_path: Path, name: str, data: bytes, why: str) -> None:
    path = laid(tmp_path / "a", FILES | {name: data})
    with pytest.raises(BadInput, match=rf"{why}.*--labels none") as refused:
        open_pictures(path)
    assert len(str(refused.value)) < 800 and "\n" not in str(refused.value)


def test_names_of_classes_cannot_steer_a_terminal(tmp_path: Path) -> None:
    labels = ["\x1b[2J", "a\nb", "\ud800", "x" * 500, "ok"]
    path = laid(tmp_path / "a", FILES | {"metadata.jsonl": table("label", "jsonl", labels=labels)})
    told = open_pictures(path).labels
    assert told is not None and told[:3] == [r"\x1b[2J", r"a\nb", r"\ud800"]
    prepare(path, tmp_path / "out", size=8)
    said = CliRunner().invoke(cli, ["data", "stats", str(tmp_path / "out")])
    assert said.exit_code == 0 and "\x1b" not in said.output and "x" * 200 not in said.output


# --- Class folders -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_folders_are_classes_only_where_that_is_said(tmp_path: Path, kind: str) -> None:
    path = laid(tmp_path / kind, FILES)
    assert open_pictures(path).labels is None
    assert open_pictures(path).digest() == open_images(path).digest()
    told = open_pictures(path, "folders")
    assert told.labels == ["00000"] * 3 + ["00001"] * 2
    assert told.digest() != open_images(path).digest()


def test_class_folders_are_those_of_torchvision(tmp_path: Path) -> None:
    names = ["b/1.png", "b/deep/2.png", "a c/3.png", "10/4.png", "9/5.png"]
    path = laid(tmp_path / "in", {name: png(1) for name in names})
    theirs = ImageFolder(str(path))
    ours = open_pictures(path, "folders")
    assert ours.labels is not None
    by_path = {str(path / name): label for name, label in zip(ours.names, ours.labels, strict=True)}
    assert by_path == {file: theirs.classes[target] for file, target in theirs.samples}
    assert prepare(path, tmp_path / "out", size=8, labels="folders").classes == (*theirs.classes,)


def test_a_folder_of_all_is_no_class(tmp_path: Path) -> None:
    path = laid(tmp_path / "a.tar", {f"./all/{name}": data for name, data in FILES.items()})
    assert open_pictures(path, "folders").labels == ["00000"] * 3 + ["00001"] * 2
    one = laid(tmp_path / "b.tar", {f"cat/{number}.png": png(number) for number in range(2)})
    assert open_pictures(one, "folders").labels == ["cat"] * 2


def test_folders_go_before_files_where_they_are_asked_for(tmp_path: Path) -> None:
    path = laid(tmp_path / "a", FILES | {"dataset.json": b"broken"})
    assert open_pictures(path, "folders").labels == ["00000"] * 3 + ["00001"] * 2


def test_a_picture_in_no_folder_is_named(tmp_path: Path) -> None:
    path = laid(tmp_path / "a", FILES | {"alone.png": png(3)})
    with pytest.raises(BadInput, match=r"alone\.png lies in no folder that could be its class"):
        open_pictures(path, "folders")


# --- Data sets -----------------------------------------------------------------------------------


def labelled(tmp_path: Path, labels: list[Any] = LABELS) -> Path:
    return laid(tmp_path / "in", FILES | {"metadata.jsonl": table("label", "jsonl", labels=labels)})


def by_name(folder: Path) -> dict[str, str]:
    dataset = open_dataset(folder)
    assert dataset.labels is not None
    names = (folder / "files.txt").read_text().splitlines()
    return {n: dataset.classes[i] for n, i in zip(names, dataset.labels.tolist(), strict=True)}


@pytest.mark.parametrize("in_order", [False, True])
def test_labels_are_kept_with_a_data_set(tmp_path: Path, in_order: bool) -> None:
    dataset = prepare(labelled(tmp_path), tmp_path / "out", size=8, holdout=2, in_order=in_order)
    assert dataset.classes == ("0", "6", "10")  # as numbers
    assert by_name(tmp_path / "out") == dict(zip(NAMES, TEXT, strict=True))
    assert np.load(tmp_path / "out" / "labels.npy").dtype == np.int64
    train, holdout = dataset.split("train").labels, dataset.split("holdout").labels
    assert train is not None and holdout is not None and dataset.labels is not None
    assert [*train, *holdout] == dataset.labels.tolist() and len(holdout) == 2
    dataset.verify()


def test_classes_by_name_are_sorted(tmp_path: Path) -> None:
    dataset = prepare(labelled(tmp_path, ["b", "a", "c", "10", "9"]), tmp_path / "out", size=8)
    assert dataset.classes == ("10", "9", "a", "b", "c")


def test_what_is_skipped_takes_its_label_along(tmp_path: Path) -> None:
    path = labelled(tmp_path)
    (path / NAMES[2]).write_bytes(b"")
    prepare(path, tmp_path / "out", size=8, skip_unreadable=True)
    there = dict(zip(NAMES, TEXT, strict=True))
    del there[NAMES[2]]
    assert by_name(tmp_path / "out") == there
    assert open_dataset(tmp_path / "out").classes == ("0", "6")


def test_data_sets_without_labels_are_as_they_were(tmp_path: Path) -> None:
    dataset = prepare(laid(tmp_path / "in", FILES), tmp_path / "out", size=8)
    assert dataset.labels is None and dataset.classes == ()
    assert not {"classes", "labels", "labels_digest"} & set(dataset.info)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"images.npy", "dataset.json", "files.txt"}


def test_preparing_again_sees_labels(tmp_path: Path) -> None:
    path, out = labelled(tmp_path), tmp_path / "out"
    first = prepare(path, out, size=8)
    assert prepare(path, out, size=8).info == first.info
    for labels in ("none", "folders"):
        with pytest.raises(BadInput, match="made otherwise"):
            prepare(path, out, size=8, labels=labels)
        other = prepare(path, tmp_path / labels, size=8, labels=labels)
        assert other.info["labels"] == labels and other.digest == first.digest
        assert prepare(path, tmp_path / labels, size=8, labels=labels).info == other.info
    labelled(tmp_path, LABELS[::-1])
    with pytest.raises(BadInput, match="made otherwise"):
        prepare(path, out, size=8)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda p: p.unlink(), id="none"),
        pytest.param(lambda p: np.save(p, np.zeros(4, np.int64)), id="fewer"),
        pytest.param(lambda p: np.save(p, np.zeros((5, 1), np.int64)), id="shape"),
        pytest.param(lambda p: np.save(p, np.zeros(5, np.int32)), id="dtype"),
        pytest.param(lambda p: np.save(p, np.full(5, 3)), id="beyond"),
        pytest.param(lambda p: np.save(p, np.full(5, -1)), id="negative"),
        pytest.param(lambda p: p.write_bytes(p.read_bytes()[:-4]), id="cut"),
        pytest.param(lambda p: p.write_bytes(b"PK\3\4"), id="zip"),
        pytest.param(lambda p: np.save(p, np.array([{}] * 5), allow_pickle=True), id="pickle"),
    ],
)
def test_damaged_labels_are_told_in_a_sentence(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    out = tmp_path / "out"
    prepare(labelled(tmp_path), out, size=8)
    damage(out / "labels.npy")
    with pytest.raises(BadInput, match=rf"labels\.npy .*: remove {out} and prepare"):
        open_dataset(out)


@pytest.mark.parametrize("classes", [[], ["a"], ["a", "a", "b"], "abc", [1, 2, 3], None])
def test_damaged_classes_are_told_in_a_sentence(tmp_path: Path, classes: Any) -> None:
    out = tmp_path / "out"
    prepare(labelled(tmp_path), out, size=8)
    info = json.loads((out / "dataset.json").read_text()) | {"classes": classes}
    (out / "dataset.json").write_text(json.dumps(info))
    with pytest.raises(BadInput, match=rf"remove {out} and prepare"):
        open_dataset(out)


def test_changed_labels_are_seen(tmp_path: Path) -> None:
    out = tmp_path / "out"
    dataset = prepare(labelled(tmp_path), out, size=8)
    assert dataset.labels is not None
    np.save(out / "labels.npy", dataset.labels[::-1].copy())
    with pytest.raises(BadInput, match=r"labels\.npy was changed after it was made"):
        prepare(tmp_path / "in", out, size=8)


def test_a_data_set_is_a_source_of_all_its_pictures_and_labels(tmp_path: Path) -> None:
    dataset = prepare(labelled(tmp_path), tmp_path / "out", size=8, holdout=2)
    pictures = open_pictures(tmp_path / "out")
    assert dataset.labels is not None and pictures.labels is not None
    assert pictures.labels == [dataset.classes[number] for number in dataset.labels]
    assert len(pictures.names) == 5
    for index in range(5):
        got = np.asarray(pictures.load(index)).transpose(2, 0, 1)
        np.testing.assert_array_equal(got, dataset.images[index])
    array = open_pictures(tmp_path / "out" / "images.npy")
    assert array.labels is None
    assert array.digest() == open_pictures(tmp_path / "out", "none").digest() == dataset.digest
    again = prepare(tmp_path / "out", tmp_path / "again", size=8, in_order=True)
    np.testing.assert_array_equal(again.images, dataset.images)
    assert again.labels is not None and again.labels.tolist() == dataset.labels.tolist()
    (tmp_path / "out" / "images.npy").write_bytes(b"")
    with pytest.raises(BadInput, match="remove"):
        open_pictures(tmp_path / "out")


def test_the_command_says_the_classes(tmp_path: Path) -> None:
    files = {
        f"{name}/{i}.png": png(i) for name, n in (("child", 3), ("woman", 2)) for i in range(n)
    }
    words = ["data", "prepare", str(laid(tmp_path / "in", files)), str(tmp_path / "out")]
    answer = CliRunner().invoke(cli, [*words, "--size", "8", "--labels", "folders"])
    assert answer.exit_code == 0 and "5 images of 8×8" in answer.output
    assert "of 2 classes" in answer.output
    said = CliRunner().invoke(cli, ["data", "stats", str(tmp_path / "out")])
    assert "2: child 3, woman 2\n" in said.output
    shutil.rmtree(tmp_path / "out")
    CliRunner().invoke(cli, [*words, "--size", "8"])
    assert "classes" not in CliRunner().invoke(cli, ["data", "stats", str(tmp_path / "out")]).output


def test_of_many_classes_the_largest_and_the_smallest_are_told(tmp_path: Path) -> None:
    files = {f"{n}/{i}.png": png(0) for n in range(9) for i in range(n + 1)}
    prepare(laid(tmp_path / "in", files), tmp_path / "out", size=8, labels="folders")
    said = CliRunner().invoke(cli, ["data", "stats", str(tmp_path / "out")])
    assert "9: 8 9, 7 8, 6 7, 5 6, 4 5, … 0 1\n" in said.output
