"""R3GAN's objective and networks: against NumPy, closed forms and PyTorch's Adam."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import load_file

from facebench.data.prepare import synthesize
from facebench.errors import BadInput
from facebench.files import read_json
from facebench_dcgan.learner import batch, shared
from facebench_dcgan.relativistic import default_gamma, rates
from facebench_dcgan.train import command

BACKENDS = ["tensorflow", "torch"]
Process = Callable[..., list[str]]
CONFIG: dict[str, Any] = {
    "size": 16,
    "steps": 100,
    "batch_size": 4,
    "width": 4,
    "latent_dim": 8,
    "lr": 1e-3,
    "gamma": 2.0,
    "seed": 5,
    "loss": "r3",
    "preset": "residual",
    "label_noise": 0.0,
    "smoothing": 0.0,
    "ema": 0.999,
    "spectral_norm": False,
    "diffaugment": False,
    "attention": False,
    "progressive": False,
    "mixed_precision": False,
    "jit_compile": False,
}

# Prints what both networks minimise and its gradients: of a discriminator that is a sum of cubes,
# of the residual ones; then Adam's way, and the layers of the networks.
PIECES = """
import json, sys
import numpy as np
from facebench_keras.runtime import start_keras

keras = start_keras(sys.argv[1])
from keras import ops
from facebench_dcgan.adam import ScheduledAdam
from facebench_dcgan.backend import find_backend
from facebench_dcgan.networks import discriminators, generators
from facebench_dcgan.relativistic import relativistic_losses

backend, config = find_backend(sys.argv[1]), json.loads(sys.argv[2])

def array(x):
    return np.asarray(ops.convert_to_numpy(x), np.float64)

def tensor(x):
    return ops.convert_to_tensor(np.asarray(x, "float32"))

rng = np.random.default_rng(0)
real, fake = rng.uniform(-1, 1, (2, 3, 4, 4, 3))
weights = rng.normal(0, 1, (2, 4, 4, 3))
found = {"real": real.tolist(), "fake": fake.tolist(), "weights": weights.tolist()}
kernel, shift = (keras.Variable(v, dtype="float32") for v in (weights, np.zeros((4, 4, 3))))

def discriminate(x):
    terms = kernel[0] * x + kernel[1] * x**3
    return ops.sum(terms, (1, 2, 3))[:, None]

losses, gradients = backend.differentiate(
    lambda: relativistic_losses(
        backend, discriminate, tensor(real), tensor(fake) + shift, tensor(0.3)
    ),
    [kernel],
    [shift],
)
found["losses"] = [float(each) for each in losses]
found["by kernel"], found["by shift"] = (array(g[0]).tolist() for g in gradients)

# The generator's gradient by its loss as the paper has it, with a pass through the discriminator.
(judge,), (draw,) = discriminators(config), generators(config)
for network in (judge, draw):
    network.set_weights([rng.normal(0, 0.2, w.shape) for w in network.get_weights()])
z, real = tensor(rng.normal(size=(4, 8))), tensor(rng.uniform(-1, 1, (4, 16, 16, 3)))

def direct():
    return (ops.mean(ops.softplus(judge(real) - judge(draw(z)))),)

def ours():
    return relativistic_losses(backend, judge, real, draw(z), tensor(0.3))[1:]

(first,), (slow,) = backend.differentiate(direct, draw.trainable_variables)
(second,), (fast,) = backend.differentiate(ours, draw.trainable_variables)
found["g losses"] = [float(first), float(second)]
found["g difference"] = max(float(np.abs(array(a) - array(b)).max()) for a, b in zip(slow, fast))
found["g largest"] = max(float(np.abs(array(a)).max()) for a in slow)

point = keras.Variable(np.array([1.0, -2.0], "float32"))
adam, way = ScheduledAdam([point]), []
for beta_2, rate, gradient in json.loads(sys.argv[3]):
    with backend.updating():
        adam.apply([tensor(gradient)], [point], tensor(beta_2), tensor(rate))
    way.append(array(point).tolist())
found["way"] = way

def kinds(network):
    for layer in network.layers:
        yield type(layer).__name__
        yield from kinds(layer) if hasattr(layer, "layers") else ()

found["layers"], found["shapes"] = {}, []
for preset in ("residual", "default"):
    chosen = config | {"preset": preset}
    networks = [*generators(chosen), *discriminators(chosen)]
    found["layers"][preset] = sorted({kind for network in networks for kind in kinds(network)})
    found["layers"][preset] += [len(network.non_trainable_variables) for network in networks]
for size in (16, 32, 64, 128):
    sized = config | {"size": size, "width": 2}
    (drawn,), (judged,) = generators(sized), discriminators(sized)
    found["shapes"].append([size, *drawn.output_shape, *judged.input_shape, *judged.output_shape])
print(json.dumps(found))
"""
STEPS = [[0.9, 0.1, [1.0, -3.0]], [0.92, 0.05, [0.5, 2.0]], [0.99, 0.02, [-4.0, 0.1]]]
"""Of Adam: beta_2, learning rate and gradient."""


@pytest.fixture(scope="module", params=BACKENDS)
def pieces(request: pytest.FixtureRequest, keras_process: Process) -> dict[str, Any]:
    arguments = request.param, json.dumps(CONFIG), json.dumps(STEPS)
    told: dict[str, Any] = json.loads(keras_process(PIECES, *arguments, backend=request.param)[-1])
    return told


def softplus(x: np.ndarray) -> np.ndarray:
    return np.log1p(np.exp(x))


def test_losses_and_their_gradients_are_the_papers(pieces: dict[str, Any]) -> None:
    real, fake, kernel = (np.array(pieces[name]) for name in ("real", "fake", "weights"))

    def slopes(kernel: np.ndarray, x: np.ndarray) -> np.ndarray:
        slope: np.ndarray = kernel[0] + 3 * kernel[1] * x**2
        return slope

    def margin(kernel: np.ndarray, fake: np.ndarray) -> np.ndarray:
        difference = kernel[0] * (real - fake) + kernel[1] * (real**3 - fake**3)
        total: np.ndarray = difference.sum((1, 2, 3))
        return total

    def d_loss(kernel: np.ndarray) -> float:
        r1, r2 = ((slopes(kernel, x) ** 2).sum((1, 2, 3)).mean() for x in (real, fake))
        return float(softplus(-margin(kernel, fake)).mean() + 0.3 / 2 * (r1 + r2))

    def g_loss(shift: np.ndarray) -> float:
        return float(softplus(margin(kernel, fake + shift)).mean())

    nothing = np.zeros((4, 4, 3))
    assert pieces["losses"] == pytest.approx([d_loss(kernel), g_loss(nothing)], rel=1e-4)
    by_kernel, by_shift = slow_gradient(d_loss, kernel), slow_gradient(g_loss, nothing)
    np.testing.assert_allclose(pieces["by kernel"], by_kernel, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(pieces["by shift"], by_shift, rtol=1e-3, atol=1e-4)
    assert np.abs(by_kernel).max() > 1 and np.abs(by_shift).max() > 0.1  # else it shows nothing


def slow_gradient(function: Callable[[np.ndarray], float], x: np.ndarray) -> np.ndarray:
    gradient, step = np.zeros_like(x), 1e-5
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] += step
        down[index] -= step
        gradient[index] = (function(up) - function(down)) / (2 * step)
    return gradient


def test_the_generator_needs_no_pass_of_its_own(pieces: dict[str, Any]) -> None:
    direct, ours = pieces["g losses"]
    assert direct == pytest.approx(ours, rel=1e-5)
    assert pieces["g difference"] < 1e-4 * pieces["g largest"]


def test_adam_is_pytorchs_with_other_rates_in_each_step(pieces: dict[str, Any]) -> None:
    import torch

    point = torch.tensor([1.0, -2.0], dtype=torch.float64, requires_grad=True)
    adam, way = torch.optim.Adam([point], betas=(0.0, 0.9)), []
    for beta_2, rate, gradient in STEPS:
        adam.param_groups[0] |= {"lr": rate, "betas": (0.0, beta_2)}
        point.grad = torch.tensor(gradient, dtype=torch.float64)
        adam.step()
        way.append(point.tolist())
    np.testing.assert_allclose(pieces["way"], way, rtol=1e-5)


def test_no_network_normalises(pieces: dict[str, Any]) -> None:
    for layers in pieces["layers"].values():
        assert not [each for each in layers if "Norm" in str(each)]
        assert layers[-2:] == [0, 0]  # nothing but what is trained


def test_networks_are_built_for_every_size(pieces: dict[str, Any]) -> None:
    for size, *shapes in pieces["shapes"]:
        assert shapes == [None, size, size, 3, None, size, size, 3, None, 1]


def test_rates_follow_half_a_cosine_and_then_stay() -> None:
    found = [rates(CONFIG, step) for step in range(101)]
    assert found[0] == pytest.approx((2.0, 0.9, 1e-3))
    middle = (1.1, 0.945, 0.625e-3)
    assert found[25] == pytest.approx(middle)
    assert all(each == pytest.approx((0.2, 0.99, 2.5e-4)) for each in found[50:])
    assert [each.gamma for each in found] == sorted((each.gamma for each in found), reverse=True)
    assert default_gamma(128) == 16


def test_all_processes_have_the_rates_of_the_step() -> None:
    images = np.zeros((8, 3, 16, 16), np.uint8)
    parts = [shared(batch(images, CONFIG, 25), slice(rank, None, 2)) for rank in range(2)]
    for part in parts:
        np.testing.assert_allclose(part["rates"], rates(CONFIG, 25), rtol=1e-6)
        assert len(part["real"]) == 2


# Trains the whole and in two halves, the first ended by a Ctrl-C in step 5; draws the last
# checkpoint and the exported model.
TRAIN = """
import signal, sys
import numpy as np
from facebench.plugins.model_spec import parse_model
from facebench_dcgan.learner import DCGANLearner
from facebench_dcgan.train import command

backend, data, out = sys.argv[1:]
options = "--steps=8 --log-every=1 --width=4 --batch-size=4 --checkpoint-every=4 --loss=r3"
options += " --keep-checkpoints=all --backend=" + backend

def train(name):
    command([*options.split(), "--data", data, "--out", f"{out}/{name}"], standalone_mode=False)

train("whole")
step = DCGANLearner.step

def interrupted(self, number):
    if number == 5:
        signal.raise_signal(signal.SIGINT)
    return step(self, number)

DCGANLearner.step = interrupted
try:
    train("parts")
except SystemExit as stop:
    print(stop.code)
DCGANLearner.step = step
train("parts")
np.savez(f"{out}/drawn.npz", **{
    name: parse_model(f"x={out}/{name}").open().sample(range(7))
    for name in ("whole", "whole@8", "whole@4")
})
"""
DRAW = """
import sys
import numpy as np
from facebench_dcgan import DCGANSampler
from facebench_keras.runtime import start_keras

start_keras(sys.argv[3])
np.save(sys.argv[2], DCGANSampler(__import__("pathlib").Path(sys.argv[1])).sample(range(7)))
"""


@pytest.fixture(scope="module", params=BACKENDS)
def run(
    request: pytest.FixtureRequest, keras_process: Process, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Give the folder of what TRAIN leaves on one backend."""
    out: Path = tmp_path_factory.mktemp(request.param)
    synthesize(out / "faces16", num=16, size=16, holdout=6)
    lines = keras_process(TRAIN, request.param, out / "faces16", out, backend=request.param)
    assert "130" in lines
    return out


def test_a_resumed_run_is_the_uninterrupted_one_to_the_bit(run: Path) -> None:
    whole, parts = (
        load_file(run / name / "checkpoints" / "step-000008.safetensors")
        for name in ("whole", "parts")
    )
    assert whole.keys() == parts.keys()
    for name, array in whole.items():
        np.testing.assert_array_equal(parts[name], array, err_msg=name)


def test_the_loss_and_gamma_are_recorded(run: Path) -> None:
    config = read_json(run / "whole" / "config.json")
    assert (config["loss"], config["preset"], config["label_noise"]) == ("r3", "residual", 0)
    assert config["gamma"] == pytest.approx(2 / 64)
    lines = (run / "whole" / "metrics.jsonl").read_text().splitlines()
    logged = [line for line in map(json.loads, lines) if "d_loss" in line]
    assert len(logged) == 8
    assert all(math.isfinite(line["d_loss"] + line["g_loss"]) for line in logged)


def test_checkpoints_are_models_and_other_backends_draw_the_same(
    run: Path, keras_process: Process, tmp_path: Path
) -> None:
    with np.load(run / "drawn.npz") as drawn:
        whole, last, early = (drawn[name] for name in ("whole", "whole@8", "whole@4"))
    np.testing.assert_array_equal(whole, last)
    assert np.ptp(whole, axis=0).max() > 10 and (early != last).any()
    other = {"tensorflow": "torch", "torch": "tensorflow"}[
        read_json(run / "whole" / "config.json")["backend"]
    ]
    model = tmp_path / "generator.keras"
    model.write_bytes((run / "whole" / "generator.keras").read_bytes())
    keras_process(DRAW, model, tmp_path / "other.npy", other, backend=other)
    assert np.abs(np.load(tmp_path / "other.npy").astype(int) - whole).max() <= 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--loss r3 --spectral-norm", "--spectral-norm does not go with --loss r3"),
        ("--loss r3 --progressive", "--progressive does not go with --loss r3"),
        ("--loss r3 --attention", "--attention does not go with --preset residual"),
        ("--loss r3 --label-noise 0.1", "--loss r3 has no labels to change"),
        ("--loss r3 --smoothing 0.1", "--loss r3 has no labels to change"),
        ("--loss r3 --preset notebook", "leave out --loss"),
        ("--preset residual", "takes --loss r3: add that"),
        ("--loss hinge --gamma 1", "--gamma weighs the penalties of --loss r3"),
    ],
)
def test_what_does_not_go_together_is_refused(words: str, says: str, tmp_path: Path) -> None:
    synthesize(tmp_path / "faces16", num=16, size=16, holdout=6)
    where = ["--data", str(tmp_path / "faces16"), "--out", str(tmp_path / "run")]
    error = CliRunner().invoke(command, [*where, *words.split()]).exception
    assert isinstance(error, BadInput) and says in str(error)
    assert not (tmp_path / "run").exists()
