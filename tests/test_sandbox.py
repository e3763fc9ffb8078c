"""Samplers that misbehave end as failed rows with their reason; nothing of them is left."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import hostile_samplers
import numpy as np
import pytest

from facebench.engine import evaluate
from facebench.engine.model_source import ModelSource
from facebench.errors import BadInput, RowFailed
from facebench.plugins.dependencies import Reads
from facebench.plugins.model_spec import Model, parse_model
from facebench.sandbox import worker
from facebench.sandbox.limits import GIB, Limits
from facebench.sandbox.parent import Sandbox, examine
from facebench.sandbox.process_tree import ProcessTree
from facebench.sandbox.protocol import ProtocolError, read_header, read_images, write_message
from facebench.testing import check_sampler
from facebench.text import without_controls

HERE = Path(__file__).parent

TIGHT = Limits(seconds=1, memory=int(0.3 * GIB))
SEEDS = [[0, 1, 2, 3]] * 4


def hostile(name: str) -> Model:
    return parse_model(f"{name}=python+takes=seeds:hostile_samplers:{name}")


def draw(name: str, limits: Limits = TIGHT) -> list[np.ndarray]:
    with contextlib.closing(ModelSource(hostile(name), limits)) as source:
        return list(source.batches(SEEDS))


def children() -> set[str]:
    return {
        pid for pid in os.listdir("/proc") if pid.isdecimal() and _parent(pid) == os.getpid()
    }  # fmt: skip


def _parent(pid: str) -> int:
    try:
        return int(Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def test_there_are_sixty_of_them() -> None:
    assert len(hostile_samplers.IN_PROCESS) + len(hostile_samplers.OWN_PROCESS) >= 60


@pytest.mark.parametrize("name", hostile_samplers.IN_PROCESS)
def test_a_wrong_answer_is_a_reason(name: str) -> None:
    pipe = io.BytesIO()
    model = hostile(name)
    named = model.adapter, str(model.path), model.options, model.code
    opening = {"model": named, "device": "cpu"}
    worker.serve(iter([opening, {"seeds": SEEDS}]), worker.Answers(pipe), Reads())
    pipe.seek(0)
    kinds = []
    while header := read_header(pipe):
        kinds.append(header["kind"])
        last = header
    assert kinds[:1] == ["opened"] and "images" not in kinds
    assert last["kind"] in ("failed", "refused")
    with pytest.raises(RowFailed, match=hostile_samplers.IN_PROCESS[name]):
        raise RowFailed(last["reason"])
    if not name.startswith("exits"):
        assert not check_sampler(hostile(name).open(), num=4).ok


@pytest.mark.processes
@pytest.mark.parametrize("name", hostile_samplers.OWN_PROCESS)
def test_a_process_that_misbehaves_is_a_failed_row_and_gone(name: str) -> None:
    before, started = children(), time.monotonic()
    says = hostile_samplers.OWN_PROCESS[name]
    patient = Limits(seconds=30, memory=TIGHT.memory)  # the machine may be busy
    with pytest.raises(RowFailed, match=says):
        draw(name, TIGHT if "nothing for" in says else patient)
    assert time.monotonic() - started < 30
    assert children() <= before


@pytest.mark.processes
def test_good_samplers_give_their_images_within_the_limits() -> None:
    batches = draw("good", Limits())
    assert len(batches) == 4
    for batch in batches:
        np.testing.assert_array_equal(batch, hostile_samplers.good(SEEDS[0]))


@pytest.mark.processes
def test_the_tail_of_the_output_is_told_and_cannot_steer_a_terminal(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(RowFailed) as failed:
        draw("prints_without_end")
    assert "said last:\n" in str(failed.value)
    assert "the last line" in str(failed.value)
    assert "\x1b" not in str(failed.value) and len(str(failed.value)) < 6000
    assert "\x1b" not in capfd.readouterr().err
    with pytest.raises(RowFailed, match=r"SIGSEGV.*said last:\n  going down"):
        draw("segfaults")


@pytest.mark.processes
@pytest.mark.parametrize("name", ["leaves_children_behind", "leaves_children_in_their_own_session"])
def test_a_forking_model_leaves_no_process(name: str) -> None:
    sandbox = Sandbox(hostile(name), TIGHT)
    tree = sandbox.tree
    assert tree.leader in [process.pid for process in tree.processes()]
    with pytest.raises(RowFailed):
        list(sandbox.sample(SEEDS))
    deadline = time.monotonic() + 5
    while tree.processes() and time.monotonic() < deadline:
        time.sleep(0.05)  # the kernel takes a moment
    assert not tree.processes()


@pytest.mark.processes
def test_a_process_that_was_ended_is_not_killed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = Sandbox(hostile("good"), Limits())
    assert len(list(sandbox.sample(SEEDS))) == len(SEEDS)
    sandbox.close()

    def refuse(*_: int) -> None:
        raise AssertionError("its number may be another's by now")

    for name in ("killpg", "kill"):
        monkeypatch.setattr(os, name, refuse)
    sandbox.close()
    with pytest.raises(RowFailed, match="SIGKILL"):
        list(sandbox.sample(SEEDS))


@pytest.mark.processes
def test_a_death_is_told_where_the_kernel_forgets_children(tmp_path: Path) -> None:
    code = (
        "import signal, sys\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        f"sys.path.append({str(HERE)!r})\n"
        "from facebench.sandbox.parent import Sandbox\n"
        "from facebench.sandbox.limits import Limits\n"
        "from facebench.plugins.model_spec import parse_model\n"
        "model = parse_model('a=python+takes=seeds:hostile_samplers:segfaults')\n"
        "list(Sandbox(model, Limits()).sample([[0]]))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "RowFailed: its process died" in ended.stderr
    assert "ChildProcessError" not in ended.stderr


@pytest.mark.processes
def test_a_process_draws_as_often_as_it_is_asked() -> None:
    with contextlib.closing(Sandbox(hostile("good"), Limits())) as sandbox:
        for seeds in ([[1, 2]], [[3], [4, 5, 6]], []):
            for drawn, each in zip(sandbox.sample(seeds), seeds, strict=True):
                np.testing.assert_array_equal(drawn, hostile_samplers.good(each))
        assert str(HERE / "hostile_samplers.py") in sandbox.files
        assert not sandbox.knows_all_files


@pytest.mark.processes
def test_an_abandoned_source_ends_its_process() -> None:
    before = children()
    batches = ModelSource(hostile("good")).batches(SEEDS * 50)
    next(batches)
    assert children() - before
    batches.close()
    assert children() <= before


@pytest.mark.processes
def test_a_sampler_does_not_outlive_an_engine_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, os\n"
        f"sys.path.append({str(HERE)!r})\n"
        "from facebench.sandbox.parent import Sandbox\n"
        "from facebench.sandbox.limits import Limits\n"
        "from facebench.plugins.model_spec import parse_model\n"
        "model = parse_model('a=python+takes=seeds:hostile_samplers:hangs')\n"
        "box = Sandbox(model, Limits())\n"
        "print(box.tree.mark, box.tree.leader, flush=True)\n"
        "list(box.sample([[0]]))\n"
    )
    engine = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert engine.stdout is not None
    with engine.stdout:
        mark, leader = engine.stdout.readline().split()
        tree = ProcessTree(mark, int(leader))
        assert tree.memory()
        engine.kill()
        engine.wait()
    deadline = time.monotonic() + 10
    while tree.processes() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not tree.processes()


@pytest.mark.processes
def test_rows_beside_a_hostile_one_are_finished(tiny_folder: Path, tmp_path: Path) -> None:
    models = [
        hostile("segfaults"),
        Model("copies", "images", tiny_folder / "images.npy"),
        hostile("hangs"),
    ]
    evaluation = evaluate(
        models, tiny_folder, extractor="random", out=tmp_path / "r", limits=Limits(seconds=2)
    )
    assert list(evaluation.failures) == ["segfaults", "hangs"]
    assert [result.model for result in evaluation.results] == ["copies"]
    assert sorted(p.name for p in (tmp_path / "r").iterdir()) == [
        "copies.json",
        "exhibits",
        "samples",
    ]


@pytest.mark.processes
def test_a_full_device_is_a_failed_row_too(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    module = sys.modules["facebench.engine.evaluate"]
    evaluate_row = module.evaluate_row

    def full(entry: Model, *arguments: Any) -> Any:
        if entry.name == "a":
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return evaluate_row(entry, *arguments)

    monkeypatch.setattr(module, "evaluate_row", full)
    models = [Model(name, "images", tiny_folder / "images.npy") for name in "ab"]
    evaluation = evaluate(models, tiny_folder, extractor="random", num=8)
    assert list(evaluation.failures) == ["a"]
    assert "no memory left" in str(evaluation.failures["a"])
    assert [result.model for result in evaluation.results] == ["b"]


@pytest.mark.processes
def test_checks_run_in_a_process_too() -> None:
    findings = examine(hostile("good"), 8, 0, Limits())
    assert {finding.level for finding in findings} <= {"ok", "note"}
    with pytest.raises(RowFailed, match="SIGSEGV"):
        examine(hostile("segfaults"), 8, 0, Limits())
    with pytest.raises(BadInput, match="no function 'unheard'"):
        examine(hostile("unheard"), 8, 0, Limits())


@pytest.mark.processes
def test_nothing_in_the_current_folder_shadows_an_installed_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "numpy", "random", "facebench", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    assert len(draw("good", Limits())) == 4
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    "data",
    [
        b"\x01",
        b"\xff\xff\xff\xff\n",
        b"[]\n",
        b"null\n",
        b"{\n",
        b'{"kind": "done"}',
        b"1" * (1 << 21),
    ],
)
def test_messages_that_are_not_any_are_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_header(io.BytesIO(data))


@pytest.mark.parametrize(
    "shape",
    [None, 3, [], [2, 3, 4], [1, 3, 4, 4], [2, 4, 4, 3], [2, 3, -1, 4], [2, 3, 4, 1 << 40], ["2"]],
)
def test_shapes_that_are_not_any_are_refused_before_memory_is_taken(shape: Any) -> None:
    with pytest.raises(ProtocolError):
        read_images(io.BytesIO(b"x" * 10), shape, 2)


def test_messages_go_through_a_pipe() -> None:
    pipe, images = io.BytesIO(), np.arange(96, dtype=np.uint8).reshape(2, 3, 4, 4)
    write_message(pipe, {"kind": "images", "shape": images.shape}, images)
    pipe.seek(0)
    header = read_header(pipe)
    assert header is not None
    np.testing.assert_array_equal(read_images(pipe, header["shape"], 2), images)
    assert read_header(pipe) is None


def test_output_is_made_printable() -> None:
    assert (
        without_controls("a\r\nb\rc\x00\x1b[31m\x1b]0;d\x07\u2028e\xa0\tf") == "a\nb\nc]0;d e \tf"
    )


@pytest.mark.processes
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("phase", ["reference", "drawing"])
def test_an_interrupted_evaluation_says_how_to_go_on_and_keeps_what_is_finished(
    number: signal.Signals, phase: str, tiny_folder: Path, tmp_path: Path
) -> None:
    name = "hangs" if phase == "drawing" else "good"
    slow = "" if phase == "drawing" else (
        "import time; from facebench.features.random import RandomFeatures;"
        "RandomFeatures.compute = lambda *_: (sys.stderr.write('ready'), time.sleep(60));"
    )  # fmt: skip
    launcher = f"import sys; {slow} from facebench.cli import main; main()"
    first = f"copies=images:{tiny_folder / 'images.npy'}"
    process = subprocess.Popen(
        [sys.executable, "-c", launcher, "eval", "--models",
         f"{first},{name}=python+takes=seeds:hostile_samplers:{name}", "--reference",
         str(tiny_folder), "--extractor", "random", "--out", str(tmp_path / "r")],
        env=os.environ | {"PYTHONPATH": str(HERE)}, stderr=subprocess.PIPE, text=True,
        cwd=tmp_path, start_new_session=True,
    )  # fmt: skip
    assert process.stderr is not None
    with process.stderr:
        said = ""
        while not ("ready" in said or "copies: " in said):
            said += process.stderr.read(1)
        time.sleep(0.5)
        process.send_signal(number)
        said += process.stderr.read()
    assert process.wait() == 128 + number
    assert "Traceback" not in said
    assert "run the same command again to go on" in said
    done = {"copies.json", "exhibits", "samples"} if phase == "drawing" else set()
    there = {p.name for p in (tmp_path / "r").iterdir()} if (tmp_path / "r").exists() else set()
    assert there == done
