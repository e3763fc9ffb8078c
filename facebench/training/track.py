"""``facebench.track``: a curve of scores while a model trains, in anybody's loop.

tracker = facebench.track(sample, "faces64", every=500)
for step in range(1, 10_001):
    ...
    tracker(step)
"""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from facebench.errors import BadInput
from facebench.features import WITHOUT_DOWNLOAD
from facebench.sampler import Images
from facebench.training.curve_log import CurveLog, WandbLog
from facebench.training.going_on import GoingOn
from facebench.training.guest_sampler import GuestSampler
from facebench.training.quick_scores import DEFAULT, Numbers, QuickScores
from facebench.training.tracked_images import TrackedImages, tracked_images
from facebench.weights import WeightSource

FEW, MORE = 256, 1000
"""Images a side: where nothing else is said, and of a larger network on a GPU."""
_NOTE = "cheap scores, for this curve only: not to be compared with published ones"


def track(
    sample: Any,
    reference: Any,
    every: int = 1000,
    *,
    num: int | None = None,
    extractor: str | None = None,
    metrics: Sequence[str] | str = DEFAULT,
    out: str | PathLike[str] | None = "track",
    device: str | None = None,
) -> "Tracker":
    """Return what scores a model while it trains: call it with the number of every step.

    The scores are cheap ones, and their names say so: ``fid@1000`` is of Inception's features of
    1,000 images, ``fd_portrait@256`` of our own network's of 256. They show where training goes,
    and stand beside one another only. Fréchet distance and KID are tracked by default.

    `sample` is called in this process, as the weights are, on torch's ``no_grad`` (what needs
    gradients may switch them on) with 64 seeds or fewer at a time. The global random states of
    Python, NumPy and torch are seeded for it, the same every time, and restored. Training and
    evaluation mode are the caller's: switch the network in `sample`, and back, where it matters.
    Of several processes, call the tracker in one.

    Where `sample` fails the first time, or breaks its contract, that is raised. What fails later,
    and metrics that fail, are warned of once, and training goes on.

    Args:
        sample: a function of a list of seeds that returns images, ``uint8`` (n, 3, height, width)
            as an array or a tensor of any device; or an object with such a ``sample``.
        reference: what the model learns. The folder of a prepared data set, of which the training
            split is looked at and the hold-out, which ``facebench eval`` compares with, never; a
            folder, an archive or an array file of pictures of one size; or an array or tensor
            ``uint8`` (n, 3, height, width).
        every: how many steps lie between scores.
        num: images a side; by default 1,000 for a downloaded network on a GPU, else 256, or
            as many as the reference has if they are fewer.
        extractor: whose features are compared. By default Inception's on a GPU, if its weights
            are on this machine, for nothing is downloaded unasked; else ``portrait``.
        metrics: keys of ``facebench metrics``, as a list or with commas between them.
        out: the folder to write, of nothing else: ``track.jsonl``, ``track.svg``, events for
            TensorBoard. A loop that is resumed continues the curve there, without its later steps.
            None writes nothing. A run of W&B that is active gets the values in any case.
        device: where features are computed; by default a GPU if there is one.

    Raises:
        BadInput: for what cannot be used.
    """
    from facebench.distributed.device import find_device
    from facebench.training.random_state import own_randomness

    if every < 1:
        raise BadInput(f"every={every} is no number of steps: give 1 or more.")
    if num is not None and num < 2:
        raise BadInput(f"num={num} is too few images a side: give 2 or more.")
    place = find_device(device)
    name = extractor or cheap_extractor(place)
    most = MORE if place.startswith("cuda") and name not in WITHOUT_DOWNLOAD else FEW
    real = tracked_images(reference, num or most, fewer=num is None)
    sampler = GuestSampler(sample, real.images.shape)
    with own_randomness():
        scores = QuickScores(real.images, name, _keys(metrics), place)
    log = CurveLog(Path(out), _about(real, scores)) if out is not None else None
    return Tracker(sampler, scores, every, log)


class Tracker:
    """Scores a model at every so many steps; see `track`, which makes it."""

    def __init__(
        self, sampler: GuestSampler, scores: QuickScores, every: int, log: CurveLog | None
    ):
        self.every = every
        self._sampler, self._scores = sampler, scores
        self._log, self._wandb = log, WandbLog()
        self._has_begun = self._has_sampled = False
        self._going_on = GoingOn()

    def __call__(self, step: int) -> Numbers | None:
        """Score at every so many steps: return the values, or None at all other steps.

        A value ``NAME`` has its 95 % interval as ``NAME_low`` and ``NAME_high``.
        """
        if not self._has_begun and self._log:
            self._log.begin(int(step))
        self._has_begun = True
        return self.score(step) if step % self.every == 0 else None

    def score(self, step: int) -> Numbers | None:
        """Score at this step, whichever it is; None where that fails."""
        from facebench.training.random_state import own_randomness

        with own_randomness():  # a sampler may draw what it likes, and so may a plug-in
            images = self._images()
            numbers = {} if images is None else self._numbers(images)
        if not numbers:
            return None
        if self._log:
            with self._going_on.after(f"Writing to {self._log.folder}"):
                self._log.add(int(step), numbers)
                self._log.draw()
        with self._going_on.after("Logging to W&B"):
            self._wandb.add(int(step), numbers)
        return numbers

    def _images(self) -> Images | None:
        if not self._has_sampled:  # what fails the first time would fail every time
            images = self._sampler.images()
            self._has_sampled = True
            return images
        with self._going_on.after("Sampling"):
            return self._sampler.images()
        return None

    def _numbers(self, images: Images) -> Numbers:
        numbers: Numbers = {}
        with self._going_on.after("Computing features"):
            fake = self._scores.extract(images)
            for metric in self._scores.metrics:
                with self._going_on.after(f"Computing {metric.key}"):
                    numbers |= self._scores.compute(metric, fake)
        return numbers


def cheap_extractor(device: str) -> str:
    """Return whose features are compared unasked on `device`: no weights are downloaded for it."""
    is_here = device.startswith("cuda") and WeightSource().locate("inception")
    return "inception" if is_here else "portrait"


def _keys(metrics: Sequence[str] | str) -> list[str]:
    keys = metrics.split(",") if isinstance(metrics, str) else metrics
    return [key.strip() for key in keys if key.strip()]


def _about(real: TrackedImages, scores: QuickScores) -> dict[str, Any]:
    """Return what makes a curve this one."""
    return {
        "note": _NOTE,
        "reference": real.of,
        "images": real.digest,
        "num": len(real.images),
        "extractor": scores.network.name,
        "weights": scores.network.weights,
        "metrics": [scores.name(metric) for metric in scores.metrics],
    }
