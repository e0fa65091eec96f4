"""Recording: a policy serves simulated users, and what happens becomes a log."""

import logging
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rlrec.arrays import Ints, Observations
from rlrec.data.history import HISTORY_KEYS
from rlrec.data.log import InteractionLog, LogMetadata
from rlrec.data.log_columns import OBSERVED_KEYS, Columns, arrange, response_column
from rlrec.data.log_files import LogParts, check_free, new_folder, write_part
from rlrec.errors import ConfigError, UnknownNameError, nearest_hint
from rlrec.policy import bound_to

if TYPE_CHECKING:
    from rlrec.policy import SlatePolicy
    from rlrec.simulation import Simulator, SimulatorStep
    from rlrec.slates import SlateDraw

_logger = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Told (rows so far, rows in all) after each step of the users."""

MOST_USERS = 4096  # served at a time; more gain no speed
MOST_BYTES = 2**29  # of rows held in memory at a time when they go to disk, roughly
_PART_ROWS = 1_000_000


def record_log(
    policy: "SlatePolicy",
    users: Any,
    n_steps: int,
    path: str | Path | None = None,
    *,
    seed: int = 0,
    deterministic: bool = False,
    progress: Progress | None = None,
    policy_name: str | None = None,
    overwrite: bool = False,
) -> InteractionLog:
    """Let a policy serve simulated users until `n_steps` rows are there.

    All users of the simulator, from its `first_user` on, take part for equally many steps (at the
    last one only the first of them, where `n_steps` is no multiple). The caller's simulator is left
    as it was: a copy of it runs, in blocks of users that do not depend on one another.

    Args:
        policy: Whose slates are shown. If it has `bind(simulator)`, that gives the policy to use
            (oracles read the truth there).
        users: A simulator, or an environment of rlrec.
        n_steps: Rows to record, 1 or more.
        path: Folder to write to; None keeps the log in memory.
        seed: Of users and policy, 0 or more; same seed, same log, with or without `path`.
        deterministic: Show the policy's best slates; their log_propensity is then 0.
        progress: Told (rows so far, n_steps) after each step of the users.
        policy_name: For the metadata; by default the name of the policy's class.
        overwrite: Replace a log that is at `path` already.

    Returns:
        The log: in memory, or on disk if `path` is given. An episode that the end of the recording
        cuts off has `truncated` set in its last row.

    Raises:
        ConfigError: `n_steps` is below 1.
        DataError: Something is at `path` already.
    """
    from rlrec.simulation import simulator_of  # imports rlrec.data.catalogue

    if n_steps < 1:
        raise ConfigError(f"n_steps must be 1 or more, got {n_steps!r}")
    if path is not None:
        check_free(Path(path), overwrite)
    recording = _Recording(policy, simulator_of(users), n_steps, seed, deterministic, progress)
    metadata = recording.metadata(policy_name or type(policy).__name__)
    _logger.info("recording %d steps of %d users", n_steps, recording.n_users)
    if path is None or recording.n_blocks == 1:
        blocks = list(recording.blocks())
        rows = blocks[0] if len(blocks) == 1 else _sorted(blocks)
        log = InteractionLog.from_columns(rows, metadata)
        if path is None:
            return log
        log.write(path, overwrite, recording.catalogue)
    else:
        _write_blocks(Path(path), recording, metadata, overwrite)
    return InteractionLog.open(path)


class _Recording:
    """Rows that a policy and blocks of users give; who gives how many, and who runs together."""

    def __init__(
        self,
        policy: "SlatePolicy",
        simulator: "Simulator",
        n_steps: int,
        seed: int,
        deterministic: bool,
        progress: Progress | None,
    ) -> None:
        self._policy, self._simulator = policy, simulator
        self.catalogue = simulator.catalogue
        self._seed, self._deterministic, self._progress = seed, deterministic, progress
        self._observed = _stored_keys(simulator)
        self._n_steps, self._n_done = n_steps, 0
        self.n_users = min(simulator.n_users, n_steps)
        self._n_ticks = -(-n_steps // self.n_users)
        self._n_at_last_tick = n_steps - (self._n_ticks - 1) * self.n_users
        spaces = [simulator.observation_spaces[key] for key in self._observed]
        row_bytes = 40 * simulator.slate_size + 8 * sum(int(np.prod(s.shape)) for s in spaces)
        self._n_together = max(1, min(MOST_USERS, MOST_BYTES // (row_bytes * self._n_ticks)))
        self.n_blocks = -(-self.n_users // self._n_together)

    def metadata(self, policy_name: str) -> LogMetadata:
        """Return what holds for all rows."""
        simulator, catalogue = self._simulator, self.catalogue
        counted = simulator.observation_spaces.get("topic_counts")
        n_topics = None if counted is None else counted.shape[0] - 1
        return LogMetadata(
            slate_size=simulator.slate_size,
            response_channels=simulator.response_channels,
            catalogue_fingerprint=None if catalogue is None else catalogue.fingerprint,
            n_topics=n_topics if catalogue is None else catalogue.n_topics,
            logging_policy=policy_name,
            env_id=simulator.env_id,
            env_arguments=simulator.arguments,
            seed=self._seed,
        )

    def blocks(self) -> Iterator[Columns]:
        """Yield the sorted rows of one block of users at a time."""
        for number in range(self.n_blocks):
            first = number * self._n_together
            n_users = min(self._n_together, self.n_users - first)
            rng = np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(number,)))
            block = self._simulator.with_users(n_users, self._simulator.first_user + first)
            yield _sorted(list(self._ticks(block, first, rng)))

    def _ticks(
        self, simulator: "Simulator", first: int, rng: np.random.Generator
    ) -> Iterator[Columns]:
        policy = bound_to(self._policy, simulator)
        observations = simulator.reset(self._seed)
        steps = np.zeros(simulator.n_users, np.int64)
        for tick in range(self._n_ticks):
            is_last = tick == self._n_ticks - 1
            n_kept = self._n_at_last_tick - first if is_last else simulator.n_users
            if n_kept <= 0:
                return
            columns = self._before(simulator, observations, steps)
            draw = policy.act(observations, rng, self._deterministic)
            outcome = simulator.step(draw.slates)
            columns.update(_draw_columns(draw), **_outcome_columns(simulator, outcome))
            steps += 1
            steps[outcome.finished] = 0
            observations = outcome.observations
            kept = {name: values[:n_kept] for name, values in columns.items()}
            self._report(len(kept["step"]))
            yield kept

    def _before(self, simulator: "Simulator", observations: Observations, steps: Ints) -> Columns:
        """Return copies of what is known before the slates are shown."""
        known = {
            "user_id": simulator.user_ids,
            "episode_id": simulator.episode_ids,
            "step": steps,
            **{key: observations[key] for key in self._observed},
        }
        return {name: values.copy() for name, values in known.items()}

    def _report(self, n_rows: int) -> None:
        self._n_done += n_rows
        if self._progress is not None:
            self._progress(self._n_done, self._n_steps)


def _stored_keys(simulator: "Simulator") -> tuple[str, ...]:
    keys = tuple(key for key in simulator.observation_spaces if key not in HISTORY_KEYS)
    for key in keys:
        if key not in OBSERVED_KEYS:
            raise UnknownNameError(
                f"a log has no column for the observation {key!r} of {simulator.env_id}."
                f"{nearest_hint(key, OBSERVED_KEYS)}"
            )
    return keys


def _draw_columns(draw: "SlateDraw") -> Columns:
    return {
        "slate": draw.slates,
        "log_propensity": draw.log_probs.sum(axis=1),
        "propensity_given_prefix": np.exp(draw.log_probs),
    }


def _outcome_columns(simulator: "Simulator", outcome: "SimulatorStep") -> Columns:
    return {
        "reward": outcome.rewards,
        "terminated": outcome.terminated,
        "truncated": outcome.truncated,
        **{
            response_column(name): outcome.responses[:, :, channel]
            for channel, name in enumerate(simulator.response_channels)
        },
    }


def _sorted(blocks: list[Columns]) -> Columns:
    """Return the rows of all blocks by user, episode, step; the end truncates open episodes."""
    keys = ("step", "episode_id", "user_id")  # np.lexsort takes the first key last
    joined = {name: np.concatenate([block[name] for block in blocks]) for name in keys}
    order = np.lexsort([joined[name] for name in keys])
    columns = {
        name: np.concatenate([block.pop(name) for block in blocks])[order]
        for name in list(blocks[0])
    }
    users, episodes = columns["user_id"], columns["episode_id"]
    goes_on = (users[1:] == users[:-1]) & (episodes[1:] == episodes[:-1])
    is_last = np.append(~goes_on, True)
    columns["truncated"] |= is_last & ~columns["terminated"]
    return columns


def _write_blocks(
    path: Path, recording: _Recording, metadata: LogMetadata, overwrite: bool
) -> None:
    """Write a part for each block of users, so that no more than one is in memory."""
    with new_folder(path, overwrite, recording.catalogue) as folder:
        reached, in_order = None, True
        for number, block in enumerate(recording.blocks()):
            columns, full = arrange(block, metadata)
            write_part(folder, number, recording.n_blocks, columns, full)
            in_order &= reached is None or bool(reached < columns["user_id"][0])
            reached = columns["user_id"][-1]
        if not in_order:  # one person may be served at several positions
            _merge_parts(folder)


def _merge_parts(folder: Path) -> None:
    """Write parts whose users overlap anew, in the order of the log."""
    source = LogParts(folder)
    users = np.sort(np.concatenate([b["user_id"] for b in source.blocks(["user_id"], _PART_ROWS)]))
    bounds = [*np.unique(users[::_PART_ROWS]).tolist(), None]
    merged = folder / "merged"
    merged.mkdir()
    for number, (start, stop) in enumerate(pairwise(bounds)):
        columns = _sorted([source.of_users(start, stop)])
        write_part(merged, number, len(bounds) - 1, columns, source.metadata)
    for part in source.paths:
        part.unlink()
    for part in sorted(merged.iterdir()):
        part.rename(folder / part.name)
    merged.rmdir()
