"""One row of the board to be: its images, what they score, and what is kept of both."""

from datetime import UTC, datetime
from pathlib import Path

from facebench.engine.context import Context
from facebench.engine.entries import Entry
from facebench.engine.environment import describe_environment
from facebench.engine.jobs import row_job, run
from facebench.engine.phase_costs import Meter
from facebench.engine.reference import Reference
from facebench.engine.results_folder import keep
from facebench.engine.scores import compute_metrics, recorded
from facebench.engine.visuals import Sampled
from facebench.errors import RowFailed
from facebench.metrics import double_precision
from facebench.plugins import registry
from facebench.plugins.model_spec import Model
from facebench.results.result import Result


def evaluate_row(
    entry: Entry, context: Context, real: Reference | None, command: str, out: Path | None
) -> Result | None:
    """Extract, score and keep one row; of several processes the leading one returns its Result."""
    meter = Meter(context.device)
    job = row_job(entry, context)
    fake = run(job, context, meter)
    if fake is None or real is None:
        return None
    with meter.phase("metrics"):
        scores = compute_metrics(context, real.extracted.features, fake.features, real.training)
    if scores.failed and not scores.values:
        raise RowFailed("no metric could be computed: " + "; ".join(scores.failed.values()))
    result = Result(
        model=entry.name,
        adapter=entry.adapter,
        path=entry.target,
        model_digest=job.source.digest,
        first_seed=job.seeds.start,
        protocol=context.protocol,
        metrics={key: recorded(key, e, real.floor.get(key)) for key, e in scores.values.items()},
        failed=scores.failed,
        notes=_notes(job.source.note, context, real),
        seconds=meter.seconds,
        memory=meter.memory,
        images=meter.images,
        environment=describe_environment(context.extractors, context.device) | _code(entry),
        command=command,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    if out is None:
        return result
    return keep(result, Sampled(job.source, job.seeds, fake, entry.path), context, real, out)


def _notes(of_source: str, context: Context, real: Reference) -> tuple[str, ...]:
    first = [of_source] if of_source else []
    return (*first, *context.notes, *real.notes, *double_precision.notes(context.device))


def _code(entry: Entry) -> dict[str, str]:
    """Return which adapter's code sampled the images."""
    return {"adapter": registry.origin(entry.adapter)} if isinstance(entry, Model) else {}
