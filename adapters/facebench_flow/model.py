"""Flow matching (Lipman et al. 2023, arXiv:2210.02747; Liu et al. 2023, arXiv:2209.03003).

Noise z and an image x are joined by the line x_t = (1 - t) z + t x. A network learns the mean of
the velocity x - z of all lines through a point; images are made by moving noise along it.

The network guesses the image, and the velocity at x_t is (guess - x_t) / (1 - t): an image has far
fewer dimensions than noise, which a network of large patches cannot hand through (Li & He 2025,
arXiv:2511.13720). One that was to learn the velocity itself left its images noisy. Its input is
scaled to a variance of about 1, as Karras et al. 2022 do (arXiv:2206.00364, section 5).
"""

from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from jaxtyping import Float, Float32
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from facebench.errors import BadInput, cause
from facebench.files import atomic_path, read_json
from facebench.numerics.transfer import send
from facebench.sampler import Images, tensor_to_uint8
from facebench.training.checkpoints import MISFITS
from facebench.training.images import to_network
from facebench_flow.solver import SolverName, solve
from facebench_flow.unet import SHAPES, UNet

SPREAD = 0.5
"""Standard deviation of pixels scaled to [-1, 1], about."""
LEAST_LEFT = 0.05
"""What 1 - t is taken for at least: errors of the last guesses are not made larger (ibid.)."""
MOST_STEPS = 1000


class Flow(nn.Module):
    """The velocity of images of `size` pixels, scaled to [-1, 1], and the way along it."""

    def __init__(self, size: int, network: str, steps: int, solver: SolverName):
        super().__init__()
        if steps not in range(1, MOST_STEPS + 1) or solver not in get_args(SolverName):
            raise ValueError(f"there is no solver {solver!r} of {steps!r} steps")
        self.shape, self.latent_dim = (3, size, size), 3 * size * size
        self.unet = UNet(size, SHAPES[network])
        self.steps, self.solver = steps, solver

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def forward(
        self, x: Float[Tensor, "n 3 s s"], t: Float[Tensor, " n"]
    ) -> Float[Tensor, "n 3 s s"]:
        """Return the velocity at `x` and times `t`."""
        time = t[:, None, None, None]
        return (self.guess(x, t) - x) / (1 - time).clamp(min=LEAST_LEFT)

    def guess(
        self, x: Float[Tensor, "n 3 s s"], t: Float[Tensor, " n"]
    ) -> Float[Tensor, "n 3 s s"]:
        """Return the mean of the images whose lines lead through `x` at times `t`."""
        time = t[:, None, None, None]
        spread = ((1 - time) ** 2 + (time * SPREAD) ** 2).sqrt()
        return SPREAD * self.unet(x / spread, t).float()

    def loss(
        self, x: Float[Tensor, "n 3 s s"], z: Float[Tensor, "n 3 s s"], t: Float[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        """Return each image's mean squared error of the velocity at time `t` of its line."""
        time = t[:, None, None, None]
        error = (self.guess((1 - time) * z + time * x, t) - x) / (1 - time).clamp(min=LEAST_LEFT)
        return error.square().flatten(1).mean(1)

    @torch.inference_mode()
    def render(self, z: Float32[np.ndarray, "n d"]) -> Images:
        """Return the images that standard normal `z` moves to."""
        noise = torch.from_numpy(z).to(self.device).view(-1, *self.shape)
        return tensor_to_uint8(solve(self.eval(), noise, self.steps, self.solver), -1.0, 1.0)

    @torch.inference_mode()
    def invert(self, images: Images) -> Float32[np.ndarray, "n d"]:
        """Return the noise that moves to `images`: `render`'s way back."""
        x = to_network(send(images, self.device))
        z = solve(self.eval(), x, self.steps, self.solver, backwards=True)
        return z.flatten(1).cpu().numpy()


def save(model: Flow, path: Path) -> None:
    """Write the weights atomically."""
    weights = {name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}
    with atomic_path(path) as partial:
        partial.write_bytes(to_bytes(weights))  # save_file's errors are no OSError


def build(config: Any) -> Flow:
    """Return the flow that a run's `config` describes."""
    return Flow(*(config[name] for name in ("size", "network", "solver_steps", "solver")))


def load(path: Path) -> Flow:
    """Build the flow that the run's ``config.json`` describes and give it the weights at `path`."""
    config = read_json(path.parent / "config.json")
    try:
        model = build(config)
        model.load_state_dict(load_file(path))
    except (*MISFITS, OSError, SafetensorError) as error:
        raise BadInput(
            f"{path} and its config.json are not one flow, or damaged: {cause(error)}."
        ) from error
    return model.eval()
