"""The truth a simulator tells: it must match what users do, and stay out of what agents see."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Floats, Observations
from rlrec.data.log import InteractionLog
from rlrec.data.rebuild import rebuild_observations
from rlrec.envs.history_shape import history_shape_of
from rlrec.envs.simulator import UserSimulator
from rlrec.policy import RandomPolicy
from rlrec.simulation import SteppedSimulator
from rlrec.slates import SlateDraw
from rlrec.testing.choice_checks import check_distribution
from rlrec.testing.traces import (
    SEED,
    SimulatorMaker,
    any_slates,
    assert_same_array,
    latent_state_of,
    n_steps_of,
    play,
    truth_of,
)

_USERS, _STEPS = 4000, 10
_MOST_ERRORS = 5.0  # standard errors; a right simulator fails one comparison in 1.7 million


def check_choice_probabilities_are_probabilities(make: SimulatorMaker) -> None:
    """Rows of `choice_probabilities` are P(taken) of each slot, and last of nothing.

    They sum to one where at most one item is taken. Users who do not state them are passed over.
    """
    simulator = make(200, 0)
    if not simulator.states("choice_probabilities"):
        return
    simulator.reset(SEED)
    for shown in any_slates(simulator, 20):
        probabilities = simulator.choice_probabilities(shown)
        expected = (200, simulator.slate_size + 1)
        assert probabilities.shape == expected, (
            f"choice probabilities must have shape {expected}, got {probabilities.shape}"
        )
        check_distribution(probabilities, simulator.takes_one)
        simulator.step(shown)


def check_choices_match_their_probabilities(make: SimulatorMaker) -> None:
    """Each slot is taken as often as stated: 40,000 choices, 5 standard errors, by slot and decile.

    Choices of rarely and of often taken slots are compared apart, so that a wrong probability
    cannot hide behind its mean.
    """
    stated, taken = [], []
    simulator = make(_USERS, 0)
    if not simulator.states("choice_probabilities"):
        return
    simulator.reset(SEED)
    for shown in any_slates(simulator, _STEPS):
        stated.append(simulator.choice_probabilities(shown))
        clicks = simulator.step(shown).responses[:, :, 0] > 0
        taken.append(np.column_stack([clicks, ~clicks.any(axis=1)]))
    p, took = np.concatenate(stated), np.concatenate(taken)
    if simulator.takes_one:
        assert (took.sum(axis=1) == 1).all(), "a user must take one slot, or nothing"
    assert not took[p == 0].any(), "a slot of probability 0 must never be taken"
    for slot in range(p.shape[1]):
        name = "nothing" if slot == p.shape[1] - 1 else f"slot {slot}"
        for part in np.array_split(np.argsort(p[:, slot], kind="stable"), 10):
            _check_frequency(p[part, slot], took[part, slot], name)


def check_expected_reward_is_the_mean(make: SimulatorMaker) -> None:
    """`expected_reward` equals the mean reward: 40,000 steps, 5 standard errors."""
    differences = []
    simulator = make(_USERS, 0)
    if not simulator.states("expected_reward"):
        return
    simulator.reset(SEED)
    for shown in any_slates(simulator, _STEPS):
        expected = simulator.expected_reward(shown)
        assert expected.shape == (_USERS,), (
            f"expected_reward must have shape {(_USERS,)}, got {expected.shape}"
        )
        differences.append(simulator.step(shown).rewards - expected)
    difference = np.concatenate(differences)
    error = difference.std() / np.sqrt(difference.size)
    assert abs(difference.mean()) <= _MOST_ERRORS * error, (
        f"expected_reward must be the mean reward; rewards differ by {difference.mean():.4g} with "
        f"a standard error of {error:.2g}"
    )


def check_asking_for_the_truth_changes_nothing(make: SimulatorMaker) -> None:
    """Users do the same whether or not somebody asked for the truth."""
    simulator = make(20, 0)
    slates = any_slates(simulator, n_steps_of(make, 1))
    expected = play(make(20, 0), slates)
    simulator.reset(SEED)
    for number, shown in enumerate(slates):
        truth_of(simulator, shown)
        if isinstance(simulator, UserSimulator) and simulator.states("outlook"):
            simulator.outlook()
        responses = simulator.step(shown).responses
        assert_same_array(responses, expected.responses[number], "asking changed: responses")


def check_hidden_state_stays_hidden(make: SimulatorMaker) -> None:
    """No observed number is a hidden one, whatever its scale; tastes only where declared.

    History keys are checked by `check_logs_rebuild_observations`: they hold what was shown and
    what came back, and nothing else. Users may declare parts of their state as `open_state`.
    Users of another package, who do not show their state, are passed over.
    """
    simulator = make(500, 0)
    trace = play(simulator, any_slates(simulator, 15))
    latent = latent_state_of(simulator)
    if latent is None:
        return
    assert latent, "latent_state must not be empty"
    for key, array in trace.observations.items():
        for name, hidden in latent.items():
            if name not in simulator.open_state and hidden.dtype.kind == "f":
                _check_unrelated(_columns(array[-1]), _columns(hidden), key, name)


def check_logs_rebuild_observations(make: SimulatorMaker) -> None:
    """Observations rebuilt from a log equal those that were seen, bit by bit."""
    simulator = make(40, 0)
    policy = _Watching(simulator)
    log = InteractionLog.record(policy, simulator, 40 * n_steps_of(make, 2), seed=SEED)
    rebuilt = rebuild_observations(log, simulator.catalogue, history_shape_of(simulator))
    seen = policy.seen_in_log_order()
    assert rebuilt.keys() == seen.keys(), (
        f"a log must give back the keys {sorted(seen)}, got {sorted(rebuilt)}"
    )
    for key, array in seen.items():
        assert_same_array(rebuilt[key], array, f"rebuilt observation {key!r}")


TRUTH_CHECKS = (
    check_choice_probabilities_are_probabilities,
    check_choices_match_their_probabilities,
    check_expected_reward_is_the_mean,
    check_asking_for_the_truth_changes_nothing,
    check_hidden_state_stays_hidden,
    check_logs_rebuild_observations,
)


class _Watching(RandomPolicy):
    """Shows random slates and keeps what it sees."""

    def __init__(self, simulator: SteppedSimulator) -> None:
        super().__init__(simulator.n_choices, simulator.slate_size)
        self._simulator = simulator
        self._seen: list[dict[str, NDArray[Any]]] = []
        self._who: list[NDArray[Any]] = []

    def bind(self, simulator: SteppedSimulator) -> "_Watching":
        self._simulator = simulator
        return self

    def act(
        self, observations: Observations, rng: np.random.Generator, deterministic: bool = False
    ) -> SlateDraw:
        self._seen.append({key: array.copy() for key, array in observations.items()})
        self._who.append(np.stack([self._simulator.user_ids, self._simulator.episode_ids]))
        return super().act(observations, rng, deterministic)

    def seen_in_log_order(self) -> dict[str, NDArray[Any]]:
        users, episodes = np.concatenate(self._who, axis=1)
        order = np.lexsort([episodes, users])  # stable: steps stay in order
        return {
            key: np.concatenate([seen[key] for seen in self._seen])[order] for key in self._seen[0]
        }


def _check_frequency(p: Floats, took: NDArray[np.bool_], name: str) -> None:
    error = np.sqrt((p * (1 - p)).sum())
    off = took.sum() - p.sum()
    # One choice more than the normal approximation allows, for rows of tiny probabilities.
    assert abs(off) <= _MOST_ERRORS * error + 1.0, (
        f"{name} must be taken with its stated probability; where that is {p.min():.3g} to "
        f"{p.max():.3g} it was taken {took.sum()} times of {p.size}, expected {p.sum():.1f} "
        f"(standard error {error:.1f})"
    )


def _columns(array: NDArray[Any]) -> Floats:
    """Return each number a user, (n, B), standardised; constant ones are left out."""
    columns = array.reshape(len(array), -1).T.astype(np.float64)
    columns = columns[np.isfinite(columns).all(axis=1)]
    columns -= columns.mean(axis=1, keepdims=True)
    spread = np.sqrt((columns**2).sum(axis=1, keepdims=True))
    varies = spread[:, 0] > 1e-9
    standardised: Floats = columns[varies] / spread[varies]
    return standardised


def _check_unrelated(observed: Floats, hidden: Floats, key: str, name: str) -> None:
    correlation = np.abs(observed @ hidden.T)
    assert correlation.max(initial=0.0) < 0.9999, (
        f"observation {key!r} shows the hidden state {name!r}: a number of one is a number of the "
        f"other, up to scale"
    )
