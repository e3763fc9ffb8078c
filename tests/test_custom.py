import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from facebench.errors import BadInput
from facebench.features import create
from facebench.features.extractor import Extractor
from facebench.metrics.table import METRICS, metric
from facebench.weights import WeightSource

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 3, 8, 8), dtype=np.uint8)
NETWORK = """
import torch

class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor({scale}))
        self.drop = torch.nn.Dropout()

    def forward(self, images):
        return self.drop(self.scale * images.float().mean((2, 3)))

def make(device):
    return Network()
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def write(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Write a module of the user's into the current folder; return its name, never used before."""

    def written(source: str) -> str:
        name = f"users_{abs(hash(request.node.nodeid)):x}"
        (tmp_path / f"{name}.py").write_text(source)
        return name

    return written


def load(name: str) -> Extractor:
    return create(name, WeightSource(), "cpu")


def features(name: str) -> np.ndarray:
    return load(name).extract(IMAGES, 2)["features"]


def test_a_function_of_the_current_folder_makes_an_extractor(write: Callable[[str], str]) -> None:
    name = write("def make(device):\n    return lambda images: images.double().mean((2, 3))")
    extractor = load(f"{name}:make")
    assert isinstance(extractor, Extractor)
    assert extractor.name == f"{name}:make" and extractor.layer == ""
    assert "own extractor" in extractor.notes[0]
    assert len(extractor.weights[extractor.name]) == 64
    found = extractor.extract(IMAGES, 2)["features"]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, IMAGES.mean((2, 3)), rtol=1e-6)


def test_a_torch_module_is_evaluated_and_known_by_its_weights(write: Callable[[str], str]) -> None:
    name = f"{write(NETWORK.format(scale=2.0))}:make"
    np.testing.assert_allclose(features(name), 2 * IMAGES.mean((2, 3)), rtol=1e-6)
    assert set(load(name).weights) == {name, f"{name} weights", f"{name} features"}


@pytest.mark.parametrize("name", ["users_package", "users_folder"])
def test_a_module_of_a_package_or_folder_is_found(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    if name == "users_package":
        (folder / "__init__.py").touch()
    (folder / "nets.py").write_text("make = lambda device: lambda x: x.float().flatten(1)")
    assert features(f"{name}.nets:make").shape == (5, 192)


def digests(tmp_path: Path, source: str) -> dict[str, str]:
    """The extractor's digests in a process of its own, as each run of a command is one."""
    (tmp_path / "users.py").write_text(source)
    code = (
        "import json; from facebench.features.custom import CustomFeatures; "
        "print(json.dumps(CustomFeatures('users:make', 'cpu').weights))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    found: dict[str, str] = json.loads(answer.stdout)
    return found


@pytest.mark.processes
def test_edited_code_and_other_weights_have_other_digests(tmp_path: Path) -> None:
    one = digests(tmp_path, NETWORK.format(scale=1.0))
    other = digests(tmp_path, NETWORK.format(scale=2.0))
    comment = digests(tmp_path, NETWORK.format(scale=2.0) + "# the same")
    assert one["users:make"] != other["users:make"] != comment["users:make"]
    assert one["users:make weights"] != other["users:make weights"]
    assert other["users:make weights"] == comment["users:make weights"]


def test_its_distances_are_called_by_its_name() -> None:
    key = METRICS["fid"].named("my_module:make")
    assert key == "fd_my_module:make"
    assert metric(key).key == "fid"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "has no function 'make'"),
        ("make = 3", "has no function 'make'"),
        ("import nowhere_at_all", "cannot be imported: No module named 'nowhere_at_all'"),
        ("make = lambda device: None", "returned None, where a network to call is needed"),
        ("make = lambda device: lambda x: x.float()", r"gave the shape \(2, 3, 64, 64\) for 2"),
        ("make = lambda device: lambda x: x.float().mean()", r"gave the shape \(\) for 2"),
        ("make = lambda device: lambda x: x[:1].flatten(1)", r"gave the shape \(1, 12288\) for 2"),
        ("make = lambda device: lambda x: [1.0]", "gave no tensor of real numbers"),
        ("make = lambda device: lambda x: x.flatten(1) / 0", "NaN or infinite"),
    ],
)
def test_what_is_no_extractor_is_refused_in_one_sentence(
    write: Callable[[str], str], source: str, said: str
) -> None:
    name = write(source)
    with pytest.raises(BadInput, match=said) as caught:
        features(f"{name}:make")
    assert str(caught.value).endswith(".") and ". " not in str(caught.value)


@pytest.mark.parametrize("name", ["nowhere_at_all:make", "nowhere_at_all.deep:make", "json.x:make"])
def test_a_missing_module_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match=f"{name} cannot be imported"):
        load(name)


@pytest.mark.parametrize("name", ["a:", ":b", "a:b:c", "a/b:c", "a:b,c", "ä:b", "a:b.c", '"a:b'])
def test_a_name_unfit_for_a_key_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="give MODULE:FUNCTION"):
        load(name)


READS_ITS_SCALE = """
import users_helper
SCALE = float(open("scale.txt").read())

def make(device):
    return lambda images: images.float().mean((2, 3)) * {scale} * users_helper.one()
"""


@pytest.mark.processes
@pytest.mark.parametrize("scale", ["1", "(SCALE > 0)"])
def test_what_an_extractor_reads_and_imports_is_part_of_its_name(
    scale: str, tmp_path: Path
) -> None:
    code = "import json; from facebench.features import create; from facebench.weights import *\n"
    code += "print(json.dumps(create('users:make', WeightSource(), 'cpu').weights))"
    (tmp_path / "users.py").write_text(READS_ITS_SCALE.format(scale=scale))
    found = []
    for number, helper in (("1", "1"), ("2", "1"), ("2", "2 / 2"), ("2", "2 / 2")):
        (tmp_path / "scale.txt").write_text(number)
        (tmp_path / "users_helper.py").write_text(f"def one():\n    return {helper}\n")
        found.append(subprocess.check_output([sys.executable, "-c", code], text=True))
    assert len(set(found[:3])) == 3 and found[2] == found[3]


@pytest.mark.parametrize("stem", ["nets", "random", "numpy"])
def test_a_file_makes_an_extractor_whatever_it_is_called(stem: str, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    source = "def make(device):\n    return lambda images: images.float().mean((2, 3))\n"
    (tmp_path / "code" / f"{stem}.py").write_text(source)
    extractor = load(f"code/{stem}.py:make")
    assert extractor.name == f"{stem}:make"
    np.testing.assert_allclose(extractor.extract(IMAGES, 2)["features"], IMAGES.mean((2, 3)))
    before = extractor.weights
    (tmp_path / "code" / f"{stem}.py").write_text(source + "# edited\n")
    assert load(f"code/{stem}.py:make").weights != before


def test_a_builder_of_other_arguments_is_told_so(write: Callable[[str], str]) -> None:
    with pytest.raises(BadInput, match="make"):
        load(f"{write('def make(): return abs')}:make")


def test_features_that_depend_on_the_batch_are_refused(write: Callable[[str], str]) -> None:
    name = write("def make(device):\n    return lambda x: (x - x.float().mean(0)).mean((2, 3))")
    with pytest.raises(BadInput, match="other features when it is alone than beside another"):
        load(f"{name}:make")
