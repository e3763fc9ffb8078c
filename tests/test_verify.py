"""``facebench verify`` on rows that were really drawn and scored, and on forged ones."""

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from facebench.bundles.bundle import write_bundle
from facebench.bundles.looks import likeness
from facebench.bundles.submission import read_submission
from facebench.bundles.verdict import FOLDER, find_verdict, read_verdict
from facebench.bundles.verification import SEEDS, fresh_seed, verify
from facebench.cli import cli
from facebench.cli.verdict_table import sentences
from facebench.data.prepare import synthesize
from facebench.engine import evaluate
from facebench.errors import BadInput
from facebench.results.digest import row_digest
from facebench.results.result import SANITY, Result, Value, read_result, write_result
from facebench.results.verdict import Verdict
from facebench.sampler import Images, latents
from facebench_pca.train import command as train_pca

KEYS = "fid,kid,precision"


class Blobs:
    """Paints smooth spots, of `contrast`."""

    def __init__(self, contrast: float = 60.0):
        self.contrast = contrast

    def sample(self, seeds: Sequence[int]) -> Images:
        coarse = latents(seeds, 3 * 4 * 4).reshape(-1, 3, 4, 4)
        spots = coarse.repeat(4, 2).repeat(4, 3)
        return np.clip(128 + self.contrast * spots, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "faces"
    synthesize(folder, num=128, size=16, holdout=64)
    return folder


@pytest.fixture
def results(faces: Path, tmp_path: Path) -> Path:
    """Give the folder of an honest row."""
    score(faces, tmp_path / "results")
    return tmp_path / "results"


def score(faces: Path, out: Path, model: Any = None, **options: Any) -> Result:
    asked: dict[str, Any] = {"num": 64, "extractor": "random", "metrics": KEYS} | options
    [result] = evaluate({"blobs": model or Blobs()}, faces, out=out, **asked).results
    return result


def edit(results: Path, change: Callable[[Result], Result]) -> Result:
    """Write the row again, changed as a forger would."""
    changed = change(read_result(results / "blobs.json"))
    write_result(changed, results)
    return changed


def better(result: Result, by: float, with_groups: bool = True) -> Result:
    """Return the row with a lower Fréchet distance."""
    value = result.metrics["fd_random"]
    groups = tuple(each - by for each in value.groups) if with_groups else value.groups
    lowered = replace(value, value=value.value - by, groups=groups)
    return replace(result, metrics=result.metrics | {"fd_random": lowered})


def error_of(verdict: Verdict) -> float:
    each = verdict.metrics["fd_random"]
    assert each.low is not None and each.high is not None
    return (each.high - each.low) / 4


def test_an_honest_row_is_reproduced_and_its_verdict_is_found(results: Path, faces: Path) -> None:
    [verdict] = verify(results, {"blobs": Blobs()}, faces, out=results / FOLDER)
    row = read_result(results / "blobs.json")
    assert verdict.pictures.likeness == "same" and verdict.pictures.count == 36
    assert verdict.metrics.keys() == {"fd_random", "kd_random", "precision"}
    assert verdict.record == row_digest(row)
    assert abs(verdict.first_seed - row.first_seed) >= 64 == verdict.num
    again = evaluate(
        {"blobs": Blobs()}, faces, num=64, extractor="random", metrics=KEYS,
        seed=verdict.first_seed,
    ).results[0]  # fmt: skip
    for key, each in verdict.metrics.items():
        assert each.redrawn is not None
        assert asdict(each.redrawn) == asdict(again.metrics[key])
        assert each.submitted == row.metrics[key].value
    assert read_verdict(results / FOLDER / "blobs.json") == verdict
    assert find_verdict(results, row) == verdict


def test_seeds_of_the_command_line_give_the_same_verdict_again(results: Path, faces: Path) -> None:
    first, second = (
        verify(results / "blobs.json", {"blobs": Blobs()}, faces, seed=500)[0] for _ in range(2)
    )
    assert first.reproduced and first.seed_from == "the command line"
    assert first.metrics == second.metrics
    with pytest.raises(BadInput, match="--seed 63 draws seeds that the row has itself"):
        verify(results, {"blobs": Blobs()}, faces, seed=63)


def test_forged_rows_are_not_reproduced(results: Path, faces: Path) -> None:
    honest = read_result(results / "blobs.json")
    [fair] = verify(results, {"blobs": Blobs()}, faces, seed=500)
    for by, with_groups, outcome in ((9, True, "too good"), (-9, True, "too bad"),
                                     (9, False, "altered")):  # fmt: skip
        write_result(better(honest, by * error_of(fair), with_groups), results)
        [verdict] = verify(results, {"blobs": Blobs()}, faces, seed=500)
        assert verdict.metrics["fd_random"].outcome == outcome
        assert not verdict.reproduced
        assert any(outcome in line for line in sentences(verdict))


def test_who_withholds_the_noise_of_what_ranks_is_not_reproduced(
    results: Path, faces: Path
) -> None:
    def with_fewer(result: Result) -> Result:
        value = result.metrics["fd_random"]
        fewer = replace(value, groups=value.groups[1:])
        return replace(result, metrics=result.metrics | {"fd_random": fewer})

    edit(results, with_fewer)
    [verdict] = verify(results, {"blobs": Blobs()}, faces, seed=500)
    assert verdict.metrics["fd_random"].outcome == "not judged"
    assert not verdict.reproduced


def test_pictures_of_another_model_cost_the_verdict(
    results: Path, faces: Path, tmp_path: Path
) -> None:
    score(faces, tmp_path / "other", Blobs(90))
    sheet = results / "samples" / "blobs.png"
    sheet.write_bytes((tmp_path / "other" / "samples" / "blobs.png").read_bytes())
    [verdict] = verify(results, {"blobs": Blobs()}, faces, seed=500)
    assert verdict.pictures.likeness == "other" and not verdict.reproduced
    assert all(each.outcome == "reproduced" for each in verdict.metrics.values())
    sheet.unlink()
    [verdict] = verify(results, {"blobs": Blobs()}, faces, seed=500)
    assert verdict.pictures.likeness == "absent" and verdict.reproduced


def test_pictures_are_compared_one_by_one() -> None:
    ours = np.full((12, 12, 3), 100, np.uint8)  # nine pictures of 4 pixels
    theirs = ours.copy()
    assert likeness(theirs, ours, 9).likeness == "same"
    theirs[0, 0] = 101
    close = likeness(theirs, ours, 9)
    assert (close.likeness, close.largest) == ("close", 1)
    assert close.mean == pytest.approx(1 / 144)
    theirs[:4, :4] = 103
    assert likeness(theirs, ours, 9).likeness == "other"
    assert likeness(theirs[:8], ours, 9).likeness == "other"


def test_another_model_in_the_row_s_place_is_not_reproduced(results: Path, faces: Path) -> None:
    [verdict] = verify(results, {"blobs": Blobs(20)}, faces, seed=500)
    assert verdict.pictures.likeness == "other"
    assert verdict.metrics["fd_random"].outcome == "too good"  # than the one that was submitted


def with_protocol(**changes: Any) -> Callable[[Result], Result]:
    return lambda result: replace(result, protocol=replace(result.protocol, **changes))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (with_protocol(crop="108"), "another protocol than this would be .crop 108 and "),
        (with_protocol(dataset_digest="0" * 64), "dataset_digest 000000000000 and"),
        (with_protocol(weights={"inception": "0" * 64}), "weights inception:000000000000 and"),
        (with_protocol(pairs="edges"), "cannot be verified: it is of image to image"),
        (with_protocol(split="sampled"), "its real images were sampled from a model"),
        (with_protocol(extractor="evil:make"), "evil:make is somebody's own code"),
        (with_protocol(extractor="no_such"), "There is no extractor 'no_such'"),
        (with_protocol(faces="evil.py:make 0"), "--face-model MODULE:FUNCTION"),
        (with_protocol(precision="fp8"), "nothing is known here of its arithmetic, fp8"),
        (lambda result: replace(result, adapter=SANITY), "it is a sanity check"),
        (lambda result: replace(result, adapter="images"), "pictures that are there already"),
        (lambda result: replace(result, metrics={"beauty": Value(1.0)}), "no metric that is known"),
        (
            lambda result: replace(result, metrics={"fd_random": Value(1.0)}),
            "no pseudo-values of fd_random",
        ),
    ],
)
def test_what_cannot_be_verified_is_refused_by_name(
    change: Callable[[Result], Result], says: str, results: Path, faces: Path, tmp_path: Path
) -> None:
    edit(results, change)
    with pytest.raises(BadInput, match=says):
        verify(results, {"blobs": Blobs()}, faces, out=tmp_path / "verdicts")
    assert not (tmp_path / "verdicts").exists()


def test_a_network_of_other_weights_is_refused_by_name(faces: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    row = score(faces, results, extractor="portrait")
    [name] = row.protocol.weights
    edit(results, lambda row: replace(row, environment={f"weights {name}": "0" * 64}))
    with pytest.raises(BadInput, match=f"other weights of {name}"):
        verify(results, {"blobs": Blobs()}, faces)


def test_rows_and_models_go_by_their_names(results: Path, faces: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="results has no row 'spots'; it has: blobs"):
        verify(results, {"spots": Blobs()}, faces)
    with pytest.raises(BadInput, match="blobs names images, and verify redraws them"):
        verify(results, {"blobs": np.zeros((64, 3, 16, 16), np.uint8)}, faces)
    with pytest.raises(BadInput, match=r"There is no bundle .*nowhere\.zip"):
        read_submission(tmp_path / "nowhere.zip")


def test_the_folder_of_real_images_may_be_called_otherwise(
    results: Path, faces: Path, tmp_path: Path
) -> None:
    edit(results, with_protocol(dataset="our-faces"))
    [verdict] = verify(results, {"blobs": Blobs()}, faces, seed=500)
    assert verdict.metrics["fd_random"].outcome == "reproduced"


def test_a_bundle_is_verified_as_its_folder_is(results: Path, faces: Path, tmp_path: Path) -> None:
    bundle = write_bundle(results, tmp_path / "theirs.facebench.zip")
    given = read_submission(tmp_path / "theirs.facebench.zip")
    assert given.results.keys() == {"blobs"} and given.pictures == bundle.pictures
    [verdict] = verify(tmp_path / "theirs.facebench.zip", {"blobs": Blobs()}, faces, seed=500)
    assert verdict.reproduced and verdict.pictures.likeness == "same"
    assert verdict.record == row_digest(read_result(results / "blobs.json"))


@pytest.mark.parametrize(("submitted", "classes"), [(0, 1), (2**31, 7), (2**32 - 5, 3)])
def test_fresh_seeds_are_none_of_the_row_s_and_ask_for_the_same_classes(
    submitted: int, classes: int
) -> None:
    num = 2**30
    found = {fresh_seed(submitted, num, classes) for _ in range(50)}
    assert len(found) > 40
    for first in found:
        assert first + num <= SEEDS and abs(first - submitted) >= num
        assert first % classes == submitted % classes


@pytest.mark.processes
def test_the_command_judges_a_trained_model_by_its_exit_code(faces: Path, tmp_path: Path) -> None:
    run, out = tmp_path / "pca", tmp_path / "results"
    words = ["--data", str(faces), "--out", str(run), "--components", "8"]
    assert CliRunner().invoke(train_pca, words).exit_code == 0
    asked: dict[str, Any] = {"num": 64, "extractor": "random", "metrics": KEYS}
    evaluation = evaluate(f"mine={run}", faces, out=out, **asked)
    assert not evaluation.failures
    words = ["verify", str(out), "--models", f"mine={run}", "--reference", str(faces)]
    words += ["--seed", "500", "--out", str(tmp_path / "verdicts")]
    answer = CliRunner().invoke(cli, words)
    assert answer.exit_code == 0, answer.output
    assert "mine is reproduced." in answer.output
    assert "All 36 pictures are the same to the bit." in answer.output
    verdict = read_verdict(tmp_path / "verdicts" / "mine.json")
    assert verdict.model_digest == read_result(out / "mine.json").model_digest
    forged = better(read_result(out / "mine.json"), 9 * error_of(verdict))
    write_result(forged, out)
    answer = CliRunner().invoke(cli, words)
    assert answer.exit_code == 1
    assert "mine is not reproduced." in answer.output and "is too good" in answer.output
    assert not json.loads((tmp_path / "verdicts" / "mine.json").read_text())["reproduced"]


def test_a_damaged_sheet_is_refused(results: Path, faces: Path) -> None:
    (results / "samples" / "blobs.png").write_bytes(b"no picture")
    with pytest.raises(BadInput, match="the pictures of blobs is not a picture"):
        verify(results, {"blobs": Blobs()}, faces, seed=500)
    large = io.BytesIO()
    Image.new("RGB", (96, 97)).save(large, "PNG")
    (results / "samples" / "blobs.png").write_bytes(large.getvalue())
    [verdict] = verify(results, {"blobs": Blobs()}, faces, seed=500)
    assert verdict.pictures.likeness == "other" and verdict.pictures.mean is None
