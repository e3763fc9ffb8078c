import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from facebench.cache.paths import cache_folder
from facebench.cache.store import DamagedRecord, FeatureStore
from facebench.data.dataset import open_dataset
from facebench.engine import evaluate
from facebench.engine.block import PREVIEW
from facebench.engine.extract import CHUNK, extract
from facebench.engine.metric_choice import choose_metrics
from facebench.engine.real_images import RealImages, open_real
from facebench.engine.results_folder import same_images, with_metrics_of
from facebench.engine.stored_images import DatasetSource
from facebench.errors import BadInput, RowFailed
from facebench.features.extractor import Extractor, ImageBatch, Tensors
from facebench.metrics.modes import find_mode
from facebench.metrics.table import METRICS
from facebench.plugins.model_spec import Model
from facebench.results.result import Value, read_result
from facebench.sandbox.limits import Limits
from facebench_pca.train import command as train_pca

HOSTILE = """
import os, sys
import numpy as np
from facebench.errors import BadInput

class Sampler:
    def __init__(self, path):
        self.kind = path.name
        if self.kind == "refuses":
            raise BadInput("the model file is empty.")
        print("hello from a model")

    def sample(self, seeds):
        images = np.zeros((len(seeds), 3, 32, 32), np.uint8)
        if self.kind == "raises": raise KeyError("no such layer")
        if self.kind == "dies": os._exit(7)
        if self.kind == "quits": sys.exit(0)
        if self.kind == "floats": return images / 255
        if self.kind == "grey": return images[:, :1]
        if self.kind == "short": return images[1:]
        if self.kind == "small": return images[:, :, ::2, ::2]
        return images
"""


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a plug-in adapter whose samplers misbehave as their path is called."""
    site = tmp_path / "site"
    info = site / "hostile-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "hostile.py").write_text(HOSTILE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hostile\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[facebench.adapters]\nhostile = hostile:Sampler\n")
    monkeypatch.syspath_prepend(str(site))
    models = tmp_path / "models"
    models.mkdir()
    return models


@pytest.fixture(scope="module")
def pca_run(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "pca"
    arguments = ["--data", str(tiny_folder), "--out", str(run), "--components", "8"]
    assert CliRunner().invoke(train_pca, arguments).exit_code == 0
    return run


def _failure(kind: str, models: Path, reference: Path) -> Exception:
    (models / kind).touch()
    model = Model(kind, "hostile", models / kind)
    evaluation = evaluate([model], reference, extractor="random", num=8)
    assert not evaluation.results
    return evaluation.failures[kind]


@pytest.mark.processes
@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("raises", "KeyError: 'no such layer'"),
        ("dies", "its process died"),
        ("quits", r"it called sys\.exit\(0\)"),
        ("floats", "float64 where uint8"),
        ("grey", r"shape \(\d, 1, 32, 32\) for \d seeds"),
        ("short", r"shape \(\d, 3, 32, 32\) for \d seeds"),
    ],
)
def test_a_sampler_that_misbehaves_is_a_failed_row(
    kind: str, says: str, hostile: Path, tiny_folder: Path
) -> None:
    error = _failure(kind, hostile, tiny_folder)
    assert isinstance(error, RowFailed)
    with pytest.raises(RowFailed, match=says):
        raise error


@pytest.mark.processes
def test_a_model_that_refuses_is_bad_input(hostile: Path, tiny_folder: Path) -> None:
    with pytest.raises(BadInput, match="the model file is empty"):
        raise _failure("refuses", hostile, tiny_folder)


@pytest.mark.processes
def test_a_model_of_another_size_is_scored_and_it_is_said(hostile: Path, tiny_folder: Path) -> None:
    (hostile / "small").touch()
    model = Model("small", "hostile", hostile / "small")
    [result] = evaluate([model], tiny_folder, extractor="random", metrics="fid", num=8).results
    assert "its images are 16×16 pixels and the real ones 32×32" in result.notes[0]


@pytest.mark.processes
def test_the_other_rows_are_finished(
    hostile: Path, pca_run: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    (hostile / "dies").touch()
    out = tmp_path / "results"
    models = f"bad=hostile:{hostile / 'dies'},pca={pca_run}"
    evaluation = evaluate(models, tiny_folder, extractor="random", out=out)
    assert list(evaluation.failures) == ["bad"]
    assert [result.model for result in evaluation.results] == ["pca"]
    assert read_result(out / "pca.json") == evaluation.results[0]
    assert not (out / "bad.json").exists()
    assert (out / "samples" / "pca.png").is_file()


@pytest.mark.processes
def test_a_failed_row_is_exit_code_1_and_what_a_model_prints_is_no_answer(
    hostile: Path, pca_run: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    (hostile / "raises").touch()
    models = f"bad=hostile:{hostile / 'raises'},pca={pca_run}"
    words = ["eval", "--models", models, "--reference", str(tiny_folder), "--extractor", "random"]
    answer = subprocess.run(
        [sys.executable, "-m", "facebench", *words, "--out", str(tmp_path / "results")],
        env=os.environ | {"PYTHONPATH": str(hostile.parent / "site")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1
    assert "Error: bad: KeyError: 'no such layer'" in answer.stderr
    assert "hello from a model" in answer.stderr
    assert "hello" not in answer.stdout
    assert (tmp_path / "results" / "leaderboard.html").is_file()


@pytest.mark.processes
def test_scores_do_not_depend_on_the_batch_size(
    pca_run: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scores = []
    for batch_size in (1, 7, 64):
        monkeypatch.setenv("FACEBENCH_CACHE", str(tmp_path / str(batch_size)))
        found = evaluate(
            f"pca={pca_run}", tiny_folder, num=20, extractor="random", batch_size=batch_size
        )
        scores.append({key: each.value for key, each in found.results[0].metrics.items()})
    for key, score in scores[0].items():
        # FID∞ is a difference of numbers as large as FID, and rounded as they are
        size = scores[0]["fd_random"] if key == "fd_inf_random" else score
        for other in scores[1:]:
            assert other[key] == pytest.approx(score, rel=0, abs=1e-5 * abs(size) + 1e-7), key


@pytest.mark.processes
def test_a_second_evaluation_draws_nothing_and_scores_the_same(
    pca_run: Path, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = evaluate(f"pca={pca_run}", tiny_folder, extractor="random", out=tmp_path)
    grid = (tmp_path / "samples" / "pca.png").read_bytes()

    def refuse(*_: object) -> None:
        raise AssertionError("a sampler was started")

    monkeypatch.setattr("facebench.engine.model_source.Sandbox", refuse)
    again = evaluate(f"pca={pca_run}", tiny_folder, extractor="random", out=tmp_path)
    assert again.results[0].metrics == first.results[0].metrics
    assert (tmp_path / "samples" / "pca.png").read_bytes() == grid


@pytest.mark.processes
def test_another_model_file_is_not_taken_for_the_first(
    pca_run: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(pca_run, other)
    arrays = dict(np.load(other / "model.npz"))
    arrays["mean"] = arrays["mean"] * 0.5
    np.savez(other / "model.npz", **arrays)
    found = evaluate(f"one={pca_run},two={other}", tiny_folder, extractor="random").results
    assert found[0].metrics["fd_random"] != found[1].metrics["fd_random"]


@pytest.mark.processes
def test_adding_a_metric_keeps_the_earlier_ones(
    pca_run: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    for key in ("fid", "recall"):
        evaluate(
            f"pca={pca_run}", tiny_folder, extractor="random", out=tmp_path / "r", metrics=[key]
        )
    assert set(read_result(tmp_path / "r" / "pca.json").metrics) == {"fd_random", "recall"}


@pytest.mark.processes
def test_a_row_of_another_protocol_is_not_overwritten(
    pca_run: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    evaluate(f"pca={pca_run}", tiny_folder, extractor="random", out=tmp_path / "r")
    before = (tmp_path / "r" / "pca.json").read_bytes()
    with pytest.raises(BadInput, match=r"another protocol \(num 8, not 7\)"):
        evaluate(f"pca={pca_run}", tiny_folder, extractor="random", num=7, out=tmp_path / "r")
    assert (tmp_path / "r" / "pca.json").read_bytes() == before


@pytest.mark.processes
def test_random_features_are_never_called_fid(pca_run: Path, tiny_folder: Path) -> None:
    (result,) = evaluate(f"pca={pca_run}", tiny_folder, extractor="random").results
    assert list(result.metrics)[:3] == ["fd_random", "mind_random", "cmmd_random"]
    assert result.protocol.extractor == "random"
    assert any("no substitute for FID" in note for note in result.notes)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"num": 5}, r"clipped_density needs at least 6 images a side and --num gives 5"),
        ({"metrics": ["fid", "beauty"]}, "no metric 'beauty'"),
        ({"metrics": ["is"]}, "is needs the extractor inception, not random"),
        ({"device": "cuda:99"}, "device 'cuda:99' cannot be used"),
        ({"mode": "beauty"}, "no mode 'beauty'"),
        ({"mode": "prdc", "metrics": ["fid"]}, "mode prdc does not define fid"),
        ({"sanity": True, "num": 17}, "--sanity takes 17 training images"),
        ({"sanity": True, "split": "train"}, r"this is .* \(train\)"),
        ({"extractor": "resnet"}, "no extractor 'resnet'; there are: portrait, random, inception"),
    ],
)
def test_what_concerns_all_rows_is_refused_before_anything_is_computed(
    options: dict[str, object], says: str, pca_run: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    arguments: dict[str, object] = {"extractor": "random", "out": tmp_path / "r"} | options
    with pytest.raises(BadInput, match=says):
        evaluate(f"pca={pca_run}", tiny_folder, **arguments)  # type: ignore[arg-type]
    assert not (tmp_path / "r").exists()


@pytest.fixture
def real(tiny_folder: Path) -> RealImages:
    return open_real(tiny_folder, None, None, Limits(), "cpu")


def chosen(real: RealImages, mode: str = "facebench", *keys: str, sanity: bool = False) -> set[str]:
    rows = choose_metrics(["inception"], keys or None, find_mode(mode), real, sanity)
    return {row.key for row in rows}


def test_every_metric_is_chosen_for_inception(real: RealImages) -> None:
    others = {"fid_class", "fdr"}  # of labels, and of several networks
    others |= {"density", "vendi", "is", "ppl"}  # on request
    others |= {row.key for row in METRICS.values() if row.is_of_faces or row.is_of_pairs}
    assert chosen(real) == METRICS.keys() - {"authenticity", "ct", *others}  # which need training
    assert chosen(real, sanity=True) == METRICS.keys() - others


def test_a_mode_has_its_own_metrics(real: RealImages) -> None:
    assert chosen(real, "pytorch-fid") == {"fid"}
    with pytest.raises(BadInput, match="pytorch-fid does not define recall"):
        chosen(real, "pytorch-fid", "recall")


def test_the_same_split_of_other_images_is_not_taken_from_the_store(tiny_folder: Path) -> None:
    whole = open_dataset(tiny_folder)
    info = whole.info | {"splits": {"train": [0, 12], "holdout": [12, 24]}}
    other = replace(whole, info=info).split("holdout")
    parts = [range(8)]
    assert DatasetSource(other).keys(parts) != DatasetSource(whole.split("holdout")).keys(parts)


@pytest.mark.processes
def test_a_metric_of_another_network_is_added_with_its_notes(
    pca_run: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    (first,) = evaluate(f"pca={pca_run}", tiny_folder, extractor="random").results
    environment = first.environment | {"weights alexnet": "0123"}
    metrics = {"lpips_diversity": Value(0.3, reference=0.4)}
    earlier = replace(first, metrics=metrics, environment=environment, notes=("on trust",))
    assert same_images(earlier, first)
    merged = with_metrics_of(earlier, first)
    assert set(merged.metrics) == {"lpips_diversity", *first.metrics}
    assert set(merged.notes) == {"on trust", *first.notes}
    updated = replace(earlier, environment=environment | {"torch": "0.1"})
    assert not same_images(updated, first)


@pytest.mark.processes
def test_a_sampler_whose_size_changes_on_the_way_fails_its_row_only(
    pca_run: Path, tiny_folder: Path
) -> None:
    def grows(seeds: list[int]) -> np.ndarray:
        side = 32 if max(seeds) < 4 else 40
        return np.zeros((len(seeds), 3, side, side), np.uint8)

    models = [{"mixed": grows}, f"pca={pca_run}"]
    evaluation = evaluate(models, tiny_folder, extractor="random", batch_size=4)
    assert isinstance(evaluation.failures["mixed"], RowFailed)
    assert [result.model for result in evaluation.results] == ["pca"]


class _Counting:
    """An image source in this process that counts what is drawn from it."""

    preview_side = 0

    def __init__(self) -> None:
        self.drawn: list[int] = []

    def keys(self, parts):  # type: ignore[no-untyped-def]
        return [{"source": "counting"}] * len(parts)

    def close(self) -> None:
        pass

    def batches(self, seeds):  # type: ignore[no-untyped-def]  # any sequence of ranges
        for batch in seeds:
            self.drawn += batch
            yield np.stack([np.full((3, 4, 4), seed % 251, np.uint8) for seed in batch])


class _Means(Extractor):
    """An extractor of one feature, the image's mean; it can break at a given call."""

    name = "means"
    layer = ""
    arithmetic = "fp32"
    notes: tuple[str, ...] = ()

    def __init__(self, breaks_at: int | None = None) -> None:
        self.weights: dict[str, str] = {}
        self.calls_left = breaks_at

    def compute(self, images: ImageBatch, batch_size: int) -> Tensors:
        if self.calls_left is not None:
            self.calls_left -= 1
            if self.calls_left < 0:
                raise KeyboardInterrupt
        return {"features": images.float().mean((1, 2, 3))[:, None]}


def test_an_interrupted_extraction_repeats_at_most_one_chunk() -> None:
    store, seeds = FeatureStore(cache_folder()), range(3 * CHUNK + 5)
    with pytest.raises(KeyboardInterrupt):
        extract(_Counting(), seeds, [_Means(breaks_at=2)], store)
    source = _Counting()
    records = extract(source, seeds, [_Means()], store)
    assert source.drawn == list(range(2 * CHUNK, len(seeds)))
    expected = np.array([seed % 251 for seed in seeds], np.float32)
    np.testing.assert_array_equal(records["means"]["features"][:, 0], expected)
    assert records[f"preview-{PREVIEW}"]["images"].shape == (PREVIEW, 3, 4, 4)


def test_a_damaged_record_is_computed_again() -> None:
    store = FeatureStore(cache_folder())
    extract(_Counting(), range(10), [_Means()], store)
    for path in store.folder.rglob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:-3])
    source = _Counting()
    with pytest.warns(DamagedRecord, match="computed again"):
        records = extract(source, range(10), [_Means()], store)
    assert source.drawn == list(range(10))
    assert records["means"]["features"].shape == (10, 1)


def test_other_weights_are_another_record(tmp_path: Path) -> None:
    store, changed = FeatureStore(tmp_path), _Means()
    changed.weights = {"means": "0123"}
    extract(_Counting(), range(10), [_Means()], store)
    source = _Counting()
    extract(source, range(10), [changed], store)
    assert source.drawn == list(range(10))
