"""A disk without room for a data set is told at once, in a sentence, and nothing is left on it."""

import io
import resource
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from facebench.data.dataset import open_dataset
from facebench.data.prepare import prepare, synthesize
from facebench.errors import BadInput
from facebench.samplers.image_files import ImageFilesSampler

ROOM = 1 << 20


@pytest.fixture(params=["file system", "limit"])
def small(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Give a folder with little room: a small file system where one may be mounted."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(folder)]
    if request.param == "file system" and not subprocess.run(mount, capture_output=True).returncode:
        yield folder
        subprocess.run(["umount", str(folder)], check=True)
        return
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, before[1]))  # Python ignores SIGXFSZ
    yield folder
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_one_sentence_and_leaves_nothing(small: Path, pictures: Path) -> None:
    with pytest.raises(
        BadInput, match=r"small/out cannot be written \(.*\): make room for 5 .*MiB"
    ):
        prepare(pictures, small / "out", size=512)
    assert list(small.iterdir()) == []


def test_a_disk_too_full_for_rendered_faces_is_told_before_any_is_rendered(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facebench.synth.render", None)
    with pytest.raises(BadInput, match="make room for 2000 images of 64×64, 24 MiB"):
        synthesize(small / "out", num=2000)
    assert list(small.iterdir()) == []


def test_what_fits_is_written(small: Path, pictures: Path) -> None:
    assert len(prepare(pictures, small / "out", size=64)) == 5


def test_the_file_is_as_long_as_its_images(pictures: Path, tmp_path: Path) -> None:
    (pictures / "z.png").write_bytes(b"")
    prepare(pictures, tmp_path / "out", size=8, skip_unreadable=True)
    path = tmp_path / "out" / "images.npy"
    assert path.stat().st_size == 128 + 5 * 3 * 8 * 8
    assert np.load(path).shape == (5, 3, 8, 8)


def test_a_compressed_tar_that_cannot_be_unpacked_says_where(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tarfile.open(small / "a.tgz", "w:gz") as archive:
        member = tarfile.TarInfo("a.bmp")
        member.size = 2 * ROOM
        archive.addfile(member, io.BytesIO(bytes(member.size)))
    monkeypatch.setattr("tempfile.tempdir", str(small))
    with pytest.raises(BadInput, match=r"no room in .*small to unpack .*a\.tgz .*TMPDIR"):
        ImageFilesSampler(small / "a.tgz")
    assert [path.name for path in small.iterdir()] == ["a.tgz"]


def test_images_replaced_in_place_are_noticed(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare(pictures, out, size=8).verify()
    images = np.load(out / "images.npy")
    images[0, 0, 0, 0] ^= 1
    np.save(out / "images.npy", images)
    with pytest.raises(BadInput, match=rf"images\.npy was changed .*: remove {out} and prepare"):
        open_dataset(out).split("train").verify()
    with pytest.raises(BadInput, match="was changed"):  # and is not kept as if it were good
        prepare(pictures, out, size=8)
