"""Marginalised IPS: weights of what an action is (its embedding), not of the action itself.

Many actions share an embedding, so its weights are smaller. Unbiased where the reward depends on
the action through the embedding alone, and every embedding the target policy shows may be logged.

Reference:
    Saito and Joachims, 2022, "Off-Policy Evaluation for Large Action Spaces via Embeddings".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar, NamedTuple

import numpy as np

from rlrec.arrays import Floats, Ints
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation.offline.bandit import ips
from rlrec.evaluation.offline.bandit_sample import BanditSample
from rlrec.evaluation.offline.intervals import student_t_margin
from rlrec.evaluation.offline.reward_models import (
    RewardModel,
    RidgeModel,
    fit_folds,
    predict_folds,
    user_folds,
)
from rlrec.evaluation.offline.slope import first_break
from rlrec.evaluation.offline.terms import Terms, normalised

_MOST_COMBINATIONS = 200
"""Combinations of categories up to which each has an entry of its own."""
_MOST_CROSSED = 600
"""Products of entries of contexts and embeddings, at most."""


class _Candidate(NamedTuple):
    dimensions: tuple[int, ...]
    value: float
    width: float


@dataclass(frozen=True)
class MIPS:
    """Mean of w(e) r, with the joint probability of the whole embedding.

    Needs `target_distribution`, `logging_distribution`, `embeddings` and `embedding_probs`; or,
    where the embedding's probabilities are not known, `embedding_weights`.
    """

    fewest_dimensions: int | None = None
    """Search embeddings of at least so many dimensions by SLOPE: fewer of them weigh less but may
    miss what rewards depend on. None uses all dimensions."""
    is_greedy: bool = False
    """Search only within the narrowest embedding one dimension larger. D dimensions have 2^D
    subsets, but D^2 / 2 greedy ones: needed above about ten."""
    delta: float = 0.05
    """Chance of error in each width of that search, in (0, 1)."""

    name: ClassVar[str] = "mips"
    needs: ClassVar[tuple[str, ...]] = ("embeddings",)
    own_support: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.fewest_dimensions is not None and self.fewest_dimensions < 1:
            raise ConfigError(f"fewest_dimensions must be 1 or more, got {self.fewest_dimensions}")
        if not 0 < self.delta < 1:
            raise ConfigError(f"delta must lie between 0 and 1, got {self.delta!r}")

    def dimensions(self, sample: BanditSample) -> tuple[int, ...]:
        """Return the dimensions of the embedding that are used."""
        embeddings, _ = _embedding(sample)
        everything = tuple(range(embeddings.shape[1]))
        if self.fewest_dimensions is None:
            return everything
        if self.fewest_dimensions > len(everything):
            raise ConfigError(
                f"fewest_dimensions is {self.fewest_dimensions}, but embeddings have "
                f"{len(everything)}"
            )
        walked: list[_Candidate] = []
        kept = everything
        for size in range(len(everything), self.fewest_dimensions - 1, -1):
            smaller = combinations(kept if self.is_greedy else everything, size)
            group = [self._candidate(sample, some) for some in smaller]
            walked += sorted(group, key=lambda one: one.width, reverse=True)
            kept = walked[-1].dimensions
        values = np.array([one.value for one in walked])
        widths = np.array([one.width for one in walked])
        return walked[first_break(values, widths) - 1].dimensions

    def terms(self, sample: BanditSample) -> Terms:
        """Return the terms of the sample, a unit a round."""
        if sample.embedding_weights is None:
            return ips(sample.rewards, embedding_weights(sample, self.dimensions(sample)))
        if self.fewest_dimensions is not None:
            raise ConfigError(
                "fewest_dimensions searches embeddings whose probabilities are known, but the "
                "sample has learned embedding_weights; leave it out"
            )
        return ips(sample.rewards, sample.embedding_weights)

    def _candidate(self, sample: BanditSample, some: tuple[int, ...]) -> _Candidate:
        values = embedding_weights(sample, some) * sample.rewards
        return _Candidate(some, float(values.mean()), student_t_margin(values, self.delta))


@dataclass(frozen=True)
class SNMIPSOfMarginals:
    """Self-normalised, with the product of each dimension's own weight: for comparison alone.

    Only where dimensions are independent given the context are these the weights of `MIPS`. It
    is what a public package calls self-normalised MIPS.
    """

    name: ClassVar[str] = "snmips"
    needs: ClassVar[tuple[str, ...]] = ("embeddings", "embedding_probs")
    own_support: ClassVar[bool] = True

    def terms(self, sample: BanditSample) -> Terms:
        """Return the terms of the sample, a unit a round."""
        embeddings, _ = _embedding(sample)
        weights = np.ones(sample.n_rounds)
        for dimension in range(embeddings.shape[1]):
            weights *= embedding_weights(sample, (dimension,))
        return normalised(sample.rewards * weights, weights)


def embedding_weights(sample: BanditSample, dimensions: Sequence[int]) -> Floats:
    """Return P(embedding) under the target policy over that under the logging policy, (n,).

    Args:
        sample: With both distributions, `embeddings` and `embedding_probs`.
        dimensions: Those of the embedding that count.
    """
    embeddings, probs = _embedding(sample)
    target, logging = sample.needed(
        sample.target_distribution,
        sample.logging_distribution,
        names=("target_distribution", "logging_distribution"),
    )
    if len(probs) != target.shape[1]:
        raise DataError(f"embedding_probs tell of {len(probs)} actions, not {target.shape[1]}")
    likelihoods = np.ones_like(target)
    for dimension in dimensions:
        likelihoods *= probs[:, :, dimension].T[embeddings[:, dimension]]
    shown: Floats = np.einsum("na,na->n", logging, likelihoods)
    wanted: Floats = np.einsum("na,na->n", target, likelihoods)
    impossible = np.flatnonzero(shown <= 0)
    if impossible.size:
        raise DataError(
            f"the embedding of row {impossible[0]} has probability 0 under the logging policy, "
            "though it was logged: embedding_probs and logging_distribution do not fit it"
        )
    return wanted / shown


def regressed_embedding_weights(
    weights: Floats,
    embeddings: Ints,
    situations: Floats,
    users: Ints | None = None,
    model: RewardModel | None = None,
    n_folds: int = 3,
    seed: int = 0,
) -> Floats:
    """Return weights (n,) of embeddings, where P(embedding | context, action) is not known.

    The weight of an embedding is the mean weight of the actions that show it, in the log:
    w(x, e) = E[w(x, a) | x, e]. So it is what a regression of the logged weights on context and
    embedding tends to, whatever the embedding is a function of. Cross-fitted by user; negative
    predictions become 0. Biased as far as the regression is.

    Args:
        weights: Shape (n,). Target over logging probability of the logged action.
        embeddings: Shape (n, D). Categories of what was shown, counted from 0. Each combination
            has an entry of its own where there are at most 200, otherwise each category.
        situations: Shape (n, S). What is known of each context; S may be 0.
        users: Shape (n,). None makes each round its own.
        model: By default `RidgeModel()`.
        n_folds: Parts into which users are dealt, 2 or more.
        seed: Of the dealing.

    Reference:
        Saito and Joachims, 2022, "Off-Policy Evaluation for Large Action Spaces via Embeddings",
        section 4 (estimating the marginalised weights).
    """
    n = len(weights)
    if embeddings.ndim != 2 or len(embeddings) != n or situations.shape[:1] != (n,):
        raise DataError(
            f"embeddings and situations must have shapes ({n}, D) and ({n}, S), got "
            f"{embeddings.shape} and {situations.shape}"
        )
    shown = _indicators(embeddings)
    parts = [situations, shown]
    if 0 < situations.shape[1] * shown.shape[1] <= _MOST_CROSSED:
        parts.append((situations[:, :, None] * shown[:, None, :]).reshape(n, -1))
    features = np.concatenate(parts, axis=1)
    numbers = np.arange(n) if users is None else np.unique(users, return_inverse=True)[1]
    folds = user_folds(numbers.astype(np.int64), n_folds, seed)
    fitted = fit_folds(model or RidgeModel(), features, weights, folds, n_folds)
    return np.maximum(predict_folds(fitted, features, folds), 0.0)


def _indicators(embeddings: Ints) -> Floats:
    """Return an entry for each combination of categories; for each category if they are many."""
    _, joint = np.unique(embeddings, axis=0, return_inverse=True)
    if joint.max() < _MOST_COMBINATIONS:
        return np.eye(int(joint.max()) + 1)[joint.reshape(-1)]
    return np.concatenate([np.eye(int(each.max()) + 1)[each] for each in embeddings.T], axis=1)


def _embedding(sample: BanditSample) -> tuple[Ints, Floats]:
    if sample.embeddings is None or sample.embedding_probs is None:
        raise DataError("mips and snmips need `embeddings` and `embedding_probs` of the sample")
    return sample.embeddings, sample.embedding_probs
