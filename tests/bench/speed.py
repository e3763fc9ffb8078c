"""How fast facebench is beside others: the same files, weights and machine, in one run, in turns.

    make bench        # writes reports/leaderboard/SPEED.md; an hour on two CPU cores

Real faces, other people's samples and the parity weights come from $FACEBENCH_SHARED, else from
../shared. The table is written anew after every case.
"""

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cases
import click
from data import BATCH, DEVICE, PRECISIONS, faces, generated, source
from harness import Case, Row, machine, matrix_rate, measure, table
from whole import whole, write_pictures

from facebench.features import create
from facebench.metrics import frechet_distance

GFLOP = 11.4  # of Inception, an image


def roofline(rows: list[Row]) -> str:
    """Say how near Inception comes to what the machine can do."""
    lines = []
    for precision, dtype in PRECISIONS.items():
        peak = matrix_rate(dtype, DEVICE)
        for row in rows:
            if row.case.name.startswith("Inception") and precision in row.who:
                rate = row.case.images / min(row.seconds) * GFLOP
                lines.append(
                    f"Inception, {row.who}: {rate:.0f} GFLOP/s at {GFLOP} GFLOP an image, "
                    f"{rate / peak:.0%} of a matrix product's {peak:.0f} in {precision}."
                )
    return "\n\n".join(lines)


def agreement(count: int, folder: Path) -> str:
    """Say how far bfloat16 moves FID."""
    sets = faces(folder / "faces").images[:count], generated(count)
    values = []
    for precision in PRECISIONS:
        network = create("inception", source(), DEVICE, precision=precision)
        values.append(frechet_distance(*(network.extract(x, BATCH)["features"] for x in sets)))
    return (
        f"FID of {count} against {count} images: {values[0]:.4f} in fp32, {values[1]:.4f} in bf16 "
        f"({values[1] / values[0] - 1:+.2%})."
    )


@click.command()
@click.option("--images", default=1000, show_default=True, help="Images of the Inception cases.")
@click.option(
    "--pictures",
    default=2000,
    show_default=True,
    help="Images a side of whole processes; 0 for none.",
)
@click.option("--points", default=10_000, show_default=True, help="Images a side of the algebra.")
@click.option("--repeats", default=3, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Where to write the table.")
def main(images: int, pictures: int, points: int, repeats: int, out: Path | None) -> None:
    """Measure, and write the table."""
    how = (
        f"{machine()}. Medians, in brackets the range, of {repeats} or more repetitions in turns. "
        "Written by `make bench`."
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder, rows = Path(temporary), []
        for make in jobs(images, pictures, points, folder):
            found = measure(make(), repeats)
            click.echo(table(found), err=True)
            rows += found
            write(out, how, table(rows))
        click.echo(write(out, how, table(rows), roofline(rows), agreement(images, folder)))


def write(out: Path | None, *parts: str) -> str:
    """Write what is known so far, and return it."""
    text = "\n\n".join(["# Speed", *parts]) + "\n"
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
    return text


def jobs(images: int, pictures: int, points: int, folder: Path) -> Iterator[Callable[[], Case]]:
    """Yield what makes each case, so that one at a time is in memory."""
    yield cases.help_text
    yield partial(cases.inception, images)
    yield partial(cases.frechet, 500, False)
    yield partial(cases.frechet, points, True)
    yield partial(cases.neighbours, points)
    yield partial(cases.diversity, 2000)
    if pictures:
        write_pictures(pictures, folder)
        yield partial(whole, pictures, folder)


if __name__ == "__main__":
    main()
