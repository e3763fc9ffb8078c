"""Every command of README.md and docs/, as it stands there, and every example of --help.

All are parsed by the command line's own parsers, and all are run. What cannot run here is named
with its reason; what is too long is made small by the table below. A new command that is neither
runs, and fails if it does not work.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tomllib
import warnings
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import click
import numpy as np
import pytest
import torch
import torch.distributed.run
from click.testing import CliRunner
from pages import DOCS, PAGES, README, ROOT, blocks, install, install_tinyflow, run, spans
from PIL import Image

from facebench.cli import cli
from facebench.synth import render

NOT_RUN = {
    r"pip install ": "installs from the internet",
    r"make demo": "makes an environment, and takes five minutes",
    r"#!/bin/bash|#SBATCH |head=": "Slurm's; the command they prepare runs below",
    r"facebench eval --models NAME=ADAPTER": "the form of a command, not one",
    r"facebench (metrics|eval) .*energy": "test_docs installs the page's metric and runs it",
    r"facebench demo": "takes five minutes",
    r"facebench data download": "fetches from the internet",
    r"facebench weights fetch": "fetches from the internet",
    r"facebench verify ": "of honest rows it refuses one in twenty; test_verify runs it",
    r"facebench arena ": "serves until it is stopped, or needs people; test_arena_server runs it",
    r"facebench report results --to (wandb|mlflow)": "test_trackers gives them a server and files",
    r"facebench store prune": "what it removes, the other commands need",
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
    (
        r"(train flow[^#\n]*).*",
        r"\1 --network small --steps 2 --batch-size 4 --solver-steps 1",
        "time",
    ),
    (r"(train pix2pix.*)", r"\1 --steps 2 --width 2 --batch-size 4", "time"),
    (r"(train pca.*)", r"\1 --passes 2", "time"),
    (r"--checkpoint-every \d+", "--checkpoint-every 1", "of two steps there must be two"),
    (r"--weights inception=\S+ --weights alexnet=\S+", "--extractor random", "no downloads here"),
    (r"--extractor (inception@768|dinov2|clip)", "--extractor random", "no downloads here"),
    (r"--face-model opencv", "--face-model dlib", "no downloads here"),
    (r"--mode (clean-fid|pytorch-fid)", "", "no downloads here"),
    (
        r"(facebench (?:eval|score|stats export) (?!.*--extractor).*)",
        r"\1 --extractor random",
        "no downloads here",
    ),
    (r"(facebench (?:eval|score) (?!.*--metrics).*)", r"\1 --metrics fid", "time"),
    (r"(facebench eval-pairs .*)", r"\1 --extractor random --metrics psnr", "no downloads here"),
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


def shown() -> list[str]:
    """Return every distinct command of the pages' blocks."""
    return list(
        dict.fromkeys(
            line
            for page in PAGES
            for block in blocks(page, language="")
            if not block.text.startswith(tuple(NOT_COMMANDS))
            for line in block.lines
        )
    )


def told() -> list[str]:
    """Return every distinct command that the pages' sentences name, whole or in part."""
    found = dict.fromkeys(span for page in PAGES for span in spans(page))
    return [span for span in found if re.match("facebench [a-z]", span)]


def commands() -> list[str]:
    """Return every distinct command of the pages that is to be run, made small."""
    whole = [*shown(), *(each for each in told() if is_whole(each))]
    wanted = [line for line in whole if not any(re.match(each, line) for each in NOT_RUN)]
    return list(dict.fromkeys(map(small, wanted)))


def is_whole(command: str) -> bool:
    """Tell a command from the name of one (``facebench eval``) and from a form (``… --sanity``)."""
    if re.search(r"…|[|]|\b[A-Z]{4}", command):
        return False
    try:
        parse(cli, *shlex.split(command))
    except click.UsageError:
        return False
    return True


def small(line: str) -> str:
    line = re.sub(r"\s+# .*$", "", line)
    for pattern, replacement, _ in SMALL:
        line = re.sub(pattern, replacement, line)
    return line


def parse(command: click.Command, name: str, *words: str) -> click.Command:
    """Parse `words` as the command line does, run nothing, and return what would run."""
    if isinstance(command, click.Group) and words:
        below = command.get_command(click.Context(command), words[0])
        assert below, f"{name} has no command {words[0]}"
        return parse(below, *words)
    command.make_context(name, list(words))
    return command


def test_every_entry_of_the_tables_is_of_use() -> None:
    lines = [*shown(), *told()]
    for pattern in NOT_RUN:
        assert any(re.match(pattern, line) for line in lines), pattern
    texts = [block.text for page in PAGES for block in blocks(page, language="")]
    for begin in NOT_COMMANDS:
        assert any(text.startswith(begin) for text in texts), begin
    for pattern, _, _ in SMALL:
        assert any(re.search(pattern, line) for line in lines), pattern


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_block_escapes(page: Path) -> None:
    """Blocks are fenced in one way, and are of the kinds that tests look for."""
    fences = re.findall(r"^ *(?:```|~~~).*$", page.read_text("utf-8"), re.MULTILINE)
    found = list(blocks(page))
    assert [f"```{block.language}" for block in found] == [each.strip() for each in fences[::2]]
    assert {each.strip() for each in fences[1::2]} <= {"```"}
    assert {block.language for block in found} <= {"", "python", "toml"}


def test_every_page_with_python_has_a_test() -> None:
    tests = "".join(path.read_text("utf-8") for path in (ROOT / "tests").glob("*.py"))
    for page in PAGES:
        assert f'"{page.name}"' in tests or not list(blocks(page, "python")), page


@pytest.mark.parametrize("line", shown())
def test_every_command_of_the_pages_is_one_that_there_is(line: str) -> None:
    words = shlex.split(re.sub(r"^srun ", "", line), comments=True)
    if words and words[0] == "pip":
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
        named = re.findall(r"[.]\[([\w-]+)\]", line)
        assert words[1] == "install" and set(named) <= extras["optional-dependencies"].keys()
    elif words and words[0] == "make":
        assert re.search(f"^{words[1]}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    elif words and not re.match(r"head=\$\(scontrol", line):  # Slurm's
        if words[0] == "torchrun":
            launcher = torch.distributed.run.get_args_parser().parse_args(words[1:])
            words = [launcher.training_script, *launcher.training_script_args]
            assert launcher.module
        assert words[0] == "facebench"
        parse(cli, *words)


@pytest.mark.parametrize("command", told())
def test_every_command_in_a_sentence_is_one_that_there_is(command: str) -> None:
    _, *words = command.split()
    found: click.Command = cli
    while isinstance(found, click.Group) and words and words[0].islower():
        below = found.get_command(click.Context(found), words.pop(0))
        assert below, command
        found = below
    options = {option for each in found.get_params(click.Context(found)) for option in each.opts}
    assert {word for word in words if word.startswith("--")} <= options


def test_every_target_of_make_that_a_page_names_is_one_that_there_is() -> None:
    made = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for page in (*PAGES, ROOT / "CONTRIBUTING.md"):
        named = re.findall(r"(?:^|`)make ([\w-]+)", page.read_text("utf-8"), re.MULTILINE)
        assert set(named) <= made, page


@pytest.mark.parametrize("has_keras", [True, False])
def test_the_demo_gives_commands_that_there_are(
    has_keras: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[list[str]] = []
    monkeypatch.setattr("facebench.cli.demo.find_spec", lambda name: has_keras or None)

    class Process(subprocess.Popen[bytes]):
        def __init__(self, words: list[str]):
            given.append(words)

        def wait(self, timeout: float | None = None) -> int:
            return 0

    monkeypatch.setattr("subprocess.Popen", Process)
    answer = CliRunner().invoke(cli, ["demo", "--out", "there"])
    assert answer.exit_code == 0, answer.output
    trained = ["pca", "vae", "dcgan"] if has_keras else ["pca", "vae"]
    assert [words[3] for words in given] == ["data", *["train"] * len(trained), "eval"]
    assert [words[4] for words in given if words[3] == "train"] == trained
    assert ("facebench[keras]" in answer.stderr) != has_keras
    for words in given:
        assert words[:3] == [sys.executable, "-m", "facebench"]
        parse(cli, *words[2:])


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
        for folder in ("theirs", "photographs", "samples", "afhq/cat", "afhq/dog", "celeba_hq/0"):
            theirs.extractall(place / folder)
    pictures(place / "cifar10.zip", (32, 32))
    with zipfile.ZipFile(place / "cifar10.zip", "a") as stylegan:
        labels = [[name, number % 10] for number, name in enumerate(stylegan.namelist())]
        stylegan.writestr("dataset.json", json.dumps({"labels": labels}))
    lists_of_people(place)
    for each in (shared / "generators").iterdir():
        (place / each.name).symlink_to(each)
    (place / "decoder.h5").symlink_to(shared / "generators" / "keras_decoder64_normal27/decoder.h5")
    shutil.copy(DOCS / "strangers.py", place)
    pairs_of_pictures(place)
    install_tinyflow(place)
    layers = torch.nn.Linear(100, 3 * 64 * 64), torch.nn.Tanh(), torch.nn.Unflatten(1, (3, 64, 64))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, and saved by many
        network = torch.nn.Sequential(*layers)
        traced = torch.jit.trace(network, torch.zeros(1, 100))  # type: ignore[no-untyped-call]
        torch.jit.save(traced, str(place / "gan.pt"))
    return place


def pairs_of_pictures(place: Path) -> None:
    """Lay down some pairs, answers to them, and what translates them."""
    for folder in ("pairs/sources", "pairs/targets", "their_answers"):
        pictures(place / "some.zip", (64, 64), count=8)
        with zipfile.ZipFile(place / "some.zip") as some:
            some.extractall(place / folder)
    translate = "def translate(sources, seeds):\n    return sources\n"
    (place / "colours.py").write_text(translate)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, and saved by many
        traced = torch.jit.trace(torch.nn.Tanh(), torch.zeros(1, 3, 64, 64))  # type: ignore[no-untyped-call]
        torch.jit.save(traced, str(place / "unet.pt"))


def lists_of_people(place: Path) -> None:
    """Lay down lists for `img_align_celeba.zip`, and its pictures with a folder per person."""
    names = [f"{number:06d}" for number in range(44)]
    who = (f"{name}.jpg {int(name) // 2}\n" for name in names)
    (place / "identity_CelebA.txt").write_text("".join(who))
    seen = (f"{name}.jpg -1 {1 - int(name) % 2 * 2}\n" for name in names)
    (place / "list_attr_celeba.txt").write_text("44\nMale Smiling\n" + "".join(seen))
    with (
        zipfile.ZipFile(place / "img_align_celeba.zip") as archive,
        tarfile.open(place / "lfw-deepfunneled.tgz", "w:gz") as tar,
    ):
        for name in names:
            info = tarfile.TarInfo(f"lfw/{int(name) // 2}/{name}.png")
            data = archive.read(f"{name}.png")
            info.size = len(data)
            tar.addfile(info, BytesIO(data))


def pictures(target: Path, size: tuple[int, int], count: int = 44) -> None:
    with zipfile.ZipFile(target, "w") as archive:
        for number, face in enumerate(render(range(count), 64)):
            buffer = BytesIO()
            Image.fromarray(face.transpose(1, 2, 0)).resize(size).save(buffer, "PNG")
            archive.writestr(f"{number:06d}.png", buffer.getvalue())


def run_there(place: Path, *words: str, given: str = "") -> "subprocess.CompletedProcess[str]":
    return run(place, *words, given=given, FACEBENCH_CACHE=str(place / "cache"))


@pytest.fixture(scope="module")
def ran(place: Path) -> dict[str, int]:
    """Run all that no launcher starts, in the pages' order; give each command's exit code."""
    facebench = [each for each in commands() if not launched(each)]
    made = [
        number
        for number, each in enumerate(facebench)
        if each.startswith("facebench data prepare") and "faces64" in each
    ]
    for number in made[1:]:  # pages prepare the same name, each for itself
        folder = shlex.split(facebench[number])[4]
        facebench[number] = facebench[number].replace(f" {folder} ", f" {folder}-{number} ")
    first = next(n for n, each in enumerate(facebench) if "faces128" in each)
    facebench.insert(first, "facebench data synth faces128 --size 128 --num 30 --holdout 20")
    answer = run_there(place, "-c", DRIVER, given=json.dumps(facebench))
    done = dict(json.loads(line) for line in answer.stdout.splitlines() if line.startswith("["))
    assert answer.returncode == 0, f"{list(done)[-1:]}\n{answer.stderr[-3000:]}"
    assert list(done) == facebench
    return done


def launched(command: str) -> bool:
    return command.startswith("torchrun") or "--processes" in command


@pytest.mark.processes
@pytest.mark.tensorflow
def test_the_commands_of_the_pages_end_well(ran: dict[str, int], place: Path) -> None:
    assert set(ran.values()) == {0}
    assert len(ran) > 40
    files = ("results/leaderboard.html", "runs/notebook/gan.h5", "faces.png", "strip.png")
    for made in (*files, "sheet.png"):
        assert (place / made).is_file(), made


@pytest.mark.processes
@pytest.mark.tensorflow
@pytest.mark.parametrize("command", [each for each in commands() if launched(each)])
def test_the_commands_that_start_processes_end_well(
    command: str, ran: dict[str, int], place: Path
) -> None:
    answer = run_there(place, "-m", *_module(command))
    assert answer.returncode == 0, answer.stderr[-3000:]
    assert answer.stdout.count("Model:" if " train " in command else "leaderboard.html") == 1


def _module(command: str) -> list[str]:
    program, *words = shlex.split(command)
    return [{"torchrun": "torch.distributed.run"}.get(program, program), *words]


NETWORK = """

def load_my_network(path):
    return lambda z: z[:, :48].reshape(-1, 3, 4, 4) / 9
"""


@pytest.mark.processes
@pytest.mark.tensorflow
def test_the_python_of_the_readme_runs(ran: dict[str, int], place: Path) -> None:
    score, sampler, example, own = (block.text for block in blocks(README, "python"))
    (project,) = (tomllib.loads(block.text)["project"] for block in blocks(README, "toml"))
    install(place, "my-package", sampler + NETWORK, project["entry-points"])
    example = example.replace("num=1000", 'num=20, extractor="random", metrics=["fid"]')
    example = example.replace('metrics["fid"]', 'metrics["fd_random"]')
    own = own.replace("num=1000", 'num=20, extractor="random"')
    own = own.replace("facebench.evaluate", "assert not facebench.evaluate").rstrip() + ".failures"
    options = '"samples", extractor="random", metrics="fid")'
    score = score.replace('"samples")', options).replace('["fid"]', '["fd_random"]')
    load = 'facebench.load("vae", "runs/vae").sample([0, 1, 2])'
    assert load in spans(README)
    mine = "print(facebench.load('mine', '').sample([1]).shape)"
    code = "\n".join(["import facebench", score, mine, example, own, f"print({load}.shape)"])
    answer = run_there(place, "-c", code)
    assert answer.returncode == 0, answer.stderr[-3000:]
    first, *scores, last = answer.stdout.splitlines()
    assert (first, last) == ("(1, 3, 4, 4)", "(3, 3, 64, 64)")
    assert [line.split()[0] for line in scores] == ["dcgan", "vae", "pca"]
    assert all(np.isfinite(float(line.split()[1])) for line in scores)


def examples(command: click.Command) -> Iterator[str]:
    """Yield the examples of a command's help and of those below it."""
    text = re.sub(r"\\\n\s*", "", command.help or "")
    yield from re.findall(r"^\s*((?:facebench|torchrun) .*)$", text, re.M)
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below
            yield from examples(below)


def test_every_example_of_help_has_options_that_there_are() -> None:
    found = list(dict.fromkeys(examples(cli)))
    assert len(found) > 30
    for example in found:
        whole = example.replace("...", "--models pca --reference faces64")  # the rest, left out
        words = shlex.split(re.sub(r"\$\(.*?\)", "file", whole), comments=True)
        parse(cli, *words[words.index("facebench") :])
