"""Which rows somebody else got again: the verdicts of ``facebench verify`` that lie in a folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from facebench.bundles.verdict import find_verdict
from facebench.metrics.table import is_known
from facebench.results.result import Result
from facebench.results.verdict import Badge, Verdict
from facebench_reports import number_format

LEGEND = (
    "Reported: nobody else has drawn it again. Reproduced: whoever has model and data drew as many "
    "images from seeds that the submitter could not choose, and the values agree within the noise "
    "of both."
)


def verdicts_of(results: Sequence[Result], folder: Path) -> dict[str, Verdict]:
    """Return the verdicts on these very records, by model."""
    found = ((result.model, find_verdict(folder, result)) for result in results)
    return {model: verdict for model, verdict in found if verdict}


def badges(results: Sequence[Result], verdicts: Mapping[str, Verdict]) -> dict[str, Badge]:
    """Return what is said of each model's row; of none where there is no verdict at all."""
    models = [result.model for result in results if verdicts and not result.is_sanity]
    return {model: verdicts[model].badge if model in verdicts else "reported" for model in models}


def told(verdict: Verdict) -> dict[str, str]:
    """Return what is known of a verdict, label by label."""
    last = verdict.first_seed + verdict.num - 1
    return {
        "verdict": verdict.badge,
        "redrawn seeds": f"{verdict.first_seed} to {last}",
        "pictures": verdict.pictures.likeness,
        **{key: _told(key, verdict) for key in verdict.metrics if is_known(key)},
        "device": verdict.environment.get("device", ""),
        "created": verdict.created,
    }


def _told(key: str, verdict: Verdict) -> str:
    each = verdict.metrics[key]
    if each.redrawn is None or each.low is None or each.high is None:
        return each.outcome
    places = number_format.decimals(key, each.submitted, each.redrawn.error)
    numbers = each.submitted, each.redrawn.value, each.low, each.high
    submitted, redrawn, low, high = (number_format.fixed(number, places) for number in numbers)
    return f"{each.outcome}: {submitted}, redrawn {redrawn}, must lie in {low} – {high}"
