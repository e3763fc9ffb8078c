"""The training loop of the VAE."""

import math
import time
from collections.abc import Iterator
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor

from facebench.data.dataset import Dataset
from facebench.errors import BadInput
from facebench.sampler import Images, latents
from facebench.training import Run, progress_bar
from facebench_vae.model import VAE, Elbo, render, save, to_network

LOG_EVERY = 50
GRID_EVERY = 500
GRID_SEEDS = range(36)
HOLDOUT = "Holdout ELBO: {elbo:.0f} = {reconstruction:.0f} (reconstruction) - {kl:.0f} (KL) nats."


def choose_device(name: str) -> str:
    """Return "cpu" or "cuda" for ``--device`` "auto", "cpu" or "cuda"."""
    if name == "cuda" and not torch.cuda.is_available():
        raise BadInput("torch sees no GPU for --device cuda: leave the option out.")
    return name if name != "auto" else "cuda" if torch.cuda.is_available() else "cpu"


def fit(run: Run, dataset: Dataset, holdout: Dataset | None, device: str = "cpu") -> None:
    """Train as ``run.config`` says, and write its model file when all is done."""
    config = run.config
    torch.manual_seed(config["seed"])
    model = VAE(config["size"], config["latent_dim"], config["width"]).to(device)
    _ascend(model, run, dataset)
    if holdout:
        values = evaluate(model, holdout.images, config["sigma"])
        run.log(config["steps"], **{f"holdout_{key}": value for key, value in values.items()})
        click.echo(HOLDOUT.format(**values))
    run.save_grid("reconstructions", reconstructions(model, (holdout or dataset).images[:18]))
    run.save_grid("final", render(model, latents(GRID_SEEDS, model.latent_dim)))
    save(model, run.model_path)


def _ascend(model: VAE, run: Run, dataset: Dataset) -> None:
    steps, started = run.config["steps"], time.monotonic()
    fixed = latents(GRID_SEEDS, model.latent_dim)
    with progress_bar() as bar:
        task = bar.add_task("vae", total=steps, note="")
        for step, elbo in enumerate(train_steps(model, dataset.images, run.config), 1):
            if step % LOG_EVERY == 0 or step == steps:
                values = _finite(means(elbo), step)
                run.log(step, **values, seconds=round(time.monotonic() - started, 2))
                bar.update(task, note="elbo {elbo:.0f}  kl {kl:.0f}".format(**values))
            if step % GRID_EVERY == 0:
                run.save_grid(f"step-{step:06d}", render(model, fixed))
            bar.advance(task)


def train_steps(model: VAE, images: np.ndarray, config: dict[str, Any]) -> Iterator[Elbo]:
    """Ascend the mean ELBO of random batches with Adam, and yield each batch's ELBO."""
    rng = np.random.default_rng(config["seed"])
    adam = torch.optim.Adam(model.parameters(), config["lr"])
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, config["steps"])
    for _ in range(config["steps"]):
        x = to_network(batch(images, config["batch_size"], rng))
        elbo = model.train().elbo(x.to(model.device), config["sigma"])
        adam.zero_grad()
        torch.autograd.backward(-elbo.total.mean())
        adam.step()
        schedule.step()
        yield elbo


def batch(images: np.ndarray, count: int, rng: np.random.Generator) -> Images:
    """Return `count` random images, each mirrored with probability one half."""
    chosen = images[np.sort(rng.integers(len(images), size=count))]  # sorted: read in disk order
    return np.where(rng.random((count, 1, 1, 1)) < 0.5, chosen, chosen[..., ::-1])


@torch.inference_mode()
def evaluate(
    model: VAE, images: np.ndarray, sigma: float, batch_size: int = 100
) -> dict[str, float]:
    """Return the mean ELBO of `images` and its terms, in nats, from one draw of z an image."""
    model.eval()
    parts = [
        model.elbo(to_network(images[start : start + batch_size]).to(model.device), sigma)
        for start in range(0, len(images), batch_size)
    ]
    return means(Elbo(*(torch.cat(term) for term in zip(*parts, strict=True))))


@torch.inference_mode()
def reconstructions(model: VAE, images: np.ndarray) -> Images:
    """Return `images` followed by what decoding their posteriors' means gives."""
    mean = model.eval().encode(to_network(images).to(model.device)).mean
    return np.concatenate([images, render(model, mean.cpu().numpy())])


def means(elbo: Elbo) -> dict[str, float]:
    """Return the mean of the bound and of each of its terms."""
    terms: dict[str, Tensor] = {"elbo": elbo.total, **elbo._asdict()}
    return {name: term.mean().item() for name, term in terms.items()}


def _finite(values: dict[str, float], step: int) -> dict[str, float]:
    if not all(map(math.isfinite, values.values())):
        raise BadInput(f"The ELBO is no longer finite at step {step}: try a smaller --lr.")
    return values
