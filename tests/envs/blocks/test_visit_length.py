"""Visits of a fixed length."""

import numpy as np
import pytest

from rlrec.envs.blocks import VisitLength
from rlrec.envs.blocks.state import Consumed, Event, Shown, State
from rlrec.errors import ConfigError


def test_a_visit_lasts_its_steps_whatever_is_consumed() -> None:
    block, state, shown = VisitLength(n_steps=3), State(), np.zeros((2, 1), np.int64)
    block.start(state, np.arange(2), np.empty((2, 0)))
    ended = []
    for users in ([0], [], [0, 1]):
        taken, nothing = np.array(users, np.int64), np.zeros(len(users), np.int64)
        consumed = Consumed(taken, nothing, nothing, nothing, np.zeros(len(users)))
        responses = np.zeros((2, 1, 1), np.float32)
        event = Event(Shown(shown, shown), None, consumed, responses, np.zeros(2))
        block.update(state, event, np.empty((2, 0)))
        ended.append(block.has_left(state).tolist())
    assert ended == [[False, False], [False, False], [True, True]]


@pytest.mark.parametrize("n_steps", [0, 2.5])
def test_lengths_that_are_no_counts_are_refused(n_steps: int) -> None:
    with pytest.raises(ConfigError, match="n_steps must be a whole number of 1 or more"):
        VisitLength(n_steps=n_steps)
