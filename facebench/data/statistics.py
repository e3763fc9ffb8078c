"""Statistics of features in place of pictures: the mean μ and the covariance Σ of a data set.

Read are the ``.npz`` of pytorch-fid, TTUR, clean-fid, EDM and ADM's reference batches (arrays `mu`
and `sigma`), and the ``.pkl`` of EDM2, without executing anything
(:mod:`facebench.data.plain_pickle`). They do not say by which network they were made: of
Inception's features the width tells the layer, EDM2's are named, and ours say it.
"""

import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64

from facebench.data.plain_pickle import NotPlain, PickledArray, read_plain
from facebench.errors import BadInput
from facebench.files import ARRAY_DAMAGE, atomic_path, file_digest
from facebench.text import shown

INCEPTION = {64: "inception@64", 192: "inception@192", 768: "inception@768", 2048: "inception"}
"""The extractor by the width of Inception's features."""
DINOV2, _DINOV2_WIDTH = "dinov2", 1024
WIDEST = 4096
"""Features, of which Σ takes 128 MiB in float64."""
_LARGEST_PICKLE = 256 << 20  # bytes; EDM2's own are of 42 MiB
_LARGEST_NUMBER = float(np.finfo(np.float32).max)
_ASYMMETRY = 1e-5  # of the largest covariance: what float32 rounds is far less
_NEGATIVE = 1e-5
"""Of the sum of all variances: by how much an eigenvalue may lie below 0, for rounding."""
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_KEYS = re.compile(rb"(?:\x8c|X)(?:\x02|\x05)(?:\0\0\0)?(mu|sigma)")
_HEAD = 1 << 18  # bytes, in which both names stand: μ is written before Σ
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_LONGEST_HEADER = 1 << 14  # bytes
_MOST_MEMBERS = 32  # of an npz, in which pictures are looked for
_LONGEST_NAME = 200


class Gaussian(NamedTuple):
    """The mean and the covariance of one extractor's features."""

    mu: Float64[np.ndarray, " d"]
    sigma: Float64[np.ndarray, "d d"]


@dataclass(frozen=True, eq=False)
class Statistics:
    """What a file of statistics says of a set of images."""

    path: Path
    moments: Mapping[str, Gaussian]
    """By the name of the extractor."""
    count: int | None
    """How many images there were, where the file says."""
    digest: str
    """The sha256 of the file."""
    names_extractor: bool = False
    """Whether the file itself says the extractor, as ours do."""
    weights: str = ""
    """By which weights it was made, where the file says."""


def is_statistics(path: Path, beside_pictures: bool = False) -> bool:
    """Say whether a file holds statistics, by its content.

    Args:
        path: any path.
        beside_pictures: whether one that holds pictures as well, as ADM's reference batches do, is
            taken for statistics.
    """
    if not path.is_file():
        return False
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
        if _PICKLE.match(head):
            return {b"mu", b"sigma"} <= set(_KEYS.findall(head))
        if not zipfile.is_zipfile(path):
            return False
        with zipfile.ZipFile(path) as archive:
            is_named = {"mu.npy", "sigma.npy"} <= set(archive.namelist())
            return is_named and (beside_pictures or not _holds_pictures(archive))
    except ARRAY_DAMAGE:
        return False


def open_statistics(path: Path) -> Statistics:
    """Read the statistics in a file.

    Raises:
        BadInput: if it holds none, or none that can be used.
    """
    if not path.is_file():
        raise BadInput(f"{path} is not a file of statistics: give a .npz with mu and sigma.")
    try:
        with path.open("rb") as stream:
            is_pickle = _PICKLE.match(stream.read(2))
        found = _of_pickle(path) if is_pickle else _of_npz(path)
    except NotPlain as error:
        raise BadInput(
            f"{path} holds {error}: statistics are read from a pickle only where it holds nothing "
            "but NumPy arrays of numbers; save mu and sigma with numpy.savez."
        ) from error
    except (*ARRAY_DAMAGE, IndexError) as error:
        raise BadInput(
            f"{path} is not a readable file of statistics ({shown(str(error))}): fetch it again, "
            "or save mu and sigma with numpy.savez."
        ) from error
    digest = file_digest(path)
    return Statistics(
        path, found.moments, found.count, digest, found.names_extractor, found.weights
    )


def write_statistics(
    path: Path,
    mu: Float64[np.ndarray, " d"],
    sigma: Float64[np.ndarray, "d d"],
    count: int,
    extractor: str = "inception",
    weights: str = "",
) -> None:
    """Write an ``.npz`` that pytorch-fid and clean-fid read, atomically.

    It says besides how many images there were, and by which extractor and weights.

    Raises:
        BadInput: for another suffix, by which they tell it, for what is no covariance, and for a
            width that is not the extractor's.
    """
    if path.suffix != ".npz":
        raise BadInput(f"{path} must end in .npz, by which other programs know statistics.")
    checked = _checked(path, mu, sigma)
    _extractor(path, len(mu), extractor)
    with atomic_path(path) as partial, partial.open("wb") as stream:
        said = {"count": count, "extractor": extractor, "weights": weights}
        arrays: dict[str, Any] = checked._asdict() | {k: np.asarray(v) for k, v in said.items()}
        np.savez(stream, **arrays)


@dataclass(frozen=True, eq=False)
class Found:
    """What a file holds, see `Statistics`."""

    moments: dict[str, Gaussian]
    count: int | None
    names_extractor: bool = False
    weights: str = ""


def _of_npz(path: Path) -> Found:
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        if missing := {"mu.npy", "sigma.npy"} - names:
            absent = " and ".join(sorted(name.removesuffix(".npy") for name in missing))
            raise BadInput(
                f"{path} has no {absent}: statistics are the arrays mu and sigma, the mean and the "
                "covariance of features; give such a file, or the pictures themselves."
            )
        mu, sigma = _member(path, archive, "mu", 1), _member(path, archive, "sigma", 2)
        count = _scalar(archive, "count", "iu") if "count.npy" in names else None
        name = _scalar(archive, "extractor", "U") if "extractor.npy" in names else None
        weights = _scalar(archive, "weights", "U") if "weights.npy" in names else None
    found = _checked(path, mu, sigma)
    moments = {_extractor(path, len(found.mu), name): found}
    return Found(moments, _count(path, count), bool(name), weights or "")


def _of_pickle(path: Path) -> Found:
    size = path.stat().st_size
    if size > _LARGEST_PICKLE:
        raise BadInput(
            f"{path} has {size >> 20} MiB, too much for statistics: save mu and sigma alone, with "
            "numpy.savez."
        )
    content = read_plain(path.read_bytes())
    if not isinstance(content, dict):
        raise NotPlain("no dictionary of statistics")
    if {"mu", "sigma"} <= content.keys():  # not by the metric's name
        content = {**content, "fid": content}
    moments = {}
    for key, name in (("fid", None), ("fd_dinov2", DINOV2)):
        if key in content:
            found = _checked(path, *_pickled(path, key, content[key]))
            moments[_extractor(path, len(found.mu), name)] = found
    if not moments:
        raise BadInput(
            f"{path} has neither fid nor fd_dinov2, by which EDM2 names statistics: give a file "
            "that its calculate_metrics.py ref has written, or a .npz with mu and sigma."
        )
    return Found(moments, _count(path, content.get("num_images")))


def _pickled(path: Path, key: str, entry: Any) -> tuple[np.ndarray, np.ndarray]:
    match entry:
        case {
            "mu": PickledArray(values=np.ndarray() as mu),
            "sigma": PickledArray(values=np.ndarray() as sigma),
        }:
            return mu, sigma
    raise BadInput(f"{path} has no arrays mu and sigma in {key}: make the statistics again.")


def _holds_pictures(archive: zipfile.ZipFile) -> bool:
    """Return whether any other member is an array of 4 dimensions, by its header."""
    others = sorted({n for n in archive.namelist() if n.endswith(".npy")} - {"mu.npy", "sigma.npy"})
    return any(len(_header(archive, name)[0]) == 4 for name in others[:_MOST_MEMBERS])


def _header(archive: zipfile.ZipFile, member: str) -> tuple[tuple[int, ...], np.dtype]:
    with archive.open(member) as packed:
        stream = io.BytesIO(packed.read(_LONGEST_HEADER))  # one of 4 GiB may be a bomb
    shape, _, dtype = _HEADERS[np.lib.format.read_magic(stream)](stream)
    return shape, dtype


def _member(path: Path, archive: zipfile.ZipFile, name: str, ndim: int) -> np.ndarray:
    """Read an array, before which no memory is taken for what its header only claims."""
    shape, _ = _header(archive, f"{name}.npy")
    if len(shape) != ndim or not 0 < max(shape) <= WIDEST:
        raise _misshapen(path, name, shape)
    return _read(archive, name)


def _scalar(archive: zipfile.ZipFile, name: str, kinds: str) -> Any:
    shape, dtype = _header(archive, f"{name}.npy")
    if shape != () or dtype.kind not in kinds or dtype.itemsize > 4 * _LONGEST_NAME:
        return None  # of somebody else's, who means another thing by it
    return _read(archive, name).item()


def _read(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(f"{name}.npy") as stream:
        return np.lib.format.read_array(stream, allow_pickle=False)


def _misshapen(path: Path, name: str, shape: tuple[int, ...]) -> BadInput:
    return BadInput(
        f"{path}: {name} has the shape {shape}, where mu is (d,) and sigma (d, d), d at most "
        f"{WIDEST:,}: give the mean and the covariance of features."
    )


def _count(path: Path, count: Any) -> int | None:
    if type(count) is int and count < 2:
        raise BadInput(f"{path} says that it is of {count} images: statistics are of 2 or more.")
    return count if type(count) is int else None


def _extractor(path: Path, width: int, name: Any) -> str:
    """Return which extractor made features of a `width`; `name` where the file has one."""
    expected = {INCEPTION.get(width)} if name in (None, *INCEPTION.values()) else {name}
    if name == DINOV2 and width != _DINOV2_WIDTH:
        expected = {None}
    found = name or INCEPTION.get(width)
    if not found or found not in expected:
        raise BadInput(
            f"{path} is of {width} features, which are not those of {shown(name or 'Inception')}: "
            f"there are {', '.join(map(str, INCEPTION))} by layer of Inception, and "
            f"{_DINOV2_WIDTH} of {DINOV2}, which EDM2's .pkl names."
        )
    return str(found)


def _checked(path: Path, mu: np.ndarray, sigma: np.ndarray) -> Gaussian:
    """Return a mean and a covariance in float64, or raise BadInput saying why they are none."""
    for name, array, ndim in (("mu", mu, 1), ("sigma", sigma, 2)):
        if array.ndim != ndim or not 0 < len(array) <= WIDEST or array.shape != mu.shape * ndim:
            raise _misshapen(path, name, array.shape)
        if array.dtype.kind not in "fiu":
            raise BadInput(f"{path}: {name} holds {array.dtype}, not real numbers: save it so.")
        if not (np.abs(array) <= _LARGEST_NUMBER).all():  # false for NaN, too
            raise BadInput(f"{path}: {name} holds NaN or infinite values: make it again.")
    mean, covariance = mu.astype(np.float64), sigma.astype(np.float64)
    if fault := _fault(covariance):
        raise BadInput(f"{path}: sigma is no covariance, {fault}: make the statistics again.")
    return Gaussian(mean, (covariance + covariance.T) / 2)


def _fault(sigma: Float64[np.ndarray, "d d"]) -> str:
    """Say why a matrix is no covariance; empty where it is one within rounding."""
    if np.abs(sigma - sigma.T).max() > _ASYMMETRY * np.abs(sigma).max():
        return "it is not symmetric"
    slack = _NEGATIVE * np.abs(sigma.diagonal()).sum() + np.finfo(np.float64).tiny
    try:
        np.linalg.cholesky((sigma + sigma.T) / 2 + slack * np.eye(len(sigma)))
    except np.linalg.LinAlgError:
        return "it has negative eigenvalues"
    return ""
