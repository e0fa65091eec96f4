"""Every policy that comes with rlrec keeps the contract."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rlrec.baselines import make_baseline
from rlrec.data import InteractionLog
from rlrec.envs import MyopicOracle, PlanningReference, make_simulator
from rlrec.envs.fitting.ranking.rating_policies import GreedyPolicy, SameForAll
from rlrec.policy import MixturePolicy, RandomPolicy, SlatePolicy
from rlrec.simulation import Simulator
from rlrec.testing import POLICY_CHECKS, check_policy

N_ITEMS, SLATE_SIZE = 7, 3


def catalogue_users() -> Simulator:
    return make_simulator("rlrec/InterestEvolution-v0", 30, n_items=N_ITEMS, slate_size=SLATE_SIZE)


def baseline() -> Any:
    log = InteractionLog.record(RandomPolicy(N_ITEMS, SLATE_SIZE), catalogue_users(), 1500)
    return make_baseline("ease", slate_size=SLATE_SIZE).fit(log)


MAKERS: dict[str, Callable[[], SlatePolicy]] = {
    "random": lambda: RandomPolicy(N_ITEMS, SLATE_SIZE),
    "the same for all": lambda: GreedyPolicy(SameForAll(np.sin(np.arange(7.0))), SLATE_SIZE),
    "myopic oracle": MyopicOracle,
    "planning reference": lambda: PlanningReference(1.4),
    "greedy baseline": baseline,
    "softened baseline": lambda: baseline().softened(0.7),
    "mixture": lambda: MixturePolicy([RandomPolicy(N_ITEMS, SLATE_SIZE), baseline()], [1.0, 2.0]),
    "mixture of softened": lambda: MixturePolicy(
        [baseline().softened(0.7), RandomPolicy(N_ITEMS, SLATE_SIZE)], [1.0, 2.0]
    ),
    "mixture with an oracle": lambda: MixturePolicy(
        [MyopicOracle(), RandomPolicy(N_ITEMS, SLATE_SIZE)], [1.0, 2.0]
    ),
}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("check", POLICY_CHECKS, ids=lambda check: check.__name__)
def test_policy_contract(check: Callable[[SlatePolicy, Simulator], None], name: str) -> None:
    check(MAKERS[name](), catalogue_users())


@pytest.mark.parametrize("policy", [MyopicOracle(), PlanningReference(1.4), RandomPolicy(10, 3)])
def test_policy_contract_with_fresh_documents(policy: SlatePolicy) -> None:
    check_policy(policy, make_simulator("rlrec/InterestEvolution-v0", 30))
