"""Last.fm of HetRec 2011: how often users listened to artists."""

import logging
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Floats
from rlrec.data.catalogue import Catalogue
from rlrec.data.csv_tables import CsvLayout, check_header
from rlrec.data.known_counts import Counts, check_expect, check_known
from rlrec.data.rating_rules import check_no_duplicates, indexed, item_index
from rlrec.data.ratings import Ratings
from rlrec.data.raw_files import RawFile, decoded, files_at, lines_of, named
from rlrec.data.tables import Table
from rlrec.errors import DataError, UnknownNameError, nearest_hint

_logger = logging.getLogger(__name__)

TERMS = (
    "published by HetRec 2011 with permission of Last.fm for non-commercial research: cite "
    "Cantador, Brusilovsky and Kuflik (2011), name Last.fm, do not pass rows on"
)
KNOWN = {"HetRec 2011 set": Counts(92_834, 1_892, 17_632)}

Weighing = Literal["count", "log"]

_FILE = "user_artists.dat"
_COLUMNS = ("userID", "artistID", "weight")


def load_lastfm(
    path: str | Path, values: Weighing = "count", expect: tuple[int, int, int] | None = None
) -> Ratings:
    """Read listening counts of users and artists.

    The file is `user_artists.dat`; the names in `artists.dat` beside it, if it is there, become
    titles. Both may be gzipped.

    Args:
        path: The file, or the folder that holds it.
        values: What a rating is: "count", how often the user listened to the artist, 1 or more; or
            "log", the natural logarithm of 1 + count, as a few counts are very large.
        expect: Pairs, users and artists there must be; by default those of the published set if
            the file comes near it.

    Returns:
        Ratings in file order, without times.

    Raises:
        DataError: A file is missing, damaged or breaks a rule; names file, line and column.
        UnknownNameError: `values` is neither of the two.
        ConfigError: `expect` is not three counts.

    Reference:
        Cantador, Brusilovsky and Kuflik, 2011, "Second Workshop on Information Heterogeneity and
        Fusion in Recommender Systems".
    """
    check_expect(expect)
    if values not in get_args(Weighing):
        hint = nearest_hint(str(values), get_args(Weighing))
        raise UnknownNameError(f"no values are called {values!r}.{hint}")
    source = _find(Path(path))
    table = _table(source)
    user_index, user_ids = indexed(table.ids("userID"))
    artists = table.ids("artistID")
    check_no_duplicates(user_index, artists, None, table.where, "userID")
    catalogue = _catalogue(source, artists)
    counts = _counts(table)
    ratings = Ratings(
        user_ids=user_ids,
        user_index=user_index,
        item_index=item_index(
            artists, catalogue, table.where, "artistID", "artists of artists.dat"
        ),
        values=np.log1p(counts) if values == "log" else counts,
        timestamps=None,
        catalogue=catalogue,
    )
    check_known(Counts(len(ratings), ratings.n_users, ratings.n_rated_items), source, KNOWN, expect)
    _logger.info("%s: %s (%s); %s", source, ratings.summary(), values, TERMS)
    return ratings


def _find(path: Path) -> Path:
    found = named(files_at(path), _FILE) if path.is_dir() else RawFile(path)
    if found is None:
        raise DataError(f"{path}: expected {_FILE!r} (or with .gz) there, found none")
    return found.path


def _table(source: Path) -> Table:
    layout = CsvLayout("\t", may_quote=False)
    check_header(source, layout, _COLUMNS)
    return Table(source, layout, ids=_COLUMNS[:2])


def _counts(table: Table) -> Floats:
    counts = table.numbers("weight")
    wrong = (counts < 1) | (counts % 1 != 0)
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"{table.where(row, 'weight')}: expected a whole number of 1 or more, found "
            f"{counts[row]:g} ({int(wrong.sum())} such rows)"
        )
    return counts


def _catalogue(source: Path, artists: NDArray[Any]) -> Catalogue:
    names = named(files_at(source.parent), "artists.dat")
    if names is None:
        return Catalogue.of_ids(np.unique(artists))
    return _artists(names)


def _artists(source: RawFile) -> Catalogue:
    """Return the artists of a file of ids, names and addresses, in the order of their ids."""
    header, *lines = lines_of(decoded(source))
    if header.split("\t")[:2] != ["id", "name"]:
        raise DataError(
            f"{source}, line 1: expected the columns id and name separated by a tab, found "
            f"{header!r:.80}"
        )
    names: dict[int, str] = {}
    for number, line in enumerate(lines, start=2):
        fields = line.split("\t")
        if len(fields) < 2 or not fields[0].isdecimal():
            raise DataError(
                f"{source}, line {number}: expected a whole number, a tab and a name, found "
                f"{line!r:.80}"
            )
        if int(fields[0]) in names:
            raise DataError(f"{source}, line {number}, column 'id': repeats the id {fields[0]}")
        names[int(fields[0])] = fields[1]
    if not names:
        raise DataError(f"{source}: expected artists below the header, found none")
    ids = sorted(names)
    return Catalogue.of_ids(np.array(ids), tuple(names[each] for each in ids))
