"""References of which nothing but statistics is known, through the whole engine."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facebench.cli import cli
from facebench.data.statistics import open_statistics
from facebench.engine import evaluate
from facebench.engine.export import export_statistics
from facebench.engine.score import as_scores, evaluate_sets
from facebench.errors import BadInput
from facebench.results.result import Result, read_result

RNG = np.random.default_rng(3)
RANDOM: dict[str, Any] = {"extractor": "random", "device": "cpu"}


def save(folder: Path, count: int, shade: float) -> Path:
    folder.mkdir()
    for i in range(count):
        image = RNG.normal(shade + RNG.uniform(-40, 40), 20, (24, 24, 3)).clip(0, 255)
        Image.fromarray(image.astype(np.uint8)).save(folder / f"{i:03}.png")
    return folder


@pytest.fixture
def sets(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Real pictures, generated ones, and the statistics of the real ones."""
    real, fake = save(tmp_path / "real", 40, 120), save(tmp_path / "fake", 30, 110)
    assert export_statistics(real, tmp_path / "real.npz", **RANDOM) == 40
    return real, fake, tmp_path / "real.npz"


def one(real: Any, fake: Any, **options: Any) -> Result:
    evaluation = evaluate_sets(real, fake, **(RANDOM | options))
    assert not evaluation.failures
    [result] = evaluation.results
    return result


def test_the_distance_to_statistics_is_that_to_the_pictures(sets: tuple[Path, Path, Path]) -> None:
    real, fake, statistics = sets
    whole, given = one(real, fake), one(statistics, fake)
    there, here = whole.metrics["fd_random"], given.metrics["fd_random"]
    assert here.value == pytest.approx(there.value, rel=1e-6)
    assert {*given.metrics} == {"fd_random"}
    assert here.floor is None and there.floor is not None
    assert here.low is not None and here.high is not None and here.low < here.value < here.high


def test_the_protocol_says_what_it_is_compared_with(
    sets: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    result = one(sets[2], sets[1], out=tmp_path / "out")
    assert result.protocol.split == "statistics"
    assert result.protocol.dataset_digest == open_statistics(sets[2]).digest
    assert result.protocol.num_reference == 40
    assert any("the reference is statistics" in note for note in result.notes)
    assert read_result(tmp_path / "out" / "fake.json") == result


def test_statistics_may_stand_on_either_side_or_both(sets: tuple[Path, Path, Path]) -> None:
    _, fake, statistics = sets
    forth, back = one(statistics, fake), one(fake, statistics)
    assert forth.metrics["fd_random"].value == pytest.approx(back.metrics["fd_random"].value)
    assert {*back.metrics} == {"fd_random"}
    both = one(statistics, {"same": statistics})
    assert both.metrics["fd_random"].value == pytest.approx(0, abs=1e-6)
    assert both.metrics["fd_random"].low is None
    assert as_scores([both])["same"]["fd_random"]["n"] == 40


def test_what_holds_pictures_too_is_statistics_only_where_it_is_called_so(
    sets: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    real, fake, statistics = sets
    pictures = np.stack([np.asarray(Image.open(file)) for file in sorted(real.iterdir())])
    with np.load(statistics) as there:
        np.savez(tmp_path / "batch.npz", arr_0=pictures, **dict(there))
    assert one(tmp_path / "batch.npz", fake).protocol.split == "all"
    named = one(f"statistics:{tmp_path / 'batch.npz'}", fake)
    assert named.protocol.split == "statistics"
    assert named.metrics["fd_random"].value == pytest.approx(
        one(statistics, fake).metrics["fd_random"].value
    )


def test_eval_ranks_models_against_statistics(
    sets: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    def sampler(seeds: list[int]) -> np.ndarray:
        return np.stack([np.full((3, 24, 24), 60 + seed % 100, np.uint8) for seed in seeds])

    models = {"pictures": f"images:{sets[1]}", "sampler": sampler}
    evaluation = evaluate(models, sets[2], num=20, metrics="fid,fid_inf", **RANDOM)
    assert not evaluation.failures
    assert {key for each in evaluation.results for key in each.metrics} == {
        "fd_random", "fd_inf_random"
    }  # fmt: skip
    bare = open_statistics(sets[2]).moments["random"]
    np.savez(tmp_path / "bare.npz", mu=bare.mu, sigma=bare.sigma, extractor=np.str_("random"))
    unknown = evaluate({"sampler": sampler}, tmp_path / "bare.npz", **RANDOM).failures["sampler"]
    assert "say how many with --num" in str(unknown)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"metrics": "kid"}, "kid needs the real images themselves, and real.npz holds statistics"),
        ({"extractor": "test_score:means"}, "holds statistics of random, not of test_score:means"),
    ],
)
def test_what_statistics_cannot_tell_is_refused(
    options: dict[str, Any], says: str, sets: tuple[Path, Path, Path]
) -> None:
    with pytest.raises(BadInput, match=says):
        one(sets[2], sets[1], **options)


def test_statistics_are_of_one_way_to_resize_and_of_one_network(
    sets: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    _, fake, statistics = sets
    found = open_statistics(statistics)
    assert found.names_extractor
    with np.load(statistics) as there:
        np.savez(tmp_path / "other.npz", **(dict(there) | {"weights": np.str_("random:0123")}))
    with pytest.raises(BadInput, match="was made with other weights of random"):
        one(tmp_path / "other.npz", fake)
    with np.load(statistics) as there:
        named = dict(there) | {"extractor": np.str_("random~other")}
        np.savez(tmp_path / "way.npz", **named)
    with pytest.raises(BadInput, match="holds statistics of random~other, not of random"):
        one(tmp_path / "way.npz", fake)


def test_fewer_are_taken_where_fewer_are_asked_for(sets: tuple[Path, Path, Path]) -> None:
    assert one(sets[2], sets[1], num=12).protocol.num == 12


def test_nothing_but_statistics_is_overwritten(sets: tuple[Path, Path, Path]) -> None:
    real, _, statistics = sets
    victim = real.parent / "victim.npz"
    np.savez(victim, np.zeros((4, 8, 8, 3), np.uint8))
    before = victim.read_bytes()
    with pytest.raises(BadInput, match=r"victim\.npz is there and holds something else"):
        export_statistics(real, victim, **RANDOM)
    assert victim.read_bytes() == before
    assert export_statistics(real, statistics, **RANDOM) == 40
    assert export_statistics(real, statistics, num=12, **RANDOM) == 12
    assert open_statistics(statistics).count == 12
    with pytest.raises(BadInput, match="holds 40 images: --num 41 is more"):
        export_statistics(real, statistics, num=41, **RANDOM)


def test_the_command_writes_and_reads_them(
    sets: tuple[Path, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    real, fake, _ = sets
    out = tmp_path / "written.npz"
    words = ["--extractor", "random", "--device", "cpu"]
    cli(["stats", "export", str(real), str(out), *words], standalone_mode=False)
    assert f"{out}: statistics of 40 images." in capsys.readouterr().out
    cli(["score", str(out), str(fake), "--json", *words], standalone_mode=False)
    value = json.loads(capsys.readouterr().out)["fake"]["fd_random"]
    assert value["floor"] is None and value["n"] == 30
    with pytest.raises(BadInput, match=r"must end in \.npz"):
        cli(["stats", "export", str(real), str(tmp_path / "a.pkl"), *words], standalone_mode=False)
