"""Values of a public package's sequential estimators, on arrays kept outside the repository."""

import json
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from rlrec.arrays import Floats
from rlrec.evaluation.offline.intervals import (
    frozen_bootstrap,
    hoeffding_interval,
    student_t_interval,
)
from rlrec.evaluation.offline.marginalised import (
    DRL,
    SAMDR,
    SAMIS,
    SAMSNIS,
    SMDR,
    SMIS,
)
from rlrec.evaluation.offline.return_distribution import (
    cdf_dm,
    cdf_dr,
    cdf_sndr,
    cdf_sntis,
    cdf_tis,
    grid_cdf,
    grid_summary,
    raw_cdf,
)
from rlrec.evaluation.offline.sequential import (
    PDIS,
    SNPDIS,
    SNTIS,
    TIS,
    SequentialDM,
    SequentialDR,
    SequentialEstimator,
    SequentialSNDR,
)
from rlrec.evaluation.offline.session_sample import SessionSample
from tests.evaluation.offline.reference import reference_folder

SETS = ("rl_rec_T5", "rl_rec_T10", "rl_basic_T4")
PACKAGE: dict[str, SequentialEstimator] = {
    "dm": SequentialDM(),
    "tis": TIS(),
    "pdis": PDIS(),
    "dr": SequentialDR(),
    "sntis": SNTIS(),
    "snpdis": SNPDIS(),
    "sndr": SequentialSNDR(),
    "sam-is(k=0)": SAMIS(),
    "sam-is(k=1)": SAMIS(exact_steps=1),
    "sam-is(k=2)": SAMIS(exact_steps=2),
    "sam-snis(k=0)": SAMSNIS(),
    "sam-snis(k=1)": SAMSNIS(exact_steps=1),
    "sam-snis(k=2)": SAMSNIS(exact_steps=2),
}
FORMULAS: dict[str, SequentialEstimator] = {
    "tis": TIS(),
    "pdis": PDIS(),
    "dr": SequentialDR(),
    "dm": SequentialDM(),
    "sntis": SNTIS(),
    "snpdis": SNPDIS(),
    "sndr": SequentialSNDR(),
    "sam-is (w(s_t,a_t) r_t)": SAMIS(),
    "sm-is (w(s_t) rho_t r_t)": SMIS(),
    "sam-dr correct (k=0)": SAMDR(),
    "sm-dr correct (w(s_t) rho_t)": SMDR(),
    "drl correct (with gamma)": DRL(),
    "wpdis (global self-normalised per step)": SNPDIS(),
}


@cache
def _expected(name: str) -> Any:
    text = (reference_folder() / "expected_rl.json").read_text()
    return json.loads(text)["sets"][name]


@cache
def _arrays(name: str) -> dict[str, Any]:
    with np.load(reference_folder() / f"{name}.npz") as file:
        return dict(file)


@cache
def _sample(name: str) -> SessionSample:
    arrays = _arrays(name)
    rows = np.arange(len(arrays["reward"]))
    actions = arrays["action"].astype(int)
    target, q = arrays["evaluation_policy_action_dist"], arrays["state_action_value_prediction"]
    n_steps = int(arrays["step_per_trajectory"])
    return SessionSample(
        rewards=arrays["reward"],
        lengths=np.full(len(rows) // n_steps, n_steps),
        discount=float(arrays["gamma"]),
        propensities=arrays["pscore"],
        target_probs=target[rows, actions],
        q_hat=q[rows, actions],
        v_hat=(target * q).sum(axis=1),
        state_weights=arrays["state_marginal_importance_weight"],
        state_action_weights=arrays["state_action_marginal_importance_weight"],
    )


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("estimator", PACKAGE)
def test_a_value_is_that_of_the_package(name: str, estimator: str) -> None:
    found = PACKAGE[estimator].terms(_sample(name)).value
    expected = _expected(name)["estimators_scope_rl"][estimator]["value"]
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("estimator", FORMULAS)
def test_a_value_is_that_of_the_formula(name: str, estimator: str) -> None:
    found = FORMULAS[estimator].terms(_sample(name)).value
    expected = _expected(name)["own_formula_not_scope_rl"][estimator]
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_all_values_by_formula_are_looked_at() -> None:
    assert set(_expected(SETS[0])["own_formula_not_scope_rl"]) == set(FORMULAS)


@pytest.mark.parametrize("name", SETS)
def test_bootstrap_limits_are_those_of_the_package(name: str) -> None:
    terms = [estimator.terms(_sample(name)) for estimator in PACKAGE.values()]
    for found, estimator in zip(frozen_bootstrap(terms), PACKAGE, strict=True):
        limits = _expected(name)["estimators_scope_rl"][estimator]["scope_rl_bootstrap"]
        assert found.mean == pytest.approx(limits["mean"], rel=1e-6, abs=1e-9)
        assert found.lower == pytest.approx(limits["lower"], rel=1e-6, abs=1e-9)
        assert found.upper == pytest.approx(limits["upper"], rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("estimator", ["dm", "tis", "pdis", "dr", "sam-is(k=0)", "sam-is(k=2)"])
def test_bounds_are_those_of_their_formulas(name: str, estimator: str) -> None:
    terms = PACKAGE[estimator].terms(_sample(name))
    assert terms.denominators is None
    units = terms.numerators.sum(axis=1)
    bounds = _expected(name)["estimators_scope_rl"][estimator]["formula_bounds_ours"]
    expected = bounds["t_two_sided"]
    np.testing.assert_allclose(student_t_interval(terms), expected, rtol=1e-6, atol=1e-9)
    observed = (float(units.min()), float(units.max()))
    expected = bounds["hoeffding_two_sided_observed_range"]
    np.testing.assert_allclose(hoeffding_interval(terms, observed), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", SETS)
def test_weights_are_those_of_the_diagnostics(name: str) -> None:
    weights = TIS().terms(_sample(name)).weights
    assert weights is not None
    expected = _expected(name)["diagnostics_by_formula"]
    assert weights.max() == pytest.approx(expected["tis_max_w"], rel=1e-6)
    assert weights.mean() == pytest.approx(expected["tis_mean_w"], rel=1e-6)
    ess = weights.sum() ** 2 / (weights**2).sum()
    assert ess == pytest.approx(expected["tis_ess"], rel=1e-6)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("form", ["cd-dm", "cd-tis", "cd-sntis", "cd-tdr", "cd-sntdr"])
def test_a_distribution_is_that_of_the_package(name: str, form: str) -> None:
    sample = replace(_sample(name), discount=1.0)
    points: Floats = _arrays(name)["reward_grid"]
    weights = sample.weights[sample.last_rows]
    modelled: Floats = _arrays(name)["initial_state_value_prediction"]
    terms = {
        "cd-dm": cdf_dm(modelled, points),
        "cd-tis": cdf_tis(sample.returns, weights, points),
        "cd-sntis": cdf_sntis(sample.returns, weights, points),
        "cd-tdr": cdf_dr(sample.returns, weights, modelled, points),
        "cd-sntdr": cdf_sndr(sample.returns, weights, modelled, points),
    }[form]
    expected = _expected(name)["cumulative_distribution_scope_rl_gamma1"][form]
    cdf = grid_cdf(raw_cdf(terms))
    if form in ("cd-tis", "cd-sntis"):
        cdf[0] = 0.0  # the package's first value for these two, whatever lies there
    np.testing.assert_allclose(cdf, expected["cdf"], rtol=1e-6, atol=1e-9)
    summary = grid_summary(points, cdf, shares=(0.1, 0.3, 0.5))
    assert summary.mean == pytest.approx(expected["mean"], rel=1e-6, abs=1e-9)
    assert summary.variance == pytest.approx(expected["variance"], rel=1e-6, abs=1e-9)
    np.testing.assert_allclose(summary.cvar, expected["cvar_at_0.1_0.3_0.5"], rtol=1e-6, atol=1e-9)
    limits = expected["iqr_alpha0.05"]
    assert summary.median == pytest.approx(limits["median"], rel=1e-6)
    assert summary.low == pytest.approx(limits["95.0% quartile (lower)"], rel=1e-6)
    assert summary.high == pytest.approx(limits["95.0% quartile (upper)"], rel=1e-6)
