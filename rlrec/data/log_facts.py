"""What a log holds, counted block by block."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Bools, Floats, Ints
from rlrec.data.log import InteractionLog
from rlrec.data.log_columns import Columns, response_column


class Range(NamedTuple):
    """Least and greatest value, and the mean."""

    low: float
    high: float
    mean: float


@dataclass(frozen=True, kw_only=True)
class LogFacts:
    """Counts of a log; how they are counted is in `log_facts`."""

    n_rows: int
    n_users: int
    n_episodes: int
    n_items: int
    """Different items shown; positions where slates hold such."""
    n_pairs: int
    """Different pairs of a user and an item shown to them."""
    responses: dict[str, Range]
    """Of each channel, over slots."""
    reward: Range
    propensity: Range | None
    """Of the whole slate; None for a log without propensities."""
    time_span: tuple[int, int] | None
    """First and last unix second; None for a log without times."""

    @property
    def density(self) -> float:
        """Share of the pairs of users and shown items that occur, in (0, 1]."""
        return self.n_pairs / (self.n_users * self.n_items)


def log_facts(log: InteractionLog) -> LogFacts:
    """Return what a log holds, of which no more than a block is in memory at a time."""
    channels = log.metadata.response_channels
    ranges = {name: _Ranging() for name in ("reward", "log_propensity", "timestamp", *channels)}
    people = _People()
    for block in log.blocks(_needed(log)):
        people.add(block)
        for name in channels:
            ranges[name].add(block[response_column(name)])
        ranges["reward"].add(block["reward"])
        for name in ("timestamp", "log_propensity"):
            if name in block:
                values = block[name] if name == "timestamp" else np.exp(block[name])
                ranges[name].add(values)
    times = ranges["timestamp"].result() if log.has("timestamp") else None
    return LogFacts(
        n_rows=log.n_rows,
        n_users=people.n_users,
        n_episodes=people.n_episodes,
        n_items=int(people.shown.sum()),
        n_pairs=people.n_pairs,
        responses={name: ranges[name].result() for name in channels},
        reward=ranges["reward"].result(),
        propensity=ranges["log_propensity"].result() if log.has("log_propensity") else None,
        time_span=None if times is None else (int(times.low), int(times.high)),
    )


def _needed(log: InteractionLog) -> list[str]:
    responses = map(response_column, log.metadata.response_channels)
    names = ["user_id", "episode_id", "slate", "reward", *responses]
    return names + [name for name in ("timestamp", "log_propensity") if log.has(name)]


class _Ranging:
    """Least, greatest and mean of values that come in blocks."""

    def __init__(self) -> None:
        self._low, self._high, self._sum, self._n = np.inf, -np.inf, 0.0, 0

    def add(self, values: NDArray[Any]) -> None:
        floats: Floats = values.astype(np.float64)
        self._low = min(self._low, float(floats.min()))
        self._high = max(self._high, float(floats.max()))
        self._sum += float(floats.sum())
        self._n += floats.size

    def result(self) -> Range:
        return Range(self._low, self._high, self._sum / self._n)


class _People:
    """Counts users, episodes and pairs of a log, whose rows are ordered by user."""

    def __init__(self) -> None:
        self.n_users = self.n_episodes = self.n_pairs = 0
        self.shown: Bools = np.zeros(0, bool)
        self._last: tuple[Any, Any] | None = None
        self._items_of_last: Ints = np.zeros(0, np.int64)

    def add(self, block: Columns) -> None:
        users, episodes, slates = (block[name] for name in ("user_id", "episode_id", "slate"))
        other_user = np.append(self._is_other(users[0]), users[1:] != users[:-1])
        begins = other_user | np.append(
            self._is_other(users[0], episodes[0]), episodes[1:] != episodes[:-1]
        )
        self.n_users += int(other_user.sum())
        self.n_episodes += int(begins.sum())
        self._see(slates)
        self._count_pairs(np.cumsum(other_user), slates)
        self._last = users[-1], episodes[-1]

    def _is_other(self, *key: Any) -> bool:
        return self._last is None or self._last[: len(key)] != key

    def _see(self, slates: Ints) -> None:
        lacking = int(slates.max()) + 1 - len(self.shown)
        if lacking > 0:
            self.shown = np.append(self.shown, np.zeros(lacking, bool))
        self.shown[slates.reshape(-1)] = True

    def _count_pairs(self, numbers: Ints, slates: Ints) -> None:
        """Count new pairs of users, numbered within the block from the last one before (0)."""
        n_items = len(self.shown)
        pairs = np.unique(numbers[:, None] * n_items + slates)
        who, items = np.divmod(pairs, n_items)
        known = (who == 0) & np.isin(items, self._items_of_last)
        self.n_pairs += int((~known).sum())
        of_last = items[who == numbers[-1]]
        before = self._items_of_last if numbers[-1] == 0 else of_last
        self._items_of_last = np.union1d(before, of_last)
