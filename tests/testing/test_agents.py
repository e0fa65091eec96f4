"""Every agent keeps the contract, over a catalogue and over fresh documents."""

from collections.abc import Callable
from typing import Any

import pytest

from rlrec.agents import (
    ConstrainedPPO,
    ConstrainedPPOConfig,
    DecisionTransformer,
    DecisionTransformerConfig,
    GeMS,
    GeMSConfig,
    Limit,
    LinUCB,
    LinUCBConfig,
    SlateA2C,
    SlateA2CConfig,
    SlateBC,
    SlateBCConfig,
    SlateBCQ,
    SlateBCQConfig,
    SlateCQL,
    SlateCQLConfig,
    SlateIQL,
    SlateIQLConfig,
    SlatePPO,
    SlatePPOConfig,
    SlateQ,
    SlateQConfig,
    ThompsonSampling,
    ThompsonSamplingConfig,
    TopKReinforce,
    TopKReinforceConfig,
    WolpertingerSAC,
    WolpertingerSACConfig,
    WolpertingerTD3,
    WolpertingerTD3Config,
)
from rlrec.agents.menu import agent_names
from rlrec.envs import UserSimulator, make_simulator
from rlrec.testing import AGENT_CHECKS
from rlrec.testing.agent_checks import AgentMaker

SMALL: dict[str, Any] = {"hidden": 16, "item_size": 4, "batch_size": 32}
OFF_POLICY: dict[str, Any] = {**SMALL, "buffer_size": 1600, "learning_starts": 100}
CONTINUOUS: dict[str, Any] = {
    "hidden": 16,
    "batch_size": 32,
    "buffer_size": 1600,
    "learning_starts": 100,
}
MAKERS: dict[str, AgentMaker] = {
    "SlateQ": lambda users, seed: SlateQ(users, SlateQConfig(**OFF_POLICY), seed=seed),
    "SlatePPO": lambda users, seed: SlatePPO(
        users, SlatePPOConfig(**SMALL, n_transitions=256), seed=seed
    ),
    "ConstrainedPPO": lambda users, seed: ConstrainedPPO(
        users,
        ConstrainedPPOConfig(
            **SMALL, n_transitions=256, limits=(Limit(cost="feature_mean", feature=0, at_most=0.1),)
        ),
        seed=seed,
    ),
    "LinUCB": lambda users, seed: LinUCB(
        users, LinUCBConfig(item_size=4, exploration=0.1), seed=seed
    ),
    "ThompsonSampling": lambda users, seed: ThompsonSampling(
        users, ThompsonSamplingConfig(item_size=4, n_draws=16), seed=seed
    ),
    "SlateA2C": lambda users, seed: SlateA2C(
        users, SlateA2CConfig(**SMALL, n_transitions=256), seed=seed
    ),
    "SlateBC": lambda users, seed: SlateBC(users, SlateBCConfig(**OFF_POLICY), seed=seed),
    "SlateBCQ": lambda users, seed: SlateBCQ(users, SlateBCQConfig(**OFF_POLICY), seed=seed),
    "SlateCQL": lambda users, seed: SlateCQL(users, SlateCQLConfig(**OFF_POLICY), seed=seed),
    "SlateIQL": lambda users, seed: SlateIQL(users, SlateIQLConfig(**OFF_POLICY), seed=seed),
    "TopKReinforce": lambda users, seed: TopKReinforce(
        users, TopKReinforceConfig(**SMALL, n_transitions=256), seed=seed
    ),
    "DecisionTransformer": lambda users, seed: DecisionTransformer(
        users,
        DecisionTransformerConfig(
            width=8, n_layers=1, item_size=4, batch_size=16, learning_starts=100, buffer_size=1600
        ),
        seed=seed,
    ),
    "WolpertingerTD3": lambda users, seed: WolpertingerTD3(
        users, WolpertingerTD3Config(**CONTINUOUS), seed=seed
    ),
    "WolpertingerSAC": lambda users, seed: WolpertingerSAC(
        users, WolpertingerSACConfig(**CONTINUOUS), seed=seed
    ),
    "GeMS": lambda users, seed: GeMS(
        users, GeMSConfig(**CONTINUOUS, coder_hidden=16, latent_size=4, item_size=4), seed=seed
    ),
}
WORLDS: dict[str, dict[str, int]] = {
    "catalogue": {"n_items": 12, "slate_size": 3, "history_length": 5},
    "fresh documents": {"n_candidates": 6, "slate_size": 2},
}
CASES = [(agent, world) for agent in MAKERS for world in WORLDS]


def test_every_agent_is_held_to_the_contract() -> None:
    assert set(MAKERS) == set(agent_names())


@pytest.mark.parametrize(("agent", "world"), CASES)
@pytest.mark.parametrize("check", AGENT_CHECKS, ids=lambda check: check.__name__)
def test_agent_contract(
    check: Callable[[AgentMaker, UserSimulator], None], agent: str, world: str
) -> None:
    users = make_simulator("rlrec/InterestEvolution-v0", 16, **WORLDS[world])
    check(MAKERS[agent], users)
