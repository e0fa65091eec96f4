"""What the ways into offline evaluation refuse, before a policy is asked for anything."""

from typing import Any

import numpy as np
import pytest

from rlrec.arrays import Floats, Ints, Observations
from rlrec.data import InteractionLog
from rlrec.errors import ConfigError, DataError, UnknownNameError
from rlrec.evaluation.offline import (
    BanditSample,
    RidgeModel,
    SessionSample,
    SlateSample,
    estimate_logging_policy,
    evaluate_offline,
    evaluate_samples,
    stream_offline,
)
from rlrec.evaluation.offline.fitted_q import LinearQ
from rlrec.slates import SlateDraw


class Silent:
    """A policy that must not be asked."""

    def act(
        self, observations: Observations, rng: np.random.Generator, deterministic: bool = False
    ) -> SlateDraw:
        raise AssertionError("rows were judged before the arguments were checked")

    def log_probs(self, observations: Observations, slates: Ints) -> Floats:
        raise AssertionError("rows were judged before the arguments were checked")


def rounds(n: int = 100) -> BanditSample:
    return BanditSample(
        rewards=np.arange(float(n)) % 2, propensities=np.full(n, 0.5), target_probs=np.full(n, 0.5)
    )


def sessions(n: int = 100, discount: float = 1.0) -> SessionSample:
    return SessionSample(
        rewards=np.arange(2.0 * n) % 2,
        lengths=np.full(n, 2),
        discount=discount,
        propensities=np.full(2 * n, 0.5),
        target_probs=np.full(2 * n, 0.5),
    )


SHARED: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"confidence": 95}, ConfigError, "confidence must lie between 0 and 1 .*got 95"),
    ({"confidence": "0.95"}, ConfigError, "confidence must lie between 0 and 1"),
    ({"n_replicates": 100.0}, ConfigError, r"n_replicates must be a whole number.*100\.0 \(float"),
    ({"n_replicates": 0}, ConfigError, "n_replicates must be 100 or more"),
    ({"n_replicates": 99}, ConfigError, "n_replicates must be 100 or more"),
    ({"seed": -1}, ConfigError, "seed must be 0 or more, got -1"),
    ({"seed": "a"}, ConfigError, "seed must be a whole number"),
    ({"thresholds": {"n_users": 3}}, ConfigError, r"thresholds must be Thresholds\(\.\.\.\)"),
    ({"value_range": (1.0, 0.0)}, ConfigError, "value_range must rise"),
    ({"value_range": (0.0, np.nan)}, ConfigError, "value_range must be two numbers"),
    ({"value_range": (0, 1, 2)}, ConfigError, "value_range must be two numbers"),
    ({"value_range": 1.0}, ConfigError, "value_range must be two numbers"),
    ({"estimators": []}, ConfigError, "at least one estimator"),
    ({"estimators": ["ips", "ips"]}, ConfigError, r"these stand twice: \['ips'\]"),
    ({"estimators": 3}, ConfigError, "must be names or estimators in a list, got 3"),
]

NOT_STREAMED: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"interval": "bootstap"}, UnknownNameError, "Did you mean 'bootstrap'"),
    ({"interval": None}, UnknownNameError, "no interval is called None"),
    (
        {"contribution_range": (0.0, 1.0)},
        ConfigError,
        "interval 'bootstrap' does not use contribution_range",
    ),
    ({"interval": "hoeffding"}, ConfigError, "'hoeffding' needs contribution_range"),
    (
        {"interval": "hoeffding", "contribution_range": (0.0, np.inf)},
        ConfigError,
        "contribution_range must be two finite numbers that rise",
    ),
]

OF_LOGS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"discount": "1"}, ConfigError, "discount must be above 0"),
    ({"discount": 0.9}, ConfigError, "each session of this log has one step"),
]

ONLY_WHOLE: list[tuple[dict[str, Any], type[Exception], str]] = [
    (
        {"estimators": ["ips"], "reward_model": "ridge"},
        ConfigError,
        "leave reward_model out, or add one that does",
    ),
    ({"reward_model": "rigde", "estimators": "ips"}, UnknownNameError, "Did you mean 'ridge'"),
    ({"reward_model": RidgeModel}, ConfigError, r"got the class RidgeModel: write RidgeModel\(\)"),
    ({"reward_model": ""}, UnknownNameError, "no reward model is called ''"),
    ({"reward_model": LinearQ()}, ConfigError, "LinearQ models returns of sessions"),
    ({"features": lambda seen, slates: slates}, ConfigError, "leave features out"),
    ({"features": 3, "reward_model": "ridge"}, ConfigError, "features must be a function"),
    ({"logging": "multinomial"}, ConfigError, r"what estimate_logging_policy\(log\) returns"),
]


@pytest.mark.parametrize(("arguments", "error", "words"), SHARED + OF_LOGS)
def test_streams_refuse_at_once(
    bandit: Any, arguments: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        stream_offline(Silent(), bandit.log(200), **arguments)


@pytest.mark.parametrize(
    ("arguments", "error", "words"), SHARED + OF_LOGS + NOT_STREAMED + ONLY_WHOLE
)
def test_the_one_call_refuses_at_once(
    bandit: Any, arguments: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        evaluate_offline(Silent(), bandit.log(200), **arguments)


@pytest.mark.parametrize(("arguments", "error", "words"), SHARED + NOT_STREAMED)
def test_samples_refuse_the_same(
    arguments: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        evaluate_samples({"a": [rounds()]}, **({"estimators": ["ips"]} | arguments))


@pytest.mark.parametrize("n_rows", [0, -1, 2.5])
def test_a_stream_needs_rows_to_hold(bandit: Any, n_rows: Any) -> None:
    with pytest.raises(ConfigError, match=r"n_rows must be .*1 or more"):
        stream_offline(Silent(), bandit.log(20), n_rows=n_rows)


@pytest.mark.parametrize("log", [None, "logs/a", np.zeros(3)])
def test_a_log_is_a_log(log: Any) -> None:
    for call in (evaluate_offline, stream_offline):
        with pytest.raises(ConfigError, match=r"InteractionLog\.open\(folder\) reads one"):
            call(Silent(), log)


def test_a_name_alone_is_one_estimator(bandit: Any) -> None:
    log = bandit.log(400)
    streamed = stream_offline(bandit.target, log, estimators="ips")
    assert [each.estimator for each in streamed.estimates] == ["ips"]
    assert streamed["policy", "ips"].value == pytest.approx(
        evaluate_offline(bandit.target, log, estimators="ips")["policy", "ips"].value
    )
    with pytest.raises(UnknownNameError, match=r"no estimator called 'isp'.*Did you mean 'ips'"):
        stream_offline(bandit.target, log, estimators="isp")


def test_a_discount_belongs_to_sessions(visits: Any, bandit: Any) -> None:
    log = visits.record(bandit.logging, 60, seed=1)
    for call in (evaluate_offline, stream_offline):
        assert call(bandit.logging, log, discount=0.9).facts.discount == 0.9


def test_estimated_propensities_do_not_replace_logged_ones(bandit: Any) -> None:
    log = bandit.log(300)
    columns = {name: each for name, each in log.columns().items() if "propensity" not in name}
    bare = InteractionLog.from_columns(columns, log.metadata)
    estimated = estimate_logging_policy(bare, "popularity")
    with pytest.raises(ConfigError, match=r"propensities of its own.*leave `logging` out"):
        evaluate_offline(Silent(), log, logging=estimated)
    with pytest.raises(DataError, match="of 300 rows, the log has 100"):
        evaluate_offline(Silent(), bandit.log(100), logging=estimated)
    assert evaluate_offline(bandit.target, bare, logging=estimated).facts.caveats


@pytest.mark.parametrize(
    ("samples", "arguments", "error", "words"),
    [
        (rounds(), {}, ConfigError, "a dict from each policy's name .*got BanditSample"),
        ({}, {}, ConfigError, "at least one policy"),
        ({"a": rounds()}, {}, ConfigError, r"needs a list.*write \{'a': \[sample\]\}"),
        ({"a": []}, {}, ConfigError, "'a' must have at least one sample"),
        ({"a": [np.zeros(3)]}, {}, ConfigError, "BanditSample, .*got ndarray"),
        ({"a": [rounds(), rounds()]}, {}, ConfigError, "'a' has two samples of rounds"),
        (
            {"a": [rounds()], "b": [rounds(99)]},
            {},
            DataError,
            "policy 'a' has 100 rounds, policy 'b' 99 rounds",
        ),
        (
            {"a": [rounds(), SlateSample(slate_rewards=np.ones(7))]},
            {},
            DataError,
            "100 rounds, policy 'a' 7 slates",
        ),
        (
            {"a": [sessions(discount=0.9)], "b": [sessions()]},
            {"estimators": ["pdis"]},
            DataError,
            r"'a' is 0\.9, of policy 'b' 1\.0",
        ),
        ({"a": [rounds()]}, {"users": np.arange(99)}, DataError, r"shape \(100,\), got \(99,\)"),
        ({"a": [rounds()]}, {"users": np.arange(100.0)}, DataError, "whole numbers or text"),
        ({"a": [rounds()]}, {"estimators": ["rips"]}, ConfigError, "no sample of slates"),
    ],
)
def test_wrong_samples_are_told(
    samples: Any, arguments: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        evaluate_samples(samples, **({"estimators": ["ips"]} | arguments))


def test_users_of_samples_may_be_named() -> None:
    names = [f"u{number // 2}" for number in range(100)]
    results = evaluate_samples({"a": [rounds()]}, "ips", users=names)
    assert results.facts.n_users == 50


@pytest.mark.parametrize("key", ["a", ("policy",), ("policy", "ips", 3), 3, ("policy", 3)])
def test_results_are_found_by_two_names(key: Any) -> None:
    results = evaluate_samples({"policy": [rounds()]}, ["ips"])
    with pytest.raises(UnknownNameError, match=r"as in results\['policy', 'ips'\]"):
        results[key]
