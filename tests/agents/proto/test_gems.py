"""GeMS: the contract of a policy, the latent space of slates, a world whose optimum is known."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rlrec.agents import GeMS, GeMSConfig, RandomPolicy
from rlrec.data import InteractionLog
from rlrec.envs import UserSimulator
from rlrec.envs.sb3 import SlateVecEnv
from rlrec.errors import CatalogueMismatchError, ConfigError
from rlrec.policy import SlatePolicy
from rlrec.simulation import Simulator
from rlrec.testing import POLICY_CHECKS
from tests.agents.test_known_answers import (
    DISCOUNT,
    LIKED,
    MAX_STEPS,
    MINUTES,
    N_STEPS,
    SLATES,
    every_mood,
    exact_values,
    mean_return,
    moods,
    two_tastes,
)

MakeUsers = Callable[..., UserSimulator]
SMALL: dict[str, Any] = {
    "hidden": 16,
    "coder_hidden": 16,
    "latent_size": 4,
    "item_size": 8,
    "batch_size": 32,
    "coder_batch_size": 32,
    "buffer_size": 1600,
    "learning_starts": 64,
    "exploration": 0.2,
}


def make(users: UserSimulator, seed: int = 0, **settings: Any) -> GeMS:
    """Return a small agent."""
    return GeMS(SlateVecEnv(users, seed), GeMSConfig(**{**SMALL, **settings}), seed=seed)


def parameters(agent: GeMS) -> list[torch.Tensor]:
    both = (*agent.policy.state_dict().values(), *agent.coder.state_dict().values())
    return [value.clone() for value in both]


@pytest.mark.parametrize("fresh", [False, True], ids=["catalogue", "fresh documents"])
@pytest.mark.parametrize("check", POLICY_CHECKS, ids=lambda check: check.__name__)
def test_policy_contract(
    check: Callable[[SlatePolicy, Simulator], None], fresh: bool, make_users: MakeUsers
) -> None:
    arguments: dict[str, int] = {} if fresh else {"n_items": 7}
    users = make_users(20, fresh, **arguments)
    check(make(users), users.with_users(20))


def test_learning_without_a_latent_space_is_refused(make_users: MakeUsers) -> None:
    with pytest.raises(ConfigError, match=r"call pretrain\(log\) before learn"):
        make(make_users(4)).learn(40)


@pytest.mark.parametrize("fresh", [False, True], ids=["catalogue", "fresh documents"])
def test_a_saved_agent_acts_alike_and_goes_on(
    fresh: bool,
    make_users: MakeUsers,
    log: InteractionLog,
    fresh_log: InteractionLog,
    tmp_path: Path,
) -> None:
    agent = make(make_users(16, fresh)).pretrain(fresh_log if fresh else log, 20).learn(320)
    agent.save(tmp_path / "agent")
    loaded = GeMS.load(tmp_path / "agent", SlateVecEnv(make_users(16, fresh)))
    seen = make_users(16, fresh).reset(9)
    ours, theirs = (one.act(seen, np.random.default_rng(1)) for one in (agent, loaded))
    np.testing.assert_array_equal(ours.slates, theirs.slates)
    np.testing.assert_array_equal(ours.log_probs, theirs.log_probs)
    assert all(map(torch.equal, parameters(agent), parameters(loaded)))
    assert loaded.entropy_weight == pytest.approx(agent.entropy_weight, rel=1e-6)
    assert loaded.n_pretraining_updates == 20
    loaded.learn(64)


def test_a_log_of_other_items_is_refused(make_users: MakeUsers) -> None:
    log = InteractionLog.record(RandomPolicy(12, 3), make_users(50, catalogue_seed=1), 500)
    with pytest.raises(CatalogueMismatchError, match="recorded with the catalogue"):
        make(make_users(4)).pretrain(log, 1)


def test_the_decoder_is_left_as_it_is_by_learning(
    make_users: MakeUsers, log: InteractionLog
) -> None:
    agent = make(make_users(16)).pretrain(log, 20)
    before = [value.clone() for value in agent.coder.state_dict().values()]
    actor = [value.clone() for value in agent.actor.state_dict().values()]
    agent.learn(320)
    assert all(map(torch.equal, before, agent.coder.state_dict().values()))
    assert not all(map(torch.equal, actor, agent.actor.state_dict().values()))


def test_slates_of_the_log_are_found_in_the_box_of_actions(make_users: MakeUsers) -> None:
    users = make_users(100)
    log = InteractionLog.record(RandomPolicy(12, 3), users, 4_000, seed=1)
    agent = make(
        users,
        coder_hidden=64,
        latent_size=12,
        item_size=16,
        divergence_weight=0.01,
        coder_learning_rate=3e-3,
        coder_batch_size=128,
    ).pretrain(log, 1_000)
    batch = agent.transitions_of(log, 0.9).sample(500, np.random.default_rng(0), 1)
    responded = (batch.responses > 0).float()
    latent, _ = agent.coder.encode(batch.observations, batch.slates, responded)
    actions = (latent - agent.coder.centre) / agent.coder.width
    assert (actions.abs() <= 1.0).float().mean() > 0.999
    assert torch.allclose(agent.coder.latent_of(actions), latent, atol=1e-5)
    found = agent.coder.slates(batch.observations, latent)
    # 1,320 slates of which the log has 4,000 draws; a slot guessed at random is right 1 in 12
    assert (found == batch.slates).float().mean() > 0.9
    assert (found.sort(dim=1).values.diff(dim=1) > 0).all()


def test_the_latent_is_drawn_with_the_standard_deviation(make_users: MakeUsers) -> None:
    agent = make(make_users(4))
    seen = {key: torch.as_tensor(array) for key, array in make_users(4).reset(0).items()}
    slates, responded = torch.tensor([[0, 1, 2]] * 4), torch.zeros(4, 3)
    mean, log_variance = agent.coder.encode(seen, slates, responded)
    losses = agent.coder.losses(seen, slates, responded, torch.zeros_like(mean))
    normal = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    standard = torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))
    expected = torch.distributions.kl_divergence(normal, standard).sum(dim=1).mean()
    torch.testing.assert_close(losses.divergence, expected)
    noise = torch.full_like(mean, 2.0)
    drawn = mean + 2.0 * (0.5 * log_variance).exp()
    logits = agent.coder._decode(agent.coder._offered(seen), drawn)[0]
    items = torch.nn.functional.cross_entropy(logits.flatten(0, 1), slates.flatten())
    torch.testing.assert_close(agent.coder.losses(seen, slates, responded, noise).items, items)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"latent_size": 0}, "latent_size of GeMS must be a whole number of 1 or more, got 0"),
        ({"divergence_weight": -1.0}, "divergence_weight of GeMS must be 0 or more"),
        ({"exploration": 2.0}, r"exploration of GeMS must lie in 0\.\.1"),
        ({"target_entropy": float("nan")}, "target_entropy of GeMS must be finite"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        GeMSConfig(**settings)


def test_it_learns_what_each_of_two_tastes_likes() -> None:
    users = UserSimulator(two_tastes(), 100)
    log = InteractionLog.record(RandomPolicy(2, 1), users, 4_000, seed=1)
    agent = make(
        UserSimulator(two_tastes(), 50),
        hidden=32,
        latent_size=2,
        batch_size=64,
        value_scale=8.0,
        target_rate=0.02,
        learning_starts=500,
        buffer_size=10_000,
    )
    agent.pretrain(log, 500).learn(10_000)
    both = {"user": np.eye(2, dtype=np.float32), "last_response": np.zeros((2, 1, 2), np.float32)}
    assert agent.predict(both, deterministic=True)[0].tolist() == [[0], [1]]
    n_users, taken = 2_000, 1.0 / (1.0 + np.exp(-LIKED))  # against nothing, whose score is 0
    spread = MINUTES * np.sqrt(N_STEPS * taken * (1 - taken) / n_users)
    found = mean_return(agent, two_tastes(), n_users).value
    assert abs(found - N_STEPS * MINUTES * taken) < 5 * spread  # 5 standard errors


def test_it_learns_to_look_ahead() -> None:
    users = UserSimulator(moods(MAX_STEPS), 200)
    log = InteractionLog.record(RandomPolicy(3, 2), users, 20_000, seed=1)
    agent = make(
        UserSimulator(moods(MAX_STEPS), 50),
        discount=DISCOUNT,
        hidden=32,
        latent_size=3,
        coder_hidden=128,
        item_size=32,
        batch_size=128,
        coder_batch_size=256,
        value_scale=8.0,
        target_rate=0.02,
        learning_starts=1_000,
        buffer_size=100_000,
    )
    agent.pretrain(log, 1_000).learn(15_000)
    slates = agent.best_slates(every_mood()).sort(dim=1).values.numpy()
    exact = exact_values().slates
    shown = (slates[:, None] == SLATES).all(axis=2).argmax(axis=1)
    lost = exact.max(axis=1) - np.take_along_axis(exact, shown[:, None], axis=1)[:, 0]
    # Any other slate loses 0.6 or more, up to 16, in the three worst moods; near 0.3 in the next
    assert lost.max() < 0.5


def test_visits_cut_off_by_a_time_limit_go_on_in_targets() -> None:
    users = UserSimulator(replace(two_tastes(), max_steps=3), 8)
    log = InteractionLog.record(RandomPolicy(2, 1), UserSimulator(two_tastes(), 50), 500, seed=1)
    agent = make(users).pretrain(log, 1).learn(80)
    buffer = agent.replay_buffer
    assert buffer is not None
    assert buffer.dones[:10].sum() > 0  # each a time limit: nobody ran out of the ten steps of time
    assert (buffer.sample(500).dones == 0.0).all()
