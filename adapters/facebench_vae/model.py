"""The variational autoencoder of Kingma & Welling (2014, arXiv:1312.6114), convolutional.

The likelihood has one fixed standard deviation sigma for all pixels, which weighs the two terms of
the ELBO (a Gaussian one as a beta-VAE of beta = sigma² does). Learning sigma with the rest (Rybkin
et al. 2021, arXiv:2006.13202) was tried, with 1,500 steps on 8,000 faces of 64x64: it fell to 0.23
and the KL grew to 330 nats; the codes of faces, of variance 1.5, no longer matched the prior, and
samples from it fell apart.
"""

import math
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from facebench.errors import BadInput, cause
from facebench.files import atomic_path, read_json
from facebench.sampler import Images, tensor_to_uint8
from facebench.training.checkpoints import MISFITS
from facebench.training.images import to_network as to_network
from facebench_vae.likelihood import LIKELIHOODS

_BOTTOM = 4  # height and width of the smallest feature map


class Posterior(NamedTuple):
    """The Gaussian q(z|x), by its mean and the logarithm of its variance."""

    mean: Float[Tensor, "n d"]
    log_variance: Float[Tensor, "n d"]

    def sample(self, noise: Float[Tensor, "n d"] | None = None) -> Float[Tensor, "n d"]:
        """Draw one z per image by the reparameterization μ + σε, where ε is `noise` if given."""
        noise = torch.randn_like(self.mean) if noise is None else noise
        return self.mean + torch.exp(self.log_variance / 2) * noise


class Elbo(NamedTuple):
    """The two terms of the evidence lower bound, in nats, each of shape (n,)."""

    reconstruction: Float[Tensor, " n"]
    """log p(x|z), the density of pixels scaled to [-1, 1]."""
    kl: Float[Tensor, " n"]
    """KL(q(z|x) ‖ p(z))."""

    @property
    def total(self) -> Float[Tensor, " n"]:
        """Their difference, a lower bound of log p(x)."""
        return self.reconstruction - self.kl


class VAE(nn.Module):
    """Encoder x → q(z|x) and decoder z → mean of p(x|z).

    Images are square, of a power of two of at least 16 pixels, scaled to [-1, 1].
    """

    def __init__(self, size: int, latent_dim: int, width: int):
        super().__init__()
        self.latent_dim = latent_dim
        levels = int(math.log2(size // _BOTTOM))
        channels = [width * min(2**level, 8) for level in range(levels)]
        flat = channels[-1] * _BOTTOM**2
        self.encoder = nn.Sequential(
            *(_convolve(nn.Conv2d, c, d) for c, d in pairwise([3, *channels])),
            nn.Flatten(),
            nn.Linear(flat, 2 * latent_dim),
        )
        self.decoder = nn.Sequential(
            nn.Linear(latent_dim, flat, bias=False),
            nn.Unflatten(1, (channels[-1], _BOTTOM, _BOTTOM)),
            *_normed(channels[-1]),
            *(_convolve(nn.ConvTranspose2d, c, d) for c, d in pairwise(channels[::-1])),
            nn.ConvTranspose2d(channels[0], 3, 4, stride=2, padding=1),
        )
        self.prior_mean = nn.Buffer(torch.zeros(latent_dim))
        self.prior_factor = nn.Buffer(torch.eye(latent_dim))
        self.to(memory_format=torch.channels_last)  # a quarter faster on a CPU

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def encode(self, x: Float[Tensor, "n 3 s s"]) -> Posterior:
        """Return q(z|x)."""
        return Posterior(*self.encoder(x).float().chunk(2, dim=1))

    def decode(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n 3 s s"]:
        """Return the mean of p(x|z), about [-1, 1]."""
        return self.decoder(z)

    def from_prior(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Return the codes that standard normal `z` stand for: z itself unless a prior was fitted.

        A fitted prior is the Gaussian of the training images' codes, which the decoder knows
        better than the standard normal (Ghosh et al. 2020, arXiv:1903.12436, section 4).
        """
        return self.prior_mean + z @ self.prior_factor.T

    def to_prior(self, codes: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Undo `from_prior`."""
        centred = (codes - self.prior_mean).T
        return torch.linalg.solve_triangular(self.prior_factor, centred, upper=False).T

    def elbo(
        self,
        x: Float[Tensor, "n 3 s s"],
        sigma: float,
        likelihood: str = "gaussian",
        noise: Float[Tensor, "n d"] | None = None,
    ) -> Elbo:
        """Estimate the ELBO of each image from one draw of z, by `noise`; the KL is exact."""
        posterior = self.encode(x)
        mean = self.decode(posterior.sample(noise)).float()
        return Elbo(LIKELIHOODS[likelihood](x, mean, sigma), kl_to_prior(posterior))

    @torch.inference_mode()
    def render(self, z: Float32[np.ndarray, "n d"]) -> Images:
        """Return the images of standard normal `z`."""
        return self.render_codes(self.from_prior(torch.from_numpy(z).to(self.device)))

    @torch.inference_mode()
    def render_codes(self, codes: Float[Tensor, "n d"]) -> Images:
        """Return the images that `codes` are decoded to, BatchNorm at its moving averages."""
        return tensor_to_uint8(self.eval().decode(codes), -1.0, 1.0)

    @torch.inference_mode()
    def invert(self, images: Images) -> Float32[np.ndarray, "n d"]:
        """Return the standard normal z that stand for the means of q(z|x): `render`'s way back."""
        codes = self.eval().encode(to_network(images).to(self.device)).mean
        return self.to_prior(codes).cpu().numpy()


def kl_to_prior(q: Posterior) -> Float[Tensor, " n"]:
    """Return KL(q ‖ N(0, I)) in nats (Kingma & Welling 2014, appendix B)."""
    return (q.mean.square() + q.log_variance.exp() - 1 - q.log_variance).sum(1) / 2


def save(model: VAE, path: Path) -> None:
    """Write the weights of encoder and decoder atomically."""
    weights = {name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}
    with atomic_path(path) as partial:
        partial.write_bytes(to_bytes(weights))  # save_file's errors are no OSError


def load(path: Path) -> VAE:
    """Build the VAE that the run's ``config.json`` describes and give it the weights at `path`."""
    config = read_json(path.parent / "config.json")
    try:
        model = VAE(config["size"], config["latent_dim"], config["width"])
        weights, prior = load_file(path), {"prior_mean", "prior_factor"}
        if not prior & weights.keys():  # written before priors could be fitted
            weights |= {name: getattr(model, name) for name in prior}
        model.load_state_dict(weights)
    except (*MISFITS, OSError, SafetensorError) as error:
        raise BadInput(
            f"{path} and its config.json are not one VAE, or damaged: {cause(error)}."
        ) from error
    return model.eval()


def _convolve(kind: type[nn.Module], c: int, d: int) -> nn.Module:
    return nn.Sequential(kind(c, d, 4, stride=2, padding=1, bias=False), *_normed(d))


def _normed(channels: int) -> tuple[nn.Module, ...]:
    return nn.BatchNorm2d(channels), nn.LeakyReLU(0.2)
