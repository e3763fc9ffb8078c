"""The metrics of one set of images; one that fails fails alone."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from facebench.engine.context import Context
from facebench.errors import cause
from facebench.metrics.device import compute_on
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
    for row in context.metrics if rows is None else rows:
        key = row.named(context.network.name)
        try:
            scores.values[key] = compute_on(context.device, partial(row.compute, comparison))
        except Exception as error:  # of linear algebra, of memory, of a plug-in's
            scores.failed[key] = cause(error)
    return scores


def recorded(key: str, estimate: Estimate, floor: float | None) -> Value:
    """Return an estimate as a Result has it."""
    low, high = estimate.interval(metric(key).valid) or (None, None)
    groups = () if estimate.groups is None else tuple(estimate.groups.tolist())
    beside = estimate.reference, floor, groups, estimate.curve, dict(estimate.classes)
    return Value(estimate.value, estimate.error, low, high, *beside)
