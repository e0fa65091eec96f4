"""SlatePPO: the contract of a policy, what updates do, and worlds whose optimum is known."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from rlrec.agents import RandomPolicy, SlatePPO, SlatePPOConfig
from rlrec.agents.slate_rollouts import SlateRollout, SlateRolloutBuffer
from rlrec.data import InteractionLog
from rlrec.envs import UserSimulator, make_simulator
from rlrec.envs.sb3 import SlateVecEnv
from rlrec.errors import ConfigError, ModelFileError
from rlrec.evaluation import rollout
from rlrec.policy import SlatePolicy
from rlrec.simulation import Simulator
from rlrec.testing import POLICY_CHECKS

MakeUsers = Callable[..., UserSimulator]
SMALL: dict[str, Any] = {"hidden": 16, "item_size": 4, "n_transitions": 128, "batch_size": 64}


def make(users: UserSimulator, seed: int = 0, **config: Any) -> SlatePPO:
    """Return a small agent, with noise in its networks so that it tells items apart."""
    agent = SlatePPO(SlateVecEnv(users, seed), SlatePPOConfig(**{**SMALL, **config}), seed=seed)
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in agent.policy.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=source))
    return agent


@pytest.mark.parametrize("topic_aware", [False, True])
@pytest.mark.parametrize("fresh", [False, True], ids=["catalogue", "fresh documents"])
@pytest.mark.parametrize("check", POLICY_CHECKS, ids=lambda check: check.__name__)
def test_policy_contract(
    check: Callable[[SlatePolicy, Simulator], None],
    fresh: bool,
    topic_aware: bool,
    make_users: MakeUsers,
) -> None:
    arguments: dict[str, int] = {} if fresh else {"n_items": 7}
    users = make_users(20, fresh, **arguments)
    check(make(users, topic_aware=topic_aware), users.with_users(20))


def test_an_untrained_agent_shows_random_slates(make_users: MakeUsers) -> None:
    users = make_users(6)
    agent = SlatePPO(SlateVecEnv(users, 0), SlatePPOConfig(**SMALL), seed=0)
    observations = users.reset(0)
    draw = agent.act(observations, np.random.default_rng(0))
    uniform = RandomPolicy(12, 3).log_probs(observations, draw.slates)
    np.testing.assert_allclose(draw.log_probs, uniform, atol=1e-6)


def test_what_it_collects_are_its_own_probabilities_and_the_responses(
    make_users: MakeUsers,
) -> None:
    agent = make(make_users(16))
    agent.learn(128)
    buffer = agent.rollout_buffer
    assert isinstance(buffer, SlateRolloutBuffer)
    whole = buffer.tensors()
    assert whole.log_probs.shape == (128, 3) and whole.responses.shape == (128, 3)
    rewards = torch.as_tensor(buffer.rewards.reshape(-1))
    known = whole.is_known
    assert 0 < known.sum() < len(known) or known.all()
    # interest evolution pays minutes for a watched video, nothing without a click
    assert ((whole.responses.sum(dim=1) > 0) == (rewards > 0))[known].all()


@pytest.mark.parametrize("clipping", ["slot", "slate"])
@pytest.mark.parametrize("credit", ["own", "onward", "slate"])
def test_updates_of_every_kind_stay_finite(
    clipping: str, credit: str, make_users: MakeUsers
) -> None:
    agent = make(make_users(16), clipping=clipping, credit=credit).learn(256)
    assert all(torch.isfinite(parameter).all() for parameter in agent.policy.parameters())
    assert agent._n_updates > 0


def test_credit_takes_away_what_other_slots_brought(make_users: MakeUsers) -> None:
    agents = {credit: make(make_users(16), credit=credit).learn(128) for credit in ("own", "slate")}
    whole = agents["own"].rollout_buffer.tensors()
    surprise = whole.responses - agents["own"]._expected_responses(whole)
    surprise *= whole.is_known[:, None]
    raw = whole.advantages[:, None] - (surprise.sum(dim=1, keepdim=True) - surprise)
    expected = (raw - raw.mean()) / raw.std()
    torch.testing.assert_close(agents["own"]._credits(whole), expected, atol=1e-5, rtol=1e-4)
    same = agents["slate"]._credits(whole)
    assert (same == same[:, :1]).all()


def test_updates_stop_before_a_step_that_goes_too_far(make_users: MakeUsers) -> None:
    tight = make(make_users(16), stop_kl=1e-12, learning_rate=1e-2, n_epochs=4).learn(128)
    loose = make(make_users(16), stop_kl=10.0, learning_rate=1e-2, n_epochs=4).learn(128)
    assert tight._n_updates == 1 and loose._n_updates == 8  # 128 transitions in batches of 64


def test_pretraining_imitates_the_log(make_users: MakeUsers) -> None:
    users = make_users(100)

    class Fixed:
        """Mostly shows items 3, 4 and 5."""

        logits = np.where(np.isin(np.arange(12), (3, 4, 5)), 4.0, 0.0)

        def act(self, observations: Any, rng: np.random.Generator, deterministic: bool = False):  # type: ignore[no-untyped-def]
            from rlrec.slates import sample_plackett_luce

            n = len(observations["last_slate"])
            return sample_plackett_luce(np.tile(self.logits, (n, 1)), 3, rng)

        def log_probs(self, observations: Any, slates: Any) -> Any:
            from rlrec.slates import plackett_luce_log_probs

            return plackett_luce_log_probs(np.tile(self.logits, (len(slates), 1)), slates)

    log = InteractionLog.record(Fixed(), users, 4_000, seed=1)
    agent = make(users, learning_rate=1e-2).pretrain(log, 300)
    observations = users.reset(5)
    shown = agent.act(observations, np.random.default_rng(0)).slates
    assert np.isin(shown, (3, 4, 5)).mean() > 0.65  # the log: 0.91; random slates: 0.25
    assert agent.n_pretraining_updates == 300


def test_a_leash_keeps_it_near_the_pretrained_policy(
    log: InteractionLog, make_users: MakeUsers
) -> None:
    moved = {}
    for leash in (0.0, 100.0):
        agent = make(make_users(16), leash=leash, finetuning_rate=1.0, learning_rate=1e-2)
        agent.pretrain(log, 50)
        users = make_users(200)
        observations = users.reset(1)
        slates = agent.act(observations, np.random.default_rng(0)).slates
        before = agent.log_probs(observations, slates)
        agent.learn(1_024)
        moved[leash] = np.abs(agent.log_probs(observations, slates) - before).mean()
    assert moved[100.0] < 0.5 * moved[0.0]


def test_a_frozen_actor_learns_values_alone(log: InteractionLog, make_users: MakeUsers) -> None:
    agent = make(make_users(16), frozen_actor=1.0, entropy=0.0).pretrain(log, 20)
    actor = [parameter.detach().clone() for parameter in agent.policy.actor.parameters()]
    critic = [parameter.detach().clone() for parameter in agent.policy.critic.parameters()]
    agent.learn(256)
    assert all(map(torch.equal, actor, agent.policy.actor.parameters()))
    assert not all(map(torch.equal, critic, agent.policy.critic.parameters()))


def test_a_share_below_one_round_holds_the_actor_for_the_round_it_begins_in(
    log: InteractionLog, make_users: MakeUsers
) -> None:
    frozen = []
    for share in (0.0, 0.1, 0.4):
        agent = make(make_users(16), frozen_actor=share).pretrain(log, 5)
        told: list[bool] = []
        train = agent.train

        def noted(agent: SlatePPO = agent, told: list[bool] = told, train: Any = train) -> None:
            told.append(agent._is_frozen())
            train()

        agent.train = noted  # type: ignore[method-assign]
        agent.learn(600)  # 5 rounds of 128; 40 % end in the second round
        frozen.append(told)
    assert frozen == [
        [False] * 5,
        [True, False, False, False, False],
        [True, True, False, False, False],
    ]
    agent.learn(600, reset_num_timesteps=False)  # the part of this call of `learn`
    assert told[5:] == frozen[-1][:5]


def test_a_saved_agent_is_loaded_to_the_bit(tmp_path: Path, make_users: MakeUsers) -> None:
    users = make_users(16)
    agent = make(users).learn(128)
    agent.save(tmp_path / "agent")
    loaded = SlatePPO.load(tmp_path / "agent", SlateVecEnv(make_users(16), 0))
    observations = users.reset(9)
    slates = agent.act(observations, np.random.default_rng(1)).slates
    np.testing.assert_array_equal(slates, loaded.act(observations, np.random.default_rng(1)).slates)
    np.testing.assert_array_equal(
        agent.log_probs(observations, slates), loaded.log_probs(observations, slates)
    )
    assert (loaded.num_timesteps, loaded.config) == (agent.num_timesteps, agent.config)
    from rlrec.agents import SlateQ

    with pytest.raises(ModelFileError, match="holds a SlatePPO, not a SlateQ"):
        SlateQ.load(tmp_path / "agent", SlateVecEnv(make_users(16), 0))


def test_a_loaded_agent_is_still_on_its_leash(
    log: InteractionLog, make_users: MakeUsers, tmp_path: Path
) -> None:
    agent = make(make_users(16), leash=100.0, finetuning_rate=1.0, learning_rate=1e-2)
    agent.pretrain(log, 50).save(tmp_path / "agent")
    loaded = SlatePPO.load(tmp_path / "agent", SlateVecEnv(make_users(16), 0))
    users = make_users(200)
    observations = users.reset(1)
    slates = agent.act(observations, np.random.default_rng(0)).slates
    before = loaded.log_probs(observations, slates)
    free = make(make_users(16), finetuning_rate=1.0, learning_rate=1e-2).pretrain(log, 50)
    moved = []
    for one in (loaded, free):
        start = before if one is loaded else one.log_probs(observations, slates)
        one.learn(1_024)
        moved.append(np.abs(one.log_probs(observations, slates) - start).mean())
    assert moved[0] < 0.5 * moved[1]


def test_responses_at_the_ends_of_visits_are_seen(make_users: MakeUsers) -> None:
    agent = make(make_users(16), n_transitions=2_048)
    agent.learn(2_048)
    buffer = agent.rollout_buffer
    assert isinstance(buffer, SlateRolloutBuffer)
    assert (buffer.episode_starts[1:] > 0).any()  # visits ended
    whole = buffer.tensors()
    assert whole.is_known.all()
    rewards = torch.as_tensor(buffer.rewards.reshape(-1))
    assert ((whole.responses.sum(dim=1) > 0) == (rewards > 0)).all()


def test_the_leash_has_the_gradient_of_the_divergence_it_states(make_users: MakeUsers) -> None:
    users = make_users(16, n_items=4, slate_size=2)
    log = InteractionLog.record(RandomPolicy(4, 2), users, 200, seed=1)
    agent = make(users, entropy=0.0, leash=2.0).pretrain(log, 5)
    with torch.no_grad():  # strays far from what was pretrained
        for parameter in agent.policy.parameters():
            parameter.add_(0.5 * torch.randn(parameter.shape, generator=torch.Generator()))
    slates = torch.tensor(list(itertools.permutations(range(4), 2)))
    n = len(slates)
    seen = {
        key: torch.as_tensor(array).expand(n, *array.shape[1:])
        for key, array in users.with_users(1).reset(3).items()
    }
    anchor = agent.further_networks()["anchor"].distribution(seen).log_probs(slates)  # type: ignore[operator]
    logs = agent.policy.distribution(seen).log_probs(slates)
    now = logs.detach()
    assert (now - anchor).abs().max() > 0.5
    chances = now.sum(dim=1).exp()
    whole = SlateRollout(
        seen, slates, now, chances, chances, 0.0 * now, torch.zeros(n, dtype=torch.bool)
    )
    pulls = []
    for leash in (2.0, 0.0):
        agent.leash = leash
        losses = [
            agent._loss(row(whole, number), torch.zeros(1, 2), is_frozen=False)[0]
            for number in range(n)
        ]
        pulls.append((chances * torch.stack(losses)).sum())
    # Divergence of each slot given what stands above, in the mean over slots; what is chosen above
    # is held, so that only the probability of the slot itself moves.
    slots = (logs - now).exp() * (logs - anchor)
    stated = 2.0 * (chances[:, None] * slots).sum() / 2
    weights = list(agent.policy.actor.parameters())
    found, expected = (
        torch.cat([part.flatten() for part in _gradients(value, weights)])
        for value in (pulls[0] - pulls[1], stated)
    )
    assert expected.norm() > 0.01
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)


def _gradients(value: torch.Tensor, weights: list[torch.nn.Parameter]) -> tuple[torch.Tensor, ...]:
    return torch.autograd.grad(value, weights, allow_unused=True, materialize_grads=True)


def row(whole: SlateRollout, number: int) -> SlateRollout:
    """Return one transition of several."""
    seen = {key: values[[number]] for key, values in whole.observations.items()}
    return SlateRollout(seen, *(field[[number]] for field in whole[1:]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"clip": 0.0}, "clip of SlatePPO must be above 0, got 0.0"),
        ({"discount": 1.5}, "discount of SlatePPO must lie in 0..1, got 1.5"),
        ({"credit": "other"}, "credit of SlatePPO must be one of"),
        ({"n_epochs": 0}, "n_epochs of SlatePPO must be a whole number of 1 or more"),
        ({"cloned_share": 0.0}, "cloned_share"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SlatePPOConfig(**settings)


def test_learning_lets_topics_rest_that_users_are_tired_of() -> None:
    users = make_simulator(
        "rlrec/TopicBoredom-v0", 128, n_items=60, slate_size=4, n_steps=20, counts_observed=True
    )
    config = SlatePPOConfig(
        hidden=32,
        item_size=8,
        n_transitions=2_560,
        batch_size=512,
        learning_rate=3e-3,
        discount=0.8,
        n_epochs=8,
        credit="own",
    )
    agent = SlatePPO(SlateVecEnv(users, 0), config, seed=0).learn(60_000)
    results = rollout(
        {"agent": agent, "random": RandomPolicy(60, 4)}, users, 1_000, seed=50, deterministic=False
    )
    ours, random = results.mean_return("agent"), results.mean_return("random")
    assert ours.low > 1.25 * random.high  # 95 % intervals over 1,000 users


@pytest.mark.parametrize(
    ("slate", "response", "message"),
    [
        (gym.spaces.MultiDiscrete([4, 4], start=[1, 1]), (2, 1), "without start"),
        (gym.spaces.MultiDiscrete([3] * 4), (4, 1), "K at most N"),
        (gym.spaces.MultiDiscrete([9] * 4), (4,), r"last_response must have shape \(K, R\)"),
    ],
)
def test_users_of_other_shapes_are_refused(
    slate: gym.spaces.MultiDiscrete, response: tuple[int, ...], message: str
) -> None:
    users = SlateVecEnv(make_simulator("rlrec/InterestEvolution-v0", 2))
    users.action_space = slate
    users.observation_space = gym.spaces.Dict(
        {
            "user": gym.spaces.Box(0, 1, (3,)),
            "last_response": gym.spaces.Box(0, 1, response),
        }
    )
    with pytest.raises(ConfigError, match=message):
        SlatePPO(users, SlatePPOConfig(**SMALL))
