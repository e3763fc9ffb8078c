"""What each option of the DCGAN does: every one changes training, and in the way it says."""

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from facebench.data.dataset import Dataset, open_dataset
from facebench.data.prepare import synthesize
from facebench.errors import BadInput
from facebench.files import read_json
from facebench_dcgan.growth import growth
from facebench_dcgan.learner import batch, notebook_batch
from facebench_dcgan.notebook_preset import noisy_targets
from facebench_dcgan.train import command

BACKENDS = ["tensorflow", "torch"]
Process = Callable[..., list[str]]
PLAIN: dict[str, Any] = {
    "seed": 5,
    "size": 16,
    "steps": 4,
    "batch_size": 4,
    "width": 4,
    "latent_dim": 8,
    "lr": 2e-4,
    "preset": "default",
    "loss": "nonsaturating",
    "label_noise": 0.1,
    "smoothing": 0.0,
    "ema": 0.999,
    "spectral_norm": False,
    "diffaugment": False,
    "attention": False,
    "progressive": False,
    "mixed_precision": False,
    "jit_compile": False,
}
VARIANTS = {
    "plain": "",
    "lr": "--lr 1e-3",
    "hinge": "--loss hinge",
    "wgan-gp": "--loss wgan-gp",
    "r3": "--loss r3 --preset default --diffaugment --attention",
    "gamma": "--loss r3 --preset default --gamma 1",
    "residual": "--loss r3 --diffaugment --mixed-precision",
    "label-noise": "--label-noise 0",
    "smoothing": "--smoothing 0.2",
    "ema": "--ema 0",
    "spectral-norm": "--spectral-norm",
    "diffaugment": "--diffaugment",
    "attention": "--attention",
    "progressive": "--progressive",
    "mixed-precision": "--mixed-precision",
    "jit-compile": "--jit-compile",
    "notebook": "--preset notebook --batch-size 4 --width 4",
    "all": "--loss wgan-gp --spectral-norm --diffaugment --attention --progressive",
}
# XLA compiles for several seconds, and is TensorFlow's.
ON = {"tensorflow": list(VARIANTS), "torch": [name for name in VARIANTS if name != "jit-compile"]}

# Trains every variant for four steps, in one process; TensorFlow eagerly, for compiling takes most
# of the time.
TRAIN = """
import json, sys
from facebench_dcgan import gan
from facebench_dcgan.train import command

gan.SETTLING_PASSES = 2
backend, data, out, variants = sys.argv[1:]
if backend == "tensorflow":
    import tensorflow as tf
    tf.config.run_functions_eagerly(True)
for name, words in json.loads(variants).items():
    options = ["--steps", 4, "--log-every", 1, "--grid-every", 2, "--width", 4, "--batch-size", 4]
    where = ["--data", data, "--out", f"{out}/{name}", "--backend", backend]
    command([*map(str, options), *where, *words.split()], standalone_mode=False)
"""

# The same, where every step takes a second, as trainings see it.
IN_SECONDS = f"""
import pytest
from facebench_dcgan.learner import DCGANLearner
from pretended_clock import Clock

DCGANLearner.step = Clock(pytest.MonkeyPatch()).slowed(DCGANLearner.step, 1.0)
{TRAIN}"""

# Prints the losses of 20 steps from weights that are the same on every backend.
STEPS = """
import json, sys
import numpy as np
from facebench_keras.runtime import start_keras

keras = start_keras(sys.argv[1])
from facebench_dcgan.gan import GAN
from facebench_dcgan.learner import batch

plain, changes = map(json.loads, sys.argv[2:])
images = np.random.default_rng(0).integers(0, 256, (8, 3, 16, 16), np.uint8)
for name, change in changes.items():
    gan, rng = GAN(plain | change), np.random.default_rng(0)
    for network in (*gan.generators, *gan.averages, *gan.discriminators):
        network.set_weights([
            rng.normal(0, 0.05, w.shape) if w.ndim > 1 else w for w in network.get_weights()
        ])
    losses = [
        [float(loss) for loss in gan.step(batch(images, plain | change, step))]
        for step in range(1, 21)
    ]
    kept, last = (net.get_weights()[0] for net in (gan.average, gan.generators[-1]))
    print(json.dumps([losses, float(kept.std()), float(np.abs(kept - last).max())]))
"""

# Checks pieces on one backend; prints one line of JSON per piece.
PIECES = """
import json, sys
import numpy as np
from facebench_keras.runtime import start_keras

keras = start_keras(sys.argv[1])
from keras import Input, Model, ops
from facebench_dcgan import losses
from facebench_dcgan.attention import self_attention
from facebench_dcgan.augment import augment
from facebench_dcgan.backend import find_backend
from facebench_dcgan.model import build_discriminators, build_generators
from facebench_dcgan.spectral import SpectralConv2D

def array(x):
    return np.asarray(ops.convert_to_numpy(x), np.float64)

rng = np.random.default_rng(0)
said = {}

layer = SpectralConv2D(5, 3)
x = rng.normal(size=(2, 8, 8, 4)).astype("float32")
layer(x)
weights = layer.trainable_variables[0]
weights.assign(rng.normal(size=(3, 3, 4, 5)))
for _ in range(200):
    layer(x, training=True)
kernel = array(weights)
norm = np.linalg.svd(kernel.reshape(-1, 5), compute_uv=False)[0]
said["spectral"] = [norm, float(np.abs(array(layer.kernel) * norm / kernel - 1).max())]

image = rng.uniform(-1, 1, (1, 16, 16, 3)).astype("float32")
still = np.array([[0.5, 0.5, 0.5, 0.5, 0.5, 0.0, 0.0]], "float32")
changed = array(augment(ops.convert_to_tensor(image), ops.convert_to_tensor(still)))[0]
said["still"] = [float(np.abs(changed - image[0])[4:].max()), float(np.abs(changed[:4, :4]).max())]
moved = still.copy()
moved[0, 3:5] = 0.999, 0.0
changed = array(augment(ops.convert_to_tensor(image), ops.convert_to_tensor(moved)))[0]
said["moved"] = float(np.abs(changed[6:14, 2:] - image[0, 8:, :14]).max())
bright = still.copy()
bright[0, 0] = 0.75
changed = array(augment(ops.convert_to_tensor(image), ops.convert_to_tensor(bright)))[0]
said["bright"] = float((changed - image[0])[8:].mean())

features = Input((4, 4, 8))
network = Model(features, self_attention(features))
x = rng.normal(size=(1, 4, 4, 8)).astype("float32")
said["identity"] = float(np.abs(array(network(x)) - x).max())
network.set_weights([rng.normal(0, 0.2, w.shape) for w in network.get_weights()])
other = x.copy()
other[0, 0, 0] += 1
reach = np.abs(array(network(other)) - array(network(x)))[0].max(-1)
said["reach"] = float(reach.min())

backend = find_backend(sys.argv[1])
slope = backend.input_gradient(lambda x: 3 * x[:, :1, :1, 0], ops.ones((2, 2, 2, 3)))
said["penalty"] = float(losses.gradient_penalty(slope))
real, fake = ops.convert_to_tensor([[2.0], [0.0]]), ops.convert_to_tensor([[-3.0], [0.5]])
targets = ops.convert_to_tensor([[[1.0], [1.0]], [[0.0], [0.0]]])
for name in ("nonsaturating", "hinge", "wgan-gp"):
    d = losses.discriminator_loss(name, real, fake, targets)
    said[name] = [float(d), float(losses.generator_loss(name, fake))]

stages = build_generators(16, 8, 4, growing=True)
z, alpha = rng.normal(size=(3, 8)).astype("float32"), np.zeros((3, 1, 1, 1), "float32")
before, faded = array(stages[0](z)), array(stages[1]([z, alpha]))
said["fade"] = float(np.abs(before.repeat(2, 1).repeat(2, 2) - faded).max())
whole = array(stages[-2]([z, alpha + 1])) - array(stages[-1](z))
said["grown"] = float(np.abs(whole).max())
stages = build_discriminators(16, 4, growing=True)
small = array(stages[0](before))
said["judged"] = float(np.abs(array(stages[1]([faded, alpha])) - small).max())
said["sizes"] = []
for size in (32, 64, 128):
    drawn, judged = build_generators(size, 8, 2)[-1], build_discriminators(size, 2)[-1]
    said["sizes"].append([size, *drawn.output_shape, *judged.input_shape])
print(json.dumps(said))
"""

# Trains to the end, and in two halves; the first is ended by a Ctrl-C in step 5.
RESUME = """
import signal, sys
from facebench_dcgan import gan
from facebench_dcgan.learner import DCGANLearner
from facebench_dcgan.train import command

gan.SETTLING_PASSES = 2
backend, data, out, *flags = sys.argv[1:]
options = ["--steps=8", "--log-every=1", "--width=4", "--batch-size=4", "--checkpoint-every=3"]

def train(name):
    where = ["--data", data, "--out", f"{out}/{name}", "--backend", backend]
    command([*options, *flags, *where], standalone_mode=False)

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
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("options") / "faces16"
    synthesize(folder, num=16, size=16, holdout=6)
    return folder


@pytest.fixture(scope="module")
def dataset(data: Path) -> Dataset:
    return open_dataset(data).split("train")


@pytest.fixture(scope="module")
def runs(data: Path, keras_process: Process) -> dict[str, Path]:
    """Give the folder of the runs of every variant, by backend."""
    out = data.parent
    for backend in BACKENDS:
        chosen = json.dumps({name: VARIANTS[name] for name in ON[backend]})
        keras_process(TRAIN, backend, data, out / backend, chosen, backend=backend)
    return {backend: out / backend for backend in BACKENDS}


def losses(run: Path) -> list[tuple[float, float]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [(line["d_loss"], line["g_loss"]) for line in lines if "d_loss" in line]


def picture(run: Path) -> np.ndarray:
    with Image.open(run / "samples" / "final.png") as sheet:
        return np.asarray(sheet)


@pytest.mark.parametrize(("backend", "name"), [(b, n) for b in BACKENDS for n in ON[b]])
def test_every_variant_trains_and_differs_from_the_plain_one(
    backend: str, name: str, runs: dict[str, Path]
) -> None:
    run, plain = runs[backend] / name, runs[backend] / "plain"
    assert (run / "generator.keras").is_file()
    assert len(losses(run)) == 4
    assert np.isfinite(losses(run)).all()
    assert picture(run).shape == (96, 96, 3)
    if name == "ema":  # what is learnt is the same; the next test asks what is kept
        np.testing.assert_allclose(losses(run), losses(plain), rtol=1e-4)
    elif name == "jit-compile":
        np.testing.assert_allclose(losses(run), losses(plain), rtol=1e-2)
        assert read_json(run / "config.json")["jit_compile"] is True
    elif name != "plain":
        assert np.abs(np.subtract(losses(run), losses(plain))).max() > 1e-5


def test_jit_compile_reaches_tensorflow(keras_process: Process) -> None:
    code = (
        "from facebench_dcgan.backend import find_backend\n"
        "import tensorflow as tf\n"
        "f = find_backend('tensorflow').compiled(lambda x: x + 1, True)\n"
        "print('HloModule' in f.experimental_get_compiler_ir(tf.ones(2))(stage='hlo'))"
    )
    assert keras_process(code, backend="tensorflow") == ["True"]


PARITY: dict[str, dict[str, Any]] = {
    "plain": {},
    "hinge": {"loss": "hinge", "spectral_norm": True, "diffaugment": True, "label_noise": 0.0},
    "wgan-gp": {"loss": "wgan-gp", "label_noise": 0.0, "lr": 5e-5},
    "r3": {"loss": "r3", "gamma": 1.0, "lr": 5e-5, "diffaugment": True},
    "residual": {"loss": "r3", "preset": "residual", "gamma": 1.0, "lr": 5e-5},
    "attention": {"attention": True},
    "last": {"ema": 0.0},
}


def test_both_backends_have_equal_losses_for_20_steps(keras_process: Process) -> None:
    arguments = json.dumps(PLAIN), json.dumps(PARITY)
    first, second = (
        [json.loads(line) for line in keras_process(STEPS, backend, *arguments, backend=backend)]
        for backend in BACKENDS
    )
    for name, (losses_1, kept_1, lag), (losses_2, kept_2, _) in zip(
        PARITY, first, second, strict=True
    ):
        assert len(losses_1) == 20
        np.testing.assert_allclose(losses_1, losses_2, rtol=1e-3, atol=1e-3, err_msg=name)
        assert kept_1 == pytest.approx(kept_2, rel=1e-3)
        assert (lag == 0) == (name == "last")  # an average follows the weights at a distance


# Prints how far BatchNorm's measured statistics move when they were something else before, and the
# spread of what the last of its layers gives by them.
SETTLED = """
import json, sys
import numpy as np
from facebench_keras.runtime import start_keras

keras = start_keras(sys.argv[1])
from keras import Model, ops
from facebench_dcgan.gan import GAN

gan, said = GAN(json.loads(sys.argv[2])), []
for before in (0, 7):
    for each in gan.average.non_trainable_variables:
        if each.name.startswith("moving"):
            each.assign(ops.zeros_like(each) + before)
    network = gan.settle()
    said.append([np.asarray(ops.convert_to_numpy(w)) for w in network.non_trainable_variables])
last = [each for each in network.layers if "BatchNorm" in type(each).__name__][-1]
z = np.random.default_rng(1).standard_normal((512, 8), dtype=np.float32)
values = np.asarray(ops.convert_to_numpy(Model(network.inputs, last.output)(z, training=False)))
moved = max(float(np.abs(a - b).max()) for a, b in zip(*said, strict=True))
print(json.dumps([len(said[0]), moved, float(values.std((0, 1, 2)).mean())]))
"""


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_was_measured_before_leaves_no_trace(backend: str, keras_process: Process) -> None:
    [line] = keras_process(SETTLED, backend, json.dumps(PLAIN), backend=backend)
    count, moved, spread = json.loads(line)
    assert count >= 4 and moved == 0
    assert spread == pytest.approx(1, abs=0.05)  # by what is measured, as BatchNorm has it


@pytest.fixture(scope="module", params=BACKENDS)
def pieces(request: pytest.FixtureRequest, keras_process: Process) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(
        keras_process(PIECES, request.param, backend=request.param)[-1]
    )
    return told


def test_spectral_norms_become_one(pieces: dict[str, Any]) -> None:
    norm, error = pieces["spectral"]
    assert norm > 2  # else dividing by it would show nothing
    assert error < 1e-3


def test_augmentation_cuts_moves_and_brightens(pieces: dict[str, Any]) -> None:
    outside, hole = pieces["still"]
    assert outside < 1e-5 and hole == 0
    assert pieces["moved"] < 1e-5
    assert pieces["bright"] == pytest.approx(0.25, abs=1e-4)


def test_attention_begins_as_the_identity_and_reaches_everywhere(pieces: dict[str, Any]) -> None:
    assert pieces["identity"] == 0
    assert pieces["reach"] > 1e-6


def test_losses_are_those_of_the_papers(pieces: dict[str, Any]) -> None:
    def softplus(x: float) -> float:
        return math.log1p(math.exp(x))

    d_loss = (softplus(-2) + softplus(0) + softplus(-3) + softplus(0.5)) / 2
    g_loss = (softplus(3) + softplus(-0.5)) / 2
    assert pieces["nonsaturating"] == pytest.approx([d_loss, g_loss], rel=1e-5)
    assert pieces["hinge"] == pytest.approx([0.5 + 0.75, 1.25])
    assert pieces["wgan-gp"] == pytest.approx([-1.25 - 1 + 0.002, 1.25])
    assert pieces["penalty"] == pytest.approx(10 * (3 - 1) ** 2)


def test_a_stage_fades_in_over_the_one_before_and_ends_as_the_plain_network(
    pieces: dict[str, Any],
) -> None:
    assert max(pieces["fade"], pieces["grown"], pieces["judged"]) < 1e-5


def test_networks_are_built_for_every_size(pieces: dict[str, Any]) -> None:
    for size, *shapes in pieces["sizes"]:
        assert shapes == [None, size, size, 3] * 2


def test_growth_begins_at_4_pixels_and_ends_at_the_full_size() -> None:
    steps = [growth(step, 1000, 128) for step in range(1, 1001)]
    assert steps[0] == (0, 1.0) and steps[-1] == (5, 1.0)
    assert [each.stage for each in steps] == sorted(each.stage for each in steps)
    for stage in range(1, 6):
        fades = [each.alpha for each in steps if each.stage == stage]
        assert fades == sorted(fades) and fades[0] < 0.05 and fades.count(1.0) > len(fades) / 3
    assert growth(2, 2, 16).stage <= 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_resumed_run_has_the_losses_of_an_uninterrupted_one(
    backend: str, data: Path, keras_process: Process, tmp_path: Path
) -> None:
    flags = ["--diffaugment"] if backend == "torch" else ["--spectral-norm", "--progressive"]
    stopped, *_ = [
        line
        for line in keras_process(RESUME, backend, data, tmp_path, *flags, backend=backend)
        if line.isdigit()
    ]
    assert stopped == "130"
    assert len(losses(tmp_path / "whole")) == 8
    np.testing.assert_allclose(
        losses(tmp_path / "parts"), losses(tmp_path / "whole"), rtol=1e-3, atol=1e-5
    )
    difference = picture(tmp_path / "parts").astype(int) - picture(tmp_path / "whole")
    assert np.abs(difference).max() <= 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_run_of_some_minutes_is_the_run_of_as_many_steps(
    backend: str,
    data: Path,
    tmp_path: Path,
    keras_process: Process,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paths = str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))  # of the clock
    words = {
        preset: f"--preset {preset} --batch-size 2 --width 2 --log-every 1"
        for preset in ("default", "notebook")
    }
    minutes = {name: f"{each} --minutes 0.15 --steps 10000" for name, each in words.items()}
    keras_process(IN_SECONDS, backend, data, tmp_path, json.dumps(minutes), backend=backend)
    steps = {name: read_json(tmp_path / name / "config.json")["steps"] for name in words}
    assert steps == dict.fromkeys(words, 5)  # of a second each in .85 · 7, for two have measured
    same = {f"{name}, steps": f"{each} --steps {steps[name]}" for name, each in words.items()}
    keras_process(TRAIN, backend, data, tmp_path, json.dumps(same), backend=backend)
    for name in words:
        assert losses(tmp_path / f"{name}, steps") == losses(tmp_path / name)
        np.testing.assert_array_equal(
            picture(tmp_path / f"{name}, steps"), picture(tmp_path / name)
        )


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_notebook_is_as_it_was(backend: str, runs: dict[str, Path]) -> None:
    run = runs[backend] / "notebook"
    config = read_json(run / "config.json")
    assert config["steps"] == 4  # given; what is not given is the notebook's
    assert (config["latent_dim"], config["lr"], config["label_noise"]) == (32, 1e-4, 0.05)
    assert (run / "gan.h5").stat().st_size > 1000
    assert (run / "samples" / "training.gif").is_file()


def test_the_notebook_prints_its_lines(data: Path, tmp_path: Path, keras_process: Process) -> None:
    words = "--preset notebook --steps 2 --batch-size 2 --width 2 --log-every 1"
    arguments = "torch", data, tmp_path, json.dumps({"n": words})
    first, second = keras_process(TRAIN, *arguments, backend="torch")[:2]
    assert first.startswith("1/2: d_loss: 0.") and ",  a_loss: 0." in first
    assert second.startswith("2/2: ") and second.endswith(" sec)")


def test_the_notebooks_labels_and_order(dataset: Dataset) -> None:
    targets = noisy_targets(500, np.random.default_rng(0))
    fake, real = targets[:500], targets[500:]
    assert 1 <= fake.min() < fake.max() <= 1.05
    assert 0 <= real.min() < real.max() <= 0.05
    config = PLAIN | {"batch_size": 4}
    second = notebook_batch(dataset.images, config, 2)["real"]
    expected = dataset.images[4:8].transpose(0, 2, 3, 1) / np.float32(127.5) - 1
    np.testing.assert_allclose(second, expected, atol=1e-6)


def test_batches_are_normalised_mirrored_images_with_noisy_targets(dataset: Dataset) -> None:
    found = batch(dataset.images, PLAIN | {"batch_size": 64, "smoothing": 0.2}, 1)
    real, z, targets = (found[name] for name in ("real", "z", "targets"))
    assert real.shape == (64, 16, 16, 3) and z.shape == (64, 8) and targets.shape == (2, 64, 1)
    assert {array.dtype for array in found.values()} == {np.dtype(np.float32)}
    pixels = np.rint((real + 1) * 127.5).astype(np.uint8).transpose(0, 3, 1, 2)
    known = {image.tobytes(): "as it is" for image in dataset.images}
    known |= {image[..., ::-1].tobytes(): "mirrored" for image in dataset.images}
    assert {known[image.tobytes()] for image in pixels} == {"as it is", "mirrored"}
    assert 0.7 <= targets[0].min() < targets[0].max() <= 0.8
    assert 0 <= targets[1].min() < targets[1].max() <= 0.1


def test_growing_batches_are_real_images_at_the_stages_size(dataset: Dataset) -> None:
    config = PLAIN | {"progressive": True, "steps": 80}
    assert batch(dataset.images, config, 1)["real"].shape == (4, 4, 4, 3)
    assert "alpha" not in batch(dataset.images, config, 1)
    late = batch(dataset.images, config, 80)
    np.testing.assert_array_equal(late["real"], batch(dataset.images, PLAIN, 80)["real"])
    assert late["alpha"].min() == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--loss", "hinge", "--smoothing", "0.1"], "has no labels to change"),
        (["--loss", "wgan-gp", "--label-noise", "0.1"], "has no labels to change"),
        (["--jit-compile", "--backend", "torch"], "--jit-compile is TensorFlow's"),
        (["--preset", "notebook", "--diffaugment"], "leave out --diffaugment"),
        (["--progressive", "--minutes", "5"], "give --steps without --minutes"),
    ],
)
def test_what_does_not_go_together_is_refused(
    words: list[str], says: str, data: Path, tmp_path: Path
) -> None:
    where = ["--data", str(data), "--out", str(tmp_path / "run")]
    error = CliRunner().invoke(command, [*where, *words]).exception
    assert isinstance(error, BadInput) and says in str(error)
    assert not (tmp_path / "run").exists()
