"""Rows of the board for pairs: models, answers as pictures, and two that need no training."""

from collections.abc import Sequence
from functools import cache, partial
from hashlib import sha256
from pathlib import Path

import numpy as np

from facebench.engine.entries import ObjectRow, PicturesRow, parse_entries
from facebench.engine.pairing import Pairing, SourceRow, TrustedSource
from facebench.errors import BadInput
from facebench.pairs.answers import open_answers
from facebench.pairs.bicubic import Bicubic
from facebench.pairs.nearest import NEIGHBOURS, NearestMean
from facebench.pairs.pair_set import PairSet, open_pairs
from facebench.plugins.model_spec import Model
from facebench.translator import AskedTranslator, Translator

BASELINE = "baseline"
"""The adapter that rows are said to have which need no training."""

PairRow = Model | ObjectRow | SourceRow


def pair_rows(models: object, pairs: Pairing) -> list[PairRow]:
    """Return the rows that `models` means, see :data:`facebench.engine.entries.Models`."""
    return [_pair_row(row, pairs) for row in parse_entries(models)]


def _pair_row(row: object, pairs: Pairing) -> PairRow:
    match row:
        case PicturesRow(name=name, path=path) if path.exists():
            if isinstance(row.target, str) and row.target != str(path):
                raise BadInput(f"{row.target}: answers are pictures by name, and take no options.")
            opened = cache(partial(open_answers, path, pairs))
            return SourceRow(name, row.adapter, path, row.target, opened)
        case Model() | ObjectRow():
            return row
    raise BadInput(
        f"{getattr(row, 'name', row)} holds no answers that go by the sources' names: give a "
        "folder of pictures, NAME=images:DIR, or a translator."
    )


def baselines(pairs: Pairing, pair_set: PairSet) -> list[SourceRow]:
    """Return the rows that need no training, as far as there is what they need.

    They are ``identity`` where source and target are of one size, else ``bicubic``, and where there
    are training pairs ``nearest``.
    """
    height, width = pairs.asked.size
    is_of_one_size = pairs.asked.sources.shape[2:] == (height, width)
    name = "identity" if is_of_one_size else "bicubic"
    enlarged = _translated(name, f"to {width}×{height}", Bicubic(pairs.asked.size), pairs)
    rows = [SourceRow(name, BASELINE, Path(name), name, lambda: enlarged)]
    train = pair_set.folder / "train"
    if pair_set.part == "holdout" and train.is_dir():
        opened = cache(partial(_nearest, pair_set, pairs))
        rows.append(SourceRow("nearest", BASELINE, Path("nearest"), "nearest", opened))
    return rows


def _nearest(pair_set: PairSet, pairs: Pairing) -> TrustedSource:
    known = open_pairs(pair_set.folder, "train")
    of = f"mean of {NEIGHBOURS} of {len(known)} training pairs {known.digest}"
    return _translated("nearest", of, NearestMean(known), pairs)


def _translated(name: str, of: str, translator: Translator, pairs: Pairing) -> TrustedSource:
    digest = sha256(f"{name} {of} {pairs.asked.digest}".encode()).hexdigest()
    return TrustedSource(AskedTranslator(translator, pairs.asked).sample, digest)


def targets(pairs: Pairing, pair_set: PairSet) -> TrustedSource:
    """Return the source of the targets, which count from 0."""

    def images(places: Sequence[int]) -> np.ndarray:
        return pairs.targets[[*places]]

    return TrustedSource(
        images, f"targets {pairs.digest}", looks=pair_set.looks, content=pair_set.content
    )
