"""A log in blocks of whole users, with the observations of their rows."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from rlrec.arrays import Ints, Observations
from rlrec.data.catalogue import Catalogue
from rlrec.data.history import HISTORY_KEYS, HistoryShape
from rlrec.data.log import BLOCK_ROWS, InteractionLog
from rlrec.data.log_columns import Columns
from rlrec.data.rebuild import rebuild_observations
from rlrec.simulation import simulator_of

_HISTORY_LENGTH = 20  # the default of HistoryShape


def user_blocks(
    log: InteractionLog, names: Sequence[str] | None = None, n_rows: int = BLOCK_ROWS
) -> Iterator[InteractionLog]:
    """Yield a log in parts of whole users, in order; all of a user's rows stand in one part.

    Args:
        log: In memory or on disk, where it is read in blocks.
        names: Columns to read, `user_id` among them; by default all.
        n_rows: Rows of a part, about; a part is longer where one user has more rows.
    """
    held: list[Columns] = []
    for block in log.blocks(names, n_rows):
        users = block["user_id"]
        # The last user of a block may go on in the next one.
        last = int(np.searchsorted(users, users[-1], side="left"))
        if last == 0 and held and held[-1]["user_id"][-1] != users[0]:
            yield _part(log, held)
            held = []
        if last == 0:
            held.append(block)
            continue
        yield _part(log, [*held, {name: values[:last] for name, values in block.items()}])
        held = [{name: values[last:] for name, values in block.items()}]
    yield _part(log, held)


def _part(log: InteractionLog, blocks: list[Columns]) -> InteractionLog:
    columns = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    return type(log)(columns, log.metadata, log.name)


def user_numbers(log: InteractionLog) -> Ints:
    """Return users numbered from 0 in the order of a log, shape (n_rows,)."""
    users = log.column("user_id")
    numbers: Ints = np.cumsum(np.append(False, users[1:] != users[:-1])).astype(np.int64)
    return numbers


class Observer:
    """Makes the observations of a log again, as the policies under judgement must see them.

    Args:
        log: The whole log.
        catalogue: The items; None where there is none or `users` has it.
        users: A simulator or environment that observes as the policies do; without it, policies
            see the history of `HistoryShape`'s own sizes.
    """

    def __init__(
        self, log: InteractionLog, catalogue: Catalogue | None = None, users: Any = None
    ) -> None:
        simulator = None if users is None else simulator_of(users)
        if catalogue is None and simulator is not None:
            catalogue = simulator.catalogue
        self.catalogue = catalogue
        metadata = log.metadata
        if simulator is not None:
            shapes = {key: space.shape for key, space in simulator.observation_spaces.items()}
        else:
            shapes = _default_shapes(log, catalogue)
        channels = metadata.response_channels
        self.shape = HistoryShape.declared(shapes, metadata.slate_size, len(channels))
        self.n_choices = self._n_choices(log)

    def columns(self, log: InteractionLog) -> list[str]:
        """Return the columns that estimates need, what is observed and came back among them."""
        unneeded = {"timestamp", "propensity_marginal"}
        if log.has("log_propensity"):
            unneeded.add("propensity_given_prefix")
        return [name for name in log.column_names if name not in unneeded]

    def observations(self, part: InteractionLog) -> Observations:
        """Return the observation before each row of a part of whole users."""
        return rebuild_observations(part, self.catalogue, self.shape)

    def _n_choices(self, log: InteractionLog) -> int:
        """Return how many items (or candidates) a slot may show."""
        for name in ("candidates", "candidate_features"):
            if log.has(name):
                first = next(log.blocks([name], 1))
                return int(first[name].shape[1])
        if self.catalogue is not None:
            return self.catalogue.n_items
        return 1 + max(int(block["slate"].max()) for block in log.blocks(["slate"]))


def _default_shapes(log: InteractionLog, catalogue: Catalogue | None) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {key: (_HISTORY_LENGTH,) for key in HISTORY_KEYS}
    fresh = log.has("candidate_features") and not log.has("candidates")
    if catalogue is not None:
        n_topics: int | None = catalogue.n_topics
    else:
        n_topics = log.metadata.n_topics if fresh else None
    if n_topics is None:
        del shapes["topic_counts"]
    else:
        shapes["topic_counts"] = (n_topics + 1,)
    return shapes
