"""Every agent keeps the contract, over a catalogue and over fresh documents."""

from collections.abc import Callable
from typing import Any

import pytest

from rlrec.agents import SlatePPO, SlatePPOConfig, SlateQ, SlateQConfig
from rlrec.envs import UserSimulator, make_simulator
from rlrec.testing import AGENT_CHECKS
from rlrec.testing.agent_checks import AgentMaker

SMALL: dict[str, Any] = {"hidden": 16, "item_size": 4, "batch_size": 32}
OFF_POLICY: dict[str, Any] = {**SMALL, "buffer_size": 1600, "learning_starts": 100}
MAKERS: dict[str, AgentMaker] = {
    "SlateQ": lambda users, seed: SlateQ(users, SlateQConfig(**OFF_POLICY), seed=seed),
    "SlatePPO": lambda users, seed: SlatePPO(
        users, SlatePPOConfig(**SMALL, n_transitions=256), seed=seed
    ),
}
WORLDS: dict[str, dict[str, int]] = {
    "catalogue": {"n_items": 12, "slate_size": 3, "history_length": 5},
    "fresh documents": {"n_candidates": 6, "slate_size": 2},
}
CASES = [(agent, world) for agent in MAKERS for world in WORLDS]


@pytest.mark.parametrize(("agent", "world"), CASES)
@pytest.mark.parametrize("check", AGENT_CHECKS, ids=lambda check: check.__name__)
def test_agent_contract(
    check: Callable[[AgentMaker, UserSimulator], None], agent: str, world: str
) -> None:
    users = make_simulator("rlrec/InterestEvolution-v0", 16, **WORLDS[world])
    check(MAKERS[agent], users)
