"""What `rlrec data` says; all rows here are made up."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from rlrec.data import InteractionLog, read_catalogue
from rlrec.data.data_sets import DATA_SETS
from rlrec.workflow.cli import app
from tests.data import test_coat, test_kuairand

RUNNER = CliRunner()


def said(*words: str) -> str:
    """Return what `rlrec data WORDS` prints."""
    done = RUNNER.invoke(app, ["data", *words])
    assert done.exit_code == 0, done.output
    return done.output


def test_all_data_sets_are_listed_with_their_terms() -> None:
    shown = said()
    for entry in DATA_SETS:
        assert f"{entry.name}\n    {entry.title}\n" in shown
        assert entry.terms in shown and entry.files in shown and entry.source in shown


def test_one_data_set_is_described_with_its_arguments() -> None:
    shown = said("table")
    assert "arguments     user, item, rating=None" in shown
    assert "part='standard'" in said("kuairand")


def test_what_was_found_is_said_with_the_terms(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("u,i,r,t\n1,4,3,0\n2,4,5,86400\n2,5,1,86401\n")
    words = [f"--arg={name}={name[0]}" for name in ("user", "item", "rating", "timestamp")]
    shown = said("table", str(path), *words)
    assert "rows          3 in 2 episodes of 2 users" in shown
    assert "items         2 shown of 2 (0 features, 1 topics)" in shown
    assert "pairs         3 of a user and an item; 25 % of those possible never occur" in shown
    assert "time          1970-01-01 to 1970-01-02" in shown
    assert "rating        1 to 5, mean 3" in shown
    assert "propensities  none" in shown and "terms         those of the data you give" in shown


def test_propensities_are_said(tmp_path: Path) -> None:
    shown = said("coat", str(test_coat.write(tmp_path)))
    assert "propensities  0.3333 to 0.3333, mean 0.3333" in shown
    assert "time          not known" in shown
    assert "none" in said("coat", str(tmp_path), "--arg", "part=chosen")


def test_a_log_is_written_where_asked(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    folder, out = test_kuairand.write(tmp_path / "set"), tmp_path / "log"
    shown = said("kuairand", str(folder), "--arg", "part=random", "--out", str(out))
    assert f"log           {out}" in shown and "CC BY-SA 4.0" in shown
    log = InteractionLog.open(out, read_catalogue(out))
    assert log.metadata.logging_policy == "uniform"


def test_without_out_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    folder = test_kuairand.write(tmp_path / "set")
    before = sorted(tmp_path.rglob("*"))
    assert "click" in said("kuairand", str(folder))
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["lastfn", "x"], "no data set is called 'lastfn'. Did you mean 'lastfm'?"),
        (["lastfm", "nowhere"], "nowhere: expected a file, found nothing there"),
        (["lastfm", "nowhere", "--arg", "valus=log"], "takes no argument 'valus'. Did you mean"),
        (["lastfm", "nowhere", "--arg", "values"], "--arg takes key=value"),
        (["lastfm", "--out", "x"], "--out and --arg need a data set and its path"),
        (["kuairand", "nowhere"], "nowhere: expected the folder of the set, found none"),
        (["table", "nowhere"], "table needs the argument 'user'"),
    ],
)
def test_errors_are_one_line_and_exit_code_2(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    failed = RUNNER.invoke(app, ["data", *words])
    assert failed.exit_code == 2
    assert message in failed.stderr and failed.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
