"""How the command line talks: one line for an error, bars on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.table import Table

from rlrec.errors import RlrecError
from rlrec.workflow.progress import Bars, PlainLines, Reporter

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130
"""Exit codes."""


@contextmanager
def one_line_errors(hint_when_stopped: str = "") -> Iterator[None]:
    """Turn errors that a user can mend into one line on standard error and exit code 2.

    Args:
        hint_when_stopped: What Ctrl-C adds to its line; exit code 130.
    """
    try:
        yield
    except (RlrecError, OSError) as error:
        _fail(" ".join(_words(error).split()))
        raise typer.Exit(BAD_INPUT) from None
    except KeyboardInterrupt:
        _fail(f"stopped. {hint_when_stopped}".rstrip())
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def reporter(quiet: bool = False) -> Iterator[Reporter]:
    """Yield bars on a terminal, plain lines on standard error elsewhere."""
    console = Console(stderr=True)
    if console.is_terminal and not quiet:
        with Bars(console) as bars:
            yield bars
    else:
        yield PlainLines(sys.stderr)


def print_table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print a table on standard output; without a terminal as wide as its cells need."""
    console = Console()
    if not console.is_terminal:
        console.width = 200
    table = Table(title=title, title_justify="left", title_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table, markup=False)


def _words(error: Exception) -> str:
    if isinstance(error, FileNotFoundError) and error.filename is not None:
        return f"no such file or folder: {error.filename}"
    return str(error) or type(error).__name__


def _fail(line: str) -> None:
    print(f"rlrec: {line}", file=sys.stderr, flush=True)
