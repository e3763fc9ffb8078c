"""The metrics of one set of images; one that fails fails alone."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from facebench.engine.context import Context
from facebench.errors import BadInput, cause
from facebench.metrics.device import compute_on
from facebench.metrics.feature_sets import Comparison, FeatureSet
from facebench.metrics.frechet_ratio import OverFloor
from facebench.metrics.metric import Family
from facebench.metrics.table import METRICS, Metric, metric
from facebench.metrics.uncertainty import Estimate
from facebench.results.result import Value


class Scores(NamedTuple):
    """What the metrics gave, by the keys that they are reported under."""

    values: dict[str, Estimate]
    failed: dict[str, str]
    """Why a metric gave nothing."""
    refused: dict[str, str]
    """Of what the images tell too little, and why: they show no face, say."""

    @classmethod
    def none(cls) -> "Scores":
        """Return those of no metric, to be added to."""
        return cls({}, {}, {})

    def joined(self, other: "Scores") -> "Scores":
        """Return both."""
        return Scores(
            self.values | other.values, self.failed | other.failed, self.refused | other.refused
        )

    def compute(self, row: Metric, key: str, device: str, comparison: Comparison) -> None:
        """Add what `row` makes of a comparison, or why it gives nothing."""
        give: Callable[[Comparison], Estimate | Family] = row.family or row.compute
        try:
            found = compute_on(device, partial(give, comparison))
        except Exception as error:  # of linear algebra, of memory, of a plug-in's
            # too few faces or pixels, or no held-out images to compare with training ones
            is_refusal = row.is_of_faces or row.is_of_copies or row.is_of_pairs
            if is_refusal and isinstance(error, BadInput):
                self.refused[key] = _said(error)
            else:
                self.failed[key] = cause(error)
            return
        for name, each in _by_key(key, found).items():
            if isinstance(each, BadInput):
                self.refused[name] = _said(each)
            else:
                self.values[name] = each


def _said(error: BadInput) -> str:
    return str(error).rstrip(".")


def _by_key(key: str, found: Estimate | Family) -> Family:
    if isinstance(found, Estimate):
        return {key: found}
    return {f"{key}_{name}": each for name, each in found.items()}


IDENTITY = "fd_identity"
"""The Fréchet distance between faces, as a face model embeds them."""
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
    scores = Scores.none()
    for network in context.networks:
        is_first = network is context.network
        sets = real[network.name], fake[network.name]
        comparison = Comparison(
            *sets, training if is_first else None, context.mode, is_apart=context.real.is_apart
        )
        for row in rows:
            if row.needs == "floors" or not (is_first or row.is_of_every_network):
                continue
            key = row.named(network.name)
            scores.compute(row, key, context.device, comparison)
    return scores


def over_floors_of(context: Context) -> list[Metric]:
    """Return the rows whose values, over their noise floors, others are made of."""
    return [METRICS["fid"], *([METRICS[IDENTITY]] if context.faces else [])]


def compute_over_floors(
    context: Context,
    rows: Sequence[Metric],
    real: Sets,
    fake: Sets,
    distances: Mapping[str, Estimate],
    floors: Mapping[str, Estimate],
) -> Scores:
    """Return those `rows` that are made of all networks' Fréchet distances and noise floors."""
    scores = Scores.none()
    keys = [METRICS["fid"].named(network.name) for network in context.networks]
    if context.faces:
        keys.append(IDENTITY)
    lacking = [key for key in keys if key not in distances or key not in floors]
    for row in rows:
        if row.needs != "floors":
            continue
        if lacking:
            told = scores.refused if lacking == [IDENTITY] else scores.failed
            told[row.key] = f"there is no {lacking[0]}, or no noise floor of it"
            continue
        parts = [OverFloor(distances[key], floors[key]) for key in keys]
        sets = real[context.network.name], fake[context.network.name]
        comparison = Comparison(*sets, mode=context.mode, over_floors=parts)
        scores.compute(row, row.key, context.device, comparison)
    return scores


def recorded(key: str, estimate: Estimate, floor: float | None) -> Value:
    """Return an estimate as a Result has it."""
    low, high = estimate.interval(metric(key).valid) or (None, None)
    groups = () if estimate.groups is None else tuple(estimate.groups.tolist())
    beside = estimate.reference, floor, groups, estimate.curve, dict(estimate.classes)
    more = dict(estimate.details), estimate.differs
    return Value(estimate.value, estimate.error, low, high, *beside, *more)
