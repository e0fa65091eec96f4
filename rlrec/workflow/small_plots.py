"""Small plots to stand side by side, as inline SVG: lines, dots in rows, and points on a diagonal.

Every text given is escaped here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from rlrec.workflow.plots import nice_ticks

_WIDTH, _HEIGHT = 320, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 10, 8, 36
_ROW, _NAMES = 15, 96
_SIDE = 300


@dataclass(frozen=True)
class Series:
    """One group in a plot."""

    x: Sequence[float]
    y: Sequence[float]
    """As many as x; what is not finite is left out."""
    colour: str
    is_dashed: bool = False


@dataclass(frozen=True)
class _Axis:
    """Maps values to places, on a plain scale or one of logarithms."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    def __call__(self, value: float) -> float:
        low, high, at = (
            (math.log10(each) if self.is_log else each) for each in (self.low, self.high, value)
        )
        share = min(max((at - low) / ((high - low) or 1.0), 0.0), 1.0)
        return self.start + (self.end - self.start) * share

    def ticks(self, about: int) -> list[float]:
        if not self.is_log:
            return nice_ticks(self.low, self.high, about)
        powers = range(math.ceil(math.log10(self.low)), math.floor(math.log10(self.high)) + 1)
        return [10.0**power for power in powers]


def small_lines(
    series: Sequence[Series], x_label: str, labels: Sequence[str] = (), from_zero: bool = True
) -> str:
    """Return lines over a common axis.

    Args:
        series: At least one, with at least one point each.
        x_label: Under the horizontal axis.
        labels: Of x = 0, 1, ..., where these are situations; empty for numbers.
        from_zero: Whether the vertical axis begins at 0.
    """
    across = [x for each in series for x in each.x]
    up = [y for each in series for y in each.y if math.isfinite(y)] or [0.0]
    margin = _RIGHT + 14 * bool(labels)  # the last label is wider than its tick
    x = _Axis(min(across), max(across), _LEFT, _WIDTH - margin)
    low = min(0.0, *up) if from_zero else min(up)
    y = _Axis(low, max(up) * 1.02 if max(up) > 0 else 1.0, _HEIGHT - _BOTTOM, _TOP)
    shapes = "".join(_line(each, x, y, bool(labels)) for each in series)
    return _svg(_WIDTH, _HEIGHT, _frame(x, y, x_label, labels) + shapes)


def dot_rows(labels: Sequence[str], series: Sequence[Series]) -> str:
    """Return a row a label with a dot for each group at its value; `x` of the series is not used.

    Args:
        labels: One or more.
        series: A value (`y`) for each label.
    """
    height = _ROW * len(labels) + _BOTTOM
    up = [value for each in series for value in each.y if math.isfinite(value)] or [1.0]
    axis = _Axis(0.0, max(up) * 1.03 or 1.0, _NAMES, _WIDTH - _RIGHT)
    parts = []
    for tick in axis.ticks(4):
        parts.append(_vertical(axis(tick), 0, height - _BOTTOM, f"{tick:g}", height - _BOTTOM + 16))
    for number, label in enumerate(labels):
        middle = _ROW * (number + 0.5)
        parts.append(
            f'<text class="axis" x="{_NAMES - 8}" y="{middle + 4:.1f}" text-anchor="end">'
            f"{escape(label[:16])}</text>"
        )
        for each in series:
            if math.isfinite(each.y[number]):
                parts.append(_dot(axis(each.y[number]), middle, each, 3.6))
    return _svg(_WIDTH, height, "".join(parts))


def diagonal(series: Series, x_label: str, y_label: str, is_log: bool) -> str:
    """Return points beside the diagonal on which both axes are alike.

    Args:
        series: Points, above 0 where the axes are logarithms.
        x_label: Under the horizontal axis.
        y_label: Above the vertical one.
        is_log: Whether the axes are logarithms.
    """
    values = [value for value in (*series.x, *series.y) if value > 0 or not is_log]
    low, high = (min(values) / 1.4, max(values) * 1.4) if is_log else (0.0, max(values) * 1.05)
    x = _Axis(low, high, _LEFT, _SIDE - _RIGHT, is_log)
    y = _Axis(low, high, _SIDE - _BOTTOM, _TOP + 14, is_log)
    across = f'x1="{x(low):.1f}" x2="{x(high):.1f}" y1="{y(low):.1f}" y2="{y(high):.1f}"'
    points = [
        (a, b) for a, b in zip(series.x, series.y, strict=True) if not is_log or min(a, b) > 0
    ]
    told = "".join(_dot(x(a), y(b), series, 4.2) for a, b in points)
    path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in points)
    return _svg(
        _SIDE,
        _SIDE,
        f'{_frame(x, y, x_label, ())}<line class="even" {across}/>'
        f'<polyline points="{path}" fill="none" stroke="{escape(series.colour)}"/>{told}'
        f'<text class="axis" x="4" y="12">{escape(y_label)}</text>',
    )


def _line(series: Series, x: _Axis, y: _Axis, has_dots: bool) -> str:
    points = [(x(a), y(b)) for a, b in zip(series.x, series.y, strict=True) if math.isfinite(b)]
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
    dash = ' stroke-dasharray="5 3"' if series.is_dashed else ""
    line = (
        f'<polyline points="{path}" fill="none" stroke="{escape(series.colour)}" '
        f'stroke-width="1.8"{dash}/>'
    )
    return line + "".join(_dot(a, b, series, 2.8) for a, b in points if has_dots)


def _dot(x: float, y: float, series: Series, radius: float) -> str:
    colour = escape(series.colour)
    paint = f'fill="none" stroke="{colour}"' if series.is_dashed else f'fill="{colour}"'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" {paint} stroke-width="1.4"/>'


def _frame(x: _Axis, y: _Axis, x_label: str, labels: Sequence[str]) -> str:
    """Return both axes with their numbers, or with the labels of situations."""
    bottom, right = y.start, x.end
    parts = [
        f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>'
        f'<text class="axis" x="{_LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}'
        "</text>"
        for tick in y.ticks(4)
    ]
    named = enumerate(labels) if labels else ((tick, f"{tick:,g}") for tick in x.ticks(4))
    for place, name in named:
        parts.append(_vertical(x(place), bottom, bottom + 4, name, bottom + 16))
    return "".join(parts) + (
        f'<line class="edge" x1="{_LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>'
        f'<text class="axis" x="{(_LEFT + right) / 2:.1f}" y="{bottom + 31}" '
        f'text-anchor="middle">{escape(x_label)}</text>'
    )


def _vertical(x: float, top: float, bottom: float, name: str, y: float) -> str:
    return (
        f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>'
        f'<text class="axis" x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{escape(name)}</text>'
    )


def _svg(width: float, height: float, shapes: str) -> str:
    return f'<svg viewBox="0 0 {width:g} {height:g}" class="plot" role="img">{shapes}</svg>'
