"""From a student to the package's file: BatchNorm folded, subjects mapped and weighed, float16."""

from pathlib import Path

import numpy as np
import torch
from portrait_student import School
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from facebench.features.portrait import PortraitNetwork, to_network
from facebench.files import atomic_path

DIRECTIONS = 192
"""Of the teacher's 768: those in which what the student says of it varies most."""
DAMAGE_WEIGHT = 0.5
"""Of what is wrong, beside what Inception says, in the teacher's units."""
_SAMPLE = 4000


def export(school: School, path: Path) -> None:
    """Write the student's network, and the map from what it pools to features."""
    pooled = pooled_means(school)
    offset, directions = linear_map(school, pooled)
    state = {**folded(school.student.trunk).state_dict(), "map": directions, "offset": offset}
    with atomic_path(path) as partial:
        arrays = {name: each.half().contiguous() for name, each in state.items()}
        save_file(arrays, partial, school.origin)


@torch.inference_mode()
def pooled_means(school: School) -> Tensor:
    """Return what the network pools of the first pictures."""
    trunk = school.student.trunk.eval()
    batches = torch.split(torch.from_numpy(school.images[:_SAMPLE]), 100)
    return torch.cat([trunk(to_network(batch)) for batch in batches])


@torch.inference_mode()
def linear_map(school: School, pooled: Tensor) -> tuple[Tensor, Tensor]:
    """Return offset and map: the teacher's features turned to few directions, and the damage."""
    scale = school.scales.scale
    teacher = school.student.weights_of("teacher") * scale
    said = pooled @ teacher
    _, vectors = np.linalg.eigh(np.cov(said.double().numpy(), rowvar=False))
    leading = torch.from_numpy(vectors[:, ::-1][:, :DIRECTIONS].copy()).float()
    damage = school.student.weights_of("damage") * (DAMAGE_WEIGHT * scale)
    together = torch.cat([teacher @ leading, damage], 1)
    # Kernels of a fixed width want features of about length √d: KID is blind to spread otherwise.
    together = together / (pooled @ together).var(0).mean().sqrt()
    return -(pooled @ together).mean(0), together


def folded(trunk: PortraitNetwork) -> PortraitNetwork:
    """Return the network as it is used: each BatchNorm in the convolution before it."""
    plain = PortraitNetwork().eval()
    for place, layer in enumerate(trunk.layers):
        convolution, norm = layer.children()
        assert isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
        plain.layers[place] = fuse_conv_bn_eval(convolution, norm)
    return plain
