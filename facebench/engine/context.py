"""What is the same for every row of one evaluation: reference, networks, metrics, protocol."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch

from facebench import features
from facebench.cache.paths import cache_folder
from facebench.cache.store import TEMPORARY, FeatureStore
from facebench.data.dataset import Dataset
from facebench.distributed.ranks import ALONE, Ranks
from facebench.distributed.torchrun import local_gpu
from facebench.engine.batch_size import choose_batch_size
from facebench.engine.choice import check_count, choose_metrics
from facebench.engine.extract import Preview, extract
from facebench.engine.meter import Meter
from facebench.engine.sources import DatasetSource, ImageSource, ObjectSource
from facebench.errors import BadInput, cause
from facebench.features.extractor import Extractor, Record
from facebench.metrics.comparison import Comparison, FeatureSet
from facebench.metrics.modes import Mode, find_mode
from facebench.metrics.table import Metric
from facebench.metrics.uncertainty import Estimate
from facebench.numerics.precision import Precision
from facebench.progress import Track, silent
from facebench.results.result import Protocol
from facebench.sampler import Images
from facebench.sandbox.limits import DEFAULT as DEFAULT_LIMITS
from facebench.sandbox.limits import Limits
from facebench.weights import WeightSource

COMPILE_FROM: Mapping[Precision, int] = {"fp32": 50_000, "tf32": 50_000, "bf16": 10_000}
"""Images a model from which compiling the network pays: float32 gains by 2 % only."""


class Extracted(NamedTuple):
    """What the networks saw of one source."""

    features: FeatureSet
    preview: Images


class Scores(NamedTuple):
    """What the metrics gave, by the keys that they are reported under."""

    values: dict[str, Estimate]
    failed: dict[str, str]
    """Why a metric gave nothing."""


@dataclass(frozen=True)
class Context:
    """Everything but the model."""

    dataset: Dataset
    seeds: range
    metrics: Sequence[Metric]
    network: Extractor
    """The one whose features the distances are taken in."""
    lpips: Extractor | None
    mode: Mode
    precision: Precision
    batch_size: int
    device: str
    track: Track = silent
    ranks: Ranks = ALONE
    limits: Limits = DEFAULT_LIMITS

    @property
    def extractors(self) -> list[Extractor]:
        """All networks that every image passes."""
        return [self.network, *([self.lpips] if self.lpips else [])]

    @property
    def notes(self) -> tuple[str, ...]:
        """What networks and metrics want said beside the numbers."""
        networks = (note for extractor in self.extractors for note in extractor.notes)
        return *networks, *(row.note for row in self.metrics if row.note)

    @property
    def protocol(self) -> Protocol:
        """What makes scores under this context comparable with others."""
        info = self.dataset.info
        return Protocol(
            dataset=self.dataset.name,
            dataset_digest=self.dataset.digest,
            split=self.dataset.part,
            crop=info["crop"],
            size=self.dataset.size,
            filter=info["filter"],
            extractor=self.network.name,
            layer=self.network.layer,
            mode=self.mode.name,
            weights=self.network.weights,
            precision=self.precision,
            num=len(self.seeds),
            num_reference=len(self.dataset),
        )

    @property
    def training(self) -> Dataset:
        """The images that models were trained on, as far as this data set can tell."""
        return self.dataset.split("train")

    def see_real(self, dataset: Dataset, description: str, count: int) -> Extracted:
        """Show the networks the first `count` images of a data set."""
        return self.see(DatasetSource(dataset), range(count), description)

    def see(
        self, source: ImageSource, seeds: range, description: str, meter: Meter | None = None
    ) -> Extracted:
        """Show the images of `source` to the networks, as far as they have not seen them yet."""
        records = self.look(source, seeds, description, meter)
        main = records[self.network.name]
        pairs = records[self.lpips.name] if self.lpips else None
        extracted = FeatureSet(main["features"], main.get("logits"), pairs)
        return Extracted(extracted, records[Preview.name]["images"])

    def look(
        self, source: ImageSource, seeds: range, description: str, meter: Meter | None = None
    ) -> dict[str, Record]:
        """Return what each network makes of the images; of several ranks only the leader's does."""
        with _store(source) as store:
            return extract(
                source,
                seeds,
                self.extractors,
                store,
                size=self.dataset.size,
                batch_size=self.batch_size,
                device=self.device,
                ranks=self.ranks,
                meter=meter,
                track=self.track if self.ranks.leads else silent,
                description=description,
            )

    def score(
        self,
        real: FeatureSet,
        fake: FeatureSet,
        training: FeatureSet | None = None,
        rows: Sequence[Metric] | None = None,
    ) -> Scores:
        """Return every metric of `fake`, or those of `rows`; one that fails fails alone."""
        comparison = Comparison(real, fake, training, self.mode)
        scores = Scores({}, {})
        for row in self.metrics if rows is None else rows:
            key = row.named(self.network.name)
            try:
                scores.values[key] = row.compute(comparison)
            except Exception as error:  # of linear algebra, of memory, of a plug-in's
                scores.failed[key] = cause(error)
        return scores


def make_context(
    dataset: Dataset,
    *,
    num: int | None,
    seed: int,
    extractor: str,
    metrics: Sequence[str] | None,
    mode: str,
    sanity: bool,
    batch_size: int | None,
    precision: Precision,
    compiled: bool | None,
    weights: WeightSource,
    device: str | None,
    track: Track,
    limits: Limits,
) -> Context:
    """Choose metrics and load networks, or raise BadInput before anything is computed."""
    if batch_size is not None and batch_size < 1:
        raise BadInput(f"--batch-size {batch_size} is less than one image.")
    if precision not in COMPILE_FROM:
        raise BadInput(
            f"There is no precision {precision!r}; there are: {', '.join(COMPILE_FROM)}."
        )
    if seed < 0:
        raise BadInput(f"--seed {seed} is negative; seeds count from 0.")
    definitions = find_mode(mode)
    name = extractor.removesuffix("@2048")  # inception by its full name
    rows = choose_metrics(name, metrics, definitions, sanity)
    check_count(rows, len(dataset), f"the {dataset.part} split")
    num = len(dataset) if num is None else num
    check_count(rows, num, "--num")
    ranks = Ranks.join()
    place = _device(device)
    if precision == "tf32" and not place.startswith("cuda"):
        raise BadInput("--precision tf32 is of NVIDIA's GPUs: take fp32 or bf16 here.")
    if compiled is None:
        compiled = num >= COMPILE_FROM[precision] and name.startswith("inception")
    return Context(
        dataset=dataset,
        seeds=range(seed, seed + num),
        metrics=rows,
        network=features.create(name, weights, place, definitions.resize, precision, compiled),
        lpips=_lpips(rows, weights, place),
        mode=definitions,
        precision=precision,
        batch_size=batch_size or choose_batch_size(place),
        device=place,
        track=track,
        ranks=ranks,
        limits=limits,
    )


@contextmanager
def _store(source: ImageSource) -> Iterator[FeatureStore]:
    """Give the store for what is seen of `source`: of an object's images nothing is kept."""
    kept = cache_folder() / "features"
    if not isinstance(source, ObjectSource):
        yield FeatureStore(kept)
        return
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept, prefix=TEMPORARY) as folder:
        yield FeatureStore(Path(folder))


def _device(device: str | None) -> str:
    try:
        chosen = torch.device(device or (local_gpu() if torch.cuda.is_available() else "cpu"))
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise BadInput(f"The device {device!r} cannot be used: {reason}") from error
    return str(chosen)


def _lpips(rows: Sequence[Metric], weights: WeightSource, device: str) -> Extractor | None:
    if not any(row.needs == "lpips" for row in rows):
        return None
    from facebench.features.lpips import LPIPSFeatures

    return LPIPSFeatures(weights, device)
