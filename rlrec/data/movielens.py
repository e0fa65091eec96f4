"""Ratings in the formats in which MovieLens is published."""

import logging
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rlrec.data.catalogue import Catalogue
from rlrec.data.known_counts import Counts, check_counts, check_expect, is_near
from rlrec.data.movie_lines import read_movies
from rlrec.data.rating_lines import RatingLayout, RatingLines, read_rating_lines
from rlrec.data.rating_rules import Scale, check_no_duplicates, check_scale, indexed, item_index
from rlrec.data.ratings import Ratings
from rlrec.data.raw_files import RawFile, files_at, named
from rlrec.errors import DataError

_logger = logging.getLogger(__name__)

TERMS = (
    "published by GroupLens for research: name the source (Harper and Konstan, 2015), do not pass "
    "rows on and make no commercial use of them without permission"
)


class _Format(NamedTuple):
    ratings: str
    movies: str
    layout: RatingLayout


_FORMATS = (
    _Format("u.data", "u.item", RatingLayout("\t")),
    _Format("ratings.dat", "movies.dat", RatingLayout("::")),
    _Format(
        "ratings.csv",
        "movies.csv",
        RatingLayout(",", ("userId", "movieId", "rating", "timestamp")),
    ),
)
_WHOLE_STARS = Scale(1.0, 5.0, 1.0)
_HALF_STARS = Scale(0.5, 5.0, 0.5)


OFFICIAL_COUNTS = {
    "ml-100k": Counts(100_000, 943, 1_682),
    "ml-1m": Counts(1_000_209, 6_040, 3_706),
    "ml-10m": Counts(10_000_054, 69_878, 10_677),
    "ml-20m": Counts(20_000_263, 138_493, 26_744),
    "ml-25m": Counts(25_000_095, 162_541, 59_047),
    "ml-32m": Counts(32_000_204, 200_948, 84_432),
}
"""Sizes of the sets that never change, from their readme files."""


def load_movielens(path: str | Path, expect: tuple[int, int, int] | None = None) -> Ratings:
    """Read MovieLens ratings and their movies.

    Known are `u.data` with `u.item`, `ratings.dat` with `movies.dat`, and `ratings.csv` with
    `movies.csv`, each also gzipped or inside a zip archive. Without the file of movies, the
    catalogue is what was rated, with one topic "all". The counts are checked against `expect`, else
    against `u.info` beside the file, else against the official set that the folder's name or the
    sizes point to.

    Args:
        path: A folder, a `.zip`, or a file of ratings.
        expect: Ratings, users and rated items there must be.

    Returns:
        Ratings in file order. A movie's main topic is the genre that fewest movies have.

    Raises:
        DataError: A file is missing, damaged or breaks a rule; names file, line and column.
        ConfigError: `expect` is not three counts.

    Reference:
        Harper and Konstan, 2015, "The MovieLens Datasets: History and Context".
    """
    check_expect(expect)
    path = Path(path)
    source, beside, form = _find(path)
    lines = read_rating_lines(source, form.layout)
    check_scale(lines.rating, _scale(lines, form), lines.where, "rating")
    movies = named(beside, form.movies)
    if movies is not None:
        catalogue = read_movies(movies, form.movies)
    else:
        catalogue = Catalogue.of_ids(np.unique(lines.item))
        _logger.info("no %s beside %s: all items get the topic 'all'", form.movies, source)
    user_index, user_ids = indexed(lines.user)
    ratings = Ratings(
        user_ids,
        user_index,
        item_index(lines.item, catalogue, lines.where, "item", "movies listed beside the ratings"),
        lines.rating,
        lines.timestamp,
        catalogue,
    )
    check_no_duplicates(lines.user, lines.item, lines.timestamp, lines.where, "user")
    check_counts(_counts_of(ratings), source, _expected(ratings, source, beside, expect))
    _logger.info("%s: %s; %s", source, ratings.summary(), TERMS)
    return ratings


def _find(path: Path) -> tuple[RawFile, list[RawFile], _Format]:
    """Return the file of ratings, the files beside it, and its format."""
    files = files_at(path)
    for form in _FORMATS:
        source = named(files, form.ratings)
        if source is not None:
            is_alone = source == RawFile(path)
            return source, files_at(path.parent) if is_alone else files, form
    if len(files) == 1 and files[0].path == path and files[0].member is None:
        return files[0], files_at(path.parent), _sniffed(files[0])
    found = [str(file.member or file.path.name) for file in files[:6]]
    known = [form.ratings for form in _FORMATS]
    raise DataError(f"{path}: expected one of {known} (or with .gz), found {found}")


def _sniffed(source: RawFile) -> _Format:
    """Return the format whose separator the first line of a file of another name has."""
    first = source.read().partition(b"\n")[0].decode("utf-8", "replace")
    for form in _FORMATS:
        if first.count(form.layout.separator) == 3:
            return form
    raise DataError(
        f"{source}, line 1: expected user, item, rating and timestamp separated by a tab, '::' or "
        f"',', found {first!r:.80}"
    )


def _scale(lines: RatingLines, form: _Format) -> Scale:
    """Return half stars for csv files, and for ratings.dat if it has any (as ml-10m)."""
    has_halves = bool((lines.rating % 1 == 0.5).any())
    half = form.ratings == "ratings.csv" or (form.ratings == "ratings.dat" and has_halves)
    return _HALF_STARS if half else _WHOLE_STARS


def _expected(
    ratings: Ratings, source: RawFile, beside: list[RawFile], expect: tuple[int, int, int] | None
) -> tuple[Counts, str] | None:
    """Return the counts there must be and who says so; None if nobody does."""
    if expect is not None:
        return Counts(*expect), "the argument `expect`"
    if source.name not in [form.ratings for form in _FORMATS]:
        return None  # such as u1.base, a part of a set
    info = named(beside, "u.info")
    if info is not None and source.name == "u.data":
        return _counts_of_info(info, ratings), str(info)
    found = _counts_of(ratings)
    folders = {source.path.parent.name.lower(), source.path.stem.lower()}
    for name, counts in OFFICIAL_COUNTS.items():
        if is_near(found, counts) or (name in folders and found.n_ratings > counts.n_ratings / 2):
            return counts, f"the official {name}"
    return None


def _counts_of(ratings: Ratings) -> Counts:
    return Counts(len(ratings), ratings.n_users, ratings.n_rated_items)


def _counts_of_info(info: RawFile, ratings: Ratings) -> Counts:
    """Return the counts in a `u.info`, whose items are those of the catalogue."""
    text = info.read().decode("latin-1")
    found = {
        name: int(number) for number, name in re.findall(r"(\d+)\s+(users|items|ratings)", text)
    }
    if len(found) != 3:
        raise DataError(f"{info}: expected numbers of users, items and ratings, found {text!r:.80}")
    is_whole = found["items"] == ratings.n_items
    n_items = ratings.n_rated_items if is_whole else found["items"]
    return Counts(found["ratings"], found["users"], n_items)
