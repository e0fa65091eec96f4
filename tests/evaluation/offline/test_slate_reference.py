"""Values that public packages and formulas gave on saved slates; the arrays stay outside."""

import json
from functools import cache
from typing import Any

import numpy as np
import pytest

from rlrec.arrays import Floats, Ints
from rlrec.errors import PropensityError
from rlrec.evaluation.offline.intervals import frozen_bootstrap
from rlrec.evaluation.offline.pseudo_inverse import (
    PseudoInverse,
    plackett_luce_pseudo_inverse_weights,
    pseudo_inverse_weights,
    slate_moments,
)
from rlrec.evaluation.offline.slate import (
    CascadeDR,
    IndependentIPS,
    JointIPS,
    RewardInteractionIPS,
    SlateSample,
    rows_to_slates,
)
from rlrec.evaluation.offline.slate_probabilities import (
    all_slates,
    plackett_luce_marginals,
    slot_marginals,
)
from tests.evaluation.offline.reference import reference_folder

NAMES = ("slate_cascade", "slate_standard", "slate_independent_factorizable")
FACTORISED = "slate_independent_factorizable"
ESTIMATORS: dict[str, JointIPS | IndependentIPS | RewardInteractionIPS | CascadeDR] = {
    "sips": JointIPS(),
    "iips": IndependentIPS(),
    "rips": RewardInteractionIPS(),
    "snsips": JointIPS(self_normalised=True),
    "sniips": IndependentIPS(self_normalised=True),
    "snrips": RewardInteractionIPS(self_normalised=True),
    "cascade-dr": CascadeDR(),
    "cascade-dr(q_hat=0)": CascadeDR(),
}


@cache
def expected(name: str) -> dict[str, Any]:
    content = json.loads((reference_folder() / "expected_slate.json").read_text(encoding="utf-8"))
    sets: dict[str, dict[str, Any]] = content["sets"]
    return sets[name]


@cache
def arrays(name: str) -> dict[str, Any]:
    with np.load(reference_folder() / f"{name}.npz") as saved:
        return {key: saved[key] for key in saved.files}


def sample_of(name: str, *, with_users: bool = True) -> SlateSample:
    saved = arrays(name)
    n_rows = len(saved["reward"])

    def slates(column: str) -> Any:
        values = saved[column].reshape(n_rows, -1)
        made = rows_to_slates(saved["slate_id"], saved["position"], values)
        return made[..., 0] if made.shape[2] == 1 else made

    q_hat = slates("q_hat").astype(np.float64)
    return SlateSample(
        rewards=slates("reward"),
        joint_propensities=slates("pscore")[:, 0],
        prefix_propensities=slates("pscore_cascade"),
        slot_propensities=slates("pscore_item_position"),
        joint_target_probs=slates("evaluation_policy_pscore")[:, 0],
        prefix_target_probs=slates("evaluation_policy_pscore_cascade"),
        slot_target_probs=slates("evaluation_policy_pscore_item_position"),
        actions=slates("action"),
        q_hat=q_hat if with_users else np.zeros_like(q_hat),
        target_given_prefix=slates("evaluation_policy_action_dist"),
        pseudo_inverse_weights=own_weights(name),
    )


@cache
def own_weights(name: str) -> Floats:
    saved = arrays(name)
    logging, target = saved["logit_b"], saved["logit_e"]
    slates: Ints = saved["action"].astype(np.int64).reshape(len(logging), -1)
    if name != FACTORISED:
        return plackett_luce_pseudo_inverse_weights(logging, target, slates).weights
    every = all_slates(logging.shape[1], slates.shape[1], repeats=True)
    chances = [independent(logits)[:, every].prod(axis=2) for logits in (logging, target)]
    moments = slate_moments(chances[0], every, logging.shape[1])
    marginals = slot_marginals(chances[1], every, logging.shape[1])
    return pseudo_inverse_weights(moments, marginals, slates).weights


def independent(logits: Floats) -> Floats:
    probs = np.exp(logits - logits.max(axis=1, keepdims=True))
    softmax: Floats = probs / probs.sum(axis=1, keepdims=True)
    return softmax


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_values(name: str, estimator: str) -> None:
    sample = sample_of(name, with_users="q_hat=0" not in estimator)
    value = ESTIMATORS[estimator].terms(sample).value
    stated = expected(name)["estimators"][estimator]["value"]
    assert value == pytest.approx(stated, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_limits_of_the_bootstrap_that_keeps_denominators(name: str) -> None:
    terms = [
        estimator.terms(sample_of(name, with_users="q_hat=0" not in key))
        for key, estimator in ESTIMATORS.items()
    ]
    for key, found in zip(ESTIMATORS, frozen_bootstrap(terms), strict=True):
        stated = expected(name)["estimators"][key]
        limits = [stated["boot_mean"], stated["lower"], stated["upper"]]
        assert [found.mean, found.lower, found.upper] == pytest.approx(limits, rel=1e-6), key


@pytest.mark.parametrize("name", NAMES)
def test_pseudo_inverse(name: str) -> None:
    sample = sample_of(name)
    weights = sample.pseudo_inverse_weights
    assert weights is not None
    np.testing.assert_allclose(weights, arrays(name)["pi_weight"], rtol=1e-6, atol=1e-9)
    stated = expected(name)["own_reference_not_obp"]
    found = {
        "pi": PseudoInverse().terms(sample).value,
        "wpi(self-normalised)": PseudoInverse(self_normalised=True).terms(sample).value,
        "pi_weight_mean": weights.mean(),
        "pi_weight_min": weights.min(),
        "pi_weight_max": weights.max(),
    }
    for key, value in found.items():
        assert value == pytest.approx(stated[key], rel=1e-6, abs=1e-9), key


def test_pseudo_inverse_of_independent_slots_in_closed_form() -> None:
    sample = sample_of(FACTORISED)
    closed = PseudoInverse(factorised=True).terms(sample)
    assert closed.weights is not None
    np.testing.assert_allclose(closed.weights, arrays(FACTORISED)["pi_weight"], atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_diagnostics(name: str) -> None:
    stated = expected(name)["diagnostics_by_formula"]
    sample = sample_of(name)
    weights = sample.joint_weights()
    assert weights.max() == pytest.approx(stated["sips_max_w"], rel=1e-6)
    assert weights.sum() ** 2 / (weights**2).sum() == pytest.approx(stated["sips_ess"], rel=1e-6)
    last = sample.prefix_weights()[:, -1]
    assert last.max() == pytest.approx(stated["rips_last_pos_max_w"], rel=1e-6)


@pytest.mark.parametrize("name", NAMES[:2])
@pytest.mark.parametrize("method", ["subsets", "integral"])
def test_plackett_luce_marginals_equal_the_saved_ones(name: str, method: str) -> None:
    saved = arrays(name)
    slates = saved["action"].reshape(len(saved["logit_b"]), -1).astype(np.int64)
    marginals = plackett_luce_marginals(saved["logit_b"], slates.shape[1], method)
    slot = np.take_along_axis(marginals, slates[..., None], axis=2)[..., 0]
    np.testing.assert_allclose(slot.reshape(-1), saved["pscore_item_position"], rtol=1e-9)


def test_probabilities_in_each_others_places_are_noticed() -> None:
    saved = arrays("slate_cascade")
    prefix = saved["pscore_cascade"].reshape(-1, 3)
    slot = saved["pscore_item_position"].reshape(-1, 3)
    rewards = saved["reward"].reshape(-1, 3)
    with pytest.raises(PropensityError, match="row 0"):
        SlateSample(rewards=rewards, prefix_propensities=slot, slot_propensities=prefix)
