"""What is the same for every row of one evaluation: reference, networks, metrics, protocol."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from facebench import features
from facebench.data.dataset import Dataset
from facebench.distributed.device import find_device
from facebench.distributed.ranks import ALONE, Ranks
from facebench.engine.batch_size import choose_batch_size
from facebench.engine.metric_choice import check_count, choose_metrics
from facebench.errors import BadInput
from facebench.features.extractor import Extractor
from facebench.metrics.modes import Mode, find_mode
from facebench.metrics.table import Metric
from facebench.numerics.precision import Precision
from facebench.progress import Track, silent
from facebench.results.result import Protocol
from facebench.sandbox.limits import DEFAULT as DEFAULT_LIMITS
from facebench.sandbox.limits import Limits
from facebench.weights import WeightSource

COMPILE_FROM: Mapping[Precision, int] = {"fp32": 50_000, "tf32": 50_000, "bf16": 10_000}
"""Images a model from which compiling the network pays: float32 gains by 2 % only."""


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
        """What makes scores comparable with others."""
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

    @property
    def asks_of_copies(self) -> bool:
        """Whether a metric looks for training images among the generated ones."""
        return any(row.needs == "training" for row in self.metrics)


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
    """Choose metrics and networks, or raise BadInput before anything is computed."""
    if batch_size is not None and batch_size < 1:
        raise BadInput(f"--batch-size {batch_size} is less than one image.")
    if seed < 0:
        raise BadInput(f"--seed {seed} is negative; seeds count from 0.")
    definitions = find_mode(mode)
    name = extractor.removesuffix("@2048")  # inception by its full name
    rows = choose_metrics(name, metrics, definitions, sanity)
    check_count(rows, len(dataset), f"the {dataset.part} split")
    num = len(dataset) if num is None else num
    check_count(rows, num, "--num")
    ranks = Ranks.join()
    place = find_device(device)
    _check_precision(precision, place)
    if compiled is None:
        compiled = num >= COMPILE_FROM[precision] and name.startswith("inception")
    return Context(
        dataset=dataset,
        seeds=range(seed, seed + num),
        metrics=rows,
        network=features.create(
            name, weights, place, definitions.resize, precision, compiled, load=False
        ),
        lpips=_lpips(rows, weights, place),
        mode=definitions,
        precision=precision,
        batch_size=batch_size or choose_batch_size(place),
        device=place,
        track=track if ranks.leads else silent,
        ranks=ranks,
        limits=limits,
    )


def _check_precision(precision: Precision, device: str) -> None:
    if precision not in COMPILE_FROM:
        raise BadInput(
            f"There is no precision {precision!r}; there are: {', '.join(COMPILE_FROM)}."
        )
    if precision == "tf32" and not device.startswith("cuda"):
        raise BadInput("--precision tf32 is of NVIDIA's GPUs: take fp32 or bf16 here.")


def _lpips(rows: Sequence[Metric], weights: WeightSource, device: str) -> Extractor | None:
    if not any(row.needs == "lpips" for row in rows):
        return None
    from facebench.features.lpips import LPIPSFeatures

    return LPIPSFeatures(weights, device, load=False)
