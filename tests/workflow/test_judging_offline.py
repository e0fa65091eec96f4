"""`rlrec ope`."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from rlrec.baselines import load_baseline, make_baseline
from rlrec.data import InteractionLog
from rlrec.envs import make_simulator
from rlrec.evaluation.offline import BanditSample, evaluate_samples
from rlrec.policy import RandomPolicy, with_random_slates
from rlrec.workflow.cli import app
from rlrec.workflow.judging_offline import _named_apart, table_rows

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of random slates, the same without propensities or environment, and a baseline."""
    path = tmp_path_factory.mktemp("ope")
    users = make_simulator("rlrec/TopicBoredom-v0", 600, n_items=12, slate_size=2)
    log = InteractionLog.record(RandomPolicy(12, 2), users, 600, seed=3)
    log.write(path / "log")
    columns = {name: values for name, values in log.columns().items() if "propens" not in name}
    InteractionLog.from_columns(columns, log.metadata).write(path / "bare")
    make_baseline("popularity").fit(log, users.catalogue).softened(2.0).save(path / "softened")
    make_baseline("popularity").fit(log, users.catalogue).save(path / "greedy")
    return path


def test_policies_are_judged_on_a_log(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    words = ["--log", "log", "--policy", "random", "--policy", "softened"]
    words += ["--json", str(tmp_path / "o.json"), "--html", str(tmp_path / "o.html")]
    done = RUNNER.invoke(app, ["ope", *words, "--estimator", "snips", "--estimator", "ips"])
    assert done.exit_code == 0, done.output
    estimates = json.loads((tmp_path / "o.json").read_text())["estimates"]
    assert [(each["policy"], each["estimator"]) for each in estimates] == [
        ("random", "snips"),
        ("random", "ips"),
        ("softened", "snips"),
        ("softened", "ips"),
    ]
    logged = InteractionLog.open(folder / "log").column("reward").mean()
    assert estimates[0]["value"] == pytest.approx(logged)
    assert "random less softened" in done.output
    assert "<svg" in (tmp_path / "o.html").read_text()


def test_a_greedy_policy_can_be_softened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    words = ["ope", "--log", "log", "--policy", "greedy", "--estimator", "snips"]
    assert "unsupported" in RUNNER.invoke(app, words).output
    softened = RUNNER.invoke(app, [*words, "--temperature", "5"])
    assert "unsupported" not in softened.output
    assert softened.exit_code == 0


def test_a_stream_says_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    words = ["ope", "--log", "log", "--policy", "random", "--estimator", "ips"]
    whole, streamed = RUNNER.invoke(app, words), RUNNER.invoke(app, [*words, "--stream"])
    assert streamed.exit_code == 0
    logged = InteractionLog.open("log").column("reward").mean()
    assert f"{logged:.4g}" in whole.output
    assert f"{logged:.4g}" in streamed.output


def test_a_log_without_propensities_has_a_model_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    words = ["ope", "--log", "bare", "--policy", "random"]
    assert "model only" in RUNNER.invoke(app, words).output
    estimated = RUNNER.invoke(app, [*words, "--estimate-logging", "popularity"])
    assert "Propensities are estimated (popularity), not logged" in estimated.output


def test_a_range_is_given_by_the_words_of_python(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    words = ["ope", "--log", "log", "--policy", "random", "--estimator", "ips"]
    words += ["--interval", "hoeffding", "--contribution-range", "-50", "50"]
    done = RUNNER.invoke(app, [*words, "--value-range", "-50", "50"])
    assert done.exit_code == 0, done.output
    assert "(hoeffding)" in done.output


def test_policies_of_one_title_are_told_apart_by_their_folder() -> None:
    first, second, other = RandomPolicy(3, 1), RandomPolicy(3, 1), RandomPolicy(3, 1)
    found = [("a", "Random slates", first), ("b", "Random slates", second), ("b", "ALS", other)]
    named = _named_apart(found)
    assert list(named) == ["a: Random slates", "b: Random slates", "ALS"]
    assert named["a: Random slates"] is first and named["b: Random slates"] is second


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--log", "nowhere", "--policy", "random"], "expected the folder of a log"),
        (["--log", "log", "--policy", "nowhere"], "no saved model in nowhere"),
        (["--log", "log", "--policy", "random", "--estimator", "snps"], "Did you mean 'snips'?"),
        (["--log", "bare", "--policy", "random", "--estimator", "ips"], "estimate_logging_policy"),
        (["--log", "log", "--policy", "random", "--arg", "n_items=3"], "--arg belongs to --env"),
        (
            ["--log", "log", "--policy", "random", "--stream", "--interval", "delta"],
            "--stream keeps sums only",
        ),
        (
            ["--log", "log", "--policy", "random", "--json", "no/x.json"],
            "no/x.json cannot be written",
        ),
        (["--log", "log", "--policy", "random", "--policy", "random"], "names random twice"),
        (["--log", "log", "--policy", "greedy", "--policy", "./greedy"], "first as greedy"),
        (["--log", "log", "--policy", "random", "--temperature", "5"], "there is none among"),
        (
            ["--log", "log", "--policy", "random", "--estimator", "ips", "--reward-model", "rigde"],
            "Did you mean 'ridge'?",
        ),
        (
            ["--log", "log", "--policy", "random", "--interval", "hoeffding"],
            "'hoeffding' needs contribution_range",
        ),
        (
            ["--log", "log", "--policy", "random", "--estimate-logging", "popularity"],
            "propensities of its own",
        ),
        (["--log", "nowhere", "--policy", "nowhere", "--confidence", "95"], "confidence must lie"),
        (
            ["--log", "log", "--policy", "random", "--estimate-logging", "asl"],
            "Did you mean 'als'?",
        ),
    ],
)
def test_errors_are_one_line(
    folder: Path, words: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    failed = RUNNER.invoke(app, ["ope", *words])
    assert failed.exit_code == 2
    (line,) = [line for line in failed.stderr.splitlines() if line.startswith("rlrec: ")]
    assert message in line


def test_the_logging_policy_is_named_for_estimators_of_slots(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(folder)
    words = ["ope", "--log", "log", "--policy", "random", "--estimator", "iips"]
    words += ["--estimator", "pi", "--json", str(tmp_path / "o.json")]
    refused = RUNNER.invoke(app, words)
    assert refused.exit_code != 0
    assert "--logging-policy" in refused.output
    done = RUNNER.invoke(app, [*words, "--logging-policy", "random"])
    assert done.exit_code == 0, done.output
    logged = InteractionLog.open("log").column("reward").mean()
    for each in json.loads((tmp_path / "o.json").read_text())["estimates"]:
        assert each["value"] == pytest.approx(logged)


def test_a_logging_policy_that_did_not_write_the_log_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    words = ["ope", "--log", "log", "--policy", "random", "--estimator", "iips"]
    wrong = RUNNER.invoke(app, [*words, "--logging-policy", "softened"])
    assert wrong.exit_code != 0
    assert "must be the policy that wrote the log" in " ".join(wrong.output.split())
    alone = RUNNER.invoke(app, [*words, "--logging-random-share", "0.5"])
    assert "belongs to --logging-policy" in " ".join(alone.output.split())


def test_random_slates_mixed_into_the_logging_policy_are_stated(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(folder)
    users = make_simulator("rlrec/TopicBoredom-v0", 200, n_items=12, slate_size=2)
    mixed = with_random_slates(load_baseline("softened"), users, 0.3)
    log = InteractionLog.record(mixed, users, 200, seed=4)
    log.write(tmp_path / "mixed")
    words = ["ope", "--log", str(tmp_path / "mixed"), "--policy", "random"]
    words += ["--logging-policy", "softened", "--logging-random-share"]
    done = RUNNER.invoke(app, [*words, "0.3"])
    assert done.exit_code == 0, done.output
    assert RUNNER.invoke(app, [*words, "0.2"]).exit_code != 0


def test_differences_that_the_log_does_not_support_are_counted_not_shown() -> None:
    rng = np.random.default_rng(0)
    rewards = rng.random(2_000)

    def sample(weight: float) -> BanditSample:
        return BanditSample(
            rewards=rewards,
            propensities=np.full(2_000, 0.5),
            target_probs=np.where(rng.random(2_000) < 0.5, 0.5 + weight, 0.5 - weight),
        )

    absent = BanditSample(
        rewards=rewards, propensities=np.full(2_000, 0.5), target_probs=np.zeros(2_000)
    )
    known = {"a": [sample(0.1)], "b": [sample(0.2)]}
    shown = table_rows(evaluate_samples(known | {"c": [absent]}, ["ips"]))
    assert [row[0] for row in shown[1][2]] == ["a less b"]
    assert shown[1][0].endswith("2 more are unsupported")
    assert table_rows(evaluate_samples(known, ["ips"]))[1][0].endswith("same resamples")
    assert len(table_rows(evaluate_samples({"a": known["a"], "c": [absent]}, ["ips"]))) == 1
