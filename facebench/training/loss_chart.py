"""Line charts as SVG, one panel a curve, without a plotting library."""

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path

from facebench.files import write_text

Number = int | float
Curve = Sequence[tuple[Number, Number]]

_WIDTH, _HEIGHT = 420, 220  # of one panel
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 32, 36
_MOST_POINTS = 400
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#444}.title{font-weight:600;fill:#111}"
    ".axis{stroke:#ddd}.curve{fill:none;stroke:#2563eb;stroke-width:1.5;stroke-linejoin:round}"
)


def save_chart(curves: Mapping[str, Curve], target: Path, x_label: str = "step") -> Path:
    """Save one panel per curve, two a row, as the SVG file `target`; an empty one for none."""
    columns = min(2, max(len(curves), 1))
    rows = max(math.ceil(len(curves) / columns), 1)
    panels = [
        f'<g transform="translate({index % columns * _WIDTH},{index // columns * _HEIGHT})">'
        f"{_panel(title, curve, x_label)}</g>"
        for index, (title, curve) in enumerate(curves.items())
    ]
    size = f'width="{columns * _WIDTH}" height="{rows * _HEIGHT}"'
    write_text(
        target,
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{_STYLE}</style>'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(panels)}</svg>\n',
    )
    return target


def _panel(title: str, curve: Curve, x_label: str) -> str:
    points = _thin(curve)
    xs, ys = [x for x, _ in points], [y for _, y in points]
    x_ticks, y_ticks = ticks(min(xs), max(xs)), ticks(min(ys), max(ys))
    across = _scale(min(xs), max(xs), _LEFT, _WIDTH - _RIGHT)
    y_low, y_high = min(*ys, y_ticks[0]), max(*ys, y_ticks[-1])
    up = _scale(y_low, y_high, _HEIGHT - _BOTTOM, _TOP)

    def place(x: Number, y: Number) -> str:
        return f"{across(x):.1f},{up(y):.1f}"

    parts = [f'<text class="title" x="{_LEFT}" y="20">{escape(title)}</text>']
    for y in y_ticks:
        line = f"M{place(min(xs), y)}H{_WIDTH - _RIGHT}"
        parts.append(f'<path class="axis" d="{line}"/>')
        parts.append(_label(_LEFT - 8, up(y) + 4, _number(y), "end"))
    for x in x_ticks:
        parts.append(_label(across(x), _HEIGHT - _BOTTOM + 16, _number(x), "middle"))
    parts.append(_label(_WIDTH - _RIGHT, 20, x_label, "end"))
    path = "M" + "L".join(place(x, y) for x, y in points)
    return "".join([*parts, f'<path class="curve" d="{path}"/>'])


def _label(x: Number, y: Number, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _thin(curve: Curve) -> Curve:
    """Return means of neighbours where there are more points than pixels to tell them apart."""
    stride = math.ceil(len(curve) / _MOST_POINTS)
    groups = [curve[start : start + stride] for start in range(0, len(curve), stride)]
    return [
        (math.fsum(x for x, _ in group) / len(group), math.fsum(y for _, y in group) / len(group))
        for group in groups
    ]


def _scale(low: Number, high: Number, start: Number, end: Number) -> Callable[[Number], float]:
    span = high - low or 1.0
    return lambda value: start + (value - low) / span * (end - start)


def ticks(low: Number, high: Number, about: int = 4) -> list[float]:
    """Return round numbers within [low, high], or around its only value.

    >>> ticks(0, 6000), ticks(0.31, 1.17)
    ([0.0, 2000.0, 4000.0, 6000.0], [0.4, 0.6, 0.8, 1.0])
    """
    span = high - low or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(span / about))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor * (about + 1) >= span)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [float(f"{index * step:.12g}") for index in range(first, max(first, last) + 1)]


def _number(value: Number) -> str:
    return f"{value:,.6g}".replace("-", "\N{MINUS SIGN}")
