"""Checkpoints of every build: the module's weights are found, or what is there is listed."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from facebench.errors import BadInput
from facebench_models.state import give_weights

State = dict[str, Any]


def net(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    network(torch.randn(8, 3))
    return network


def state(seed: int = 0, prefix: str = "") -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in net(seed).state_dict().items()}


def parameters(seed: int) -> dict[str, Tensor]:
    return dict(net(seed).named_parameters())


def optimizer() -> State:
    network = net()
    made = torch.optim.Adam(network.parameters())
    network(torch.randn(8, 3)).sum().backward()
    made.step()
    return made.state_dict()


def given(content: Any, path: Path, key: str = "", extra: bool = False) -> dict[str, Tensor]:
    """Save `content`, load a fresh module's weights from it, and return what the module has."""
    save_file(content, path) if path.suffix == ".safetensors" else torch.save(content, path)
    network = net(99)
    give_weights(network, path, key, extra)
    return network.state_dict()


def assert_is(found: dict[str, Tensor], seed: int) -> None:
    for name, tensor in state(seed).items():
        torch.testing.assert_close(found[name], tensor)


ONE: dict[str, Callable[[], Any]] = {
    "plain": lambda: state(1),
    "netG": lambda: {"netG": state(1), "netD": {"0.weight": torch.zeros(9)}, "epoch": 3},
    "G_state_dict": lambda: {"G_state_dict": state(1), "opt": optimizer()},
    "compiled": lambda: state(1, "_orig_mod."),
    "compiled and parallel": lambda: {"ema": state(1, "module._orig_mod.")},
    "lightning": lambda: {
        "state_dict": state(1, "generator.") | {"discriminator.0.weight": torch.zeros(1)},
        "optimizer_states": [optimizer()],
        "pytorch-lightning_version": "2.5",
    },
    "averaged": lambda: AveragedModel(net(1)).state_dict(),
    "compiled within": lambda: {k.replace("0.", "0._orig_mod.", 1): v for k, v in state(1).items()},
    "parallel within and without": lambda: {
        f"module.{k.replace('.', '.module.', 1)}": v for k, v in state(1).items()
    },
    "nested": lambda: {"a": {"b": {"c": state(1)}}},
    "in a list": lambda: [{"0.weight": torch.zeros(1)}, state(1)],
    "without counters": lambda: {k: v for k, v in state(1).items() if "tracked" not in k},
    "of half precision": lambda: {k: v.half().float() for k, v in state(1).items()},
    "beside another size": lambda: {"big": {"0.weight": torch.zeros(9, 9)}, "small": state(1)},
    "by layers": lambda: {
        number: {name.partition(".")[2]: x for name, x in state(1).items() if name[0] == number}
        for number in "012"
    },
}


@pytest.mark.parametrize("name", ONE)
def test_the_one_place_that_fits_is_taken(name: str, tmp_path: Path) -> None:
    found = given(ONE[name](), tmp_path / "w.pt")
    if name != "of half precision":
        assert_is(found, 1)


SEVERAL: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "ema": (lambda: {"model": state(1), "ema": state(2), "opt": optimizer()}, ["model", "ema"]),
    "g_ema": (lambda: {"g": state(1), "g_ema": state(2), "d": {}}, ["g", "g_ema"]),
    "lightning": (
        lambda: {"state_dict": state(1, "generator.") | state(2, "generator_ema.")},
        ["state_dict.generator", "state_dict.generator_ema"],
    ),
    "ema_pytorch": (
        lambda: state(1, "online_model.") | state(2, "ema_model.") | {"step": torch.ones(1)},
        ["online_model", "ema_model"],
    ),
    "within itself": (lambda: state(1) | state(2, "ema."), [".", "ema"]),
    "deeper": (lambda: {"model": state(1), "ema": {"module": state(2)}}, ["model", "ema.module"]),
    "averages of parameters": (lambda: {"net": state(1), "ema": parameters(2)}, ["net", "ema"]),
}


@pytest.mark.parametrize("name", SEVERAL)
def test_where_several_fit_they_are_listed_and_key_chooses(name: str, tmp_path: Path) -> None:
    make, keys = SEVERAL[name]
    with pytest.raises(BadInput, match="at 2 places") as refused:
        given(make(), tmp_path / "w.pt")
    assert all(f"+key={key} (" in str(refused.value) for key in keys)
    assert_is(given(make(), tmp_path / "w.pt", keys[0]), 1)
    if name != "averages of parameters":
        assert_is(given(make(), tmp_path / "w.pt", keys[1]), 2)


def test_a_key_may_leave_out_what_is_beneath_it(tmp_path: Path) -> None:
    content = {"model": state(1), "ema": {"module": state(2)}}
    assert_is(given(content, tmp_path / "w.pt", "ema"), 2)


def test_safetensors_of_several(tmp_path: Path) -> None:
    content = state(1, "generator.") | state(2, "generator_ema.")
    with pytest.raises(BadInput, match=r"\+key=generator \(9 tensors\) or \+key=generator_ema"):
        given(content, tmp_path / "w.safetensors")
    assert_is(given(content, tmp_path / "w.safetensors", "generator_ema"), 2)


def test_a_file_is_read_by_its_content_whatever_its_name(tmp_path: Path) -> None:
    save_file(state(1), tmp_path / "w.safetensors")
    (tmp_path / "w.safetensors").rename(tmp_path / "w.pt")
    torch.save(state(2), tmp_path / "v.safetensors")
    for name, seed in (("w.pt", 1), ("v.safetensors", 2)):
        network = net()
        give_weights(network, tmp_path / name, "", False)
        assert_is(network.state_dict(), seed)


REFUSED: dict[str, tuple[Callable[[], Any], str, str]] = {
    "nothing fits": (
        lambda: {"netG": {"a.weight": torch.zeros(1)}, "netD": {"b": torch.zeros(1)}},
        "",
        r"lacks weights that the module has \(0\.bias, 0\.weight, 1\.bias and 6 more\): it holds "
        r"netG \(1 tensor\), netD \(1 tensor\)",
    ),
    "one is missing": (
        lambda: {"g": {k: v for k, v in state().items() if k != "2.bias"}},
        "",
        r"lacks weights that the module has: 2\.bias at g; it holds g\.0 \(2 tensors\), g\.1 \(5",
    ),
    "another shape": (
        lambda: {"g": state() | {"2.bias": torch.zeros(9)}},
        "",
        r"holds g\.2\.bias of shape \(9,\), where the module has \(2,\)",
    ),
    "no such key": (lambda: {"a": state()}, "ema", r"no weights .* at key=ema: add \+key=a \("),
    "two keys amid names": (
        lambda: {f"{k[0]}.{w}{k[1:]}": v for w in ("ema", "raw") for k, v in state(1).items()},
        "",
        r"lacks weights that the module has .*: it holds 0 \(4 tensors\), 1 \(10",
    ),
    "averages without buffers, and none that has them": (
        lambda: {"ema": parameters(1)},
        "ema",
        r"lacks weights that the module has: 1\.running_mean, 1\.running_var at ema",
    ),
    "a list without names": (
        lambda: {"ema": {"shadow_params": list(net().parameters()), "decay": 0.9}},
        "",
        r"ema\.shadow_params is a list of 6 tensors without names, as moving averages are kept",
    ),
    "a list without names and a state": (
        lambda: {"model": state(), "ema": {"shadow_params": list(net().parameters())}},
        "",
        r"at 2 places: add \+key=model \(9 tensors\); ema\.shadow_params is a list of 6 tensors",
    ),
    "nothing": (dict, "", "holds no state dictionary: there is no tensor in it"),
    "numbers": (lambda: {"loss": 0.3, "epoch": 4}, "", "there is no tensor in it"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_listed(name: str, tmp_path: Path) -> None:
    make, key, says = REFUSED[name]
    with pytest.raises(BadInput, match=says) as refused:
        given(make(), tmp_path / "w.pt", key)
    assert "\n" not in str(refused.value)


def test_weights_beside_the_modules_are_unused_and_those_of_other_networks_are_not(
    tmp_path: Path,
) -> None:
    content = state(1) | {"encoder.weight": torch.zeros(1)}
    with pytest.raises(BadInput, match=r"no place for \(encoder\.weight\).*\+unused=allow"):
        given(content, tmp_path / "w.pt")
    assert_is(given(content, tmp_path / "w.pt", extra=True), 1)
    content = state(1, "decoder.") | {"encoder.weight": torch.zeros(1)}
    assert_is(given(content, tmp_path / "w.pt"), 1)


def test_a_module_on_the_device_meta_gets_memory(tmp_path: Path) -> None:
    torch.save(state(1), tmp_path / "w.pt")
    with torch.device("meta"):
        network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    give_weights(network, tmp_path / "w.pt", "", False)
    assert_is(network.state_dict(), 1)
    with torch.device("meta"):
        network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
        network.register_buffer("grid", torch.zeros(3), persistent=False)
    with pytest.raises(BadInput, match="builds grid on the device meta"):
        give_weights(network, tmp_path / "w.pt", "", False)


def test_a_whole_module_says_how_to_save_its_weights_alone(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    torch.save(net(1), path)
    with pytest.raises(BadInput) as refused:
        give_weights(net(), path, "", False)
    said = str(refused.value)
    assert "torch.nn.modules.container.Sequential, which is code" in said
    assert "\x1b" not in said and "\n" not in said and "two options" not in said
    assert "let x = torch.load('w.pt', weights_only=False) and save the weights alone" in said
    x = torch.load(path, weights_only=False)
    torch.save(x.state_dict(), path)
    network = net()
    give_weights(network, path, "", False)
    assert_is(network.state_dict(), 1)


def test_a_checkpoint_with_other_objects_names_them(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"it holds argparse\.Namespace, which is code"):
        given({"g": state(), "args": argparse.Namespace(lr=1)}, tmp_path / "w.pt")


def test_a_dictionary_in_itself_ends(tmp_path: Path) -> None:
    content: State = {"g": state(1)}
    content["again"] = content
    assert_is(given(content, tmp_path / "w.pt"), 1)


def test_averages_whose_names_are_not_the_modules_are_not_passed_over(tmp_path: Path) -> None:
    raw = state(1, "model.")
    odd = {f"model_ema.{name.replace('.', '')}": tensor for name, tensor in state(2).items()}
    content = {"state_dict": raw | odd}
    with pytest.raises(BadInput, match=r"looks like averaged weights .*\+key=state_dict\.model"):
        given(content, tmp_path / "w.pt")
    assert_is(given(content, tmp_path / "w.pt", "state_dict.model"), 1)


def test_averages_without_buffers_take_those_of_the_model(tmp_path: Path) -> None:
    names = {name for name, _ in net().named_parameters()}
    shadow = {name: tensor for name, tensor in state(2).items() if name in names}
    found = given({"model": state(1), "ema": {"shadow": shadow}}, tmp_path / "w.pt", "ema.shadow")
    for name, tensor in found.items():
        expected = state(2 if name in names else 1)[name]
        assert (tensor == expected).all(), name
