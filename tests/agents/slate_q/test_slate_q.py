"""SlateQ: the contract of a policy, and what an update does."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from rlrec.agents import RandomPolicy, SlateQ, SlateQConfig
from rlrec.agents.replay import SlateBatch
from rlrec.agents.slate_value import best_slates
from rlrec.data import InteractionLog, LogMetadata
from rlrec.envs.sb3 import SlateVecEnv
from rlrec.errors import (
    CatalogueMismatchError,
)
from rlrec.policy import SlatePolicy
from rlrec.simulation import Simulator
from rlrec.slates import repeated_slots
from rlrec.testing import POLICY_CHECKS

MakeAgent = Callable[..., SlateQ]
MakeUsers = Callable[..., Any]
SETTINGS: dict[str, Any] = {"hidden": 16, "item_size": 4, "batch_size": 32}


def parameters(agent: SlateQ) -> dict[str, NDArray[Any]]:
    return {key: value.numpy().copy() for key, value in agent.policy.state_dict().items()}


def seen_by(users: Simulator, n_steps: int = 8, seed: int = 3) -> dict[str, NDArray[Any]]:
    """Return observations some random steps into the visits."""
    observations, rng = users.reset(seed), np.random.default_rng(seed)
    random = RandomPolicy(users.n_choices, users.slate_size)
    for _ in range(n_steps):
        observations = users.step(random.act(observations, rng).slates).observations
    return dict(observations)


# What every slate policy must keep


@pytest.mark.parametrize("exploration", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("fresh", [False, True], ids=["catalogue", "fresh documents"])
@pytest.mark.parametrize("check", POLICY_CHECKS, ids=lambda check: check.__name__)
def test_policy_contract(
    check: Callable[[SlatePolicy, Simulator], None],
    fresh: bool,
    exploration: float,
    make_agent: MakeAgent,
    make_users: MakeUsers,
) -> None:
    arguments: dict[str, int] = {} if fresh else {"n_items": 7}  # few enough to sum over all slates
    users = make_users(20, fresh, **arguments)
    check(make_agent(users, exploration_end=exploration), users.with_users(20))


def test_log_probs_are_finite_where_a_random_slate_is_rarer_than_any_float(
    make_users: MakeUsers, make_agent: MakeAgent
) -> None:
    users = make_users(3, n_items=400, slate_size=200)  # one slate in about 1e500
    agent = make_agent(users, exploration_end=1.0)
    draw = agent.act(seen_by(users, 1), np.random.default_rng(0))
    assert np.isfinite(draw.log_probs).all()
    assert draw.log_probs.sum(axis=1).max() < -1000


def test_one_observation_and_a_batch_are_predicted_as_in_stable_baselines(
    make_agent: MakeAgent, make_users: MakeUsers
) -> None:
    agent, observations = make_agent(), seen_by(make_users())
    slates, state = agent.predict(observations)
    assert state is None and slates.shape == (16, 3)
    np.testing.assert_array_equal(slates, agent.predict(observations, deterministic=True)[0])
    single, _ = agent.predict({key: array[4] for key, array in observations.items()})
    assert single.shape == (3,) and agent.action_space.contains(single)
    np.testing.assert_array_equal(single, slates[4])
    best = agent.act(observations, np.random.default_rng(0), deterministic=True).slates
    np.testing.assert_array_equal(best, slates)


def test_many_users_are_served_in_blocks_as_all_at_once(
    make_agent: MakeAgent, make_users: MakeUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, observations = make_agent(), seen_by(make_users(50))
    whole = agent.act(observations, np.random.default_rng(0), deterministic=True).slates
    monkeypatch.setattr("rlrec.agents.serving._BLOCK", 7)
    parts = agent.act(observations, np.random.default_rng(0), deterministic=True).slates
    np.testing.assert_array_equal(parts, whole)


def test_exploring_shows_whole_random_slates_or_the_best_one(
    make_agent: MakeAgent, make_users: MakeUsers
) -> None:
    n = 4000
    users = make_users(n, n_items=40)
    agent = make_agent(users, exploration_start=0.3)
    agent._last_obs = seen_by(users)
    slates, _ = agent._sample_action(0, n_envs=n)
    best = agent.predict(agent._last_obs)[0]
    assert not repeated_slots(slates).any()
    same = slates == best
    explored = ~same.all(axis=1)
    # 5 standard errors; a random slate is the best one by chance once in 59,280
    assert abs(explored.mean() - 0.3) < 5 * np.sqrt(0.3 * 0.7 / n)
    # slots of random slates agree with the best by chance only, once in 40
    agreeing, n_slots = same[explored].mean(), 3 * explored.sum()
    assert abs(agreeing - 1 / 40) < 5 * np.sqrt(1 / 40 / n_slots)


def test_exploration_shrinks_over_the_first_part_of_learning(make_agent: MakeAgent) -> None:
    agent = make_agent(exploration_start=0.9, exploration_end=0.1, exploration_share=0.5)
    agent._total_timesteps = 1000
    shares = []
    for agent.num_timesteps in (0, 250, 500, 1000):
        shares.append(agent._exploration_now())
    np.testing.assert_allclose(shares, [0.9, 0.5, 0.1, 0.1])


def test_after_pretraining_exploration_is_low_from_the_start(
    make_agent: MakeAgent, log: InteractionLog
) -> None:
    agent = make_agent(exploration_end=0.07).pretrain(log, 2)
    agent._total_timesteps = 1000
    assert agent._exploration_now() == 0.07


def test_exploration_that_never_shrinks_slowly_does_not_divide_by_zero(
    make_agent: MakeAgent,
) -> None:
    make_agent(exploration_share=0.0).learn(160)


def test_slates_are_found_where_an_item_is_all_but_certain_to_be_taken(
    make_agent: MakeAgent, make_users: MakeUsers
) -> None:
    agent, observations = make_agent(), seen_by(make_users())
    with torch.no_grad():
        agent.policy.choice.item_bias.weight.mul_(1e4)
    seen = {key: torch.from_numpy(array) for key, array in observations.items()}
    slates, values = agent.policy.best_slates(agent.policy.target, seen, 4)
    assert values.isfinite().all()
    assert not repeated_slots(slates.numpy()).any()


# Learning


@pytest.mark.parametrize("fresh", [False, True], ids=["catalogue", "fresh documents"])
def test_it_pretrains_then_learns(
    fresh: bool, make_agent: MakeAgent, log: InteractionLog, fresh_log: InteractionLog
) -> None:
    told: list[tuple[int, int]] = []
    agent = make_agent(fresh=fresh)
    before = parameters(agent)
    again = agent.pretrain(
        fresh_log if fresh else log, 100, progress=lambda n, of: told.append((n, of))
    )
    assert again is agent and agent.n_pretraining_updates == 100
    assert told == [(100, 100)]
    pretrained = parameters(agent)
    assert agent.learn(640) is agent
    assert agent.num_timesteps == 640 and agent._n_updates > 0
    learned = parameters(agent)
    for part in ("values", "target", "choice"):
        name = f"{part}.query.0.weight"
        assert (before[name] != pretrained[name]).any()
        assert (pretrained[name] != learned[name]).any()
    assert all(np.isfinite(array).all() for array in learned.values())


def test_pretraining_ends_with_the_slow_copy_made_equal(
    make_agent: MakeAgent, log: InteractionLog
) -> None:
    trained = parameters(make_agent().pretrain(log, 5))
    for key, array in trained.items():
        if key.startswith("values."):
            np.testing.assert_array_equal(array, trained[key.replace("values.", "target.")])


def test_it_learns_from_scratch_on_one_user_of_gymnasium() -> None:
    env = gym.make("rlrec/InterestEvolution-v0", n_items=12, slate_size=3)
    agent = SlateQ(env, SlateQConfig(**SETTINGS, learning_starts=20), seed=0)
    assert agent.catalogue is not None and agent.catalogue.n_items == 12
    agent.learn(96)
    assert agent._n_updates == 5  # one for each 16 transitions, once 20 are there


def test_updates_are_as_many_for_each_transition_whatever_the_number_of_users(
    make_agent: MakeAgent, make_users: MakeUsers
) -> None:
    for n_users in (1, 4, 64):
        agent = make_agent(make_users(n_users), updates_per_transition=0.125, learning_starts=0)
        assert agent.learn(192)._n_updates == 24


def test_learning_starts_when_enough_is_seen(make_agent: MakeAgent) -> None:
    agent = make_agent(learning_starts=160)
    before = parameters(agent)
    agent.learn(160)
    assert agent._n_updates == 0
    agent.learn(160, reset_num_timesteps=False)
    assert agent._n_updates == 10
    assert (parameters(agent)["values.query.0.weight"] != before["values.query.0.weight"]).any()


@pytest.mark.parametrize("fresh", [False, True], ids=["catalogue", "fresh documents"])
def test_the_same_seed_trains_the_same_agent_bit_for_bit(
    fresh: bool, make_agent: MakeAgent, log: InteractionLog, fresh_log: InteractionLog
) -> None:
    def trained(seed: int) -> dict[str, NDArray[Any]]:
        agent = make_agent(seed=seed, fresh=fresh).pretrain(fresh_log if fresh else log, 20)
        return parameters(agent.learn(400))

    one, again, other = trained(5), trained(5), trained(6)
    assert all((one[key] == again[key]).all() for key in one)
    assert (one["values.query.0.weight"] != other["values.query.0.weight"]).any()


def test_visits_end_where_learning_starts_anew_but_not_where_it_goes_on(
    make_agent: MakeAgent,
) -> None:
    agent = make_agent().learn(16 * 5)
    buffer: Any = agent.replay_buffer
    agent.learn(16 * 5, reset_num_timesteps=False)
    assert not buffer.dones[4].any()  # visits of 200 minutes outlast ten steps
    agent.learn(16 * 5)
    assert buffer.pos == 15
    assert buffer.dones[9].all() and buffer.timeouts[9].all()
    assert not buffer.dones[10:15].any()


def test_other_users_of_the_same_items_may_follow(
    make_agent: MakeAgent, make_users: MakeUsers
) -> None:
    agent = make_agent().learn(160)
    agent.set_env(SlateVecEnv(make_users(), seed=9))
    agent.learn(160)
    other = SlateVecEnv(make_users(catalogue_seed=1))
    with pytest.raises(CatalogueMismatchError, match="knows the items of catalogue"):
        agent.set_env(other)


def hand_made_batch(agent: SlateQ, users: Simulator, next_discounts: list[float]) -> SlateBatch:
    """Return four transitions, of which each leads to another user's situation."""
    seen = {key: torch.from_numpy(array[:8]) for key, array in seen_by(users).items()}
    return SlateBatch(
        {key: array[:4] for key, array in seen.items()},
        torch.tensor([[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]),
        torch.tensor([0, 2, 3, 3]),
        torch.tensor([[1.0, 0, 0], [0, 0, 1.0], [0, 0, 0], [0, 0, 0]]),
        torch.tensor([4.0, 4.0, 0.0, 0.0]),
        {key: array[4:] for key, array in seen.items()},
        torch.tensor(next_discounts),
        torch.tensor([[1, 2, 3], [4, 5, 6], [7, 8, 9], [-1, -1, -1]]),
    )


def best_values(agent: SlateQ, observations: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return the value of the best slate of each user under the slow copy, in units of return."""
    with torch.no_grad():
        choice, values = agent.policy.choice(observations), agent.policy.target(observations)
        _, best = best_slates(
            choice.of_all().exp(), values.of_all(), choice.nothing.exp(), values.nothing, 3, 10
        )
    return best * agent.config.value_scale


def test_targets_follow_from_the_next_situation_not_from_this_one(
    make_agent: MakeAgent, make_users: MakeUsers, log: InteractionLog
) -> None:
    agent = make_agent(target_rounds=10).pretrain(log, 50)
    batch = hand_made_batch(agent, make_users(), [0.9, 0.5, 0.9, 0.9])
    targets = agent._targets(batch)
    following = best_values(agent, batch.next_observations)
    torch.testing.assert_close(targets, batch.rewards + batch.next_discounts * following)
    current = best_values(agent, batch.observations)
    assert ((targets - batch.rewards - batch.next_discounts * current).abs() > 0.1).all()


def test_targets_of_those_who_left_are_their_rewards(
    make_agent: MakeAgent, make_users: MakeUsers
) -> None:
    agent = make_agent()
    batch = hand_made_batch(agent, make_users(), [0.9, 0.0, 0.9, 0.0])
    targets = agent._targets(batch)
    assert targets[1] == 4.0 and targets[3] == 0.0
    assert targets[0] != 4.0 and targets[2] != 0.0
    everyone_left = batch._replace(next_discounts=torch.zeros(4))
    torch.testing.assert_close(agent._targets(everyone_left), batch.rewards)


def test_targets_come_from_the_slow_copy(make_agent: MakeAgent, make_users: MakeUsers) -> None:
    agent = make_agent()
    batch = hand_made_batch(agent, make_users(), [1.0] * 4)
    before = agent._targets(batch)
    with torch.no_grad():
        for parameter in agent.policy.values.parameters():
            parameter.add_(1.0)
    torch.testing.assert_close(agent._targets(batch), before)
    agent.policy.target.load_state_dict(agent.policy.values.state_dict())
    assert (agent._targets(batch) - before).abs().max() > 1.0


def test_one_update_moves_what_was_taken_towards_its_target(
    make_agent: MakeAgent, make_users: MakeUsers
) -> None:
    agent = make_agent(value_scale=10.0, learning_rate=0.01)
    batch = hand_made_batch(agent, make_users(), [0.0] * 4)
    before = parameters(agent)
    losses = [agent._update(batch, target_rate=0.5) for _ in range(150)]
    after = parameters(agent)
    for name in ("values.query.0.weight", "choice.query.0.weight", "target.query.0.weight"):
        assert (before[name] != after[name]).any()
    for name, first in losses[0].items():
        assert losses[-1][name] < 0.1 * first
    with torch.no_grad():
        values = agent.policy.values(batch.observations)
        taken = 10.0 * values.of_all()[[0, 1], [0, 5]]
        nothing = 10.0 * values.nothing[2:]
    torch.testing.assert_close(taken, torch.full((2,), 4.0), atol=0.5, rtol=0.0)
    torch.testing.assert_close(nothing, torch.zeros(2), atol=0.5, rtol=0.0)


def test_the_slow_copy_follows_by_its_rate(make_agent: MakeAgent, make_users: MakeUsers) -> None:
    agent = make_agent()
    before = parameters(agent)
    agent._update(hand_made_batch(agent, make_users(), [1.0] * 4), target_rate=0.25)
    after = parameters(agent)
    name = "query.0.weight"
    expected = 0.75 * before[f"target.{name}"] + 0.25 * after[f"values.{name}"]
    np.testing.assert_allclose(after[f"target.{name}"], expected, atol=1e-7)


@pytest.mark.parametrize("learns_nothing", [True, False])
def test_taking_nothing_has_a_value_of_its_own_unless_it_is_fixed(
    learns_nothing: bool, make_agent: MakeAgent, make_users: MakeUsers
) -> None:
    agent = make_agent(learns_nothing=learns_nothing, value_scale=10.0)
    batch = hand_made_batch(agent, make_users(), [0.0] * 4)
    batch = batch._replace(rewards=torch.full((4,), 20.0))
    for _ in range(200):
        agent._update(batch, target_rate=1.0)
    with torch.no_grad():
        nothing = agent.policy.null_value(agent.policy.values(batch.observations))
    assert (nothing[2:] > 1.0).all() if learns_nothing else (nothing == 0).all()


def test_blank_slots_teach_the_choice_model_nothing(
    make_agent: MakeAgent, make_users: MakeUsers
) -> None:
    agent, users = make_agent(), make_users()
    batch = hand_made_batch(agent, users, [0.0] * 4)
    repeated = batch._replace(slates=torch.tensor([[5, 5, 5]] * 4), choices=torch.tensor([0] * 4))
    loss = agent._update(repeated, target_rate=0.1)["choice_loss"]
    fresh = make_agent()
    with torch.no_grad():
        choice = fresh.policy.choice(batch.observations)
        odds = choice.of_all()[:, 5] - choice.nothing
    assert loss == pytest.approx(torch.nn.functional.softplus(-odds).mean().item(), rel=1e-5)


def test_a_remembered_log_makes_its_share_of_each_batch(
    make_agent: MakeAgent, log: InteractionLog
) -> None:
    agent = make_agent(log_share=0.25)
    agent.remember(log)
    agent.learn(400)
    buffer = agent.replay_buffer
    assert buffer is not None
    buffer.rewards[:] = 1000.0
    batch = agent._sample(80)
    assert (batch.rewards[:60] >= 1000).all() and (batch.rewards[60:] < 1000).all()
    agent._logged = None
    assert (agent._sample(80).rewards >= 1000).all()


def test_a_remembered_log_changes_what_is_learned(
    make_agent: MakeAgent, log: InteractionLog
) -> None:
    without, with_log, unused = make_agent(), make_agent(), make_agent(log_share=0.0)
    with_log.remember(log)
    unused.remember(log)
    name = "values.query.0.weight"
    learned = [parameters(agent.learn(320))[name] for agent in (without, with_log, unused)]
    assert (learned[0] != learned[1]).any()
    np.testing.assert_array_equal(learned[0], learned[2])


def test_learning_after_pretraining_takes_smaller_steps(
    make_agent: MakeAgent, log: InteractionLog
) -> None:
    scratch = make_agent(learning_rate=0.01, finetuning_rate=0.3)
    scratch.learn(320)
    assert scratch.policy.optimizer.param_groups[0]["lr"] == pytest.approx(0.01)
    pretrained = make_agent(learning_rate=0.01, finetuning_rate=0.3).pretrain(log, 10)
    pretrained.learn(320)
    assert pretrained.policy.optimizer.param_groups[0]["lr"] == pytest.approx(0.003)


def test_visits_of_a_log_are_told_apart_where_their_numbers_repeat(make_agent: MakeAgent) -> None:
    def row(channel: float) -> list[float]:
        return [channel, 0.0, 0.0]

    columns = {  # two users, whose visits are both called 0
        "user_id": np.array([1, 1, 2, 2]),
        "episode_id": np.zeros(4, np.int64),
        "step": np.array([0, 1, 0, 1]),
        "slate": np.tile([0, 1, 2], (4, 1)),
        "response.click": np.array([row(1), row(0), row(1), row(1)]),
        "response.watch_time": np.array([row(4), row(0), row(4), row(4)]),
        "reward": np.array([4.0, 0.0, 40.0, 400.0]),
        "terminated": np.array([False, True, False, True]),
        "truncated": np.zeros(4, bool),
    }
    metadata = LogMetadata(slate_size=3, response_channels=("click", "watch_time"))
    transitions = make_agent().remember(InteractionLog.from_columns(columns, metadata))
    returns = transitions.sample(200, np.random.default_rng(0), None).rewards
    assert set(returns.tolist()) == {4.0, 0.0, 440.0, 400.0}
