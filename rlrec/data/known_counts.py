"""Counts of published sets, by which a file that was cut off or altered is found out."""

import logging
from collections.abc import Mapping
from typing import NamedTuple

from rlrec.errors import ConfigError, DataError

_logger = logging.getLogger(__name__)


class Counts(NamedTuple):
    """Sizes of a set of ratings."""

    n_ratings: int
    n_users: int
    n_items: int
    """Items with a rating."""

    def __str__(self) -> str:
        return f"{self.n_ratings:,} ratings by {self.n_users:,} users of {self.n_items:,} items"


def check_expect(expect: object) -> None:
    """Raise ConfigError unless `expect` is None or three counts."""
    numbers = list(expect) if isinstance(expect, list | tuple) else []
    are_counts = len(numbers) == 3 and all(type(number) is int for number in numbers)
    if expect is not None and not are_counts:
        raise ConfigError(
            f"expect must be three whole numbers (ratings, users, rated items), got {expect!r:.80}"
        )


def is_near(found: Counts, official: Counts) -> bool:
    """Return whether all counts are within 1 % of the official ones, but for a user or two."""
    pairs = zip(found, official, strict=True)
    return all(abs(ours - theirs) <= max(0.01 * theirs, 2) for ours, theirs in pairs)


def check_counts(found: Counts, source: object, expected: tuple[Counts, str] | None) -> None:
    """Raise DataError if counts are not those that `expected` names, with who says so."""
    if expected is not None and expected[0] != found:
        counts, by = expected
        raise DataError(
            f"{source}: expected {counts} (says {by}), found {found}; the file is cut off or "
            f"altered. If it is meant to be so, pass expect={tuple(found)}"
        )


def check_known(
    found: Counts,
    source: object,
    known: Mapping[str, Counts],
    expect: tuple[int, int, int] | None = None,
) -> None:
    """Check counts against `expect`, else against the known set that they come near.

    A set comes near if all counts are within 1 %, or if users or items are as many and more than
    half of the ratings are there, as in a file that was cut off.

    Args:
        found: Counts of what was read.
        source: The file, for messages.
        known: Counts of published sets, by name.
        expect: What the caller says there must be.

    Raises:
        DataError: Counts are not those of the set; names it and the way out.
    """
    if expect is not None:
        check_counts(found, source, (Counts(*expect), "the argument `expect`"))
        return
    if found in known.values():
        return
    for is_meant in (is_near, _is_piece):
        for name, counts in known.items():
            if is_meant(found, counts):
                check_counts(found, source, (counts, f"the published {name}"))
    _logger.info("%s: no published counts come near %s; none checked", source, found)


def _is_piece(found: Counts, official: Counts) -> bool:
    share = found.n_ratings / official.n_ratings
    same = found.n_users == official.n_users or found.n_items == official.n_items
    return 0.5 < share < 1 and same and found.n_users > official.n_users / 2
