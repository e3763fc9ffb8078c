"""A training run of the VAE, from its data to its last numbers."""

from typing import Any

import click
import numpy as np
import torch

from facebench.errors import BadInput
from facebench.sampler import Images
from facebench.training.group import join_group
from facebench.training.learner import ImageRows
from facebench.training.loop import fit
from facebench.training.options import Plan
from facebench.training.run import Run
from facebench_vae.learner import VAELearner, means
from facebench_vae.likelihood import bits_per_dimension
from facebench_vae.model import VAE, Elbo, to_network

BATCH = 100
COLUMNS = 6
MEASURED = 1000
"""Images of each part that the final ELBO is measured on, at most."""
TOLD = (
    "{part} ELBO: {elbo:.0f} = {reconstruction:.0f} (reconstruction) - {kl:.0f} (KL) nats, "
    "{bits_per_dimension:.3f} bits per dimension."
)


def choose_device(name: str) -> str:
    """Return "cpu" or "cuda" for ``--device`` "auto", "cpu" or "cuda"."""
    if name == "cuda" and not torch.cuda.is_available():
        raise BadInput("torch sees no GPU for --device cuda: leave the option out.")
    return name if name != "auto" else "cuda" if torch.cuda.is_available() else "cpu"


def train(run: Run, plan: Plan, device: str = "cpu") -> None:
    """Train as ``run.config`` says, and write its model file when all is done."""
    group = join_group(device, run.config["batch_size"])
    learner = VAELearner(run.config, run.images, device, group)
    fit(run, learner, plan, group, finish=lambda: _finish(run, learner))


def _finish(run: Run, learner: VAELearner) -> None:
    """Measure what was learnt and what was held back, fit the prior if asked for, and draw.

    The hold-out split is left to evaluations.
    """
    parts = {"train": run.images} | ({"held_back": run.scored} if run.config["held_back"] else {})
    for name, images in parts.items():
        values = measure(learner.average, images, run.config)
        run.log(learner.steps, **{f"{name}_{key}": value for key, value in values.items()})
        click.echo(TOLD.format(part=name.replace("_", " ").capitalize(), **values))
    if run.config["prior"] == "fitted":
        fit_prior(learner.average, run.images)
    shown = run.scored[:18]
    columns = min(COLUMNS, len(shown))
    whole = shown[: len(shown) // columns * columns]  # a broken row would lose its partner
    pairs = reconstructions(learner.average, whole, columns)
    run.save_grid("reconstructions", pairs, columns)


def measure(model: VAE, images: ImageRows, config: dict[str, Any]) -> dict[str, float]:
    """Return the ELBO of up to 1,000 images, its terms, and its bits per dimension."""
    some = images[:MEASURED]
    values = evaluate(model, some, config["sigma"], config["likelihood"])
    bits = bits_per_dimension(values["elbo"], config["likelihood"], some[0].size)
    return values | {"bits_per_dimension": bits}


@torch.inference_mode()
def evaluate(
    model: VAE,
    images: np.ndarray,
    sigma: float,
    likelihood: str = "gaussian",
    batch_size: int = BATCH,
) -> dict[str, float]:
    """Return the mean ELBO of `images` and its terms, in nats, from one draw of z an image."""
    model.eval()
    noise = torch.from_numpy(
        np.random.default_rng(0).standard_normal((len(images), model.latent_dim), np.float32)
    )
    parts = []
    for start in range(0, len(images), batch_size):
        part = slice(start, start + batch_size)
        x = to_network(images[part]).to(model.device)
        parts.append(model.elbo(x, sigma, likelihood, noise[part].to(model.device)))
    return means(Elbo(*(torch.cat(term) for term in zip(*parts, strict=True))))


@torch.inference_mode()
def fit_prior(model: VAE, images: ImageRows) -> None:
    """Give `model` the Gaussian of the codes of `images` as its prior: their mean, their variance.

    The covariance of the codes is that of the posteriors' means plus the mean of their variances.
    """
    model.eval()
    posteriors = [
        model.encode(to_network(images[start : start + BATCH]).to(model.device))
        for start in range(0, len(images), BATCH)
    ]
    mean = torch.cat([each.mean for each in posteriors]).double()
    spread = torch.cat([each.log_variance for each in posteriors]).double().exp().mean(0)
    covariance = mean.T.cov(correction=0) + torch.diag(spread)
    model.prior_mean.copy_(mean.mean(0))
    model.prior_factor.copy_(torch.linalg.cholesky(covariance))


@torch.inference_mode()
def reconstructions(model: VAE, images: np.ndarray, columns: int) -> Images:
    """Return rows of `images`, each followed by what their posteriors' means decode to."""
    mean = model.eval().encode(to_network(images).to(model.device)).mean
    decoded = model.render_codes(mean)
    rows = [
        row
        for start in range(0, len(images), columns)
        for row in (images[start : start + columns], decoded[start : start + columns])
    ]
    return np.concatenate(rows)
