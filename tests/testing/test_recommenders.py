"""Every baseline keeps the contract."""

from collections.abc import Callable
from typing import Any

import pytest

from rlrec.baselines import BASELINE_NAMES, make_baseline
from rlrec.testing import RECOMMENDER_CHECKS, check_recommender

SETTINGS: dict[str, dict[str, Any]] = {
    "itemknn": {"n_neighbours": 20},
    "itemknn_tfidf": {"n_neighbours": 20},
    "als": {"factors": 2},
    "puresvd": {"factors": 2},
}
PERSONAL = tuple(name for name in BASELINE_NAMES if name != "popularity")


def maker(name: str) -> Callable[[], Any]:
    return lambda: make_baseline(name, slate_size=3, **SETTINGS.get(name, {}))


@pytest.mark.parametrize("name", PERSONAL)
@pytest.mark.parametrize("check", RECOMMENDER_CHECKS, ids=lambda check: check.__name__)
def test_recommender_contract(check: Callable[[Any], None], name: str) -> None:
    check(maker(name))


@pytest.mark.parametrize("check", RECOMMENDER_CHECKS, ids=lambda check: check.__name__)
def test_popularity_keeps_the_contract_save_that_it_knows_no_tastes(
    check: Callable[[Any], None],
) -> None:
    if check.__name__ == "check_two_tastes_are_told_apart":
        with pytest.raises(AssertionError, match="the user's taste, 50% are"):
            check(maker("popularity"))
    else:
        check(maker("popularity"))


def test_all_checks_run_at_once() -> None:
    check_recommender(maker("ease"))
