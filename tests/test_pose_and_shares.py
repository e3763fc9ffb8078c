import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest, fisher_exact, mannwhitneyu, wasserstein_distance

from facebench.errors import BadInput
from facebench.metrics.face_sets import FaceSet
from facebench.metrics.faces.found import face_rate
from facebench.metrics.faces.pose import FACTORS, pose_distance, pose_factors, wasserstein
from facebench.metrics.faces.probes import area_under_curve, folds, learn_probes, supposed
from facebench.metrics.faces.same_distribution import same_distribution
from facebench.metrics.faces.shares import corrected_share, shares
from facebench.metrics.faces.subgroups import exposure, face_rate_of_groups, group_shares
from facebench.metrics.feature_sets import Comparison, FeatureSet
from facebench.metrics.table import METRICS, title

SCRIPT = Path(__file__).parent / "bench" / "face_simulations.py"


def face(
    x: float = 0.5, y: float = 0.45, apart: float = 0.3, roll: float = 0.0, yaw: float = 0.0
) -> np.ndarray:
    """Return the points of a face whose pose is known."""
    along = np.array([np.cos(np.radians(roll)), np.sin(np.radians(roll))])
    down = np.array([-along[1], along[0]])
    middle = np.array([x, y])
    nose = middle + yaw * apart * along + 0.6 * apart * down
    return np.array([middle - apart / 2 * along, middle + apart / 2 * along, nose])


def faces(points: np.ndarray, **known: Any) -> FaceSet:
    points = np.asarray(points, np.float32).reshape(-1, 3, 2)
    found = ~np.isnan(points[:, 0, 0])
    embeddings = np.full((len(points), 4), np.nan, np.float32)
    confidence = np.where(found, 0.9, np.nan).astype(np.float32)
    return FaceSet(found.astype(np.int32), confidence, points, embeddings, **known)


def crowd(n: int, seed: int, **fixed: float) -> FaceSet:
    """Return n faces of scattered poses, but for factors that are fixed."""
    random = np.random.default_rng(seed)
    drawn = {
        "x": random.normal(0.5, 0.02, n),
        "y": random.normal(0.45, 0.02, n),
        "apart": random.normal(0.3, 0.02, n),
        "roll": random.normal(0.0, 4.0, n),
        "yaw": random.normal(0.0, 0.15, n),
    }
    drawn |= {name: np.full(n, value) for name, value in fixed.items()}
    return faces(np.array([face(*values) for values in zip(*drawn.values(), strict=True)]))


def without(some: FaceSet, *places: int) -> FaceSet:
    points = np.array(some.points)
    points[[*places]] = np.nan
    return faces(points)


@pytest.mark.parametrize("roll", [-40.0, 0.0, 12.5])
@pytest.mark.parametrize("yaw", [-0.3, 0.0, 0.2])
def test_a_pose_is_read_from_eyes_and_nose(roll: float, yaw: float) -> None:
    found = pose_factors(face(0.4, 0.55, 0.25, roll, yaw)[None])
    expected = {"roll": roll, "yaw": yaw, "eye_distance": 0.25, "x": 0.4, "y": 0.55}
    assert found.keys() == expected.keys() == {*FACTORS}
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-12)


def test_a_head_that_leans_to_the_right_has_a_positive_roll() -> None:
    right_is_lower = np.array([[[0.3, 0.4], [0.6, 0.5], [0.45, 0.6]]])
    assert pose_factors(right_is_lower)["roll"] > 0


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 7), (40, 40), (33, 90)])
def test_the_distance_is_scipys(n: int, m: int) -> None:
    random = np.random.default_rng(n)
    for x, y in (
        (random.normal(size=n), random.normal(0.3, 2, size=m)),
        (random.integers(0, 4, n).astype(float), random.integers(0, 5, m).astype(float)),
    ):
        assert wasserstein(x, y).value == pytest.approx(wasserstein_distance(x, y), abs=1e-12)


def test_a_values_influence_is_the_slope_of_the_distance_by_its_weight() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=31), random.normal(0.5, 2, size=20)
    found = wasserstein(x, y)
    step = 1e-6
    for values, influence, side in ((x, found.of_x, 0), (y, found.of_y, 1)):
        for place in range(len(values)):
            weights = [np.ones(len(x)), np.ones(len(y))]
            weights[side] = weights[side] * (1 - step)
            weights[side][place] += step * len(values)
            moved = wasserstein_distance(x, y, *weights)
            assert (moved - found.value) / step == pytest.approx(influence[place], abs=1e-4)


def test_equal_faces_are_at_no_distance_and_do_not_differ() -> None:
    same = crowd(50, 0)
    for factor in FACTORS:
        found = pose_distance(same, same, factor)
        assert found.value == 0
        assert found.differs is False
        assert found.details["p"] == 1


def test_all_looking_straight_ahead_is_seen_in_the_spread() -> None:
    real, fake = crowd(400, 0), crowd(400, 1, yaw=0.0)
    found = {factor: pose_distance(real, fake, factor) for factor in FACTORS}
    assert {factor for factor, each in found.items() if each.differs} == {"yaw"}
    assert float(found["yaw"].details["spread"]) < 0.01
    assert found["yaw"].details["spread_real"] == pytest.approx(0.15, rel=0.1)
    low, high = found["yaw"].interval() or (0, 0)
    assert 0 < low < np.sqrt(2 / np.pi) * 0.15 < high


def test_faces_that_were_not_found_are_told_and_have_no_influence() -> None:
    real, fake = crowd(200, 0), crowd(200, 1)
    some = without(fake, *range(0, 200, 4))
    found = pose_distance(real, some, "roll")
    kept = np.delete(np.arange(200), np.arange(0, 200, 4))
    assert found.value == pose_distance(real, fake.take(kept), "roll").value
    assert found.details["not_found"] == 0.25
    assert found.groups is not None
    assert found.groups.mean() == pytest.approx(found.value, rel=1e-9)


def test_no_face_at_all_is_said_and_one_is_enough_for_a_value() -> None:
    some, none = crowd(3, 0), without(crowd(3, 0), 0, 1, 2)
    with pytest.raises(BadInput, match="No face was found in the generated images"):
        pose_distance(some, none, "yaw")
    with pytest.raises(BadInput, match="No face was found in the real images"):
        pose_distance(none, some, "yaw")
    one = pose_distance(some, without(some, 0, 2), "yaw")
    assert one.differs is False
    assert one.groups is None


def test_eyes_in_one_place_have_no_yaw() -> None:
    point = faces(np.full((2, 3, 2), 0.5))
    assert np.isnan(pose_factors(point.points)["yaw"]).all()
    with pytest.raises(BadInput, match="No face"):
        pose_distance(point, point, "yaw")
    assert pose_distance(point, point, "roll").value == 0


@pytest.mark.long
def test_the_test_calls_equal_distributions_different_in_one_of_twenty() -> None:
    random = np.random.default_rng(0)
    called = [same_distribution(*random.normal(size=(2, 60))) <= 0.05 for _ in range(400)]
    assert 0.025 <= np.mean(called) <= 0.08


def test_the_test_is_exact_where_values_are_equal_too() -> None:
    random = np.random.default_rng(0)
    draws = random.integers(0, 4, size=(400, 2, 50)).astype(float)
    assert 0.02 <= np.mean([same_distribution(*each) <= 0.05 for each in draws]) <= 0.08
    assert same_distribution(np.ones(9), np.ones(5)) == 1


def test_the_test_sees_a_place_a_spread_and_a_crowded_middle() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(2, 2000))
    assert same_distribution(x, y) > 0.05
    assert same_distribution(x, y + 0.2) <= 0.05
    assert same_distribution(x, 0.8 * y) <= 0.05
    assert same_distribution(x, np.where(np.arange(2000) < 200, 0.05 * y, y)) <= 0.05
    assert same_distribution(x, y + 0.2) == same_distribution(x, y + 0.2)


def test_each_factor_has_a_row_of_its_own() -> None:
    real, fake = (
        FeatureSet(np.zeros((40, 2), np.float32), faces=crowd(40, seed)) for seed in (0, 1)
    )
    for factor in FACTORS:
        row = METRICS[f"pose_{factor}"]
        found = row.compute(Comparison(real, fake))
        assert found.value == pose_distance(crowd(40, 0), crowd(40, 1), factor).value
        assert row.needs == "faces"
        assert title(row.key) == row.title


def population(
    n: int, share: float, seed: int, apart: float = 4.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return features of which the first tells who has an attribute, and who has it."""
    random = np.random.default_rng(seed)
    has = (random.random(n) < share).astype(np.int8)
    features = random.standard_normal((n, 12)).astype(np.float32)
    features[:, 0] += apart * has
    return features, has


def test_a_share_is_told_beside_the_real_one_and_by_its_error() -> None:
    (real, labels), (fake, has) = population(1500, 0.3, 0), population(1500, 0.5, 1)
    found = shares(learn_probes(real, {"glasses": labels}), fake)["glasses"]
    assert not isinstance(found, BadInput)
    low, high = found.interval((0.0, 1.0)) or (0, 0)
    assert low < has.mean() < high
    assert high - low < 0.08
    assert found.reference == labels.mean()
    assert found.differs is True
    same, _ = population(1500, 0.3, 2)
    alike = shares(learn_probes(real, {"glasses": labels}), same)["glasses"]
    assert not isinstance(alike, BadInput)
    assert alike.differs is False


def test_a_probe_that_errs_is_corrected() -> None:
    real, labels = population(3000, 0.2, 0, apart=2.2)
    probes = learn_probes(real, {"glasses": labels})
    fake, has = population(3000, 0.6, 1, apart=2.2)
    plain = supposed(probes, fake)["glasses"].mean()
    found = corrected_share(probes.learnt["glasses"], probes.scores(fake)["glasses"])
    assert abs(plain - has.mean()) > 0.05
    assert found.value == pytest.approx(has.mean(), abs=0.03)


def test_the_corrected_share_is_the_formulas() -> None:
    real, labels = population(500, 0.4, 0)
    fake, _ = population(300, 0.5, 1)
    probes = learn_probes(real, {"glasses": labels})
    learnt, said = probes.learnt["glasses"], probes.scores(fake)["glasses"]
    known, numerator, denominator = [], [], []
    for fold, part in enumerate(folds(500)):
        scores, of_part = learnt.scores[part], labels[part]
        having, without = scores[of_part == 1], scores[of_part == 0]
        known.append(len(having) * len(without) / len(scores))
        numerator.append(said[:, fold].mean() - without.mean())
        denominator.append(having.mean() - without.mean())
    expected = np.dot(known, numerator) / np.dot(known, denominator)
    assert corrected_share(learnt, said).value == pytest.approx(expected, rel=1e-12)


def test_its_error_is_what_repetitions_scatter_by() -> None:
    values, errors, called = [], [], 0
    for seed in range(60):
        real, labels = population(400, 0.3, 2 * seed, apart=2.5)
        fake, _ = population(400, 0.3, 2 * seed + 1, apart=2.5)
        found = shares(learn_probes(real, {"it": labels}), fake)["it"]
        assert not isinstance(found, BadInput)
        values.append(found.value)
        errors.append(found.error or np.nan)
        called += bool(found.differs)
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(values, ddof=1), rel=0.3)
    assert called <= 8


def test_unknown_labels_teach_nothing_and_count_for_nothing() -> None:
    real, labels = population(900, 0.3, 0)
    labels[::3] = -1
    fake, has = population(900, 0.3, 1)
    found = shares(learn_probes(real, {"it": labels}), fake)["it"]
    assert not isinstance(found, BadInput)
    assert found.reference == (labels == 1).sum() / (labels >= 0).sum()
    assert found.value == pytest.approx(has.mean(), abs=0.04)


def test_what_the_features_do_not_tell_is_refused_with_the_reason() -> None:
    real, labels = population(600, 0.3, 0)
    few, unknown = np.zeros(600, np.int8), np.full(600, -1, np.int8)
    few[:19] = 1
    lying = np.zeros(600, np.int8)
    lying[:100] = 1
    told = {
        "noise": np.random.default_rng(0).integers(0, 2, 600).astype(np.int8),
        "few": few,
        "unknown": unknown,
        "sorted": lying,
        "glasses": labels,
    }
    found = shares(learn_probes(real, told), real)
    assert found.keys() == told.keys()
    reasons = {name: str(why) for name, why in found.items() if isinstance(why, BadInput)}
    assert reasons.keys() == {"noise", "few", "unknown", "sorted"}
    assert "AUC is 0." in reasons["noise"]
    assert "below 0.9" in reasons["noise"]
    assert reasons["few"].startswith("19 real images are known to have it and 581 to have it not")
    assert reasons["unknown"].startswith("0 real images")
    assert "in one fifth" in reasons["sorted"]


def test_probes_of_constant_features_and_of_another_width_are_refused() -> None:
    real, labels = population(300, 0.5, 0)
    constant = learn_probes(np.ones_like(real), {"it": labels})
    assert not constant.learnt
    with pytest.raises(BadInput, match="another width"):
        learn_probes(real, {"it": labels}).scores(real[:, :5])
    with pytest.raises(BadInput, match="10 images are labelled"):
        learn_probes(real, {"it": labels[:10]})


def test_the_area_under_the_curve_is_mann_and_whitneys() -> None:
    random = np.random.default_rng(0)
    scores = random.integers(0, 9, 200).astype(float)
    labels = random.integers(-1, 2, 200).astype(np.int8)
    having, without = scores[labels == 1], scores[labels == 0]
    expected = mannwhitneyu(having, without).statistic / len(having) / len(without)
    assert area_under_curve(scores, labels) == pytest.approx(expected, rel=1e-12)


def test_the_rows_family_gives_each_attribute() -> None:
    (real, labels), (fake, _) = population(300, 0.3, 0), population(300, 0.3, 1)
    known = faces(np.full((300, 3, 2), 0.5), attributes={"glasses": labels})
    plain = faces(np.full((300, 3, 2), 0.5))
    row = METRICS["share"]
    assert row.family is not None
    found = row.family(Comparison(FeatureSet(real, faces=known), FeatureSet(fake, faces=plain)))
    assert found.keys() == {"glasses"}
    with pytest.raises(BadInput, match="--attributes"):
        row.family(Comparison(FeatureSet(real, faces=plain), FeatureSet(fake, faces=plain)))
    assert title("share_long_hair") == "Share: long hair"


def test_groups_are_compared_by_fishers_exact_test() -> None:
    random = np.random.default_rng(0)
    is_so, labels = random.random(200) < 0.3, random.integers(0, 2, 200).astype(np.int8)
    found = group_shares(is_so, {"long_hair": labels})
    assert found.values == {
        "long hair": is_so[labels == 1].mean(),
        "no long hair": is_so[labels == 0].mean(),
    }
    table = [[(is_so & (labels == k)).sum(), (~is_so & (labels == k)).sum()] for k in (1, 0)]
    tails = [fisher_exact(np.array(table), side).pvalue for side in ("less", "greater")]
    assert found.details["worst_p"] == pytest.approx(min(1, 2 * min(tails)), rel=1e-9)


def test_the_group_that_is_served_worst_is_named() -> None:
    labels = np.repeat([1, 0, -1], [100, 300, 50]).astype(np.int8)
    other = np.tile([0, 1], 225).astype(np.int8)
    is_so = np.arange(450) >= 60  # it is so of 40 of the first 100, and of all others
    found = group_shares(is_so, {"skin_dark": labels, "young": other})
    assert found.details["worst_group"] == "skin dark"
    assert found.details["worst_value"] == 0.4
    assert found.details["rest_value"] == 1
    assert "skin dark 0.4 against 1" in found.note
    alike = group_shares(np.ones(450, bool), {"skin_dark": labels})
    assert alike.note == "no group differs from the others beyond noise"


def test_small_groups_are_left_out_and_told() -> None:
    labels = np.repeat([1, 0], [29, 71]).astype(np.int8)
    found = group_shares(np.ones(100, bool), {"bald": labels})
    assert not found.values
    assert not found.details
    assert found.note == "without groups of fewer than 30: bald"


def test_exposure_is_the_share_of_matches_over_that_of_training_faces() -> None:
    labels = np.repeat([1, 0], [100, 300]).astype(np.int8)
    matched = np.array([*range(30), *range(100, 110)])
    found = exposure(matched, {"old": labels})
    assert found.values == {"old": pytest.approx(3.0), "no old": pytest.approx(1 / 3)}
    assert found.details["worst_group"] == "old"
    tails = [binomtest(30, 40, 0.25, side).pvalue for side in ("less", "greater")]
    assert found.details["worst_p"] == pytest.approx(2 * min(tails), rel=1e-9)
    assert not exposure(matched[:0], {"old": labels}).values


def test_the_face_rate_of_groups_stands_beside_the_real_ones() -> None:
    labels = np.repeat([1, 0], 50).astype(np.int8)
    real = faces(np.full((100, 3, 2), 0.5), attributes={"glasses": labels})
    fake = without(real, *range(0, 40))
    found = face_rate_of_groups(face_rate(real, fake), real, fake, {"glasses": labels})
    assert found.classes == {
        "real glasses": 1, "real no glasses": 1, "glasses": 0.2, "no glasses": 1.0,
    }  # fmt: skip
    assert found.details["worst_group"] == "glasses"
    assert found.details["none"] == 0.4


def test_coverage_has_its_own_number_with_groups_and_without() -> None:
    (real, labels), (fake, _) = population(200, 0.4, 0), population(200, 0.4, 1)
    fake = fake[fake[:, 0] < 2]  # nobody of the group
    known = faces(np.full((200, 3, 2), 0.5), attributes={"glasses": labels})
    row = METRICS["coverage"]
    plain = row.compute(Comparison(FeatureSet(real), FeatureSet(fake)))
    found = row.compute(Comparison(FeatureSet(real, faces=known), FeatureSet(fake)))
    assert found.value == plain.value
    assert not plain.classes
    assert found.classes["glasses"] < 0.4 < 0.8 < found.classes["no glasses"]
    mean = np.average([found.classes["glasses"], found.classes["no glasses"]],
                      weights=[labels.sum(), (1 - labels).sum()])  # fmt: skip
    assert mean == pytest.approx(found.value)


@pytest.mark.slow
@pytest.mark.processes
def test_planted_poses_are_called_and_what_is_not_planted_is_not() -> None:
    words = [sys.executable, str(SCRIPT), "--only", "pose"]
    answer = subprocess.run(words, check=True, capture_output=True, text=True)
    rows = [line.strip("| ").split(" | ") for line in answer.stdout.splitlines()[2:]]
    assert len(rows) == 5 + 6
    for planted, called, share in rows:
        if planted == "nothing":
            assert 0.03 <= float(share) <= 0.07, called
        else:
            assert float(share) >= 0.8, planted
