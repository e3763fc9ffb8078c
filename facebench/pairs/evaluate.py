"""From translators and a set of pairs to Results: ``facebench eval-pairs``, as a function.

A translator that is asked for answers to the sources of a set of pairs is a sampler, and the
targets are the real images: the engine is that of ``facebench eval``.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import SupportsIndex

from facebench.distributed.device import find_device
from facebench.engine.context import make_context
from facebench.engine.entries import Models
from facebench.engine.evaluate import Evaluation, evaluate_rows, split_keys, weight_source, whole
from facebench.engine.pairing import Pairing
from facebench.engine.real_images import UNCROPPED, RealImages
from facebench.errors import BadInput
from facebench.metrics.modes import DEFAULT
from facebench.numerics.precision import Precision
from facebench.pairs.named_pictures import said_of
from facebench.pairs.pair_set import PairSet, open_pairs
from facebench.pairs.rows import baselines as baseline_rows
from facebench.pairs.rows import pair_rows, targets
from facebench.progress import Track, silent
from facebench.results.result import Result
from facebench.sandbox.limits import Limits
from facebench.text import printable
from facebench.translator import Asked
from facebench.weights import WeightSource

FEWEST = 2
"""Pairs: no distance is defined for one."""
UNSPLIT = "the pairs are not split, so a model may have learnt these very ones"


def evaluate_pairs(
    models: Models,
    pairs: Path | str,
    *,
    out: Path | str | None = None,
    seeds_per_source: SupportsIndex | float = 1,
    baselines: bool = False,
    extractor: str | None = None,
    face_model: str | None = None,
    metrics: str | Iterable[str] | None = None,
    seed: SupportsIndex | float = 0,
    batch_size: SupportsIndex | float | None = None,
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
    """Score translators against the true targets. One that fails does not stop the others.

    Args:
        models: as on the command line; or an object with ``translate(sources, seeds)``, or a
            function of sources and seeds, or a list or mapping of such.
        pairs: the folder of pairs, of which the hold-out is taken where there is one.
        out: results folder, as in :func:`facebench.evaluate`.
        seeds_per_source: answers to each source: of several there are their diversity and
            calibration, and every value is the mean over them.
        baselines: add the rows that need no training, see :func:`facebench.pairs.rows.baselines`.
        extractor: as in :func:`facebench.evaluate`, as are all others.
        face_model: likewise.
        metrics: keys; by default all that answers and targets tell, ``fid`` and ``kid``.
        seed: the first seed, see :class:`facebench.translator.Asked`.
        batch_size: images at a time.
        precision: the network's arithmetic.
        compiled: whether torch compiles Inception first.
        weights: where network weights come from.
        device: a torch device.
        limits: of each model's process.
        command: recorded in the Results.
        track: progress display.
        announce: called with each Result.
        say_time: called once with a line on about how long it takes.

    Raises:
        BadInput: for what concerns all rows: the pairs, the models' names, the options.
    """
    answers = whole("seeds_per_source", seeds_per_source) or 0
    if answers < 1:
        raise BadInput(f"--seeds-per-source {seeds_per_source} is less than one answer.")
    first = whole("seed", seed) or 0
    pair_set = open_pairs(Path(pairs), "holdout")
    real = reference(pair_set, answers, first)
    assert real.pairs is not None, "they were given"
    context = make_context(
        real,
        num=len(real.pairs.asked.numbers),
        plain=False,
        seed=first,
        extractor=extractor,
        face_model=face_model,
        metrics=split_keys(metrics),
        mode=DEFAULT,
        sanity=False,
        batch_size=whole("batch_size", batch_size),
        precision=precision,
        compiled=compiled,
        weights=weight_source(weights, track),
        device=find_device(device),
        track=track,
        limits=limits or Limits(),
    )
    rows = pair_rows(models, real.pairs)
    others = baseline_rows(real.pairs, pair_set) if baselines else []
    if taken := sorted({row.name for row in rows} & {row.name for row in others}):
        raise BadInput(f"A model is called {taken[0]!r}, as a baseline is: name it otherwise.")
    return evaluate_rows([*rows, *others], context, out, command, announce, say_time)


def reference(pair_set: PairSet, answers: int = 1, seed: int = 0) -> RealImages:
    """Return the targets as what answers are compared with."""
    if len(pair_set) < FEWEST:
        raise BadInput(f"{pair_set.folder} holds one pair: give {FEWEST} or more.")
    size = pair_set.targets.shape[2], pair_set.targets.shape[3]
    asked = Asked(pair_set.sources, size, answers, seed)
    pairs = Pairing(asked, pair_set.targets, pair_set.names, pair_set.digest, pair_set.task)
    source = targets(pairs, pair_set)
    said = said_of(len(pair_set.left_out), pair_set.converted, "the pairs")
    return RealImages(
        name=printable(pair_set.folder.resolve().name),
        digest=pair_set.digest,
        split=pair_set.part,
        crop=UNCROPPED,
        filter="none",
        size=size[0] if size[0] == size[1] else 0,
        seeds=range(len(pair_set)),
        source=lambda: source,
        is_shuffled=False,
        note="; ".join(filter(None, [said, UNSPLIT if pair_set.part == "all" else ""])),
        pairs=pairs,
    )
