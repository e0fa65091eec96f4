"""Hour and device: they pass, wrap and change as stated, and move the scores of topics."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlrec.envs.blocks import DayAndDevice, Event, Shown, State
from rlrec.errors import ConfigError

StepWith = Callable[..., Event]


def begun(block: DayAndDevice, n_users: int, seed: int = 0) -> State:
    state: State = {}
    block.start(state, np.arange(n_users), np.random.default_rng(seed).random((n_users, 2)))
    return state


def test_hours_pass_with_steps_and_gaps_and_wrap_at_midnight(step_with: StepWith) -> None:
    block = DayAndDevice(n_topics=3, step_minutes=30.0)
    state = begun(block, 3)
    state["hour"][:] = [10.0, 23.75, 23.5]
    block.update(state, step_with([], [], 3), np.zeros((3, 0)))
    np.testing.assert_allclose(state["hour"], [10.5, 0.25, 0.0])
    block.come_back(state, np.array([0, 2]), np.array([14.0, 49.0]), np.full(2, 0.9))
    np.testing.assert_allclose(state["hour"], [0.5, 0.25, 1.0])


def test_devices_keep_their_shares_and_stay_as_often_as_stated() -> None:
    n, shares = 60_000, (0.5, 0.3, 0.2)
    block = DayAndDevice(n_topics=3, device_shares=shares, device_stay=0.6)
    state = begun(block, n)
    before, rng = state["device"].copy(), np.random.default_rng(4)
    block.come_back(state, np.arange(n), np.zeros(n), rng.random(n))
    stays = 0.6 + 0.4 * np.array(shares)
    for device, (share, stay) in enumerate(zip(shares, stays, strict=True)):
        # 5 standard errors: of all n = 60,000 users, and of those on the device
        error = math.sqrt(share * (1 - share) / n)
        assert abs((before == device).mean() - share) < 5 * error
        assert abs((state["device"] == device).mean() - share) < 5 * error
        stayed = state["device"][before == device] == device
        assert abs(stayed.mean() - stay) < 5 * math.sqrt(stay * (1 - stay) / stayed.size)


@pytest.mark.parametrize(("stay", "changes"), [(1.0, False), (0.0, True)])
def test_devices_that_always_stay_or_never_matter(stay: float, changes: bool) -> None:
    block = DayAndDevice(n_topics=1, device_stay=stay)
    state = begun(block, 1000)
    before = state["device"].copy()
    block.come_back(state, np.arange(1000), np.zeros(1000), np.linspace(0, 1, 1000, False))
    assert (state["device"] != before).any() == changes


def test_scores_move_with_hour_and_device_by_topic() -> None:
    block = DayAndDevice(n_topics=4, hour_strength=0.5, device_strength=0.25)
    state = begun(block, 2)
    state["hour"][:], state["device"][:] = [0.0, 6.0], [0, 1]
    slate = Shown(np.zeros((2, 4), np.int64), np.tile(np.arange(4), (2, 1)))
    expected = [[0.75, 0.0, -0.25, 0.0], [0.0, 0.75, 0.0, -0.25]]
    np.testing.assert_allclose(block.adjust(state, slate, np.zeros((2, 4))), expected, atol=1e-12)
    catalogue = Shown(None, np.array([[0, 1, 2, 3]]))
    whole = block.adjust(state, catalogue, np.zeros((2, 4)))
    np.testing.assert_allclose(whole, expected, atol=1e-12)


def test_without_strength_scores_are_as_they_were() -> None:
    block = DayAndDevice(n_topics=4)
    scores = np.random.default_rng(0).random((2, 4))
    shown = Shown(None, np.array([[0, 1, 2, 3]]))
    np.testing.assert_array_equal(block.adjust(begun(block, 2), shown, scores.copy()), scores)


def test_what_is_told_is_the_hour_on_a_circle_and_the_device() -> None:
    block = DayAndDevice(n_topics=2)
    state = begun(block, 2)
    state["hour"][:], state["device"][:] = [6.0, 12.0], [1, 0]
    np.testing.assert_allclose(
        block.told(state, slice(None)), [[1, 0, 0, 1], [0, -1, 1, 0]], atol=1e-6
    )


@given(
    hour=st.floats(0, 24, exclude_max=True),
    gap=st.floats(0, 87600),
    draw=st.floats(0, 1, exclude_max=True),
    stay=st.floats(0, 1),
)
def test_hours_lie_within_a_day_and_devices_are_known(
    hour: float, gap: float, draw: float, stay: float
) -> None:
    block = DayAndDevice(n_topics=1, device_stay=stay, device_shares=(0.3, 0.3, 0.4))
    state = begun(block, 1)
    state["hour"][:] = hour
    block.come_back(state, np.array([0]), np.array([gap]), np.array([draw]))
    assert 0 <= state["hour"][0] < 24
    assert state["device"][0] in (0, 1, 2)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"hour_strength": -1.0}, "hour_strength"),
        ({"device_strength": float("inf")}, "device_strength"),
        ({"device_shares": (0.5, 0.6)}, "device_shares"),
        ({"device_shares": ()}, "device_shares"),
        ({"device_stay": 1.5}, "device_stay"),
        ({"step_minutes": -1.0}, "step_minutes"),
        ({"n_topics": 0}, "n_topics"),
    ],
)
def test_wrong_settings_are_refused(parameters: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        DayAndDevice(**{"n_topics": 2, **parameters})  # type: ignore[arg-type]
