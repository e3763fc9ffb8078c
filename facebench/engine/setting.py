"""What is the same for every row of one evaluation: reference, networks, metrics, protocol."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch

from facebench import features
from facebench.data.dataset import Dataset
from facebench.engine.extract import Preview, extract
from facebench.engine.sources import DatasetSource, ImageSource
from facebench.errors import BadInput
from facebench.features.extractor import Extractor
from facebench.metrics.comparison import FeatureSet
from facebench.metrics.diversity import PairMoments
from facebench.metrics.table import METRICS, Metric
from facebench.paths import cache_folder
from facebench.progress import Track, silent
from facebench.result import Protocol
from facebench.sampler import Images
from facebench.store import FeatureStore
from facebench.weights import WeightSource


class Seen(NamedTuple):
    """What the networks saw of one source."""

    features: FeatureSet
    preview: Images


@dataclass(frozen=True)
class Setting:
    """Everything but the model."""

    dataset: Dataset
    seeds: range
    metrics: Sequence[Metric]
    network: Extractor
    """The one whose features the distances are taken in."""
    lpips: Extractor | None
    batch_size: int
    device: str
    track: Track = silent

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
        """What makes scores under this setting comparable with others."""
        info = self.dataset.info
        return Protocol(
            dataset=self.dataset.name,
            dataset_digest=self.dataset.digest,
            split=self.dataset.part,
            crop=info["crop"],
            size=self.dataset.size,
            filter=info["filter"],
            extractor=self.network.name,
            weights=self.network.weights,
            precision="float32",
            num=len(self.seeds),
            num_reference=len(self.dataset),
        )

    def see_reference(self) -> Seen:
        """Show the whole reference split to the networks."""
        source = DatasetSource(self.dataset)
        return self.see(source, range(len(self.dataset)), "Reference")

    def see(self, source: ImageSource, seeds: range, description: str) -> Seen:
        """Show the images of `source` to the networks, as far as they have not seen them yet."""
        records = extract(
            source,
            seeds,
            self.extractors,
            FeatureStore(cache_folder() / "features"),
            size=self.dataset.size,
            batch_size=self.batch_size,
            device=self.device,
            track=self.track,
            description=description,
        )
        main = records[self.network.name]
        pairs = PairMoments.from_arrays(records[self.lpips.name]) if self.lpips else None
        seen = FeatureSet(main["features"], main.get("logits"), pairs)
        return Seen(seen, records[Preview.name]["images"])


def make_setting(
    dataset: Dataset,
    *,
    num: int | None,
    seed: int,
    extractor: str,
    metrics: Sequence[str] | None,
    batch_size: int,
    weights: WeightSource,
    device: str | None,
    track: Track,
) -> Setting:
    """Choose metrics and load networks, or raise BadInput before anything is computed."""
    if seed < 0:
        raise BadInput(f"--seed {seed} is negative; seeds count from 0.")
    rows = choose_metrics(extractor.removesuffix("@2048"), metrics)  # inception by its full name
    _check_count(rows, len(dataset), f"the {dataset.part} split")
    num = len(dataset) if num is None else num
    _check_count(rows, num, "--num")
    place = _device(device)
    return Setting(
        dataset=dataset,
        seeds=range(seed, seed + num),
        metrics=rows,
        network=features.create(extractor, weights, place),
        lpips=_lpips(rows, weights, place),
        batch_size=batch_size,
        device=place,
        track=track,
    )


def choose_metrics(extractor: str, keys: Sequence[str] | None) -> list[Metric]:
    """Return the rows that `keys` name; by default all that `extractor` can serve.

    Random features are for doing without downloads, so LPIPS' network is not asked for by default.

    >>> [row.key for row in choose_metrics("random", None)]
    ['fid', 'kid', 'precision', 'recall', 'density', 'coverage']
    """
    if keys is None:
        skipped = set() if extractor == "inception" else {"logits"}
        skipped |= {"lpips"} if extractor == "random" else set()
        return [row for row in METRICS.values() if row.needs not in skipped]
    unknown = [key for key in keys if key not in METRICS]
    if unknown or not keys:
        named = f"There is no metric {unknown[0]!r}" if unknown else "No metric is named"
        raise BadInput(f"{named}; there are: {', '.join(METRICS)}.")
    rows = [METRICS[key] for key in dict.fromkeys(keys)]
    for row in rows:
        if row.needs == "logits" and extractor != "inception":
            raise BadInput(f"{row.key} needs the extractor inception, not {extractor}.")
    return rows


def _check_count(rows: Sequence[Metric], count: int, what: str) -> None:
    for row in rows:
        if count < row.minimum:
            raise BadInput(
                f"{row.key} needs at least {row.minimum} images a side and {what} gives "
                f"{count}: give more, or choose other --metrics."
            )


def _device(device: str | None) -> str:
    try:
        chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
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
