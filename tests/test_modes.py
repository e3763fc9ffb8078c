import re
import subprocess
import sys
from dataclasses import fields

import pytest

from facebench.errors import BadInput
from facebench.metrics.modes import DEFAULT, MODES, Mode, find_mode
from facebench.metrics.table import METRICS


def test_modes_are_named_after_their_tools() -> None:
    tools = ["torch-fidelity", "pytorch-fid", "clean-fid", "prdc", "dgm-eval"]
    assert list(MODES) == ["facebench", *tools]
    assert all(mode.name == name for name, mode in MODES.items())


def test_the_default_restricts_nothing() -> None:
    default = MODES[DEFAULT]
    default.check("my_module:make", list(METRICS))
    assert {f.name for f in fields(Mode) if getattr(default, f.name) != f.default} == {
        "name",
        "card",
    }


@pytest.mark.parametrize("mode", MODES.values(), ids=list(MODES))
def test_every_mode_defines_metrics_that_exist_and_says_what_it_matches(mode: Mode) -> None:
    assert mode.metrics is None or set(mode.metrics) <= set(METRICS)
    assert re.fullmatch(r"[^.].*[a-z0-9]\.", mode.card) and "\n" not in mode.card


def test_what_a_mode_does_not_define_is_refused_with_what_it_does() -> None:
    MODES["pytorch-fid"].check("inception@768", ["fid"])
    with pytest.raises(BadInput, match="pytorch-fid does not define kid; it defines: fid"):
        MODES["pytorch-fid"].check("inception", ["fid", "kid"])
    with pytest.raises(BadInput, match="clean-fid has no extractor 'vgg16'; it has: inception"):
        MODES["clean-fid"].check("vgg16", ["fid"])
    MODES["prdc"].check("vgg16", ["density"])
    with pytest.raises(BadInput, match="dgm-eval has no extractor 'inception'; it has: dinov2"):
        MODES["dgm-eval"].check("inception", ["fid"])


def test_unknown_modes_are_refused_with_what_there_is() -> None:
    assert find_mode("prdc") is MODES["prdc"]
    with pytest.raises(BadInput, match=r"no mode 'dgm'; there are: facebench, .*dgm-eval\."):
        find_mode("dgm")


@pytest.mark.processes
def test_reading_the_modes_loads_no_torch() -> None:
    code = "import sys, facebench.metrics.modes; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
