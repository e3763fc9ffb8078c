"""What every trainer shares: the run's folder, the loop, its checkpoints, and what is shown.

A run is a folder: ``config.json`` (which adapter, every option, the data's digest),
``metrics.jsonl`` (one line per logged step), ``events.out.tfevents.*`` (the same for TensorBoard),
``samples/`` (grids and animations), ``checkpoints/``, ``README.md`` and the model file that the
adapter loads. A trainer gives a :class:`~facebench.training.learner.Learner`;
:func:`facebench.training.loop.fit` does the rest. What trainers of other packages need is here.
"""

import importlib
from typing import Any

_HOMES = {
    **dict.fromkeys(("require_power_of_two", "train_images"), "data"),
    **dict.fromkeys(("Diverged", "ImageRows", "Learner", "generator", "random_batch"), "learner"),
    **dict.fromkeys(("Plan", "plan_options", "trainer_options"), "options"),
    **{"Run": "run", "fit": "loop", "trained_model": "sampler"},
}

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    """Load a part on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'facebench.training' has no attribute {name!r}")
    return getattr(importlib.import_module(f"facebench.training.{_HOMES[name]}"), name)
