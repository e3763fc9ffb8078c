"""How numbers are set: as many digits as carry meaning, a true minus sign, no bare zeros."""

import math

from facebench.metrics.table import metric
from facebench.results.result import Value

_MINUS, _TIMES = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"
_MOST_DECIMALS = 5  # beyond these a number reads better in powers of ten
_EXPONENT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(key: str, value: float, error: float | None = None) -> str:
    """Return `value` of the metric `key` as text, without digits that its standard error blurs.

    >>> number("fid", 34.6149), number("fid", 0.01513), number("kid", 0.02), number("recall", 0.5)
    ('34.61', '0.0151', '0.0200', '0.500')
    >>> number("kid", 0.0000521, error=0.00024)
    '0.00005'
    """
    return fixed(value, decimals(key, value, error))


def decimals(key: str, value: float, error: float | None = None) -> int:
    """Return the decimals that show three significant digits, or the metric's usual number.

    Beyond the usual number, no more than two digits of the standard error.
    """
    row = metric(key)
    if row.key == "identity_diversity":  # of people there are no parts
        return 0
    usual = 4 if row.key == "kid" and abs(value) < 1 else 2
    places = 3 if not row.distance or value == 0 else max(usual, _digits(value, 3))
    return min(places, max(usual, _digits(error, 2))) if error else places


def fixed(value: float | None, places: int) -> str:
    """Return `value` to `places` decimals, or in powers of ten where these would be too many.

    Nothing where there is none.
    """
    if value is None:
        return ""
    if places > _MOST_DECIMALS:
        return _scientific(value)
    return f"{value:.{places}f}".replace("-", _MINUS)


def error(key: str, value: Value) -> str:
    """Return the error of `value` as text, to the same decimals; empty where there is none.

    >>> error("fid", Value(34.6149, error=0.4)), error("fid", Value(34.6149))
    ('±0.40', '')
    """
    if value.error is None:
        return ""
    places = decimals(key, value.value, value.error)
    vanishes = round(value.error, places) == 0
    return f"±{number(key, value.error) if vanishes else fixed(value.error, places)}"


def interval(key: str, value: Value) -> str:
    """Return the 95 % interval as text, to its value's decimals; empty where there is none.

    >>> interval("fid", Value(34.6149, 0.4, 33.8, 35.4142)), interval("fid", Value(34.6149))
    ('33.80 – 35.41', '')
    """
    if value.low is None or value.high is None:
        return ""
    places = decimals(key, value.value, value.error)
    if value.low < value.high and fixed(value.low, places) == fixed(value.high, places):
        places = _digits(value.high - value.low, 2)
    return f"{fixed(value.low, places)} – {fixed(value.high, places)}"


def ratio(value: Value) -> str:
    """Return `value` relative to the reference's own; empty where there is none.

    >>> ratio(Value(0.312, reference=0.335)), ratio(Value(0.312))
    ('×0.93', '')
    """
    return f"{_TIMES}{value.value / value.reference:.2f}" if value.reference else ""


def _digits(value: float, significant: int) -> int:
    """Return the decimals that show so many significant digits of `value`, not 0."""
    return max(0, significant - 1 - math.floor(math.log10(abs(value))))


def _scientific(value: float) -> str:
    mantissa, _, exponent = f"{value:.2e}".partition("e")
    return f"{mantissa.replace('-', _MINUS)}{_TIMES}10{str(int(exponent)).translate(_EXPONENT)}"
