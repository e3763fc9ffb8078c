"""Several arrays in a .npz: ADM's samples and reference batches, and others' ways to name them."""

import re
import tracemalloc
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest

from facebench.data.arrays import load_array, open_array
from facebench.data.pictures import open_pictures
from facebench.errors import BadInput

RNG = np.random.default_rng(0)
BATCH = RNG.integers(0, 256, (5, 6, 7, 3), dtype=np.uint8)
LABELS = np.array([3, 10, 3, 0, 9])
STATISTICS = {
    "mu": np.zeros(8), "sigma": np.eye(8), "mu_s": np.zeros(9), "sigma_s": np.eye(9),
}  # fmt: skip


def saved(path: Path, *arrays: np.ndarray, compressed: bool = False, **named: Any) -> Path:
    save: Any = np.savez_compressed if compressed else np.savez
    save(path, *arrays, **named)
    return path


def pixels(path: Path, labels: Any = "files") -> list[np.ndarray]:
    pictures = open_pictures(path, labels)
    return [np.asarray(pictures.load(index)) for index in range(len(pictures.names))]


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("transposed", [False, True])
def test_labelled_samples_of_adm(tmp_path: Path, compressed: bool, transposed: bool) -> None:
    array = BATCH.transpose(0, 3, 1, 2) if transposed else BATCH
    path = saved(tmp_path / "samples_5x6x7x3.npz", array, LABELS, compressed=compressed)
    pictures = open_pictures(path)
    assert pictures.labels == ["3", "10", "3", "0", "9"]
    assert pictures.names[1] == "samples_5x6x7x3.npz[1]" and pictures.read is None
    np.testing.assert_array_equal(pixels(path), BATCH)


@pytest.mark.parametrize("compressed", [False, True])
def test_reference_batches_of_adm_with_statistics_beside(tmp_path: Path, compressed: bool) -> None:
    path = saved(tmp_path / "a.npz", BATCH, LABELS, compressed=compressed, **STATISTICS)
    assert len(np.load(path).files) == 6
    np.testing.assert_array_equal(pixels(path), BATCH)
    assert open_pictures(path).labels == ["3", "10", "3", "0", "9"]
    path = saved(tmp_path / "b.npz", BATCH, compressed=compressed, **STATISTICS)
    assert open_pictures(path).labels is None


@pytest.mark.parametrize("name", ["images", "samples", "x", "imgs"])
@pytest.mark.parametrize("label", ["labels", "y", "label"])
def test_others_name_them_otherwise(tmp_path: Path, name: str, label: str) -> None:
    arrays: dict[str, Any] = {name: BATCH, label: LABELS, "seeds": np.arange(5)}
    path = saved(tmp_path / "a.npz", **arrays)
    assert open_pictures(path).labels == ["3", "10", "3", "0", "9"]
    np.testing.assert_array_equal(open_array(path), BATCH.transpose(0, 3, 1, 2))


@pytest.mark.parametrize("kind", [np.float32, np.int64, np.uint8, np.bool_])
def test_one_hot_vectors_are_labels(tmp_path: Path, kind: type) -> None:
    path = saved(tmp_path / "a.npz", images=BATCH, labels=np.eye(11)[LABELS].astype(kind))
    assert open_pictures(path).labels == ["3", "10", "3", "0", "9"]


@pytest.mark.parametrize(
    "labels",
    [
        np.full((5, 4), 0.25),
        np.eye(5) * 2,
        np.array([[1.0, np.nan]] * 5),
        np.array([[1, 1], [1, 0], [0, 1], [1, 0], [1, 0]]),
    ],
)
def test_other_vectors_are_no_classes_and_are_told(tmp_path: Path, labels: np.ndarray) -> None:
    path = saved(tmp_path / "a.npz", images=BATCH, labels=labels)
    pictures = open_pictures(path)
    assert pictures.labels is None
    assert pictures.left_out == ["labels [its vectors are not one-hot]"]


@pytest.mark.parametrize(
    "other",
    [
        {"seeds": np.arange(5)},
        {"labels": np.arange(4)},
        {"labels": np.zeros(5)},
        {"labels": np.array(["a"] * 5)},
        {"labels": np.zeros((5, 0))},
        {"labels": np.zeros((5, 2, 2), int)},
    ],
)
def test_what_fits_no_label_is_none(tmp_path: Path, other: Any) -> None:
    assert open_pictures(saved(tmp_path / "a.npz", images=BATCH, **other)).labels is None


def test_labels_are_in_the_digest_and_may_be_ignored(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npz", BATCH, LABELS)
    none = open_pictures(path, "none")
    assert none.labels is None
    alone = saved(tmp_path / "b.npz", BATCH, LABELS[::-1].copy())
    digests = {open_pictures(p, how).digest() for p in (path, alone) for how in ("files", "none")}
    assert len(digests) == 4
    with pytest.raises(BadInput, match="leave out --labels folders"):
        open_pictures(path, "folders")
    with pytest.raises(BadInput, match="no labels 'csv'; there are: files, folders, none"):
        open_pictures(path, "csv")


def test_several_batches_are_refused_by_name(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npz", real=BATCH, fake=BATCH, labels=LABELS)
    with pytest.raises(BadInput, match=r"a\.npz holds 2 arrays of pictures \(real, fake\): save"):
        open_pictures(path)
    path = saved(tmp_path / "a.npz", images=BATCH, labels=LABELS, y=LABELS)
    with pytest.raises(BadInput, match=r"2 arrays that could be labels \(labels, y\)"):
        open_pictures(path)


def test_grey_levels_go_before_other_numbers(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npz", images=BATCH, latents=np.zeros((5, 3, 4, 4), np.float32))
    np.testing.assert_array_equal(pixels(path), BATCH)
    path = saved(tmp_path / "b.npz", images=BATCH / 255, labels=LABELS)
    np.testing.assert_array_equal(load_array(path), BATCH / 255)  # of a stated range, elsewhere
    with pytest.raises(BadInput, match="holds float64 of shape"):
        open_pictures(path)


def test_statistics_alone_say_what_they_are_for(tmp_path: Path) -> None:
    path = saved(tmp_path / "stats.npz", mu=np.zeros(8), sigma=np.eye(8))
    with pytest.raises(BadInput, match=r"statistics of features .*REAL side of facebench score"):
        open_pictures(path)
    path = saved(tmp_path / "other.npz", a=np.zeros(8), b=np.eye(8))
    with pytest.raises(BadInput, match=r"holds 2 arrays \(a, b\), none of pictures: save"):
        open_pictures(path)


@pytest.mark.parametrize("kind", [np.savez, np.save])
def test_names_lie_and_content_tells(tmp_path: Path, kind: Any) -> None:
    for name in ("batch", "batch.zip", "batch.png", "batch.npy", "batch.npz"):
        with (tmp_path / name).open("wb") as stream:
            kind(stream, BATCH)
        np.testing.assert_array_equal(pixels(tmp_path / name), BATCH)


def test_a_batch_that_is_not_compressed_takes_no_memory(tmp_path: Path) -> None:
    batch = np.broadcast_to(BATCH[:1], (20_000, 6, 7, 3))
    for order in ("C", "F"):
        path = saved(tmp_path / "a.npz", np.asarray(batch, order=order), np.arange(20_000) % 7)
        tracemalloc.start()
        array = open_array(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20 < batch.nbytes
        tracemalloc.stop()
        assert isinstance(array.base, np.memmap | np.ndarray) and not array.flags.owndata
        np.testing.assert_array_equal(array[[0, -1]], batch[[0, -1]].transpose(0, 3, 1, 2))


@pytest.mark.parametrize("what", ["offset", "name", "signature", "end", "header"])
def test_a_table_of_contents_that_lies_is_refused(tmp_path: Path, what: str) -> None:
    path = saved(tmp_path / "a.npz", BATCH, LABELS)
    data = bytearray(path.read_bytes())
    table = data.index(b"PK\1\2")
    if what == "offset":  # of the first member: that of the second
        data[table + 42 : table + 46] = data.index(b"PK\3\4", 9).to_bytes(4, "little")
    elif what == "name":
        data[26:28] = (999).to_bytes(2, "little")
    elif what == "signature":
        data[:4] = b"PK\7\7"
    elif what == "end":
        del data[200:400]
    else:
        place = data.index(b"(5, 6, 7, 3)")
        data[place : place + 12] = b"(9, 6, 7, 3)"
    path.write_bytes(data)
    with pytest.raises(BadInput, match=r"a\.npz is not a readable array of pictures"):
        open_pictures(path)


def test_broken_labels_are_refused(tmp_path: Path) -> None:
    many = np.random.default_rng(0).integers(0, 1000, 50_000)
    path = saved(tmp_path / "a.npz", np.zeros((50_000, 1, 1, 3), np.uint8), many, compressed=True)
    data = bytearray(path.read_bytes())
    place = data.index(b"arr_1.npy") + 60_000
    data[place : place + 40] = b"\xff" * 40
    path.write_bytes(data)
    with pytest.raises(BadInput, match=r"a\.npz has labels that cannot be read .*--labels none"):
        open_pictures(path)
    assert len(open_pictures(path, "none").names) == 50_000


def test_vast_labels_are_none(tmp_path: Path) -> None:
    vast = np.broadcast_to(np.zeros((), np.bool_), (5, 300 << 20))
    path = saved(tmp_path / "a.npz", images=BATCH)
    with ZipFile(path, "a", ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("labels.npy", "w", force_zip64=True) as stream:
            header = {"descr": "|b1", "fortran_order": False, "shape": vast.shape}
            np.lib.format.write_array_header_1_0(stream, header)
            for _ in range(5 * 300):
                stream.write(bytes(1 << 20))
    assert open_pictures(path).left_out == ["labels [1500 MiB are no classes]"]


def test_pickles_beside_pictures_are_never_loaded(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "executed",)

    trap = np.array([Trap()] * 5, object)
    path = saved(tmp_path / "a.npz", images=BATCH, labels=trap)
    np.testing.assert_array_equal(pixels(path), BATCH)
    path = saved(tmp_path / "b.npz", images=trap.reshape(5, 1, 1, 1).repeat(3, 3))
    with pytest.raises(BadInput, match="not a readable array"):
        open_pictures(path)
    assert not (tmp_path / "executed").exists()


def test_a_sentence_of_every_refusal_ends_with_the_way_out(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {"x\x1b[2J": np.zeros(3), "b": np.zeros(2)}
    path = saved(tmp_path / "a.npz", **arrays)
    with pytest.raises(BadInput) as refused:
        open_pictures(path)
    assert re.search(r": save .*\.$", str(refused.value)) and "\x1b" not in str(refused.value)
