"""Statistics of a set of images, for other programs: what ``facebench stats export`` does."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from facebench.data.statistics import is_statistics, write_statistics
from facebench.distributed.device import find_device
from facebench.engine.context import make_context
from facebench.engine.given_statistics import weights_of
from facebench.engine.jobs import real_job, run
from facebench.engine.real_images import open_real
from facebench.errors import BadInput
from facebench.metrics.modes import DEFAULT
from facebench.metrics.moments import Moments
from facebench.progress import silent
from facebench.sandbox.limits import Limits
from facebench.weights import WeightSource

DEFAULTS: dict[str, Any] = {
    "extractor": "inception",
    "mode": DEFAULT,
    "batch_size": None,
    "precision": "fp32",
    "compiled": None,
    "track": silent,
}


def export_statistics(
    source: Any,
    out: Path,
    *,
    num: int | None = None,
    seed: int = 0,
    weights: WeightSource | None = None,
    device: str | None = None,
    limits: Limits | None = None,
    **options: Any,
) -> int:
    """Write mean and covariance of a network's features, as pytorch-fid and clean-fid read them.

    Args:
        source: whatever :func:`facebench.score` takes for real.
        out: the ``.npz`` to write.
        num: how many images, of a model.
        seed: the first seed, of a model.
        weights: where network weights come from.
        device: a torch device; a GPU where there is one by default.
        limits: of a model's process.
        options: extractor, mode, batch_size, precision, compiled, track: see
            :func:`facebench.evaluate`. The mode is that of the program that will read them.

    Returns:
        How many images there were; 0 in all of several processes but the first.

    Raises:
        BadInput: for a source, a name or a file that will not do.
    """
    if out.suffix != ".npz":  # now rather than after an hour
        raise BadInput(f"{out} must end in .npz, by which other programs know statistics.")
    if out.exists() and not is_statistics(out):
        raise BadInput(f"{out} is there and holds something else: name another file.")
    if not out.absolute().parent.is_dir():
        raise BadInput(f"There is no folder {out.parent}: make it, or name another file.")
    place, limits = find_device(device), limits or Limits()
    real = open_real(source, "all", num, limits, place, seed)
    if num is not None and not num <= len(real):
        raise BadInput(f"{real.name} holds {len(real):,} images: --num {num} is more.")
    real = replace(real, seeds=real.seeds[:num])
    fixed: dict[str, Any] = {"num": None, "plain": True, "metrics": ["fid"], "sanity": False}
    places = {"seed": seed, "device": place, "limits": limits, "weights": weights or WeightSource()}
    context = make_context(real, **(DEFAULTS | options | fixed | places))
    if len(context.networks) > 1 or not real.has_images:
        raise BadInput("Statistics are written of images, by one --extractor: name one of each.")
    found = run(real_job(real), context)
    if found is None:
        return 0
    moments = Moments.of(found.features.features)
    mu, sigma = moments.mean.numpy(), moments.covariance.numpy()
    name, weights_used = context.network.name, weights_of(context.network)
    write_statistics(out, mu, sigma, len(real), name, weights_used)
    return len(real)
