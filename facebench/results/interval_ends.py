"""How a training logs a value's interval: what the names of its ends end with.

Apart from :mod:`facebench.results.visuals`, for training needs no package that reads results.
"""

LOW, HIGH = "_low", "_high"
