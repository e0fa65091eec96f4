"""The episodes of a Minari data set, from the rows of a log and back to columns."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rlrec.arrays import Floats, Ints
from rlrec.data.log import InteractionLog
from rlrec.data.log_columns import OBSERVED_KEYS, Columns, response_column
from rlrec.data.log_metadata import LogMetadata
from rlrec.data.rebuild import Histories
from rlrec.errors import ConfigError, DataError, PropensityError, UnknownNameError, nearest_hint

IDS = ("user_id", "episode_id")
PROPENSITIES = ("log_propensity", "propensity_given_prefix", "propensity_marginal")
INFOS = (*IDS, "timestamp", "response", *PROPENSITIES)
"""Keys of infos that hold columns of a log."""

NO_TIMESTAMP = -1
_ONLY_CHANNEL = "reward"


class LoggedEpisodes:
    """The episodes of a log.

    Args:
        log: The log.
        histories: Its history keys.
        stored: The observation keys it stores, arrays with a leading axis of rows.
    """

    def __init__(
        self, log: InteractionLog, histories: Histories, stored: Mapping[str, NDArray[Any]]
    ) -> None:
        self._histories, self._stored = histories, stored
        names = ("slate", "reward", "terminated", "truncated", "step")
        self._columns = log.columns(names)
        self._infos = {name: log.column(name) for name in INFOS if log.has(name)}
        self._infos["response"] = log.responses()
        starts = np.flatnonzero(self._columns["step"] == 0)
        self._bounds = np.append(starts, log.n_rows)

    def sample(self) -> dict[str, NDArray[Any]]:
        """Return one observation, arrays (1, ...)."""
        return {key: array[:1] for key, array in {**self._histories.before, **self._stored}.items()}

    def buffers(self, kind: Any) -> Iterator[Any]:
        """Yield the episodes, each as Minari's class `kind`."""
        for number, (start, stop) in enumerate(pairwise(self._bounds.tolist())):
            rows = slice(start, stop)
            yield kind(
                observations=self._observations(number, rows),
                actions=self._columns["slate"][rows],
                rewards=self._columns["reward"][rows],
                terminations=self._columns["terminated"][rows],
                truncations=self._columns["truncated"][rows],
                infos=self._infos_of(rows),
            )

    def _observations(self, number: int, rows: slice) -> dict[str, NDArray[Any]]:
        """Return T + 1 observations."""
        at_end = self._histories.at_end
        seen = {
            key: np.concatenate([before[rows], at_end[key][number : number + 1]])
            for key, before in self._histories.before.items()
        }
        for key, values in self._stored.items():
            seen[key] = np.concatenate([values[rows], values[rows.stop - 1 : rows.stop]])
        return seen

    def _infos_of(self, rows: slice) -> dict[str, Any]:
        """Return T + 1 rows of infos, the last of them filler."""
        infos: dict[str, Any] = {}
        for name, values in self._infos.items():
            infos[name] = np.concatenate([values[rows], values[rows.stop - 1 : rows.stop]])
            if name == "timestamp":
                infos[name][-1] = NO_TIMESTAMP
            elif name not in IDS:
                infos[name][-1] = np.nan
            if infos[name].dtype.kind == "U":
                infos[name] = infos[name].tolist()  # HDF5 takes text from lists only
        known = np.ones(rows.stop - rows.start + 1, bool)
        known[-1] = not self._stored
        infos["observation_is_known"] = known
        return infos


class Read(NamedTuple):
    """What a data set says in the terms of a log."""

    columns: Columns
    channels: tuple[str, ...]
    """Of responses."""


def read_columns(dataset: Any, metadata: LogMetadata | None, propensity_key: str | None) -> Read:
    """Return the columns of a log from a `minari.MinariDataset`.

    Args:
        dataset: The data set.
        metadata: Of the log it was written from; None where it was not.
        propensity_key: Info with the probability of each action.

    Raises:
        ConfigError, DataError, UnknownNameError, PropensityError: See `from_minari`.
    """
    first_choices = _first_choices(dataset.action_space)
    parts = [
        _episode(dataset, episode, first_choices, propensity_key)
        for episode in dataset.iterate_episodes()
        if len(episode.rewards)
    ]
    if not parts:
        raise DataError(f"the data set {dataset.id!r} must have at least one step, got none")
    for part in parts:
        if part.keys() != parts[0].keys():
            raise DataError(
                f"all episodes of {dataset.id!r} must have the same infos; the first has "
                f"{sorted(parts[0])}, another one {sorted(part)}"
            )
    columns = {name: _joined(dataset, name, parts) for name in parts[0]}
    if metadata is None:
        _close_episodes(columns)
    columns = _in_order(columns)
    return _with_responses(dataset, columns, metadata)


def _episode(
    dataset: Any, episode: Any, first_choices: Ints, propensity_key: str | None
) -> Columns:
    """Return the rows of an episode of T steps."""
    n_steps = len(episode.rewards)
    where = f"episode {episode.id} of {dataset.id!r}"
    slates = np.asarray(episode.actions).reshape(len(episode.actions), -1) - first_choices
    columns: Columns = {
        "user_id": np.full(n_steps, episode.id),
        "episode_id": np.zeros(n_steps, np.int64),
        "step": np.arange(n_steps),
        "slate": slates,
        "reward": np.asarray(episode.rewards, np.float64),
        "terminated": np.asarray(episode.terminations, np.bool_),
        "truncated": np.asarray(episode.truncations, np.bool_),
    }
    for name, values in columns.items():
        if len(values) != n_steps:
            raise DataError(f"{where}: {name} must have {n_steps} rows, got {len(values)}")
    infos = episode.infos or {}
    for name in INFOS:
        if name in infos:
            columns[name] = _info(where, name, infos[name], n_steps)
    if propensity_key is not None:
        columns |= _propensities(where, propensity_key, infos, n_steps, len(first_choices))
    for key, seen in _observed(dataset.observation_space, episode.observations).items():
        if len(seen) != n_steps + 1:
            raise DataError(
                f"{where}: {n_steps} actions need {n_steps + 1} observations, got {len(seen)}"
            )
        columns[key] = seen[:-1]  # the last one follows the last action
    return columns


def _info(where: str, name: str, values: Any, n_steps: int) -> NDArray[Any]:
    values = np.asarray(values)
    if values.ndim == 0 or len(values) not in (n_steps, n_steps + 1):
        raise DataError(
            f"{where}: the info {name!r} must have {n_steps + 1} rows, the last of them filler, "
            f"got shape {values.shape}"
        )
    if values.dtype.kind in "OS":  # text, as HDF5 gives it
        decoded = [each.decode() if isinstance(each, bytes) else each for each in values.tolist()]
        values = np.asarray(decoded)
    rows: NDArray[Any] = values[:n_steps]
    return rows


def _propensities(
    where: str, key: str, infos: Mapping[str, Any], n_steps: int, slate_size: int
) -> Columns:
    if "log_propensity" in infos:
        raise ConfigError(f"{where} has 'log_propensity' already: leave out propensity_key={key!r}")
    if key not in infos:
        raise UnknownNameError(f"{where} has no info {key!r}.{nearest_hint(key, infos)}")
    chances: Floats = np.asarray(_info(where, key, infos[key], n_steps), np.float64)
    if chances.shape != (n_steps,):
        raise DataError(f"{where}: the info {key!r} must hold a number a step, got {chances.shape}")
    wrong = ~((chances > 0) & (chances <= 1))
    if wrong.any():
        step = int(wrong.argmax())
        raise PropensityError(
            f"{where}: the info {key!r} must lie in (0, 1]; at step {step} it is {chances[step]:g}"
        )
    columns: Columns = {"log_propensity": np.log(chances)}
    if slate_size == 1:
        columns["propensity_given_prefix"] = chances[:, None]
    return columns


def _first_choices(space: Any) -> Ints:
    """Return with what number choices of each position begin, (K,)."""
    if isinstance(space, spaces.Discrete):
        return np.array([int(space.start)])
    if isinstance(space, spaces.MultiDiscrete) and space.nvec.ndim == 1:
        return np.asarray(space.start, np.int64)
    raise DataError(
        f"actions must be Discrete (slates of one item) or MultiDiscrete of one axis (slates of "
        f"several), got {space}; bin continuous actions before, and log the bin"
    )


def _observed(space: Any, seen: Any) -> dict[str, NDArray[Any]]:
    """Return the observations that a log has columns for, with a leading axis of T + 1."""
    if isinstance(space, spaces.Dict):
        return {key: np.asarray(seen[key]) for key in OBSERVED_KEYS if key in space.spaces}
    if isinstance(space, spaces.Discrete):
        choices = np.asarray(seen) - int(space.start)
        return {"context": np.eye(int(space.n), dtype=np.float32)[choices]}
    if isinstance(space, spaces.Box | spaces.MultiDiscrete | spaces.MultiBinary):
        return {"context": np.asarray(seen, np.float32).reshape(len(seen), -1)}
    return {}


def _joined(dataset: Any, name: str, parts: list[Columns]) -> NDArray[Any]:
    shapes = {part[name].shape[1:] for part in parts}
    kinds = {part[name].dtype.kind in "OU" for part in parts}
    if len(shapes) > 1 or len(kinds) > 1:
        raise DataError(
            f"{name} must have one shape and type in all episodes of {dataset.id!r}, got shapes "
            f"{sorted(shapes)} a step"
        )
    return np.concatenate([part[name] for part in parts])


def _close_episodes(columns: Columns) -> None:
    """Truncate episodes that were left open."""
    is_last = np.append(columns["step"][1:] == 0, True)
    columns["truncated"] |= is_last & ~columns["terminated"]


def _in_order(columns: Columns) -> Columns:
    """Return rows by user, episode, step: data sets may hold episodes in any order."""
    order = np.lexsort((columns["step"], columns["episode_id"], columns["user_id"]))
    return {name: values[order] for name, values in columns.items()}


def _with_responses(dataset: Any, columns: Columns, metadata: LogMetadata | None) -> Read:
    """Turn the responses into a column a channel."""
    slates = columns["slate"]
    responses = columns.pop("response", None)
    channels: tuple[str, ...]
    if responses is None and metadata is None:
        values = np.zeros(slates.shape, np.float32)
        if slates.shape[1] == 1:
            values[:, 0] = columns["reward"]
        responses, channels = values[:, :, None], (_ONLY_CHANNEL,)
    elif responses is None:
        raise DataError(f"{dataset.id!r} was written from a log, but has lost its info 'response'")
    elif responses.ndim != 3 or responses.shape[1] != slates.shape[1]:
        raise DataError(
            f"the info 'response' of {dataset.id!r} must have shape (K, R) a row, with K = "
            f"{slates.shape[1]}, got {responses.shape[1:]}"
        )
    elif metadata is None:
        channels = tuple(f"channel_{number}" for number in range(responses.shape[2]))
    else:
        channels = metadata.response_channels
    if len(channels) != responses.shape[2]:
        raise DataError(
            f"the info 'response' of {dataset.id!r} must have the channels {channels}, got "
            f"{responses.shape[2]} of them"
        )
    for number, channel in enumerate(channels):
        columns[response_column(channel)] = responses[:, :, number]
    return Read(columns, channels)
