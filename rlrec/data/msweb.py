"""Anonymous Microsoft Web Data: areas of a web site that users visited in a week of 1998."""

import csv
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from rlrec.data.catalogue import Catalogue
from rlrec.data.known_counts import Counts, check_expect, check_known
from rlrec.data.rating_rules import check_no_duplicates, indexed
from rlrec.data.ratings import Ratings
from rlrec.data.raw_files import RawFile, decoded, files_at, lines_of, named
from rlrec.errors import DataError, UnknownNameError, nearest_hint

_logger = logging.getLogger(__name__)

TERMS = (
    "published by the UCI Machine Learning Repository as CC BY 4.0: name the source (Breese, "
    "Heckerman and Kadie, 1998) wherever you show results or pass rows on"
)
KNOWN = {"training part": Counts(98_654, 32_711, 285), "test part": Counts(15_191, 5_000, 236)}

Part = Literal["data", "test"]

_HEADS = ("I", "T", "N")
"""Lines about the file, which say nothing of users."""


def load_msweb(
    path: str | Path, part: Part = "data", expect: tuple[int, int, int] | None = None
) -> Ratings:
    """Read which areas of www.microsoft.com users visited.

    The files are `anonymous-msweb.data` (training) and `anonymous-msweb.test`, plain or gzipped.

    Args:
        path: The folder that holds them, or a file.
        part: "data" or "test", of a folder.
        expect: Visits, users and areas there must be; by default those of the published part near
            which the file comes.

    Returns:
        Ratings of 1 in file order, without times. Titles are those of the areas, visited or not.

    Raises:
        DataError: The file is missing, damaged or breaks a rule; names file, line and field.
        UnknownNameError: There is no such part.
        ConfigError: `expect` is not three counts.

    Reference:
        Breese, Heckerman and Kadie, 1998, "Empirical Analysis of Predictive Algorithms for
        Collaborative Filtering".
    """
    check_expect(expect)
    if part not in get_args(Part):
        hint = nearest_hint(str(part), get_args(Part))
        raise UnknownNameError(f"no part is called {part!r}.{hint}")
    source = _find(Path(path), part)
    reading = _Reading(source)
    reading.read()
    ratings = reading.ratings()
    found = Counts(len(ratings), ratings.n_users, ratings.n_rated_items)
    check_known(found, source, KNOWN, expect)
    _logger.info("%s: %s; %s", source, ratings.summary(), TERMS)
    return ratings


def _find(path: Path, part: Part) -> RawFile:
    if not path.is_dir():
        return RawFile(path)
    name = f"anonymous-msweb.{part}"
    found = named(files_at(path), name)
    if found is None:
        raise DataError(f"{path}: expected {name!r} (or with .gz), found none")
    return found


class _Reading:
    """Reads the lines: areas ("A"), users ("C"), and visits ("V") of the user above."""

    def __init__(self, source: RawFile) -> None:
        self._source = source
        self._titles: dict[int, str] = {}
        self._user: int | None = None
        self._users: list[int] = []
        self._areas: list[int] = []
        self._lines: list[int] = []

    def read(self) -> None:
        """Read all lines; DataError at the first of another form."""
        takes: dict[str, Callable[[int, list[str]], None]] = {
            "A": self._take_area,
            "C": self._take_user,
            "V": self._take_visit,
        }
        lines = lines_of(decoded(self._source))
        for number, line in enumerate(lines, start=1):
            fields = self._fields(number, line)
            kind = fields[0] if fields else ""
            if kind in takes:
                takes[kind](number, fields)
            elif kind not in _HEADS:
                known = ", ".join((*_HEADS, *takes))
                raise DataError(
                    f"{self._source}, line {number}: expected a line that begins with one of "
                    f"{known}, found {','.join(fields)!r:.80}"
                )
        if not self._users:
            raise DataError(f"{self._source}: expected visits (lines 'V'), found none")

    def ratings(self) -> Ratings:
        """Return the visits."""
        users, areas = np.array(self._users), np.array(self._areas)
        check_no_duplicates(users, areas, None, self._where, "area")
        item_ids = np.array(sorted(self._titles))
        user_index, user_ids = indexed(users)
        return Ratings(
            user_ids=user_ids,
            user_index=user_index,
            item_index=np.searchsorted(item_ids, areas),
            values=np.ones(len(users)),
            timestamps=None,
            catalogue=Catalogue.of_ids(item_ids, tuple(self._titles[area] for area in item_ids)),
        )

    def _take_area(self, line: int, fields: list[str]) -> None:
        area = self._number(line, fields, 5, "area")
        if area in self._titles:
            raise DataError(f"{self._source}, line {line}, field 'area': repeats the area {area}")
        self._titles[area] = fields[3]

    def _take_user(self, line: int, fields: list[str]) -> None:
        self._user = self._number(line, fields, 3, "user")

    def _take_visit(self, line: int, fields: list[str]) -> None:
        area = self._number(line, fields, 3, "area")
        if self._user is None:
            raise DataError(f"{self._source}, line {line}: expected a user ('C') above a visit")
        if area not in self._titles:
            raise DataError(
                f"{self._source}, line {line}, field 'area': expected one of the "
                f"{len(self._titles)} areas above ('A'), found {area}"
            )
        self._users.append(self._user)
        self._areas.append(area)
        self._lines.append(line)

    def _fields(self, number: int, line: str) -> list[str]:
        try:
            return next(csv.reader([line], strict=True), [])
        except csv.Error as error:
            raise DataError(
                f"{self._source}, line {number}: expected fields whose quotes are closed ({error})"
            ) from None

    def _number(self, line: int, fields: list[str], n_fields: int, name: str) -> int:
        """Return the second field of a line that must have so many."""
        if len(fields) != n_fields or not (fields[1].isdecimal() and len(fields[1]) < 19):
            raise DataError(
                f"{self._source}, line {line}, field {name!r}: expected {n_fields} fields "
                f"separated by ',' of which the second is a whole number, found "
                f"{','.join(fields)!r:.80}"
            )
        return int(fields[1])

    def _where(self, row: int, column: str) -> str:
        return f"{self._source}, line {self._lines[row]}, field {column!r}"
