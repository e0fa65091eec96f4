"""The interaction log: what was shown, what came back, and how likely it was to be shown."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rlrec.arrays import Floats32
from rlrec.data.catalogue import Catalogue
from rlrec.data.log_check import LastRow, check_block
from rlrec.data.log_columns import (
    Columns,
    arrange,
    response_column,
    to_table,
)
from rlrec.data.log_files import LogParts, write_parts
from rlrec.data.log_metadata import SCHEMA_VERSION, LogMetadata
from rlrec.errors import (
    CatalogueMismatchError,
    DataError,
    LogFormatError,
    PropensityError,
    UnknownNameError,
    nearest_hint,
)

if TYPE_CHECKING:
    import pandas as pd

    from rlrec.policy import SlatePolicy

__all__ = ["SCHEMA_VERSION", "InteractionLog", "LogMetadata"]

BLOCK_ROWS = 65_536
_PART_ROWS = 1_000_000


class InteractionLog:
    """One row a step, ordered by user, episode and step; in memory or on disk.

    A log on disk is read from there at each call: take blocks of a long one, and keep a column
    that is needed often. The columns are those of `docs/architecture.md`.

    Stability: stable.
    """

    def __init__(self, source: Columns | LogParts, metadata: LogMetadata, name: str) -> None:
        """Use `from_columns`, `open` or `record` instead."""
        self._source = source
        self.metadata = metadata
        self.name = name
        self.column_names = source.names if isinstance(source, LogParts) else tuple(source)

    @classmethod
    def from_columns(cls, columns: Mapping[str, Any], metadata: LogMetadata) -> Self:
        """Return a log in memory.

        Args:
            columns: Arrays with a leading axis of rows, by the names of `docs/architecture.md`.
            metadata: What holds for all rows.

        Raises:
            UnknownNameError: A column is not part of a log.
            LogFormatError: A column is missing or misshapen, rows are out of order, no rows.
            PropensityError: A propensity is outside its range.
        """
        arranged, metadata = arrange(columns, metadata)
        log = cls(arranged, metadata, "log")
        log.check()
        return log

    @classmethod
    def open(cls, path: str | Path, catalogue: Catalogue | None = None) -> Self:
        """Return a log on disk; it is checked in blocks, and never loaded whole.

        Args:
            path: Folder of the log.
            catalogue: The items, if the log must belong to them.

        Raises:
            LogFormatError: Missing, damaged or empty, or of another schema version.
            CatalogueMismatchError: Recorded with another catalogue.
            PropensityError: A propensity is outside its range.
        """
        parts = LogParts(Path(path))
        log = cls(parts, parts.metadata, str(path))
        log._check_columns()
        if catalogue is not None:
            log._check_catalogue(catalogue)
        log.check(catalogue)
        return log

    @classmethod
    def record(
        cls,
        policy: "SlatePolicy",
        users: Any,
        n_steps: int,
        path: str | Path | None = None,
        *,
        seed: int = 0,
        deterministic: bool = False,
        progress: Callable[[int, int], None] | None = None,
        policy_name: str | None = None,
        overwrite: bool = False,
    ) -> "InteractionLog":
        """Let a policy serve simulated users and return the log; see `recording.record_log`."""
        from rlrec.data.recording import record_log  # needs the simulator, which needs rlrec.data

        return record_log(
            policy,
            users,
            n_steps,
            path,
            seed=seed,
            deterministic=deterministic,
            progress=progress,
            policy_name=policy_name,
            overwrite=overwrite,
        )

    @property
    def n_rows(self) -> int:
        """Number of rows, that is of slates shown."""
        if isinstance(self._source, LogParts):
            return self._source.n_rows
        return len(self._source["user_id"])

    def __len__(self) -> int:
        return self.n_rows

    def __repr__(self) -> str:
        return (
            f"InteractionLog({self.name!r}, {self.n_rows:,} rows, slates of "
            f"{self.metadata.slate_size}, policy {self.metadata.logging_policy!r})"
        )

    def has(self, name: str) -> bool:
        """Return whether the log has a column of this name."""
        return name in self.column_names

    def column(self, name: str) -> NDArray[Any]:
        """Return one column, (n_rows, ...); UnknownNameError if there is none of this name."""
        return self.columns((name,))[name]

    def columns(self, names: Sequence[str] | None = None) -> Columns:
        """Return whole columns by name, by default all."""
        names = self._known(names)
        if not isinstance(self._source, LogParts):
            return {name: self._source[name] for name in names}
        blocks = list(self._source.blocks(names, BLOCK_ROWS))
        return {name: np.concatenate([block[name] for block in blocks]) for name in names}

    def response(self, channel: str) -> Floats32:
        """Return what came back in one channel, (n_rows, K)."""
        if channel not in self.metadata.response_channels:
            hint = nearest_hint(channel, self.metadata.response_channels)
            raise UnknownNameError(f"no response channel is called {channel!r}.{hint}")
        return self.column(response_column(channel))

    def responses(self) -> Floats32:
        """Return what came back in all channels, (n_rows, K, R)."""
        return np.stack([self.response(name) for name in self.metadata.response_channels], axis=2)

    def blocks(
        self, names: Sequence[str] | None = None, n_rows: int = BLOCK_ROWS
    ) -> Iterator[Columns]:
        """Yield columns of at most `n_rows` rows at a time, in order, by default all columns."""
        names = self._known(names)
        if isinstance(self._source, LogParts):
            yield from self._source.blocks(names, n_rows)
            return
        for start in range(0, self.n_rows, n_rows):
            yield {name: self._source[name][start : start + n_rows] for name in names}

    def to_arrow(self) -> pa.Table:
        """Return the log as an Arrow table; slates and the like are fixed-size lists."""
        if isinstance(self._source, LogParts):
            return self._source.table()
        return to_table(self._source, self.metadata)

    def to_pandas(self) -> "pd.DataFrame":
        """Return the log as a data frame; slates and the like are arrays within cells."""
        frame: pd.DataFrame = self.to_arrow().to_pandas()
        return frame

    def in_memory(self) -> Self:
        """Return the same log with all columns loaded."""
        return type(self)(self.columns(), self.metadata, self.name)

    def write(
        self, path: str | Path, overwrite: bool = False, catalogue: Catalogue | None = None
    ) -> None:
        """Write the log to a folder, which appears only when it is complete.

        Args:
            path: Folder to make.
            overwrite: Replace a log that is there already.
            catalogue: The items, written beside it for `read_catalogue`; None for none.

        Raises:
            DataError: Something is there already, or something that is not a log.
        """
        if isinstance(self._source, LogParts):
            parts, n_parts = self._source.parts(), len(self._source.paths)
        else:
            parts, n_parts = self.blocks(n_rows=_PART_ROWS), -(-self.n_rows // _PART_ROWS)
        write_parts(Path(path), parts, n_parts, self.metadata, overwrite, catalogue)

    def require_propensities(self) -> None:
        """Raise PropensityError if the log does not say how likely its slates were."""
        for name in ("log_propensity", "propensity_given_prefix"):
            if not self.has(name):
                raise PropensityError(
                    f"{self.name} has no column {name!r}, so it does not say how likely its slates "
                    f"were; record one with InteractionLog.record, or add the propensities of the "
                    f"logging policy to the columns given to InteractionLog.from_columns"
                )

    def check(self, catalogue: Catalogue | None = None) -> None:
        """Check every row, in blocks.

        Args:
            catalogue: The items, if slates must name items of it.

        Raises:
            LogFormatError: Rows out of order, repeated or left out, or values not finite; names
                the row.
            PropensityError: A propensity is outside its range, or at odds with another.
            CatalogueMismatchError: A slate names an item that the catalogue lacks.
        """
        first_row = 0
        before: LastRow | None = None
        for block in self.blocks():
            try:
                before = check_block(block, first_row, before)
            except DataError as error:
                raise type(error)(f"{self.name}: {error}") from None
            if catalogue is not None:
                self._check_items(block, first_row, catalogue)
            first_row += len(block["step"])

    def _check_columns(self) -> None:
        """Check that a log on disk has the columns of the schema."""
        try:
            arrange(next(self.blocks(n_rows=1)), self.metadata)
        except (LogFormatError, UnknownNameError) as error:
            raise LogFormatError(f"{self.name}: {error}") from error

    def _check_catalogue(self, catalogue: Catalogue) -> None:
        fingerprint = self.metadata.catalogue_fingerprint
        if fingerprint is not None and fingerprint != catalogue.fingerprint:
            raise CatalogueMismatchError(
                f"{self.name} was recorded with the catalogue {fingerprint}, but the one given is "
                f"{catalogue.fingerprint} ({catalogue.n_items} items); give the catalogue of the "
                f"recording, or record again"
            )

    def _check_items(self, block: Columns, first_row: int, catalogue: Catalogue) -> None:
        if "candidate_features" in block:
            return  # slates hold positions among fresh candidates
        name = "candidates" if "candidates" in block else "slate"
        wrong = (block[name] < 0) | (block[name] >= catalogue.n_items)
        if wrong.any():
            row, slot = np.argwhere(wrong)[0]
            raise CatalogueMismatchError(
                f"{self.name}: {name} must name items in 0..{catalogue.n_items - 1}; row "
                f"{first_row + row}, position {slot} names {block[name][row, slot]}"
            )

    def _known(self, names: Sequence[str] | None) -> tuple[str, ...]:
        for name in names or ():
            if name not in self.column_names:
                hint = nearest_hint(name, self.column_names)
                raise UnknownNameError(f"{self.name} has no column {name!r}.{hint}")
        return self.column_names if names is None else tuple(names)
