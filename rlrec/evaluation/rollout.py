"""Playing policies against the same simulated users."""

import logging
import zlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from rlrec.errors import ConfigError, SlateError
from rlrec.evaluation.first_episodes import FirstEpisodes, identified_items
from rlrec.evaluation.results import RolloutResults
from rlrec.policy import SlatePolicy, bound_to
from rlrec.simulation import Simulator, simulator_of

_LOG = logging.getLogger(__name__)
_STEP_BINS = 20

Progress = Callable[[int, int], None]
"""Told how many episodes have ended and how many there are, over all policies."""


def rollout(
    policies: Mapping[str, SlatePolicy],
    users: Any,
    n_users: int,
    seed: int,
    deterministic: bool = True,
    max_steps: int | None = None,
    progress: Progress | None = None,
) -> RolloutResults:
    """Play each policy against the same new users, for the first episode of each user.

    All policies meet the same users of `seed`, counted from the simulator's `first_user`, with the
    same random numbers, so returns are paired user by user. A policy with a method
    `bind(simulator)` (an oracle that reads the truth) is bound to that simulator first; any other
    is asked only for users still in their first episode. `users` itself is left as it is.

    Args:
        policies: By name. The chance of a policy that draws depends on `seed` and its name.
        users: A simulator, or an environment that has `.simulator`.
        n_users: 1 or more.
        seed: 0 or more; not that of training, or the users are not new.
        deterministic: Policies show their best slate; otherwise they draw.
        max_steps: Longer episodes are cut short, which the result and a warning in the log say;
            None waits until the last user has left.
        progress: Called after each step.

    Raises:
        ConfigError: There is no policy, or an argument is out of range.
        SlateError: A policy returned slates of another shape.
    """
    _check_arguments(policies, n_users, seed, max_steps)
    given = simulator_of(users)
    simulator = given.with_users(n_users, given.first_user)
    catalogue = identified_items(simulator, simulator.reset(seed))
    terms = _Terms(simulator, seed, deterministic, max_steps)
    played: dict[str, FirstEpisodes] = {}
    for name, policy in policies.items():
        report = _reporter(progress, len(played), len(policies), n_users)
        played[name] = _play(name, policy, terms, report)
    longest = max(episodes.n_steps for episodes in played.values())
    width = -(-longest // _STEP_BINS)
    return RolloutResults(
        policies={
            name: ended.result(-(-longest // width), width) for name, ended in played.items()
        },
        env_id=simulator.env_id,
        arguments=simulator.arguments,
        n_users=n_users,
        seed=seed,
        deterministic=deterministic,
        max_steps=max_steps,
        response_channels=simulator.response_channels,
        topic_names=() if catalogue is None else catalogue.topic_names,
    )


class _Terms(NamedTuple):
    """What is the same for all policies."""

    simulator: Simulator
    seed: int
    deterministic: bool
    max_steps: int | None


def _play(
    name: str, policy: SlatePolicy, terms: _Terms, report: Callable[[int], None]
) -> FirstEpisodes:
    simulator = terms.simulator
    observations = simulator.reset(terms.seed)
    rng = np.random.default_rng([terms.seed, zlib.crc32(name.encode())])
    bound = bound_to(policy, simulator)
    episodes = FirstEpisodes(simulator, observations)
    reads_truth = bound is not policy  # it is bound to all users and cannot serve some of them
    slates = np.zeros((simulator.n_users, simulator.slate_size), np.int64)
    while episodes.running.size and episodes.n_steps != terms.max_steps:
        served = np.arange(simulator.n_users) if reads_truth else episodes.running
        shown = bound.act(
            {key: array[served] for key, array in observations.items()}, rng, terms.deterministic
        ).slates
        _check_shape(name, shown.shape, (len(served), simulator.slate_size))
        slates = slates.copy()  # who has left is shown the last slate again, and not counted
        slates[served] = shown
        step = simulator.step(slates)
        episodes.record(observations, slates, step)
        observations = step.observations
        report(episodes.running.size)
    if episodes.running.size:
        _LOG.warning(
            "%d of %d episodes of policy %r were cut short after max_steps=%d",
            episodes.running.size,
            simulator.n_users,
            name,
            episodes.n_steps,
        )
        report(0)
    return episodes


def _reporter(
    progress: Progress | None, n_played: int, n_policies: int, n_users: int
) -> Callable[[int], None]:
    """Return a function that turns the number of running episodes into overall progress."""

    def report(n_running: int) -> None:
        if progress is not None:
            progress((n_played + 1) * n_users - n_running, n_policies * n_users)

    return report


def _check_arguments(
    policies: Mapping[str, SlatePolicy], n_users: int, seed: int, max_steps: int | None
) -> None:
    if not policies:
        raise ConfigError("a rollout needs at least one policy, got none")
    if n_users < 1:
        raise ConfigError(f"n_users must be 1 or more, got {n_users!r}")
    if seed < 0:
        raise ConfigError(f"seed must be 0 or more, got {seed!r}")
    if max_steps is not None and max_steps < 1:
        raise ConfigError(f"max_steps must be None or 1 or more, got {max_steps!r}")


def _check_shape(name: str, shape: tuple[int, ...], expected: tuple[int, int]) -> None:
    if shape != expected:
        raise SlateError(
            f"policy {name!r} must return slates of shape {expected} (users, slots), got {shape}"
        )
