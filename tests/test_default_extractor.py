"""Whose features are compared when nobody says: Inception's or, where they cannot be had, ours."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import facebench
from facebench.data.dataset import Dataset
from facebench.data.statistics import write_statistics
from facebench.errors import BadInput

MEANWHILE = "Meanwhile the features are portrait's: their distances are no FID"


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEBENCH_OFFLINE", "1")


def test_where_inception_cannot_be_had_it_is_portrait_and_this_is_said(
    tiny_dataset: Dataset,
) -> None:
    images = tiny_dataset.images[:20]
    with pytest.warns(UserWarning, match=MEANWHILE):
        found = facebench.evaluate({"same": images}, images, metrics="fid", num=20)
    (result,) = found.results
    assert result.protocol.extractor == "portrait" and [*result.metrics] == ["fd_portrait"]
    assert any("no FID" in note for note in result.notes)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"extractor": "inception"}, "'inception' are not here"),
        ({"mode": "pytorch-fid"}, "are not here"),
        ({"metrics": "is"}, "is needs the extractor inception"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*Meanwhile the features")
def test_what_must_be_inception_is_not_replaced(
    options: dict[str, str], says: str, tiny_dataset: Dataset
) -> None:
    images = tiny_dataset.images[:20]
    with pytest.raises(BadInput, match=says):
        facebench.evaluate({"same": images}, images, **{"metrics": "fid", **options})


def test_given_statistics_are_inceptions(tiny_dataset: Dataset, tmp_path: Path) -> None:
    write_statistics(tmp_path / "s.npz", np.zeros(2048), np.eye(2048), 100)
    with pytest.raises(BadInput, match="'inception' are not here"):
        facebench.evaluate({"same": tiny_dataset.images[:20]}, tmp_path / "s.npz", metrics="fid")


def test_a_file_that_is_not_the_known_one_is_refused(tiny_dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "other.pth").write_bytes(b"no network")
    images, weights = tiny_dataset.images[:20], {"inception": tmp_path / "other.pth"}
    with pytest.raises(BadInput, match="is not the known file"):
        facebench.evaluate({"same": images}, images, weights=weights, metrics="fid")


@pytest.mark.processes
def test_the_command_says_it_in_a_sentence(tiny_folder: Path, tmp_path: Path) -> None:
    words = ["score", *[str(tiny_folder)] * 2, "--metrics", "fid", "--num", "20"]
    answer = subprocess.run(
        [sys.executable, "-m", "facebench", *words], capture_output=True, text=True, check=True
    )
    (line,) = [line for line in answer.stderr.splitlines() if MEANWHILE in line]
    assert line.startswith("Warning: The weights 'inception' are not here")
    assert "Fréchet distance, portrait" in answer.stdout
