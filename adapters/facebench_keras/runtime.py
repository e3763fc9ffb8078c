"""Keras, imported late, quietly and on the backend asked for."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType

from facebench.errors import BadInput

_NOTICES = (  # of TensorFlow's start, which no log level holds back
    "before absl::InitializeLog()",  # the heading of the others
    "oneDNN custom operations are on",
    "Could not find cuda drivers",
    "failed call to cuInit",  # there is no GPU
)


def start_keras(backend: str) -> ModuleType:
    """Import Keras on `backend`, unless this process already runs it on another, and return it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up notices
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # else it takes the whole GPU
    if running := sys.modules.get("keras"):
        return running
    os.environ["KERAS_BACKEND"] = backend  # read once, when Keras is first imported
    try:
        with without_notices(_NOTICES):
            import keras

            if keras.backend.backend() == "tensorflow":
                import tensorflow as tf

                tf.config.list_physical_devices()  # looks for GPUs, and says what it finds
    except ModuleNotFoundError as error:
        raise BadInput(
            f"Keras needs the package {error.name!r}, which is not installed: "
            "pip install 'facebench[keras]'"
        ) from error
    return keras


@contextmanager
def without_notices(known: Sequence[str]) -> Iterator[None]:
    """Pass on what is written to standard error meanwhile, but for lines that hold one of `known`.

    By a process of its own, for the last words of a crash would be lost with a thread or a file of
    this one; and not Python's, which takes longer to start than all the rest.
    """
    sys.stderr.flush()
    shown = os.dup(2)
    words = ["grep", "--line-buffered", "--invert-match", "--fixed-strings", "\n".join(known)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=shown) as passing:
        assert passing.stdin is not None, "it was asked for"
        os.dup2(passing.stdin.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(shown, 2)
            os.close(shown)
