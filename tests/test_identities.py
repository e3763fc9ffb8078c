"""Metrics of identity as functions of embeddings."""

import numpy as np
import pytest

import facebench.metrics
from facebench.errors import BadInput


def people_of(
    rng: np.random.Generator, people: int, each: int = 2
) -> tuple[np.ndarray, np.ndarray]:
    """Return embeddings of people in several pictures each, and who they show."""
    who = np.repeat(np.arange(people), each)
    faces = rng.normal(size=(people, 32))[who] + 0.2 * rng.normal(size=(people * each, 32))
    return faces, who


def test_copies_leak_and_strangers_do_not() -> None:
    rng = np.random.default_rng(0)
    training, who = people_of(rng, 1000)
    strangers, _ = people_of(rng, 1000, 1)
    leak = facebench.metrics.identity_leakage
    assert 0.003 < leak(training, strangers, who) < 0.02
    assert leak(training, 7 * training[:50], who) == 1  # whatever their length
    half = np.concatenate([training[:100], strangers[:100]])
    assert leak(training, half, [f"person {each}" for each in who]) == pytest.approx(0.5, abs=0.02)
    assert leak(training, half) > 0.4  # without identities


def test_ten_people_are_ten() -> None:
    rng = np.random.default_rng(0)
    real, who = people_of(rng, 200)
    ten, _ = people_of(rng, 10, 10)
    assert facebench.metrics.identity_diversity(real, ten, who) == 10


def test_rows_that_are_nan_have_no_face() -> None:
    rng = np.random.default_rng(0)
    training, who = people_of(rng, 300)
    fake = np.concatenate([training[:10], np.full((90, 32), np.nan)])
    assert facebench.metrics.identity_leakage(training, fake, who) == 1


@pytest.mark.parametrize(
    ("training", "fake", "people", "says"),
    [
        (np.ones(3), np.ones((2, 3)), None, "must have the shape"),
        (np.zeros((200, 3)), np.ones((2, 3)), None, "are 0 or infinite"),
        (np.full((200, 3), np.inf), np.ones((2, 3)), None, "are 0 or infinite"),
        (np.ones((200, 3)), np.full((2, 3), np.nan), None, "No face was found in the generated"),
        (np.eye(200), np.ones((2, 200)), range(3), "There are 3 people for 200 faces"),
        (np.eye(20), np.ones((2, 20)), None, "100 training images with a face"),
        (np.eye(200), np.ones((2, 3)), range(200), "columns"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    training: np.ndarray, fake: np.ndarray, people: range | None, says: str
) -> None:
    with pytest.raises(BadInput, match=says):
        facebench.metrics.identity_leakage(training, fake, people)
