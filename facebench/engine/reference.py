"""What the networks saw of the real images, and how real images score among themselves."""

from collections.abc import Mapping
from dataclasses import dataclass

from facebench.data.dataset import Dataset
from facebench.engine.setting import Scores, Seen, Setting
from facebench.engine.sources import DatasetSource
from facebench.metrics.comparison import FeatureSet


@dataclass(frozen=True)
class Reference:
    """Everything real that models are compared with."""

    seen: Seen
    training: FeatureSet | None
    """All training images, where a metric asks whether models copy them."""
    floor: Mapping[str, float]
    """By metric: what other real images score in the generated ones' place."""
    notes: tuple[str, ...]


def see_reference(setting: Setting) -> Reference:
    """Show the networks all real images that the metrics need, and score some against others."""
    seen = setting.see_real(*_reference(setting))
    training = setting.see_real(*_training(setting)).features if _asks_of_copies(setting) else None
    real, other, notes = _two_real_sets(setting, seen.features)
    floors = _floor(setting, real, other), _floor_of_copying(setting, seen.features, training)
    floor = {key: e.value for each in floors for key, e in each.values.items()}
    failed = (f"no noise floor of {k}: {why}" for each in floors for k, why in each.failed.items())
    return Reference(seen, training, floor, (*notes, *failed))


def look_at_reference(setting: Setting) -> None:
    """Do a rank's share of `see_reference`, which the leader does all of."""
    shown = [_reference(setting)]
    shown += [_training(setting)] if _asks_of_copies(setting) else []
    shown += [_others(setting)] if _has_others(setting) else []
    for dataset, description, count in shown:
        setting.look(DatasetSource(dataset), range(count), description)


Shown = tuple[Dataset, str, int]
"""Real images, what they are, and how many of them the networks are shown."""


def _reference(setting: Setting) -> Shown:
    return setting.dataset, "Reference", len(setting.dataset)


def _training(setting: Setting) -> Shown:
    return setting.training, "Training images", len(setting.training)


def _others(setting: Setting) -> Shown:
    return setting.training, "Other real images", len(setting.seeds)


def _asks_of_copies(setting: Setting) -> bool:
    return any(row.needs == "training" for row in setting.metrics)


def _has_others(setting: Setting) -> bool:
    return setting.dataset.part == "holdout" and len(setting.training) >= len(setting.seeds)


def _two_real_sets(
    setting: Setting, reference: FeatureSet
) -> tuple[FeatureSet, FeatureSet, tuple[str, ...]]:
    """Return the reference and as many other real images as each model draws, if there are any.

    Training images are such, unless the reference holds them itself; otherwise its two halves must
    do, at half the number.
    """
    if _has_others(setting):
        return reference, setting.see_real(*_others(setting)).features, ()
    half = min(len(setting.seeds), len(setting.dataset) // 2)
    note = f"the noise floor is of {half} images a side, for want of other real images"
    return reference.part(0, half), reference.part(half, 2 * half), (note,)


def _floor(setting: Setting, real: FeatureSet, other: FeatureSet) -> Scores:
    smallest = min(len(real.features), len(other.features))
    rows = [r for r in setting.metrics if r.needs != "training" and r.minimum <= smallest]
    if not all(_has_pairs(each) for each in (real, other)):
        rows = [row for row in rows if row.needs != "lpips"]
    return setting.score(real, other, rows=rows)


def _has_pairs(features: FeatureSet) -> bool:
    """Say whether LPIPS' moments, which a small part may have none of, make a pair of images."""
    return features.lpips is None or int(features.lpips["count"].sum()) > 1


def _floor_of_copying(
    setting: Setting, reference: FeatureSet, training: FeatureSet | None
) -> Scores:
    """Score the reference as if it were generated, where it holds no training images itself."""
    rows = [row for row in setting.metrics if row.needs == "training"]
    is_apart = setting.dataset.part == "holdout"
    return setting.score(reference, reference, training, rows if is_apart else [])
