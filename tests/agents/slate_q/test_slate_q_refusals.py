"""SlateQ: logs, settings and users that it refuses."""

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.vec_env import VecMonitor, VecNormalize

from rlrec.agents import RandomPolicy, SlateQ, SlateQConfig
from rlrec.data import InteractionLog
from rlrec.envs.sb3 import SlateVecEnv
from rlrec.errors import (
    CatalogueMismatchError,
    ConfigError,
    DataError,
    LogFormatError,
)

MakeAgent = Callable[..., SlateQ]
MakeUsers = Callable[..., Any]
SETTINGS: dict[str, Any] = {"hidden": 16, "item_size": 4, "batch_size": 32}


def test_a_log_of_another_catalogue_is_refused(
    make_agent: MakeAgent, make_users: MakeUsers
) -> None:
    users = make_users(50, catalogue_seed=1)  # as many items, of other topics
    log = InteractionLog.record(RandomPolicy(12, 3), users, 500)
    with pytest.raises(CatalogueMismatchError, match="recorded with the catalogue"):
        make_agent().pretrain(log, 1)


def test_a_log_of_a_catalogue_is_no_log_of_fresh_documents(
    make_agent: MakeAgent, log: InteractionLog, fresh_log: InteractionLog
) -> None:
    with pytest.raises(CatalogueMismatchError, match="recorded with the catalogue"):
        make_agent(fresh=True).pretrain(log, 1)
    with pytest.raises(DataError):
        make_agent().pretrain(fresh_log, 1)


def test_a_log_without_what_the_agent_observes_is_refused(
    make_agent: MakeAgent, make_users: MakeUsers, log: InteractionLog
) -> None:
    agent = make_agent(make_users(tastes_observed=True))
    with pytest.raises(LogFormatError, match=r"lacks \['user'\]"):
        agent.pretrain(log, 1)


def test_a_log_of_slates_of_another_size_is_refused(
    make_agent: MakeAgent, make_users: MakeUsers
) -> None:
    log = InteractionLog.record(RandomPolicy(12, 4), make_users(50, slate_size=4), 500)
    with pytest.raises(LogFormatError, match=r"must hold 'last_(response|slate)' of shape \(3,"):
        make_agent().remember(log)


def test_a_log_that_names_items_beyond_the_catalogue_is_refused(
    make_agent: MakeAgent, log: InteractionLog
) -> None:
    columns = dict(log.columns())
    columns["slate"] = columns["slate"] + 1
    metadata = replace(log.metadata, catalogue_fingerprint=None)
    wrong = InteractionLog.from_columns(columns, metadata)
    with pytest.raises(CatalogueMismatchError, match="item 12, but the catalogue has 12"):
        make_agent().pretrain(wrong, 1)


@pytest.mark.parametrize(
    ("setting", "value", "rule"),
    [
        ("learning_rate", 0.0, "be above 0"),
        ("learning_rate", float("nan"), "be above 0"),
        ("finetuning_rate", -0.1, "be above 0"),
        ("value_scale", 0, "be above 0"),
        ("updates_per_transition", 0.0, "be above 0"),
        ("target_rate", 0.0, r"lie in \(0, 1\]"),
        ("pretraining_target_rate", 1.5, r"lie in \(0, 1\]"),
        ("discount", 1.01, r"lie in 0\.\.1"),
        ("log_share", -0.5, r"lie in 0\.\.1"),
        ("exploration_start", 2, r"lie in 0\.\.1"),
        ("exploration_end", "low", r"lie in 0\.\.1"),
        ("warmup_share", 1.5, r"lie in 0\.\.1"),
        ("batch_size", 0, "be a whole number of 1 or more"),
        ("hidden", 2.5, "be a whole number of 1 or more"),
        ("n_steps", 0, "be a whole number of 1 or more"),
        ("search_rounds", 0, "be a whole number of 1 or more"),
        ("learning_starts", -1, "be 0 or more"),
        ("choice", "guessed", r"be one of \(.*\)"),
        ("target", "monte_carlo", r"be one of \(.*\)"),
        ("optimiser", "best", r"be one of \(.*\)"),
        ("target_optimiser", None, r"be one of \(.*\)"),
        ("clicks", "none", r"be one of \(.*\)"),
        ("compat", "rllib", r"be one of \(.*\)"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(setting: str, value: Any, rule: str) -> None:
    with pytest.raises(ConfigError, match=f"{setting} of SlateQ must {rule}, got"):
        SlateQConfig(**{setting: value})


def test_repeating_the_published_mistakes_brings_its_own_settings() -> None:
    config = SlateQConfig(compat="recsim")
    assert (config.n_steps, config.warmup_share, config.learns_nothing) == (1, 0.0, False)
    assert (config.optimiser, config.target_optimiser) == ("greedy", "greedy")
    assert SlateQConfig(**asdict(config)) == config
    with pytest.raises(ConfigError, match=r"n_steps of SlateQ must be 1 with compat='recsim'"):
        SlateQConfig(compat="recsim", n_steps=5)
    with pytest.raises(ConfigError, match="target of SlateQ must be 'q_learning' with compat"):
        SlateQConfig(compat="recsim", target="sarsa")


@pytest.mark.parametrize(
    ("setting", "value"),
    [("choice", "known"), ("optimiser", "greedy"), ("target_optimiser", "top_k")],
)
def test_settings_about_one_choice_are_refused_where_several_are_made(
    setting: str, value: str
) -> None:
    with pytest.raises(ConfigError, match=f'^{setting} of SlateQ must be .* with clicks="several"'):
        SlateQConfig(clicks="several", **{setting: value})  # type: ignore[arg-type]


def test_several_clicks_are_not_among_the_published_mistakes() -> None:
    with pytest.raises(ConfigError, match=r'of SlateQ must be .* with clicks="several"'):
        SlateQConfig(clicks="several", compat="recsim")


def test_users_who_do_not_state_how_they_choose_are_refused(make_users: MakeUsers) -> None:
    config = SlateQConfig(**SETTINGS, choice="known")
    with pytest.raises(ConfigError, match=r"TellsChoice\(users, known_choice\)"):
        SlateQ(SlateVecEnv(make_users()), config)


@pytest.mark.parametrize(
    ("env", "message"),
    [(None, "needs users"), ("CartPole-v1", r"MultiDiscrete\(\[N\] \* K\), got Discrete")],
)
def test_what_is_not_users_is_refused(env: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SlateQ(env)


def test_users_whose_response_is_not_observed_are_refused(make_users: MakeUsers) -> None:
    users = SlateVecEnv(make_users())
    space: Any = users.observation_space
    users.observation_space = gym.spaces.Dict(
        {key: box for key, box in space.spaces.items() if key != "last_response"}
    )
    with pytest.raises(DataError, match="must observe 'last_response'"):
        SlateQ(users, SlateQConfig(**SETTINGS))


def test_users_behind_a_normalisation_are_refused(make_users: MakeUsers) -> None:
    users = VecNormalize(SlateVecEnv(make_users()))
    with pytest.raises(ConfigError, match="cannot learn behind VecNormalize"):
        SlateQ(users, SlateQConfig(**SETTINGS))


def test_users_behind_another_wrapper_tell_their_catalogue(make_users: MakeUsers) -> None:
    users = make_users()
    agent = SlateQ(VecMonitor(SlateVecEnv(users)), SlateQConfig(**SETTINGS))
    assert agent.catalogue is users.catalogue


def test_item_factors_of_another_catalogue_are_refused(make_users: MakeUsers) -> None:
    with pytest.raises(ConfigError, match=r"item_factors must have a row for each of the 12"):
        SlateQ(SlateVecEnv(make_users()), item_factors=np.zeros((11, 4), np.float32))


def test_users_of_different_offers_a_slot_are_refused(make_users: MakeUsers) -> None:
    users = SlateVecEnv(make_users())
    users.action_space = gym.spaces.MultiDiscrete([12, 12, 7])
    with pytest.raises(ConfigError, match="SlateQ shows slates"):
        SlateQ(users)
