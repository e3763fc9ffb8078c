"""Fixtures that every test module may ask for."""

import io
import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
import triton  # noqa: F401 - before TensorFlow: the other order aborts (see test_dcgan)
from jsonschema import Draft202012Validator
from PIL import Image

import facebench.files
from facebench.data.dataset import Dataset, open_dataset
from facebench.data.prepare import synthesize

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as for a shell's background jobs
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Programs to be run, which import one another as such.
collect_ignore = ["bench", "keras2_files.py", "keras2_models.py"]

ON_KERAS = ("facebench_dcgan", "facebench_keras")
"""Packages whose doctests import Keras, and so TensorFlow."""


@pytest.hookimpl(tryfirst=True)  # before any is left out by -m
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what can be told by its place, or by its fixtures."""
    for item in items:
        if "keras_process" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.tensorflow)
            item.add_marker(pytest.mark.processes)
        if set(ON_KERAS) & set(item.path.parts):
            item.add_marker(pytest.mark.tensorflow)


@pytest.fixture(scope="session")
def _is_without_tensorflow(request: pytest.FixtureRequest) -> bool:
    items = request.session.items
    return not any(item.get_closest_marker("tensorflow") for item in items)


@pytest.fixture(autouse=True)
def _marks_are_true(request: pytest.FixtureRequest, _is_without_tensorflow: bool) -> Iterator[None]:
    """Fail what starts Python or loads TensorFlow and does not say so, see pyproject.toml."""
    yield
    started = [*_STARTED]
    _STARTED.clear()
    if request.node.get_closest_marker("processes") is None:
        assert not started, "this starts Python: mark it `processes`"
    if _is_without_tensorflow:
        loaded = [name for name in ("tensorflow", "keras") if sys.modules.get(name)]
        assert not loaded, "this, or a file that was collected, loads it: mark it `tensorflow`"


_STARTED: list[str] = []


def _note_python(event: str, arguments: tuple[object, ...]) -> None:
    if event == "subprocess.Popen" and arguments[0] == sys.executable:
        _STARTED.append(str(arguments[1]))


sys.addaudithook(_note_python)


@pytest.fixture(autouse=True)
def _nothing_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests out of the user's cache, and the user's weights out of tests."""
    monkeypatch.setenv("FACEBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FACEBENCH_WEIGHTS", raising=False)


@pytest.fixture(autouse=True)
def _imports_end_with_their_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget the modules that a test wrote, for another test's may have the same name."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture(autouse=True)
def _json_is_as_its_schema_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Validate all that any test has written as JSON for others to read."""
    write_text = facebench.files.write_text

    def write(target: Path, text: str) -> None:
        if target.suffix == ".json" and '"format": "facebench-' in text:
            record = json.loads(text)
            if record["format"] in _FORMATS:
                _schema().validate(record)
        write_text(target, text)

    monkeypatch.setattr(facebench.files, "write_text", write)


_FORMATS = {
    f"facebench-{name}/1"
    for name in ("result", "leaderboard", "exhibits", "frozen", "verdict", "arena")
}


@cache
def _schema() -> Draft202012Validator:
    text = (files("facebench") / "schema.json").read_text(encoding="utf-8")
    return Draft202012Validator(json.loads(text))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Give the folder of real faces, weights and samples; skip where there is none."""
    given = os.environ.get("FACEBENCH_SHARED")
    folder = Path(given) if given else Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip(f"needs the real data of {folder}; FACEBENCH_SHARED may name another folder")
    return folder


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a prepared data set of 24 rendered faces, 32×32, the last 8 held out: read only."""
    folder = tmp_path_factory.mktemp("data") / "tiny"
    synthesize(folder, num=24, size=32, holdout=8)
    return folder


@pytest.fixture(scope="module")
def narrow_flow() -> Iterator[None]:
    """Let the flow's small network have half its channels and blocks: an eighth of the work."""
    from facebench_flow.unet import SHAPES, Shape

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SHAPES, "small", Shape(patch=4, width=32, blocks=1))
        yield


@pytest.fixture
def tiny_dataset(tiny_folder: Path) -> Dataset:
    """Give the opened `tiny_folder`, all of its splits."""
    return open_dataset(tiny_folder)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Give a folder of five 20×20 pictures of noise, one in a folder of its own."""
    folder = tmp_path / "pictures"
    (folder / "nested").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.PNG", "d.bmp", "e.tiff", "nested/c.webp"):
        noise = Image.fromarray(rng.integers(0, 256, (20, 20, 3), dtype=np.uint8))
        noise.save(folder / name, lossless=True)
    return folder


class Trap:
    """A pickle that would write a file if it were loaded, and whether it was."""

    def __init__(self, folder: Path):
        self._file = folder / "executed"
        self.pickle = pickle.dumps(_Bomb(self._file))
        buffer = io.BytesIO()
        torch.save({"weight": _Bomb(self._file)}, buffer)
        self.torch_bytes = buffer.getvalue()

    @property
    def executed(self) -> bool:
        """Whether it went off."""
        return self._file.exists()


class _Bomb:
    def __init__(self, file: Path):
        self._file = file

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self._file,)


@pytest.fixture
def trap(tmp_path: Path) -> Trap:
    """Give a pickle that tells whether it was loaded."""
    return Trap(tmp_path)


@pytest.fixture(scope="session")
def keras_process() -> Callable[..., list[str]]:
    """Give what runs code on a backend of Keras, with arguments, and returns the lines it prints.

    In a process of its own: TensorFlow imported before Triton aborts the process.
    """

    def run(code: str, *arguments: object, backend: str) -> list[str]:
        plain = {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "2", "OMP_NUM_THREADS": "1"}
        process = subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            env=os.environ | plain | {"KERAS_BACKEND": backend},
            capture_output=True,
            text=True,
            check=False,
        )
        assert process.returncode == 0, process.stderr
        return process.stdout.splitlines()

    return run
