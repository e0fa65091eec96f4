"""The rules every row of an interaction log keeps."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Bools
from rlrec.data.log_columns import OBSERVED_KEYS, Columns
from rlrec.errors import LogFormatError, PropensityError

_TOLERANCE = 1e-6  # of log-probabilities; a sum of K float64 logarithms errs far less


class LastRow(NamedTuple):
    """What the check of a block must know about the row before it."""

    user_id: Any
    episode_id: Any
    step: int
    ended: bool


def check_block(block: Columns, first_row: int, before: LastRow | None) -> LastRow:
    """Check a run of rows.

    Args:
        block: Their columns.
        first_row: Number of the first of them in the log.
        before: The row above the block; None at the top of the log.

    Returns:
        The last row, for the next block.

    Raises:
        LogFormatError: Rows out of order, repeated or left out, or values that are not finite.
        PropensityError: Propensities outside their range, or at odds with each other.
    """
    _check_order(block, first_row, before)
    _check_values(block, first_row)
    _check_propensities(block, first_row)
    ended = bool(block["terminated"][-1] or block["truncated"][-1])
    return LastRow(block["user_id"][-1], block["episode_id"][-1], int(block["step"][-1]), ended)


def _check_order(block: Columns, first_row: int, before: LastRow | None) -> None:
    users, episodes, steps = (block[name] for name in ("user_id", "episode_id", "step"))
    ended = block["terminated"] | block["truncated"]
    if before is not None:
        users, episodes, steps, ended = (
            np.concatenate([np.asarray([last]), column])
            for last, column in zip(before, (users, episodes, steps, ended), strict=True)
        )
        first_row -= 1
    same_user = users[1:] == users[:-1]
    same = same_user & (episodes[1:] == episodes[:-1])
    rises = (users[1:] > users[:-1]) | (same_user & (episodes[1:] > episodes[:-1]))
    gap = np.diff(steps)
    begins = np.concatenate([[before is None], ~same])  # whether a row begins an episode
    rules = {
        "each (user, episode, step) may stand once": _below(same & (gap == 0)),
        "rows must be ordered by user, episode, step": _below(~same & ~rises | same & (gap < 0)),
        "steps of an episode must count up by one": _below(same & (gap > 1)),
        "an episode must begin with step 0": begins & (steps != 0),
        "an episode must end with its terminated or truncated row": _below(same & ended[:-1]),
    }
    for rule, wrong in rules.items():
        if wrong.any():
            row = int(wrong.argmax())
            raise LogFormatError(
                f"{rule}; row {first_row + row} breaks this: user {users[row]}, episode "
                f"{episodes[row]}, step {steps[row]}"
            )


def _below(wrong: Bools) -> Bools:
    """Turn a statement about neighbours into one about the lower row of each pair."""
    return np.concatenate([[False], wrong])


def _check_values(block: Columns, first_row: int) -> None:
    floats = [name for name in block if name.startswith("response.") or name in OBSERVED_KEYS]
    for name in ("reward", *floats):
        wrong = ~np.isfinite(block[name]) if name in block else np.zeros(1, bool)
        if wrong.any():
            _refuse(LogFormatError, f"{name} must be finite", block[name], wrong, first_row)
    slates = block["slate"]
    wrong = slates < 0
    for name in ("candidates", "candidate_features"):
        if name in block:
            wrong |= slates >= block[name].shape[1]
    if wrong.any():
        rule = "slate must hold items, or positions among the candidates, counted from 0"
        _refuse(LogFormatError, rule, slates, wrong, first_row)


def _check_propensities(block: Columns, first_row: int) -> None:
    joint = block.get("log_propensity")
    prefix = block.get("propensity_given_prefix")
    marginal = block.get("propensity_marginal")
    if joint is not None:
        wrong = ~(np.isfinite(joint) & (joint <= 0))
        _refuse_any("log_propensity must be finite and at most 0", joint, wrong, first_row)
    for name, values in (("propensity_given_prefix", prefix), ("propensity_marginal", marginal)):
        if values is not None:
            wrong = ~((values > 0) & (values <= 1))
            _refuse_any(f"{name} must lie in (0, 1]", values, wrong, first_row)
    if joint is not None and prefix is not None:
        off = np.abs(np.log(prefix).sum(axis=1) - joint)
        rule = "log_propensity must be the logarithm of the product of propensity_given_prefix"
        _refuse_any(rule, joint, off > _TOLERANCE * np.maximum(1.0, np.abs(joint)), first_row)
    if joint is not None and marginal is not None:
        wrong = np.log(marginal) < joint[:, None] - _TOLERANCE
        rule = "propensity_marginal must be at least the propensity of the whole slate"
        _refuse_any(rule, marginal, wrong, first_row)


def _refuse_any(rule: str, values: NDArray[Any], wrong: Bools, first_row: int) -> None:
    if wrong.any():
        _refuse(PropensityError, rule, values, wrong, first_row)


def _refuse(
    kind: type[LogFormatError | PropensityError],
    rule: str,
    values: NDArray[Any],
    wrong: Bools,
    first_row: int,
) -> None:
    place = tuple(int(axis) for axis in np.argwhere(wrong)[0])
    inside = f", position {place[1:] if len(place) > 2 else place[1]}" if place[1:] else ""
    raise kind(
        f"{rule}; {wrong.any(axis=tuple(range(1, wrong.ndim))).sum()} rows break this, the first "
        f"is row {first_row + place[0]}{inside}: {values[place]:g}"
    )
