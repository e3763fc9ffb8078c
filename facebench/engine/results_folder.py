"""The results folder: what an evaluation adds to it, and what of earlier ones stays."""

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

from facebench.data.grid import grid
from facebench.engine.context import Context
from facebench.engine.reference import Reference
from facebench.engine.thumbnails import alike
from facebench.engine.visuals import Sampled, keep_visuals
from facebench.errors import BadInput
from facebench.files import atomic_path
from facebench.results.result import (
    Protocol,
    Result,
    Value,
    keep_earlier,
    read_result,
    write_result,
)
from facebench.sampler import Images


def keep(
    result: Result, sampled: Sampled | None, context: Context, real: Reference, out: Path
) -> Result:
    """Write a Result, what there is to look at, and its sample grid beside the reference's.

    Return it as written. What is not scored anew goes with it where that was of the same images,
    else into the history. Without `sampled` there is nothing to look at.
    """
    before = earlier(result.model, result.protocol, out)
    if before and same_images(before, result):
        result = with_metrics_of(before, result)
    elif before:
        keep_earlier(before, out)
    if sampled is None:
        write_result(result, out)
        return result
    shown = context.real
    reference = f"reference-{shown.digest[:12]}-{shown.split}"
    _save_preview(out, reference, real.extracted.preview)
    _save_preview(out, result.model, sampled.extracted.preview)
    if pairs := shown.pairs:
        sides = {"sources": pairs.asked.sources, "targets": pairs.targets}
        for side, images in sides.items():
            _save_column(out, f"{reference}-{side}", alike([*images[pairs.examples]]))
    write_result(result, out)
    keep_visuals(result, sampled, context, real, out)
    return result


def require_writable(out: Path) -> None:
    """Raise OSError where `out` cannot be written, now rather than after an hour."""
    there = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    with tempfile.TemporaryFile(dir=there):
        pass


def earlier(name: str, protocol: Protocol, out: Path) -> Result | None:
    """Return what `out` already holds of a model; under another protocol it must not be lost."""
    path = out / f"{name}.json"
    if not path.exists():
        return None
    result = read_result(path)
    if not _is_one(result.protocol, protocol):
        raise BadInput(
            f"{path} was made under another protocol ({_difference(result.protocol, protocol)}): "
            "give another --out, or another name to the model."
        )
    return result


def _is_one(before: Protocol, now: Protocol) -> bool:
    """Say whether two protocols are one, but that in one of them nothing looked for faces."""
    faces = {before.faces, now.faces} - {""}
    return len(faces) < 2 and replace(before, faces="") == replace(now, faces="")


def _difference(before: Protocol, protocol: Protocol) -> str:
    then, now = asdict(before), asdict(protocol)
    return ", ".join(f"{key} {then[key]}, not {now[key]}" for key in now if then[key] != now[key])


def same_images(before: Result, now: Result) -> bool:
    """Say whether two evaluations looked at the same images, with the same software."""
    then, here = before.environment, now.environment
    return (before.model_digest, before.first_seed) == (now.model_digest, now.first_seed) and all(
        then[key] == here[key] for key in then.keys() & here.keys()
    )


def with_metrics_of(before: Result, result: Result) -> Result:
    """Return `result` with the metrics that only an earlier evaluation computed."""
    faces = before.protocol.faces or result.protocol.faces
    metrics = _that_hold(before, faces) | _that_hold(result, faces)
    return replace(
        result,
        protocol=replace(result.protocol, faces=faces),
        metrics=metrics,
        failed=_without(before.failed | result.failed, metrics),
        refused=_without(before.refused | result.refused, metrics),
        environment=before.environment | result.environment,
        notes=tuple(dict.fromkeys((*before.notes, *result.notes))),
    )


def _without(said: dict[str, str], metrics: Mapping[str, Value]) -> dict[str, str]:
    """Return what is said of those that there is no value of."""
    return {key: why for key, why in said.items() if key not in metrics}


def _that_hold(result: Result, faces: str) -> dict[str, Value]:
    """Return the metrics that are the same with `faces`, which the mean over networks is not."""
    if result.protocol.faces == faces:
        return result.metrics
    return {key: value for key, value in result.metrics.items() if key != "fdr"}


def _save_column(out: Path, name: str, images: Images) -> None:
    with atomic_path(out / "samples" / f"{name}.png") as partial:
        grid(images, columns=1).save(partial)


def _save_preview(out: Path, name: str, images: Images) -> None:
    with atomic_path(out / "samples" / f"{name}.png") as partial:
        grid(images).save(partial)
