"""Plots as inline SVG and HTML: no script, no fonts, nothing to load.

Every text given is escaped here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

COLOURS = (
    "#2f5d8a",
    "#e0882f",
    "#4c9a6a",
    "#b5485d",
    "#7d68a8",
    "#8a6d4b",
    "#d178a8",
    "#a3a13a",
    "#3fa5b5",
)
"""Told apart by the colour-blind and in grey print, as far as nine can be."""
OTHER_COLOUR = "#c9ced6"

_WIDTH, _HEIGHT = 760, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 172, 16, 46


@dataclass(frozen=True)
class Interval:
    """A value with its interval."""

    label: str
    value: float
    lower: float
    upper: float
    kind: str = ""
    """Style class: `floor`, `baseline`, `agent`, `oracle`."""


@dataclass(frozen=True)
class Level:
    """A horizontal line to compare with."""

    label: str
    value: float
    colour: str


@dataclass(frozen=True)
class Frame:
    """Maps values to places in a plot."""

    x_max: float
    low: float
    high: float

    def x(self, value: float) -> float:
        """Return the horizontal place of a value from 0 up to x_max."""
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * value / (self.x_max or 1.0)

    def y(self, value: float) -> float:
        """Return the vertical place of a value between low and high."""
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share


def interval_rows(intervals: Sequence[Interval], low: float, high: float, digits: int = 2) -> str:
    """Return one row a value: its name, a point with whiskers on a track, and the number.

    Args:
        intervals: In the order shown.
        low: Value at the left end of the track; what lies beyond is drawn at the end.
        high: Value at the right end.
        digits: After the decimal point.
    """
    span = (high - low) or 1.0

    def place(value: float) -> float:
        return min(max(100.0 * (value - low) / span, 0.0), 100.0)

    ticks = "".join(
        f'<i class="tick" style="left:{place(tick):.2f}%"></i>' for tick in nice_ticks(low, high, 5)
    )
    rows = []
    for item in intervals:
        start, end = place(item.lower), place(item.upper)
        rows.append(
            f'<div class="row {escape(item.kind)}"><span class="name">{escape(item.label)}</span>'
            f'<span class="track">{ticks}'
            f'<i class="bar" style="left:{min(place(0.0), place(item.value)):.2f}%;'
            f'width:{abs(place(item.value) - place(0.0)):.2f}%"></i>'
            f'<i class="whisker" style="left:{start:.2f}%;width:{max(end - start, 0.3):.2f}%"></i>'
            f'<i class="point" style="left:{place(item.value):.2f}%"></i></span>'
            f'<span class="number">{item.value:.{digits}f}</span></div>'
        )
    scale = "".join(
        f'<i style="left:{place(tick):.2f}%">{tick:g}</i>' for tick in nice_ticks(low, high, 5)
    )
    axis = (
        f'<span class="name"></span><span class="scale">{scale}</span><span class="number"></span>'
    )
    return f'<div class="intervals">{"".join(rows)}<div class="row axis">{axis}</div></div>'


def learning_curve(
    points: Sequence[tuple[float, Interval]], levels: Sequence[Level], chosen: float
) -> str:
    """Return a curve with a band over interactions, beside levels to compare with.

    Args:
        points: (interactions so far, return with its interval), ascending.
        levels: Horizontal lines, named at the right edge.
        chosen: Interactions of the point to mark.
    """
    values = [bound for _, point in points for bound in (point.lower, point.upper)]
    values += [level.value for level in levels]
    low, high = min(values), max(values)
    margin = 0.06 * ((high - low) or 1.0)
    frame = Frame(max(x for x, _ in points), min(low - margin, max(low, 0.0)), high + margin)
    upper = [(frame.x(x), frame.y(point.upper)) for x, point in points]
    lower = [(frame.x(x), frame.y(point.lower)) for x, point in reversed(points)]
    middle = [(frame.x(x), frame.y(point.value)) for x, point in points]
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6"/>' for x, y in middle)
    for x, point in points:
        if x == chosen:
            place = f'cx="{frame.x(x):.1f}" cy="{frame.y(point.value):.1f}"'
            dots += f'<circle class="chosen" {place} r="5.5"/>'
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" class="plot wide" '
        f'aria-label="Return on the validation users over interactions">'
        f"{_axes(frame)}{_level_lines(levels, frame)}"
        f'<polygon class="band" points="{_points(upper + lower)}"/>'
        f'<polyline class="curve" points="{_points(middle)}"/><g class="dots">{dots}</g></svg>'
    )


def stacked_areas(
    title: str, shares: Sequence[Sequence[float]], colours: Sequence[str], n_steps: int
) -> str:
    """Return shares over time as stacked areas from 0 to 1.

    Args:
        title: Above the plot.
        shares: One row a moment, one share for each colour; a row sums to 1.
        colours: From the bottom up.
        n_steps: Steps at the right edge.
    """
    width, height = 300.0, 150.0
    steps = list(shares) if len(shares) > 1 else list(shares) * 2
    places = [width * step / (len(steps) - 1) for step in range(len(steps))]
    below = [0.0] * len(steps)
    areas = []
    for layer, colour in enumerate(colours):
        above = [base + step[layer] for base, step in zip(below, steps, strict=True)]
        outline = [(x, height * (1 - min(y, 1.0))) for x, y in zip(places, above, strict=True)]
        outline += [
            (x, height * (1 - min(y, 1.0)))
            for x, y in zip(reversed(places), reversed(below), strict=True)
        ]
        areas.append(f'<polygon points="{_points(outline)}" fill="{escape(colour)}"/>')
        below = above
    return (
        f'<figure class="small"><figcaption>{escape(title)}</figcaption>'
        f'<svg viewBox="0 0 {width:g} {height:g}" preserveAspectRatio="none" role="img" '
        f'class="plot area" aria-label="Topics shown by {escape(title)}">{"".join(areas)}</svg>'
        f'<div class="under"><span>step 1</span><span>{n_steps:,}</span></div></figure>'
    )


def legend(labels: Sequence[str], colours: Sequence[str]) -> str:
    """Return names beside squares of their colours."""
    entries = (
        f'<span><i style="background:{escape(colour)}"></i>{escape(label)}</span>'
        for label, colour in zip(labels, colours, strict=True)
    )
    return f'<div class="legend">{"".join(entries)}</div>'


def nice_ticks(low: float, high: float, about: int) -> list[float]:
    """Return round numbers between `low` and `high`, about as many as asked for."""
    if not high > low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= 0.999 * rough)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def _axes(frame: Frame) -> str:
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    parts = []
    for tick in nice_ticks(frame.low, frame.high, 5):
        y = frame.y(tick)
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="axis" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:,g}</text>'
        )
    for tick in nice_ticks(0.0, frame.x_max, 5):
        parts.append(
            f'<text class="axis" x="{frame.x(tick):.1f}" y="{bottom + 20}" '
            f'text-anchor="middle">{_short(tick)}</text>'
        )
    middle = (_LEFT + right) / 2
    parts.append(
        f'<line class="edge" x1="{_LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>'
        f'<text class="axis" x="{middle:.1f}" y="{_HEIGHT - 6}" text-anchor="middle">'
        "interactions with training users</text>"
    )
    return "".join(parts)


def _level_lines(levels: Sequence[Level], frame: Frame) -> str:
    """Draw lines with their names, moved apart where they would overlap."""
    right = _WIDTH - _RIGHT
    parts = []
    names = spread([frame.y(level.value) for level in levels], 15.0, _TOP + 4, _HEIGHT - _BOTTOM)
    for level, name_y in zip(levels, names, strict=True):
        y, colour = frame.y(level.value), escape(level.colour)
        parts.append(
            f'<line x1="{_LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="{colour}" '
            'stroke-width="1.3" stroke-dasharray="5 4"/>'
            f'<line x1="{right}" x2="{right + 8}" y1="{y:.1f}" y2="{name_y:.1f}" '
            f'stroke="{colour}" stroke-width="0.8"/>'
            f'<text class="level" x="{right + 11}" y="{name_y + 4:.1f}" fill="{colour}">'
            f"{escape(level.label)}</text>"
        )
    return "".join(parts)


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Return places moved as little as a simple sweep does, at least `gap` apart.

    They stay between `low` and `high` where there is room for all.
    """
    order = sorted(range(len(places)), key=lambda index: places[index])
    moved = list(places)
    for previous, index in zip([None, *order], order, strict=False):
        floor = low if previous is None else moved[previous] + gap
        moved[index] = max(places[index], floor)
    ceiling = high
    for index in reversed(order):
        moved[index] = min(moved[index], ceiling)
        ceiling = moved[index] - gap
    return moved


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def _short(number: float) -> str:
    if abs(number) >= 1_000_000:
        return f"{number / 1_000_000:g}M"
    return f"{number / 1_000:g}k" if abs(number) >= 1_000 else f"{number:g}"
