"""Every hostile file ends in one sentence or is skipped and counted; nothing runs or is left."""

import re
import resource
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile_files import ACCEPTED, FILES, GOOD_NPY, REFUSED, SKIPPABLE, Case
from PIL import Image

from facebench.bundles.bundle import read_bundle
from facebench.data.dataset import open_dataset
from facebench.data.prepare import prepare
from facebench.data.statistics import open_statistics
from facebench.errors import BadInput
from facebench.plugins.model_spec import parse_model
from facebench.results.result import read_result
from facebench.samplers.image_files import ImageFilesSampler
from facebench.text import printable

NET = """
from torch import nn

def net():
    return nn.Linear(2, 1)
"""


def _dataset(path: Path) -> None:
    (path.parent / "images.npy").write_bytes(GOOD_NPY.replace(b"(2, 3", b"(4, 3") + bytes(384))
    open_dataset(path.parent)


def _model(form: str) -> Callable[[Path], None]:
    def read(path: Path) -> None:
        (path.parent / "nets.py").write_text(NET)
        parse_model(f"a={form.format(path.name)}").open().sample([0])

    return read


def _run(path: Path) -> None:
    (path.parent / "config.json").write_text('{"adapter": "pca", "format": "x"}')
    parse_model("a=.").open()


def _list(option: str) -> Callable[[Path], None]:
    def read(path: Path) -> None:
        Image.new("RGB", (8, 8)).save(path.parent / "0.png")
        told: dict[str, Any] = {option: path}
        prepare(path.parent, Path("out"), size=8, holdout=0, **told)

    return read


READERS: dict[str, Callable[[Path], object]] = {
    "picture": lambda path: prepare(path.parent, Path("out"), size=8, holdout=0),
    "folder": lambda path: prepare(path.parent, Path("out"), size=8, holdout=0),
    "archive": lambda path: prepare(path, Path("out"), size=8, holdout=0),
    "array": lambda path: ImageFilesSampler(path).sample([0]),
    "dataset": _dataset,
    "identities": _list("identities"),
    "attributes": _list("attributes"),
    "statistics": open_statistics,
    "result": read_result,
    "bundle": read_bundle,
    "torch": _model("torch+size=2:nets:net@{}"),
    "torchscript": _model("torchscript+size=2:{}"),
    "export": _model("export:{}"),
    "onnx": _model("onnx:{}"),
    "keras": _model("keras:{}"),
    "keras-h5": _model("keras:{}"),
    "pca-npz": _model("sklearn-pca:{}"),
    "pca-skops": _model("sklearn-pca:{}"),
    "run": _run,
}


ON_KERAS = {"keras", "keras-h5"}
FRAMEWORKS = {"torch", "torchscript", "export", "onnx", "pca-skops"} | ON_KERAS


@pytest.fixture
def made(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the file of the case in a folder of its own, and work there."""
    folder = tmp_path / "there"
    folder.mkdir()
    monkeypatch.chdir(folder if FILES[request.param].reader != "picture" else tmp_path)
    path = folder / FILES[request.param].name
    FILES[request.param].make(path)
    return path


def each(*outcomes: str) -> pytest.MarkDecorator:
    """Run the test for every file that is to have one of these outcomes."""
    cases = [
        pytest.param(name, marks=[pytest.mark.tensorflow] if case.reader in ON_KERAS else [])
        for name, case in FILES.items()
        if case.outcome in outcomes
    ]
    return pytest.mark.parametrize("made", cases, indirect=True)


@pytest.mark.filterwarnings("ignore")  # Pillow and frameworks warn of damage before they refuse it
@each(REFUSED, SKIPPABLE)
def test_it_is_refused_in_one_sentence(made: Path, request: pytest.FixtureRequest) -> None:
    case = FILES[request.node.callspec.params["made"]]
    before, memory, started = _files(made), _memory(), time.monotonic()
    with pytest.raises(BadInput) as refused:
        READERS[case.reader](made)
    sentence = str(refused.value)
    assert sentence.endswith(".") and len(sentence) < 1500
    assert "\n" not in sentence
    if (
        case.reader not in FRAMEWORKS
    ):  # which take memory and time themselves when they are first imported
        assert _memory() - memory < 1 << 30
        assert time.monotonic() - started < 20
    assert _files(made) <= before | _brought(case)
    assert not list(made.parents[1].rglob("executed*"))


@pytest.mark.filterwarnings("ignore")
@each(SKIPPABLE)
def test_it_is_left_out_and_counted_where_that_is_asked_for(made: Path) -> None:
    Image.new("RGB", (9, 9)).save(made.parent / "0-good.png")
    Image.new("RGB", (9, 9)).save(made.parent / "1-good.png")
    dataset = prepare(made.parent, Path("out"), size=8, holdout=0, skip_unreadable=True)
    assert len(dataset) == 2
    assert dataset.info["skipped"] == [printable(made.name)]


@pytest.mark.filterwarnings("ignore")
@each(ACCEPTED)
def test_it_is_odd_but_good(made: Path, request: pytest.FixtureRequest) -> None:
    case = FILES[request.node.callspec.params["made"]]
    source = made if case.reader in ("archive", "array") else made.parent
    out = made.parents[1] / "prepared"
    dataset = prepare(source, out, size=8, holdout=0)
    assert len(dataset) >= 1
    assert dataset.images.shape[1:] == (3, 8, 8)
    assert {path.name for path in out.iterdir()} == {"images.npy", "dataset.json", "files.txt"}
    assert not list(made.parents[1].rglob("executed*"))


def test_an_orientation_is_applied(tmp_path: Path) -> None:
    for name in ("orientation 1", "orientation 3"):
        folder = tmp_path / name
        folder.mkdir()
        FILES[name].make(folder / "a.jpg")
    up, down = (
        prepare(tmp_path / name, tmp_path / f"{name}-out", size=8, holdout=0).images[0]
        for name in ("orientation 1", "orientation 3")
    )
    np.testing.assert_allclose(up, down[:, ::-1, ::-1].astype(int), atol=2)


def test_the_corpus_is_as_large_as_the_documentation_says() -> None:
    assert len(FILES) >= 200
    text = (Path(__file__).parents[1] / "SECURITY.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"\| (\w+) \| (\d+) \|", text))
    counts = Counter(case.outcome for case in FILES.values())
    assert {name: int(rows[name]) for name in counts} == counts
    assert int(rows["files"]) == len(FILES)
    import hostile_samplers

    samplers = len(hostile_samplers.IN_PROCESS) + len(hostile_samplers.OWN_PROCESS)
    assert int(rows["samplers"]) == samplers


def _files(made: Path) -> set[str]:
    """Return all that lies about, but what Python and libraries keep for themselves."""
    found = (p.relative_to(made.parents[1]).as_posix() for p in made.parents[1].rglob("*"))
    return {name for name in found if "__pycache__" not in name and not name.startswith("cache")}


def _brought(case: Case) -> set[str]:
    """Return what the test itself lays beside the file."""
    return {"there/nets.py", "there/images.npy", "there/config.json", "there/0.png"}


def _memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
