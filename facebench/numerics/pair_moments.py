"""The mean squared distance over all pairs of a set, from moments that add up.

Moments are kept as named arrays with one row per set of consecutive images: ``count``, int64 (r,);
``total``, Σe, (r, d), float32 where it is stored; ``square``, Σ‖e‖², float64 (r,). Rows of disjoint
sets add up.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from facebench.errors import BadInput

Moments = dict[str, Tensor]
Rows = Mapping[str, np.ndarray]


def moments_of(batches: Iterable[Iterable[Tensor]]) -> Moments:
    """Return one row of moments of embeddings, summed in float64 where they are.

    A batch (n, d) comes in parts (n, _), some dimensions at a time: large images' embeddings are
    best never held as a whole.
    """
    count, totals, squares = 0, list[Tensor](), list[Tensor]()
    for parts in batches:
        size, sums = 0, list[Tensor]()
        for part in parts:
            exact, size = part.double(), len(part)
            sums.append(exact.sum(0))
            squares.append(exact.square().sum())
        count += size
        totals = [a + b for a, b in zip(totals, sums, strict=True)] if totals else sums
    square = torch.stack(squares).sum()[None]
    return {"count": torch.tensor([count]), "total": torch.cat(totals)[None], "square": square}


def merged(rows: Moments, together: int) -> Moments:
    """Return a row for every `together` of the `rows`, and one for what is left, as to be stored.

    Rounding totals to float32 moves the mean distance of faces' LPIPS by 1e-9 of it.
    """
    parts = {name: torch.split(tensor, together) for name, tensor in rows.items()}
    return {
        "count": torch.stack([part.sum() for part in parts["count"]]),
        "total": torch.stack([part.sum(0).float() for part in parts["total"]]),
        "square": torch.stack([part.sum() for part in parts["square"]]),
    }


def mean_distance(rows: Rows) -> float:
    """Return the mean squared distance over all pairs: 2/(N−1)·(Σ‖e‖² − ‖Σe‖²/N).

    Raises:
        BadInput: for fewer than 2 images.
    """
    count = int(rows["count"].sum())
    if count < 2:
        raise BadInput(f"LPIPS diversity needs at least 2 images, not {count}.")
    total = sum_of_embeddings(rows)
    spread = float(rows["square"].sum()) - float(total @ total) / count
    return 2 / (count - 1) * max(spread, 0.0)


def sum_of_embeddings(rows: Rows) -> Float64[np.ndarray, " d"]:
    """Return Σe over all images, without a copy of all rows in float64."""
    return np.asarray(rows["total"].sum(0, dtype=np.float64))
