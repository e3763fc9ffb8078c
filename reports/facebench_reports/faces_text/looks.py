"""What the faces look like: whether they are any, where they look, what they have."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from facebench.results.result import Result, Value
from facebench_reports.faces_text.counts import between, count, detail, of

_NAMED = 6
"""Attributes named in a sentence: the table has all."""
_BY_CHANCE = 0.05  # of tests seem to differ where nothing does
_MANY = 10  # tests, from which on that is worth saying


def face_rate(result: Result) -> Iterator[str]:
    """Say in how many images one face was found, none, and several."""
    value = result.metrics["face_rate"]
    none, several = detail(value, "none"), detail(value, "several")
    if none == 1:
        yield "No face was found in any image, so nothing is known of whose faces they are."
        return
    yield f"In {of(value.value, 100)} images one face was found{between(value.low, value.high, 100)}."
    if value.reference is not None:
        yield f"In real ones it is {of(value.reference, 100)}."
    if none is not None and several is not None:
        yield f"In {of(none, 100)} none was found, in {of(several, 100)} several."
    if value.differs and value.reference is not None:
        direction = "fewer" if value.value < value.reference else "more"
        yield f"That is {direction} than in real ones, beyond noise."


@dataclass(frozen=True)
class _Factor:
    """One factor of pose and crop: what is said where the faces' differs from the real ones'."""

    name: str
    unit: str
    narrower: str
    wider: str
    lower: str
    higher: str


_FACTORS = {
    "pose_roll": _Factor(
        *("tilt of the head", " degrees"),
        *("hold their heads upright more than real people do", "tilt their heads further"),
        *("tilt their heads more to one side", "tilt their heads more to one side"),
    ),
    "pose_yaw": _Factor(
        *("turn of the head", " eye distances"),
        *("look straight ahead more than real people do", "turn their heads further aside"),
        *("turn their heads more to one side", "turn their heads more to one side"),
    ),
    "pose_eye_distance": _Factor(
        *("distance of the eyes", " of the picture's width"),
        *("are more equal in size", "differ more in size"),
        *("are smaller in the picture", "are larger in the picture"),
    ),
    "pose_x": _Factor(
        *("place across", " of the picture's width"),
        *("keep more to one place across the picture", "are more scattered across the picture"),
        *("sit further to the left", "sit further to the right"),
    ),
    "pose_y": _Factor(
        *("height in the picture", " of the picture's height, from above"),
        *("keep more to one height in the picture", "are more scattered in height"),
        *("sit higher in the picture", "sit lower in the picture"),
    ),
}


def pose(result: Result) -> Iterator[str]:
    """Say in which factors of pose and crop the faces differ from real ones beyond noise."""
    values = {key: result.metrics[key] for key in _FACTORS if key in result.metrics}
    differing = {key: value for key, value in values.items() if value.differs}
    for key, value in differing.items():
        yield from _difference(_FACTORS[key], value)
    rest = [_FACTORS[key].name for key, value in values.items() if value.differs is False]
    if rest and differing:
        yield f"No difference from real ones beyond noise: {', '.join(rest)}."
    elif rest:
        yield f"No difference from real ones beyond noise, in any of: {', '.join(rest)}."
    if untested := [_FACTORS[key].name for key, v in values.items() if v.differs is None]:
        yield f"Whether it differs from real ones beyond noise was not tested: {_list(untested)}."


def _difference(factor: _Factor, value: Value) -> Iterator[str]:
    """Yield what differs: the mean, the spread, or both, as far as they make up the distance."""
    parts = [
        *_part(value, "mean", "", (factor.lower, factor.higher), factor),
        *_part(value, "spread", "spread of the ", (factor.narrower, factor.wider), factor),
    ]
    if not parts:
        yield f"Its faces differ from real ones in the {factor.name}."
        return
    largest = max(size for size, _ in parts)
    for size, text in parts:
        if size == largest or size >= value.value / 2:
            yield text


def _part(
    value: Value, what: str, of_what: str, said: tuple[str, str], factor: _Factor
) -> Iterator[tuple[float, str]]:
    fake, real = detail(value, what), detail(value, f"real_{what}")
    if fake is None or real is None:
        return
    figures = f"{of_what}{factor.name}: {fake:.3g}{factor.unit}, real {real:.3g}"
    yield abs(fake - real), f"Its faces {said[fake > real]} ({figures})."


def attributes(result: Result) -> Iterator[str]:
    """Say which attributes are shown more or less often than in real photographs."""
    values = shares(result)
    tested = {name: value for name, value in values.items() if value.differs is not None}
    differing = {name: value for name, value in tested.items() if value.differs}
    for more, text in ((False, "less"), (True, "more")):
        chosen = {n: v for n, v in differing.items() if (v.value > (v.reference or 0)) == more}
        if chosen:
            yield f"Shown {text} often than in real photographs: {_named(chosen)}."
    if tested and not differing:
        yield (
            "No attribute differs in its share from real photographs beyond noise, of "
            f"{len(tested)} that were tested."
        )
    elif len(tested) >= _MANY:
        yield (
            f"Of {len(tested)} attributes about {max(1, round(_BY_CHANCE * len(tested)))} would "
            "seem to differ by chance alone."
        )
    elif not tested:
        yield "Whether any share differs from the real one beyond noise was not tested."


def shares(result: Result) -> dict[str, Value]:
    """Return the shares of attributes by their names."""
    held = {key: value for key, value in result.metrics.items() if key.startswith("share_")}
    return {key.removeprefix("share_").replace("_", " "): value for key, value in held.items()}


def _named(chosen: Mapping[str, Value]) -> str:
    """Return the attributes that differ most, with both shares."""
    ordered = sorted(chosen.items(), key=lambda each: -_gap(each[1]))
    texts = [f"{name} ({_both(value)})" for name, value in ordered[:_NAMED]]
    return _list([*texts, *([f"{left} others"] if (left := len(ordered) - _NAMED) > 0 else [])])


def _gap(value: Value) -> float:
    return abs(value.value - (value.reference or 0.0))


def _both(value: Value) -> str:
    real = "" if value.reference is None else f", real {count(value.reference, 100)}"
    return f"{of(value.value, 100)}{real}"


def _list(names: list[str]) -> str:
    """Return names as a sentence has them."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
