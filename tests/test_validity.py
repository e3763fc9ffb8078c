"""Which metric sees what: the experiment in small, and what facebench tells of it."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from pages import ROOT
from validity_changes import STRENGTHS, changed, jpeg, mirrored
from validity_checks import CHECKS, COPIED, INVENTED, UNBALANCED, Draw, Pools, kept_images
from validity_extraction import missing
from validity_page import entries, tables, write_csv, write_page
from validity_sets import CHUNK, POOLS, ImageSet, Stage, Work, face_factors, seeds
from validity_trials import BASE, Asked, Line, Lines, run, sides_of
from validity_verdicts import Judged, judge

from facebench.errors import BadInput
from facebench.features.random import RandomFeatures
from facebench.metrics import validity
from facebench.metrics.arrays import Features
from facebench.metrics.table import METRICS
from facebench.metrics.validity import Finding, Verdict
from facebench.results.result import Value
from facebench.synth import render

STAGE = Stage("painted", "random", (60,), 200, 400, 500, 80)
N = 60
BLUR = CHECKS["blur"]


class Drawn(Work):
    """Features drawn from a normal distribution, those of damaged images shifted."""

    def features(self, extractor: str, images: ImageSet, count: int) -> np.ndarray:
        rng = np.random.default_rng([crc32(images.pool.encode()), crc32(images.data.encode())])
        values = rng.standard_normal((count, 6)).astype(np.float32)
        strength = int(images.change[-1]) if images.change[-1:].isdecimal() else 0
        return values + np.float32(0.5) * strength


@pytest.fixture
def draw(tmp_path: Path) -> Draw:
    return Draw(Pools(Drawn(tmp_path), STAGE), N, trial=0)


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    return render([10, 11, 12])


@pytest.mark.parametrize("kind", STRENGTHS)
def test_damage_grows_with_its_strength_and_is_the_same_again(kind: str, faces: np.ndarray) -> None:
    damaged = [changed(kind, strength, faces, seed=3) for strength in range(1, 6)]
    errors = [np.square(each.astype(float) - faces).mean() for each in damaged]
    assert errors == sorted(errors) and errors[0] > 0
    assert all(each.dtype == np.uint8 and each.shape == faces.shape for each in damaged)
    assert (changed(kind, 2, faces, seed=3) == damaged[1]).all()


def test_a_ghost_is_the_mean_of_two_faces_and_a_crop_moves(faces: np.ndarray) -> None:
    both = (faces[0].astype(float) + faces[1]) / 2
    assert np.abs(changed("ghosting", 5, faces, 0)[0] - both).max() <= 0.5
    assert (changed("shifted crop", 1, faces, 0)[..., 2:, 2:] == faces[..., :-2, :-2]).all()


def test_copies_as_jpeg_differ_little_and_mirrored_ones_are_mirrored(faces: np.ndarray) -> None:
    assert 0 < np.abs(jpeg(faces, 75).astype(float) - faces).mean() < 5
    assert (mirrored(mirrored(faces)) == faces).all()


def test_pools_share_no_image() -> None:
    taken = np.concatenate([seeds(pool, 100) for pool in POOLS])
    assert len({*taken.tolist()}) == 300


def test_what_is_kept_is_not_extracted_again_and_half_a_chunk_is_none(tmp_path: Path) -> None:
    work, images = Work(tmp_path), ImageSet("painted", "real")
    stage = replace(STAGE, real=CHUNK)
    every = missing(work, [stage])
    folder = tmp_path / "features" / "random" / images.name
    folder.mkdir(parents=True)
    (folder / "00000.123").write_bytes(b"half")
    assert missing(work, [stage]) == every
    np.save(folder / "00000.npy", np.zeros((CHUNK, 6), np.float32))
    assert {*every} - {*missing(work, [stage])} == {("random", images, 0)}
    assert work.features("random", images, 10).shape == (10, 6)


@pytest.mark.long
def test_images_are_painted_once_and_their_features_are_the_extractors(tmp_path: Path) -> None:
    work, images = Work(tmp_path), ImageSet("painted", "training", "mirrored")
    path = tmp_path / "images" / "painted-training" / "00000.npy"
    path.parent.mkdir(parents=True)
    np.save(path, mirrored(render(seeds("training", 4).tolist())))
    work.extract("random", images, 0)
    own = RandomFeatures("cpu").extract(render([2, 5, 8, 11]), 4)["features"]
    np.testing.assert_allclose(work.features("random", images, 4), own, atol=1e-5)


def test_a_damaged_set_is_of_the_ideal_generators_seeds(draw: Draw) -> None:
    ideal, blurred = draw.base.fake.features, BLUR.make(draw, 1).fake.features
    np.testing.assert_allclose(blurred - ideal, 1.0, atol=1e-6)
    again = Draw(draw.pools, N, trial=0)
    assert (again.real_rows == draw.real_rows).all()
    assert (Draw(draw.pools, N, trial=1).real_rows != draw.real_rows).any()


def test_another_ideal_generator_shares_no_image_with_the_first(draw: Draw) -> None:
    first, second = draw.ideal.features, CHECKS["ideal"].make(draw, 0).fake.features
    assert not {*map(tuple, first.tolist())} & {*map(tuple, second.tolist())}
    assert [len(CHECKS["unequal N"].make(draw, k).fake.features) for k in (0, 1)] == [30, 12]


def test_a_collapsed_generator_repeats_few_images(draw: Draw) -> None:
    for level, kept in enumerate(kept_images(N)[:3]):
        features = CHECKS["collapse"].make(draw, level).fake.features
        assert len(features) == N and len(np.unique(features, axis=0)) == kept


def test_copies_take_their_share_and_come_from_training(draw: Draw) -> None:
    known = {*map(tuple, draw.training.features.tolist())}
    for level, share in enumerate(COPIED):
        found = CHECKS["copies"].make(draw, level).fake.features
        assert sum(row in known for row in map(tuple, found.tolist())) == round(share * N)


@pytest.mark.parametrize(
    ("name", "factor", "fits"),
    [
        ("missing glasses", "glasses", lambda values: values == "none"),
        ("a single skin tone", "skin_tone", lambda values: values < 0.15),
        ("a single pose", "yaw", lambda values: np.abs(values) < 0.15),
    ],
)
def test_a_mode_that_is_dropped_is_gone(name: str, factor: str, fits: object, draw: Draw) -> None:
    assert callable(fits)
    rows = _rows(draw, CHECKS[name].make(draw, 0).fake.features)
    assert fits(face_factors("generated", STAGE.generated)[factor][rows]).all()
    kept = np.intersect1d(rows, draw.ideal_rows)
    assert 0 < len(kept) < N and len({*rows.tolist()}) == N


def test_invention_is_of_what_no_real_face_has(draw: Draw) -> None:
    check = CHECKS["invented glasses"]
    glasses = face_factors("generated", STAGE.generated)["glasses"]
    for level, share in enumerate(INVENTED):
        rows = _rows(draw, check.make(draw, level).fake.features)
        assert (glasses[rows] != "none").sum() == round(share * N)
    worn = glasses[_rows(draw, sides_of(check, draw, BASE).fake.features)] != "none"
    assert not worn.any()


def test_an_imbalance_has_the_shares_it_says(draw: Draw) -> None:
    tone = face_factors("generated", STAGE.generated)["skin_tone"]
    for level, share in enumerate(UNBALANCED):
        rows = _rows(draw, CHECKS["imbalance"].make(draw, level).fake.features)
        assert (tone[rows] < np.median(tone)).sum() == round(share * N)


def test_outliers_among_the_real_leave_the_generated_as_they_are(draw: Draw) -> None:
    sides = CHECKS["outliers among the real"].make(draw, 0)
    assert sides.fake is draw.ideal
    assert (
        np.any(np.not_equal(sides.real.features, draw.real.features), axis=1).sum() == 3
    )  # 5 % of 60


def _rows(draw: Draw, features: Features) -> np.ndarray:
    """Return which images of the generated pool these are."""
    pool = draw.pools.features("generated")
    return np.array([np.flatnonzero((pool == row).all(1))[0] for row in np.asarray(features)])


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder in which features are drawn, not extracted."""
    monkeypatch.setattr("validity_trials.Work", Drawn)
    return tmp_path


def _tried(folder: Path, trials: int = 3, stage: Stage = STAGE, **asked: Any) -> Lines:
    for trial in range(trials):
        run(folder, stage, N, trial, Asked(**asked))
    return Lines(folder, stage, N)


def _first(folder: Path) -> Path:
    return Lines(folder, STAGE, N).folder / "0000.jsonl"


def test_a_run_goes_on_where_it_was_and_a_new_metric_is_computed_alone(work: Path) -> None:
    first = _tried(work, 1, metrics=["kid"], checks=["blur", "copies"])
    assert {line.metric for line in first.values} == {"kid"}
    # The ideal one, five strengths, and of the copies the last: KID is not read for copies.
    assert len(first.values) == 1 + 5 + 1
    before = _first(work).read_bytes()
    _tried(work, 1, metrics=["kid"], checks=["blur", "copies"])
    assert _first(work).read_bytes() == before
    more = _tried(work, 2, metrics=["kid", "density"], checks=["blur"])
    assert _first(work).read_bytes().startswith(before)
    assert len(more.values) == 2 * 2 * 6 + 1


def test_a_killed_run_loses_only_the_line_it_was_writing(work: Path) -> None:
    lines = _tried(work, 1, metrics=["kid"], checks=["blur"])
    whole = _first(work).read_bytes()
    _first(work).write_bytes(whole[:-30])
    again = _tried(work, 1, metrics=["kid"], checks=["blur"])
    assert {k: v.value for k, v in again.values.items()} == {
        k: v.value for k, v in lines.values.items()
    }


def test_an_entry_made_again_takes_the_place_of_the_old(work: Path) -> None:
    lines = _tried(work, 1, metrics=["kid"], checks=["blur"])
    wrong = Line("kid", "blur", 0, 0)
    right = lines.values[wrong].value
    lines.add(wrong, replace(lines.values[wrong], value=9.0))
    assert Lines(work, STAGE, N).values[wrong].value == 9.0
    assert (
        _tried(work, 1, metrics=["kid"], checks=["blur"], again=True).values[wrong].value == right
    )


def test_strengths_that_are_not_extracted_are_left_out(work: Path) -> None:
    fewer = replace(STAGE, strengths=(1, 5))
    lines = _tried(work, 1, fewer, metrics=["kid"], checks=["blur"])
    assert {line.level for line in lines.values} == {BASE, 0, 4}
    judged = judge(lines, METRICS["kid"], BLUR)
    assert judged is not None and [s.said for s in judged.strengths] == ["0.5 px", "2.5 px"]
    assert len(_tried(work, 1, metrics=["kid"], checks=["blur"]).values) == 6


@pytest.mark.long
def test_small_tables_say_what_is_known(work: Path) -> None:
    lines = _tried(work, 3, checks=["ideal", "blur", "collapse", "copies"])
    verdicts = {
        (row.key, name): judged.verdict
        for row in METRICS.values()
        for name in ("ideal", "blur", "collapse", "copies")
        if (judged := judge(lines, row, CHECKS[name]))
    }
    assert verdicts["fid", "blur"] == "sees"
    assert verdicts["authenticity", "copies"] in ("sees", "sees late")
    assert verdicts["fid", "copies"] == "not asked"
    found = list(entries(Work(work), [STAGE]))
    assert "| blur |" in tables(found)
    path = work / "validity.csv"
    write_csv(path, found)
    assert path.read_text().count("\n") == 1 + len(found)


def _judged(
    key: str, check: str, steps: list[float], tmp_path: Path, trials: int = 10
) -> Judged | None:
    """Return the verdict of sets that are worse by some `steps`, with noise of one."""
    lines = Lines(tmp_path, STAGE, N)
    rng = np.random.default_rng(0)
    for trial in range(trials):
        common = rng.standard_normal(32)
        for level, step in enumerate([0.0, *steps], BASE):
            groups = 10 + step + common + rng.standard_normal(32)
            name = "" if level == BASE else check
            value = Value(groups.mean(), None, None, None, None, None, tuple(groups.tolist()))
            lines.add(Line(key, name, level, trial), value)
    return judge(lines, METRICS[key], CHECKS[check])


@pytest.mark.parametrize(
    ("key", "check", "steps", "verdict"),
    [
        ("fid", "blur", [2, 3, 4, 5, 6], "sees"),
        ("fid", "blur", [0, 0, 4, 5, 6], "sees late"),
        ("fid", "blur", [0, 0, 0, 0, 0], "misses"),
        ("fid", "blur", [2, 6, 4, 5, 6], "not monotone"),
        ("fid", "blur", [2, 6, 4, 5, 0], "not monotone"),
        ("fid", "blur", [0, 0, -2, 0, 0], "is fooled"),
        ("precision", "blur", [-2, -3, -4, -5, -6], "sees"),
        ("precision", "collapse", [0, 0, 0, 0, 0], "not asked"),
        ("precision", "collapse", [0, 0, 0, 0, 2], "is fooled"),
        ("fid", "ideal", [0], "stands still"),
        ("fid", "unequal N", [0, 2], "moves"),
        ("fid", "unequal N", [0, -2], "moves"),
        ("precision", "outliers among the real", [2], "moves"),
        ("fid", "outliers among the real", [2], "not asked"),
    ],
)
def test_verdicts(
    key: str, check: str, steps: list[float], verdict: Verdict, tmp_path: Path
) -> None:
    judged = _judged(key, check, steps, tmp_path)
    assert judged is not None and judged.verdict == verdict
    assert " of 10 trials" in judged.figure and "→" in judged.figure


def test_of_a_few_trials_the_figure_has_p(tmp_path: Path) -> None:
    judged = _judged("fid", "blur", [2, 3, 4, 5, 6], tmp_path, trials=2)
    assert judged is not None and ", p = " in judged.figure


def test_what_was_not_measured_has_no_verdict(tmp_path: Path) -> None:
    assert judge(Lines(tmp_path, STAGE, N), METRICS["fid"], BLUR) is None


def test_tables_stand_between_the_pages_marks(tmp_path: Path) -> None:
    page = tmp_path / "validity.md"
    page.write_text("before\n<!-- made by `make validity` -->\nold\n<!-- end -->\nafter\n")
    for _ in range(2):
        write_page(page, [])
    assert "old" not in page.read_text()
    assert page.read_text().startswith("before\n") and page.read_text().endswith("after\n")


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(validity, "files", lambda _: tmp_path)
    validity.all_findings.cache_clear()
    yield tmp_path / "validity.csv"
    validity.all_findings.cache_clear()


HEAD = "metric,check,extractor,n,data,verdict,figure\n"


def test_a_card_tells_failures_the_worst_first_at_the_largest_n(table: Path) -> None:
    table.write_text(
        f"{HEAD}"
        "fid,blur,random,500,painted,misses,at 500\n"
        "fid,blur,random,2000,painted,sees late,at 2000\n"
        "fid,noise,random,2000,painted,is fooled,x\n"
        "fid,collapse,random,2000,painted,sees,x\n"
        "kid,blur,random,2000,painted,misses,x\n"
    )
    assert validity.sentences("fid") == [
        "is fooled by noise (x; random, N = 2,000, painted faces)",
        "sees blur late (at 2000; random, N = 2,000, painted faces)",
    ]
    assert validity.sentences("is") == []
    assert validity.findings("kid") == (
        Finding("kid", "blur", "random", 2000, "painted", "misses", "x"),
    )


@pytest.mark.parametrize("row", ["fid,blur,random,x,painted,sees,y", "fid,blur,random,5,a,good,y"])
def test_a_damaged_table_is_refused_in_a_sentence(row: str, table: Path) -> None:
    table.write_text(f"{HEAD}{row}\n")
    with pytest.raises(BadInput, match="install facebench again"):
        validity.findings("fid")


def test_the_table_that_is_shipped_is_of_metrics_and_checks_that_there_are() -> None:
    found = validity.all_findings()
    assert {each.metric for each in found} <= {*METRICS}
    assert {each.check for each in found} <= {*CHECKS}
    assert len({(e.metric, e.check, e.extractor, e.n, e.data) for e in found}) == len(found)
    assert all(each.figure for each in found)


def test_the_page_shows_the_table_that_is_shipped() -> None:
    page = (ROOT / "docs" / "validity.md").read_text()
    shown = {line.removeprefix("### ") for line in page.splitlines() if line.startswith("### ")}
    found = validity.all_findings()
    assert {finding.conditions for finding in found} <= shown
    assert all(f"`{finding.metric}`" in page for finding in found)
    assert all(f"| {finding.check} |" in page for finding in found)


def test_the_page_tells_the_strengths_that_are_taken() -> None:
    page = (ROOT / "docs" / "validity.md").read_text()
    rows = [line for line in page.splitlines() if line.count("|") == 7]
    for kind, values in STRENGTHS.items():
        (row,) = (line for line in rows if line.lower().startswith(f"| {kind}, "))
        told = [float(cell.strip(" %")) for cell in row.split("|")[2:-1]]
        assert told == pytest.approx([v * 100 if kind == "ghosting" else v for v in values])


@pytest.mark.processes
def test_reading_the_table_loads_no_numpy() -> None:
    code = (
        "import sys; from facebench.metrics import validity; validity.sentences('fid'); "
        "sys.exit('numpy' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
