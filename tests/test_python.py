"""What people type in Python and in notebooks works, with the same contract checked."""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import facebench
from facebench.cache.paths import cache_folder
from facebench.cache.store import FeatureStore
from facebench.engine.entries import parse_entries
from facebench.errors import BadInput, RowFailed
from facebench.plugins.model_spec import Model
from facebench.sampler import LatentSampler, to_uint8


class Waves(LatentSampler):
    """Faces of a kind: three colours that swell from left to right."""

    latent_dim = 3

    def __init__(self, brightness: float = 1.0):
        self.brightness = brightness

    def decode(self, z: np.ndarray) -> np.ndarray:
        ramp = np.linspace(0, self.brightness, 32)
        values = np.tanh(z)[:, :, None, None] * ramp * np.ones((32, 1))
        return to_uint8(values, -1, 1)


def by_seed(seeds: list[int]) -> np.ndarray:
    rngs = map(np.random.default_rng, seeds)
    return np.stack([rng.integers(0, 256, (3, 32, 32), np.uint8) for rng in rngs])


def by_batch(seeds: list[int]) -> np.ndarray:
    return np.random.default_rng(seeds[0]).integers(0, 256, (len(seeds), 3, 32, 32), np.uint8)


@pytest.fixture
def options(tiny_folder: Path) -> dict[str, Any]:
    return {"reference": str(tiny_folder), "extractor": "random", "num": 8, "metrics": "fid,kid"}


def scores(models: Any, options: dict[str, Any]) -> dict[str, float]:
    found = facebench.evaluate(models, **options)
    assert not found.failures, found.failures
    assert all(set(r.metrics) == {"fd_random", "kd_random"} for r in found.results)
    return {r.model: r.metrics["fd_random"].value for r in found.results}


@pytest.mark.processes
def test_samplers_functions_and_specs_in_every_form(
    options: dict[str, Any], tiny_folder: Path
) -> None:
    copies = f"images:{tiny_folder / 'images.npy'}"
    (waves,) = scores(Waves(), options).items()
    assert waves[0] == "Waves"
    both = scores({"a": Waves(), "b": by_seed, "c": copies}, options)
    assert list(both) == ["a", "b", "c"] and both["a"] == waves[1]
    assert scores(by_seed, options) == {"by_seed": both["b"]}
    listed = [f"c={copies}", Model("d", "images", tiny_folder / "images.npy"), by_seed]
    assert scores(listed, options) == {"c": both["c"], "d": both["c"], "by_seed": both["b"]}
    parsed = {"e": Model("x", "images", tiny_folder / "images.npy")}
    assert scores(parsed, options) == {"e": both["c"]}


def test_an_object_that_changed_has_another_score_and_nothing_of_it_is_kept(
    options: dict[str, Any],
) -> None:
    waves = Waves()
    first = scores({"a": waves}, options)
    kept = len(FeatureStore(cache_folder() / "features").records())
    waves.brightness = 0.2
    assert scores({"a": waves}, options) != first
    assert len(FeatureStore(cache_folder() / "features").records()) == kept


def test_a_result_tells_which_images_they_were(options: dict[str, Any], tmp_path: Path) -> None:
    out = options | {"out": tmp_path / "r"}
    (first,) = facebench.evaluate({"a": Waves()}, **out).results
    (again,) = facebench.evaluate({"a": Waves()}, **out).results
    (other,) = facebench.evaluate({"a": Waves(0.5)}, **out).results
    assert first.model_digest == again.model_digest != other.model_digest
    assert (first.adapter, first.path) == ("object", f"{__name__}.Waves")
    assert (tmp_path / "r" / "samples" / "a.png").is_file()


def test_the_contract_is_checked_in_this_process_too(options: dict[str, Any]) -> None:
    models = {"bad": by_batch, "shape": lambda s: by_seed(s)[:, :1], "good": by_seed, "dies": 1 / 3}
    models["dies"] = lambda seeds: 1 / 0
    found = facebench.evaluate(models, **options)
    assert [result.model for result in found.results] == ["good"]
    says = {"bad": "changes with the batch", "shape": "is the contract", "dies": "ZeroDivi"}
    for name, text in says.items():
        with pytest.raises(RowFailed, match=text):
            raise found.failures[name]


def test_what_leaves_the_program_fails_its_row_alone(options: dict[str, Any]) -> None:
    found = facebench.evaluate({"bad": lambda seeds: sys.exit(3), "good": by_seed}, **options)
    assert [result.model for result in found.results] == ["good"]
    assert "it called sys.exit(3)" in str(found.failures["bad"])


def test_a_buffer_that_is_used_again_is_no_fault(options: dict[str, Any]) -> None:
    buffer = np.empty((64, 3, 32, 32), np.uint8)

    def reusing(seeds: list[int]) -> np.ndarray:
        buffer[: len(seeds)] = by_seed(seeds)
        return buffer[: len(seeds)]

    assert scores({"a": reusing}, options) == scores({"a": by_seed}, options)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"num": 8.5}, r"num=8\.5 is not a whole number"),
        ({"batch_size": 0}, "less than one image"),
        ({"weights": {"inception": "nowhere.pth"}}, "There is no weight file"),
        ({"reference": __file__}, "is not a folder, a zip or a tar of pictures"),
        ({"out": __file__}, "is a file: name a folder for the results"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(
    given: dict[str, Any], says: str, options: dict[str, Any]
) -> None:
    with pytest.raises(BadInput, match=says):
        facebench.evaluate({"a": by_seed}, **(options | given))


def test_whole_numbers_may_be_floats_and_metrics_come_one_by_one(options: dict[str, Any]) -> None:
    given = {"num": 8.0, "metrics": (key for key in ("fid", "kid"))}
    assert scores({"a": by_seed}, options | given) == scores({"a": by_seed}, options)


def test_tensors_are_images_too(options: dict[str, Any]) -> None:
    import torch

    given = scores({"a": lambda seeds: torch.from_numpy(by_seed(seeds))}, options)
    assert given == scores({"a": by_seed}, options)


def test_numbers_may_be_of_numpy_and_paths_have_a_tilde(
    options: dict[str, Any], tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tiny_folder.parent))
    given = options | {"reference": f"~/{tiny_folder.name}", "num": np.int64(8)}
    given |= {"seed": np.int64(1), "batch_size": np.int64(4), "out": tmp_path / "r"}
    assert scores({"a": Waves()}, given)


@pytest.mark.parametrize(
    ("models", "says"),
    [
        ([by_seed, by_seed], "Two models are called 'by_seed'"),
        ("a=images:/,b=images:/,a=images:/", "Two models are called 'a'"),
        (Waves, r"Waves is a class: give an object of it, Waves\(…\)"),
        (3, "int, which is not a sampler: give an object with sample"),
        ({"a": None}, "a is of type NoneType, which is not a sampler"),
        ({"a/b": by_seed}, "'a/b' cannot name a model"),
    ],
)
def test_what_is_no_model_is_said_so(models: Any, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        parse_entries(models)


@pytest.mark.parametrize("models", [[], {}])
def test_no_model_at_all_is_said(models: Any, options: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="There is no model to evaluate"):
        facebench.evaluate(models, **options)


def test_a_torch_module_is_told_what_to_be_wrapped_in() -> None:
    from torch import nn

    with pytest.raises(BadInput, match=r"Linear.* a facebench\.sampler\.LatentSampler around"):
        parse_entries({"a": nn.Linear(2, 3)})


def test_options_may_be_numbers(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", by_seed([1, 2, 3]) / 255)
    sampler = facebench.load("images", tmp_path / "a.npy", {"range": "sigmoid"})
    np.testing.assert_array_equal(sampler.sample([0]), sampler.sample([0, 1])[:1])
    (tmp_path / "mine.py").write_text(
        "def f(z):\n    return abs(z.reshape(len(z), -1)[:, :3, None, None]) % 1\n"
    )
    here = os.getcwd()
    os.chdir(tmp_path)
    try:
        options = {"size": 5, "range": "sigmoid"}
        sampler = facebench.load("python", "mine:f", options, code="mine:f")
        assert sampler.sample([0]).shape == (1, 3, 1, 1)
        tuples = facebench.load("python", "mine:f", options | {"size": (5, 1)}, code="mine:f")
        assert tuples.latent_dim == 5
    finally:
        os.chdir(here)


@pytest.mark.processes
def test_options_of_a_model_may_be_numpys_numbers(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    body = "np.tanh(z).repeat(1024, 1).reshape(-1, 3, 32, 32)"
    source = f"import numpy as np\ndef f(z):\n    return {body}\n"
    Path("mine.py").write_text(source)
    given = {"size": np.int64(3), "range": "tanh"}
    model = Model("a", "python", Path("mine:f"), given, "mine:f")
    assert scores(model, options)


CELLS = [
    "import numpy as np, facebench\nfrom facebench.sampler import LatentSampler, to_uint8",
    "class Mine(LatentSampler):\n"
    "    latent_dim = 3\n"
    "    def decode(self, z):\n"
    "        return to_uint8(np.tanh(z)[:, :, None, None] * np.ones((32, 32)), -1, 1)\n"
    "def draw(seeds):\n"
    "    return np.stack([np.random.default_rng(s).integers(0, 256, (3, 32, 32), np.uint8)\n"
    "                     for s in seeds])\n"
    "def make(device):\n"
    "    return lambda images: images.float().mean((2, 3))",
    "options = dict(reference=DATA, num=8, extractor='random', metrics='fid,kid')\n"
    "found = facebench.evaluate({'mine': Mine(), 'drawn': draw}, **options)\n"
    "assert not found.failures, found.failures\n"
    "[(r.model, r.metrics['fd_random'].value) for r in found.results]",
    "again = facebench.evaluate('drawn=python+takes=seeds:__main__:draw', **options)\n"
    "assert not again.failures, again.failures\n"
    "assert again.results[0].metrics['fd_random'] == found.results[1].metrics['fd_random']\n"
    "copies = facebench.evaluate(['copies=images:' + DATA + '/images.npy', draw], **options)\n"
    "assert not copies.failures, copies.failures",
    "own = facebench.evaluate(Mine(), **(options | dict(extractor='__main__:make')))\n"
    "assert not own.failures, own.failures\n"
    "list(own.results[0].metrics)",
]


@pytest.mark.processes
def test_a_notebook(tiny_folder: Path, tmp_path: Path) -> None:
    import nbclient
    import nbformat

    form: Any = nbformat.v4
    cells = [form.new_code_cell(cell.replace("DATA", repr(str(tiny_folder)))) for cell in CELLS]
    notebook = form.new_notebook(cells=cells)
    resources = {"metadata": {"path": str(tmp_path)}}
    done = nbclient.NotebookClient(notebook, timeout=300, resources=resources).execute()
    printed = [cell.outputs for cell in done.cells]
    assert "mine" in str(printed[2]) and "drawn" in str(printed[2])
    assert "fd___main__" in str(printed[4])
