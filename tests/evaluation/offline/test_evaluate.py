"""The one call, on logs whose truth is known."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlrec.data import InteractionLog
from rlrec.errors import ConfigError, DataError, PropensityError, UnknownNameError
from rlrec.evaluation.offline.bandit_sample import BanditSample
from rlrec.evaluation.offline.evaluate import evaluate_offline, evaluate_samples
from rlrec.evaluation.offline.offline_results import OfflineResults
from rlrec.evaluation.offline.policy_probabilities import TargetProbabilities
from rlrec.evaluation.offline.verdict import Thresholds
from rlrec.policy import RandomPolicy

ROUNDS = ["ips", "snips", "dm", "dr", "sndr", "clipped_ips=50", "switch_dr=50", "dr_os=500"]
SESSIONS = ["tis", "pdis", "sntis", "snpdis", "dm", "dr", "sndr"]


def without(log: InteractionLog, *names: str) -> InteractionLog:
    columns = {name: values for name, values in log.columns().items() if name not in names}
    return InteractionLog.from_columns(columns, log.metadata)


@pytest.mark.parametrize("estimator", ROUNDS)
def test_estimates_of_rounds_meet_the_truth(bandit: Any, estimator: str) -> None:
    log = bandit.log(20_000)
    found = evaluate_offline(bandit.target, log, estimators=[estimator])["policy", estimator]
    # half a nominal interval of 95 % is 1.96 standard errors: the truth lies within 4 of them
    reach = 4 / 1.96 * (found.upper - found.lower) / 2
    if estimator == "dm":  # the error of the model is in no interval
        reach = max(reach, 0.01)
    assert abs(found.value - bandit.value(bandit.target)) < reach
    assert reach < 0.04
    assert found.verdict.word == ("model only" if estimator == "dm" else "supported")


@pytest.mark.parametrize("estimator", SESSIONS)
def test_estimates_of_sessions_meet_the_truth(visits: Any, bandit: Any, estimator: str) -> None:
    log = visits.record(bandit.logging, 4_000, seed=5)
    results = evaluate_offline(bandit.target, log, estimators=[estimator], discount=0.9)
    found = results["policy", estimator]
    reach = 4 / 1.96 * (found.upper - found.lower) / 2
    assert abs(found.value - visits.value(bandit.target, 0.9)) < max(reach, 0.03)
    assert reach < 0.35
    assert results.facts.unit == "sessions"


@pytest.mark.parametrize("estimator", ["ips", "snips", "dr", "sndr"])
def test_the_logging_policy_is_judged_as_logged(bandit: Any, estimator: str) -> None:
    log = bandit.log(2_000)
    found = evaluate_offline(bandit.logging, log, estimators=[estimator])["policy", estimator]
    # a model fitted to other users is not exact, and cancels but for its own noise
    tolerance = 1e-12 if "dr" not in estimator else 0.01
    assert found.value == pytest.approx(log.column("reward").mean(), abs=tolerance)
    assert found.diagnostics.effective_sample_size == pytest.approx(2_000)


def test_sessions_of_the_logging_policy_are_judged_as_logged(visits: Any, bandit: Any) -> None:
    log = visits.record(bandit.logging, 300, seed=6)
    results = evaluate_offline(bandit.logging, log, estimators=["pdis", "snpdis", "sntis"])
    expected = log.column("reward").sum() / 600
    np.testing.assert_allclose(results.table()["value"], expected, rtol=1e-12)
    assert results.facts.logged_value == pytest.approx(expected)


@pytest.mark.parametrize("estimator", ["ips", "snips", "dm", "dr", "sndr", "clipped_ips=5"])
def test_a_policy_outside_the_log_is_not_supported(bandit: Any, estimator: str) -> None:
    log = bandit.log(4_000, never=2)
    always = np.zeros((4_000, 3))
    always[:, 2] = 1.0
    found = evaluate_offline(always, log, estimators=[estimator])["policy", estimator]
    assert found.verdict.word == "unsupported"
    assert (found.lower, found.upper) == (0.0, 1.0)
    assert found.unsupported_share == 1.0
    assert "has no support in the log" in found.verdict.reason


def test_a_policy_half_outside_the_log_is_not_supported(bandit: Any) -> None:
    log = bandit.log(4_000, never=2)
    table = evaluate_offline(bandit.target, log).table()
    assert set(table["verdict"]) == {"unsupported"}
    # the target shows choice 2 in 0.5 and 0.2 of the rounds of each context
    np.testing.assert_allclose(table["unsupported_share"], 0.35, atol=0.05)


def test_a_given_range_is_that_of_unsupported_estimates(bandit: Any) -> None:
    results = evaluate_offline(bandit.target, bandit.log(100), value_range=(-1.0, 2.0))
    found = results["policy", "snips"]
    assert found.verdict.word == "unsupported"
    assert (found.lower, found.upper) == (-1.0, 2.0)
    assert results.facts.range_origin == "given"


def test_thresholds_are_arguments(bandit: Any) -> None:
    loose = Thresholds(effective_sample_size=0, n_users=1)
    found = evaluate_offline(bandit.target, bandit.log(100), thresholds=loose)["policy", "snips"]
    assert found.verdict.word == "supported"
    assert found.upper - found.lower < 0.5


def test_differences_are_paired(bandit: Any) -> None:
    log = bandit.log(10_000)
    nearly = bandit.logging.table * 0.9 + bandit.target.table * 0.1
    policies = {"nearly": type(bandit.logging)(nearly), "logging": bandit.logging}
    results = evaluate_offline(policies, log, estimators=["snips"])
    row = results.differences().iloc[0]
    alone = results["nearly", "snips"]
    assert row["lower"] < row["difference"] < row["upper"]
    assert row["difference"] == pytest.approx(alone.value - results["logging", "snips"].value)
    assert row["upper"] - row["lower"] < 0.35 * (alone.upper - alone.lower)
    assert row["probability_better"] > 0.99


def test_differences_with_an_unsupported_policy_tell_nothing(bandit: Any) -> None:
    log = bandit.log(4_000, never=2)
    results = evaluate_offline({"a": bandit.target, "b": bandit.logging}, log)
    row = results.differences().iloc[0]
    assert (row["verdict"], row["lower"], row["upper"]) == ("unsupported", -1.0, 1.0)
    assert np.isnan(row["probability_better"])


def test_a_single_policy_has_no_differences(bandit: Any) -> None:
    with pytest.raises(ConfigError, match="two policies or more"):
        evaluate_offline(bandit.target, bandit.log(200)).differences()


def test_arrays_and_policies_give_the_same_numbers(bandit: Any) -> None:
    log = bandit.log(3_000)
    contexts = log.column("context")[:, 0].astype(int)
    choices = bandit.target.table[contexts]
    logged = np.take_along_axis(choices, log.column("slate"), axis=1)
    policies = {
        "policy": bandit.target,
        "choices": choices,
        "logged": logged[:, 0],
        "given": TargetProbabilities(logged, choices),
    }
    values = evaluate_offline(policies, log, estimators=["ips", "snips"]).table()
    for _, group in values.groupby("estimator"):
        np.testing.assert_allclose(group["value"], group["value"].iloc[0], rtol=1e-12)
    modelled = {name: policies[name] for name in ("policy", "choices", "given")}
    table = evaluate_offline(modelled, log, estimators=["dm", "dr"]).table()
    for _, group in table.groupby("estimator"):
        np.testing.assert_allclose(group["value"], group["value"].iloc[0], rtol=1e-9)


def test_without_propensities_only_models_answer(bandit: Any) -> None:
    log = without(bandit.log(6_000), "log_propensity")
    results = evaluate_offline(bandit.target, log)
    (found,) = results.estimates
    assert (found.estimator, found.verdict.word) == ("dm", "model only")
    assert abs(found.value - bandit.value(bandit.target)) < 0.05
    with pytest.raises(PropensityError, match="estimate_logging_policy"):
        evaluate_offline(bandit.target, log, estimators=["snips"])


def test_sessions_without_propensities_have_fitted_q(visits: Any, bandit: Any) -> None:
    log = without(visits.record(bandit.logging, 4_000, seed=7), "log_propensity")
    (found,) = evaluate_offline(bandit.target, log, estimators=["fqe"]).estimates
    assert abs(found.value - visits.value(bandit.target)) < 0.05
    assert found.verdict.word == "model only"


def test_the_interval_is_a_choice(bandit: Any) -> None:
    log = bandit.log(5_000)
    widths = {}
    for interval in ("bootstrap", "delta", "student_t"):
        found = evaluate_offline(bandit.target, log, interval=interval)["policy", "ips"]
        widths[interval] = found.upper - found.lower
    assert widths["delta"] < widths["student_t"] < 1.01 * widths["delta"]
    # a bootstrap of 1,000 replicates is within 5 of its standard errors of the normal interval
    assert abs(widths["bootstrap"] / widths["delta"] - 1) < 0.2
    results = evaluate_offline(
        bandit.target,
        log,
        estimators=["ips"],
        interval="hoeffding",
        contribution_range=(0.0, 2.5),
    )
    found = results["policy", "ips"]
    assert found.upper - found.lower > widths["delta"]


def test_same_seed_same_results(bandit: Any) -> None:
    log = bandit.log(1_000)
    tables = [
        evaluate_offline(bandit.target, log, estimators=["dr", "snips"], seed=3).table()
        for _ in range(2)
    ]
    assert tables[0].equals(tables[1])


def test_rows_of_a_user_are_resampled_together(bandit: Any) -> None:
    log = bandit.log(2_000)
    columns = log.columns()
    columns["user_id"] = np.arange(2_000)
    alone = InteractionLog.from_columns(columns, log.metadata)
    columns["user_id"] = np.arange(2_000) // 40
    whole = InteractionLog.from_columns(columns, log.metadata)
    assert evaluate_offline(bandit.target, alone).facts.n_users == 2_000
    assert evaluate_offline(bandit.target, whole).facts.n_users == 50


def test_results_are_written_and_read(bandit: Any, tmp_path: Path) -> None:
    log = bandit.log(600, never=2)
    results = evaluate_offline({"a<b": bandit.target, "dm": bandit.logging}, log)
    results.to_json(tmp_path / "results.json")
    text = (tmp_path / "results.json").read_text()
    again = OfflineResults.from_json(text)
    assert again.table().equals(results.table())
    assert again.facts == results.facts
    assert json.loads(text)["estimates"][0]["policy"] == "a<b"
    with pytest.raises(DataError, match="not offline estimates"):
        OfflineResults.from_json('{"format": "other", "version": 1}')


def test_the_plot_greys_out_what_is_not_supported(bandit: Any, tmp_path: Path) -> None:
    results = evaluate_offline({"a<b": bandit.best, "logged": bandit.logging}, bandit.log(900))
    svg = results.to_svg(tmp_path / "plot.svg")
    assert (tmp_path / "plot.svg").read_text() == svg
    assert "a&lt;b, ips" in svg
    assert svg.count("<circle") == sum(
        each.verdict.word != "unsupported" for each in results.estimates
    )
    html = results.to_html(tmp_path / "plot.html")
    assert "a<b" not in html
    assert "900 rounds of 450 users" in html


@pytest.mark.parametrize("reward", [1e17, -1e17, 1e307, 1e-17, 0.0, np.inf, np.nan])
def test_rewards_that_are_all_one_number_are_drawn(bandit: Any, reward: float) -> None:
    log = bandit.log(300)
    is_usual = abs(reward) < 1e10
    columns = log.columns() | {"reward": np.full(300, reward if is_usual else 1.0)}
    results = evaluate_offline(
        bandit.target, InteractionLog.from_columns(columns, log.metadata), estimators=["snips"]
    )
    if not is_usual:
        (each,) = results.estimates
        results = replace(
            results,
            estimates=(replace(each, value=reward, lower=reward, upper=reward),),
            facts=replace(results.facts, logged_value=reward, value_range=(reward, reward)),
        )
    for drawn in (results.to_svg(), results.to_html()):
        numbers = re.findall(r'(?:x1|x2|cx|y1|y2)="([^"]*)"', drawn)
        assert numbers and all(math.isfinite(float(number)) for number in numbers)
        assert 1 <= drawn.count('text-anchor="middle" fill="#5c6b7c"') <= 12


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"estimators": ["snipps"]}, UnknownNameError, "Did you mean 'snips'"),
        ({"estimators": ["snips=3"]}, ConfigError, "snips does not use lambda_"),
        ({"estimators": ["clipped_ips"]}, ConfigError, "needs either lambda_ or tune"),
        ({"estimators": ["clipped_ips=much"]}, ConfigError, "followed by a number"),
        ({"estimators": ["ips", "ips"]}, ConfigError, "stand twice"),
        ({"estimators": []}, ConfigError, "at least one estimator"),
        ({"estimators": ["prefix_pdis"]}, ConfigError, "is one of sessions"),
        ({"estimators": [object()]}, ConfigError, "annotated with one of them"),
        ({"interval": "boot"}, UnknownNameError, "Did you mean 'bootstrap'"),
        ({"discount": 0.0}, ConfigError, "discount must be above 0"),
        ({"confidence": 1.0}, ConfigError, "confidence must lie between"),
        ({"value_range": (1.0, 0.0)}, ConfigError, "value_range must rise"),
        ({"reward_model": "forest", "estimators": ["dm"]}, UnknownNameError, "no reward model"),
        ({"n_replicates": 1}, ConfigError, "n_replicates must be 100 or more"),
    ],
)
def test_bad_arguments_are_refused(
    bandit: Any, arguments: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        evaluate_offline(bandit.target, bandit.log(100), **arguments)


@pytest.mark.parametrize(
    ("policy", "error", "words"),
    [
        ("best", ConfigError, "must be a SlatePolicy"),
        (np.full(99, 0.5), DataError, "must have shape"),
        (np.full((100, 3), 0.5), PropensityError, "must sum to 1; row 0"),
        (np.full(100, np.nan), PropensityError, r"must lie in \[0, 1\]"),
        ({}, ConfigError, "at least one policy"),
    ],
)
def test_bad_policies_are_refused(
    bandit: Any, policy: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        evaluate_offline(policy, bandit.log(100))


def test_slates_have_estimators_of_their_own() -> None:
    from rlrec.envs import make_simulator

    users = make_simulator("rlrec/TopicBoredom-v0", 400, n_items=20, slate_size=3)
    policy = RandomPolicy(20, 3)
    log = InteractionLog.record(policy, users, 400, seed=2)
    results = evaluate_offline(policy, log, users=users)
    assert list(results.table()["estimator"]) == ["ips", "snips", "rips", "snrips"]
    np.testing.assert_allclose(results.table()["value"], log.column("reward").mean(), rtol=1e-9)


def test_samples_are_judged_like_logs(bandit: Any) -> None:
    log = bandit.log(2_000)
    contexts = log.column("context")[:, 0].astype(int)
    target = bandit.target.table[contexts, log.column("slate")[:, 0]]
    sample = BanditSample(
        rewards=log.column("reward"),
        propensities=np.exp(log.column("log_propensity")),
        target_probs=target,
    )
    results = evaluate_samples({"policy": [sample]}, ["ips", "snips"], users=log.column("user_id"))
    expected = evaluate_offline(bandit.target, log)
    np.testing.assert_allclose(results.table()["value"], expected.table()["value"], rtol=1e-9)
    np.testing.assert_allclose(results.table()["lower"], expected.table()["lower"], rtol=1e-9)
    assert list(results.table()["verdict"]) == ["supported", "supported"]


def test_replay_of_uneven_logging_is_not_supported() -> None:
    rng = np.random.default_rng(0)
    context = rng.integers(2, size=4_000)
    propensities = np.where(context == 0, 0.9, 0.1)  # of the action that the target takes
    taken = rng.random(4_000) < propensities
    sample = BanditSample(
        rewards=(context == 0).astype(np.float64),
        propensities=np.where(taken, propensities, 1 - propensities),
        target_probs=taken.astype(np.float64),
    )
    results = evaluate_samples({"target": [sample]}, ["replay", "ips"])
    replay, ips = results["target", "replay"], results["target", "ips"]
    assert replay.verdict.word == "unsupported" and "uniform logging" in replay.verdict.reason
    assert ips.verdict.word == "supported" and ips.lower < 0.5 < ips.upper


def test_a_model_alone_says_nothing_of_what_a_log_never_shows(bandit: Any) -> None:
    log = without(bandit.log(1_000), "log_propensity")
    n_choices = int(log.column("slate").max()) + 2
    new = np.zeros((log.n_rows, n_choices))
    new[:, -1] = 1.0
    (estimate,) = evaluate_offline(new, log, estimators="dm").estimates
    assert estimate.verdict.word == "unsupported"
    assert "100% of what the policy does has no support in the log" in estimate.verdict.reason


def test_missing_mass_widens_intervals_to_hold_what_it_may_be_worth() -> None:
    rng = np.random.default_rng(3)
    n = 50_000
    clicks = (rng.random(n) < 0.05).astype(np.float64)
    # the log draws one of nine; the target gives 2 % to a tenth, which always pays
    sample = BanditSample(
        rewards=clicks, propensities=np.full(n, 1 / 9), target_probs=np.full(n, 0.98 / 9)
    )
    for estimate in evaluate_samples({"target": [sample]}, ["ips", "snips"]).estimates:
        assert estimate.verdict.word == "supported"
        assert estimate.lower < 0.98 * 0.05 + 0.02 < estimate.upper
