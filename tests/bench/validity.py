"""Which metric sees what: the table of docs/validity.md, made by experiment.

    make validity                                   # the reduced table: within an hour on two cores
    python tests/bench/validity.py                  # the whole, in hours; killed, it goes on
    python tests/bench/validity.py --only fid --check blur --again    # one entry, made again

Images, features and values are kept in the folder --work. With --write the files that the project
carries are written anew: validity.csv, from which cards tell, and the tables of docs/validity.md.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

import click
import torch
from validity_checks import CHECKS
from validity_extraction import missing
from validity_page import Entry, entries, tables, write_csv, write_page, write_strengths
from validity_sets import REDUCED, WHOLE, ImageSet, Stage, Work, is_there
from validity_trials import Asked, run

from facebench.metrics.table import METRICS

ROOT = Path(__file__).resolve().parents[2]


class Trials(NamedTuple):
    """How many there are: of checks where something is wrong, and of the others."""

    wrong: int
    still: int


TRIALS = {500: Trials(20, 200), 1000: Trials(20, 100), 2000: Trials(8, 40), 10_000: Trials(2, 4)}
"""By N. Each is drawn anew from the pools, of which two trials share images."""
FEWER = {500: Trials(10, 60), 1000: Trials(5, 20)}
"""Those of the reduced table."""


@click.command()
@click.option("--work", "folder", type=click.Path(path_type=Path), default=Path("validity"))
@click.option("--reduced", is_flag=True, help="Painted faces, N ≤ 1,000, fewer trials.")
@click.option("--extractor", help="Only the rows of this one.")
@click.option("--data", type=click.Choice(["painted", "celeba"]), help="Only these faces.")
@click.option("--n", type=int, help="Only this number of images a side.")
@click.option("--only", multiple=True, type=click.Choice(list(METRICS)), help="Only this metric.")
@click.option("--check", multiple=True, type=click.Choice(list(CHECKS)), help="Only this check.")
@click.option("--trials", type=click.IntRange(1), help="Of every check, instead of the usual.")
@click.option("--again", is_flag=True, help="Compute values that are kept once more.")
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count(), help="Processes.")
@click.option("--write", is_flag=True, help="Write validity.csv and the tables of the docs.")
@click.option("--step", type=click.Choice(["extract", "try", "all", "tell"]), default="all")
def main(
    folder: Path,
    reduced: bool,
    extractor: str | None,
    data: str | None,
    n: int | None,
    only: tuple[str, ...],
    check: tuple[str, ...],
    trials: int | None,
    again: bool,
    jobs: int,
    write: bool,
    step: str,
) -> None:
    """Make the validity table, or go on with it, and print it."""
    every = [stage for stage in (REDUCED if reduced else WHOLE) if is_there(stage)]
    stages = [s for s in every if extractor in (None, s.extractor) and data in (None, s.data)]
    usual = FEWER if reduced else TRIALS
    counts = [(stage, count) for stage in stages for count in stage.counts if count in usual]
    plan = [(stage, count) for stage, count in counts if n in (None, count)]
    work = Work(folder)
    work.prepare(stages)
    with ProcessPoolExecutor(jobs, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        if step in ("extract", "all"):
            chunks = missing(work, [*stages, *(stage.random for stage in stages)])
            _wait([pool.submit(_extract, folder, *chunk) for chunk in chunks])
        if step in ("try", "all"):
            asked = Asked(only, check, again)
            tried = {key: Trials(trials, trials) if trials else usual[key] for key in usual}
            _wait([pool.submit(_try, folder, *each, asked) for each in _plan(plan, tried)])
    _tell(list(entries(work, every)), folder, write)


def _extract(folder: Path, extractor: str, images: ImageSet, chunk: int) -> str:
    Work(folder).extract(extractor, images, chunk)
    return f"{extractor}: {images.name}, chunk {chunk}"


def _plan(
    plan: Sequence[tuple[Stage, int]], tried: Mapping[int, Trials]
) -> Iterator[tuple[Stage, int, int, bool]]:
    """Yield every trial, and whether it is only of checks in which nothing is wrong."""
    for stage, n in plan:
        wrong, still = tried[n]
        yield from ((stage, n, trial, trial >= wrong) for trial in range(max(wrong, still)))


def _try(folder: Path, stage: Stage, n: int, trial: int, still: bool, asked: Asked) -> str:
    count = run(folder, stage, n, trial, asked, still)
    return f"{stage.data}, {stage.extractor}, N = {n}, trial {trial + 1}: {count} values"


def _wait(work: Sequence[Future[str]]) -> None:
    for number, done in enumerate(as_completed(work), 1):
        click.echo(f"{number} of {len(work)}: {done.result()}", err=True)


def _tell(found: Sequence[Entry], folder: Path, write: bool) -> None:
    click.echo(tables(found))
    write_strengths(folder / "validity.jsonl", found)
    if write:
        write_csv(ROOT / "facebench" / "metrics" / "validity.csv", found)
        write_page(ROOT / "docs" / "validity.md", found)


if __name__ == "__main__":
    main()
