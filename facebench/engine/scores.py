"""The metrics of one set of images; one that fails fails alone."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch

from facebench.engine.context import Context
from facebench.errors import cause
from facebench.metrics.feature_sets import Comparison, FeatureSet
from facebench.metrics.table import Metric, metric
from facebench.metrics.uncertainty import Estimate
from facebench.results.result import Value


class Scores(NamedTuple):
    """What the metrics gave, by the keys that they are reported under."""

    values: dict[str, Estimate]
    failed: dict[str, str]
    """Why a metric gave nothing."""


def compute_metrics(
    context: Context,
    real: FeatureSet,
    fake: FeatureSet,
    training: FeatureSet | None = None,
    rows: Sequence[Metric] | None = None,
) -> Scores:
    """Return every metric of `fake`, or those of `rows`, computed on the context's device."""
    comparison = Comparison(real, fake, training, context.mode)
    scores = Scores({}, {})
    with computing_on(context.device):
        for row in context.metrics if rows is None else rows:
            key = row.named(context.network.name)
            try:
                scores.values[key] = row.compute(comparison)
            except Exception as error:  # of linear algebra, of memory, of a plug-in's
                scores.failed[key] = cause(error)
    return scores


@contextmanager
def computing_on(device: str) -> Iterator[None]:
    """Compute what metrics make of NumPy arrays on `device` if it is CUDA's, else on the CPU."""
    place = torch.device(device if device.startswith("cuda") else "cpu")
    try:
        with place:
            yield
    finally:
        if place.type == "cuda":
            torch.cuda.empty_cache()  # a sampler's process may need what torch would keep


def recorded(key: str, estimate: Estimate, floor: float | None) -> Value:
    """Return an estimate as a Result has it."""
    low, high = estimate.interval(metric(key).valid) or (None, None)
    groups = () if estimate.groups is None else tuple(estimate.groups.tolist())
    beside = estimate.reference, floor, groups, estimate.curve
    return Value(estimate.value, estimate.error, low, high, *beside)
