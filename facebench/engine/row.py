"""One row of the board to be: its images, what they score, and what is kept of both."""

from datetime import UTC, datetime
from pathlib import Path

from facebench.engine.comparability import Side, on_mode, remarks, without_classes, without_sizes
from facebench.engine.context import Context
from facebench.engine.entries import Entry
from facebench.engine.environment import describe_environment
from facebench.engine.forecast import keep_scoring_speed
from facebench.engine.given_statistics import StatisticsRow, StatisticsSource
from facebench.engine.jobs import Extracted, row_job, run, side_of
from facebench.engine.latent_steps import Steps, steps_of
from facebench.engine.metric_choice import check_count
from facebench.engine.phase_costs import Meter
from facebench.engine.real_images import RealImages
from facebench.engine.reference import Reference
from facebench.engine.results_folder import keep
from facebench.engine.scores import Scores, compute_metrics, recorded
from facebench.engine.sources import SamplerSource
from facebench.engine.stored_images import Described
from facebench.engine.visuals import Sampled
from facebench.errors import BadInput, RowFailed
from facebench.files import read_json
from facebench.metrics import double_precision
from facebench.metrics.face_sets import FaceSet
from facebench.metrics.table import Metric
from facebench.plugins import registry
from facebench.plugins.model_spec import Model
from facebench.results.result import Result, together
from facebench.results.speeds import SCORING


def evaluate_row(
    entry: Entry, context: Context, real: Reference | None, command: str, out: Path | None
) -> Result | None:
    """Extract, score and keep one row; of several processes the leading one returns its Result."""
    meter = Meter(context.device)
    job = row_job(entry, context)
    rows = _rows(entry, context)
    if not isinstance(entry, StatisticsRow):
        check_count(rows, len(job.seeds), entry.name)
    fake = run(job, context, meter)
    steps = steps_of(entry, job.seeds, context, meter)
    if fake is None or real is None:
        return None
    side = side_of(job, fake)
    rows, left_out = _that_both_have(rows, side, fake, real)
    floor, on_floor = real.floor(len(job.seeds))
    with meter.phase(SCORING):
        scores = _scores(rows, fake, context, real, steps)
    if len(rows) == len(context.metrics) and not scores.failed:
        keep_scoring_speed(meter.seconds[SCORING], len(job.seeds), context)
    said = (
        *(job.source.note, _on_classes(job.source), _on_training(entry, context.real)),
        *remarks(side, real.side, counts=context.plain),
        on_mode(context.mode, side, real.side),
        *left_out,
        *together({key: each.note for key, each in scores.values.items()}),
        _on_faces(fake.features.faces, real.extracted.features.faces),
        *context.notes,
        *on_floor,
        *double_precision.notes(context.device),
    )
    result = Result(
        model=entry.name,
        adapter=entry.adapter,
        path=entry.target,
        model_digest=job.source.digest,
        first_seed=job.seeds.start,
        protocol=context.protocol(len(job.seeds)),
        metrics={
            key: recorded(key, each, floor[key].value if key in floor else each.floor)
            for key, each in scores.values.items()
        },
        failed=scores.failed,
        refused=scores.refused,
        notes=tuple(filter(None, said)),
        seconds=meter.seconds,
        memory=meter.memory,
        images=meter.images,
        environment=describe_environment(context.used, context.device) | _code(entry),
        command=command,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    if out is None:
        return result
    if isinstance(job.source, StatisticsSource) or not context.real.has_images:
        return keep(result, None, context, real, out)
    sampled = Sampled(job.source, job.seeds, fake, entry.path, side.sizes)
    return keep(result, sampled, context, real, out)


def _rows(entry: Entry, context: Context) -> list[Metric]:
    """Return the metrics that the row can have, or raise BadInput where it has none."""
    if not isinstance(entry, StatisticsRow):
        return list(context.metrics)
    rows = [row for row in context.metrics if "fake" in row.from_moments]
    if not rows:
        raise BadInput(
            f"{entry.path} holds statistics, which have none of these metrics: give the pictures, "
            "or --metrics fid."
        )
    return rows


def _that_both_have(
    rows: list[Metric], side: Side, fake: Extracted, real: Reference
) -> tuple[list[Metric], list[str]]:
    """Return the metrics that both sides have what is needed for, and why others are left out."""
    rows, of_sizes = without_sizes(rows, side, real.side)
    rows, of_classes = without_classes(rows, fake.features.labels, real.extracted.features.labels)
    left_out = [*filter(None, (of_sizes, of_classes))]
    if not rows:
        raise RowFailed("none of the metrics can be computed: " + "; ".join(left_out))
    return rows, left_out


def _scores(
    rows: list[Metric], fake: Extracted, context: Context, real: Reference, steps: Steps
) -> Scores:
    rows, without_steps = steps.possible(rows)
    sets = steps.beside(fake.sets)
    scores = compute_metrics(context, real.extracted.sets, sets, rows, real.training)
    scores = scores.joined(without_steps)
    over_floors = real.over_floors(rows, fake.sets, scores.values)
    missing = scores.failed | scores.refused
    if missing and not scores.values:
        raise RowFailed("no metric could be computed: " + "; ".join(missing.values()))
    return scores.joined(over_floors)


def _on_classes(source: Described | StatisticsSource) -> str:
    """Return what must be said of the classes that a sampler was asked for."""
    return source.note_on_classes if isinstance(source, SamplerSource) else ""


def _on_training(entry: Entry, real: RealImages) -> str:
    """Say where the record of a training run shows that it learnt the real images themselves."""
    if real.is_apart or not isinstance(entry, Model):
        return ""
    config = (entry.path if entry.path.is_dir() else entry.path.parent.parent) / "config.json"
    try:
        recorded = read_json(config) if config.is_file() else None
    except BadInput:  # a file of somebody else's
        return ""
    if isinstance(recorded, dict) and str(recorded.get("data")).startswith(f"{real.digest}["):
        return "it was trained on these very images, so its values tell nothing of others"
    return ""


def _on_faces(fake: FaceSet | None, real: FaceSet | None) -> str:
    """Say in how many images there is no face, so that none is left out in silence."""
    if fake is None or real is None or (fake.found.all() and real.found.all()):
        return ""
    sides = [f"{int((~each.found).sum()):,} of {len(each):,}" for each in (fake, real)]
    return (
        f"no face was found in {sides[0]} images, and in {sides[1]} real ones: metrics of whose "
        "faces, and of pose, leave these out"
    )


def _code(entry: Entry) -> dict[str, str]:
    """Return which adapter's code sampled the images."""
    return {"adapter": registry.origin(entry.adapter)} if isinstance(entry, Model) else {}
