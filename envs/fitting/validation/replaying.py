"""A log as simulated users would have made it, had they been shown what a log shows."""

import math
from typing import Any, NamedTuple

import numpy as np

from rlrec.arrays import Bools, Ints
from rlrec.data.log import InteractionLog
from rlrec.data.log_columns import items_shown
from rlrec.data.log_metadata import LogMetadata
from rlrec.envs.fitting.validation.seen_visits import UNBOUNDED, seen_windows
from rlrec.simulation import SimulatorStep, SteppedSimulator

MOST_TIMES_LONGER = 10
"""Times the mean length of the visits of a log after which a simulated visit ends at the latest."""


def replayed(
    simulator: SteppedSimulator, log: InteractionLog, n_users: int, seed: int = 0
) -> InteractionLog:
    """Return what users of a simulator do with the slates of a log.

    For each visit of the log there is a simulated one: it is shown the same slates, in order, and
    where it lasts longer, slates drawn from all of the log. So it needs no policy; where that of
    the log answered to its users, that is lost. A simulated visit is cut off where that of the log
    was, or would have been (`seen_windows`): so the visits that are seen to end are those that
    would be in the log. Where nothing cuts it off, it ends at ten times the mean length of a visit.

    Args:
        simulator: Users over the same items, with slates of the same size.
        log: In memory.
        n_users: Served side by side; the visits are dealt out to them.
        seed: Of users and of the draws.
    """
    rng = np.random.default_rng(seed)
    users = simulator.with_users(n_users)
    users.reset(seed)
    shown = _Shown(log, n_users, rng)
    steps = []
    while shown.is_active.any():
        slates = shown.slates()
        steps.append(shown.after(slates, users.step(slates)))
        shown.begin(steps[-1].ended)
        if len(steps[-1].cut):
            users.next_episode(steps[-1].cut)
    return _as_log(steps, log, users.response_channels)


class _Step(NamedTuple):
    """One step of B users, of whom some have been shown all of their visits."""

    slates: Ints
    step: SimulatorStep
    places: Ints
    """Shape (B,). Steps of the visit before this one."""
    is_active: Bools
    """Shape (B,)."""
    terminated: Bools
    truncated: Bools
    cut: Ints
    """Users whose visit is ended from without."""

    @property
    def ended(self) -> Ints:
        """Users whose visit ended."""
        return np.flatnonzero(self.terminated | self.truncated)


class _Shown:
    """Which visit of the log each user is shown, and how far it has come."""

    def __init__(self, log: InteractionLog, n_users: int, rng: np.random.Generator) -> None:
        names = ("slate", "candidates") if log.has("candidates") else ("slate",)
        self._slates = items_shown({name: log.column(name) for name in names})
        self._starts = np.flatnonzero(log.column("step") == 0)
        self._lengths = np.diff(np.append(self._starts, len(self._slates)))
        is_cut = ~log.column("terminated")[self._starts + self._lengths - 1]
        self._windows = seen_windows(self._lengths, is_cut, rng)
        self._most = math.ceil(MOST_TIMES_LONGER * float(self._lengths.mean()))
        self._rng = rng
        self._order = rng.permutation(len(self._starts))
        self._turns = np.arange(n_users)  # places in that order
        self._places = np.zeros(n_users, np.int64)

    @property
    def is_active(self) -> Bools:
        """Whether each user has a visit to be shown, (B,)."""
        found: Bools = self._turns < len(self._order)
        return found

    @property
    def _visits(self) -> Ints:
        return self._order[np.minimum(self._turns, len(self._order) - 1)]

    def begin(self, users: Ints) -> None:
        """Go to the next visit of some users."""
        self._turns[users] += len(self._turns)
        self._places[users] = 0

    def slates(self) -> Ints:
        """Return the slates (B, K) of this step."""
        visits = self._visits
        drawn = self._rng.integers(len(self._slates), size=len(visits))
        is_longer = self._places >= self._lengths[visits]
        rows = np.where(is_longer, drawn, self._starts[visits] + self._places)
        slates: Ints = self._slates[rows]
        return slates

    def after(self, slates: Ints, step: SimulatorStep) -> _Step:
        """Return what came of a step, with the visits that are ended from without."""
        visits, places = self._visits, self._places.copy()
        self._places += 1
        windows, goes_on = self._windows[visits], ~(step.terminated | step.truncated)
        is_cut = goes_on & (self._places >= windows)
        is_too_long = goes_on & (windows == UNBOUNDED) & (self._places >= self._most)
        return _Step(
            slates=slates,
            step=step,
            places=places,
            is_active=self.is_active,
            terminated=step.terminated | is_too_long,
            truncated=step.truncated | is_cut,
            cut=np.flatnonzero(is_cut | is_too_long),
        )


def _as_log(steps: list[_Step], log: InteractionLog, channels: tuple[str, ...]) -> InteractionLog:
    """Return the steps of active users as a log, ordered by user."""
    is_active = np.stack([each.is_active for each in steps]).T.ravel()

    def told(values: list[Any]) -> Any:
        array = np.stack(values).swapaxes(0, 1)  # (B, S, ...)
        return array.reshape(-1, *array.shape[2:])[is_active]

    n_users, n_steps = len(steps[0].is_active), len(steps)
    places = told([each.places for each in steps])
    responses = told([each.step.responses for each in steps])
    columns = {
        "user_id": np.repeat(np.arange(n_users), n_steps)[is_active],
        "episode_id": np.cumsum(places == 0) - 1,
        "step": places,
        "slate": told([each.slates for each in steps]),
        "reward": told([each.step.rewards for each in steps]),
        "terminated": told([each.terminated for each in steps]),
        "truncated": told([each.truncated for each in steps]),
    }
    for number, channel in enumerate(channels):
        columns[f"response.{channel}"] = responses[:, :, number]
    metadata = LogMetadata(
        slate_size=log.metadata.slate_size,
        response_channels=channels,
        catalogue_fingerprint=log.metadata.catalogue_fingerprint,
        n_topics=log.metadata.n_topics,
        logging_policy="the slates of a log",
    )
    return InteractionLog.from_columns(columns, metadata)
