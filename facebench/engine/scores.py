"""The metrics of one set of images; one that fails fails alone."""

from collections.abc import Mapping, Sequence
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


Sets = Mapping[str, FeatureSet]
"""What each network makes of some images, by the network's name."""


def compute_metrics(
    context: Context,
    real: Sets,
    fake: Sets,
    rows: Sequence[Metric],
    training: FeatureSet | None = None,
) -> Scores:
    """Return the metrics `rows` of `fake`, computed on the context's device.

    Of networks but the first only distances are taken.
    """
    scores = Scores({}, {})
    for network in context.networks:
        is_first = network is context.network
        sets = real[network.name], fake[network.name]
        comparison = Comparison(*sets, training if is_first else None, context.mode)
        for row in rows:
            if not (is_first or (row.distance and row.needs in ("features", "labels"))):
                continue
            key = row.named(network.name)
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
