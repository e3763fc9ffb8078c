"""A full disk, a folder that may not be written: one sentence, and nothing half-written."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.processes

COMMANDS = {
    "data synth": ["data", "synth", "{out}/faces", "--num", "40", "--size", "32"],
    "data prepare": ["data", "prepare", "pictures", "{out}/faces", "--size", "64"],
    "train pca": ["train", "pca", "--data", "tiny", "--out", "{out}/run", "--components", "4"],
    "eval": ["eval", "--models", "a=images:images.npy", "--reference", "tiny", "--extractor",
             "random", "--out", "{out}/results"],
}  # fmt: skip

# Root may write anywhere, and a file system cannot be filled without being one: so the system
# calls of files below one folder fail, as they do when a disk is full or read-only.
LAUNCHER = """
import builtins, io, os, sys
folder, number = os.path.realpath(sys.argv.pop(1)), int(sys.argv.pop(1))

def fail(path):
    raise OSError(number, os.strerror(number), str(path))

def under(path):
    return isinstance(path, (str, os.PathLike)) and os.path.realpath(path).startswith(folder)

def audit(event, arguments):
    if event == "open" and under(arguments[0]) and arguments[2] & (os.O_WRONLY | os.O_RDWR):
        if number != 28 or str(arguments[0]).endswith((".npy", ".json", ".png", ".npz")):
            fail(arguments[0])
    if event in ("os.mkdir", "os.rename") and under(arguments[0]) and number != 28:
        fail(arguments[0])

sys.addaudithook(audit)
from facebench.cli import main
main()
"""


@pytest.fixture
def place(tmp_path: Path, tiny_folder: Path, pictures: Path) -> Path:
    (tmp_path / "tiny").symlink_to(tiny_folder)
    images = np.load(tiny_folder / "images.npy")
    np.save(tmp_path / "images.npy", images)
    (tmp_path / "out").mkdir()
    return tmp_path


def run(place: Path, number: int, words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LAUNCHER, "out", str(number), *words],
        cwd=place,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "", "FACEBENCH_CACHE": str(place / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("number", "way_out"),
    [(errno.ENOSPC, "make room"), (errno.EROFS, "name a place that may be written"),
     (errno.EACCES, "name a place that may be written")],
)  # fmt: skip
def test_what_cannot_be_written_is_a_sentence_and_leaves_nothing(
    command: str, number: int, way_out: str, place: Path
) -> None:
    words = [word.format(out="out") for word in COMMANDS[command]]
    answer = run(place, number, words)
    assert answer.returncode == 2, answer.stderr
    assert "Traceback" not in answer.stderr
    (line,) = [line for line in answer.stderr.splitlines() if line.startswith("Error: ")]
    assert os.strerror(number) in line and way_out in line
    files = [path for path in (place / "out").rglob("*") if path.is_file()]
    assert files == []
