"""`rlrec validate-users`: fitted users beside a log that they never saw, as a table and a card."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from rlrec.envs.fitting.ratings.made_up_ratings import made_up_ratings
from rlrec.envs.fitting.validation.comparing import TOLD_APART, Comparison, Verdict
from rlrec.envs.fitting.validation.foretelling import FORETOLD, Foretold, Loss
from rlrec.evaluation import Estimate
from rlrec.workflow.cli import app
from rlrec.workflow.user_card import UserCard, verdict_rows

RUN = CliRunner()


def call(*words: str | Path) -> Result:
    return RUN.invoke(app, [str(word) for word in words])


def worked(*words: str | Path) -> Result:
    shown = call(*words)
    assert shown.exit_code == 0, shown.output
    return shown


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a log of slates and ratings, and with users fitted to each."""
    folder = tmp_path_factory.mktemp("validating")
    world = ["--env", "rlrec/TopicBoredom-v0", "--arg", "n_items=30", "--arg", "n_steps=20"]
    words = [*world, "--arg", "slate_size=4", "--steps", "4000", "--users", "100"]
    worked("log", *words, "--out", folder / "log")
    worked("fit-users", "--log", folder / "log", "--out", folder / "of_slates")
    write_ratings(folder / "u.data")
    words = ["--ratings", str(folder / "u.data"), "--holdout", "0.3"]
    worked("fit-users", *words, "--out", folder / "of_ratings")
    worked("fit-users", *words, "--worlds", "2", "--out", folder / "worlds")
    return folder


def write_ratings(path: Path) -> None:
    """Write made-up ratings in the format of MovieLens 100K."""
    made = made_up_ratings()
    times = np.random.default_rng(0).integers(1, 10_000, len(made))
    columns = (made.user_index + 1, made.item_index + 1, made.values.astype(int), times)
    path.write_text("\n".join("\t".join(map(str, row)) for row in zip(*columns, strict=True)))


def aspects(card: dict[str, Any]) -> dict[str, Any]:
    return {one["aspect"]: one for one in card["aspects"]}


def test_users_of_slates_are_compared_with_a_log(folder: Path) -> None:
    words = ["validate-users", "--users", f"{folder}/of_slates", "--log", f"{folder}/log"]
    shown = worked(*words, "--out", folder / "card")
    card = json.loads((folder / "card" / "card.json").read_text())
    found = aspects(card)
    assert found["click rate by slot"]["word"] == "agrees"
    assert found["hours between visits"]["word"] == "not told"
    assert found["hours between visits"]["simulated"] is None
    # Visits of exactly 20 steps all ended: a hazard that rises is another law, and is told to be.
    assert found["steps of a visit"]["word"] == "differs"
    assert all(aspect in shown.stdout for aspect in found)
    assert "steps of a visit" in card["verdict"]["differs"]
    # The very log that they were fitted to.
    assert card["n_known_persons"] == card["n_persons"] > 20
    assert "have labels of those fitted to" in card["verdict"]["headline"]
    assert "every verdict is too kind" in shown.stdout
    assert card["foretold"]["losses"][0]["name"] == "fitted users"
    assert str(folder / "card" / "card.html") in shown.stdout


def test_users_of_ratings_are_compared_with_persons_left_out(folder: Path) -> None:
    words = ["validate-users", "--users", f"{folder}/of_ratings"]
    words += ["--ratings", f"{folder}/u.data"]
    shown = worked(*words, "--out", folder / "rated")
    card = json.loads((folder / "rated" / "card.json").read_text())
    found = aspects(card)
    assert found["share of each topic"]["word"] == "agrees"
    assert 0 < found["share of each topic"]["p_value"] <= 1
    assert card["verdict"]["headline"] in shown.stdout
    assert card["population"] == "all" and len(card["users_card"]) > 10
    assert {"fitted users", "popularity"} <= {each["name"] for each in card["foretold"]["losses"]}


def test_the_page_says_the_verdict_first_and_hides_none(folder: Path) -> None:
    words = ["validate-users", "--users", f"{folder}/of_ratings"]
    words += ["--ratings", f"{folder}/u.data"]
    worked(*words, "--out", folder / "page")
    page = (folder / "page" / "card.html").read_text()
    card = json.loads((folder / "page" / "card.json").read_text())
    assert page.index(card["verdict"]["headline"]) < page.index("<table>")
    for aspect, one in aspects(card).items():
        assert f"<td>{aspect}</td>" in page and one["word"] in page
    assert page.count('<figure class="small">') == len(card["seen"])
    assert "http" not in page.replace("http-equiv", "") and "<script" not in page


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--users", "of_slates"], "give either a log of slates (--log) or ratings (--ratings)"),
        (["--users", "of_slates", "--ratings", "u.data"], "holds users fitted to slates"),
        (["--users", "of_ratings", "--log", "log"], "holds users fitted to ratings"),
        (["--users", "log", "--log", "log"], "model.json"),
        (["--users", "worlds", "--log", "log"], "holds several worlds of users"),
        (["--users", "worlds", "--ratings", "u.data"], "worlds/world-0, worlds/world-1, ..."),
        (["--users", "of_ratings", "--ratings", "u.data", "--channel", "x"], "--channel is for"),
        (["--users", "of_ratings", "--ratings", "u.data", "--population", "x"], "no population is"),
        (["--users", "of_ratings", "--ratings", "u.data", "--out", "u.data"], "needs a folder"),
    ],
)
def test_what_does_not_work_is_said_in_a_line(
    words: list[str], message: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    shown = call("validate-users", *words)
    assert shown.exit_code == 2 and message in shown.stderr
    assert "Traceback" not in shown.output


def test_users_fitted_to_everybody_have_nobody_to_be_compared_with(folder: Path) -> None:
    ratings = folder / "u.data"
    worked("fit-users", "--ratings", ratings, "--out", folder / "of_all")
    shown = call("validate-users", "--users", folder / "of_all", "--ratings", ratings)
    assert shown.exit_code == 2 and "--holdout 0.3" in shown.stderr


def card_of(*verdicts: Verdict, losses: tuple[Loss, ...] = (), n_known: int = 0) -> UserCard:
    return UserCard(
        users="users",
        data="log",
        kind="slates",
        population="new",
        seed=0,
        comparison=Comparison(list(verdicts), {}, [], 40),
        foretold=Foretold("a look", losses, (), 0.0, ()),
        assumptions=(),
        n_known=n_known,
    )


def test_the_control_that_is_not_beaten_is_named() -> None:
    losses = (
        Loss("fitted users", 0.5, None, is_control=False),
        Loss("one click rate", 0.7, Estimate(0.2, 0.1, 0.3, 0.05, 40)),
        Loss("shuffled time", 0.501, Estimate(0.001, -0.1, 0.1, 0.05, 40)),
    )
    card = card_of(Verdict(FORETOLD, 0.5, 0.501, np.nan, "differs"), losses=losses)
    (sentence,) = card.advice
    assert sentence.endswith("better (log-loss 0.500) than by: shuffled time (0.501).")


def test_a_classifier_is_told_with_its_rule_and_what_was_not_compared_is_no_silence() -> None:
    card = card_of(
        Verdict(TOLD_APART, 0.8, 0.5, np.nan, "differs"),
        Verdict("hours between visits", np.nan, np.nan, np.nan, "not compared"),
        n_known=3,
    )
    assert "3 of its 40 persons" in card.headline and "0 of 1 aspects" in card.headline
    agreeing = card_of(Verdict("ratings", 0.1, 0.1, 0.5, "agrees"), card.verdicts[1])
    assert agreeing.headline.endswith("all 1 aspects that were compared.")
    known, apart, left_out = card.advice
    assert "too kind" in known and "at most 0.75 agrees" in apart
    assert left_out == "Told by the log, but not compared: hours between visits."
    assert [row[-1] for row in verdict_rows(card)] == [
        "differs (rule: AUC up to 0.75)",
        "not compared",
    ]
