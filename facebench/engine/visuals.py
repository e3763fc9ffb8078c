"""What an evaluation leaves beside a Result to be looked at: see :mod:`facebench.results.visuals`.

Everything is chosen by distances between features that are there already. Only the chosen images
are sampled again, once, for no evaluation keeps all of them; nothing here has a part in a score.
"""

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from facebench.data.dataset import Dataset
from facebench.data.grid import grid
from facebench.engine.chosen_images import (
    LOOKED_AT,
    NEIGHBOURS,
    SHOWN,
    SUSPECTS,
    Plan,
    choose,
    looked_at,
)
from facebench.engine.comparability import Size
from facebench.engine.context import Context
from facebench.engine.feature_projection import POINTS, plane_of
from facebench.engine.jobs import Extracted
from facebench.engine.model_source import ModelSource
from facebench.engine.pairing import Pairing
from facebench.engine.reference import Reference
from facebench.engine.sources import ImageSource, runs
from facebench.engine.thumbnails import alike
from facebench.engine.training_curves import training_curves
from facebench.errors import BadInput, RowFailed
from facebench.files import atomic_path
from facebench.metrics.device import compute_on
from facebench.plugins.model_spec import Model
from facebench.results.result import Result, protocol_record
from facebench.results.visuals import Gallery, Visuals, read_visuals, visuals_folder, write_visuals
from facebench.sampler import Images
from facebench.samplers.latent_visuals import COLUMNS, TOTAL, labels

ADAPTER = "_latent-visuals"
"""What shows what lies between seeds, and what a model makes of real images."""


@dataclass(frozen=True)
class Sampled:
    """A model's images as they were scored: where from, which, and what the networks saw."""

    source: ImageSource
    seeds: range
    extracted: Extracted
    path: Path
    """Where the model lies, and perhaps what its training logged."""
    sizes: frozenset[Size]
    """Heights and widths of the images."""


def keep_visuals(
    result: Result, sampled: Sampled, context: Context, real: Reference, out: Path
) -> None:
    """Write what there is to show of a model, unless it is there already."""
    folder = visuals_folder(out, result.model)
    before, identity = read_visuals(folder), _identity(result)
    asked = {"copies": context.asks_of_copies, "leaks": context.asks_of_people}
    is_all_there = all(name in before.galleries for name, is_asked in asked.items() if is_asked)
    if before.identity == identity and is_all_there:
        return
    latent = _latent_galleries(result, sampled, context, folder)
    visuals = Visuals(
        identity=identity,
        plane=plane_of(*map(looked_at, (real.extracted.features, sampled.extracted.features))),
        training=training_curves(sampled.path),
    )
    try:
        plans = compute_on(context.device, partial(_plans, sampled, context, real))
        chosen = _write_galleries(plans, sampled, context, real, folder)
        write_visuals(replace(visuals, galleries=chosen | latent), folder)
    except (BadInput, RowFailed):  # a model that will not sample again is scored all the same
        write_visuals(replace(visuals, identity="", galleries=latent), folder)


def _latent_galleries(
    result: Result, sampled: Sampled, context: Context, folder: Path
) -> dict[str, Gallery]:
    """Write the interpolations, traversals and reconstructions of a run, as far as it has any."""
    run, dataset = sampled.path, context.real.dataset
    is_run = isinstance(sampled.source, ModelSource) and (run / "config.json").is_file()
    if dataset is None or not is_run:
        return {}
    model = Model(result.model, ADAPTER, run, {"data": str(dataset.folder)})
    shown = dataset.images[:SHOWN]
    again = range(TOTAL + dataset.first, TOTAL + dataset.first + len(shown))
    parts = _until_refused(model, [range(TOTAL), again], context)
    found = {}
    if parts:
        halves = zip(("interpolation", "traversal"), np.split(parts[0], 2), labels(), strict=True)
        for name, walks, texts in halves:
            found[name] = _write_gallery(folder, name, walks, COLUMNS, texts)
    if len(parts) > 1 and parts[1].shape == shown.shape:
        both, rows = np.concatenate([shown, parts[1]]), ("real images", "reconstructions")
        found[rows[1]] = _write_gallery(folder, rows[1], both, len(shown), rows)
    return found


def _until_refused(model: Model, parts: Sequence[range], context: Context) -> list[Images]:
    """Return as many of the parts as the adapter samples."""
    found = []
    with (
        contextlib.suppress(BadInput, RowFailed),
        contextlib.closing(ModelSource(model, context.limits, context.device)) as source,
    ):
        for images in source.sample(parts):
            found.append(images)
    return found


def _identity(result: Result) -> str:
    """Return a digest of what the images, and the choice among them, depend on."""
    record: list[object] = [protocol_record(result.protocol), result.environment]
    record += [result.model_digest, result.adapter, result.path, result.first_seed]
    record += [SHOWN, SUSPECTS, NEIGHBOURS, POINTS, LOOKED_AT, ADAPTER, "with reconstructions"]
    return sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _plans(sampled: Sampled, context: Context, real: Reference) -> dict[str, Plan]:
    pairs = context.real.pairs
    plans = choose(
        real.extracted.features,
        sampled.extracted.features,
        real.training,
        first_seed=sampled.seeds.start,
        first_image=context.real.first,
        noun="answer" if pairs else "seed",
    )
    return plans | {"answers": _answers(pairs)} if pairs else plans


def _answers(pairs: Pairing) -> Plan:
    """Show the first answer to each example."""
    chosen = pairs.examples
    cells = [("model", place * pairs.asked.answers) for place in chosen]
    return Plan(columns=1, cells=cells, labels=[pairs.names[i] for i in chosen], distances=())


def _write_galleries(
    plans: Mapping[str, Plan], sampled: Sampled, context: Context, real: Reference, folder: Path
) -> dict[str, Gallery]:
    reference = Sampled(
        context.real.images(), context.real.seeds, real.extracted, folder, real.side.sizes
    )
    sets = {
        "model": _sampled_again("model", plans, sampled),
        "real": _sampled_again("real", plans, reference),
    }
    if context.training is not None:
        sets["training"] = _reader(context.training)
    found = {}
    for name, plan in plans.items():
        images = alike([sets[of](index) for of, index in plan.cells])
        found[name] = _write_gallery(
            folder, name, images, plan.columns, plan.labels, plan.distances
        )
    return found


Reader = Callable[[int], np.ndarray]
"""From an image's index to the image, ``uint8`` (3, h, w)."""


def _reader(dataset: Dataset) -> Reader:
    return lambda index: dataset.sample([index])[0]


def _sampled_again(of: str, plans: Mapping[str, Plan], sampled: Sampled) -> Reader:
    """Sample a set's chosen images again, all at once, but for the first, which were kept."""
    kept = dict(enumerate(sampled.extracted.preview))
    chosen = {i for plan in plans.values() for each, i in plan.cells if each == of}
    missing = sorted(chosen - kept.keys())
    if not missing:
        return kept.__getitem__
    with contextlib.closing(sampled.source) as source:
        batch = next(source.batches([[sampled.seeds[i] for i in missing]]), [])
    images = [image for run in runs(batch) for image in run]
    sizes = {image.shape[1:] for image in images}
    if len(images) != len(missing) or not sizes <= sampled.sizes:
        raise RowFailed("the sampler did not sample the chosen images again")
    return (kept | dict(zip(missing, images, strict=True))).__getitem__


def _write_gallery(
    folder: Path,
    name: str,
    images: Images,
    columns: int,
    labels: Sequence[str],
    distances: Sequence[float] = (),
) -> Gallery:
    with atomic_path(folder / f"{name}.png") as partial:
        grid(images, columns).save(partial)
    return Gallery(f"{name}.png", columns, images.shape[-1], tuple(labels), tuple(distances))
