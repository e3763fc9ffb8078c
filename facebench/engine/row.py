"""One row of the board to be: where its images come from, and what they score."""

from datetime import UTC, datetime
from typing import Any

from facebench.engine.context import Context
from facebench.engine.entries import Entry, ObjectRow
from facebench.engine.environment import describe_environment
from facebench.engine.meter import Meter
from facebench.engine.reference import Reference
from facebench.engine.sanity import SanityRow
from facebench.engine.sources import ModelSource, ObjectSource, SamplerSource
from facebench.engine.visuals import Drawn
from facebench.errors import RowFailed
from facebench.metrics.table import metric
from facebench.metrics.uncertainty import Estimate
from facebench.plugins import registry
from facebench.plugins.spec import Model
from facebench.results.result import Result, Value


def score(entry: Entry, context: Context, real: Reference, command: str) -> tuple[Result, Drawn]:
    """Return one row's Result, and the images it is of."""
    meter = Meter(context.device)
    source, seeds = _source(entry, context)
    fake = context.see(source, seeds, entry.name, meter)
    with meter.phase("metrics"):
        scores = context.score(real.extracted.features, fake.features, real.training)
    if scores.failed and not scores.values:
        raise RowFailed("no metric could be computed: " + "; ".join(scores.failed.values()))
    remarks = (source.note,) if isinstance(source, SamplerSource) and source.note else ()
    result = Result(
        model=entry.name,
        adapter=entry.adapter,
        path=str(entry.path) if isinstance(entry, SanityRow) else entry.target,
        model_digest=entry.digest() if isinstance(entry, SanityRow) else source.digest,
        first_seed=seeds.start,
        protocol=context.protocol,
        metrics={key: recorded(key, e, real.floor.get(key)) for key, e in scores.values.items()},
        failed=scores.failed,
        notes=(*remarks, *context.notes, *real.notes),
        seconds=meter.seconds,
        memory=meter.memory,
        images=meter.images,
        environment=describe_environment(context) | _code(entry),
        command=command,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return result, Drawn(source, seeds, fake, entry.path)


def _code(entry: Entry) -> dict[str, str]:
    """Return which adapter's code drew the images."""
    return {"adapter": registry.origin(entry.adapter)} if isinstance(entry, Model) else {}


def look_at(entry: Entry, context: Context) -> None:
    """Do a rank's share of looking at one row's images."""
    context.look(*_source(entry, context), entry.name)


def _source(entry: Entry, context: Context) -> tuple[Any, range]:
    """Return where an entry's images come from, and which of them are looked at."""
    match entry:
        case SanityRow():
            return entry.source(), range(len(context.seeds))
        case ObjectRow():
            return ObjectSource(entry.open), context.seeds
        case Model():
            return ModelSource(entry, context.limits), context.seeds


def recorded(key: str, estimate: Estimate, floor: float | None) -> Value:
    """Return an estimate as it is recorded."""
    low, high = estimate.interval(metric(key).valid) or (None, None)
    groups = () if estimate.groups is None else tuple(estimate.groups.tolist())
    beside = estimate.reference, floor, groups, estimate.curve
    return Value(estimate.value, estimate.error, low, high, *beside)
