"""No file is dropped in silence: what can be decoded is read, and the rest is named."""

import os
import stat
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, features

from facebench.cli import cli
from facebench.data.decode import suffixes
from facebench.data.picture_files import open_images
from facebench.data.prepare import prepare
from facebench.errors import BadInput

NOISE = Image.effect_noise((20, 20), 50).convert("RGB")


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        suffix = path.suffix.lower()
        if suffix in suffixes():
            kind = Image.registered_extensions()[suffix]
            image = NOISE.convert("L") if suffix in (".pgm", ".pbm") else NOISE
            image.save(path, kind if kind != "MPO" else "JPEG")
        else:
            path.write_bytes(b"?")
    return folder


def report(*words: Any) -> str:
    answer = CliRunner().invoke(cli, ["data", "prepare", *map(str, words), "--size", "8"])
    assert answer.exit_code == 0, answer.exception
    return " ".join(answer.output.split())


def packed(folder: Path, kind: str) -> Path:
    if kind == "folder":
        return folder
    archive = folder.with_suffix(f".{kind}")
    if kind == "zip":
        with zipfile.ZipFile(archive, "w") as packing:
            for path in sorted(folder.rglob("*")):
                packing.write(path, path.relative_to(folder))
    else:
        with tarfile.open(archive, "w:gz") as packing_tar:
            packing_tar.add(folder, ".")
    return archive


def test_the_formats_are_those_that_pillow_decodes() -> None:
    expected = (
        ".jpg .JPEG .jfif .jpe .png .apng .bmp .dib .gif .webp .tif .tiff .ppm .pgm .pnm .tga"
    )
    assert set(expected.lower().split()) <= suffixes()
    assert (".avif" in suffixes()) == features.check("avif")
    assert not suffixes() & {".eps", ".ps", ".pdf", ".h5", ".wmf", ".mpg"}


@pytest.mark.parametrize("kind", ["folder", "zip", "tgz"])
def test_every_suffix_of_every_format_is_read(tmp_path: Path, kind: str) -> None:
    names = [f"{number}{suffix}" for number, suffix in enumerate(sorted(suffixes() - {".pfm"}))]
    folder = fill(tmp_path / "in", *names, "x.JPEG", "y.Jpg")
    files = open_images(packed(folder, kind))
    assert len(files.names) == len(names) + 2 and files.left_out == ()
    assert len(prepare(packed(folder, kind), tmp_path / "out", size=8)) == len(names) + 2


@pytest.mark.parametrize("kind", ["folder", "zip", "tgz"])
def test_what_is_left_out_is_counted_named_and_recorded(tmp_path: Path, kind: str) -> None:
    folder = fill(
        tmp_path / "in", "a.png", "b.heic", "c.npy", "d.zip", "00012", "deep/notes.txt",
        ".hidden.png", ".git/x.png", "__MACOSX/._a.png", "Thumbs.db", "desktop.ini", ".DS_Store",
    )  # fmt: skip
    said = report(packed(folder, kind), tmp_path / "out")
    assert "1 images of 8×8" in said
    assert (
        "5 other files (b.heic [not a format that is read: convert it to PNG], 00012, c.npy, …)"
        in said
    )
    again = prepare(packed(folder, kind), tmp_path / "out", size=8)
    assert again.info["left_out"] == [
        "b.heic [not a format that is read: convert it to PNG]", "00012", "c.npy", "d.zip",
        "deep/notes.txt",
    ]  # fmt: skip


def test_nothing_is_said_of_nothing(tmp_path: Path) -> None:
    assert "left out" not in report(fill(tmp_path / "in", "a.png", ".b"), tmp_path / "out")


def test_a_source_of_none_but_others_names_them(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"holds no pictures .*, only 2 other files \(0001, 0002\)"):
        open_images(fill(tmp_path / "in", "0001", "0002"))


def test_class_folders_may_be_links(tmp_path: Path) -> None:
    fill(tmp_path / "far", "1.png", "2.png")
    fill(tmp_path / "in" / "child", "3.png")
    (tmp_path / "in" / "woman").symlink_to(tmp_path / "far")
    (tmp_path / "in" / "again").symlink_to(tmp_path / "in")
    files = open_images(tmp_path / "in")
    assert files.names == ("child/3.png", "woman/1.png", "woman/2.png")
    (told,) = files.left_out
    assert told.startswith("again [a link to a folder that is read already")


def test_links_in_archives_are_told_not_followed(tmp_path: Path) -> None:
    folder = fill(tmp_path / "in", "a.png")
    (folder / "soft.png").symlink_to("a.png")
    os.link(folder / "a.png", folder / "hard.png")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(folder / "a.png", "a.png")
        link = zipfile.ZipInfo("soft.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "a.png")
    assert open_images(tmp_path / "a.zip").left_out == (
        "soft.png [a link, which is not followed in an archive]",
    )
    left_out = open_images(packed(folder, "tgz")).left_out
    assert len(left_out) == 2 and all("[a link" in told for told in left_out)


def test_two_files_of_one_name_in_an_archive_are_one_and_told(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as z:
        for name, level in (("a.png", 10), ("b.png", 20)):
            Image.new("L", (8, 8), level).save(tmp_path / "a.png")
            z.write(tmp_path / "a.png", name)
    twice = (tmp_path / "a.zip").read_bytes().replace(b"b.png", b"a.png")
    (tmp_path / "a.zip").write_bytes(twice)
    with tarfile.open(tmp_path / "a.tar", "w") as t:
        for level in (10, 20):
            Image.new("L", (8, 8), level).save(tmp_path / "a.png")
            t.add(tmp_path / "a.png", "a.png")
    for name in ("a.zip", "a.tar"):
        dataset = prepare(tmp_path / name, tmp_path / f"out-{name}", size=8)
        assert dataset.images[:, 0, 0, 0].tolist() == [20]
        assert dataset.info["left_out"] == ["a.png [1 times replaced by a later file of that name]"]


ODD_NAMES = [b"caf\xe9.png", "脸.png".encode("gbk"), b"a\nb.png", b"\xff" * 200 + b".png"]


@pytest.mark.parametrize("kind", ["folder", "tgz", "zip"])
def test_names_that_are_no_utf8_are_read_and_told(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    NOISE.save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    for raw in (*ODD_NAMES, b"n\xf6te.txt"):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + raw)).write_bytes(data)
    if kind == "zip":  # whose names Python cannot write as such
        with zipfile.ZipFile(folder.with_suffix(".zip"), "w") as archive:
            for raw in (*ODD_NAMES, b"n\xf6te.txt"):
                archive.writestr(raw.decode("cp437"), data)
        plain = folder.with_suffix(".zip").read_bytes()
        source = folder.with_suffix(".zip")
        for raw in (*ODD_NAMES, b"n\xf6te.txt"):
            assert raw.decode("cp437").encode() in plain
    else:
        source = packed(folder, kind)
    said = report(source, tmp_path / "out")
    assert "4 images" in said and "1 other file (n" in said
    names = (tmp_path / "out" / "files.txt").read_text(encoding="utf-8").splitlines()
    assert len(names) == 4 and "a\\nb.png" in names
    if kind != "zip":
        assert "caf\\xe9.png" in names


def test_an_unreadable_picture_of_an_odd_name_is_named(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")).write_bytes(b"?")
    with pytest.raises(BadInput, match=r"^caf\\xe9\.png is not a picture"):
        prepare(tmp_path, tmp_path / "out", size=8)
    dataset = prepare(fill(tmp_path, "a.png"), tmp_path / "out", size=8, skip_unreadable=True)
    assert dataset.info["skipped"] == ["caf\\xe9.png"]


@pytest.mark.processes
def test_source_and_data_set_may_have_odd_names_themselves(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/f\xe4ces"))
    fill(odd, "a.png")
    command = [sys.executable, "-m", "facebench", "data", "prepare", str(odd), f"{odd}64"]
    answer = subprocess.run(command, capture_output=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert b"f\\xe4ces64: 1 images" in answer.stdout
    dataset = prepare(odd, Path(f"{odd}64"))
    assert (dataset.info["source"]["name"], dataset.name) == ("f\\xe4ces", "f\\xe4ces64")


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_an_array_of_pictures_is_prepared(tmp_path: Path, suffix: str, layout: str) -> None:
    batch = np.random.default_rng(0).integers(0, 256, (12, 3, 10, 8), dtype=np.uint8)
    given = batch if layout == "NCHW" else batch.transpose(0, 2, 3, 1)
    path = tmp_path / f"faces{suffix}"
    np.save(path, given) if suffix == ".npy" else np.savez_compressed(path, given)
    dataset = prepare(path, tmp_path / "out", size=8, holdout=4)
    names = (tmp_path / "out" / "files.txt").read_text().split()
    order = [int(name[len(path.name) + 1 : -1]) for name in names]
    assert names == [f"faces{suffix}[{number}]" for number in order]
    np.testing.assert_array_equal(dataset.images, batch[order, :, 1:9])
    assert len(dataset.split("holdout")) == 4


@pytest.mark.parametrize("name", ["faces.npy", "faces.npz"])
def test_the_way_out_from_an_array_as_reference_works(tmp_path: Path, name: str) -> None:
    images = np.zeros((4, 3, 8, 8), np.uint8)
    np.save(tmp_path / name, images) if name == "faces.npy" else np.savez(tmp_path / name, images)
    answer = CliRunner().invoke(cli, ["data", "stats", str(tmp_path / name)])
    assert answer.exit_code != 0
    from facebench.data.dataset import open_dataset

    with pytest.raises(BadInput, match=rf"run facebench data prepare {tmp_path / name} OUT"):
        open_dataset(tmp_path / name)
    assert "4 images" in report(tmp_path / name, tmp_path / "OUT")
    assert len(open_dataset(tmp_path / "OUT")) == 4


@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_a_pipe_or_a_device_as_source_never_hangs(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "in.npy"
    os.mkfifo(path) if kind == "fifo" else path.symlink_to("/dev/zero")
    with pytest.raises(BadInput, match=r"is a pipe, a socket or a device: save it to a file"):
        prepare(path, tmp_path / "out")


def test_a_file_that_may_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)  # root may read all
    with pytest.raises(BadInput, match=r"a\.png cannot be read \(Permission denied\): make it"):
        prepare(fill(tmp_path / "in", "a.png"), tmp_path / "out")
