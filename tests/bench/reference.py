"""What the reference models reach, by minutes of training: the tables of docs/reference.md.

    taskset -c 0 python tests/bench/reference.py --only "dcgan*"     # ended, it goes on
    taskset -c 1 python tests/bench/reference.py --only "[!d]*"

Each step is a command that a user could type. A line of docs/reference.csv is one trained model and
its score, added when it is known: what has a line is not trained again. Lines of one machine alone
compare. `minutes` are of the clock, on one core that has nothing else to do: two trainings side by
side get more done than one on both, whose steps are small.
"""

import csv
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from fnmatch import fnmatch
from itertools import chain, islice, product
from pathlib import Path
from typing import get_type_hints

import click
import torch
from harness import matrix_rate
from reference_page import write_page
from shared_files import INCEPTION, ROOT, SHARED

from facebench.files import read_json
from facebench.results.result import Result, read_results

TABLE = ROOT / "docs" / "reference.csv"
HELD_OUT = 1000
MODELS = {
    "pca": "pca",
    "vae": "vae",
    "vae-fitted": "vae --prior fitted",
    "dcgan": "dcgan",
    "dcgan-r3": "dcgan --loss r3",
    "flow": "flow",
}
METRICS = {"fid_768": "fid", "coverage": "coverage"}
UNTIMED = "pca"
"""It is over in seconds: one line stands for all minutes."""


@dataclass(frozen=True)
class Job:
    """A training: which model, of how many faces, how long, from which seed."""

    model: str
    faces: int
    minutes: int
    seed: int

    @property
    def name(self) -> str:
        """Return the name of its run."""
        return f"{self.model}-{self.faces}-{self.minutes}-{self.seed}"


@dataclass(frozen=True)
class Line(Job):
    """What came of it."""

    steps: int
    seconds: float
    """Spent training."""
    gflops: float
    """Of a large matrix product on that machine, in billions of operations a second."""
    fid: float
    low: float
    high: float
    coverage: float


def jobs() -> Iterator[Job]:
    """Yield all trainings, those that say most first."""
    first = ((faces, minutes, 0) for faces, minutes in product((8000, 1000), (10, 40)))
    others = ((faces, 10, seed) for faces, seed in product((8000, 1000), (1, 2)))
    for faces, minutes, seed in chain(first, others):
        for model in MODELS:
            if model != UNTIMED or (minutes, seed) == (10, 0):
                yield Job(model, faces, minutes, seed)


def prepare(work: Path, faces: int) -> Path:
    """Prepare the first so many pictures, and the last thousand to compare with."""
    data, pictures = work / f"faces{faces}", work / f"pictures{faces}"
    if not data.is_dir():
        with zipfile.ZipFile(SHARED / "faces" / "celeba_9000_89x109.zip") as archive:
            names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
            archive.extractall(pictures, names[:faces] + names[-HELD_OUT:])
        _say("data", "prepare", pictures, data, "--crop", "celeba", "--size", 64, "--in-order",
             "--holdout", HELD_OUT)  # fmt: skip
    return data


def train(job: Job, data: Path, run: Path) -> None:
    """Train one model; a VAE with fitted prior is the other one's network, given a prior."""
    length = ["--minutes", job.minutes] if job.model != UNTIMED else []
    if job.model == "vae-fitted":
        plain = run.with_name(run.name.replace("vae-fitted", "vae"))
        shutil.copytree(plain / "checkpoints", run / "checkpoints", dirs_exist_ok=True)
        length = ["--steps", read_json(plain / "config.json")["steps"]]
    most = ["--steps", 10_000_000] if "--minutes" in length else []
    _say("train", *MODELS[job.model].split(), "--data", data, "--out", run, "--seed", job.seed,
         *length, *most)  # fmt: skip


def score(job: Job, data: Path, run: Path, out: Path) -> Result:
    """Score it against the faces held out, by the layer of Inception that is known to see them."""
    _say("eval", "--models", f"{run.name}={run}", "--reference", data, "--num", HELD_OUT,
         "--extractor", "inception@768", "--metrics", ",".join(METRICS.values()),
         "--weights", f"inception={INCEPTION}", "--trust-weights", "--out", out)  # fmt: skip
    return next(each for each in read_results(out) if each.model == run.name)


def line(job: Job, result: Result, run: Path, rate: float) -> Line:
    """Return what is recorded of one training."""
    config = read_json(run / "config.json")
    seconds = max(_seconds(run), default=0.0)
    fid, coverage = (result.metrics[name] for name in METRICS)
    steps = config.get("steps", config.get("passes", 0))
    low, high = fid.low or fid.value, fid.high or fid.value
    scores = (round(each, 6) for each in (fid.value, low, high, coverage.value))
    about = job.model, job.faces, job.minutes, job.seed
    return Line(*about, steps, round(seconds), round(rate), *scores)


def read_lines() -> list[Line]:
    """Return the lines that are there."""
    if not TABLE.exists():
        return []
    with TABLE.open(encoding="utf-8", newline="") as stream:
        kinds = get_type_hints(Line)
        rows = csv.DictReader(stream)
        return [Line(**{name: kinds[name](text) for name, text in row.items()}) for row in rows]


def add(new: Line) -> None:
    """Add a line to the table, and draw the page again."""
    is_new = not TABLE.exists()
    with TABLE.open("a", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [each.name for each in fields(Line)], lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerow(asdict(new))
    write_page(read_lines())


def _seconds(run: Path) -> Iterator[float]:
    for text in (run / "metrics.jsonl").read_text("utf-8").splitlines():
        _, found, rest = text.partition('"seconds": ')
        if found:
            yield float(rest.split("}")[0].split(",")[0])


def _say(*arguments: object) -> None:
    words = [str(argument) for argument in arguments]
    click.secho(f"\n$ facebench {shlex.join(words)}", bold=True)
    subprocess.run([sys.executable, "-m", "facebench", *words], check=True)


@click.command()
@click.option("--work", type=click.Path(path_type=Path), default=Path("reference-runs"))
@click.option("--most", default=10_000, help="Lines to add before it ends.")
@click.option("--only", default="*", help="Names of runs: dcgan-r3-8000-40-0, flow-*.")
@click.option("--page", is_flag=True, help="Draw the page of the lines that are there, only.")
def main(work: Path, most: int, only: str, page: bool) -> None:
    """Train and score what has no line yet."""
    if page:
        write_page(read_lines())
        return
    there = {each.name for each in read_lines()}
    missing = (each for each in jobs() if each.name not in there and fnmatch(each.name, only))
    for job in islice(missing, most):
        data = prepare(work, job.faces)
        run = work / "runs" / job.name
        rate = matrix_rate(torch.float32, "cpu")
        train(job, data, run)
        add(line(job, score(job, data, run, work / "board"), run, rate))


if __name__ == "__main__":
    main()
