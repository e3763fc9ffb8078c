import os

import pytest

from facebench.quiet import without_notices


def test_all_but_known_lines_are_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    with without_notices([b"oneDNN"]):
        os.write(2, b"I0000 oneDNN is on\nE0000 out of memory\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "E0000 out of memory\nafter\n"


def test_what_was_said_before_an_error_is_not_lost(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="late"), without_notices([]):
        os.write(2, b"the reason\n")
        raise ValueError("too late")
    assert capfd.readouterr().err == "the reason\n"
