"""How numbers are set: as many digits as carry meaning, a true minus sign, no bare zeros."""

import math

from facebench.metrics.table import metric
from facebench.result import Value

_MINUS, _TIMES = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"
_MOST_DECIMALS = 5  # beyond these a number reads better in powers of ten
_EXPONENT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(key: str, value: float) -> str:
    """Return `value` of the metric `key` as text.

    >>> number("fid", 34.6149), number("fid", 0.01513), number("kid", 0.02), number("recall", 0.5)
    ('34.61', '0.0151', '0.0200', '0.500')
    """
    places = decimals(key, value)
    return _scientific(value) if places > _MOST_DECIMALS else _fixed(value, places)


def decimals(key: str, value: float) -> int:
    """Return the decimals that show three significant digits, or the metric's usual number."""
    row = metric(key)
    if not row.distance or value == 0:
        return 3
    usual = 4 if row.key == "kid" and abs(value) < 1 else 2
    return max(usual, 2 - math.floor(math.log10(abs(value))))


def error(key: str, value: Value) -> str:
    """Return the error of `value` as text, to the same decimals; empty where there is none.

    >>> error("fid", Value(34.6149, error=0.4)), error("fid", Value(34.6149))
    ('±0.40', '')
    """
    if value.error is None:
        return ""
    places = decimals(key, value.value)
    vanishes = round(value.error, places) == 0
    if vanishes or places > _MOST_DECIMALS:
        return f"±{number(key, value.error)}"
    return f"±{_fixed(value.error, places)}"


def reference(key: str, value: Value) -> str:
    """Return what the reference itself scores, and the ratio to it; empty where unknown."""
    if value.reference is None:
        return ""
    real = f"real {number(key, value.reference)}"
    return f"{real}, {_TIMES}{value.value / value.reference:.2f}" if value.reference else real


def _fixed(value: float, places: int) -> str:
    return f"{value:.{places}f}".replace("-", _MINUS)


def _scientific(value: float) -> str:
    mantissa, _, exponent = f"{value:.2e}".partition("e")
    return f"{mantissa.replace('-', _MINUS)}{_TIMES}10{str(int(exponent)).translate(_EXPONENT)}"
