"""What a slate policy must keep: slates without repeats, exact propensities, no memory."""

import itertools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Observations
from rlrec.policy import SlatePolicy
from rlrec.simulation import Simulator
from rlrec.slates import SlateDraw, repeated_slots, uniform_slates

_SEED, _WARM_UP = 23, 12
_MOST_SLATES, _OFTEN = 1000, 20


def check_slates_are_shaped(policy: SlatePolicy, simulator: Simulator) -> None:
    """Slates are int64 (B, K) of what is on offer, without repeats."""
    for deterministic in (False, True):
        policy, observations = _situation(policy, simulator)
        slates = _act(policy, observations, deterministic).slates
        expected = (simulator.n_users, simulator.slate_size)
        assert slates.shape == expected and slates.dtype == np.int64, (
            f"slates must be int64 of shape {expected}, got {slates.dtype} of {slates.shape}"
        )
        on_offer = (slates >= 0) & (slates < simulator.n_choices)
        assert on_offer.all(), (
            f"slates must lie in 0..{simulator.n_choices - 1}, got {slates[~on_offer][0]}"
        )
        assert not repeated_slots(slates).any(), "a slate must not repeat an item"


def check_log_probs_are_those_of_act(policy: SlatePolicy, simulator: Simulator) -> None:
    """`act` reports what `log_probs` says of the slates drawn: numbers of at most 0."""
    policy, observations = _situation(policy, simulator)
    draw = _act(policy, observations)
    assert draw.log_probs.shape == draw.slates.shape, (
        f"log_probs must have the slates' shape {draw.slates.shape}, got {draw.log_probs.shape}"
    )
    possible = np.isfinite(draw.log_probs) & (draw.log_probs <= 0)
    assert possible.all(), (
        f"log_probs of drawn slates must be finite and at most 0, got {draw.log_probs[~possible]}"
    )
    stated = policy.log_probs(observations, draw.slates)
    off = np.abs(stated - draw.log_probs).max()
    assert off < 1e-5, f"log_probs must agree with those act gave, they differ by {off:.2g}"


def check_certain_slates_do_not_depend_on_chance(policy: SlatePolicy, simulator: Simulator) -> None:
    """Slates that `act` calls certain (log-probability 0) are the same under another generator."""
    for deterministic in (False, True):
        policy, observations = _situation(policy, simulator)
        one = _act(policy, observations, deterministic, seed=1)
        other = _act(policy, observations, deterministic, seed=2)
        certain = (one.log_probs == 0).all(axis=1)
        same = (one.slates == other.slates).all(axis=1)
        assert same[certain].all(), (
            "slates of log-probability 0 must not depend on chance; with deterministic="
            f"{deterministic} {(~same[certain]).sum()} of {certain.sum()} users got other ones"
        )


def check_same_generator_same_slates(policy: SlatePolicy, simulator: Simulator) -> None:
    """The generator given is the only source of chance."""
    policy, observations = _situation(policy, simulator)
    before = _global_state()
    one, other = _act(policy, observations), _act(policy, observations)
    assert (one.slates == other.slates).all(), "the same generator must give the same slates"
    assert _global_state() == before, "a policy must not draw from np.random.*"


def check_it_keeps_no_memory(policy: SlatePolicy, simulator: Simulator) -> None:
    """What a policy saw before does not matter, and observations stay as they are."""
    policy, observations = _situation(policy, simulator)
    given = {key: array.copy() for key, array in observations.items()}
    first = _act(policy, given)
    for key, array in observations.items():
        assert (given[key] == array).all(), f"a policy must not change observation {key!r}"
    shuffled = {key: array[::-1].copy() for key, array in observations.items()}
    _act(policy, shuffled, seed=9)
    again = _act(policy, observations)
    assert (again.slates == first.slates).all(), "a policy must not remember earlier observations"
    assert (again.log_probs == first.log_probs).all(), "log_probs must not depend on the past"


def check_users_are_served_alone(policy: SlatePolicy, simulator: Simulator) -> None:
    """Log-probabilities of a user do not depend on who else is in the batch.

    Policies with `bind` are left out: they answer for the users of their simulator only.
    """
    if hasattr(policy, "bind"):
        return
    policy, observations = _situation(policy, simulator)
    slates = _act(policy, observations).slates
    together = policy.log_probs(observations, slates)
    for user in range(min(5, simulator.n_users)):
        row = slice(user, user + 1)
        alone = policy.log_probs({k: a[row] for k, a in observations.items()}, slates[row])
        same = np.allclose(alone, together[row], atol=1e-5)
        assert same, f"log_probs of user {user} must be the same alone as in the batch"


def check_impossible_slates_have_no_chance(policy: SlatePolicy, simulator: Simulator) -> None:
    """A slate that repeats an item has log-probability -inf; none is NaN or above 0."""
    policy, observations = _situation(policy, simulator)
    rng = np.random.default_rng(_SEED)
    slates = uniform_slates(simulator.n_users, simulator.n_choices, simulator.slate_size, rng)
    log_probs = policy.log_probs(observations, slates)
    assert (log_probs <= 0).all(), "log_probs must be at most 0, and never NaN"
    if simulator.slate_size > 1:
        slates[:, 1] = slates[:, 0]
        joint = policy.log_probs(observations, slates).sum(axis=1)
        assert np.isneginf(joint).all(), "a slate with a repeat must have log-probability -inf"


def check_probabilities_of_all_slates_sum_to_one(policy: SlatePolicy, simulator: Simulator) -> None:
    """Over all slates the probabilities sum to one; asked only where there are at most 1000."""
    if _n_slates(simulator) > _MOST_SLATES:
        return
    policy, observations = _situation(policy, simulator)
    total = np.zeros(simulator.n_users)
    for slate in itertools.permutations(range(simulator.n_choices), simulator.slate_size):
        slates = np.tile(np.array(slate, np.int64), (simulator.n_users, 1))
        total += np.exp(policy.log_probs(observations, slates).sum(axis=1))
    off = np.abs(total - 1.0).max()
    assert off < 1e-5, f"probabilities of all slates must sum to 1, they are off by {off:.2g}"


def check_slates_come_as_often_as_stated(policy: SlatePolicy, simulator: Simulator) -> None:
    """`act` shows each slate as often as it states, drawing or `deterministic`.

    Asked for one user in 5000 draws (300 of a policy with `bind`), and only where there are at most
    1000 slates. Slates expected fewer than 20 times are counted together; the tolerance is 6
    standard errors.
    """
    if _n_slates(simulator) > _MOST_SLATES:
        return
    for deterministic in (False, True):
        draw = _draws_for_one_user(policy, simulator, deterministic)
        n_draws = len(draw.slates)
        stated = np.exp(draw.log_probs.sum(axis=1))
        _, first, counts = np.unique(draw.slates, axis=0, return_index=True, return_counts=True)
        often = n_draws * stated[first] >= _OFTEN
        counts, stated = counts[often], stated[first[often]]
        counts = np.append(counts, n_draws - counts.sum())
        stated = np.clip(np.append(stated, 1 - stated.sum()), 0.0, 1.0)
        tolerance = 6 * np.sqrt(stated * (1 - stated) / n_draws) + 1e-5
        off = np.abs(counts / n_draws - stated) - tolerance
        worst = off.argmax()
        assert off[worst] <= 0, (
            f"slates must come as often as stated; with deterministic={deterministic} one (or all "
            f"rare ones) of stated probability {stated[worst]:.4g} came {counts[worst]} times in "
            f"{n_draws} draws"
        )


POLICY_CHECKS = (
    check_slates_are_shaped,
    check_log_probs_are_those_of_act,
    check_certain_slates_do_not_depend_on_chance,
    check_same_generator_same_slates,
    check_it_keeps_no_memory,
    check_users_are_served_alone,
    check_impossible_slates_have_no_chance,
    check_probabilities_of_all_slates_sum_to_one,
    check_slates_come_as_often_as_stated,
)


def check_policy(policy: SlatePolicy, simulator: Simulator) -> None:
    """Run all POLICY_CHECKS.

    Args:
        policy: If it has `bind(simulator)`, it is bound first.
        simulator: Whose observations it is shown; used and reset.
    """
    for check in POLICY_CHECKS:
        check(policy, simulator)


def _n_slates(simulator: Simulator) -> int:
    return math.perm(simulator.n_choices, simulator.slate_size)


def _draws_for_one_user(
    policy: SlatePolicy, simulator: Simulator, deterministic: bool
) -> SlateDraw:
    """Return many draws (n, K) for the first user."""
    bound, observations = _situation(policy, simulator)
    if not hasattr(policy, "bind"):
        same = {key: np.repeat(array[:1], 5000, axis=0) for key, array in observations.items()}
        return _act(bound, same, deterministic)
    draws = [_act(bound, observations, deterministic, seed) for seed in range(300)]
    return SlateDraw(
        np.stack([draw.slates[0] for draw in draws]),
        np.stack([draw.log_probs[0] for draw in draws]),
    )


def _situation(policy: SlatePolicy, simulator: Simulator) -> tuple[SlatePolicy, Observations]:
    """Return the policy ready to act, and observations some random steps into the episodes."""
    observations = simulator.reset(_SEED)
    bound: SlatePolicy = policy.bind(simulator) if hasattr(policy, "bind") else policy
    rng = np.random.default_rng(_SEED)
    size = (simulator.n_users, simulator.n_choices, simulator.slate_size)
    for _ in range(_WARM_UP):
        observations = simulator.step(uniform_slates(*size, rng)).observations
    return bound, observations


def _act(
    policy: SlatePolicy, observations: Observations, deterministic: bool = False, seed: int = _SEED
) -> SlateDraw:
    return policy.act(observations, np.random.default_rng(seed), deterministic)


def _global_state() -> tuple[Any, ...]:
    name, keys, *rest = np.random.get_state()
    words: NDArray[Any] = np.asarray(keys)
    return (name, words.tobytes(), *rest)
