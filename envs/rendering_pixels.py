"""Pictures of one user, drawn with numpy alone."""

from collections.abc import Callable
from textwrap import wrap
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Floats
from rlrec.envs.bitmap_font import HEIGHT as FONT_HEIGHT
from rlrec.envs.bitmap_font import text_dots
from rlrec.envs.rendering import Scene, Slot, described_response

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]

WIDTH, HEIGHT = 960, 640
_PAPER: Colour = (250, 250, 252)
_PANEL: Colour = (236, 239, 244)
_TRACK: Colour = (216, 222, 233)
_INK: Colour = (46, 52, 64)
_FAINT: Colour = (118, 126, 142)
_BLUE: Colour = (66, 120, 190)
_GREEN: Colour = (70, 150, 90)
_RED: Colour = (190, 80, 84)

_MARGIN, _TOP, _LEFT_WIDTH = 16, 78, 452
_ROW, _SMALL_ROW = 36, 22
_LINE = 11  # of small text
_REWARD_HEIGHT = 110
_MOST_LINES, _MOST_BARS = 8, 4
_MOST_CHARTS = 9
_TOLD_WIDTH = 22  # characters between an item and its chance
_NUMBERED_HEIGHT = 90  # charts of bars from which on the bars are numbered


class Box(NamedTuple):
    """A rectangle of a picture, in dots."""

    top: int
    left: int
    height: int
    width: int


def as_picture(scene: Scene) -> Picture:
    """Return a scene as a picture (640, 960, 3): slate and rewards left, inner state right."""
    picture = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    picture[:] = _PAPER
    _draw_header(picture, scene)
    bottom = HEIGHT - _MARGIN
    slate = Box(_TOP, _MARGIN, bottom - _REWARD_HEIGHT - 12 - _TOP, _LEFT_WIDTH)
    _draw_slate(picture, scene, slate)
    rewards = Box(bottom - _REWARD_HEIGHT, _MARGIN, _REWARD_HEIGHT, _LEFT_WIDTH)
    _draw_line(picture, rewards, "reward so far", np.cumsum([0.0, *scene.rewards]))
    left = _MARGIN + _LEFT_WIDTH + 12
    _draw_state(picture, scene, Box(_TOP, left, bottom - _TOP, WIDTH - _MARGIN - left))
    return picture


def _draw_header(picture: Picture, scene: Scene) -> None:
    _write(picture, _MARGIN, _MARGIN, scene.env_id, _INK, scale=2)
    told = f"user {scene.user_id}   step {scene.n_steps}   reward {sum(scene.rewards):.4g}"
    if scene.rewards:
        told += f"   last {scene.rewards[-1]:.4g}"
    _write(picture, 46, _MARGIN, told, _FAINT, scale=2)
    if scene.ending:
        left = WIDTH - _MARGIN - 12 * len(scene.ending)
        _write(picture, 46, left, scene.ending, _RED, scale=2)


def _draw_slate(picture: Picture, scene: Scene, box: Box) -> None:
    _fill(picture, box, _PANEL)
    if not scene.slots:
        _write(picture, box.top + 12, box.left + 12, "nothing shown yet", _FAINT, scale=2)
        return
    n_rows = len(scene.slots) + (scene.chance_of_nothing is not None)
    height = min(_ROW, box.height // n_rows)
    n_drawn = min(len(scene.slots), box.height // max(height, _SMALL_ROW) - 1)
    height = max(height, _SMALL_ROW)
    for place, slot in enumerate(scene.slots[:n_drawn]):
        row = Box(box.top + place * height, box.left, height, box.width)
        _draw_slot(picture, row, slot, scene.channels)
    row = Box(box.top + n_drawn * height, box.left, height, box.width)
    if n_drawn < len(scene.slots):
        hidden = f"and {len(scene.slots) - n_drawn} more"
        _write(picture, _middle(row, 1), row.left + 12, hidden, _FAINT)
    elif scene.chance_of_nothing is not None:
        _write(picture, _middle(row, 1), row.left + 12, "nothing taken", _FAINT)
        _draw_chance(picture, row, scene.chance_of_nothing, _FAINT)


def _draw_slot(picture: Picture, row: Box, slot: Slot, channels: tuple[str, ...]) -> None:
    is_taken = bool(slot.response[0])
    colour = _GREEN if is_taken else _FAINT if slot.is_blank else _INK
    if is_taken:
        _fill(picture, Box(row.top + 2, row.left, row.height - 4, 5), _GREEN)
    is_high = row.height >= _ROW
    scale = 2 if is_high else 1
    _write(picture, _middle(row, scale), row.left + 12, slot.item[: 26 // scale], colour, scale)
    told = wrap(described_response(slot, channels), _TOLD_WIDTH)
    topic = [slot.topic[:_TOLD_WIDTH]] if slot.topic and (is_high or not told) else []
    _write_lines(picture, row, row.left + 176, topic, told, colour)
    if slot.chance is not None:
        _draw_chance(picture, row, slot.chance, _GREEN if is_taken else _BLUE)


def _write_lines(
    picture: Picture, row: Box, left: int, topic: list[str], told: list[str], colour: Colour
) -> None:
    """Write a topic and what came back below one another; what does not fit the row is left out."""
    lines = [(line, _FAINT) for line in topic] + [(line, colour) for line in told]
    lines = lines[: row.height // _LINE]
    top = row.top + (row.height - _LINE * len(lines) + _LINE - FONT_HEIGHT) // 2
    for place, (line, ink) in enumerate(lines):
        _write(picture, top + place * _LINE, left, line, ink)


def _draw_chance(picture: Picture, row: Box, chance: float, colour: Colour) -> None:
    """Draw a probability as a bar with its number, at the right of a row."""
    bar = Box(row.top + row.height // 2 - 5, row.left + 312, 10, 90)
    _fill(picture, bar, _TRACK)
    _fill(picture, bar._replace(width=round(chance * bar.width)), colour)
    _write(picture, _middle(row, 1), bar.left + bar.width + 6, f"{chance:.3f}", _INK)


def _draw_state(picture: Picture, scene: Scene, box: Box) -> None:
    """Draw numbers of the state over time, then arrays as they are now, one below the other."""
    charts: list[Callable[[Box], None]] = []
    bars = list(scene.bars.items())[:_MOST_BARS]
    for name, values in list(scene.lines.items())[: min(_MOST_LINES, _MOST_CHARTS - len(bars))]:
        charts.append(_chart(_draw_line, picture, name, np.array(values)))
    for name, row in bars:
        charts.append(_chart(_draw_bars, picture, name, row))
    if not charts:
        _fill(picture, box, _PANEL)
        _write(picture, box.top + 12, box.left + 12, "no inner state is told", _FAINT, scale=2)
        return
    height = min(150, (box.height + 8) // len(charts) - 8)
    for place, draw in enumerate(charts):
        draw(Box(box.top + place * (height + 8), box.left, height, box.width))


def _chart(
    draw: Callable[[Picture, Box, str, Floats], None], picture: Picture, name: str, values: Floats
) -> Callable[[Box], None]:
    return lambda box: draw(picture, box, name, values)


def _draw_line(picture: Picture, box: Box, name: str, values: Floats) -> None:
    """Draw values over time, with their range."""
    inner = _draw_frame(picture, box, name, f"{values[-1]:.4g}", values)
    across = inner.left + np.linspace(0, inner.width - 1, max(len(values), 2))
    low, high = _range(values)
    down = inner.top + (inner.height - 1) * (1.0 - (values - low) / (high - low))
    down = np.repeat(down, 2) if len(values) == 1 else down
    _stroke(picture, across, down, _BLUE)


def _draw_bars(picture: Picture, box: Box, name: str, values: Floats) -> None:
    """Draw one bar a value, from 0 up or down; numbered where there is room."""
    inner = _draw_frame(picture, box, name, f"{len(values)} values", np.append(values, 0.0))
    edges = inner.left + np.linspace(0, inner.width, len(values) + 1).round().astype(int)
    if box.height >= _NUMBERED_HEIGHT and inner.width >= 16 * len(values):
        inner = inner._replace(height=inner.height - 8)
        for number, left in enumerate(edges[:-1].tolist()):
            _write(picture, inner.top + inner.height + 4, left + 2, str(number), _FAINT)
    low, high = _range(np.append(values, 0.0))
    zero = inner.top + round((inner.height - 1) * high / (high - low))
    for value, left, right in zip(values.tolist(), edges[:-1], edges[1:], strict=True):
        length = round((inner.height - 1) * abs(value) / (high - low))
        top = zero - length if value > 0 else zero
        gap = 1 if right - left < 6 else 2
        bar = Box(top, int(left), max(length, 1), int(right - left) - gap)
        _fill(picture, bar, _BLUE if value >= 0 else _RED)


def _draw_frame(picture: Picture, box: Box, name: str, told: str, values: Floats) -> Box:
    """Draw a chart's panel, name, newest value and range; return where its values go."""
    _fill(picture, box, _PANEL)
    scale = 2 if box.height >= 60 else 1
    _write(picture, box.top + 5, box.left + 8, name.replace("_", " ")[:26], _INK, scale)
    width = 6 * scale * len(told)
    _write(picture, box.top + 5, box.left + box.width - 8 - width, told, _FAINT, scale)
    top = box.top + 8 + FONT_HEIGHT * scale + 3
    inner = Box(top, box.left + 62, box.top + box.height - 7 - top, box.width - 70)
    for number, place in ((values.max(), inner.top), (values.min(), inner.top + inner.height - 7)):
        if inner.height >= 18 or number == values.max():
            _write(picture, place, box.left + 8, f"{number:.3g}", _FAINT)
    return inner


def _range(values: Floats) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 1.0, high + 1.0)


def _fill(picture: Picture, box: Box, colour: Colour) -> None:
    picture[box.top : box.top + box.height, box.left : box.left + box.width] = colour


def _write(
    picture: Picture, top: int, left: int, text: str, colour: Colour, scale: int = 1
) -> None:
    """Write a line of text; what does not fit the picture is cut off."""
    dots = text_dots(text, scale)
    place = picture[top : top + dots.shape[0], left : left + dots.shape[1]]
    place[dots[: place.shape[0], : place.shape[1]]] = colour


def _stroke(picture: Picture, across: Floats, down: Floats, colour: Colour) -> None:
    """Draw a line through points, two dots thick."""
    n_dots = np.maximum(np.abs(np.diff(across)), np.abs(np.diff(down))).astype(int) + 2
    for start, count in enumerate(n_dots.tolist()):
        columns = np.linspace(across[start], across[start + 1], count).round().astype(int)
        rows = np.linspace(down[start], down[start + 1], count).round().astype(int)
        for shift in (0, 1):
            picture[np.minimum(rows + shift, HEIGHT - 1), columns] = colour


def _middle(row: Box, scale: int) -> int:
    """Return where a line of text begins that stands in the middle of a row."""
    return row.top + (row.height - FONT_HEIGHT * scale) // 2
