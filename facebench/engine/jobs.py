"""What has to be extracted: every process runs the same jobs, each its own share of them."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from facebench.cache.paths import cache_folder
from facebench.cache.store import TEMPORARY, FeatureStore
from facebench.data.dataset import Dataset
from facebench.engine.block import Preview
from facebench.engine.context import Context
from facebench.engine.entries import Entry, ObjectRow
from facebench.engine.extract import extract
from facebench.engine.model_source import ModelSource
from facebench.engine.phase_costs import Meter
from facebench.engine.sanity import SanityRow
from facebench.engine.sources import DatasetSource, ObjectSource, SamplerSource
from facebench.metrics.feature_sets import FeatureSet
from facebench.sampler import Images


class Job(NamedTuple):
    """Some images of one source, and what progress shows of them."""

    source: DatasetSource | SamplerSource
    seeds: range
    label: str


class Extracted(NamedTuple):
    """What the networks make of the images of a job."""

    features: FeatureSet
    preview: Images
    """The first images themselves."""


def row_job(entry: Entry, context: Context) -> Job:
    """Return what has to be extracted of one row."""
    match entry:
        case SanityRow():
            return Job(entry.source(), range(len(context.seeds)), entry.name)
        case ObjectRow():
            opened = partial(entry.open, context.device)
            return Job(ObjectSource(opened), context.seeds, entry.name)
    source = ModelSource(entry, context.limits, context.device)
    return Job(source, context.seeds, entry.name)


def dataset_job(dataset: Dataset, count: int, label: str) -> Job:
    """Return what has to be extracted of the first `count` images of a data set."""
    return Job(DatasetSource(dataset), range(count), label)


def run(job: Job, context: Context, meter: Meter | None = None) -> Extracted | None:
    """Extract what is not kept yet; of several processes the leading one returns everything."""
    with _store(job.source) as store:
        records = extract(
            job.source,
            job.seeds,
            context.extractors,
            store,
            size=context.dataset.size,
            batch_size=context.batch_size,
            device=context.device,
            ranks=context.ranks,
            meter=meter,
            track=context.track,
            description=job.label,
        )
    if not context.ranks.leads:
        return None
    main = records[context.network.name]
    pairs = records[context.lpips.name] if context.lpips else None
    found = FeatureSet(main["features"], main.get("logits"), pairs)
    return Extracted(found, records[Preview.name]["images"])


@contextmanager
def _store(source: object) -> Iterator[FeatureStore]:
    """Give the store for what is extracted of `source`: of an object's images nothing is kept."""
    kept = cache_folder() / "features"
    if not isinstance(source, ObjectSource):
        yield FeatureStore(kept)
        return
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept, prefix=TEMPORARY) as folder:
        yield FeatureStore(Path(folder))
