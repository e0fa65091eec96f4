"""What is known about a log as a whole."""

import json

import pytest

from rlrec.data import LogMetadata
from rlrec.errors import LogFormatError

METADATA = LogMetadata(
    slate_size=3,
    response_channels=("click", "minutes"),
    catalogue_fingerprint="0123456789abcdef",
    n_topics=20,
    logging_policy="half random",
    env_id="rlrec/Some-v0",
    env_arguments={"n_items": None, "size": 3},
    seed=7,
    candidate_shape=(10, 20),
)


def test_metadata_come_back_equal_from_json() -> None:
    assert LogMetadata.from_json(METADATA.to_json()) == METADATA


@pytest.mark.parametrize("text", ["", "[]", "no json"])
def test_text_that_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(LogFormatError, match="JSON object"):
        LogMetadata.from_json(text)


def test_another_version_is_refused() -> None:
    later = {**json.loads(METADATA.to_json()), "schema_version": 9}
    with pytest.raises(LogFormatError, match="version 1, got version 9"):
        LogMetadata.from_json(json.dumps(later))


def test_unknown_fields_are_refused() -> None:
    more = {**json.loads(METADATA.to_json()), "colour": "red"}
    with pytest.raises(LogFormatError, match="colour"):
        LogMetadata.from_json(json.dumps(more))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("slate_size", "10"),
        ("slate_size", None),
        ("slate_size", True),
        ("response_channels", 5),
        ("response_channels", [1]),
        ("response_channels", ["click", "click"]),
        ("catalogue_fingerprint", 5),
        ("env_arguments", []),
        ("candidate_shape", 5),
        ("candidate_shape", [1, "2"]),
        ("seed", "x"),
    ],
)
def test_a_field_of_another_type_is_refused(field: str, value: object) -> None:
    wrong = {**json.loads(METADATA.to_json()), field: value}
    with pytest.raises(LogFormatError, match=f"{field} in log metadata must be"):
        LogMetadata.from_json(json.dumps(wrong))


def test_a_log_needs_slots_and_channels() -> None:
    with pytest.raises(LogFormatError, match="slate_size of 1 or more"):
        LogMetadata(slate_size=0, response_channels=("click",))
    with pytest.raises(LogFormatError, match="one response channel"):
        LogMetadata(slate_size=1, response_channels=())
