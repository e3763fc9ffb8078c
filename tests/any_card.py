"""A GPU for tests marked `gpu`: a real one, or the pretended one where that is asked for."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="module", autouse=True)
def card() -> Iterator[str]:
    """Give the name of a GPU, be it pretended."""
    if torch.cuda.is_available():
        yield "real"
    elif os.environ.get("FACEBENCH_PRETENDED_GPU"):
        from pretended_gpu import pretended_gpu

        with pretended_gpu():
            yield "pretended"
    else:
        pytest.skip("torch sees no GPU")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what is kept away from the user's cache."""
    monkeypatch.setenv("FACEBENCH_CACHE", str(tmp_path))
