"""Counts of published sets."""

import pytest

from rlrec.data.known_counts import Counts, check_known
from rlrec.errors import DataError

KNOWN = {"first": Counts(10_000, 500, 100), "second": Counts(9_000, 470, 100)}


@pytest.mark.parametrize("found", [Counts(10_000, 500, 100), Counts(9_000, 470, 100)])
def test_a_published_set_is_right_also_if_another_is_larger(found: Counts) -> None:
    check_known(found, "file", KNOWN)


@pytest.mark.parametrize(
    ("found", "name"),
    [
        (Counts(9_999, 500, 100), "first"),  # a row too few
        (Counts(9_901, 496, 99), "first"),  # 1 % too few of all
        (Counts(8_999, 470, 100), "second"),
        (Counts(6_000, 300, 100), "first"),  # cut off: fewer users of as many items
    ],
)
def test_what_comes_near_a_published_set_must_be_it(found: Counts, name: str) -> None:
    with pytest.raises(DataError, match=rf"file: expected .* \(says the published {name}\)"):
        check_known(found, "file", KNOWN)
    check_known(found, "file", KNOWN, expect=found)


@pytest.mark.parametrize(
    "found", [Counts(4_000, 200, 100), Counts(20_000, 500, 100), Counts(9_800, 400, 90)]
)
def test_another_set_is_not_checked(found: Counts) -> None:
    check_known(found, "file", KNOWN)


def test_what_the_caller_expects_counts_more_than_what_is_published() -> None:
    with pytest.raises(DataError, match="says the argument `expect`"):
        check_known(KNOWN["first"], "file", KNOWN, expect=(9_000, 470, 100))
