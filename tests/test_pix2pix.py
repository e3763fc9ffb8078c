"""The reference translator: its networks, its losses, and a run of it from start to model."""

import json
import math
import os
import pickle
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
from hostile_files import FILES
from PIL import Image
from safetensors.torch import load_file, save_file

import facebench
from facebench.data.prepare import synthesize
from facebench.errors import BadInput
from facebench.files import read_json
from facebench.pairs.make import make_pairs
from facebench.pairs.pair_set import open_pairs
from facebench.plugins import registry
from facebench.sampler import Images
from facebench.training.data import hold_back
from facebench.training.learner import Choice
from facebench.training.parallel import ALONE
from facebench.training.recorder import mean_absolute_error
from facebench.translator import Translator
from facebench_pix2pix import Pix2PixTranslator
from facebench_pix2pix.learner import Pix2PixLearner
from facebench_pix2pix.losses import discriminator_loss, generator_loss
from facebench_pix2pix.model import PatchDiscriminator, UNet, load, save
from facebench_pix2pix.pairs import PairRows, Pairs, shifted, triples
from facebench_pix2pix.train import command

SIZE, FEW = 16, 12
OPTIONS = "--steps 30 --batch-size 8 --width 4 --device cpu --lr 2e-3"
CONFIG: dict[str, Any] = {
    **{"seed": 0, "steps": 10, "batch_size": 4, "size": 16, "source_size": 4, "width": 4},
    **{"dropout": 0.5, "jitter": 0.3, "lr": 2e-3, "l1": 100.0},
    **{"mixed_precision": False, "compile": False},
}


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faces") / "faces16"
    synthesize(folder, num=60, size=SIZE, holdout=10)
    return folder


@pytest.fixture(scope="module")
def data(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give pairs of 4×4 and 16×16 pixels."""
    out = tmp_path_factory.mktemp("pairs") / "larger"
    make_pairs(faces, out, "super-resolution")
    return out


def train(data: Path, out: Path, words: str = "") -> Result:
    where = ["--data", str(data), "--out", str(out)]
    return CliRunner().invoke(command, [*where, *OPTIONS.split(), *words.split()])


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "larger"
    more = "--keep-checkpoints all --checkpoint-every 10 --log-every 10"
    result = train(data, out, more)
    assert result.exit_code == 0, result.output
    return out


def lines(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def weights_of(run: Path) -> bytes:
    return (run / "model.safetensors").read_bytes()


def held(data: Path) -> Images:
    return open_pairs(data, "holdout").sources


@pytest.mark.parametrize("size", [16, 32, 64, 128])
def test_every_size_goes_in_and_out(size: int) -> None:
    network = UNet(size, size // 4, 2, 0.5)
    source = torch.zeros(2, 3, size // 4, size // 4)
    large = network.enlarged(source)
    assert large.shape == network(large).shape == (2, 3, size, size)
    assert network(large, torch.zeros(2, network.noise_dim)).shape == (2, 3, size, size)
    assert len(network.down) == len(network.up) + 1 == math.log2(size / 4)


def test_the_preset_has_one_and_a_half_million_weights() -> None:
    assert sum(each.numel() for each in UNet(64, 16, 32, 0.5).parameters()) == 1_546_839
    assert sum(each.numel() for each in PatchDiscriminator(64, 32).parameters()) == 169_569


@pytest.mark.parametrize(("size", "patch"), [(64, 34), (256, 70)])
def test_a_logit_is_of_a_patch(size: int, patch: int) -> None:
    torch.manual_seed(0)
    network = PatchDiscriminator(size, 2)
    for layer in network.layers:
        if isinstance(layer, torch.nn.InstanceNorm2d):  # which looks at the whole map
            layer.forward = lambda x: x  # type: ignore[method-assign, assignment]
    image = torch.randn(1, 3, size, size, requires_grad=True)
    logits = network(torch.zeros_like(image), image)
    middle = logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2]
    (gradient,) = torch.autograd.grad(middle, image)
    rows, columns = np.nonzero(gradient[0].abs().sum(0).numpy())
    assert np.ptp(rows) + 1 == np.ptp(columns) + 1 == patch


def test_what_skips_the_bottom_reaches_the_answer() -> None:
    torch.manual_seed(0)
    network, x = UNet(32, 32, 4, 0.0), torch.randn(1, 3, 32, 32)
    for weights in network.up.parameters():
        torch.nn.init.zeros_(weights)
    first = torch.cat([torch.zeros(1, 4, 16, 16), network.down[0](x)], 1)
    expected = (network.last(first) + network.filter(x)).tanh()
    torch.testing.assert_close(network(x), expected)


def test_dropout_is_what_the_noise_says() -> None:
    torch.manual_seed(0)
    network = UNet(32, 32, 4, 0.5)
    x, noise = torch.randn(2, 3, 32, 32), torch.rand(2, network.noise_dim)
    assert network.noise_dim == 8 * 8 * 8 + 4 * 16 * 16
    kept: list[torch.Tensor] = []
    network.up[1].register_forward_hook(lambda *given: kept.append(given[1][0]))
    network(x, noise)
    mask = (noise[:, :512] >= 0.5).view(2, 8, 8, 8).float() * 2  # kept features weigh twice
    plain = network.up[0](network.down[2](network.down[1](network.down[0](x))))
    skipped = network.down[1](network.down[0](x))
    torch.testing.assert_close(kept[0], torch.cat([plain * mask, skipped], 1))
    network.dropout = 0.0
    assert torch.equal(network(x), network(x, noise))


def test_sources_are_enlarged_bilinearly() -> None:
    network = UNet(16, 4, 2, 0.0)
    x = torch.rand(2, 3, 4, 4)
    line = np.clip((np.arange(16) + 0.5) / 4 - 0.5, 0, 3)
    low, part = np.minimum(line.astype(int), 2), line - np.minimum(line.astype(int), 2)
    rows = x.numpy()[:, :, low] * (1 - part)[:, None] + x.numpy()[:, :, low + 1] * part[:, None]
    expected = rows[..., low] * (1 - part) + rows[..., low + 1] * part
    np.testing.assert_allclose(network.enlarged(x), expected, atol=1e-6)


def test_losses_of_one_who_cannot_tell_and_of_one_who_can() -> None:
    unsure, sure = torch.zeros(2, 1, 3, 3), torch.full((2, 1, 3, 3), 3.0)
    assert discriminator_loss(unsure, unsure).item() == pytest.approx(math.log(2))
    assert generator_loss(unsure).item() == pytest.approx(math.log(2))
    right = math.log1p(math.exp(-3))
    assert discriminator_loss(sure, -sure).item() == pytest.approx(right)
    assert generator_loss(-sure).item() == pytest.approx(math.log1p(math.exp(3)))
    entropy = torch.nn.functional.binary_cross_entropy_with_logits
    real, fake = torch.randn(2, 4, 1, 5, 5)
    expected = (entropy(real, torch.ones_like(real)) + entropy(fake, torch.zeros_like(fake))) / 2
    torch.testing.assert_close(discriminator_loss(real, fake), expected)
    torch.testing.assert_close(generator_loss(fake), entropy(fake, torch.ones_like(fake)))


def some(count: int, source: int = 4, target: int = 16) -> PairRows:
    """Give pairs whose sources are every fourth pixel of their targets."""
    targets = np.random.default_rng(0).integers(0, 256, (count, 3, target, target), np.uint8)
    step = target // source
    return PairRows(targets[:, :, ::step, ::step].copy(), targets)


def test_pairs_are_mirrored_and_shifted_as_one() -> None:
    rows = some(6)
    pairs = Pairs(rows, 0.3, torch.device("cpu"))
    assert pairs.most_shift == 1  # of 4 pixels of 16, and of 1 of 4
    choice = Choice(np.array([0, 2, 5]), np.array([True, False, True]).reshape(3, 1, 1, 1))
    shifts = np.array([[1, -1], [0, 1], [0, 0]])
    sources, targets = (each.numpy() for each in pairs.take(choice, shifts))
    for place, row in enumerate(choice.rows):
        for found, given, step in ((sources, rows.sources, 1), (targets, rows.targets, 4)):
            image = given[row][..., ::-1] if choice.mirrored[place] else given[row]
            down, right = shifts[place] * step
            height = image.shape[-1]
            y = np.clip(np.arange(height) + down, 0, height - 1)
            x = np.clip(np.arange(height) + right, 0, height - 1)
            np.testing.assert_array_equal(found[place], image[:, y][:, :, x])


def test_shifts_are_whole_pixels_of_both_sizes() -> None:
    rows = some(2, 16, 64)
    assert Pairs(rows, 0.06, torch.device("cpu")).most_shift == 0  # 3.84 of steps of 4
    assert Pairs(rows, 0.07, torch.device("cpu")).most_shift == 1
    odd = PairRows(np.zeros((2, 3, 24, 24), np.uint8), rows.targets)
    assert Pairs(odd, 0.3, torch.device("cpu")).most_shift == 2  # 19.2 pixels, in steps of 8


def test_a_shift_repeats_the_border() -> None:
    image = torch.arange(3, dtype=torch.uint8).expand(1, 3, 3, 3)
    moved = shifted(image, torch.tensor([[0, -2]]))
    assert moved[0, 0, 0].tolist() == [0, 0, 0]
    assert shifted(image, torch.tensor([[1, 1]]))[0, 0, 0].tolist() == [1, 2, 2]


def test_triples_stand_side_by_side() -> None:
    a, b, c = (np.full((2, 3, 4, 4), level, np.uint8) for level in (1, 2, 3))
    assert triples(a, b, c)[:, 0, 0, 0].tolist() == [1, 2, 3, 1, 2, 3]


def test_steps_come_nearer_to_a_few_pairs(data: Path) -> None:
    pairs = open_pairs(data, "train")
    few = PairRows(pairs.sources[:FEW], pairs.targets[:FEW])
    config = CONFIG | {"steps": 60, "width": 8, "jitter": 0.0, "batch_size": FEW}
    learner = Pix2PixLearner(config, few, few, "cpu", ALONE)
    before = mean_absolute_error(few.targets[:], learner.answers())
    losses = [learner.step(number) for number in range(1, 61)]
    after = mean_absolute_error(few.targets[:], learner.answers())
    assert after < before / 2
    assert float(losses[-1]["l1"]) < float(losses[0]["l1"]) / 2
    sources = mean_absolute_error(few.targets[:], learner.enlarged(few.sources[:]))
    assert after < sources


def test_a_step_moves_each_network_by_its_own_loss() -> None:
    rows = some(8)
    learner = Pix2PixLearner(CONFIG | {"lr": 0.0}, rows, rows, "cpu", ALONE)
    losses = learner.step(1)
    before = learner.state()
    assert losses["l1"] > 0 and losses["d_loss"] > 0 and losses["g_loss"] > 0
    learner.config["lr"], learner.config["l1"] = 1e-3, 0.0
    learner.step(1)
    after = learner.state()
    for part in ("generator/", "discriminator/"):
        weights = [name for name in before if name.startswith(part)]
        assert any((before[name] != after[name]).any() for name in weights)
    gradients = [each.grad for each in learner.discriminator.parameters()]
    learner.step(2)
    assert all(grad is not None for grad in gradients)


def test_the_loop_writes_what_a_run_has(run: Path) -> None:
    names = {path.relative_to(run).as_posix() for path in run.rglob("*.*")}
    assert {"model.safetensors", "README.md", "losses.svg", "samples/final.png"} <= names
    steps = [line for line in lines(run) if "l1" in line]
    assert [line["step"] for line in steps] == [10, 20, 30]
    assert all({"d_loss", "g_loss", "l1", "seconds"} <= line.keys() for line in steps)
    last = lines(run)[-1]
    assert last["held_back_error"] < lines(run)[1]["score"]
    assert "mean absolute error in grey levels, is what the best" in (run / "README.md").read_text()
    assert read_json(run / "config.json")["source_size"] == 4


def test_a_score_is_the_mean_absolute_error_of_what_is_held_back(data: Path, run: Path) -> None:
    pairs = open_pairs(data, "train")
    (_, sources), (_, targets) = (hold_back(each, 0) for each in (pairs.sources, pairs.targets))
    answers = Pix2PixTranslator(run).translate(sources[:], range(len(sources)))
    expected = np.abs(answers.astype(float) - targets[:]).mean()
    scores = [line["score"] for line in lines(run) if "score" in line]
    assert scores[-1] == pytest.approx(expected) and len(scores) == 3
    assert lines(run)[-1]["held_back_error"] == pytest.approx(expected)


def test_the_grid_shows_source_answer_and_target(data: Path, run: Path) -> None:
    pairs = open_pairs(data, "train")
    _, targets = hold_back(pairs.targets, 0)
    with Image.open(run / "samples" / "final.png") as picture:
        assert picture.size == (6 * SIZE, 6 * SIZE)
        shown = np.asarray(picture).transpose(2, 0, 1)
    for place in range(12):
        top, left = place // 2 * SIZE, place % 2 * 3 * SIZE + 2 * SIZE
        tile = shown[:, top : top + SIZE, left : left + SIZE]
        np.testing.assert_array_equal(tile, targets[:][place % len(targets)])


def test_the_command_says_what_it_did(data: Path, tmp_path: Path) -> None:
    output = train(data, tmp_path / "run", "--steps 1").output
    assert "Held-back answers are " in output and " grey levels off on average" in output
    assert f"{tmp_path / 'run' / 'model.safetensors'}" in output


@pytest.mark.processes
def test_a_score_of_pairs_that_were_learnt_is_called_so(data: Path, tmp_path: Path) -> None:
    for side in ("sources", "targets"):
        (tmp_path / "few" / side).mkdir(parents=True)
        for file in sorted((data / "train" / side).iterdir())[:5]:
            shutil.copy(file, tmp_path / "few" / side)
    output = train(tmp_path / "few", tmp_path / "run", "--steps 1 --batch-size 2").output
    assert "Answers to the sources that were learnt, for of so few none is held back" in output
    assert lines(tmp_path / "run")[-1]["learnt_error"] > 0
    evaluation = facebench.evaluate_pairs(
        f"same=pix2pix:{tmp_path / 'run'}", tmp_path / "few", extractor="random", metrics="psnr"
    )
    [result] = evaluation.results
    assert "it was trained on these very images, so its values tell nothing of others" in (
        result.notes
    )


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    data: Path, run: Path, tmp_path: Path
) -> None:
    train(data, tmp_path / "again")
    train(data, tmp_path / "other", "--seed 1 --steps 1")
    assert weights_of(tmp_path / "again") == weights_of(run) != weights_of(tmp_path / "other")


def test_a_resumed_run_is_bit_equal_to_an_uninterrupted_one(
    data: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Pix2PixLearner.step

    def interrupted(learner: Pix2PixLearner, number: int) -> dict[str, Any]:
        if number == 17:
            signal.raise_signal(signal.SIGINT)
        return step(learner, number)

    monkeypatch.setattr(Pix2PixLearner, "step", interrupted)
    stopped = train(data, tmp_path)
    assert stopped.exit_code == 130 and "Stopped after step 17 of 30" in stopped.output
    monkeypatch.undo()
    assert "Going on after step 17 of 30" in train(data, tmp_path).output
    assert weights_of(tmp_path) == weights_of(run)


def test_minutes_take_back_what_they_measure(data: Path, run: Path, tmp_path: Path) -> None:
    assert train(data, tmp_path / "run", "--minutes 60").exit_code == 0
    assert weights_of(tmp_path / "run") == weights_of(run)


@pytest.mark.parametrize("batch_size", [1, 7])
@pytest.mark.parametrize("noise", ["off", "on"])
def test_answers_do_not_depend_on_the_batch(
    data: Path, run: Path, batch_size: int, noise: str
) -> None:
    translator = Pix2PixTranslator(run, noise=noise)
    assert isinstance(translator, Translator)
    sources, seeds = held(data), range(10)
    answers = translator.translate(sources, seeds)
    assert answers.shape == (10, 3, SIZE, SIZE) and answers.dtype == np.uint8
    parts = [slice(start, start + batch_size) for start in range(0, 10, batch_size)]
    again = np.concatenate([translator.translate(sources[part], seeds[part]) for part in parts])
    assert np.abs(again.astype(int) - answers).max() <= 1
    np.testing.assert_array_equal(translator.translate(sources, seeds), answers)


def test_seeds_matter_where_noise_is_asked_for_alone(data: Path, run: Path) -> None:
    sources = held(data)[[0, 0]]
    first, second = Pix2PixTranslator(run).translate(sources, [1, 2])
    np.testing.assert_array_equal(first, second)
    first, second = Pix2PixTranslator(run, noise="on").translate(sources, [1, 2])
    assert (first != second).any()


def test_other_sources_have_other_answers(data: Path, run: Path) -> None:
    answers = Pix2PixTranslator(run).translate(held(data), range(10))
    assert np.abs(answers[0].astype(int) - answers[1]).max() > 5


def test_a_run_and_its_checkpoints_open_by_name(data: Path, run: Path) -> None:
    sources = held(data)
    answers = {}
    for step in (10, 20, 30):
        file = run / "checkpoints" / f"step-0000{step}.safetensors"
        translator: Any = registry.load("pix2pix", file)
        assert translator.files == (run / "config.json",)
        answers[step] = translator.translate(sources, range(10))
    whole: Any = registry.load("pix2pix", run)
    np.testing.assert_array_equal(answers[30], whole.translate(sources, range(10)))
    assert (answers[10] != answers[30]).any()


def test_sources_may_be_of_the_targets_size_or_larger(faces: Path, tmp_path: Path) -> None:
    make_pairs(faces, tmp_path / "painted", "inpainting")
    assert train(tmp_path / "painted", tmp_path / "run", "--steps 2").exit_code == 0
    assert Pix2PixTranslator(tmp_path / "run").translate(held(tmp_path / "painted"), [0] * 10).any()
    both = tmp_path / "smaller"
    both.mkdir()
    shutil.copytree(tmp_path / "painted" / "train" / "targets", both / "targets")
    (both / "sources").mkdir()
    for path in (both / "targets").iterdir():
        with Image.open(path) as picture:
            picture.resize((24, 24)).save(both / "sources" / path.name)
    assert train(both, tmp_path / "other", "--steps 2").exit_code == 0
    answers = Pix2PixTranslator(tmp_path / "other").translate(
        open_pairs(both, "train").sources, [0] * 50
    )
    assert answers.shape == (50, 3, 16, 16)


def test_what_was_saved_is_what_is_loaded(tmp_path: Path) -> None:
    model = UNet(16, 4, 4, 0.5)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    save(model, tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    for name, tensor in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name
    assert (again.size, again.source_size, again.dropout) == (16, 4, 0.5)


def refusal(path: Path, **options: str) -> str:
    with pytest.raises(BadInput) as caught:
        Pix2PixTranslator(path, **options)
    return str(caught.value)


def test_options_and_sources_that_do_not_fit_are_refused(
    data: Path, run: Path, tmp_path: Path
) -> None:
    assert "noise=loud is not possible: give one of off, on" in refusal(run, noise="loud")
    train(data, tmp_path / "run", "--steps 1 --dropout 0")
    assert "trained without --dropout: leave noise=on out" in refusal(tmp_path / "run", noise="on")
    with pytest.raises(BadInput, match=r"sources are of 5×4 pixels, .* learnt of 4×4"):
        Pix2PixTranslator(run).translate(np.zeros((1, 3, 4, 5), np.uint8), [0])


def test_an_unfinished_or_missing_run_is_refused(tmp_path: Path) -> None:
    assert "holds no model.safetensors: its training has not finished" in refusal(tmp_path)
    assert "There is no run folder" in refusal(tmp_path / "none")


def put(folder: Path, source: int, target: int, count: int = 3) -> Path:
    """Lay down pairs of somebody's own."""
    for kind, size in (
        ("sources", (source, source + (source == 5))),
        ("targets", (target, target)),
    ):
        (folder / kind).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", size, (number, 0, 0)).save(folder / kind / f"{number}.png")
    return folder


@pytest.mark.parametrize(
    ("source", "target", "count", "told"),
    [
        (24, 24, 3, r"targets of 24×24 pixels, .* power of two from 16 to 1024: make the pairs of"),
        (8, 8, 3, "targets of 8×8 pixels"),
        (5, 16, 3, "sources of 5×6 pixels, where the U-Net needs squares: crop them"),
        (4, 16, 1, "has 1 pairs to learn; at least 2 are needed"),
    ],
)
def test_pairs_that_do_not_fit_are_refused_before_anything_is_written(
    source: int, target: int, count: int, told: str, tmp_path: Path
) -> None:
    error = train(put(tmp_path / "own", source, target, count), tmp_path / "run").exception
    assert isinstance(error, BadInput)
    with pytest.raises(BadInput, match=told):
        raise error
    assert not (tmp_path / "run").exists()


def test_ones_own_pairs_are_learnt_whole(tmp_path: Path) -> None:
    assert train(put(tmp_path / "own", 4, 16), tmp_path / "run", "--steps 1").exit_code == 0
    assert read_json(tmp_path / "run" / "config.json")["held_back"] == 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks what happens without a GPU")
def test_a_gpu_that_is_not_there_is_refused(data: Path, tmp_path: Path) -> None:
    error = train(data, tmp_path / "run", "--device cuda").exception
    assert isinstance(error, BadInput) and "no GPU" in str(error)
    assert not (tmp_path / "run").exists()


def test_a_diverged_run_stops_and_says_so(data: Path, tmp_path: Path) -> None:
    error = train(data, tmp_path / "run", "--lr 1e38").exception
    assert isinstance(error, BadInput) and "no longer finite" in str(error)
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_a_finished_run_is_kept_and_other_options_or_pairs_are_refused(
    data: Path, run: Path, faces: Path, tmp_path: Path
) -> None:
    before = (run / "model.safetensors").stat().st_mtime_ns
    assert "already trained" in train(data, run).output
    assert (run / "model.safetensors").stat().st_mtime_ns == before
    make_pairs(faces, tmp_path / "others", "super-resolution", factor=2)
    for other, words in ((data, "--width 8"), (data, "--l1 10"), (tmp_path / "others", "")):
        error = train(other, run, words).exception
        assert isinstance(error, BadInput) and "give another --out" in str(error)


@pytest.mark.parametrize(
    "words", ["--l1 1", "--dropout 0", "--jitter 0.4", "--mixed-precision", "--lr 1e-3"]
)
def test_every_option_changes_the_model(words: str, data: Path, tmp_path: Path, run: Path) -> None:
    assert train(data, tmp_path / "run", words).exit_code == 0
    assert weights_of(tmp_path / "run") != weights_of(run)
    Pix2PixTranslator(tmp_path / "run").translate(held(data), range(10))


class Bomb:
    """Unpickling this creates the file it names."""

    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


HOSTILE = {name: case for name, case in FILES.items() if name.startswith("safetensors ")}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_safetensors_are_refused(name: str, run: Path, tmp_path: Path) -> None:
    folder = copy_of(run, tmp_path, b"")
    HOSTILE[name].make(folder / "model.safetensors")
    assert "are not one U-Net, or damaged" in refusal(folder)
    (folder / "checkpoints").mkdir()
    HOSTILE[name].make(folder / "checkpoints" / "step-000001.safetensors")
    assert "damaged" in refusal(folder / "checkpoints" / "step-000001.safetensors")


def copy_of(run: Path, folder: Path, weights: bytes) -> Path:
    (folder / "config.json").write_bytes((run / "config.json").read_bytes())
    (folder / "model.safetensors").write_bytes(weights)
    return folder


def test_damaged_weights_are_refused_and_nothing_is_unpickled(run: Path, tmp_path: Path) -> None:
    bomb = Bomb(tmp_path / "exploded")
    torch.save(bomb, tmp_path / "bomb.pt")
    whole = weights_of(run)
    parts = (whole[:0], whole[:100], whole[: len(whole) // 2], whole[:-1])
    for content in (pickle.dumps(bomb), (tmp_path / "bomb.pt").read_bytes(), *parts):
        assert "damaged" in refusal(copy_of(run, tmp_path, content))
    assert not (tmp_path / "exploded").exists()


def test_weights_that_are_not_this_networks_are_refused(run: Path, tmp_path: Path) -> None:
    weights = load_file(run / "model.safetensors")
    weights.popitem()
    save_file(weights, tmp_path / "model.safetensors")
    folder = copy_of(run, tmp_path, weights_of(tmp_path))
    assert "damaged" in refusal(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"width": 5},
        {"width": "4"},
        {"width": 10**9},
        {"size": 17},
        {"size": 2**60},
        {"size": True},
        {"source_size": 0},
        {"source_size": None},
        {"dropout": 1},
        {"dropout": "x"},
    ],
    ids=str,
)
def test_a_config_that_does_not_describe_the_weights_is_refused(
    change: dict[str, Any], run: Path, tmp_path: Path
) -> None:
    folder = copy_of(run, tmp_path, weights_of(run))
    config = read_json(run / "config.json") | change
    (folder / "config.json").write_text(json.dumps(config))
    assert "config.json are not one U-Net, or damaged" in refusal(folder)
    (folder / "checkpoints").mkdir()
    kept = shutil.copy(run / "checkpoints" / "step-000010.safetensors", folder / "checkpoints")
    assert "are not of one run, or damaged" in refusal(Path(kept))


@pytest.mark.parametrize("config", ["{}", "[]", "{", '"x"'])
def test_a_config_that_is_none_is_refused(config: str, run: Path, tmp_path: Path) -> None:
    folder = copy_of(run, tmp_path, weights_of(run))
    (folder / "config.json").write_text(config)
    assert "config.json" in refusal(folder)


def torchrun(data: Path, out: Path, *words: str) -> str:
    launcher = "-m torch.distributed.run --standalone --nproc-per-node=2 -m facebench".split()
    given = ["train", "pix2pix", "--data", str(data), "--out", str(out), *OPTIONS.split(), *words]
    finished = subprocess.run(
        [sys.executable, *launcher, *given],
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    return finished.stdout + finished.stderr


@pytest.mark.processes
def test_two_processes_train_one_model(data: Path, run: Path, tmp_path: Path) -> None:
    told = torchrun(data, tmp_path / "run", "--log-every", "10")
    assert "Model:" in told, told
    alone, together = (
        [line["score"] for line in lines(each) if "score" in line][-1]
        for each in (run, tmp_path / "run")
    )
    assert together == pytest.approx(alone, rel=0.02)  # sums are taken in another order
    Pix2PixTranslator(tmp_path / "run").translate(held(data), range(10))


@pytest.mark.slow
@pytest.mark.processes  # torch's compiler has workers
def test_a_compiled_run_ends_where_a_plain_one_does(data: Path, run: Path, tmp_path: Path) -> None:
    assert train(data, tmp_path / "run", "--compile").exit_code == 0
    plain, compiled = (lines(each)[-1]["held_back_error"] for each in (run, tmp_path / "run"))
    assert compiled == pytest.approx(plain, rel=2e-2)
