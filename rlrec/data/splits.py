"""Train, validation and test parts of ratings."""

from dataclasses import dataclass

import numpy as np

from rlrec.arrays import Bools, Floats, Ints
from rlrec.data.ratings import Ratings
from rlrec.errors import ConfigError, DataError

_EVENTS_FOR_THREE_PARTS = 3


@dataclass(frozen=True, eq=False)
class Split:
    """Positions of ratings, counted from 0 in file order; splits by time list them by time.

    Stability: stable.
    """

    train: Ints
    valid: Ints
    """Empty where the protocol has no validation part."""
    test: Ints


def leave_one_out(ratings: Ratings, core: int = 5) -> Split:
    """Split each user's events: the last for test, the one before for validation, the rest train.

    All ratings count as events. Items, then users, with fewer than `core` events are dropped until
    none is left; the order is by user, time, and place in the file.

    Args:
        ratings: With timestamps, or known to be in order.
        core: Events an item and a user must have, at least 3.

    Raises:
        ConfigError: `core` is below 3.
        DataError: Neither timestamps nor order, or nothing is left of the core.
    """
    events = _events(ratings, np.ones(len(ratings), bool), core, "ratings")
    from_end = _places_from_end(ratings.user_index[events])
    return _by_time(ratings, events, test=from_end == 0, valid=from_end == 1)


def split_positive_by_time(
    ratings: Ratings,
    threshold: float = 4,
    core: int = 5,
    test_share: float = 0.2,
    valid_share: float = 0.1,
) -> Split:
    """Split each user's positive events by time: the last share test, the one before validation.

    Shares are rounded up to whole events, the latest go to test; order and core as in
    `leave_one_out`.

    Args:
        ratings: With timestamps, or known to be in order.
        threshold: Least rating that counts as a positive event.
        core: Positive events an item and a user must have, at least 3.
        test_share: Of each user's events, in (0, 1).
        valid_share: Of each user's events, in (0, 1); the two sum to less than 1.

    Raises:
        ConfigError: A share or `core` is outside its range.
        DataError: Neither timestamps nor order, or nothing is left of the core.
    """
    if min(test_share, valid_share) <= 0 or test_share + valid_share >= 1:
        raise ConfigError(
            f"test_share and valid_share must be above 0 and sum to less than 1, got "
            f"{test_share!r} and {valid_share!r}"
        )
    events = _events(
        ratings, ratings.values >= threshold, core, f"ratings of at least {threshold:g}"
    )
    users = ratings.user_index[events]
    from_end = _places_from_end(users)
    n_events = np.bincount(users)[users].astype(np.float64)
    n_test, n_valid = _rounded_up(test_share * n_events), _rounded_up(valid_share * n_events)
    is_test = from_end < n_test
    return _by_time(ratings, events, is_test, (from_end < n_test + n_valid) & ~is_test)


def random_split(n_rows: int, seed: int = 42, train_share: float = 0.8) -> Split:
    """Split rows at random into train and test; there is no validation part.

    Args:
        n_rows: Rows to split, 2 or more.
        seed: Of the permutation.
        train_share: In (0, 1).

    Raises:
        ConfigError: `n_rows` or `train_share` is outside its range.
    """
    if n_rows < 2 or not 0 < train_share < 1:
        raise ConfigError(
            f"n_rows must be 2 or more and train_share lie in (0, 1), got {n_rows!r} and "
            f"{train_share!r}"
        )
    order = np.random.default_rng(seed).permutation(n_rows)
    n_train = round(train_share * n_rows)
    return Split(order[:n_train], np.empty(0, np.int64), order[n_train:])


def _events(ratings: Ratings, counts: Bools, core: int, what: str) -> Ints:
    """Return the rows of the core of those that count, by user, time and place in the file."""
    if core < _EVENTS_FOR_THREE_PARTS:
        raise ConfigError(f"core must be 3 or more, so that each part gets an event, got {core!r}")
    _times(ratings)
    kept = _core(ratings, counts, core)
    order = ratings.by_user_and_time()
    events = order[kept[order]]
    if not events.size:
        raise DataError(
            f"no items and users with {core} {what} each, of {int(counts.sum()):,} such ratings; "
            "use another core or threshold"
        )
    return events


def _by_time(ratings: Ratings, events: Ints, test: Bools, valid: Bools) -> Split:
    times = _times(ratings)
    order = np.lexsort((events, times[events]))
    events, test, valid = events[order], test[order], valid[order]
    return Split(events[~test & ~valid], events[valid], events[test])


def _times(ratings: Ratings) -> Ints:
    """Return what tells the order of each user's ratings: times, or their places in the file."""
    if ratings.timestamps is not None:
        return ratings.timestamps
    if not ratings.is_ordered:
        raise DataError("a split by time needs timestamps; these ratings have none")
    return ratings.places()


def _core(ratings: Ratings, kept: Bools, core: int) -> Bools:
    """Drop items, then users, with fewer than `core` events, until none is left to drop."""
    while True:
        n_before = int(kept.sum())
        for index in (ratings.item_index, ratings.user_index):
            n_events = np.bincount(index[kept], minlength=int(index.max()) + 1)
            kept = kept & (n_events[index] >= core)
        if int(kept.sum()) == n_before:
            return kept


def _places_from_end(users: Ints) -> Ints:
    """Return how many events of the same user follow each; `users` is ascending."""
    return np.searchsorted(users, users, side="right") - 1 - np.arange(len(users))


def _rounded_up(counts: Floats) -> Ints:
    """Round up, but not for the last bits of a product such as 0.2 * 15."""
    return np.ceil(np.round(counts, 9)).astype(np.int64)
