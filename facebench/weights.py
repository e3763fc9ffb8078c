"""Network weights: where each file comes from, and that it is the file it should be.

A file is taken from ``--weights NAME=FILE``, else from the folder ``FACEBENCH_WEIGHTS``, else from
the user's cache, else it is downloaded once into that cache. Its sha256 must be the manifest's; a
file of the user's own with another one is accepted only on trust, and every Result says so.
"""

import os
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from types import MappingProxyType

from facebench.errors import BadInput
from facebench.files import atomic_path, file_digest
from facebench.paths import cache_folder
from facebench.progress import Track, silent


@dataclass(frozen=True)
class Weight:
    """One row of the manifest."""

    name: str
    url: str
    sha256: str
    licence: str

    @property
    def file_name(self) -> str:
        """The file's name at its official address."""
        return self.url.rpartition("/")[2]


_ROWS = (
    Weight(
        "inception",
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
        "weights-inception-2015-12-05-6726825d.pth",
        "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        "Apache-2.0",
    ),
    Weight(
        "alexnet",
        "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        "BSD-3-Clause",
    ),
    Weight(
        "vgg16",
        "https://download.pytorch.org/models/vgg16-397923af.pth",
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        "BSD-3-Clause",
    ),
)
MANIFEST: Mapping[str, Weight] = MappingProxyType({row.name: row for row in _ROWS})


@dataclass(frozen=True)
class WeightFile:
    """A weight file that was found, with its digest."""

    name: str
    path: Path
    sha256: str

    @property
    def on_trust(self) -> bool:
        """Whether the digest is not the manifest's."""
        return self.sha256 != MANIFEST[self.name].sha256


@dataclass(frozen=True)
class WeightSource:
    """Where to look for weight files: what the user named comes first."""

    files: Mapping[str, Path] = field(default_factory=dict)
    """Name to file, from ``--weights NAME=FILE``."""
    trust: bool = False
    """Accept files of `files` and of ``FACEBENCH_WEIGHTS`` whose digest is unknown."""
    track: Track = silent

    def __post_init__(self) -> None:
        """Refuse names that no network asks for."""
        for name, path in self.files.items():
            if name not in MANIFEST:
                raise BadInput(f"There are no weights {name!r}; there are: {', '.join(MANIFEST)}.")
            if not path.is_file():
                raise BadInput(f"There is no weight file {path}.")

    def find(self, name: str) -> WeightFile:
        """Return the file of weights `name`, downloading it if it is nowhere here."""
        given = self._given(name)
        path = given or self._cached(name)
        if not path.is_file():
            _download(MANIFEST[name], path, self.track)
        found = WeightFile(name, path, file_digest(path))
        if found.on_trust and not (given and self.trust):
            way_out = "name another file, or add --trust-weights to use it all the same"
            raise BadInput(
                f"{path} is not the known file of weights {name!r} (its sha256 is "
                f"{found.sha256[:12]}…, not {MANIFEST[name].sha256[:12]}…): "
                f"{way_out if given else 'remove it, and it is downloaded again'}."
            )
        return found

    def locate(self, name: str) -> Path | None:
        """Return where the file of weights `name` lies, or None where it would be downloaded."""
        path = self._given(name) or self._cached(name)
        return path if path.is_file() else None

    def _given(self, name: str) -> Path | None:
        if name in self.files:
            return self.files[name]
        folder = os.environ.get("FACEBENCH_WEIGHTS")
        path = Path(folder) / MANIFEST[name].file_name if folder else None
        return path if path and path.is_file() else None

    def _cached(self, name: str) -> Path:
        return cache_folder() / "weights" / MANIFEST[name].file_name


def _download(weight: Weight, target: Path, track: Track) -> None:
    """Download to `target`, which appears only when the whole file has the right digest."""
    try:
        with atomic_path(target) as partial:
            _fetch(weight.url, partial, f"Downloading {weight.file_name}", track)
            digest = file_digest(partial)
            if digest != weight.sha256:
                raise OSError(f"what came has the sha256 {digest[:12]}…")
    except (OSError, HTTPException) as error:
        reason = str(error).strip()
        raise BadInput(
            f"The weights {weight.name!r} could not be downloaded ({reason}): put the file of "
            f"{weight.url} into {target.parent}, or give --weights {weight.name}=FILE."
        ) from error


def _fetch(url: str, target: Path, description: str, track: Track) -> None:
    with urllib.request.urlopen(url, timeout=60) as response, target.open("wb") as stream:
        length = int(response.headers.get("Content-Length", 0))
        blocks = iter(lambda: response.read(1 << 20), b"")
        for block in track(blocks, description, length / (1 << 20) or None):
            stream.write(block)
