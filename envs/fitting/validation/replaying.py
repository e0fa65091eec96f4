"""A log as simulated users would have made it, had they been shown what a log shows."""

from typing import Any

import numpy as np

from rlrec.arrays import Ints
from rlrec.data.log import InteractionLog
from rlrec.data.log_metadata import LogMetadata
from rlrec.simulation import Simulator


def replayed(
    simulator: Simulator, log: InteractionLog, n_users: int, n_steps: int, seed: int = 0
) -> InteractionLog:
    """Return what users of a simulator do with the slates of a log.

    Each of their visits is shown the slates of a visit drawn from the log, in order, and where it
    lasts longer, slates drawn from all of the log. So it needs no policy; where that of the log
    answered to its users, that is lost.

    Args:
        simulator: Users over the same items, with slates of the same size.
        log: In memory, slates of the whole catalogue.
        n_users: Served side by side.
        n_steps: Slates shown to each, in one visit after the other: as many as the log has of a
            person, or visits that end too late to be seen are not as many as in the log.
        seed: Of users and of the draws.
    """
    rng = np.random.default_rng(seed)
    users = simulator.with_users(n_users)
    users.reset(seed)
    shown = _Shown(log, n_users, rng)
    steps = []
    for _ in range(n_steps):
        slates = shown.next()
        step = users.step(slates)
        steps.append((slates, step))
        shown.begin(step.finished)
    return _as_log(steps, log, users)


class _Shown:
    """Which visit of the log each user is shown, and how far it has come."""

    def __init__(self, log: InteractionLog, n_users: int, rng: np.random.Generator) -> None:
        self._slates = log.column("slate")
        self._starts = np.flatnonzero(log.column("step") == 0)
        self._lengths = np.diff(np.append(self._starts, len(self._slates)))
        self._rng = rng
        self._visits = np.zeros(n_users, np.int64)
        self._places = np.zeros(n_users, np.int64)
        self.begin(np.arange(n_users))

    def begin(self, users: Ints) -> None:
        """Draw a visit for users who begin one."""
        self._visits[users] = self._rng.integers(len(self._starts), size=len(users))
        self._places[users] = 0

    def next(self) -> Ints:
        """Return the slates (B, K) of this step."""
        own = self._starts[self._visits] + self._places
        drawn = self._rng.integers(len(self._slates), size=len(own))
        is_longer = self._places >= self._lengths[self._visits]
        self._places += 1
        slates: Ints = self._slates[np.where(is_longer, drawn, own)]
        return slates


def _as_log(steps: list[tuple[Ints, Any]], log: InteractionLog, users: Any) -> InteractionLog:
    """Return the steps (S of B users) as a log, ordered by user."""

    def stacked(values: list[Any]) -> Any:
        array = np.stack(values)  # (S, B, ...)
        return array.swapaxes(0, 1).reshape(-1, *array.shape[2:])

    terminated = stacked([step.terminated for _, step in steps])
    truncated = stacked([step.truncated for _, step in steps])
    n_steps, n_users = len(steps), len(steps[0][0])
    last = np.zeros((n_users, n_steps), bool)
    last[:, -1] = True
    truncated |= last.ravel() & ~terminated
    ended = terminated | truncated
    episode = np.cumsum(np.append(0, ended[:-1]))
    begins = np.append(True, ended[:-1])
    place = np.arange(len(ended))
    responses = stacked([step.responses for _, step in steps])
    columns = {
        "user_id": np.repeat(np.arange(n_users), n_steps),
        "episode_id": episode,
        "step": place - np.maximum.accumulate(np.where(begins, place, 0)),
        "slate": stacked([slates for slates, _ in steps]),
        "reward": stacked([step.rewards for _, step in steps]),
        "terminated": terminated,
        "truncated": truncated,
    }
    for number, channel in enumerate(users.response_channels):
        columns[f"response.{channel}"] = responses[:, :, number]
    metadata = LogMetadata(
        slate_size=log.metadata.slate_size,
        response_channels=tuple(users.response_channels),
        catalogue_fingerprint=log.metadata.catalogue_fingerprint,
        n_topics=log.metadata.n_topics,
        logging_policy="the slates of a log",
    )
    return InteractionLog.from_columns(columns, metadata)
