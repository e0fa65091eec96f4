"""Rankings of policies: probabilities, risks, and quality against known truths."""

import itertools
import math
from typing import Any

import numpy as np
import pytest

from rlrec.errors import ConfigError, DataError, UnknownNameError
from rlrec.evaluation.offline.evaluate import evaluate_offline
from rlrec.evaluation.offline.offline_results import OfflineResults
from rlrec.evaluation.offline.selection import (
    Ranking,
    kendall_tau,
    probability_best,
    rank_policies,
    top_risk,
)
from rlrec.evaluation.offline.verdict import Verdict

REPLICATES = np.array([[3.0, 1.0, 2.0], [1.0, 2.0, 2.0], [0.0, 5.0, 1.0], [4.0, 4.0, 4.0]])


def test_who_leads_is_counted_and_ties_are_shared() -> None:
    third = 1 / 3
    expected = np.array([1 + third, 0.5 + 1 + third, 0.5 + third]) / 4
    assert probability_best(REPLICATES) == pytest.approx(expected)


def test_risks_of_a_choice_by_hand() -> None:
    risk = top_risk(REPLICATES, np.array([0, 2]))
    assert risk.missed == pytest.approx((0 + 0.5 + 1 + 1 / 3) / 4)
    assert risk.expected_regret == pytest.approx((0 + 0 + 4 + 0) / 4)
    assert risk.expected_worst == pytest.approx((2 + 1 + 0 + 4) / 4)
    assert top_risk(REPLICATES, np.arange(3))[1:3] == (0.0, 0.0)


def test_what_the_first_misses_is_what_the_others_lead() -> None:
    replicates = np.random.default_rng(2).standard_normal((500, 4))
    assert top_risk(replicates, np.array([1])).missed == pytest.approx(
        1 - probability_best(replicates)[1]
    )


def test_the_probability_of_normals_is_that_of_their_difference() -> None:
    n = 100_000
    replicates = np.random.default_rng(1).standard_normal((n, 2)) + np.array([0.5, 0.0])
    expected = 0.5 * (1 + math.erf(0.5 / math.sqrt(2) / math.sqrt(2)))
    # 5 standard errors of n draws
    assert abs(probability_best(replicates)[0] - expected) < 5 * math.sqrt(0.25 / n)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_kendalls_tau_counts_pairs(order: tuple[int, ...]) -> None:
    pairs = list(itertools.combinations(order, 2))
    agree = sum(1 if a < b else -1 for a, b in pairs)
    found = kendall_tau(np.arange(4.0), np.array(order, np.float64))
    assert found == pytest.approx(agree / len(pairs))


def test_tau_without_any_order_is_nan() -> None:
    assert math.isnan(kendall_tau(np.array([1.0]), np.array([1.0])))
    assert math.isnan(kendall_tau(np.array([1.0, 2.0]), np.array([3.0, 3.0])))


def judged(bandit: Any, n_rows: int = 4_000, **arguments: Any) -> OfflineResults:
    policies = {"logged": bandit.logging, "better": bandit.target, "best": bandit.best}
    return evaluate_offline(policies, bandit.log(n_rows, **arguments), estimators=["snips"])


def test_a_log_with_support_finds_the_order(bandit: Any) -> None:
    ranking = rank_policies(judged(bandit), "snips")
    assert ranking.policies == ("best", "better", "logged")
    assert ranking.probability_best()[0] > 0.99
    assert ranking.top_risk(1).missed < 0.01
    truth = {name: bandit.value(getattr(bandit, name)) for name in ("best",)}
    truth |= {"better": bandit.value(bandit.target), "logged": bandit.value(bandit.logging)}
    assert ranking.against(truth) == (1.0, 0.0)
    assert ranking.table()["place"].tolist() == [1, 2, 3]


def test_policies_without_support_are_not_ranked_but_count_for_the_regret(bandit: Any) -> None:
    log = bandit.log(4_000)
    never = np.where(
        log.column("slate")[:, 0] == 0, 0.0, 1e-3
    )  # as if what it shows was not logged
    policies = {"logged": bandit.logging, "better": bandit.target, "elsewhere": never}
    ranking = rank_policies(evaluate_offline(policies, log, estimators=["snips"]), "snips")
    assert ranking.policies == ("better", "logged")
    assert "no support" in ranking.unranked["elsewhere"]
    below = ranking.table().set_index("policy").loc["elsewhere"]
    assert below["verdict"] == "unsupported"
    assert bool(below[["place", "value", "probability_best"]].isna().all())
    truth = {"elsewhere": 0.85, "better": 0.625, "logged": 0.4}
    assert ranking.against(truth).regret_at_1 == pytest.approx(0.225)


def test_a_ranking_by_a_model_alone_says_so(bandit: Any) -> None:
    policies = {"logged": bandit.logging, "better": bandit.target}
    results = evaluate_offline(policies, bandit.log(2_000), estimators=["dm", "snips"])
    modelled = rank_policies(results, "dm")
    assert modelled.table()["verdict"].tolist() == ["model only", "model only"]
    assert set(modelled.table()["reason"]) == {"the interval leaves out the model's own error"}
    assert modelled.verdicts["better"].word == "model only"
    weighted = rank_policies(results, "snips").table()
    assert weighted["verdict"].tolist() == ["supported", "supported"]
    assert set(weighted["reason"]) == {""}


def test_nothing_supported_is_nothing_to_rank(bandit: Any) -> None:
    with pytest.raises(ConfigError, match="nothing to rank"):
        rank_policies(judged(bandit, n_rows=40), "snips")


def test_wrong_calls_are_told(bandit: Any) -> None:
    results = judged(bandit)
    with pytest.raises(UnknownNameError, match="Did you mean 'snips'"):
        rank_policies(results, "snip")
    with pytest.raises(ConfigError, match="results from JSON lack"):
        rank_policies(OfflineResults.from_json(results.to_json()), "snips")
    ranking = rank_policies(results, "snips")
    with pytest.raises(ConfigError, match=r"1\.\.3"):
        ranking.top_risk(4)
    with pytest.raises(UnknownNameError, match="'best' has no true value"):
        ranking.against({"better": 1.0, "logged": 0.0})
    with pytest.raises(DataError, match="row 0 of policy 1"):
        probability_best(np.array([[1.0, math.nan]]))


@pytest.mark.parametrize("gap", [0.0, 0.3])
def test_the_probability_is_honest_over_many_logs(gap: float) -> None:
    """Of policies whose truth is drawn, one said to be best with probability p is best about so."""
    n_logs, n_replicates = 2_000, 200
    rng = np.random.default_rng(4)
    truth = rng.standard_normal((n_logs, 2)) * 10 + np.array([gap, 0.0])  # a flat prior, nearly
    estimates = truth + rng.standard_normal((n_logs, 2)) * 3
    said, right = [], []
    for values, true in zip(estimates, truth, strict=True):
        replicates = values + rng.standard_normal((n_replicates, 2)) * 3
        order = np.argsort(-values)
        said.append(probability_best(replicates[:, order])[0])
        right.append(true[order[0]] == true.max())
    error = np.std(np.array(right) - np.array(said)) / math.sqrt(n_logs)
    # 4 standard errors of 2,000 logs, and what the prior takes from extreme estimates (9 in 109)
    assert abs(np.mean(right) - np.mean(said)) < 4 * error + 0.02


def test_a_ranking_can_be_made_of_arrays() -> None:
    ranking = Ranking(
        estimator="ips",
        policies=("a", "b", "c"),
        values=np.array([2.0, 1.9, 1.0]),
        replicates=REPLICATES,
        unranked={},
        verdicts=dict.fromkeys("abc", Verdict(word="supported", reason="")),
    )
    assert ranking.table()["missed_from_here"].iloc[-1] == 0
