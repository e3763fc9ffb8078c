"""The board in its other forms: Markdown, LaTeX, plots as files, trackers, JSON by its schema."""

import json
import re
import sys
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator, ValidationError
from PIL import Image

from facebench.cli import cli
from facebench.errors import BadInput
from facebench.files import write_json
from facebench.metrics import paired
from facebench.metrics.table import Better
from facebench.results.json_schema import as_text, schema
from facebench.results.result import SANITY, Protocol, Result, Value, keep_earlier, write_result
from facebench.results.visuals import Plane, Visuals, visuals_folder, write_visuals
from facebench_reports import bars, plots, theme, to_csv, to_html, to_json, to_latex, to_markdown
from facebench_reports.board import boards
from facebench_reports.metric_columns import Column
from facebench_reports.pairs import comparisons

GOLDEN = Path(__file__).parent / "golden"
HOSTILE = '<script>alert(1)</script>|`x`\\input{y}%"\n\\end{tabular}'
SCHEMA = Draft202012Validator(
    json.loads((files("facebench") / "schema.json").read_text(encoding="utf-8"))
)
PROTOCOL = Protocol(
    *("faces64", "ab" * 32, "holdout", "140", 64, "lanczos", "inception"),
    *({"inception": "a" * 64}, "float32", 1000, 900),
)


def value(level: float, reference: float | None = None) -> Value:
    step = 2 * int(8 * level) + 1  # plain arithmetic: the same digits on every machine
    groups = tuple(level + (step * i % 17 - 8) / 16 for i in range(32))
    curve = tuple((count, level + 50 / count) for count in (1000, 800, 500))
    return Value(level, 0.0625, level - 0.125, level + 0.125, reference, 2.5, groups, curve)


def result(model: str, level: float, adapter: str = "images", **changes: Any) -> Result:
    metrics = {
        "fid": value(level),
        "is": value(level / 10),
        "precision": Value(level / 100, 0.015625),
        "recall": Value(level / 90),
        "lpips_diversity": value(level / 40, reference=0.4),
    }
    made = Result(
        *(model, adapter, f"runs/{model}", "cd" * 32, 0, PROTOCOL, metrics),
        notes=("weights taken on trust",),
        seconds={"metrics": 1.5},
        memory={"metrics": 100.0},
        environment={"torch": "2.14.0"},
        command=f"facebench eval --models {model}",
        created="2026-01-02T03:04:05+00:00",
    )
    return replace(made, **changes)


@pytest.fixture
def results() -> list[Result]:
    return [
        result("vae", 20.0),
        result("dcgan", 12.0),
        result(HOSTILE, 30.0, metrics={"fid": value(30.0)}),
        result("blurred", 3.0, adapter=SANITY),
        result("other", 9.0, protocol=replace(PROTOCOL, crop="108")),
    ]


@pytest.fixture
def folder(results: list[Result], tmp_path: Path) -> Path:
    for each in results:
        if each.model != HOSTILE:
            write_result(each, tmp_path)
    points = tuple((float(i), float(i % 3)) for i in range(9))
    shown = Visuals(plane=Plane((0.5, 0.25), points, points), training={"loss": points})
    write_visuals(shown, visuals_folder(tmp_path, "vae"))
    (tmp_path / "samples").mkdir()
    Image.new("RGB", (96, 96), "teal").save(tmp_path / "samples" / "vae.png")
    return tmp_path


@pytest.mark.parametrize("reporter", [to_csv, to_json, to_markdown, to_latex])
def test_files_are_what_they_were(reporter: Any, results: list[Result], tmp_path: Path) -> None:
    """Golden files: where a format changes on purpose, `facebench report` writes the new one."""
    written = reporter(results, tmp_path)
    assert written.read_bytes() == (GOLDEN / written.name).read_bytes()


def test_the_schema_knows_what_is_written(folder: Path, results: list[Result]) -> None:
    Draft202012Validator.check_schema(SCHEMA.schema)
    words = ["compare", "vae", "dcgan", "--results", str(folder), "--json"]
    written = [
        json.loads(to_json(results, folder).read_text("utf-8")),
        json.loads(to_json(results, folder, force=True).read_text("utf-8")),
        json.loads((folder / "vae.json").read_text("utf-8")),
        json.loads((visuals_folder(folder, "vae") / "exhibits.json").read_text("utf-8")),
        json.loads(CliRunner().invoke(cli, words).output),
    ]
    for record in written:
        SCHEMA.validate(record)
        assert not SCHEMA.is_valid(record | {"format": "another/1"})
        assert not SCHEMA.is_valid(record | {"surprise": 1})
    board = written[0]
    board["groups"][0]["rows"][0]["rank"] = "first"
    assert not SCHEMA.is_valid(board)


def test_the_schema_is_what_its_classes_say() -> None:
    text = (files("facebench") / "schema.json").read_text(encoding="utf-8")
    assert text == as_text(schema()), "run make schema"
    assert "Where the 95 % interval begins." in text  # what the classes say of their fields


def test_what_a_test_writes_is_validated(tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        write_json(tmp_path / "odd.json", {"format": "facebench-result/1"})


def test_markdown_and_latex_show_ranks_bests_and_caveats(
    results: list[Result], tmp_path: Path
) -> None:
    markdown = to_markdown(results[:4], tmp_path).read_text("utf-8")
    assert "| 1 | dcgan | **12.00** <sub>±0.06</sub> |" in markdown
    assert "IS ↑ (not informative)" in markdown and "|  | real images | 2.50 |" in markdown
    assert markdown.index("dcgan") < markdown.index("| — | blurred |")
    latex = to_latex(results[:4], tmp_path).read_text("utf-8")
    assert r"1 & dcgan & \textbf{12.00} {\scriptsize $\pm$0.06} &" in latex
    assert all(f"\\{rule}" in latex for rule in ("toprule", "midrule", "bottomrule"))
    assert r"IS $\uparrow$ (not informative)" in latex


def test_a_name_breaks_out_of_no_table(results: list[Result], tmp_path: Path) -> None:
    noted = [replace(each, notes=("a\nb\\input{z}",)) for each in results[:3]]
    latex = to_latex(noted, tmp_path).read_text("utf-8")
    assert r"\input" not in latex and latex.count(r"\end{tabular}") == 1
    assert all(line.startswith(("%", "\\")) or "&" in line for line in latex.split("\n") if line)
    columns = len(boards(noted)[0].columns) + 2
    rows = [line for line in latex.splitlines() if line.endswith(r"\\")]
    assert all(len(re.findall(r"(?<!\\)&", row)) == columns - 1 for row in rows)
    table = to_markdown(noted, tmp_path).read_text("utf-8").partition("\n\n")[0]
    assert not re.search(r"(?<!\\)<script", table)
    assert all(len(re.findall(r"(?<!\\)[|]", row)) == columns + 1 for row in table.splitlines())


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_plots_are_files(folder: Path, suffix: str) -> None:
    answer = CliRunner().invoke(cli, ["plot", str(folder), "--format", suffix])
    assert answer.exit_code == 0, answer.output
    names = {path.name for path in (folder / "plots").iterdir()}
    twice = {f"{name}-{n}" for name in ("metrics", "planes", "cost") for n in (1, 2)}
    twice |= {f"{name}-{n}" for name in ("extrapolation",) for n in (1, 2)}
    assert names == {f"{name}.{suffix}" for name in (*twice, "features-1", "training-1")}
    for path in (folder / "plots").iterdir():
        data = path.read_bytes()
        assert data.startswith(b"\x89PNG" if suffix == "png" else b"<svg")
        assert b"var(--" not in data


def test_a_plot_goes_where_it_is_wanted_and_only_it(folder: Path, tmp_path: Path) -> None:
    words = ["plot", str(folder), "planes", "--format", "svg", "--out", str(tmp_path / "new")]
    assert CliRunner().invoke(cli, words).exit_code == 0
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["planes-1.svg", "planes-2.svg"]
    svg = (tmp_path / "new" / "planes-1.svg").read_text("utf-8")
    assert "Precision" in svg and "dcgan" in svg and theme.LIGHT["c1"] in svg


def test_a_plot_without_numbers_is_refused_when_it_is_named(
    results: list[Result], tmp_path: Path
) -> None:
    write_result(results[1], tmp_path)
    answer = CliRunner().invoke(cli, ["plot", str(tmp_path), "features"])
    assert isinstance(answer.exception, BadInput) and "nothing to plot" in str(answer.exception)
    answer = CliRunner().invoke(cli, ["plot", str(tmp_path), "nonsense"])
    assert "There is no plot 'nonsense'; there are: cost," in str(answer.exception)


def test_a_plot_shows_models_and_leaves_checks_grey(results: list[Result]) -> None:
    board = boards(results[:4])[0]
    figures = {figure.key: figure for figure in plots.figures(board, {})}
    assert set(figures) == {"metrics", "planes", "extrapolation", "cost"}
    fid = figures["metrics"].panels[0].spec["data"]["values"]
    assert [point["model"] for point in fid] == ["dcgan", "vae", HOSTILE]
    kinds = {p["model"]: p["kind"] for p in figures["planes"].panels[0].spec["data"]["values"]}
    assert kinds == {"dcgan": "model", "vae": "model", "blurred": "check"}
    assert plots.orders(board)["recall"][0] == "vae"


def test_the_extrapolated_line_ends_at_the_value(results: list[Result]) -> None:
    levels = {"fid": Value(12.0, curve=((1000, 12.05), (500, 12.10)))}
    [figure] = [
        each
        for each in plots.figures(boards([replace(results[1], metrics=levels)])[0], {})
        if each.key == "extrapolation"
    ]
    ends = figure.panels[0].spec["data"]["values"]
    line = [(end["inverse"], end["value"]) for end in ends if end["part"] == "line"]
    assert line == [(0.0, 12.0), (1 / 500, pytest.approx(12.1))]


def test_bars_share_the_scale_of_the_models_and_checks_may_lie_beyond() -> None:
    rows = [result("a", 10.0), result("b", 20.0), result("far", 90.0, adapter=SANITY)]
    column = Column("fid")
    found = bars.bars(column, rows)
    assert all(bar is not None for bar in found)
    a, b, far = (bar for bar in found if bar)
    assert a.low is not None and a.high is not None
    assert a.low <= a.at <= a.high < b.at < far.at == 100 and a.floor is not None
    assert (a.beyond, b.beyond, far.beyond) == (False, False, True)
    assert a.floor < a.low


def test_pairs_hold_every_two_rows_and_earlier_states_of_a_model(folder: Path) -> None:
    keep_earlier(result("vae", 25.0, created="2025-12-01T10:00:00+00:00"), folder)
    keep_earlier(result("vae", 26.0, protocol=replace(PROTOCOL, crop="1")), folder)
    board = boards([result("vae", 20.0), result("dcgan", 12.0)])[0]
    found = comparisons(board, folder)
    assert found["names"] == ["dcgan", "vae", "vae, 2025-12-01 10:00"]
    assert set(found["pairs"]) == {"0,1", "0,2", "1,2"}
    [fid, *_] = found["pairs"]["1,2"]
    assert fid[:4] == ("FID ↓", "20.00", "25.00", "−5.00") and fid[6] == "vae is better"
    page = to_html([result("vae", 20.0), result("dcgan", 12.0)], folder).read_text("utf-8")
    assert "vae, 2025-12-01 10:00</option>" in page


def is_better(a: Value | None, b: Value | None, better: Better) -> bool:
    """Test two models by themselves; by the values alone where the two are not paired."""
    if a and b and len(a.groups) == len(b.groups) > 0:
        if better != "reference" or None not in (a.reference, b.reference):
            return paired.difference(a, b, better).verdict == "first"
    return paired.sort_key(a, better) < paired.sort_key(b, better)


def test_all_at_once_models_beat_each_other_as_they_do_one_by_one() -> None:
    rng = np.random.default_rng(0)
    values: list[Value | None] = [None, Value(3.0), Value(4.0), Value(3.0, reference=5.0)]
    for size in (32, 32, 32, 10, 10):
        groups = rng.normal(rng.normal(3, 0.3), 1, size)
        values.append(Value(float(groups.mean()), reference=3.1, groups=tuple(groups.tolist())))
    same = values[4]
    assert same is not None
    values += [same, replace(same, value=same.value + 1)]
    directions: tuple[Better, ...] = ("lower", "higher", "reference")
    for better in directions:
        found = paired.beats(values, better)
        expected = [[is_better(a, b, better) for b in values] for a in values]
        assert found.tolist() == expected


def test_reporters_run_by_name_and_unknown_ones_are_refused(folder: Path) -> None:
    answer = CliRunner().invoke(cli, ["report", str(folder), "--to", "latex, markdown"])
    assert answer.exit_code == 0
    assert {p.name for p in folder.glob("leaderboard.*")} == {"leaderboard.tex", "leaderboard.md"}
    answer = CliRunner().invoke(cli, ["report", str(folder), "--to", "telex"])
    assert "There is no reporter 'telex'; there are: csv, html, json" in str(answer.exception)


def test_a_plug_in_reports_by_the_same_door(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "site" / "shouting-1.0.dist-info"
    info.mkdir(parents=True)
    (tmp_path / "site" / "shouting.py").write_text(
        "def report(results, folder, force=False):\n"
        "    path = folder / 'shout.txt'\n"
        "    path.write_text(' '.join(r.model.upper() for r in results))\n"
        "    return path\n"
    )
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shouting\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[facebench.reporters]\nshout = shouting:report\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert CliRunner().invoke(cli, ["report", str(folder)]).exit_code == 0
    assert (folder / "shout.txt").read_text() == "BLURRED DCGAN OTHER VAE"
    assert {p.suffix for p in folder.glob("leaderboard.*")} == {
        *(".csv", ".html", ".json", ".md", ".tex")
    }  # and no tracker ran unasked


def test_trackers_that_are_not_installed_are_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("torch.utils.tensorboard", "wandb", "mlflow"):
        monkeypatch.setitem(sys.modules, module, None)
    for name in ("mlflow", "tensorboard", "wandb"):
        answer = CliRunner().invoke(cli, ["report", str(folder), "--to", name])
        assert f"pip install {name}" in str(answer.exception)


@pytest.mark.tensorflow
def test_tensorboard_has_a_run_per_model(folder: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    assert CliRunner().invoke(cli, ["report", str(folder), "--to", "tensorboard"]).exit_code == 0
    runs = sorted(path.name for path in (folder / "tensorboard").iterdir())
    assert runs == ["blurred", "dcgan", "other", "vae"]
    events = reader.EventAccumulator(str(folder / "tensorboard" / "vae"))
    events.Reload()
    [fid] = events.Scalars("facebench/fid")
    assert fid.value == 20.0 and "facebench/fid_high" in events.Tags()["scalars"]
    assert events.Tags()["images"] == ["samples"]
