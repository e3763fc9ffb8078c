"""Results folders and bundles of them, made by code, for tests of what strangers send."""

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from facebench.bundles.strict_zip import pack
from facebench.data.grid import grid
from facebench.files import json_text
from facebench.metrics.t_distribution import quantile, standard_error
from facebench.results.result import Protocol, Result, Value, as_file, write_result

PROTOCOL = Protocol(
    *("faces64", "ab" * 32, "holdout", "140", 64, "lanczos", "inception"),
    *({"inception": "a" * 64}, "float32", 1000, 1000),
)


def value(
    level: float,
    spread: float,
    seed: int,
    floor: float | None = None,
    reference: float | None = None,
) -> Value:
    """Return a value with the error and the interval that its pseudo-values give."""
    noise = np.random.default_rng(seed).normal(0, spread, 32)
    groups = level + noise - noise.mean()
    error = float(standard_error(groups))
    reach = float(quantile(0.975, 32)) * error
    low, high = max(0.0, level - reach), level + reach
    return Value(level, error, low, high, reference, floor, tuple(groups.tolist()))


def row(model: str, fid: float, seed: int = 0, **changed: Any) -> Result:
    """Return the row of a model that is told from others by its FID and its seed."""
    metrics = {
        "fid": value(fid, 1.0, seed, floor=0.5),
        "recall": value(0.5, 0.1, seed, floor=0.8),
    }
    made = Result(model, "images", f"/home/me/runs/{model}", "cd" * 32, 0, PROTOCOL, metrics)
    return replace(made, model_digest=f"{seed:064x}", **changed)


def _noise(result: Result) -> np.ndarray:
    rng = np.random.default_rng(int(result.model_digest, 16))
    return rng.integers(0, 256, (36, 3, 8, 8), np.uint8)


def folder_of(place: Path, *rows: Result) -> Path:
    """Write rows with pictures of noise as a results folder, the reference's picture beside."""
    (place / "samples").mkdir(parents=True, exist_ok=True)
    for each in rows:
        write_result(each, place)
        grid(_noise(each)).save(place / "samples" / f"{each.model}.png")
    grid(np.zeros((4, 3, 8, 8), np.uint8)).save(
        place / "samples" / f"reference-{'ab' * 6}-holdout.png"
    )
    return place


def folder_files(*rows: Result) -> dict[str, bytes]:
    """Return the files of a bundle of rows, each with a picture, without a disk."""
    files = {f"results/{each.model}.json": json_text(as_file(each)).encode() for each in rows}
    for each in rows:
        stream = io.BytesIO()
        grid(_noise(each)).save(stream, "PNG")
        files[f"samples/{each.model}.png"] = stream.getvalue()
    return with_manifest(files)


def files_of(path: Path) -> dict[str, bytes]:
    """Return the files of a bundle, by their names."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def with_manifest(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return files with a manifest that is right: who edits one of them can do so much."""
    held = {
        name: {"size": len(data), "sha256": sha256(data).hexdigest()}
        for name, data in sorted(files.items())
        if name != "manifest.json"
    }
    record = {"format": "facebench-bundle/1", "facebench": "0.1.0", "files": held}
    return {**files, "manifest.json": json.dumps(record).encode()}


def edited(path: Path, name: str, edit: Callable[[Any], Any], *, mended: bool) -> None:
    """Edit the JSON of a file in a bundle, and its digest in the manifest if that is `mended`."""
    files = files_of(path)
    record = json.loads(files[name])
    edit(record)
    files[name] = json.dumps(record).encode()
    path.write_bytes(pack(with_manifest(files) if mended else files))


def setting(*place: str, **changed: object) -> Callable[[Any], Any]:
    """Return an edit of the object at a place in a record."""

    def edit(record: Any) -> None:
        for key in place:
            record = record[key]
        record.update(changed)

    return edit


def zipped(files: Mapping[str, bytes], **options: Any) -> bytes:
    """Return the zip that Python's own writer makes of files."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", **options) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()
