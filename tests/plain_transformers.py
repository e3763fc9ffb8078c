"""DINOv2 and CLIP's image half written anew, in plain torch: what the extractors must equal.

From the papers and the layout of their makers' files, without a function that the extractors use
but for those of linear algebra. Each has its details as arguments, the right ones by default, so
that a test can show that it would see a wrong one.
"""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

State = dict[str, Tensor]
PATCH = 14


def seeded(shapes: dict[str, tuple[int, ...]], seed: int = 0) -> State:
    """Draw tensors: norms' scales about 1, biases and positions small, embeddings smaller still.

    Small embeddings, so that it matters what a norm adds to the variance.
    """
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in shapes.items():
        values = torch.randn(shape, generator=generator)
        if ("norm" in name and name.endswith("weight")) or "gamma" in name:
            state[name] = 1 + values / 4
        elif "embed" in name or "token" in name:
            state[name] = values / 500 / (shape[-1] if len(shape) == 4 else 1)
        elif name.endswith("weight"):
            state[name] = 1.5 * values / math.sqrt(shape[-1])
        else:
            state[name] = values / 4
    return state


def dinov2_shapes(width: int, depth: int) -> dict[str, tuple[int, ...]]:
    """Name what facebookresearch/dinov2's file of a network trained at 518×518 holds."""
    shapes: dict[str, tuple[int, ...]] = {
        "cls_token": (1, 1, width),
        "pos_embed": (1, 1 + 37 * 37, width),
        "mask_token": (1, width),
        "patch_embed.proj.weight": (width, 3, PATCH, PATCH),
        "patch_embed.proj.bias": (width,),
    }
    for i in range(depth):
        for part, (out, of) in {
            "attn.qkv": (3 * width, width),
            "attn.proj": (width, width),
            "mlp.fc1": (4 * width, width),
            "mlp.fc2": (width, 4 * width),
        }.items():
            shapes |= {f"blocks.{i}.{part}.weight": (out, of), f"blocks.{i}.{part}.bias": (out,)}
        for part in ("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias"):
            shapes[f"blocks.{i}.{part}"] = (width,)
        shapes |= {f"blocks.{i}.ls1.gamma": (width,), f"blocks.{i}.ls2.gamma": (width,)}
    return shapes | {"norm.weight": (width,), "norm.bias": (width,)}


def clip_shapes(width: int, depth: int) -> dict[str, tuple[int, ...]]:
    """Name what transformers' file of CLIP at 336×336 holds, and a little of its text half."""
    shapes: dict[str, tuple[int, ...]] = {
        "logit_scale": (),
        "text_projection.weight": (768, 32),
        "text_model.final_layer_norm.weight": (32,),
        "text_model.encoder.layers.0.self_attn.q_proj.weight": (32, 32),
        "visual_projection.weight": (768, width),
        "vision_model.embeddings.position_ids": (1, 577),
        "vision_model.embeddings.class_embedding": (width,),
        "vision_model.embeddings.patch_embedding.weight": (width, 3, PATCH, PATCH),
        "vision_model.embeddings.position_embedding.weight": (577, width),
    }
    for norm in ("pre_layrnorm", "post_layernorm"):
        shapes |= {f"vision_model.{norm}.weight": (width,), f"vision_model.{norm}.bias": (width,)}
    for i in range(depth):
        home = f"vision_model.encoder.layers.{i}"
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            shapes[f"{home}.self_attn.{part}.weight"] = (width, width)
            shapes[f"{home}.self_attn.{part}.bias"] = (width,)
        for part, (out, of) in {"fc1": (4 * width, width), "fc2": (width, 4 * width)}.items():
            shapes |= {f"{home}.mlp.{part}.weight": (out, of), f"{home}.mlp.{part}.bias": (out,)}
        for norm in ("layer_norm1", "layer_norm2"):
            shapes |= {f"{home}.{norm}.weight": (width,), f"{home}.{norm}.bias": (width,)}
    return shapes


def dinov2(
    state: State,
    pixels: Tensor,
    heads: int,
    *,
    eps: float = 1e-6,
    offset: float = 0.1,
    sharpness: float = -0.75,
    activation: Callable[[Tensor], Tensor] | None = None,
    token: Callable[[Tensor], Tensor] = lambda x: x[:, 0],
) -> Tensor:
    """Return the class token of (n, 3, 224, 224) after the last norm."""
    side = pixels.shape[-1] // PATCH
    at = cubic(37, side, (side + offset) / 37, sharpness)
    grid = state["pos_embed"][0, 1:].reshape(37, 37, -1)
    places = torch.einsum("ik,jl,kld->ijd", at, at, grid).reshape(side * side, -1)
    patches = _patches(pixels, state["patch_embed.proj.weight"]) + state["patch_embed.proj.bias"]
    first = (state["cls_token"] + state["pos_embed"][:, :1]).expand(len(pixels), -1, -1)
    x = torch.cat([first, patches + places], 1)
    for i in range(_depth(state, "blocks.")):
        of = _within(state, f"blocks.{i}.")
        q, k, v = _linear(_norm(x, of, "norm1", eps), of, "attn.qkv").chunk(3, -1)
        x = x + of["ls1.gamma"] * _linear(_attention(q, k, v, heads), of, "attn.proj")
        hidden = (activation or exact_gelu)(_linear(_norm(x, of, "norm2", eps), of, "mlp.fc1"))
        x = x + of["ls2.gamma"] * _linear(hidden, of, "mlp.fc2")
    return token(_norm(x, state, "norm", eps))


def clip(
    state: State,
    pixels: Tensor,
    heads: int,
    *,
    eps: float = 1e-5,
    activation: Callable[[Tensor], Tensor] | None = None,
    length: float | None = 1.0,
) -> Tensor:
    """Return the projected embeddings of (n, 3, 336, 336), of length 1."""
    of_all = _within(state, "vision_model.")
    patches = _patches(pixels, of_all["embeddings.patch_embedding.weight"])
    first = of_all["embeddings.class_embedding"].expand(len(pixels), 1, -1)
    x = torch.cat([first, patches], 1) + of_all["embeddings.position_embedding.weight"]
    x = _norm(x, of_all, "pre_layrnorm", eps)
    for i in range(_depth(of_all, "encoder.layers.")):
        of = _within(of_all, f"encoder.layers.{i}.")
        inside = _norm(x, of, "layer_norm1", eps)
        q, k, v = (_linear(inside, of, f"self_attn.{part}_proj") for part in "qkv")
        x = x + _linear(_attention(q, k, v, heads), of, "self_attn.out_proj")
        hidden = (activation or quick_gelu)(
            _linear(_norm(x, of, "layer_norm2", eps), of, "mlp.fc1")
        )
        x = x + _linear(hidden, of, "mlp.fc2")
    embedded = _norm(x[:, 0], of_all, "post_layernorm", eps) @ state["visual_projection.weight"].T
    return embedded if length is None else length * embedded / embedded.norm(dim=1, keepdim=True)


def exact_gelu(x: Tensor) -> Tensor:
    return x * (1 + torch.erf(x / math.sqrt(2))) / 2


def quick_gelu(x: Tensor) -> Tensor:
    return x / (1 + torch.exp(-1.702 * x))


def tanh_gelu(x: Tensor) -> Tensor:
    return x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2


def cubic(count: int, wanted: int, factor: float, sharpness: float) -> Tensor:
    """Return the weights (wanted, count) of cubic convolution at every 1 / `factor` of a pixel.

    Keys 1981, with edges repeated and nothing smoothed.
    """
    at = (torch.arange(wanted, dtype=torch.float64) + 0.5) / factor - 0.5
    weights = torch.zeros(wanted, count, dtype=torch.float64)
    for shift in range(-1, 3):
        near = at.floor() + shift
        part = _keys((at - near).abs(), sharpness)
        weights.scatter_add_(1, near.clamp(0, count - 1).long()[:, None], part[:, None])
    return weights.float()


def _keys(distance: Tensor, a: float) -> Tensor:
    near = (a + 2) * distance**3 - (a + 3) * distance**2 + 1
    far = a * (distance**3 - 5 * distance**2 + 8 * distance - 4)
    return torch.where(distance <= 1, near, torch.where(distance < 2, far, 0.0))


def _patches(pixels: Tensor, kernel: Tensor) -> Tensor:
    n, _, height, width = pixels.shape
    rows, columns = height // PATCH, width // PATCH
    cut = pixels.reshape(n, 3, rows, PATCH, columns, PATCH).permute(0, 2, 4, 1, 3, 5)
    return cut.reshape(n, rows * columns, -1) @ kernel.flatten(1).T


def _attention(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    q, k, v = (x.reshape(*x.shape[:2], heads, -1).transpose(1, 2) for x in (q, k, v))
    shares = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]), -1)
    return (shares @ v).transpose(1, 2).flatten(2)


def _linear(x: Tensor, of: State, name: str) -> Tensor:
    return x @ of[f"{name}.weight"].T + of[f"{name}.bias"]


def _norm(x: Tensor, of: State, name: str, eps: float) -> Tensor:
    away = x - x.mean(-1, keepdim=True)
    unit = away / (away.square().mean(-1, keepdim=True) + eps).sqrt()
    return unit * of[f"{name}.weight"] + of[f"{name}.bias"]


def _within(state: State, home: str) -> State:
    return {name.removeprefix(home): x for name, x in state.items() if name.startswith(home)}


def _depth(state: State, home: str) -> int:
    return len({name.removeprefix(home).split(".")[0] for name in state if name.startswith(home)})


WRONG_DINOV2 = {
    "another eps": partial(dinov2, eps=1e-5),
    "no offset": partial(dinov2, offset=0.0),
    "Pillow's cubic": partial(dinov2, sharpness=-0.5),
    "tanh GELU": partial(dinov2, activation=tanh_gelu),
    "quick GELU": partial(dinov2, activation=quick_gelu),
    "the mean of tokens": partial(dinov2, token=lambda x: x[:, 1:].mean(1)),
}
WRONG_CLIP = {
    "another eps": partial(clip, eps=1e-6),
    "exact GELU": partial(clip, activation=exact_gelu),
    "any length": partial(clip, length=None),
}
