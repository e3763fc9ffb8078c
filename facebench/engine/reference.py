"""What the networks saw of the real images, and how real images score among themselves."""

from collections.abc import Mapping
from dataclasses import dataclass

from facebench.data.dataset import Dataset
from facebench.engine.context import Context, Extracted, Scores
from facebench.engine.sources import DatasetSource
from facebench.metrics.comparison import FeatureSet


@dataclass(frozen=True)
class Reference:
    """Everything real that models are compared with."""

    extracted: Extracted
    training: FeatureSet | None
    """All training images, where a metric asks whether models copy them."""
    floor: Mapping[str, float]
    """By metric: what other real images score in the generated ones' place."""
    notes: tuple[str, ...]


def extract_reference(context: Context) -> Reference:
    """Show the networks all real images that the metrics need, and score some against others."""
    extracted = context.see_real(*_reference(context))
    training = context.see_real(*_training(context)).features if _asks_of_copies(context) else None
    real, other, notes = _two_real_sets(context, extracted.features)
    floors = _floor(context, real, other), _floor_of_copying(context, extracted.features, training)
    floor = {key: e.value for each in floors for key, e in each.values.items()}
    failed = (f"no noise floor of {k}: {why}" for each in floors for k, why in each.failed.items())
    return Reference(extracted, training, floor, (*notes, *failed))


def look_at_reference(context: Context) -> None:
    """Do a rank's share of `extract_reference`, which the leader does all of."""
    shown = [_reference(context)]
    shown += [_training(context)] if _asks_of_copies(context) else []
    shown += [_others(context)] if _has_others(context) else []
    for dataset, description, count in shown:
        context.look(DatasetSource(dataset), range(count), description)


Shown = tuple[Dataset, str, int]
"""Real images, what they are, and how many of them the networks are shown."""


def _reference(context: Context) -> Shown:
    return context.dataset, "Reference", len(context.dataset)


def _training(context: Context) -> Shown:
    return context.training, "Training images", len(context.training)


def _others(context: Context) -> Shown:
    return context.training, "Other real images", len(context.seeds)


def _asks_of_copies(context: Context) -> bool:
    return any(row.needs == "training" for row in context.metrics)


def _has_others(context: Context) -> bool:
    return context.dataset.part == "holdout" and len(context.training) >= len(context.seeds)


def _two_real_sets(
    context: Context, reference: FeatureSet
) -> tuple[FeatureSet, FeatureSet, tuple[str, ...]]:
    """Return the reference and as many other real images as each model draws, if there are any.

    Training images are such, unless the reference holds them itself; otherwise its two halves must
    do, at half the number.
    """
    if _has_others(context):
        return reference, context.see_real(*_others(context)).features, ()
    half = min(len(context.seeds), len(context.dataset) // 2)
    note = f"the noise floor is of {half} images a side, for want of other real images"
    return reference.part(0, half), reference.part(half, 2 * half), (note,)


def _floor(context: Context, real: FeatureSet, other: FeatureSet) -> Scores:
    smallest = min(len(real.features), len(other.features))
    rows = [r for r in context.metrics if r.needs != "training" and r.minimum <= smallest]
    if not all(_has_pairs(each) for each in (real, other)):
        rows = [row for row in rows if row.needs != "lpips"]
    return context.score(real, other, rows=rows)


def _has_pairs(features: FeatureSet) -> bool:
    """Say whether LPIPS' moments, which a small part may have none of, make a pair of images."""
    return features.lpips is None or int(features.lpips["count"].sum()) > 1


def _floor_of_copying(
    context: Context, reference: FeatureSet, training: FeatureSet | None
) -> Scores:
    """Score the reference as if it were generated, where it holds no training images itself."""
    rows = [row for row in context.metrics if row.needs == "training"]
    is_apart = context.dataset.part == "holdout"
    return context.score(reference, reference, training, rows if is_apart else [])
