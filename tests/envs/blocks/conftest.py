"""What tests of blocks share: steps in which users consume items of given quality."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from rlrec.envs.blocks import Consumed, Event, Shown

StepWith = Callable[[Sequence[int], Sequence[float], int], Event]


@pytest.fixture(scope="session")
def step_with() -> StepWith:
    """Return a function of users, the quality that each consumes, and B."""

    def step(users: Sequence[int], quality: Sequence[float], n_users: int) -> Event:
        nothing = np.zeros(len(users), np.int64)
        consumed = Consumed(
            np.array(users, np.int64), nothing, nothing, nothing, np.array(quality, np.float64)
        )
        blank = np.zeros((n_users, 1), np.int64)
        responses = np.zeros((n_users, 1, 1), np.float32)
        return Event(Shown(blank, blank), None, consumed, responses, np.zeros(n_users))

    return step
