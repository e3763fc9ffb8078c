"""``facebench train pca``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import click
import numpy as np
from jaxtyping import Float32

from facebench.data.dataset import Dataset
from facebench.errors import BadInput
from facebench.sampler import Images, latents, to_uint8
from facebench.training import Run, progress_bar, train_images, trainer_options
from facebench_pca.model import Eigenfaces, render, save
from facebench_pca.sampler import MODEL_FILE

Solver = Literal["covariance_eigh", "randomized"]
SOLVERS: dict[Solver, str] = {
    "covariance_eigh": "exact decomposition of the covariance",
    "randomized": "randomized SVD",
}
DEFAULT_COMPONENTS = 512
EXACT_PIXELS = 3 * 32 * 32
"""Up to here the covariance is decomposed exactly, in seconds; its cost grows with the cube."""
GRID_SEEDS = range(36)
BLOCK = 1024


@click.command("pca")
@trainer_options
@click.option(
    "--components",
    type=click.IntRange(min=1),
    metavar="INT",
    help=f"Eigenfaces to keep, the dimensions of the latent space.  "
    f"[default: {DEFAULT_COMPONENTS}, or all there are if fewer]",
)
def command(data: Path, out: Path, components: int | None, seed: int) -> None:
    """Fit a Gaussian in the principal subspace of the images: eigenfaces (Turk & Pentland 1991).

    The baseline that a trained model should beat. Images may have any size; 8,000 of 64x64 pixels
    take about 15 seconds and 1 GB of memory on two CPU cores. N images span at most N - 1
    eigenfaces.

    \b
    Example:
      facebench train pca --data faces64 --out runs/pca
      facebench train pca --data faces64 --out runs/pca64 --components 64
    """
    dataset = train_images(data)
    components = _components(components, dataset)
    run = Run(out, "pca", MODEL_FILE, dataset, components=components, seed=seed)
    if run.finished:
        click.echo(f"{run.model_path} is already trained with these options.")
        return
    train(run, dataset, components, seed)
    click.echo(f"Model:   {run.model_path}\nSamples: {run.folder / 'samples' / 'final.png'}")


def train(run: Run, dataset: Dataset, components: int, seed: int) -> None:
    """Fit the eigenfaces of `dataset`, and write the run's model file when all is done."""
    solver = _solver(dataset)
    click.echo(f"Fitting {components} eigenfaces to {len(dataset)} images by {SOLVERS[solver]}.")
    with progress_bar() as bar:
        reading = bar.add_task("read", total=len(dataset), note="images")
        pixels = _read(dataset, lambda count: bar.advance(reading, count))
        fitting = bar.add_task("decompose", total=1, note="data set")
        model, explained = fit(pixels, components, solver, seed)
        bar.advance(fitting)
    run.log(components, explained_variance=explained)
    click.echo(f"They explain {explained:.1%} of the variance.")
    run.save_grid("eigenfaces", portraits(model))
    run.save_grid("final", render(model, latents(GRID_SEEDS, components)))
    save(model, run.model_path)


def fit(
    pixels: Float32[np.ndarray, "n p"], components: int, solver: Solver, seed: int
) -> tuple[Eigenfaces, float]:
    """Return the model of `pixels` (which are overwritten) and the share of variance it explains.

    scikit-learn's variances are over n - 1 and are brought to n here.
    """
    mean = pixels.mean(0, dtype=np.float64).astype(np.float32)
    pixels -= mean  # in float32, scikit-learn's own mean and X'X lose digits to an offset
    pca = _import_sklearn().PCA(components, svd_solver=solver, random_state=seed, copy=False)
    pca.fit(pixels)
    variances = pca.explained_variance_ * np.float32(1 - 1 / len(pixels))
    explained = float(pca.explained_variance_ratio_.sum())
    return Eigenfaces(mean + pca.mean_, pca.components_, variances), explained


def portraits(model: Eigenfaces, count: int = 35) -> Images:
    """Return the mean face and the first eigenfaces around mid-grey, each at full contrast."""
    faces = model.components[:count]
    faces = 127.5 * (1 + faces / np.abs(faces).max(axis=1, keepdims=True))
    rows = np.concatenate([model.mean[None], faces])
    return to_uint8(rows.reshape(-1, 3, model.size, model.size), 0.0, 255.0)


def _read(dataset: Dataset, advance: Callable[[int], object]) -> Float32[np.ndarray, "n p"]:
    pixels = np.empty((len(dataset), dataset.images[0].size), np.float32)
    for start in range(0, len(pixels), BLOCK):
        block = dataset.images[start : start + BLOCK]
        pixels[start : start + BLOCK] = block.reshape(len(block), -1)
        advance(len(block))
    return pixels


def _components(wanted: int | None, dataset: Dataset) -> int:
    most = min(len(dataset) - 1, dataset.images[0].size)
    if wanted is not None and wanted > most:
        raise BadInput(
            f"--components {wanted} is more than the {len(dataset)} training images of "
            f"{dataset.name} have: give at most {most}."
        )
    return wanted or min(DEFAULT_COMPONENTS, most)


def _solver(dataset: Dataset) -> Solver:
    return "covariance_eigh" if dataset.images[0].size <= EXACT_PIXELS else "randomized"


def _import_sklearn() -> Any:
    try:
        import sklearn.decomposition
    except ModuleNotFoundError as error:
        raise BadInput(
            f"Eigenfaces need the package {error.name!r}, which is not installed: "
            "pip install 'facebench[pca]'"
        ) from error
    return sklearn.decomposition
