"""What is known of the worth of policies on one side of a comparison, and how it may vary."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from rlrec.arrays import Floats
from rlrec.errors import DataError
from rlrec.evaluation import Estimate, mean_interval
from rlrec.evaluation.offline import OfflineResults
from rlrec.evaluation.offline.verdict import UNSUPPORTED

Values = Mapping[str, ArrayLike] | Mapping[str, Estimate]
"""By policy: the value of each of n users, (n,); or an estimate with its standard error."""


class UserValues:
    """A side that knows the value of each policy for each of n users.

    Args:
        values: By policy, shape (n,) each.
        name: Of the side, for messages.
    """

    def __init__(self, values: Mapping[str, Floats], name: str) -> None:
        self._values = values
        matrix = np.column_stack(list(values.values()))
        self.n_users = len(matrix)
        if self.n_users < 2:
            raise DataError(f"{name} needs the values of 2 or more users, got {self.n_users}")
        if not np.isfinite(matrix).all():
            raise DataError(f"{name} has values that are not finite")
        # Of each user, before any sum: policies that do the same stay tied to the last bit.
        self._user_gaps = np.apply_along_axis(gaps_of_pairs, 1, matrix)
        self.gaps: Floats = self._user_gaps.mean(axis=0)
        check_told_apart(self.gaps, name)

    def counts(self, n_resamples: int, rng: np.random.Generator) -> Floats:
        """Return how often each resample draws each user, (R, n)."""
        chances = np.full(self.n_users, 1.0 / self.n_users)
        return rng.multinomial(self.n_users, chances, size=n_resamples).astype(np.float64)

    def resampled(self, counts: Floats, rng: np.random.Generator) -> Floats:
        """Return the gaps between policies in each resample, (R, pairs)."""
        gaps: Floats = counts @ self._user_gaps
        return gaps

    def estimates(self, confidence: float) -> dict[str, Estimate]:
        """Return the mean value of each policy over users."""
        return {name: mean_interval(part, confidence) for name, part in self._values.items()}


class GivenEstimates:
    """A side of which only estimates with standard errors are known.

    Args:
        values: By policy.
        name: Of the side, for messages.
    """

    def __init__(self, values: Mapping[str, Estimate], name: str) -> None:
        self._values = values
        self._means = np.array([estimate.value for estimate in values.values()])
        self._errors = np.array([estimate.standard_error for estimate in values.values()])
        if not np.isfinite([self._means, self._errors]).all() or self._errors.min() < 0:
            raise DataError(f"{name} has estimates without a finite value and standard error")
        self.n_users = min(estimate.n for estimate in values.values())
        self.gaps = gaps_of_pairs(self._means)
        check_told_apart(self.gaps, name)

    def counts(self, n_resamples: int, rng: np.random.Generator) -> Floats:
        """Return rows, (R, 0): there are no users to draw."""
        return np.zeros((n_resamples, 0))

    def resampled(self, counts: Floats, rng: np.random.Generator) -> Floats:
        """Return the gaps between policies with errors added, (R, pairs)."""
        noise = rng.standard_normal((len(counts), len(self._means)))
        return np.apply_along_axis(gaps_of_pairs, 1, self._means + self._errors * noise)

    def estimates(self, confidence: float) -> dict[str, Estimate]:
        """Return what was given."""
        return dict(self._values)


class OfflineReplicates:
    """A side of off-policy estimates, with the bootstrap replicates of their log.

    Args:
        offline: Results as they were estimated, not as they were loaded.
        names: Of the policies.
        estimator: Whose estimates to take.
    """

    def __init__(self, offline: OfflineResults, names: list[str], estimator: str) -> None:
        found = {name: offline[name, estimator] for name in names}
        poor = [name for name, each in found.items() if each.verdict.word == UNSUPPORTED]
        bare = [name for name in names if (name, estimator) not in offline.replicates]
        if poor or bare:
            raise DataError(
                f"an order needs estimates that the log supports, with replicates (which are not "
                f"saved with results); unsupported are {poor}, without replicates {bare}"
            )
        self.n_users = offline.facts.n_users
        drawn = np.column_stack([offline.replicates[name, estimator].stretched() for name in names])
        self._replicates = drawn[np.isfinite(drawn).all(axis=1)]  # all weights may be 0
        self._estimates = {
            name: Estimate(each.value, each.lower, each.upper, float(spread), self.n_users)
            for (name, each), spread in zip(
                found.items(), self._replicates.std(axis=0, ddof=1), strict=True
            )
        }
        self.gaps = gaps_of_pairs(np.array([each.value for each in found.values()]))
        check_told_apart(self.gaps, f"the estimates by {estimator!r}")

    def counts(self, n_resamples: int, rng: np.random.Generator) -> Floats:
        """Return rows, (R, 0): users were drawn when the estimates were made."""
        return np.zeros((n_resamples, 0))

    def resampled(self, counts: Floats, rng: np.random.Generator) -> Floats:
        """Return the gaps between policies in replicates drawn at random, (R, pairs)."""
        rows = rng.integers(len(self._replicates), size=len(counts))
        return np.apply_along_axis(gaps_of_pairs, 1, self._replicates[rows])

    def estimates(self, confidence: float) -> dict[str, Estimate]:
        """Return what the log told, with its own intervals."""
        return self._estimates


Side = UserValues | GivenEstimates | OfflineReplicates


def side_of(values: Values, name: str) -> UserValues | GivenEstimates:
    """Return values of users or estimates as a side.

    Args:
        values: By policy.
        name: Of the side, for messages.

    Raises:
        DataError: They are of both kinds, of different users, too few or not finite, or all the
            same.
    """
    estimates = {key: part for key, part in values.items() if isinstance(part, Estimate)}
    if len(estimates) == len(values):
        return GivenEstimates(estimates, name)
    if estimates:
        raise DataError(f"{name} has values of users for some policies and estimates for others")
    arrays = {key: np.asarray(part, np.float64) for key, part in values.items()}
    shapes = {array.shape for array in arrays.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1:
        raise DataError(
            f"{name} needs values of shape (n,), the same users for all policies, got "
            f"{sorted(shapes)}"
        )
    return UserValues(arrays, name)


def gaps_of_pairs(values: Floats) -> Floats:
    """Return the differences between all pairs of P values, (P (P - 1) / 2,)."""
    left, right = np.triu_indices(len(values), 1)
    gaps: Floats = values[left] - values[right]
    return gaps


def check_told_apart(gaps: Floats, name: str) -> None:
    """Raise DataError if all gaps (pairs,) are 0."""
    if not gaps.any():
        raise DataError(f"all policies are worth the same in {name}: there is no order to compare")
