"""Training on a pretended GPU: no step waits for the host, and values are the CPU's to the bit."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from pretended_gpu import CUDA, pretended_gpu
from safetensors.numpy import load_file

from facebench.errors import BadInput
from facebench.numerics.transfer import send
from facebench.training import images as placing
from facebench.training import parallel
from facebench.training.images import PlacedImages
from facebench.training.learner import ImageRows, Rows, choose, generator, take
from facebench.training.parallel import ALONE, choose_device, join_group
from facebench_vae import learner as vae_learner
from facebench_vae.fit import evaluate, fit_prior, reconstructions
from facebench_vae.learner import VAELearner
from facebench_vae.train import command

CONFIG: dict[str, Any] = {
    "seed": 1,
    "steps": 10,
    "batch_size": 8,
    "size": 16,
    "latent_dim": 6,
    "width": 4,
    "lr": 2e-3,
    "compile": False,
    "beta": 1.0,
    "kl_warmup": 0,
    "sigma": 1.0,
    "likelihood": "gaussian",
    "mixed_precision": False,
    "ema": 0.999,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "gaussian": {},
    "logistic": {"likelihood": "logistic", "kl_warmup": 5},
    "mixed precision": {"mixed_precision": True},
}
IMAGES = np.random.default_rng(0).integers(0, 256, (40, 3, 16, 16), np.uint8)


def learner(device: str, images: ImageRows = IMAGES, **changes: Any) -> VAELearner:
    """Return a learner whose Adam is the GPU's, of one kernel, on the CPU too."""
    made = VAELearner(CONFIG | changes, images, device, ALONE)
    made.adam = torch.optim.Adam(made.model.parameters(), CONFIG["lr"], fused=True)
    return made


def steps(learner: VAELearner, first: int = 1, last: int = 3) -> list[dict[str, Any]]:
    return [learner.step(number) for number in range(first, last + 1)]


def floats(losses: list[dict[str, Any]]) -> list[dict[str, float]]:
    return [{name: float(loss) for name, loss in each.items()} for each in losses]


@pytest.mark.parametrize("share", [placing.SHARE, 1 << 60], ids=["resident", "pinned"])
@pytest.mark.parametrize("changes", VARIANTS.values(), ids=list(VARIANTS))
def test_steps_of_a_vae_wait_for_nothing_and_learn_what_a_cpu_learns(
    changes: dict[str, Any], share: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placing, "SHARE", share)
    on_cpu = learner("cpu", **changes)
    expected = floats(steps(on_cpu))
    with pretended_gpu() as gpu:
        on_gpu = learner("cuda", **changes)
        with gpu.never_waiting(sending=True):
            found = steps(on_gpu)
        assert gpu.operations > 100
        assert {loss.device for each in found for loss in each.values()} == {CUDA}
        assert not any(loss.requires_grad for each in found for loss in each.values())
        assert floats(found) == expected
        state = on_gpu.state()
    assert state.keys() == on_cpu.state().keys()
    for name, array in on_cpu.state().items():
        np.testing.assert_array_equal(state[name], array, name)


class Fetches(VAELearner):
    """Has a hidden .item()."""

    def step(self, number: int) -> dict[str, Any]:
        return {name: loss.item() for name, loss in super().step(number).items()}


class Converts(VAELearner):
    """Takes the host's array of what is on the device."""

    def step(self, number: int) -> dict[str, Any]:
        return {name: loss.numpy() for name, loss in super().step(number).items()}


MISTAKES: dict[str, tuple[type[VAELearner], Any, str]] = {
    "a hidden .item()": (Fetches, send, "_local_scalar_dense makes the program wait"),
    "a .numpy()": (Converts, send, r"\.numpy\(\) is not supported"),
    "a tensor left on the CPU": (
        VAELearner,
        lambda array, _: torch.from_numpy(array),
        "expected all tensors on one device",
    ),
    "a copy from ordinary memory": (
        VAELearner,
        lambda array, device: torch.from_numpy(array).to(device),
        "from ordinary memory makes the program wait",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_planted_mistakes_are_caught(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, sends, says = MISTAKES[mistake]
    monkeypatch.setattr(vae_learner, "send", sends)
    with pretended_gpu() as gpu:
        wrong = kind(CONFIG, IMAGES, "cuda", ALONE)
        with pytest.raises((RuntimeError, TypeError), match=says), gpu.never_waiting(sending=True):
            wrong.step(1)


def test_a_checkpoint_goes_from_a_cpu_to_a_gpu_and_back() -> None:
    whole, begun, ended = (VAELearner(CONFIG, IMAGES, "cpu", ALONE) for _ in range(3))
    expected = floats(steps(whole, 1, 6))
    found = floats(steps(begun, 1, 2))
    with pretended_gpu():
        middle = VAELearner(CONFIG, IMAGES, "cuda", ALONE)
        middle.restore(begun.state())
        found += floats(steps(middle, 3, 4))
        state = middle.state()
    ended.restore(state)
    found += floats(steps(ended, 5, 6))
    for ours, theirs in zip(found, expected, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)
    for name, array in whole.state().items():
        np.testing.assert_allclose(ended.state()[name], array, 1e-3, 1e-5, err_msg=name)


def test_what_a_vae_ends_with_is_what_it_ends_with_on_a_cpu() -> None:
    def end(device: str) -> tuple[Any, ...]:
        model = learner(device).average
        elbo = evaluate(model, IMAGES, 1.0)
        fit_prior(model, IMAGES)
        return elbo, model.prior_factor.cpu().numpy(), reconstructions(model, IMAGES[:6], 3)

    expected = end("cpu")
    with pretended_gpu():
        found = end("cuda")
    assert found[0] == expected[0]
    for ours, theirs in zip(found[1:], expected[1:], strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_command_trains_on_a_gpu(tiny_folder: Path, tmp_path: Path) -> None:
    def train(device: str) -> dict[str, np.ndarray]:
        out = tmp_path / device
        words = f"--data {tiny_folder} --out {out} --device {device} --steps 6 --width 4"
        words += " --batch-size 4 --prior fitted --log-every 2 --grid-every 3 --checkpoint-every 4"
        answer = CliRunner().invoke(command, words.split())
        assert answer.exit_code == 0, answer.output
        return load_file(out / "model.safetensors")

    expected = train("cpu")
    with pretended_gpu():
        found = train("cuda")
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, 1e-3, 1e-4, err_msg=name)


ROWS = {"an array": IMAGES, "rows": Rows(IMAGES, np.arange(0, 40, 3))}


@pytest.mark.parametrize("share", [placing.SHARE, 1 << 60], ids=["resident", "pinned"])
@pytest.mark.parametrize("images", ROWS.values(), ids=list(ROWS))
def test_images_on_the_device_are_those_that_the_host_takes(
    images: ImageRows, share: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placing, "SHARE", share)
    monkeypatch.setattr(placing, "PIECE", 5 * IMAGES[0].nbytes)
    choice = choose(len(images), 16, generator(1, 2))
    assert 0 < choice.mirrored.sum() < 16
    with pretended_gpu() as gpu:
        placed = PlacedImages(images, CUDA)
        with gpu.never_waiting(sending=True):
            found = placed.take(choice.share(slice(1, None, 2)))
        assert found.device == CUDA and found.dtype == torch.uint8
        assert placed.is_resident == (share < 1 << 60)
        np.testing.assert_array_equal(found.cpu().numpy(), take(images, choice)[1::2])


def test_resident_images_are_read_once() -> None:
    images = IMAGES.copy()
    choice = choose(len(images), 16, generator(1, 2))
    expected = take(images, choice)
    with pretended_gpu():
        placed = PlacedImages(images, CUDA)
        images[:] = 0
        np.testing.assert_array_equal(placed.take(choice).cpu().numpy(), expected)


def test_what_is_sent_to_a_cpu_is_not_copied() -> None:
    array = np.zeros(3, np.float32)
    assert send(array, torch.device("cpu")).data_ptr() == array.ctypes.data


def ranks(monkeypatch: pytest.MonkeyPatch, rank: int, processes: int) -> None:
    for name, value in (("RANK", rank), ("WORLD_SIZE", processes)):
        monkeypatch.setenv(name, str(value))
        monkeypatch.setenv(f"LOCAL_{name}", str(value))


@pytest.mark.parametrize("rank", [0, 1])
def test_fewer_gpus_than_processes_are_refused_by_all(
    rank: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranks(monkeypatch, rank, 2)
    with pretended_gpu():
        for name in ("auto", "cuda"):
            with pytest.raises(BadInput, match=r"fewer GPUs \(1\) than processes \(2\).*ses 1,"):
                choose_device(name)
        assert choose_device("cpu") == "cpu"


def test_each_process_takes_its_own_gpu_and_gloo_passes_signals(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[object] = []

    def meet(backend: str) -> tuple[int, int]:
        asked.append(backend)
        return 1, 2

    ranks(monkeypatch, 1, 2)
    monkeypatch.setattr(parallel, "meet", meet)
    with pretended_gpu():
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        monkeypatch.setattr(torch.cuda, "set_device", asked.append)
        device = choose_device()
        assert device == "cuda:1"
        group = join_group(device, 8)
    assert asked == [torch.device("cuda:1"), "cpu:gloo,cuda:nccl"]
    assert (group.rank, group.size) == (1, 2)


# Trains every variant for three steps on a device; prints one line of JSON of each.
DCGAN = """
import json, os, sys
from contextlib import nullcontext
from hashlib import sha256

tests, device, variants = sys.argv[1:]
os.environ["KERAS_TORCH_DEVICE"] = device
sys.path.insert(0, tests)
import numpy as np
from pretended_gpu import pretended_gpu
from test_dcgan_options import PLAIN

with pretended_gpu() if device == "cuda" else nullcontext() as gpu:
    from facebench.training import images as placing
    from facebench_dcgan import gan
    from facebench_dcgan.learner import DCGANLearner

    gan.SETTLING_PASSES = 2
    images = np.random.default_rng(0).integers(0, 256, (20, 3, 16, 16), np.uint8)
    for name, changes in json.loads(variants).items():
        placing.SHARE = changes.pop("share", 4)
        learner = DCGANLearner(PLAIN | changes, images)
        with gpu.never_waiting(sending=True) if gpu else nullcontext():
            losses = [learner.step(number) for number in (1, 2, 3)]
        losses = [[float(loss) for loss in each.values()] for each in losses]
        graphs = []
        if name != "notebook":
            networks = learner.gan.averages

            def watched(*inputs, **options):
                graphs.append(networks[-1](*inputs, **options).requires_grad)

            watched.non_trainable_variables = networks[-1].non_trainable_variables
            learner.gan.averages = [watched]
            learner.gan.settle()
            learner.gan.averages = networks
        drawn = learner.sampler().sample(range(8))
        state = learner.state()
        digests = {key: sha256(array.tobytes()).hexdigest() for key, array in state.items()}
        said = [name, losses, digests, sha256(drawn.tobytes()).hexdigest(), graphs]
        print(json.dumps(said))
"""
GANS: dict[str, dict[str, Any]] = {
    "plain": {},
    "wgan-gp": {"loss": "wgan-gp", "label_noise": 0.0},
    "diffaugment": {"diffaugment": True},
    "spectral norm": {"spectral_norm": True, "loss": "hinge", "label_noise": 0.0},
    "attention": {"attention": True},
    "growing": {"progressive": True, "steps": 80},
    "mixed precision": {"mixed_precision": True},
    "notebook": {"preset": "notebook", "loss": "notebook"},
    "pinned": {"share": 1 << 60},
}


@pytest.mark.long
def test_steps_of_a_dcgan_on_torch_wait_for_nothing_and_learn_what_a_cpu_learns(
    keras_process: Callable[..., list[str]],
) -> None:
    tests = Path(__file__).parent
    said = [
        keras_process(DCGAN, tests, device, json.dumps(GANS), backend="torch")
        for device in ("cpu", "cuda")
    ]
    for on_cpu, on_gpu, name in zip(*said, GANS, strict=True):
        expected, found = json.loads(on_cpu), json.loads(on_gpu)
        assert found == expected, name
        graphs = found[-1]
        assert graphs == ([] if name == "notebook" else [False] * 2)  # settling makes none
