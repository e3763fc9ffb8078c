"""One row of the board to be: where its images come from, and what they score."""

from datetime import UTC, datetime

from facebench import registry
from facebench.engine.environment import describe_environment
from facebench.engine.exhibits import Drawn
from facebench.engine.meter import Meter
from facebench.engine.reference import Reference
from facebench.engine.sanity import SanityRow
from facebench.engine.setting import Setting
from facebench.engine.sources import ImageSource, ModelSource
from facebench.metrics.table import metric
from facebench.metrics.uncertainty import Estimate
from facebench.result import Result, Value
from facebench.spec import Model

Entry = Model | SanityRow
"""Whatever becomes a row of the board."""


def score(entry: Entry, setting: Setting, real: Reference, command: str) -> tuple[Result, Drawn]:
    """Return one row's Result, and the images it is of."""
    meter = Meter(setting.device)
    digest = entry.digest()
    source, seeds = _source(entry, digest, setting)
    fake = setting.see(source, seeds, entry.name, meter)
    with meter.phase("metrics"):
        estimates = setting.score(real.seen.features, fake.features, real.training)
    result = Result(
        model=entry.name,
        adapter=entry.adapter,
        path=entry.target if isinstance(entry, Model) else str(entry.path),
        model_digest=digest,
        first_seed=seeds.start,
        protocol=setting.protocol,
        metrics={key: recorded(key, e, real.floor.get(key)) for key, e in estimates.items()},
        notes=(*setting.notes, *real.notes),
        seconds=meter.seconds,
        memory=meter.memory,
        images=meter.images,
        environment=describe_environment(setting) | _code(entry),
        command=command,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return result, Drawn(source, seeds, fake, entry.path)


def _code(entry: Entry) -> dict[str, str]:
    """Return which adapter's code drew the images."""
    return {"adapter": registry.origin(entry.adapter)} if isinstance(entry, Model) else {}


def look_at(entry: Entry, setting: Setting) -> None:
    """Do a rank's share of looking at one row's images."""
    setting.look(*_source(entry, entry.digest(), setting), entry.name)


def _source(entry: Entry, digest: str, setting: Setting) -> tuple[ImageSource, range]:
    """Return where an entry's images come from, and which of them are looked at."""
    if isinstance(entry, SanityRow):
        return entry.source(), range(len(setting.seeds))
    return ModelSource(entry, digest, setting.limits), setting.seeds


def recorded(key: str, estimate: Estimate, floor: float | None) -> Value:
    """Return an estimate as it is recorded."""
    low, high = estimate.interval(metric(key).valid) or (None, None)
    groups = () if estimate.groups is None else tuple(estimate.groups.tolist())
    beside = estimate.reference, floor, groups, estimate.curve
    return Value(estimate.value, estimate.error, low, high, *beside)
