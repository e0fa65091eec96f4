"""Boredom against a log kept click by click, and its neutral setting."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlrec.arrays import Ints
from rlrec.envs.blocks import Boredom, Consumed, Event, Shown, State
from rlrec.errors import ConfigError

N_TOPICS = 3


def event(topics: list[list[int]]) -> Event:
    """Return a step in which user i clicks on items of `topics[i]`, in this order."""
    users = np.repeat(np.arange(len(topics)), [len(clicks) for clicks in topics])
    clicked: Ints = np.array([topic for clicks in topics for topic in clicks], np.int64)
    slots = np.array([slot for clicks in topics for slot in range(len(clicks))], np.int64)
    consumed = Consumed(users, slots, clicked, clicked, np.zeros(len(users)))
    shown = Shown(np.zeros((len(topics), 4), np.int64), np.zeros((len(topics), 4), np.int64))
    responses, rewards = np.zeros((len(topics), 4, 1), np.float32), np.zeros(len(topics))
    return Event(shown, None, consumed, responses, rewards)


def started(boredom: Boredom, n_users: int) -> State:
    state: State = {}
    boredom.start(state, np.arange(n_users), np.empty((n_users, 0)))
    return state


def update(boredom: Boredom, state: State, topics: list[list[int]]) -> None:
    boredom.update(state, event(topics), np.empty((len(topics), 0)))


def counts_by_hand(steps: list[list[int]], now: int, window: int, most_counted: int) -> list[int]:
    """Return counted clicks of a user after step `now`, from all clicks of all steps."""
    clicks = [(at, topic) for at, step in enumerate(steps) for topic in step]
    kept = [topic for at, topic in clicks[-most_counted:] if at > now - window]
    return [kept.count(topic) for topic in range(N_TOPICS)]


steps_of_a_user = st.lists(
    st.lists(st.integers(0, N_TOPICS - 1), max_size=4), min_size=12, max_size=12
)
parameters = st.fixed_dictionaries(
    {
        "threshold": st.integers(1, 5),
        "window": st.integers(1, 5),
        "most_counted": st.integers(1, 8),
        "duration": st.integers(1, 4),
    }
)


@given(st.lists(steps_of_a_user, min_size=1, max_size=3), parameters)
@settings(max_examples=100, deadline=None)
def test_boredom_follows_the_clicks(users: list[list[list[int]]], values: dict[str, Any]) -> None:
    boredom = Boredom(n_topics=N_TOPICS, counts_observed=True, scope="topic", **values)
    state = started(boredom, len(users))
    timers = np.zeros((len(users), N_TOPICS), np.int64)
    for now in range(12):
        update(boredom, state, [steps[now] for steps in users])
        counts = np.array(
            [
                counts_by_hand(steps[: now + 1], now, values["window"], values["most_counted"])
                for steps in users
            ]
        )
        timers = np.maximum(timers - 1, 0)
        timers[(counts >= values["threshold"]) & (timers == 0)] = values["duration"]
        np.testing.assert_array_equal(boredom.counted(state), counts)
        np.testing.assert_array_equal(state["bored_topics"], timers > 0)
        left = np.maximum(state["bored_until"] - state["boredom_clock"][:, None], 0)
        np.testing.assert_array_equal(left, timers)


@given(steps_of_a_user, steps_of_a_user, parameters)
@settings(max_examples=50, deadline=None)
def test_a_user_is_bored_alike_alone_and_among_others(
    one: list[list[int]], other: list[list[int]], values: dict[str, Any]
) -> None:
    boredom = Boredom(n_topics=N_TOPICS, **values)
    alone, together = started(boredom, 1), started(boredom, 2)
    for clicks, others in zip(one, other, strict=True):
        update(boredom, alone, [clicks])
        update(boredom, together, [others, clicks])
    for key, array in alone.items():
        np.testing.assert_array_equal(array[0], together[key][1])


@given(steps_of_a_user, st.integers(0, 6), parameters)
@settings(max_examples=100, deadline=None)
def test_clicks_that_count_later_are_those_that_stay(
    steps: list[list[int]], n_new: int, values: dict[str, Any]
) -> None:
    boredom = Boredom(n_topics=N_TOPICS, **(values | {"threshold": 1}))
    state = started(boredom, 1)
    for clicks in steps:
        update(boredom, state, [clicks])
    later = counts_by_hand(
        [*steps, [N_TOPICS] * n_new], 12, values["window"], values["most_counted"]
    )
    np.testing.assert_array_equal(boredom.counted_later(state, np.array([n_new])), [later])


def test_the_scope_says_what_is_spoiled() -> None:
    shown = Shown(np.zeros((2, 4), np.int64), np.zeros((2, 4), np.int64))
    for scope, expected in (("visit", [[0.0] * 4, [1.0] * 4]), ("topic", [[1.0] * 4] * 2)):
        boredom = Boredom(n_topics=N_TOPICS, threshold=2, scope=scope)  # type: ignore[arg-type]
        state = started(boredom, 2)
        update(boredom, state, [[1, 1], [0, 1]])
        np.testing.assert_array_equal(boredom.adjust(state, shown, np.ones((2, 4))), expected)
        assert ("bored_topics" in state) == (scope == "topic")
    np.testing.assert_array_equal(state["bored_topics"], [[False, True, False], [False] * 3])


def test_a_spoiled_visit_attracts_no_more_than_before() -> None:
    shown = Shown(np.zeros((1, 2), np.int64), np.zeros((1, 2), np.int64))
    boredom = Boredom(n_topics=N_TOPICS, threshold=2)
    state = started(boredom, 1)
    update(boredom, state, [[1, 1]])
    scores = boredom.adjust(state, shown, np.array([[-2.0, 3.0]]))
    np.testing.assert_array_equal(scores, [[-2.0, 0.0]])


def test_a_threshold_above_what_is_counted_never_bores() -> None:
    boredom = Boredom(n_topics=N_TOPICS, threshold=5, most_counted=4)
    state = started(boredom, 1)
    before = {key: array.copy() for key, array in state.items()}
    for _ in range(5):
        update(boredom, state, [[1, 1, 1, 1]])
    assert boredom.never
    for key, array in state.items():
        np.testing.assert_array_equal(array, before[key])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"threshold": 0}, "threshold of boredom must be a whole number of 1 or more, got 0"),
        ({"window": 0}, "window of boredom"),
        ({"most_counted": 2.5}, "most_counted of boredom"),
        ({"duration": 0}, "duration of boredom"),
        ({"n_topics": 0}, "n_topics of boredom"),
        ({"scope": "day"}, "scope of boredom must be one of .* got 'day'"),
    ],
)
def test_wrong_settings_are_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Boredom(**({"n_topics": N_TOPICS} | values))
