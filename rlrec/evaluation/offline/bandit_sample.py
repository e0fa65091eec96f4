"""Rounds of a bandit log beside what a target policy would do in them, checked once."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from rlrec.arrays import Bools, Floats, Ints
from rlrec.errors import DataError, PropensityError
from rlrec.evaluation.offline.sample_arrays import as_array

_SUM_TOLERANCE = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class BanditSample:
    """n logged rounds under a target policy; which arrays an estimator needs is said by it.

    A round shows one action of A and yields a reward. Arrays of other number types are taken as
    float64 or int64.

    Raises:
        PropensityError: A propensity or probability is out of range, or does not agree with the
            distribution it is of; the message names the row.
        DataError: A shape is wrong, or a value is not finite.
    """

    rewards: Floats
    """Shape (n,). Reward of each round, in any unit."""
    propensities: Floats
    """Shape (n,). Probability in (0, 1] with which the logged action was shown."""
    target_probs: Floats
    """Shape (n,). Probability in [0, 1] that the target policy shows it."""
    actions: Ints | None = None
    """Shape (n,). The logged action, 0..A - 1."""
    target_distribution: Floats | None = None
    """Shape (n, A). What the target policy does in each round."""
    logging_distribution: Floats | None = None
    """Shape (n, A). What the logging policy does in each round."""
    q_hat: Floats | None = None
    """Shape (n, A). Expected reward of each action by a model not fitted to the round itself."""
    features: Floats | None = None
    """Shape (n, A, F). Of each action in each round, for models that are fitted here."""
    folds: Ints | None = None
    """Shape (n,). Part of the log each round belongs to, users whole, for models fitted here: a
    round is predicted by the model of the other folds."""
    target_actions: Ints | None = None
    """Shape (n,). The action of a target policy that does not draw."""
    embeddings: Ints | None = None
    """Shape (n, D). Category 0..C - 1 of the logged action in each dimension of its embedding."""
    embedding_probs: Floats | None = None
    """Shape (A, C, D). P(category | action) in each dimension."""
    embedding_weights: Floats | None = None
    """Shape (n,). Weight of the embedding, 0 or more, where its probabilities are not known; from
    `regressed_embedding_weights`."""

    def __post_init__(self) -> None:
        self._convert()
        self._check_rounds()
        self._check_distributions()
        self._check_models()
        self._check_embeddings()
        weights = self.embedding_weights
        if weights is not None:
            _refuse(~(weights >= 0), "embedding_weights must be 0 or more", weights)

    @property
    def n_rounds(self) -> int:
        """Number of rounds."""
        return len(self.rewards)

    @property
    def weights(self) -> Floats:
        """Importance weights, (n,)."""
        return self.target_probs / self.propensities

    def model_values(self) -> Floats:
        """Return what the target policy earns in each round by `q_hat`, (n,).

        Raises:
            DataError: `q_hat` or `target_distribution` is missing.
        """
        target, q_hat = self.needed(self.target_distribution, self.q_hat, names=_MODEL_ARRAYS)
        values: Floats = np.einsum("na,na->n", target, q_hat)
        return values

    def residuals(self) -> Floats:
        """Return rewards less what `q_hat` expected of the logged actions, (n,).

        Raises:
            DataError: `q_hat` or `actions` is missing.
        """
        (q_hat,) = self.needed(self.q_hat, names=("q_hat",))
        return self.rewards - self.logged(q_hat)

    def logged(self, values: Floats) -> Floats:
        """Return the entries of values (n, A) at the logged actions, (n,)."""
        if self.actions is None:
            raise DataError("this estimator needs `actions` of the sample, which were not given")
        return np.take_along_axis(values, self.actions[:, None], axis=1)[:, 0]

    @staticmethod
    def needed(*arrays: Floats | None, names: Iterable[str]) -> list[Floats]:
        """Return arrays that an estimator needs.

        Raises:
            DataError: One is missing; the message names it.
        """
        given = [array for array in arrays if array is not None]
        if len(given) < len(arrays):
            missing = [name for name, array in zip(names, arrays, strict=True) if array is None]
            raise DataError(
                f"this estimator needs {', '.join(f'`{name}`' for name in missing)} of the "
                "sample: give them to BanditSample, or choose an estimator that does without"
            )
        return given

    def _convert(self) -> None:
        for name in ("rewards", "propensities", "target_probs"):
            if getattr(self, name) is None:
                raise DataError(f"a BanditSample needs {name}, got None")
        for names, dtype in ((_FLOAT_ARRAYS, np.float64), (_INT_ARRAYS, np.int64)):
            for name in names:
                values = getattr(self, name)
                if values is not None:
                    object.__setattr__(self, name, as_array(name, values, dtype))

    def _check_rounds(self) -> None:
        n = len(np.atleast_1d(self.rewards))
        if n == 0:
            raise DataError("a sample needs one round or more, got none")
        for name in _ROUND_ARRAYS:
            values = getattr(self, name)
            if values is not None and values.shape != (n,):
                raise DataError(f"{name} must have shape ({n},), got {values.shape}")
        _refuse(~np.isfinite(self.rewards), "rewards must be finite", self.rewards)
        p = self.propensities
        _refuse(~((p > 0) & (p <= 1)), "propensities must lie in (0, 1]", p, PropensityError)
        e = self.target_probs
        _refuse(~((e >= 0) & (e <= 1)), "target_probs must lie in [0, 1]", e, PropensityError)

    def _check_distributions(self) -> None:
        n_actions = None
        for name, of_logged in (
            ("target_distribution", self.target_probs),
            ("logging_distribution", self.propensities),
        ):
            distribution: Floats | None = getattr(self, name)
            if distribution is None:
                continue
            n_actions = self._check_per_action(name, n_actions)
            lowest, sums = distribution.min(axis=1), distribution.sum(axis=1)
            _refuse(~(lowest >= 0), f"{name} must be 0 or more", lowest, PropensityError)
            off: Bools = np.less_equal(np.abs(sums - 1.0), _SUM_TOLERANCE)
            _refuse(~off, f"rows of {name} must sum to 1", sums, PropensityError)
            if self.actions is not None:
                self._check_actions(n_actions)
                stated = self.logged(distribution)
                off = np.greater(np.abs(stated - of_logged), _SUM_TOLERANCE)
                what = f"{name} at the logged action must be the probability given for it"
                _refuse(off, what, stated, PropensityError)

    def _check_models(self) -> None:
        n_actions = None
        if self.target_distribution is not None:
            n_actions = self.target_distribution.shape[1]
        if self.q_hat is not None:
            n_actions = self._check_per_action("q_hat", n_actions)
            _refuse(_not_finite(self.q_hat), "q_hat must be finite", None)
            self._check_actions(n_actions)
        if self.features is not None:
            shape = self.features.shape
            if len(shape) != 3 or shape[0] != self.n_rounds or n_actions not in (None, shape[1]):
                raise DataError(
                    f"features must have shape ({self.n_rounds}, {n_actions or 'A'}, F), "
                    f"got {shape}"
                )
            _refuse(_not_finite(self.features), "features must be finite", None)
            self._check_actions(shape[1])

    def _check_per_action(self, name: str, n_actions: int | None) -> int:
        shape = getattr(self, name).shape
        if len(shape) != 2 or shape[0] != self.n_rounds or n_actions not in (None, shape[1]):
            raise DataError(
                f"{name} must have shape ({self.n_rounds}, {n_actions or 'A'}), got {shape}"
            )
        return int(shape[1])

    def _check_actions(self, n_actions: int) -> None:
        for name in ("actions", "target_actions"):
            values = getattr(self, name)
            if values is not None:
                off = (values < 0) | (values >= n_actions)
                _refuse(off, f"{name} must lie in 0..{n_actions - 1}", values)

    def _check_embeddings(self) -> None:
        given = self.embeddings, self.embedding_probs
        if given[0] is None and given[1] is None:
            return
        embeddings, probs = self.embeddings, self.embedding_probs
        if embeddings is None or probs is None:
            raise DataError("`embeddings` and `embedding_probs` belong together; one was given")
        if embeddings.ndim != 2 or len(embeddings) != self.n_rounds or embeddings.shape[1] == 0:
            raise DataError(
                f"embeddings must have shape ({self.n_rounds}, D), got {embeddings.shape}"
            )
        if probs.ndim != 3 or probs.shape[2] != embeddings.shape[1]:
            raise DataError(
                f"embedding_probs must have shape (A, C, {embeddings.shape[1]}), got {probs.shape}"
            )
        n_categories = probs.shape[1]
        off = ((embeddings < 0) | (embeddings >= n_categories)).any(axis=1)
        _refuse(off, f"embeddings must lie in 0..{n_categories - 1}", None)
        sums = probs.sum(axis=1)
        off = ~((probs.min(axis=1) >= 0) & (np.abs(sums - 1) <= _SUM_TOLERANCE)).all(axis=1)
        _refuse(off, "embedding_probs must be 0 or more and sum to 1 over categories", None)


_ROUND_ARRAYS = (
    "rewards",
    "propensities",
    "target_probs",
    "actions",
    "folds",
    "target_actions",
    "embedding_weights",
)
_INT_ARRAYS = ("actions", "folds", "target_actions", "embeddings")
_MODEL_ARRAYS = ("target_distribution", "q_hat")
_FLOAT_ARRAYS = (
    "rewards",
    "propensities",
    "target_probs",
    "target_distribution",
    "logging_distribution",
    "q_hat",
    "features",
    "embedding_probs",
    "embedding_weights",
)


def _not_finite(values: Floats) -> Bools:
    """Return which rows of values (n, ...) hold one that is not finite."""
    rows: Bools = np.isfinite(values).reshape(len(values), -1).min(axis=1)
    return ~rows


def _refuse(
    wrong: Bools,
    rule: str,
    values: Floats | Ints | None,
    error: type[DataError] = DataError,
) -> None:
    """Raise where any row is wrong, naming how many and the first."""
    rows = np.flatnonzero(wrong)
    if rows.size:
        got = "" if values is None else f": {values[rows[0]]:g}"
        raise error(
            f"{rule}; {rows.size} of {wrong.size} rows do not, the first is row {rows[0]}{got}"
        )
