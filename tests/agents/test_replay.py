"""Transitions from interaction and from a log, against sums made by hand."""

from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from gymnasium import spaces
from numpy.typing import NDArray

from rlrec.agents.replay import (
    LoggedTransitions,
    SlateBatch,
    SlateReplayBuffer,
    choices_of,
    joined,
)
from rlrec.errors import DataError

DISCOUNT, N_USERS, SLATE_SIZE = 0.5, 2, 3
MANY = 4000  # draws; a row in 20 is missed at fewer than one seed in 1e80
SPACE = spaces.Dict(
    {
        "user": spaces.Box(-np.inf, np.inf, (1,), np.float32),
        "last_response": spaces.Box(0.0, np.inf, (SLATE_SIZE, 2), np.float32),
    }
)
SLATES = spaces.MultiDiscrete([9] * SLATE_SIZE)


class Ends(NamedTuple):
    """How the episode of one user ends at one tick."""

    tick: int
    user: int
    by_time_limit: bool


def response_at(slot: int) -> NDArray[np.float32]:
    """Return a response (K, 2) in one slot; in none for slot K."""
    response = np.zeros((SLATE_SIZE, 2), np.float32)
    if slot < SLATE_SIZE:
        response[slot] = 1.0, 4.0
    return response


def filled(n_ticks: int, n_kept: int, n_steps: int, ends: tuple[Ends, ...] = ()) -> Any:
    """Return a buffer of `n_kept` rows after `n_ticks`.

    At tick t user u is in state t + u / 2 and gets the reward 2 ** t (u = 0) or 0; after an end
    the next observation is 1000 higher. The slot taken is t modulo K + 1.
    """
    buffer = SlateReplayBuffer(
        n_kept * N_USERS,
        SPACE,
        SLATES,
        device="cpu",
        n_envs=N_USERS,
        discount=DISCOUNT,
        n_steps=n_steps,
    )
    for tick in range(n_ticks):
        add_tick(buffer, tick, ends)
    return buffer


def add_tick(buffer: SlateReplayBuffer, tick: int, ends: tuple[Ends, ...]) -> None:
    state = tick + np.arange(N_USERS)[:, None] / 2
    dones = np.zeros(N_USERS)
    infos: list[dict[str, Any]] = [{} for _ in range(N_USERS)]
    following = state + 1
    for end in ends:
        if end.tick == tick:
            dones[end.user] = 1.0
            infos[end.user] = {"TimeLimit.truncated": end.by_time_limit}
            following[end.user] += 1000
    responses = np.stack([response_at(tick % (SLATE_SIZE + 1))] * N_USERS)
    rewards = np.array([2.0**tick, 0.0])
    buffer.add(
        {"user": state, "last_response": np.zeros_like(responses)},
        {"user": following, "last_response": responses},
        np.full((N_USERS, SLATE_SIZE), tick),
        rewards,
        dones,
        infos,
    )


def by_state(batch: SlateBatch) -> dict[float, tuple[float, float, float]]:
    """Return (reward, next state, next discount) by state; the same whenever a state is drawn."""
    rows: dict[float, tuple[float, float, float]] = {}
    columns = (
        batch.observations["user"][:, 0],
        batch.rewards,
        batch.next_observations["user"][:, 0],
        batch.next_discounts,
    )
    for state, *row in zip(*(column.tolist() for column in columns), strict=True):
        assert rows.setdefault(state, tuple(row)) == tuple(row)
    return rows


def draw(buffer: SlateReplayBuffer) -> dict[float, tuple[float, float, float]]:
    return by_state(buffer.sample_slates(MANY, np.random.default_rng(0)))


def test_one_step_is_the_reward_and_the_next_observation() -> None:
    rows = draw(filled(5, 10, n_steps=1))
    assert rows == {
        t + u / 2: (2.0**t * (u == 0), t + 1 + u / 2, 0.5) for t in range(5) for u in range(N_USERS)
    }


def test_several_steps_sum_discounted_rewards() -> None:
    rows = draw(filled(8, 10, n_steps=3))
    # state 2: 4 + 8 / 2 + 16 / 4, then the state three steps on
    assert rows[2.0] == (12.0, 5.0, 0.125)
    assert rows[2.5] == (0.0, 5.5, 0.125)


def test_steps_stop_at_the_newest_row() -> None:
    rows = draw(filled(8, 10, n_steps=3))
    assert rows[5.0] == (32 + 64 / 2 + 128 / 4, 8.0, 0.125)
    assert rows[6.0] == (64 + 128 / 2, 8.0, 0.25)
    assert rows[7.0] == (128.0, 8.0, 0.5)


def test_leaving_ends_the_sum_and_nothing_follows() -> None:
    rows = draw(filled(8, 10, n_steps=3, ends=(Ends(4, 0, by_time_limit=False),)))
    assert rows[3.0] == (8 + 16 / 2, 1005.0, 0.0)
    assert rows[4.0] == (16.0, 1005.0, 0.0)
    assert rows[5.0] == (32 + 64 / 2 + 128 / 4, 8.0, 0.125)  # the next visitor
    assert rows[3.5] == (0.0, 6.5, 0.125)  # the other user goes on


def test_a_time_limit_ends_the_sum_but_the_last_observation_counts() -> None:
    rows = draw(filled(8, 10, n_steps=3, ends=(Ends(4, 0, by_time_limit=True),)))
    assert rows[2.0] == (12.0, 1005.0, 0.125)
    assert rows[3.0] == (16.0, 1005.0, 0.25)
    assert rows[4.0] == (16.0, 1005.0, 0.5)


def test_steps_go_on_where_the_ring_begins_anew() -> None:
    rows = draw(filled(12, 5, n_steps=3))  # rows 7 to 11 are kept; 10 stands in the first place
    assert sorted(rows) == [t + u / 2 for t in range(7, 12) for u in range(N_USERS)]
    assert rows[8.0] == (256 + 512 / 2 + 1024 / 4, 11.0, 0.125)
    assert rows[9.0] == (512 + 1024 / 2 + 2048 / 4, 12.0, 0.125)


def test_steps_do_not_run_from_the_newest_row_into_the_oldest() -> None:
    rows = draw(filled(12, 5, n_steps=3))
    assert rows[10.0] == (1024 + 2048 / 2, 12.0, 0.25)
    assert rows[11.0] == (2048.0, 12.0, 0.5)


def test_visits_cut_off_end_like_at_a_time_limit() -> None:
    buffer = filled(4, 10, n_steps=3)
    buffer.cut_off()
    for tick in range(4, 8):
        add_tick(buffer, tick, ())
    rows = draw(buffer)
    assert rows[2.0] == (4 + 8 / 2, 4.0, 0.25)
    assert rows[3.0] == (8.0, 4.0, 0.5)
    assert rows[4.0] == (16 + 32 / 2 + 64 / 4, 7.0, 0.125)


def test_cutting_off_does_not_bring_back_who_has_left() -> None:
    buffer = filled(4, 10, n_steps=3, ends=(Ends(3, 0, by_time_limit=False),))
    buffer.cut_off()
    rows = draw(buffer)
    assert rows[3.0] == (8.0, 1004.0, 0.0)
    assert rows[3.5] == (0.0, 4.5, 0.5)


def test_an_empty_buffer_can_be_cut_off() -> None:
    buffer = filled(0, 10, n_steps=3)
    buffer.cut_off()
    assert buffer.pos == 0 and not buffer.dones.any()


def test_the_slot_taken_is_read_from_the_next_observation() -> None:
    buffer = filled(8, 10, n_steps=3)
    batch = buffer.sample_slates(500, np.random.default_rng(1))
    ticks = batch.observations["user"][:, 0].floor().long()
    assert (batch.choices == ticks % (SLATE_SIZE + 1)).all()  # K where nothing was taken
    slots = torch.arange(SLATE_SIZE)
    assert ((batch.responses > 0) == (slots == batch.choices[:, None])).all()
    assert (batch.slates == ticks[:, None]).all()
    assert batch.slates.dtype == batch.choices.dtype == torch.int64


def test_every_row_is_as_likely() -> None:
    n = 20_000
    batch = filled(5, 10, n_steps=1).sample_slates(n, np.random.default_rng(2))
    counts = np.unique(batch.observations["user"], return_counts=True)[1]
    assert counts.size == 10
    # 5 standard errors of a share of 1/10
    assert np.abs(counts / n - 0.1).max() < 5 * np.sqrt(0.1 * 0.9 / n)


def test_the_same_generator_draws_the_same_rows() -> None:
    buffer = filled(5, 10, n_steps=2)
    one, other = (buffer.sample_slates(50, np.random.default_rng(3)) for _ in range(2))
    assert (one.observations["user"] == other.observations["user"]).all()


def test_users_whose_response_is_not_observed_are_refused() -> None:
    space = spaces.Dict({"user": SPACE["user"]})
    with pytest.raises(DataError, match=r"must observe 'last_response', got \['user'\]"):
        SlateReplayBuffer(10, space, SLATES, device="cpu", discount=1.0, n_steps=1)


def test_of_several_responses_the_first_slot_counts() -> None:
    responses = np.zeros((3, 4), np.float32)
    responses[0, [1, 3]] = 1.0
    responses[1, 3] = 1.0
    np.testing.assert_array_equal(choices_of(responses), [1, 3, 4])


def test_joined_batches_stand_one_below_the_other() -> None:
    buffer = filled(6, 10, n_steps=2)
    one, other = (buffer.sample_slates(n, np.random.default_rng(n)) for n in (3, 4))
    both = joined(one, other)
    for name in ("slates", "choices", "rewards", "next_discounts"):
        part = getattr(both, name)
        assert (part[:3] == getattr(one, name)).all() and (part[3:] == getattr(other, name)).all()
    for key in SPACE.spaces:
        assert (both.observations[key][3:] == other.observations[key]).all()
        assert (both.next_observations[key][:3] == one.next_observations[key]).all()


# Three visits of a log: of 4 rows, left; of 3 rows, cut off; of 1 row, left.
REWARDS = np.array([1.0, 2.0, 4.0, 8.0, 10.0, 20.0, 40.0, 5.0])
TERMINATED = np.array([0, 0, 0, 1, 0, 0, 0, 1], bool)
IS_LAST = np.array([0, 0, 0, 1, 0, 0, 1, 1], bool)


def logged(terminated: NDArray[np.bool_] = TERMINATED) -> LoggedTransitions:
    """Return the log of which row i is in state i, with slot i modulo K + 1 taken."""
    n = len(REWARDS)
    return LoggedTransitions(
        {"user": np.arange(n, dtype=np.float32)[:, None]},
        np.tile(np.arange(n)[:, None], (1, SLATE_SIZE)),
        np.stack([response_at(row % (SLATE_SIZE + 1)) for row in range(n)]),
        REWARDS,
        terminated,
        IS_LAST,
        DISCOUNT,
        torch.device("cpu"),
    )


def rows_of(
    n_steps: int | None, terminated: NDArray[np.bool_] = TERMINATED
) -> dict[float, tuple[float, float, float]]:
    rng = np.random.default_rng(0)
    return by_state(logged(terminated).sample(MANY, rng, n_steps))


def outcome(rows: dict[float, tuple[float, float, float]]) -> dict[float, tuple[float, float]]:
    """Return reward and next discount by state; what comes after leaving has no weight."""
    return {state: (reward, discount) for state, (reward, _, discount) in rows.items()}


def test_one_logged_step_is_the_reward_and_the_next_row() -> None:
    rows = rows_of(1)
    assert outcome(rows) == {
        0: (1, 0.5),
        1: (2, 0.5),
        2: (4, 0.5),
        3: (8, 0),
        4: (10, 0.5),
        5: (20, 0.5),
        7: (5, 0),
    }
    assert {state: row[1] for state, row in rows.items() if row[2]} == {
        0: 1,
        1: 2,
        2: 3,
        4: 5,
        5: 6,
    }


def test_the_last_row_of_a_visit_that_was_cut_off_is_left_out() -> None:
    assert 6.0 not in rows_of(1)
    assert len(logged()) == len(REWARDS) - 1


def test_several_logged_steps_stop_where_the_visit_ends() -> None:
    rows = rows_of(3)
    assert rows[0] == (1 + 2 / 2 + 4 / 4, 3.0, 0.125)
    assert outcome(rows)[1] == (2 + 4 / 2 + 8 / 4, 0)
    assert outcome(rows)[2] == (4 + 8 / 2, 0)
    assert outcome(rows)[7] == (5, 0)


def test_several_logged_steps_stop_before_the_row_that_was_cut_off() -> None:
    rows = rows_of(3)
    assert rows[4] == (10 + 20 / 2, 6.0, 0.25)
    assert rows[5] == (20.0, 6.0, 0.5)


def test_whole_returns_come_from_visits_that_ended() -> None:
    assert outcome(rows_of(None)) == {
        0: (1 + 2 / 2 + 4 / 4 + 8 / 8, 0),
        1: (2 + 4 / 2 + 8 / 4, 0),
        2: (4 + 8 / 2, 0),
        3: (8, 0),
        7: (5, 0),
    }


def test_where_no_visit_ended_whole_returns_go_as_far_as_the_log() -> None:
    rows = rows_of(None, terminated=np.zeros(len(REWARDS), bool))
    assert rows == {
        0: (1 + 2 / 2 + 4 / 4, 3.0, 0.125),
        1: (2 + 4 / 2, 3.0, 0.25),
        2: (4.0, 3.0, 0.5),
        4: (10 + 20 / 2, 6.0, 0.25),
        5: (20.0, 6.0, 0.5),
    }


def states_drawn(share: float) -> set[float]:
    seen = logged().sample_returns(MANY, np.random.default_rng(0), share)
    return set(seen.observations["user"][:, 0].tolist())


def test_every_row_is_imitated_whether_or_not_its_visit_ended() -> None:
    assert states_drawn(1.0) == set(range(8))


def test_the_best_visits_are_ranked_by_what_they_returned_so_far() -> None:
    # discounted from the first row: 1 + 2/2 + 4/4 + 8/8 = 4; 10 + 20/2 + 40/4 = 30, cut off; 5
    assert states_drawn(0.3) == {4, 5, 6}
    assert states_drawn(0.5) == {4, 5, 6, 7}


def test_returns_are_known_where_the_visit_ended_within_the_log() -> None:
    seen = logged().sample_returns(MANY, np.random.default_rng(0))
    states = seen.observations["user"][:, 0]
    assert set(states[seen.is_known].tolist()) == {0, 1, 2, 3, 7}
    assert set(seen.returns[states == 1].tolist()) == {2 + 4 / 2 + 8 / 4}
    cut = logged(np.zeros(len(REWARDS), bool))
    assert cut.sample_returns(MANY, np.random.default_rng(0)).is_known.all()  # the best there is


def test_logged_choices_and_slates_belong_to_their_rows() -> None:
    batch = logged().sample(200, np.random.default_rng(1), 2)
    rows = batch.observations["user"][:, 0].long()
    assert (batch.choices == rows % (SLATE_SIZE + 1)).all()
    assert (batch.slates == rows[:, None]).all()


def test_a_log_of_single_rows_that_were_cut_off_is_refused() -> None:
    with pytest.raises(DataError, match="a step that is followed by another"):
        LoggedTransitions(
            {"user": np.zeros((2, 1), np.float32)},
            np.zeros((2, 1), np.int64),
            np.zeros((2, 1, 1), np.float32),
            np.zeros(2),
            np.zeros(2, bool),
            np.ones(2, bool),
            1.0,
            torch.device("cpu"),
        )


def next_slates(batch: SlateBatch) -> dict[float, int]:
    """Return the first item of the next slate by state; -1 where it is not known."""
    states, slates = batch.observations["user"][:, 0].tolist(), batch.next_slates
    assert (slates == slates[:, :1]).all()
    return dict(zip(states, slates[:, 0].tolist(), strict=True))


def test_the_next_slate_is_the_one_shown_where_the_steps_lead() -> None:
    ends = (Ends(4, 0, by_time_limit=False), Ends(5, 1, by_time_limit=True))
    batch = filled(8, 10, n_steps=2, ends=ends).sample_slates(MANY, np.random.default_rng(0))
    following = next_slates(batch)
    assert [following[t + 0.0] for t in range(8)] == [2, 3, 4, -1, -1, 7, -1, -1]
    assert [following[t + 0.5] for t in range(8)] == [2, 3, 4, 5, -1, -1, -1, -1]


def test_the_next_slate_is_found_where_the_ring_begins_anew() -> None:
    batch = filled(12, 5, n_steps=1).sample_slates(MANY, np.random.default_rng(0))
    assert next_slates(batch)[9.0] == 10 and next_slates(batch)[11.0] == -1


def test_the_next_slate_of_a_log_is_that_of_the_row_it_leads_to() -> None:
    following = next_slates(logged().sample(MANY, np.random.default_rng(0), 2))
    assert following == {0.0: 2, 1.0: 3, 2.0: -1, 3.0: -1, 4.0: 6, 5.0: 6, 7.0: -1}
