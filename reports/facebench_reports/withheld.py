"""What a board leaves out that is to show no real person (``--no-training-faces``).

Real photographs, whatever they stand for; what is chosen because it is like one; and every sample
of a model of whose faces more look like training people than chance explains, or whose images lie
nearer to training images than other photographs do, for a copy of a photograph is that photograph.
"""

from collections.abc import Sequence

from facebench.metrics.table import is_known
from facebench.results.result import Result, Value

GALLERIES = frozenset({"nearest", "uncovered", "copies", "leaks", "reconstructions"})
"""Those with real photographs in them, or with the samples that are likest to one."""
_KEY = "identity_leakage"
_COPIES = "authenticity"


def why_withheld(result: Result) -> str:
    """Return why none of its pictures is shown; nothing where its samples may be."""
    if result.protocol.pairs:
        return "Left out: these are made of photographs of real people, to look like them."
    if result.is_sanity:
        return "Left out: these are real photographs, as they are or spoilt."
    value = result.metrics.get(_KEY)
    if value is not None and is_beyond_chance(value):
        return (
            "Left out: more of its faces look like someone in the training set than chance "
            "explains."
        )
    if _is_nearer_than_chance(result.metrics.get(_COPIES)):
        return (
            "Left out: more of its samples lie near a training image than held-out photographs do."
        )
    return ""


def _is_nearer_than_chance(authenticity: Value | None) -> bool:
    """Return whether more samples are like training images, as a whole, than real images are.

    A copy that is blurred or compressed until nobody can be recognised is still a photograph.
    """
    if authenticity is None or authenticity.floor is None or authenticity.high is None:
        return False
    return authenticity.high < authenticity.floor


def is_beyond_chance(value: Value) -> bool:
    """Return whether more faces look like training people than strangers do by chance."""
    excess = value.details.get("excess_low")
    if excess is not None and not isinstance(excess, str):
        return excess > 0
    if value.low is not None and value.floor is not None:
        return value.low > value.floor
    return value.floor is None or value.value > value.floor


def sentences(results: Sequence[Result]) -> list[str]:
    """Say what is left out, and what may be left in."""
    said = [
        "Pictures of real people are left out of this page: real photographs, whatever is chosen "
        "for being like one, and the samples of each model of whose faces more look like someone "
        "in the training set than chance explains. No test rules out a single copy among the "
        "others' samples."
    ]
    unknown = dict.fromkeys(r.model for r in results if not r.is_sanity and not _is_tested(r))
    if unknown:
        said.append(
            f"Whose samples were not looked at for training people: {', '.join(unknown)}. They "
            "may hold copies of real photographs; evaluate with --faces to know."
        )
    return said


def _is_tested(result: Result) -> bool:
    return _KEY in result.metrics and is_known(_KEY)
