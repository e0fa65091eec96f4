"""What a simulator must keep: replay, batches, spaces, blank slots, detached arrays, errors."""

import random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Bools, Ints
from rlrec.data.history import HISTORY_KEYS
from rlrec.data.log_columns import OBSERVED_KEYS
from rlrec.errors import ConfigError, SlateError
from rlrec.simulation import Space, SteppedSimulator
from rlrec.testing.traces import (
    SEED,
    SimulatorMaker,
    any_slates,
    assert_same_array,
    assert_same_observation,
    assert_same_trace,
    n_steps_of,
    play,
    truth_of,
)

_USERS = 20


def check_nothing_is_nan(make: SimulatorMaker) -> None:
    """What is observed, responses, rewards and stated chances are numbers, never NaN.

    It comes first: NaN differs from itself, and would be taken for a broken replay.
    """
    simulator = make(_USERS, 0)
    seen: dict[str, Any] = dict(simulator.reset(SEED))
    for shown in any_slates(simulator, n_steps_of(make, 1)):
        truth = truth_of(simulator, shown)
        told = {
            key: truth[key] for key in ("choice_probabilities", "expected_reward") if key in truth
        }
        for key, array in (seen | told).items():
            _check_no_nan(key, array)
        step = simulator.step(shown)
        seen = {**step.observations, "responses": step.responses, "rewards": step.rewards}


def check_same_seed_same_episodes(make: SimulatorMaker) -> None:
    """Resetting with a seed gives the same users again, whatever was played before."""
    simulator = make(_USERS, 0)
    slates = any_slates(simulator, n_steps_of(make, 2))
    first = play(simulator, slates)
    claim = "the same seed must give the same episodes"
    assert_same_trace(play(simulator, slates), first, claim)
    assert_same_trace(play(make(_USERS, 0), slates), first, claim)


def check_seeds_differ(make: SimulatorMaker) -> None:
    """Two seeds give different users: in what is seen of them, or what they do."""
    simulator = make(_USERS, 0)
    slates = any_slates(simulator, n_steps_of(make, 1))
    one, other = play(simulator, slates, SEED), play(simulator, slates, SEED + 1)
    pairs: list[tuple[NDArray[Any], NDArray[Any]]] = [
        (one.responses, other.responses),
        (one.rewards, other.rewards),
    ]
    pairs += [(array, other.observations[key]) for key, array in one.observations.items()]
    assert any(np.any(first != second) for first, second in pairs), (
        "two seeds must not give the same observations, responses and rewards"
    )


def check_users_do_not_depend_on_the_batch(make: SimulatorMaker) -> None:
    """User i is bit-identical in batches of 1, 7 and 1000, over several episodes; so is its truth.

    Sums of 9 numbers or more are rounded by how they lie in memory: try slates of such a size too.
    """
    slates = any_slates(make(1000, 0), n_steps_of(make))
    expected = play(make(1000, 0), slates, n_kept=7)
    for first, n_users in ((0, 7), (0, 1), (3, 1), (5, 2)):
        users = slice(first, first + n_users)
        alone = play(make(n_users, first), slates[:, users])
        claim = f"users {first}..{first + n_users - 1} must be the same alone as among 1000"
        assert_same_trace(alone, expected.users(users), claim)
        _check_same_truth(make, slates[:4], users)


def check_with_users_gives_the_same_simulator(make: SimulatorMaker) -> None:
    """`with_users` equals making the simulator anew, and leaves the first one alone."""
    simulator = make(_USERS, 0)
    slates = any_slates(simulator, 2 * n_steps_of(make, 1))
    half = len(slates) // 2
    expected = play(simulator, slates)
    play(simulator, slates[:half])
    others = simulator.with_users(3, 2)
    claim = "with_users(n, first) must equal a simulator made for those users"
    assert_same_trace(play(others, slates[:half, 2:5]), play(make(3, 2), slates[:half, 2:5]), claim)
    rest = play(simulator, slates[half:], seed=None)
    assert_same_array(
        rest.rewards, expected.rewards[half:], "with_users must not disturb the simulator: rewards"
    )


def check_observations_lie_in_their_spaces(make: SimulatorMaker) -> None:
    """Every observation has the declared keys, shapes, dtypes and range, and no NaN."""
    simulator = make(_USERS, 0)
    known = (*HISTORY_KEYS, *OBSERVED_KEYS)
    unknown = sorted(set(simulator.observation_spaces) - set(known))
    assert not unknown, f"observation keys must be among {known}, got {unknown}"
    trace = play(simulator, any_slates(simulator, n_steps_of(make)))
    for seen in (trace.observations, trace.final_observations):
        assert seen.keys() == simulator.observation_spaces.keys(), (
            f"observations must have the declared keys {sorted(simulator.observation_spaces)}, "
            f"got {sorted(seen)}"
        )
        for key, space in simulator.observation_spaces.items():
            _check_inside(key, seen[key], space)


def check_outcomes_are_finite_and_shaped(make: SimulatorMaker) -> None:
    """Responses and rewards are finite and 0 or more channels wide; shapes and dtypes hold."""
    simulator = make(_USERS, 0)
    trace = play(simulator, any_slates(simulator, n_steps_of(make)))
    slots = (simulator.slate_size, len(simulator.response_channels))
    rules: dict[str, tuple[tuple[int, ...], type[np.generic]]] = {
        "responses": (slots, np.float32),
        "rewards": ((), np.float64),
        "terminated": ((), np.bool_),
        "truncated": ((), np.bool_),
        "blank_slots": ((), np.int64),
        "episode_ids": ((), np.int64),
    }
    for name, (shape, dtype) in rules.items():
        array: NDArray[Any] = getattr(trace, name)
        assert array.shape[1:] == (_USERS, *shape) and array.dtype == dtype, (
            f"{name} must be {np.dtype(dtype)} of shape {(_USERS, *shape)} a step, "
            f"got {array.dtype} of shape {array.shape[1:]}"
        )
        assert np.isfinite(array).all(), f"{name} must be finite"


def check_episode_ends(make: SimulatorMaker) -> None:
    """Users who leave terminate, time limits truncate, never both; `finished` names exactly them.

    The time limit is the simulator's argument `max_steps`, if it has one.
    """
    simulator = make(_USERS, 0)
    slates = any_slates(simulator, n_steps_of(make))
    limit = simulator.arguments.get("max_steps")
    steps = np.zeros(_USERS, np.int64)
    simulator.reset(SEED)
    for shown in slates:
        episodes = simulator.episode_ids
        step = simulator.step(shown)
        steps += 1
        over = np.zeros(_USERS, bool) if limit is None else steps >= limit
        assert not (step.terminated & step.truncated).any(), "an episode must not end both ways"
        if limit is None and step.truncated.any():
            raise AssertionError(
                f"Problem.arguments must contain max_steps={steps[step.truncated][0]}: episodes "
                "are truncated there, and `arguments` must say all it takes to make them again; an "
                "adapter takes the limit of what it adapts as its own max_steps"
            )
        assert_same_array(
            step.truncated, over & ~step.terminated, f"truncated (max_steps is {limit})"
        )
        ended = step.terminated | step.truncated
        assert_same_array(step.finished, np.flatnonzero(ended), "finished")
        for key, array in step.final_observations.items():
            assert len(array) == step.finished.size, (
                f"final_observations {key!r} must have a row for each of the "
                f"{step.finished.size} finished users, got {len(array)}"
            )
        assert_same_array(simulator.episode_ids != episodes, ended, "a new episode id at each end")
        steps[ended] = 0


def check_repeats_are_blank(make: SimulatorMaker) -> None:
    """A repeated item is a blank slot: counted, never responded to, and of no effect otherwise."""
    simulator = make(200, 0)
    if simulator.slate_size == 1:
        return
    slates = any_slates(simulator, 12)
    slates[:, :, -1] = slates[:, :, 0]
    slates[-1] = slates[-1, :, :1]
    simulator.reset(SEED)
    for shown in slates:
        blank = _repeats(shown)
        probabilities = truth_of(simulator, shown).get("choice_probabilities")
        step = simulator.step(shown)
        assert_same_array(step.blank_slots, blank.sum(axis=1), "blank_slots")
        assert not step.responses[blank].any(), "nobody must respond to a blank slot"
        if probabilities is not None:
            assert not probabilities[:, :-1][blank].any(), "a blank slot must have probability 0"


def check_arrays_are_detached(make: SimulatorMaker) -> None:
    """What was returned or given is never changed by later steps, nor does changing it matter."""
    simulator = make(_USERS, 0)
    slates = any_slates(simulator, n_steps_of(make, 1))
    expected = play(make(_USERS, 0), slates)
    held: list[tuple[str, NDArray[Any], NDArray[Any]]] = []
    _spoil(_hold(held, {"reset": simulator.reset(SEED)}))
    for number, shown in enumerate(slates):
        given = shown.copy()
        truth = {
            **truth_of(simulator, given),
            "user_ids": simulator.user_ids,
            "episode_ids": simulator.episode_ids,
        }
        step = simulator.step(given)
        assert_same_array(given, shown, "step must not change the slates it is given: slates")
        assert_same_array(
            step.responses, expected.responses[number], "spoiling earlier arrays changed responses"
        )
        seen = {key: array[number + 1] for key, array in expected.observations.items()}
        assert_same_observation(step.observations, seen, "spoiling earlier arrays matters")
        _spoil([given, *_hold(held, {**truth, **step._asdict()})])
    for name, array, spoiled in held:
        assert_same_array(array, spoiled, f"a later step must not change earlier arrays: {name}")


def check_snapshots_replay(make: SimulatorMaker) -> None:
    """`restore` goes back exactly, again and again, in any simulator of the same users only."""
    simulator = make(_USERS, 0)
    slates = any_slates(simulator, 2 * n_steps_of(make, 1))
    half = len(slates) // 2
    whole = play(simulator, slates)
    play(simulator, slates[:half])
    moment = simulator.snapshot()
    simulator.step(slates[half])  # which must not change the snapshot
    for other in (simulator, simulator, make(_USERS, 0)):
        seen = other.restore(moment)
        now = {key: array[half] for key, array in whole.observations.items()}
        assert_same_observation(seen, now, "restore must return the observations of the moment")
        rest = play(other, slates[half:], seed=None)
        for name in ("responses", "rewards", "terminated", "truncated", "episode_ids"):
            claim = f"a restored snapshot must replay exactly: {name}"
            assert_same_array(getattr(rest, name), getattr(whole, name)[half:], claim)
    for n_users, first_user in ((_USERS - 1, 0), (_USERS, 1)):
        _check_not_restored(make(n_users, first_user), moment)


def check_wrong_slates_are_refused(make: SimulatorMaker) -> None:
    """Wrong shapes, types and items raise a SlateError, and nothing happens to the users."""
    simulator = make(_USERS, 0)
    slates = any_slates(simulator, 6)
    expected = play(make(_USERS, 0), slates)
    good, n_choices = slates[0], simulator.n_choices
    low, high = good.copy(), good.copy()
    low[3, 0], high[4, -1] = -1, n_choices
    simulator.reset(SEED)
    for slate, words in (
        (good[:-1], "shape"),
        (good[:, :-1], "shape"),
        (good[0], "shape"),
        (good.astype(np.float64), "float64"),
        (good > 0, "bool"),
        (low, "user 3 in slot 0"),
        (high, f"user 4 in slot {simulator.slate_size - 1}"),
    ):
        _check_refused(simulator, slate, words)
    rest = play(simulator, slates, seed=None)
    assert_same_trace(rest, expected, "a refused slate must leave the users as they were")


def check_nothing_happens_before_reset(make: SimulatorMaker) -> None:
    """Stepping before `reset` is refused by a clear error."""
    simulator = make(2, 0)
    try:
        simulator.step(any_slates(simulator, 1)[0])
    except RuntimeError as error:
        assert "reset" in str(error), f"the error must say to call reset first, got {error}"
    else:
        raise AssertionError("step before reset must raise a RuntimeError")


def check_global_generators_are_left_alone(make: SimulatorMaker) -> None:
    """Neither numpy's global generator nor Python's is drawn from or seeded."""
    before = _global_state()
    simulator = make(_USERS, 0)
    play(simulator, any_slates(simulator, n_steps_of(make, 1)))
    assert _global_state() == before, "nothing may draw from or seed np.random.* or random.*"


SIMULATOR_CHECKS = (
    check_nothing_is_nan,
    check_same_seed_same_episodes,
    check_seeds_differ,
    check_users_do_not_depend_on_the_batch,
    check_with_users_gives_the_same_simulator,
    check_observations_lie_in_their_spaces,
    check_outcomes_are_finite_and_shaped,
    check_episode_ends,
    check_repeats_are_blank,
    check_arrays_are_detached,
    check_snapshots_replay,
    check_wrong_slates_are_refused,
    check_nothing_happens_before_reset,
    check_global_generators_are_left_alone,
)


def _check_same_truth(make: SimulatorMaker, slates: Ints, users: slice) -> None:
    """Compare what is stated of some users after they were shown all `slates` but the last."""
    together, alone = make(1000, 0), make(users.stop - users.start, users.start)
    play(together, slates[:-1], n_kept=1)
    play(alone, slates[:-1, users])
    stated = truth_of(together, slates[-1])
    for name, array in truth_of(alone, slates[-1, users]).items():
        if name != "latent_state":
            claim = f"users {users.start}..{users.stop - 1} alone as among 1000: {name}"
            assert_same_array(array, stated[name][users], claim)


def _check_no_nan(name: str, array: NDArray[Any]) -> None:
    is_nan = np.isnan(array) if array.dtype.kind == "f" else np.zeros(0, bool)
    assert not is_nan.any(), (
        f"{name} must be numbers, got NaN for user {np.argwhere(is_nan)[0][0]}; where users are "
        "made of blocks, look at the scores of the taste and at `adjust` of each block"
    )


def _check_inside(key: str, seen: NDArray[Any], space: Space) -> None:
    """`seen` has the leading axes (T, B)."""
    assert seen.shape[2:] == space.shape and seen.dtype == space.dtype, (
        f"observation {key!r} must be {np.dtype(space.dtype)} of shape {space.shape} a user, "
        f"got {seen.dtype} of shape {seen.shape[2:]}"
    )
    inside = (seen >= space.low) & (seen <= space.high)  # False for NaN
    assert inside.all(), (
        f"observation {key!r} must lie in [{space.low:g}, {space.high:g}], got {seen[~inside][0]}"
    )


def _repeats(slates: Ints) -> Bools:
    """Return which slots repeat one above them, compared slot by slot."""
    repeats = np.zeros(slates.shape, bool)
    for slot in range(1, slates.shape[1]):
        repeats[:, slot] = (slates[:, :slot] == slates[:, slot : slot + 1]).any(axis=1)
    return repeats


def _hold(
    held: list[tuple[str, NDArray[Any], NDArray[Any]]], returned: dict[str, Any]
) -> list[NDArray[Any]]:
    """Note returned arrays, to be spoiled now and looked at again later."""
    arrays = []
    for name, part in returned.items():
        named = part.items() if isinstance(part, dict) else [("", part)]
        for key, array in named:
            held.append((f"{name} {key}", array, np.full_like(array, _SPOILED)))
            arrays.append(array)
    return arrays


_SPOILED = 1


def _spoil(arrays: list[NDArray[Any]]) -> None:
    for array in arrays:
        assert array.flags.writeable, "returned arrays must be the caller's own, writeable"
        array[...] = _SPOILED


def _check_not_restored(simulator: SteppedSimulator, moment: object) -> None:
    try:
        simulator.restore(moment)
    except ConfigError:
        return
    raise AssertionError("a snapshot of other users must not be restored, but raise a ConfigError")


def _check_refused(simulator: SteppedSimulator, slates: NDArray[Any], words: str) -> None:
    for show in (simulator.step, simulator.choice_probabilities, simulator.expected_reward):
        what = f"{show.__name__} with {slates.dtype} slates of shape {slates.shape}"
        try:
            show(slates)
        except SlateError as error:
            assert words in str(error), f"{what}: the error must name {words!r}, got {error}"
            continue
        except Exception as error:
            raise AssertionError(f"{what} must raise a SlateError, got {error!r}") from error
        raise AssertionError(f"{what} must raise a SlateError that names {words!r}")


def _global_state() -> tuple[Any, ...]:
    name, keys, position, *rest = np.random.get_state()
    return (random.getstate(), name, np.asarray(keys).tobytes(), position, *rest)
