"""Wolpertinger: the contract of a policy, worlds whose optimum is known, and what is learned."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rlrec.agents import (
    RandomPolicy,
    SlateQ,
    WolpertingerSAC,
    WolpertingerSACConfig,
    WolpertingerTD3,
    WolpertingerTD3Config,
)
from rlrec.agents.wolpertinger import Wolpertinger
from rlrec.data import InteractionLog
from rlrec.envs import UserSimulator
from rlrec.envs.sb3 import SlateVecEnv
from rlrec.errors import CatalogueMismatchError, ConfigError, ModelFileError
from rlrec.policy import SlatePolicy
from rlrec.simulation import Simulator
from rlrec.testing import POLICY_CHECKS
from tests.agents.test_known_answers import LIKED, MINUTES, N_STEPS, mean_return, two_tastes

MakeUsers = Callable[..., UserSimulator]
AGENTS: Any = [
    (WolpertingerTD3, WolpertingerTD3Config),
    (WolpertingerSAC, WolpertingerSACConfig),
]
FORMS = ("top_k", "slots")
SMALL: dict[str, Any] = {
    "hidden": 16,
    "batch_size": 32,
    "buffer_size": 1600,
    "learning_starts": 64,
    "exploration": 0.2,
}
every_agent = pytest.mark.parametrize("kind", AGENTS, ids=["td3", "sac"])
every_form = pytest.mark.parametrize("form", FORMS)


def make(kind: Any, users: UserSimulator, seed: int = 0, **settings: Any) -> Any:
    """Return a small agent."""
    agent, config = kind
    arguments = {key: settings.pop(key) for key in ("item_factors",) if key in settings}
    made = config(**{**SMALL, **settings})
    return agent(SlateVecEnv(users, seed), made, seed=seed, **arguments)


def parameters(agent: Any) -> list[torch.Tensor]:
    return [value.clone() for value in agent.policy.state_dict().values()]


@every_agent
@every_form
@pytest.mark.parametrize("fresh", [False, True], ids=["catalogue", "fresh documents"])
@pytest.mark.parametrize("check", POLICY_CHECKS, ids=lambda check: check.__name__)
def test_policy_contract(
    check: Callable[[SlatePolicy, Simulator], None],
    fresh: bool,
    form: str,
    kind: Any,
    make_users: MakeUsers,
) -> None:
    arguments: dict[str, int] = {} if fresh else {"n_items": 7}
    users = make_users(20, fresh, **arguments)
    check(make(kind, users, form=form), users.with_users(20))


@every_agent
@every_form
def test_same_seed_same_agent(
    kind: Any, form: str, make_users: MakeUsers, log: InteractionLog
) -> None:
    first, second = (
        make(kind, make_users(16), seed=3, form=form).pretrain(log, 5).learn(160) for _ in range(2)
    )
    other = make(kind, make_users(16), seed=4, form=form).pretrain(log, 5).learn(160)
    assert all(map(torch.equal, parameters(first), parameters(second)))
    assert not all(map(torch.equal, parameters(first), parameters(other)))


@every_agent
@every_form
@pytest.mark.parametrize("fresh", [False, True], ids=["catalogue", "fresh documents"])
def test_a_saved_agent_acts_alike(
    kind: Any, form: str, fresh: bool, make_users: MakeUsers, tmp_path: Path
) -> None:
    users = make_users(16, fresh)
    agent = make(kind, users, form=form).learn(320)
    agent.save(tmp_path / "agent")
    loaded = kind[0].load(tmp_path / "agent", SlateVecEnv(make_users(16, fresh)))
    seen = make_users(16, fresh).reset(9)
    ours, theirs = (one.act(seen, np.random.default_rng(1)) for one in (agent, loaded))
    np.testing.assert_array_equal(ours.slates, theirs.slates)
    np.testing.assert_array_equal(ours.log_probs, theirs.log_probs)
    assert all(map(torch.equal, parameters(agent), parameters(loaded)))
    assert (loaded.config, loaded.num_timesteps) == (agent.config, 320)
    loaded.learn(64)


def test_the_weight_of_entropy_is_saved(make_users: MakeUsers, tmp_path: Path) -> None:
    agent = make(AGENTS[1], make_users(16)).learn(800)
    agent.save(tmp_path / "agent")
    loaded = WolpertingerSAC.load(tmp_path / "agent", SlateVecEnv(make_users(16)))
    assert loaded.entropy_weight == pytest.approx(agent.entropy_weight, rel=1e-6)
    assert loaded.entropy_weight != pytest.approx(agent.config.entropy, rel=1e-3)


@every_agent
def test_foreign_and_damaged_files_are_refused(
    kind: Any, make_users: MakeUsers, tmp_path: Path
) -> None:
    make(kind, make_users(4)).save(tmp_path / "agent")
    with pytest.raises(ModelFileError, match=f"holds a {kind[0].__name__}, not a SlateQ"):
        SlateQ.load(tmp_path / "agent", SlateVecEnv(make_users(4)))
    with pytest.raises(ModelFileError, match="was made for"):
        kind[0].load(tmp_path / "agent", SlateVecEnv(make_users(4, n_items=13)))
    arrays = tmp_path / "agent" / "arrays.safetensors"
    arrays.write_bytes(arrays.read_bytes()[:-10])
    with pytest.raises(ModelFileError, match="damaged"):
        kind[0].load(tmp_path / "agent", SlateVecEnv(make_users(4)))


@every_agent
def test_it_goes_on_with_other_users_of_the_same_items_only(
    kind: Any, make_users: MakeUsers
) -> None:
    agent = make(kind, make_users(4)).learn(80)
    agent.set_env(SlateVecEnv(make_users(4), 5))
    agent.learn(80, reset_num_timesteps=False)
    assert agent.num_timesteps == 160
    with pytest.raises(CatalogueMismatchError):
        agent.set_env(SlateVecEnv(make_users(4, catalogue_seed=1)))


@every_agent
def test_predictions_are_slates(kind: Any, make_users: MakeUsers) -> None:
    users = make_users(6)
    agent, seen = make(kind, users), users.reset(1)
    together = agent.predict(seen, deterministic=True)[0]
    alone = agent.predict({key: array[0] for key, array in seen.items()}, deterministic=True)[0]
    np.testing.assert_array_equal(together, agent.act(seen, np.random.default_rng(0), True).slates)
    np.testing.assert_array_equal(alone, together[0])


def test_it_needs_to_know_something_of_the_items(make_users: MakeUsers) -> None:
    users = make_users(4)
    with pytest.raises(ConfigError, match="for each of the 12 items"):
        make(AGENTS[0], users, item_factors=np.ones((3, 2), np.float32))
    with pytest.raises(ConfigError, match="something known of the items"):
        make(AGENTS[0], users, item_factors=np.zeros((12, 2), np.float32))


# Two tastes, two items, one shown at a time: each user likes one.

TASTES: dict[str, Any] = {
    "hidden": 32,
    "batch_size": 64,
    "discount": 0.9,
    "value_scale": 8.0,
    "target_rate": 0.02,
    "learning_starts": 500,
    "n_nearest": 2,
    "exploration": 0.1,
}
BOTH = {"user": np.eye(2, dtype=np.float32), "last_response": np.zeros((2, 1, 2), np.float32)}


@pytest.fixture(scope="module")
def tastes_log() -> InteractionLog:
    users = UserSimulator(two_tastes(), 100)
    return InteractionLog.record(RandomPolicy(2, 1), users, 6_000, seed=1)


def check_optimal(agent: Wolpertinger) -> None:
    """Check that both kinds get what they like, and the return is the best there is."""
    assert agent.predict(BOTH, deterministic=True)[0].tolist() == [[0], [1]]
    n_users, taken = 2_000, 1.0 / (1.0 + np.exp(-LIKED))  # against nothing, whose score is 0
    spread = MINUTES * np.sqrt(N_STEPS * taken * (1 - taken) / n_users)
    found = mean_return(agent, two_tastes(), n_users).value
    assert abs(found - N_STEPS * MINUTES * taken) < 5 * spread  # 5 standard errors


@every_agent
@every_form
def test_it_learns_from_a_random_log_what_each_taste_likes(
    kind: Any, form: str, tastes_log: InteractionLog
) -> None:
    users = UserSimulator(two_tastes(), 50)
    check_optimal(make(kind, users, **{**TASTES, "form": form}).pretrain(tastes_log, 600))


@every_agent
@every_form
def test_it_learns_by_interaction_what_each_taste_likes(kind: Any, form: str) -> None:
    users = UserSimulator(two_tastes(), 50)
    check_optimal(make(kind, users, **{**TASTES, "form": form}).learn(10_000))
