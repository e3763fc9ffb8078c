"""From models and a reference to Results: what ``facebench eval`` does, as a function."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from operator import index
from pathlib import Path
from typing import Any, SupportsIndex

from facebench.data.dataset import Split
from facebench.distributed.device import find_device
from facebench.engine.context import Context, make_context
from facebench.engine.entries import Entry, Models, parse_entries
from facebench.engine.forecast import say_beforehand
from facebench.engine.jobs import row_job
from facebench.engine.metric_choice import check_classes
from facebench.engine.real_images import open_real
from facebench.engine.reference import extract_reference, reference_jobs
from facebench.engine.results_folder import earlier, require_writable
from facebench.engine.row import evaluate_row
from facebench.engine.sanity import SanityRow, sanity_rows
from facebench.errors import BadInput, as_failure, concerns_all
from facebench.metrics.modes import DEFAULT
from facebench.numerics.precision import Precision
from facebench.progress import Track, silent
from facebench.results.result import Result
from facebench.sandbox.limits import Limits
from facebench.weights import WeightSource


@dataclass(frozen=True)
class Evaluation:
    """A Result per model that went well, and by name why the others did not."""

    results: Sequence[Result]
    failures: Mapping[str, Exception]


def evaluate(
    models: Models,
    reference: Any,
    *,
    num: SupportsIndex | float | None = None,
    plain: bool = False,
    out: Path | str | None = None,
    extractor: str | None = None,
    face_model: str | None = None,
    metrics: str | Iterable[str] | None = None,
    mode: str = DEFAULT,
    sanity: bool = False,
    split: Split | None = None,
    seed: SupportsIndex = 0,
    batch_size: SupportsIndex | None = None,
    precision: Precision = "fp32",
    compiled: bool | None = None,
    weights: WeightSource | Mapping[str, Path | str] | None = None,
    device: str | None = None,
    limits: Limits | None = None,
    command: str = "",
    track: Track = silent,
    announce: Callable[[Result], object] = lambda _: None,
    say_time: Callable[[str], object] | None = None,
) -> Evaluation:
    """Score `models` against real images. A model that fails does not stop the others.

    Started by torchrun, the processes share the work, and only the first returns Results.

    Every model runs in a process of its own, within limits of time and memory, but for samplers
    that are objects of this process: these are held to the same contract, without limits, and
    nothing of theirs is kept.

    Args:
        models: as on the command line, ``"dcgan,mine=vae:path"``; or a sampler, or a function of
            seeds; or a list of such, or a mapping of names to such.
        reference: what to compare with: the folder of a prepared data set, pictures in any form
            that is read, a model, an array of images, or a sampler.
        num: images drawn from each model; as many as the reference has by default.
        plain: as ``facebench score`` has it: of pictures all there are unless `num` is given, few
            metrics by default, and a remark where numbers of images are unequal or small.
        out: results folder, to which each Result is written as soon as it is known, with the
            model's sample grid; nothing is written without it.
        extractor: see :func:`facebench.features.create`; of several, with commas between them,
            all give distances, the first one everything else. ``inception`` by default and, with
            a warning where its weights cannot be had, ``portrait``.
        face_model: what looks for faces and tells them apart, which the metrics of faces need:
            ``dlib``, ``opencv`` or one's own, see :mod:`facebench.faces`; none by default.
        metrics: keys of :data:`facebench.metrics.table.METRICS`, as a list or with commas between
            them; all that fit by default.
        mode: whose definitions are followed, see :data:`facebench.metrics.modes.MODES`.
        sanity: add rows of training images in disguise, whose place is known beforehand.
        split: which images of a prepared data set to compare with, by default the hold-out.
        seed: the first seed; image *i* is drawn from seed ``seed + i``.
        batch_size: images at a time, as many as memory allows by default; no score depends on it.
        precision: the network's arithmetic, exact float32 unless a faster one is asked for.
        compiled: whether torch compiles Inception first; by default where there are many images.
        weights: where network weights come from; or files by the networks' names.
        device: a torch device; a GPU where there is one by default.
        limits: of each model's process; see :class:`~facebench.sandbox.limits.Limits`.
        command: recorded in the Results, to make them again.
        track: progress display.
        announce: called with each Result as soon as it is known.
        say_time: called once with a line on about how long it takes, unless that is short; as
            far as this machine's speed is known beforehand, else after the first images.

    Raises:
        BadInput: for what concerns all rows: the models' names and paths, the reference, the
            weights, the options.
    """
    _require_folder(out)
    chosen, keys = parse_entries(models), split_keys(metrics)
    check_classes(chosen, keys or ())
    count, place, limits = whole("num", num), find_device(device), limits or Limits()
    context = make_context(
        open_real(
            reference, split, count, limits, place, (whole("seed", seed) or 0) + (count or 0)
        ),
        num=count,
        plain=plain,
        seed=whole("seed", seed) or 0,
        extractor=extractor,
        face_model=face_model,
        metrics=keys,
        mode=mode,
        sanity=sanity,
        batch_size=whole("batch_size", batch_size),
        precision=precision,
        compiled=compiled,
        weights=weight_source(weights, track),
        device=place,
        track=track,
        limits=limits,
    )
    entries: list[Entry] = [*chosen, *(_sanity(context) if sanity else [])]
    return evaluate_rows(entries, context, out, command, announce, say_time)


def evaluate_rows(
    entries: Sequence[Entry],
    context: Context,
    out: Path | str | None = None,
    command: str = "",
    announce: Callable[[Result], object] = lambda _: None,
    say_time: Callable[[str], object] | None = None,
) -> Evaluation:
    """Score `entries` as the context says; the rest is as in :func:`evaluate`."""
    out = _require_folder(out)
    if not entries:
        raise BadInput('There is no model to evaluate: give "NAME", {"NAME": sampler} or a list.')
    if out:
        require_writable(out)
        for entry in entries:
            _refuse_to_overwrite(entry, context, out)  # now rather than after an hour
    if say_time and context.ranks.leads:
        _forecast(entries, context, say_time)
    real = extract_reference(context)
    results: list[Result] = []
    failures: dict[str, Exception] = {}
    for entry in entries:
        try:
            result = evaluate_row(entry, context, real, command, out)
        except Exception as error:
            if concerns_all(error):
                raise
            failures[entry.name] = as_failure(error)
            continue
        if result:
            results.append(result)
            announce(result)
    return Evaluation(results, failures if context.ranks.leads else {})


def weight_source(
    weights: WeightSource | Mapping[str, Path | str] | None, track: Track
) -> WeightSource:
    """Return where weights come from: given as it is, or as files by the networks' names."""
    if isinstance(weights, WeightSource):
        return weights
    files = {name: Path(file).expanduser() for name, file in dict(weights or {}).items()}
    return WeightSource(files, track=track)


def _require_folder(out: Path | str | None) -> Path | None:
    """Return where results go, if that is no file."""
    out = Path(out).expanduser() if out else None
    if out and out.exists() and not out.is_dir():
        raise BadInput(f"{out} is a file: name a folder for the results.")
    return out


def _refuse_to_overwrite(entry: Entry, context: Context, out: Path) -> None:
    try:
        job = row_job(entry, context)
    except BadInput:  # which is said when it is this row's turn
        return
    earlier(entry.name, context.protocol(len(job.seeds)), out)


def _forecast(entries: Sequence[Entry], context: Context, say: Callable[[str], object]) -> None:
    """Say about how long it takes; of rows that fail, it is said when it is their turn."""
    jobs = [*reference_jobs(context).values()]
    for entry in entries:
        with suppress(Exception):
            jobs.append(row_job(entry, context))
    say_beforehand(jobs, len(entries), context, say)


def _sanity(context: Context) -> list[SanityRow]:
    real = context.real
    others = real.training if real.is_apart else None
    return sanity_rows(others, len(context.seeds), f"{real.name} ({real.split})")


def split_keys(metrics: str | Iterable[str] | None) -> Sequence[str] | None:
    """Return the keys of a text with commas, or of anything that gives them one by one."""
    if isinstance(metrics, str):
        return [key.strip() for key in metrics.split(",") if key.strip()]
    return metrics if metrics is None else list(metrics)


def whole(name: str, value: SupportsIndex | float | None) -> int | None:
    """Return a number of a caller's as an int, or raise BadInput naming it."""
    if value is None:
        return None
    try:
        return int(value) if isinstance(value, float) and value.is_integer() else index(value)  # type: ignore[arg-type]
    except TypeError as error:
        raise BadInput(f"{name}={value!r} is not a whole number.") from error
