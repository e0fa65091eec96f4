"""What is said to user models of one's own that do not return what they must."""

from typing import Any

import numpy as np
import pytest

from rlrec.arrays import Bools, Floats, Ints
from rlrec.envs import UserSimulator, make_simulator
from rlrec.envs.blocks import Block, Outcome, Shown, State, put
from rlrec.envs.simulator import Problem
from rlrec.envs.users import Users
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
        (but(rewards=np.array([0, 0, np.nan, 0])), "finite rewards, got nan for user 2"),
        (but(rewards=np.full(N_USERS, np.inf)), "finite rewards, got inf for user 0"),
        (but(responses=GOOD.responses * np.float32(np.nan)), "finite responses, got nan"),
        (but(responses=GOOD.responses.astype(np.float64)), "responses of float32, got float64"),
        (but(rewards=np.zeros(N_USERS, np.int64)), "rewards of float64, got int64"),
        (but(rewards=np.array([None] * N_USERS)), "rewards of float64, got object"),
    ],
)
def test_anything_else_is_refused_with_what_is_wrong(answer: Any, words: str) -> None:
    with pytest.raises(UserModelError, match=words):
        step(answer)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"n_initial_draws": -1}, "n_initial_draws of Odd must be a whole number.*got -1"),
        ({"n_step_draws": 2.5}, "n_step_draws of Odd must be a whole number.*got 2.5"),
        ({"n_step_draws": True}, "got True"),
        ({"channels": ()}, r"channels of Odd must be names.*got \(\)"),
        ({"channels": "click"}, "channels of Odd must be names.*got 'click'"),
        ({"channels": ("click", "click")}, "each once"),
        ({"respond": None}, "`respond` of Odd must be a method"),
    ],
)
def test_a_model_that_lacks_something_is_refused_when_made(
    parts: dict[str, Any], words: str
) -> None:
    odd = type("Odd", (Answering,), parts)(GOOD)
    with pytest.raises(UserModelError, match=words):
        Problem(users=odd, slate_size=SLATE_SIZE)


@pytest.mark.parametrize("name", ["items", "start", "respond"])
def test_a_model_without_a_part_is_told_which(name: str) -> None:
    parts = {part: getattr(Answering(GOOD), part) for part in ("items", "start", "respond")}
    parts = {**parts, "channels": ("click",), "n_initial_draws": 0, "n_step_draws": 0}
    del parts[name]
    bare: Any = type("Bare", (), parts)()
    with pytest.raises(UserModelError, match=f"must have '{name}'.*Bare has none"):
        Problem(users=bare, slate_size=SLATE_SIZE)


@pytest.mark.parametrize("name", ["choice_probabilities", "expected_reward"])
@pytest.mark.parametrize("stated", [np.zeros((N_USERS, SLATE_SIZE)), None])
def test_a_truth_of_another_shape_is_refused(name: str, stated: Any) -> None:
    users = Answering(GOOD)
    setattr(users, name, lambda state, shown, blank: stated)
    simulator = UserSimulator(Problem(users=users, slate_size=SLATE_SIZE), N_USERS)
    simulator.reset(0)
    with pytest.raises(UserModelError, match=f"`{name}` of Answering must return an array"):
        getattr(simulator, name)(np.tile([0, 1], (N_USERS, 1)))


class Halved(Block):
    """Returns the scores of half the slots."""

    def adjust(self, state: State, shown: Shown, scores: Floats) -> Floats:
        return scores[:, :1]


class Silent(Block):
    """Returns nothing."""

    def adjust(self, state: State, shown: Shown, scores: Floats) -> Any:
        return None


@pytest.mark.parametrize("block", [Halved(), Silent()])
def test_a_block_must_return_scores_of_the_shape_it_is_given(block: Block) -> None:
    parts: Any = make_simulator("rlrec/ComposedUsers-v0", 1).problem.users
    users = Users(
        items=parts.items,
        taste=parts.taste,
        choice=parts.choice,
        response=parts.response,
        slate_size=SLATE_SIZE,
        blocks=[block],
    )
    simulator = UserSimulator(Problem(users=users, slate_size=SLATE_SIZE), N_USERS)
    simulator.reset(0)
    with pytest.raises(UserModelError, match=f"`adjust` of {type(block).__name__} must return"):
        simulator.step(np.tile([0, 1], (N_USERS, 1)))
