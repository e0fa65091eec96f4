"""What a sample of a bandit log refuses, and that it says where."""

from typing import Any

import numpy as np
import pytest

from rlrec.errors import DataError, PropensityError
from rlrec.evaluation.offline.bandit_sample import BanditSample


def arrays() -> dict[str, Any]:
    return {
        "rewards": np.array([0.0, 1.0, 0.5]),
        "propensities": np.array([0.5, 0.25, 1.0]),
        "target_probs": np.array([0.5, 0.5, 0.0]),
        "actions": np.array([0, 1, 1]),
        "target_distribution": np.array([[0.5, 0.5], [0.5, 0.5], [1.0, 0.0]]),
        "logging_distribution": np.array([[0.5, 0.5], [0.75, 0.25], [0.0, 1.0]]),
        "q_hat": np.zeros((3, 2)),
        "features": np.zeros((3, 2, 4)),
        "folds": np.array([0, 1, 0]),
        "target_actions": np.array([1, 0, 0]),
        "embeddings": np.array([[0], [1], [1]]),
        "embedding_probs": np.eye(2)[:, :, None],
    }


def changed(name: str, index: Any, value: float) -> dict[str, Any]:
    given = arrays()
    given[name][index] = value
    return given


def test_a_sample_in_order_is_taken() -> None:
    assert BanditSample(**arrays()).n_rounds == 3


@pytest.mark.parametrize("value", [0.0, -0.1, 1.2, np.nan, np.inf])
def test_propensities_outside_0_to_1_are_refused_with_their_row(value: float) -> None:
    with pytest.raises(PropensityError, match=r"propensities must lie in \(0, 1\].* row 1: "):
        BanditSample(**changed("propensities", 1, value))


@pytest.mark.parametrize("value", [-0.1, 1.2, np.nan])
def test_target_probabilities_outside_0_to_1_are_refused_with_their_row(value: float) -> None:
    with pytest.raises(PropensityError, match=r"target_probs must lie in \[0, 1\].* row 2: "):
        BanditSample(**changed("target_probs", 2, value))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["rewards", "q_hat", "features"])
def test_numbers_that_are_not_finite_are_refused_with_their_row(name: str, value: float) -> None:
    with pytest.raises(DataError, match=f"{name} must be finite.* row 1"):
        BanditSample(**changed(name, 1, value))


@pytest.mark.parametrize("name", ["target_distribution", "logging_distribution"])
def test_distributions_must_sum_to_1_without_negative_entries(name: str) -> None:
    with pytest.raises(PropensityError, match=r"sum to 1.* row 0: 1\.4"):
        BanditSample(**changed(name, (0, 1), 0.9))
    given = changed(name, (0, 1), 1.5)
    given[name][0, 0] = -0.5
    with pytest.raises(PropensityError, match=r"0 or more.* row 0: -0\.5"):
        BanditSample(**given)


@pytest.mark.parametrize("name", ["target_distribution", "logging_distribution"])
def test_distributions_must_agree_with_what_is_said_of_the_logged_action(name: str) -> None:
    given = arrays()
    given[name][1] = [0.4, 0.6]
    with pytest.raises(PropensityError, match=r"at the logged action.* row 1: 0\.6"):
        BanditSample(**given)


@pytest.mark.parametrize("name", ["actions", "target_actions"])
def test_actions_must_exist(name: str) -> None:
    with pytest.raises(DataError, match=rf"{name} must lie in 0\.\.1.* row 2: 2"):
        BanditSample(**changed(name, 2, 2))


def test_actions_must_be_whole_numbers() -> None:
    with pytest.raises(DataError, match="actions must be whole numbers"):
        BanditSample(**(arrays() | {"actions": np.array([0.0, 1.0, 1.0])}))


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("propensities", (2,)),
        ("target_probs", (3, 1)),
        ("actions", (4,)),
        ("q_hat", (3, 3)),
        ("logging_distribution", (2, 2)),
        ("target_distribution", (3,)),
        ("features", (3, 3, 1)),
        ("embeddings", (3,)),
        ("embedding_probs", (2, 2)),
    ],
)
def test_shapes_must_fit(name: str, shape: tuple[int, ...]) -> None:
    given = arrays()
    given[name] = np.zeros(shape, given[name].dtype)
    with pytest.raises(DataError, match=f"{name} must have shape"):
        BanditSample(**given)


def test_a_sample_without_rounds_is_refused() -> None:
    with pytest.raises(DataError, match="one round or more"):
        BanditSample(rewards=np.array([]), propensities=np.array([]), target_probs=np.array([]))


def test_embeddings_and_their_probabilities_belong_together() -> None:
    given = arrays()
    del given["embeddings"]
    with pytest.raises(DataError, match="belong together"):
        BanditSample(**given)


def test_embeddings_must_exist_and_their_probabilities_sum_to_1() -> None:
    with pytest.raises(DataError, match=r"embeddings must lie in 0\.\.1.* row 0"):
        BanditSample(**changed("embeddings", (0, 0), 2))
    with pytest.raises(DataError, match=r"sum to 1 over categories.* row 1"):
        BanditSample(**changed("embedding_probs", (1, 0, 0), 0.5))
