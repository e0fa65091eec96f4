"""Foreign code gets global generators of its own."""

import random

import numpy as np

from rlrec.envs.adapters import OwnChance


def drawn() -> tuple[float, float, float]:
    return float(np.random.random()), float(np.random.randn()), random.random()


def test_two_of_the_same_seed_draw_the_same_however_they_take_turns() -> None:
    one, other = OwnChance(3), OwnChance(3)
    with one:
        first = [drawn(), drawn()]
    with other:
        second = [drawn()]
    with OwnChance(4):
        assert drawn() != first[0]
    with other:
        second.append(drawn())
    assert first[0] == second[0] and first[1][0] == second[1][0] and first[1][2] == second[1][2]


def test_the_generators_outside_are_left_as_they_were() -> None:
    state, python = np.random.get_state(), random.getstate()
    try:
        np.random.seed(0)
        np.random.randn()  # which keeps a second normal for the next call
        expected_state = np.random.get_state()
        expected = [float(np.random.randn()), float(np.random.random())]
        np.random.set_state(expected_state)
        with OwnChance(1):
            np.random.seed(5)
            drawn()
        assert [float(np.random.randn()), float(np.random.random())] == expected
        assert random.getstate() == python
    finally:
        np.random.set_state(state)
