"""What is the same for every row of one evaluation: reference, networks, metrics, protocol."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256

from facebench import features
from facebench.data.dataset import Dataset
from facebench.distributed.ranks import ALONE, Ranks
from facebench.engine.batch_size import choose_batch_size
from facebench.engine.clock import Clock
from facebench.engine.environment import device_name
from facebench.engine.metric_choice import check_count, choose_metrics
from facebench.engine.pair_extractors import to_targets, why_no_lpips
from facebench.engine.real_images import RealImages
from facebench.errors import BadInput
from facebench.features.extractor import Extractor
from facebench.metrics.metric import OF_PAIRS
from facebench.metrics.modes import DEFAULT, Mode, find_mode
from facebench.metrics.table import Metric
from facebench.numerics.precision import Precision
from facebench.progress import Track, silent
from facebench.results.result import Protocol
from facebench.results.speeds import Work
from facebench.sandbox.limits import DEFAULT as DEFAULT_LIMITS
from facebench.sandbox.limits import Limits
from facebench.weights import WeightSource

COMPILE_FROM: Mapping[Precision, int] = {"fp32": 50_000, "tf32": 50_000, "bf16": 10_000}
"""Images a model from which compiling the network pays: float32 gains by 2 % only."""

_NO_TRAINING = (
    "no identity_leakage, which needs the training images: give the prepared data set that was "
    "trained on as the reference"
)
_OF_NONE = ("lpips", "faces", "training faces", "floors", "steps", *OF_PAIRS)
"""What metrics need that take no network's features, or those of all."""


@dataclass(frozen=True)
class Context:
    """Everything but the model."""

    real: RealImages
    seeds: range
    plain: bool
    """Whether sets of images are compared as they are, see :func:`facebench.evaluate`."""
    all_pictures: bool
    """Whether pictures are all taken, however many seeds there are for others."""
    metrics: Sequence[Metric]
    networks: Sequence[Extractor]
    """Those whose features the distances are taken in; all other metrics are of the first."""
    lpips: Extractor | None
    faces: Extractor | None
    """What looks for faces, where a metric asks."""
    steps: Extractor | None
    """What measures steps through a model's latent space, where a metric asks."""
    mode: Mode
    precision: Precision
    batch_size: int
    device: str
    to_targets: Sequence[Extractor] = ()
    """What compares a translator's answers with their targets, where a metric asks."""
    left_out: str = ""
    """What is not measured for want of weights."""
    track: Track = silent
    ranks: Ranks = ALONE
    limits: Limits = DEFAULT_LIMITS
    clock: Clock = field(default_factory=Clock)

    @property
    def network(self) -> Extractor:
        """The first network."""
        return self.networks[0]

    @property
    def extractors(self) -> list[Extractor]:
        """All networks that every image passes."""
        return [*self.networks, *filter(None, (self.lpips, self.faces))]

    @property
    def used(self) -> list[Extractor]:
        """All networks that the numbers are of."""
        return [*self.extractors, *filter(None, [self.steps]), *self.to_targets]

    @property
    def notes(self) -> tuple[str, ...]:
        """What networks and metrics want said beside the numbers."""
        networks = (note for extractor in self.used for note in extractor.notes)
        metrics = (row.note for row in self.metrics if row.note)
        said = [
            *filter(None, [self.real.note, self.left_out]),
            *networks,
            *self._of_the_first(),
            *metrics,
        ]
        if self.faces and self.training is None and self.real.pairs is None:
            said.append(_NO_TRAINING)
        return tuple(dict.fromkeys(said))  # two layers of a network say the same

    def _of_the_first(self) -> Iterator[str]:
        keys = [
            row.key
            for row in self.metrics
            if not row.is_of_every_network and row.needs not in _OF_NONE
        ]
        if len(self.networks) > 1 and keys:
            yield f"of {self.network.name} alone, the first network: {', '.join(keys)}"

    def protocol(self, num: int) -> Protocol:
        """Return what makes scores of `num` images comparable with others."""
        real = self.real
        return Protocol(
            dataset=real.name,
            dataset_digest=real.digest,
            split=real.split,
            crop=real.crop,
            size=real.size,
            filter=real.filter,
            extractor=",".join(network.name for network in self.networks),
            layer=",".join(filter(None, (network.layer for network in self.networks))),
            mode=self.mode.name,
            weights={name: sha for each in self.networks for name, sha in each.weights.items()},
            precision=self.precision,
            num=num,
            num_reference=len(real),
            faces=_looked_for(self.faces, real.dataset) if self.faces else "",
            pairs=real.pairs.told if real.pairs else "",
        )

    @cached_property
    def work(self) -> Work:
        """What the time depends on that an image takes to be looked at."""
        return Work(
            networks=",".join(network.name for network in self.networks),
            precision=self.precision,
            device=device_name(self.device),
            lpips=self.lpips is not None,
            faces=self.faces is not None,
            processes=self.ranks.size,
        )

    @property
    def training(self) -> Dataset | None:
        """The images that models were trained on, as far as the reference can tell."""
        return self.real.training

    @property
    def asks_of_copies(self) -> bool:
        """Whether a metric looks for training images among the generated ones."""
        return any(row.needs == "training" for row in self.metrics)

    @property
    def asks_of_people(self) -> bool:
        """Whether a metric looks for faces of training images among the generated ones."""
        return any(row.needs == "training faces" for row in self.metrics)


def make_context(
    real: RealImages,
    *,
    num: int | None,
    plain: bool,
    seed: int,
    extractor: str | None,
    metrics: Sequence[str] | None,
    mode: str,
    sanity: bool,
    batch_size: int | None,
    precision: Precision,
    compiled: bool | None,
    weights: WeightSource,
    device: str,
    track: Track,
    limits: Limits,
    face_model: str | None = None,
) -> Context:
    """Choose metrics and networks, or raise BadInput before anything is computed."""
    if batch_size is not None and batch_size < 1:
        raise BadInput(f"--batch-size {batch_size} is less than one image.")
    if seed < 0:
        raise BadInput(f"--seed {seed} is negative; seeds count from 0.")
    definitions = find_mode(mode)
    if extractor is None:
        extractor = _default_extractor(real, mode, weights)
    names = extractor_names(extractor)
    no_lpips = why_no_lpips(real, names[0], weights) if metrics is None else ""
    rows = choose_metrics(
        names,
        metrics,
        definitions,
        real,
        sanity,
        plain,
        bool(face_model),
        has_lpips=metrics is not None or not no_lpips,
    )
    if real.has_images:
        check_count(rows, len(real), f"{real.name} ({real.split})")
    all_pictures = num is None and (plain or not real.has_images)
    num = len(real) if num is None else num
    if num or real.has_images:
        check_count(rows, num, "--num")
    ranks = Ranks.join()
    _check_precision(precision, device)
    networks = [
        features.create(
            name,
            weights,
            device,
            definitions.resize,
            precision,
            compiled if compiled is not None else _pays(name, num, precision),
            load=False,
        )
        for name in names
    ]
    _check_names([network.name for network in networks])
    return Context(
        real=real,
        seeds=range(seed, seed + num),
        plain=plain,
        all_pictures=all_pictures,
        metrics=rows,
        networks=networks,
        lpips=_lpips(rows, weights, device),
        faces=_faces(rows, face_model, weights, device),
        steps=_steps(rows, weights, device),
        to_targets=to_targets(rows, real, weights, device),
        left_out=no_lpips,
        mode=definitions,
        precision=precision,
        batch_size=batch_size or choose_batch_size(device),
        device=device,
        track=track if ranks.leads else silent,
        ranks=ranks,
        limits=limits,
    )


def _default_extractor(real: RealImages, mode: str, weights: WeightSource) -> str:
    """Return Inception, of which given statistics and others' modes are, or what is here."""
    is_free = real.has_images and mode == DEFAULT
    return features.default_extractor(weights) if is_free else "inception"


def extractor_names(extractor: str) -> list[str]:
    """Return the networks that a text with commas names.

    >>> extractor_names("inception@2048, random")
    ['inception', 'random']
    """
    names = [each.strip().removesuffix("@2048") for each in extractor.split(",") if each.strip()]
    if not names or len({*names}) < len(names):
        raise BadInput(f"--extractor {extractor!r} names a network twice, or none: name each once.")
    return names


def _check_names(names: Sequence[str]) -> None:
    """Refuse networks that go by one name: a layer that is the usual one, files of one name."""
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise BadInput(
            f"--extractor names {twice[0]} twice, and each network goes by its name: leave one "
            "out, or call your own file or function otherwise."
        )


def _pays(name: str, num: int, precision: Precision) -> bool:
    """Say whether so many images are worth compiling the network for."""
    return num >= COMPILE_FROM[precision] and name.startswith("inception")


def _check_precision(precision: Precision, device: str) -> None:
    if precision not in COMPILE_FROM:
        raise BadInput(
            f"There is no precision {precision!r}; there are: {', '.join(COMPILE_FROM)}."
        )
    if precision == "tf32" and not device.startswith("cuda"):
        raise BadInput("--precision tf32 is of NVIDIA's GPUs: take fp32 or bf16 here.")


def _faces(
    rows: Sequence[Metric], face_model: str | None, weights: WeightSource, device: str
) -> Extractor | None:
    if not face_model or not any(row.is_of_faces for row in rows):
        return None
    from facebench import faces

    return faces.create(face_model, weights, device, load=False)


def _looked_for(extractor: Extractor, dataset: Dataset | None) -> str:
    """Name what looks for faces, and the lists of who and what is shown, by short digests."""
    weights = " ".join(f"{name}:{sha}" for name, sha in sorted(extractor.weights.items()))
    parts = [f"{extractor.name} {sha256(weights.encode()).hexdigest()[:12]}"]
    for known in ("identities", "attributes"):
        if dataset and (digest := dataset.info.get(f"{known}_digest")):
            parts.append(f"{known} {digest[:12]}")
    return ", ".join(parts)


def _lpips(rows: Sequence[Metric], weights: WeightSource, device: str) -> Extractor | None:
    if not any(row.needs == "lpips" for row in rows):
        return None
    from facebench.features.lpips import LPIPSFeatures

    return LPIPSFeatures(weights, device, load=False)


def _steps(rows: Sequence[Metric], weights: WeightSource, device: str) -> Extractor | None:
    if not any(row.needs == "steps" for row in rows):
        return None
    from facebench.features.lpips_steps import LPIPSOfPairs

    return LPIPSOfPairs(weights, device, load=False)
