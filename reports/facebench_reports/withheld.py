"""What a board leaves out that is to show no real person (``--no-training-faces``).

Real photographs, whatever they stand for; what is chosen because it is like one; and every sample
that may show somebody of the training set: see :mod:`facebench.results.withheld`.
"""

from collections.abc import Sequence

from facebench.metrics.table import is_known
from facebench.results.result import Result
from facebench.results.withheld import LEAKAGE

GALLERIES = frozenset({"nearest", "uncovered", "copies", "leaks", "reconstructions"})
"""Those with real photographs in them, or with the samples that are likest to one."""


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
    return LEAKAGE in result.metrics and is_known(LEAKAGE)
