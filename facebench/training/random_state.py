"""Random numbers for a guest in somebody else's process: the host's generators stay as they are."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def own_randomness(seed: int = 0) -> Iterator[None]:
    """Seed Python's, NumPy's and torch's global generators, and restore them in the end.

    A GPU's are left alone while nothing has been computed there: torch would seed them, later, as
    it was told here.
    """
    has_begun = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    there = torch.cuda.default_generators if has_begun else ()
    generators = [torch.default_generator, *there]
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - the user's own
    states = [generator.get_state() for generator in generators]
    try:
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        for generator in generators:
            generator.manual_seed(seed)
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)
