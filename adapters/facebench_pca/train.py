"""``facebench train pca``."""

from pathlib import Path
from typing import Any

import click
import numpy as np

from facebench.data.dataset import Dataset
from facebench.distributed.launch import processes_option
from facebench.errors import BadInput
from facebench.options import choice, number
from facebench.sampler import Images, latents, to_uint8
from facebench.training.charts import save_chart
from facebench.training.data import held_back, train_images
from facebench.training.loop import fit
from facebench.training.options import Plan, minutes_option, plan_options, trainer_options
from facebench.training.recorder import CONTROL_SEEDS
from facebench.training.run import Run
from facebench_pca.learner import PCALearner
from facebench_pca.model import TINY, Eigenfaces
from facebench_pca.sampler import MODEL_FILE

SOLVERS = {
    "covariance": "exact decomposition of the covariance",
    "randomized": "randomized subspace iteration, in {passes} passes",
}
DEFAULT_COMPONENTS = 512
EXACT_PIXELS = 3 * 32 * 32
"""Up to here the covariance is decomposed exactly, in seconds; its cost grows with the cube."""
TRUNCATED = (16, 64, 256)
"""How many leading components vary in the pictures of truncated spectra."""


@click.command("pca")
@trainer_options
@number(
    "--components",
    None,
    f"Eigenfaces to keep, the dimensions of the latent space.  [default: {DEFAULT_COMPONENTS}, or "
    "all there are if fewer]",
)
@choice(
    "--solver",
    ["auto", *SOLVERS],
    "How they are found: exactly, in memory of pixels by pixels; or approximately, in memory "
    "of pixels by components. auto decomposes up to 32x32 pixels exactly.",
)
@number(
    "--passes",
    6,
    "Times that the randomized solver reads all images; more are more exact. A run that is "
    "there ends earlier or later with another number.",
)
@minutes_option
@plan_options("passes", log_every=1, grid_every=1, checkpoint_every=4)
@processes_option(alone="Eigenfaces are found in one process")
def command(
    data: Path, out: Path, plan: Plan, components: int | None, solver: str, **options: Any
) -> None:
    """Fit a Gaussian in the principal subspace of the images: eigenfaces (Turk & Pentland 1991).

    The baseline that a trained model should beat. Images may have any size and need not fit into
    memory; 8,000 of 64x64 pixels take less than a minute on two CPU cores. N images span at most
    N - 1 eigenfaces.

    \b
    Examples:
      facebench train pca --data faces64 --out runs/pca
      facebench train pca --data faces64 --out runs/pca64 --components 64
    """
    dataset = train_images(data)
    components, solver = _components(components, dataset), choose_solver(solver, dataset)
    options |= {"components": components, "solver": solver}
    if solver == "covariance":
        options["minutes"] = None  # one pass is one pass
    run = Run(out, "pca", MODEL_FILE, dataset, length="passes", **options)
    if run.is_already_trained(plan):
        return
    how = SOLVERS[solver].format(**options)
    click.echo(f"Fitting {components} eigenfaces to {len(run.images)} images by {how}.")
    learner = PCALearner(run.config, run.images)
    fit(run, learner, plan, finish=lambda: _finish(run, learner))


def _finish(run: Run, learner: PCALearner) -> None:
    """Save the eigenfaces, samples of truncated spectra, and the explained variance."""
    model, total = learner.model, learner.pixels.variance
    explained = model.variances.cumsum(dtype=np.float64) / total
    click.echo(f"They explain {explained[-1]:.1%} of the variance.")
    run.save_grid("eigenfaces", portraits(model))
    for leading in TRUNCATED:
        if leading < len(model.variances):
            z = latents(CONTROL_SEEDS, len(model.variances))
            z[:, leading:] = 0
            run.save_grid(f"leading-{leading}", model.render(z))
    logarithms = np.log10(np.maximum(model.variances, TINY))
    spectrum = {
        "explained variance": list(enumerate(explained.tolist(), 1)),
        "log10 of variance": list(enumerate(logarithms.tolist(), 1)),
    }
    chart = save_chart(spectrum, run.samples / "spectrum.svg", "eigenface")
    click.echo(f"Eigenfaces: {run.samples / 'eigenfaces.png'}\nSpectrum: {chart}")


def portraits(model: Eigenfaces, count: int = 35) -> Images:
    """Return the mean face and the first eigenfaces around mid-grey, each at full contrast."""
    faces = model.components[:count]
    faces = 127.5 * (1 + faces / np.abs(faces).max(axis=1, keepdims=True))
    rows = np.concatenate([model.mean[None], faces])
    return to_uint8(rows.reshape(-1, 3, model.size, model.size), 0.0, 255.0)


def _components(wanted: int | None, dataset: Dataset) -> int:
    learnt = len(dataset) - held_back(len(dataset))
    most = min(learnt - 1, dataset.images[0].size)
    if wanted is not None and wanted > most:
        raise BadInput(
            f"--components {wanted} is more than the {learnt} images of {dataset.name} to learn "
            f"have: give at most {most}."
        )
    return wanted or min(DEFAULT_COMPONENTS, most)


def choose_solver(wanted: str, dataset: Dataset) -> str:
    """Return the solver called `wanted`, or for "auto" the one that fits the images' size."""
    if wanted != "auto":
        return wanted
    return "covariance" if dataset.images[0].size <= EXACT_PIXELS else "randomized"
