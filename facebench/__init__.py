"""Evaluate and benchmark face generators.

>>> import facebench
>>> facebench.__version__
'0.1.0'

Everything below is loaded on first use, so that ``import facebench`` costs nothing:

- :func:`facebench.score`: two sets of images and one answer
- :func:`facebench.evaluate`: score generators against a reference data set
- :func:`facebench.evaluate_pairs`: score image-to-image models against the true targets
- :func:`facebench.compare`: two Results, metric by metric
- :func:`facebench.load`: a sampler from an adapter's name and a path
- :mod:`facebench.metrics`: the metrics as functions of arrays
- :func:`facebench.track`: a curve of scores while a model trains, in anybody's loop
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_LAZY = {
    "compare": ("facebench.metrics.paired", "compare"),
    "evaluate": ("facebench.engine", "evaluate"),
    "evaluate_pairs": ("facebench.pairs.evaluate", "evaluate_pairs"),
    "load": ("facebench.plugins.registry", "load"),
    "metrics": ("facebench.metrics", None),
    "score": ("facebench.engine.score", "score"),
    "track": ("facebench.training.track", "track"),
}

__all__ = [
    "__version__",
    "compare",
    "evaluate",
    "evaluate_pairs",
    "load",
    "metrics",
    "score",
    "track",
]


def __getattr__(name: str) -> Any:
    """Load a public name on first use (PEP 562)."""
    if name not in _LAZY:
        raise AttributeError(f"module 'facebench' has no attribute {name!r}")
    module_name, attribute = _LAZY[name]
    module = importlib.import_module(module_name)
    return getattr(module, attribute) if attribute else module
