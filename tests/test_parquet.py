"""Parquet as Hugging Face's data sets have it: encoded pictures, read by row groups."""

import builtins
import io
import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from PIL import Image

from facebench.cli import cli
from facebench.data import archive
from facebench.data.decode import Unreadable
from facebench.data.pictures import open_pictures
from facebench.data.prepare import prepare
from facebench.errors import BadInput


def picture(number: int) -> bytes:
    stream = io.BytesIO()
    noise = np.random.default_rng(number).integers(0, 256, (8, 9 + number, 3), dtype=np.uint8)
    Image.fromarray(noise).save(stream, "PNG" if number % 2 else "WEBP", lossless=True)
    return stream.getvalue()


PICTURES = [picture(number) for number in range(7)]
LABELS = [number % 3 for number in range(7)]
FEATURES = {
    "image": {"_type": "Image"},
    "label": {"names": ["cat", "dog", "old\nman"], "_type": "ClassLabel"},
}


def table(
    pictures: Sequence[Any] = PICTURES,
    label: Any = LABELS,
    *,
    column: str = "label",
    features: Any = None,
    as_struct: bool = True,
) -> pa.Table:
    rows = [{"bytes": data, "path": f"{n}.png"} for n, data in enumerate(pictures)]
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()}) if as_struct else pa.binary()
    columns = {"image": pa.array(rows if as_struct else pictures, kind)}
    if label is not None:
        columns[column] = label if isinstance(label, pa.Array) else pa.array(label)
    made = pa.table(columns)
    if features is not None:
        info = json.dumps({"info": {"features": features}})
        made = made.replace_schema_metadata({"huggingface": info})
    return made


def read_all(path: Path) -> None:
    pictures = open_pictures(path)
    for index in range(len(pictures.names)):
        pictures.load(index)


def saved(path: Path, made: pa.Table, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(made, path, row_group_size=3, **options)
    return path


@pytest.mark.parametrize("as_struct", [False, True])
@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "zstd"])
def test_pictures_are_read_in_any_order(tmp_path: Path, as_struct: bool, codec: str) -> None:
    path = saved(tmp_path / "a.parquet", table(as_struct=as_struct), compression=codec)
    pictures = open_pictures(path)
    assert pictures.names[6] == "a.parquet[6]" and len(pictures.names) == 7
    assert pictures.labels == list(map(str, LABELS))
    assert pictures.read is not None
    for index in (5, 0, 6, 3, 5, 1):
        assert pictures.read(index) == PICTURES[index]
        expected = np.asarray(Image.open(io.BytesIO(PICTURES[index])))
        np.testing.assert_array_equal(np.asarray(pictures.load(index)), expected)


def test_what_a_data_set_is_called_does_not_matter(tmp_path: Path) -> None:
    assert len(open_pictures(saved(tmp_path / "a.zip", table())).names) == 7


@pytest.mark.parametrize("column", ["label", "labels", "class"])
def test_names_of_classes_are_in_the_metadata(tmp_path: Path, column: str) -> None:
    features = FEATURES | {column: FEATURES["label"]}
    made = table(column=column, features=features)
    pictures = open_pictures(saved(tmp_path / "a.parquet", made))
    assert pictures.labels == [["cat", "dog", r"old\nman"][label] for label in LABELS]


@pytest.mark.parametrize(
    "label",
    [
        pa.array(["a", "b"] * 3 + ["a"]),
        pa.array(["a", "b"] * 3 + ["a"]).dictionary_encode(),
        pa.array([b"a", b"b"] * 3 + [b"a"], pa.binary()).cast(pa.string()),
    ],
)
def test_text_is_a_class(tmp_path: Path, label: pa.Array) -> None:
    path = saved(tmp_path / "a.parquet", table(label=label))
    assert open_pictures(path).labels == ["a", "b", "a", "b", "a", "b", "a"]


def test_vectors_are_one_hot_or_none(tmp_path: Path) -> None:
    one_hot = np.eye(3, dtype=int)[LABELS].tolist()
    path = saved(tmp_path / "a.parquet", table(label=one_hot))
    assert open_pictures(path).labels == list(map(str, LABELS))
    path = saved(tmp_path / "b.parquet", table(label=[[0.5, 0.5]] * 7))
    pictures = open_pictures(path)
    assert pictures.labels is None and "one-hot" in pictures.left_out[0]


def test_long_text_is_no_class(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.parquet", table(label=["x" * 99_999] * 7))
    assert open_pictures(path).left_out == ["labels [a text of 99999 characters is no class]"]


def test_no_column_of_labels_is_none(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.parquet", table(column="caption", label=["x"] * 7))
    assert open_pictures(path).labels is None
    path = saved(tmp_path / "b.parquet", table(label=[-1] * 7, features=FEATURES))
    assert open_pictures(path).labels is None  # a test set without labels


def test_labels_are_in_the_digest(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.parquet", table())
    assert open_pictures(path).digest() != open_pictures(path, "none").digest()
    assert open_pictures(path, "none").labels is None
    with pytest.raises(BadInput, match="leave out --labels folders"):
        open_pictures(path, "folders")


def test_shards_are_read_in_order_of_their_names(tmp_path: Path) -> None:
    for shard, part in enumerate((slice(0, 4), slice(4, 7))):
        made = table(PICTURES[part], LABELS[part], features=FEATURES)
        saved(tmp_path / "in" / "data" / f"train-0000{shard}-of-00002.parquet", made)
    (tmp_path / "in" / "README.md").write_text("?")
    (tmp_path / "in" / ".cache").mkdir()
    saved(tmp_path / "in" / ".cache" / "x.parquet", table())
    pictures = open_pictures(tmp_path / "in")
    assert pictures.names[4] == "data/train-00001-of-00002.parquet[0]"
    assert pictures.read is not None
    assert [pictures.read(index) for index in range(7)] == PICTURES
    assert pictures.labels == [["cat", "dog", r"old\nman"][label] for label in LABELS]
    assert pictures.left_out == ["README.md"]
    dataset = prepare(tmp_path / "in", tmp_path / "out", size=8)
    assert len(dataset) == 7 and dataset.classes == ("cat", "dog", r"old\nman")


def test_how_much_shards_may_unpack_to_is_by_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "LARGEST_FILE", 2000)
    monkeypatch.setattr(archive, "LARGEST_RATIO", 1)
    for shard in range(9):
        saved(tmp_path / f"{shard}.parquet", table(), compression="none")
    read_all(tmp_path)


def test_each_row_group_is_read_once_and_only_when_it_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "a.parquet", table())
    pictures = open_pictures(path)
    read: list[Any] = []
    iter_batches = pq.ParquetFile.iter_batches

    def note(self: Any, *words: Any, **options: Any) -> Any:
        read.extend(options["row_groups"])
        return iter_batches(self, *words, **options)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", note)
    for index in (4, 3, 5, 4, 0, 3):
        pictures.load(index)
    assert read == [1, 0]


def test_a_picture_that_is_elsewhere_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(PICTURES[1])
    path = saved(tmp_path / "a.parquet", table([PICTURES[0], None, *PICTURES[2:]]))
    pictures = open_pictures(path)
    with pytest.raises(Unreadable, match=r"a\.parquet\[1\] has no bytes, at most the path"):
        pictures.load(1)
    dataset = prepare(path, tmp_path / "out", size=8, skip_unreadable=True)
    assert dataset.info["skipped"] == ["a.parquet[1]"] and len(dataset) == 6


def test_what_is_no_picture_is_named_and_skipped(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.parquet", table([b"no picture", *PICTURES[1:]]))
    with pytest.raises(BadInput, match=r"a\.parquet\[0\] is not a picture.*--skip-unreadable"):
        prepare(path, tmp_path / "out", size=8)
    assert len(prepare(path, tmp_path / "out", size=8, skip_unreadable=True)) == 6


def test_one_column_of_pictures_is_chosen(tmp_path: Path) -> None:
    made = table().append_column("mask", pa.array(PICTURES))
    assert open_pictures(saved(tmp_path / "a.parquet", made)).names
    named = made.rename_columns(["left", "label", "right"])
    with pytest.raises(BadInput, match=r"has 2 columns of pictures .*\(left, right\): keep one"):
        open_pictures(saved(tmp_path / "b.parquet", named))
    features = json.dumps({"info": {"features": {"left": {"_type": "Image"}}}})
    told = named.replace_schema_metadata({"huggingface": features})
    assert open_pictures(saved(tmp_path / "c.parquet", told)).names
    with pytest.raises(BadInput, match=r"has no columns of pictures .*\(a\\nb, c\)"):
        open_pictures(saved(tmp_path / "d.parquet", pa.table({"a\nb": [1], "c": [2]})))


@pytest.mark.parametrize("metadata", [b"{", b"[]", b"\xff", b'{"info": 3}', b"[" * 99_999])
def test_broken_metadata_is_none(tmp_path: Path, metadata: bytes) -> None:
    made = table().replace_schema_metadata({"huggingface": metadata})
    assert open_pictures(saved(tmp_path / "a.parquet", made)).labels == list(map(str, LABELS))


@pytest.mark.parametrize(
    ("label", "why"),
    [
        ([0, 1, 2, None, 1, 2, 0], r"a\.parquet\[3\] has no label"),
        ([0, 1, 2, -1, 1, 2, 0], r"a\.parquet\[3\] has no label"),
        ([0, 1, 2, 3, 1, 2, 0], r"the label 3, for which there is no name among its 3"),
        ([0, 1, 2, -2, 1, 2, 0], r"the label -2, for which there is no name"),
    ],
)
def test_labels_that_do_not_fit_are_refused(tmp_path: Path, label: Any, why: str) -> None:
    path = saved(tmp_path / "a.parquet", table(label=label, features=FEATURES))
    with pytest.raises(BadInput, match=rf"{why}.*--labels none"):
        open_pictures(path)
    assert len(open_pictures(path, "none").names) == 7


@pytest.mark.parametrize("place", [4, 40, 400, -1, -5, -9, -40, -300])
@pytest.mark.parametrize("how", ["cut", "flip"])
def test_damage_is_refused(tmp_path: Path, place: int, how: str) -> None:
    path = saved(tmp_path / "a.parquet", table())
    data = bytearray(path.read_bytes())
    if how == "cut":
        del data[place:]
    else:
        for at in range(place, place + (8 if place > 0 or place < -8 else 1)):
            data[at] ^= 0xFF
    path.write_bytes(data)
    refusals = []
    try:
        read_all(path)
    except BadInput as error:
        refusals.append(str(error))
    assert refusals or how == "flip"  # of what is not needed
    assert all("\n" not in each and each.endswith(".") for each in refusals)


def test_no_rows_are_no_pictures(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no pictures, as it has no rows"):
        open_pictures(saved(tmp_path / "a.parquet", table([], pa.array([], pa.int64()))))


def test_more_rows_than_there_can_be_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.parquet", pa.table({"image": pa.array([b""] * 100_000)}))
    with pytest.raises(BadInput, match=r"claims 100000 pictures, which \d+ bytes do not hold"):
        open_pictures(path)


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "LARGEST_FILE", 1 << 20)
    made = pa.table({"image": pa.array([bytes(1 << 20)] * 9)})
    path = saved(tmp_path / "a.parquet", made, compression="zstd", use_dictionary=False)
    with pytest.raises(BadInput, match="unpacks to more than"):
        open_pictures(path)


def test_a_bomb_of_one_entry_of_a_dictionary_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, path = pa.table({"image": pa.array([bytes(1 << 20)] * 30)}), tmp_path / "a.parquet"
    pq.write_table(made, path, compression="zstd")
    assert path.stat().st_size < 1 << 20
    monkeypatch.setattr(archive, "LARGEST_FILE", 2 << 20)
    monkeypatch.setattr(archive, "LARGEST_RATIO", 1)
    pictures = open_pictures(path)
    with pytest.raises(BadInput, match="unpacks to more than"):
        pictures.load(0)


def test_a_picture_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "LARGEST_FILE", 1 << 20)
    noise = np.random.default_rng(0).bytes(2 << 20)
    path = saved(tmp_path / "a.parquet", pa.table({"image": pa.array([noise])}))
    with pytest.raises(BadInput, match="too large for a picture"):
        open_pictures(path).load(0)


def test_a_footer_that_claims_much_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    for length in (0, 8, 1 << 20, 0xFFFFFFFF):
        path.write_bytes(b"PAR1" + bytes(99) + struct.pack("<I", length) + b"PAR1")
        with pytest.raises(BadInput, match=r"a\.parquet is damaged"):
            open_pictures(path)


def test_without_pyarrow_the_command_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "a.parquet", table())
    real = builtins.__import__

    def missing(name: str, *words: Any) -> Any:
        if name.partition(".")[0] == "pyarrow":
            raise ModuleNotFoundError("No module named 'pyarrow'", name="pyarrow")
        return real(name, *words)

    monkeypatch.setattr(builtins, "__import__", missing)
    answer = CliRunner().invoke(cli, ["data", "prepare", str(path), str(tmp_path / "out")])
    assert "pip install 'facebench[parquet]'" in str(answer.exception)
