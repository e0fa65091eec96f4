"""Jester: ratings of jokes on a continuous scale, a line a user."""

import html
import logging
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rlrec.arrays import Floats
from rlrec.data.catalogue import Catalogue
from rlrec.data.csv_tables import CsvLayout
from rlrec.data.known_counts import Counts, check_expect, check_known
from rlrec.data.rating_rules import Scale, check_scale
from rlrec.data.ratings import Ratings
from rlrec.data.raw_files import RawFile, files_at, lines_of, named
from rlrec.data.tables import Table
from rlrec.errors import DataError

_logger = logging.getLogger(__name__)

TERMS = (
    "published by UC Berkeley for research: cite Goldberg, Roeder, Gupta and Perkins (2001); "
    "nothing grants the right to pass rows on"
)
KNOWN = {
    "jester-data-1": Counts(1_810_455, 24_983, 100),
    "jester-data-2": Counts(1_708_993, 23_500, 100),
    "jester-data-3": Counts(616_912, 24_938, 100),
    "Jester 5k (recommenderlab)": Counts(363_209, 5_000, 100),
}
"""Sizes of the published parts of the first set, and of the sample in recommenderlab."""

_SCALE = Scale(-10.0, 10.0)
_NOT_RATED = 99.0
_COUNT = "number rated"


class _Sheet(NamedTuple):
    cells: Floats
    """Shape (U, 1 + N). The number of ratings, then the ratings."""
    where: Callable[[int, str], str]


def load_jester(path: str | Path, expect: tuple[int, int, int] | None = None) -> Ratings:
    """Read Jester's ratings of jokes, -10 to 10.

    A line is a user: first how many jokes they rated, then a rating of each joke or 99 where there
    is none. The official files are spreadsheets; saved as CSV (also `.gz`) they are read without
    further packages. Texts in `jokes.txt` (number, tab, text) beside the file become titles.

    Args:
        path: The file, or a folder with one such file.
        expect: Ratings, users and rated jokes there must be; by default those of the published
            part near which the file comes.

    Returns:
        Ratings by user; `user_ids` are lines counted from 0, items the jokes by their numbers,
        which count from 1. `fully_observed` gives the users who rated all jokes.

    Raises:
        DataError: A file is missing, damaged or breaks a rule; names file, line and column.
        ConfigError: `expect` is not three counts.

    Reference:
        Goldberg, Roeder, Gupta and Perkins, 2001, "Eigentaste: A Constant Time Collaborative
        Filtering Algorithm".
    """
    check_expect(expect)
    source = _find(Path(path))
    is_spreadsheet = source.suffix.lower() in (".xls", ".xlsx")
    sheet = _spreadsheet(source) if is_spreadsheet else _csv(source)
    n_users, n_jokes = sheet.cells.shape[0], sheet.cells.shape[1] - 1
    ratings = _ratings(source, sheet, _catalogue(source, n_jokes))
    counts = Counts(len(ratings), n_users, ratings.n_rated_items)
    check_known(counts, source, KNOWN, expect)
    complete = int((sheet.cells[:, 0] == n_jokes).sum())
    _logger.info("%s: %s; %d users rated all; %s", source, ratings.summary(), complete, TERMS)
    return ratings


def _find(path: Path) -> Path:
    if not path.is_dir():
        return path
    endings = (".csv", ".csv.gz", ".xls", ".xlsx")
    found = [file.path for file in files_at(path) if file.path.name.lower().endswith(endings)]
    if len(found) != 1:
        names = [file.name for file in found[:6]]
        raise DataError(
            f"{path}: expected one file of ratings (.csv, .csv.gz or .xls), found {names}; name "
            f"the file itself"
        )
    return found[0]


def _csv(source: Path) -> _Sheet:
    n_fields = RawFile(source).first_line().count(b",") + 1
    if n_fields < 2:
        raise DataError(
            f"{source}, line 1: expected the number of ratings and a rating of each joke separated "
            f"by ',', found one field"
        )
    names = (_COUNT, *(f"joke {number}" for number in range(1, n_fields)))
    table = Table(source, CsvLayout(names=names, may_quote=False))
    cells = np.column_stack([table.numbers(name) for name in names])
    return _Sheet(cells, table.where)


def _spreadsheet(source: Path) -> _Sheet:
    import pandas as pd  # slow to import, and CSV does without

    try:
        frame = pd.read_excel(source, header=None)
        cells = frame.to_numpy(np.float64)
    except ImportError as error:
        raise DataError(
            f"{source}: pandas cannot read this spreadsheet here ({error}); save it as CSV, "
            f"without a header, and give that file"
        ) from None
    except (ValueError, OSError) as error:
        raise DataError(f"{source}: expected a spreadsheet of numbers ({error})") from error
    sheet = _Sheet(cells, lambda row, column: f"{source}, line {row + 1}, column {column!r}")
    empty = ~np.isfinite(cells)
    if empty.any():
        row, column = np.argwhere(empty)[0]
        name = f"joke {column}" if column else _COUNT
        raise DataError(f"{sheet.where(int(row), name)}: expected a number, found an empty cell")
    return sheet


def _ratings(source: Path, sheet: _Sheet, catalogue: Catalogue) -> Ratings:
    cells = sheet.cells[:, 1:]
    users, jokes = np.nonzero(cells != _NOT_RATED)
    if not users.size:
        raise DataError(f"{source}: expected one rating or more, found only 99 (not rated)")
    values = cells[users, jokes]

    def where(row: int, column: str) -> str:
        return sheet.where(int(users[row]), f"joke {jokes[row] + 1}")

    check_scale(values, _SCALE, where, "")
    _check_numbers_rated(sheet)
    return Ratings(
        user_ids=np.arange(len(cells)),
        user_index=users.astype(np.int64),
        item_index=jokes.astype(np.int64),
        values=values,
        timestamps=None,
        catalogue=catalogue,
    )


def _check_numbers_rated(sheet: _Sheet) -> None:
    stated = sheet.cells[:, 0]
    found = (sheet.cells[:, 1:] != _NOT_RATED).sum(axis=1)
    wrong = stated != found
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"{sheet.where(row, _COUNT)}: expected {found[row]}, the ratings in this line, found "
            f"{stated[row]:g} ({int(wrong.sum())} such lines)"
        )


def _catalogue(source: Path, n_jokes: int) -> Catalogue:
    numbers = np.arange(1, n_jokes + 1)
    jokes = named(files_at(source.parent), "jokes.txt")
    if jokes is None:
        return Catalogue.of_ids(numbers)
    return Catalogue.of_ids(numbers, _titles(jokes, n_jokes))


def _titles(jokes: RawFile, n_jokes: int) -> tuple[str, ...]:
    texts: dict[int, str] = {}
    for line, text in enumerate(lines_of(jokes.read().decode("utf-8", "replace")), start=1):
        number, tab, joke = text.partition("\t")
        if not (tab and number.isdecimal() and 1 <= int(number) <= n_jokes):
            raise DataError(
                f"{jokes}, line {line}: expected the number of a joke in 1..{n_jokes}, a tab and "
                f"its text, found {text!r:.80}"
            )
        if int(number) in texts:
            raise DataError(f"{jokes}, line {line}: repeats the number {number}")
        texts[int(number)] = html.unescape(joke)
    if len(texts) != n_jokes:
        raise DataError(f"{jokes}: expected the texts of {n_jokes} jokes, found {len(texts)}")
    return tuple(texts[number] for number in range(1, n_jokes + 1))
