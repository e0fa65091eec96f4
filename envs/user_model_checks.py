"""What a user model must have and return; said once, by name, where it does not."""

import math
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Floats
from rlrec.envs.blocks.state import Outcome
from rlrec.errors import UserModelError

_PARTS = Outcome._fields[:3]
_DTYPES = (np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.bool_))


def check_user_model(users: object) -> None:
    """Raise UserModelError unless `users` has all that a `UserModel` must have."""
    kind = type(users).__name__
    for name in ("items", "channels", "n_initial_draws", "n_step_draws", "start", "respond"):
        if not hasattr(users, name):
            raise UserModelError(
                f"a user model must have {name!r} (see UserModel), {kind} has none"
            )
    for name in ("start", "respond"):
        if not callable(getattr(users, name)):
            raise UserModelError(f"`{name}` of {kind} must be a method")
    for name in ("n_initial_draws", "n_step_draws"):
        n_draws = getattr(users, name)
        if not isinstance(n_draws, Integral) or isinstance(n_draws, bool) or n_draws < 0:
            raise UserModelError(
                f"{name} of {kind} must be a whole number of 0 or more, got {n_draws!r}"
            )
    check_channels(getattr(users, "channels"), kind)  # noqa: B009 - an object of any kind


def check_channels(channels: object, kind: str) -> None:
    """Raise UserModelError unless `channels` are names, at least one and each once."""
    is_sequence = isinstance(channels, tuple | list)
    names = list(channels) if isinstance(channels, tuple | list) else []
    are_names = all(isinstance(name, str) and name for name in names)
    if not (is_sequence and names and are_names and len(set(names)) == len(names)):
        raise UserModelError(
            f"channels of {kind} must be names of response channels, such as ('click',), at least "
            f"one and each once, got {channels!r}"
        )


def check_outcome(outcome: Outcome, kind: str, shape: tuple[int, int, int]) -> None:
    """Raise UserModelError unless `respond` returned what it must.

    Args:
        outcome: What `respond` returned.
        kind: The user model, for the message.
        shape: (B, K, R).
    """
    rules = (shape, shape[:1], shape[:1])
    try:
        responses, rewards, has_left = outcome.responses, outcome.rewards, outcome.has_left
        shapes = (responses.shape, rewards.shape, has_left.shape)
        dtypes = (responses.dtype, rewards.dtype, has_left.dtype)
    except AttributeError:  # not an Outcome, or not of arrays
        raise UserModelError(_no_outcome(kind, outcome)) from None
    if shapes != rules:
        name, got, rule = _first_difference(shapes, rules)
        raise UserModelError(f"`respond` of {kind} must return {name} of shape {rule}, got {got}")
    if dtypes != _DTYPES:
        name, got, rule = _first_difference(dtypes, _DTYPES)
        raise UserModelError(f"`respond` of {kind} must return {name} of {rule}, got {got}")
    for name, array in (("rewards", rewards), ("responses", responses)):
        flat = array.reshape(-1)
        # One product tells most of the time: it is finite only if all of them are.
        if not math.isfinite(np.dot(flat, flat)) and not np.isfinite(array).all():
            raise UserModelError(_not_finite(f"`respond` of {kind}", name, array))


def check_truth(stated: Any, name: str, kind: str, shape: tuple[int, ...]) -> Floats:
    """Return what a user model states, or raise UserModelError where it has another shape."""
    got = getattr(stated, "shape", type(stated).__name__)
    if got != shape:
        raise UserModelError(f"`{name}` of {kind} must return an array of shape {shape}, got {got}")
    truth: Floats = stated
    return truth


def _first_difference(got: tuple[Any, ...], rules: tuple[Any, ...]) -> tuple[str, Any, Any]:
    """Return the first part of an outcome that is not as it must be, what it is, and the rule."""
    parts = zip(_PARTS, got, rules, strict=True)
    return next((name, is_, must) for name, is_, must in parts if is_ != must)


def _not_finite(who: str, name: str, array: NDArray[Any]) -> str:
    place = tuple(np.argwhere(~np.isfinite(array))[0].tolist())
    return f"{who} must return finite {name}, got {array[place]} for user {place[0]}"


def _no_outcome(kind: str, outcome: object) -> str:
    """Return what is wrong with what `respond` returned."""
    rule = f"`respond` of {kind} must return an Outcome(responses, rewards, has_left) of arrays"
    if not isinstance(outcome, Outcome):
        return f"{rule} (from rlrec.envs.blocks), got {type(outcome).__name__}"
    name = next(n for n in _PARTS if not isinstance(getattr(outcome, n), np.ndarray))
    return f"{rule}, got {name} of type {type(getattr(outcome, name)).__name__}"
