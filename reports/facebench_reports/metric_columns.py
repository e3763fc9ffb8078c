"""The columns of a board: one metric each, with how it is read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from facebench.metrics import paired, validity
from facebench.metrics.description import DIRECTIONS, facts
from facebench.metrics.multiplicity import Correction
from facebench.metrics.table import Metric, metric, order, title
from facebench.results.result import Result, Value
from facebench_reports import number_format

_SHORT = {"lower": "lower", "higher": "higher", "reference": "as real"}


@dataclass(frozen=True)
class Column:
    """One metric of a board."""

    key: str

    @property
    def metric(self) -> Metric:
        """The metric's row in the table of metrics."""
        return metric(self.key)

    @property
    def is_of_faces(self) -> bool:
        """Whether it is about the faces in the images, not about the images."""
        return self.metric.is_of_faces

    @property
    def is_of_many(self) -> bool:
        """Whether it is one of a family of like ones: a factor of pose, an attribute's share."""
        return self.metric.is_of_many

    @property
    def title(self) -> str:
        """The heading, without direction."""
        return title(self.key)

    @property
    def arrow(self) -> str:
        """The direction as one character."""
        return DIRECTIONS[self.metric.better][0]

    @property
    def short_direction(self) -> str:
        """The direction in a word or two."""
        return _SHORT[self.metric.better]

    @property
    def direction(self) -> str:
        """The direction as a sentence's end."""
        return DIRECTIONS[self.metric.better][1]

    @property
    def facts(self) -> dict[str, str]:
        """What its card says beside its first sentence."""
        return facts(self.metric)

    @property
    def failed(self) -> list[str]:
        """What it did not see, or saw wrongly, in docs/validity.md: with the figures."""
        return validity.sentences(self.metric.key, validity.WORST)

    def value(self, result: Result) -> Value | None:
        """Return the value of `result`, None where it is missing."""
        return result.metrics.get(self.key)

    def sort_key(self, result: Result) -> float:
        """Return a number that sorts `result`: the lower the better, infinite where missing."""
        return paired.sort_key(self.value(result), self.metric.better)

    def comparable(self, results: Iterable[Result]) -> bool:
        """Whether all values were computed with the same network, as far as it is recorded."""
        held = [result for result in results if self.key in result.metrics]
        return not self.metric.is_of_lpips or len(set(map(paired.lpips_weights, held))) <= 1

    def caveat(self, results: Iterable[Result]) -> str:
        """Return what must be said where its numbers stand; empty where there is nothing."""
        if self.metric.note:
            return "not informative"
        return "" if self.comparable(results) else "not comparable"

    def bests(self, results: Sequence[Result], correction: Correction = "none") -> list[bool]:
        """Say of each result that is in the contest whether no other is better beyond noise.

        Of none where the numbers tell nothing or cannot be compared.
        """
        values = [None if result.is_sanity else self.value(result) for result in results]
        held = [i for i, value in enumerate(values) if value is not None]
        if len(held) < 2 or self.caveat(results):
            return [False] * len(values)
        beaten = [by.any() for by in paired.beats(values, self.metric.better, correction).T]
        return [i in held and not beaten[i] for i in range(len(values))]

    def real(self, results: Iterable[Result]) -> "Real | None":
        """Return what the real images score; None where it is not known."""
        held = [value for result in results if (value := self.value(result))]
        floor = self._texts(held, [value.floor for value in held])
        own = self._texts(held, [value.reference for value in held])
        return Real(floor, own) if floor or own else None

    def _texts(self, held: Sequence[Value], numbers: Iterable[float | None]) -> str:
        """Return each of `numbers` once, to the decimals of the values `held`."""
        places = max((number_format.decimals(self.key, v.value, v.error) for v in held), default=0)
        found = sorted({number for number in numbers if number is not None})
        return " – ".join(dict.fromkeys(number_format.fixed(each, places) for each in found))


@dataclass(frozen=True)
class Real:
    """What the real images score in one column, as text; more than one where rows differ."""

    floor: str
    """Other real images, in the generated ones' place: the noise floor."""
    own: str
    """The reference set itself, for metrics that are read against it."""


def metric_columns(results: Iterable[Result]) -> tuple[Column, ...]:
    """Return the metrics that any of `results` has, FID and its kin first, in table order.

    Of a distance in several networks' features, that of the first network comes first.
    """
    results = list(results)
    keys = {key for result in results for key in result.metrics}
    firsts = {result.protocol.extractor.partition(",")[0] for result in results}

    def place(key: str) -> tuple[int, bool, tuple[int, bool, str]]:
        is_of_first = any(metric(key).named(network) == key for network in firsts)
        return order(key)[0], not is_of_first, order(key)

    return tuple(map(Column, sorted(keys, key=place)))
