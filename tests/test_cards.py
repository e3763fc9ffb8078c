"""What goes into other people's repositories: citations, a card's section, Hugging Face's file."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from huggingface_hub import parse_eval_result_entries

from facebench.cli import cli
from facebench.errors import BadInput
from facebench.metrics.table import METRICS
from facebench.results.result import Protocol, Result, Value, write_result
from facebench_reports.citations import bibliography, to_bibtex
from facebench_reports.model_card import BEGIN, END, write_card, write_eval_results

PROTOCOL = Protocol(
    *("faces64", "ab" * 32, "holdout", "140", 64, "lanczos", "inception,dinov2"),
    *({"inception": "a" * 64}, "float32", 1000, 900),
)
HOSTILE = '<script>alert(1)</script>|`x`"\n---'


def result(**changes: object) -> Result:
    values = {
        "fid": Value(12.5, 0.25, 12.0, 13.0, floor=2.5),
        "is": Value(3.25, 0.5, 2.25, 4.25),
        "kid": Value(1e-05, 1e-06, 8e-06, 1.2e-05),
        "precision": Value(1.0),
    }
    made = Result(
        *("dcgan", "images", "runs/dcgan", "cd" * 32, 7, PROTOCOL, values),
        notes=(HOSTILE,),
        created="2026-01-02T03:04:05+00:00",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def keys(text: str) -> list[str]:
    return re.findall(r"^@\w+{([^,]+),$", text, re.MULTILINE)


def test_a_board_cites_its_metrics_its_networks_and_its_tools() -> None:
    text = bibliography([result(), result(protocol=replace(PROTOCOL, mode="clean-fid"))])
    assert keys(text) == [
        *("heusel2017", "salimans2016", "binkowski2018", "kynkaanniemi2019"),
        *("szegedy2016", "oquab2024", "parmar2022"),
    ]
    assert "% FID\n@inproceedings{heusel2017,\n" in text
    assert "% the definitions of clean-fid\n@inproceedings{parmar2022,\n" in text


def test_a_paper_of_two_metrics_is_cited_once() -> None:
    both = bibliography([result(metrics={"precision": Value(1.0), "recall": Value(1.0)})])
    assert keys(both)[0] == "kynkaanniemi2019" and "% Precision, Recall\n" in both


def test_every_metric_that_names_a_paper_has_an_entry_of_balanced_braces() -> None:
    for key, row in METRICS.items():
        if row.paper and not row.family:
            entry = bibliography([result(metrics={key: Value(1.0)})]).partition("\n\n")[0]
            assert entry.count("{") == entry.count("}") > 1, key
            assert re.search(r"(title|note) = {", entry), key


def test_bibtex_is_a_form_of_the_board_that_is_asked_for(tmp_path: Path) -> None:
    write_result(result(), tmp_path)
    assert CliRunner().invoke(cli, ["report", str(tmp_path)]).exit_code == 0
    assert not (tmp_path / "leaderboard.bib").exists()
    answer = CliRunner().invoke(cli, ["report", str(tmp_path), "--to", "bibtex"])
    assert answer.output.strip() == str(tmp_path / "leaderboard.bib")
    assert (tmp_path / "leaderboard.bib").read_text("utf-8") == bibliography([result()])
    assert to_bibtex([result()], tmp_path).name == "leaderboard.bib"


def test_the_section_goes_below_what_is_there_and_is_replaced(tmp_path: Path) -> None:
    card = tmp_path / "README.md"
    card.write_text("---\nlicense: mit\n---\n# Mine\n", "utf-8")
    assert write_card(result(), tmp_path) == card
    first = card.read_text("utf-8")
    assert first.startswith("---\nlicense: mit\n---\n# Mine\n\n" + BEGIN)
    assert "| FID | ↓ lower | 12.50 | 12.00 – 13.00 | 2.50 |" in first
    assert "1,000 images from seed 7 on, against 900 images of faces64 (holdout split)" in first
    card.write_text(first + "\n## More of mine\n", "utf-8")
    write_card(result(metrics={"fid": Value(9.25, 0.25, 9.0, 9.5)}), tmp_path)
    again = card.read_text("utf-8")
    assert "9.25" in again and "12.50" not in again and again.count(BEGIN) == 1
    assert again.startswith("---\nlicense: mit\n---\n# Mine\n\n") and again.endswith(
        "\n## More of mine\n"
    )


def test_a_card_is_made_where_there_is_none(tmp_path: Path) -> None:
    text = write_card(result(), tmp_path).read_text("utf-8")
    assert text.startswith(BEGIN) and text.endswith(END + "\n")


def test_what_a_row_says_cannot_leave_its_line(tmp_path: Path) -> None:
    text = write_card(result(), tmp_path).read_text("utf-8")
    assert "<script>" not in text and "\n---" not in text


@pytest.mark.parametrize("text", [BEGIN, END, f"{END}\n{BEGIN}", f"{BEGIN}\n{END}\n{BEGIN}\n{END}"])
def test_lost_comments_are_not_guessed_at(text: str, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(text, "utf-8")
    with pytest.raises(BadInput, match="not once each, in order: take them out"):
        write_card(result(), tmp_path)
    assert (tmp_path / "README.md").read_text("utf-8") == text


def test_a_card_that_is_no_text_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match="not UTF-8"):
        write_card(result(), tmp_path)


def test_hugging_face_reads_its_file(tmp_path: Path) -> None:
    written = write_eval_results(result(), tmp_path, "faces/celeba64", "https://example.org/board")
    assert written.parent == tmp_path / ".eval_results" and written.suffix == ".yaml"
    entries = parse_eval_result_entries(yaml.safe_load(written.read_text("utf-8")))
    values = {each.task_id: each.value for each in entries}
    assert values == {"fid": 12.5, "is": 3.25, "kid": 1e-05, "precision": 1.0}
    assert all(isinstance(each, float) for each in values.values())
    fid = next(each for each in entries if each.task_id == "fid")
    assert (fid.dataset_id, fid.source_url) == ("faces/celeba64", "https://example.org/board")
    assert str(fid.date) == "2026-01-02T03:04:05+00:00" and fid.notes
    assert fid.notes.startswith("95 % interval 12 to 13; 1000 generated and 900 real images; pro")


def test_a_row_without_a_date_or_a_source_says_neither(tmp_path: Path) -> None:
    written = write_eval_results(result(created=""), tmp_path, "faces/celeba64")
    [first, *_] = yaml.safe_load(written.read_text("utf-8"))
    assert first.keys() == {"dataset", "value", "notes"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--benchmark", "faces"], "'faces' is no data set of the Hub: write ORGANISATION/NAME."),
        (["--benchmark", "a/b\n- x"], "is no data set of the Hub"),
        (["--benchmark", "a/b", "--source", "javascript:1"], "'javascript:1' is no address"),
        (["--source", "https://example.org"], "--source goes with --benchmark"),
    ],
)
def test_what_hugging_face_would_refuse_is_refused(
    words: list[str], said: str, tmp_path: Path
) -> None:
    write_result(result(), tmp_path)
    place = ["--results", str(tmp_path), "--out", str(tmp_path)]
    answer = CliRunner().invoke(cli, ["card", "dcgan", *place, *words])
    assert said in str(answer.exception)
    assert not (tmp_path / "README.md").exists() and not (tmp_path / ".eval_results").exists()


def test_the_command_says_what_it_wrote(tmp_path: Path) -> None:
    write_result(result(), tmp_path / "results")
    (tmp_path / "model").mkdir()
    words = ["--results", str(tmp_path / "results"), "--out", str(tmp_path / "model")]
    answer = CliRunner().invoke(cli, ["card", "dcgan", *words, "--benchmark", "faces/celeba64"])
    yaml_file, readme = map(Path, answer.output.split())
    assert yaml_file.is_file() and readme == tmp_path / "model" / "README.md"
    words[-1] = str(tmp_path / "nowhere")
    answer = CliRunner().invoke(cli, ["card", "dcgan", *words])
    assert "There is no folder" in str(answer.exception)
