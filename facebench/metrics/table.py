"""The table of metrics: the built-in rows, and those of any package that is installed.

A package has a metric by an entry point of the group ``facebench.metrics``, whose name is the
metric's key and whose value is its row, see docs/metrics.md.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from facebench.errors import BadInput, cause
from facebench.metrics.builtin_metrics import ROWS
from facebench.metrics.metric import Better as Better
from facebench.metrics.metric import Metric as Metric
from facebench.plugins import registry

UNKNOWN = "the package that has this metric is not installed, or cannot be used"
"""Why results hold a metric that is left out of reports."""


class Table(Mapping[str, Metric]):
    """Rows by their keys: the given ones, then those of packages, loaded when they are asked for.

    Raises:
        BadInput: for two rows of one name; for a package's row, when it is asked for and wrong.
    """

    def __init__(self, rows: Sequence[Metric]) -> None:
        self._rows: dict[str, Metric] = {}
        for row in rows:
            self._add(row)

    @cached_property
    def _keys(self) -> dict[str, None]:
        theirs = registry.names("metrics")
        for key in self._rows.keys() & theirs:
            warnings.warn(f"{_name(key)} is not used: facebench has {key!r} itself.", stacklevel=2)
        return dict.fromkeys([*self._rows, *theirs])

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self._rows or key in self._keys  # loads nothing

    def __getitem__(self, key: str) -> Metric:
        if key not in self._rows and key in self:
            self._load(key)
        return self._rows[key]

    @cached_property
    def usable(self) -> Sequence[Metric]:
        """All rows but those of packages that cannot be loaded, of which a warning tells."""
        found = []
        for key in self:
            try:
                found.append(self[key])
            except BadInput as error:
                warnings.warn(str(error), stacklevel=2)
        return found

    def find(self, key: str) -> Metric:
        """Return the row that reports under `key`, whatever the extractor in its name."""
        if key in self:
            return self[key]
        for row in sorted(self.usable, key=lambda row: -len(row.key)):  # fid_inf_768 is no fid_768
            is_of_many = row.distance or row.family
            if is_of_many and key.startswith(tuple(f"{name}_" for name in row.names)):
                return row
        raise BadInput(f"There is no metric {key!r}; there are: {', '.join(self)}.")

    def _add(self, row: Metric) -> None:
        for other in self._rows.values():
            if taken := sorted(row.names & other.names):
                raise BadInput(f"Two metrics are called {taken[0]!r}: {other.title}, {row.title}.")
        self._rows[row.key] = row

    def _load(self, key: str) -> None:
        """Add a package's row, or raise BadInput saying whose it is and what is wrong with it."""
        try:
            row = registry.find("metrics", key)
            if not isinstance(row, Metric) or row.key != key:
                raise BadInput(f"its entry point gives {row!r:.60}, not a Metric with this key")
            self._add(row)
        except Exception as error:  # whatever a package's module raises when it is imported
            why = str(error).rstrip(".") if isinstance(error, BadInput) else cause(error)
            raise BadInput(f"{_name(key)} cannot be used: {why}.") from error


def _name(key: str) -> str:
    return f"The metric {key!r} of the package {registry.home('metrics', key)}"


METRICS = Table(ROWS)


def metric(key: str) -> Metric:
    """Return the row that reports under `key`, whatever the extractor in its name.

    >>> metric("fd_random").title, metric("kid_768").title
    ('FID', 'KID')
    """
    return METRICS.find(key)


def is_known(key: str) -> bool:
    """Return whether there is a row for `key`: the package that it was computed with may be gone.

    >>> is_known("fd_random"), is_known("beauty")
    (True, False)
    """
    try:
        return bool(metric(key))
    except BadInput:
        return False


def title(key: str) -> str:
    """Return the heading for `key`; only Inception's own distances are called FID or KID.

    >>> title("fid"), title("fid_768"), title("fid_inf_768"), title("cmmd_random")
    ('FID', 'FID @768', 'FID∞ @768', 'CMMD, random')
    >>> title("fd_random"), title("kd_vgg16"), title("fd_inf_random")
    ('Fréchet distance, random', 'Kernel distance, vgg16', 'Fréchet distance∞, random')
    """
    return metric(key).titled(key)


def order(key: str) -> tuple[int, bool, str]:
    """Return what sorts keys as the table does, a bare key before those of other extractors."""
    row = metric(key)
    return list(METRICS).index(row.key), not key.startswith(row.key), key
