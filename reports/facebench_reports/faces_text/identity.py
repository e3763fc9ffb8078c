"""Whose faces they are: how many look like training people, how many people there are."""

from collections.abc import Iterator

from facebench.results.result import Result, Value
from facebench_reports.faces_text.counts import between, count, detail, of, total_for, words

_CHANCE = 0.01  # of strangers' faces, where nothing else is said
_READABLE = 0.5
"""The power below which the test finds copies rather than people."""


def leakage(result: Result) -> Iterator[str]:
    """Say how many faces look like training people, and how many of them chance explains."""
    value = result.metrics["identity_leakage"]
    chance, total = _chance(value), total_for(_chance(value))
    yield (
        f"Of {total:,} faces about {count(value.value, total)}"
        f"{between(value.low, value.high, total)} look like someone in the training set more than "
        f"strangers usually do; by chance {count(chance, total)} would."
    )
    yield _beyond_chance(value, total)
    if missed := detail(value, "not_found"):
        yield f"In {of(missed, 100)} images no face was found; they are not among these faces."


def _beyond_chance(value: Value, total: int) -> str:
    excess, low, high = (detail(value, f"excess{end}") for end in ("", "_low", "_high"))
    if excess is None or low is None or high is None:
        return "How many of them are beyond chance is not known."
    if low > 0:
        found = f"{of(excess, total)}{between(low, high, total)}"
        return f"So about {found} are more than chance explains."
    if high > 0:
        return (
            f"That may be chance alone: what lies beyond it is between none and {of(high, total)}."
        )
    return "That is no more than chance explains."


def _chance(value: Value) -> float:
    level = detail(value, "level")
    if value.floor:
        return value.floor
    return 1 - level if level is not None and level < 1 else _CHANCE


def reach_of_leakage(result: Result) -> Iterator[str]:
    """Say what counted as alike, what this test can find, and what real photographs score."""
    value = result.metrics["identity_leakage"]
    yield from _threshold(value)
    yield from _recognised(value)
    yield from _power(value)
    yield from _holdout(value)


def _threshold(value: Value) -> Iterator[str]:
    threshold, total = detail(value, "threshold"), total_for(_chance(value))
    if threshold is None:
        return
    null, way = detail(value, "null_count"), words(value, "way").rstrip(".")
    among = f", as {round(null):,} comparisons tell" if null else ""
    how = f" The strangers: {way}." if way else ""
    yield (
        f"A face is called alike from a similarity (cosine) of {threshold:.3f} on, which "
        f"{of(_chance(value), total)} strangers' faces reach by chance{among}.{how}"
    )


def _power(value: Value) -> Iterator[str]:
    power = detail(value, "power")
    if power is None:
        yield (
            "Which share of training people it would find in other photographs is not known: "
            "that takes a data set that says who is who."
        )
        return
    meaning = (
        "identity can hardly be read at this size, and what is found are copies rather than people"
        if power < _READABLE
        else "a training person who is shown in another picture is found more often than not"
    )
    yield (
        "Among all training faces, where strangers have more chances to be alike, this test would "
        f"find {of(power, 100)} other photographs of training people: {meaning}."
    )


def _recognised(value: Value) -> Iterator[str]:
    recognised = detail(value, "recognised")
    if recognised is not None:
        yield (
            f"Of pairs of one person's real photographs {of(recognised, 100)} are recognised at "
            "this size, where 1 of 1,000 pairs of strangers is taken for one person."
        )


def _holdout(value: Value) -> Iterator[str]:
    held, chance = detail(value, "holdout"), _chance(value)
    if held is None:
        return
    meaning = (
        "among them are people of the training set, so being no more alike than they are does not "
        "mean that nobody is shown"
        if held > 2 * chance
        else "about what a model scores that remembers nobody"
    )
    yield (
        f"Of the real photographs that were held out {of(held, total_for(chance))} are so alike: "
        f"{meaning}."
    )


def diversity(result: Result) -> Iterator[str]:
    """Say how many people are told apart, beside as many real photographs."""
    value = result.metrics["identity_diversity"]
    shown = max(1, round(value.value))
    people = "different people" if shown > 1 else "person only"
    faces, images, real = detail(value, "faces"), result.protocol.num, value.reference
    among = f" in {images:,} images" if images else ""
    among = f" in {round(faces):,} faces" if faces else among
    beside = f"; as many real ones show {round(real):,}" if real is not None else ""
    yield f"It shows about {shown:,}{between(value.low, value.high)} {people}{among}{beside}."
    if value.differs is not None and real is not None:
        direction = "fewer" if value.value < real else "more"
        yield (
            f"That is {direction} than real ones show, beyond noise."
            if value.differs
            else "That differs from real ones by no more than noise."
        )


def way_of_diversity(result: Result) -> Iterator[str]:
    """Say what counted as one person."""
    value = result.metrics["identity_diversity"]
    threshold, people = detail(value, "threshold"), detail(value, "people")
    if threshold is not None:
        yield (
            f"Faces are counted as one person's from a similarity (cosine) of {threshold:.3f} on, "
            "which 1 of 1,000 pairs of real faces of different people reaches."
        )
    if people is not None:
        yield (
            f"The real faces that were counted are of {round(people):,} people by the identities "
            "given: so near comes the count."
        )
