"""Verdicts on users who are those of the log, and on users who are not."""

from typing import Any

import numpy as np
import pytest

from rlrec.data import InteractionLog
from rlrec.envs import UserSimulator, make_simulator
from rlrec.envs.fitting.validation.aspects import ValuesByPerson
from rlrec.envs.fitting.validation.behaviour import ASPECTS
from rlrec.envs.fitting.validation.comparing import TOLD_APART, permutation_p
from rlrec.envs.fitting.validation.discriminator import discriminator_auc
from rlrec.envs.fitting.validation.fidelity import fidelity
from rlrec.errors import DataError
from rlrec.policy import RandomPolicy

N_ITEMS, SLATE_SIZE = 40, 4


def users(
    offset: float = 0.3, base: float = -3.0, decay: float = 0.85, max_steps: int | None = None
) -> UserSimulator:
    attraction = {"name": "logistic", "offset": offset}
    return make_simulator(
        "rlrec/ComposedUsers-v0",
        200,
        n_items=N_ITEMS,
        n_topics=5,
        slate_size=SLATE_SIZE,
        choice={"name": "position_based", "decay": decay, "attraction": attraction},
        leaving={"name": "patience", "relief": 0.0, "poor_cost": 0.0, "base": base},
        max_steps=max_steps,
    )


@pytest.fixture(scope="module")
def log() -> InteractionLog:
    return InteractionLog.record(RandomPolicy(N_ITEMS, SLATE_SIZE), users(), 12_000, seed=0)


def words(simulator: UserSimulator, log: InteractionLog) -> dict[str, str]:
    catalogue: Any = users().catalogue
    found = fidelity(simulator, log, catalogue, seed=1, n_permutations=19)
    return {each.aspect: each.word for each in found.verdicts}


def test_users_of_the_same_kind_agree_in_all_that_is_told(log: InteractionLog) -> None:
    found = words(users(), log)
    assert found.pop("hours between visits") == "not told"
    assert set(found) == {*ASPECTS, TOLD_APART} - {"hours between visits"}
    assert set(found.values()) == {"agrees"}, found


def test_what_the_log_tells_but_users_were_not_asked_is_not_compared(log: InteractionLog) -> None:
    columns = log.columns()
    persons = (np.cumsum(columns["step"] == 0) - 1) // 10  # of ten visits each
    columns |= {"user_id": persons, "timestamp": 3600 * np.arange(len(log))}
    found = words(users(), InteractionLog.from_columns(columns, log.metadata))
    assert found["hours between visits"] == "not compared"


@pytest.mark.parametrize(
    ("changed", "aspects"),
    [
        ({"base": -1.0}, {"steps of a visit", "items taken in a visit"}),
        ({"decay": 0.4}, {"click rate by slot"}),
        ({"offset": 2.0}, {"click rate by slot", "items taken in a visit"}),
    ],
    ids=lambda value: ", ".join(value),
)
def test_what_differs_is_said_to_differ(
    changed: dict[str, Any], aspects: set[str], log: InteractionLog
) -> None:
    found = words(users(**changed), log)
    assert aspects <= {aspect for aspect, word in found.items() if word == "differs"}, found


def test_users_of_the_same_kind_agree_where_the_log_cuts_visits_off() -> None:
    policy = RandomPolicy(N_ITEMS, SLATE_SIZE)
    log = InteractionLog.record(policy, users(max_steps=5), 12_000, seed=0)
    assert log.column("truncated").sum() > 0.3 * (log.column("step") == 0).sum()
    found = words(users(), log)
    assert "differs" not in found.values(), found
    assert words(users(base=-1.0), log)["steps of a visit"] == "differs"


def test_a_classifier_tells_apart_what_differs_alone() -> None:
    rng = np.random.default_rng(0)
    one, same = rng.standard_normal((2, 800, 3))
    shifted = same + np.array([0.0, 1.0, 0.0])
    wider = same * np.array([1.0, 1.0, 3.0])
    # 800 rows each: a standard error of .014
    assert abs(discriminator_auc(one, same, rng) - 0.5) < 4 * 0.015
    assert discriminator_auc(one, shifted, rng) > 0.7
    assert discriminator_auc(one, wider, rng) > 0.7


def test_too_few_persons_are_refused(log: InteractionLog) -> None:
    few = np.isin(log.column("user_id"), np.unique(log.column("user_id"))[:10])
    columns = {name: log.column(name)[few] for name in log.column_names}
    catalogue: Any = users().catalogue
    with pytest.raises(DataError, match="has 10 persons; halving it takes 20 or more"):
        fidelity(users(), InteractionLog.from_columns(columns, log.metadata), catalogue)


def test_items_of_persons_who_were_seen_longer_are_not_permuted(log: InteractionLog) -> None:
    catalogue: Any = users().catalogue
    found = fidelity(users(), log, catalogue, seed=1, n_permutations=9, n_halvings=1)
    p_values = {each.aspect: each.p_value for each in found.verdicts}
    assert np.isnan(p_values["popularity of items"])  # ten visits of each simulated user at least
    assert 0.1 <= p_values["click rate by slot"] <= 1.0
    figures = {each.name: each for each in found.figures}
    gini = figures["popularity of items: Gini coefficient"]
    assert gini.simulated == pytest.approx(gini.log, abs=0.05)


def test_permuting_persons_tells_groups_apart_that_differ() -> None:
    rng = np.random.default_rng(0)
    one, same, other = (
        ValuesByPerson(rng.normal(mean, 1.0, 80), np.arange(80), 80) for mean in (0.0, 0.0, 1.0)
    )
    assert permutation_p(one, same, 80, 80, 99, rng) > 0.05
    assert permutation_p(one, other, 80, 80, 99, rng) == pytest.approx(0.01)
    assert np.isnan(permutation_p(one, other, 80, 80, 0, rng))
