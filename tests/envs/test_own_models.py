"""What is said to user models of one's own that do not return what they must."""

from typing import Any

import numpy as np
import pytest

from rlrec.arrays import Bools, Floats, Ints
from rlrec.envs import UserSimulator, make_simulator
from rlrec.envs.blocks import Outcome, Shown, State, put
from rlrec.envs.simulator import Problem
from rlrec.errors import UserModelError

N_USERS, SLATE_SIZE = 4, 2
GOOD = Outcome(
    np.zeros((N_USERS, SLATE_SIZE, 1), np.float32), np.zeros(N_USERS), np.zeros(N_USERS, bool)
)


class Answering:
    """Users who respond with what they are told to."""

    channels: tuple[str, ...] = ("click",)
    n_initial_draws = 0
    n_step_draws = 0

    def __init__(self, answer: Any) -> None:
        self.items = make_simulator("rlrec/ComposedUsers-v0", 1).problem.users.items
        self.answer = answer

    def start(self, state: State, users: Ints, draws: Floats) -> None:
        put(state, "nothing", users, np.zeros(len(users)))

    def respond(self, state: State, shown: Shown, blank: Bools | None, draws: Floats) -> Any:
        return self.answer


def but(**parts: Any) -> Outcome:
    """Return the good outcome with some parts of another kind."""
    return GOOD._replace(**parts)


def step(answer: Any) -> None:
    problem = Problem(users=Answering(answer), slate_size=SLATE_SIZE)
    simulator = UserSimulator(problem, N_USERS)
    simulator.reset(0)
    simulator.step(np.tile([0, 1], (N_USERS, 1)))


def test_an_outcome_of_the_right_shapes_is_taken() -> None:
    step(GOOD)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (tuple(GOOD), r"must return an Outcome\(.*\) of arrays \(from .*\), got tuple"),
        (None, r"`respond` of Answering must return an Outcome\(.*, got NoneType"),
        (but(rewards=[0.0] * N_USERS), "of arrays, got rewards of type list"),
        (but(has_left=False), "of arrays, got has_left of type bool"),
        (but(has_left=np.zeros(N_USERS)), "has_left of bool, got float64"),
        (
            but(responses=GOOD.responses[:, :, 0]),
            r"responses of shape \(4, 2, 1\), got \(4, 2\)",
        ),
        (but(rewards=np.zeros((N_USERS, 1))), r"rewards of shape \(4,\), got \(4, 1\)"),
        (but(has_left=np.zeros(1, bool)), r"has_left of shape \(4,\), got \(1,\)"),
    ],
)
def test_anything_else_is_refused_with_what_is_wrong(answer: Any, words: str) -> None:
    with pytest.raises(UserModelError, match=words):
        step(answer)
