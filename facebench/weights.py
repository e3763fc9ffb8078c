"""Network weights: where each file comes from, and that it is the file it should be.

A file is taken from ``--weights NAME=FILE``, else from the folder ``FACEBENCH_WEIGHTS``, else from
the user's cache, else it is downloaded once into that cache (:mod:`facebench.cache.download`). Its
sha256 must be the manifest's; a file of the user's own with another one is accepted only on trust,
and every Result says so. ``--offline``, or ``FACEBENCH_OFFLINE=1``, forbids downloads.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from types import MappingProxyType

from facebench.cache.download import download
from facebench.cache.paths import cache_folder
from facebench.errors import BadInput
from facebench.files import file_digest
from facebench.progress import Track, silent


@dataclass(frozen=True)
class Weight:
    """One row of the manifest."""

    name: str
    url: str
    sha256: str
    licence: str
    kept_as: str = ""
    """A name for the file, where the one at its official address says nothing of what it is."""

    @property
    def file_name(self) -> str:
        """The file's name in caches, mirrors and the user's folder."""
        return self.kept_as or self.url.rpartition("/")[2]


_ZOO = (
    "https://media.githubusercontent.com/media/opencv/opencv_zoo/"
    "47534e27c9851bb1128ccc0102f1145e27f23f98/models"
)
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
    # The makers of these two publish no digest. It is the one that many projects, each for itself,
    # state for a file of this address and size: 1,217,586,395 and 1,711,974,081 bytes.
    Weight(
        "dinov2",
        "https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/dinov2_vitl14_pretrain.pth",
        "d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428",
        "Apache-2.0",
    ),
    Weight(
        "clip",
        "https://huggingface.co/openai/clip-vit-large-patch14-336/resolve/"
        "ce19dc912ca5cd21c8a653c79e251e808ccabcd1/pytorch_model.bin",
        "c6032c2e0caae3dc2d4fba35535fa6307dbb49df59c7e182b1bc4b3329b81801",
        "MIT",
        kept_as="clip-vit-large-patch14-336-c6032c2e.bin",
    ),
    # OpenCV's zoo keeps its files outside git: this is the address of the content.
    Weight(
        "yunet",
        f"{_ZOO}/face_detection_yunet/face_detection_yunet_2023mar.onnx",
        "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
        "MIT",
    ),
    Weight(
        "sface",
        f"{_ZOO}/face_recognition_sface/face_recognition_sface_2021dec.onnx",
        "0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79",
        "Apache-2.0",
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

    @property
    def notes(self) -> tuple[str, ...]:
        """What must be said of numbers made with weights whose digest is not the manifest's."""
        if not self.on_trust:
            return ()
        short = f"sha256 {self.sha256[:12]}… is not the known one"
        return (f"weights {self.name} taken on trust: {short}",)


class NoWeights(BadInput):
    """Known weights are neither here nor to be downloaded."""


@dataclass(frozen=True)
class WeightSource:
    """Where to look for weight files: what the user named comes first."""

    files: Mapping[str, Path] = field(default_factory=dict)
    """Name to file, from ``--weights NAME=FILE``."""
    trust: bool = False
    """Accept files of `files` and of ``FACEBENCH_WEIGHTS`` whose digest is unknown."""
    track: Track = silent
    offline: bool = False
    """Download nothing."""

    def __post_init__(self) -> None:
        """Refuse names that no network asks for."""
        for name, path in self.files.items():
            known(name)
            if not path.is_file():
                raise BadInput(f"There is no weight file {path}.")

    @property
    def is_offline(self) -> bool:
        """Whether nothing may be downloaded, by the option or by the environment."""
        return self.offline or os.environ.get("FACEBENCH_OFFLINE", "0") not in ("", "0")

    def find(self, name: str) -> WeightFile:
        """Return the file of weights `name`, downloading it if it is nowhere here."""
        path, is_given = self.place(name), self._given(name) is not None
        if not path.is_file():
            self._download(MANIFEST[name], path)
        found = WeightFile(name, path, file_digest(path))
        if found.on_trust and not (is_given and self.trust):
            way_out = "remove it, and it is downloaded again"
            if is_given:
                way_out = "name another file, or add --trust-weights to use it all the same"
            raise BadInput(
                f"{path} is not the known file of weights {name!r} (its sha256 is "
                f"{found.sha256[:12]}…, not {MANIFEST[name].sha256[:12]}…): {way_out}."
            )
        return found

    def locate(self, name: str) -> Path | None:
        """Return where the file of weights `name` lies, or None where it would be downloaded."""
        path = self.place(name)
        return path if path.is_file() else None

    def place(self, name: str) -> Path:
        """Return where the file of weights `name` lies or would be put."""
        return self._given(name) or cache_folder() / "weights" / MANIFEST[name].file_name

    def _given(self, name: str) -> Path | None:
        if name in self.files:
            return self.files[name]
        folder = os.environ.get("FACEBENCH_WEIGHTS")
        path = Path(folder) / MANIFEST[name].file_name if folder else None
        return path if path and path.is_file() else None

    def _download(self, weight: Weight, target: Path) -> None:
        name, folder = weight.name, target.parent
        renamed = f" as {weight.kept_as}" if weight.kept_as else ""
        way_out = (
            f"put the file of {weight.url} into {folder}{renamed}, or give --weights {name}=FILE."
        )
        if self.is_offline:
            raise NoWeights(f"The weights {name!r} are not here, and this is offline: {way_out}")
        try:
            download(addresses(weight), target, weight.sha256, self.track)
        except (OSError, HTTPException, ValueError) as error:
            why = str(error).strip() or type(error).__name__
            said = f"The weights {name!r} could not be downloaded ({why}): {way_out}"
            raise NoWeights(said) from error


def known(name: str) -> str:
    """Return `name` if there are such weights, else raise BadInput naming those there are."""
    if name not in MANIFEST:
        raise BadInput(f"There are no weights {name!r}; there are: {', '.join(MANIFEST)}.")
    return name


def addresses(weight: Weight) -> list[str]:
    """Return where a file is asked for: mirrors first, then its official address.

    Mirrors are the addresses of folders in ``FACEBENCH_MIRRORS``, with blanks between them. They
    are trusted with nothing: the digest is the manifest's.
    """
    mirrors = os.environ.get("FACEBENCH_MIRRORS", "").split()
    return [*(f"{each.rstrip('/')}/{weight.file_name}" for each in mirrors), weight.url]
