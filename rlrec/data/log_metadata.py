"""What is known about an interaction log as a whole."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from rlrec.errors import LogFormatError

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class LogMetadata:
    """Facts about a log that hold for all of its rows; stored as JSON in the Parquet schema.

    Stability: stable.
    """

    slate_size: int
    """K, 1 or more."""
    response_channels: tuple[str, ...]
    """Names of the R response columns; channel 0 says whether there was a response."""
    catalogue_fingerprint: str | None = None
    """`Catalogue.fingerprint` of the items shown; None where candidates have no identity."""
    n_topics: int | None = None
    """T, where topics are known."""
    logging_policy: str = "unknown"
    """Name of the policy that chose the slates."""
    env_id: str | None = None
    """The environment it was recorded in; None for a log of real users."""
    env_arguments: dict[str, Any] = field(default_factory=dict)
    """Arguments that make this environment again; JSON values."""
    seed: int | None = None
    """Seed of the recording."""
    candidate_shape: tuple[int, int] | None = None
    """(M, F) of `candidate_features`; filled in from the column."""
    schema_version: int = SCHEMA_VERSION
    """Version of the columns and of these fields."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "response_channels", tuple(self.response_channels))
        if self.candidate_shape is not None:
            object.__setattr__(self, "candidate_shape", tuple(self.candidate_shape))
        if self.slate_size < 1 or not self.response_channels:
            raise LogFormatError(
                f"a log needs a slate_size of 1 or more and at least one response channel, got "
                f"{self.slate_size!r} and {self.response_channels!r}"
            )

    def to_json(self) -> str:
        """Return these facts as JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Return what `to_json` wrote.

        Raises:
            LogFormatError: Not JSON, of another schema version, or with other fields.
        """
        try:
            facts = json.loads(text)
            version = facts.get("schema_version")
        except (ValueError, AttributeError) as error:
            raise LogFormatError(f"log metadata must be a JSON object, got {text!r:.80}") from error
        if version != SCHEMA_VERSION:
            raise LogFormatError(
                f"this rlrec reads logs of schema version {SCHEMA_VERSION}, got version {version!r}"
            )
        known = {each.name for each in fields(cls)}
        if not {"slate_size", "response_channels"} <= facts.keys() <= known:
            raise LogFormatError(f"log metadata must have fields of {sorted(known)}, got {facts}")
        for name, value in facts.items():
            wanted, is_right = _KINDS[name]
            if not is_right(value):
                raise LogFormatError(f"{name} in log metadata must be {wanted}, got {value!r:.80}")
        return cls(**facts)


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _are_channels(value: object) -> bool:
    is_list = isinstance(value, list) and all(map(_is_text, value))
    return is_list and len(set(value)) == len(value)  # type: ignore[arg-type, call-overload]


def _is_shape(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_count, value))


def _or_null(is_right: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or is_right(value)


_KINDS: dict[str, tuple[str, Callable[[object], bool]]] = {
    "slate_size": ("a whole number", _is_count),
    "response_channels": ("a list of different names", _are_channels),
    "catalogue_fingerprint": ("text or null", _or_null(_is_text)),
    "n_topics": ("a whole number or null", _or_null(_is_count)),
    "logging_policy": ("text", _is_text),
    "env_id": ("text or null", _or_null(_is_text)),
    "env_arguments": ("a JSON object", lambda value: isinstance(value, dict)),
    "seed": ("a whole number or null", _or_null(_is_count)),
    "candidate_shape": ("two whole numbers or null", _or_null(_is_shape)),
    "schema_version": ("a whole number", _is_count),
}
"""What each field is in JSON."""
