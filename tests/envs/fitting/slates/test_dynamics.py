"""Known dynamics, recovered from the slates of simulated users."""

from typing import Any

import numpy as np
import pytest

from rlrec.data import Catalogue, InteractionLog, LogMetadata
from rlrec.envs import fit_slate_users, make_simulator
from rlrec.envs.fitting.slates import dynamics_search
from rlrec.envs.fitting.slates.dynamics import FittedDynamics, fit_dynamics
from rlrec.envs.fitting.slates.dynamics_search import ASSUMED
from rlrec.policy import RandomPolicy

TRUTH = {
    "offset": 0.5,
    "decay": 0.8,
    "taste_sd": 1.0,
    "persistence": 0.9,
    "drift_step_sd": 0.3,
    "strength": 0.5,
    "memory": 0.7,
}
N_VISITS, N_STEPS, N_ITEMS = 1_500, 20, 100


def users(choice: dict[str, Any], **changed: float) -> Any:
    told = {**TRUTH, **changed}
    return make_simulator(
        "rlrec/ComposedUsers-v0",
        500,
        n_items=N_ITEMS,
        n_topics=10,
        slate_size=5,
        taste={"name": "topics", "interests": {"normal": [0.0, told["taste_sd"]]}, "drift": 0.0},
        choice=choice,
        blocks={
            "taste_drift": {"persistence": told["persistence"], "sd": told["drift_step_sd"]},
            "satiation": {"strength": told["strength"], "memory": told["memory"]},
        },
        leaving={"name": "fixed_length", "n_steps": N_STEPS},
    )


def attraction() -> dict[str, Any]:
    return {"name": "logistic", "slope": 1.0, "offset": TRUTH["offset"]}


def fitted(simulator: Any, scanning: Any, seed: int = 0) -> FittedDynamics:
    policy = RandomPolicy(N_ITEMS, 5)
    log = InteractionLog.record(policy, simulator, N_VISITS * N_STEPS, seed=seed)
    catalogue: Catalogue = simulator.catalogue
    return fit_dynamics(log, catalogue, scanning)


@pytest.mark.slow
@pytest.mark.parametrize("scanning", ["position_based", "cascade"])
def test_known_dynamics_are_recovered(scanning: str) -> None:
    choice: dict[str, Any] = {"name": scanning, "attraction": attraction()}
    truth = dict(TRUTH)
    if scanning == "position_based":
        choice["decay"] = TRUTH["decay"]
    else:
        del truth["decay"]  # a cascade has none
    found = fitted(users(choice), scanning)
    for name, value in truth.items():
        estimate = found.estimates[name]
        # 1,500 visits: 95 % intervals, stretched to 3.5 standard errors (one in 2,000)
        middle, reach = estimate.value, 3.5 / 1.96
        low = middle - reach * (middle - estimate.low)
        high = middle + reach * (estimate.high - middle)
        assert low < value < high, f"{name}: {estimate}"
        assert estimate.high - estimate.low < 1.2 * value, f"{name} is hardly told: {estimate}"
    assert found.n_visits == N_VISITS and np.abs(found.appeals).mean() < 0.2


def test_what_a_log_does_not_tell_is_assumed() -> None:
    """Slates of one item, visits of one step: no positions, no drift, no satiation to be seen."""
    simulator = make_simulator(
        "rlrec/ComposedUsers-v0",
        100,
        n_items=20,
        n_topics=4,
        slate_size=1,
        choice={"name": "position_based", "attraction": attraction()},
        leaving={"name": "fixed_length", "n_steps": 1},
    )
    log = InteractionLog.record(RandomPolicy(20, 1), simulator, 3_000, seed=0)
    catalogue: Any = simulator.catalogue
    found = fit_dynamics(log, catalogue)
    assert "offset" in found.estimates
    told = {"decay", "persistence", "drift_sd", "strength", "memory", "drift_step_sd"}
    assert not told & set(found.estimates)
    assert {name: found.values[name] for name in told - {"drift_step_sd"}} == {
        name: ASSUMED[name] for name in told - {"drift_step_sd"}
    }
    assert found.drift_step_sd == 0.0
    assert np.isfinite(found.tastes).all() and np.isfinite(found.taste_variances).all()


def test_what_is_absent_is_not_estimated() -> None:
    """On a logarithmic scale an interval never holds 0: a ratio of likelihoods tells instead."""
    simulator = make_simulator(
        "rlrec/ComposedUsers-v0",
        500,
        n_items=N_ITEMS,
        n_topics=10,
        slate_size=5,
        taste={"name": "topics", "interests": {"normal": [0.0, 1.0]}, "drift": 0.0},
        choice={"name": "position_based", "attraction": attraction()},
        leaving={"name": "fixed_length", "n_steps": 10},
    )
    found = fitted(simulator, "position_based", seed=1)
    assert {"drift_sd", "persistence", "strength", "memory"} <= set(found.doubts)
    assert found.values["drift_sd"] == found.values["strength"] == 0.0
    assert "nearly as likely" in found.doubts["strength"]
    assert found.hardly["strength"].low == found.hardly["drift_step_sd"].low == 0.0
    assert 0.0 < found.hardly["strength"].high < 1.0
    assert {"offset", "decay", "taste_sd"} <= set(found.estimates)


def test_a_search_that_ends_early_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    simulator = users({"name": "position_based", "attraction": attraction()})
    log = InteractionLog.record(RandomPolicy(N_ITEMS, 5), simulator, 2_000, seed=0)
    assert simulator.catalogue is not None
    done = fit_slate_users(log, simulator.catalogue)
    monkeypatch.setattr(dynamics_search, "_MOST_ROUNDS", 1)
    early = fit_slate_users(log, simulator.catalogue)
    told = ["may be off" in [line.value for line in model.card()] for model in (done, early)]
    assert told == [False, True]


def test_the_level_of_nothing_is_covered_where_appeals_differ() -> None:
    """What moves all appeals and the level alike is told by the prior alone."""
    n_covered, n_logs = 0, 12
    for seed in range(n_logs):
        rng = np.random.default_rng(seed)
        rows = np.arange(2_400)
        slates = rng.permuted(np.tile(np.arange(10), (len(rows), 1)), axis=1)[:, :3]
        appeals, users = rng.normal(0.0, 1.0, 10), rows // 16
        clicks = rng.random(slates.shape) < 1.0 / (1.0 + np.exp(1.0 - appeals[slates]))
        log = InteractionLog.from_columns(
            {
                "user_id": users,
                "episode_id": rows // 4,
                "step": rows % 4,
                "slate": slates,
                "response.click": clicks.astype(np.float32),
                "reward": clicks.sum(axis=1).astype(np.float64),
                "terminated": rows % 4 == 3,
                "truncated": np.zeros(len(rows), bool),
            },
            LogMetadata(slate_size=3, response_channels=("click",)),
        )
        topics = np.arange(10) % 5
        catalogue = Catalogue(
            np.arange(10), topics, np.eye(5, dtype=np.float32)[topics], tuple("abcde")
        )
        found = fit_dynamics(log, catalogue).estimates["offset"]
        n_covered += found.low <= 1.0 - appeals.mean() <= found.high
    assert n_covered >= 8  # of 12 at 95 %: 7 or fewer in 1 of 100,000
