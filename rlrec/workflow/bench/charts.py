"""Lines over a common axis as inline SVG, many at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from rlrec.workflow.plots import COLOURS, legend, nice_ticks

_WIDTH, _HEIGHT = 720, 330
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 14, 44


@dataclass(frozen=True)
class Line:
    """One line with its band."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    """Lower edge of a band; empty for none."""
    high: Sequence[float] = ()


def line_chart(title: str, x_label: str, lines: Sequence[Line]) -> str:
    """Return lines with a legend below.

    Args:
        title: Above, and for who cannot see it.
        x_label: Under the horizontal axis.
        lines: At least one, with at least one point each.
    """
    drawn = [value for line in lines for value in (*line.y, *line.low, *line.high)]
    across = [value for line in lines for value in line.x]
    frame = _Frame(min(across), max(across), min(0.0, *drawn), max(1.0, *drawn))
    colours = [COLOURS[number % len(COLOURS)] for number in range(len(lines))]
    dashes = ["" if number < len(COLOURS) else "6 3" for number in range(len(lines))]
    shapes = "".join(map(_shape, lines, colours, dashes, [frame] * len(lines)))
    return (
        f"<h3>{escape(title)}</h3>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" class="plot wide" '
        f'aria-label="{escape(title)}">{_axes(frame, x_label)}{shapes}</svg>'
        f"{legend([line.label for line in lines], colours)}"
    )


@dataclass(frozen=True)
class _Frame:
    left: float
    right: float
    low: float
    high: float

    def x(self, value: float) -> float:
        share = (value - self.left) / ((self.right - self.left) or 1.0)
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * share

    def y(self, value: float) -> float:
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share

    def path(self, x: Sequence[float], y: Sequence[float]) -> str:
        return " ".join(f"{self.x(a):.1f},{self.y(b):.1f}" for a, b in zip(x, y, strict=True))


def _shape(line: Line, colour: str, dash: str, frame: _Frame) -> str:
    band = ""
    if len(line.low):
        outline = f"{frame.path(line.x, line.low)} {frame.path(line.x[::-1], line.high[::-1])}"
        band = f'<polygon points="{outline}" fill="{colour}" opacity="0.13"/>'
    style = f'fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"'
    return f'{band}<polyline points="{frame.path(line.x, line.y)}" {style}/>'


def _axes(frame: _Frame, x_label: str) -> str:
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    parts = [
        f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{frame.y(tick):.1f}" '
        f'y2="{frame.y(tick):.1f}"/><text class="axis" x="{_LEFT - 8}" '
        f'y="{frame.y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>'
        for tick in nice_ticks(frame.low, frame.high, 5)
    ]
    parts += [
        f'<text class="axis" x="{frame.x(tick):.1f}" y="{bottom + 18}" text-anchor="middle">'
        f"{tick:,g}</text>"
        for tick in nice_ticks(frame.left, frame.right, 6)
    ]
    return "".join(parts) + (
        f'<line class="edge" x1="{_LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>'
        f'<text class="axis" x="{(_LEFT + right) / 2:.1f}" y="{_HEIGHT - 6}" '
        f'text-anchor="middle">{escape(x_label)}</text>'
    )
