"""Every command of README.md and docs/, as it stands there, and every example of --help.

What cannot run here is named with its reason; what is too long is made small by the table below.
A new command that is neither runs, and fails if it does not work.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import click
import numpy as np
import pytest
import torch
from PIL import Image

from facebench.cli import cli
from facebench.synth import render

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

NOT_RUN = {
    r"pip install ": "installs from the internet",
    r"make demo": "makes an environment, and takes five minutes",
    r"#!/bin/bash|#SBATCH |head=": "Slurm's; the command they prepare runs below",
    r"facebench eval --models NAME=ADAPTER": "the form of a command, not one",
    r"facebench (check|eval .*) mine=tinyflow": "test_docs installs the page's adapter and runs it",
    r"facebench (metrics|eval) .*energy": "test_docs installs the page's metric and runs it",
}
NOT_COMMANDS = {
    "results/": "a folder's listing",
    "Error: vae:": "what a command says",
    "ok      contract": "what a command says",
}
"""Blocks, by how they begin."""
SMALL = [
    (r"^srun torchrun", "torchrun", "there is no Slurm"),
    (r'"\$SLURM_NNODES"', "1", "there is one machine"),
    (r'"\$head:29500"', "localhost:0", "there is one machine"),
    (r"--nproc-per-node=4", "--nproc-per-node=2", "there are two cores"),
    (r"--processes 4", "--processes 2", "there are two cores"),
    (r"--num \d+", "--num 20", "time"),
    (r"--holdout 1000", "--holdout 20", "the stand-ins are few"),
    (r"(train dcgan(?!.*notebook).*)", r"\1 --steps 2 --width 2 --batch-size 4", "time"),
    (r"(--preset notebook)", r"\1 --steps 2 --width 2 --batch-size 2", "time"),
    (r"(train vae.*)", r"\1 --steps 2 --width 2 --batch-size 4", "time"),
    (r"(train pca.*)", r"\1 --passes 2", "time"),
    (r"--weights inception=\S+ --weights alexnet=\S+", "--extractor random", "no downloads here"),
    (r"--extractor inception@768", "--extractor random", "no downloads here"),
    (r"(facebench eval (?!.*--extractor).*)", r"\1 --extractor random", "no downloads here"),
    (r"(facebench eval .*)", r"\1 --metrics fid,precision", "time"),
]

# Runs commands one after another in one process, for frameworks take long to import.
DRIVER = """
import contextlib, json, os, shlex, sys, traceback
import triton  # before TensorFlow: the other order aborts
from facebench.errors import BadInput
import facebench.cli
import facebench_dcgan.gan as gan
import tensorflow as tf

tf.config.run_functions_eagerly(True)  # compiling takes most of the time
gan.SETTLING_PASSES = 2
commands = json.loads(sys.stdin.read())
for command in commands:
    sys.argv = ["facebench", *shlex.split(command)[1:]]
    code = 0
    try:
        with contextlib.redirect_stdout(sys.stderr):
            facebench.cli.main()
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    print(json.dumps([command, code]), flush=True)
    if code:
        sys.exit(1)
"""


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """Yield the language and the text of each fenced block."""
    yield from re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S)


def commands() -> list[str]:
    """Return every distinct command of the pages that is to be run, made small."""
    found: dict[str, None] = {}
    for page in PAGES:
        for language, text in blocks(page):
            if language or any(text.startswith(begin) for begin in NOT_COMMANDS):
                continue
            for line in re.sub(r"\\\n\s*", "", text).splitlines():
                if line and not any(re.match(each, line) for each in NOT_RUN):
                    found[small(line)] = None
    return list(found)


def small(line: str) -> str:
    line = re.sub(r"\s+# .*$", "", line)
    for pattern, replacement, _ in SMALL:
        line = re.sub(pattern, replacement, line)
    return line


def test_every_entry_of_the_tables_is_of_use() -> None:
    text = "\n".join(
        re.sub(r"\\\n\s*", "", text) for page in PAGES for language, text in blocks(page)
        if not language
    )  # fmt: skip
    for pattern in NOT_RUN:
        assert re.search(f"^({pattern})", text, re.M), pattern
    for begin in NOT_COMMANDS:
        assert f"\n{begin}" in f"\n{text}", begin


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Path:
    """Give a folder with stand-ins for all that the commands name."""
    place = tmp_path_factory.mktemp("place")
    for name, size in (
        ("img_align_celeba.zip", (178, 218)), ("celeba_9000.zip", (178, 218)),
        ("celeba_9000_89x109.zip", (89, 109)), ("their_samples.zip", (64, 64)),
        ("celeba_gan_2000_64x64.zip", (64, 64)), ("celeba_vae_2000_64x64.zip", (64, 64)),
    ):  # fmt: skip
        pictures(place / name, size)
    with zipfile.ZipFile(place / "their_samples.zip") as theirs:
        theirs.extractall(place / "theirs")
    for each in (shared / "generators").iterdir():
        (place / each.name).symlink_to(each)
    (place / "decoder.h5").symlink_to(shared / "generators" / "keras_decoder64_normal27/decoder.h5")
    shutil.copy(ROOT / "docs" / "strangers.py", place)
    layers = torch.nn.Linear(100, 3 * 64 * 64), torch.nn.Tanh(), torch.nn.Unflatten(1, (3, 64, 64))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, and saved by many
        network = torch.nn.Sequential(*layers)
        traced = torch.jit.trace(network, torch.zeros(1, 100))  # type: ignore[no-untyped-call]
        torch.jit.save(traced, str(place / "gan.pt"))
    return place


def pictures(target: Path, size: tuple[int, int], count: int = 44) -> None:
    with zipfile.ZipFile(target, "w") as archive:
        for number, face in enumerate(render(range(count), 64)):
            buffer = BytesIO()
            Image.fromarray(face.transpose(1, 2, 0)).resize(size).save(buffer, "PNG")
            archive.writestr(f"{number:06d}.png", buffer.getvalue())


def environment(place: Path) -> dict[str, str]:
    return os.environ | {
        "FACEBENCH_CACHE": str(place / "cache"),
        "CUDA_VISIBLE_DEVICES": "",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }


@pytest.fixture(scope="module")
def ran(place: Path) -> dict[str, int]:
    """Run all that no launcher starts, in the pages' order; give each command's exit code."""
    facebench = [each for each in commands() if not launched(each)]
    for number, each in enumerate(facebench):  # pages prepare the same name, each for itself
        if each.startswith("facebench data prepare") and number and "faces64" in each:
            folder = shlex.split(each)[4]
            facebench[number] = each.replace(f" {folder} ", f" {folder}-{number} ")
    first = next(n for n, each in enumerate(facebench) if "faces128" in each)
    facebench.insert(first, "facebench data synth faces128 --size 128 --num 30 --holdout 20")
    answer = subprocess.run(
        [sys.executable, "-c", DRIVER],
        input=json.dumps(facebench),
        cwd=place,
        env=environment(place),
        capture_output=True,
        text=True,
        check=False,
    )
    done = dict(json.loads(line) for line in answer.stdout.splitlines() if line.startswith("["))
    assert answer.returncode == 0, f"{list(done)[-1:]}\n{answer.stderr[-3000:]}"
    assert list(done) == facebench
    return done


def launched(command: str) -> bool:
    return command.startswith("torchrun") or "--processes" in command


def test_the_commands_of_the_pages_end_well(ran: dict[str, int], place: Path) -> None:
    assert set(ran.values()) == {0}
    assert len(ran) > 25
    for made in ("results/leaderboard.html", "runs/notebook/gan.h5", "faces.png", "strip.png"):
        assert (place / made).is_file(), made


@pytest.mark.parametrize("command", [each for each in commands() if launched(each)])
def test_the_commands_that_start_processes_end_well(
    command: str, ran: dict[str, int], place: Path
) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", *_module(command)],
        cwd=place,
        env=environment(place),
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr[-3000:]
    assert answer.stdout.count("Model:" if " train " in command else "leaderboard.html") == 1


def _module(command: str) -> list[str]:
    program, *words = shlex.split(command)
    return [{"torchrun": "torch.distributed.run"}.get(program, program), *words]


def test_the_python_of_the_readme_runs(ran: dict[str, int], place: Path) -> None:
    sampler, example, own = (text for language, text in blocks(PAGES[0]) if language == "python")
    example = example.replace("num=1000", 'num=20, extractor="random", metrics=["fid"]')
    example = example.replace('metrics["fid"]', 'metrics["fd_random"]')
    own = own.replace("num=1000", 'num=20, extractor="random"')
    own = own.replace("facebench.evaluate", "assert not facebench.evaluate").rstrip() + ".failures"
    load = 'facebench.load("vae", "runs/vae").sample([0, 1, 2])'
    assert load in PAGES[0].read_text("utf-8")
    network = "def load_my_network(path):\n    return lambda z: z[:, :48].reshape(-1, 3, 4, 4) / 9"
    first = "print(MySampler('').sample([1]).shape)"
    code = "\n".join([sampler, network, first, example, own, f"print({load}.shape)"])
    answer = subprocess.run(
        [sys.executable, "-c", code],
        cwd=place,
        env=environment(place),
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr[-3000:]
    first, *scores, last = answer.stdout.splitlines()
    assert (first, last) == ("(1, 3, 4, 4)", "(3, 3, 64, 64)")
    assert [line.split()[0] for line in scores] == ["dcgan", "vae", "pca"]
    assert all(np.isfinite(float(line.split()[1])) for line in scores)


def examples(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the examples of a command's help and of those below it."""
    text = re.sub(r"\\\n\s*", "", command.help or "")
    yield from re.findall(r"^\s*((?:facebench|torchrun) .*)$", text, re.M)
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below
            yield from examples(below, (*path, name))


def test_every_example_of_help_has_options_that_there_are() -> None:
    found = list(dict.fromkeys(examples(cli)))
    assert len(found) > 30
    for example in found:
        whole = example.replace("...", "--models pca --reference faces64")  # the rest, left out
        words = shlex.split(re.sub(r"\$\(.*?\)", "file", whole), comments=True)
        parsed(cli, "facebench", words[words.index("facebench") + 1 :])


def parsed(command: click.Command, name: str, words: list[str]) -> None:
    """Parse `words` as the command line does, and run nothing."""
    context = command.make_context(name, list(words))
    if isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]
        name, below, words = command.resolve_command(context, rest)  # type: ignore[assignment]
        assert below
        parsed(below, name, words)
