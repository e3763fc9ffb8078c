"""Code of the user's own is found under whatever name, or the sentence says how it would be."""

import sys
from pathlib import Path

import numpy as np
import pytest

from facebench.errors import BadInput
from facebench.plugins.model_spec import parse_model
from facebench.plugins.user_code import call, import_function

BUILD = "def build():\n    return __name__\n"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: str, text: str = BUILD) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


CLASHES = ("code", "types", "random", "test", "token", "numpy", "onnx", "site")


@pytest.mark.parametrize("name", CLASHES)
def test_a_file_may_be_called_as_any_module(name: str) -> None:
    write(f"{name}.py")
    before = sys.modules.get(name)
    assert call("x", import_function(f"{name}.py:build"))
    assert sys.modules.get(name) is before


@pytest.mark.parametrize("name", CLASHES)
def test_a_module_that_is_there_twice_is_named_with_what_works(name: str) -> None:
    write(f"{name}.py")
    with pytest.raises(BadInput, match=rf"also .*: give {name}\.py:build for yours\.$"):
        import_function(f"{name}:build")


def test_a_package_that_is_there_twice_is_named_with_its_file() -> None:
    write("test/__init__.py", "")
    write("test/nets.py")
    with pytest.raises(BadInput, match=r"one of Python's own: rename the folder"):
        import_function("test.nets:build")
    with pytest.raises(BadInput, match=r"package called test, .* Python's own: rename the folder"):
        import_function("test/nets.py:build")
    Path("test/__init__.py").unlink()  # as the sentence says
    assert call("x", import_function("test/nets.py:build"))


@pytest.mark.parametrize(
    "path", ["nets.py", "a/b/nets.py", "a.b/nets.v2.py", "a b/n-e,t+s@1=2.py", "ä/größe.py", "1.py"]
)
def test_a_file_may_lie_anywhere_and_be_called_anything(path: str, place: Path) -> None:
    write(path)
    for form in (path, f"./{path}", str(place / path)):
        model = parse_model(f"a=python:{form}:build")
        assert call("x", import_function(model.code)).startswith("facebench_code_")


def test_the_home_folder_is_known(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(place / "home"))
    write("home/nets.py")
    assert call("x", import_function("~/nets.py:build"))
    assert parse_model("a=python:~/nets.py:build").code == f"{place}/home/nets.py:build"


def test_a_file_imports_what_lies_beside_it_before_what_is_installed() -> None:
    write("deep/nets.py", "import onnx, random\nfrom helper import build\nassert random.random")
    write("deep/helper.py")
    write("deep/onnx.py", "import random\nassert random.random")
    write("deep/random.py", "")
    write("deep/token.py", "raise ValueError")
    known = {name: sys.modules.pop(name) for name in list(sys.modules) if name.startswith("onnx")}
    try:
        assert call("x", import_function("deep/nets.py:build")) == "helper"
        assert str(sys.modules["onnx"].__file__).endswith("deep/onnx.py")
    finally:
        sys.modules.update(known)


def test_a_file_of_a_package_imports_relatively() -> None:
    write("own_package/__init__.py", "")
    write("own_package/sub/__init__.py", "")
    write("own_package/sub/nets.py", "from ..layers import build")
    write("own_package/layers.py")
    assert call("x", import_function("own_package/sub/nets.py:build")) == "own_package.layers"
    write("flat/nets.py", "from .layers import build")
    write("flat/layers.py")
    with pytest.raises(BadInput, match=r"relative import .*; put an empty __init__\.py beside it"):
        import_function("flat/nets.py:build")
    write("flat/__init__.py", "")
    assert call("x", import_function("flat/nets.py:build")) == "flat.layers"


def test_two_files_of_one_name_are_two() -> None:
    write("a/nets.py", "def build():\n    return 'a'")
    write("b/nets.py", "def build():\n    return 'b'")
    first, second = import_function("a/nets.py:build"), import_function("b/nets.py:build")
    assert first() + second() == "ab"


def test_a_script_is_imported_as_if_run_without_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["facebench", "--num", "3"])
    parse = (
        "import argparse\np = argparse.ArgumentParser()\np.add_argument({})\np = p.parse_args()\n"
    )
    write("works.py", parse.format("'--dim', default=7") + "def build():\n    return p.dim")
    assert call("x", import_function("works.py:build")) == 7
    assert sys.argv == ["facebench", "--num", "3"]
    write("fails.py", parse.format("'data'") + BUILD)
    with pytest.raises(BadInput, match=r"exit code 2.* under if __name__ == '__main__':\.$"):
        import_function("fails.py:build")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("1 +", r"cannot be imported: SyntaxError: .*nets\.py, line 1"),
        ("x = 3\nx.y", r"AttributeError: 'int' .*\(.*nets\.py, line 2\)\.$"),
        ("import no_such_thing", r"No module named 'no_such_thing' \(.*nets\.py, line 1\)\.$"),
        ("import json\njson.loads('[')", r"JSONDecodeError: .*nets\.py, line 2\)\.$"),
        ("input()", r"(EOFError|OSError): .*nets\.py, line 1\)\.$"),
        ("other = print", r"no function 'build' for {code}\.$"),
        ("def make(): pass\nclass Net: pass", r"no function 'build' .*; it has make, Net\.$"),
        ("build = 3", "no function 'build'"),
    ],
)
def test_what_fails_is_named_with_its_line(source: str, says: str) -> None:
    write("nets.py", source)
    for code in ("nets.py:build", "nets:build"):
        with pytest.raises(BadInput, match=says.format(code=code)) as refused:
            import_function(code)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("function", "says"),
    [
        ("def build(dim, ch=3): pass", r"takes the arguments \(dim, ch=3\), .* with none: .*build"),
        ("class build:\n    def __init__(self, dim): pass", r"arguments \(dim\), .*return build\("),
        ("def build():\n    return 1 / 0", r"fails: ZeroDivisionError: .*nets\.py, line 2\)"),
        ("def build():\n    exit(3)", r"fails: it ends the program \(exit code 3\)"),
    ],
)
def test_a_builder_that_cannot_be_called_says_why(function: str, says: str) -> None:
    write("nets.py", function)
    with pytest.raises(BadInput, match=says):
        call("nets.py:build", import_function("nets.py:build"))


def test_a_notebook_says_how_to_make_a_script_of_it() -> None:
    write("nets.ipynb", "{}")
    with pytest.raises(BadInput, match=r"nbconvert --to script nets\.ipynb, and give nets\.py:b\."):
        import_function(parse_model("a=python:nets.ipynb:b").code)


@pytest.mark.parametrize("code", ["nowhere.py:f", "no/nets.py:f"])
def test_a_file_that_is_not_there_is_named(code: str) -> None:
    with pytest.raises(BadInput, match=r"There is no file /.*\.py for .*: check the path"):
        import_function(code)


def test_torch_takes_a_class_a_module_and_a_file(place: Path) -> None:
    import torch

    from facebench_models.torch_model import TorchSampler

    write(
        "nets.py",
        "from torch import nn\n"
        "class Net(nn.Sequential):\n"
        "    def __init__(self, dim=6):\n"
        "        super().__init__(nn.Linear(dim, 48), nn.Unflatten(1, (3, 4, 4)), nn.Tanh())\n"
        "net = Net()\n",
    )
    import_function("nets.py:Net")
    torch.save(import_function("nets.py:Net")().state_dict(), "w.pt")
    one, other = [
        TorchSampler(Path("w.pt"), code=f"nets.py:{name}", size="6").sample(range(4))
        for name in ("Net", "net")
    ]
    np.testing.assert_array_equal(one, other)
