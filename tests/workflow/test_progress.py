import io

from rich.console import Console

from rlrec.workflow.progress import Bars, PlainLines


def test_plain_lines_come_at_most_every_ten_seconds() -> None:
    now = 0.0
    stream = io.StringIO()
    advance = PlainLines(stream, clock=lambda: now).task("training")
    for now in (1.0, 9.9, 10.0, 10.5, 19.9, 20.1):
        advance(int(now * 100), 5000)
    assert stream.getvalue() == "  training: 1,000 of 5,000\n  training: 2,010 of 5,000\n"


def test_bars_show_what_is_done_and_lines_as_they_are() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=120)
    with Bars(console) as bars:
        bars.say("[1/7] data")
        advance = bars.task("training")
        advance(50, 200)
        bars.refresh()
        advance(200, 200)
    assert "[1/7] data" in stream.getvalue()
    assert "50/200" in stream.getvalue()
