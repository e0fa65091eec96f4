"""Any configuration: probabilities are probabilities, nothing overflows, rewards keep their bounds.

And for every registered environment, at random arguments, what is stated about rewards and choices
is what many draws from the same moment give.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from rlrec.arrays import Floats, Ints
from rlrec.envs import UserSimulator, describe_environments, make_simulator
from rlrec.errors import ConfigError
from rlrec.testing.choice_checks import check_distribution

COMPOSED = "rlrec/ComposedUsers-v0"
ENVIRONMENTS = [entry.env_id for entry in describe_environments()]
UNIT = st.floats(0.0, 1.0) | st.sampled_from([0.0, 1.0])
SCORES = st.floats(-1e3, 1e3)
ABOVE_0 = st.floats(1e-3, 1e3)


def named(name: str, **parameters: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return specs of one part with some of its parameters, the others at their defaults."""
    return st.fixed_dictionaries({"name": st.just(name)}, optional=parameters)


def prior(values: st.SearchStrategy[float]) -> st.SearchStrategy[Any]:
    ranges = st.tuples(values, values).map(lambda ends: {"uniform": sorted(ends)})
    return values | ranges


def some(**parameters: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return some of these parameters, the others at their defaults."""
    return st.fixed_dictionaries({}, optional=parameters)


ATTRACTIONS = (
    named("logistic", slope=ABOVE_0, offset=SCORES)
    | named("proportional", scale=ABOVE_0, minimum=SCORES)
    | named("exponential", scale=ABOVE_0)
)
CHOICES = (
    named("logit", nothing_score=SCORES, temperature=ABOVE_0)
    | named("proportional", minimum=st.floats(-1e3, 0), nothing_score=st.floats(1e-3, 1e3))
    | named("first")
    | named("position_based", attraction=ATTRACTIONS, decay=UNIT, two_way=st.booleans())
    | named("cascade", attraction=ATTRACTIONS, attention=UNIT)
    | named("dependent_click", attraction=ATTRACTIONS, go_on=UNIT, after_passing=UNIT)
    | named("dynamic_bayesian", attraction=ATTRACTIONS, satisfaction=ATTRACTIONS, go_on=UNIT)
)
SMALL = st.floats(0.0, 1e3)
BLOCKS_OF_ALL: dict[str, st.SearchStrategy[Any]] = {
    "satiation": some(strength=prior(SMALL), memory=prior(UNIT), noise=SMALL),
    "operant_conditioning": some(rate=UNIT, adaptation=UNIT, limit=ABOVE_0),
    "quality_appeal": some(weight=SCORES),
    "satisfaction": some(sensitivity=prior(SMALL), memory=UNIT, noise=SMALL, expectation_rate=UNIT),
    "sensitisation": some(memory=st.floats(0.0, 0.99), noise=SMALL, sensitivity=SMALL),
}
BLOCKS_OF_FREE_TASTES = {
    "taste_drift": some(persistence=prior(UNIT), sd=prior(SMALL), set_point_sd=prior(SMALL)),
    "hedonic_adaptation": some(retention=UNIT),
}
BLOCKS_OF_UNIT_VECTORS = {
    "boredom": some(
        threshold=st.integers(1, 6),
        window=st.integers(1, 6),
        scope=st.sampled_from(["visit", "topic"]),
    ),
    "influence": some(weight=UNIT, published_defect=st.booleans()),
    "mere_exposure": some(rate=UNIT),
    "biased_assimilation": some(rate=SMALL),
}
TASTES = {
    "topics": (named("topics", interests=prior(SCORES)), BLOCKS_OF_FREE_TASTES),
    "drifting topics": (named("topics", drift=st.floats(0.01, 1.0)), {}),
    "factors": (named("factors", sd=SMALL, influence=UNIT), BLOCKS_OF_FREE_TASTES),
    "unit vectors": (
        named("unit_vectors", scale=st.sampled_from(["item_norm", "best_item"])),
        BLOCKS_OF_UNIT_VECTORS,
    ),
}
ENDS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "as given": st.just({}),
    "never": st.just({"leaving": "never"}),
    "fixed": st.fixed_dictionaries({"leaving": named("fixed_length", n_steps=st.integers(1, 9))}),
    "timed": st.fixed_dictionaries(
        {
            "response": st.just("watch_time"),
            "leaving": named(
                "time_budget", initial=ABOVE_0, item_length=ABOVE_0, bonus=st.floats(0, 10)
            ),
        }
    ),
    "impatient": st.fixed_dictionaries(
        {
            "leaving": named("patience", base=st.none() | SCORES, fatigue_weight=SMALL).map(
                lambda patience: {**patience, "relief": 0.0}
            )
        }
    ),
    "visits": st.fixed_dictionaries(
        {"leaving": named("visits", patience=some(base=SCORES), returning=some(pull=UNIT))}
    ),
    "channels": st.fixed_dictionaries(
        {"response": named("channels", reward_weights=st.lists(SCORES, min_size=4, max_size=4))}
    ),
}


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, Any]:
    """Return arguments of composed users whose parts go together."""
    taste, blocks_of_taste = TASTES[draw(st.sampled_from(sorted(TASTES)))]
    ends = draw(st.sampled_from(sorted(ENDS)))
    n_topics = draw(st.integers(1, 4))
    optional = {**BLOCKS_OF_ALL, **blocks_of_taste}
    if ends == "visits":
        del optional["satisfaction"]
    return {
        "n_items": draw(st.integers(4, 12)),
        "n_topics": n_topics,
        "item_topics": draw(st.integers(1, n_topics)),
        "slate_size": draw(st.integers(1, 4)),
        "taste": draw(taste),
        "choice": draw(CHOICES),
        "blocks": draw(st.fixed_dictionaries({}, optional=optional)),
        "quality": draw(prior(SCORES)),
        "max_steps": draw(st.none() | st.integers(1, 20)),
        **draw(ENDS[ends]),
    }


CONFIGURATIONS = configurations()

# Arguments that mean the same wherever an environment has them.
SHARED: dict[str, st.SearchStrategy[Any]] = {
    "catalogue_seed": st.integers(0, 50),
    "history_length": st.integers(1, 5),
    "max_steps": st.integers(1, 12),
    "slate_size": st.integers(1, 4),
    "tastes_observed": st.booleans(),
}


def arguments_of(env_id: str) -> st.SearchStrategy[dict[str, Any]]:
    """Return arguments to try: of composed users any, of others those that are shared."""
    if env_id == COMPOSED:
        return CONFIGURATIONS
    (entry,) = (entry for entry in describe_environments() if entry.env_id == env_id)
    shared = {name: values for name, values in SHARED.items() if name in entry.arguments}
    return st.fixed_dictionaries({}, optional=shared)


def made(env_id: str, n_users: int, arguments: dict[str, Any]) -> UserSimulator:
    try:
        return make_simulator(env_id, n_users, **arguments)
    except ConfigError:  # such as a range turned round: the refusals have tests of their own
        reject()


class Played(NamedTuple):
    """Steps that broke no rule."""

    rewards: Floats
    """Shape (T, B)."""
    responses: np.ndarray[Any, np.dtype[np.float32]]
    """Shape (T, B, K, R)."""


def play_soundly(simulator: UserSimulator, n_steps: int, seed: int = 0) -> Played:
    """Show random slates, with repeats; raise at an overflow, a NaN or a wrong probability."""
    rng = np.random.default_rng(seed)
    rewards, responses = [], []
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        simulator.reset(seed)
        for _ in range(n_steps):
            slates = rng.integers(
                simulator.n_choices, size=(simulator.n_users, simulator.slate_size)
            )
            if simulator.states("choice_probabilities"):
                check_distribution(simulator.choice_probabilities(slates), simulator.takes_one)
            if simulator.states("expected_reward"):
                assert np.isfinite(simulator.expected_reward(slates)).all()
            step = simulator.step(slates)
            assert np.isfinite(step.rewards).all() and np.isfinite(step.responses).all()
            for array in (*simulator.latent_state().values(), *step.observations.values()):
                assert np.isfinite(array).all()
            rewards.append(step.rewards)
            responses.append(step.responses)
    return Played(np.stack(rewards), np.stack(responses))


@settings(max_examples=150, deadline=None)
@given(arguments=CONFIGURATIONS, seed=st.integers(0, 2**31))
def test_any_composed_users_keep_the_rules(arguments: dict[str, Any], seed: int) -> None:
    simulator = made(COMPOSED, 6, arguments)
    rewards, responses = play_soundly(simulator, 25, seed)
    clicks = responses[..., 0].sum(axis=2, dtype=np.float64)
    assert np.isin(responses[..., 0], [0.0, 1.0]).all()
    assert (clicks <= (1 if simulator.takes_one else simulator.slate_size)).all()
    if simulator.response_channels == ("click",):
        np.testing.assert_array_equal(rewards, clicks)
    elif "long_view" in simulator.response_channels:
        weights = np.abs(simulator.arguments["response"]["reward_weights"]).sum()
        assert (np.abs(rewards) <= weights * clicks * (1 + 1e-12)).all()
    else:
        length = simulator.arguments["leaving"]["item_length"]
        assert (rewards >= 0).all() and (rewards <= length * clicks * (1 + 1e-12)).all()


@settings(max_examples=5, deadline=None)
@given(arguments=CONFIGURATIONS)
def test_any_composed_users_keep_the_rules_for_long(arguments: dict[str, Any]) -> None:
    play_soundly(made(COMPOSED, 3, {**arguments, "max_steps": None}), 1500)


@pytest.mark.parametrize("env_id", [env_id for env_id in ENVIRONMENTS if env_id != COMPOSED])
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_any_arguments_of_an_environment_keep_the_rules(env_id: str, data: st.DataObject) -> None:
    play_soundly(made(env_id, 20, data.draw(arguments_of(env_id))), 15)


FEW_ITEMS: tuple[tuple[str, dict[str, Any]], ...] = (
    *(
        ("rlrec/TopicBoredom-v0", {"n_items": n_items, "n_topics": n_topics, "slate_size": 1})
        for n_items, n_topics in ((1, 10), (2, 10), (3, 10), (10, 50))
    ),
    *(
        (
            COMPOSED,
            {
                "n_items": n_items,
                "n_topics": 30,
                "slate_size": 1,
                "taste": {"name": "unit_vectors", "scale": "best_item"},
                "choice": "position_based",
            },
        )
        for n_items in (1, 3, 20)
    ),
    *(
        (env_id, {"n_items": n_items, "slate_size": 1})
        for env_id in (
            "rlrec/InterestEvolution-v0",
            "rlrec/InterestExploration-v0",
            "rlrec/LongTermSatisfaction-v0",
            "rlrec/UserReturn-v0",
        )
        for n_items in (1, 2)
    ),
)


@pytest.mark.parametrize(("env_id", "arguments"), FEW_ITEMS, ids=str)
def test_small_catalogues_keep_the_rules(env_id: str, arguments: dict[str, Any]) -> None:
    play_soundly(make_simulator(env_id, 300, **arguments), 15)


N_DRAWS, N_PLAYED, N_MOMENTS = 10_000, 6, 3


def at_one_moment(simulator: UserSimulator, user: int) -> None:
    """Put all users into the state of one; their draws remain their own."""
    moment = simulator.snapshot()
    state = {
        key: np.repeat(array[user : user + 1], simulator.n_users, axis=0)
        for key, array in moment.state.items()
    }
    simulator.restore(moment._replace(state=state))


def random_slates(simulator: UserSimulator, rng: np.random.Generator) -> Ints:
    return rng.integers(simulator.n_choices, size=(simulator.n_users, simulator.slate_size))


@pytest.mark.parametrize("env_id", ENVIRONMENTS)
def test_what_an_environment_states_is_the_mean_of_many_draws(env_id: str) -> None:
    """10,000 draws at each of 3 moments, 5 standard errors.

    With at most 50 figures an environment a right one fails at fewer than one seed in 30,000.
    """
    check_stated(make_simulator(env_id, N_DRAWS))


@settings(max_examples=15, deadline=None, derandomize=True)
@given(arguments=CONFIGURATIONS)
def test_what_any_composed_users_state_is_the_mean_of_many_draws(arguments: dict[str, Any]) -> None:
    """As above; the configurations are the same at every run."""
    check_stated(made(COMPOSED, N_DRAWS, arguments))


def check_stated(simulator: UserSimulator) -> None:
    """Compare rewards and choices stated at some moments with what many users then do."""
    rng = np.random.default_rng(2)
    simulator.reset(1)
    for _ in range(N_PLAYED):
        simulator.step(random_slates(simulator, rng))
    running = simulator.snapshot()
    for user in range(N_MOMENTS):
        simulator.restore(running)
        at_one_moment(simulator, user)
        slates = np.repeat(random_slates(simulator, rng)[:1], N_DRAWS, axis=0)
        rewards, chances = stated_now(simulator, slates)
        step = simulator.step(slates)
        if rewards is not None:
            happens = 1.0 if chances is None else chances[0, :-1].sum()
            of_one = abs(rewards[0]) / max(happens, 1e-300)  # reward of a response that is rare
            rare = 15 * max(np.abs(step.rewards).max(), of_one)
            check_mean(step.rewards, rewards[0], step.rewards.std(), rare)
        if chances is not None:
            taken = step.responses[:, :, 0] > 0
            happened = np.column_stack([taken, ~taken.any(axis=1)]).astype(np.float64)
            for slot, chance in enumerate(chances[0]):
                sd = math.sqrt(max(chance * (1 - chance), 0.0))
                check_mean(happened[:, slot], chance, sd, rare=2.0)


def stated_now(simulator: UserSimulator, slates: Ints) -> tuple[Floats | None, Floats | None]:
    """Return the expected reward and the choice probabilities of slates, where they are stated."""
    rewards = simulator.expected_reward(slates) if simulator.states("expected_reward") else None
    if not simulator.states("choice_probabilities"):
        return rewards, None
    return rewards, simulator.choice_probabilities(slates)


def check_mean(values: Floats, stated: float, sd: float, rare: float) -> None:
    """Raise unless a mean is what is stated, within 5 standard errors and some rare draws.

    What has a chance of 1 in 10,000 or less may happen a few times, or not at all; unseen it is
    missing from `sd` too, where that was estimated. `rare` is the sum that this may add or miss.
    """
    n = len(values)
    assert abs(values.mean() - stated) <= 5 * sd / math.sqrt(n) + rare / n
