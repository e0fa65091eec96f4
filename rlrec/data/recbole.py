"""Data sets in the atomic files of RecBole."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rlrec.data.atomic_files import AtomicFile
from rlrec.data.catalogue import Catalogue
from rlrec.data.item_labels import label_items
from rlrec.data.known_counts import Counts, check_counts, check_expect
from rlrec.data.rating_rules import check_no_duplicates, indexed
from rlrec.data.ratings import Ratings
from rlrec.data.raw_files import files_at, named
from rlrec.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_logger = logging.getLogger(__name__)

TERMS = (
    "atomic files carry the terms of the set they were made from; RecBole's own collection (Zhao "
    "et al., 2021) names them set by set"
)

LABEL_FIELDS = ("genre", "genres", "class", "category", "categories")
"""Fields of items of which the first that is there becomes topics and features."""
TITLE_FIELDS = ("title", "movie_title", "item_name", "name", "artist_name")
"""Fields of items of which the first that is there becomes titles."""


@dataclass(frozen=True, eq=False)
class RecBole:
    """A data set of atomic files.

    Stability: experimental.
    """

    ratings: Ratings
    """In file order."""
    items: "pd.DataFrame | None"
    """A row an item of the file `.item`, which may list others than were rated; None without."""
    users: "pd.DataFrame | None"
    """A row a user of the file `.user`, likewise."""


def load_recbole(
    path: str | Path,
    *,
    user: str = "user_id",
    item: str = "item_id",
    rating: str | None = None,
    timestamp: str | None = None,
    may_repeat: bool = False,
    expect: tuple[int, int, int] | None = None,
) -> RecBole:
    """Read a file `NAME.inter`, with `NAME.item` and `NAME.user` if they are beside it.

    Labels of items (the first field of `LABEL_FIELDS`) become topics and features, names
    (`TITLE_FIELDS`) titles. An item without labels, or that `.item` lacks, gets "unknown".

    Args:
        path: The file `.inter` (also `.gz`), or a folder with one.
        user: Field of user ids, a token; that of `.user` has the same name.
        item: Field of item ids, likewise.
        rating: Field of ratings, a float; by default "rating" if it is there, else every event
            is a 1.
        timestamp: Field of unix seconds, a float; by default "timestamp" if it is there.
        may_repeat: Whether a user may have an item more than once at a time.
        expect: Events, users and items there must be; None to check none.

    Raises:
        UnknownNameError: The file has no field of that name.
        DataError: A file is missing, damaged or breaks a rule; names file, line and field.
        ConfigError: `expect` is not three counts.

    Reference:
        Zhao et al., 2021, "RecBole: Towards a Unified, Comprehensive and Efficient Framework for
        Recommendation Algorithms".
    """
    check_expect(expect)
    source = _find(Path(path))
    events = AtomicFile(source)
    items = _beside(source, ".item")
    ratings = _ratings(
        events,
        (user, item),
        rating or _usual(events, "rating"),
        timestamp or _usual(events, "timestamp"),
        None if items is None else _catalogue(items, item, events.ids(item)),
    )
    if not may_repeat:
        _refuse_repeats(events, ratings, user)
    found = Counts(len(ratings), ratings.n_users, ratings.n_rated_items)
    if expect is not None:
        check_counts(found, source, (Counts(*expect), "the argument `expect`"))
    users = _beside(source, ".user")
    _logger.info("%s: %s; %s", source, ratings.summary(), TERMS)
    return RecBole(
        ratings,
        items=None if items is None else items.frame(item),
        users=None if users is None else users.frame(user),
    )


def _find(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = [file.path for file in files_at(path) if file.name.endswith(".inter")]
    if len(found) != 1:
        raise DataError(
            f"{path}: expected one file .inter (or with .gz), found "
            f"{[file.name for file in found[:6]]}; name the file itself"
        )
    return found[0]


def _beside(source: Path, ending: str) -> AtomicFile | None:
    stem = source.name.removesuffix(".gz").removesuffix(".inter")
    found = named(files_at(source.parent), stem + ending)
    return None if found is None else AtomicFile(found.path)


def _usual(events: AtomicFile, name: str) -> str | None:
    return name if name in events.kinds else None


def _ratings(
    events: AtomicFile,
    fields: tuple[str, str],
    rating: str | None,
    timestamp: str | None,
    catalogue: Catalogue | None,
) -> Ratings:
    """Return the events as ratings; without a catalogue, items are what was rated."""
    users, items = (events.ids(name) for name in fields)
    user_index, user_ids = indexed(users)
    if catalogue is None:
        catalogue = Catalogue.of_ids(np.unique(items))
    table = events.table
    return Ratings(
        user_ids=user_ids,
        user_index=user_index,
        item_index=catalogue.index_of(items.astype(catalogue.item_ids.dtype)),
        values=np.ones(len(users))
        if rating is None
        else table.numbers(events.column(rating, "float")),
        timestamps=None if timestamp is None else table.seconds(events.column(timestamp, "float")),
        catalogue=catalogue,
    )


def _catalogue(items: AtomicFile, key: str, rated: NDArray[Any]) -> Catalogue:
    """Return the items of a file, and those that were rated though it lacks them."""
    listed = items.ids(key)
    if listed.dtype.kind != rated.dtype.kind:  # integers in one file, words in the other
        listed, rated = listed.astype(str), rated.astype(str)
    item_ids = np.unique(np.concatenate([listed, rated]))
    lacking = len(item_ids) - len(np.unique(listed))
    if lacking:
        _logger.info("%s: lacks %d items that were rated", items.path, lacking)
    rows = dict(zip(listed.tolist(), range(len(listed)), strict=True))
    order = [rows.get(each) for each in item_ids.tolist()]
    titles = _field(items, TITLE_FIELDS, order)
    labels = _field(items, LABEL_FIELDS, order)
    if labels is None:
        return Catalogue.of_ids(item_ids, tuple(titles or ()))
    labelled = label_items([text.split() for text in labels])
    return Catalogue(
        item_ids=item_ids,
        topics=labelled.topics,
        features=labelled.flags,
        topic_names=labelled.names,
        titles=tuple(titles or ()),
    )


def _field(
    items: AtomicFile, names: Sequence[str], order: Sequence[int | None]
) -> list[str] | None:
    """Return the first of these fields of text, item by item; empty for rows there are none of."""
    for name in names:
        if items.kinds.get(name) in ("token", "token_seq"):
            texts = items.texts(name)
            return ["" if row is None else texts[row] for row in order]
    return None


def _refuse_repeats(events: AtomicFile, ratings: Ratings, user: str) -> None:
    times = ratings.timestamps
    try:
        check_no_duplicates(ratings.user_index, ratings.item_index, times, events.where, user)
    except DataError as error:
        raise DataError(f"{error}; if events may repeat, pass may_repeat=True") from None
