"""The arrays of a prepared data set: opened without trust in what they claim."""

from pathlib import Path

import numpy as np

from facebench.errors import BadInput
from facebench.files import ARRAY_DAMAGE


def damaged(folder: Path, what: str) -> BadInput:
    """Return the refusal of a data set in which `what` is wrong."""
    return BadInput(f"{what}: remove {folder} and prepare the data set again.")


def open_array(path: Path) -> np.ndarray:
    """Return the array of a data set's file, memory-mapped."""
    if path.exists() and not path.is_file():  # a pipe, which may never end
        raise damaged(path.parent, f"{path} is damaged (it is not a file)")
    try:
        return np.lib.format.open_memmap(path, mode="r")  # never a pickle, nor a zip
    except ARRAY_DAMAGE as error:
        raise damaged(path.parent, f"{path} is damaged ({error})") from error


def check_claims(path: Path, array: np.ndarray, dtype: type, shape: tuple[int, ...]) -> None:
    """Refuse an array that is not what its data set's ``dataset.json`` says."""
    if array.dtype != dtype or array.shape != shape:
        held = f"{array.dtype} {array.shape}"
        expected = f"{np.dtype(dtype)} {shape}"
        raise damaged(path.parent, f"{path} holds {held} where its dataset.json says {expected}")


def check_range(path: Path, array: np.ndarray, what: str, low: int, high: int | None) -> None:
    """Refuse an array of whole numbers that are not from `low` to `high`, None for any."""
    if not array.size:
        return
    least, most = int(array.min()), int(array.max())
    if least < low or (high is not None and most > high):
        beyond = f"{least} to {most} where its dataset.json says {low} to {high}"
        beyond = beyond if high is not None else f"{least} on, where all are {low} or more"
        raise damaged(path.parent, f"{path} holds {what} from {beyond}")
