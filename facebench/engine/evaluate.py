"""From models and a reference to Results: what ``facebench eval`` does, as a function."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from facebench.data.dataset import Split, open_dataset
from facebench.engine.folder import earlier, keep
from facebench.engine.reference import look_at_reference, see_reference
from facebench.engine.row import Entry, look_at, score
from facebench.engine.sanity import sanity_rows
from facebench.engine.setting import Setting, make_setting
from facebench.errors import BadInput, RowFailed
from facebench.features.arithmetic import Precision
from facebench.limits import Limits
from facebench.modes import DEFAULT
from facebench.progress import Track, silent
from facebench.result import Result
from facebench.spec import Model, parse_models
from facebench.weights import WeightSource


@dataclass(frozen=True)
class Evaluation:
    """A Result per model that went well, and by name why the others did not."""

    results: Sequence[Result]
    failures: Mapping[str, Exception]


def evaluate(
    models: str | Sequence[Model],
    reference: Path | str,
    *,
    num: int | None = None,
    out: Path | str | None = None,
    extractor: str = "inception",
    metrics: Sequence[str] | None = None,
    mode: str = DEFAULT,
    sanity: bool = False,
    split: Split = "holdout",
    seed: int = 0,
    batch_size: int | None = None,
    precision: Precision = "fp32",
    compiled: bool | None = None,
    weights: WeightSource | None = None,
    device: str | None = None,
    limits: Limits | None = None,
    command: str = "",
    track: Track = silent,
    announce: Callable[[Result], object] = lambda _: None,
) -> Evaluation:
    """Score `models` against a prepared data set. A model that fails does not stop the others.

    Started by torchrun, the processes share the work, and only the first returns Results.

    Every model runs in a process of its own, within limits of time and memory.

    Args:
        models: as on the command line, ``"dcgan,mine=vae:path"``, or parsed.
        reference: folder of the prepared data set.
        num: images drawn from each model; as many as the reference has by default.
        out: results folder, to which each Result is written as soon as it is known, with the
            model's sample grid; nothing is written without it.
        extractor: see :func:`facebench.features.create`.
        metrics: keys of :data:`facebench.metrics.table.METRICS`; all that fit by default.
        mode: whose definitions are followed, see :data:`facebench.modes.MODES`.
        sanity: add rows of training images in disguise, whose place is known beforehand.
        split: which images of the reference to compare with.
        seed: the first seed; image *i* is drawn from seed ``seed + i``.
        batch_size: images at a time, as many as memory allows by default; no score depends on it.
        precision: the network's arithmetic, exact float32 unless a faster one is asked for.
        compiled: whether torch compiles Inception first; by default where there are many images.
        weights: where network weights come from.
        device: a torch device; a GPU where there is one by default.
        limits: of each model's process; see :class:`facebench.limits.Limits` for the default.
        command: recorded in the Results, to make them again.
        track: progress display.
        announce: called with each Result as soon as it is known.

    Raises:
        BadInput: for what concerns all rows: the models' names and paths, the reference, the
            weights, the options.
    """
    out = Path(out) if out else None
    chosen = parse_models(models) if isinstance(models, str) else list(models)
    setting = make_setting(
        open_dataset(Path(reference)).split(split),
        num=num,
        seed=seed,
        extractor=extractor,
        metrics=metrics,
        mode=mode,
        sanity=sanity,
        batch_size=batch_size,
        precision=precision,
        compiled=compiled,
        weights=weights or WeightSource(track=track),
        device=device,
        track=track,
        limits=limits or Limits(),
    )
    entries: list[Entry] = [*chosen, *(sanity_rows(setting) if sanity else [])]
    if out:
        for entry in entries:
            earlier(entry.name, setting, out)  # refused now rather than after an hour
    if not setting.ranks.leads:
        _follow(entries, setting)
        return Evaluation([], {})
    real = see_reference(setting)

    results: list[Result] = []
    failures: dict[str, Exception] = {}
    for entry in entries:
        try:
            result, drawn = score(entry, setting, real, command)
        except (BadInput, RowFailed) as error:
            failures[entry.name] = error.with_traceback(None)  # which holds the images
            continue
        except torch.OutOfMemoryError as error:  # a model of somebody else's may fill the GPU
            failures[entry.name] = RowFailed(f"the device has no memory left: {error}")
            continue
        if out:
            result = keep(result, drawn, setting, real, out)
        results.append(result)
        announce(result)
    return Evaluation(results, failures)


def _follow(entries: Sequence[Entry], setting: Setting) -> None:
    """Do a rank's share of what the leader does, whose failures are the leader's to tell."""
    look_at_reference(setting)
    for entry in entries:
        with contextlib.suppress(BadInput, RowFailed):
            look_at(entry, setting)
