"""Face data sets by name, through the loaders of scikit-learn and torchvision.

They know the addresses and check the files' digests; what they leave on disk is then prepared as
any folder of pictures is.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from facebench.cache.paths import cache_folder
from facebench.data.dataset import Dataset
from facebench.data.prepare import prepare
from facebench.errors import BadInput
from facebench.files import atomic_folder


@dataclass(frozen=True)
class Download:
    """A data set that can be had by name."""

    title: str
    terms: str
    """What its authors ask for, in a sentence or two."""
    fetch: Callable[[Path], Path]
    """Download into a folder; return the folder of its pictures."""
    crop: str = "none"
    in_order: bool = False
    """Whether the official split goes by the names."""


def download(name: str, out: Path, **options: Any) -> Dataset:
    """Download the data set `name`, unless it is in the cache, and :func:`prepare` it as `out`."""
    if name not in DOWNLOADS:
        raise BadInput(f"There is no data set {name!r}; there are: {', '.join(DOWNLOADS)}.")
    row = DOWNLOADS[name]
    try:
        with warnings.catch_warnings(action="ignore"):  # of retries: what counts is how they end
            pictures = row.fetch(cache_folder() / "downloads")
    except ModuleNotFoundError as error:
        raise BadInput(
            f"Downloading {name} needs the package {error.name!r}, which is not installed: "
            "pip install 'facebench[download]'"
        ) from error
    except (OSError, RuntimeError) as error:  # no network, a full disk, a quota, a wrong digest
        raise BadInput(
            f"{row.title} could not be downloaded ({_first_line(error)}): try again later, or "
            "fetch it by hand and use facebench data prepare."
        ) from error
    return prepare(pictures, out, crop=row.crop, in_order=row.in_order, **options)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__


def _fetch_lfw(folder: Path) -> Path:
    from sklearn.datasets import fetch_lfw_people

    # Only who has so many pictures is loaded into memory; everybody's are unpacked.
    fetch_lfw_people(data_home=folder, min_faces_per_person=500)
    return folder / "lfw_home" / "lfw_funneled"


def _fetch_olivetti(folder: Path) -> Path:
    from sklearn.datasets import fetch_olivetti_faces

    target = folder / "olivetti"
    if not target.exists():
        faces: Any = fetch_olivetti_faces(data_home=folder, shuffle=False)
        with atomic_folder(target) as partial:
            for number, face in enumerate(faces.images):
                pixels = np.rint(face * 255).astype(np.uint8)
                Image.fromarray(pixels).save(partial / f"{number:03d}.png")
    return target


def _fetch_celeba(folder: Path) -> Path:
    import gdown  # noqa: F401  torchvision asks for it when half is done
    from torchvision.datasets import CelebA

    CelebA(str(folder), split="all", download=True)
    return folder / "celeba" / "img_align_celeba"


DOWNLOADS = {
    "lfw": Download(
        "Labeled Faces in the Wild (funneled)",
        "13,233 press photographs, 250×250, 200 MB. For research; no consent of those pictured is "
        "known. Cite Huang et al. 2007. http://vis-www.cs.umass.edu/lfw/",
        _fetch_lfw,
    ),
    "olivetti": Download(
        "The Olivetti (AT&T) faces",
        "400 grey pictures of 40 people, 64×64, 4 MB. Credit AT&T Laboratories Cambridge. "
        "https://cam-orl.co.uk/facedatabase.html",
        _fetch_olivetti,
    ),
    "celeba": Download(
        "CelebA (aligned and cropped)",
        "202,599 photographs of celebrities, 178×218, 1.4 GB, from Google Drive. For "
        "non-commercial research only; not to be passed on. Cite Liu et al. 2015. "
        "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
        _fetch_celeba,
        crop="celeba",
        in_order=True,  # its test set is the last tenth, of people who are nowhere else
    ),
}
