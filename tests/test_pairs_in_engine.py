"""Image to image from the command to the board, on two tasks made of rendered faces."""

import csv
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from pages import DOCS, blocks
from PIL import Image

import facebench
from facebench.cli import cli
from facebench.data.dataset import open_dataset
from facebench.errors import BadInput
from facebench.results.result import read_results

NETS = """
import numpy as np

def noisy(sources, seeds):
    factor = 32 // sources.shape[2]
    large = np.repeat(np.repeat(sources, factor, 2), factor, 3).astype(float)
    noise = [np.random.default_rng(seed).normal(0, 10, large.shape[1:]) for seed in seeds]
    return np.clip(large + noise, 0, 255).round().astype(np.uint8)

def small(sources, seeds):
    return sources[:, :, ::2, ::2]
"""


def write(path: Path, image: np.ndarray, size: int | None = None, mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))).convert(mode)
    picture.resize((size, size) if size else picture.size, Image.Resampling.BICUBIC).save(path)


@pytest.fixture(scope="module")
def tasks(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with ×4 (8 to 32 pixels) and grey to colour, 16 training pairs and 7 others."""
    root, dataset = tmp_path_factory.mktemp("tasks"), open_dataset(tiny_folder)
    for task, size, mode in (("x4", 8, "RGB"), ("colour", None, "L")):
        for split in ("train", "holdout"):
            images = dataset.split(split).images[: 16 if split == "train" else 7]
            for i in reversed(range(len(images))):
                write(root / task / split / "sources" / f"{i}.png", images[i], size, mode)
                write(root / task / split / "targets" / f"{i}.png", images[i])
        (root / task / "pairs.json").write_text(json.dumps({"format": 1, "task": task}))
    (root / "nets.py").write_text(NETS)
    return root


def stored(folder: Path, side: str) -> np.ndarray:
    files = sorted((folder / "holdout" / side).iterdir())
    return np.stack([read(file) for file in files])


def read(file: Path) -> np.ndarray:
    with Image.open(file) as picture:
        return np.asarray(picture.convert("RGB")).transpose(2, 0, 1)


class Brighter:
    """Adds as many grey levels as its seed, to enlarged sources; counts what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, ...]] = []

    def translate(self, sources: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
        self.asked.append(tuple(seeds))
        large = np.repeat(np.repeat(sources, 4, 2), 4, 3).astype(int)
        return (large + np.array(seeds)[:, None, None, None]).clip(0, 255).astype(np.uint8)


def psnr(answers: np.ndarray, targets: np.ndarray) -> np.ndarray:
    error = np.square(answers.astype(float) - targets).mean((1, 2, 3))
    return 10 * np.log10(255**2 / error)


@pytest.mark.parametrize("batch", [3, 64])
def test_values_are_means_over_sources_of_what_the_files_say(batch: int, tasks: Path) -> None:
    model, folder = Brighter(), tasks / "x4"
    evaluation = facebench.evaluate_pairs(
        {"brighter": model}, folder, seeds_per_source=3, seed=2, extractor="random",
        metrics="psnr,ssim,calibration,kid", batch_size=batch, baselines=True,
    )  # fmt: skip
    assert not evaluation.failures
    result, bicubic, nearest = evaluation.results
    assert (bicubic.model, nearest.model) == ("bicubic", "nearest")
    sources, targets = stored(folder, "sources"), stored(folder, "targets")
    answers = [Brighter().translate(sources, range(2 + 7 * d, 9 + 7 * d)) for d in range(3)]
    of_sources = np.mean([psnr(each, targets) for each in answers], 0)
    value = result.metrics["psnr"]
    np.testing.assert_allclose(value.groups, of_sources, atol=1e-6)
    assert value.value == pytest.approx(of_sources.mean(), abs=1e-6)
    error = of_sources.std(ddof=1) / np.sqrt(7)
    assert value.error == pytest.approx(error)
    stack = np.stack(answers)
    inside = ((stack.min(0) < targets) & (targets < stack.max(0))).mean()
    assert abs(result.metrics["calibration"].value - inside) < 0.03  # but for ties
    assert result.metrics["calibration"].reference == pytest.approx(0.5)
    assert result.protocol.num == 21 and result.protocol.num_reference == 7
    assert result.protocol.pairs == "x4, 3 answers a source, seed = first + draw × sources + source"
    large = [
        Image.fromarray(s.transpose(1, 2, 0)).resize((32, 32), Image.Resampling.BICUBIC)
        for s in sources
    ]
    wanted = psnr(np.stack([np.asarray(x).transpose(2, 0, 1) for x in large]), targets)
    np.testing.assert_allclose(bicubic.metrics["psnr"].groups, wanted, atol=1e-6)
    compared = facebench.compare(bicubic, result)["psnr"]
    assert compared.value == pytest.approx(wanted.mean() - of_sources.mean(), abs=1e-6)


def test_rows_fail_alone_and_say_why(tasks: Path, tmp_path: Path) -> None:
    class Samples:
        def sample(self, seeds: Any) -> np.ndarray:
            return np.zeros((len(seeds), 3, 32, 32), np.uint8)

    def one_too_few(sources: np.ndarray, seeds: Any) -> np.ndarray:
        return np.zeros((len(seeds) - 1, 3, 32, 32), np.uint8)

    def as_given(sources: np.ndarray, seeds: Any) -> np.ndarray:
        return sources

    write(tmp_path / "w" / "0.png", np.zeros((3, 32, 32), np.uint8))
    models: dict[str, Any] = {
        "sampler": Samples(),
        "few": one_too_few,
        "size": as_given,
        "missing": f"images:{tmp_path / 'w'}",
        "good": Brighter(),
    }
    evaluation = facebench.evaluate_pairs(
        models, tasks / "x4", extractor="random", metrics="psnr,ms_ssim"
    )
    [good] = evaluation.results
    assert (
        good.refused.keys() == {"ms_ssim"} and "the targets are of 32×32" in good.refused["ms_ssim"]
    )
    why = {name: str(error) for name, error in evaluation.failures.items()}
    assert "takes no sources" in why["sampler"]
    assert re.search(r"shape \(\d, 3, 32, 32\) for \d seeds", why["few"])
    assert "answers are of 8×8 pixels and the targets of 32×32" in why["size"]
    assert "1, 2, 3 and 3 more are missing, and answers go by" in why["missing"]


def test_metrics_that_need_more_are_refused_before_anything_is_computed(tasks: Path) -> None:
    def refused(models: Any = Brighter, **options: Any) -> str:
        with pytest.raises(BadInput) as error:
            facebench.evaluate_pairs({"a": models}, tasks / "x4", extractor="random", **options)
        return str(error.value)

    assert "calibration needs several answers" in refused(Brighter(), metrics="calibration")
    assert "identity_kept needs the face pass" in refused(Brighter(), metrics="identity_kept")
    assert "is less than one answer" in refused(Brighter(), seeds_per_source=0)
    with pytest.raises(BadInput, match="A model is called 'bicubic', as a baseline is"):
        facebench.evaluate_pairs(
            {"bicubic": Brighter()}, tasks / "x4", extractor="random", baselines=True
        )
    assert "holds no answers that go by" in refused(np.zeros((7, 3, 32, 32), np.uint8))
    with pytest.raises(BadInput, match="psnr needs a source and a target for each image: eval-"):
        facebench.evaluate(
            Brighter(), tasks / "x4" / "train" / "targets", metrics="psnr", extractor="random"
        )


def test_what_makes_answers_and_targets_hard_to_compare_is_said(
    tasks: Path, tmp_path: Path
) -> None:
    targets = tasks / "x4" / "holdout" / "targets"
    for file in targets.glob("*.png"):
        (tmp_path / "jpeg").mkdir(exist_ok=True)
        Image.open(file).save(tmp_path / "jpeg" / f"{file.stem}.JPG")
    evaluation = facebench.evaluate_pairs(
        {"true": f"images:{targets}", "jpeg": f"images:{tmp_path / 'jpeg'}"},
        tasks / "x4",
        extractor="random",
        metrics="psnr",
    )
    true, jpeg = (result.notes for result in evaluation.results)
    assert "its images are the real ones themselves" in true
    assert any("its images are JPEG files and the real ones PNG" in note for note in jpeg)


def test_a_broken_training_pair_is_the_nearest_ones_alone(tasks: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pairs"
    shutil.copytree(tasks / "x4", folder)
    (folder / "train" / "targets" / "3.png").write_bytes(b"")
    evaluation = facebench.evaluate_pairs(
        {"good": Brighter()}, folder, extractor="random", metrics="psnr", baselines=True
    )
    assert [result.model for result in evaluation.results] == ["good", "bicubic"]
    assert "3.png" in str(evaluation.failures["nearest"])


def test_other_numbers_and_modules_are_refused_in_one_sentence(tasks: Path) -> None:
    for name, value in (("seeds_per_source", 2.5), ("seed", 0.5), ("batch_size", 1.5)):
        options: dict[str, Any] = {name: value}
        with pytest.raises(BadInput, match=f"{name}={value!r} is not a whole number"):
            facebench.evaluate_pairs(Brighter(), tasks / "x4", extractor="random", **options)
    with pytest.raises(BadInput, match=r"translate\(sources, seeds\), or is a function of both"):
        facebench.evaluate_pairs(torch.nn.Identity(), tasks / "x4", extractor="random")


@pytest.mark.processes
def test_the_command_ranks_translators_on_two_tasks_and_draws_the_board(
    tasks: Path, tmp_path: Path, shared: Path
) -> None:
    for task, size in (("x4", 8), ("colour", 32)):
        factor = 32 // size
        network = torch.nn.Upsample(scale_factor=float(factor), mode="bilinear")
        program = torch.export.export(network, (torch.zeros(7, 3, size, size),))
        torch.export.save(program, tmp_path / f"{task}.pt2")
        models = f"noisy=python:{tasks / 'nets.py'}:noisy,up=export:{tmp_path / f'{task}.pt2'}"
        models += f",small=python:{tasks / 'nets.py'}:small"
        out = tmp_path / task
        words = ["eval-pairs", "--models", models, "--pairs", str(tasks / task), "--baselines"]
        words += ["--extractor", "random", "--trust-weights", "--out", str(out)]
        words += ["--weights", f"alexnet={shared / 'weights' / 'alexnet_features.pth'}"]
        answer = CliRunner().invoke(cli, words)
        assert answer.exit_code == 2  # of the one that answers in another size
        assert (
            "small: Its answers are of" in answer.output and "up: lpips_to_target" in answer.output
        )
        results = {result.model: result for result in read_results(out)}
        still = "bicubic" if task == "x4" else "identity"
        assert results.keys() == {"noisy", "up", still, "nearest"}
        keys = ["lpips_to_target", "psnr", "ssim", "fd_random", "kd_random"]
        assert all([*result.metrics] == keys for result in results.values())
        if task == "colour":  # the network leaves the source as it is
            same = [results[name].metrics["psnr"].value for name in ("up", "identity")]
            assert same[0] == pytest.approx(same[1])
        rows = [*csv.DictReader((out / "leaderboard.csv").read_text().splitlines())]
        order = [float(row["lpips_to_target"]) for row in rows]
        assert order == sorted(order) and rows[0]["pairs"].startswith(f"{task}, 1 answer a source")
        page = (out / "leaderboard.html").read_text()
        assert "Image-to-image leaderboard" in page and "Source, answers and truth" in page
        assert page.count("Answers of ") == 4 and "Targets, from above: 0, " in page
        with Image.open(out / "exhibits" / "up" / "answers.png") as column:
            assert column.size == (32, 7 * 32)


@pytest.mark.processes
def test_what_was_translated_is_kept_and_the_board_goes_on(tasks: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"extractor": "random", "metrics": "psnr,kid"}
    model = f"noisy=python:{tasks / 'nets.py'}:noisy"
    [first] = facebench.evaluate_pairs(model, tasks / "x4", **options).results
    [again] = facebench.evaluate_pairs(model, tasks / "x4", **options).results
    assert (first.images, again.images) == (7, 0)
    assert again.metrics == first.metrics
    [more] = facebench.evaluate_pairs(model, tasks / "x4", seeds_per_source=2, **options).results
    assert more.images == 14
    [noisy] = facebench.evaluate_pairs(model, tasks / "colour", **options).results
    assert noisy.images == 7 and noisy.metrics["psnr"] != first.metrics["psnr"]


def test_a_translator_is_no_sampler(tiny_folder: Path) -> None:
    evaluation = facebench.evaluate(
        {"a": Brighter()}, tiny_folder, num=4, extractor="random", metrics="kid"
    )
    assert "facebench eval-pairs --pairs DIR" in str(evaluation.failures["a"])


def test_the_python_of_the_page_runs(
    tasks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pairs").symlink_to(tasks / "colour")
    (code,) = (block.text for block in blocks(DOCS / "pairs.md", "python"))
    exec(code.replace('metrics="psnr,ssim"', 'metrics="psnr,ssim", extractor="random"'), {})
    mirrored = psnr(
        stored(tasks / "colour", "sources")[..., ::-1], stored(tasks / "colour", "targets")
    )
    assert float(capsys.readouterr().out) == pytest.approx(mirrored.mean())
