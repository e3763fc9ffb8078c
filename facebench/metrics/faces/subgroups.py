"""The same number within groups of people: whom does a model serve, or expose, worse than others?

A group is of the images that are known to show an attribute, or known not to. What is asked of the
two is whether they differ by more than they would, were the attribute given to as many images by
lot; of many attributes some look unequal by chance, so each p-value is multiplied by their number
(Bonferroni). Groups of fewer than 30 images tell nothing, and are left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int8, Int64
from scipy.special import bdtr, bdtrc, gammaln

from facebench.metrics.face_sets import FaceSet
from facebench.metrics.faces.same_distribution import LEVEL
from facebench.metrics.uncertainty import Estimate

FEWEST = 30
"""Images in the smallest group that is looked at."""
_NAMED = 5  # groups in a sentence

Attributes = Mapping[str, Int8[np.ndarray, " n"]]


class Group(NamedTuple):
    """Those who have an attribute, or those who have it not."""

    name: str
    value: float


class Pair(NamedTuple):
    """Both groups of an attribute, and how likely they are as unlike by chance."""

    having: Group
    without: Group
    p: float


@dataclass(frozen=True)
class Groups:
    """All groups of some images."""

    pairs: Sequence[Pair]
    worse: str
    """Which of two values is the worse one: "lower" or "higher"."""
    left_out: Sequence[str] = ()
    """Groups with too few images."""

    @property
    def values(self) -> dict[str, float]:
        """By name, as in "glasses" and "no glasses"."""
        return {each.name: each.value for pair in self.pairs for each in pair[:2]}

    @property
    def details(self) -> dict[str, float | str]:
        """Which group is surest to be worse off than the others, and how sure that is."""
        if not self.pairs:
            return {}
        pair = min(self.pairs, key=lambda pair: pair.p)
        worst, rest = self._in_order(pair)
        return {
            "worst_group": worst.name,
            "worst_value": worst.value,
            "rest_value": rest.value,
            "worst_p": min(1.0, pair.p * len(self.pairs)),
        }

    @property
    def note(self) -> str:
        """Say who is worse off beyond noise, and which groups are too small."""
        beyond = [self._in_order(pair) for pair in self.pairs if pair.p * len(self.pairs) <= LEVEL]
        told = [f"{a.name} {a.value:.2g} against {b.value:.2g}" for a, b in beyond]
        parts = [f"worse off beyond noise: {_listed(told)}"] if told else []
        if self.pairs and not told:
            parts = ["no group differs from the others beyond noise"]
        if self.left_out:
            parts.append(f"without groups of fewer than {FEWEST}: {_listed(self.left_out)}")
        return "; ".join(parts)

    def _in_order(self, pair: Pair) -> tuple[Group, Group]:
        """Return the worse group first."""
        first, second = sorted(pair[:2], key=lambda group: group.value)
        return (first, second) if self.worse == "lower" else (second, first)


def group_shares(is_so: Bool[np.ndarray, " n"], attributes: Attributes) -> Groups:
    """Return in which share of each group it is so; the lower, the worse.

    Args:
        is_so: whether it is, of each image: whether a face was found in it, say.
        attributes: by name, 1 for each image that has it, 0 for one that has not, -1 unknown.
    """
    pairs, left_out = [], []
    for name, labels in attributes.items():
        counts = [int((labels == kind).sum()) for kind in (1, 0)]
        hits = [int(is_so[labels == kind].sum()) for kind in (1, 0)]
        if small := _too_small(name, counts):
            left_out += small
            continue
        pairs.append(
            _pair(
                name, np.divide(hits, counts), _p_by_lot(hits[0], sum(hits), counts[0], sum(counts))
            )
        )
    return Groups(pairs, "lower", left_out)


def exposure(matched: Int64[np.ndarray, " k"], attributes: Attributes) -> Groups:
    """Return how much more often each group is matched than its share of the training faces says.

    1 is as often as all; 2 is twice as often: the higher, the worse.

    Args:
        matched: the training face of each generated one that matches any, by its number.
        attributes: those of the training faces, as in `group_shares`.
    """
    pairs, left_out = [], []
    for name, labels in attributes.items():
        counts = [int((labels == kind).sum()) for kind in (1, 0)]
        hits = [int((labels[matched] == kind).sum()) for kind in (1, 0)]
        if small := _too_small(name, counts):
            left_out += small
            continue
        if not sum(hits):
            continue
        due = [sum(hits) * count / sum(counts) for count in counts]
        pairs.append(
            _pair(
                name, np.divide(hits, due), _p_of_hits(hits[0], sum(hits), counts[0] / sum(counts))
            )
        )
    return Groups(pairs, "higher", left_out)


def face_rate_of_groups(
    estimate: Estimate, real: FaceSet, fake: FaceSet, attributes: Attributes
) -> Estimate:
    """Return the face rate with that of each group, beside the real images' own.

    Args:
        estimate: the face rate.
        real: what was found in real images, whose attributes are known.
        fake: what was found in the generated ones.
        attributes: those of the generated images, known or supposed.
    """
    own = group_shares(np.asarray(real.counts) == 1, real.attributes)
    beside = replace(estimate, classes={f"real {name}": x for name, x in own.values.items()})
    return with_groups(beside, group_shares(np.asarray(fake.counts) == 1, attributes))


def with_groups(estimate: Estimate, groups: Groups) -> Estimate:
    """Return the estimate with the values of its groups, and what is to be said of them."""
    return replace(
        estimate,
        classes={**estimate.classes, **groups.values},
        details={**estimate.details, **groups.details},
        note="; ".join(part for part in (estimate.note, groups.note) if part),
    )


def _pair(attribute: str, values: Float64[np.ndarray, " 2"], p: float) -> Pair:
    having, without = map(Group, _names(attribute), values.tolist())
    return Pair(having, without, p)


def _names(attribute: str) -> tuple[str, str]:
    """Return what both groups are called.

    >>> _names("long_hair")
    ('long hair', 'no long hair')
    """
    plain = attribute.replace("_", " ")
    return plain, f"no {plain}"


def _too_small(attribute: str, counts: Sequence[int]) -> list[str]:
    return [name for name, count in zip(_names(attribute), counts, strict=True) if count < FEWEST]


def _p_by_lot(hits: int, of: int, count: int, total: int) -> float:
    """Return how likely as uneven a number of hits is among `count` of `total` drawn by lot.

    It is Fisher's exact test, with twice the smaller tail.
    """
    k = np.arange(max(0, count - (total - of)), min(of, count) + 1)
    ways = _log_ways(of, k) + _log_ways(total - of, count - k)
    shares = np.exp(ways - ways.max())
    below, above = shares[k <= hits].sum(), shares[k >= hits].sum()
    return float(min(1.0, 2 * min(below, above) / shares.sum()))


def _log_ways(of: int, k: Int64[np.ndarray, " r"]) -> Float64[np.ndarray, " r"]:
    return gammaln(of + 1) - gammaln(k + 1) - gammaln(of - k + 1)


def _p_of_hits(hits: int, of: int, share: float) -> float:
    """Return how likely as uneven a number of hits is, each of which is in the share by chance."""
    below, above = bdtr(hits, of, share), bdtrc(hits - 1, of, share) if hits else 1.0
    return float(min(1.0, 2 * min(below, above)))


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} others" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
