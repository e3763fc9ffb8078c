"""Steps through the latent space of a row's model, and how far apart LPIPS finds their ends."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from facebench.engine.context import Context
from facebench.engine.entries import Entry, ObjectRow
from facebench.engine.extract import extract
from facebench.engine.jobs import store_of
from facebench.engine.model_source import ModelSource
from facebench.engine.phase_costs import Meter
from facebench.engine.scores import Scores, Sets
from facebench.engine.sources import ObjectSource, SamplerSource
from facebench.errors import BadInput, RowFailed
from facebench.features.extractor import Record
from facebench.metrics.table import Metric
from facebench.plugins.model_spec import Model
from facebench.sampler import Sampler
from facebench.samplers.latent_steps import LatentSteps
from facebench.samplers.latent_walks import latent_sampler
from facebench.translator import require_sampler


class Steps(NamedTuple):
    """What LPIPS makes of the two ends of each step, or why there are none."""

    found: Record | None = None
    refused: str = ""

    def possible(self, rows: Sequence[Metric]) -> tuple[list[Metric], Scores]:
        """Return the metrics that there can be, and why there are no others."""
        if not self.refused:
            return [*rows], Scores.none()
        left = [row for row in rows if row.needs != "steps"]
        refused = {row.key: self.refused for row in rows if row.needs == "steps"}
        return left, Scores({}, {}, refused)

    def beside(self, sets: Sets) -> Sets:
        """Return what the networks make of a model's images, the steps with the first's."""
        first = next(iter(sets))
        return {**sets, first: replace(sets[first], steps=self.found)}


def steps_of(entry: Entry, seeds: range, context: Context, meter: Meter) -> Steps:
    """Take a step from the latents of each of `seeds`, where a metric asks and the row has any.

    Of several processes the leading one returns them.
    """
    if context.steps is None:
        return Steps()
    try:
        source = _source(entry, context)
        with store_of(source) as store:
            records = extract(
                source,
                range(2 * seeds.start, 2 * seeds.stop),
                [context.steps],
                store,
                batch_size=context.batch_size,
                device=context.device,
                ranks=context.ranks,
                meter=meter,
                track=context.track,
                description=f"{entry.name}, steps",
            )
    except (BadInput, RowFailed) as error:
        return Steps(refused=str(error).rstrip("."))
    return Steps(records[context.steps.name] if context.ranks.leads else None)


def _source(entry: Entry, context: Context) -> SamplerSource:
    match entry:
        case Model():
            return ModelSource(entry, context.limits, context.device, steps=True)
        case ObjectRow():
            return ObjectSource(partial(_opened, entry, context.device))
    raise BadInput(f"{entry.name} is no model: there is no latent space to step through.")


def _opened(entry: ObjectRow, device: str) -> Sampler:
    return LatentSteps(latent_sampler(require_sampler(entry.open(device)), entry.name))
