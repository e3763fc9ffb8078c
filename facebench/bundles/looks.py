"""Are the submitted pictures what the model draws of the same seeds here?"""

import contextlib
import math
from dataclasses import replace

import numpy as np
from jaxtyping import UInt8

from facebench.data.decode import decode
from facebench.data.grid import grid
from facebench.engine.batch_independence import ROUNDING
from facebench.engine.block import PREVIEW
from facebench.engine.context import Context
from facebench.engine.entries import Entry
from facebench.engine.jobs import row_job
from facebench.engine.sources import SamplerSource, runs
from facebench.engine.thumbnails import alike
from facebench.results.result import Result
from facebench.results.verdict import ComparedPictures, Likeness

Sheet = UInt8[np.ndarray, "_ _ 3"]


def compare_pictures(
    sheet: bytes | None, submitted: Result, entry: Entry, context: Context
) -> ComparedPictures:
    """Draw the pictures of a row's first seeds again, and compare them with its `sheet`.

    "close" are pictures no one of which differs by more than `ROUNDING` grey levels, root mean
    square: the tolerance that an evaluation has between batches.
    """
    if sheet is None:
        return ComparedPictures("absent")
    count = min(PREVIEW, submitted.protocol.num)
    seeds = range(submitted.first_seed, submitted.first_seed + count)
    source = row_job(entry, replace(context, seeds=seeds)).source
    assert isinstance(source, SamplerSource), "pictures and statistics were refused"
    with contextlib.closing(source):
        batch = next(source.batches([list(seeds)]))
    images = alike([image for run in runs(batch) for image in run])
    theirs = np.asarray(decode(f"the pictures of {submitted.model}", sheet))
    return likeness(theirs, np.asarray(grid(images)), count)


def likeness(theirs: Sheet, ours: Sheet, count: int) -> ComparedPictures:
    """Compare two sheets of `count` pictures, in rows as :func:`facebench.data.grid.grid` lays."""
    if theirs.shape != ours.shape:
        return ComparedPictures("other", count)
    apart = np.abs(theirs.astype(np.int16) - ours)
    squares = _pictures(np.square(apart, dtype=np.float64), count).mean((1, 2, 3))
    is_close = np.sqrt(squares.max()) <= ROUNDING
    found: Likeness = "same" if not apart.any() else "close" if is_close else "other"
    return ComparedPictures(found, count, float(apart.mean()), int(apart.max()))


def _pictures(sheet: np.ndarray, count: int) -> np.ndarray:
    """Cut a sheet into its pictures, (count, side, side, 3)."""
    columns = math.ceil(math.sqrt(count))
    side = sheet.shape[1] // columns
    cells = sheet.reshape(-1, side, columns, side, 3).swapaxes(1, 2)
    return cells.reshape(-1, side, side, 3)[:count]
