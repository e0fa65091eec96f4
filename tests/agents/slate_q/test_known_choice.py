"""Choice weights that users state, against what they do."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import rlrec
from rlrec.agents import RandomPolicy, ScoredChoice, SlateQ, SlateQConfig, TellsChoice, affinity
from rlrec.agents.slate_q.known_choice import WeighsScores
from rlrec.envs.blocks.choice import LogitChoice, ProportionalChoice
from rlrec.errors import ConfigError

ENV_ID = "rlrec/InterestEvolution-v0"
CONFIG = SlateQConfig(choice="known", hidden=8, item_size=4, batch_size=32, learning_starts=64)


def users(n_users: int = 30, **arguments: Any) -> TellsChoice:
    choice: dict[str, WeighsScores] = {
        "proportional": ProportionalChoice(),
        "logit": LogitChoice(nothing_score=1.0),
    }
    model = choice[arguments.get("choice", "proportional")]
    return TellsChoice(
        rlrec.make_users(ENV_ID, n_users, seed=3, **arguments), ScoredChoice(affinity, model)
    )


@pytest.mark.parametrize("choice", ["proportional", "logit"])
def test_the_weights_read_off_what_is_observed_are_those_of_the_users(choice: str) -> None:
    told: Any = users(choice=choice)
    seen = told.reset()
    for step in range(5):  # interests drift; what is observed drifts with them
        items, nothing = told.known_choice({k: torch.from_numpy(v) for k, v in seen.items()})
        slates = RandomPolicy(10, 3).act(seen, np.random.default_rng(step)).slates
        shown = np.take_along_axis(items.double().numpy(), slates, axis=1)
        options = np.hstack([shown, nothing.double().numpy()[:, None]])
        truth = told.simulator.choice_probabilities(slates)
        np.testing.assert_allclose(options / options.sum(axis=1, keepdims=True), truth, atol=1e-6)
        seen = told.step(slates)[0]


def test_the_agent_weighs_slates_by_what_is_known() -> None:
    told = users()
    agent = SlateQ(told, CONFIG, seed=0)
    seen = {key: torch.from_numpy(array) for key, array in dict(told.reset()).items()}  # type: ignore[arg-type]
    known, used = told.known_choice(seen), agent.policy.weights(seen)
    torch.testing.assert_close(
        used.items / used.nothing[:, None], known.items / known.nothing[:, None]
    )


def test_the_card_says_that_choice_was_known_and_a_loaded_agent_asks_for_it_again(
    tmp_path: Path,
) -> None:
    agent = SlateQ(users(), CONFIG, seed=0).learn(300)
    agent.save(tmp_path / "agent")
    card = json.loads((tmp_path / "agent" / "model.json").read_text())
    assert card["settings"]["choice"] == "known"
    seen: Any = users(50).reset()
    loaded = SlateQ.load(tmp_path / "agent", users())
    np.testing.assert_array_equal(loaded.predict(seen)[0], agent.predict(seen)[0])
    with pytest.raises(ConfigError, match="needs users that state their choice weights"):
        SlateQ.load(tmp_path / "agent", rlrec.make_users(ENV_ID, 30))
