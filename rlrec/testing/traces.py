"""What simulated users did, kept so that two runs can be compared bit by bit."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Bools, Floats, Floats32, Ints, Observations
from rlrec.errors import TruthError
from rlrec.simulation import SteppedSimulator

SimulatorMaker = Callable[[int, int], SteppedSimulator]
"""Takes `n_users` and `first_user`; returns a simulator that is not reset yet."""

SEED = 11
_MOST_STEPS = 1000


class Trace(NamedTuple):
    """T steps of B users; arrays have the leading axes (T, B)."""

    observations: dict[str, NDArray[Any]]
    """Seen before each step, and once more after the last: (T + 1, B, ...)."""
    final_observations: dict[str, NDArray[Any]]
    """Seen at the end of an episode; zero where none ended."""
    responses: Floats32
    rewards: Floats
    terminated: Bools
    truncated: Bools
    blank_slots: Ints
    episode_ids: Ints
    """Episode each step belongs to."""

    @property
    def ended(self) -> Bools:
        """Whether an episode ended, (T, B)."""
        ended: Bools = self.terminated | self.truncated
        return ended

    def users(self, chosen: slice) -> "Trace":
        """Return the trace of some of the users."""
        parts: dict[str, Any] = {
            name: {key: array[:, chosen] for key, array in part.items()}
            if isinstance(part, dict)
            else part[:, chosen]
            for name, part in self._asdict().items()
        }
        return Trace(**parts)


def any_slates(simulator: SteppedSimulator, n_steps: int, seed: int = SEED) -> Ints:
    """Return random slates (n_steps, B, K), in which items may repeat."""
    rng = np.random.default_rng(seed)
    shape = (n_steps, simulator.n_users, simulator.slate_size)
    return rng.integers(simulator.n_choices, size=shape)


def play(
    simulator: SteppedSimulator, slates: Ints, seed: int | None = SEED, n_kept: int | None = None
) -> Trace:
    """Show slates (T, B, K) and return what happened to the first `n_kept` users.

    Args:
        simulator: Whose users are shown the slates.
        slates: What to show.
        seed: Reset with it first; None goes on from where the simulator is.
        n_kept: By default all users.
    """
    kept = slice(n_kept)
    first = simulator.reset(seed) if seed is not None else simulator.restore(simulator.snapshot())
    seen, rows = [_rows(first, kept)], []
    for shown in slates:
        episode_ids = simulator.episode_ids
        step = simulator.step(shown)
        seen.append(_rows(step.observations, kept))
        final = _spread(step.final_observations, step.finished, step.observations)
        rows.append(
            {
                "final_observations": _rows(final, kept),
                "responses": step.responses[kept].copy(),
                "rewards": step.rewards[kept].copy(),
                "terminated": step.terminated[kept].copy(),
                "truncated": step.truncated[kept].copy(),
                "blank_slots": step.blank_slots[kept].copy(),
                "episode_ids": episode_ids[kept],
            }
        )
    stacked = {name: _stack([row[name] for row in rows]) for name in rows[0]}
    return Trace(observations=_stack(seen), **stacked)


def n_steps_of(make: SimulatorMaker, n_episodes: int = 3) -> int:
    """Return how many steps user 0 needs to finish some episodes, at most 1000."""
    simulator = make(1, 0)
    slates = any_slates(simulator, _MOST_STEPS)
    simulator.reset(SEED)
    for number, shown in enumerate(slates):
        n_episodes -= simulator.step(shown).finished.size
        if n_episodes == 0:
            return number + 1
    return _MOST_STEPS


def truth_of(simulator: SteppedSimulator, slates: Ints) -> dict[str, Any]:
    """Return the truth about slates and state, as far as the users state it."""
    truth: dict[str, Any] = {"latent_state": latent_state_of(simulator) or {}}
    for name in ("choice_probabilities", "expected_reward"):
        if simulator.states(name):
            truth[name] = getattr(simulator, name)(slates)
    return truth


def latent_state_of(simulator: SteppedSimulator) -> dict[str, NDArray[Any]] | None:
    """Return the hidden state, or None of users of another package, who do not show it."""
    try:
        return simulator.latent_state()
    except TruthError:
        return None


def assert_same_trace(got: Trace, expected: Trace, claim: str) -> None:
    """Raise an AssertionError that begins with `claim` where two traces differ."""
    for name, part in expected._asdict().items():
        other = getattr(got, name)
        parts = part.items() if isinstance(part, dict) else [("", part)]
        for key, array in parts:
            assert_same_array(other[key] if key else other, array, f"{claim}: {name} {key}")


def assert_same_observation(got: Observations, expected: Observations, claim: str) -> None:
    """Raise an AssertionError that begins with `claim` where two observations differ."""
    assert got.keys() == expected.keys(), (
        f"{claim}: expected the keys {sorted(expected)}, got {sorted(got)}"
    )
    for key, array in expected.items():
        assert_same_array(got[key], array, f"{claim}: observation {key!r}")


def assert_same_array(got: NDArray[Any], expected: NDArray[Any], claim: str) -> None:
    """Raise an AssertionError that begins with `claim` where two arrays differ in any bit."""
    same_kind = got.shape == expected.shape and got.dtype == expected.dtype
    assert same_kind, (
        f"{claim} must be {expected.dtype} of shape {expected.shape}, "
        f"got {got.dtype} of shape {got.shape}"
    )
    wrong = np.argwhere(got != expected)
    if wrong.size:
        place = tuple(wrong[0].tolist())
        raise AssertionError(
            f"{claim} differs at {len(wrong)} of {got.size} places, the first at {place}: "
            f"expected {expected[place]!r}, got {got[place]!r}"
        )


def row_of(observations: Observations, row: int) -> dict[str, NDArray[Any]]:
    """Return one row of every array."""
    return {key: array[row] for key, array in observations.items()}


def _rows(observations: Observations, rows: slice) -> dict[str, NDArray[Any]]:
    return {key: array[rows].copy() for key, array in observations.items()}


def _spread(final: Observations, finished: Ints, like: Observations) -> Observations:
    spread = {key: np.zeros_like(array) for key, array in like.items()}
    for key, array in final.items():
        spread[key][finished] = array
    return spread


def _stack(parts: list[Any]) -> Any:
    if isinstance(parts[0], dict):
        return {key: np.stack([part[key] for part in parts]) for key in parts[0]}
    return np.stack(parts)
