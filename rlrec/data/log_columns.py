"""The columns of an interaction log: names, types, shapes, and their Arrow form."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rlrec.arrays import Ints
from rlrec.data.log_metadata import LogMetadata
from rlrec.errors import LogFormatError, UnknownNameError, nearest_hint

Columns = dict[str, NDArray[Any]]
"""Columns by name, each with a leading axis of rows."""

OBSERVED_KEYS = ("user", "context", "candidates", "candidate_features")
"""Observation keys a log stores; the rest follows from earlier rows."""

_REQUIRED = ("user_id", "episode_id", "step", "slate", "reward", "terminated", "truncated")
_RESPONSE = "response."


class _Rule(NamedTuple):
    dtype: type[np.generic] | None
    """None for ids: integers or strings."""
    kinds: str
    """numpy kinds that may be converted without loss of meaning."""
    axes: int
    """Axes of one row."""
    per_slot: bool = False
    """Whether the axis is the slate's K slots."""


_RULES = {
    "user_id": _Rule(None, "iuUOT", 0),
    "episode_id": _Rule(None, "iuUOT", 0),
    "step": _Rule(np.int64, "iu", 0),
    "timestamp": _Rule(np.int64, "iu", 0),
    "slate": _Rule(np.int64, "iu", 1, per_slot=True),
    "reward": _Rule(np.float64, "fiub", 0),
    "terminated": _Rule(np.bool_, "b", 0),
    "truncated": _Rule(np.bool_, "b", 0),
    "user": _Rule(np.float32, "fiub", 1),
    "context": _Rule(np.float32, "fiub", 1),
    "candidates": _Rule(np.int64, "iu", 1),
    "candidate_features": _Rule(np.float32, "fiub", 2),
    "log_propensity": _Rule(np.float64, "f", 0),
    "propensity_given_prefix": _Rule(np.float64, "f", 1, per_slot=True),
    "propensity_marginal": _Rule(np.float64, "f", 1, per_slot=True),
}
_RESPONSE_RULE = _Rule(np.float32, "fiub", 1, per_slot=True)


def response_column(channel: str) -> str:
    """Return the name of a channel's column."""
    return _RESPONSE + channel


def items_shown(columns: Columns) -> Ints:
    """Return slates as item_index, (n_rows, K); with candidates they hold positions among them."""
    slates: Ints = columns["slate"]
    if "candidates" not in columns:
        return slates
    return np.take_along_axis(columns["candidates"], slates, axis=1)


def known_columns(metadata: LogMetadata) -> tuple[str, ...]:
    """Return every column name a log with this metadata may have, in order."""
    responses = tuple(map(response_column, metadata.response_channels))
    names = list(_RULES)
    place = names.index("reward")
    return (*names[:place], *responses, *names[place:])


def arrange(columns: Mapping[str, Any], metadata: LogMetadata) -> tuple[Columns, LogMetadata]:
    """Bring columns to the types of the schema, in its order, and complete the metadata.

    Raises:
        UnknownNameError: A column is not part of the schema.
        LogFormatError: A column is missing or has another type, shape or length; no rows.
    """
    known = known_columns(metadata)
    for name in columns:
        if name not in known:
            raise UnknownNameError(f"no log column is called {name!r}.{nearest_hint(name, known)}")
    for name in (*_REQUIRED, *map(response_column, metadata.response_channels)):
        if name not in columns:
            raise LogFormatError(f"a log needs the column {name!r}; got only {sorted(columns)}")
    arranged = {
        name: _converted(name, np.asarray(columns[name]), metadata.slate_size)
        for name in known
        if name in columns
    }
    _check_lengths(arranged)
    if "candidate_features" in arranged:
        shape = arranged["candidate_features"].shape
        metadata = replace(metadata, candidate_shape=(int(shape[1]), int(shape[2])))
    return arranged, metadata


def to_table(columns: Columns, metadata: LogMetadata) -> pa.Table:
    """Return columns as an Arrow table: rows of several values as fixed-size lists."""
    arrays = []
    for values in columns.values():
        width = int(np.prod(values.shape[1:], dtype=np.int64))
        flat = pa.array(values.reshape(-1))
        arrays.append(pa.FixedSizeListArray.from_arrays(flat, width) if values.ndim > 1 else flat)
    schema = pa.schema(
        [pa.field(name, array.type) for name, array in zip(columns, arrays, strict=True)]
    )
    return pa.Table.from_arrays(arrays, schema=with_metadata(schema, metadata))


def with_metadata(schema: pa.Schema, metadata: LogMetadata) -> pa.Schema:
    """Return an Arrow schema that carries the log's metadata."""
    return schema.with_metadata({**(schema.metadata or {}), b"rlrec": metadata.to_json().encode()})


def from_table(table: pa.Table | pa.RecordBatch, metadata: LogMetadata) -> Columns:
    """Return the numpy columns of an Arrow table made by `to_table`.

    Raises:
        LogFormatError: A value is missing.
    """
    return {name: _from_arrow(name, table.column(name), metadata) for name in table.schema.names}


def _from_arrow(name: str, array: Any, metadata: LogMetadata) -> NDArray[Any]:
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if array.null_count:
        raise LogFormatError(f"column {name!r} must have a value in every row; some are missing")
    if not pa.types.is_fixed_size_list(array.type):
        _check_type(name, array.type)
        values = np.asarray(array.to_numpy(zero_copy_only=False))
        return values.astype(str) if values.dtype.kind == "O" else values
    _check_type(name, array.type.value_type)
    shape: tuple[int, ...] = (array.type.list_size,)
    if name == "candidate_features" and metadata.candidate_shape is not None:
        shape = metadata.candidate_shape
        if shape[0] * shape[1] != array.type.list_size:
            raise LogFormatError(
                f"column {name!r} must hold {shape[0]} * {shape[1]} values a row, as the metadata "
                f"say, got {array.type.list_size}"
            )
    if array.flatten().null_count:
        raise LogFormatError(f"column {name!r} must have a value in every slot; some are missing")
    flat = np.array(array.flatten().to_numpy(zero_copy_only=False))
    return flat.reshape(len(array), *shape)


def _check_type(name: str, kind: pa.DataType) -> None:
    checks = (
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_boolean,
        pa.types.is_string,
        pa.types.is_large_string,
    )
    if not any(check(kind) for check in checks):
        raise LogFormatError(
            f"column {name!r} must hold numbers, truth values or text, or fixed-size lists of "
            f"them, got {kind}"
        )


def _converted(name: str, values: NDArray[Any], slate_size: int) -> NDArray[Any]:
    rule = _RULES.get(name, _RESPONSE_RULE)
    if values.dtype.kind not in rule.kinds:
        wanted = "integer or string" if rule.dtype is None else np.dtype(rule.dtype).name
        raise LogFormatError(f"column {name!r} must be {wanted}, got {values.dtype}")
    slots_wrong = rule.per_slot and values.shape[1:] != (slate_size,)
    if values.dtype.kind == "O" and not all(isinstance(value, str) for value in values):
        raise LogFormatError(f"column {name!r} must hold integers only or strings only")
    if values.ndim != 1 + rule.axes or slots_wrong:
        shape = f"(rows, {slate_size})" if rule.per_slot else f"{1 + rule.axes} axes"
        raise LogFormatError(f"column {name!r} must have shape {shape}, got {values.shape}")
    if rule.dtype is not None:
        return values.astype(rule.dtype, copy=False)
    return values.astype(np.int64 if values.dtype.kind in "iu" else str, copy=False)


def _check_lengths(columns: Columns) -> None:
    n_rows = len(columns["user_id"])
    for name, values in columns.items():
        if len(values) != n_rows:
            raise LogFormatError(
                f"all columns need as many rows as 'user_id', {n_rows}; {name!r} has {len(values)}"
            )
    if n_rows == 0:
        raise LogFormatError("a log needs at least one row, got none")
