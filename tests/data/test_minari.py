"""Logs as Minari data sets and back; data sets of other tools as logs."""

import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from rlrec.data import (
    Catalogue,
    HistoryShape,
    InteractionLog,
    LogMetadata,
    from_minari,
    to_minari,
)
from rlrec.envs import make_simulator
from rlrec.envs.history_shape import history_shape_of
from rlrec.errors import (
    CatalogueMismatchError,
    ConfigError,
    DataError,
    PropensityError,
    UnknownNameError,
)
from rlrec.evaluation.offline.evaluate import evaluate_offline
from rlrec.policy import RandomPolicy

minari = pytest.importorskip("minari")

Maker = Callable[..., Any]
CLICKS = HistoryShape(keys=("last_slate",), slate_size=2, n_channels=1, n_topics=1)


@pytest.fixture(autouse=True)
def datasets_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    return tmp_path


def recorded(users: Any, n_steps: int) -> InteractionLog:
    return InteractionLog.record(RandomPolicy(users.n_choices, users.slate_size), users, n_steps)


def assert_same(found: InteractionLog, log: InteractionLog) -> None:
    assert found.metadata == log.metadata
    assert found.column_names == log.column_names
    for name, values in log.columns().items():
        assert found.column(name).dtype == values.dtype, name
        np.testing.assert_array_equal(found.column(name), values, err_msg=name)


def visits() -> dict[str, Any]:
    """Columns of four visits of three persons with names: 3, 1, 2 and 1 steps."""
    marginals = np.full((7, 2), 0.75)
    return {
        "user_id": ["Zoë", "Zoë", "Zoë", "a much longer name", "b", "b", "b"],
        "episode_id": ["v1", "v1", "v1", "v2", "v3", "v3", "v4"],
        "step": [0, 1, 2, 0, 0, 1, 0],
        "timestamp": np.arange(7) * 60 + 2**40,
        "slate": np.array([[4, 1], [3, 0], [2, 1], [1, 4], [0, 2], [4, 3], [0, 1]]),
        "response.click": np.eye(2)[[0, 1, 0, 0, 1, 1, 0]],
        "reward": np.array([0.1, 0.2, -0.3, 1e-9, 5, 6, 7]),
        "terminated": [False, False, True, False, False, True, False],
        "truncated": [False, False, False, True, False, False, True],
        "log_propensity": np.log(np.full(7, 0.125)),
        "propensity_given_prefix": np.tile([0.25, 0.5], (7, 1)),
        "propensity_marginal": marginals,
    }


def log_of_visits() -> InteractionLog:
    columns = visits()
    order = np.argsort(columns["user_id"], kind="stable")
    metadata = LogMetadata(
        slate_size=2, response_channels=("click",), logging_policy="shop", n_topics=4, seed=3
    )
    return InteractionLog.from_columns(
        {name: np.asarray(values)[order] for name, values in columns.items()}, metadata
    )


@pytest.mark.parametrize(
    ("env_id", "arguments"),
    [
        ("rlrec/TopicBoredom-v0", {"n_items": 20, "slate_size": 3, "max_steps": 6}),
        ("rlrec/InterestEvolution-v0", {"initial_budget": 20.0, "max_steps": 6}),  # fresh
    ],
)
def test_a_recorded_log_comes_back_column_by_column(env_id: str, arguments: Any) -> None:
    users = make_simulator(env_id, 7, **arguments)
    log = recorded(users, 150)
    lengths = np.diff(np.flatnonzero(np.append(log.column("step"), 0) == 0))
    assert log.has("propensity_given_prefix") and len(set(lengths.tolist())) > 1
    dataset = to_minari(log, "visits-v0", users.catalogue, history_shape_of(users))
    assert_same(from_minari(dataset), log)
    assert_same(from_minari("visits-v0"), log)
    world = dataset.recover_environment()
    assert world.action_space == dataset.action_space
    assert world.observation_space.spaces.keys() == dataset.observation_space.spaces.keys()
    assert dataset.observation_space.contains(world.reset(seed=0)[0])
    world.close()


def test_named_users_and_visits_of_any_length_and_end_come_back() -> None:
    log = log_of_visits()
    ends = log.columns(("terminated", "truncated"))
    assert ends["terminated"].sum() == ends["truncated"].sum() == 2
    assert_same(from_minari(to_minari(log, "shop/visits-v0", shape=CLICKS)), log)


@pytest.mark.parametrize("offer", ["catalogue", "candidates", "fresh"])
def test_episodes_are_what_users_and_policies_saw_to_the_last_observation(
    coin_users: Maker, offer: str
) -> None:
    n_users, n_ticks = 5, 12
    users = coin_users(n_users, offer)
    log = recorded(users, n_users * n_ticks)
    dataset = to_minari(log, "coins-v0", users.catalogue, users.history_shape)
    episodes = {int(each.infos["episode_id"][0]): each for each in dataset}
    slates = log.column("slate").reshape(n_users, n_ticks, 2)  # ordered by user
    observations, n_ended = users.reset(0), 0
    for tick in range(n_ticks):
        before, numbers, steps = observations, users.episode_ids, users._steps.copy()
        outcome = users.step(slates[:, tick])
        observations = outcome.observations
        for user in range(n_users):
            episode, step = episodes[numbers[user]], steps[user]
            assert episode.rewards[step] == outcome.rewards[user]
            np.testing.assert_array_equal(episode.infos["response"][step], outcome.responses[user])
            for key, values in before.items():
                np.testing.assert_array_equal(episode.observations[key][step], values[user])
        for place, user in enumerate(outcome.finished):
            episode = episodes[numbers[user]]
            assert len(episode) == steps[user] + 1
            assert (episode.terminations[-1], episode.truncations[-1]) == (
                outcome.terminated[user],
                outcome.truncated[user],
            )
            for key in users.history_shape.keys:
                given = outcome.final_observations[key][place]
                np.testing.assert_array_equal(episode.observations[key][-1], given, err_msg=key)
            n_ended += 1
    assert n_ended > 10
    assert all(dataset.observation_space.contains(observation(each, -1)) for each in dataset)


def observation(episode: Any, row: int) -> dict[str, Any]:
    return {key: values[row] for key, values in episode.observations.items()}


def test_what_is_not_known_after_the_last_action_is_repeated_and_marked(coin_users: Maker) -> None:
    users = coin_users(3, "candidates")
    log = recorded(users, 30)
    dataset = to_minari(log, "coins-v0", users.catalogue, users.history_shape)
    assert dataset.storage.metadata["rlrec_repeated_at_end"] == ["candidates", "context"]
    for episode in dataset:
        assert episode.infos["observation_is_known"].tolist() == [True] * len(episode) + [False]
        for key in ("candidates", "context"):
            seen = episode.observations[key]
            np.testing.assert_array_equal(seen[-1], seen[-2])
    whole = to_minari(log_of_visits(), "visits-v0", shape=CLICKS)
    assert whole[0].infos["observation_is_known"].all()


def test_infos_stand_in_the_row_of_their_action_and_end_in_filler() -> None:
    episode = to_minari(log_of_visits(), "visits-v0", shape=CLICKS)[0]
    assert episode.infos["user_id"].tolist() == [b"Zo\xc3\xab"] * 4
    np.testing.assert_array_equal(episode.infos["response"][:, 0, 0], [1, 0, 1, np.nan])
    np.testing.assert_array_equal(episode.infos["log_propensity"][:3], np.log([0.125] * 3))
    assert np.isnan(episode.infos["propensity_given_prefix"][3]).all()
    assert episode.infos["timestamp"].tolist() == [2**40, 2**40 + 60, 2**40 + 120, -1]
    assert episode.observations["last_slate"].tolist() == [[0, 0], [5, 2], [4, 1], [3, 2]]


def test_a_filtered_data_set_is_the_log_of_its_episodes() -> None:
    log = log_of_visits()
    dataset = to_minari(log, "visits-v0", shape=CLICKS)
    ended = dataset.filter_episodes(lambda episode: bool(episode.terminations[-1]))
    assert from_minari(ended).column("reward").tolist() == pytest.approx([0.1, 0.2, -0.3, 5, 6])


def test_a_data_set_is_replaced_only_on_demand(datasets_path: Path) -> None:
    log = log_of_visits()
    to_minari(log, "visits-v0", shape=CLICKS)
    with pytest.raises(DataError, match="say overwrite=True"):
        to_minari(log, "visits-v0", shape=CLICKS)
    other = InteractionLog.from_columns(log.columns(), replace(log.metadata, seed=99))
    assert (
        from_minari(to_minari(other, "visits-v0", shape=CLICKS, overwrite=True)).metadata.seed == 99
    )
    (datasets_path / "notes-v0").mkdir()
    with pytest.raises(DataError, match="no Minari data set"):
        to_minari(log, "notes-v0", shape=CLICKS, overwrite=True)


def test_a_write_that_fails_leaves_nothing_behind(
    datasets_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rlrec.data.minari_episodes import LoggedEpisodes

    def fails(self: Any, rows: slice) -> Any:
        raise OSError("disk full")

    monkeypatch.setattr(LoggedEpisodes, "_infos_of", fails)
    with pytest.raises(OSError, match="disk full"):
        to_minari(log_of_visits(), "visits-v0", shape=CLICKS)
    assert not (datasets_path / "visits-v0").exists()


@pytest.mark.parametrize("name", ["visits", "a b-v0", "../visits-v0", ""])
def test_names_that_minari_does_not_take_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="a name with a version, such as 'visits-v0'"):
        to_minari(log_of_visits(), name, shape=CLICKS)


def test_a_log_without_anything_to_observe_is_refused() -> None:
    with pytest.raises(ConfigError, match="HistoryShape\\(slate_size=2, n_channels=1"):
        to_minari(log_of_visits(), "visits-v0")


def test_without_its_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "minari", None)
    with pytest.raises(ConfigError, match=r"rlrec\[minari\]"):
        to_minari(log_of_visits(), "visits-v0", shape=CLICKS)
    with pytest.raises(ConfigError, match=r"rlrec\[minari\]"):
        from_minari("visits-v0")


def foreign(
    action_space: Any,
    actions: list[Any],
    observation_space: Any = None,
    observations: Any = None,
    infos: Any = None,
    n_episodes: int = 2,
) -> Any:
    """Write a data set with Minari's own means: the same episode of three steps several times."""
    space = spaces.Box(-1, 1, (2,), np.float64) if observation_space is None else observation_space
    seen = np.arange(8).reshape(4, 2) / 8 if observations is None else observations
    episode = minari.data_collector.EpisodeBuffer(
        observations=seen,
        actions=np.array(actions),
        rewards=[1.0, 0.0, 2.0],
        terminations=[False] * 3,
        truncations=[False] * 3,
        infos=infos or {},
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return minari.create_dataset_from_buffers(
            "other/tool-v0",
            [episode] * n_episodes,
            action_space=action_space,
            observation_space=space,
        )


def test_discrete_actions_become_slates_of_one_item() -> None:
    log = from_minari(foreign(spaces.Discrete(4, start=2), [2, 5, 3]))
    assert log.column("slate")[:, 0].tolist() == [0, 3, 1] * 2
    assert log.column("user_id").tolist() == [0] * 3 + [1] * 3
    assert log.column("context")[:3].tolist() == [[0, 0.125], [0.25, 0.375], [0.5, 0.625]]
    assert log.response("reward")[:, 0].tolist() == log.column("reward").tolist() == [1, 0, 2] * 2
    assert log.column("truncated").tolist() == [False, False, True] * 2
    with pytest.raises(PropensityError, match="no column 'log_propensity'"):
        log.require_propensities()


def test_actions_of_several_positions_become_slates() -> None:
    space = spaces.MultiDiscrete([4, 4])
    log = from_minari(foreign(space, [[0, 1], [3, 2], [1, 1]]))
    assert log.column("slate").tolist() == [[0, 1], [3, 2], [1, 1]] * 2
    assert not log.responses().any()


def test_observations_of_one_number_become_one_hot_contexts() -> None:
    dataset = foreign(spaces.Discrete(2), [0, 1, 1], spaces.Discrete(3), np.array([0, 2, 1, 0]))
    assert from_minari(dataset).column("context")[:3].tolist() == np.eye(3)[[0, 2, 1]].tolist()


def test_continuous_actions_are_refused() -> None:
    dataset = foreign(spaces.Box(-1, 1, (2,), np.float32), np.zeros((3, 2), np.float32).tolist())
    with pytest.raises(DataError, match=r"must be Discrete .* or MultiDiscrete .* got Box"):
        from_minari(dataset)


@pytest.mark.parametrize("n_rows", [3, 4])  # tools differ in whether they fill up infos
def test_propensities_of_other_tools_are_read_from_the_info_that_is_named(n_rows: int) -> None:
    chances = [0.5, 0.25, 0.125, np.nan][:n_rows]
    dataset = foreign(spaces.Discrete(2), [0, 1, 0], infos={"behavior_action_prob": chances})
    log = from_minari(dataset, propensity_key="behavior_action_prob")
    assert log.column("log_propensity").tolist() == np.log([0.5, 0.25, 0.125] * 2).tolist()
    assert log.column("propensity_given_prefix")[:, 0].tolist() == [0.5, 0.25, 0.125] * 2
    assert not from_minari(dataset).has("log_propensity")
    with pytest.raises(UnknownNameError, match="Did you mean 'behavior_action_prob'"):
        from_minari(dataset, propensity_key="behaviour_action_prob")


def test_a_propensity_of_zero_is_refused_with_its_step() -> None:
    dataset = foreign(spaces.Discrete(2), [0, 1, 0], infos={"p": [0.5, 0.0, 0.5]})
    with pytest.raises(PropensityError, match=r"episode 0 of 'other/tool-v0'.*at step 1 it is 0"):
        from_minari(dataset, propensity_key="p")


def test_observations_that_miss_the_last_one_are_refused() -> None:
    seen = np.zeros((3, 2))
    with pytest.raises(DataError, match="3 actions need 4 observations, got 3"):
        from_minari(foreign(spaces.Discrete(2), [0, 1, 0], observations=seen))


def test_an_info_of_another_length_is_refused() -> None:
    dataset = foreign(spaces.Discrete(2), [0, 1, 0], infos={"user_id": [7, 7]})
    with pytest.raises(DataError, match="'user_id' must have 4 rows"):
        from_minari(dataset)


def test_a_data_set_that_is_not_there_is_named_with_what_comes_close() -> None:
    to_minari(log_of_visits(), "shop/visits-v0", shape=CLICKS)
    with pytest.raises(DataError, match="Did you mean 'shop/visits-v0'"):
        from_minari("shop/visit-v0")


def test_a_foreign_data_set_with_propensities_can_be_evaluated() -> None:
    dataset = foreign(spaces.Discrete(2), [0, 1, 0], infos={"p": [0.5, 0.5, 0.5]}, n_episodes=40)
    log = from_minari(dataset, propensity_key="p")
    uniform = evaluate_offline({"uniform": RandomPolicy(2, 1)}, log, estimators=("pdis",))
    assert uniform["uniform", "pdis"].value == pytest.approx(3.0)  # as logged: 1 + 0 + 2


def test_a_last_episode_that_was_left_open_comes_back_open() -> None:
    columns = log_of_visits().columns()
    columns["truncated"] = np.zeros(7, bool)
    log = InteractionLog.from_columns(columns, log_of_visits().metadata)
    assert_same(from_minari(to_minari(log, "visits-v0", shape=CLICKS)), log)


def test_combined_data_sets_keep_users_and_propensities_and_lose_names() -> None:
    log = log_of_visits()
    later = {**log.columns(), "episode_id": np.char.add("w", log.column("episode_id"))}
    other = InteractionLog.from_columns(later, log.metadata)
    parts = [
        to_minari(each, f"part{number}-v0", shape=CLICKS)
        for number, each in enumerate([log, other])
    ]
    found = from_minari(minari.combine_datasets(parts, "both-v0"))
    assert found.n_rows == 14
    assert found.metadata.response_channels == ("channel_0",)
    assert set(found.column("user_id")) == set(log.column("user_id"))
    assert found.column("propensity_given_prefix").tolist() == [[0.25, 0.5]] * 14


def test_a_catalogue_that_lacks_items_is_refused(coin_users: Maker, catalogue: Catalogue) -> None:
    users = coin_users(4)
    few = replace(
        catalogue,
        item_ids=catalogue.item_ids[:2],
        topics=catalogue.topics[:2],
        features=catalogue.features[:2],
    )
    shape = replace(users.history_shape, keys=("last_slate",))
    with pytest.raises(CatalogueMismatchError, match=r"items in 0\.\.1"):
        to_minari(recorded(users, 40), "coins-v0", few, shape)


def test_a_data_set_that_is_damaged_is_named(datasets_path: Path) -> None:
    (datasets_path / "bad-v0" / "data").mkdir(parents=True)
    with pytest.raises(DataError, match="'bad-v0' cannot be read"):
        from_minari("bad-v0")
