"""The built-in metrics in the order of the board's columns: a new one has its row in a file below.

A row's function imports what computes it when it is called: who reads the rows loads neither
torch nor scipy. What several metrics share, :class:`facebench.metrics.feature_sets.Comparison` has.
"""

from facebench.metrics import (
    copy_rows,
    distance_rows,
    diversity_rows,
    face_rows,
    neighbourhood_rows,
    pair_rows,
)
from facebench.metrics.metric import Metric

ROWS: tuple[Metric, ...] = (
    *pair_rows.ROWS,
    *distance_rows.ROWS,
    *neighbourhood_rows.ROWS,
    *copy_rows.ROWS,
    *diversity_rows.ROWS,
    *face_rows.ROWS,
)
