"""A bundle holds what ranks and tests need, says the same everywhere, and nothing else."""

import os
import re
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bundles import edited, files_of, folder_of, row, setting, value, with_manifest
from click.testing import CliRunner
from click.testing import Result as Answer
from hostile_bundles import BUNDLES
from PIL import Image, PngImagePlugin

from facebench.bundles.bundle import read_bundle, write_bundle
from facebench.bundles.strict_zip import pack
from facebench.cli import cli
from facebench.errors import BadInput
from facebench.metrics.paired import compare
from facebench.results.digest import row_digest
from facebench.results.result import SANITY, Result, Value, read_result


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Give a results folder of two rows with pictures."""
    return folder_of(tmp_path / "results", row("a", 10.0, 1), row("b", 20.0, 2))


@pytest.fixture
def made(results: Path, tmp_path: Path) -> Path:
    """Give a bundle of them."""
    write_bundle(results, tmp_path / "ours.facebench.zip")
    return tmp_path / "ours.facebench.zip"


def run(*words: object) -> Answer:
    return CliRunner().invoke(cli, ["bundle", *map(str, words)])


def test_it_holds_what_comparing_needs(results: Path, made: Path) -> None:
    bundle = read_bundle(made)
    before = [read_result(results / f"{name}.json") for name in "ab"]
    assert bundle.name == "ours"
    assert compare(*bundle.results) == compare(*before)
    assert list(map(row_digest, bundle.results)) == list(map(row_digest, before))
    for model, data in bundle.pictures.items():
        (made.parent / "grid.png").write_bytes(data)
        with (
            Image.open(made.parent / "grid.png") as sent,
            Image.open(results / "samples" / f"{model}.png") as there,
        ):
            np.testing.assert_array_equal(np.asarray(sent), np.asarray(there))
    assert {*bundle.pictures} == {"a", "b"}


def test_its_bytes_and_its_digest_follow_from_its_content(results: Path, made: Path) -> None:
    elsewhere = made.parent / "x" / "theirs.zip"
    other = shutil.copytree(results, made.parent / "y")
    os.utime(other / "a.json", (0, 0))
    assert write_bundle(other, elsewhere).digest == read_bundle(made).digest
    assert elsewhere.read_bytes() == made.read_bytes()
    folder_of(other, row("a", 10.5, 1))
    assert write_bundle(other, elsewhere).digest != read_bundle(made).digest


def test_any_unzip_opens_it(made: Path) -> None:
    with zipfile.ZipFile(made) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [
            "manifest.json",
            *("results/a.json", "results/b.json", "samples/a.png", "samples/b.png"),
        ]
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_STORED}


def test_no_row_of_the_zip_depends_on_how_it_is_called(tmp_path: Path) -> None:
    names = ("größe", "顔 1", "b@c", "x" * 150)
    folder = folder_of(tmp_path / "r", *(row(name, 3.0, 5) for name in names))
    write_bundle(folder, tmp_path / "a.zip")
    assert {each.model for each in read_bundle(tmp_path / "a.zip").results} == {*names}


@pytest.mark.parametrize(
    "name", ["x" * 151, "reference-a", "leaderboard", "a\nb", "a\\b", "\u202e"]
)
def test_a_name_that_is_no_file_everywhere_is_refused(name: str, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "r", row("b", 3.0), row(name, 3.0))
    if name == "leaderboard":  # which nobody reads as a row
        (folder / "leaderboard.json").rename(folder / "b.json")
    with pytest.raises(BadInput, match="cannot name a row of a bundle"):
        write_bundle(folder, tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()


PATHS = replace(
    row("a", 10.0, 1),
    path="nets.py:net@/home/jane roe/secret/w.pt (size=2)",
    command="facebench eval --models 'a=torch+size=2:nets.py:net@/home/jane roe/secret/w.pt' "
    "--reference ../secret/faces64 --weights inception=~/secret/i.pth --out /tmp/secret/results",
    notes=(
        "drawn from nets.py:net@/home/jane roe/secret/w.pt (size=2) in fp32/bf16, 1/N of it",
        "weights taken on trust: file:///opt/secret/i.pth (see https://example.org/a/b)",
    ),
    failed={"kid": "OSError: [Errno 2] '/data/secret/k.npy' and ~roe/secret/x, ../../secret/y"},
    environment={"torch": "2.15", "adapter": "my:Sampler /srv/secret/my.py"},
)


def test_no_path_of_the_machine_goes_out(tmp_path: Path) -> None:
    metrics = {"fid": replace(value(10.0, 1.0, 0), details={"way": "by /mnt/secret/list.csv"})}
    folder = folder_of(tmp_path / "r", replace(PATHS, metrics=metrics))
    bundle = write_bundle(folder, tmp_path / "a.zip")
    files = files_of(tmp_path / "a.zip")
    data = files["manifest.json"] + files["results/a.json"]
    assert not re.search(rb"secret|roe|/home|/tmp|/opt|/data|/srv|/mnt", data)
    [result] = bundle.results
    assert result.path == "nets.py:net@w.pt (size=2)"
    assert result.command == (
        "facebench eval --models a=torch+size=2:nets.py:net@w.pt --reference faces64 "
        "--weights inception=i.pth --out results"
    )
    assert result.notes == (
        "drawn from nets.py:net@w.pt (size=2) in fp32/bf16, 1/N of it",
        "weights taken on trust: i.pth (see https://example.org/a/b)",
    )
    assert result.failed == {"kid": "OSError: [Errno 2] 'k.npy' and x, y"}
    assert result.environment == {"torch": "2.15", "adapter": "my:Sampler my.py"}
    assert result.metrics["fid"].details == {"way": "by list.csv"}


def test_this_machine_s_own_folders_may_have_spaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/jane roe")
    told = replace(row("a", 3.0), notes=("read from /home/jane roe/x/w.pt",))
    bundle = write_bundle(folder_of(tmp_path / "r", told), tmp_path / "a.zip")
    assert bundle.results[0].notes == ("read from x/w.pt",)


def test_pictures_of_real_people_stay(results: Path, tmp_path: Path) -> None:
    copies = {"fid": value(3.0, 1.0, 4), "authenticity": Value(0.1, low=0.0, high=0.2, floor=0.6)}
    folder_of(results, row("mean", 3.0, 3, adapter=SANITY), row("copier", 3.0, 4, metrics=copies))
    answer = run(results, "-o", tmp_path / "a.zip")
    assert answer.exit_code == 0, answer.output
    assert {*read_bundle(tmp_path / "a.zip").pictures} == {"a", "b"}
    assert "no picture of mean. Left out: these are real photographs" in answer.output
    assert "4 rows, 2 with pictures" in answer.output


def test_a_picture_brings_its_pixels_alone(results: Path, tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("path", "/home/me")
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8))
    noise.save(results / "samples" / "a.png", pnginfo=info)
    with (results / "samples" / "a.png").open("ab") as stream:
        stream.write(b"<script>")
    bundle = write_bundle(results, tmp_path / "a.zip", models=["a"])
    (tmp_path / "a.png").write_bytes(bundle.pictures["a"])
    with Image.open(tmp_path / "a.png") as image:
        assert not image.info and image.size == (9, 9)
        np.testing.assert_array_equal(np.asarray(image), np.asarray(noise))
    assert bundle.pictures["a"].endswith(b"IEND\xaeB`\x82")


def test_rows_and_pictures_are_chosen(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.zip"
    assert run(results, "-o", out, "--models", "b", "--no-pictures").exit_code == 0
    assert [*files_of(out)] == ["manifest.json", "results/b.json"]
    answer = run(results, "-o", out, "--models", "b,nobody")
    assert "holds no result nobody; it holds: a, b" in str(answer.exception)


EDITS = {
    "is 9, and the mean of its pseudo-values 10": setting("metrics", "fid", value=9.0),
    "has the standard error 0.01, and its pseudo-values": setting("metrics", "fid", error=0.01),
    "has an interval, 9.9 to 10.1, that is not of its error": setting(
        "metrics", "fid", low=9.9, high=10.1
    ),
    "is 10, and the mean of its pseudo-values 9.": lambda record: record["metrics"]["fid"][
        "groups"
    ].__setitem__(0, 1.0),
    "has a standard error, 0.1": setting("metrics", "fid", groups=[]),
    "has pseudo-values, and no standard error and interval": setting("metrics", "fid", error=None),
}


@pytest.mark.parametrize("says", EDITS)
def test_an_edited_value_is_found(says: str, made: Path) -> None:
    edited(made, "results/a.json", EDITS[says], mended=False)
    with pytest.raises(BadInput, match=r"results/a\.json was changed: manifest\.json has another"):
        read_bundle(made)
    edited(made, "results/a.json", lambda record: None, mended=True)
    with pytest.raises(BadInput, match=f"a number of a was changed, for its fid {says}"):
        read_bundle(made)


def test_who_edits_a_folder_cannot_bundle_it(results: Path, tmp_path: Path) -> None:
    text = (results / "a.json").read_text("utf-8")
    (results / "a.json").write_text(text.replace('"value": 10.0', '"value": 9.0'), "utf-8")
    with pytest.raises(BadInput, match="a number of a was changed"):
        write_bundle(results, tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()


def test_a_row_s_digest_is_of_what_it_claims(tmp_path: Path) -> None:
    one = row("a", 10.0, 1)
    same = replace(one, model="b", path="x", seconds={"metrics": 3.0}, created="2026", notes=("n",))
    assert row_digest(same) == row_digest(one)
    others: list[Result] = [
        row("a", 10.0, 2),
        replace(one, first_seed=1),
        replace(one, protocol=replace(one.protocol, crop="none")),
        replace(one, metrics={"fid": one.metrics["fid"]}),
    ]
    assert len({row_digest(one), *map(row_digest, others)}) == 5


def test_a_manifest_that_lacks_a_file_or_lists_another_is_refused(made: Path) -> None:
    files = files_of(made)
    fewer = {name: data for name, data in files.items() if name != "samples/a.png"}
    made.write_bytes(pack(fewer))
    with pytest.raises(BadInput, match=r"samples/a\.png is in manifest\.json, and not in it"):
        read_bundle(made)
    more = with_manifest(fewer) | {"samples/a.png": files["samples/a.png"]}
    made.write_bytes(pack(more))
    with pytest.raises(BadInput, match=r"samples/a\.png is in it, and not in manifest\.json"):
        read_bundle(made)


@pytest.mark.parametrize("name", BUNDLES)
def test_a_hostile_bundle_is_refused_by_name(name: str, tmp_path: Path) -> None:
    data, says = BUNDLES[name]
    path = tmp_path / "a.facebench.zip"
    path.write_bytes(data)
    with pytest.raises(BadInput) as refused:
        read_bundle(path)
    sentence = str(refused.value)
    assert sentence.startswith(str(path)) and says in sentence
    assert "\n" not in sentence and sentence.isprintable() and len(sentence) < 600
    assert [*tmp_path.iterdir()] == [path]
