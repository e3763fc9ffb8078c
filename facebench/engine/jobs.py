"""What has to be extracted: every process runs the same jobs, each its own share of them."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facebench.cache.paths import cache_folder
from facebench.cache.store import TEMPORARY, FeatureStore
from facebench.data.dataset import Dataset
from facebench.engine.block import Preview
from facebench.engine.comparability import Side, Size
from facebench.engine.context import Context
from facebench.engine.entries import Entry, ObjectRow, PicturesRow
from facebench.engine.extract import extract
from facebench.engine.given_statistics import StatisticsRow, StatisticsSource
from facebench.engine.model_source import ModelSource
from facebench.engine.pairing import SourceRow, TrustedSource
from facebench.engine.phase_costs import Meter
from facebench.engine.real_images import RealImages
from facebench.engine.sanity import SanityRow
from facebench.engine.sources import ObjectSource
from facebench.engine.stored_images import DatasetSource, Described, PictureSource
from facebench.errors import BadInput
from facebench.features.extractor import Extractor, Record
from facebench.metrics.face_sets import FaceSet
from facebench.metrics.feature_sets import FeatureSet
from facebench.metrics.pair_scores import PairScores
from facebench.plugins.model_spec import Model
from facebench.results.speeds import Work
from facebench.sampler import Images, Sampler
from facebench.samplers.picture_set import PictureSet
from facebench.translator import Asked, as_sampler


class Job(NamedTuple):
    """Some images of one source, and what progress shows of them."""

    source: Described | StatisticsSource
    seeds: range
    label: str
    networks: bool = True
    """Whether the networks look at them, not only what looks for faces."""
    answers: bool = False
    """Whether they are answers, each with its target."""


class Extracted(NamedTuple):
    """What the networks make of the images of a job."""

    sets: Mapping[str, FeatureSet]
    """By the network's name; LPIPS' moments, logits and faces are with the first."""
    preview: Images
    """The first images themselves, to be looked at."""
    sizes: frozenset[Size]
    """Heights and widths of the first images."""

    @property
    def features(self) -> FeatureSet:
        """What the first network makes of them."""
        return next(iter(self.sets.values()))


def row_job(entry: Entry, context: Context) -> Job:
    """Return what has to be extracted of one row."""
    return _row_job(entry, context)._replace(answers=context.real.pairs is not None)


def _row_job(entry: Entry, context: Context) -> Job:
    seeds = context.seeds
    asked = context.real.pairs.asked if context.real.pairs else None
    match entry:
        case SanityRow():
            return Job(entry.source(), range(len(seeds)), entry.name)
        case SourceRow():
            return Job(entry.open(), seeds, entry.name)
        case PicturesRow():
            count = len(entry.pictures)
            seeds = range(context.seeds.start, count) if context.all_pictures else seeds
            return Job(PictureSource(entry.pictures), seeds, entry.name)
        case StatisticsRow():
            count = entry.statistics.count or 0
            return Job(StatisticsSource(entry.statistics), range(count), entry.name)
    if not seeds:
        raise BadInput(f"{entry.name} gives any number of images: say how many with --num.")
    match entry:
        case ObjectRow():
            opened = partial(_opened, entry, context.device, asked)
            return Job(ObjectSource(opened, context.real.classes), seeds, entry.name)
        case Model():
            wanted = context.real.classes
            source = ModelSource(entry, context.limits, context.device, wanted, asked=asked)
            return Job(source, seeds, entry.name)


def _opened(entry: ObjectRow, device: str, asked: Asked | None) -> Sampler:
    """Return an object that samples, or one that translates as what samples its answers."""
    sampler: Sampler = as_sampler(entry.open(device), asked)
    return sampler


def real_job(real: RealImages) -> Job:
    """Return what has to be extracted of the reference."""
    return Job(real.source(), real.seeds, "Reference")


def dataset_job(dataset: Dataset, count: int, label: str, networks: bool = True) -> Job:
    """Return what has to be extracted of the first `count` images of a data set."""
    return Job(DatasetSource(dataset), range(count), label, networks)


def run(job: Job, context: Context, meter: Meter | None = None) -> Extracted | None:
    """Extract what is not kept yet; of several processes the leading one returns everything."""
    if isinstance(job.source, StatisticsSource):
        sets = job.source.sets(context.networks)
        return Extracted(sets, NO_IMAGES, frozenset()) if context.ranks.leads else None
    lpips = _lpips(job, context)
    with store_of(job.source) as store:
        records = extract(
            job.source,
            job.seeds,
            extractors_of(job, context),
            store,
            batch_size=context.batch_size,
            device=context.device,
            ranks=context.ranks,
            meter=meter,
            track=context.clock.timed(context.track, work_of(job, context)),
            description=job.label,
        )
    if not context.ranks.leads:
        return None
    pairs = records[lpips.name] if lpips else None
    faces = _faces(records[context.faces.name], job) if context.faces else None
    labels = job.source.labels_of(job.seeds)
    answers = _pair_scores(records, job, context)
    sets = {
        network.name: FeatureSet(
            records[network.name]["features"] if job.networks else NO_FEATURES,
            records[network.name].get("logits") if job.networks else None,
            None if place else pairs,
            labels,
            None if place else faces,
            pairs=None if place else answers,
        )
        for place, network in enumerate(context.networks)
    }
    shown = records[Preview.name]
    return Extracted(sets, shown["images"], frozenset(map(tuple, shown["sizes"].tolist())))


def extractors_of(job: Job, context: Context) -> list[Extractor]:
    """Return the networks that look at the images of a job."""
    networks = context.networks if job.networks else []
    to_targets = context.to_targets if job.answers else []
    return [*networks, *to_targets, *filter(None, (_lpips(job, context), context.faces))]


def work_of(job: Job, context: Context) -> Work:
    """Return what the time depends on that an image of a job takes."""
    match job.source:
        case ModelSource(model=model):
            drawn = f"{model.adapter} {model.target}"
        case ObjectSource():
            drawn = f"object {job.label}"
        case _:
            drawn = ""
    return replace(
        context.work, networks=context.work.networks if job.networks else "", model=drawn
    )


def _lpips(job: Job, context: Context) -> Extractor | None:
    return context.lpips if job.networks and _has_pairs(job.source) else None


def _faces(record: Record, job: Job) -> FaceSet:
    """Return the faces that were found, with what a data set knows of who and what is shown."""
    faces = FaceSet(record["counts"], record["confidence"], record["points"], record["embedding"])
    if not isinstance(job.source, DatasetSource):
        return faces
    dataset, places = job.source.dataset, np.array(job.seeds)
    people = None if dataset.people is None else dataset.people[places]
    attributes = {name: each[places] for name, each in (dataset.attributes or {}).items()}
    return replace(faces, people=people, attributes=attributes)


def _pair_scores(records: Mapping[str, Record], job: Job, context: Context) -> PairScores | None:
    """Return what answers and targets are to each other, where the images are answers."""
    pairs = context.real.pairs
    if pairs is None or not job.answers:
        return None
    found = (records[each.name].items() for each in context.to_targets)
    return PairScores({name: each for one in found for name, each in one}, pairs.asked.size)


NO_FEATURES = np.empty((0, 1), np.float32)
NO_IMAGES = np.empty((0, 3, 1, 1), np.uint8)


def side_of(job: Job, extracted: Extracted) -> Side:
    """Return what must be known of the images of a job when they are compared with others."""
    source, count = job.source, len(job.seeds)
    files = source.pictures if isinstance(source, PictureSource) else source
    if isinstance(files, PictureSet | TrustedSource) and files.looks:
        sizes, formats = frozenset(files.looks.sizes), frozenset(files.looks.formats)
        return Side(count, sizes, formats, files.content, files.looks.converted)
    return Side(count, extracted.sizes, is_prepared=isinstance(source, DatasetSource))


def _has_pairs(source: object) -> bool:
    """Say whether images are of one size, as LPIPS wants them."""
    return not isinstance(source, PictureSource) or len(source.pictures.looks.sizes) == 1


def kept_features() -> Path:
    """Return the folder of the store."""
    return cache_folder() / "features"


@contextmanager
def store_of(source: object) -> Iterator[FeatureStore]:
    """Give the store for what is extracted of `source`: of an object's images nothing is kept."""
    kept = kept_features()
    if not isinstance(source, ObjectSource):
        yield FeatureStore(kept)
        return
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept, prefix=TEMPORARY) as folder:
        yield FeatureStore(Path(folder))
