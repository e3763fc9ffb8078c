"""About how long an evaluation takes, said beforehand.

By the speeds that this machine is known to have had; where it has none yet, by that of the first
blocks. What is in the store already takes no time: whether it is there is looked up without opening
any model.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from facebench.cache.store import FeatureStore
from facebench.engine.block import Preview
from facebench.engine.context import Context
from facebench.engine.extract import chunks_of, parts_of
from facebench.engine.given_statistics import StatisticsSource
from facebench.engine.jobs import Job, extractors_of, kept_features, work_of
from facebench.engine.model_source import ModelSource
from facebench.engine.sources import ImageSource, Key, ObjectSource
from facebench.folder_walk import tree
from facebench.results.speeds import Speed, Work, find_speed, in_words, keep_speed

Say = Callable[[str], object]

SHORT = 10.0
"""Seconds: nobody asks how long less takes."""
_FAR = 4
"""How many times as many images than were scored a guess is made for."""
_LARGE = 256 << 20
"""Bytes of a model that are not read for a guess: a quarter of a second."""


@dataclass(frozen=True)
class _Todo:
    """The images of one job that are to be looked at."""

    work: Work
    images: int
    is_certain: bool = True
    """Whether it is known that they are not in the store."""


def say_beforehand(jobs: Sequence[Job], rows: int, context: Context, say: Say) -> None:
    """Say about how long `jobs` and the scoring of `rows` take, now or as soon as it is known.

    Nothing is said of what takes a few seconds.
    """
    todo = []
    for job in jobs:
        with suppress(Exception):  # which is said when it is this row's turn
            todo.append(_todo(job, context))
    todo = [each for each in todo if each.images]
    scoring = _scoring_seconds(rows, context)
    speeds = [_speed(each.work) for each in todo]
    if todo and not any(speeds):
        context.clock.tell(partial(_say_by_first, todo, scoring, say))
        return
    known = [speed for speed in speeds if speed]
    slowest = max((speed.seconds for speed in known), default=0.0)
    pairs = list(zip(todo, speeds, strict=True))
    looking = sum(each.images * (speed.seconds if speed else slowest) for each, speed in pairs)
    undrawn = any(each.work.model and not find_speed(each.work) for each in todo)
    _say(todo, looking + scoring, "at the speed of earlier ones here", undrawn, say)


def keep_scoring_speed(seconds: float, num: int, context: Context) -> None:
    """Keep how long the metrics took of `num` generated images, by pairs of one and a real one."""
    pairs = num * len(context.real)
    if pairs and context.ranks.leads:
        keep_speed(_scoring(context), Speed(max(seconds, 1e-6) / pairs, num))


def _say_by_first(todo: Sequence[_Todo], scoring: float, say: Say, speed: Speed) -> None:
    total = speed.seconds * sum(each.images for each in todo) + scoring
    undrawn = len({each.work for each in todo}) > 1
    _say(todo, total, "at the speed of the first", undrawn, say)


def _say(todo: Sequence[_Todo], seconds: float, by: str, undrawn: bool, say: Say) -> None:
    """Say it in a line, with what is uncertain about it."""
    if seconds < SHORT:
        return
    images = sum(each.images for each in todo)
    if not images:
        say(f"About {in_words(seconds)} for scoring: all features are there.")
        return
    doubts = ["models draw no slower"] if undrawn else []
    if not all(each.is_certain for each in todo):
        doubts.append("no features of theirs are there already")
    supposed = f", if {' and '.join(doubts)}" if doubts else ""
    say(f"About {in_words(seconds)} for {images:,} images, {by}{supposed}.")


def _todo(job: Job, context: Context) -> _Todo:
    work = work_of(job, context)
    if isinstance(job.source, StatisticsSource):
        return _Todo(work, 0)
    extractors = extractors_of(job, context)
    keys = _kept_keys(job.source, parts_of(job.seeds, extractors))
    if keys is None:
        is_certain = isinstance(job.source, ObjectSource)
        return _Todo(work, len(job.seeds), is_certain)
    store, preview = FeatureStore(kept_features()), Preview(job.source.preview_side)
    chunks = chunks_of(job.seeds, keys, extractors, preview, context.device)
    there = (all(store.path(key).exists() for key in chunk.keys.values()) for chunk in chunks)
    missing = (len(c.seeds) for c, is_there in zip(chunks, there, strict=True) if not is_there)
    return _Todo(work, sum(missing))


def _kept_keys(source: ImageSource, parts: Sequence[range]) -> list[Key] | None:
    """Return the keys of the images, as far as they are known without opening a model."""
    if isinstance(source, ObjectSource):
        return None
    if isinstance(source, ModelSource):
        return None if _is_large(source) else source.kept_keys(parts)
    return source.keys(parts)


def _is_large(source: ModelSource) -> bool:
    path = source.model.path
    files = [path / name for name in tree(path).files] if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file()) > _LARGE


def _speed(work: Work) -> Speed | None:
    """Return the speed of such work, else of looking alone, at images that are there."""
    return find_speed(work) or find_speed(replace(work, model=""))


def _scoring(context: Context) -> Work:
    keys = ",".join(row.key for row in context.metrics)
    return replace(context.work, model=f"scoring {keys}")


def _scoring_seconds(rows: int, context: Context) -> float:
    """Return about how long the metrics take of all rows, and of their noise floor.

    0 where it is not known: of few images most of the time does not grow with their pairs.
    """
    speed = find_speed(_scoring(context))
    if speed is None or len(context.seeds) > _FAR * speed.images:
        return 0.0
    return (rows + 1) * speed.seconds * len(context.seeds) * len(context.real)
