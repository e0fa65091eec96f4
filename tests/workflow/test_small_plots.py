import math
import re

import pytest

from rlrec.workflow.small_plots import Series, diagonal, dot_rows, small_lines

COLOUR = "#123456"


def places(svg: str, shape: str) -> list[float]:
    """Return all numbers of the first polyline, or the centres of all circles."""
    if shape == "circle":
        return [float(x) for x in re.findall(r'<circle cx="([\d.]+)"', svg)]
    (points,) = re.findall(r'<polyline points="([^"]*)"', svg)
    return [float(number) for number in re.split("[ ,]", points)]


def test_a_line_runs_over_the_whole_plot() -> None:
    svg = small_lines([Series([0.0, 5.0, 10.0], [0.0, 0.5, 1.0], COLOUR)], "x")
    x = places(svg, "polyline")[::2]
    assert x[0] == 44.0 and x[1] == 177.0 and x[2] == 310.0


def test_what_is_not_known_is_left_out() -> None:
    unknown = Series([0.0, 1.0, 2.0], [0.2, math.nan, 0.4], COLOUR)
    assert len(places(small_lines([unknown], "x", ["a", "b", "c"]), "circle")) == 2
    assert len(places(dot_rows(["a", "b", "c"], [unknown]), "circle")) == 2


def test_rows_have_a_dot_for_each_group() -> None:
    svg = dot_rows(["a", "b"], [Series([], [0.1, 0.2], COLOUR), Series([], [0.2, 0.2], COLOUR)])
    first, second, third, fourth = places(svg, "circle")
    assert first < second == third == fourth


def test_points_that_are_alike_lie_on_the_diagonal() -> None:
    svg = diagonal(Series([0.01, 0.1, 0.5], [0.01, 0.1, 0.5], COLOUR), "x", "y", is_log=True)
    numbers = places(svg, "polyline")
    sums = [x + y for x, y in zip(numbers[::2], numbers[1::2], strict=True)]
    assert max(sums) - min(sums) < 25  # the plot is not quite square
    nothing = diagonal(Series([0.01, 0.1], [0.0, 0.1], COLOUR), "x", "y", is_log=True)
    assert len(places(nothing, "circle")) == 1  # 0 has no logarithm


@pytest.mark.parametrize("evil", ["<script>", '"><b>'])
def test_every_text_is_escaped(evil: str) -> None:
    series = Series([0.0, 1.0], [0.5, 0.6], evil)
    drawn = [
        small_lines([series], evil, [evil, evil]),
        dot_rows([evil, evil], [series]),
        diagonal(series, evil, evil, is_log=False),
    ]
    assert all(evil not in svg for svg in drawn)
