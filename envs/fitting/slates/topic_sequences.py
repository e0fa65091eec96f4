"""What users did with the items of each topic, one look after the other."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Bools, Ints
from rlrec.data.catalogue import Catalogue
from rlrec.data.log import InteractionLog
from rlrec.data.log_columns import items_shown, response_column
from rlrec.errors import ConfigError, DataError
from rlrec.slates import repeated_slots

Scanning = Literal["position_based", "cascade"]
SCANNING: tuple[Scanning, ...] = get_args(Scanning)
NEW_VISIT = -1
"""As a gap: the visit has just begun."""
_CELLS = 1_000_000
"""Of a block, looks times sequences: bounds memory."""


class Looks(NamedTuple):
    """A block of sequences side by side, the longest first; L rows of up to n looks."""

    slot: Ints
    """Shape (L, n). Place in the slate, from 0."""
    item: Ints
    taken: Bools
    gap: Ints
    """Steps since the last look at this topic; 0 within a slate, NEW_VISIT at the first of a
    visit."""
    before: Ints
    """Items of the topic taken in the slate of the last look, where that was an earlier one."""
    n_active: list[int]
    """Length L. How many of the n sequences have a look of that number."""
    rows: Ints
    """Shape (n,). Which sequences these are."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TopicSequences:
    """Looks of Q pairs of a person and a topic, in order.

    Given the tastes of a person, what is done with one topic says nothing of another: so each pair
    is a sequence of its own, which may be followed by itself.
    """

    persons: Ints
    """Shape (Q,). Row in `person_ids`."""
    topics: Ints
    """Shape (Q,)."""
    starts: Ints
    """Shape (Q,). First look of each."""
    lengths: Ints
    """Shape (Q,)."""
    slot: Ints
    """Shape (n,). As in `Looks`, as are the next four."""
    item: Ints
    taken: Bools
    gap: Ints
    before: Ints
    person_ids: NDArray[np.generic]
    """Shape (P,)."""
    n_visits: int
    slate_size: int

    def __len__(self) -> int:
        return len(self.starts)

    def blocks(self, cells: int = _CELLS) -> Iterator[Looks]:
        """Yield the sequences side by side, the longest first, at most so many cells at a time."""
        order = np.argsort(-self.lengths, kind="stable")
        first = 0
        while first < len(order):
            at_once = max(1, cells // int(self.lengths[order[first]]))
            rows = order[first : first + at_once]
            first += at_once
            lengths = self.lengths[rows]
            numbers = np.arange(lengths[0])
            places = np.minimum(self.starts[rows] + numbers[:, None], len(self.slot) - 1)
            yield Looks(
                self.slot[places],
                self.item[places],
                self.taken[places],
                self.gap[places],
                self.before[places],
                [int(number) for number in (lengths > numbers[:, None]).sum(axis=1)],
                rows,
            )


def topic_sequences(
    log: InteractionLog,
    catalogue: Catalogue,
    scanning: Scanning,
    *,
    channel: str | None = None,
    most_visits: int | None = None,
    seed: int = 0,
) -> TopicSequences:
    """Return the looks that a log tells of.

    Args:
        log: Slates with responses.
        catalogue: Its items.
        scanning: Which slots were looked at: all, each on its own (`position_based`), or those down
            to the first that was taken (`cascade`).
        channel: Above 0 where an item was taken; by default the first.
        most_visits: Of more, as many whole visits drawn at random; None for all.
        seed: Of that draw.

    Raises:
        ConfigError: `scanning` is not known.
        DataError: Nothing was ever taken, or everything.
    """
    if scanning not in SCANNING:
        raise ConfigError(f"scanning must be one of {SCANNING}, got {scanning!r}")
    rows = _rows(log, catalogue, channel, most_visits, seed)
    taken = rows.taken
    if not taken.any() or taken.all():
        word = "nothing" if not taken.any() else "every item"
        raise DataError(
            f"in {log.name} {word} that was shown was taken (channel "
            f"{channel or log.metadata.response_channels[0]!r}): what attracts cannot be told"
        )
    return _sequences(rows, catalogue, scanning)


def scanning_of_log(log: InteractionLog, channel: str | None = None) -> Scanning:
    """Return `cascade` where no slate of a log has two items taken, else `position_based`.

    Args:
        log: Slates with responses.
        channel: Above 0 where an item was taken; by default the first.
    """
    name = response_column(channel or log.metadata.response_channels[0])
    for block in log.blocks(names=[name]):
        if ((block[name] > 0).sum(axis=1) > 1).any():
            return "position_based"
    return "cascade"


class _Rows(NamedTuple):
    """The steps of a log, in order of person, visit and step."""

    person: Ints
    visit: Ints
    step: Ints
    slate: Ints
    """Shape (S, K). Items."""
    taken: Bools
    """Shape (S, K)."""
    person_ids: NDArray[np.generic]


def _rows(
    log: InteractionLog, catalogue: Catalogue, channel: str | None, most: int | None, seed: int
) -> _Rows:
    channel = channel or log.metadata.response_channels[0]
    names = ["user_id", "step", "slate", f"response.{channel}"]
    names += ["candidates"] if log.has("candidates") else []
    kept = _drawn_visits(log, most, seed)
    parts: list[list[NDArray[np.generic]]] = []
    n_before = 0
    for block in log.blocks(names=names):  # in order of person, visit and step
        visit = n_before - 1 + np.cumsum(block["step"] == 0)
        n_before = int(visit[-1]) + 1
        rows = slice(None) if kept is None else kept[visit]
        columns = block["user_id"], visit, block["step"], items_shown(block)
        parts.append([column[rows] for column in columns])
        parts[-1].append(block[f"response.{channel}"][rows] > 0)
    users, visits, steps, slates, taken = (
        np.concatenate(part) for part in zip(*parts, strict=True)
    )
    person_ids, person = np.unique(users, return_inverse=True)
    _, visit = np.unique(visits, return_inverse=True)
    return _Rows(person, visit, steps, slates, taken, person_ids)


def _drawn_visits(log: InteractionLog, most: int | None, seed: int) -> Bools | None:
    """Return which visits are kept, in the order of the log; None for all."""
    if most is None:
        return None
    n_visits = sum(int((block["step"] == 0).sum()) for block in log.blocks(names=["step"]))
    if n_visits <= most:
        return None
    kept = np.zeros(n_visits, bool)
    kept[np.random.default_rng(seed).choice(n_visits, most, replace=False)] = True
    return kept


def _sequences(rows: _Rows, catalogue: Catalogue, scanning: Scanning) -> TopicSequences:
    looked = ~repeated_slots(rows.slate)  # nobody can respond to an item a second time
    if scanning == "cascade":
        above: Ints = np.cumsum(rows.taken, axis=1) - rows.taken
        looked &= above == 0
    steps, slots = np.nonzero(looked)
    items = rows.slate[looked]
    pairs = rows.person[steps] * catalogue.n_topics + catalogue.topics[items]
    order = np.lexsort((slots, steps, pairs))  # rows are in order of visit and time already
    step, slot, item, pair = (part[order] for part in (steps, slots, items, pairs))
    taken = rows.taken[looked][order]
    is_new = np.append(True, pair[1:] != pair[:-1])
    is_new_step = is_new | np.append(True, step[1:] != step[:-1])
    visit = rows.visit[step]
    is_new_visit = is_new | np.append(True, visit[1:] != visit[:-1])
    group = np.cumsum(is_new_step) - 1
    n_taken = np.bincount(group, taken).astype(np.int64)
    goes_on = is_new_step & ~is_new_visit
    gap = np.where(goes_on, np.diff(rows.step[step], prepend=0), 0)
    gap[is_new_visit] = NEW_VISIT
    starts = np.flatnonzero(is_new)
    return TopicSequences(
        persons=pair[starts] // catalogue.n_topics,
        topics=pair[starts] % catalogue.n_topics,
        starts=starts,
        lengths=np.diff(np.append(starts, len(pair))),
        slot=slot,
        item=item,
        taken=taken,
        gap=gap,
        before=np.where(goes_on, n_taken[np.maximum(group - 1, 0)], 0),
        person_ids=rows.person_ids,
        n_visits=int(rows.visit.max()) + 1,
        slate_size=rows.slate.shape[1],
    )
