import pytest

from rlrec.workflow.plots import (
    Interval,
    Level,
    interval_rows,
    learning_curve,
    legend,
    nice_ticks,
    spread,
    stacked_areas,
)


def test_ticks_are_round_and_inside() -> None:
    assert nice_ticks(0.0, 1.0, 5) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert nice_ticks(-3.0, 812.0, 5) == [0.0, 200.0, 400.0, 600.0, 800.0]
    assert nice_ticks(2.0, 2.0, 5) == [2.0]


def test_names_too_close_are_moved_apart_within_the_plot() -> None:
    moved = spread([100.0, 101.0, 300.0, 398.0, 399.0], gap=15.0, low=0.0, high=400.0)
    assert moved[0] == 100.0 and moved[1] == 115.0 and moved[2] == 300.0
    assert moved[4] <= 400.0 and moved[4] - moved[3] >= 15.0


def test_spread_keeps_the_order_given() -> None:
    assert spread([50.0, 10.0], gap=5.0, low=0.0, high=100.0) == [50.0, 10.0]


def test_an_interval_is_drawn_where_its_values_are() -> None:
    html = interval_rows([Interval("x", 0.5, 0.25, 0.75)], low=0.0, high=1.0)
    assert '<i class="whisker" style="left:25.00%;width:50.00%">' in html
    assert '<i class="point" style="left:50.00%">' in html


def test_the_curve_marks_the_point_that_was_chosen() -> None:
    points = [(0.0, Interval("", 1.0, 0.5, 1.5)), (100.0, Interval("", 2.0, 1.5, 2.5))]
    svg = learning_curve(points, [Level("floor", 0.2, "#888")], chosen=100.0)
    assert svg.count('class="chosen"') == 1
    assert svg.count("<circle") == 3


def test_stacked_areas_fill_the_whole_height() -> None:
    svg = stacked_areas("x", [[0.5, 0.5], [0.2, 0.8]], ["#111", "#222"], n_steps=40)
    assert 'points="0.0,75.0 300.0,120.0 300.0,150.0 0.0,150.0" fill="#111"' in svg
    assert 'points="0.0,0.0 300.0,0.0 300.0,120.0 0.0,75.0" fill="#222"' in svg


@pytest.mark.parametrize("evil", ["<script>", '"><b>', "&"])
def test_every_plot_escapes_its_texts(evil: str) -> None:
    point = Interval(evil, 0.5, 0.4, 0.6, kind=evil)
    drawn = [
        interval_rows([point], 0.0, 1.0),
        learning_curve([(0.0, point), (1.0, point)], [Level(evil, 0.5, evil)], 0.0),
        stacked_areas(evil, [[1.0]], [evil], 3),
        legend([evil], [evil]),
    ]
    for html in drawn:
        assert evil not in html.replace("&lt;", "").replace("&gt;", "").replace(
            "&amp;", ""
        ).replace("&quot;", "")
