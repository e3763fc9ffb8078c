"""What the faces look like: whether they are any, where they look, what they have."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from facebench.results.result import Result, Value
from facebench_reports.faces_text.counts import between, count, detail, of

_NAMED = 6
"""Attributes named in a sentence: the table has all."""
_BY_CHANCE = 0.05  # of tests seem to differ where nothing does
_RARE = 0.05  # shares of which hundredths tell too little
_MANY = 10  # tests, from which on that is worth saying


def face_rate(result: Result) -> Iterator[str]:
    """Say in how many images one face was found, none, and several."""
    value = result.metrics["face_rate"]
    none, several = detail(value, "none"), detail(value, "several")
    if none == 1:
        yield "No face was found in any image, so nothing is known of whose faces they are."
        return
    found = f"{of(value.value, 100)} images one face was found"
    real = "" if value.reference is None else f", in real ones in {count(value.reference, 100)}"
    yield f"In {found}{between(value.low, value.high, 100)}{real}."
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
        *("tilt", " degrees"),
        *("Heads are held upright more than real ones", "Heads tilt further than real ones"),
        *("Heads tilt more to the viewer's left", "Heads tilt more to the viewer's right"),
    ),
    "pose_yaw": _Factor(
        *("turn", " of the eyes' distance"),
        *("They look straight ahead more than real people", "Heads turn further than real ones"),
        *("Heads turn more to the viewer's left", "Heads turn more to the viewer's right"),
    ),
    "pose_eye_distance": _Factor(
        *("distance of the eyes", " of the picture"),
        *("Faces are more equal in size than real ones", "Faces differ more in size"),
        *("Faces are smaller than real ones", "Faces are larger than real ones"),
    ),
    "pose_x": _Factor(
        *("place from the left", " of the picture"),
        *("Faces keep more to one place across", "Faces are more scattered across"),
        *("Faces are further left than real ones", "Faces are further right than real ones"),
    ),
    "pose_y": _Factor(
        *("place from above", " of the picture"),
        *("Faces keep more to one height", "Faces are more scattered in height"),
        *("Faces are higher up than real ones", "Faces are lower down than real ones"),
    ),
}


def pose(result: Result) -> Iterator[str]:
    """Say in which factors of pose and crop the faces differ from real ones beyond noise."""
    values = {key: result.metrics[key] for key in _FACTORS if key in result.metrics}
    differing = {key: value for key, value in values.items() if value.differs}
    for key, value in differing.items():
        yield from _difference(_FACTORS[key], value)
    rest = [_FACTORS[key].name for key, value in values.items() if value.differs is False]
    if rest:
        yield f"No difference from real faces beyond noise in: {', '.join(rest)}."
    if untested := [_FACTORS[key].name for key, v in values.items() if v.differs is None]:
        yield f"Not tested for a difference from real faces: {', '.join(untested)}."


def _difference(factor: _Factor, value: Value) -> Iterator[str]:
    """Yield what differs: the mean, the spread, or both, as far as they make up the distance."""
    parts = [
        *_part(value, "mean", "", (factor.lower, factor.higher), factor),
        *_part(value, "spread", "spread of ", (factor.narrower, factor.wider), factor),
    ]
    if not parts:
        yield f"Faces differ from real ones in: {factor.name}."
        return
    largest = max(size for size, _ in parts)
    for size, text in parts:
        if size == largest or size >= value.value / 2:
            yield text


def _part(
    value: Value, what: str, of_what: str, said: tuple[str, str], factor: _Factor
) -> Iterator[tuple[float, str]]:
    fake, real = detail(value, what), detail(value, f"{what}_real")
    if fake is None or real is None:
        return
    numbers = [f"{each:.3g}".replace("-", "\N{MINUS SIGN}") for each in (fake, real)]
    figures = f"{of_what}{factor.name}: {numbers[0]}{factor.unit}, real {numbers[1]}"
    yield abs(fake - real), f"{said[fake > real]} ({figures})."


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
    known = [share for share in (value.value, value.reference) if share is not None]
    total = 1000 if min(known) < _RARE else 100
    real = "" if value.reference is None else f", real {count(value.reference, total)}"
    return f"{of(value.value, total)}{real}"


def _list(names: list[str]) -> str:
    """Return names as a sentence has them."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
