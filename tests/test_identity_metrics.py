"""Whose faces are they: leakage, power and diversity, against plain loops and planted truths."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pretended_gpu import pretended_gpu
from scipy.cluster.hierarchy import fcluster, linkage

from facebench.errors import BadInput
from facebench.metrics.device import computing_on
from facebench.metrics.face_sets import FaceSet
from facebench.metrics.faces.distinct import identity_diversity, number_of_people, people
from facebench.metrics.faces.embedded import frechet_identity, identity_manifold
from facebench.metrics.faces.found import face_rate
from facebench.metrics.faces.impostors import (
    BAND,
    Impostors,
    from_others,
    impostors,
    nearest_of_others,
)
from facebench.metrics.faces.leakage import leakage, leaked_share, matches
from facebench.metrics.faces.readability import pair_threshold, pairs_of_same, power, recognised
from facebench.metrics.feature_sets import Comparison, FeatureSet
from facebench.metrics.frechet import frechet_distance
from facebench.metrics.manifold import precision_recall
from facebench.metrics.paired import difference
from facebench.metrics.table import METRICS
from facebench.results.result import Value

WIDTH = 16


def face_set(
    embeddings: np.ndarray, whom: np.ndarray | None = None, found: np.ndarray | None = None
) -> FaceSet:
    """Return faces of these embeddings, made of unit length; those not `found` are NaN."""
    n = len(embeddings)
    there = np.ones(n, bool) if found is None else found
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    unit = np.where(there[:, None], unit, np.nan).astype(np.float32)
    nothing = np.full(n, np.nan, np.float32), np.full((n, 3, 2), np.nan, np.float32)
    who = None if whom is None else np.asarray(whom, np.int64)
    return FaceSet(there.astype(np.int32), *nothing, unit, who)


def photographs(
    persons: int, each: int, seed: int = 0, spread: float = 0.2, shared: float = 1.0
) -> FaceSet:
    """Return `each` faces of every person: near the person's own place, in a random order."""
    rng = np.random.default_rng(seed)
    places = rng.standard_normal((persons, WIDTH)) + shared  # as in a network, no two opposite
    whom = rng.permutation(np.repeat(np.arange(persons), each))
    noise = spread * rng.standard_normal((len(whom), WIDTH))
    return face_set(places[whom] + noise, whom + 1000 * seed)


def joined(*sets: FaceSet) -> FaceSet:
    """Return generated images with the faces of several sets: nobody says who they are."""
    embeddings = np.concatenate([each.embeddings for each in sets])
    found = np.concatenate([each.found for each in sets])
    return face_set(np.nan_to_num(embeddings, nan=1.0), found=found)


def without_people(faces: FaceSet) -> FaceSet:
    return replace(faces, people=None)


# ---- matches and impostors, against plain loops


def cosines(a: FaceSet, b: FaceSet) -> np.ndarray:
    return a.embeddings.astype(np.float64) @ b.embeddings.T.astype(np.float64)


@pytest.mark.parametrize("memory", [1, 5_000, 1 << 30])
def test_matches_are_those_of_a_plain_loop_and_name_the_training_image(memory: int) -> None:
    training, fake = photographs(30, 2), photographs(20, 2, seed=1)
    lost = np.arange(60) % 7 == 0
    training = face_set(training.embeddings, training.people, ~lost)
    fake = face_set(fake.embeddings, None, np.arange(40) % 5 > 0)
    found = matches(training, fake, memory)
    for i in range(40):
        if not fake.found[i]:
            assert np.isnan(found.similarities[i]) and found.indices[i] == -1
            continue
        each = [(float(cosines(fake, training)[i, j]), j) for j in range(60) if not lost[j]]
        assert found.indices[i] == max(each)[1]
        assert found.similarities[i] == pytest.approx(max(each)[0], abs=1e-6)


@pytest.mark.parametrize("memory", [1, 5_000, 1 << 30])
def test_impostors_are_those_of_a_plain_loop(memory: int) -> None:
    faces = photographs(25, 3)
    assert faces.people is not None
    found, nearest = nearest_of_others(faces.embeddings, faces.people, memory)
    alike = cosines(faces, faces)
    for i in range(75):
        others = [j for j in range(75) if faces.people[j] != faces.people[i]]
        assert nearest[i] == max(others, key=lambda j: alike[i, j])
        assert found[i] == pytest.approx(max(alike[i, j] for j in others), abs=1e-6)


def test_the_threshold_is_reached_by_one_in_a_hundred_and_its_band_by_what_it_says() -> None:
    values = np.random.default_rng(0).permutation(np.arange(1, 1000) / 1000)
    found = from_others(values, np.arange(999), np.roll(np.arange(999), 1))
    assert found.level == 0.99 and found.threshold == pytest.approx(0.99)
    assert found.band is not None
    assert [*found.band] == pytest.approx([1 - BAND * 0.01, 1 - 0.01 / BAND])
    many = np.arange(1, 10_000) / 10_000
    more = from_others(np.append(many, 0.5), np.arange(10_000), np.arange(10_000))
    assert more.level == 0.999 and more.threshold == pytest.approx(0.999, abs=1e-4)


def test_two_faces_that_are_each_others_nearest_count_as_one_observation() -> None:
    alike = np.concatenate([np.linspace(0.3, 0.5, 990), np.full(10, 0.9)])
    alone = from_others(alike, np.arange(1000), np.zeros(1000, np.int64))
    each_other = np.arange(1000) ^ 1
    pairs = from_others(alike, np.arange(1000), each_other)
    one_person = from_others(alike, np.append(np.arange(990), np.full(10, 5000)), each_other)
    assert pairs.variance == pytest.approx(2 * 10 / 1000**2)
    assert one_person.variance == pytest.approx(10**2 / 1000**2)
    assert alone.variance == pytest.approx(10**2 / 1000**2)  # all nearest to one and the same face


# ---- leakage


@pytest.mark.parametrize("blind", [False, True])
def test_a_copy_of_all_training_faces_leaks_1(blind: bool) -> None:
    training = photographs(200, 2)
    training = without_people(training) if blind else training
    order = np.random.default_rng(0).permutation(400)
    found = leakage(training, training.take(order))
    assert found.value == 1 and found.bounds is not None
    assert 0.95 < found.bounds[0] < 1 == found.bounds[1]
    assert (matches(training, training.take(order)).indices == order).all()
    assert (matches(training, training.take(order)).similarities == 1).all()


def test_a_training_face_that_two_people_share_does_not_hide_its_copies() -> None:
    faces = photographs(300, 1)
    assert faces.people is not None
    twice = face_set(np.repeat(faces.embeddings, 2, 0), np.arange(600))  # the threshold is 1
    found = leakage(twice, faces)
    assert found.value == 1 and found.details["threshold"] == pytest.approx(1)


def test_leakage_agrees_with_a_plain_loop() -> None:
    training, others = photographs(150, 2), photographs(120, 1, seed=1)
    fake = joined(others, training.take(slice(0, 30)))
    fake = face_set(np.nan_to_num(fake.embeddings), None, np.arange(150) % 10 > 0)
    assert training.people is not None
    alike = cosines(training, training)
    alike[training.people[:, None] == training.people] = -1
    null = sorted(alike.max(1))
    place = 0.99 * (len(null) + 1) - 1  # among values numbered from 0
    below, part = int(place), place - int(place)
    threshold = null[below] * (1 - part) + null[below + 1] * part
    of_fake = [max(cosines(fake, training)[i]) for i in range(150) if fake.found[i]]
    share = sum(m >= threshold - 1e-6 for m in of_fake) / len(of_fake)
    found = leakage(training, fake, others)
    assert found.value == pytest.approx(share) and 0.15 < share < 0.3
    d = found.details
    assert d["threshold"] == pytest.approx(threshold, abs=1e-6)
    assert (d["level"], d["null_count"], d["not_found"]) == (0.99, 300, 0.1)
    assert d["excess"] == pytest.approx((share - 0.01) / 0.99)
    assert float(d["excess_low"]) < share < float(d["excess_high"]) + 0.01
    assert d["way"] == "training faces of other people"
    of_others = [max(row) >= threshold - 1e-6 for row in cosines(others, training)]
    assert d["holdout"] == pytest.approx(np.mean(of_others))


def test_the_order_of_the_images_changes_nothing_but_the_groups() -> None:
    training, fake = photographs(150, 2), photographs(100, 2, seed=1)
    rng = np.random.default_rng(0)
    one = leakage(training, fake, fake)
    two = leakage(training.take(rng.permutation(300)), fake.take(rng.permutation(200)), fake)
    assert one.value == two.value and one.bounds == pytest.approx(two.bounds)
    assert dict(one.details) == pytest.approx(dict(two.details), abs=1e-6)


def test_the_pseudo_values_average_to_the_share_and_belong_to_seeds() -> None:
    training, fake = photographs(150, 2), photographs(160, 2, seed=1)
    found = leakage(training, fake)
    assert found.groups is not None and len(found.groups) == 32
    assert found.groups.mean() == pytest.approx(found.value)
    lost = face_set(fake.embeddings, None, np.arange(320) != 0)
    assert leakage(training, lost).groups == pytest.approx(found.groups, abs=0.01)


def test_a_share_of_nothing_found_is_not_known_to_be_0() -> None:
    """200 innocent faces of which none leaks: 1 % is well within the interval."""
    training = photographs(1000, 1)
    far = face_set(-np.random.default_rng(0).random((200, WIDTH)))
    found = leakage(training, far)
    assert found.value == 0 and found.bounds is not None
    assert found.bounds[0] == 0 and 0.01 < found.bounds[1] < 0.03
    assert found.interval((0.0, 1.0)) == found.bounds


def test_a_model_that_copies_more_leaks_more_beyond_noise() -> None:
    training, others = photographs(300, 2), photographs(400, 1, seed=1)
    rng = np.random.default_rng(0)
    models = [
        joined(others.take(slice(count, None)), training.take(slice(0, count)))
        for count in (0, 40, 40)
    ]
    models = [each.take(rng.permutation(400)) for each in models]
    estimates = [leakage(training, each) for each in models]
    values = [Value(e.value, groups=tuple(np.asarray(e.groups))) for e in estimates]
    assert difference(values[0], values[1]).verdict == "first"
    assert difference(values[1], values[2]).verdict == "none"


def test_planted_copies_are_estimated_within_the_interval() -> None:
    """As alike as any two people may be, from 60 training sets and as many fresh people's faces."""
    held: dict[float, list[bool]] = {0.0: [], 0.01: [], 0.05: [], 0.2: []}
    for seed in range(60):
        rng = np.random.default_rng(seed)
        every = photographs(900, 2, seed=seed, spread=0.4)
        assert every.people is not None
        is_training = np.isin(every.people - 1000 * seed, rng.permutation(900)[:500])
        training, fresh = every.take(is_training), every.take(~is_training)
        others, innocent = impostors(training), matches(training, fresh).similarities
        for share, found in held.items():
            count = round(600 * share)
            drawn = np.append(rng.permutation(innocent)[: 600 - count], np.ones(count))
            low, high = leaked_share(rng.permutation(drawn), others).bounds or (1.0, 0.0)
            found.append(low <= count / 600 + (1 - count / 600) * 0.01 <= high)
    for share, found in held.items():
        assert np.mean(found) >= 0.9, share


LEAKS = Path(__file__).parent / "bench" / "leak_simulations.py"


@pytest.mark.slow
@pytest.mark.processes
def test_leaks_of_real_people_are_estimated_within_the_interval(shared: Path) -> None:
    pytest.importorskip("dlib")
    words = "--pictures 2500 --planted 250 --trained 0.6 -n 500 --repetitions 100 --json".split()
    answer = subprocess.run(
        [sys.executable, LEAKS, shared, *words], check=True, capture_output=True
    )
    found = json.loads(answer.stdout)
    for planted in ("untouched 0%", "untouched 1%", "untouched 5%", "untouched 20%", "JPEG 20%"):
        assert found[planted]["held"] >= 0.9, planted
    for planted in ("untouched", "JPEG", "mirrored", "shifted"):
        assert found[f"{planted} 20%"]["recovered"] >= 0.95, planted


# ---- where nobody knows who is shown


def test_a_tail_from_surely_different_people_does_not_see_other_photographs_of_one() -> None:
    """Of two photographs a person, the nearest is the same person's; the threshold must not be."""
    training, fresh = photographs(800, 2), photographs(1000, 1, seed=1)
    labelled, blind = impostors(training), impostors(without_people(training))
    assert blind.way != labelled.way and blind.families is None
    of_fresh = matches(training, fresh).similarities
    share = (of_fresh >= blind.threshold).mean()
    assert share <= 0.04  # and not close to it: low dimensions have a tail of their own
    naive = np.quantile(np.sort(cosines(training, training))[:, -2], 0.99)
    assert (of_fresh >= naive).mean() < 0.001


def test_what_is_extrapolated_is_called_so_and_has_a_wider_interval() -> None:
    training, fresh = photographs(800, 2), photographs(1000, 1, seed=1)
    known, blind = leakage(training, fresh), leakage(without_people(training), fresh)
    assert "extrapolated" in blind.note and not known.note
    assert blind.bounds is not None and blind.bounds[0] <= 0.01 <= blind.bounds[1]
    absent = {"power", "recognised"}
    assert absent <= known.details.keys() and not absent & blind.details.keys()


# ---- readability


def test_power_and_recognition_agree_with_plain_loops() -> None:
    faces = photographs(40, 3, spread=0.5)
    alone = photographs(20, 1, seed=3)
    assert faces.people is not None and alone.people is not None
    every = face_set(
        np.concatenate([faces.embeddings, alone.embeddings]),
        np.concatenate([faces.people, alone.people]),
    )
    alike, who = cosines(every, every), every.people
    assert who is not None
    found = []
    for i in range(len(every)):
        own = [alike[i, j] for j in range(len(every)) if j != i and who[i] == who[j]]
        if own:
            found.append(max(own) >= 0.9)
    assert 0 < np.mean(found) < 1 and len(found) == 120
    assert power(every, 0.9) == {"power": pytest.approx(np.mean(found))}
    pairs = [(i, j) for i in range(len(every)) for j in range(i)]
    same = [alike[i, j] for i, j in pairs if who[i] == who[j]]
    differ = [alike[i, j] for i, j in pairs if who[i] != who[j]]
    threshold = np.quantile(differ, 0.999, method="weibull")
    assert pair_threshold(every) == pytest.approx(threshold, abs=1e-6)
    assert recognised(every) == {"recognised": pytest.approx(np.mean(same >= threshold))}


def test_nothing_is_said_of_power_where_nobody_is_shown_twice_or_nobody_knows() -> None:
    for faces in (photographs(200, 1), without_people(photographs(100, 2))):
        assert power(faces, 0.9) == {} and recognised(faces) == {}


def test_pairs_of_one_person_are_each_counted_once_and_spread_where_they_are_many() -> None:
    people = np.array([1, 2, 1, 3, 1, 2])
    first, second = pairs_of_same(people)
    pairs = {frozenset(pair) for pair in zip(first.tolist(), second.tolist(), strict=True)}
    assert pairs == {frozenset(p) for p in [(0, 2), (0, 4), (2, 4), (1, 5)]} and len(first) == 4
    first, _ = pairs_of_same(np.zeros(1000, np.int64), most=5000)
    assert 4000 <= len(first) <= 5000 and len(np.unique(first)) >= 990


def test_the_threshold_of_pairs_hardly_depends_on_knowing_who_is_shown() -> None:
    faces = photographs(1500, 2, spread=0.4)  # more pairs than are looked at
    known, unknown = pair_threshold(faces), pair_threshold(without_people(faces))
    assert known is not None and unknown is not None
    assert 0 <= unknown - known < 0.02


# ---- diversity


@pytest.mark.parametrize(("persons", "each"), [(10, 10), (50, 2), (100, 1)])
def test_people_are_counted(persons: int, each: int) -> None:
    real, fake = photographs(300, 1), photographs(persons, each, seed=1, spread=0.1)
    found = identity_diversity(real, fake)
    assert found.value == pytest.approx(persons, rel=0.05)
    assert found.reference == pytest.approx(100, abs=10) and found.details["faces"] == 100
    assert found.details["people"] == 100 and found.details["faces"] == 100


def test_people_are_those_of_average_linkage_as_scipy_counts_it() -> None:
    faces = photographs(30, 4, spread=0.6)
    apart = 1 - cosines(faces, faces)[np.triu_indices(120, 1)]
    expected = fcluster(linkage(apart, "average"), 0.2, "distance")
    found = people(faces.embeddings, 0.8)
    assert 1 < expected.max() < 120
    assert ((found[:, None] == found) == (expected[:, None] == expected)).all()


def test_a_row_of_faces_each_like_the_next_is_not_one_person() -> None:
    angles = np.linspace(0, np.pi / 2, 30)
    row = np.stack([np.cos(angles), np.sin(angles)], 1)
    assert people(row, 0.9).max() > 1  # where single linkage finds one


def test_the_number_of_people_has_the_error_that_repetitions_show() -> None:
    found = []
    for seed in range(200):
        drawn = np.random.default_rng(seed).integers(0, 600, 500)
        found.append(number_of_people(np.unique(drawn, return_inverse=True)[1] + 1))
    values = np.array([each.value for each in found])
    errors = np.array([each.error for each in found], np.float64)
    assert errors.mean() == pytest.approx(values.std(), rel=0.2)
    ends = np.array([each.interval() for each in found])
    assert 0.9 <= ((ends[:, 0] <= values.mean()) & (values.mean() <= ends[:, 1])).mean() <= 0.99


def test_ten_people_over_and_over_are_ten_without_doubt() -> None:
    found = number_of_people(np.tile(np.arange(1, 11), 30))
    assert (found.value, found.error) == (10, 0)


# ---- distance, precision and recall


def test_images_without_a_face_are_left_out_of_the_embeddings_metrics_and_counted() -> None:
    real, fake = photographs(60, 2), photographs(60, 2, seed=1)
    seen = np.arange(120) % 4 > 0
    lacking = face_set(fake.embeddings, None, seen)
    kept = fake.embeddings[seen]
    found = frechet_identity(real, lacking)
    assert found.value == pytest.approx(frechet_distance(real.embeddings, kept))
    assert found.details == {"faces": 90, "faces_real": 120}
    scores = identity_manifold(real, lacking)
    expected = precision_recall(real.embeddings, kept)
    assert (scores.precision.value, scores.recall.value) == pytest.approx(expected)
    assert scores.precision.details == found.details != frechet_identity(real, fake).details


# ---- what cannot be answered


def lost(count: int) -> FaceSet:
    return face_set(np.ones((count, WIDTH)), None, np.zeros(count, bool))


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "no generated face": (lambda: leakage(photographs(200, 1), lost(50)), "No face was found"),
    "no training face": (lambda: leakage(lost(200), photographs(50, 1)), "found in 0"),
    "no training face to match": (lambda: matches(lost(9), photographs(5, 1)), "No face"),
    "few training faces": (
        lambda: leakage(photographs(99, 1), photographs(50, 1)),
        "needs 100 training images with a face",
    ),
    "one person": (
        lambda: leakage(photographs(1, 200), photographs(50, 1)),
        "one and the same person",
    ),
    "other widths": (
        lambda: leakage(photographs(200, 1), face_set(np.ones((5, 8)))),
        "compute both with one extractor",
    ),
    "one face": (lambda: identity_diversity(photographs(9, 1), photographs(1, 1)), "2 faces"),
    "few pairs": (
        lambda: identity_diversity(photographs(9, 1), photographs(9, 1, seed=1)),
        "1000 pairs of real faces",
    ),
    "no distance": (lambda: frechet_identity(photographs(9, 1), lost(9)), "0 in the generated"),
    "no manifold": (
        lambda: identity_manifold(photographs(9, 1), photographs(3, 1)),
        "4 faces a side",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_answered_is_refused_in_one_sentence(case: str) -> None:
    compute, sentence = REFUSED[case]
    with pytest.raises(BadInput, match=sentence):
        compute()


def test_one_generated_face_is_a_value_that_says_how_little_it_is() -> None:
    found = leakage(photographs(200, 1), photographs(1, 1, seed=1))
    low, high = found.interval((0.0, 1.0)) or (np.nan, np.nan)
    assert found.value == 0 and low == 0 and high > 0.5 and found.error is None


def test_the_training_images_themselves_are_no_hold_out() -> None:
    training, fake = photographs(200, 1), photographs(50, 1, seed=1)
    assert "holdout" not in leakage(training, fake, training.take(slice(0, 100))).details
    assert "holdout" not in leakage(training, fake, lost(10)).details
    assert "holdout" not in leakage(training, fake).details


# ---- in their rows


def compared(real: FaceSet, fake: FaceSet, training: FaceSet | None) -> Comparison:
    none = np.empty((0, 1), np.float32)
    sets = [
        None if each is None else FeatureSet(none, faces=each) for each in (real, fake, training)
    ]
    assert sets[0] is not None and sets[1] is not None
    return Comparison(sets[0], sets[1], sets[2])


ROWS = ("identity_leakage", "identity_diversity", "fd_identity", "precision_identity")


@pytest.mark.parametrize("key", [*ROWS, "recall_identity"])
def test_rows_compute_what_their_functions_do(key: str) -> None:
    real, fake, training = (
        photographs(90, 1),
        photographs(80, 1, seed=1),
        photographs(150, 1, seed=2),
    )
    found = METRICS[key].compute(compared(real, fake, training))
    expected = {
        "identity_leakage": lambda: leakage(training, fake, real),
        "identity_diversity": lambda: identity_diversity(real, fake),
        "fd_identity": lambda: frechet_identity(real, fake),
        "precision_identity": lambda: identity_manifold(real, fake).precision,
        "recall_identity": lambda: identity_manifold(real, fake).recall,
    }[key]()
    assert found.value == expected.value and dict(found.details) == dict(expected.details)


def test_leakage_without_training_images_is_refused() -> None:
    with pytest.raises(BadInput, match="needs the training images"):
        METRICS["identity_leakage"].compute(compared(photographs(9, 1), photographs(9, 1), None))


# ---- on a GPU, a pretended one


@pytest.mark.parametrize("blind", [False, True])
def test_a_gpu_gives_the_same_numbers(blind: bool) -> None:
    training, fake = photographs(80, 2), photographs(60, 1, seed=1)
    training = without_people(training) if blind else training
    here = leakage(training, fake, fake)
    with pretended_gpu(), computing_on("cuda"):
        there = leakage(training, fake, fake)
    assert there.value == here.value and there.bounds == here.bounds
    assert dict(there.details) == dict(here.details)


def test_a_share_is_not_that_of_the_images_but_of_the_faces() -> None:
    tail = Impostors(0.99, 0.5, 1000, "")
    found = leaked_share(np.array([0.9, 0.1, np.nan, np.nan]), tail)
    assert found.value == 0.5 and found.details["not_found"] == 0.5


@pytest.mark.parametrize(("found", "low", "high"), [(0, 0.0, 0.049), (50, 0.951, 1.0)])
def test_a_face_rate_of_none_or_all_of_fifty_has_an_interval(
    found: int, low: float, high: float
) -> None:
    faces = photographs(50, 1)
    counts = (np.arange(50) < found).astype(np.int32)
    rate = face_rate(faces, replace(faces, counts=counts))
    assert rate.value == found / 50
    assert rate.interval((0.0, 1.0)) == pytest.approx((low, high), abs=1e-3)
