import json
import math
import os
import pickle
import shutil
import signal
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image
from safetensors.torch import load_file, save_file
from scipy.stats import logistic, norm

from facebench.errors import BadInput
from facebench.files import read_json, write_json
from facebench.sampler import latents
from facebench.training.parallel import join_group
from facebench_vae import VAESampler
from facebench_vae.fit import evaluate, fit_prior
from facebench_vae.learner import VAELearner, means, warm_up
from facebench_vae.likelihood import (
    LEVEL,
    bits_per_dimension,
    gaussian_log_density,
    logistic_log_probability,
)
from facebench_vae.model import (
    VAE,
    Elbo,
    Posterior,
    kl_to_prior,
    load,
    save,
    to_network,
)
from facebench_vae.train import command

COUNT, TRAIN, SIZE = 72, 64, 16
OPTIONS = ("--steps", 40, "--batch-size", 16, "--width", 4, "--latent-dim", 6, "--device", "cpu")


def prepared(folder: Path, size: int = SIZE, holdout: bool = True) -> Path:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    radius = rng.uniform(0.3, 0.9, (COUNT, 1, 1, 1))
    disc = (x**2 + y**2 < radius**2) * rng.uniform(100, 255, (COUNT, 3, 1, 1))
    images = disc.astype(np.uint8)
    splits = {"train": [0, TRAIN], "holdout": [TRAIN, COUNT if holdout else TRAIN]}
    info = {
        "format": "facebench-dataset/1",
        "count": COUNT,
        "size": size,
        "digest": sha256(images.tobytes()).hexdigest(),
        "splits": splits,
        "crop": "none",
        "filter": "lanczos",
        "source": "test",
    }
    folder.mkdir()
    np.save(folder / "images.npy", images)
    (folder / "dataset.json").write_text(json.dumps(info))
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepared(tmp_path_factory.mktemp("data") / "discs")


def train(data: Path, out: Path, *options: object) -> Result:
    arguments = ["--data", data, "--out", out, *OPTIONS, *options]
    return CliRunner().invoke(command, list(map(str, arguments)))


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "vae"
    result = train(data, out)
    assert result.exit_code == 0, result.output
    return out


@pytest.fixture
def model() -> VAE:
    torch.manual_seed(0)
    return VAE(SIZE, latent_dim=6, width=4)


def lines(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_kl_matches_torch_distributions() -> None:
    torch.manual_seed(0)
    q = Posterior(torch.randn(5, 7), torch.randn(5, 7))
    normal = torch.distributions.Normal
    expected = torch.distributions.kl_divergence(
        normal(q.mean, torch.exp(q.log_variance / 2)), normal(0.0, 1.0)
    ).sum(1)
    torch.testing.assert_close(kl_to_prior(q), expected)


def test_kl_of_the_prior_itself_is_zero_and_of_a_shift_half_its_square() -> None:
    zero = torch.zeros(1, 4)
    assert kl_to_prior(Posterior(zero, zero)).item() == 0
    assert kl_to_prior(Posterior(zero + 3, zero)).item() == pytest.approx(4 * 9 / 2)


def test_log_density_matches_scipy() -> None:
    torch.manual_seed(0)
    x, mean = torch.randn(2, 4, 3, 8, 8)
    expected = norm.logpdf(x.numpy(), mean.numpy(), 0.3).sum((1, 2, 3))
    np.testing.assert_allclose(gaussian_log_density(x, mean, 0.3), expected, rtol=1e-5)


def test_elbo_of_a_hand_made_model() -> None:
    # The encoder says N(1, e²) whatever x is and the decoder paints 0 whatever z is.
    model = VAE(SIZE, latent_dim=2, width=4)
    encode, decode = torch.nn.Linear(3 * SIZE**2, 4), torch.nn.Linear(2, 3 * SIZE**2)
    for parameter in (*encode.parameters(), *decode.parameters()):
        torch.nn.init.zeros_(parameter)
    encode.bias.data = torch.tensor([1.0, 1.0, 2.0, 2.0])
    model.encoder = torch.nn.Sequential(torch.nn.Flatten(), encode)
    model.decoder = torch.nn.Sequential(decode, torch.nn.Unflatten(1, (3, SIZE, SIZE)))
    elbo = model.elbo(torch.full((1, 3, SIZE, SIZE), 0.5), sigma=0.5)
    pixels = 3 * SIZE**2
    assert elbo.reconstruction.item() == pytest.approx(
        -pixels * (0.5 + math.log(0.5) + math.log(2 * math.pi) / 2)
    )
    assert elbo.kl.item() == pytest.approx(2 * (1 + math.exp(2) - 1 - 2) / 2)
    assert elbo.total.item() == pytest.approx(elbo.reconstruction.item() - elbo.kl.item())


def test_posterior_samples_have_its_moments() -> None:
    torch.manual_seed(0)
    q = Posterior(torch.full((50_000, 1), 2.0), torch.full((50_000, 1), math.log(9.0)))
    z = q.sample()
    assert z.mean().item() == pytest.approx(2, abs=0.05)
    assert z.std().item() == pytest.approx(3, abs=0.05)


@pytest.mark.parametrize("size", [16, 32, 64, 128])
def test_every_size_goes_in_and_out(size: int) -> None:
    model = VAE(size, latent_dim=5, width=2).eval()
    q = model.encode(torch.zeros(2, 3, size, size))
    assert q.mean.shape == q.log_variance.shape == (2, 5)
    assert model.decode(q.mean).shape == (2, 3, size, size)


def test_to_network_and_render_are_inverse_maps(model: VAE) -> None:
    images = np.arange(256, dtype=np.uint8)[None, None, :, None].repeat(3, 1)
    x = to_network(images)
    assert (x.min().item(), x.max().item()) == (-1, 1)
    model.decoder = torch.nn.Sequential(torch.nn.Unflatten(1, (3, 1, 1)))
    z = x[0, :, :, 0].T.contiguous()
    np.testing.assert_array_equal(model.render_codes(z)[:, :, 0, 0], images[0, :, :, 0].T)


def test_the_elbo_is_logged_with_its_two_terms_apart(run: Path) -> None:
    step = [line for line in lines(run) if "elbo" in line][-1]
    train, held_back = lines(run)[-2:]
    assert step["elbo"] == pytest.approx(step["reconstruction"] - step["kl"], rel=1e-4)
    assert step["kl"] > 0
    elbo = held_back["held_back_reconstruction"] - held_back["held_back_kl"]
    assert held_back["held_back_elbo"] == pytest.approx(elbo, rel=1e-4)
    for split, line in (("train", train), ("held_back", held_back)):
        bits = bits_per_dimension(line[f"{split}_elbo"], "gaussian", 3 * SIZE**2)
        assert line[f"{split}_bits_per_dimension"] == pytest.approx(bits)


def test_a_longer_run_ends_with_a_higher_elbo(data: Path, run: Path, tmp_path: Path) -> None:
    train(data, tmp_path, "--steps", 2)
    assert lines(run)[-1]["held_back_elbo"] > lines(tmp_path)[-1]["held_back_elbo"]


def test_the_command_says_what_it_did_and_where_the_results_lie(data: Path, tmp_path: Path) -> None:
    output = train(data, tmp_path / "run", "--steps", 1).output
    assert "Held back ELBO: -" in output
    assert f"{tmp_path / 'run' / 'model.safetensors'}" in output
    assert f"{tmp_path / 'run' / 'samples' / 'final.png'}" in output


def test_without_a_holdout_split_a_run_is_the_same(tmp_path: Path, run: Path) -> None:
    data = prepared(tmp_path / "data", holdout=False)
    assert train(data, tmp_path / "run").exit_code == 0
    assert lines(tmp_path / "run")[-1] == lines(run)[-1]


def test_grids_show_36_seeds_and_rows_of_reconstructions_below_their_originals(run: Path) -> None:
    for name, shape in (("final", (6, 6)), ("reconstructions", (6, 2))):
        with Image.open(run / "samples" / f"{name}.png") as picture:
            assert picture.size == (shape[0] * SIZE, shape[1] * SIZE)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    data: Path, run: Path, tmp_path: Path
) -> None:
    train(data, tmp_path / "again")
    train(data, tmp_path / "other", "--seed", 1, "--steps", 1)
    model = (run / "model.safetensors").read_bytes()
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == model
    assert (tmp_path / "other" / "model.safetensors").read_bytes() != model


def test_a_checkpoint_of_another_network_is_refused(data: Path, run: Path, tmp_path: Path) -> None:
    other = tmp_path / "run"
    shutil.copytree(run, other)
    (other / "model.safetensors").unlink()
    write_json(other / "config.json", read_json(run / "config.json") | {"width": 8})
    error = train(data, other, "--width", 8).exception
    assert isinstance(error, BadInput)
    assert "not of one run, or damaged" in str(error) and "--restart" in str(error)


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_images_do_not_depend_on_the_batch(run: Path, batch_size: int) -> None:
    sampler = VAESampler(run)
    seeds = range(64)
    images = sampler.sample(seeds)
    assert images.shape == (64, 3, SIZE, SIZE) and images.dtype == np.uint8
    parts = [seeds[i : i + batch_size] for i in range(0, 64, batch_size)]
    z = np.concatenate([latents(part, sampler.latent_dim) for part in parts])
    np.testing.assert_array_equal(z, latents(seeds, sampler.latent_dim))
    batched = np.concatenate([sampler.sample(part) for part in parts])
    assert np.abs(batched.astype(int) - images).max() <= 1


def test_different_latents_give_different_images(run: Path) -> None:
    first, second = VAESampler(run).sample([0, 1])
    assert np.abs(first.astype(int) - second).max() > 5


def test_the_final_elbo_does_not_depend_on_its_batches_beyond_the_draws(data: Path) -> None:
    model = VAE(SIZE, 6, 4)
    images = np.load(data / "images.npy")
    whole = evaluate(model, images, sigma=1.0, batch_size=COUNT)
    parts = evaluate(model, images, sigma=1.0, batch_size=7)
    assert whole["kl"] == pytest.approx(parts["kl"], rel=1e-4)


def test_means_are_of_each_term() -> None:
    elbo = Elbo(torch.tensor([-1.0, -3.0]), torch.tensor([2.0, 4.0]))
    assert means(elbo) == {"elbo": -5, "reconstruction": -2, "kl": 3}


def test_what_was_saved_is_what_is_loaded(model: VAE, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"size": 16, "latent_dim": 6, "width": 4}')
    save(model, tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors").state_dict()
    for name, tensor in model.state_dict().items():
        assert torch.equal(again[name], tensor), name


def refusal(folder: Path) -> str:
    with pytest.raises(BadInput) as caught:
        VAESampler(folder)
    return str(caught.value)


def test_images_of_an_unfit_size_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    error = train(prepared(tmp_path / "data", size=24), tmp_path / "run").exception
    assert isinstance(error, BadInput) and "power of two" in str(error)
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks what happens without a GPU")
def test_a_gpu_that_is_not_there_is_refused(data: Path, tmp_path: Path) -> None:
    error = train(data, tmp_path / "run", "--device", "cuda").exception
    assert isinstance(error, BadInput) and "no GPU" in str(error)
    assert not (tmp_path / "run").exists()


def test_a_diverged_run_stops_and_says_so(data: Path, tmp_path: Path) -> None:
    error = train(data, tmp_path / "run", "--lr", 1e30).exception
    assert isinstance(error, BadInput) and "no longer finite" in str(error)
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_a_finished_run_is_not_trained_again(data: Path, run: Path) -> None:
    before = (run / "model.safetensors").stat().st_mtime_ns
    assert "already trained" in train(data, run).output
    assert (run / "model.safetensors").stat().st_mtime_ns == before


def test_other_options_into_the_same_folder_are_refused(data: Path, run: Path) -> None:
    error = train(data, run, "--width", 8).exception
    assert isinstance(error, BadInput) and "give another --out" in str(error)


def test_an_unfinished_or_missing_run_is_refused(tmp_path: Path) -> None:
    assert "holds no model.safetensors: its training has not finished" in refusal(tmp_path)
    assert "There is no run folder" in refusal(tmp_path / "none")


class Bomb:
    """Unpickling this creates the file it names."""

    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


def copy_of(run: Path, folder: Path, weights: bytes) -> Path:
    (folder / "config.json").write_bytes((run / "config.json").read_bytes())
    (folder / "model.safetensors").write_bytes(weights)
    return folder


def test_nothing_is_unpickled(run: Path, tmp_path: Path) -> None:
    bomb = Bomb(tmp_path / "exploded")
    torch.save(bomb, tmp_path / "bomb.pt")
    for content in (pickle.dumps(bomb), (tmp_path / "bomb.pt").read_bytes()):
        folder = copy_of(run, tmp_path, content)
        assert "damaged" in refusal(folder)
    assert not (tmp_path / "exploded").exists()


def test_a_file_cut_short_is_refused(run: Path, tmp_path: Path) -> None:
    whole = (run / "model.safetensors").read_bytes()
    for part in (whole[:0], whole[:100], whole[: len(whole) // 2], whole[:-1]):
        folder = copy_of(run, tmp_path, part)
        assert "damaged" in refusal(folder)


def test_weights_that_are_not_this_networks_are_refused(run: Path, tmp_path: Path) -> None:
    weights = load_file(run / "model.safetensors")
    weights.popitem()
    save_file(weights, tmp_path / "model.safetensors")
    folder = copy_of(run, tmp_path, (tmp_path / "model.safetensors").read_bytes())
    assert "damaged" in refusal(folder)


@pytest.mark.parametrize("config", ["{}", "[]", "{", '{"size": 16, "latent_dim": 6, "width": 5}'])
def test_a_config_that_does_not_describe_the_weights_is_refused(
    config: str, run: Path, tmp_path: Path
) -> None:
    folder = copy_of(run, tmp_path, (run / "model.safetensors").read_bytes())
    (folder / "config.json").write_text(config)
    assert "config.json" in refusal(folder)


def test_logistic_probabilities_of_all_levels_sum_to_one_and_match_scipy() -> None:
    levels = torch.arange(256) * LEVEL - 1
    x = levels.reshape(256, 1, 1, 1).expand(256, 3, 1, 1)
    scale = 0.2 * math.sqrt(3) / math.pi
    for mean in (-1.0, -0.9, 0.3, 1.2):
        logs = logistic_log_probability(x, torch.full_like(x, mean), 0.2) / 3
        assert logs.exp().sum().item() == pytest.approx(1, abs=1e-4)
        inside = levels[100].item()
        low, high = (logistic.cdf(inside + side * LEVEL / 2, mean, scale) for side in (-1, 1))
        assert logs[100].item() == pytest.approx(math.log(high - low), abs=2e-2)


def test_bits_of_a_uniform_guess_are_eight() -> None:
    dimensions = 12
    assert bits_per_dimension(-dimensions * math.log(256), "logistic", dimensions) == 8
    density = -dimensions * math.log(256 * LEVEL)
    assert bits_per_dimension(density, "gaussian", dimensions) == pytest.approx(8)


def test_the_kl_warms_up_to_its_weight() -> None:
    assert [warm_up(step, 4) for step in (1, 2, 4, 9)] == [0.25, 0.5, 1, 1]


def test_a_fitted_prior_is_the_gaussian_of_the_codes(model: VAE, data: Path) -> None:
    images = np.load(data / "images.npy")
    before = model.render(latents(range(4), 6))
    fit_prior(model, images)
    with torch.inference_mode():
        q = model.eval().encode(to_network(images))
        z = model.from_prior(torch.from_numpy(latents(range(20_000), 6)))
    torch.testing.assert_close(model.prior_mean, q.mean.mean(0))
    spread = torch.diag(q.log_variance.exp().mean(0))
    covariance = q.mean.T.cov(correction=0) + spread
    torch.testing.assert_close(z.T.cov(), covariance, rtol=0.05, atol=0.03)
    assert (model.render(latents(range(4), 6)) != before).any()


def test_encoding_is_the_way_back_from_what_the_decoder_is_given(model: VAE, data: Path) -> None:
    images = np.load(data / "images.npy")[:5]
    fit_prior(model, np.load(data / "images.npy"))
    with torch.inference_mode():
        codes = model.eval().encode(to_network(images)).mean
        again = model.from_prior(torch.from_numpy(model.invert(images)))
    torch.testing.assert_close(again, codes, rtol=1e-4, atol=1e-5)


def weights_of(run: Path) -> bytes:
    return (run / "model.safetensors").read_bytes()


@pytest.mark.parametrize(
    "words",
    [
        "--likelihood logistic",
        "--beta 4",
        "--kl-warmup 100",
        "--prior fitted",
        "--ema 0",
        "--mixed-precision",
        "--sigma 0.3",
    ],
)
def test_every_option_changes_the_model(words: str, data: Path, tmp_path: Path, run: Path) -> None:
    assert train(data, tmp_path / "run", *words.split()).exit_code == 0
    assert weights_of(tmp_path / "run") != weights_of(run)
    VAESampler(tmp_path / "run").sample([0])


def test_a_larger_beta_leaves_less_kl(data: Path, tmp_path: Path) -> None:
    for beta in (0.0, 20.0):
        options = ("--beta", beta, "--sigma", 0.2, "--steps", 60)
        assert train(data, tmp_path / str(beta), *options).exit_code == 0
    free, bound = (lines(tmp_path / name)[-1]["held_back_kl"] for name in ("0.0", "20.0"))
    assert bound < free / 2


def test_a_resumed_run_is_bit_equal_to_an_uninterrupted_one(
    data: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = VAELearner.step

    def interrupted(learner: VAELearner, number: int) -> dict[str, Any]:
        if number == 23:
            signal.raise_signal(signal.SIGINT)
        return step(learner, number)

    monkeypatch.setattr(VAELearner, "step", interrupted)
    stopped = train(data, tmp_path, "--log-every", 10)
    assert stopped.exit_code == 130 and "Stopped after step 23 of 40" in stopped.output
    monkeypatch.undo()
    assert "Going on after step 23 of 40" in train(data, tmp_path, "--log-every", 10).output
    assert weights_of(tmp_path) == weights_of(run)


def torchrun(data: Path, out: Path, *options: object) -> str:
    command = [
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=2",
        "-m",
        "facebench",
    ]
    words = [*("train", "vae", "--data"), data, "--out", out, *OPTIONS, *options]
    finished = subprocess.run(
        [sys.executable, *map(str, [*command, *words])],
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    return finished.stdout + finished.stderr


@pytest.mark.processes
def test_two_processes_train_one_model(data: Path, run: Path, tmp_path: Path) -> None:
    told = torchrun(data, tmp_path / "run", "--log-every", 10)
    assert "Model:" in told, told
    alone = [line["elbo"] for line in lines(run) if "elbo" in line]
    together = [line["elbo"] for line in lines(tmp_path / "run") if "elbo" in line]
    assert len(together) == 4
    assert together[-1] == pytest.approx(alone[-1], rel=0.05)
    VAESampler(tmp_path / "run").sample([0])


def test_batches_that_processes_cannot_share_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    for batch_size in (5, 2):
        with pytest.raises(BadInput, match="does not split into 2 processes"):
            join_group("cpu", batch_size)


@pytest.mark.slow
@pytest.mark.processes  # torch's compiler has workers
@pytest.mark.filterwarnings("ignore:The .grad attribute")  # torch.compile's look at activations
def test_a_compiled_run_ends_where_a_plain_one_does(data: Path, run: Path, tmp_path: Path) -> None:
    assert train(data, tmp_path / "run", "--compile").exit_code == 0
    plain, compiled = (lines(each)[-1]["held_back_elbo"] for each in (run, tmp_path / "run"))
    assert compiled == pytest.approx(plain, rel=1e-2)
