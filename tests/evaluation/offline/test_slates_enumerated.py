"""Slate estimators on a tiny problem whose truth and expectations are sums over all slates."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from rlrec.arrays import Floats, Ints
from rlrec.evaluation.offline.latent_slates import LatentIPS, abstraction_weights
from rlrec.evaluation.offline.pseudo_inverse import (
    PseudoInverse,
    plackett_luce_pseudo_inverse_weights,
)
from rlrec.evaluation.offline.slate import (
    CascadeDR,
    IndependentIPS,
    JointIPS,
    RewardInteractionIPS,
    SlateSample,
)
from rlrec.evaluation.offline.slate_probabilities import (
    all_slates,
    at_slates,
    plackett_luce_marginals,
    plackett_luce_slate_probs,
)
from rlrec.evaluation.offline.terms import Terms, ratio_sums
from rlrec.slates import plackett_luce_log_probs

A, K, CONTEXTS = 4, 3, 2
SLATES = all_slates(A, K)  # (S, K)
GROUPS = np.array([int(0 in slate[:2]) for slate in SLATES])  # item 0 near the top or not

_RNG = np.random.default_rng(11)
_OWN = _RNG.normal(size=(CONTEXTS, K, A))
_ABOVE = _RNG.normal(size=(CONTEXTS, K, A, A))
_BELOW = _RNG.normal(size=(CONTEXTS, K, A, A))
_BY_GROUP = _RNG.normal(size=(CONTEXTS, 2))


@dataclass(frozen=True)
class Enumerated:
    """Every slate in every context, with the chance of each under logging."""

    sample: SlateSample
    chances: Floats
    """Shape (n,). Of each row under logging; they sum to 1."""
    truth: float
    """Expected slate reward under the target policy."""


def slot_rewards(structure: str) -> Floats:
    """Return expected rewards (contexts, S, K).

    Args:
        structure: What a slot's reward depends on beside the context: "own" (its item), "above"
            (also the item above it), "below" (also the one below it), or "groups" (the group of
            the slate; only the top slot has a reward).
    """
    own = np.stack([_OWN[:, slot, SLATES[:, slot]] for slot in range(K)], axis=2)
    if structure == "own":
        return own
    if structure == "groups":
        rewards = np.zeros_like(own)
        rewards[:, :, 0] = _BY_GROUP[:, GROUPS]
        return rewards
    rewards = own.copy()
    for slot in range(1, K):
        pair = SLATES[:, slot], SLATES[:, slot - 1]
        if structure == "above":
            rewards[:, :, slot] += _ABOVE[:, slot, pair[0], pair[1]]
        else:
            rewards[:, :, slot - 1] += _BELOW[:, slot, pair[0], pair[1]]
    return rewards


def enumerated(structure: str, *, same_policy: bool = False) -> Enumerated:
    """Return the problem with Plackett-Luce policies that look at the context."""
    rng = np.random.default_rng(5)
    logging_logits = rng.normal(size=(CONTEXTS, A))
    target_logits = logging_logits if same_policy else rng.normal(size=(CONTEXTS, A))
    rewards = slot_rewards(structure).reshape(-1, K)
    n_slates = len(SLATES)
    slates = np.tile(SLATES, (CONTEXTS, 1))
    context = np.repeat(np.arange(CONTEXTS), n_slates)
    logging, target = (
        _probabilities(logits, slates, context) for logits in (logging_logits, target_logits)
    )
    by_context = [
        plackett_luce_slate_probs(logits, SLATES)[context]
        for logits in (target_logits, logging_logits)
    ]
    q_hat = rng.normal(size=(len(slates), K, A))
    sample = SlateSample(
        rewards=rewards,
        joint_propensities=logging[0],
        prefix_propensities=logging[1],
        slot_propensities=logging[2],
        joint_target_probs=target[0],
        prefix_target_probs=target[1],
        slot_target_probs=target[2],
        actions=slates,
        q_hat=_of_prefix(q_hat, slates, context),
        target_given_prefix=_given_prefix(target_logits[context], slates),
        pseudo_inverse_weights=plackett_luce_pseudo_inverse_weights(
            logging_logits[context], target_logits[context], slates
        ).weights,
        abstraction_weights=abstraction_weights(
            np.tile(np.arange(n_slates), CONTEXTS), GROUPS, *by_context
        ),
    )
    truth = float((target[0] * rewards.sum(axis=1)).sum()) / CONTEXTS
    return Enumerated(sample, logging[0] / CONTEXTS, truth)


def expected_value(terms: Terms, chances: Floats) -> float:
    """Return the sum of ratios of expected numerators over expected denominators."""
    denominators = np.ones_like(terms.numerators)
    if terms.denominators is not None:
        denominators = terms.denominators
    weighted = [(chances[:, None] * part).sum(axis=0) for part in (terms.numerators, denominators)]
    return float(ratio_sums(weighted[0], weighted[1]))


def _probabilities(logits: Floats, slates: Ints, context: Ints) -> tuple[Floats, Floats, Floats]:
    given = np.exp(plackett_luce_log_probs(logits[context], slates))
    prefix = given.cumprod(axis=1)
    marginals = plackett_luce_marginals(logits, K)[context]
    return prefix[:, -1], prefix, at_slates(marginals, slates)


def _given_prefix(logits: Floats, slates: Ints) -> Floats:
    left = np.exp(logits)
    given = np.empty((len(slates), K, logits.shape[1]))
    for slot in range(K):
        given[:, slot] = left / left.sum(axis=1, keepdims=True)
        np.put_along_axis(left, slates[:, [slot]], 0.0, axis=1)
    return given


def _of_prefix(values: Floats, slates: Ints, context: Ints) -> Floats:
    """Return arbitrary values (n, K, A) made to depend only on context and items above a slot."""
    made = values.copy()
    for slot in range(K):
        keys = np.column_stack([context, slates[:, :slot]])
        _, first, code = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        made[:, slot] = values[first[code.reshape(-1)], slot]
    return made


Estimator = JointIPS | IndependentIPS | RewardInteractionIPS | CascadeDR | PseudoInverse | LatentIPS

PLAIN: tuple[Estimator, ...] = (
    JointIPS(),
    IndependentIPS(),
    RewardInteractionIPS(),
    CascadeDR(),
    PseudoInverse(),
    LatentIPS(),
)
NORMALISED: tuple[Estimator, ...] = (
    JointIPS(self_normalised=True),
    IndependentIPS(self_normalised=True),
    RewardInteractionIPS(self_normalised=True),
    PseudoInverse(self_normalised=True),
    LatentIPS(self_normalised=True),
)
STRUCTURES = ("own", "above", "below", "groups")
HOLDS = {  # where what the docstring assumes is so
    "sips": STRUCTURES,
    "iips": ("own",),
    "rips": ("own", "above"),
    "cascade_dr": ("own", "above"),
    "pi": ("own", "groups"),  # "item 0 in slot 0 or 1" is a sum over slots
    "lips": ("groups",),
}


def cases(holds: bool, estimators: tuple[Estimator, ...]) -> list[tuple[Estimator, str]]:
    return [
        (estimator, structure)
        for estimator in estimators
        for structure in STRUCTURES
        if (structure in HOLDS[estimator.name.replace("sn", "").replace("wpi", "pi")]) == holds
    ]


@pytest.mark.parametrize(("estimator", "structure"), cases(True, PLAIN), ids=str)
def test_unbiased_where_the_assumption_holds(estimator: Estimator, structure: str) -> None:
    problem = enumerated(structure)
    value = expected_value(estimator.terms(problem.sample), problem.chances)
    assert value == pytest.approx(problem.truth, rel=1e-10)


@pytest.mark.parametrize(("estimator", "structure"), cases(False, PLAIN), ids=str)
def test_biased_where_the_assumption_is_broken(estimator: Estimator, structure: str) -> None:
    problem = enumerated(structure)
    value = expected_value(estimator.terms(problem.sample), problem.chances)
    assert abs(value - problem.truth) > 0.01


@pytest.mark.parametrize(("estimator", "structure"), cases(True, NORMALISED), ids=str)
def test_the_self_normalised_form_is_consistent_where_the_plain_one_is_unbiased(
    estimator: Estimator, structure: str
) -> None:
    problem = enumerated(structure)
    value = expected_value(estimator.terms(problem.sample), problem.chances)
    assert value == pytest.approx(problem.truth, rel=1e-10)


@pytest.mark.parametrize("estimator", PLAIN + NORMALISED, ids=lambda estimator: estimator.name)
def test_the_weights_kept_for_diagnostics_have_mean_one(estimator: Estimator) -> None:
    problem = enumerated("own")
    weights = estimator.terms(problem.sample).weights
    assert weights is not None
    assert (weights * problem.chances).sum() == pytest.approx(1.0, rel=1e-10)


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("estimator", PLAIN + NORMALISED, ids=lambda estimator: estimator.name)
def test_the_logging_policy_itself_is_worth_its_mean_reward(
    estimator: Estimator, structure: str
) -> None:
    sample = enumerated(structure, same_policy=True).sample
    assert sample.rewards is not None and sample.q_hat is not None
    # with a model the estimate is exact only in expectation, without one on any log
    mean_reward = sample.rewards.sum(axis=1).mean()
    sample = replace(sample, q_hat=np.zeros_like(sample.q_hat))
    assert estimator.terms(sample).value == pytest.approx(mean_reward, rel=1e-10)


@pytest.mark.parametrize("estimator", PLAIN + NORMALISED, ids=lambda estimator: estimator.name)
def test_the_order_of_slates_does_not_matter(estimator: Estimator) -> None:
    sample = enumerated("below").sample
    order = np.random.default_rng(0).permutation(sample.n_slates)
    given = {name: getattr(sample, name) for name in sample.__dataclass_fields__}
    shuffled = SlateSample(
        **{name: None if array is None else array[order] for name, array in given.items()}
    )
    value = estimator.terms(sample).value
    assert estimator.terms(shuffled).value == pytest.approx(value, rel=1e-12)


def test_a_perfect_model_takes_the_variance_of_the_weights_out_of_cascade_dr() -> None:
    problem = enumerated("own")
    sample = problem.sample
    assert sample.actions is not None and sample.target_given_prefix is not None
    assert sample.prefix_target_probs is not None
    context = np.repeat(np.arange(CONTEXTS), len(SLATES))
    perfect = replace(sample, q_hat=_rewards_to_go(context, sample))
    expected = CascadeDR().terms(perfect).numerators[:, 0]
    by_context = np.array([expected[context == c].std() for c in range(CONTEXTS)])
    np.testing.assert_allclose(by_context, 0.0, atol=1e-12)
    value = expected_value(CascadeDR().terms(perfect), problem.chances)
    assert value == pytest.approx(problem.truth, rel=1e-10)


def _rewards_to_go(context: Ints, sample: SlateSample) -> Floats:
    """Return E(reward from a slot to the bottom | items above, item there) under the target."""
    assert sample.prefix_target_probs is not None and sample.rewards is not None
    probs, rewards = sample.prefix_target_probs[:, -1], sample.rewards
    q = np.zeros((len(context), K, A))
    for row in range(len(context)):
        slate = SLATES[row % len(SLATES)]
        for slot in range(K):
            same = (context == context[row]) & (
                np.tile(SLATES, (CONTEXTS, 1))[:, :slot] == slate[:slot]
            ).all(axis=1)
            for item in range(A):
                here = same & (np.tile(SLATES, (CONTEXTS, 1))[:, slot] == item)
                if here.any():
                    to_go = rewards[here, slot:].sum(axis=1)
                    q[row, slot, item] = (probs[here] * to_go).sum() / probs[here].sum()
    return q
