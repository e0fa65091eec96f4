"""Worse features: noise on what is observed of users and documents, and gaps in it."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Floats, Ints
from rlrec.envs.arguments import check_number
from rlrec.envs.blocks.priors import standard_normals
from rlrec.envs.wrappers.wrapper import SimulatorWrapper
from rlrec.errors import ConfigError
from rlrec.simulation import Space, SteppedSimulator

_KEYS = ("user", "context", "candidate_features")
_LARGE = float(np.finfo(np.float32).max)
_MOST_NOISE = 1e30  # far more, and what is seen would be infinite


class _WorseFeatures(SimulatorWrapper):
    """Changes the numbers of some observation keys; everything else stays as it is.

    What was shown and what came back is always seen right: the history keys are not touched. Only
    `topic_counts` are left out where the features of fresh documents change, since a log, in which
    those are the topics, could not give them back.
    """

    def __init__(self, wrapped: SteppedSimulator, keys: Sequence[str] | None) -> None:
        super().__init__(wrapped)
        known = tuple(key for key in _KEYS if key in wrapped.observation_spaces)
        if keys is not None and not isinstance(keys, list | tuple):
            raise ConfigError(f"keys must be a list of observation keys, got {keys!r}")
        self.keys = known if keys is None else tuple(keys)
        wrong = [key for key in self.keys if key not in known]
        if wrong or not self.keys:
            raise ConfigError(
                f"{type(self).__name__} changes some of {_KEYS}; {wrapped.env_id} observes {known} "
                f"of them, got {keys!r}"
            )
        for key in self.keys:
            self.observation_spaces[key] = self._widened(self.observation_spaces[key])
        is_fresh = "candidates" not in wrapped.observation_spaces
        self._hidden = "topic_counts" if is_fresh and "candidate_features" in self.keys else None
        if self._hidden is not None:
            self.observation_spaces.pop(self._hidden, None)

    def _observed(
        self, observations: dict[str, NDArray[Any]], users: Ints, is_final: bool
    ) -> dict[str, NDArray[Any]]:
        if self._hidden is not None:
            observations.pop(self._hidden, None)
        for key in self.keys:
            values = observations[key]
            purpose = 2 * _KEYS.index(key) + is_final
            draws = self._uniforms(int(np.prod(values.shape[1:])), purpose)[users]
            worse = self._worse(values, draws.reshape(values.shape))
            observations[key] = worse.astype(np.float32)
        return observations

    @abstractmethod
    def _worse(self, values: NDArray[Any], draws: Floats) -> NDArray[Any]:
        """Return changed values, for uniforms of the same shape."""

    @abstractmethod
    def _widened(self, space: Space) -> Space:
        """Return the space of changed values."""


class FeatureNoise(_WorseFeatures):
    """Features are seen with noise: `x + sd * z`, z standard normal, new for each number and step.

    Args:
        wrapped: The simulator.
        sd: Standard deviation in the unit of the features, 0 to 1e30; 0 changes nothing.
        keys: Among `user`, `context` and `candidate_features`; by default all that are observed.

    Raises:
        ConfigError: `sd` is out of range, or a key is not observed.
    """

    def __init__(
        self, wrapped: SteppedSimulator, sd: float, keys: Sequence[str] | None = None
    ) -> None:
        check_number("sd", sd, 0.0, _MOST_NOISE)
        self.sd = sd
        super().__init__(wrapped, keys)

    @property
    def settings(self) -> dict[str, Any]:
        """Size of the noise, and what it is put on."""
        return {"sd": self.sd, "keys": list(self.keys)}

    def _worse(self, values: NDArray[Any], draws: Floats) -> NDArray[Any]:
        noisy: NDArray[Any] = values + self.sd * standard_normals(draws)
        return noisy

    def _widened(self, space: Space) -> Space:
        return space._replace(low=-_LARGE, high=_LARGE)


class MissingFeatures(_WorseFeatures):
    """Each number is missing with a fixed probability, anew at each step.

    Args:
        wrapped: The simulator.
        rate: Probability of a gap, 0 to 1; 0 changes nothing.
        keys: Among `user`, `context` and `candidate_features`; by default all that are observed.
        fill: Number that is seen in a gap.

    Raises:
        ConfigError: `rate` or `fill` is out of range, or a key is not observed.
    """

    def __init__(
        self,
        wrapped: SteppedSimulator,
        rate: float,
        keys: Sequence[str] | None = None,
        fill: float = 0.0,
    ) -> None:
        check_number("rate", rate, 0.0, 1.0)
        check_number("fill", fill, -_LARGE, _LARGE)
        self.rate, self.fill = rate, fill
        super().__init__(wrapped, keys)

    @property
    def settings(self) -> dict[str, Any]:
        """How often numbers are missing, which, and what is seen there."""
        return {"rate": self.rate, "keys": list(self.keys), "fill": self.fill}

    def _worse(self, values: NDArray[Any], draws: Floats) -> NDArray[Any]:
        return np.where(draws < self.rate, np.float32(self.fill), values)

    def _widened(self, space: Space) -> Space:
        return space._replace(low=min(space.low, self.fill), high=max(space.high, self.fill))
