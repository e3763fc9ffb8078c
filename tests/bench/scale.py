"""What many images cost: time and memory of the metrics of features that are there.

python tests/bench/scale.py --points 50000 --out reports/leaderboard/SCALE.md
"""

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import numpy as np
import torch
from data import SHIFT, WIDTH, features
from harness import machine

from facebench.metrics.extrapolation import frechet_infinity_estimate
from facebench.metrics.frechet import frechet_estimate
from facebench.metrics.kernel import kernel_estimate
from facebench.metrics.manifold import manifold_estimates
from facebench.metrics.memorization import memorization

METRICS: dict[str, Callable[[np.ndarray, np.ndarray], object]] = {
    "FID": frechet_estimate,
    "FID∞": frechet_infinity_estimate,
    "KID": kernel_estimate,
    "precision, recall, density, coverage": manifold_estimates,
    "authenticity, 5 nearest": memorization,
}


def on_disk(count: int, seed: int, folder: Path) -> np.ndarray:
    """Write features to a file, some at a time, and map it."""
    path = folder / f"{seed}.npy"
    file = np.lib.format.open_memmap(path, "w+", np.float32, (count, WIDTH))
    for part, start in enumerate(range(0, count, 5000)):
        rows = file[start : start + 5000]
        rows[:] = features(len(rows), 1000 * seed + part, seed * SHIFT)
    file.flush()
    return np.load(path, mmap_mode="r")


@contextmanager
def watched() -> Iterator[list[float]]:
    """Give the most MiB that are held besides mapped files, once the block has ended."""
    peak, over = [held()], threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            peak[0] = max(peak[0], held())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()


def held() -> float:
    """Return the MiB of this process that no file backs."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


@click.command()
@click.option("--points", default=50_000, show_default=True, help="Images a side.")
@click.option("--out", type=click.Path(path_type=Path), help="Where to write the table.")
def main(points: int, out: Path | None) -> None:
    """Measure, and write the table."""
    torch.linalg.eigvalsh(torch.eye(600, dtype=torch.float64))  # the libraries' own buffers
    lines = ["| metrics | seconds | MiB besides the framework |", "|---|---|---|"]
    with tempfile.TemporaryDirectory() as folder:
        x, y = (on_disk(points, seed, Path(folder)) for seed in (0, 1))
        for name, metric in METRICS.items():
            before = held()
            started = time.perf_counter()
            with watched() as peak:
                metric(x, y)
            seconds = time.perf_counter() - started
            lines.append(f"| {name} | {seconds:.0f} | {peak[0] - before:.0f} |")
            click.echo(lines[-1], err=True)
    how = f"{points:,} against {points:,} features of {WIDTH} dimensions. {machine()}."
    text = "\n\n".join(["# Scale", how, "\n".join(lines)]) + "\n"
    click.echo(text)
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
