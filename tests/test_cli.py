import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from facebench.cli import cli


def _commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from _commands(below, (*path, name))


def _parameters(command: click.Command) -> Iterator[click.Parameter]:
    yield from command.params
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from _parameters(below)


def test_no_number_of_any_command_may_be_nan_or_without_end() -> None:
    kinds = [each.type for each in _parameters(cli)]
    numbers = [kind for kind in kinds if isinstance(kind, click.FloatRange)]
    assert len(numbers) > 20
    for kind in numbers:
        for text in ("nan", "inf", "-inf", "1e999"):
            with pytest.raises(click.BadParameter):
                kind.convert(text, None, None)  # type: ignore[arg-type]


def _facebench(
    *words: object, cwd: Path | None = None, cache: Path | None = None
) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "2"}
    if cache:
        environment["FACEBENCH_CACHE"] = str(cache)
    command = [sys.executable, "-m", "facebench", *map(str, words)]
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("path", list(_commands(cli)), ids=" ".join)
def test_every_command_has_help_that_says_something(path: tuple[str, ...]) -> None:
    answer = CliRunner().invoke(cli, [*path, "--help"])
    assert answer.exit_code == 0
    assert "\\b" not in answer.output
    assert len(answer.output.splitlines()) > 5


@pytest.mark.parametrize(
    "path",
    [
        ("data", "prepare"),
        ("data", "download"),
        ("data", "pairs"),
        ("train", "vae"),
        ("train", "flow"),
        ("train", "pix2pix"),
        ("train", "pca"),
        ("train", "dcgan"),
        ("sample",),
        ("interpolate",),
        ("traverse",),
        ("eval",),
    ],
    ids=" ".join,
)
def test_the_main_commands_show_worked_examples(path: tuple[str, ...]) -> None:
    output = CliRunner().invoke(cli, [*path, "--help"]).output
    assert f"facebench {' '.join(path)} " in output.partition("Example")[2]


def test_tables_of_what_is_there() -> None:
    for words, expected in (
        (["adapters"], {"dcgan", "images", "pca", "vae", "facebench train dcgan"}),
        (["metrics"], {"fid", "lpips_diversity", "coverage"}),
        (["weights"], {"inception", "alexnet", "not here"}),
    ):
        answer = CliRunner().invoke(cli, words)
        assert answer.exit_code == 0
        assert all(each in answer.output for each in expected)


BAD_INPUT = [
    (["data", "prepare", "nowhere", "out"], "There is no file or folder nowhere: check the path."),
    (["data", "prepare", "empty", "out"], "empty holds no pictures"),
    (["data", "prepare", "pictures", "out"], "bad.jpg cannot be decoded"),
    (["train", "pca", "--data", "nowhere", "--out", "run"], "There is no data set nowhere"),
    (["train", "vae", "--data", "empty", "--out", "run"], "not a prepared data set"),
    (["train", "pix2pix", "--data", "nowhere", "--out", "run"], "There is no folder nowhere"),
    (["train", "pix2pix", "--data", "empty", "--out", "run"], "empty holds no pairs"),
    (["data", "pairs", "--data", "empty", "--task", "edges", "--out", "x"], "not a prepared data"),
    (["sample", "dcgan", "--out", "faces.png"], "facebench train dcgan"),
    (["traverse", "a=images:two", "--out", "faces.png"], "no latent space"),
    (["data", "stats", "empty"], "not a prepared data set"),
    (["eval", "--models", "dcgan", "--reference", "empty"], "facebench train dcgan"),
    (["eval", "--models", "a=odd:empty", "--reference", "empty"], "no adapter 'odd'"),
    (["eval", "--models", "a=images:pictures", "--reference", "empty"], "empty holds no pictures"),
    (["score", "empty", "two"], "empty holds no pictures"),
    (["score", "two", "nowhere"], "There is no file or folder nowhere"),
    (
        ["score", "two", "pictures", "--extractor", "random", "--metrics", "fid"],
        "bad.jpg cannot be decoded",
    ),
    (["check", "a=images:empty"], "empty holds no pictures"),
    (["check", "a=images+size=3:pictures"], "no option 'size'; there are: labels, layout, range"),
    (["check", "a=images:two,b=images:two"], "names 2 models"),
    (["weights", "fetch", "--offline"], "and this is offline"),
    (["weights", "where", "resnet"], "no weights 'resnet'"),
    (["eval", "--models", "a=pictures", "--reference", "tiny"], "say which adapter opens it"),
    (["eval", "--models", ",", "--reference", "tiny"], "names no model"),
    (
        ["sample", "a=images:two", "--seeds", "0-3", "--out", "faces.png"],
        "pictures of different sizes",
    ),
    (
        ["eval", "--models", "a=images:two", "--reference", "tiny", "--weights", "inception=no"],
        "There is no weight file no.",
    ),
    (["data", "synth", "empty/out", "--seed", "-1"], "Invalid value for '--seed'"),
    (["data", "synth", "pictures/good.jpg/out", "--num", "9"], "good.jpg: File exists"),
    (["report", "nowhere"], "There is no results folder nowhere"),
    (["report", "empty"], "empty holds no results"),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Path:
    """Give a folder with things that are wrong in one way each."""
    from PIL import Image

    place = tmp_path_factory.mktemp("place")
    for name in ("empty", "pictures", "two"):
        (place / name).mkdir()
    (place / "tiny").symlink_to(tiny_folder)
    Image.new("RGB", (40, 40)).save(place / "pictures" / "good.jpg")
    data = (place / "pictures" / "good.jpg").read_bytes()
    (place / "pictures" / "bad.jpg").write_bytes(data[: len(data) // 2])
    for number in range(8):
        Image.new("RGB", (32, 32 + number)).save(place / "two" / f"{number}.png")
    return place


@pytest.mark.processes
@pytest.mark.parametrize(("words", "says"), BAD_INPUT, ids=lambda value: str(value)[:60])
def test_bad_input_is_one_sentence_and_exit_code_2(
    words: list[str], says: str, place: Path, tmp_path: Path
) -> None:
    before = sorted(place.iterdir())
    answer = _facebench(*words, cwd=place, cache=tmp_path)
    assert answer.returncode == 2, answer.stderr
    assert "Traceback" not in answer.stderr
    (line,) = [line for line in answer.stderr.splitlines() if line.startswith("Error: ")]
    assert says in line
    assert sorted(place.iterdir()) == before


@pytest.mark.processes
def test_the_whole_road_on_rendered_faces(tmp_path: Path, shared: Path) -> None:
    def run(*words: object) -> str:
        answer = _facebench(*words, cwd=tmp_path, cache=tmp_path / "cache")
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    run("data", "synth", "faces", "--num", 60, "--size", 32, "--holdout", 20)
    run("train", "pca", "--data", "faces", "--out", "runs/pca", "--components", 16)
    run("train", "vae", "--data", "faces", "--out", "runs/vae", "--steps", 4, "--width", 4)
    run("train", "dcgan", "--data", "faces", "--out", "runs/dcgan", "--steps", 4, "--width", 4)
    weights = shared / "weights"
    offline = [
        *("--weights", f"inception={weights / 'inception_parity.pth'}"),
        *("--weights", f"alexnet={weights / 'alexnet_features.pth'}", "--trust-weights"),
    ]
    common = ["--reference", "faces", "--num", 20, "--out", "results", *offline]
    run("eval", "--models", "dcgan,vae,pca", *common)
    run("data", "synth", "more", "--num", 20, "--size", 32, "--seed", 1000)
    printed = run("eval", "--models", "theirs=images:more/images.npy", *common)

    assert "theirs" in printed
    assert "taken on trust" in " ".join(printed.split())
    with (tmp_path / "results" / "leaderboard.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["model"] for row in rows} == {"dcgan", "vae", "pca", "theirs"}
    ranks = [int(row["rank"]) for row in rows]  # 20 images cannot tell all of them apart
    assert ranks[0] == 1
    assert set(ranks) <= {1, 2, 3, 4}
    assert rows[0]["model"] == "theirs"
    assert list(rows[0])[:5] == ["rank", "model", "adapter", "n", "fid"]
    distances = [float(row["fid"]) for row in rows]
    assert distances == sorted(distances)
    page = (tmp_path / "results" / "leaderboard.html").read_text(encoding="utf-8")
    assert page.count('alt="Samples of ') == 4 and page.count('alt="Real images of ') == 1
    assert page.count('alt="Interpolations, ') == 3  # all but the folder of pictures
    assert "trust" in page
    result = json.loads((tmp_path / "results" / "dcgan.json").read_text(encoding="utf-8"))
    assert result["command"].startswith("facebench eval --models dcgan,vae,pca")
    csv_before = (tmp_path / "results" / "leaderboard.csv").read_bytes()
    run("report", "results")
    assert (tmp_path / "results" / "leaderboard.csv").read_bytes() == csv_before


@pytest.mark.processes
def test_a_model_that_is_not_trained_is_exit_code_2_and_the_others_are_finished(
    tmp_path: Path, tiny_folder: Path
) -> None:
    run, unfinished = tmp_path / "run", tmp_path / "unfinished"
    _facebench("train", "pca", "--data", tiny_folder, "--out", run, "--components", 4)
    unfinished.mkdir()
    (unfinished / "config.json").write_text('{"adapter": "vae"}', encoding="utf-8")
    answer = _facebench(
        *("eval", "--models", f"a={unfinished},b={run}", "--reference", tiny_folder),
        *("--extractor", "random", "--out", tmp_path / "results"),
        cache=tmp_path / "cache",
    )
    assert answer.returncode == 2
    assert "Error: a: " in answer.stderr
    assert "facebench train vae again" in answer.stderr
    assert (tmp_path / "results" / "b.json").is_file()
    assert not (tmp_path / "results" / "a.json").exists()
