"""Metrics as functions of arrays: features in, numbers out; no model, no file, no global state.

Each is loaded on first use: the table of metrics must cost nothing to those who only read it.
"""

import importlib
from typing import Any

_HOMES = {
    "authenticity": "memorization",
    "clipped_coverage": "clipped",
    "clipped_density": "clipped",
    "cmmd": "kernel",
    "computing_on": "device",
    "data_copying_test": "data_copying",
    "density_coverage": "manifold",
    "frechet_distance": "frechet",
    "frechet_infinity": "extrapolation",
    "identity_diversity": "identities",
    "identity_leakage": "identities",
    "inception_score": "inception",
    "kernel_distance": "kernel",
    "lpips_diversity": "diversity",
    "mind": "monge",
    "nearest_neighbours": "memorization",
    "precision_recall": "manifold",
    "rke": "renyi",
    "vendi": "vendi_score",
}

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    """Load a metric on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'facebench.metrics' has no attribute {name!r}")
    return getattr(importlib.import_module(f"facebench.metrics.{_HOMES[name]}"), name)
