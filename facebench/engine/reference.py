"""The features of the real images, and how real images score among themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from facebench.engine.context import Context
from facebench.engine.jobs import Extracted, dataset_job, run
from facebench.engine.scores import Scores, compute_metrics
from facebench.metrics.feature_sets import FeatureSet
from facebench.metrics.table import Metric


@dataclass(frozen=True)
class Reference:
    """Everything real that models are compared with."""

    extracted: Extracted
    training: FeatureSet | None
    """All training images, where a metric asks whether models copy them."""
    floor: Mapping[str, float]
    """By metric: what other real images score in the generated ones' place."""
    notes: tuple[str, ...]


def extract_reference(context: Context) -> Reference | None:
    """Extract all real images that the metrics need, and score some against others.

    Of several processes the leading one returns it.
    """
    dataset, training = context.dataset, context.training
    jobs = {"reference": dataset_job(dataset, len(dataset), "Reference")}
    if context.asks_of_copies:
        jobs["training"] = dataset_job(training, len(training), "Training images")
    if dataset.part == "holdout" and len(training) >= len(context.seeds):
        jobs["others"] = dataset_job(training, len(context.seeds), "Other real images")
    found = {name: run(job, context) for name, job in jobs.items()}
    reference = found["reference"]
    if reference is None:
        return None
    sets = {name: each.features for name, each in found.items() if each}
    floor, notes = _floor(context, sets["reference"], sets.get("others"), sets.get("training"))
    return Reference(reference, sets.get("training"), floor, notes)


def _floor(
    context: Context,
    reference: FeatureSet,
    others: FeatureSet | None,
    training: FeatureSet | None,
) -> tuple[Mapping[str, float], tuple[str, ...]]:
    """Return what real images score, and what must be said of it.

    In the generated images' place stand as many training images as each model gives, unless the
    reference holds them itself; otherwise its two halves must do, at half the number.
    """
    notes = []
    real = reference
    if others is None:
        half = min(len(context.seeds), len(context.dataset) // 2)
        notes.append(f"the noise floor is of {half} images a side, for want of other real images")
        real, others = reference.part(0, half), reference.part(half, 2 * half)
    scores = [
        compute_metrics(context, real, others, rows=_defined(context, real, others)),
        _floor_of_copying(context, reference, training),
    ]
    failed = (item for each in scores for item in each.failed.items())
    notes += [f"no noise floor of {key}: {why}" for key, why in failed]
    values = (item for each in scores for item in each.values.items())
    return {key: estimate.value for key, estimate in values}, tuple(notes)


def _defined(context: Context, *sets: FeatureSet) -> Sequence[Metric]:
    """Return the metrics that sets as small as these have."""
    smallest = min(len(each.features) for each in sets)
    rows = [r for r in context.metrics if r.needs != "training" and r.minimum <= smallest]
    if all(_has_pairs(each) for each in sets):
        return rows
    return [row for row in rows if row.needs != "lpips"]


def _has_pairs(features: FeatureSet) -> bool:
    """Say whether LPIPS' moments, which a small part may have none of, make a pair of images."""
    return features.lpips is None or int(features.lpips["count"].sum()) > 1


def _floor_of_copying(
    context: Context, reference: FeatureSet, training: FeatureSet | None
) -> Scores:
    """Score the reference as if it were generated, where it holds no training images itself."""
    rows = [row for row in context.metrics if row.needs == "training"]
    is_apart = context.dataset.part == "holdout"
    return compute_metrics(context, reference, reference, training, rows if is_apart else [])
