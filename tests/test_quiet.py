import os
import signal
import subprocess
import sys

import pytest

from facebench_keras.runtime import without_notices


def test_all_but_known_lines_are_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    with without_notices(["oneDNN"]):
        os.write(2, b"I0000 oneDNN is on\nE0000 out of memory\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "E0000 out of memory\nafter\n"


def test_what_was_said_before_an_error_is_not_lost(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with without_notices(["oneDNN"]):
            os.write(2, b"the reason\n")
            raise ValueError("too late")

    with pytest.raises(ValueError, match="late"):
        fail()
    assert capfd.readouterr().err == "the reason\n"


@pytest.mark.processes
def test_the_last_words_of_a_crash_are_passed_on() -> None:
    code = (
        "import os, signal\n"
        "from facebench_keras.runtime import without_notices\n"
        "with without_notices(['oneDNN']):\n"
        "    os.write(2, b'no such instruction')\n"
        "    os.kill(os.getpid(), signal.SIGABRT)\n"
    )
    crashed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert crashed.returncode == -signal.SIGABRT
    assert crashed.stderr == b"no such instruction\n"
