"""Values of two public packages' bandit estimators, on arrays kept outside the repository."""

import json
import math
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlrec.evaluation.offline.bandit import (
    DM,
    DR,
    IPS,
    SNDR,
    SNIPS,
    BanditEstimator,
    ClippedDR,
    ClippedIPS,
    DRos,
    Replay,
    SubGaussianDR,
    SubGaussianIPS,
    SwitchDR,
    TunableEstimator,
)
from rlrec.evaluation.offline.bandit_sample import BanditSample
from rlrec.evaluation.offline.intervals import (
    empirical_bernstein_margin,
    frozen_bootstrap,
    hoeffding_margin,
    student_t_margin,
)
from rlrec.evaluation.offline.mips import MIPS, SNMIPSOfMarginals
from rlrec.evaluation.offline.slope import Tuned, mse
from tests.evaluation.offline.reference import reference_folder

SETS = ("obd_all", "obd_men", "synthetic_binary", "synthetic_continuous", "synthetic_poor_overlap")
FIXED: dict[str, BanditEstimator] = {
    "ipw(lambda=inf)": IPS(),
    "dr(lambda=inf)": DR(),
    "snipw": SNIPS(),
    "dm": DM(),
    "sndr": SNDR(),
    "rm(det)": Replay(),
    "ipw": IPS(),
    "mips": MIPS(),
    "snmips": SNMIPSOfMarginals(),
}
TUNABLE: dict[str, Callable[[float], TunableEstimator]] = {
    "ipw": ClippedIPS,
    "sg-ipw": SubGaussianIPS,
    "dr": ClippedDR,
    "switch-dr": SwitchDR,
    "dr-os": DRos,
    "sg-dr": SubGaussianDR,
}
TUNINGS = [
    f"{name}|{criterion}"
    for name in ("ipw", "dr", "switch-dr", "dr-os", "sg-dr")
    for criterion in ("slope", "mse|bias_upper_bound=True", "mse|bias_upper_bound=False")
]
CRITERIA = {"slope": "slope", "mse|bias_upper_bound=True": "mse_bound"}


def estimator(key: str) -> BanditEstimator:
    """Return what `ipw(lambda=5.0)` and its like mean."""
    if key in FIXED:
        return FIXED[key]
    match = re.fullmatch(r"(.+)\(lambda=(.+)\)", key)
    assert match is not None, key
    return TUNABLE[match[1]](float(match[2]))


@cache
def expected(name: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((reference_folder() / "expected_bandit.json").read_text())
    kept: dict[str, Any] = values["sets"][name]
    return kept


@cache
def sample(name: str) -> BanditSample:
    with np.load(reference_folder() / f"{name}.npz") as arrays:
        if "pi_e" in arrays:
            target = arrays["pi_e"]
        else:
            target = arrays["pi_e_by_action_position"][:, arrays["position"]].T
        extra: dict[str, Any] = {}
        if "pi_e_det_action" in arrays:
            extra["target_actions"] = arrays["pi_e_det_action"]
        if "q_hat" in arrays:
            extra["q_hat"] = arrays["q_hat"]
        if "action_embed" in arrays:
            extra["embeddings"] = arrays["action_embed"]
            extra["embedding_probs"] = arrays["p_e_a"]
        if "pi_b" in arrays:
            extra["logging_distribution"] = arrays["pi_b"]
        return BanditSample(
            rewards=arrays["reward"],
            propensities=arrays["pscore"],
            target_probs=target[np.arange(len(target)), arrays["action"]],
            target_distribution=target,
            actions=arrays["action"],
            **extra,
        )


def near(value: float) -> Any:
    return pytest.approx(value, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", [*SETS, "synthetic_mips"])
def test_values_are_those_of_the_package(name: str) -> None:
    found, wanted = {}, {}
    for key, entry in expected(name)["estimators"].items():
        if "pruning" not in key:
            found[key] = estimator(key).terms(sample(name)).value
            wanted[key] = entry["value"]
    assert len(found) >= 3
    assert found == near(wanted)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [*SETS, "synthetic_mips"])
def test_frozen_intervals_are_those_of_the_package(name: str) -> None:
    entries = {k: e for k, e in expected(name)["estimators"].items() if "lower" in e}
    terms = [estimator(key).terms(sample(name)) for key in entries]
    for entry, interval in zip(entries.values(), frozen_bootstrap(terms), strict=True):
        assert interval.lower == near(entry["lower"])
        assert interval.upper == near(entry["upper"])
        assert interval.mean == near(entry["boot_mean"])


@pytest.mark.parametrize("name", SETS)
def test_lower_bounds_are_those_of_the_package(name: str) -> None:
    values = IPS().terms(sample(name)).numerators[:, 0]
    for key, entry in expected(name)["lower_bounds_on_ipw_rounds"].items():
        delta, width = float(key.removeprefix("delta=")), float(values.max())
        margins = {
            "hoeffding": hoeffding_margin(len(values), width, delta),
            "empirical_bernstein": empirical_bernstein_margin(values, width, delta),
            "student_t": student_t_margin(values, delta),
        }
        for method, margin in margins.items():
            assert values.mean() - margin == near(entry[method])


@pytest.mark.parametrize("tuning", TUNINGS)
@pytest.mark.parametrize("name", SETS)
def test_tuning_chooses_as_the_package_does(name: str, tuning: str) -> None:
    entry = expected(name)["tuning"][tuning]
    key, criterion = tuning.split("|", 1)
    tuned = Tuned(
        TUNABLE[key],
        [float(one) for one in entry["lambdas"]],
        CRITERIA.get(criterion, "mse"),  # type: ignore[arg-type]
    )
    chosen = tuned.choose(sample(name))
    assert chosen.lambda_ == float(entry["best_lambda"])
    assert chosen.terms(sample(name)).value == near(entry["value"])
    if "mse_scores" in entry:
        bound = tuned.criterion == "mse_bound"
        candidates = [TUNABLE[key](float(one)) for one in entry["lambdas"]]
        scores = [mse(one, sample(name), bound) for one in candidates]
        assert scores == near(entry["mse_scores"])


@pytest.mark.parametrize("search", ["exact", "greedy"])
def test_searching_dimensions_of_embeddings_finds_what_the_package_finds(search: str) -> None:
    entry = expected("synthetic_mips")["estimators"][f"mips|{search}-pruning"]
    found = MIPS(fewest_dimensions=1, is_greedy=search == "greedy")
    assert found.terms(sample("synthetic_mips")).value == near(entry["value"])


@pytest.mark.parametrize("name", SETS)
def test_diagnostics_follow_from_the_weights(name: str) -> None:
    entry = expected(name)["diagnostics_by_formula"]
    weights = IPS().terms(sample(name)).weights
    assert weights is not None
    assert weights.mean() == near(entry["mean_weight"])
    assert weights.max() == near(entry["max_weight"])
    assert math.pow(weights.sum(), 2) / (weights**2).sum() == near(entry["ess"])


def test_the_on_policy_mean_is_known() -> None:
    with np.load(Path(reference_folder()) / "obd_all.npz") as arrays:
        reward = arrays["bts_log_reward"].astype(np.float64)
    assert reward.mean() == near(expected("obd_all")["on_policy_bts_mean_reward"]["value"])
