"""The Open Bandit Dataset in its official layout; all rows here but the last test's are made up."""

import gzip
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from rlrec.data import load_open_bandit
from rlrec.data.open_bandit import (
    BetaPrior,
    OpenBandit,
    load_beta_prior,
    thompson_probabilities,
)
from rlrec.data.raw_files import RawFile
from rlrec.errors import ConfigError, DataError, PropensityError, UnknownNameError
from rlrec.evaluation.offline.evaluate import evaluate_offline
from tests.evaluation.offline.reference import reference_folder

HEADER = (
    ",timestamp,item_id,position,click,propensity_score,user_feature_0,user_feature_1,"
    "user-item_affinity_0,user-item_affinity_1,user-item_affinity_2"
)
ROUNDS = [
    "0,2019-11-24 00:00:09.979311+00:00,2,3,1,0.5,c0ffee,ab,0.0,0.0,1.0",
    "1,2019-11-24 00:00:01.100000+00:00,0,1,0,0.25,c0ffee,cd,0.0,0.0,0.0",
    "2,2019-11-24 00:00:05.000000+00:00,1,2,0,1.0,decade,ab,0.0,2.0,0.0",
]
ITEMS = [",item_id,item_feature_0,item_feature_1", "0,0,-0.5,aa", "1,1,0.25,bb", "2,2,1.5,aa"]


def write(folder: Path, rounds: list[str] = ROUNDS, packed: bool = False) -> Path:
    place = folder / "random" / "men"
    place.mkdir(parents=True)
    text = "\n".join([HEADER, *rounds, ""]).encode()
    if packed:
        (place / "men.csv.gz").write_bytes(gzip.compress(text))
    else:
        (place / "men.csv").write_bytes(text)
    (place / "item_context.csv").write_text("\n".join([*ITEMS, ""]))
    return folder


def load(folder: Path, n_rows: int = 3) -> OpenBandit:
    return load_open_bandit(folder, "men", "random", expect=n_rows)


@pytest.mark.parametrize("packed", [False, True])
def test_rounds_become_a_log_in_order_of_time(tmp_path: Path, packed: bool) -> None:
    found = load(write(tmp_path, packed=packed))
    log = found.log
    assert log.column("slate")[:, 0].tolist() == [0, 1, 2]
    assert log.column("reward").tolist() == [0, 0, 1]
    assert np.exp(log.column("log_propensity")).tolist() == pytest.approx([0.25, 1.0, 0.5])
    assert log.column("context").tolist() == np.eye(3).tolist()
    assert np.diff(log.column("timestamp")).tolist() == [4, 4]
    assert found.user_columns == (
        "user_feature_0=c0ffee",
        "user_feature_0=decade",
        "user_feature_1=ab",
        "user_feature_1=cd",
    )
    assert log.column("user").tolist() == [[1, 0, 0, 1], [0, 1, 1, 0], [1, 0, 1, 0]]
    assert found.catalogue.topic_names == ("aa", "bb")
    assert found.catalogue.features[:, 0].tolist() == [-0.5, 0.25, 1.5]


def test_a_policy_of_positions_is_spread_over_the_rows(tmp_path: Path) -> None:
    found = load(write(tmp_path))
    table = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.5, 0.3, 0.1]])
    assert found.probabilities(table).tolist() == table.T.tolist()
    with pytest.raises(DataError, match=r"shape \(3, 3\)"):
        found.probabilities(table[:2])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",2,3,1,0.5,", ",7,3,1,0.5,", r"line 2, column 'item_id': expected 0 to 2, found 7"),
        (",2,3,1,0.5,", ",2,0,1,0.5,", r"line 2, column 'position': expected 1, 2 or 3"),
        (",2,3,1,0.5,", ",2,3,2,0.5,", r"line 2, column 'click': expected 0 or 1, found 2"),
        ("2019-11-24 00:00:09.979311+00:00", "soon", "column 'timestamp'"),
        (",2,3,1,0.5,", ",2,3,1,,", "column 'propensity_score': expected a value"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    folder = write(tmp_path, [line.replace(old, new) for line in ROUNDS])
    with pytest.raises(DataError, match=message):
        load(folder)


@pytest.mark.parametrize("propensity", ["0.0", "1.2", "-0.1"])
def test_propensities_outside_their_range_are_refused(tmp_path: Path, propensity: str) -> None:
    folder = write(tmp_path, [line.replace("0.25", propensity) for line in ROUNDS])
    with pytest.raises(PropensityError, match=r"line 3, column 'propensity_score'"):
        load(folder)


def test_items_are_numbered_by_whole_numbers(tmp_path: Path) -> None:
    folder = write(tmp_path)
    context = folder / "random" / "men" / "item_context.csv"
    rows = [line.replace(f",{n},", f",{n}.4,", 1) for n, line in enumerate(ITEMS[1:])]
    context.write_text("\n".join([ITEMS[0], *rows, ""]))
    with pytest.raises(DataError, match=r"line 2, column 'item_id': .* in order, found 0\.4"):
        load(folder)


def test_the_rounds_are_unpacked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path, packed=True)
    read: list[str] = []
    whole = RawFile.read

    def counted(file: RawFile) -> bytes:
        read.append(file.name)
        return whole(file)

    monkeypatch.setattr(RawFile, "read", counted)
    load(folder)
    assert sorted(read) == ["item_context.csv", "men.csv"]


def test_counts_are_checked(tmp_path: Path) -> None:
    folder = write(tmp_path)
    with pytest.raises(DataError, match=r"expected 4 rows, found 3.*pass expect=3"):
        load(folder, 4)
    with pytest.raises(DataError, match="has 34 items, found 3"):
        load_open_bandit(folder, "men", "random")
    with pytest.raises(ConfigError, match="1 or more"):
        load(folder, 0)


def test_wrong_names_and_places_are_told(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'women'"):
        load_open_bandit(tmp_path, "woman")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="no policy"):
        load_open_bandit(tmp_path, "men", "ts")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="holds 'random' and 'bts'"):
        load_open_bandit(write(tmp_path), "men", "bts")


def test_what_was_found_and_the_terms_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        load(write(tmp_path))
    assert "3 rounds of 3 items, 1 clicks" in caplog.text
    assert "CC BY 4.0" in caplog.text


def test_thompson_sampling_of_two_items_shows_the_likelier_one_as_often_as_it_wins() -> None:
    prior = BetaPrior(np.array([3.0, 2.0]), np.array([2.0, 4.0]))
    n = 200_000
    found = thompson_probabilities(prior, n_draws=n, seed=3, n_positions=2)
    grid = (np.arange(20_000) + 0.5) / 20_000
    wins = float(np.mean(stats.beta.pdf(grid, 3, 2) * stats.beta.cdf(grid, 2, 4)))
    # 5 standard errors of n draws
    assert abs(found[0, 0] - wins) < 5 * np.sqrt(wins * (1 - wins) / n)
    assert found.sum(axis=0).tolist() == [1.0, 1.0]
    assert found.sum(axis=1).tolist() == [1.0, 1.0]


def test_a_prior_is_read_and_checked(tmp_path: Path) -> None:
    path = tmp_path / "prior_bts.yaml"
    path.write_text("men:\n  alpha: [1.0, 2.0]\n  beta: [3.0, 4.0]\n")
    assert load_beta_prior(path, "men").beta.tolist() == [3.0, 4.0]
    with pytest.raises(DataError, match="under 'all'"):
        load_beta_prior(path, "all")
    path.write_text("men:\n  alpha: [1.0, 0.0]\n  beta: [3.0, 4.0]\n")
    with pytest.raises(DataError, match="above 0"):
        load_beta_prior(path, "men")
    with pytest.raises(ConfigError, match=r"n_positions in 1\.\.2"):
        thompson_probabilities(BetaPrior(np.ones(2), np.ones(2)))


@pytest.fixture(scope="module")
def men() -> dict[str, Any]:
    if "RLREC_DATA_DIR" not in os.environ:
        pytest.skip("needs RLREC_DATA_DIR")
    folder = Path(os.environ["RLREC_DATA_DIR"]) / "obd-men"
    return {name: load_open_bandit(folder, "men", name) for name in ("random", "bts")}


def test_thompson_sampling_judged_from_the_random_log_has_the_known_value(
    men: dict[str, Any],
) -> None:
    arrays = np.load(reference_folder() / "obd_men.npz")
    target = men["random"].probabilities(arrays["pi_e_by_action_position"])
    found = evaluate_offline({"bts": target}, men["random"].log, estimators=["ips"])["bts", "ips"]
    assert found.value == pytest.approx(0.00453, abs=5e-6)
    assert found.diagnostics.effective_sample_size == pytest.approx(2467, abs=1)


def test_the_uniform_policy_has_656_effective_rounds_in_the_log_of_thompson_sampling(
    men: dict[str, Any],
) -> None:
    uniform = men["bts"].probabilities(np.full((34, 3), 1 / 34))
    results = evaluate_offline({"uniform": uniform}, men["bts"].log, estimators=["ips"])
    assert round(float(results.table()["effective_sample_size"].iloc[0])) == 656


def test_the_published_sample_has_its_counts(men: dict[str, Any]) -> None:
    assert [int(men[name].log.column("reward").sum()) for name in ("random", "bts")] == [46, 69]
    assert np.exp(men["random"].log.column("log_propensity")) == pytest.approx(1 / 34)
