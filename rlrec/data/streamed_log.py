"""Logs made from rows that stream: sorted, divided into visits, written part by part."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
import pandas as pd

from rlrec.arrays import Bools, Ints
from rlrec.data.catalogue import Catalogue
from rlrec.data.log import InteractionLog, LogMetadata
from rlrec.data.log_columns import Columns, arrange, response_column
from rlrec.data.log_files import write_parts
from rlrec.data.row_spool import RowSpool
from rlrec.errors import ConfigError, DataError, UnknownNameError, nearest_hint

_logger = logging.getLogger(__name__)

Repeats = Literal["refuse", "drop", "keep"]
"""What becomes of a row that repeats user, item and time of an earlier one."""

NO_TIME = np.iinfo(np.int64).min
"""Stands for a time that is not known, in milliseconds."""

MOST_IN_MEMORY = 5_000_000
_PART_ROWS = 500_000


@dataclass(frozen=True, kw_only=True)
class LogForm:
    """How rows become a log."""

    channels: tuple[str, ...]
    """Response channels, which are columns of the rows."""
    reward: str
    """Channel that is the reward."""
    logging_policy: str
    propensity: float | None = None
    """Of every row, in (0, 1]; None where it is not known."""
    are_rounds: bool = False
    """Whether each row is an episode of its own."""
    visit_gap_minutes: float | None = 30.0
    """Minutes without a row after which another visit begins; None for one episode a user."""
    repeats: Repeats = "refuse"

    def __post_init__(self) -> None:
        if self.reward not in self.channels:
            hint = nearest_hint(str(self.reward), self.channels)
            raise UnknownNameError(f"no response channel is called {self.reward!r}.{hint}")
        if self.repeats not in get_args(Repeats):
            raise UnknownNameError(
                f"repeats must be one of {get_args(Repeats)}, got {self.repeats!r:.80}"
            )
        gap = self.visit_gap_minutes
        if gap is not None and not (isinstance(gap, int | float) and gap > 0):
            raise ConfigError(f"visit_gap_minutes must be above 0 or None, got {gap!r:.80}")


class StreamedLog(NamedTuple):
    """What was made of the rows."""

    log: InteractionLog
    n_repeats: int
    """Rows that repeat user, item and time of another, whether dropped or kept."""
    marks: Bools
    """Shape (n_rows,). The column `mark` of the rows, in the order of the log."""


def write_streamed(
    spool: RowSpool,
    form: LogForm,
    catalogue: Catalogue,
    path: Path | None,
    where: Callable[[int, int], str],
    overwrite: bool = False,
) -> StreamedLog:
    """Make a log of spooled rows.

    Rows have the columns `user_id`, `item_id`, `milliseconds` (NO_TIME where unknown), `file` and
    `line` (int64), `mark` (bool) and the channels (float32). If any time is unknown, the log has no
    timestamps, each user is one episode, and rows without a time come first.

    Args:
        spool: The rows, all added.
        form: What the log is to be.
        catalogue: With ascending ids, among which are those of all rows.
        path: Folder to write to, of which no more than a part is in memory at a time; None keeps
            the log in memory.
        where: Takes file and line of a row and returns its place, for messages.
        overwrite: Replace a log that is at `path` already.

    Raises:
        DataError: Rows repeat, something is at `path` already, or a log is too long for memory.
    """
    if path is None and spool.n_rows > MOST_IN_MEMORY:
        raise DataError(
            f"{spool.n_rows:,} rows are too many to keep in memory (at most {MOST_IN_MEMORY:,}); "
            f"give the folder of a log to write as `path`"
        )
    metadata = LogMetadata(
        slate_size=1,
        response_channels=form.channels,
        catalogue_fingerprint=catalogue.fingerprint,
        n_topics=catalogue.n_topics,
        logging_policy=form.logging_policy,
    )
    maker = _Maker(spool, form, catalogue, where)
    parts = (arrange(columns, metadata)[0] for columns in maker.parts())
    if path is None:
        log = InteractionLog.from_columns(_joined(list(parts)), metadata)
    else:
        write_parts(path, parts, maker.n_parts, metadata, overwrite, catalogue)
        log = InteractionLog.open(path)
    return StreamedLog(log, maker.n_repeats, np.concatenate(maker.marks))


class _Maker:
    """Makes the columns of a log, part by part."""

    def __init__(
        self,
        spool: RowSpool,
        form: LogForm,
        catalogue: Catalogue,
        where: Callable[[int, int], str],
    ) -> None:
        self._spool, self._form, self._catalogue, self._where = spool, form, catalogue, where
        self._bounds = spool.bounds(_PART_ROWS)
        self._has_times = all((rows != NO_TIME).all() for rows in spool.column("milliseconds"))
        self.n_parts = len(self._bounds) - 1
        self.n_repeats = 0
        self.marks: list[Bools] = []

    def parts(self) -> Iterator[Columns]:
        """Yield the columns of each part."""
        for rows in self._spool.parts(self._bounds):
            order = np.lexsort((rows["milliseconds"], rows["user_id"]))  # ties stay as they came
            repeated = self._repeated({name: values[order] for name, values in rows.items()})
            kept = order[~repeated] if self._form.repeats == "drop" else order
            part = {name: values[kept] for name, values in rows.items()}
            self.marks.append(part["mark"])
            yield self._columns(part)

    def _repeated(self, rows: Columns) -> Bools:
        keys = pd.DataFrame({name: rows[name] for name in ("user_id", "item_id", "milliseconds")})
        repeated: Bools = keys.duplicated().to_numpy() & (rows["milliseconds"] != NO_TIME)
        self.n_repeats += int(repeated.sum())
        if repeated.any() and self._form.repeats == "refuse":
            row = int(repeated.argmax())
            first = int((keys == keys.iloc[row]).all(axis=1).to_numpy().argmax())
            places = [self._where(int(rows["file"][n]), int(rows["line"][n])) for n in (row, first)]
            raise DataError(
                f"{places[0]}: repeats user, item and time of {places[1]}; pass repeats='drop' to "
                f"leave such rows out or repeats='keep' to take them for events"
            )
        return repeated

    def _columns(self, rows: Columns) -> Columns:
        form, users = self._form, rows["user_id"]
        n_rows = len(users)
        columns = {
            "user_id": users,
            **self._episodes(users, rows["milliseconds"]),
            "slate": np.searchsorted(self._catalogue.item_ids, rows["item_id"])[:, None],
            "reward": rows[form.reward],
        }
        columns |= {response_column(name): rows[name][:, None] for name in form.channels}
        if self._has_times:
            columns["timestamp"] = rows["milliseconds"] // 1000
        if form.propensity is not None:
            columns["log_propensity"] = np.full(n_rows, np.log(form.propensity))
            columns["propensity_given_prefix"] = np.full((n_rows, 1), form.propensity)
        return columns

    def _episodes(self, users: Ints, milliseconds: Ints) -> Columns:
        """Return what says which rows make a visit; each user's visits are counted from 0."""
        gap = self._form.visit_gap_minutes
        other_user = np.append(True, users[1:] != users[:-1])
        begins = other_user.copy()
        if self._form.are_rounds:
            begins[:] = True
        elif gap is not None and self._has_times:
            begins[1:] |= np.diff(milliseconds) > gap * 60_000
        visits = np.cumsum(begins)
        rows = np.arange(len(users))
        ends, user_ends = np.append(begins[1:], True), np.append(other_user[1:], True)
        stays = user_ends & (not self._form.are_rounds)  # the log ends, not the visit
        return {
            "episode_id": visits - np.maximum.accumulate(np.where(other_user, visits, 0)),
            "step": rows - np.maximum.accumulate(np.where(begins, rows, 0)),
            "terminated": ends & ~stays,
            "truncated": ends & stays,
        }


def _joined(parts: list[Columns]) -> Columns:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
