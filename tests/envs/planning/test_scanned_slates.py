"""The best slate of users who scan it, against all slates tried one by one."""

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rlrec.arrays import Floats
from rlrec.envs import MyopicOracle, make_simulator
from rlrec.envs.planning.scanned_slates import best_scanned_slates

N_ITEMS, SLATE_SIZE = 6, 3
UNIT = st.floats(0, 1)


def value(slate: tuple[int, ...], worth: Floats, goes_on: Floats) -> float:
    total, looking = 0.0, 1.0
    for item in slate:
        total += looking * worth[item]
        looking *= goes_on[item]
    return float(total)


@given(
    worth=hnp.arrays(np.float64, (2, N_ITEMS), elements=st.floats(-1, 1)),
    goes_on=hnp.arrays(np.float64, (2, N_ITEMS), elements=UNIT | st.sampled_from([0.0, 1.0])),
    slate_size=st.sampled_from([1, SLATE_SIZE, N_ITEMS]),
)
def test_no_slate_is_worth_more(worth: Floats, goes_on: Floats, slate_size: int) -> None:
    slates = best_scanned_slates(worth, goes_on, slate_size)
    for slate, w, c in zip(slates, worth, goes_on, strict=True):
        best = max(value(other, w, c) for other in permutations(range(N_ITEMS), slate_size))
        assert len(set(slate.tolist())) == slate_size
        assert value(tuple(slate.tolist()), w, c) >= best - 1e-9


@pytest.mark.parametrize(
    "choice",
    [
        "cascade",
        {"name": "dependent_click", "go_on": 0.5, "after_passing": 0.9},
        {"name": "dependent_click", "go_on": 0.9, "after_passing": 0.5},
        "dynamic_bayesian",
        {"name": "dynamic_bayesian", "satisfaction": {"name": "logistic", "slope": 4}},
        {"name": "position_based", "decay": 0.5, "two_way": True},
    ],
    ids=str,
)
def test_the_myopic_oracle_finds_the_best_of_all_slates(choice: Any) -> None:
    n_users = 20
    arguments: dict[str, Any] = {"n_items": N_ITEMS, "n_topics": N_ITEMS, "choice": choice}
    simulator = make_simulator(
        "rlrec/ComposedUsers-v0", n_users, slate_size=SLATE_SIZE, **arguments
    )
    observations = simulator.reset(1)
    slates = MyopicOracle().bind(simulator).act(observations, np.random.default_rng(0)).slates
    every = [
        simulator.expected_reward(np.tile(slate, (n_users, 1)))
        for slate in permutations(range(N_ITEMS), SLATE_SIZE)
    ]
    best = np.max(every, axis=0)
    np.testing.assert_allclose(simulator.expected_reward(slates), best, rtol=1e-9)
