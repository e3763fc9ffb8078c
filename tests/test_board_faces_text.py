"""What is said of faces: sentences made of numbers, on usual values and at their edges."""

from dataclasses import replace
from typing import Any

import pytest
from face_results import leakage, pose, result, with_rows

from facebench.results.result import Result, Value
from facebench_reports.faces_text import answers, has_faces

FACES = "Are they faces?"
LEAKS = "Do they look like people of the training set?"
PEOPLE = "How many different people?"
POSE = "How are they turned and placed?"
SHOWN = "Who is shown?"
GROUPS = "Is a group shown or exposed worse?"


@pytest.fixture(autouse=True)
def _rows(monkeypatch: pytest.MonkeyPatch) -> None:
    with_rows(monkeypatch)


def said(question: str, failed: dict[str, str] | None = None, **metrics: Value) -> str:
    """Return what is said to one question of a result with these metrics alone."""
    found = answers(result("a", metrics=metrics, failed=failed or {}))
    return " ".join(text for each in found if each.question == question for text in each.said)


def reach(value: Value, key: str = "identity_leakage", question: str = LEAKS) -> str:
    found = answers(result("a", metrics={key: value}, failed={}))
    return " ".join(text for each in found if each.question == question for text in each.reach)


def without(value: Value, *names: str) -> Value:
    return replace(value, details={k: x for k, x in value.details.items() if k not in names})


def rate(value: float, none: float, several: float, **changes: Any) -> Value:
    details: dict[str, float | str] = {"none": none, "several": several}
    return Value(value, 0.005, max(0.0, value - 0.01), value + 0.01, details=details, **changes)


def test_faces_are_counted_with_interval_and_beside_real_ones() -> None:
    text = said(FACES, face_rate=rate(0.97, 0.02, 0.01, reference=0.98))
    assert text == (
        "In 97 of 100 images one face was found (96 to 98), in real ones in 98. In 2 of 100 none "
        "was found, in 1 of 100 several."
    )
    fewer = said(FACES, face_rate=rate(0.5, 0.5, 0.0, reference=0.98, differs=True))
    assert fewer.endswith("in 0 of 100 several. That is fewer than in real ones, beyond noise.")


def test_where_nothing_is_a_face_it_is_said_so() -> None:
    text = said(FACES, face_rate=rate(0.0, 1.0, 0.0, reference=0.98))
    assert text == "No face was found in any image, so nothing is known of whose faces they are."
    why = {"identity_leakage": "No face was found in the generated images."}
    assert said(LEAKS, why, face_rate=rate(0.0, 1.0, 0.0)) == (
        "Not measured: Identity leakage. The reason: No face was found in the generated images."
    )


def test_few_are_not_called_none_nor_most_all() -> None:
    text = said(FACES, face_rate=rate(0.999, 0.001, 0.0))
    assert "In more than 99 of 100 images one face" in text
    assert "In fewer than 1 of 100 none was found" in text


def test_leaks_beyond_chance_are_told_from_chance() -> None:
    text = said(LEAKS, identity_leakage=leakage(0.031, 0.022, 0.042))
    assert text.startswith(
        "Of 1,000 faces about 31 (22 to 42) look like someone in the training set more than "
        "strangers usually do; by chance 10 would. So about 21 of 1,000 (12 to 32) are more than "
        "chance explains."
    )
    assert text.endswith("In 2 of 100 images no face was found; they are not among these faces.")


def test_an_excess_that_may_be_nothing_is_called_that() -> None:
    text = said(LEAKS, identity_leakage=leakage(0.012, 0.006, 0.021, not_found=0.0))
    assert text.endswith(
        "That may be chance alone: what lies beyond it is between none and 11 of 1,000."
    )
    below = said(LEAKS, identity_leakage=leakage(0.002, 0.0, 0.005))
    assert "That is no more than chance explains." in below
    none = said(LEAKS, identity_leakage=leakage(0.0, 0.0, 0.004))
    assert none.startswith("Of 1,000 faces about 0 (0 to 4) look")


def test_a_finer_threshold_is_told_of_more_faces() -> None:
    value = replace(leakage(0.004, 0.002, 0.007, level=0.999), floor=0.001)
    assert said(LEAKS, identity_leakage=value).startswith("Of 10,000 faces about 40 (20 to 70)")
    unfloored = replace(value, floor=None)
    assert "by chance 10 would" in said(LEAKS, identity_leakage=unfloored)


def test_without_an_interval_nothing_is_called_beyond_chance() -> None:
    bare = Value(0.05, floor=0.01)
    assert said(LEAKS, identity_leakage=bare) == (
        "Of 1,000 faces about 50 look like someone in the training set more than strangers usually "
        "do; by chance 10 would. How many of them are beyond chance is not known."
    )


def test_the_reach_of_the_test_is_told() -> None:
    value = leakage(0.031, 0.022, 0.042)
    text = reach(value)
    assert "similarity (cosine) of 0.612 on, which 10 of 1,000 strangers' faces reach" in text
    assert "7,640 comparisons tell. The strangers: training faces of other people." in text
    assert "72 of 100 are recognised at this size" in text
    assert "find 14 of 100 other photographs of training people: identity can hardly" in text
    assert "copies rather than people" in text
    readable = leakage(0.031, 0.022, 0.042, power=0.5)
    assert "is found more often than not" in reach(readable)
    assert "copies rather than people" not in reach(readable)


def test_what_cannot_be_known_is_said_or_left_out() -> None:
    value = without(leakage(0.03, 0.02, 0.04), "power", "recognised", "holdout", "threshold")
    assert reach(value) == (
        "Which share of training people it would find in other photographs is not known: that "
        "takes a data set that says who is who."
    )


@pytest.mark.parametrize(
    ("holdout", "meaning"),
    [(0.67, "among them are people of the training set"), (0.011, "that remembers nobody")],
)
def test_the_plain_comparison_is_told_with_what_it_means(holdout: float, meaning: str) -> None:
    text = reach(leakage(0.03, 0.02, 0.04, holdout=holdout))
    assert meaning in text and f"held out {round(1000 * holdout)} of 1,000 are so alike" in text


def test_nobody_is_ever_said_to_be_somebody() -> None:
    for share in (0.0, 0.031, 1.0):
        everything = result("a", metrics={"identity_leakage": leakage(share, share, share)})
        texts = [t for a in answers(everything) for t in (a.question, *a.said, *a.reach)]
        assert not [text for text in texts if "copied" in text or "is the person" in text]


def test_people_are_counted_beside_as_many_real_photographs() -> None:
    value = Value(870.4, 10.0, 849.6, 890.4, 930.0, differs=True)
    assert said(PEOPLE, identity_diversity=value) == (
        "It shows about 870 (850 to 890) different people in 1,000 images; as many real ones show "
        "930. That is fewer than real ones show, beyond noise."
    )
    same = replace(value, differs=False)
    assert said(PEOPLE, identity_diversity=same).endswith("by no more than noise.")
    alone = said(PEOPLE, identity_diversity=Value(1.0))
    assert alone == "It shows about 1 person only in 1,000 images."
    known = replace(value, details={"faces": 980.0, "threshold": 0.5, "people": 912.0})
    assert "different people in 980 faces; as many" in said(PEOPLE, identity_diversity=known)
    assert "are of 912 people by the identities given" in reach(known, "identity_diversity", PEOPLE)


def test_a_pose_that_differs_is_said_by_what_differs() -> None:
    yaw = pose(0.045, 0.01, 0.06, (0.0, 0.11), True)
    assert said(POSE, pose_yaw=yaw) == (
        "They look straight ahead more than real people (spread of turn: 0.06 of the eyes' "
        "distance, real 0.11)."
    )
    aside = pose(0.2, -0.2, 0.11, (0.0, 0.11), True)
    assert said(POSE, pose_yaw=aside) == (
        "Heads turn more to the viewer's left (turn: \N{MINUS SIGN}0.2 of the eyes' distance, "
        "real 0)."
    )
    both = said(POSE, pose_eye_distance=pose(0.03, 0.33, 0.03, (0.30, 0.01), True))
    assert "Faces are larger than real ones" in both and "Faces differ more in size" in both


def test_a_pose_within_noise_or_not_tested_is_not_said_to_differ() -> None:
    level = pose(0.9, 0.3, 4.1, (0.2, 5.0), False)
    assert said(POSE, pose_roll=level, pose_x=level) == (
        "No difference from real faces beyond noise in: tilt, place from the left."
    )
    untested = pose(0.9, 0.3, 4.1, (0.2, 5.0), None)
    assert said(POSE, pose_roll=untested) == "Not tested for a difference from real faces: tilt."
    bare = Value(0.9, differs=True)
    assert said(POSE, pose_roll=bare) == "Faces differ from real ones in: tilt."


def test_attributes_beyond_noise_are_named_with_both_shares() -> None:
    text = said(
        SHOWN,
        {"share_necktie": "AUC 0.81"},
        share_hat=Value(0.02, reference=0.07, differs=True),
        share_young=Value(0.8, reference=0.7, differs=True),
        share_male=Value(0.4, reference=0.5, differs=True),
        share_blond_hair=Value(0.1, reference=0.1, differs=False),
    )
    assert text == (
        "Shown less often than in real photographs: male (40 of 100, real 50) and hat (20 of "
        "1,000, real 70). Shown more often than in real photographs: young (80 of 100, real 70). "
        "Not measured: necktie. The reason: AUC 0.81."
    )


def test_many_attributes_are_cut_and_the_chance_of_many_tests_is_told() -> None:
    shares = {f"share_a{i}": Value(0.1 + 0.01 * i, reference=0.5, differs=i < 9) for i in range(40)}
    text = said(SHOWN, None, **shares)
    assert "a5 (15 of 100, real 50) and 3 others." in text
    assert text.endswith("Of 40 attributes about 2 would seem to differ by chance alone.")
    none = {key: replace(value, differs=False) for key, value in shares.items()}
    assert said(SHOWN, None, **none) == (
        "No attribute differs in its share from real photographs beyond noise, of 40 that were "
        "tested."
    )


def test_refusals_of_one_reason_are_said_together() -> None:
    why = {"share_a": "too few have it.", "share_b_c": "too few have it"}
    assert said(SHOWN, why) == "Not measured: a, b c. The reason: too few have it."
    apart = {f"share_{name}": f"AUC 0.8{i}" for i, name in enumerate("abcd")}
    assert said(SHOWN, apart) == (
        "Not measured: a, b, c, d. Each has its reason in the results, such as, of a: AUC 0.80."
    )
    assert said(SHOWN, {"share": "no labels"}) == "Not measured: Share. The reason: no labels."


def test_the_worst_group_is_named_where_it_is_beyond_noise() -> None:
    def with_worst(value: Value, p: float, worst: float, rest: float) -> Value:
        told: dict[str, float | str] = {"worst_group": "b", "worst_value": worst}
        told |= {"rest_value": rest, "worst_p": p}
        classes = {"real b": 0.9, "b": worst, "no b": rest}
        return replace(value, details={**value.details, **told}, classes=classes)

    leaks, faces = leakage(0.03, 0.02, 0.04), rate(0.9, 0.1, 0.0)
    assert said(
        GROUPS,
        identity_leakage=with_worst(leaks, 0.01, 3.2, 0.4),
        face_rate=with_worst(faces, 0.04, 0.85, 0.95),
    ) == (
        "Those who are looked like are more often of the group b than its share of the training "
        "faces says: 3.2 times as often, the others 0.4 times. Face rate is lower for b, beyond "
        "noise: 85 of 100, the others 95 of 100."
    )
    noise = with_worst(leaks, 0.08, 3.2, 0.4)
    assert said(GROUPS, identity_leakage=noise, face_rate=with_worst(faces, 1.0, 1.0, 1.0)) == (
        "No group differs from the others beyond noise in: Identity leakage, Face rate."
    )
    assert said(GROUPS, identity_leakage=leaks) == ""


def test_what_the_images_tell_too_little_of_is_said_as_what_failed_is() -> None:
    shown = {"share_hat": Value(0.07, reference=0.07, differs=False)}
    found = replace(result("a", metrics=shown, failed={}), refused={"share_glasses": "AUC 0.77"})
    (answer,) = [each for each in answers(found) if each.question == SHOWN]
    assert answer.said[-1] == "Not measured: glasses. The reason: AUC 0.77."


def test_what_was_not_measured_is_said_and_without_faces_nothing() -> None:
    assert said(PEOPLE, face_rate=rate(0.9, 0.1, 0.0)) == "This was not measured."
    assert said(SHOWN, face_rate=rate(0.9, 0.1, 0.0)) == ""
    bare: Result = result("a", metrics={"fid": Value(3.0)}, failed={})
    assert not has_faces(bare) and has_faces(replace(bare, failed={"face_rate": "why"}))
    assert has_faces(result("a"))
