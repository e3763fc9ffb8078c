"""Are a row's values got again? Other seeds are drawn, scored alike, and judged with their noise.

What a submitter could have chosen is not taken from them: the seeds come from the operating system.
What makes values comparable is: metrics, network, definitions, arithmetic and numbers of images are
the row's own, and what differs nevertheless (real images, crop, weights) is refused by name.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from facebench.bundles.looks import compare_pictures
from facebench.bundles.submission import Submission, keys_of, read_submission
from facebench.bundles.verdict import write_verdict
from facebench.distributed.device import find_device
from facebench.engine.context import Context, make_context
from facebench.engine.entries import Given, Models, ObjectRow, parse_entries
from facebench.engine.evaluate import evaluate_rows, weight_source
from facebench.engine.real_images import open_real
from facebench.errors import BadInput, RowFailed
from facebench.metrics.paired import unlike_settings
from facebench.metrics.reproduced import LEVEL, judge, ranking
from facebench.metrics.table import is_known
from facebench.plugins.model_spec import Model
from facebench.progress import Track, silent
from facebench.results.digest import row_digest
from facebench.results.result import STATISTICS, Result
from facebench.results.verdict import JudgedValue, Verdict
from facebench.sandbox.limits import Limits
from facebench.weights import WeightSource

SEEDS = 2**32
"""Seeds are below: NumPy and Keras take 32 bits."""


@dataclass(frozen=True)
class _Case:
    """A row, the model that is said to have given it, and how it is to be scored again."""

    submitted: Result
    entry: Given
    context: Context


def verify(
    submission: Path | str,
    models: Models,
    reference: Any,
    *,
    out: Path | str | None = None,
    extractor: str | None = None,
    face_model: str | None = None,
    seed: int | None = None,
    batch_size: int | None = None,
    compiled: bool | None = None,
    weights: WeightSource | Mapping[str, Path | str] | None = None,
    device: str | None = None,
    limits: Limits | None = None,
    track: Track = silent,
    announce: Callable[[Verdict], object] = lambda _: None,
    say_time: Callable[[str], object] | None = None,
) -> list[Verdict]:
    """Redraw rows that somebody submitted, and say which of their values are reproduced.

    Args:
        submission: a bundle, a results folder, or the file of one row.
        models: as :func:`facebench.evaluate` takes them; each has the name of its row.
        reference: the real images, the same as the rows'.
        out: folder of verdicts, each written as soon as it is known; nothing is without it.
        extractor: the networks, where a row's are somebody's own code: such is never taken from a
            submission.
        face_model: likewise.
        seed: the first redrawn seed, to go on with a verification that was interrupted; boards do
            not honour a verdict on seeds that somebody chose.
        batch_size: images at a time, as many as memory allows by default.
        compiled: whether torch compiles Inception first; by default where there are many images.
        weights: where network weights come from; or files by the networks' names.
        device: a torch device; a GPU where there is one by default.
        limits: of each model's process.
        track: progress display.
        announce: called with each verdict as soon as it is known.
        say_time: called with a line on about how long a row takes, unless that is short.

    Raises:
        BadInput: for rows that cannot be verified, and whatever differs from their protocol.
        RowFailed: where a model cannot be sampled or scored.
    """
    given, entries = read_submission(Path(submission)), parse_entries(models)
    where: dict[str, Any] = {
        "batch_size": batch_size,
        "compiled": compiled,
        "weights": weight_source(weights, track),
        "device": find_device(device),
        "limits": limits or Limits(),
        "track": track,
    }
    networks = {"extractor": extractor, "face_model": face_model}
    cases = [_case(given, entry, reference, seed, networks, where) for entry in entries]
    verdicts = []
    for case in cases:
        verdict = _verdict(case, given.pictures.get(case.entry.name), seed is not None, say_time)
        if out:
            write_verdict(verdict, Path(out))
        announce(verdict)
        verdicts.append(verdict)
    return verdicts


def _case(
    given: Submission,
    entry: Given,
    reference: Any,
    seed: int | None,
    networks: Mapping[str, str | None],
    where: Mapping[str, Any],
) -> _Case:
    """Find everything that can be refused, before anything is computed."""
    result = given.row(entry.name)
    if not isinstance(entry, Model | ObjectRow):
        raise BadInput(f"{entry.name} names images, and verify redraws them: name the model.")
    p = result.protocol
    split: Any = None if p.split == STATISTICS else p.split
    real = open_real(reference, split, None, where["limits"], where["device"])
    labels = len(real.classes.labels) if real.classes else 1
    precision: Any = p.precision
    context = make_context(
        real,
        num=p.num,
        plain=False,
        seed=fresh_seed(result.first_seed, p.num, labels) if seed is None else seed,
        metrics=keys_of(result),
        mode=p.mode,
        sanity=False,
        precision=precision,
        extractor=networks["extractor"] or _plain(p.extractor, "--extractor"),
        face_model=networks["face_model"] or _plain(p.faces.partition(" ")[0], "--face-model"),
        **where,
    )
    _require_other_seeds(result, context.seeds)
    _require_alike(result, context)
    _require_noise(result)
    return _Case(result, entry, context)


def fresh_seed(submitted: int, num: int, classes: int = 1) -> int:
    """Return the first of `num` seeds that nobody could foresee, none of them a submitted one.

    Of conditional models it asks for the same class at each place: seeds go round all `classes`.
    """
    while True:
        first = submitted % classes + classes * secrets.randbelow((SEEDS - num) // classes)
        if abs(first - submitted) >= num and first + num <= SEEDS:
            return first


def _plain(names: str, option: str) -> str | None:
    """Return networks that are part of facebench, none of them code that a stranger names."""
    kept = ",".join(name.partition("~")[0] for name in names.split(","))
    if ":" in kept or "/" in kept:
        raise BadInput(
            f"The row's {names} is somebody's own code, and none is taken from a submission: name "
            f"it yourself, as {option} MODULE:FUNCTION."
        )
    return kept or None


def _require_other_seeds(result: Result, seeds: range) -> None:
    if abs(seeds.start - result.first_seed) < len(seeds):
        raise BadInput(
            f"--seed {seeds.start} draws seeds that the row has itself: leave it out, for the "
            "operating system to choose."
        )


def _require_alike(result: Result, context: Context) -> None:
    """Refuse, by its name, what would make the values incomparable."""
    then, now = result.protocol, context.protocol(result.protocol.num)
    now = replace(now, dataset=then.dataset)  # whatever the folder is called
    if unlike := unlike_settings(then, now):
        raise BadInput(
            f"{result.model} was measured under another protocol than this would be "
            f"({unlike}): prepare the same real images alike, and give "
            "the same networks."
        )
    for network in context.used:
        for name, digest in network.weights.items():
            if result.environment.get(f"weights {name}", digest) != digest:
                raise BadInput(
                    f"{result.model} was measured with other weights of {name}: give the same "
                    f"file, --weights {name.partition('-')[0]}=FILE."
                )


def _require_noise(result: Result) -> None:
    first = _ranking(result)
    if not result.metrics[first].groups:
        raise BadInput(
            f"{result.model} has no pseudo-values of {first}, so that nothing is known of its "
            "noise: submit a row of more images."
        )


def _ranking(result: Result) -> str:
    known = [key for key in result.metrics if is_known(key)]
    return ranking(known, result.protocol.extractor.partition(",")[0])


def _verdict(
    case: _Case, sheet: bytes | None, is_chosen: bool, say_time: Callable[[str], object] | None
) -> Verdict:
    """Redraw one row and judge it."""
    submitted, first = case.submitted, _ranking(case.submitted)
    pictures = compare_pictures(sheet, submitted, case.entry, case.context)
    evaluation = evaluate_rows([case.entry], case.context, say_time=say_time)
    for failure in evaluation.failures.values():
        raise failure
    [redrawn] = evaluation.results
    if first not in redrawn.metrics:
        raise RowFailed(f"{submitted.model}: {first} could not be computed again")
    judged = {
        key: JudgedValue(
            submitted=submitted.metrics[key].value,
            redrawn=redrawn.metrics.get(key),
            **vars(each),
        )
        for key, each in judge(submitted.metrics, redrawn.metrics, first).items()
    }
    is_held = judged[first].outcome == "reproduced" and all(
        each.outcome in ("reproduced", "not judged") for each in judged.values()
    )
    return Verdict(
        model=submitted.model,
        record=row_digest(submitted),
        reproduced=is_held and pictures.likeness != "other",
        ranking=first,
        level=LEVEL,
        metrics=judged,
        pictures=pictures,
        num=submitted.protocol.num,
        first_seed=redrawn.first_seed,
        seed_from="the command line" if is_chosen else "the operating system",
        model_digest=redrawn.model_digest,
        environment=redrawn.environment,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
