import logging
import math
from functools import partial
from typing import Any, Self

import numpy as np
import pytest
from numpy.typing import NDArray

from rlrec.arrays import Bools, Floats, Ints, Observations
from rlrec.data.catalogue import Catalogue
from rlrec.envs import MyopicOracle, make_simulator
from rlrec.errors import ConfigError, DataError, SlateError, UnknownNameError
from rlrec.evaluation import RolloutResults, rollout
from rlrec.policy import RandomPolicy
from rlrec.simulation import SimulatorStep, Space
from rlrec.slates import SlateDraw, repeated_slots

N_ITEMS, SLATE_SIZE = 6, 2
CATALOGUE = Catalogue(
    item_ids=np.arange(N_ITEMS),
    topics=np.array([0, 0, 1, 1, 2, 2]),
    features=np.zeros((N_ITEMS, 0), np.float32),
    topic_names=("even", "odd", "rare"),
)


class Patient:
    """User i takes the top item at every step, which yields its index plus 10 i, for i + 1 steps.

    With `luck`, the reward gets a uniform number of the user's own stream on top.
    """

    env_id = "test/Patient-v0"
    slate_size = SLATE_SIZE
    n_choices = N_ITEMS
    response_channels = ("click", "minutes")
    first_user = 0

    def __init__(
        self,
        n_users: int = 3,
        luck: float = 0.0,
        time_limit: int | None = None,
        catalogue: Catalogue | None = CATALOGUE,
        candidates: Ints | None = None,
        keys: tuple[str, ...] = ("context",),
    ) -> None:
        self.n_users, self.luck, self.time_limit = n_users, luck, time_limit
        self.catalogue, self.candidates, self.keys = catalogue, candidates, keys
        self.observation_spaces: dict[str, Space] = {}
        self.seed, self.steps, self.episodes = -1, np.zeros(0, int), np.zeros(0, int)

    @property
    def arguments(self) -> dict[str, Any]:
        return {"luck": self.luck, "time_limit": self.time_limit}

    @property
    def user_ids(self) -> Ints:
        return np.arange(self.n_users)

    @property
    def episode_ids(self) -> Ints:
        return self.user_ids

    def with_users(self, n_users: int, first_user: int = 0) -> Self:
        users = type(self)(
            n_users, self.luck, self.time_limit, self.catalogue, self.candidates, self.keys
        )
        users.first_user = first_user
        return users

    def reset(self, seed: int) -> Observations:
        self.seed = seed
        self.steps, self.episodes = np.zeros((2, self.n_users), int)
        return self.observe()

    def observe(self) -> Observations:
        known: dict[str, NDArray[Any]] = {
            "context": self.steps[:, None].astype(np.float32),
            "candidate_features": np.zeros((self.n_users, N_ITEMS, 1), np.float32),
        }
        if self.candidates is not None:
            known["candidates"] = np.tile(self.candidates, (self.n_users, 1))
        return {key: known[key] for key in self.keys}

    def step(self, slates: Ints) -> SimulatorStep:
        self.steps += 1
        minutes = (slates[:, 0] + 10 * np.arange(self.n_users)).astype(float)
        if self.luck:
            rng = np.random.default_rng([self.seed, int(self.steps.sum())])
            minutes += self.luck * rng.random(self.n_users)
        responses = np.zeros((self.n_users, SLATE_SIZE, 2), np.float32)
        responses[:, 0] = np.stack([np.ones(self.n_users), minutes], axis=1)
        terminated = self.steps > np.arange(self.n_users)
        truncated: Bools = (self.steps == self.time_limit) & ~terminated
        finished = np.flatnonzero(terminated | truncated)
        self.steps[finished] = 0  # the next episode begins
        self.episodes[finished] += 1
        blank = repeated_slots(slates).sum(axis=1)
        return SimulatorStep(
            self.observe(), responses, minutes, terminated, truncated, finished, {}, blank
        )

    def snapshot(self) -> object:
        raise NotImplementedError

    def restore(self, snapshot: Any) -> Observations:
        raise NotImplementedError

    def choice_probabilities(self, slates: Ints) -> Floats:
        raise NotImplementedError

    def expected_reward(self, slates: Ints) -> Floats:
        raise NotImplementedError

    def latent_state(self) -> dict[str, NDArray[Any]]:
        return {"steps": self.steps.copy()}


class Showing:
    """Shows everyone the same slate, or the one of the step at which the user is."""

    def __init__(self, *slates: list[int]) -> None:
        self.slates = np.array(slates)

    def act(
        self, observations: Observations, rng: np.random.Generator, deterministic: bool = False
    ) -> SlateDraw:
        steps = next(iter(observations.values()))[:, 0].astype(int)
        slates = self.slates[np.minimum(steps.ravel(), len(self.slates) - 1)]
        return SlateDraw(slates, np.zeros(slates.shape))

    def log_probs(self, observations: Observations, slates: Ints) -> Floats:
        return np.zeros(slates.shape)


def test_the_first_episode_of_each_user_is_added_up() -> None:
    results = rollout({"three": Showing([3, 0])}, Patient(), n_users=3, seed=0)
    run = results["three"]
    assert run.returns.tolist() == [3.0, 2 * 13.0, 3 * 23.0]
    assert run.lengths.tolist() == [1, 2, 3]
    assert run.responses.tolist() == [[1.0, 3.0], [2.0, 26.0], [3.0, 69.0]]
    assert run.terminated.all() and not run.cut_short.any()
    assert run.items_shown is not None
    assert run.items_shown.tolist() == [6, 0, 0, 6, 0, 0]
    assert run.coverage == pytest.approx(1 / 3)
    assert run.topics_a_slate == 2.0


def test_the_simulator_given_is_left_as_it_is() -> None:
    users = Patient()
    users.reset(5)
    rollout({"one": Showing([1, 0])}, users, n_users=7, seed=0)
    assert users.seed == 5 and users.n_users == 3 and not users.steps.any()


def test_a_face_of_an_environment_stands_for_its_simulator() -> None:
    class Face:
        simulator = Patient()

    assert rollout({"one": Showing([1, 0])}, Face(), n_users=2, seed=0)["one"].returns.size == 2
    with pytest.raises(TypeError, match="simulator"):
        rollout({"one": Showing([1, 0])}, object(), n_users=2, seed=0)


def test_a_time_limit_of_the_environment_is_no_departure() -> None:
    run = rollout({"one": Showing([1, 0])}, Patient(time_limit=2), n_users=4, seed=0)["one"]
    assert run.lengths.tolist() == [1, 2, 2, 2]
    assert run.terminated.tolist() == [True, True, False, False]
    assert not run.cut_short.any()


def test_the_same_policy_under_two_names_meets_the_same_luck() -> None:
    policies = {"a": Showing([1, 0]), "b": Showing([1, 0]), "other": Showing([2, 0])}
    results = rollout(policies, Patient(luck=5.0), n_users=20, seed=3)
    np.testing.assert_array_equal(results["a"].returns, results["b"].returns)
    assert len(np.unique(results["a"].returns)) == 20
    assert results.difference("a", "b")[:4] == (0.0, 0.0, 0.0, 0.0)
    # one more in each of 1 to 20 steps, whatever luck adds to both
    assert results.difference("other", "a").value == pytest.approx(10.5)


def test_a_policy_is_played_alike_whoever_else_is_rolled_out() -> None:
    random = RandomPolicy(N_ITEMS, SLATE_SIZE)
    alone = rollout({"random": random}, Patient(), n_users=9, seed=1)
    beside = rollout({"one": Showing([1, 0]), "random": random}, Patient(), n_users=9, seed=1)
    np.testing.assert_array_equal(alone["random"].returns, beside["random"].returns)
    other_seed = rollout({"random": random}, Patient(), n_users=9, seed=2)
    assert (alone["random"].returns != other_seed["random"].returns).any()


def test_episodes_cut_short_are_said_in_the_result_the_table_and_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        results = rollout({"one": Showing([1, 0])}, Patient(), n_users=4, seed=0, max_steps=2)
    assert "2 of 4 episodes of policy 'one' were cut short after max_steps=2" in caplog.text
    assert results["one"].lengths.tolist() == [1, 2, 2, 2]
    assert results["one"].cut_short.tolist() == [False, False, True, True]
    assert results.table().loc["one", "cut_short"] == 0.5
    assert results.max_steps == 2


def test_an_oracle_is_bound_to_the_simulator_it_is_played_in() -> None:
    class Oracle(Showing):
        bound_to: Patient | None = None

        def bind(self, simulator: Patient) -> "Oracle":
            bound = Oracle([5, 0])
            bound.bound_to = simulator
            return bound

    oracle = Oracle([0, 1])
    assert rollout({"oracle": oracle}, Patient(), n_users=1, seed=0)["oracle"].returns[0] == 5.0
    assert oracle.bound_to is None


def test_blank_slots_are_counted_and_show_nothing() -> None:
    run = rollout({"twice": Showing([3, 3])}, Patient(), n_users=3, seed=0)["twice"]
    assert run.blank_slots.tolist() == [1, 2, 3]
    assert run.items_shown is not None
    assert run.items_shown.tolist() == [0, 0, 0, 6, 0, 0]
    assert run.topics_a_slate == 1.0
    assert run.timeline.topics_shown.sum(axis=0).tolist() == [0, 6, 0]


def test_timeline_tells_topics_and_rewards_by_step_of_the_episode() -> None:
    policy = Showing([0, 2], [4, 1], [5, 4])
    timeline = rollout({"moving": policy}, Patient(), n_users=3, seed=0)["moving"].timeline
    assert timeline.edges.tolist() == [0, 1, 2, 3]
    assert timeline.user_steps.tolist() == [3, 2, 1]
    np.testing.assert_allclose(timeline.mean_rewards, [10.0, 19.0, 25.0])
    assert timeline.shown_shares.tolist() == [[0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0, 1.0]]
    assert timeline.responded_shares.tolist() == [[1.0, 0, 0], [0, 0, 1.0], [0, 0, 1.0]]


def test_timeline_has_at_most_twenty_bins_shared_by_all_policies() -> None:
    policies = {"a": Showing([0, 2]), "b": Showing([1, 0])}
    results = rollout(policies, Patient(), n_users=45, seed=0)
    for name in policies:
        timeline = results[name].timeline
        assert timeline.edges.tolist() == list(range(0, 46, 3))
        assert timeline.user_steps.sum() == results[name].lengths.sum()
        assert timeline.reward_sums.sum() == pytest.approx(results[name].returns.sum())


def test_positions_among_candidates_are_counted_as_the_items_there() -> None:
    users = Patient(candidates=np.array([5, 4, 2]), keys=("context", "candidates"))
    run = rollout({"first": Showing([0, 2])}, users, n_users=1, seed=0)["first"]
    assert run.items_shown is not None
    assert run.items_shown.tolist() == [0, 0, 1, 0, 0, 1]
    assert run.timeline.topics_shown.tolist() == [[0, 1, 1]]


@pytest.mark.parametrize("users", [Patient(catalogue=None), Patient(keys=("candidate_features",))])
def test_nothing_is_said_of_items_without_identity(users: Patient) -> None:
    results = rollout({"random": RandomPolicy(N_ITEMS, SLATE_SIZE)}, users, n_users=2, seed=0)
    run = results["random"]
    assert run.items_shown is None and run.coverage is None and run.topics_a_slate is None
    assert run.timeline.topics_shown.shape == (2, 0)
    assert results.topic_names == ()
    assert results.table()[["coverage", "gini", "topics_a_slate"]].isna().all(axis=None)


def played() -> RolloutResults:
    policies = {
        "floor": Showing([0, 1]),
        "agent": Showing([1, 2], [3, 4]),
        "reference": Showing([5, 4]),
    }
    return rollout(policies, Patient(luck=2.0), n_users=25, seed=4)


def test_table_gives_returns_with_intervals_over_users() -> None:
    results = played()
    row = results.table().loc["agent"]
    returns = results["agent"].returns
    reach = 2.0639 * returns.std(ddof=1) / math.sqrt(25)  # Student's t with 24 degrees of freedom
    assert row["n_users"] == 25
    assert row["mean_return"] == pytest.approx(returns.mean())
    assert row["low"] == pytest.approx(returns.mean() - reach, rel=1e-4)
    assert row["high"] == pytest.approx(returns.mean() + reach, rel=1e-4)
    assert row["length"] == 13.0 and row["response.click"] == 13.0
    assert "score" not in row


def test_scores_put_the_floor_at_zero_and_the_reference_at_one() -> None:
    results = played()
    assert results.score("floor", "floor", "reference")[:4] == (0.0, 0.0, 0.0, 0.0)
    assert results.score("reference", "floor", "reference")[:4] == (1.0, 1.0, 1.0, 0.0)
    agent = results.score("agent", "floor", "reference")
    assert 0 < agent.low < agent.value < agent.high < 1
    columns = ["score", "score_low", "score_high"]
    table = results.table("floor", "reference")[columns].to_numpy()
    assert table[1].tolist() == [agent.value, agent.low, agent.high]


def test_score_interval_agrees_with_a_bootstrap_over_users() -> None:
    results = played()
    floor, agent, reference = (results[name].returns for name in ("floor", "agent", "reference"))
    rows = np.random.default_rng(0).integers(25, size=(4_000, 25))
    resampled = (agent - floor)[rows].mean(axis=1) / (reference - floor)[rows].mean(axis=1)
    found = results.score("agent", "floor", "reference")
    assert found.value == pytest.approx((agent - floor).mean() / (reference - floor).mean())
    # n = 25 users: the delta method with n - 1 is about 2 % wider than the bootstrap, and the
    # standard deviation of 4,000 resamples has a relative standard error of 1.1 %
    assert found.standard_error == pytest.approx(resampled.std(), rel=0.08)


def test_scores_need_both_ends_and_a_distance_between_them() -> None:
    results = played()
    with pytest.raises(ConfigError, match="both a floor and a reference"):
        results.table(floor="floor")
    with pytest.raises(ConfigError, match="no scale between them"):
        results.table(floor="floor", reference="floor")
    with pytest.raises(UnknownNameError, match="Did you mean 'reference'"):
        results.table(floor="floor", reference="referense")


def test_results_come_back_from_json_exactly() -> None:
    results = played()
    again = RolloutResults.from_json(results.to_json())
    assert again.to_json() == results.to_json()
    assert again.table("floor", "reference").equals(results.table("floor", "reference"))
    np.testing.assert_array_equal(again["agent"].returns, results["agent"].returns)
    assert again.topic_names == CATALOGUE.topic_names
    assert again["agent"].terminated.dtype == bool


def test_results_without_items_come_back_from_json() -> None:
    results = rollout({"one": Showing([1, 0])}, Patient(catalogue=None), n_users=2, seed=0)
    again = RolloutResults.from_json(results.to_json())
    assert again["one"].items_shown is None
    assert again["one"].timeline.topics_shown.shape == (2, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "must be JSON"),
        ("[]", "expected format 'rlrec rollout' of version 1, found None"),
        ('{"format": "rlrec rollout", "version": 7}', "found 'rlrec rollout' of version 7"),
        ('{"format": "rlrec rollout", "version": 1}', "damaged.*policies"),
    ],
)
def test_json_that_is_not_a_rollout_is_refused(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        RolloutResults.from_json(text)


def test_progress_counts_ended_episodes_up_to_all_of_them() -> None:
    told: list[tuple[int, int]] = []
    policies = {"a": Showing([1, 0]), "b": Showing([2, 0])}
    rollout(
        policies,
        Patient(),
        3,
        0,
        max_steps=2,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(1, 6), (2, 6), (3, 6), (4, 6), (5, 6), (6, 6)]


def test_rollout_refuses_arguments_out_of_range() -> None:
    one = {"one": Showing([1, 0])}
    with pytest.raises(ConfigError, match="at least one policy"):
        rollout({}, Patient(), 3, 0)
    with pytest.raises(ConfigError, match="n_users must be 1 or more, got 0"):
        rollout(one, Patient(), 0, 0)
    with pytest.raises(ConfigError, match="seed must be 0 or more, got -1"):
        rollout(one, Patient(), 3, -1)
    with pytest.raises(ConfigError, match="max_steps must be None or 1 or more, got 0"):
        rollout(one, Patient(), 3, 0, max_steps=0)


def test_a_policy_with_slates_of_another_size_is_named() -> None:
    with pytest.raises(SlateError, match=r"policy 'three' .* shape \(3, 2\) .* got \(3, 3\)"):
        rollout({"three": Showing([1, 0, 2])}, Patient(), 3, 0)


def test_users_are_counted_from_the_first_of_the_simulator_given() -> None:
    make = partial(make_simulator, "rlrec/InterestEvolution-v0", n_items=20, max_steps=40)
    policies = {"best": MyopicOracle()}
    every = rollout(policies, make(1), 7, seed=3)["best"]
    later = rollout(policies, make(2, first_user=4), 3, seed=3)["best"]
    np.testing.assert_array_equal(later.returns, every.returns[4:])
    assert (later.returns != every.returns[:3]).any()
