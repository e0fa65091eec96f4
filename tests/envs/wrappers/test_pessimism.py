"""Pessimistic rewards: what fitted worlds disagree about costs; nothing else changes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlrec.envs import (
    FitSettings,
    FittedWorlds,
    fit_halves,
    fit_worlds,
    make_simulator,
    make_wrapped_simulator,
)
from rlrec.envs.fitting.ratings.made_up_ratings import made_up_ratings
from rlrec.envs.wrappers import PessimisticReward, Preselected
from rlrec.errors import ConfigError
from rlrec.testing import ENVIRONMENT_CHECKS
from rlrec.testing.traces import any_slates, assert_same_trace, play

ENV_ID = "rlrec/FittedUsers-v0"
SMALL = FitSettings(factors=6, rating_factors=5, choice_regularisation=1.0)
ARGUMENTS: dict[str, Any] = {"slate_size": 4, "max_steps": 9}


@pytest.fixture(scope="module")
def worlds() -> FittedWorlds:
    return fit_worlds(made_up_ratings(seed=3), 2, settings=SMALL)


def users(worlds: FittedWorlds, n_users: int = 20, first_user: int = 0, **arguments: Any) -> Any:
    return make_simulator(ENV_ID, n_users, first_user, model=worlds, **ARGUMENTS, **arguments)


@pytest.mark.parametrize("check", ENVIRONMENT_CHECKS, ids=lambda check: check.__name__)
def test_pessimistic_users_keep_the_contract(check: Any, worlds: FittedWorlds) -> None:
    check(lambda n, first: PessimisticReward(users(worlds, n, first), worlds, kappa=0.5))


def test_an_item_taken_costs_kappa_times_the_disagreement(worlds: FittedWorlds) -> None:
    plain, wrapped = users(worlds), PessimisticReward(users(worlds), worlds, kappa=2.0)
    plain.reset(seed=0), wrapped.reset(seed=0)
    slates = np.tile(np.arange(4), (20, 1))
    for _ in range(12):  # over the end of episodes, where others take the users' places
        persons = plain.user_ids
        expected, found = plain.step(slates), wrapped.step(slates)
        np.testing.assert_array_equal(expected.responses, found.responses)
        taken = expected.responses[:, :, 0] > 0
        told = np.stack([model.quality.of_slates(persons, slates) for model in models(worlds)])
        penalty = (told.std(axis=0) * taken).sum(axis=1)
        np.testing.assert_allclose(found.rewards, expected.rewards - 2.0 * penalty)
    assert taken.any()


def models(worlds: FittedWorlds) -> list[Any]:
    return list(worlds)


def test_worlds_that_are_equal_change_no_reward(worlds: FittedWorlds) -> None:
    same = FittedWorlds((worlds[0], worlds[0]))
    plain, wrapped = users(worlds, world=0), PessimisticReward(users(worlds, world=0), same, 5.0)
    slates = any_slates(plain, 12)
    assert_same_trace(play(plain, slates), play(wrapped, slates), "equal worlds cost nothing")


def test_saved_worlds_make_the_same_users_again(worlds: FittedWorlds, tmp_path: Path) -> None:
    worlds.save(tmp_path / "worlds")
    path = str(tmp_path / "worlds")
    inner = make_simulator(ENV_ID, 5, path=path, **ARGUMENTS)
    wrapped = PessimisticReward(inner, path, kappa=0.5)
    again = make_wrapped_simulator(ENV_ID, 5, **wrapped.arguments)
    assert again.arguments == wrapped.arguments
    slates = any_slates(wrapped, 12)
    assert_same_trace(play(again, slates), play(wrapped, slates), "made again, it is the same")


def test_other_items_other_persons_and_a_negative_kappa_are_refused(worlds: FittedWorlds) -> None:
    with pytest.raises(ConfigError, match="kappa"):
        PessimisticReward(users(worlds), worlds, kappa=-1.0)
    with pytest.raises(ConfigError, match="of the items"):
        PessimisticReward(make_simulator("rlrec/InterestEvolution-v0", 2, n_items=20), worlds)
    halves = fit_halves(made_up_ratings(seed=3), settings=SMALL)
    with pytest.raises(ConfigError, match="different persons"):
        PessimisticReward(make_simulator(ENV_ID, 2, model=halves, world=0), halves)
    odd: Any = 3
    with pytest.raises(ConfigError, match="worlds must be"):
        PessimisticReward(users(worlds), odd)


def test_slates_of_positions_among_candidates_are_refused(worlds: FittedWorlds) -> None:
    preselected = Preselected(users(worlds), None, 20)
    with pytest.raises(ConfigError, match="positions among"):
        PessimisticReward(preselected, worlds)
    Preselected(PessimisticReward(users(worlds), worlds), None, 20).reset(0)


def test_saved_users_of_other_persons_are_refused(worlds: FittedWorlds, tmp_path: Path) -> None:
    others = [replace(model, person_ids=model.person_ids[::-1]) for model in models(worlds)]
    worlds.save(tmp_path / "same")
    FittedWorlds(tuple(others)).save(tmp_path / "others")
    others[1].save(tmp_path / "alone")
    PessimisticReward(make_simulator(ENV_ID, 2, path=str(tmp_path / "same"), world=1), worlds)
    for name in ("others", "alone"):
        with pytest.raises(ConfigError, match="of the persons"):
            PessimisticReward(make_simulator(ENV_ID, 2, path=str(tmp_path / name)), worlds)
