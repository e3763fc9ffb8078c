import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from facebench.errors import BadInput
from facebench.metrics.builtin_metrics import ROWS
from facebench.metrics.metric import Metric
from facebench.metrics.table import METRICS, Table, is_known, metric, order, title

BEAUTY = replace(METRICS["recall"], key="beauty", title="Beauty", card="How beautiful it is.")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"key": "Beauty!"}, "'Beauty!' must be small letters, digits and underscores"),
        ({"title": ""}, "needs a title and a card"),
        ({"card": ""}, "needs a title and a card"),
        ({"compute": 1}, "compute must be a function of a Comparison"),
        ({"valid": (1.0, 0.0)}, "valid values end at 0, before they begin"),
        ({"valid": (math.nan, 0.0)}, "valid values end"),
        ({"minimum": 1}, "minimum is 1, and no metric is defined for fewer than 2 images"),
        ({"distance": "bd"}, "both a stem and a title for other extractors"),
        ({"elsewhere": "Beauty"}, "both a stem and a title for other extractors"),
        ({"distance": "b-d", "elsewhere": "Beauty"}, "'b-d' must be small letters"),
    ],
)
def test_a_wrong_row_is_refused_when_it_is_made(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says) as refused:
        replace(BEAUTY, **wrong)
    assert str(refused.value).count(". ") == 0


@pytest.mark.processes
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"better": "up"}, "better is 'up', which is not one of lower, higher, reference."),
        ({"needs": "eyes"}, "needs is 'eyes', which is not one of features, logits, lpips, "),
    ],
)
def test_a_word_that_is_not_known_is_refused_where_no_types_are_checked(
    wrong: dict[str, str], says: str
) -> None:
    code = (
        f"from dataclasses import replace; from facebench.metrics.table import METRICS\n"
        f"replace(METRICS['recall'], **{wrong})"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert f"BadInput: The metric 'recall' is refused: {says}" in answer.stderr


@pytest.mark.parametrize(
    "taken",
    [
        {"key": "fid"},
        {"key": "fd"},
        {"distance": "kid", "elsewhere": "Beauty"},
        {"distance": "fd", "elsewhere": "Beauty"},
    ],
)
def test_no_two_rows_have_a_name_in_common(taken: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="Two metrics are called"):
        Table([*ROWS, replace(BEAUTY, **taken)])


def test_every_distance_has_its_title_elsewhere_and_its_place() -> None:
    for row in ROWS:
        assert title(row.key) == row.title
        if row.distance:
            key = row.named("random")
            assert (metric(key), title(key)) == (row, f"{row.elsewhere}, random")
    assert sorted(["fd_random", "vendi", "fid", "recall"], key=order) == [
        *("fid", "fd_random", "recall", "vendi")
    ]


def install(folder: Path, key: str, module: str, package: str = "beautyfaces") -> None:
    """Put a package on disk as pip would: its module, and its entry point for metrics."""
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[facebench.metrics]\n{key} = {package}_rows:ROW\n")
    (folder / f"{package}_rows.py").write_text(module)


GOOD = """
from facebench.metrics.table import Metric
from facebench.metrics.uncertainty import Estimate
ROW = Metric("beauty", "Beauty", lambda c: Estimate(1.0), "higher", "", "How beautiful it is.",
             distance="bd", elsewhere="Beauty distance")
"""


def test_a_packages_row_is_listed_unloaded_and_loaded_when_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "beauty2", GOOD.replace('"beauty"', '"beauty2"'), "beautyfaces2")
    monkeypatch.syspath_prepend(tmp_path)
    table = Table(ROWS)
    assert list(table) == [*METRICS, "beauty2"] and "beauty2" in table
    assert "beautyfaces2_rows" not in sys.modules
    assert table["beauty2"].title == table.find("bd_random").title == "Beauty"
    assert table.usable[-1] is table["beauty2"]
    assert not is_known("beauty2")  # it came after the table of this process was read


@pytest.mark.parametrize(
    ("package", "module", "says"),
    [
        ("absent", "import no_such_package", "needs the package 'no_such_package', .*pip install"),
        ("broken", "1 / 0", "ZeroDivisionError: division by zero"),
        ("empty", "", "AttributeError"),
        ("other", "ROW = 1", "its entry point gives 1, not a Metric with this key"),
        ("unlike", GOOD.replace('"beauty"', '"ugly"'), "not a Metric with this key"),
        ("wrong", GOOD.replace('"Beauty"', '""'), "it needs a title and a card"),
        ("taken", GOOD.replace('"bd"', '"fd"'), "Two metrics are called 'fd'"),
    ],
)
def test_a_wrong_row_names_its_package_and_harms_no_other(
    package: str, module: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "beauty", module, package)
    monkeypatch.syspath_prepend(tmp_path)
    table = Table(ROWS)
    message = f"The metric 'beauty' of the package {package} cannot be used: .*{says}"
    with pytest.raises(BadInput, match=message):
        table["beauty"]
    with pytest.warns(match=message):
        assert table.usable == list(ROWS)
    assert table.find("fd_random").key == "fid"


def test_a_name_of_facebenchs_own_is_not_given_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "fid", GOOD.replace('"beauty"', '"fid"'), "bolder")
    monkeypatch.syspath_prepend(tmp_path)
    table = Table(ROWS)
    with pytest.warns(match="'fid' of the package bolder is not used: facebench has 'fid' itself"):
        assert list(table) == list(METRICS)
    assert table["fid"].title == "FID"


@pytest.mark.processes
def test_a_broken_package_breaks_no_evaluation_and_no_help(
    tmp_path: Path, tiny_folder: Path
) -> None:
    install(tmp_path, "beauty", "1 / 0")
    launcher = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import facebench.cli as c; "
    evaluation = ["eval", "--models", f"a=images:{tiny_folder / 'images.npy'}", "--num", "8"]
    evaluation += ["--reference", str(tiny_folder), "--extractor", "random"]
    for words, code, says in (
        (["eval", "--help"], 0, "beauty"),
        (["metrics"], 0, "cannot be used: ZeroDivisionError"),
        (evaluation, 0, "cannot be used: ZeroDivisionError"),
        ([*evaluation, "--metrics", "beauty"], 2, "of the package beautyfaces cannot be used"),
    ):
        answer = subprocess.run(
            [sys.executable, "-c", f"{launcher}c.main()", *words],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert answer.returncode == code, answer.stderr
        assert says in answer.stdout + answer.stderr
    assert (tmp_path / "results" / "leaderboard.csv").is_file()


def test_rows_are_metrics_with_keys_of_their_own() -> None:
    assert all(isinstance(row, Metric) for row in METRICS.values())
    assert [row.key for row in METRICS.values()] == list(METRICS)
