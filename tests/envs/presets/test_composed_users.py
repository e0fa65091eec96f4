"""Users composed by configuration: what is on, what is off, and what planning knows of it."""

import json
from typing import Any

import numpy as np
import pytest
import yaml

from rlrec.arrays import Floats
from rlrec.envs import MyopicOracle, PlanningReference, UserSimulator, make_simulator
from rlrec.envs.menus import BLOCKS, CHOICES, LEAVINGS, TASTES
from rlrec.envs.users import Users
from rlrec.errors import ConfigError, UnknownNameError
from rlrec.policy import RandomPolicy
from rlrec.testing.traces import any_slates, assert_same_trace, play

ENV_ID = "rlrec/ComposedUsers-v0"


def users(n_users: int = 20, **arguments: Any) -> UserSimulator:
    return make_simulator(ENV_ID, n_users, **arguments)


def returns(policy: Any, simulator: UserSimulator, seed: int = 3) -> Floats:
    observations = simulator.reset(seed)
    bound = policy.bind(simulator) if hasattr(policy, "bind") else policy
    total, rng = np.zeros(simulator.n_users), np.random.default_rng(seed)
    for _ in range(simulator.arguments["max_steps"]):
        step = simulator.step(bound.act(observations, rng).slates)
        total += step.rewards
        observations = step.observations
    return total


def test_a_whole_configuration_may_stand_in_yaml() -> None:
    written = """
        n_items: 50
        choice: {name: cascade, attraction: {name: proportional, scale: 0.5, minimum: -1}}
        taste: {name: topics, interests: {normal: [0, 1]}}
        blocks:
          satiation: {strength: {uniform: [0, 1]}, memory: 0.9}
          operant_conditioning: null
    """
    simulator = users(**yaml.safe_load(written))
    assert list(simulator.arguments["blocks"]) == ["satiation"]
    simulator.reset(0)
    state = simulator.latent_state()
    assert np.abs(state["tastes"]).max() > 1 and state["satiation_strength"].max() <= 1
    assert "liking" not in state


NEEDED: dict[str, dict[str, Any]] = {
    "influence": {"taste": "unit_vectors"},
    "mere_exposure": {"taste": "unit_vectors"},
    "biased_assimilation": {"taste": "unit_vectors"},
    "boredom": {"taste": "unit_vectors"},
    "sameness": {"choice": "position_based"},
}


@pytest.mark.parametrize("name", BLOCKS)
def test_every_block_can_be_switched_on_and_made_again(name: str) -> None:
    first = users(blocks={name: {}}, item_topics=3, **NEEDED.get(name, {}))
    again = users(**json.loads(json.dumps(first.arguments)))
    assert again.arguments == first.arguments and list(first.arguments["blocks"]) == [name]
    slates = any_slates(first, 20)
    assert_same_trace(play(again, slates), play(first, slates), f"the same {name}")


@pytest.mark.parametrize("taste", TASTES)
@pytest.mark.parametrize("leaving", LEAVINGS)
def test_every_taste_goes_with_every_leaving(taste: str, leaving: str) -> None:
    blocks: Any = {"satisfaction": {}} if leaving == "patience" else {}
    arguments: dict[str, Any] = {"taste": taste, "leaving": leaving, "blocks": blocks}
    first = users(item_topics=2, max_steps=30, **arguments)
    again = users(**json.loads(json.dumps(first.arguments)))
    slates = any_slates(first, 60)
    assert_same_trace(play(again, slates), play(first, slates), "the same users")


def test_items_of_several_topics_have_their_main_topic_first() -> None:
    catalogue = users(item_topics=3).catalogue
    assert catalogue is not None
    np.testing.assert_allclose((catalogue.features**2).sum(axis=1), 1.0, rtol=1e-6)
    assert ((catalogue.features > 0).sum(axis=1) == 3).all()
    np.testing.assert_array_equal(catalogue.features.argmax(axis=1), catalogue.topics)


def test_its_arguments_survive_json_and_make_it_again() -> None:
    blocks = {"operant_conditioning": {"rate": 0.2}, "satiation": {"noise": 0.1}}
    first = users(choice="dynamic_bayesian", blocks=blocks, max_steps=7)
    again = users(**json.loads(json.dumps(first.arguments)))
    assert again.arguments == first.arguments
    slates = any_slates(first, 20)
    assert_same_trace(play(again, slates), play(first, slates), "the same arguments")


def test_the_order_of_a_configuration_does_not_matter() -> None:
    one = users(blocks={"operant_conditioning": {}, "satiation": {}})
    other = users(blocks={"satiation": {}, "operant_conditioning": {}})
    slates = any_slates(one, 20)
    assert_same_trace(play(other, slates), play(one, slates), "the same blocks in another order")


@pytest.mark.parametrize("blocks", [None, {}, dict.fromkeys(BLOCKS)])
def test_blocks_are_off_unless_they_are_named(blocks: Any) -> None:
    simulator = users(blocks=blocks)
    slates = any_slates(simulator, 10)
    assert_same_trace(play(simulator, slates), play(users(), slates), "no blocks")
    assert set(simulator.latent_state()) == {"tastes", "steps_left"}
    assert {line.value for line in simulator.card() if line.name.startswith("block")} == {"off"}


@pytest.mark.parametrize(
    ("name", "neutral"), [("satiation", {"strength": 0}), ("operant_conditioning", {"rate": 0})]
)
def test_a_block_at_its_neutral_setting_is_as_good_as_off(name: str, neutral: Any) -> None:
    simulator = users(blocks={name: neutral})
    slates = any_slates(simulator, 30)
    simulator.reset(0)
    for shown in slates:
        model = simulator.problem.users
        assert isinstance(model, Users)
        lying = model.items.shown(simulator.state_of(), shown)
        tastes = model.taste.scores(simulator.state_of(), lying)
        np.testing.assert_array_equal(model.scores(simulator.state_of(), lying), tastes)
        simulator.step(shown)


def test_satiated_users_take_less_of_what_is_shown_again_and_again() -> None:
    arguments: dict[str, Any] = {"n_items": 40, "choice": {"name": "logit", "nothing_score": 2.0}}
    slates = np.tile(np.arange(5), (30, 2000, 1))
    plain = play(users(2000, **arguments), slates).rewards
    satiated = play(users(2000, blocks={"satiation": {"strength": 1.0}}, **arguments), slates)
    late = plain[10:].mean(axis=0) - satiated.rewards[10:].mean(axis=0)
    assert late.mean() > 10 * late.std() / np.sqrt(2000)  # 10 standard errors of 2000 users


@pytest.mark.parametrize("choice", ["logit", "position_based"])
@pytest.mark.parametrize("scope", ["visit", "topic"])
def test_whoever_is_bored_takes_no_more_than_before(choice: str, scope: str) -> None:
    simulator = users(
        500,
        n_topics=3,
        taste="unit_vectors",
        choice=choice,
        blocks={"quality_appeal": {"weight": 3.0}, "boredom": {"threshold": 1, "scope": scope}},
    )
    simulator.reset(0)
    slates = np.tile(np.arange(5), (500, 1))
    before = simulator.expected_reward(slates)
    is_bored = simulator.step(slates).responses[:, :, 0].any(axis=1)
    after = simulator.expected_reward(slates)
    assert is_bored.sum() > 100
    assert (after[is_bored] <= before[is_bored]).all()
    assert (after[is_bored] < before[is_bored]).mean() > 0.5


def test_the_card_lists_every_part_with_its_values() -> None:
    simulator = users(blocks={"satiation": {"strength": {"uniform": [0, 1]}}})
    lines = {line.name: line.value for line in simulator.card()}
    assert lines["block satiation"] == "strength uniform(0, 1), memory 0.8, noise 0.0"
    assert lines["block operant_conditioning"] == "off"
    assert lines["choice"] == "logit, nothing_score 0.0, temperature 1.0"
    assert lines.keys() >= {f"block {name}" for name in BLOCKS} | {"taste", "response", "leaving"}


@pytest.mark.parametrize("choice", CHOICES)
def test_knowing_tastes_beats_chance_with_every_choice(choice: str) -> None:
    n_users = 500
    simulator = users(n_users, choice=choice, max_steps=20)
    chance = returns(RandomPolicy(simulator.n_choices, simulator.slate_size), simulator)
    known = returns(simulator.planning_reference(), simulator)
    if choice == "first":  # always takes the top item: every slate earns the same
        np.testing.assert_array_equal(known, chance)
        return
    gain = known - chance  # the same users
    assert gain.mean() > 5 * gain.std() / np.sqrt(n_users)  # 5 standard errors


def test_planning_knows_the_price_of_time_where_there_is_a_budget() -> None:
    timed: dict[str, Any] = {"response": "watch_time", "leaving": "time_budget"}
    assert isinstance(users(**timed).planning_reference(20), PlanningReference)
    assert isinstance(users(choice="cascade", **timed).planning_reference(20), MyopicOracle)
    assert isinstance(users().planning_reference(20), MyopicOracle)


def test_interests_that_drift_stay_within_their_scale() -> None:
    taste = {"name": "topics", "interests": {"normal": [0, 5]}, "drift": 0.5}
    simulator = users(200, taste=taste)
    play(simulator, any_slates(simulator, 50))
    assert np.abs(simulator.latent_state()["tastes"]).max() <= 1


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (
            {"choice": "logti"},
            UnknownNameError,
            "no choice is called 'logti'. Did you mean 'logit'",
        ),
        ({"taste": "topic"}, UnknownNameError, "no taste is called 'topic'. Did you mean 'topics'"),
        ({"leaving": "nevr"}, UnknownNameError, "no leaving is called 'nevr'"),
        ({"response": "clik"}, UnknownNameError, "no response is called 'clik'"),
        ({"blocks": {"satiaton": {}}}, UnknownNameError, "no block is called 'satiaton'. Did you"),
        ({"blocks": {"satiation": {"strenght": 1}}}, UnknownNameError, "Did you mean 'strength'"),
        ({"blocks": {"satiation": {"memory": 2}}}, ConfigError, r"block 'satiation': memory must"),
        ({"blocks": {"satiation": True}}, ConfigError, "must be a mapping of parameters, got True"),
        ({"blocks": ["satiation"]}, ConfigError, r"blocks must be a mapping .*, got \['satiation'"),
        ({"quality": "high"}, ConfigError, "quality must be a number or a prior"),
        (
            {"response": "watch_time"},
            ConfigError,
            "needs leaving 'time_budget'.*which says how long",
        ),
        ({"blocks": {"influence": {}}}, ConfigError, "moves tastes 'unit_vectors' only"),
        (
            {"taste": "unit_vectors", "blocks": {"taste_drift": {}}},
            ConfigError,
            "block 'taste_drift' does not keep the length",
        ),
        (
            {"taste": {"name": "topics", "drift": 0.1}, "blocks": {"taste_drift": {}}},
            ConfigError,
            "block 'taste_drift' knows no bounds",
        ),
        ({"blocks": {"boredom": {"scope": "topic"}}}, ConfigError, "needs taste 'unit_vectors'"),
        ({"blocks": {"boredom": {}}}, ConfigError, "with tastes 'topics' and 'factors' it is not"),
        (
            {"taste": "factors", "blocks": {"boredom": {"scope": "visit"}}},
            ConfigError,
            "block 'boredom' needs taste 'unit_vectors'",
        ),
        ({"blocks": {"sameness": {}}}, ConfigError, "needs a choice with a logistic attraction"),
        ({"leaving": "patience"}, ConfigError, "needs the block 'satisfaction', or relief 0"),
        (
            {"leaving": "visits", "blocks": {"satisfaction": {}}},
            ConfigError,
            "has a satisfaction of its own",
        ),
        ({"response": "engagement"}, ConfigError, "needs the block 'sensitisation'"),
        (
            {"response": "engagement", "blocks": {"sensitisation": {}}},
            ConfigError,
            r"takes quality for a clickbait score in 0\.\.1",
        ),
        ({"item_topics": 11}, ConfigError, r"item_topics must be a whole number in 1\.\.10"),
        ({"n_topics": 0}, ConfigError, "n_topics must be a whole number of 1 or more, got 0"),
        ({"n_items": 3}, ConfigError, r"slate_size must be a whole number in 1\.\.3, got 5"),
        ({"taste": {"name": "topics", "drift": 2}}, ConfigError, r"must lie in 0\.\.1, got 2"),
    ],
)
def test_wrong_arguments_are_refused(
    arguments: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        users(**arguments)
