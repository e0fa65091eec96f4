"""A policy serves users, and what happens becomes a log."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlrec.arrays import Observations
from rlrec.data import InteractionLog, recording
from rlrec.errors import ConfigError, DataError, UnknownNameError
from rlrec.policy import RandomPolicy
from rlrec.slates import SlateDraw

Maker = Callable[..., Any]


def record(users: Any, n_steps: int = 300, **arguments: Any) -> InteractionLog:
    return InteractionLog.record(RandomPolicy(users.n_choices, 2), users, n_steps, **arguments)


def assert_equal_logs(one: InteractionLog, other: InteractionLog) -> None:
    assert one.metadata == other.metadata
    assert one.column_names == other.column_names
    for name, values in one.columns().items():
        assert values.dtype == other.column(name).dtype
        np.testing.assert_array_equal(values, other.column(name), err_msg=name)


class FailingPolicy(RandomPolicy):
    """Breaks down after a few steps."""

    calls = 0

    def act(
        self, observations: Observations, rng: np.random.Generator, deterministic: bool = False
    ) -> SlateDraw:
        self.calls += 1
        if self.calls > 3:
            raise KeyboardInterrupt
        return super().act(observations, rng, deterministic)


class BoundPolicy(RandomPolicy):
    """Reads the truth, as oracles do."""

    simulator: Any = None

    def bind(self, simulator: Any) -> "BoundPolicy":
        bound = BoundPolicy(self.n_choices, self.slate_size)
        bound.simulator = simulator
        return bound

    def act(
        self, observations: Observations, rng: np.random.Generator, deterministic: bool = False
    ) -> SlateDraw:
        assert len(self.simulator.user_ids) == len(observations["context"])
        return super().act(observations, rng, deterministic)


@pytest.mark.parametrize("n_steps", [1, 5, 7, 8, 300])
def test_exactly_so_many_rows_are_recorded(coin_users: Maker, n_steps: int) -> None:
    assert record(coin_users(7), n_steps).n_rows == n_steps


def test_surplus_rows_of_the_last_step_are_those_of_the_last_users(coin_users: Maker) -> None:
    log = record(coin_users(4), 10)  # two full steps of four users, then two of the first users
    positions = log.column("episode_id") // 1000
    np.testing.assert_array_equal(np.bincount(positions), [3, 3, 2, 2])


def test_every_episode_ends_terminated_or_truncated(coin_users: Maker) -> None:
    log = record(coin_users(7), 50)
    ended = log.column("terminated") | log.column("truncated")
    is_last = np.append(log.column("step")[1:] == 0, True)
    np.testing.assert_array_equal(ended, is_last)
    assert not (log.column("terminated") & log.column("truncated")).any()


def test_the_end_of_the_recording_truncates_open_episodes(coin_users: Maker) -> None:
    log = record(coin_users(5), 5)  # one step each; users leave by themselves with probability 0.2
    np.testing.assert_array_equal(log.column("truncated"), ~log.column("terminated"))
    assert log.column("truncated").any()


def test_propensities_are_those_of_the_policy(coin_users: Maker) -> None:
    log = record(coin_users(7))
    np.testing.assert_allclose(log.column("log_propensity"), -np.log(30))
    np.testing.assert_allclose(
        log.column("propensity_given_prefix"), np.tile([1 / 6, 1 / 5], (300, 1))
    )


def test_rows_hold_what_the_simulator_gave(coin_users: Maker) -> None:
    log = record(coin_users(7))
    clicks, minutes = log.response("click"), log.response("minutes")
    np.testing.assert_array_equal(minutes, clicks * (1 + log.column("slate")))
    np.testing.assert_array_equal(log.column("reward"), minutes.sum(axis=1))
    np.testing.assert_array_equal(log.column("context")[:, 0], log.column("step"))
    assert 0 < clicks.mean() < 1


def test_metadata_tell_where_the_log_comes_from(coin_users: Maker) -> None:
    users = coin_users(7)
    metadata = record(users, seed=5, policy_name="coin").metadata
    assert metadata.env_id == "tests/CoinUsers-v0"
    assert metadata.env_arguments == {"offer": "catalogue"}
    assert (metadata.logging_policy, metadata.seed, metadata.n_topics) == ("coin", 5, 3)
    assert metadata.catalogue_fingerprint == users.catalogue.fingerprint
    assert record(users).metadata.logging_policy == "RandomPolicy"


def test_same_seed_same_log_and_another_seed_another(coin_users: Maker) -> None:
    log = record(coin_users(7), seed=1)
    assert_equal_logs(log, record(coin_users(7), seed=1))
    assert (log.column("slate") != record(coin_users(7), seed=2).column("slate")).any()


def test_the_simulator_of_the_caller_is_left_as_it_was(coin_users: Maker) -> None:
    users = coin_users(3)
    users.reset(9)
    users.step(np.array([[0, 1]] * 3))
    before = users.episode_ids, users._tick
    record(users)
    np.testing.assert_array_equal(users.episode_ids, before[0])
    assert users._tick == before[1]


@pytest.mark.parametrize("most_users", [4096, 2])
def test_users_are_counted_from_the_first_of_the_simulator_given(
    coin_users: Maker, monkeypatch: pytest.MonkeyPatch, most_users: int
) -> None:
    monkeypatch.setattr(recording, "MOST_USERS", most_users)
    log = record(coin_users(3, first_user=4))
    assert np.unique(log.column("episode_id") // 1000).tolist() == [4, 5, 6]


@pytest.mark.parametrize("offer", ["catalogue", "candidates", "fresh"])
def test_a_log_on_disk_equals_the_one_in_memory(
    coin_users: Maker, tmp_path: Path, offer: str
) -> None:
    users = coin_users(7, offer)
    assert_equal_logs(record(users), record(users, path=tmp_path / "log"))


@pytest.mark.parametrize("n_persons", [None, 3])
def test_blocks_of_users_become_parts_in_the_order_of_the_log(
    coin_users: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_persons: int | None
) -> None:
    monkeypatch.setattr(recording, "MOST_USERS", 4)
    monkeypatch.setattr(recording, "_PART_ROWS", 150)
    users = coin_users(10, n_persons=n_persons)
    on_disk = record(users, path=tmp_path / "log")  # opening it checks the order
    assert_equal_logs(record(users), on_disk)
    parts = sorted(path.name for path in (tmp_path / "log").glob("part*"))
    assert parts == [f"part-0000{number}.parquet" for number in range(len(parts))]
    assert len(parts) > 1


def test_little_memory_makes_small_blocks(
    coin_users: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "MOST_BYTES", 10_000)
    record(coin_users(10), path=tmp_path / "log")
    assert len(list((tmp_path / "log").glob("part*"))) > 1


def test_an_interrupted_recording_leaves_nothing(
    coin_users: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "MOST_USERS", 2)
    with pytest.raises(KeyboardInterrupt):
        InteractionLog.record(FailingPolicy(6, 2), coin_users(6), 12, tmp_path / "log")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_refused_before_anything_is_recorded(
    coin_users: Maker, tmp_path: Path
) -> None:
    record(coin_users(3), path=tmp_path / "log")
    policy = FailingPolicy(6, 2)
    with pytest.raises(DataError, match="exists already"):
        InteractionLog.record(policy, coin_users(3), 300, tmp_path / "log")
    assert policy.calls == 0
    assert record(coin_users(3), 20, path=tmp_path / "log", overwrite=True).n_rows == 20


def test_progress_is_told_up_to_the_last_row(coin_users: Maker) -> None:
    told: list[tuple[int, int]] = []
    record(coin_users(4), 10, progress=lambda done, total: told.append((done, total)))
    assert told == [(4, 10), (8, 10), (10, 10)]


def test_a_policy_that_reads_the_truth_is_bound_to_the_users_it_serves(coin_users: Maker) -> None:
    log = InteractionLog.record(BoundPolicy(6, 2), coin_users(4), 12)
    assert log.metadata.logging_policy == "BoundPolicy"


def test_no_steps_are_refused(coin_users: Maker) -> None:
    with pytest.raises(ConfigError, match="n_steps must be 1 or more, got 0"):
        record(coin_users(4), 0)


def test_an_observation_without_a_column_is_refused(coin_users: Maker) -> None:
    users = coin_users(4)
    users.observation_spaces["contexts"] = users.observation_spaces["context"]
    with pytest.raises(UnknownNameError, match="Did you mean 'context'"):
        record(users)
