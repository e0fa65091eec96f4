"""Files of movies: ids, titles and genres, in the formats in which MovieLens is published."""

import csv
import io
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from rlrec.arrays import Ints
from rlrec.data.catalogue import Catalogue
from rlrec.data.item_labels import rarest
from rlrec.data.raw_files import RawFile, decoded, lines_of
from rlrec.errors import DataError

GENRES_100K = (
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)
"""The genres of the 19 flags of `u.item`, in their order."""

_CSV_HEADER = ["movieId", "title", "genres"]


class _Movie(NamedTuple):
    line: int
    item: str
    title: str
    genres: tuple[str, ...]


def read_movies(source: RawFile, form: str) -> Catalogue:
    """Read a file of movies as a catalogue in the order of their ids.

    Features are genres, one column each, 1 where the movie has it. The topic of a movie is the one
    of its genres that fewest movies have; one without genres gets "unknown".

    Args:
        source: The file.
        form: "u.item", "movies.dat" or "movies.csv".

    Raises:
        DataError: A line has another form, or repeats an id; names file and line.
    """
    text = decoded(source)
    movies = list(
        {"u.item": _item_lines, "movies.dat": _dat_lines}.get(form, _csv_lines)(source, text)
    )
    if not movies:
        raise DataError(f"{source}: expected at least one movie, found none")
    ids = _checked_ids(source, movies)
    used = {genre for movie in movies for genre in movie.genres}
    names = GENRES_100K if used <= set(GENRES_100K) else tuple(sorted(used))
    order = np.argsort(ids)
    movies = [movies[place] for place in order]
    flags = np.array([[name in movie.genres for name in names] for movie in movies])
    return Catalogue(
        item_ids=ids[order],
        topics=rarest(flags),
        features=flags,
        topic_names=names,
        titles=tuple(movie.title for movie in movies),
    )


def _item_lines(source: RawFile, text: str) -> Iterator[_Movie]:
    for number, line in enumerate(lines_of(text), start=1):
        fields = line.split("|")
        if len(fields) != 5 + len(GENRES_100K):
            raise DataError(
                f"{source}, line {number}: expected 24 fields separated by '|' (id, title, "
                f"two dates, URL, 19 genre flags), found {len(fields)}: {line!r:.80}"
            )
        for place, flag in enumerate(fields[5:]):
            if flag not in ("0", "1"):
                raise DataError(
                    f"{source}, line {number}, column {GENRES_100K[place]!r}: expected the "
                    f"genre flag 0 or 1, found {flag!r:.40}"
                )
        genres = (name for name, flag in zip(GENRES_100K, fields[5:], strict=True) if flag == "1")
        yield _Movie(number, fields[0], fields[1], tuple(genres) or ("unknown",))


def _dat_lines(source: RawFile, text: str) -> Iterator[_Movie]:
    for number, line in enumerate(lines_of(text), start=1):
        fields = line.split("::")
        if len(fields) != 3:
            raise DataError(
                f"{source}, line {number}: expected 3 fields separated by '::' (id, title, "
                f"genres), found {len(fields)}: {line!r:.80}"
            )
        yield _Movie(number, fields[0], fields[1], _genres(fields[2]))


def _csv_lines(source: RawFile, text: str) -> Iterator[_Movie]:
    rows = _csv_rows(source, text)
    _, header = next(rows)
    if header != _CSV_HEADER:
        raise DataError(
            f"{source}, line 1: expected the header {','.join(_CSV_HEADER)!r}, found "
            f"{','.join(header)!r:.80}"
        )
    for number, fields in rows:
        if len(fields) != 3:
            raise DataError(
                f"{source}, line {number}: expected 3 fields separated by ',' (movieId, "
                f"title, genres), found {len(fields)}"
            )
        yield _Movie(number, fields[0], fields[1], _genres(fields[2]))


def _csv_rows(source: RawFile, text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of CSV text, each with the number of its first line."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        number = reader.line_num + 1
        try:
            yield number, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(
                f"{source}, line {number}: expected fields whose quotes are closed ({error})"
            ) from error


def _genres(text: str) -> tuple[str, ...]:
    return tuple(genre for genre in text.strip().split("|") if genre) or ("unknown",)


def _checked_ids(source: RawFile, movies: list[_Movie]) -> Ints:
    lines: dict[int, int] = {}
    for movie in movies:
        if not re.fullmatch(r"[0-9]{1,18}", movie.item):
            raise DataError(
                f"{source}, line {movie.line}, column 'item': expected a whole number, found "
                f"{movie.item!r:.40}"
            )
        first = lines.setdefault(int(movie.item), movie.line)
        if first != movie.line:
            raise DataError(
                f"{source}, line {movie.line}, column 'item': repeats the id {movie.item} of line "
                f"{first}"
            )
    return np.fromiter(lines, np.int64)
