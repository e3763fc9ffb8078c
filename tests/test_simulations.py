"""The simulations behind docs/uncertainty.md, run as they were run for it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parent / "bench" / "simulations.py"


def _simulate(repetitions: int, *options: str) -> dict[str, Any]:
    words = [sys.executable, str(SCRIPT), "--repetitions", str(repetitions), "--json", *options]
    answer = subprocess.run(words, check=True, capture_output=True)
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


@pytest.mark.slow
@pytest.mark.processes
def test_intervals_hold_the_true_value_and_equal_models_are_seldom_called_different() -> None:
    found = _simulate(500)
    for key in ("fid", "fid_inf", "kid", "precision", "lpips_diversity"):
        assert 0.90 <= found["unlike"]["covered"][key][0] <= 0.98, key
    for key, share in found["unlike"]["alarms"].items():
        assert share <= 0.07, key
    for case in found.values():
        for key in ("fid", "fid_inf", "kid", "cmmd", "vendi"):
            assert 0.90 <= case["covered"][key][0] <= 0.98, key


@pytest.mark.processes
def test_some_metrics_are_simulated_alone() -> None:
    found = _simulate(2, "--metrics", "vendi,lpips_diversity")
    assert len(found) == 4
    for case in found.values():
        assert case["covered"].keys() == case["alarms"].keys() == {"vendi", "lpips_diversity"}
