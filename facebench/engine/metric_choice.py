"""Which metrics an evaluation computes: those asked for, or all that everything else serves."""

from collections.abc import Sequence

from facebench.errors import BadInput
from facebench.metrics.modes import Mode
from facebench.metrics.table import METRICS, Metric


def choose_metrics(
    extractor: str, keys: Sequence[str] | None, mode: Mode, sanity: bool = False
) -> list[Metric]:
    """Return the rows that `keys` name; by default all that `extractor` and `mode` can serve.

    Random features are for doing without downloads, so LPIPS' network is not asked for by default;
    nor is what needs every training image extracted, unless there are sanity rows to show it on.

    >>> from facebench.metrics.modes import find_mode
    >>> [row.key for row in choose_metrics("random", None, find_mode("prdc"))]
    ['precision', 'recall', 'density', 'coverage']
    """
    rows = _default(extractor, mode, sanity) if keys is None else _named(keys)
    mode.check(extractor, [row.key for row in rows])
    for row in rows:
        if row.needs == "logits" and extractor != "inception":
            raise BadInput(f"{row.key} needs the extractor inception, not {extractor}.")
    return rows


def check_count(rows: Sequence[Metric], count: int, what: str) -> None:
    """Refuse fewer images than any of `rows` is defined for."""
    for row in rows:
        if count < row.minimum:
            raise BadInput(
                f"{row.key} needs at least {row.minimum} images a side and {what} gives "
                f"{count}: give more, or choose other --metrics."
            )


def _default(extractor: str, mode: Mode, sanity: bool) -> list[Metric]:
    skipped = set() if extractor == "inception" else {"logits"}
    skipped |= {"lpips"} if extractor == "random" else set()
    return [
        row
        for row in METRICS.usable
        if row.needs not in skipped
        and (row.default or (sanity and row.needs == "training"))
        and (mode.metrics is None or row.key in mode.metrics)
    ]


def _named(keys: Sequence[str]) -> list[Metric]:
    unknown = [key for key in keys if key not in METRICS]
    if unknown or not keys:
        named = f"There is no metric {unknown[0]!r}" if unknown else "No metric is named"
        raise BadInput(f"{named}; there are: {', '.join(METRICS)}.")
    return [METRICS[key] for key in dict.fromkeys(keys)]
