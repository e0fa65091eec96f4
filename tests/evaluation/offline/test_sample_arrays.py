"""Arrays of users: what is no number, or loses something as one, is refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rlrec.errors import DataError
from rlrec.evaluation.offline import (
    BanditSample,
    SessionSample,
    SlateSample,
    TargetProbabilities,
    evaluate_offline,
)

TEXT = np.array(["0.5", "0.5"])
HALVES = np.array([0.5, 0.5])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: BanditSample(rewards=TEXT, propensities=HALVES, target_probs=HALVES),
            "rewards must be numbers, got <U3",
        ),
        (
            lambda: BanditSample(rewards=None, propensities=HALVES, target_probs=HALVES),  # type: ignore[arg-type]
            "a BanditSample needs rewards",
        ),
        (
            lambda: BanditSample(
                rewards=HALVES,
                propensities=HALVES,
                target_probs=HALVES,
                actions=HALVES,
            ),
            "actions must be whole numbers, got float64",
        ),
        (
            lambda: SlateSample(
                rewards=np.ones((1, 2)),
                actions=np.array([[0.7, 1.2]]),
            ),
            "actions must be whole numbers, got float64",
        ),
        (lambda: SlateSample(slate_rewards=TEXT), "slate_rewards must be numbers, got <U3"),
        (
            lambda: SlateSample(rewards=[[1.0], [1.0, 2.0]]),  # type: ignore[arg-type]
            "rewards must be numbers in rows of one length",
        ),
        (
            lambda: SessionSample(rewards=TEXT, lengths=np.array([2])),
            "rewards must be numbers, got <U3",
        ),
        (
            lambda: SessionSample(rewards=HALVES, lengths=np.array([2.0])),
            "lengths must be whole numbers, got float64",
        ),
        (
            lambda: SessionSample(rewards=HALVES, lengths=None),  # type: ignore[arg-type]
            "a SessionSample needs lengths",
        ),
        (lambda: TargetProbabilities(TEXT), "target probabilities must be numbers"),
        (lambda: TargetProbabilities(HALVES, TEXT), "probabilities of choices must be numbers"),
    ],
)
def test_what_is_no_number_is_refused(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        make()


def test_a_policy_of_text_is_refused(bandit: Any) -> None:
    log = bandit.log(2)
    for policy in (TEXT, ["0.5", "0.5"], [[0.5], [0.5, 0.5]]):
        with pytest.raises(DataError, match="policy 'policy': probabilities must be numbers"):
            evaluate_offline(policy, log)
