from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch_fidelity import GenerativeModelModuleWrapper, metric_ppl

from facebench.cli import cli
from facebench.engine.evaluate import evaluate
from facebench.errors import BadInput
from facebench.features.lpips_steps import LPIPSOfPairs
from facebench.metrics.path_length import path_length
from facebench.metrics.uncertainty import Estimate
from facebench.sampler import Images, LatentSampler, to_uint8
from facebench.samplers.latent_steps import EPSILON, PARTNER, LatentSteps
from facebench.samplers.latents import draw
from facebench.weights import WeightSource

SIDE = 32


class Waves(LatentSampler):
    """Images that change with every latent, each by waves of its own."""

    latent_dim = 6

    def __init__(self, strength: float = 1.0):
        self.asked: list[int] = []
        random = np.random.default_rng(0)
        self._waves = strength * random.standard_normal((self.latent_dim, 3, SIDE, SIDE))

    def sample(self, seeds: Sequence[int]) -> Images:
        self.asked += seeds
        return super().sample(seeds)

    def decode(self, z: np.ndarray) -> Images:
        return to_uint8(np.tanh(np.tensordot(z, self._waves / 3, 1)), -1, 1)


class Uniform(Waves):
    def draw(self, seeds: Sequence[int]) -> np.ndarray:
        return draw(seeds, self.latent_dim, "uniform")


@pytest.fixture(scope="module")
def weights(shared: Path) -> WeightSource:
    return WeightSource({"alexnet": shared / "weights" / "alexnet_features.pth"}, trust=True)


@pytest.fixture(scope="module")
def lpips(weights: WeightSource) -> LPIPSOfPairs:
    return LPIPSOfPairs(weights, "cpu")


@pytest.mark.parametrize("model", [Waves(), Uniform()])
def test_steps_go_from_each_seed_towards_another(model: Waves) -> None:
    steps = LatentSteps(model)
    pairs = steps.sample(range(20))
    np.testing.assert_array_equal(pairs[::2], model.sample(range(10)))
    start, end = (model.draw([seed]) for seed in (4, PARTNER + 4))
    after = model.decode(start + np.float32(EPSILON) * (end - start))
    np.testing.assert_array_equal(pairs[9:10], after)
    np.testing.assert_array_equal(steps.sample([9, 3, 4]), pairs[[9, 3, 4]])


def test_the_distance_of_a_pair_is_lpips(lpips: LPIPSOfPairs) -> None:
    images = LatentSteps(Waves()).sample(range(14))
    found = [lpips.extract(images, size) for size in (1, 2, 5, 64)]
    e = lpips.embed(torch.from_numpy(images)).double()
    for each in found:
        np.testing.assert_allclose(each["distance"], (e[::2] - e[1::2]).square().sum(1), rtol=1e-4)
        moved = np.abs(images[::2].astype(int) - images[1::2]).mean((1, 2, 3))
        np.testing.assert_allclose(each["levels"], moved, rtol=1e-6)


class Decoder(torch.nn.Module):
    """The same images, for torch-fidelity."""

    def __init__(self, model: Waves):
        super().__init__()
        self.model = model

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(self.model.decode(z.numpy()))


def ppl(steps: Mapping[str, np.ndarray]) -> Estimate:
    return path_length(steps["distance"], steps["levels"], EPSILON)


def of(lengths: np.ndarray, epsilon: float = 1.0, levels: float = 2.0) -> Estimate:
    return path_length(lengths, np.full(len(lengths), levels), epsilon)


def of_numpy_1(values: np.ndarray, share: float, interpolation: Any) -> Any:
    return np.quantile(values, share / 100, method=interpolation)


def published(
    model: Waves, count: int, distance: Callable[..., torch.Tensor], patch: pytest.MonkeyPatch
) -> float:
    """PPL as torch-fidelity computes it, of the latents and the LPIPS that are ours."""
    latents = iter([model.draw(range(count)), model.draw(range(PARTNER, PARTNER + count))])
    patch.setattr(metric_ppl, "sample_random", lambda *_: torch.from_numpy(next(latents)))
    patch.setattr(metric_ppl, "create_sample_similarity", lambda *_, **__: distance)
    wrapped = GenerativeModelModuleWrapper(Decoder(model), model.latent_dim, "normal", 0)
    with patch.context() as of_numpy:  # which has no such argument since version 2
        of_numpy.setattr(np, "percentile", of_numpy_1)
        found = metric_ppl.calculate_ppl(
            1,
            input1=wrapped,
            input1_model_num_samples=count,
            input1_model_z_size=model.latent_dim,
            input1_model_z_type="normal",
            input1_model_num_classes=0,
            ppl_epsilon=EPSILON,
            cuda=False,
            verbose=False,
        )
    return float(found["perceptual_path_length_mean"])


def test_equals_torch_fidelitys_on_the_same_latents_and_images(
    lpips: LPIPSOfPairs, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, count = Waves(), 150

    def distance(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return (lpips.embed(x) - lpips.embed(y)).square().sum(1)

    images = LatentSteps(model).sample(range(2 * count))
    ours = ppl(lpips.extract(images, 64))
    theirs = published(model, count, distance, monkeypatch)
    assert ours.value == pytest.approx(theirs, rel=1e-4)
    assert 0 < (ours.error or 0) < ours.value


def test_what_is_far_out_is_left_out() -> None:
    lengths = np.random.default_rng(0).permutation(np.arange(1.0, 202.0))
    lengths[lengths == 201] = 1e9
    found = of(lengths, 0.5)
    assert found.value == pytest.approx(4 * np.arange(3, 200).mean())
    assert found.details["standard_deviation"] == pytest.approx(4 * np.arange(3, 200).std())


def test_images_that_hardly_move_are_told_of() -> None:
    assert of(np.ones(5), levels=1.6).note == ""
    assert "by 1.4 grey levels in the mean" in of(np.ones(5), levels=1.4).note


def test_pseudo_values_are_those_of_leaving_groups_out() -> None:
    lengths = np.random.default_rng(0).gamma(2, size=3200)
    found = of(lengths)
    assert found.groups is not None
    parts = np.array_split(np.arange(3200), 32)
    left_out = -31 * np.array([of(np.delete(lengths, p)).value for p in parts])
    assert np.corrcoef(found.groups, left_out)[0, 1] > 0.99
    assert np.std(left_out) == pytest.approx(np.std(found.groups), rel=0.1)


def test_its_interval_holds() -> None:
    random = np.random.default_rng(0)
    found = [of(random.gamma(2, size=500)) for _ in range(500)]
    truth = np.mean([each.value for each in found])
    intervals = [each.interval() or (np.inf, np.inf) for each in found]
    assert 0.92 < np.mean([low <= truth <= high for low, high in intervals]) < 0.98


@pytest.mark.parametrize("wrong", [[1.0], [1.0, np.nan], [1.0, np.inf]])
def test_what_has_no_mean_is_refused(wrong: list[float]) -> None:
    with pytest.raises(BadInput, match="2 steps or more of finite length"):
        of(np.array(wrong))


def scored(models: Any, tiny_folder: Path, weights: WeightSource, **options: Any) -> Any:
    found = evaluate(
        models,
        tiny_folder,
        extractor="random",
        metrics=["fid", "ppl"],
        num=12,
        weights=weights,
        device="cpu",
        **options,
    )
    assert not found.failures
    return found.results


def test_a_model_with_latents_has_it_and_others_are_told_why_not(
    tiny_folder: Path, weights: WeightSource, lpips: LPIPSOfPairs
) -> None:
    model = Waves()

    def function(seeds: list[int]) -> np.ndarray:
        return model.sample(seeds)

    results = scored(
        {"waves": model, "faint": Waves(0.1), "drawn": function, "there": model.sample(range(17))},
        tiny_folder,
        weights,
        seed=5,
    )
    waves, faint, drawn, there = results
    images = LatentSteps(model).sample(range(10, 34))
    expected = ppl(lpips.extract(images, 64))
    assert waves.metrics["ppl"].value == pytest.approx(expected.value, rel=1e-5)
    assert waves.metrics["ppl"].details["step"] == EPSILON
    assert any(name.startswith("weights alexnet") for name in waves.environment)
    assert waves.metrics["ppl"].floor is None and not any("ppl" in note for note in waves.notes)
    assert any("a step moves the images by 0." in note for note in faint.notes)
    for result, why in ((drawn, "drawn has no latent space"), (there, "there is no model")):
        assert result.metrics.keys() == {"fd_random"}
        assert result.refused["ppl"].startswith(why)


def test_a_batch_at_a_time_makes_no_difference(tiny_folder: Path, weights: WeightSource) -> None:
    values = [
        scored({"waves": Waves()}, tiny_folder, weights, batch_size=size)[0].metrics["ppl"].value
        for size in (3, 64)
    ]
    assert values[0] == pytest.approx(values[1], rel=1e-5)


def test_a_model_that_fails_on_its_way_keeps_its_other_scores(
    tiny_folder: Path, weights: WeightSource
) -> None:
    class Broken(Waves):
        def draw(self, seeds: Sequence[int]) -> np.ndarray:
            if max(seeds) >= PARTNER:
                raise RuntimeError("the seed is too large")
            return super().draw(seeds)

    result = scored({"broken": Broken()}, tiny_folder, weights)[0]
    assert result.metrics.keys() == {"fd_random"}
    assert "the seed is too large" in result.refused["ppl"]


@pytest.mark.processes
def test_a_models_steps_are_kept(
    tiny_folder: Path, tmp_path: Path, weights: WeightSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "pca"
    where = ["--data", str(tiny_folder), "--out", str(out), "--components", "8"]
    answer = CliRunner().invoke(cli, ["train", "pca", *where, "--solver", "randomized"])
    assert answer.exit_code == 0, answer.output
    first = scored(f"pca=pca:{out}", tiny_folder, weights)[0]
    again = scored(f"pca=pca:{out}", tiny_folder, weights)[0]
    assert first.images == 3 * 12 and again.images == 0
    assert first.metrics["ppl"] == again.metrics["ppl"]
    assert first.metrics["ppl"].value > 0
    listed = CliRunner().invoke(cli, ["store", "list"])
    assert "lpips-alex-v0.1 of pairs" in listed.output


@pytest.mark.processes
def test_a_model_without_latents_in_its_process(tiny_folder: Path, weights: WeightSource) -> None:
    model = "good=python+takes=seeds:hostile_samplers:good"
    result = scored(model, tiny_folder, weights)[0]
    assert result.metrics.keys() == {"fd_random"}
    assert result.refused["ppl"].startswith("This model has no latent space")


def test_its_card() -> None:
    answer = CliRunner().invoke(cli, ["metrics", "ppl"])
    assert answer.exit_code == 0, answer.output
    assert "a model with a latent space" in answer.output
    assert f"{EPSILON:.0%}".replace("%", " % of the way") in " ".join(answer.output.split())
