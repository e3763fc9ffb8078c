"""HDF5 of pictures, and what in it may not be looked into."""

import builtins
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from facebench.data.pictures import open_pictures
from facebench.data.prepare import prepare
from facebench.errors import BadInput

RNG = np.random.default_rng(0)
BATCH = RNG.integers(0, 256, (7, 3, 8, 9), dtype=np.uint8)
LABELS = np.array([3, 10, 3, 0, 9, 1, 1])


def saved(path: Path, name: str = "imgs", data: np.ndarray = BATCH, **options: Any) -> Path:
    with h5py.File(path, "w") as file:
        file.create_dataset(name, data=data, **options)
        file.create_dataset("labels", data=LABELS)
    return path


def pixels(path: Path) -> list[np.ndarray]:
    pictures = open_pictures(path)
    order = [5, 0, 6, 3, 1, 2, 4]
    images = {index: np.asarray(pictures.load(index)).transpose(2, 0, 1) for index in order}
    return [images[index] for index in range(7)]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunks": (500 // 100, 3, 8, 9), "maxshape": (None, 3, 8, 9)},  # as BigGAN-PyTorch's
        {"chunks": (5, 3, 8, 9), "compression": "gzip"},
        {"chunks": (1, 3, 8, 9), "compression": "lzf", "shuffle": True},
        {"chunks": (2, 1, 4, 4), "compression": "gzip", "fletcher32": True},
        {"chunks": True, "compression": "gzip"},
    ],
    ids=str,
)
@pytest.mark.parametrize("last", [False, True])
def test_pictures_and_labels_of_biggan_and_studiogan(
    tmp_path: Path, options: dict[str, Any], last: bool
) -> None:
    data = BATCH
    if last:
        data = BATCH.transpose(0, 2, 3, 1)
        if isinstance(options.get("chunks"), tuple):
            n, c, h, w = options["chunks"]
            options = options | {"chunks": (n, h, w, c)}
            options |= {"maxshape": (None, 8, 9, 3)} if "maxshape" in options else {}
    path = saved(tmp_path / "ILSVRC128.hdf5", data=data, **options)
    np.testing.assert_array_equal(pixels(path), BATCH)
    pictures = open_pictures(path)
    assert pictures.labels == list(map(str, LABELS)) and pictures.read is None
    assert pictures.names[2] == "ILSVRC128.hdf5[2]"
    assert open_pictures(path, "none").digest() != pictures.digest()


@pytest.mark.parametrize("name", ["images", "x", "imgs", "train/images", "a/b/c/x"])
def test_they_may_lie_anywhere_under_any_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.h5"
    home = name.rpartition("/")[0]
    with h5py.File(path, "w", userblock_size=512) as file:
        file[name] = BATCH
        file[f"{home}/y"] = LABELS
        file["other/y"] = LABELS[::-1]
        file["features"] = np.zeros((7, 9), np.float32)
        file["again"] = h5py.SoftLink(f"/{name}")
        file["loop"] = file["/"]
    np.testing.assert_array_equal(pixels(path), BATCH)
    assert open_pictures(path).labels == list(map(str, LABELS))


def test_names_lie_and_content_tells(tmp_path: Path) -> None:
    np.testing.assert_array_equal(pixels(saved(tmp_path / "a.zip")), BATCH)


def test_one_hot_vectors_are_labels_and_others_none(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["images"], file["labels"] = BATCH, np.eye(11)[LABELS]
    assert open_pictures(tmp_path / "a.h5").labels == list(map(str, LABELS))
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["images"], file["labels"] = BATCH, np.full((7, 4), 0.25)
    pictures = open_pictures(tmp_path / "b.h5")
    assert pictures.labels is None
    assert pictures.left_out == ["/labels [its vectors are not one-hot]"]
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file["images"], file["labels"], file["y"] = BATCH, LABELS, LABELS
    with pytest.raises(BadInput, match=r"2 datasets that could be labels \(/labels, /y\)"):
        open_pictures(tmp_path / "c.h5")


def test_it_prepares_with_labels(tmp_path: Path) -> None:
    dataset = prepare(saved(tmp_path / "a.h5"), tmp_path / "out", size=8)
    assert dataset.classes == ("0", "1", "3", "9", "10") and len(dataset) == 7


def test_packed_pictures_are_unpacked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "a.h5", chunks=(3, 3, 8, 9), compression="gzip")
    pictures = open_pictures(path)
    read: list[Any] = []
    getitem = h5py.Dataset.__getitem__

    def note(self: Any, key: Any, *words: Any) -> Any:
        read.append(key)
        return getitem(self, key, *words)

    monkeypatch.setattr(h5py.Dataset, "__getitem__", note)
    for index in (4, 3, 5, 4, 6, 3):
        pictures.load(index)
    assert read == [slice(3, 6), slice(6, 9)]


def read_all(path: Path) -> None:
    pictures = open_pictures(path)
    for index in range(len(pictures.names)):
        pictures.load(index)


# --- What is not followed ------------------------------------------------------------------------


def _external_link(file: Any, folder: Path) -> None:
    file["imgs"] = h5py.ExternalLink(str(folder / "other.h5"), "imgs")


def _external_storage(file: Any, folder: Path) -> None:
    (folder / "raw").write_bytes(BATCH.tobytes())
    file.create_dataset("imgs", BATCH.shape, np.uint8,
                        external=[(str(folder / "raw"), 0, h5py.h5f.UNLIMITED)])  # fmt: skip


def _virtual(file: Any, folder: Path) -> None:
    layout = h5py.VirtualLayout(BATCH.shape, np.uint8)
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "imgs", BATCH.shape)
    file.create_virtual_dataset("imgs", layout)


def _virtual_without_end(file: Any, folder: Path) -> None:
    layout = h5py.VirtualLayout(BATCH.shape, np.uint8, maxshape=(None, 3, 8, 9))
    source = h5py.VirtualSource(
        str(folder / "other.h5"), "imgs", BATCH.shape, maxshape=(None, 3, 8, 9)
    )
    layout[: h5py.h5s.UNLIMITED] = source[: h5py.h5s.UNLIMITED]
    file.create_virtual_dataset("imgs", layout)


@pytest.mark.parametrize(
    "make", [_external_link, _external_storage, _virtual, _virtual_without_end]
)
@pytest.mark.parametrize("beside", [False, True])
def test_other_files_are_never_opened(
    tmp_path: Path, make: Any, beside: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(tmp_path / "other.h5")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        make(file, tmp_path)
        if beside:
            file["images"] = BATCH
    for name in ("other.h5", "raw"):
        (tmp_path / name).unlink(missing_ok=True)
        os.mkfifo(tmp_path / name)  # who opens it waits for ever
    if beside:
        np.testing.assert_array_equal(pixels(tmp_path / "a.h5"), BATCH)
        return
    with pytest.raises(BadInput, match=r"a\.h5 holds no dataset of pictures.*in this file\.") as no:
        open_pictures(tmp_path / "a.h5")
    assert make is _external_link or "what other files hold is not followed (/imgs)" in str(no)


def test_filters_that_would_be_loaded_are_refused(tmp_path: Path) -> None:
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((1, 3, 8, 9))
    plist.set_filter(32015, h5py.h5z.FLAG_OPTIONAL)  # Zstandard's, a plug-in
    with h5py.File(tmp_path / "a.h5", "w") as file:
        space = h5py.h5s.create_simple(BATCH.shape)
        made = h5py.h5d.create(file.id, b"imgs", h5py.h5t.NATIVE_UINT8, space, plist)
        made.write(h5py.h5s.ALL, h5py.h5s.ALL, BATCH)
    with pytest.raises(BadInput, match=r"/imgs is packed by the filter 32015, a plug-in.*h5repack"):
        open_pictures(tmp_path / "a.h5")


def test_several_datasets_of_pictures_are_refused_by_name(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["train/imgs"] = file["test/imgs"] = BATCH
        file["test2/imgs"] = BATCH
    with pytest.raises(BadInput, match=r"holds \d datasets of pictures \(/\w+/imgs, .*: copy"):
        open_pictures(tmp_path / "a.h5")


@pytest.mark.parametrize(
    "data",
    [
        BATCH / 255, BATCH[0], BATCH[:, :1], BATCH[:0], BATCH.astype(np.int8),
        np.array([b"x"] * 7), h5py.Empty("u1"), np.uint8(3),
    ],
)  # fmt: skip
def test_no_pictures_are_refused(tmp_path: Path, data: Any) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["imgs"] = data
    with pytest.raises(BadInput, match=r"holds no dataset of pictures, uint8 of shape"):
        open_pictures(tmp_path / "a.h5")


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((1 << 40, 3, 64, 64), {"chunks": (1, 3, 64, 64)}),
        ((1 << 40, 3, 64, 64), {"chunks": (64, 3, 64, 64), "compression": "gzip"}),
        ((1 << 20, 3, 64, 64), {}),
        ((2, 3, 1 << 30, 1 << 20), {"chunks": (1, 3, 64, 64)}),
    ],
)
def test_claims_are_checked_before_memory_is_taken(
    tmp_path: Path, shape: Any, options: Any
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("imgs", shape, np.uint8, **options)
    with pytest.raises(BadInput, match=r"/imgs claims the shape .*write it anew"):
        open_pictures(tmp_path / "a.h5")


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    zeros = np.zeros((400, 3, 64, 64), np.uint8)
    path = saved(tmp_path / "a.h5", data=zeros, chunks=(400, 3, 64, 64), compression="gzip")
    with pytest.raises(BadInput, match="claims the shape"):
        open_pictures(path)


def test_chunks_that_take_much_memory_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        made = file.create_dataset(
            "imgs", (2, 3, 8, 9), np.uint8, chunks=(1, 3, 8, 9), maxshape=(None,) * 4
        )
        made[:] = BATCH[:2]
        file.create_dataset("x", (1, 1), "u1", chunks=(1 << 15, 1 << 14), maxshape=(None, None))
    assert len(open_pictures(tmp_path / "a.h5").names) == 2
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_dataset("imgs", (2, 3, 8, 9), np.uint8, chunks=(1 << 15, 3, 1 << 6, 1 << 6),
                            maxshape=(None,) * 4)  # fmt: skip
    with pytest.raises(BadInput, match="too large for a picture"):
        open_pictures(tmp_path / "b.h5")


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, share: float) -> None:
    path = saved(tmp_path / "a.h5", chunks=(3, 3, 8, 9), compression="gzip")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(BadInput, match=r"a\.h5 is damaged"):
        open_pictures(path)


def test_damage_is_a_sentence(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.h5", chunks=(3, 3, 8, 9), compression="gzip")
    whole, rng, refusals = path.read_bytes(), np.random.default_rng(0), []
    for number in range(150):
        data = bytearray(whole)
        for place in rng.integers(8, len(data), 4):
            data[place] ^= int(rng.integers(1, 256))
        (tmp_path / f"{number}.h5").write_bytes(data)
        try:
            read_all(tmp_path / f"{number}.h5")
        except BadInput as error:
            refusals.append(str(error))
    assert len(refusals) > 20 and not any("\n" in each for each in refusals)


def test_labels_that_lie_elsewhere_are_told(tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(LABELS.tobytes())
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["imgs"] = BATCH
        file.create_dataset("labels", LABELS.shape, np.int64,
                            external=[(str(tmp_path / "raw"), 0, LABELS.nbytes)])  # fmt: skip
    pictures = open_pictures(tmp_path / "a.h5")
    assert pictures.labels is None and pictures.left_out == ["/labels [it lies in other files]"]


def test_a_file_of_too_many_objects_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for number in range(10_001):
            file.create_group(str(number))
    with pytest.raises(BadInput, match="holds more than 10000 objects"):
        open_pictures(tmp_path / "a.h5")


def test_without_h5py_the_command_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, real = saved(tmp_path / "a.h5"), builtins.__import__

    def missing(name: str, *words: Any) -> Any:
        if name == "h5py":
            raise ModuleNotFoundError("No module named 'h5py'", name="h5py")
        return real(name, *words)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(BadInput, match=r"pip install 'facebench\[hdf5\]'"):
        open_pictures(path)
