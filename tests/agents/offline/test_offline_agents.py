"""Agents that learn from logs first: what all of them promise, and what sets each apart."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from rlrec.agents import (
    PlanningReference,
    RandomPolicy,
    SlateBC,
    SlateBCConfig,
    SlateBCQ,
    SlateBCQConfig,
    SlateCQL,
    SlateCQLConfig,
    SlateIQL,
    SlateIQLConfig,
)
from rlrec.agents.log_and_live import LogAndLiveAgent
from rlrec.agents.log_and_live_config import LogAndLiveConfig
from rlrec.agents.offline.slate_bc import mean_of_slots
from rlrec.agents.offline.slate_critic import SlateCritic
from rlrec.agents.offline.slate_iql import expectile_loss
from rlrec.data import InteractionLog
from rlrec.envs import UserSimulator, make_simulator
from rlrec.envs.sb3 import SlateVecEnv
from rlrec.errors import CatalogueMismatchError, ConfigError
from rlrec.evaluation import rollout
from rlrec.policy import SlatePolicy, with_random_slates
from rlrec.simulation import Simulator
from rlrec.slates import plackett_luce_log_probs, repeated_slots, sample_plackett_luce
from rlrec.testing import POLICY_CHECKS
from tests.agents.test_known_answers import (
    DISCOUNT,
    MAX_STEPS,
    SLATE_SIZE,
    SLATES,
    every_mood,
    exact_values,
    moods,
    two_tastes,
)

MakeUsers = Callable[..., UserSimulator]
SMALL: dict[str, Any] = {
    "hidden": 16,
    "item_size": 4,
    "batch_size": 32,
    "buffer_size": 1600,
    "learning_starts": 100,
}
AGENTS: tuple[type[LogAndLiveAgent], ...] = (SlateBC, SlateBCQ, SlateCQL, SlateIQL)
LEARNERS = tuple(agent for agent in AGENTS if agent is not SlateBC)
KINDS = pytest.mark.parametrize("kind", AGENTS, ids=lambda kind: kind.__name__)
EVERYWHERE = pytest.mark.parametrize("fresh", [False, True], ids=["catalogue", "fresh documents"])


def make(
    kind: type[LogAndLiveAgent], users: UserSimulator, seed: int = 0, **config: Any
) -> LogAndLiveAgent:
    """Return a small agent, with noise in its networks so that it tells items apart."""
    settings = kind.config_class(**{**SMALL, **config})
    agent = kind(SlateVecEnv(users, seed), settings, seed=seed)
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in agent.policy.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=source))
    return agent


def parameters(agent: LogAndLiveAgent) -> dict[str, Any]:
    return {key: value.numpy().copy() for key, value in agent.policy.state_dict().items()}


@KINDS
@EVERYWHERE
@pytest.mark.parametrize("check", POLICY_CHECKS, ids=lambda check: check.__name__)
def test_policy_contract(
    check: Callable[[SlatePolicy, Simulator], None],
    fresh: bool,
    kind: type[LogAndLiveAgent],
    make_users: MakeUsers,
) -> None:
    arguments: dict[str, int] = {} if fresh else {"n_items": 7}
    users = make_users(20, fresh, **arguments)
    check(make(kind, users), users.with_users(20))


@pytest.mark.parametrize("kind", LEARNERS, ids=lambda kind: kind.__name__)
def test_it_learns_from_a_log_and_then_by_interaction(
    kind: type[LogAndLiveAgent], make_users: MakeUsers, log: InteractionLog
) -> None:
    told: list[tuple[int, int]] = []
    agent = make(kind, make_users())
    before = parameters(agent)
    assert agent.pretrain(log, 100, progress=lambda n, of: told.append((n, of))) is agent
    assert told == [(100, 100)] and agent.n_pretraining_updates == 100
    pretrained = parameters(agent)
    agent.learn(320)
    learned = parameters(agent)
    assert agent._n_updates == 20 - 6  # one for 16 transitions, from the 101st on
    changed = [key for key in before if (before[key] != pretrained[key]).any()]
    assert changed and any((pretrained[key] != learned[key]).any() for key in changed)
    assert agent.policy.optimizer.param_groups[0]["lr"] == pytest.approx(3e-4)


@pytest.mark.parametrize("kind", LEARNERS, ids=lambda kind: kind.__name__)
def test_it_learns_without_a_log(kind: type[LogAndLiveAgent], make_users: MakeUsers) -> None:
    agent = make(kind, make_users())
    before = parameters(agent)
    after = parameters(agent.learn(320))
    assert any((before[key] != after[key]).any() for key in before)


@KINDS
def test_slates_with_several_responses_and_topics_are_learned_from(
    kind: type[LogAndLiveAgent],
) -> None:
    users = make_simulator("rlrec/TopicBoredom-v0", 16, n_items=60, slate_size=6)
    log = InteractionLog.record(RandomPolicy(60, 6), users, 600, seed=1)
    assert (log.responses()[..., 0].sum(axis=1) > 1).any()
    agent = make(kind, users).pretrain(log, 20)
    after = parameters(agent if kind is SlateBC else agent.learn(160))
    assert all(np.isfinite(array).all() for array in after.values())
    assert agent._n_updates == (0 if kind is SlateBC else 4)
    slates = agent.act(users.reset(0), np.random.default_rng(0)).slates
    assert not repeated_slots(slates).any()


def test_repeated_items_of_a_log_are_blank_slots() -> None:
    log_probs = torch.tensor([[-1.0, -torch.inf, -2.0]], requires_grad=True)
    mean = mean_of_slots(log_probs)
    assert mean.item() == -1.5
    (gradient,) = torch.autograd.grad(mean.sum(), log_probs)
    assert gradient.tolist() == [[0.5, 0.0, 0.5]]


def test_a_log_makes_its_share_of_each_batch(make_users: MakeUsers, log: InteractionLog) -> None:
    agent = make(SlateIQL, make_users(), log_share=0.25)
    agent.remember(log)
    agent.learn(320)
    assert agent.replay_buffer is not None
    agent.replay_buffer.rewards[:] = 1000.0
    rewards = agent._sample(80).rewards
    assert (rewards[:60] >= 1000).all() and (rewards[60:] < 1000).all()


@KINDS
def test_a_log_of_another_catalogue_is_refused(
    kind: type[LogAndLiveAgent], make_users: MakeUsers, log: InteractionLog
) -> None:
    with pytest.raises(CatalogueMismatchError):
        make(kind, make_users(catalogue_seed=1)).pretrain(log, 1)


@KINDS
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"discount": 1.5}, "discount of {} must lie in 0..1, got 1.5"),
        ({"learning_rate": 0.0}, "learning_rate of {} must be above 0, got 0.0"),
        ({"batch_size": 0}, "batch_size of {} must be a whole number of 1 or more, got 0"),
        ({"target_rate": 0.0}, r"target_rate of {} must lie in \(0, 1\], got 0.0"),
        ({"value_scale": "ten"}, "value_scale of {} must be above 0, got 'ten'"),
    ],
)
def test_wrong_settings_are_refused(
    kind: type[LogAndLiveAgent], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message.format(kind.__name__)):
        kind.config_class(**settings)


@pytest.mark.parametrize(
    ("config", "settings", "message"),
    [
        (SlateBCConfig, {"cloned_share": 0.0}, "cloned_share of SlateBC must lie in"),
        (SlateBCQConfig, {"threshold": 1.5}, "threshold of SlateBCQ must lie in 0..1"),
        (SlateCQLConfig, {"conservatism": -1}, "conservatism of SlateCQL must be 0 or more"),
        (SlateCQLConfig, {"temperature": 0}, "temperature of SlateCQL must be above 0"),
        (SlateIQLConfig, {"expectile": 1.0}, "expectile of SlateIQL must lie between 0 and 1"),
        (SlateIQLConfig, {"sharpness": -1.0}, "sharpness of SlateIQL must be 0 or more"),
        (SlateIQLConfig, {"n_critics": 0}, "n_critics of SlateIQL must be a whole number"),
    ],
)
def test_wrong_settings_of_their_own_are_refused(
    config: type[LogAndLiveConfig], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        config(**settings)


def test_settings_of_another_agent_are_refused(make_users: MakeUsers) -> None:
    with pytest.raises(ConfigError, match="SlateIQL takes a SlateIQLConfig, got a SlateBCConfig"):
        SlateIQL(SlateVecEnv(make_users()), SlateBCConfig())


# What each does


def test_cloning_refuses_to_learn_by_interaction(make_users: MakeUsers) -> None:
    with pytest.raises(ConfigError, match="nothing to learn by interaction"):
        make(SlateBC, make_users()).learn(10)


def test_cloning_the_best_visits_draws_on_no_others(
    make_users: MakeUsers, log: InteractionLog
) -> None:
    transitions = make(SlateBC, make_users(), discount=1.0).transitions_of(log, 1.0)
    rng = np.random.default_rng(0)
    every = transitions.sample_returns(3_000, rng)
    best = transitions.sample_returns(3_000, rng, share=0.1)
    firsts = best.observations["topic_counts"].sum(dim=1) == 0  # a visit's return is seen there
    assert firsts.any()
    columns = log.columns(["step", "reward"])
    visits = np.add.reduceat(columns["reward"], np.flatnonzero(columns["step"] == 0))
    assert best.returns[firsts].min() >= np.quantile(visits, 0.8)
    assert every.returns.max() >= best.returns.max()


def test_the_expectile_of_draws_is_where_its_loss_is_least() -> None:
    draws = torch.randn(20_000, generator=torch.Generator().manual_seed(0)).double()
    grid = torch.linspace(-1.0, 1.5, 251).double()
    for expectile in (0.3, 0.5, 0.9):
        best = grid[torch.stack([expectile_loss(draws - v, expectile) for v in grid]).argmin()]
        above, below = (draws - best).clamp(min=0).mean(), (best - draws).clamp(min=0).mean()
        # by definition: expectile * E(x - v)+ = (1 - expectile) * E(v - x)+
        assert abs(expectile * above - (1 - expectile) * below) < 0.01


def test_a_slate_is_worth_its_base_and_what_each_slot_adds() -> None:
    users = make_simulator("rlrec/TopicBoredom-v0", 5, n_items=30, slate_size=4)
    agent = SlateIQL(SlateVecEnv(users), SlateIQLConfig(**SMALL), seed=0)
    critic = agent.policy.critics[0]
    assert isinstance(critic, SlateCritic) and critic.offsets is not None
    source = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in critic.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=source))
        seen = {key: torch.from_numpy(array) for key, array in users.reset(0).items()}
        values = critic(seen)
        slate = torch.tensor([[7, 3, 7, 12]]).expand(5, -1)
        topics, offsets = critic.offsets.groups.topics, critic.offsets(seen)
        expected = values.scores.base[:, 0].clone()
        counts: dict[int, int] = {}
        for slot, item in enumerate([7, 3, 7, 12]):
            topic = int(topics[item])
            above = counts.get(topic, 0)
            counts[topic] = above + 1
            if slot != 2:  # item 7 again
                own = values.of_items()[:, item] + offsets[:, topic, above]
                expected += values.weights[slot] * own
        torch.testing.assert_close(values.of(slate), expected, atol=1e-4, rtol=1e-4)
    assert (values.weights.diff() < 0).all() and values.weights[0] == 1


# The optimum of two tastes, two items


@pytest.fixture(scope="module")
def tastes_log() -> InteractionLog:
    users = UserSimulator(two_tastes(), 100)
    return InteractionLog.record(RandomPolicy(2, 1), users, 4_000, seed=1)


def chance_of_the_liked(agent: LogAndLiveAgent) -> Any:
    """Return with what probability each of both tastes is shown what it likes."""
    both = {"user": np.eye(2, dtype=np.float32), "last_response": np.zeros((2, 1, 2), np.float32)}
    return np.exp(agent.log_probs(both, np.array([[0], [1]])))[:, 0]


TINY: dict[str, Any] = {
    "hidden": 16,
    "item_size": 4,
    "batch_size": 128,
    "discount": 0.9,
    "value_scale": 4.0,
    "learning_rate": 3e-3,
    "target_rate": 0.02,
}


def tiny(kind: type[LogAndLiveAgent], **config: Any) -> LogAndLiveAgent:
    users = SlateVecEnv(UserSimulator(two_tastes(), 50))
    return kind(users, kind.config_class(**{**TINY, **config}), seed=0)


def test_cloning_finds_the_logging_policy(tastes_log: InteractionLog) -> None:
    chances = chance_of_the_liked(tiny(SlateBC).pretrain(tastes_log, 400))
    # 4,000 rows, 2,000 a taste: a standard error of 0.011, and the fit is loose
    assert np.abs(chances - 0.5).max() < 0.08


def test_cloning_the_best_visits_leans_to_what_is_liked(tastes_log: InteractionLog) -> None:
    chances = chance_of_the_liked(tiny(SlateBC, cloned_share=0.1).pretrain(tastes_log, 400))
    assert chances.min() > 0.6


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        (SlateIQL, {}),
        (SlateCQL, {}),
        (SlateCQL, {"calibrated": True}),
        (SlateBCQ, {}),
    ],
    ids=["SlateIQL", "SlateCQL", "calibrated SlateCQL", "SlateBCQ"],
)
def test_it_finds_in_a_log_what_each_of_two_tastes_likes(
    kind: type[LogAndLiveAgent], config: dict[str, Any], tastes_log: InteractionLog
) -> None:
    agent = tiny(kind, **config).pretrain(tastes_log, 600)
    assert chance_of_the_liked(agent).min() > 0.75
    both = {"user": np.eye(2, dtype=np.float32), "last_response": np.zeros((2, 1, 2), np.float32)}
    assert agent.predict(both, deterministic=True)[0].tolist() == [[0], [1]]


@pytest.mark.parametrize("kind", LEARNERS, ids=lambda kind: kind.__name__)
def test_it_finds_by_interaction_what_each_of_two_tastes_likes(
    kind: type[LogAndLiveAgent],
) -> None:
    agent = tiny(kind, learning_starts=500, updates_per_transition=0.1).learn(6_000)
    both = {"user": np.eye(2, dtype=np.float32), "last_response": np.zeros((2, 1, 2), np.float32)}
    assert agent.predict(both, deterministic=True)[0].tolist() == [[0], [1]]


# A chain of five moods, whose optimum value iteration finds


@pytest.fixture(scope="module")
def mood_log() -> InteractionLog:
    users = UserSimulator(moods(MAX_STEPS), 200)
    return InteractionLog.record(RandomPolicy(3, SLATE_SIZE), users, 20_000, seed=1)


def mood_agent(kind: type[LogAndLiveAgent], **config: Any) -> LogAndLiveAgent:
    settings = {
        "discount": DISCOUNT,
        "hidden": 32,
        "item_size": 8,
        "learning_rate": 3e-3,
        "batch_size": 128,
        "value_scale": 8.0,
        "target_rate": 0.05,
        **config,
    }
    users = SlateVecEnv(UserSimulator(moods(MAX_STEPS), 50))
    return kind(users, kind.config_class(**settings), seed=0)


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        (SlateIQL, {"expectile": 0.9}),
        (SlateCQL, {"conservatism": 0.1}),
        (SlateCQL, {"conservatism": 0.1, "calibrated": True}),
        (SlateBCQ, {}),
    ],
    ids=["SlateIQL", "SlateCQL", "calibrated SlateCQL", "SlateBCQ"],
)
def test_a_chain_of_moods_is_solved_from_a_log(
    kind: type[LogAndLiveAgent], config: dict[str, Any], mood_log: InteractionLog
) -> None:
    agent = mood_agent(kind, **config).pretrain(mood_log, 1_500)
    seen = {key: array.numpy() for key, array in every_mood().items()}
    shown = np.sort(agent.predict(seen, deterministic=True)[0], axis=1)
    exact = exact_values().slates
    at = (shown[:, None] == SLATES).all(axis=2).argmax(axis=1)
    worth = np.take_along_axis(exact, at[:, None], axis=1)[:, 0]
    # What tempts most costs 16, 0.8, 0.6 and 0.35 in the first four moods.
    assert (worth > exact.max(axis=1) - 0.4).all()


def test_without_conservatism_values_are_the_exact_ones(mood_log: InteractionLog) -> None:
    agent = mood_agent(SlateCQL, conservatism=0.0).pretrain(mood_log, 1_500)
    with torch.no_grad():
        values = agent.policy.target(every_mood())
        pairs = [values.of(torch.tensor(pair).expand(5, -1)) for pair in SLATES]
    # Three items, three pairs: sums over slots can be the value of any of them.
    learned = 8.0 * torch.stack(pairs, dim=1).numpy()
    assert np.abs(learned - exact_values().slates).max() < 1.0


# Conservatism


class Biased:
    """Mostly shows items 3, 4 and 5."""

    logits = np.where(np.isin(np.arange(12), (3, 4, 5)), 4.0, 0.0)

    def act(self, observations: Any, rng: np.random.Generator, deterministic: bool = False) -> Any:
        n = len(observations["last_slate"])
        return sample_plackett_luce(np.tile(self.logits, (n, 1)), 3, rng)

    def log_probs(self, observations: Any, slates: Any) -> Any:
        return plackett_luce_log_probs(np.tile(self.logits, (len(slates), 1)), slates)


@pytest.fixture(scope="module")
def biased_log(make_users: MakeUsers) -> InteractionLog:
    return InteractionLog.record(Biased(), make_users(100), 3_000, seed=1)


def test_cloning_shows_what_the_log_shows(
    make_users: MakeUsers, biased_log: InteractionLog
) -> None:
    agent = make(SlateBC, make_users(), item_size=12, learning_rate=1e-2)
    agent.pretrain(biased_log, 400)
    shown = agent.act(make_users(400).reset(5), np.random.default_rng(0)).slates
    # The log: 0.92; random slates: 0.25. Items are told apart by few features, so it falls short.
    assert np.isin(shown, (3, 4, 5)).mean() > 0.65


def test_values_of_slates_not_shown_are_held_down(
    make_users: MakeUsers, biased_log: InteractionLog
) -> None:
    """The excess over the slates shown falls with its weight, and calibration softens it."""
    log, excess = biased_log, {}
    kinds: dict[str, dict[str, Any]] = {
        "none": {"conservatism": 0.0},
        "some": {"conservatism": 1.0},
        "calibrated": {"conservatism": 1.0, "calibrated": True},
    }
    for name, config in kinds.items():
        agent = make(SlateCQL, make_users(), value_scale=4.0, learning_rate=1e-2, **config)
        agent.pretrain(log, 300)
        batch = agent.transitions_of(log, 0.95).sample(2_000, np.random.default_rng(0), 1)
        assert isinstance(agent, SlateCQL)
        with torch.no_grad():
            values = agent.policy.values(batch.observations)
            excess[name] = float(agent._excess(values, batch.slates, None))
    assert excess["some"] < 0.9 * excess["none"]
    assert excess["some"] < excess["calibrated"] < excess["none"]


@pytest.mark.parametrize("calibrated", [False, True])
def test_the_excess_is_that_of_all_slates_with_one_slot_changed(
    calibrated: bool, make_users: MakeUsers
) -> None:
    agent = make(SlateCQL, make_users(4))
    assert isinstance(agent, SlateCQL)
    seen = {key: torch.from_numpy(array) for key, array in make_users(4).reset(0).items()}
    slates = torch.tensor([[0, 1, 2], [5, 3, 9], [11, 0, 4], [2, 7, 6]])
    with torch.no_grad():
        values = agent.policy.values(seen)
        floor = values.of(slates) + torch.tensor([0.1, -5.0, 0.3, 0.0]) if calibrated else None
        found = float(agent._excess(values, slates, floor))
        expected = []
        for slot in range(3):
            changed = []
            for item in range(12):
                others = slates.clone()
                others[:, slot] = item
                again = (others == item).sum(dim=1) > 1
                worth = values.of(others)
                worth = worth if floor is None else torch.maximum(worth, floor)
                changed.append(worth.masked_fill(again, -torch.inf))
            expected.append(torch.stack(changed).logsumexp(dim=0) - values.of(slates))
    assert found == pytest.approx(float(torch.stack(expected).mean()), abs=1e-5)


def test_some_items_stand_for_all(make_users: MakeUsers) -> None:
    """400 draws of 40 of 100 items: the mean excess is near the exact one."""
    exact, sampled = (make(SlateCQL, make_users(8, n_items=100), n_pushed=n) for n in (100, 40))
    assert isinstance(exact, SlateCQL) and isinstance(sampled, SlateCQL)
    seen = {k: torch.from_numpy(a) for k, a in make_users(8, n_items=100).reset(0).items()}
    slates = torch.arange(24).view(8, 3)
    with torch.no_grad():
        values = exact.policy.values(seen)
        truth = float(exact._excess(values, slates, None))
        draws = np.array([float(sampled._excess(values, slates, None)) for _ in range(400)])
    assert draws.std() > 0
    # 5 standard errors, and the small bias of a logarithm of a mean
    assert abs(draws.mean() - truth) < 5 * draws.std() / 20 + draws.var()


def test_only_items_that_the_log_shows_are_allowed(make_users: MakeUsers) -> None:
    agent = make(SlateBCQ, make_users(6), threshold=0.3)
    seen = {key: torch.from_numpy(array) for key, array in make_users(6).reset(0).items()}
    with torch.no_grad():
        agent.policy.imitator.item_bias.weight.mul_(200.0)
        logits = agent.policy.imitator(seen).of_all()
    allowed = agent.policy.allowed(seen)
    third = logits.topk(3, dim=1).values[:, -1:]
    assert torch.equal(allowed, logits > third + np.log(0.3))
    assert ((allowed.sum(dim=1) >= 3) & (allowed.sum(dim=1) < 12)).all()
    observations = {key: array.numpy() for key, array in seen.items()}
    for seed in range(20):
        slates = agent.act(observations, np.random.default_rng(seed)).slates
        assert allowed.gather(1, torch.as_tensor(slates)).all()


@pytest.mark.slow
def test_weighing_slates_by_what_they_brought_does_better_than_cloning_a_good_log() -> None:
    """Of the log's slates 7 in 10 were planned, the others random; tastes are hidden."""
    users = make_simulator(
        "rlrec/InterestEvolution-v0", 500, n_items=200, slate_size=3, history_length=10
    )
    logger = with_random_slates(PlanningReference(1.0), users, 0.3)
    log = InteractionLog.record(logger, users, 20_000, seed=11)
    settings: dict[str, Any] = {"hidden": 64, "item_size": 16, "batch_size": 128}
    configs: dict[type[LogAndLiveAgent], LogAndLiveConfig] = {
        SlateBC: SlateBCConfig(**settings),
        SlateIQL: SlateIQLConfig(**settings, value_scale=3.0, n_critics=1),
    }
    agents: dict[str, SlatePolicy] = {
        kind.__name__: kind(SlateVecEnv(users, 0), config, seed=0).pretrain(log, 800)
        for kind, config in configs.items()
    }
    results = rollout(agents, users, 500, seed=777, deterministic=False)
    cloned, weighed = results.mean_return("SlateBC"), results.mean_return("SlateIQL")
    assert weighed.low > cloned.high  # 95 % intervals over 500 users
