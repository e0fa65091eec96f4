"""What a policy earns a round, from a log of rounds with one action each.

With w = (target probability) / (propensity) of the logged action, V the value of the target policy
under a reward model q and e = reward - q(logged action), every estimator is a mean, or a ratio of
means, of terms of w, V and e. The functions take such arrays; the classes take a `BanditSample`.

What `Terms.weights` holds, for estimators without a reward model, is min(w, weight used): the part
of each importance weight that is kept. Its mean is the share of the target policy's mass that the
log still answers for; where it is clearly below 1, the rest is bias. Doubly robust estimators hold
w itself: what they use less than w is not lost, the reward model answers for it.

References:
    Horvitz and Thompson, 1952 (IPS). Swaminathan and Joachims, 2015 (SNIPS). Dudik, Langford and
    Li, 2011 (DR). Wang, Agarwal and Dudik, 2017 (Switch-DR). Su, Dimakopoulou, Krishnamurthy and
    Dudik, 2020 (DRos). Metelli, Russo and Restelli, 2021 (sub-Gaussian weights). Li, Chu, Langford
    and Wang, 2011 (Replay).
"""

import logging
import math
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from rlrec.arrays import Bools, Floats
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation.offline.bandit_sample import BanditSample
from rlrec.evaluation.offline.terms import Terms, normalised, one_term

_log = logging.getLogger(__name__)

EVEN_LOGGING = 1e-3
"""Relative difference of the propensities of matched rounds up to which replay calls them equal;
it then errs by no more than that share of the range of rewards."""


class BanditEstimator(Protocol):
    """Turns a sample into terms, from which value, intervals and doubts follow."""

    @property
    def name(self) -> str:
        """What it is called in tables and on the command line."""
        ...

    def terms(self, sample: BanditSample) -> Terms:
        """Return the terms of the sample, a unit a round."""
        ...

    # Two more that an estimator may have, and few do: `doubt(sample)` returns what makes its
    # estimate unsupported whatever its weights, "" for nothing; `own_support` is True where its
    # weights are not those of whole actions, so that these say nothing of its support.


# Weights as used, (n,) to (n,).


def clipped(weights: Floats, lambda_: float) -> Floats:
    """Return weights of at most `lambda_`."""
    return np.minimum(weights, lambda_)


def switched(weights: Floats, lambda_: float) -> Floats:
    """Return weights that are 0 where they exceed `lambda_`."""
    return np.where(weights <= lambda_, weights, 0.0)


def shrunk(weights: Floats, lambda_: float) -> Floats:
    """Return lambda w / (w^2 + lambda): optimistic shrinkage; inf leaves weights as they are."""
    if lambda_ == 0:
        return np.zeros_like(weights)
    return weights / (weights * (weights / lambda_) + 1.0)


def sub_gaussian(weights: Floats, lambda_: float) -> Floats:
    """Return w / (1 - lambda + lambda w): 0 leaves weights as they are, 1 makes them 1."""
    if lambda_ == 1:
        return (weights > 0).astype(np.float64)
    return weights / (1.0 - lambda_ + lambda_ * weights)


# Estimators on arrays.


def ips(rewards: Floats, weights: Floats, used: Floats | None = None) -> Terms:
    """Return terms of the inverse propensity estimate.

    Args:
        rewards: Shape (n,).
        weights: Shape (n,). Importance weights.
        used: Shape (n,). What is made of them; by default nothing, which is unbiased.
    """
    if used is None:
        return one_term(rewards * weights, weights)
    return one_term(rewards * used, np.minimum(weights, used))


def snips(rewards: Floats, weights: Floats) -> Terms:
    """Return terms of the self-normalised estimate: within the range of rewards, consistent."""
    return normalised(rewards * weights, weights)


def dm(model_values: Floats) -> Terms:
    """Return terms of the direct method, as good as the model behind the values (n,)."""
    return one_term(model_values)


def dr(
    model_values: Floats, residuals: Floats, weights: Floats, used: Floats | None = None
) -> Terms:
    """Return terms of the doubly robust estimate.

    Args:
        model_values: Shape (n,). Value of the target policy under the reward model.
        residuals: Shape (n,). Rewards less what the model expected of the logged actions.
        weights: Shape (n,). Importance weights.
        used: Shape (n,). What is made of them; by default nothing, which is unbiased. Where
            nothing is left of any, the model speaks alone, and the terms are those of `dm`.
    """
    if used is None:
        return one_term(model_values + residuals * weights, weights)
    if weights.any() and not used.any():
        return dm(model_values)
    return one_term(model_values + residuals * used, weights)


def sndr(model_values: Floats, residuals: Floats, weights: Floats) -> Terms:
    """Return terms of the doubly robust estimate with a self-normalised correction."""
    numerators = np.stack([model_values, residuals * weights], axis=1)
    denominators = np.stack([np.ones_like(weights), weights], axis=1)
    return Terms(numerators, denominators, weights)


def replay(rewards: Floats, matches: Bools, weights: Floats) -> Terms:
    """Return terms of the mean reward of the rounds whose action the target policy shares.

    Args:
        rewards: Shape (n,).
        matches: Shape (n,). The logged action is that of the target policy.
        weights: Shape (n,). Importance weights, for the doubts alone.
    """
    kept = matches.astype(np.float64)
    return Terms((rewards * kept)[:, None], kept[:, None], weights)


# Estimators of samples.


@dataclass(frozen=True)
class IPS:
    """Mean of w r. Unbiased where the log has support; needs propensities alone."""

    name: ClassVar[str] = "ips"

    def terms(self, sample: BanditSample) -> Terms:
        """Return the terms of the sample, a unit a round."""
        return ips(sample.rewards, sample.weights)


@dataclass(frozen=True)
class SNIPS:
    """Sum of w r over sum of w. Consistent, steadier than IPS, never outside the rewards."""

    name: ClassVar[str] = "snips"

    def terms(self, sample: BanditSample) -> Terms:
        """Return the terms of the sample, a unit a round."""
        return snips(sample.rewards, sample.weights)


@dataclass(frozen=True)
class DM:
    """Mean of V: the reward model's word alone. Needs `q_hat` and `target_distribution`."""

    name: ClassVar[str] = "dm"

    def terms(self, sample: BanditSample) -> Terms:
        """Return the terms of the sample, a unit a round."""
        return dm(sample.model_values())


@dataclass(frozen=True)
class DR:
    """Mean of V + w e. Unbiased with support, whatever the reward model (if fitted elsewhere)."""

    name: ClassVar[str] = "dr"

    def terms(self, sample: BanditSample) -> Terms:
        """Return the terms of the sample, a unit a round."""
        return dr(sample.model_values(), sample.residuals(), sample.weights)


@dataclass(frozen=True)
class SNDR:
    """Mean of V plus sum of w e over sum of w. Consistent."""

    name: ClassVar[str] = "sndr"

    def terms(self, sample: BanditSample) -> Terms:
        """Return the terms of the sample, a unit a round."""
        return sndr(sample.model_values(), sample.residuals(), sample.weights)


@dataclass(frozen=True)
class Replay:
    """Mean reward of the rounds in which a target policy that does not draw chose alike.

    Consistent where the logging policy took the target's action equally often in every context, as
    a uniform one does. Under another one it answers for the rounds it kept: that is logged as a
    warning, and a doubt that makes the estimate unsupported. Needs `actions` and `target_actions`,
    or target probabilities of 0 and 1.
    """

    name: ClassVar[str] = "replay"

    def terms(self, sample: BanditSample) -> Terms:
        """Return the terms of the sample, a unit a round."""
        if doubt := self.doubt(sample):
            _log.warning("%s", doubt)
        return replay(sample.rewards, _matches(sample), sample.weights)

    def doubt(self, sample: BanditSample) -> str:
        """Return that matched rounds were not equally likely to be kept, or "" where they were.

        Equal means: the largest of their propensities is at most `EVEN_LOGGING` above the least.
        """
        kept = sample.propensities[_matches(sample)]
        if not len(kept) or kept.max() <= kept.min() * (1 + EVEN_LOGGING):
            return ""
        return (
            f"replay supposes uniform logging, and the rounds that it keeps were logged with "
            f"propensities from {kept.min():.3g} to {kept.max():.3g}; use snips"
        )


def _matches(sample: BanditSample) -> Bools:
    if sample.target_actions is not None:
        if sample.actions is None:
            raise DataError("replay needs `actions` beside `target_actions`")
        same: Bools = sample.actions == sample.target_actions
        return same
    drawn = np.flatnonzero((sample.target_probs > 0) & (sample.target_probs < 1))
    if drawn.size:
        raise DataError(
            "replay needs a target policy that does not draw; its probability at row "
            f"{drawn[0]} is {sample.target_probs[drawn[0]]:g}. Give `target_actions`, or use snips"
        )
    certain: Bools = sample.target_probs == 1
    return certain


class TunableEstimator(BanditEstimator, Protocol):
    """An estimator that trades variance for bias by one number."""

    @property
    def key(self) -> str:
        """Its name without the number: `clipped_ips`."""
        ...

    @property
    def lambda_(self) -> float:
        """How much."""
        ...

    def used(self, weights: Floats) -> Floats:
        """Return what is made of importance weights (n,)."""
        ...

    def corrected(self, sample: BanditSample) -> Floats:
        """Return what the weights multiply, (n,): rewards, or residuals of the model."""
        ...


@dataclass(frozen=True)
class _Reweighted:
    """Shared by estimators that use something else than the importance weights."""

    lambda_: float

    key: ClassVar[str]
    largest: ClassVar[float] = math.inf

    def __post_init__(self) -> None:
        if not 0 <= self.lambda_ <= self.largest:
            raise ConfigError(
                f"lambda_ of {self.key} must lie in 0..{self.largest:g}, got {self.lambda_!r}"
            )

    @property
    def name(self) -> str:
        """What it is called in tables and on the command line: `clipped_ips=10`."""
        return f"{self.key}={self.lambda_:g}"

    def used(self, weights: Floats) -> Floats:
        """Return what is made of importance weights (n,)."""
        raise NotImplementedError


class _ReweightedIPS(_Reweighted):
    def corrected(self, sample: BanditSample) -> Floats:
        """Return the rewards, (n,)."""
        return sample.rewards

    def terms(self, sample: BanditSample) -> Terms:
        """Return the terms of the sample, a unit a round."""
        weights = sample.weights
        return ips(sample.rewards, weights, self.used(weights))


class _ReweightedDR(_Reweighted):
    def corrected(self, sample: BanditSample) -> Floats:
        """Return the residuals of the reward model, (n,)."""
        return sample.residuals()

    def terms(self, sample: BanditSample) -> Terms:
        """Return the terms of the sample, a unit a round."""
        weights = sample.weights
        return dr(sample.model_values(), sample.residuals(), weights, self.used(weights))


class ClippedIPS(_ReweightedIPS):
    """Mean of min(w, lambda) r. Biased down for rewards above 0 where weights are clipped."""

    key: ClassVar[str] = "clipped_ips"

    def used(self, weights: Floats) -> Floats:
        """Return what is made of importance weights (n,)."""
        return clipped(weights, self.lambda_)


class SubGaussianIPS(_ReweightedIPS):
    """Mean of w / (1 - lambda + lambda w) r, lambda in 0..1; 0 is IPS."""

    key: ClassVar[str] = "sub_gaussian_ips"
    largest: ClassVar[float] = 1.0

    def used(self, weights: Floats) -> Floats:
        """Return what is made of importance weights (n,)."""
        return sub_gaussian(weights, self.lambda_)


class ClippedDR(_ReweightedDR):
    """Mean of V + min(w, lambda) e."""

    key: ClassVar[str] = "clipped_dr"

    def used(self, weights: Floats) -> Floats:
        """Return what is made of importance weights (n,)."""
        return clipped(weights, self.lambda_)


class SwitchDR(_ReweightedDR):
    """Mean of V + w 1[w <= lambda] e: large weights are left to the model."""

    key: ClassVar[str] = "switch_dr"

    def used(self, weights: Floats) -> Floats:
        """Return what is made of importance weights (n,)."""
        return switched(weights, self.lambda_)


class DRos(_ReweightedDR):
    """Mean of V + lambda w / (w^2 + lambda) e; 0 is DM, inf is DR."""

    key: ClassVar[str] = "dr_os"

    def used(self, weights: Floats) -> Floats:
        """Return what is made of importance weights (n,)."""
        return shrunk(weights, self.lambda_)


class SubGaussianDR(_ReweightedDR):
    """Mean of V + w / (1 - lambda + lambda w) e, lambda in 0..1; 0 is DR."""

    key: ClassVar[str] = "sub_gaussian_dr"
    largest: ClassVar[float] = 1.0

    def used(self, weights: Floats) -> Floats:
        """Return what is made of importance weights (n,)."""
        return sub_gaussian(weights, self.lambda_)
