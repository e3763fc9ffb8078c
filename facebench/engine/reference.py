"""The features of the real images, and how real images score among themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from facebench.engine.comparability import Side
from facebench.engine.context import Context
from facebench.engine.jobs import Extracted, dataset_job, real_job, run, side_of
from facebench.engine.scores import Scores, Sets, compute_metrics
from facebench.metrics.feature_sets import FeatureSet
from facebench.metrics.table import Metric

_ON_STATISTICS = (
    "the reference is statistics: intervals are of the generated images alone, and there is no "
    "noise floor"
)


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

    @cache  # noqa: B019 - one object an evaluation
    def floor(self, num: int) -> tuple[Mapping[str, float], tuple[str, ...]]:
        """Return what real images score in the place of `num` generated ones, and notes on that.

        There stand as many training images, unless the reference holds them itself; otherwise its
        two halves must do, at half the number.
        """
        if not self.context.real.has_images:
            return {}, (_ON_STATISTICS,)
        context, notes = self.context, []
        real, others = self.extracted.sets, self.others
        if others is None:
            half = min(num, len(context.real) // 2)
            said = f"the noise floor is of {half} images a side, for want of other real images"
            notes.append(said)
            real, others = _part(real, 0, half), _part(real, half, 2 * half)
        scores = [
            compute_metrics(context, real, others, _defined(context, real, others)),
            self._floor_of_copying(),
        ]
        failed = (item for each in scores for item in each.failed.items())
        notes += [f"no noise floor of {key}: {why}" for key, why in failed]
        values = (item for each in scores for item in each.values.items())
        return {key: estimate.value for key, estimate in values}, tuple(notes)

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
    training = context.training
    jobs = {"reference": real_job(context.real)}
    if training is not None and context.asks_of_copies:
        jobs["training"] = dataset_job(training, len(training), "Training images")
    if training is not None and context.real.is_apart and len(training) >= len(context.seeds):
        jobs["others"] = dataset_job(training, len(context.seeds), "Other real images")
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


def _part(sets: Sets, start: int, stop: int) -> Sets:
    return {name: each.part(start, stop) for name, each in sets.items()}


def _defined(context: Context, *sides: Sets) -> Sequence[Metric]:
    """Return the metrics that sets as small as these have."""
    every = [each for side in sides for each in side.values()]
    smallest = min(len(each.features) for each in every)
    rows = [r for r in context.metrics if r.needs != "training" and r.minimum <= smallest]
    if all(_has_pairs(each) for each in every):
        return rows
    return [row for row in rows if row.needs != "lpips"]


def _has_pairs(features: FeatureSet) -> bool:
    """Say whether LPIPS' moments, which a small part may have none of, make a pair of images."""
    return features.lpips is None or int(features.lpips["count"].sum()) > 1
