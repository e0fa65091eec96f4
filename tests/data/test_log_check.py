"""Rows that break a rule are refused, wherever they stand."""

from typing import Any

import numpy as np
import pytest

from rlrec.data import InteractionLog, LogMetadata, log
from rlrec.errors import LogFormatError, PropensityError

METADATA = LogMetadata(slate_size=2, response_channels=("click",))


def columns() -> dict[str, Any]:
    """Return two users with two episodes of three steps each."""
    prefix = np.tile([0.5, 0.25], (12, 1))
    return {
        "user_id": np.repeat([3, 8], 6),
        "episode_id": np.repeat([0, 1, 0, 1], 3),
        "step": np.tile([0, 1, 2], 4),
        "slate": np.tile([4, 2], (12, 1)),
        "response.click": np.zeros((12, 2)),
        "reward": np.zeros(12),
        "terminated": np.tile([False, False, True], 4),
        "truncated": np.zeros(12, bool),
        "log_propensity": np.full(12, np.log(0.125)),
        "propensity_given_prefix": prefix,
        "propensity_marginal": prefix,
    }


@pytest.fixture(params=[65_536, 5, 4, 3, 1], ids=lambda rows: f"blocks of {rows}")
def block_rows(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Check the same rows in blocks of several lengths."""
    n_rows: int = request.param
    blocks = log.InteractionLog.blocks
    monkeypatch.setattr(
        log.InteractionLog, "blocks", lambda self, names=None: blocks(self, names, n_rows)
    )
    return n_rows


def changed(name: str, place: Any, value: Any) -> dict[str, Any]:
    made = columns()
    made[name] = made[name].copy()
    made[name][place] = value
    return made


@pytest.mark.usefixtures("block_rows")
def test_rows_that_keep_the_rules_pass() -> None:
    assert InteractionLog.from_columns(columns(), METADATA).n_rows == 12


@pytest.mark.usefixtures("block_rows")
@pytest.mark.parametrize(
    ("name", "place", "value", "message"),
    [
        ("step", 4, 0, "stand once; row 4 breaks this: user 3, episode 1, step 0"),
        ("user_id", slice(6, 12), 2, "ordered by user, episode, step; row 6 breaks this: user 2"),
        ("episode_id", slice(9, 12), -1, "ordered by user, episode, step; row 9"),
        ("step", 5, 3, "count up by one; row 5"),
        ("step", slice(0, 3), [1, 2, 3], "begin with step 0; row 0"),
        ("step", slice(9, 12), [1, 2, 3], "begin with step 0; row 9"),
        ("terminated", 7, True, "end with its terminated or truncated row; row 8"),
        ("truncated", 3, True, "end with its terminated or truncated row; row 4"),
        ("slate", (5, 1), -1, "counted from 0; 1 rows break this, the first is row 5, position 1"),
        ("reward", 8, np.nan, "reward must be finite; 1 rows break this, the first is row 8: nan"),
        ("response.click", (10, 0), np.inf, r"response\.click must be finite.*row 10, position 0"),
    ],
)
def test_the_row_that_breaks_a_rule_is_named(
    name: str, place: Any, value: Any, message: str
) -> None:
    with pytest.raises(LogFormatError, match=message):
        InteractionLog.from_columns(changed(name, place, value), METADATA)


@pytest.mark.usefixtures("block_rows")
def test_a_step_back_is_out_of_order() -> None:
    with pytest.raises(LogFormatError, match="ordered by user, episode, step; row 2"):
        InteractionLog.from_columns(changed("step", slice(0, 3), [0, 1, 0]), METADATA)


@pytest.mark.usefixtures("block_rows")
@pytest.mark.parametrize(
    ("name", "place", "value", "message"),
    [
        ("log_propensity", 9, 0.1, "finite and at most 0; 1 rows break this, the first is row 9"),
        ("log_propensity", 9, -np.inf, "finite and at most 0.*row 9"),
        ("log_propensity", 9, np.nan, "finite and at most 0.*row 9"),
        ("log_propensity", 4, np.log(0.126), "product of propensity_given_prefix.*row 4"),
        ("propensity_given_prefix", (2, 1), 0.0, r"lie in \(0, 1\].*row 2, position 1: 0"),
        ("propensity_given_prefix", (2, 0), 1.01, r"lie in \(0, 1\].*row 2, position 0: 1\.01"),
        ("propensity_marginal", (11, 0), np.nan, r"lie in \(0, 1\].*row 11"),
        ("propensity_marginal", (11, 1), 0.1, "at least the propensity of the whole slate.*row 11"),
    ],
)
def test_wrong_propensities_are_refused(name: str, place: Any, value: Any, message: str) -> None:
    with pytest.raises(PropensityError, match=message):
        InteractionLog.from_columns(changed(name, place, value), METADATA)


def test_rounding_of_propensities_is_no_fault() -> None:
    made = columns()
    made["log_propensity"] = made["log_propensity"] * (1 + 1e-9)
    assert InteractionLog.from_columns(made, METADATA).n_rows == 12


@pytest.mark.parametrize("name", ["candidates", "candidate_features"])
def test_slates_name_positions_among_the_candidates(name: str) -> None:
    offer = {
        "candidates": np.zeros((12, 4), int),
        "candidate_features": np.zeros((12, 4, 3)),
    }[name]
    with pytest.raises(
        LogFormatError, match=r"positions among the candidates.*row 0, position 0: 4"
    ):
        InteractionLog.from_columns({**columns(), name: offer}, METADATA)


def test_observations_must_be_finite() -> None:
    profile = np.zeros((12, 3))
    profile[6, 2] = np.nan
    with pytest.raises(LogFormatError, match=r"user must be finite.*row 6, position 2"):
        InteractionLog.from_columns({**columns(), "user": profile}, METADATA)
