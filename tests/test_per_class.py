import numpy as np
import pytest

from facebench.errors import BadInput
from facebench.metrics import frechet_distance
from facebench.metrics.per_class import frechet_per_class
from facebench.metrics.uncertainty import GROUPS, Estimate


def normal(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d))


def drawn(sizes: dict[str, int], seed: int, d: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Draw features about another mean for every class, in random order."""
    labels = np.repeat([*sizes], [*sizes.values()])
    shifts = np.repeat(np.arange(len(sizes)), [*sizes.values()])[:, None]
    order = np.random.default_rng(seed).permutation(len(labels))
    return (normal(len(labels), d, seed) + shifts)[order], labels[order]


def test_it_is_the_mean_of_the_distances_within_the_classes() -> None:
    real, of_real = drawn({"a": 50, "b": 20, "c": 3}, 0)
    fake, of_fake = drawn({"a": 30, "b": 40, "c": 2}, 1)
    found = frechet_per_class(real, fake, of_real, of_fake)
    expected = {
        name: frechet_distance(real[of_real == name], fake[of_fake == name]) for name in "abc"
    }
    assert dict(found.classes) == pytest.approx(expected)
    assert found.value == pytest.approx(np.mean([*expected.values()]))
    assert found.note == ""


def test_images_of_the_wrong_class_are_seen_where_those_of_the_whole_are_right() -> None:
    real, labels = drawn({"a": 200, "b": 200}, 0)
    fake, of_fake = drawn({"a": 200, "b": 200}, 1)
    swapped = np.where(of_fake == "a", "b", "a")
    assert frechet_distance(real, fake) < 0.3
    assert frechet_per_class(real, fake, labels, of_fake).value < 0.5
    assert frechet_per_class(real, fake, labels, swapped).value > 3


def test_numbers_are_classes_as_their_names_are_and_come_in_order() -> None:
    real, fake = normal(60, 3), normal(48, 3, 1)
    numbers, names = np.arange(60) % 12, (np.arange(48) % 12).astype(str)
    found = frechet_per_class(real, fake, numbers, names)
    assert [*found.classes] == [str(number) for number in range(12)]


def test_what_is_left_out_is_named() -> None:
    real, of_real = drawn({"a": 9, "b": 9, "c": 1, "d": 5, "": 4}, 0)
    fake, of_fake = drawn({"a": 9, "b": 9, "c": 9, "e": 1, "": 3}, 1)
    found = frechet_per_class(real, fake, of_real, of_fake)
    assert [*found.classes] == ["a", "b"]
    assert found.note == (
        "the mean over classes is of 2 of 5, without d, only real images have; e, only generated "
        "images have; c, with fewer than 2 images on a side"
    )


def test_no_class_in_common_is_one_sentence() -> None:
    labels = np.array([f"class {number}" for number in range(8)])
    with pytest.raises(BadInput, match=r"No class has 2 .* class 4 and 3 others, the generated"):
        frechet_per_class(normal(8, 3), normal(9, 3), labels, np.array(["x"] * 9))
    with pytest.raises(BadInput, match=r"real images have labels of the shape \(7,\)"):
        frechet_per_class(normal(8, 3), normal(9, 3), labels[:7], np.array(["x"] * 9))


@pytest.mark.slow
@pytest.mark.parametrize("by_class", [False, True], ids=["in random order", "class by class"])
def test_the_interval_holds_the_expectation(by_class: bool) -> None:
    sizes = {"a": 160, "b": 40, "c": 80}

    def one(seed: int) -> Estimate:
        real, of_real = drawn(sizes, 2 * seed)
        fake, of_fake = drawn(sizes, 2 * seed + 1)
        fake = 0.3 + 1.2 * fake
        if by_class:
            first, second = np.argsort(of_real, kind="stable"), np.argsort(of_fake, kind="stable")
            return frechet_per_class(real[first], fake[second], of_real[first], of_fake[second])
        return frechet_per_class(real, fake, of_real, of_fake)

    found = [one(seed) for seed in range(300)]
    assert all(each.groups is not None and len(each.groups) == GROUPS for each in found)
    values = np.array([each.value for each in found])
    errors = np.array([each.error for each in found], np.float64)
    intervals = np.array([each.interval() for each in found], np.float64)
    covered = ((intervals[:, 0] <= values.mean()) & (values.mean() <= intervals[:, 1])).mean()
    assert 0.92 <= covered <= 0.985
    assert 0.9 < np.sqrt(np.square(errors).mean()) / values.std(ddof=1) < 1.15
