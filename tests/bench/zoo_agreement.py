"""How far networks agree on a zoo: do they rank its generators alike, and tell the same pairs?

python tests/bench/zoo_agreement.py zoo/boards/celeba zoo/boards/lfw
"""

import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
from scipy.stats import spearmanr

from facebench.metrics.paired import LEVEL, difference
from facebench.results.result import Result, read_results

TEACHER = "fid_768"
KEYS = ("fd_portrait", "fd_random", "kd_portrait", "kd_random", "mind_portrait", "mind_random")
_RESAMPLES = 2000
_TRAINED = re.compile(r"(?<=pca)\d+$|-\d+$")
"""What a name of a model has beside its trainer's: eigenfaces, or a seed."""


class Agreement(NamedTuple):
    """Of one metric with the teacher's."""

    rho: float
    """Spearman's rank correlation over generators."""
    interval: tuple[float, float]
    """95 %, of resampled families: a trainer's seeds and checkpoints are not independent."""
    signs: float
    """The share of the pairs that the teacher tells apart at 5 % in which both say the same."""
    pairs: int


def agreement(results: Sequence[Result], key: str, teacher: str = TEACHER) -> Agreement:
    """Return how far `key` agrees with the `teacher` over all results that have both."""
    both = [each for each in results if {key, teacher} <= each.metrics.keys()]
    ours, theirs = (np.array([each.metrics[k].value for each in both]) for k in (key, teacher))
    signs = [
        (ours[i] < ours[j]) == (theirs[i] < theirs[j])
        for i, j in combinations(range(len(both)), 2)
        if _apart(both[i], both[j], teacher)
    ]
    families = _families(both)
    ends = np.nanpercentile(_resampled(ours, theirs, families), [2.5, 97.5])
    rho = float(spearmanr(ours, theirs).statistic)
    return Agreement(rho, (float(ends[0]), float(ends[1])), float(np.mean(signs)), len(signs))


def _apart(a: Result, b: Result, key: str) -> bool:
    p = difference(a.metrics[key], b.metrics[key]).p
    return p is not None and p < LEVEL


def _families(results: Sequence[Result]) -> list[np.ndarray]:
    """Return the places of what belongs together: all that one trainer made, and each stranger."""
    names = [_TRAINED.sub("", each.model.partition("@")[0]) for each in results]
    return [np.flatnonzero(np.array(names) == name) for name in dict.fromkeys(names)]


def _resampled(a: np.ndarray, b: np.ndarray, families: Sequence[np.ndarray]) -> np.ndarray:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(_RESAMPLES):
        drawn = rng.integers(len(families), size=len(families))
        rows = np.concatenate([families[i] for i in drawn])
        if len({*drawn.tolist()}) > 1:  # of one family, drawn again and again, nothing is known
            found.append(spearmanr(a[rows], b[rows]).statistic)
    return np.array(found)


def table(boards: Mapping[str, Sequence[Result]]) -> str:
    """Return the Markdown table, a column for each board."""
    lines = [f"| | {' | '.join(boards)} |", f"|---|{'---|' * len(boards)}"]
    for key in KEYS:
        cells = [_cell(results, key) for results in boards.values()]
        lines.append(f"| `{key}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(results: Sequence[Result], key: str) -> str:
    if not any({key, TEACHER} <= each.metrics.keys() for each in results):
        return "not there"
    found = agreement(results, key)
    low, high = found.interval
    return f"{found.rho:.3f} ({low:.3f} – {high:.3f}), {found.signs:.1%} of {found.pairs:,}"


@click.command()
@click.argument("boards", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
def main(boards: tuple[Path, ...]) -> None:
    """Print how far each metric agrees with Inception's on each board."""
    click.echo(table({path.name: read_results(path) for path in boards}))


if __name__ == "__main__":
    main()
