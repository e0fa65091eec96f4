"""The contract checks fail for components that break the contract, and say what is broken."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rlrec.arrays import Bools, Floats, Ints, Observations
from rlrec.baselines import EASE
from rlrec.envs import UserSimulator, make_simulator
from rlrec.envs.blocks.choice import ChoiceWeights, LogitChoice
from rlrec.envs.blocks.state import Shown, State
from rlrec.envs.simulator import Snapshot
from rlrec.envs.users import Users
from rlrec.policy import RandomPolicy, n_users_of
from rlrec.simulation import SimulatorStep, Space
from rlrec.slates import SlateDraw
from rlrec.testing import SimulatorMaker, choice_checks, policy_checks, recommender_checks
from rlrec.testing import simulator_checks as simulators
from rlrec.testing import truth_checks as truths


class ForgetsTheSeed(UserSimulator):
    n_resets = 0

    def reset(self, seed: int) -> Observations:
        ForgetsTheSeed.n_resets += 1
        return super().reset(seed + self.n_resets)


class IgnoresTheSeed(UserSimulator):
    def reset(self, seed: int) -> Observations:
        return super().reset(0)


class AlwaysClicks(UserSimulator):
    def step(self, slates: Ints) -> SimulatorStep:
        step = super().step(slates)
        return step._replace(responses=np.ones_like(step.responses), rewards=step.rewards * 0)


class DependsOnTheBatch(UserSimulator):
    def reset(self, seed: int) -> Observations:
        return super().reset(seed + self.n_users)


class SharesItsGenerator(UserSimulator):
    def with_users(self, n_users: int, first_user: int = 0) -> Any:
        self._tick += 1
        return super().with_users(n_users, first_user)


class SeesNan(UserSimulator):
    def _observe(self, users: Ints | slice = slice(None)) -> dict[str, NDArray[Any]]:
        observations = super()._observe(users)
        observations["topic_counts"][:, 0] = np.nan
        return observations


class RewardsWithNan(UserSimulator):
    def step(self, slates: Ints) -> SimulatorStep:
        step = super().step(slates)
        return step._replace(rewards=step.rewards * np.nan)


class ScoresNan(UserSimulator):
    def choice_probabilities(self, slates: Ints) -> Floats:
        return super().choice_probabilities(slates) * np.nan


class HidesItsLimit(UserSimulator):
    def __init__(self, problem: Any, n_users: int, first_user: int = 0) -> None:
        super().__init__(replace(problem, max_steps=7, arguments={}), n_users, first_user)


class EndsBothWays(UserSimulator):
    def step(self, slates: Ints) -> SimulatorStep:
        step = super().step(slates)
        return step._replace(truncated=step.terminated)


class TakesBlankSlots(UserSimulator):
    def __init__(self, problem: Any, n_users: int, first_user: int = 0) -> None:
        parts = problem.users
        users = _Blind(
            items=parts.items,
            taste=parts.taste,
            choice=parts.choice,
            response=parts.response,
            slate_size=parts.slate_size,
            leaving=parts.leaving,
        )
        super().__init__(replace(problem, users=users), n_users, first_user)


class _Blind(Users):
    def scores(self, state: State, shown: Shown, blank: Bools | None = None) -> Floats:
        return super().scores(state, shown)


class LendsItsArrays(UserSimulator):
    def _observe(self, users: Ints | slice = slice(None)) -> dict[str, NDArray[Any]]:
        observations = super()._observe(users)
        if isinstance(users, slice):
            observations["topic_counts"] = self._history._arrays["topic_counts"]
        return observations


class LendsItsState(UserSimulator):
    def latent_state(self) -> dict[str, NDArray[Any]]:
        return self._state


class KeepsShallowSnapshots(UserSimulator):
    def snapshot(self) -> Snapshot:
        return super().snapshot()._replace(state=self._state)


class RestoresOtherUsers(UserSimulator):
    def restore(self, snapshot: Snapshot) -> Observations:
        episodes = np.resize(snapshot.episodes, self.n_users)
        mine = snapshot._replace(first_user=self.first_user, episodes=episodes)
        if self.n_users == len(snapshot.steps):
            return super().restore(mine)
        return self.reset(snapshot.seed)


class AcceptsAnySlate(UserSimulator):
    def _checked(self, slates: Ints) -> Ints:
        return np.clip(np.asarray(slates), 0, self.n_choices - 1).astype(np.int64)


class StepsBeforeRefusing(UserSimulator):
    def step(self, slates: Ints) -> SimulatorStep:
        self._tick += 1
        return super().step(slates)


class DrawsGlobally(UserSimulator):
    def step(self, slates: Ints) -> SimulatorStep:
        np.random.random()  # what the check must notice
        return super().step(slates)


class Overconfident(UserSimulator):
    def choice_probabilities(self, slates: Ints) -> Floats:
        sharp = super().choice_probabilities(slates) ** 1.15
        return np.asarray(sharp / sharp.sum(axis=1, keepdims=True))


class Unnormalised(UserSimulator):
    def choice_probabilities(self, slates: Ints) -> Floats:
        return 1.001 * super().choice_probabilities(slates)


class PromisesMore(UserSimulator):
    def expected_reward(self, slates: Ints) -> Floats:
        return 1.05 * super().expected_reward(slates)


class StatesByBatch(UserSimulator):
    def expected_reward(self, slates: Ints) -> Floats:
        return (1.0 + 1e-15 * self.n_users) * super().expected_reward(slates)


class MovesWhenAsked(UserSimulator):
    def outlook(self, users: Ints | None = None) -> Any:
        self._tick += 1
        return super().outlook(users)


class ShowsTheBudget(UserSimulator):
    def __init__(self, problem: Any, n_users: int, first_user: int = 0) -> None:
        super().__init__(problem, n_users, first_user)
        self.observation_spaces["context"] = Space((1,), np.float32, 0.0, 1000.0)

    def _observe(self, users: Ints | slice = slice(None)) -> dict[str, NDArray[Any]]:
        scaled = 1.0 + 0.5 * self._state["budget"][users, None]
        return {**super()._observe(users), "context": scaled.astype(np.float32)}


class CountsWhatIsShown(UserSimulator):
    def _observe(self, users: Ints | slice = slice(None)) -> dict[str, NDArray[Any]]:
        observations = super()._observe(users)
        observations["topic_counts"][:, 0] += self._steps[users]
        return observations


BROKEN: list[tuple[type[UserSimulator], Callable[[SimulatorMaker], None], str]] = [
    (ForgetsTheSeed, simulators.check_same_seed_same_episodes, "same seed"),
    (IgnoresTheSeed, simulators.check_seeds_differ, "two seeds"),
    (DependsOnTheBatch, simulators.check_users_do_not_depend_on_the_batch, "among 1000"),
    (StatesByBatch, simulators.check_users_do_not_depend_on_the_batch, "1000: expected_reward"),
    (SharesItsGenerator, simulators.check_with_users_gives_the_same_simulator, "disturb"),
    (SeesNan, simulators.check_observations_lie_in_their_spaces, "got nan"),
    (RewardsWithNan, simulators.check_outcomes_are_finite_and_shaped, "rewards must be finite"),
    (SeesNan, simulators.check_nothing_is_nan, "topic_counts must be numbers, got NaN for user 0"),
    (RewardsWithNan, simulators.check_nothing_is_nan, "rewards must be numbers"),
    (ScoresNan, simulators.check_nothing_is_nan, "choice_probabilities must be numbers"),
    (HidesItsLimit, simulators.check_episode_ends, "arguments must contain max_steps=7"),
    (EndsBothWays, simulators.check_episode_ends, "both ways"),
    (TakesBlankSlots, simulators.check_repeats_are_blank, "blank slot"),
    (LendsItsArrays, simulators.check_arrays_are_detached, "earlier arrays"),
    (LendsItsState, simulators.check_arrays_are_detached, "earlier arrays"),
    (KeepsShallowSnapshots, simulators.check_snapshots_replay, "snapshot"),
    (RestoresOtherUsers, simulators.check_snapshots_replay, "of other users"),
    (AcceptsAnySlate, simulators.check_wrong_slates_are_refused, "must raise a SlateError"),
    (StepsBeforeRefusing, simulators.check_wrong_slates_are_refused, "leave the users"),
    (DrawsGlobally, simulators.check_global_generators_are_left_alone, r"np\.random"),
    (Overconfident, truths.check_choices_match_their_probabilities, "stated probability"),
    (Unnormalised, truths.check_choice_probabilities_are_probabilities, "sum to 1"),
    (PromisesMore, truths.check_expected_reward_is_the_mean, "mean reward"),
    (MovesWhenAsked, truths.check_asking_for_the_truth_changes_nothing, "asking changed"),
    (ShowsTheBudget, truths.check_hidden_state_stays_hidden, "hidden state 'budget'"),
    (CountsWhatIsShown, truths.check_logs_rebuild_observations, "'topic_counts'"),
]


def test_seeds_may_differ_in_what_is_seen_alone() -> None:
    """As where an environment of another package responds to everything in the same way."""
    problem = make_simulator("rlrec/InterestEvolution-v0", 1).problem
    simulators.check_seeds_differ(
        lambda n_users, first_user: AlwaysClicks(problem, n_users, first_user)
    )


@pytest.mark.parametrize(
    ("broken", "check", "words"), BROKEN, ids=[f"{b.__name__}-{c.__name__}" for b, c, _ in BROKEN]
)
def test_a_broken_simulator_fails_its_check(
    broken: type[UserSimulator], check: Callable[[SimulatorMaker], None], words: str
) -> None:
    problem = make_simulator("rlrec/InterestEvolution-v0", 1, n_items=40, slate_size=4).problem
    with pytest.raises(AssertionError, match=words):
        check(lambda n_users, first_user: broken(problem, n_users, first_user))


class Repeats(RandomPolicy):
    def act(self, observations: Observations, rng: Any, deterministic: bool = False) -> SlateDraw:
        slates = np.zeros((n_users_of(observations), self.slate_size), np.int64)
        return SlateDraw(slates, np.zeros(slates.shape))


class MisstatesChances(RandomPolicy):
    def log_probs(self, observations: Observations, slates: Ints) -> Floats:
        return super().log_probs(observations, slates) - 0.01

    def act(self, observations: Observations, rng: Any, deterministic: bool = False) -> SlateDraw:
        draw = super().act(observations, rng, deterministic)
        return draw._replace(log_probs=draw.log_probs + 0.01)


class Underestimates(RandomPolicy):
    def log_probs(self, observations: Observations, slates: Ints) -> Floats:
        return super().log_probs(observations, slates) - 0.01


class IsFalselyCertain(RandomPolicy):
    def act(self, observations: Observations, rng: Any, deterministic: bool = False) -> SlateDraw:
        draw = super().act(observations, rng, deterministic)
        return draw._replace(log_probs=np.zeros(draw.slates.shape))


class HasItsOwnChance(RandomPolicy):
    own = np.random.default_rng(0)

    def act(self, observations: Observations, rng: Any, deterministic: bool = False) -> SlateDraw:
        return super().act(observations, self.own, deterministic)


class Remembers(RandomPolicy):
    n_calls = 0

    def act(self, observations: Observations, rng: Any, deterministic: bool = False) -> SlateDraw:
        self.n_calls += 1
        draw = super().act(observations, rng, deterministic)
        return draw._replace(slates=np.roll(draw.slates, self.n_calls // 2, axis=1))


class ChangesWhatItSees(RandomPolicy):
    def act(self, observations: Observations, rng: Any, deterministic: bool = False) -> SlateDraw:
        observations["topic_counts"][:] = 0.0
        return super().act(observations, rng, deterministic)


class LooksAtOthers(RandomPolicy):
    def log_probs(self, observations: Observations, slates: Ints) -> Floats:
        return super().log_probs(observations, slates) * n_users_of(observations)


class AllowsRepeats(RandomPolicy):
    def log_probs(self, observations: Observations, slates: Ints) -> Floats:
        return np.full(slates.shape, -np.log(self.n_choices))


class ForgetsItsBest(RandomPolicy):
    def act(self, observations: Observations, rng: Any, deterministic: bool = False) -> SlateDraw:
        draw = super().act(observations, rng)
        if deterministic:
            draw.slates[::2] = np.arange(self.slate_size)
        return draw


class IsSometimesCertain(RandomPolicy):
    def act(self, observations: Observations, rng: Any, deterministic: bool = False) -> SlateDraw:
        draw = super().act(observations, rng, deterministic)
        draw.log_probs[draw.slates[:, 0] == 0] = 0.0
        return draw


@pytest.mark.parametrize(
    ("broken", "check", "words"),
    [
        (Repeats, policy_checks.check_slates_are_shaped, "must not repeat"),
        (MisstatesChances, policy_checks.check_log_probs_are_those_of_act, "agree"),
        (IsFalselyCertain, policy_checks.check_certain_slates_do_not_depend_on_chance, "chance"),
        (HasItsOwnChance, policy_checks.check_same_generator_same_slates, "same generator"),
        (Remembers, policy_checks.check_it_keeps_no_memory, "remember"),
        (ChangesWhatItSees, policy_checks.check_it_keeps_no_memory, "must not change"),
        (LooksAtOthers, policy_checks.check_users_are_served_alone, "alone"),
        (AllowsRepeats, policy_checks.check_impossible_slates_have_no_chance, "-inf"),
        (Underestimates, policy_checks.check_probabilities_of_all_slates_sum_to_one, "sum to 1"),
        (ForgetsItsBest, policy_checks.check_slates_come_as_often_as_stated, "ministic=True"),
        (IsSometimesCertain, policy_checks.check_slates_come_as_often_as_stated, "as stated"),
    ],
)
def test_a_broken_policy_fails_its_check(
    broken: type[RandomPolicy], check: Callable[[Any, Any], None], words: str
) -> None:
    users = make_simulator("rlrec/InterestEvolution-v0", 20, n_items=6, slate_size=3)
    with pytest.raises(AssertionError, match=words):
        check(broken(6, 3), users)


class Leaks(LogitChoice):
    def probabilities(self, scores: Floats) -> Floats:
        return 0.99 * super().probabilities(scores)


class Overflows(LogitChoice):
    def probabilities(self, scores: Floats) -> Floats:
        options = np.exp(np.column_stack([scores, np.zeros(len(scores))]))
        return np.asarray(options / options.sum(axis=1, keepdims=True))


class LikesTheWorst(LogitChoice):
    def weights(self, scores: Floats) -> ChoiceWeights:
        return super().weights(-scores)


class Herds(LogitChoice):
    def probabilities(self, scores: Floats) -> Floats:
        return super().probabilities(scores - scores.mean())


@pytest.mark.parametrize(
    ("broken", "check", "words"),
    [
        (Leaks(), choice_checks.check_rows_sum_to_one, "sum to 1"),
        (Leaks(), choice_checks.check_weights_agree_with_probabilities, "shares"),
        (LikesTheWorst(), choice_checks.check_a_higher_score_is_taken_more_often, "less often"),
        (Herds(), choice_checks.check_rows_are_independent, "alone"),
    ],
)
def test_a_broken_choice_model_fails_its_check(
    broken: LogitChoice, check: Callable[[Any], None], words: str
) -> None:
    with pytest.raises(AssertionError, match=words):
        check(broken)


def test_a_choice_model_that_overflows_fails_its_check() -> None:
    with pytest.raises(FloatingPointError, match="overflow"):
        choice_checks.check_large_scores_are_finite(Overflows())


class LendsItsScores(EASE):
    def _scores(self, user_index: Ints) -> Floats:
        cached: dict[bytes, Floats] = self.__dict__.setdefault("cached", {})
        return cached.setdefault(user_index.tobytes(), super()._scores(user_index))


class ForgetsPopularity(EASE):
    def _with_fallback(self, scores: Floats, n_taken: Ints) -> Floats:
        return scores + np.arange(scores.shape[1]) * 1e-9


class LosesAWeight(EASE):
    @classmethod
    def load(cls, folder: Any) -> Any:
        model = super().load(folder)
        model.popularity = model.popularity + 1.0
        return model


@pytest.mark.parametrize(
    ("broken", "check", "words"),
    [
        (LendsItsScores, recommender_checks.check_scores_are_shaped, "caller's own"),
        (ForgetsPopularity, recommender_checks.check_without_history_popularity_counts, "first"),
        (LosesAWeight, recommender_checks.check_files_give_the_model_back, "fold in equally"),
    ],
)
def test_a_broken_recommender_fails_its_check(
    broken: type[EASE], check: Callable[[Any], None], words: str
) -> None:
    with pytest.raises(AssertionError, match=words):
        check(lambda: broken(slate_size=3))
