"""WebDataset: samples in tars, by the files' names up to the first dot, in one tar or many."""

import io
import json
import os
import resource
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facebench.data.picture_files import open_images
from facebench.data.pictures import open_pictures
from facebench.data.prepare import prepare
from facebench.errors import BadInput


def picture(number: int, format: str = "JPEG") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (9 + number, 8), (number * 20, 0, 0)).save(stream, format)
    return stream.getvalue()


def read_all(path: Path) -> None:
    pictures = open_pictures(path)
    for index in range(len(pictures.names)):
        pictures.load(index)


def tar(path: Path, files: Mapping[str, bytes], mode: str = "w") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def samples(numbers: range, **more: Any) -> dict[str, bytes]:
    """Give samples as the library's writer does: a key, and a file for each of its parts."""
    files = {}
    for number in numbers:
        files[f"{number:03}.jpg"] = picture(number)
        for suffix, value in more.items():
            files[f"{number:03}.{suffix}"] = value(number)
    return files


def cls(number: int) -> bytes:
    return str(number % 3).encode()


def js(number: int) -> bytes:
    return json.dumps({"label": number % 3, "url": "x"}).encode()


def caption(number: int) -> bytes:
    return b"a face"


@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize("more", [{"cls": cls}, {"json": js}, {"cls": cls, "json": js}])
def test_labels_are_beside_the_pictures(tmp_path: Path, more: Any, mode: str) -> None:
    path = tar(tmp_path / "a.tar", samples(range(5), txt=caption, **more), mode)
    pictures = open_pictures(path)
    assert pictures.labels == ["0", "1", "2", "0", "1"]
    assert pictures.left_out == [f"00{number}.txt" for number in range(5)]
    assert [pictures.load(index).width for index in range(5)] == [9, 10, 11, 12, 13]
    assert pictures.read is not None and pictures.read(2) == picture(2)


def test_classes_may_have_names(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", samples(range(2), cls=lambda n: b"child\n"))
    assert open_pictures(path).labels == ["child"] * 2
    other = {"json": lambda n: b'{"class": "woman"}'}
    assert open_pictures(tar(path, samples(range(2), **other))).labels == ["woman"] * 2


def test_a_sample_may_have_several_pictures_and_lie_deep(tmp_path: Path) -> None:
    files = {"a.b/0.left.jpg": picture(0), "a.b/0.right.png": picture(1, "PNG"),
             "a.b/0.cls": b"7", "a.c/0.jpg": picture(2), "a.c/0.cls": b"8"}  # fmt: skip
    pictures = open_pictures(tar(tmp_path / "a.tar", files))
    assert pictures.labels == ["7", "7", "8"]


@pytest.mark.parametrize(
    "more",
    [{}, {"txt": caption}, {"json": lambda n: b'{"caption": "x"}'}, {"json": lambda n: b"[1]"}],
)
def test_a_tar_without_labels_is_as_it_was(tmp_path: Path, more: Any) -> None:
    path = tar(tmp_path / "a.tar", samples(range(3), **more))
    pictures, files = open_pictures(path), open_images(path)
    assert pictures.labels is None
    assert pictures.left_out == [*files.left_out]
    assert pictures.digest() == files.digest()


def test_a_folder_and_a_zip_of_samples_have_no_labels(tmp_path: Path) -> None:
    for name, data in samples(range(2), cls=cls).items():
        (tmp_path / name).write_bytes(data)
    assert open_pictures(tmp_path).labels is None


def test_shards_are_one_set(tmp_path: Path) -> None:
    for shard in range(3):
        numbers = range(shard * 3, shard * 3 + 3)
        tar(tmp_path / "in" / "data" / f"train-{shard:06}.tar", samples(numbers, cls=cls))
    (tmp_path / "in" / "README.md").write_text("?")
    pictures = open_pictures(tmp_path / "in")
    assert pictures.names[3] == "data/train-000001.tar/003.jpg"
    assert pictures.labels == ["0", "1", "2"] * 3
    assert [pictures.load(index).width for index in range(9)] == list(range(9, 18))
    assert pictures.left_out == ["README.md"]
    dataset = prepare(tmp_path / "in", tmp_path / "out", size=8)
    assert len(dataset) == 9 and dataset.classes == ("0", "1", "2")
    assert open_pictures(tmp_path / "in", "none").labels is None
    with pytest.raises(BadInput, match="leave out --labels folders"):
        open_pictures(tmp_path / "in", "folders")


def test_more_shards_than_files_may_be_open(tmp_path: Path) -> None:
    for shard in range(80):
        tar(tmp_path / f"{shard:04}.tar", samples(range(1), cls=cls))
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    there = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (there + 20, before[1]))
    try:
        pictures = open_pictures(tmp_path)
        widths = [pictures.load(index).width for index in range(80)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert widths == [9] * 80


def test_pictures_go_before_tars_beside_them(tmp_path: Path) -> None:
    tar(tmp_path / "a.tar", samples(range(3)))
    (tmp_path / "b.jpg").write_bytes(picture(0))
    pictures = open_pictures(tmp_path)
    assert list(pictures.names) == ["b.jpg"] and pictures.left_out == ["a.tar"]


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"000.cls": b""}, r"001\.jpg has no label|000\.jpg has no label"),
        ({"000.cls": b"\xff\xfe"}, r"000\.cls cannot be read as labels .*utf-8"),
        ({"000.cls": b"x" * 9999}, r"000\.jpg has no label, while 2 of 3"),
        ({"000.json": b'{"label": 5'}, r"000\.json cannot be read as labels"),
        ({"000.json": b"[" * 99_999}, r"000\.json cannot be read as labels"),
        ({"000.json": b'{"label": 5}'}, r"000\.json gives \S*000\.jpg the label 5, .*another, 0"),
        ({"000.cls": None}, r"000\.jpg has no label, while 2 of 3"),
    ],
)
@pytest.mark.parametrize("many", [False, True])
def test_broken_labels_are_refused(tmp_path: Path, files: Any, why: str, many: bool) -> None:
    inside = {k: v for k, v in (samples(range(3), cls=cls) | files).items() if v is not None}
    path = tar(tmp_path / "in" / "a.tar", inside)
    with pytest.raises(BadInput, match=rf"({why}).*--labels none"):
        open_pictures(path.parent if many else path)
    assert open_pictures(path, "none").labels is None


def test_vectors_that_are_no_classes_are_told(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", samples(range(1), json=lambda n: b'{"label": [0.5, 0.5]}'))
    pictures = open_pictures(path)
    assert pictures.labels is None
    assert pictures.left_out == ["000.json [its labels are no classes]"]


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_a_shard_that_is_cut_off_is_refused(tmp_path: Path, share: float) -> None:
    tar(tmp_path / "a.tar", samples(range(3), cls=cls))
    second = tar(tmp_path / "b.tar", samples(range(3), cls=cls))
    data = second.read_bytes()[: 10 * 512]
    second.write_bytes(data[: int(share * len(data))])
    with pytest.raises(BadInput, match=r"b\.tar"):
        read_all(tmp_path)


def test_a_shard_that_is_no_tar_is_refused(tmp_path: Path) -> None:
    tar(tmp_path / "a.tar", samples(range(3), cls=cls))
    (tmp_path / "b.tar").write_bytes(b"Rar!" * 200)
    with pytest.raises(BadInput, match=r"b\.tar is not a folder, a zip or a tar"):
        open_pictures(tmp_path)


def test_a_shard_that_changes_meanwhile_is_refused(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", samples(range(3), cls=cls))
    pictures = open_pictures(tmp_path)
    path.write_bytes(path.read_bytes()[:1100])
    with pytest.raises(BadInput, match=r"002\.jpg"):
        pictures.load(2)
    path.unlink()
    with pytest.raises(BadInput, match=r"a\.tar is damaged"):
        pictures.load(2)


def test_links_and_devices_in_shards_are_told(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", samples(range(1)))
    with tarfile.open(path, "a") as archive:
        link = tarfile.TarInfo("9.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    pictures = open_pictures(tmp_path)
    assert list(pictures.names) == ["a.tar/000.jpg"]
    assert pictures.left_out == ["a.tar/9.jpg [a link, which is not followed in an archive]"]


def test_the_same_pictures_give_the_same_digest_in_order(tmp_path: Path) -> None:
    tar(tmp_path / "a.tar", samples(range(3), cls=cls))
    digest = open_pictures(tmp_path / "a.tar").digest()
    tar(tmp_path / "in" / "a.tar", samples(range(3), cls=cls))
    assert open_pictures(tmp_path / "in").digest() == digest
    changed = samples(range(3), cls=lambda n: b"1")
    assert open_pictures(tar(tmp_path / "b.tar", changed)).digest() != digest


def test_pixels_are_those_of_the_files(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 7, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    tar(tmp_path / "a.tar", {"0.png": stream.getvalue(), "0.cls": b"1"})
    np.testing.assert_array_equal(np.asarray(open_pictures(tmp_path).load(0)), pixels)
