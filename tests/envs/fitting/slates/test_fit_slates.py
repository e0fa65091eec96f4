"""Users fitted to slates of known users: they behave like those, and say what is assumed."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from rlrec.data import InteractionLog
from rlrec.envs import UserSimulator, make_simulator
from rlrec.envs.fitting.slates.fit_slates import fit_slate_users
from rlrec.envs.fitting.slates.slate_users import ASSUMED, SlateUsersModel
from rlrec.errors import (
    CatalogueMismatchError,
    ConfigError,
    DataError,
    ModelFileError,
    UnknownNameError,
)
from rlrec.policy import RandomPolicy

ENV_ID = "rlrec/FittedUsers-v0"
N_ITEMS, SLATE_SIZE = 60, 4


def known_users(n_users: int = 400, choice: str = "position_based") -> UserSimulator:
    return make_simulator(
        "rlrec/ComposedUsers-v0",
        n_users,
        n_items=N_ITEMS,
        n_topics=6,
        slate_size=SLATE_SIZE,
        taste={"name": "topics", "interests": {"normal": [0.0, 1.0]}, "drift": 0.0},
        choice={"name": choice, "attraction": {"name": "logistic", "offset": 0.5}},
        blocks={
            "taste_drift": {"persistence": 0.9, "sd": 0.3},
            "satiation": {"strength": 0.5, "memory": 0.7},
        },
        leaving={"name": "patience", "relief": 0.0, "poor_cost": 0.0, "tiring": 1.0, "base": -3.0},
    )


def recorded(users: UserSimulator, n_steps: int, seed: int) -> InteractionLog:
    return InteractionLog.record(RandomPolicy(N_ITEMS, SLATE_SIZE), users, n_steps, seed=seed)


@pytest.fixture(scope="module")
def log() -> InteractionLog:
    return recorded(known_users(), 20_000, seed=0)


@pytest.fixture(scope="module")
def model(log: InteractionLog) -> SlateUsersModel:
    catalogue: Any = known_users().catalogue
    return fit_slate_users(log, catalogue)


def told(log: InteractionLog) -> dict[str, float]:
    """Return what a log says of its users."""
    clicks = log.response("click") > 0
    topics: Any = known_users().catalogue
    shown = topics.topics[log.column("slate")]
    steps, ended = log.column("step"), log.column("terminated")
    again = np.zeros(clicks.shape, bool)  # a topic of which something was taken a step before
    goes_on = steps[1:] > 0
    for topic in range(6):
        taken = (clicks & (shown == topic)).any(axis=1)
        again[1:] |= (shown[1:] == topic) & (taken[:-1] & goes_on)[:, None]
    return {
        "click rate": clicks.mean(),
        "first slot": clicks[:, 0].mean(),
        "last slot": clicks[:, -1].mean(),
        "after a click on the topic": clicks[again].mean(),
        "steps of a visit": (steps[ended] + 1).mean(),
    }


@pytest.mark.parametrize("population", ["train", "new"])
def test_fitted_users_do_what_those_of_the_log_did(
    population: str, log: InteractionLog, model: SlateUsersModel
) -> None:
    fitted = make_simulator(ENV_ID, 400, model=model, population=population)
    truth, found = told(log), told(recorded(fitted, 20_000, seed=1))
    other = told(recorded(known_users(), 20_000, seed=2))  # how far two logs are from one another
    for name, value in truth.items():
        allowed = 3 * abs(other[name] - value) + 0.06 * value
        assert abs(found[name] - value) < allowed, (name, value, other[name], found[name])


def test_a_visit_ends_and_all_of_it_is_estimated(model: SlateUsersModel) -> None:
    estimated = {line.name for line in model.card() if line.status == "estimated"}
    assert {"offset", "decay", "strength", "memory", "visit_base", "visit_idle_cost"} <= estimated
    gaps = [line for line in model.card() if line.name.startswith("gap")]
    assert all(line.status == "assumed" and "no timestamp" in line.note for line in gaps)
    assert model.values["gap_median_hours"] == ASSUMED["gap_median_hours"]


def test_a_saved_model_is_the_same_users(model: SlateUsersModel, tmp_path: Path) -> None:
    model.save(tmp_path / "users")
    again = SlateUsersModel.load(tmp_path / "users")
    assert again.fingerprint == model.fingerprint and again.card() == model.card()
    env: Any = gym.make(ENV_ID, path=str(tmp_path / "users"))
    own: Any = gym.make(ENV_ID, model=model)
    for each in (env, own):
        each.reset(seed=3)
    slate = np.arange(SLATE_SIZE)
    for _ in range(5):
        one, other = env.step(slate), own.step(slate)
        np.testing.assert_array_equal(one[0]["last_response"], other[0]["last_response"])
        assert one[1] == other[1]
    path = next((tmp_path / "users").glob("*.safetensors"))
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ModelFileError):
        SlateUsersModel.load(tmp_path / "users")
    shutil.rmtree(tmp_path / "users")


def test_users_of_a_cascade_are_told_by_their_single_clicks() -> None:
    users = known_users(choice="cascade")
    catalogue: Any = users.catalogue
    found = fit_slate_users(recorded(users, 4_000, seed=0), catalogue)
    assert found.scanning == "cascade" and found.values["decay"] == 1.0
    simulated = recorded(make_simulator(ENV_ID, 100, model=found), 1_000, seed=0)
    assert (simulated.response("click") > 0).sum(axis=1).max() == 1


def test_users_may_come_back(model: SlateUsersModel) -> None:
    users = make_simulator(ENV_ID, 20, model=model, comes_back=True, max_steps=60)
    assert "context" in users.observation_spaces
    log = recorded(users, 20 * 60, seed=0)
    assert log.column("truncated").any() and not log.column("terminated").any()
    assert log.column("context")[:, -1].max() > 2  # visits of a user are counted


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"population": "old"}, "no population is called 'old'"),
        ({"drift_weight": 2.0}, "drift_weight is for users learned from ratings"),
        ({"choice": "cascade"}, "choice is for users learned from ratings"),
        ({"comes_back": True}, "give max_steps too"),
        ({"path": "here"}, "give either a model in memory"),
    ],
)
def test_what_does_not_fit_is_refused(
    arguments: dict[str, Any], message: str, model: SlateUsersModel
) -> None:
    with pytest.raises((ConfigError, UnknownNameError), match=message):
        make_simulator(ENV_ID, 2, model=model, **arguments)


@pytest.mark.parametrize("clicks", [0.0, 1.0])
def test_degenerate_clicks_are_refused(clicks: float, log: InteractionLog) -> None:
    columns = {name: log.column(name) for name in log.column_names}
    columns["response.click"] = np.full(columns["response.click"].shape, clicks, np.float32)
    catalogue: Any = known_users().catalogue
    with pytest.raises(DataError, match="what attracts cannot be told"):
        fit_slate_users(InteractionLog.from_columns(columns, log.metadata), catalogue)


def test_one_user_is_too_few_for_three_populations(log: InteractionLog) -> None:
    columns = {name: log.column(name) for name in log.column_names}
    ids, counts = np.unique(columns["user_id"], return_counts=True)
    longest = columns["user_id"] == ids[counts.argmax()]
    columns = {name: column[longest] for name, column in columns.items()}
    catalogue: Any = known_users().catalogue
    with pytest.raises(DataError, match="leaves nobody in the population"):
        fit_slate_users(InteractionLog.from_columns(columns, log.metadata), catalogue)


def test_a_log_of_other_items_or_of_none_known_is_told_apart(log: InteractionLog) -> None:
    catalogue: Any = known_users().catalogue
    columns = {name: log.column(name) for name in log.column_names}
    for fingerprint, fits in ((None, True), ("0" * 16, False)):
        metadata = replace(log.metadata, catalogue_fingerprint=fingerprint)
        other = InteractionLog.from_columns(columns, metadata)
        if fits:
            fit_slate_users(other, catalogue, most_visits=50)
        else:
            with pytest.raises(CatalogueMismatchError, match="recorded with the catalogue 0000"):
                fit_slate_users(other, catalogue)


def test_persons_keep_their_number_in_every_population(model: SlateUsersModel) -> None:
    """Whoever groups a log by user must not mix persons of training and test."""
    seen = {}
    for population in ("train", "test", "new"):
        users = make_simulator(ENV_ID, 40, model=model, population=population)
        seen[population] = recorded(users, 40 * 30, seed=0).column("user_id")
    assert not set(seen["train"]) & set(seen["test"])
    assert set(seen["test"]) <= set(model.populations["test"])
    users_of_new, n_visits = len(np.unique(seen["new"])), 40
    assert users_of_new > n_visits, "nobody new comes twice"


def test_a_cascade_with_several_items_taken_is_refused(log: InteractionLog) -> None:
    catalogue: Any = known_users().catalogue
    with pytest.raises(DataError, match="at most one item of a slate is taken"):
        fit_slate_users(log, catalogue, scanning="cascade")


def test_what_a_log_has_nothing_of_stands_on_the_card(log: InteractionLog) -> None:
    catalogue: Any = known_users().catalogue
    columns = {name: log.column(name).copy() for name in log.column_names}
    kept = catalogue.topics[columns["slate"]].max(axis=1) < 5  # of 6 topics
    visits = np.cumsum(columns["step"] == 0)[kept]
    columns = {name: column[kept] for name, column in columns.items()}
    begins = np.append(True, visits[1:] != visits[:-1])
    place = np.arange(len(visits))
    columns["step"] = place - np.maximum.accumulate(np.where(begins, place, 0))
    ends = np.append(begins[1:], True)
    columns["terminated"], columns["truncated"] = np.zeros(len(ends), bool), ends
    columns["reward"] = columns["reward"] + 1.0  # paid for looking
    model = fit_slate_users(InteractionLog.from_columns(columns, log.metadata), catalogue)
    lines = {line.name: line for line in model.card()}
    assert lines["topics never shown"].value == "1 of 6"
    n_items = int((catalogue.topics == 5).sum())
    assert lines["items never shown"].value == f"{n_items} of {N_ITEMS}"
    idle = columns["response.click"].max(axis=1) <= 0
    share = columns["reward"][idle].sum() / columns["reward"].sum()
    assert lines["reward without a taking"].value == f"{share:.1%}"
    assert all(line.status == "assumed" for name, line in lines.items() if "never" in name)
