"""The sheet of docs/validity.webp: every kind of damage at its five strengths, to be looked at."""

from pathlib import Path

import numpy as np
from PIL import Image
from validity_changes import STRENGTHS, Pictures, changed

from facebench.synth import render

_SEEDS = (10, 31)
_OTHERS = (11, 12)  # whose faces ghost


def write_sheet(path: Path) -> None:
    """Draw two painted faces: a row for each kind of damage, unchanged first."""
    faces = [render([seed, other]) for seed, other in zip(_SEEDS, _OTHERS, strict=True)]
    rows = [np.concatenate([_strip(kind, pair) for pair in faces], axis=2) for kind in STRENGTHS]
    sheet = np.concatenate(rows, axis=1).transpose(1, 2, 0)
    Image.fromarray(sheet).save(path, "WEBP", quality=92, method=6)


def _strip(kind: str, pair: Pictures) -> np.ndarray:
    """Return one face unchanged and at each strength, side by side."""
    damaged = [changed(kind, strength, pair, seed=0)[0] for strength in range(1, 6)]
    return np.concatenate([pair[0], *damaged], axis=2)
