"""Progress of long work: a bar on a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Callable
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Advance = Callable[[int, int], None]
"""Told how much is done and how much there is in all."""

_SECONDS_BETWEEN_LINES = 10.0


class Reporter(Protocol):
    """Tells a person how a run goes."""

    def say(self, line: str) -> None:
        """Show one line."""
        ...

    def task(self, title: str) -> Advance:
        """Begin a piece of work; the function returned is called as it advances."""
        ...


class Silent:
    """Tells nobody anything."""

    def say(self, line: str) -> None:
        """Do nothing."""

    def task(self, title: str) -> Advance:
        """Return a function that does nothing."""
        return lambda done, total: None


class PlainLines:
    """Writes lines to a file or pipe, at most one in ten seconds for each piece of work.

    Args:
        stream: Where to; standard error by default.
        clock: Seconds, for tests.
    """

    def __init__(
        self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream or sys.stderr
        self._clock = clock

    def say(self, line: str) -> None:
        """Write one line."""
        print(line, file=self._stream, flush=True)

    def task(self, title: str) -> Advance:
        """Return a function that writes a line when ten seconds have passed since the last."""
        last = self._clock()

        def advance(done: int, total: int) -> None:
            nonlocal last
            if self._clock() - last >= _SECONDS_BETWEEN_LINES:
                last = self._clock()
                self.say(f"  {title}: {done:,} of {total:,}")

        return advance


class Bars:
    """Draws bars on a terminal; use as a context."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("  {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )

    def __enter__(self) -> "Bars":
        self._progress.start()
        return self

    def __exit__(self, *unused: object) -> None:
        self._progress.stop()

    def say(self, line: str) -> None:
        """Write one line above the bars."""
        self._console.print(line, markup=False, highlight=False)

    def refresh(self) -> None:
        """Draw the bars now."""
        self._progress.refresh()

    def task(self, title: str) -> Advance:
        """Add a bar; it goes when its work is done."""
        bar = self._progress.add_task(title, total=None)

        def advance(done: int, total: int) -> None:
            self._progress.update(bar, completed=done, total=total)
            if done >= total:
                self._progress.update(bar, visible=False)

        return advance
