"""CLIP's image embeddings as CMMD's authors take them (Jayasumana et al. 2024, arXiv:2401.09603).

The network is the image half of OpenAI's ViT-L/14 at 336×336 (Radford et al. 2021,
arXiv:2103.00020); the features are its projected embeddings, of 768 dimensions, brought to length
1. Images are cropped to the square in their middle, and resized by Pillow, bicubic and antialiased,
to bytes; CLIP's mean is taken off, and they are divided by its deviation. The authors' program then
resizes once more, from 336×336 to 336×336, which changes nothing.

torch-fidelity's ``clip-vit-l-14-336px`` is the same network after TensorFlow 1's bilinear resize,
without the crop and of any length; its distances are others.
"""

import re
from collections.abc import Mapping
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from facebench.features.extractor import ImageBatch
from facebench.features.vision_transformer import (
    TransformerFeatures,
    empty_network,
    normalized,
    pillow_bicubic,
)

SIDE = 336
EMBEDDING = 768
_MEAN = (0.48145466, 0.4578275, 0.40821073)
_STD = (0.26862954, 0.26130258, 0.27577711)


class CLIPFeatures(TransformerFeatures):
    """CLIP's image embeddings, of length 1."""

    name = "clip"
    layer = "image_embeds"

    def pixels(self, images: ImageBatch) -> Float[Tensor, "n 3 336 336"]:
        """Return the images' middles at 336×336, normalised as CLIP's."""
        return normalized(pillow_bicubic(middle(images), SIDE).float(), _MEAN, _STD)

    def build(self, state: Mapping[str, Tensor]) -> nn.Module:
        """Return the image half of the network in the file of transformers' layout."""
        norm = partial(nn.LayerNorm, eps=1e-5)
        network = empty_network(
            self.size, SIDE, pre_norm=True, norm_layer=norm, act_layer="quick_gelu"
        )
        network.head = nn.Linear(self.size.width, EMBEDDING, bias=False, device="meta")
        network.load_state_dict(timm_state(state, self.size.depth), assign=True)
        return nn.Sequential(network, _Length1())


class _Length1(nn.Module):
    def forward(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        return F.normalize(x.float())


def middle(images: ImageBatch) -> UInt8[Tensor, "n 3 s s"]:
    """Return the square in the middle of images; where a row or column is left over, the first."""
    height, width = images.shape[2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return images[:, :, top : top + side, left : left + side]


_NAMES = {
    "embeddings.class_embedding": "cls_token",
    "embeddings.patch_embedding": "patch_embed.proj",
    "embeddings.position_embedding.weight": "pos_embed",
    "pre_layrnorm": "norm_pre",  # so they write it
    "post_layernorm": "norm",
    "encoder.layers": "blocks",
    "layer_norm": "norm",
    "self_attn.out_proj": "attn.proj",
    "self_attn": "attn",
}
"""transformers' names and timm's, the longer ones first where one begins another."""
_NAME = re.compile("|".join(map(re.escape, _NAMES)))


def timm_state(state: Mapping[str, Tensor], depth: int) -> dict[str, Tensor]:
    """Return the image half of transformers' CLIP by timm's names, its q, k and v as one matrix."""
    theirs = {
        name.removeprefix("vision_model."): tensor
        for name, tensor in state.items()
        if name.startswith("vision_model.") and not name.endswith(".position_ids")
    }
    found = {_NAME.sub(_timm_name, name): tensor for name, tensor in theirs.items()}
    for kind in ("weight", "bias"):
        for block in (f"blocks.{i}.attn" for i in range(depth)):
            parts = [found.pop(f"{block}.{part}_proj.{kind}") for part in "qkv"]
            found[f"{block}.qkv.{kind}"] = torch.cat(parts)
    return found | {
        "cls_token": found["cls_token"].reshape(1, 1, -1),
        "pos_embed": found["pos_embed"].unsqueeze(0),
        "head.weight": state["visual_projection.weight"],
    }


def _timm_name(match: re.Match[str]) -> str:
    return _NAMES[match[0]]
