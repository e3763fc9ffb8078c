import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from facebench.errors import BadInput
from facebench.metrics.face_sets import FaceSet
from facebench.metrics.faces.pose import FACTORS, pose_distance, pose_factors, wasserstein
from facebench.metrics.faces.same_distribution import same_distribution
from facebench.metrics.feature_sets import Comparison, FeatureSet
from facebench.metrics.table import METRICS, title


def face(x: float = 0.5, y: float = 0.45, apart: float = 0.3, roll: float = 0.0, yaw: float = 0.0):
    """Return the points of a face whose pose is known."""
    along = np.array([np.cos(np.radians(roll)), np.sin(np.radians(roll))])
    down = np.array([-along[1], along[0]])
    middle = np.array([x, y])
    nose = middle + yaw * apart * along + 0.6 * apart * down
    return np.array([middle - apart / 2 * along, middle + apart / 2 * along, nose])


def faces(points: np.ndarray, **known) -> FaceSet:
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
    return faces([face(*values) for values in zip(*drawn.values(), strict=True)])


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
    assert found["yaw"].details["spread"] < 0.01
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
    sets = [FeatureSet(np.zeros((40, 2), np.float32), faces=crowd(40, seed)) for seed in (0, 1)]
    for factor in FACTORS:
        row = METRICS[f"pose_{factor}"]
        found = row.compute(Comparison(*sets))
        assert found.value == pose_distance(crowd(40, 0), crowd(40, 1), factor).value
        assert row.needs == "faces"
        assert title(row.key) == row.title
