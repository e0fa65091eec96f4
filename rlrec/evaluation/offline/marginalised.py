"""Estimators whose weights compare how often states are reached, not whole paths to them.

Their weights do not grow with the length of a session. They are given with the sample: learned
(`marginal_weights`) or known. `exact_steps` multiplies the last ratios exactly and starts the
marginal weight that many steps before: from none (marginal alone) to all (PDIS, DR).

A weight may be of a state at a certain step, or of a state at any step alike (stationary). The
plain and the doubly robust forms hold for both; the self-normalised forms divide each step by the
mean over all sessions, where one that is over keeps its last weight, which tends to 1 for weights
of states at a certain step only, unless all sessions are of one length.

References:
    Liu, Li, Tang and Zhou, 2018, "Breaking the Curse of Horizon", for states; Uehara, Huang and
    Jiang, 2020, "Minimax Weight and Q-Function Learning for Off-Policy Evaluation", for states
    with actions; Yuan, Chandak, Giguere, Thomas and Niekum, 2021, "SOPE: Spectrum of Off-Policy
    Estimators", for steps between.
"""

from dataclasses import dataclass
from typing import ClassVar

from rlrec.arrays import Floats
from rlrec.errors import ConfigError
from rlrec.evaluation.offline.sequential import (
    SequentialEstimator,
    doubly_robust,
    doubly_robust_normalised,
    per_step,
    per_step_normalised,
)
from rlrec.evaluation.offline.session_sample import SessionSample, geometric_sums
from rlrec.evaluation.offline.terms import Terms

_RATIOS = ("propensities", "target_probs")


def state_action_steps(sample: SessionSample, exact_steps: int = 0) -> Floats:
    """Return the weight of each row, (N,), from `state_action_weights`.

    With k exact steps it is the marginal weight of k steps before times the k ratios since; of the
    first k steps of a session the product of all ratios.
    """
    weights = sample.needed("state_action_weights")
    for _ in range(min(exact_steps, sample.n_steps)):
        weights = sample.ratios * sample.moved_down(weights, 1.0)
    return weights


def state_steps(sample: SessionSample, exact_steps: int = 0) -> Floats:
    """Return the weight of each row, (N,), from `state_weights` and the ratio of its own step."""
    weights = sample.needed("state_weights") * sample.ratios
    for _ in range(min(exact_steps, sample.n_steps)):
        weights = sample.ratios * sample.moved_down(weights, 1.0)
    return weights


def session_weights(sample: SessionSample, weights: Floats) -> Floats:
    """Return the discounted mean of the weights of a session over all steps, (n,).

    A session that is over keeps its last weight; so the mean over sessions tends to 1 where
    weights of states at a certain step are right, and they can be judged as other weights are. Of
    stationary ones it does where sessions are of one length, and nearly so otherwise.
    """
    sums = geometric_sums(sample.discount, sample.n_steps)
    left = sums[-1] - sums[sample.lengths]
    running = sample.session_sums(sample.discounts * weights)
    means: Floats = (running + left * weights[sample.last_rows]) / sums[-1]
    return means


@dataclass(frozen=True, kw_only=True)
class _Marginal:
    exact_steps: int = 0
    """Last ratios to multiply exactly, 0 or more."""

    name: ClassVar[str]

    def __post_init__(self) -> None:
        if self.exact_steps < 0:
            raise ConfigError(
                f"exact_steps of {self.name} must be 0 or more, got {self.exact_steps!r}"
            )


def _judged(sample: SessionSample, weights: Floats, terms: Terms) -> Terms:
    return Terms(terms.numerators, terms.denominators, session_weights(sample, weights))


@dataclass(frozen=True, kw_only=True)
class SAMIS(_Marginal):
    """State-action marginal importance sampling: each reward times its state-action weight.

    Unbiased where the weights are exact.
    """

    name: ClassVar[str] = "sam_is"
    needs: ClassVar[tuple[str, ...]] = ("state_action_weights",)

    def terms(self, sample: SessionSample) -> Terms:
        """Return one unit a session."""
        weights = state_action_steps(sample, self.exact_steps)
        return _judged(sample, weights, per_step(sample, weights))


@dataclass(frozen=True, kw_only=True)
class SAMSNIS(_Marginal):
    """SAM-IS with the weights of each step divided by their mean over all sessions."""

    name: ClassVar[str] = "sam_snis"
    needs: ClassVar[tuple[str, ...]] = SAMIS.needs

    def terms(self, sample: SessionSample) -> Terms:
        """Return one unit a session."""
        weights = state_action_steps(sample, self.exact_steps)
        return _judged(sample, weights, per_step_normalised(sample, weights))


@dataclass(frozen=True, kw_only=True)
class SMIS(_Marginal):
    """State marginal importance sampling: the weight of the state times the ratio of its step.

    Unbiased where the weights are exact.
    """

    name: ClassVar[str] = "sm_is"
    needs: ClassVar[tuple[str, ...]] = (*_RATIOS, "state_weights")

    def terms(self, sample: SessionSample) -> Terms:
        """Return one unit a session."""
        weights = state_steps(sample, self.exact_steps)
        return _judged(sample, weights, per_step(sample, weights))


@dataclass(frozen=True, kw_only=True)
class SMSNIS(_Marginal):
    """SM-IS with the weights of each step divided by their mean over all sessions."""

    name: ClassVar[str] = "sm_snis"
    needs: ClassVar[tuple[str, ...]] = SMIS.needs

    def terms(self, sample: SessionSample) -> Terms:
        """Return one unit a session."""
        weights = state_steps(sample, self.exact_steps)
        return _judged(sample, weights, per_step_normalised(sample, weights))


@dataclass(frozen=True, kw_only=True)
class SAMDR(_Marginal):
    """Doubly robust with state-action weights: unbiased where weights or model are exact."""

    name: ClassVar[str] = "sam_dr"
    needs: ClassVar[tuple[str, ...]] = (*SAMIS.needs, "q_hat", "v_hat")

    def terms(self, sample: SessionSample) -> Terms:
        """Return one unit a session."""
        weights = state_action_steps(sample, self.exact_steps)
        return _judged(sample, weights, doubly_robust(sample, weights))


@dataclass(frozen=True, kw_only=True)
class SAMSNDR(_Marginal):
    """SAM-DR with the weights of each step divided by their mean over all sessions."""

    name: ClassVar[str] = "sam_sndr"
    needs: ClassVar[tuple[str, ...]] = SAMDR.needs

    def terms(self, sample: SessionSample) -> Terms:
        """Return one unit a session."""
        weights = state_action_steps(sample, self.exact_steps)
        return _judged(sample, weights, doubly_robust_normalised(sample, weights))


@dataclass(frozen=True, kw_only=True)
class SMDR(_Marginal):
    """Doubly robust with state weights: unbiased where weights or model are exact."""

    name: ClassVar[str] = "sm_dr"
    needs: ClassVar[tuple[str, ...]] = (*SMIS.needs, "q_hat", "v_hat")

    def terms(self, sample: SessionSample) -> Terms:
        """Return one unit a session."""
        weights = state_steps(sample, self.exact_steps)
        return _judged(sample, weights, doubly_robust(sample, weights))


@dataclass(frozen=True, kw_only=True)
class SMSNDR(_Marginal):
    """SM-DR with the weights of each step divided by their mean over all sessions."""

    name: ClassVar[str] = "sm_sndr"
    needs: ClassVar[tuple[str, ...]] = SMDR.needs

    def terms(self, sample: SessionSample) -> Terms:
        """Return one unit a session."""
        weights = state_steps(sample, self.exact_steps)
        return _judged(sample, weights, doubly_robust_normalised(sample, weights))


@dataclass(frozen=True)
class DRL:
    """Double reinforcement learning: SAM-DR whose weights and model are both cross-fitted.

    Cross-fitting is what the name adds; it is done where they are learned (`fitted_values`,
    `minimax_weights`, `regressed_weights`), by user.

    Reference:
        Kallus and Uehara, 2020, "Double Reinforcement Learning for Efficient Off-Policy Evaluation
        in Markov Decision Processes".
    """

    name: ClassVar[str] = "drl"
    needs: ClassVar[tuple[str, ...]] = SAMDR.needs

    def terms(self, sample: SessionSample) -> Terms:
        """Return one unit a session."""
        return SAMDR().terms(sample)


MARGINALISED: tuple[type[SequentialEstimator], ...] = (
    SAMIS,
    SAMSNIS,
    SMIS,
    SMSNIS,
    SAMDR,
    SAMSNDR,
    SMDR,
    SMSNDR,
    DRL,
)
"""The estimators of this file."""
