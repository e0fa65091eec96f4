"""How likely a policy would have shown what a log shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rlrec.arrays import Floats, Ints, Observations
from rlrec.errors import ConfigError, DataError, PropensityError
from rlrec.evaluation.offline.sample_arrays import as_array
from rlrec.policy import SlatePolicy
from rlrec.slates import SlateDraw

_TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class TargetProbabilities:
    """A policy given by what it would have done in each row of a log.

    Args:
        given_prefix: Shape (n_rows, K), or (n_rows,) where K = 1 or the whole slate is meant. In
            [0, 1]: probability of each slot of the logged slate given the slots above it.
        of_choices: Shape (n_rows, A), rows summing to 1. For slates of one: probability of each
            choice, which models of the reward need.

    Raises:
        PropensityError: A probability lies outside [0, 1], or those of the choices do not sum to 1.
    """

    given_prefix: Floats
    of_choices: Floats | None = None

    def __post_init__(self) -> None:
        given = as_array("target probabilities", self.given_prefix)
        given = given[:, None] if given.ndim == 1 else given
        object.__setattr__(self, "given_prefix", given)
        _check_unit(given, "target probabilities")
        if self.of_choices is not None:
            choices = as_array("target probabilities of choices", self.of_choices)
            object.__setattr__(self, "of_choices", choices)
            if choices.ndim != 2 or len(choices) != len(given):
                raise DataError(
                    f"of_choices must have shape ({len(given)}, A), got {choices.shape}"
                )
            _check_unit(choices, "target probabilities of choices")
            off = np.abs(choices.sum(axis=1) - 1.0) > _TOLERANCE
            if off.any():
                row = int(off.argmax())
                raise PropensityError(
                    f"target probabilities of all choices must sum to 1; row {row} sums to "
                    f"{choices[row].sum():.6g}"
                )

    @classmethod
    def of_all_choices(cls, probabilities: ArrayLike, slates: Ints) -> "TargetProbabilities":
        """Return a policy for slates of one from its probability of every choice.

        Args:
            probabilities: Shape (n_rows, A), rows summing to 1.
            slates: Shape (n_rows, 1). As logged.
        """
        choices = as_array("target probabilities of choices", probabilities)
        if choices.ndim != 2 or len(choices) != len(slates) or slates.shape[1] != 1:
            raise DataError(
                f"probabilities of all choices need shape ({len(slates)}, A) and slates of one, "
                f"got {choices.shape} and slates of {slates.shape[1]}"
            )
        if slates.max() >= choices.shape[1]:
            raise DataError(
                f"the log shows choice {slates.max()}, but there are probabilities of "
                f"{choices.shape[1]} choices only"
            )
        return cls(np.take_along_axis(choices, slates, axis=1), choices)

    def log_probs(self) -> Floats:
        """Return logarithms (n_rows, K) given the prefix, -inf for what it never shows."""
        with np.errstate(divide="ignore"):
            return np.log(self.given_prefix)


class PredictingPolicy:
    """A model of stable-baselines3 as a slate policy.

    Actor-critic models (PPO, A2C) state the probability of each slot, on its own; models that only
    predict (DQN and its like) are certain of what they predict.

    Args:
        model: Trained on environments of rlrec, without another action space.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        shape = getattr(model.action_space, "nvec", None)
        if shape is None and not hasattr(model.action_space, "n"):
            raise ConfigError(
                f"a model of stable-baselines3 can be judged if it shows slates or single items "
                f"(MultiDiscrete or Discrete actions), got {model.action_space}; give a function "
                f"of yours as a SlatePolicy instead"
            )

    def act(
        self, observations: Observations, rng: np.random.Generator, deterministic: bool = False
    ) -> SlateDraw:
        """Return slates of the model, with log-probabilities given the prefix."""
        best = self._predicted(observations)
        parts = self._distributions(observations)
        if deterministic or parts is None:
            return SlateDraw(best, np.zeros(best.shape))
        uniforms = rng.random((len(best), len(parts)))
        slates = np.stack(
            [
                (np.cumsum(part[:, :-1], axis=1) < uniforms[:, [slot]]).sum(axis=1)
                for slot, part in enumerate(parts)
            ],
            axis=1,
        ).astype(np.int64)
        return SlateDraw(slates, _log_of(parts, slates))

    def log_probs(self, observations: Observations, slates: Ints) -> Floats:
        """Return log-probabilities (B, K) of slates when the model draws."""
        parts = self._distributions(observations)
        if parts is None:
            return np.where(slates == self._predicted(observations), 0.0, -np.inf)
        return _log_of(parts, slates)

    def _seen(self, observations: Observations) -> Any:
        space = self.model.observation_space
        keys = getattr(space, "spaces", None)
        if keys is None:
            raise ConfigError(
                f"the model must observe the keys of rlrec's environments, got {space}; give it as "
                f"a SlatePolicy of yours that flattens them"
            )
        missing = sorted(set(keys) - set(observations))
        if missing:
            raise ConfigError(
                f"the model observes {missing}, which the log does not give; name the environment "
                f"it was trained in as `users`"
            )
        return {key: observations[key] for key in keys}

    def _predicted(self, observations: Observations) -> Ints:
        actions, _ = self.model.predict(self._seen(observations), deterministic=True)
        slates: Ints = np.asarray(actions, np.int64).reshape(len(actions), -1)
        return slates

    def _distributions(self, observations: Observations) -> list[Floats] | None:
        """Return probabilities (B, N) of each slot; None where the model is certain."""
        policy = self.model.policy
        if not hasattr(policy, "get_distribution"):
            return None
        from torch import no_grad

        with no_grad():
            tensors, _ = policy.obs_to_tensor(self._seen(observations))
            found = policy.get_distribution(tensors).distribution
        parts = found if isinstance(found, list) else [found]
        return [np.asarray(part.probs.cpu().numpy(), np.float64) for part in parts]


def _log_of(parts: list[Floats], slates: Ints) -> Floats:
    chosen = np.stack(
        [
            np.take_along_axis(part, slates[:, [slot]], axis=1)[:, 0]
            for slot, part in enumerate(parts)
        ],
        axis=1,
    )
    with np.errstate(divide="ignore"):
        return np.log(chosen)


Judged = SlatePolicy | TargetProbabilities
"""What is judged, in the form the rest of this package takes."""


def as_judged(policy: Any, name: str, slates: Ints | None) -> Judged:
    """Return a policy, model or array of probabilities in one of two forms.

    Args:
        policy: A SlatePolicy, a model of stable-baselines3, TargetProbabilities, or an array: of
            the logged slate's slots given the prefix (n_rows, K) or (n_rows,), or, for slates of
            one, of all choices (n_rows, A).
        name: For messages.
        slates: Shape (n_rows, K). As logged; None where arrays cannot be taken.
    """
    if isinstance(policy, SlatePolicy | TargetProbabilities):
        return policy
    if hasattr(policy, "predict") and hasattr(policy, "policy"):
        return PredictingPolicy(policy)
    if isinstance(policy, np.ndarray | list):
        if slates is None:
            raise ConfigError(
                f"policy {name!r}: arrays of probabilities belong to evaluate_offline; a log that "
                f"is streamed needs a SlatePolicy"
            )
        return _from_array(as_array(f"policy {name!r}: probabilities", policy), name, slates)
    raise ConfigError(
        f"policy {name!r} must be a SlatePolicy (act and log_probs), a model of stable-baselines3 "
        f"or an array of probabilities, got {type(policy).__name__}"
    )


def as_policies(policies: Any) -> dict[str, Any]:
    """Return one policy or several by name; a single one is called `policy`."""
    if not isinstance(policies, Mapping):
        return {"policy": policies}
    if not policies:
        raise ConfigError("there must be at least one policy to judge, got none")
    return {str(name): policy for name, policy in policies.items()}


def target_log_probs(policy: SlatePolicy, observations: Observations, slates: Ints) -> Floats:
    """Return log-probabilities (B, K) given the prefix, checked to be probabilities."""
    log_probs = np.asarray(policy.log_probs(observations, slates), np.float64)
    if log_probs.shape != slates.shape:
        raise DataError(
            f"log_probs of {type(policy).__name__} must have the shape of the slates "
            f"{slates.shape}, got {log_probs.shape}"
        )
    wrong = ~(log_probs <= _TOLERANCE)  # also nan
    if wrong.any():
        row, slot = np.argwhere(wrong)[0]
        raise PropensityError(
            f"log_probs of {type(policy).__name__} must be at most 0; row {row} of its batch, "
            f"position {slot} is {log_probs[row, slot]:g}"
        )
    return np.minimum(log_probs, 0.0)


def _from_array(values: np.ndarray[Any, Any], name: str, slates: Ints) -> TargetProbabilities:
    n_rows, slate_size = slates.shape
    if values.shape in ((n_rows,), (n_rows, slate_size)):
        return TargetProbabilities(values)
    if slate_size == 1 and values.ndim == 2 and len(values) == n_rows:
        return TargetProbabilities.of_all_choices(values, slates)
    raise DataError(
        f"policy {name!r}: probabilities must have shape ({n_rows},) or ({n_rows}, {slate_size}), "
        f"a row of the log each, or ({n_rows}, A) for slates of one, got {values.shape}"
    )


def _check_unit(values: Floats, what: str) -> None:
    wrong = ~((values >= 0) & (values <= 1 + _TOLERANCE))
    if wrong.any():
        place = tuple(int(axis) for axis in np.argwhere(wrong)[0])
        raise PropensityError(
            f"{what} must lie in [0, 1]; {wrong.any(axis=1).sum()} rows break this, the first is "
            f"row {place[0]}: {values[place]:g}"
        )
