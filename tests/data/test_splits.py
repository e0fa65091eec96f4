"""Train, validation and test parts of ratings."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rlrec.arrays import Ints
from rlrec.data import (
    Catalogue,
    Ratings,
    Split,
    leave_one_out,
    load_movielens,
    random_split,
    split_positive_by_time,
)
from rlrec.errors import ConfigError, DataError

SPLITS_100K = {
    "leave_one_out": {
        "train": (97_401, "5d8ba6ac5c317fbb"),
        "valid": (943, "5b5fbed2b601c1f6"),
        "test": (943, "2d431558918d7e49"),
    },
    "split_positive_by_time": {
        "train": (37_301, "476a0607a7be3cc5"),
        "valid": (5_857, "7932da5f303a42b0"),
        "test": (11_255, "b643f1688a8c2b26"),
    },
    "random_split": {
        "train": (80_000, "17de048316ee12f3"),
        "test": (20_000, "5164109a7d2aa111"),
    },
}
"""Size of each part of the reference splits, and the SHA-256 of its sorted positions."""


def make_ratings(users: list[int], items: list[int], times: list[int] | None = None) -> Ratings:
    n_items = max(items) + 1
    return Ratings(
        user_ids=np.arange(max(users) + 1),
        user_index=np.array(users),
        item_index=np.array(items),
        values=np.full(len(users), 5.0),
        timestamps=None if times is None else np.array(times),
        catalogue=Catalogue(
            np.arange(n_items),
            np.zeros(n_items, np.int64),
            np.zeros((n_items, 0), np.float32),
            ("all",),
        ),
    )


def random_ratings() -> Ratings:
    rng = np.random.default_rng(2)
    users, items = np.nonzero(rng.random((40, 30)) < 0.3)
    order = rng.permutation(len(users))
    made = make_ratings(
        users[order].tolist(), items[order].tolist(), rng.integers(50, size=len(users)).tolist()
    )
    return replace(made, values=rng.integers(1, 6, size=len(users)).astype(np.float64))


def dense(n_users: int = 3, n_items: int = 10) -> Ratings:
    """Return ratings of every item by every user, the item number being the time."""
    users = np.repeat(np.arange(n_users), n_items)
    items = np.tile(np.arange(n_items), n_users)
    return make_ratings(users.tolist(), items.tolist(), items.tolist())


def digest(positions: Ints) -> str:
    return hashlib.sha256(np.sort(positions).astype("<i8").tobytes()).hexdigest()[:16]


def test_the_last_event_is_for_test_and_the_one_before_for_validation() -> None:
    ratings = dense()
    split = leave_one_out(ratings, core=3)
    np.testing.assert_array_equal(ratings.item_index[split.test], [9, 9, 9])
    np.testing.assert_array_equal(ratings.item_index[split.valid], [8, 8, 8])
    assert sorted(ratings.item_index[split.train].tolist()) == sorted([*range(8)] * 3)


def test_ties_in_time_are_broken_by_place_in_the_file() -> None:
    users, items = [0, 1, 2] * 3, [0, 0, 0, 1, 1, 1, 2, 2, 2]
    split = leave_one_out(make_ratings(users, items, [7] * 9), core=3)
    np.testing.assert_array_equal(split.test, [6, 7, 8])
    np.testing.assert_array_equal(split.valid, [3, 4, 5])


def test_parts_are_listed_by_time() -> None:
    ratings = random_ratings()
    assert ratings.timestamps is not None
    for part in vars(leave_one_out(ratings)).values():
        assert len(part) > 10
        keys = ratings.timestamps[part] * len(ratings) + part
        assert (np.diff(keys) > 0).all()


def test_the_core_is_what_dropping_one_by_one_leaves() -> None:
    ratings = random_ratings()
    split = leave_one_out(ratings, core=7)
    events = {
        row: (u, i)
        for row, (u, i) in enumerate(
            zip(ratings.user_index.tolist(), ratings.item_index.tolist(), strict=True)
        )
    }
    while True:  # the largest core is unique, so the order of dropping does not matter
        users = [user for user, _ in events.values()]
        items = [item for _, item in events.values()]
        weak = [r for r, (u, i) in events.items() if users.count(u) < 7 or items.count(i) < 7]
        if not weak:
            break
        del events[weak[0]]
    kept = np.concatenate([split.train, split.valid, split.test])
    assert 0 < len(kept) < len(ratings)
    assert sorted(kept.tolist()) == sorted(events)


def test_parts_of_a_user_follow_each_other_in_time() -> None:
    ratings = random_ratings()
    assert ratings.timestamps is not None
    split = split_positive_by_time(ratings, core=3)
    assert (ratings.values[np.concatenate([split.train, split.valid, split.test])] >= 4).all()
    for user in np.unique(ratings.user_index[split.test]):
        parts = (split.train, split.valid, split.test)
        times = [ratings.timestamps[part[ratings.user_index[part] == user]] for part in parts]
        assert times[0].max() <= times[1].min() and times[1].max() <= times[2].min()


@pytest.mark.parametrize(
    ("n_items", "n_valid", "n_test"), [(5, 1, 1), (6, 1, 2), (10, 1, 2), (11, 2, 3), (15, 2, 3)]
)
def test_shares_are_rounded_up(n_items: int, n_valid: int, n_test: int) -> None:
    split = split_positive_by_time(dense(n_items=n_items), core=3)
    assert (len(split.valid), len(split.test)) == (3 * n_valid, 3 * n_test)
    assert len(split.train) == 3 * (n_items - n_valid - n_test)


def test_a_random_split_is_a_permutation_cut_in_two() -> None:
    split = random_split(10, seed=42, train_share=0.8)
    np.testing.assert_array_equal(
        np.concatenate([split.train, split.test]), np.random.default_rng(42).permutation(10)
    )
    assert (len(split.train), len(split.valid), len(split.test)) == (8, 0, 2)


def test_settings_outside_their_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="core must be 3 or more"):
        leave_one_out(dense(), core=2)
    with pytest.raises(ConfigError, match="sum to less than 1"):
        split_positive_by_time(dense(), test_share=0.6, valid_share=0.4)
    with pytest.raises(ConfigError, match="train_share"):
        random_split(10, train_share=1.0)


def test_a_split_by_time_needs_times_and_events() -> None:
    with pytest.raises(DataError, match="needs timestamps"):
        leave_one_out(replace(dense(), timestamps=None), core=3)
    with pytest.raises(DataError, match="no items and users with 50 ratings each"):
        leave_one_out(dense(), core=50)


@pytest.mark.skipif("RLREC_DATA_DIR" not in os.environ, reason="needs RLREC_DATA_DIR")
@pytest.mark.parametrize("name", SPLITS_100K)
def test_splits_of_the_official_100k_set_are_those_of_the_reference(name: str) -> None:
    ratings = load_movielens(Path(os.environ["RLREC_DATA_DIR"]) / "ml-100k")
    splits: dict[str, Split] = {
        "leave_one_out": leave_one_out(ratings),
        "split_positive_by_time": split_positive_by_time(ratings),
        "random_split": random_split(len(ratings)),
    }
    for part, (size, checksum) in SPLITS_100K[name].items():
        positions = getattr(splits[name], part)
        assert (len(positions), digest(positions)) == (size, checksum)
    if name == "split_positive_by_time":
        split = splits[name]
        events = np.concatenate([split.train, split.valid, split.test])
        assert len(np.unique(ratings.user_index[events])) == 938
        assert len(np.unique(ratings.item_index[events])) == 1_008
