"""Samplers that may be asked for a class: the contract, its check, and the process."""

import contextlib
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from pages import install
from PIL import Image

from facebench.cli import cli
from facebench.errors import BadInput, RowFailed
from facebench.plugins.dependencies import Reads
from facebench.plugins.model_spec import parse_model
from facebench.sampler import ConditionalSampler, Sampler, check_labels, known_classes
from facebench.sandbox import worker
from facebench.sandbox.limits import Limits
from facebench.sandbox.parent import Sandbox
from facebench.sandbox.protocol import read_header, read_images
from facebench.testing import check_sampler

PLUGIN = """
import numpy as np

class Faces:
    files = ()
    classes = ("young", "old", "in between")

    def __init__(self, path):
        self.path = path

    def sample(self, seeds, labels=None):
        names = labels or [self.classes[seed % 3] for seed in seeds]
        return np.stack([self.draw(*each) for each in zip(seeds, names)])

    def draw(self, seed, name):
        rng = np.random.default_rng((seed, self.classes.index(name)))
        return rng.integers(0, 256, (3, 8, 8), np.uint8)

class Plain:
    def __init__(self, path):
        self.path = path

    def sample(self, seeds):
        return Faces(self.path).sample(seeds)
"""  # fmt: skip


class Faces:
    """Noise by seed and class."""

    classes: Any = ("young", "old", "in between")

    def sample(self, seeds: Sequence[int], labels: Sequence[str] | None = None) -> np.ndarray:
        names = labels or [self.classes[seed % 3] for seed in seeds]
        return np.stack([self.draw(*each) for each in zip(seeds, names, strict=True)])

    def draw(self, seed: int, name: str) -> np.ndarray:
        rng = np.random.default_rng((seed, self.classes.index(name)))
        return rng.integers(0, 256, (3, 8, 8), np.uint8)


class Plain:
    """The same, of a class of its own choice."""

    def sample(self, seeds: Sequence[int]) -> np.ndarray:
        return Faces().sample(seeds)


class WithOtherClasses(Plain):
    """What it calls classes is its own."""

    classes = 3


def levels(sampler: Any, num: int = 12) -> dict[str, str]:
    return {finding.check: finding.level for finding in check_sampler(sampler, num).findings}


def test_a_sampler_says_what_it_can_be_asked_for_by_classes_and_a_parameter() -> None:
    assert known_classes(Faces()) == ("young", "old", "in between")
    assert isinstance(Faces(), ConditionalSampler) and isinstance(Faces(), Sampler)
    assert known_classes(Plain()) is None
    assert known_classes(WithOtherClasses()) is None


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ((), "must be different names"),
        ("young", "must be different names"),
        (("young", "young"), "must be different names"),
        ((1, 2), "must be different names"),
        (("a\n",), "must be different names"),
        (("",), "must be different names"),
        (tuple(map(str, range(10_001))), "at most 10,000"),
        (("a" * 100_000,), "longer than 80,000 letters"),
    ],
)
def test_classes_that_are_no_names_are_refused(classes: Any, message: str) -> None:
    sampler = Faces()
    sampler.classes = classes
    with pytest.raises(BadInput, match=message):
        known_classes(sampler)


def test_labels_that_cannot_be_asked_for_are_refused() -> None:
    check_labels(["old"], ("young", "old"))
    with pytest.raises(BadInput, match="cannot be asked for a class"):
        check_labels(["old"], None)
    with pytest.raises(BadInput, match=r"knows no class 'cat'; it knows 0, .*, 9 and 2 more"):
        check_labels(["cat"], [*map(str, range(12))])


def test_a_good_conditional_sampler_has_good_findings() -> None:
    found = levels(Faces())
    assert found["classes"] == found["labels"] == found["unknown label"] == "ok"
    assert "failed" not in found.values()
    assert not {"classes", "labels", "unknown label"} & levels(Plain()).keys()


class Deaf(Faces):
    """Does not hear which class is asked for."""

    def draw(self, seed: int, name: str) -> np.ndarray:
        return super().draw(seed, "old" if name in self.classes else name)


class Obliging(Faces):
    """Takes any label."""

    def draw(self, seed: int, name: str) -> np.ndarray:
        return super().draw(seed, name if name in self.classes else "old")


class Neighbourly(Faces):
    """Looks at the labels of the others."""

    def sample(self, seeds: Sequence[int], labels: Sequence[str] | None = None) -> np.ndarray:
        return super().sample(seeds, labels and [labels[0]] * len(seeds))


@pytest.mark.parametrize(
    ("kind", "check"), [(Deaf, "labels"), (Obliging, "unknown label"), (Neighbourly, "classes")]
)
def test_one_that_breaks_the_contract_is_found_out(kind: type[Faces], check: str) -> None:
    found = levels(kind())
    assert [name for name, level in found.items() if level == "failed"] == [check]


class Single(Plain):
    """Knows one class."""

    classes = ("face",)

    def sample(self, seeds: Sequence[int], labels: Sequence[str] | None = None) -> np.ndarray:
        if {*(labels or ())} - {"face"}:
            raise ValueError("there is no other class")
        return super().sample(seeds)


def test_one_class_is_noted() -> None:
    assert levels(Single())["labels"] == "note"


def served(
    sampler: Any, *requests: dict[str, Any]
) -> tuple[list[dict[str, Any]], list[np.ndarray]]:
    """Return what a sampler's process answers, and the images among it."""
    pipe = io.BytesIO()
    opening: dict[str, Any] = {"model": ("a", "a", {}, ""), "device": "cpu"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("facebench.sandbox.worker.registry.load", lambda *_: sampler)
        worker.serve(iter([opening, *requests]), worker.Answers(pipe), Reads())
    pipe.seek(0)
    headers, images = [], []
    while header := read_header(pipe):
        headers.append(header)
        if header["kind"] == "images":
            images.append(read_images(pipe, header["shape"], header["shape"][0]))
    return headers, images


def test_the_process_tells_the_classes_and_draws_by_labels() -> None:
    headers, images = served(
        Faces(), {"seeds": [[0, 1], [2]], "labels": [["old", "young"], ["old"]]}
    )
    assert headers[0] == {"kind": "opened", "classes": ["young", "old", "in between"]}
    np.testing.assert_array_equal(
        np.concatenate(images), Faces().sample([0, 1, 2], ["old", "young", "old"])
    )


def test_without_labels_nothing_is_other_than_before() -> None:
    with_classes, of_faces = served(Faces(), {"seeds": [[0, 1]]})
    headers, of_plain = served(Plain(), {"seeds": [[0, 1]]})
    assert headers[0] == {"kind": "opened"}
    np.testing.assert_array_equal(of_faces, of_plain)
    assert [each["kind"] for each in headers] == [each["kind"] for each in with_classes]


@pytest.mark.parametrize(
    ("sampler", "says"),
    [(Plain(), "cannot be asked for a class"), (Faces(), "knows no class 'cat'")],
)
def test_what_it_cannot_be_asked_for_is_refused_before_it_draws(sampler: Any, says: str) -> None:
    headers, images = served(sampler, {"seeds": [[0], [1]], "labels": [["old"], ["cat"]]})
    assert headers[-1]["kind"] == "refused" and says in headers[-1]["reason"]
    assert not images


class Hungry(Faces):
    """Has room for two images at once."""

    def sample(self, seeds: Sequence[int], labels: Sequence[str] | None = None) -> np.ndarray:
        if len(seeds) > 2:
            raise torch.OutOfMemoryError("2 GiB were asked for")
        return super().sample(seeds, labels)


def test_a_batch_that_has_no_room_is_halved_with_its_labels() -> None:
    labels = ["old", "young", "young", "in between", "old"]
    _, [images] = served(Hungry(), {"seeds": [[4, 3, 2, 1, 0]], "labels": [labels]})
    np.testing.assert_array_equal(images, Faces().sample([4, 3, 2, 1, 0], labels))


def test_a_wrapped_conditional_sampler_is_checked_as_one() -> None:
    headers, _ = served(Faces(), {"check": (8, 0)})
    findings = {check: level for check, level, _ in headers[1]["findings"]}
    assert findings["classes"] == findings["unknown label"] == "ok"


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Install an adapter for a class of PLUGIN, and return its model."""
    site = tmp_path / "site"
    site.mkdir()
    homes = {"faces": "hearing:Faces", "plain": "hearing:Plain"}
    install(site, "hearing", PLUGIN, {"facebench.adapters": homes})
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.chdir(tmp_path)
    Path("m.bin").touch()
    return lambda name: parse_model(f"m={name}:m.bin")


@pytest.mark.processes
def test_a_sandbox_is_asked_for_classes(plugin: Callable[[str], Any]) -> None:
    with contextlib.closing(Sandbox(plugin("faces"), Limits())) as sandbox:
        assert sandbox.classes == ("young", "old", "in between")
        batches, labels = [[5, 6], [7]], [["old", "old"], ["young"]]
        images = np.concatenate([*sandbox.sample(batches, labels)])
        np.testing.assert_array_equal(images, Faces().sample([5, 6, 7], ["old", "old", "young"]))
        [plain] = sandbox.sample([[5, 6]])
        np.testing.assert_array_equal(plain, Faces().sample([5, 6]))
        with pytest.raises(ValueError, match="a label for each seed"):
            next(sandbox.sample([[5, 6]], [["old"]]))
        with pytest.raises(BadInput, match="knows no class 'cat'; it knows young, old"):
            next(sandbox.sample([[5]], [["cat"]]))


@pytest.mark.processes
def test_a_sandbox_without_classes_says_so(plugin: Callable[[str], Any]) -> None:
    with contextlib.closing(Sandbox(plugin("plain"), Limits())) as sandbox:
        assert sandbox.classes is None
        with pytest.raises(BadInput, match="cannot be asked for a class"):
            next(sandbox.sample([[5]], [["old"]]))


@pytest.mark.processes
@pytest.mark.parametrize("told", [[], "old", [1], ["a\x1b[2J"], {"a": 1}])
def test_classes_that_are_nonsense_end_the_process(
    told: Any, plugin: Callable[[str], Any], tmp_path: Path
) -> None:
    lie = f"""
import sys
answers = sys.modules["__main__"].Answers
put = answers.put

def answer(self, kind, data=None, **header):
    told = {{"classes": {told!r}}} if kind == "opened" else {{}}
    put(self, kind, data, **header, **told)

answers.put = answer
"""
    (tmp_path / "site" / "hearing.py").write_text(lie + PLUGIN)
    with contextlib.closing(Sandbox(plugin("plain"), Limits())) as sandbox:
        with pytest.raises(RowFailed, match="answered nonsense"):
            _ = sandbox.classes


def test_pictures_of_one_class_are_drawn(plugin: Callable[[str], Any], tmp_path: Path) -> None:
    out = tmp_path / "old"
    words = ["sample", "m=faces:m.bin", "--seeds", "3,4", "--out", str(out)]
    answer = CliRunner().invoke(cli, [*words, "--label", "old"])
    assert answer.exit_code == 0, answer.output
    assert sorted(path.name for path in out.iterdir()) == ["seed-000003.png", "seed-000004.png"]
    pixels = np.asarray(Image.open(out / "seed-000004.png")).transpose(2, 0, 1)
    np.testing.assert_array_equal(pixels, Faces().draw(4, "old"))
    refused = CliRunner().invoke(cli, [*words, "--label", "cat"])
    assert isinstance(refused.exception, BadInput) and "no class 'cat'" in str(refused.exception)
    words[1] = "m=plain:m.bin"
    refused = CliRunner().invoke(cli, [*words, "--label", "old"])
    assert isinstance(refused.exception, BadInput) and "cannot be asked" in str(refused.exception)
