import base64
import csv
import json
import re
from dataclasses import asdict, replace
from hashlib import sha256
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from facebench.errors import BadInput
from facebench.metrics import paired
from facebench.metrics.description import facts
from facebench.metrics.table import METRICS
from facebench.plugins import registry
from facebench.results.result import SANITY, Protocol, Result, Value
from facebench_reports import (
    terminal_table,
    to_csv,
    to_html,
    to_json,
    to_latex,
    to_markdown,
    to_terminal,
)
from facebench_reports.board import Board, boards, differences, protocol_id
from facebench_reports.metric_columns import Column
from facebench_reports.number_format import error, interval, number

SCRIPT = re.compile("<script>(.*?)</script>", re.S)
MINUS, TIMES = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"
HOSTILE = '<script>alert(1)</script>[bold]"quoted"'
WEIGHTS = {"lpips": "b" * 64, "inception": "a" * 64}
LOOSE = Protocol(
    dataset="faces64",
    dataset_digest="0123456789ab" + "c" * 52,
    split="holdout",
    crop="140",
    size=64,
    filter="lanczos",
    extractor="inception",
    weights=WEIGHTS,
    precision="float32",
    num=2000,
    num_reference=1000,
)
TIGHT = replace(LOOSE, crop="108")


def result(model: str, protocol: Protocol = LOOSE, /, *notes: str, **metrics: Value) -> Result:
    return Result(
        model=model,
        adapter="images",
        path=f"runs/'{model}'",
        model_digest="d" * 64,
        first_seed=0,
        protocol=protocol,
        metrics=metrics,
        notes=notes,
        seconds={"sample": 1.25},
        environment={"torch": "2.15.0", "device": "cpu"},
        command=f"facebench eval --models '{model}'",
        created="2026-01-02T03:04:05Z",
    )


@pytest.fixture
def results() -> list[Result]:
    everywhere = "IS says nothing about faces."
    return [
        result("vae", LOOSE, everywhere, fid=Value(61.018, 0.4), precision=Value(0.71)),
        result(
            "dcgan",
            LOOSE,
            everywhere,
            "weights taken on trust",
            fid=Value(34.6149, 0.4),
            precision=Value(0.65),
            lpips_diversity=Value(0.312, reference=0.335),
        ),
        result("twin", LOOSE, everywhere, fid=Value(34.6149, 0.4), precision=Value(0.71)),
        result(HOSTILE, LOOSE, everywhere, precision=Value(0.2)),
        result("dcgan", TIGHT, fid=Value(3.0), kid=Value(-2.9e-5)),
    ]


def sure(level: float, seed: int, reference: float | None = None) -> Value:
    """Return a value with pseudo-values that scatter by 1, and the rest made up of them."""
    noise = np.random.default_rng(seed).normal(0, 1, 32)
    groups = tuple((level + noise - noise.mean()).tolist())
    error = float(np.std(groups, ddof=1) / 32**0.5)
    return Value(level, error, level - 2 * error, level + 2 * error, reference, 2.5, groups)


@pytest.fixture
def contest() -> list[Result]:
    """Two models that noise does not let tell apart, one that it does, and a sanity check."""
    levels = {"near": 10.0, "nearer": 9.9, "far": 30.0, "copycat": 3.0}
    rows = [result(name, fid=sure(level, i)) for i, (name, level) in enumerate(levels.items())]
    return [*rows[:3], replace(rows[3], adapter=SANITY)]


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def text_of(html: str) -> str:
    class Text(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.parts: list[str] = []

        def handle_data(self, data: str) -> None:
            self.parts.append(data)

    parser = Text()
    parser.feed(html)
    return " ".join(" ".join(parser.parts).split())


def printed(results: list[Result], width: int = 140) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(terminal_table(results))
    return capture.get()


def bests(board: Board, key: str) -> list[bool | None]:
    index = [column.key for column in board.columns].index(key)
    cells = [row.cells[index] for row in board.rows]
    return [cell.best if cell else None for cell in cells]


def test_unlike_protocols_are_never_ranked_together(results: list[Result]) -> None:
    large, small = boards(results)
    assert [row.result.protocol for row in large.rows] == [LOOSE] * 4
    assert [(row.rank, row.result.protocol) for row in small.rows] == [(1, TIGHT)]
    assert differences([large, small]) == ["crop"]


def test_equal_values_share_a_rank_and_missing_ones_come_last(results: list[Result]) -> None:
    ranks = [(row.rank, row.result.model) for row in boards(results)[0].rows]
    assert ranks == [(1, "dcgan"), (1, "twin"), (3, "vae"), (4, HOSTILE)]


def test_the_order_of_weight_files_does_not_make_a_protocol_another() -> None:
    reordered = replace(LOOSE, weights=dict(reversed(WEIGHTS.items())))
    assert protocol_id(reordered) == protocol_id(LOOSE)


@pytest.mark.parametrize("name", Protocol.__dataclass_fields__)
def test_every_protocol_field_keeps_results_apart(name: str) -> None:
    value = getattr(LOOSE, name)
    other: Any = {"x": "y"} if name == "weights" else value + type(value)(1)
    rows = [result("a", p, fid=Value(1.0)) for p in (LOOSE, replace(LOOSE, **{name: other}))]
    assert len(boards(rows)) == 2


@pytest.mark.parametrize(
    ("keys", "ordering"),
    [
        (["precision", "kid", "fid"], "fid"),
        (["kid", "fid_768"], "fid_768"),
        (["recall", "kd_random", "fd_random"], "fd_random"),
        (["recall", "precision"], "precision"),
    ],
)
def test_fid_or_its_kin_orders_the_board(keys: list[str], ordering: str) -> None:
    [board] = boards([result("a", **dict.fromkeys(keys, Value(1.0)))])
    assert board.ordering.key == ordering


def test_higher_is_better_where_the_metric_says_so() -> None:
    [board] = boards([result("low", recall=Value(0.1)), result("high", recall=Value(0.9))])
    assert [row.result.model for row in board.rows] == ["high", "low"]


def test_a_reference_metric_ranks_by_nearness_to_the_real_value() -> None:
    near, over = Value(0.30, reference=0.33), Value(0.40, reference=0.33)
    unknown = Value(0.33)
    rows = [result("over", lpips_diversity=over), result("near", lpips_diversity=near)]
    [board] = boards([*rows, result("unknown", lpips_diversity=unknown)])
    assert [row.result.model for row in board.rows] == ["near", "over", "unknown"]


def test_the_best_of_each_column_is_marked_ties_included(results: list[Result]) -> None:
    board = boards(results)[0]
    assert bests(board, "precision") == [False, True, True, False]
    assert bests(board, "fid") == [True, True, False, None]


def test_a_lone_value_is_best_of_nothing(results: list[Result]) -> None:
    assert not any(cell and cell.best for cell in boards(results)[1].rows[0].cells)


def test_what_is_not_a_number_counts_as_missing(tmp_path: Path) -> None:
    rows = [result("nan", fid=Value(float("nan"))), result("ok", fid=Value(1.0, float("inf")))]
    [board] = boards(rows)
    assert [(row.rank, row.result.model) for row in board.rows] == [(1, "ok"), (2, "nan")]
    assert "NaN" not in to_json(rows, tmp_path).read_text("utf-8")


def test_models_that_noise_does_not_let_tell_apart_share_rank_and_bold(
    contest: list[Result],
) -> None:
    [board] = boards(contest)
    rows = [(row.result.model, row.place, row.places) for row in board.rows]
    assert rows == [
        *[("copycat", "—", ""), ("nearer", "1=", "1–2"), ("near", "1=", "1–2"), ("far", "3", "")]
    ]
    assert bests(board, "fid") == [False, True, True, False]


def test_what_any_other_beats_is_not_best_though_the_first_is_too_noisy_to() -> None:
    wild = tuple((10 * np.random.default_rng(0).normal(0, 1, 32) + 10).tolist())
    a = result(
        "a", fid=Value(1.0, 1.8, -2.6, 4.6, groups=tuple(x - np.mean(wild) + 1 for x in wild))
    )
    [board] = boards([a, result("b", fid=sure(1.5, 1)), result("c", fid=sure(3.5, 2))])
    assert [row.result.model for row in board.rows] == ["a", "b", "c"]
    assert bests(board, "fid") == [True, True, False]


def test_sanity_checks_push_nobody_down_and_are_best_of_nothing() -> None:
    rows = [result("a", fid=Value(2.0)), result("b", fid=Value(3.0))]
    [board] = boards([*rows, replace(result("blurred", fid=Value(1.0)), adapter=SANITY)])
    assert [row.rank for row in board.rows] == [None, 1, 2]
    assert bests(board, "fid") == [False, True, False]


def test_lpips_of_unlike_networks_has_a_note_and_no_best() -> None:
    near, far = Value(0.30, reference=0.33), Value(0.40, reference=0.33)
    rows = [result("a", lpips_diversity=near), result("b", lpips_diversity=far)]
    rows = [
        replace(row, environment={"weights alexnet": x}) for row, x in zip(rows, "xy", strict=True)
    ]
    [board] = boards(rows)
    assert bests(board, "lpips_diversity") == [False, False]
    assert "cannot be compared" in board.column_notes[0].text
    assert board.signs(board.columns[0]) == "†"
    assert boards([replace(row, environment={}) for row in rows])[0].column_notes == ()


def test_a_metric_whose_intervals_are_off_is_marked_where_intervals_are_shown(
    contest: list[Result],
) -> None:
    rows = [replace(row, metrics={"kid": row.metrics["fid"]}) for row in contest]
    assert boards(rows)[0].column_notes[0].text == METRICS["kid"].interval_note
    assert boards([result("a", kid=Value(1.0, 0.1))])[0].column_notes == ()


def test_forced_unlike_protocols_are_ranked_by_value_and_marked(
    results: list[Result], contest: list[Result], tmp_path: Path
) -> None:
    mixed = [*contest[:2], replace(contest[2], protocol=TIGHT, metrics={"fid": sure(9.95, 9)})]
    [board] = boards(mixed, force=True)
    assert [row.place for row in board.rows] == ["(1)", "(2)", "(3)"]
    assert not any(bests(board, "fid")) and not any(row.places for row in board.rows)
    page = text_of(to_html(mixed, tmp_path, force=True).read_text("utf-8"))
    assert "Forced. The rows below were measured under different protocols" in page
    assert "What differs: crop." in page
    # Each in the table and in how its row was made.
    assert page.count("crop 140") == 4 and page.count("crop 108") == 2
    rows = read_csv(to_csv(mixed, tmp_path, force=True))
    assert [(row["rank"], row["crop"], row["forced"]) for row in rows] == [
        *[("1", "140", "forced"), ("2", "108", "forced"), ("3", "140", "forced")]
    ]
    assert len({row["protocol"] for row in rows}) == 2
    [group] = json.loads(to_json(mixed, tmp_path, force=True).read_text("utf-8"))["groups"]
    assert group["forced"] == ["crop"] and group["rows"][1]["protocol"]["crop"] == "108"
    console = Console(width=80, color_system=None)
    with console.capture() as capture:
        console.print(terminal_table(mixed, force=True))
    assert "forced into one table" in capture.get() and "crop 108" in capture.get()


def test_forcing_like_protocols_changes_nothing(contest: list[Result]) -> None:
    assert boards(contest, force=True) == boards(contest)


def test_all_reporters_share_one_ranking(
    results: list[Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranked = []

    def count(*words: Any) -> Any:
        ranked.append(words)
        return rank_intervals(*words)

    rank_intervals = paired.rank_intervals
    monkeypatch.setattr(paired, "rank_intervals", count)
    for reporter in (to_csv, to_html, to_json, to_latex, to_markdown, to_terminal):
        reporter(results, tmp_path)
    assert len(ranked) == 2  # one for each protocol
    to_csv(results, tmp_path, force=True)
    assert len(ranked) == 3
    to_csv([replace(each) for each in results], tmp_path)  # equal, but not known to be the same
    assert len(ranked) == 5


def test_results_without_metrics_are_refused() -> None:
    with pytest.raises(BadInput, match="holds no metric"):
        boards([result("empty")])


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("fid", 112.304, "112.30"),
        ("fid", 9.876, "9.88"),
        ("fid", 0.1519, "0.152"),
        ("fid", 0.01513, "0.0151"),
        ("fid_768", 0.0, "0.000"),
        ("kid", 0.0231, "0.0231"),
        ("kid", 0.00123, "0.00123"),
        ("kid", -2.9078e-5, f"{MINUS}2.91{TIMES}10⁻⁵"),
        ("kd_vgg16", 34.5, "34.50"),
        ("is", 2.7, "2.700"),
        ("coverage", 1.0, "1.000"),
    ],
)
def test_numbers_show_the_digits_that_carry_meaning(key: str, value: float, text: str) -> None:
    assert number(key, value) == text


def test_errors_are_set_to_the_decimals_of_their_value() -> None:
    assert error("fid", Value(34.6, 0.4)) == "±0.40"
    assert error("fid", Value(34.6, 0.004)) == "±0.00400"
    assert error("kid", Value(1e-5, 2e-5)) == f"±2.00{TIMES}10⁻⁵"


def test_intervals_are_set_to_the_decimals_of_their_value() -> None:
    assert interval("fid", Value(34.6, 0.4, 33.8, 35.4)) == "33.80 – 35.40"
    assert interval("fid", Value(34.6, 1e-4, 34.5998, 34.6002)) == "34.59980 – 34.60020"
    assert interval("kid", Value(1e-5, 2e-4, -4e-4, 4e-4)) == f"{MINUS}0.00040 – 0.00040"
    assert interval("recall", Value(1.0, 0.0, 1.0, 1.0)) == "1.000 – 1.000"


def test_csv_and_json_hold_intervals_floors_and_ranks(
    contest: list[Result], tmp_path: Path
) -> None:
    rows = read_csv(to_csv(contest, tmp_path))
    assert [row["rank"] for row in rows] == ["", "1", "1", "3"]
    assert [(row["rank_low"], row["rank_high"]) for row in rows] == [
        *[("", ""), ("1", "2"), ("1", "2"), ("3", "3")]
    ]
    value = contest[1].metrics["fid"]
    beside = [float(rows[1][f"fid_{name}"]) for name in ("error", "low", "high", "floor")]
    assert beside == pytest.approx([value.error, value.low, value.high, value.floor])
    board = json.loads(to_json(contest, tmp_path).read_text("utf-8"))
    [_, first, *_] = board["groups"][0]["rows"]
    assert (first["rank"], first["rank_low"], first["rank_high"]) == (1, 1, 2)
    assert first["metrics"]["fid"]["groups"] == list(value.groups)


def test_csv_columns_are_the_documented_ones(results: list[Result], tmp_path: Path) -> None:
    rows = read_csv(to_csv(results, tmp_path))
    assert list(rows[0]) == [
        *("rank", "model", "adapter", "n"),
        *("fid", "kid", "precision", "lpips_diversity"),
        *("fid_error", "lpips_diversity_reference", "ordered_by"),
        *("dataset", "split", "crop", "size", "filter", "extractor", "layer"),
        *("definitions", "arithmetic", "num_reference", "dataset_digest", "weights", "protocol"),
        *("model_digest", "first_seed", "notes"),
    ]
    first = rows[0]
    assert (first["rank"], first["model"], first["fid"]) == ("1", "dcgan", "34.6149")
    assert (first["precision"], first["arithmetic"]) == ("0.65", "float32")
    assert first["weights"] == f"inception:{'a' * 64}; lpips:{'b' * 64}"
    assert first["notes"] == "IS says nothing about faces.; weights taken on trust"
    assert rows[3]["model"] == HOSTILE and rows[3]["fid"] == ""
    assert [row["rank"] for row in rows] == ["1", "1", "3", "4", "1"]
    assert len({row["protocol"] for row in rows}) == 2


def test_csv_holds_every_metric_apart_from_every_setting(tmp_path: Path) -> None:
    row = result("a", **dict.fromkeys(METRICS, Value(1.0, 0.1, 0.8, 1.2, 2.0, 3.0)))
    header = to_csv([row], tmp_path).read_text("utf-8").splitlines()[0].split(",")
    assert len(header) == len(set(header))
    ends = ("", "_error", "_low", "_high", "_floor", "_reference")
    assert {f"{key}{end}" for key in METRICS for end in ends} < {*header}
    assert read_csv(tmp_path / "leaderboard.csv")[0]["precision"] == "1.0"


def test_json_groups_hold_protocol_ordering_and_rows(results: list[Result], tmp_path: Path) -> None:
    board = json.loads(to_json(results, tmp_path).read_text("utf-8"))
    assert board["format"] == "facebench-leaderboard/1"
    large, small = board["groups"]
    assert large["protocol"]["crop"] == "140" and small["protocol"]["crop"] == "108"
    assert large["ordering"] == {"metric": "fid", "title": "FID", "better": "lower"}
    assert [row["rank"] for row in large["rows"]] == [1, 1, 3, 4]
    expected = asdict(Value(34.6149, 0.4)) | {"groups": [], "curve": []}
    for name in ("classes", "details", "differs"):  # of which there are none
        del expected[name]
    assert large["rows"][0]["metrics"]["fid"] == expected


def test_page_says_what_orders_it_and_what_differs(results: list[Result], tmp_path: Path) -> None:
    page = text_of(to_html(results, tmp_path).read_text("utf-8"))
    assert "4 models under 2 protocols, each ranked in a table of its own." in page
    assert "What differs: crop." in page
    assert page.count("Ordered by FID, lower is better.") == 2
    one = text_of(to_html(results[:4], tmp_path).read_text("utf-8"))
    assert (
        "4 models, 2,000 images each, against 1,000 images of faces64 (holdout split), "
        "ordered by FID, lower is better." in one
    )


def test_page_shows_values_errors_references_and_notes(
    results: list[Result], tmp_path: Path
) -> None:
    page = text_of(to_html(results, tmp_path).read_text("utf-8"))
    assert "34.61 (best) ±0.40" in page
    assert f"0.312 {TIMES}0.93" in page and "own 0.335" in page
    assert "± is one standard error." in page
    assert "— not measured" in page
    assert "All models: IS says nothing about faces." in page
    assert "a dcgan: weights taken on trust" in page
    assert f"facebench eval --models '{HOSTILE}'" in page
    assert METRICS["fid"].card in page and METRICS["fid"].caution in page


def test_page_shows_intervals_ranks_floor_and_checks(contest: list[Result], tmp_path: Path) -> None:
    html = to_html(contest, tmp_path).read_text("utf-8")
    page = text_of(html)
    value = contest[1].metrics["fid"]
    assert f"9.90 (best) {value.low:.2f} – {value.high:.2f}" in page
    assert "1= places 1–2 nearer images" in page
    assert "Real images noise floor 2.50" in page
    assert "3 models and 1 sanity check" in page
    assert '<tr class="sanity" data-model="copycat"' in html and "take no part in ranks" in page
    assert f"Needs {facts(METRICS['fid'])['needs']}" in page


def test_page_makes_up_no_interval(tmp_path: Path) -> None:
    page = text_of(to_html([result("a", fid=Value(3.0))], tmp_path).read_text("utf-8"))
    assert "3.00 Below" not in page and "95 % interval." not in page
    assert "Real images noise floor" not in page
    assert "how far noise reaches is not known" in page


def test_a_mean_over_classes_is_shown_with_the_classes(tmp_path: Path) -> None:
    classes = {HOSTILE: 3.0, "smiling": 5.25} | {f"class {i}": 1 + i / 100 for i in range(60)}
    row = result("a", fid=Value(2.0), fid_class=Value(4.0, classes=classes))
    html = to_html([row], tmp_path).read_text("utf-8")
    page = text_of(html)
    assert "Per-class FID, the worst first" in page and "and 12 others in the JSON" in page
    assert page.index("smiling 5.25") < page.index("3.00") < page.index("class 59 1.59")
    assert "class 5 " not in page and "<script>alert" not in html
    told = read_csv(to_csv([row], tmp_path))[0]["fid_class_classes"]
    assert told.startswith(f"{HOSTILE}:3.0; smiling:5.25; class 0:1.0")
    [found] = json.loads(to_json([row], tmp_path).read_text("utf-8"))["groups"][0]["rows"]
    assert found["metrics"]["fid_class"]["classes"] == classes


def test_page_says_how_fast_images_were_looked_at(results: list[Result], tmp_path: Path) -> None:
    spent = {"waiting for images": 15.0, "looking at them": 25.0, "metrics": 9.0}
    timed = replace(results[0], images=1000, seconds=spent)
    page = text_of(to_html([timed], tmp_path).read_text("utf-8"))
    assert "waiting for images 15.0 s" in page and "1,000, 25.0 a second" in page


def test_page_escapes_whatever_comes_from_outside(results: list[Result], tmp_path: Path) -> None:
    hostile = replace(
        results[0],
        model=HOSTILE,
        adapter=HOSTILE,
        path=HOSTILE,
        model_digest=HOSTILE,
        protocol=replace(LOOSE, dataset=HOSTILE, extractor=HOSTILE, weights={HOSTILE: HOSTILE}),
        notes=(HOSTILE,),
        environment={HOSTILE: HOSTILE},
        seconds={HOSTILE: 1.0},
        command=HOSTILE,
        created=HOSTILE,
    )
    html = to_html([hostile], tmp_path).read_text("utf-8")
    assert "<script>alert" not in html.lower()
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;[bold]&#34;quoted&#34;") > 10


def test_page_loads_nothing_and_forbids_the_rest(results: list[Result], tmp_path: Path) -> None:
    html = to_html(results, tmp_path).read_text("utf-8")
    assert (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-"
        in unescape(html)
    )
    html, scripts = SCRIPT.sub("", html), SCRIPT.findall(html)
    for script in scripts:
        digest = base64.b64encode(sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in unescape(html)
    assert len(scripts) == 2  # the plots' and the page's own
    assert not re.search(r"https?://|@import|url\(|<script>|\son\w+=", html)
    assert all(
        link.startswith(("data:", "#")) for link in re.findall(r'(?:src|href)="([^"]*)', html)
    )


def test_page_embeds_the_pictures_there_are_and_names_those_missing(
    results: list[Result], tmp_path: Path
) -> None:
    samples = tmp_path / "samples"
    samples.mkdir()
    for name in ("vae", "reference-0123456789ab-holdout"):
        Image.new("RGB", (384, 384), "teal").save(samples / f"{name}.png")
    (samples / "twin.png").write_bytes(b"not a picture")
    html = to_html(results, tmp_path).read_text("utf-8")
    # The second protocol has the same real images.
    assert html.count("data:image/webp;base64,") == 3
    assert "There is no samples/dcgan.png" in html
    assert "samples/twin.png cannot be read" in html


def test_a_model_name_cannot_reach_outside_the_samples_folder(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    (folder / "samples").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "secret.png")
    html = to_html([result("../../secret", fid=Value(1.0))], folder).read_text("utf-8")
    assert "data:image" not in html


@pytest.mark.parametrize(("width", "shown"), [(48, 384), (192, 384), (384, 384), (1536, 384)])
def test_pictures_are_scaled_by_whole_factors(tmp_path: Path, width: int, shown: int) -> None:
    (tmp_path / "samples").mkdir()
    Image.new("RGB", (width, width)).save(tmp_path / "samples/a.png")
    html = to_html([result("a", fid=Value(1.0))], tmp_path).read_text("utf-8")
    assert f'style="--width: {shown}px"' in html


def test_seeds_shown_follow_the_first_seed_and_the_number_of_images(tmp_path: Path) -> None:
    few = replace(LOOSE, num=10)
    row = replace(result("a", few, fid=Value(1.0)), first_seed=100)
    page = text_of(to_html([row], tmp_path).read_text("utf-8"))
    assert "seeds 100\N{WORD JOINER}\N{EN DASH}\N{WORD JOINER}109" in page


def test_a_page_is_the_same_for_the_same_results_in_any_order(
    results: list[Result], tmp_path: Path
) -> None:
    first = to_html(results, tmp_path).read_bytes()
    assert to_html(results[::-1], tmp_path).read_bytes() == first


def test_terminal_table_shows_ranks_arrows_gaps_and_notes(results: list[Result]) -> None:
    text = printed(results)
    assert re.search(r"FID ↓ +Precision ↑ +diversity ≈", text)
    assert re.search(rf"^ *1= +dcgan a +34\.61 +0\.650 +0\.312 {TIMES}0\.93", text, re.M)
    assert "own 0.335" in text and "±0.40" in text
    assert re.search(r"^ *4 .*—", text, re.M)
    assert "Ordered by FID, lower is better" in text
    assert "a weights taken on trust" in text
    assert "Unlike protocols are never ranked together." in text


def test_terminal_table_prints_names_as_they_are_and_no_control_codes(
    results: list[Result],
) -> None:
    assert HOSTILE in printed(results)
    assert "\x1b" not in printed([result("a\x1b[2Jb", fid=Value(1.0))])


def test_terminal_table_cuts_no_number_off_at_eighty_columns() -> None:
    keys = [key for key in METRICS if not Column(key).is_of_faces]
    everything = {key: Value(0.12345, 0.00678, 0.1098, 0.1371, 0.3, 0.1) for key in keys}
    text = printed([result("a-model-of-some-length", **everything)], width=80)
    assert "…" not in text and max(map(len, text.splitlines())) <= 80
    words = text.split()
    assert words.count("Precision") == words.count("Authenticity") == 1
    # fd-like values have one more digit than shares
    assert text.count("0.110 – 0.137") + text.count("0.1098 – 0.1371") == len(keys)


def test_terminal_reporter_prints_and_writes_nothing(
    results: list[Result], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to_terminal(results, tmp_path)
    assert "34.61" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["csv", "html", "json"])
def test_reporters_are_found_by_entry_point(
    name: str, results: list[Result], tmp_path: Path
) -> None:
    path = registry.find("reporters", name)(results, tmp_path / "new")
    assert path == tmp_path / "new" / f"leaderboard.{name}" and path.stat().st_size > 0
