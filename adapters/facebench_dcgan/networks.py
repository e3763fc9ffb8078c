"""The networks that a run's options describe."""

from collections.abc import Mapping
from typing import Any

from facebench_dcgan import residual
from facebench_dcgan.model import Norm, build_discriminators, build_generators


def generators(config: Mapping[str, Any]) -> list[Any]:
    """Return the stages of the generator; only one where it does not grow."""
    size, latent_dim, width = config["size"], config["latent_dim"], config["width"]
    if config.get("preset") == "residual":
        return [residual.build_generator(size, latent_dim, width)]
    return build_generators(
        size,
        latent_dim,
        width,
        norm="batch" if normalises(config) else "none",
        attention=config["attention"],
        growing=config["progressive"],
    )


def discriminators(config: Mapping[str, Any]) -> list[Any]:
    """Return the stages of the discriminator; only one where it does not grow."""
    if config.get("preset") == "residual":
        return [residual.build_discriminator(config["size"], config["width"])]
    return build_discriminators(
        config["size"],
        config["width"],
        norm=_norm(config),
        spectral=config["spectral_norm"],
        attention=config["attention"],
        growing=config["progressive"],
    )


def normalises(config: Mapping[str, Any]) -> bool:
    """Return whether the generator has statistics of batches."""
    return bool(config["loss"] != "r3")


def _norm(config: Mapping[str, Any]) -> Norm:
    """Return the discriminator's norm: a penalty or bound per image allows no mixing of images."""
    if config["spectral_norm"] or config["loss"] == "r3":
        return "none"
    return "layer" if config["loss"] == "wgan-gp" else "batch"
