"""Verdicts on users of ratings who are those of the log, and on users who are not."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rlrec.data import Ratings, load_movielens
from rlrec.envs import FittedUsersModel, fit_users
from rlrec.envs.fitting.validation.aspects import RatesByPerson
from rlrec.envs.fitting.validation.choosing import Choices
from rlrec.envs.fitting.validation.comparing import TOLD_APART, Verdict
from rlrec.envs.fitting.validation.rating_behaviour import ASPECTS, rating_behaviour
from rlrec.envs.fitting.validation.rating_fidelity import rating_fidelity
from rlrec.errors import ConfigError
from tests.envs.fitting.rated_world import fitted_to_some, others_like, swapped_items


@pytest.fixture(scope="module")
def model() -> FittedUsersModel:
    return fitted_to_some()


@pytest.fixture(scope="module")
def others(model: FittedUsersModel) -> Ratings:
    return others_like(model)


def verdicts(model: FittedUsersModel, ratings: Ratings) -> dict[str, Verdict]:
    found = rating_fidelity(model, ratings, n_permutations=39, seed=1)
    return {verdict.aspect: verdict for verdict in found.verdicts}


def differing(model: FittedUsersModel, ratings: Ratings) -> set[str]:
    found = verdicts(model, ratings)
    return {aspect for aspect, verdict in found.items() if verdict.word == "differs"}


def test_persons_like_the_model_agree_with_it_in_everything(
    model: FittedUsersModel, others: Ratings
) -> None:
    found = verdicts(model, others)
    assert list(found) == [*ASPECTS, TOLD_APART]
    assert {verdict.word for verdict in found.values()} == {"agrees"}, found
    # 39 permutations: a p of .025 is as low as it gets; eleven alike are seldom all above .05.
    assert sum(verdict.p_value > 0.05 for verdict in found.values()) >= 8


@pytest.mark.parametrize(
    ("world", "aspects"),
    [
        ("flat popularity", {"popularity of items", "share of each item"}),
        ("swapped tastes", {"share of each item", "popularity of what a person chooses"}),
        ("kind ratings", {"ratings", "mean rating of a person", "mean rating of an item"}),
    ],
)
def test_a_wrong_world_is_flagged(
    world: str, aspects: set[str], model: FittedUsersModel, others: Ratings
) -> None:
    wrong = {
        "flat popularity": replace(model, choice_scale=0.0),
        "swapped tastes": swapped_items(model),
        "kind ratings": replace(model, rating_mean=model.rating_mean + 1.0),
    }
    found = differing(wrong[world], others)
    assert aspects | {TOLD_APART} <= found, found


def test_topics_that_follow_one_another_are_flagged(
    model: FittedUsersModel, others: Ratings
) -> None:
    topics = model.catalogue.topics[others.item_index]
    in_blocks = replace(others, timestamps=topics)  # each person goes from topic to topic
    assert differing(model, in_blocks) == {"topic of the next choice", TOLD_APART}


def test_what_has_no_order_says_nothing_of_it(model: FittedUsersModel, others: Ratings) -> None:
    found = verdicts(model, replace(others, timestamps=None))
    assert found["topic of the next choice"].word == "not told"
    assert found["share of each topic"].word == "agrees"


def test_the_population_is_who_is_simulated(model: FittedUsersModel, others: Ratings) -> None:
    nobody = replace(model, populations={**model.populations, "test": np.empty(0, np.int64)})
    with pytest.raises(ConfigError, match="nobody is in the population 'test'"):
        rating_fidelity(nobody, others, population="test")


def test_aspects_are_those_counted_by_hand(model: FittedUsersModel) -> None:
    topics = model.catalogue.topics
    a, b = np.flatnonzero(topics == 0)[:4], np.flatnonzero(topics == 1)[:4]
    items = np.concatenate([a, b, [a[0], b[0]]])
    persons, ratings = np.repeat([0, 1], [8, 2]), np.array([1.0, 5.0] * 5)
    n_items, points = model.catalogue.n_items, np.array([1.0, 3.0, 5.0])
    choices = Choices(persons, items, ratings, 2, n_items, True, points)
    popularity = np.arange(n_items, dtype=np.float64)
    found = rating_behaviour(choices, model.catalogue, popularity)

    def values(aspect: str) -> list[float]:
        rounded = found.aspects[aspect].of(found.everybody).values.round(9)
        return [float(value) for value in rounded]

    assert values("mean rating of a person") == [3.0, 3.0]
    assert values("spread of the ratings of a person") == [2.0]  # of five ratings or more
    assert np.isnan(values("ratings")).all()  # of ten ratings in all
    assert values("variety of topics of a person") == pytest.approx([np.log(2)] * 2)
    assert values("popularity of what a person chooses") == pytest.approx(
        [items[:8].mean(), items[8:].mean()]
    )
    again = found.aspects["topic of the next choice"]
    # Of seven pairs six are alike; in another order 3/7 of them would be. None of the second's.
    assert isinstance(again, RatesByPerson)
    assert again.hits[:, 0].tolist() == [6.0, 0.0]
    assert again.looks[:, 0].tolist() == pytest.approx([3.0, 0.0])


@pytest.mark.skipif("RLREC_DATA_DIR" not in os.environ, reason="needs RLREC_DATA_DIR")
def test_users_of_movielens_agree_in_what_they_take_and_are_flagged_where_they_do_not() -> None:
    ratings = load_movielens(Path(os.environ["RLREC_DATA_DIR"]) / "ml-100k")
    left_out = np.random.default_rng(0).permutation(ratings.n_users)[:283]
    rest = ratings.subset(np.flatnonzero(~np.isin(ratings.user_index, left_out)))
    comparison = rating_fidelity(fit_users(rest), ratings, n_halvings=2, n_permutations=0)
    found = {verdict.aspect: verdict for verdict in comparison.verdicts}
    assert comparison.n_persons == 283
    assert found["popularity of items"].word == found["share of each topic"].word == "agrees"
    assert found["topic of the next choice"].word == "differs"
    assert found["spread of the ratings of a person"].word == "differs"
    # 141 persons on each side: a standard error of .035
    assert abs(found[TOLD_APART].control - 0.5) < 0.14 < found[TOLD_APART].simulated - 0.5
