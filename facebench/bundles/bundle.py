"""A bundle: all that a stranger needs to rank and test rows without their models and their data.

``NAME.facebench.zip`` holds ``manifest.json``, which has the sha256 of every other file; a Result
with its pseudo-values and its protocol per row, ``results/NAME.json``; and the grid of its first
images, ``samples/NAME.png``. Its bytes follow from its content: see
:mod:`facebench.bundles.strict_zip`. Nothing of it is executed, and nothing is written under a name
that it gives before all of it was looked at.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import msgspec

import facebench
from facebench.bundles.consistency import require_consistent
from facebench.bundles.plain_png import pixels_alone, require_pixels_alone
from facebench.bundles.redaction import without_paths
from facebench.bundles.strict_zip import LARGEST, LARGEST_FILE, MOST, pack, unpack
from facebench.errors import BadInput
from facebench.files import atomic_path, json_text, parse_json
from facebench.results.digest import digest_of
from facebench.results.manifest import Held, Manifest
from facebench.results.result import Result, as_file, parse_result, read_results
from facebench.results.withheld import why_withheld
from facebench.text import listed, printable, shown

SUFFIX = ".facebench.zip"
MANIFEST = "manifest.json"
_LONGEST = 150
"""Bytes of a row's name: as that of a file it grows by its suffix, and by a bundle's name."""
_RESULT = re.compile(r"results/([^/]+)\.json")
_PICTURE = re.compile(r"samples/([^/]+)\.png")
_TAKEN = re.compile(r"leaderboard|reference-.*", re.DOTALL)
"""What else lies in a results folder under such names: its board, and pictures of real people."""


@dataclass(frozen=True)
class Bundle:
    """What a bundle holds, every part of it checked against the others."""

    name: str
    """That of its file, without the suffix."""
    digest: str
    """The sha256 of its content: the same wherever it lies, and whatever wrote it."""
    results: tuple[Result, ...]
    """In the order of their names."""
    pictures: Mapping[str, bytes]
    """By model: a PNG of its first images, as a grid."""
    manifest: Manifest


def write_bundle(
    results: Path, out: Path, *, models: Collection[str] | None = None, pictures: bool = True
) -> Bundle:
    """Write the rows of a results folder as a bundle, atomically, and return it as others read it.

    Args:
        results: the folder.
        out: the file; it is replaced if it is there.
        models: only these rows; None for all.
        pictures: whether the grids of their images go with them. Those that show real people, or
            may, never do: see :func:`facebench.results.withheld.why_withheld`.

    Raises:
        BadInput: for rows that are not there, contradict themselves or have no name for a bundle,
            and for more than a bundle may hold.
    """
    chosen = [without_paths(each) for each in _chosen(read_results(results), results, models)]
    grids = {each.model: grid for each in chosen if pictures and (grid := sample_of(each, results))}
    files = {f"results/{each.model}.json": json_text(as_file(each)).encode() for each in chosen}
    files |= {f"samples/{model}.png": grid for model, grid in grids.items()}
    _require_room(files, out)
    held = {name: _held(data) for name, data in sorted(files.items())}
    manifest = Manifest(facebench.__version__, held)
    files[MANIFEST] = json_text(msgspec.to_builtins(manifest)).encode()
    bundle = _checked(out, files)
    with atomic_path(out) as partial:
        partial.write_bytes(pack(files))
    return bundle


def read_bundle(path: Path) -> Bundle:
    """Read a bundle that anybody made.

    Raises:
        BadInput: where it is not, to the byte, what its manifest says; for what is no bundle; and
            for rows whose numbers contradict each other.
    """
    return _checked(path, unpack(path, _is_known))


def sample_of(result: Result, results: Path) -> bytes:
    """Return the PNG of a row's first images; nothing where there is none that may go out."""
    path = results / "samples" / f"{result.model}.png"
    if why_withheld(result) or not path.is_file():
        return b""
    return pixels_alone(str(path), path.read_bytes())


def require_row_name(model: str, place: object) -> None:
    """Refuse a name that is no file's everywhere, or another file's already."""
    is_plain = model == printable(model) and len(model.encode()) <= _LONGEST
    if not is_plain or not model or model.startswith(".") or {"/", "\\"} & set(model):
        why = f"of {_LONGEST} bytes at most, printable, without / and \\, no dot first"
    elif _TAKEN.fullmatch(model):
        why = "which another file of a results folder has"
    else:
        return
    raise BadInput(
        f"{place}: {shown(model)!r} cannot name a row of a bundle ({why}): evaluate the model "
        "under another name."
    )


def _chosen(
    results: Sequence[Result], folder: Path, models: Collection[str] | None
) -> Sequence[Result]:
    there = {result.model for result in results}
    if models is not None and (missing := {*models} - there):
        raise BadInput(
            f"{folder} holds no result {listed(missing)}; it holds: {listed(there, most=12)}."
        )
    chosen = [result for result in results if models is None or result.model in models]
    for result in chosen:
        require_row_name(result.model, folder)
        require_consistent(result, folder)
    return chosen


def _require_room(files: Mapping[str, bytes], out: Path) -> None:
    """Refuse what nobody could read back."""
    total = sum(map(len, files.values()))
    if total < LARGEST - (1 << 20) and len(files) < MOST:  # the rest is for names and the manifest
        if max(map(len, files.values())) <= LARGEST_FILE:
            return
    raise BadInput(
        f"{out} would have {len(files):,} files of {total >> 20} MiB, and a bundle has {MOST:,} of "
        f"{LARGEST >> 20} MiB at most, none of more than {LARGEST_FILE >> 20}: choose fewer rows "
        "by --models, or leave pictures out by --no-pictures."
    )


def _is_known(name: str) -> bool:
    return name == MANIFEST or bool(_RESULT.fullmatch(name) or _PICTURE.fullmatch(name))


def _checked(path: Path, files: Mapping[str, bytes]) -> Bundle:
    """Return what `files` hold, or raise BadInput, naming `path`, for what does not fit."""
    manifest = _manifest(path, files)
    for fault in _faults(files, manifest):
        raise BadInput(f"{path} is refused: {fault}.")
    results = tuple(
        _result(path, match[1], data)
        for name, data in sorted(files.items())
        if (match := _RESULT.fullmatch(name))
    )
    pictures = {m[1]: data for name, data in files.items() if (m := _PICTURE.fullmatch(name))}
    if not results:
        raise BadInput(f"{path} is refused: it holds no results.")
    if strange := pictures.keys() - {result.model for result in results}:
        raise BadInput(f"{path} is refused: it has pictures of {listed(strange)}, and no results.")
    for model, data in pictures.items():
        require_pixels_alone(f"{path}: samples/{model}.png", data)
    digests = {name: held.sha256 for name, held in manifest.files.items()}
    name = path.name.removesuffix(".zip").removesuffix(".facebench")
    return Bundle(name, digest_of(digests), results, pictures, manifest)


def _manifest(path: Path, files: Mapping[str, bytes]) -> Manifest:
    if MANIFEST not in files:
        raise BadInput(f"{path} is refused: it has no {MANIFEST}, so it is no bundle.")
    record = parse_json(files[MANIFEST], f"{path}: {MANIFEST}", once=True)
    try:
        if not isinstance(record, dict) or "format" not in record:
            raise ValueError("it names no format")
        return msgspec.convert(record, Manifest)
    except ValueError as error:
        raise BadInput(f"{path}: {MANIFEST} is not that of a bundle: {error}.") from error


def _faults(files: Mapping[str, bytes], manifest: Manifest) -> Iterator[str]:
    """Yield in what the files are not those of the manifest."""
    there, listing = files.keys() - {MANIFEST}, manifest.files.keys()
    for name in sorted(there - listing):
        yield f"{shown(name)} is in it, and not in {MANIFEST}"
    for name in sorted(listing - there):
        yield f"{shown(name)} is in {MANIFEST}, and not in it"
    for name in sorted(there & listing):
        if _held(files[name]) != manifest.files[name]:
            yield f"{shown(name)} was changed: {MANIFEST} has another sha256 of it"


def _held(data: bytes) -> Held:
    return Held(len(data), sha256(data).hexdigest())


def _result(path: Path, model: str, data: bytes) -> Result:
    place = f"{path}: results/{shown(model)}.json"
    result = parse_result(parse_json(data, place, once=True), place)
    if result.model != model:
        raise BadInput(f"{place} is the row of {shown(result.model)!r}, so it has another's name.")
    require_row_name(model, path)
    require_consistent(result, path)
    return result
