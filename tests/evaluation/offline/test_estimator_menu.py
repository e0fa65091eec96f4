"""What the menu knows of an estimator beside its name."""

import numpy as np
import pytest

from rlrec.evaluation.offline.bandit import Replay
from rlrec.evaluation.offline.bandit_sample import BanditSample
from rlrec.evaluation.offline.estimator_menu import choose, known_names


def test_estimators_that_do_without_whole_actions_are_marked() -> None:
    names = [name for name in known_names(is_sessions=False) if "_dr" not in name]
    names = [name for name in names if not name.startswith(("clipped", "sub", "switch", "dr_"))]
    marked = {each.name for each in choose(names, is_sessions=False) if each.own_support}
    assert marked == {"mips", "snmips", "iips", "sniips", "pi", "wpi", "lips", "snlips"}
    # The ratio of a step's whole slate is part of, or belongs to, the weights of all of these.
    sessions = choose(known_names(is_sessions=True), is_sessions=True)
    assert not any(each.own_support for each in sessions)


@pytest.mark.parametrize("name", ["replay", "snips"])
def test_a_doubt_is_that_of_the_estimator_if_it_has_any(name: str) -> None:
    sample = BanditSample(
        rewards=np.ones(2), propensities=np.array([0.5, 0.1]), target_probs=np.ones(2)
    )
    (chosen,) = choose([name], is_sessions=False)
    expected = Replay().doubt(sample) if name == "replay" else ""
    assert chosen.doubt(sample) == expected
    assert bool(expected) == (name == "replay")
