"""What the networks saw of the real images, and how real images score among themselves."""

from collections.abc import Mapping
from dataclasses import dataclass

from facebench.engine.setting import Seen, Setting
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
    seen = setting.see_real(setting.dataset, "Reference")
    training = None
    if any(row.needs == "training" for row in setting.metrics):
        training = setting.see_real(setting.training, "Training images").features
    real, other, notes = _two_real_sets(setting, seen.features)
    floor = _floor(setting, real, other) | _floor_of_copying(setting, seen.features, training)
    return Reference(seen, training, floor, notes)


def _two_real_sets(
    setting: Setting, reference: FeatureSet
) -> tuple[FeatureSet, FeatureSet, tuple[str, ...]]:
    """Return the reference and as many other real images as each model draws, if there are any.

    Training images are such, unless the reference holds them itself; otherwise its two halves must
    do, at half the number.
    """
    count = len(setting.seeds)
    if setting.dataset.part == "holdout" and len(setting.training) >= count:
        other = setting.see_real(setting.training, "Other real images", count)
        return reference, other.features, ()
    half = min(count, len(setting.dataset) // 2)
    note = f"the noise floor is of {half} images a side, for want of other real images"
    return reference.part(0, half), reference.part(half, 2 * half), (note,)


def _floor(setting: Setting, real: FeatureSet, other: FeatureSet) -> dict[str, float]:
    smallest = min(len(real.features), len(other.features))
    rows = [r for r in setting.metrics if r.needs != "training" and r.minimum <= smallest]
    return {key: e.value for key, e in setting.score(real, other, rows=rows).items()}


def _floor_of_copying(
    setting: Setting, reference: FeatureSet, training: FeatureSet | None
) -> dict[str, float]:
    """Score the reference as if it were generated: its images are no copies of training images."""
    rows = [row for row in setting.metrics if row.needs == "training"]
    estimates = setting.score(reference, reference, training, rows)
    return {key: estimate.value for key, estimate in estimates.items()}
