"""The features of the real images, and how real images score among themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from facebench.data.pictures import random_order
from facebench.engine.comparability import Side
from facebench.engine.context import Context
from facebench.engine.jobs import Extracted, Job, dataset_job, real_job, run, side_of
from facebench.engine.scores import (
    Scores,
    Sets,
    compute_metrics,
    compute_over_floors,
    over_floors_of,
)
from facebench.metrics.feature_sets import FeatureSet
from facebench.metrics.table import Metric
from facebench.metrics.uncertainty import Estimate

_ON_STATISTICS = (
    "the reference is statistics: intervals are of the generated images alone, and there is no "
    "noise floor"
)
_ON_HALVES = (
    "the noise floor is of {:,} real images against {:,} others of the same set: distances are "
    "larger at so few, and shares other, than for the numbers beside it"
)
_ON_FEWER = "of the first {:,} generated images against {:,} real ones, as its noise floor is"


Floor = tuple[Mapping[str, Estimate], tuple[str, ...]]
"""What real images score, by metric, and what must be said of it."""


@dataclass(frozen=True, eq=False)
class Reference:
    """Everything real that models are compared with."""

    context: Context
    extracted: Extracted
    side: Side
    others: Sets | None
    """As many other real images as each model gives, where there are any."""
    training: FeatureSet | None
    """All training images, where a metric asks whether models copy them."""

    @cached_property
    def _floors(self) -> dict[int, Floor]:
        return {}

    def floor(self, num: int) -> Floor:
        """Return what real images score in the place of `num` generated ones, and notes on that."""
        if num not in self._floors:
            self._floors[num] = self._floor(num)
        return self._floors[num]

    def _floor(self, num: int) -> Floor:
        if not self.context.real.has_images:
            return {}, (_ON_STATISTICS,)
        context, (real, others) = self.context, self._place(num)
        scores = [
            compute_metrics(context, real, others, _defined(context, real, others)),
            self._floor_of_copying(),
        ]
        of_halves = self.others is None and any(each.values for each in scores)
        notes = [_ON_HALVES.format(_count(real), _count(others))] if of_halves else []
        failed = (item for each in scores for item in each.failed.items())
        notes += [f"no noise floor of {key}: {why}" for key, why in failed]
        values = {key: each for one in scores for key, each in one.values.items()}
        over_floors = compute_over_floors(context, context.metrics, real, others, values, values)
        return values | over_floors.values, tuple(notes)

    def over_floors(
        self, rows: Sequence[Metric], fake: Sets, distances: Mapping[str, Estimate]
    ) -> Scores:
        """Return those `rows` that are made of the distances of `fake` and their noise floors.

        Both are of equally many images, for a distance falls as these grow: where the floor is of
        fewer, the distances are computed again, of as many.
        """
        rows = [row for row in rows if row.needs == "floors"]
        if not rows:
            return Scores.none()
        context, num = self.context, _count(fake)
        real, others = self._place(num)
        is_whole = real is self.extracted.sets and _count(others) == num
        if not is_whole:
            fake = _part(fake, 0, _count(others))
            distances = compute_metrics(context, real, fake, over_floors_of(context)).values
        found = compute_over_floors(context, rows, real, fake, distances, self.floor(num)[0])
        if not is_whole:
            note = _ON_FEWER.format(_count(fake), _count(real))
            found.values.update({k: replace(e, note=note) for k, e in found.values.items()})
        return found

    def _place(self, num: int) -> tuple[Sets, Sets]:
        """Return real images, and other real ones in the place of `num` that are generated.

        These are as many training images, unless the reference holds them itself; otherwise some of
        its own images must do, half of them at most, against the rest.
        """
        real = self.extracted.sets
        if self.others is not None:
            is_enough = 0 < num < _count(self.others)
            return real, _part(self.others, 0, num) if is_enough else self.others
        order = self._order()
        count = min(num or len(order), len(order) // 2)
        return _taken(real, order[count:]), _taken(real, order[:count])

    def _order(self) -> np.ndarray:
        """Return the places of the real images, in an order in which any part is like the whole."""
        count = len(self.context.real)
        return np.arange(count) if self.context.real.is_shuffled else random_order(count)

    def _floor_of_copying(self) -> Scores:
        """Score the reference as if it were generated, where it has no training images itself."""
        context, real = self.context, self.extracted.sets
        rows = [row for row in context.metrics if row.needs == "training"]
        is_apart = context.real.is_apart
        return compute_metrics(context, real, real, rows if is_apart else [], self.training)


def extract_reference(context: Context) -> Reference | None:
    """Extract all real images that the metrics need.

    Of several processes the leading one returns it.
    """
    jobs = reference_jobs(context)
    found = {name: run(job, context) for name, job in jobs.items()}
    reference = found["reference"]
    if reference is None:
        return None
    copied, others = found.get("training"), found.get("others")
    return Reference(
        context,
        reference,
        side_of(jobs["reference"], reference),
        others.sets if others else None,
        copied.features if copied else None,
    )


def reference_jobs(context: Context) -> dict[str, Job]:
    """Return what has to be extracted of real images."""
    training = context.training
    jobs = {"reference": real_job(context.real)}
    if training is not None and (context.asks_of_copies or context.asks_of_people):
        jobs["training"] = dataset_job(
            training, len(training), "Training images", networks=context.asks_of_copies
        )
    if training is not None and context.real.is_apart and len(training) >= len(context.seeds):
        jobs["others"] = dataset_job(training, len(context.seeds), "Other real images")
    return jobs


def _count(sets: Sets) -> int:
    """Return how many images the networks' features are of."""
    return len(next(iter(sets.values())).features)


def _taken(sets: Sets, places: np.ndarray) -> Sets:
    """Return the images at these places, as a part where they follow one another."""
    first, last = int(places[0]), int(places[-1]) + 1
    if (np.diff(places) == 1).all():
        return _part(sets, first, last)
    return {name: each.take(np.sort(places)) for name, each in sets.items()}


def _part(sets: Sets, start: int, stop: int) -> Sets:
    return {name: each.part(start, stop) for name, each in sets.items()}


def _defined(context: Context, *sides: Sets) -> Sequence[Metric]:
    """Return the metrics that sets as small as these have."""
    every = [each for side in sides for each in side.values()]
    smallest = min(len(each.features) for each in every)
    rows = [r for r in context.metrics if not r.is_of_copies and r.minimum <= smallest]
    # real images have no latents, and are answers to no source
    rows = [row for row in rows if row.needs != "steps" and not row.is_of_pairs]
    if all(_has_pairs(each) for each in every):
        return rows
    return [row for row in rows if row.needs != "lpips"]


def _has_pairs(features: FeatureSet) -> bool:
    """Say whether LPIPS' moments, which a small part may have none of, make a pair of images."""
    return features.lpips is None or int(features.lpips["count"].sum()) > 1
