"""Flow matching: against closed forms of Gaussian images, whose flow is linear."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from scipy.integrate import solve_ivp
from scipy.stats import norm
from torch import Tensor

from facebench.data.prepare import synthesize
from facebench.errors import BadInput
from facebench.sampler import latents
from facebench.training.images import to_network
from facebench_flow import FlowSampler
from facebench_flow.learner import FlowLearner, logit_normal
from facebench_flow.likelihood import bits_per_dimension, log_density
from facebench_flow.model import LEAST_LEFT, SPREAD, Flow, build, load
from facebench_flow.solver import solve
from facebench_flow.train import command
from facebench_flow.unet import SHAPES, UNet

SIZE = 16
CONFIG = {"size": SIZE, "network": "small", "solver": "heun", "solver_steps": 10}
NETWORKS = {**SHAPES}
"""As they are trained by users: the runs here are of a narrow one."""
pytestmark = pytest.mark.usefixtures("narrow_flow")
NARROW = """
from facebench_flow.unet import SHAPES, Shape

SHAPES["small"] = Shape(patch=4, width=32, blocks=1)
"""
OPTIONS = ("--steps", 30, "--batch-size", 8, "--device", "cpu", "--log-every", 10)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "faces16"
    synthesize(folder, num=72, size=SIZE, holdout=8)
    return folder


def train(data: Path, out: Path, *options: object) -> Result:
    arguments = ["--data", data, "--out", out, *OPTIONS, *options]
    return CliRunner().invoke(command, list(map(str, arguments)))


@pytest.fixture(scope="module")
def run(data: Path, narrow_flow: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "flow"
    result = train(data, out)
    assert result.exit_code == 0, result.output
    return out


class Linear(torch.nn.Module):
    """The best guess where pixels are independent and N(0, SPREAD²): a share of what is seen."""

    def __init__(self) -> None:
        super().__init__()
        self.share = torch.nn.Parameter(torch.tensor(SPREAD))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        time = t[:, None, None, None]
        return self.share * time / ((1 - time) ** 2 + (time * SPREAD) ** 2).sqrt() * x


@pytest.fixture
def gaussian() -> Flow:
    """Give the flow of such images."""
    model = build(CONFIG).eval()
    model.register_module("unet", Linear())
    return model


def slope(time: float) -> float:
    """Return what the velocity of such images is of them (Karras et al. 2022, for this line)."""
    variance = (1 - time) ** 2 + (time * SPREAD) ** 2
    return (time * SPREAD**2 / variance - 1) / max(1 - time, LEAST_LEFT)


def scale() -> float:
    """Return by what the flow multiplies noise: SPREAD, but for the last stretch."""
    solved = solve_ivp(
        lambda t, y: slope(t) * y, (0, 1), [1.0], rtol=1e-9, atol=1e-12, max_step=0.01
    )
    return float(solved.y[0, -1])


def lines(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def weights_of(run: Path) -> bytes:
    return (run / "model.safetensors").read_bytes()


def images_of(data: Path) -> np.ndarray:
    return np.load(data / "images.npy")


@pytest.mark.parametrize("size", [16, 32, 64, 128])
@pytest.mark.parametrize("network", NETWORKS)
def test_every_size_goes_through_and_small_features_see_the_whole_image(
    size: int, network: str
) -> None:
    torch.manual_seed(0)
    net = UNet(size, NETWORKS[network])
    for weights in net.parameters():
        torch.nn.init.normal_(weights, std=0.05)
    x = torch.zeros(1, 3, size, size)
    far = x.clone()
    far[..., -1, -1] = 3.0
    with torch.inference_mode():
        here, there = net(x, torch.tensor([0.5])), net(far, torch.tensor([0.5]))
    assert here.shape == x.shape
    assert (here - there)[..., 0, 0].abs().max() > 0


def test_the_networks_have_the_weights_that_help_says() -> None:
    counts = {
        name: sum(each.numel() for each in UNet(64, shape).parameters())
        for name, shape in NETWORKS.items()
    }
    assert {name: round(count / 1e6, 1) for name, count in counts.items()} == {
        "small": 2.4,
        "large": 16.6,
    }


def test_the_times_are_logit_normal() -> None:
    t = logit_normal(np.random.default_rng(0), 100_000)
    assert t.dtype == np.float32 and 0 < t.min() < t.max() < 1
    logits = np.log(t / (1 - t))
    assert logits.mean() == pytest.approx(0, abs=0.02) and logits.std() == pytest.approx(1, 0.02)


def test_the_time_changes_what_the_network_says(run: Path) -> None:
    model = load(run / "model.safetensors")
    x = torch.randn(2, 3, SIZE, SIZE)
    with torch.inference_mode():
        early, late = (model.unet(x, torch.full((2,), t)) for t in (0.1, 0.9))
    assert (early - late).abs().max() > 1e-3


def test_the_velocity_of_the_best_guess_is_the_best_velocity(gaussian: Flow) -> None:
    torch.manual_seed(0)
    x, z = SPREAD * torch.randn(4000, 3, SIZE, SIZE), torch.randn(4000, 3, SIZE, SIZE)
    for time in (0.1, 0.5, 0.9):
        between = ((1 - time) * z + time * x).flatten()
        best = torch.dot(between, (x - z).flatten()) / between.square().sum()
        with torch.inference_mode():
            found = gaussian(torch.ones(1, 3, SIZE, SIZE), torch.tensor([time]))
        assert found.unique().numel() <= 2  # rounded up or down
        assert float(found.mean()) == pytest.approx(float(best), abs=5e-3)
        assert float(found.mean()) == pytest.approx(slope(time), abs=1e-5)


def test_the_loss_is_the_error_of_the_velocity(gaussian: Flow) -> None:
    torch.manual_seed(0)
    x, z = SPREAD * torch.randn(64, 3, SIZE, SIZE), torch.randn(64, 3, SIZE, SIZE)
    for time in (0.0, 0.4, 0.9):
        t = torch.full((64,), time)
        with torch.inference_mode():
            loss = gaussian.loss(x, z, t)
            error = gaussian((1 - time) * z + time * x, t) - (x - z)
        torch.testing.assert_close(loss, error.square().mean((1, 2, 3)), rtol=1e-4, atol=1e-5)
        variance = SPREAD**2 / ((1 - time) ** 2 + (time * SPREAD) ** 2)  # of x - z given x_t
        assert loss.mean().item() == pytest.approx(variance, rel=0.02)


def test_a_gaussian_flow_scales_noise(gaussian: Flow) -> None:
    z, expected = torch.randn(3, 3, SIZE, SIZE), scale()
    assert expected == pytest.approx(SPREAD, rel=0.03)
    with torch.inference_mode():
        moved = solve(gaussian, z, 200)
        torch.testing.assert_close(moved, expected * z, rtol=2e-3, atol=1e-3)
        back = solve(gaussian, moved, 200, backwards=True)
        torch.testing.assert_close(back, z, rtol=5e-3, atol=1e-3)
        few = solve(gaussian, z, 10)  # the last step goes to the guess itself
    torch.testing.assert_close(few, SPREAD * z, rtol=0.05, atol=1e-3)


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("heun", 2)])
def test_solvers_converge_to_scipys_at_their_order(solver: Any, order: int) -> None:
    def velocity(x: Tensor, t: Tensor) -> Tensor:
        return torch.sin(3 * x) + t[:, None]

    start = torch.linspace(-1, 1, 5, dtype=torch.float64)[:, None]
    exact = solve_ivp(lambda t, y: np.sin(3 * y) + t, (0, 1), start[:, 0], rtol=1e-10, atol=1e-12)
    errors = [
        (solve(velocity, start, steps, solver)[:, 0] - torch.from_numpy(exact.y[:, -1])).abs().max()
        for steps in (200, 400)
    ]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.2)
    assert errors[1] < 1e-2


def test_the_density_of_a_gaussian_flow_is_known(gaussian: Flow) -> None:
    torch.manual_seed(0)
    x = SPREAD * torch.randn(4, 3, SIZE, SIZE)
    signs = torch.randint(0, 2, x.shape) * 2.0 - 1
    expected = torch.from_numpy(norm.logpdf(x.numpy(), scale=scale()).sum((1, 2, 3)))
    found = log_density(gaussian, x, signs, steps=200)
    torch.testing.assert_close(found, expected, rtol=2e-3, atol=0.5, check_dtype=False)


def test_the_divergence_is_that_of_the_whole_jacobian(run: Path) -> None:
    """One direction guesses it without bias: the mean over many is the trace."""
    model = load(run / "model.safetensors").double()
    x = torch.randn(1, 3, SIZE, SIZE, dtype=torch.float64) / 2
    t = torch.tensor([0.6], dtype=torch.float64)
    rows = torch.eye(model.latent_dim, dtype=torch.float64).view(-1, 1, *x.shape[1:])
    here = x.clone().requires_grad_()
    moved = model(here, t)
    jacobian = torch.stack(
        [torch.autograd.grad(moved, here, row, retain_graph=True)[0].flatten() for row in rows]
    )
    trace = jacobian.trace()
    rng = np.random.default_rng(0)
    guesses = []
    for _ in range(200):
        signs = torch.from_numpy(rng.integers(0, 2, x.shape) * 2.0 - 1)
        here = x.clone().requires_grad_()
        (gradient,) = torch.autograd.grad((model(here, t) * signs).sum(), here)
        guesses.append(float((gradient * signs).sum()))
    error = float(np.std(guesses)) / math.sqrt(len(guesses))
    assert np.mean(guesses) == pytest.approx(float(trace), abs=4 * error)


def test_bits_of_gaussian_images_are_their_cross_entropy(gaussian: Flow) -> None:
    rng = np.random.default_rng(0)
    pixels = 127.5 + 127.5 * SPREAD * rng.standard_normal((8, 3, SIZE, SIZE))
    images = np.rint(pixels).clip(0, 255).astype(np.uint8)
    bits = bits_per_dimension(gaussian, images)
    levels = (images - 127.5) / 127.5
    expected = -norm.logpdf(levels, scale=scale()).mean((1, 2, 3)) / math.log(2) + math.log2(127.5)
    assert bits.shape == (8,)
    np.testing.assert_allclose(bits, expected, atol=0.01)


def test_training_lowers_the_error_and_the_bits(run: Path, data: Path) -> None:
    x = to_network(images_of(data)[:64])
    z, t = torch.randn(x.shape, generator=torch.Generator().manual_seed(0)), torch.rand(64)
    with torch.inference_mode():
        after, before = (
            each.loss(x, z, t).mean() for each in (load(run / "model.safetensors"), build(CONFIG))
        )
    assert after < 0.8 * before
    measured = {name: value for line in lines(run) for name, value in line.items()}
    learnt = measured["train_bits_per_dimension"]
    assert measured["held_back_bits_per_dimension"] == pytest.approx(learnt, rel=0.2)
    assert learnt < bits_per_dimension(build(CONFIG), images_of(data)[:32]).mean() - 0.2
    model, some = load(run / "model.safetensors"), images_of(data)[:4]
    bits, finer = bits_per_dimension(model, some), bits_per_dimension(model, some, steps=512)
    np.testing.assert_allclose(bits, finer, rtol=0.01)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    data: Path, run: Path, tmp_path: Path
) -> None:
    train(data, tmp_path / "again")
    train(data, tmp_path / "other", "--seed", 1)
    assert weights_of(tmp_path / "again") == weights_of(run) != weights_of(tmp_path / "other")


@pytest.mark.parametrize("batch_size", [1, 7])
def test_images_do_not_depend_on_the_batch(run: Path, batch_size: int) -> None:
    sampler = FlowSampler(run)
    images = sampler.sample(range(16))
    parts = [
        sampler.sample(range(16)[start : start + batch_size]) for start in range(0, 16, batch_size)
    ]
    assert images.shape == (16, 3, SIZE, SIZE) and images.dtype == np.uint8
    assert np.abs(np.concatenate(parts).astype(int) - images).max() <= 1


def test_encoding_is_the_way_back(run: Path, data: Path) -> None:
    shutil.copytree(run, run.parent / "fine", dirs_exist_ok=True)
    config = json.loads((run / "config.json").read_text()) | {"solver_steps": 120}
    (run.parent / "fine" / "config.json").write_text(json.dumps(config))
    sampler = FlowSampler(run.parent / "fine")
    images = images_of(data)[:6]
    z = sampler.encode(images)
    assert z.shape == (6, 3 * SIZE**2) and z.dtype == np.float32
    error = np.abs(sampler.decode(z).astype(float) - images).mean()
    assert error < 1.5
    assert np.abs(sampler.decode(latents(range(6), 3 * SIZE**2)).astype(float) - images).mean() > 20


@pytest.mark.parametrize(
    "words",
    ["--ema 0", "--lr 1e-4", "--mixed-precision", "--batch-size 4"],
)
def test_every_option_of_training_changes_the_model(
    words: str, data: Path, tmp_path: Path, run: Path
) -> None:
    assert train(data, tmp_path / "run", *words.split()).exit_code == 0
    assert weights_of(tmp_path / "run") != weights_of(run)
    FlowSampler(tmp_path / "run").sample([0])


def test_the_solver_changes_the_images_alone(data: Path, tmp_path: Path, run: Path) -> None:
    words = ("--solver", "euler", "--solver-steps", 3)
    assert train(data, tmp_path / "run", *words).exit_code == 0
    assert weights_of(tmp_path / "run") == weights_of(run)
    few, many = FlowSampler(tmp_path / "run").sample([0]), FlowSampler(run).sample([0])
    assert np.abs(few.astype(int) - many).max() > 2


def test_a_resumed_run_is_bit_equal_to_an_uninterrupted_one(
    data: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = FlowLearner.step

    def interrupted(learner: FlowLearner, number: int) -> dict[str, Any]:
        if number == 17:
            signal.raise_signal(signal.SIGINT)
        return step(learner, number)

    monkeypatch.setattr(FlowLearner, "step", interrupted)
    stopped = train(data, tmp_path)
    assert stopped.exit_code == 130 and "Stopped after step 17 of 30" in stopped.output
    monkeypatch.undo()
    assert "Going on after step 17 of 30" in train(data, tmp_path).output
    assert weights_of(tmp_path) == weights_of(run)


@pytest.mark.processes
def test_two_processes_train_one_model(data: Path, run: Path, tmp_path: Path) -> None:
    torchrun = "-m torch.distributed.run --standalone --nproc-per-node=2 -m facebench train flow"
    words = [*torchrun.split(), "--data", data, "--out", tmp_path / "run", *OPTIONS]
    (tmp_path / "sitecustomize.py").write_text(NARROW)
    path = f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"
    finished = subprocess.run(
        [sys.executable, *map(str, words)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Model:" in finished.stdout, finished.stdout + finished.stderr
    alone, together = (
        [line["loss"] for line in lines(each) if "loss" in line] for each in (run, tmp_path / "run")
    )
    # The first process logs its half of the batch.
    assert together[-1] == pytest.approx(alone[-1], rel=0.5)
    first, second = (FlowSampler(each).sample(range(4)) for each in (run, tmp_path / "run"))
    assert np.abs(first.astype(int) - second).mean() < 8


@pytest.mark.parametrize(
    "config",
    ["{}", "[]", "{", json.dumps(CONFIG | {"size": 32}), json.dumps(CONFIG | {"solver": "magic"})],
)
def test_a_config_that_does_not_describe_the_weights_is_refused(
    config: str, run: Path, tmp_path: Path
) -> None:
    shutil.copy(run / "model.safetensors", tmp_path)
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(BadInput, match=r"config\.json"):
        FlowSampler(tmp_path)


def test_a_file_cut_short_or_of_another_kind_is_refused(run: Path, tmp_path: Path) -> None:
    shutil.copy(run / "config.json", tmp_path)
    whole = weights_of(run)
    for content in (whole[:0], whole[: len(whole) // 2], whole[:-1], b"PK" + whole):
        (tmp_path / "model.safetensors").write_bytes(content)
        with pytest.raises(BadInput, match="damaged"):
            FlowSampler(tmp_path)


def test_images_of_an_unfit_size_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    synthesize(tmp_path / "data", num=8, size=24, holdout=2)
    error = train(tmp_path / "data", tmp_path / "run").exception
    assert isinstance(error, BadInput) and "power of two" in str(error)
    assert not (tmp_path / "run").exists()
