"""Translators in every form that they come in, opened as a worker opens them."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from facebench.errors import BadInput
from facebench.plugins import registry
from facebench.samplers.latents import draw
from facebench.samplers.pixels import Pixels
from facebench.translator import (
    Asked,
    AskedTranslator,
    Translator,
    as_sampler,
    require_sampler,
    require_translator,
)

RNG = np.random.default_rng(0)
SOURCES = RNG.integers(0, 256, (7, 3, 6, 5), dtype=np.uint8)
SEEDS = [3, 1, 4, 15, 9, 2, 6]
TANH, SIGMOID = Pixels("tanh", "NCHW"), Pixels("sigmoid", "NCHW")

NETS = """
import numpy as np
from torch import nn

def build():
    return nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), nn.PixelShuffle(2), nn.Tanh())

def twice(sources, seeds):
    large = np.repeat(np.repeat(sources, 2, 2), 2, 3).astype(int)
    return (large + np.array(seeds)[:, None, None, None]).clip(0, 255).astype(np.uint8)

def floats(sources, seeds):
    return list(sources.transpose(0, 2, 3, 1) / 255)

def with_file(sources, seeds, path):
    return np.full_like(sources, int(path.read_text()))
"""


class Net(nn.Module):
    """Doubles the size of sources of some channels, by noise of 4 numbers where it is given any."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.conv = nn.Conv2d(channels, 12, 3, padding=1)
        self.shift = nn.Linear(4, 12)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(nn.functional.pixel_shuffle(self.conv(x), 2))


class Noisy(Net):
    def forward(self, x: Tensor, z: Tensor) -> Tensor:  # type: ignore[override]
        y = self.conv(x) + self.shift(z)[:, :, None, None]
        return torch.tanh(nn.functional.pixel_shuffle(y, 2))


class NoiseFirst(Noisy):
    def forward(self, z: Tensor, x: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(x, z)


def opened(adapter: str, path: Path, code: str = "", **options: str) -> Translator:
    return require_translator(registry.load(adapter, path, options, code, sources=SOURCES[:4]))


def expected(network: nn.Module, pixels: Pixels = TANH, channels: int = 3) -> np.ndarray:
    """Answer the sources one by one."""
    given = SOURCES if channels == 3 else grey(SOURCES)
    low, high = (-1, 1) if pixels is TANH else (0, 1)
    values = torch.from_numpy(given.astype(np.float32) / 255 * (high - low) + low)
    noise = torch.from_numpy(draw(SEEDS, 4, "normal"))
    with torch.no_grad():
        rows = [_run(network, values[i : i + 1], noise[i : i + 1]) for i in range(len(SOURCES))]
    return TANH.images(torch.cat(rows).numpy())


def _run(network: nn.Module, x: Tensor, z: Tensor) -> Tensor:
    if isinstance(network, NoiseFirst):
        return network(z, x)
    return network(x, z) if isinstance(network, Noisy) else network(x)


def grey(images: np.ndarray) -> np.ndarray:
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    return np.tensordot(images.astype(np.float32), weights, (1, 0))[:, None]


def check(translator: Translator, wanted: np.ndarray) -> None:
    answers = translator.translate(SOURCES, SEEDS)
    np.testing.assert_allclose(answers.astype(int), wanted.astype(int), atol=1)
    one = translator.translate(SOURCES[2:3], SEEDS[2:3])  # alone as among others
    np.testing.assert_allclose(one.astype(int), answers[2:3].astype(int), atol=1)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(NETS)
    return tmp_path


def test_a_module_translates_sources_in_its_range(place: Path) -> None:
    scope: dict[str, Any] = {}
    exec(NETS, scope)
    torch.manual_seed(0)
    network = scope["build"]().eval()
    torch.save(network.state_dict(), place / "w.pt")
    check(opened("torch", place / "w.pt", "nets.py:build"), expected(network))
    sigmoid = opened("torch", place / "w.pt", "nets.py:build", input_range="sigmoid")
    check(sigmoid, expected(network, SIGMOID))


def test_a_script_translates_with_noise_where_its_size_is_given(place: Path) -> None:
    for network, options in ((Net(), {}), (Noisy(), {"size": "4"})):
        save_script(network.eval(), place / "s.pt")
        check(opened("torchscript", place / "s.pt", **options), expected(network))


@pytest.mark.parametrize("kind", [Net, Noisy, NoiseFirst])
@pytest.mark.parametrize("form", ["export", "onnx"])
def test_a_file_that_knows_its_inputs_needs_no_options(
    kind: type[Net], form: str, place: Path
) -> None:
    network = kind().eval()
    x, z = torch.zeros(2, 3, 6, 5), torch.zeros(2, 4)
    inputs = {Net: (x,), Noisy: (x, z), NoiseFirst: (z, x)}[kind]
    if form == "export":
        torch.export.save(torch.export.export(network, inputs), place / "m.pt2")
        check(opened("export", place / "m.pt2"), expected(network))
        return
    save_onnx(network, inputs, place / "m.onnx")
    check(opened("onnx", place / "m.onnx"), expected(network))


def save_script(network: nn.Module, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(network).save(path)  # type: ignore[no-untyped-call]


def save_onnx(network: nn.Module, inputs: tuple[Tensor, ...], path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, inputs, path, dynamo=False)


KERAS = """
import sys
import triton  # before TensorFlow: the other order aborts
from facebench_keras.runtime import start_keras
keras = start_keras("tensorflow")
from pathlib import Path
import numpy as np
from facebench.plugins import registry
from facebench.samplers.latents import draw

keras.utils.set_random_seed(0)
x, z = keras.Input((6, 5, 3)), keras.Input((4,))
shift = keras.layers.Reshape((1, 1, 3))(keras.layers.Dense(3)(z))
y = keras.layers.Add()([keras.layers.Conv2D(3, 3, padding="same")(x), shift])
y = keras.layers.Activation("tanh")(keras.layers.UpSampling2D(2)(y))
noisy = keras.Model([x, z], y)
plain = keras.Sequential(
    [keras.Input((6, 5, 3)), keras.layers.Conv2D(3, 3, padding="same", activation="tanh")]
)
sources = np.random.default_rng(0).integers(0, 256, (7, 3, 6, 5), dtype=np.uint8)
given = sources.transpose(0, 2, 3, 1).astype(np.float32) / 127.5 - 1
for model, inputs in ((plain, given), (noisy, [given, draw(range(7), 4, "normal")])):
    path = Path(sys.argv[1]) / "m.keras"
    model.save(path)
    translator = registry.load("keras", path, sources=sources[:4])
    answers = translator.translate(sources, list(range(7))).astype(int)
    wanted = np.asarray(model(inputs, training=False)).transpose(0, 3, 1, 2)
    print(np.abs(answers - (wanted + 1) * 127.5).max() < 1)
"""


def test_a_model_of_keras_translates_with_noise_or_without(
    keras_process: Callable[..., list[str]], place: Path
) -> None:
    assert keras_process(KERAS, place, backend="tensorflow") == ["True", "True"]


def test_a_network_of_one_channel_is_given_grey_sources(place: Path) -> None:
    network = Net(1).eval()
    save_onnx(network, (torch.zeros(2, 1, 6, 5),), place / "m.onnx")
    check(opened("onnx", place / "m.onnx"), expected(network, channels=1))


def test_a_function_of_sources_and_seeds_translates(place: Path) -> None:
    large = np.repeat(np.repeat(SOURCES, 2, 2), 2, 3).astype(int)
    wanted = (large + np.array(SEEDS)[:, None, None, None]).clip(0, 255)
    check(opened("python", Path("nets.py:twice"), "nets.py:twice"), wanted)
    floats = opened(
        "python", Path("nets.py:floats"), "nets.py:floats", range="sigmoid", layout="NHWC"
    )
    check(floats, SOURCES)
    (place / "level.txt").write_text("7")
    check(opened("python", place / "level.txt", "nets.py:with_file"), np.full_like(SOURCES, 7))


def test_what_cannot_translate_is_refused_in_one_sentence(place: Path) -> None:
    save_script(nn.Linear(6, 3), place / "s.pt")
    with pytest.raises(
        BadInput, match=r"cannot be run on sources of 5×6 pixels: .*facebench eval,"
    ):
        opened("torchscript", place / "s.pt")
    save_onnx(nn.Linear(6, 3), (torch.zeros(2, 6),), place / "m.onnx")
    with pytest.raises(BadInput, match="none of which is images in the layout NCHW"):
        opened("onnx", place / "m.onnx")
    with pytest.raises(BadInput, match=r"one argument, so .* is not for it|takes the arguments"):
        opened("python", Path("nets.py:build"), "nets.py:build")
    with pytest.raises(BadInput, match="no option 'latent'; there are: layout, output, range"):
        opened("python", Path("nets.py:twice"), "nets.py:twice", latent="normal")
    save_script(Net(), place / "n.pt")
    with pytest.raises(BadInput, match="does not fit range=sigmoid: range=tanh does"):
        opened("torchscript", place / "n.pt", range="sigmoid", input_range="tanh")


def test_a_function_of_numbers_in_another_range_is_refused(place: Path) -> None:
    code = "nets.py:floats"
    for stated in ("uint8", "tanh"):
        with pytest.raises(BadInput, match=f"does not fit range={stated}: range=sigmoid does"):
            opened("python", Path(code), code, range=stated, layout="NHWC").translate(
                SOURCES, SEEDS
            )


class Masked(Net):
    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(x * mask)


def test_a_second_input_like_an_image_is_noise_only_where_that_is_said(place: Path) -> None:
    save_onnx(Masked().eval(), (torch.zeros(2, 3, 6, 5), torch.ones(2, 1, 6, 5)), place / "m.onnx")
    with pytest.raises(BadInput, match=r"two inputs like images.*python:.*\+size=1x64x64"):
        opened("onnx", place / "m.onnx")
    assert opened("onnx", place / "m.onnx", size="1x6x5").translate(SOURCES, SEEDS).shape[0] == 7


class Samples:
    def sample(self, seeds: Any) -> np.ndarray:
        return np.zeros((len(seeds), 3, 4, 4), np.uint8)


class Counts:
    """Translates, and tells which seeds it was asked with."""

    def translate(self, sources: np.ndarray, seeds: Any) -> np.ndarray:
        answers = sources.copy()
        answers[:, 0, 0, 0] = seeds
        return answers


def test_samplers_and_translators_are_told_apart() -> None:
    asked = Asked(SOURCES, (6, 5))
    with pytest.raises(BadInput, match=r"takes no sources .*: score it by facebench eval,"):
        as_sampler(Samples(), asked)
    with pytest.raises(BadInput, match="score it by facebench eval-pairs --pairs DIR"):
        as_sampler(Counts(), None)
    assert isinstance(as_sampler(Counts(), asked), AskedTranslator)
    assert require_sampler(kept := Samples()) is kept


def test_every_source_is_answered_by_seeds_of_its_own_whatever_the_batch() -> None:
    asked = Asked(SOURCES, (6, 5), answers=3, first=10)
    sampler = AskedTranslator(Counts(), asked)
    images = sampler.sample(asked.numbers)
    assert asked.numbers == range(10, 31) and len(images) == 21
    for k, image in enumerate(images):
        source, draw = divmod(k, 3)
        assert image[0, 0, 0] == 10 + 7 * draw + source
        np.testing.assert_array_equal(image[1:], SOURCES[source, 1:])
    assert len({*asked.seeds(asked.numbers)}) == 21
    apart = [sampler.sample([number])[0] for number in asked.numbers]
    np.testing.assert_array_equal(np.stack(apart), images)
    first = AskedTranslator(Counts(), Asked(SOURCES, (6, 5), answers=1, first=10))
    np.testing.assert_array_equal(first.sample(range(10, 17)), images[::3])


def test_answers_that_are_none_are_refused() -> None:
    class Wrong:
        def __init__(self, answers: np.ndarray) -> None:
            self.answers = answers

        def translate(self, sources: np.ndarray, seeds: Any) -> np.ndarray:
            return self.answers

    def refusal(answers: np.ndarray) -> str:
        with pytest.raises((BadInput, ValueError)) as refused:
            AskedTranslator(Wrong(answers), Asked(SOURCES, (12, 10))).sample(range(7))
        return str(refused.value)

    wrong_size = refusal(np.zeros((7, 3, 24, 20), np.uint8))
    assert "answers are of 20×24 pixels and the targets of 10×12" in wrong_size
    assert "returned float64 where uint8" in refusal(np.zeros((7, 3, 12, 10)))
    assert "shape (6, 3, 12, 10) for 7 seeds" in refusal(np.zeros((6, 3, 12, 10), np.uint8))
