"""The end of a VAE's training: its last numbers, the prior, and reconstructions."""

import click
import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from facebench.numerics.transfer import send
from facebench.sampler import Images
from facebench.training.learner import ImageRows
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


def finish(run: Run, learner: VAELearner) -> None:
    """Measure what was learnt and held back (not the hold-out), fit the prior, save pictures."""
    parts = {"train": run.images} | ({"held_back": run.scored} if run.config["held_back"] else {})
    for name, images in parts.items():
        some, likelihood = images[:MEASURED], run.config["likelihood"]
        values = evaluate(learner.average, some, run.config["sigma"], likelihood)
        dimensions = some[0].size
        values["bits_per_dimension"] = bits_per_dimension(values["elbo"], likelihood, dimensions)
        run.log(learner.steps, **{f"{name}_{key}": value for key, value in values.items()})
        click.echo(TOLD.format(part=name.replace("_", " ").capitalize(), **values))
    if run.config["prior"] == "fitted":
        fit_prior(learner.average, run.images)
    shown = run.scored[:18]
    columns = min(COLUMNS, len(shown))
    whole = shown[: len(shown) // columns * columns]  # a broken row would lose its partner
    pairs = reconstructions(learner.average, whole, columns)
    run.save_grid("reconstructions", pairs, columns)


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
    shape = (len(images), model.latent_dim)
    noise = np.random.default_rng(0).standard_normal(shape, np.float32)
    parts = []
    for start in range(0, len(images), batch_size):
        part = slice(start, start + batch_size)
        x, z = _placed(images[part], model), send(noise[part], model.device)
        parts.append(model.elbo(x, sigma, likelihood, z))
    terms = means(Elbo(*(torch.cat(term) for term in zip(*parts, strict=True))))
    return {name: float(term) for name, term in terms.items()}


@torch.inference_mode()
def fit_prior(model: VAE, images: ImageRows) -> None:
    """Give `model` the Gaussian of the codes of `images` as its prior: their mean, their variance.

    The covariance of the codes is that of the posteriors' means plus the mean of their variances.
    """
    model.eval()
    posteriors = [
        model.encode(_placed(images[start : start + BATCH], model))
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
    mean = model.eval().encode(_placed(images, model)).mean
    decoded = model.render_codes(mean)
    rows = [
        row
        for start in range(0, len(images), columns)
        for row in (images[start : start + columns], decoded[start : start + columns])
    ]
    return np.concatenate(rows)


def _placed(images: Images, model: VAE) -> Float32[Tensor, "n 3 s s"]:
    """Return `images` as `model` takes them, where it is."""
    return to_network(send(np.ascontiguousarray(images), model.device))
