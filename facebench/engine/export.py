"""Statistics of a set of images, for other programs: what ``facebench stats export`` does."""

from pathlib import Path
from typing import Any

from facebench.data.statistics import write_statistics
from facebench.distributed.device import find_device
from facebench.engine.context import make_context
from facebench.engine.jobs import real_job, run
from facebench.engine.real_images import open_real
from facebench.errors import BadInput
from facebench.metrics.modes import DEFAULT
from facebench.metrics.moments import Moments
from facebench.progress import Track, silent
from facebench.sandbox.limits import Limits
from facebench.weights import WeightSource


def export_statistics(
    source: Any,
    out: Path,
    *,
    num: int | None = None,
    extractor: str = "inception",
    mode: str = DEFAULT,
    seed: int = 0,
    batch_size: int | None = None,
    precision: Any = "fp32",
    compiled: bool | None = None,
    weights: WeightSource | None = None,
    device: str | None = None,
    limits: Limits | None = None,
    track: Track = silent,
) -> int:
    """Write mean and covariance of a network's features, as pytorch-fid and clean-fid read them.

    Args:
        source: whatever :func:`facebench.score` takes for real.
        out: the ``.npz`` to write.
        num: how many images, of a model.
        extractor: the network, one alone.
        mode: whose way to resize images: that of the program that will read them.
        seed: the first seed, of a model.

    The others are those of :func:`facebench.evaluate`. Return how many images there were, or 0 in
    all of several processes but the first.

    Raises:
        BadInput: for a source, a name or a file that will not do.
    """
    if out.suffix != ".npz":  # now rather than after an hour
        raise BadInput(f"{out} must end in .npz, by which other programs know statistics.")
    place, limits = find_device(device), limits or Limits()
    real = open_real(source, "all", num, limits, place, seed)
    context = make_context(
        real,
        num=None,
        everything=True,
        seed=seed,
        extractor=extractor,
        metrics=["fid"],
        mode=mode,
        sanity=False,
        batch_size=batch_size,
        precision=precision,
        compiled=compiled,
        weights=weights or WeightSource(track=track),
        device=place,
        track=track,
        limits=limits,
    )
    if len(context.networks) > 1 or not real.has_images:
        raise BadInput("Statistics are written of images, by one --extractor: name one of each.")
    found = run(real_job(real), context)
    if found is None:
        return 0
    moments = Moments.of(found.features.features)
    mu, sigma = moments.mean.numpy(), moments.covariance.numpy()
    write_statistics(out, mu, sigma, len(real), context.network.name)
    return len(real)
