"""Two people who never met evaluate a model each; their board is that of one evaluation of both."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bundles import edited, setting
from click.testing import CliRunner

from facebench.bundles.bundle import read_bundle
from facebench.cli import cli
from facebench.data.prepare import synthesize
from facebench.errors import BadInput
from facebench.metrics.paired import compare
from facebench.results.digest import row_digest
from facebench.results.result import Result, read_results

MODELS = {"ours": 1, "theirs": 2}
"""Names of models, and of the seeds that their faces are rendered from."""
EVALUATE = """
import sys, facebench
name, pictures, reference, out, num = sys.argv[1:]
facebench.evaluate(
    {name: f"images:{pictures}"}, reference, num=int(num), extractor="random", out=out,
    metrics="fid,kid,mind,precision,recall,density,coverage,clipped_density,clipped_coverage",
    command=f"facebench eval --models {name}=images:{pictures} --reference {reference}",
)
"""


def evaluate(home: Path, name: str, reference: Path, num: int = 60) -> Path:
    """Evaluate a model in a process, a folder and a cache of its own, and return the results."""
    home.mkdir(exist_ok=True)
    pictures = home / name
    if not pictures.exists():
        synthesize(pictures, num=60, size=32, holdout=0, seed=MODELS[name])
    arguments = [
        name,
        str(pictures / "images.npy"),
        str(reference),
        str(home / "results"),
        str(num),
    ]
    subprocess.run(
        [sys.executable, "-c", EVALUATE, *arguments],
        check=True,
        cwd=home,
        env=os.environ | {"FACEBENCH_CACHE": str(home / "cache"), "OMP_NUM_THREADS": "1"},
    )
    return home / "results"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with a bundle of each, and the results folder of who has both models."""
    place = tmp_path_factory.mktemp("strangers")
    for name in MODELS:
        reference = place / name / "faces"  # each has the data set elsewhere, under the same name
        synthesize(reference, num=140, size=32, holdout=70, seed=7)
        results = evaluate(place / name, name, reference)
        words = ["bundle", str(results), "-o", str(place / f"{name}.facebench.zip")]
        assert CliRunner().invoke(cli, words).exit_code == 0
        evaluate(place / "both", name, reference)
    return place


def merged(place: Path, out: Path, *words: str) -> tuple[list[Result], str]:
    bundles = [str(place / f"{name}.facebench.zip") for name in MODELS]
    answer = CliRunner().invoke(cli, ["merge", *bundles, "--out", str(out), *words])
    if answer.exception:
        raise answer.exception
    return read_results(out), answer.output


@pytest.mark.processes
@pytest.mark.long
def test_their_verdicts_are_those_of_one_evaluation(made: Path, tmp_path: Path) -> None:
    strangers, said = merged(made, tmp_path / "board", "--strict")
    one = read_results(made / "both" / "results")
    assert "Note" not in said
    assert [each.model for each in strangers] == [each.model for each in one] == ["ours", "theirs"]
    differences = compare(*strangers)
    assert differences == compare(*one)
    assert len(differences) == 9 and all(each.p is not None for each in differences.values())
    assert list(map(row_digest, strangers)) == list(map(row_digest, one))
    CliRunner().invoke(cli, ["report", str(made / "both" / "results"), "--to", "json"])
    boards = (tmp_path / "board", made / "both" / "results")
    groups = [
        json.loads((each / "leaderboard.json").read_text("utf-8"))["groups"] for each in boards
    ]
    ranks = [[(row["model"], row["rank"]) for row in group[0]["rows"]] for group in groups]
    assert ranks[0] == ranks[1]


@pytest.mark.processes
@pytest.mark.long
def test_nothing_of_their_machines_is_in_it(made: Path) -> None:
    for name in MODELS:
        bundle = read_bundle(made / f"{name}.facebench.zip")
        data = (made / f"{name}.facebench.zip").read_bytes()
        assert str(made).encode() not in data and b"/results" not in data.replace(b'"results/', b"")
        [result] = bundle.results
        assert result.path == "images.npy"
        assert (
            result.command == f"facebench eval --models {name}=images:images.npy --reference faces"
        )
        assert {*bundle.pictures} == {name}


@pytest.mark.processes
@pytest.mark.long
@pytest.mark.parametrize("kind", ["data set", "protocol"])
def test_others_data_and_another_protocol_are_refused_by_name(
    kind: str, made: Path, tmp_path: Path
) -> None:
    faces = tmp_path / "faces"
    synthesize(faces, num=140, size=32, holdout=70, seed=7 if kind == "protocol" else 8)
    num = 50 if kind == "protocol" else 60
    (tmp_path / "theirs").mkdir()
    os.symlink(made / "theirs" / "theirs", tmp_path / "theirs" / "theirs")
    results = evaluate(tmp_path / "theirs", "theirs", faces, num)
    theirs, ours = tmp_path / "theirs.facebench.zip", made / "ours.facebench.zip"
    assert CliRunner().invoke(cli, ["bundle", str(results), "-o", str(theirs)]).exit_code == 0
    words = ["merge", str(ours), str(theirs), "--out", str(tmp_path / "board"), "--strict"]
    says = "num 60 and 50" if kind == "protocol" else "dataset_digest"
    refused = CliRunner().invoke(cli, words).exception
    assert isinstance(refused, BadInput) and f"unlike protocols ({says}" in str(refused)
    if kind == "protocol":
        return
    # who puts the digest of the others' data set there has other real images all the same
    digest = read_bundle(ours).results[0].protocol.dataset_digest
    forged = setting("protocol", dataset_digest=digest)
    edited(theirs, "results/theirs.json", forged, mended=True)
    refused = CliRunner().invoke(cli, words[:-1]).exception
    assert isinstance(refused, BadInput)
    assert "theirs of theirs says that it was measured against the same real images" in str(refused)
    assert not (tmp_path / "board").exists()


@pytest.mark.processes
@pytest.mark.long
@pytest.mark.parametrize("mended", [False, True])
def test_any_edited_number_is_refused_by_name(mended: bool, made: Path, tmp_path: Path) -> None:
    """By its digest; and where that is mended, by what the others of its numbers say."""
    source = (made / "theirs.facebench.zip").read_bytes()
    [row] = read_bundle(made / "theirs.facebench.zip").results
    rng = np.random.default_rng(0)
    for key in row.metrics:
        for name in ("value", "error", "low", "high"):
            before = getattr(row.metrics[key], name)
            path = tmp_path / "theirs.facebench.zip"
            path.write_bytes(source)
            number = before * (1 - 0.01 * rng.random()) - 1e-4
            edit = setting("metrics", key, **{name: number})
            edited(path, "results/theirs.json", edit, mended=mended)
            says = f"for its {key} " if mended else "results/theirs.json was changed"
            with pytest.raises(BadInput) as refused:
                read_bundle(path)
            assert says in str(refused.value), (key, name)
