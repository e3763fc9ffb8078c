"""Train the portrait network: ``make portrait``, within an hour on two cores; ended, it goes on.

    python tests/bench/portrait.py --work portrait --write

Draws the pictures, asks Inception (the weights of ../shared), trains, and with --write puts the
weights into the package. docs/features.md says what was tried, and what came of it.
"""

import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import click
import torch
from portrait_export import export
from portrait_lessons import chunk_path, load, make
from portrait_student import School
from shared_files import INCEPTION

from facebench.errors import BadInput
from facebench.features.portrait import FILE


@click.command()
@click.option("--work", type=click.Path(path_type=Path), default=Path("portrait"))
@click.option("--chunks", default=42, show_default=True, help="Of 500 pictures.")
@click.option("--steps", default=3000, show_default=True, help="Of 128 pictures.")
@click.option("--seed", default=0, show_default=True)
@click.option("--write", is_flag=True, help="Put the weights into the package.")
def main(work: Path, chunks: int, steps: int, seed: int, write: bool) -> None:
    """Make the lessons, learn them, and export the network."""
    if not INCEPTION.exists():
        raise BadInput(f"{INCEPTION} is not there: set FACEBENCH_SHARED to where it is.")
    _teach(work, chunks)
    torch.set_num_threads(os.cpu_count() or 1)
    school = School(work, load(work, chunks), steps, seed)
    school.learn()
    export(school, FILE if write else work / FILE.name)


def _teach(work: Path, chunks: int) -> None:
    missing = [chunk for chunk in range(chunks) if not chunk_path(work, chunk).exists()]
    with ProcessPoolExecutor(initializer=torch.set_num_threads, initargs=(1,)) as pool:
        futures = [pool.submit(make, work, chunk) for chunk in missing]
        for number, done in enumerate(as_completed(futures), 1):
            done.result()
            click.echo(f"{number} of {len(missing)} chunks", err=True)


if __name__ == "__main__":
    main()
