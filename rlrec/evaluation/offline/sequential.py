"""Estimators of a session's return that weigh whole sessions or their steps.

The weight of a step is the product of the ratios of all steps down to it. Self-normalised forms
divide by the mean weight step by step, over *all* sessions: one that is over keeps its last weight.
The weight of a session stopped at its end has mean 1 at every step, so this denominator tends to
1 and the estimate to the truth. Over the running sessions alone it would tend to the share that
the target policy keeps, and what a policy loses by losing users would be divided away.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from rlrec.arrays import Floats
from rlrec.evaluation.offline.session_sample import SessionSample
from rlrec.evaluation.offline.terms import Terms, normalised, one_term


class SequentialEstimator(Protocol):
    """What leaves the terms of an estimate of sessions."""

    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]]
    """Columns of `SessionSample` that must be given."""

    def terms(self, sample: SessionSample) -> Terms:
        """Return one unit a session."""
        ...


def per_step(sample: SessionSample, weights: Floats) -> Terms:
    """Return the terms of sum over steps of discounted weight times reward.

    Args:
        sample: Of n sessions.
        weights: Shape (N,).
    """
    values = sample.session_sums(sample.discounts * weights * sample.rewards)
    return one_term(values, weights[sample.last_rows])


def per_step_normalised(sample: SessionSample, weights: Floats) -> Terms:
    """Return the same with the weights of each step divided by their mean over all sessions.

    A term a step of the longest session; a session that is over keeps its last weight. Steps that
    few sessions reach share a term where there are very many, see `SessionSample.step_terms`.
    """
    last = weights[sample.last_rows]
    steps = sample.step_terms(sample.discounts * weights * sample.rewards, weights, last)
    return Terms(steps.numerators, steps.denominators, last)


def doubly_robust(sample: SessionSample, weights: Floats) -> Terms:
    """Return the terms of V(first state) + sum of discounted weight times temporal difference.

    Args:
        sample: With `q_hat` and `v_hat`.
        weights: Shape (N,).
    """
    corrections = sample.session_sums(_corrections(sample, weights))
    values = sample.needed("v_hat")[sample.first_rows] + corrections
    return one_term(values, weights[sample.last_rows])


def doubly_robust_normalised(sample: SessionSample, weights: Floats) -> Terms:
    """Return the same with the weights of each step divided by their mean over all sessions."""
    first = sample.needed("v_hat")[sample.first_rows]
    last = weights[sample.last_rows]
    corrections = sample.step_terms(_corrections(sample, weights), weights, last)
    return Terms(
        np.column_stack([first, corrections.numerators]),
        np.column_stack([np.ones(sample.n_sessions), corrections.denominators]),
        last,
    )


def _corrections(sample: SessionSample, weights: Floats) -> Floats:
    """Return what each row corrects the model by, (N,).

    Grouped by the weight of the row: of [w_t (r_t - Q_t) + w_(t-1) V_t] over all t, the part with
    w_t is w_t (r_t - Q_t + discount V_(t+1)).
    """
    difference = sample.rewards + sample.discount * sample.values_after - sample.needed("q_hat")
    corrections: Floats = sample.discounts * weights * difference
    return corrections


@dataclass(frozen=True)
class TIS:
    """Trajectory-wise importance sampling: the return times the weight of the session.

    Unbiased where the logging policy could show all that the target shows.

    Reference:
        Precup, Sutton and Singh, 2000, "Eligibility Traces for Off-Policy Policy Evaluation".
    """

    name: ClassVar[str] = "tis"
    needs: ClassVar[tuple[str, ...]] = ("propensities", "target_probs")

    def terms(self, sample: SessionSample) -> Terms:
        """Return one unit a session."""
        weights = sample.weights[sample.last_rows]
        return one_term(weights * sample.returns, weights)


@dataclass(frozen=True)
class SNTIS:
    """TIS divided by the mean weight. Consistent, and within the range of the returns."""

    name: ClassVar[str] = "sntis"
    needs: ClassVar[tuple[str, ...]] = TIS.needs

    def terms(self, sample: SessionSample) -> Terms:
        """Return one unit a session."""
        weights = sample.weights[sample.last_rows]
        return normalised(weights * sample.returns, weights)


@dataclass(frozen=True)
class PDIS:
    """Per-decision importance sampling: each reward times the weight down to its step.

    Unbiased as TIS is, with less variance, since a reward does not depend on later steps.

    Reference:
        Precup, Sutton and Singh, 2000, "Eligibility Traces for Off-Policy Policy Evaluation".
    """

    name: ClassVar[str] = "pdis"
    needs: ClassVar[tuple[str, ...]] = TIS.needs

    def terms(self, sample: SessionSample) -> Terms:
        """Return one unit a session."""
        return per_step(sample, sample.weights)


@dataclass(frozen=True)
class SNPDIS:
    """PDIS with the weights of each step divided by their mean over all sessions. Consistent."""

    name: ClassVar[str] = "snpdis"
    needs: ClassVar[tuple[str, ...]] = TIS.needs

    def terms(self, sample: SessionSample) -> Terms:
        """Return one unit a session."""
        return per_step_normalised(sample, sample.weights)


@dataclass(frozen=True)
class PrefixPDIS:
    """PDIS of sessions of slates: the reward of a slot times the weight down to that slot.

    That weight is the weight of the steps before, times the ratios of this slate's slots from the
    top down to it. Unbiased where the reward of a slot does not depend on the slots below it.

    References:
        McInerney et al., 2020, "Counterfactual Evaluation of Slate Recommendations with
        Sequential Reward Interactions", for the slots; Precup et al., 2000, for the steps.
    """

    name: ClassVar[str] = "prefix_pdis"
    needs: ClassVar[tuple[str, ...]] = ("slot_rewards", "slot_propensities", "slot_target_probs")

    def terms(self, sample: SessionSample) -> Terms:
        """Return one unit a session."""
        slots, after = _slot_weights(sample)
        values = sample.discounts * (slots * sample.needed("slot_rewards")).sum(axis=1)
        return one_term(sample.session_sums(values), after[sample.last_rows])


@dataclass(frozen=True)
class SNPrefixPDIS:
    """PrefixPDIS with the weights of each step and slot divided by their mean over all sessions.

    A term a step and slot of the longest session, as in `per_step_normalised`. Consistent where
    `PrefixPDIS` is unbiased.
    """

    name: ClassVar[str] = "snprefix_pdis"
    needs: ClassVar[tuple[str, ...]] = PrefixPDIS.needs

    def terms(self, sample: SessionSample) -> Terms:
        """Return one unit a session."""
        slots, after = _slot_weights(sample)
        values = sample.discounts[:, None] * slots * sample.needed("slot_rewards")
        last = after[sample.last_rows]
        terms = [
            sample.step_terms(of_slot, weights, last)
            for of_slot, weights in zip(values.T, slots.T, strict=True)
        ]
        return Terms(
            np.hstack([each.numerators for each in terms]),
            np.hstack([each.denominators for each in terms]),
            last,
        )


def _slot_weights(sample: SessionSample) -> tuple[Floats, Floats]:
    """Return the weight down to each slot (N, K) and down to the end of each row (N,)."""
    ratios = sample.needed("slot_target_probs") / sample.needed("slot_propensities")
    within = np.cumprod(ratios, axis=1)
    after = sample.running_products(np.ascontiguousarray(within[:, -1]))
    slots: Floats = sample.moved_down(after, 1.0)[:, None] * within
    return slots, after


@dataclass(frozen=True)
class SequentialDR:
    """Doubly robust: the modelled value of the first state, corrected step by step by weights.

    Unbiased whatever the model where TIS is and nothing counts after a cut; exact whatever the
    weights where the model is right.

    References:
        Jiang and Li, 2016, "Doubly Robust Off-policy Value Evaluation for Reinforcement Learning";
        Thomas and Brunskill, 2016, "Data-Efficient Off-Policy Policy Evaluation for Reinforcement
        Learning".
    """

    name: ClassVar[str] = "sequential_dr"
    needs: ClassVar[tuple[str, ...]] = (*TIS.needs, "q_hat", "v_hat")

    def terms(self, sample: SessionSample) -> Terms:
        """Return one unit a session."""
        return doubly_robust(sample, sample.weights)


@dataclass(frozen=True)
class SequentialSNDR:
    """Weighted doubly robust: the weights of each step divided by their mean over all sessions.

    Consistent.

    Reference:
        Thomas and Brunskill, 2016, "Data-Efficient Off-Policy Policy Evaluation for Reinforcement
        Learning".
    """

    name: ClassVar[str] = "sequential_sndr"
    needs: ClassVar[tuple[str, ...]] = SequentialDR.needs

    def terms(self, sample: SessionSample) -> Terms:
        """Return one unit a session."""
        return doubly_robust_normalised(sample, sample.weights)


@dataclass(frozen=True)
class SequentialDM:
    """Direct method: the mean modelled value of the first state.

    As good as its model; with the values of fitted Q evaluation it is FQE.
    """

    name: ClassVar[str] = "sequential_dm"
    needs: ClassVar[tuple[str, ...]] = ("v_hat",)

    def terms(self, sample: SessionSample) -> Terms:
        """Return one unit a session."""
        return one_term(sample.needed("v_hat")[sample.first_rows])


SEQUENTIAL: tuple[type[SequentialEstimator], ...] = (
    TIS,
    SNTIS,
    PDIS,
    SNPDIS,
    PrefixPDIS,
    SNPrefixPDIS,
    SequentialDR,
    SequentialSNDR,
    SequentialDM,
)
"""The estimators of this file."""
