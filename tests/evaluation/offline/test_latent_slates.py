import math

import numpy as np
import pytest

from rlrec.errors import ConfigError, DataError, PropensityError
from rlrec.evaluation.offline.latent_slates import (
    LatentIPS,
    abstraction_weights,
    group_by_reward,
    learned_abstraction_weights,
)
from rlrec.evaluation.offline.slate import SlateSample
from rlrec.evaluation.offline.slate_probabilities import all_slates, slate_indices

EVERY = all_slates(4, 2)
N_SLATES = len(EVERY)


def chances(seed: int, n_rows: int = 1) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.random.default_rng(seed).dirichlet(np.ones(N_SLATES), size=n_rows)


def test_each_slate_its_own_group_gives_joint_weights_and_one_group_none() -> None:
    target, logging = chances(0, 5), chances(1, 5)
    logged = np.array([3, 0, 11, 7, 3])
    own = abstraction_weights(logged, np.arange(N_SLATES), target, logging)
    rows = np.arange(5)
    np.testing.assert_allclose(own, target[rows, logged] / logging[rows, logged])
    one = abstraction_weights(logged, np.zeros(N_SLATES, dtype=np.int64), target, logging)
    np.testing.assert_allclose(one, 1.0)


def test_weights_of_groups_by_hand_and_for_soft_memberships() -> None:
    target, logging = np.array([[0.5, 0.1, 0.4]]), np.array([[0.2, 0.2, 0.6]])
    logged = np.array([0, 1, 2])
    hard = abstraction_weights(logged, np.array([0, 0, 1]), target, logging)
    np.testing.assert_allclose(hard, [1.5, 1.5, 2 / 3])
    shares = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    soft = abstraction_weights(logged, shares, target, logging)
    ratios = 0.55 / 0.3, 0.45 / 0.7
    np.testing.assert_allclose(soft, [ratios[0], sum(ratios) / 2, ratios[1]])
    assert (logging[0] * soft).sum() == pytest.approx(1.0)


def test_a_group_the_logging_policy_never_shows_costs_no_warning() -> None:
    target, logging = np.array([[0.5, 0.5, 0.0]]), np.array([[0.5, 0.0, 0.5]])
    weights = abstraction_weights(np.array([0, 2]), np.arange(3), target, logging)
    np.testing.assert_allclose(weights, [1.0, 0.0])


def test_wrong_input_is_refused() -> None:
    logged, groups = np.array([0]), np.zeros(N_SLATES, dtype=np.int64)
    with pytest.raises(PropensityError, match="row 0, slate 0 has 0"):
        nothing = np.eye(N_SLATES)[[1]]
        abstraction_weights(logged, groups, chances(0), nothing)
    with pytest.raises(PropensityError, match="target_probs must be 0 or more and sum to 1"):
        abstraction_weights(logged, groups, chances(0) / 2, chances(1))
    with pytest.raises(DataError, match=rf"shape \(1, {N_SLATES}\)"):
        abstraction_weights(logged, groups, chances(0)[:, :5], chances(1))
    with pytest.raises(DataError, match="whole numbers from 0"):
        abstraction_weights(logged, groups - 1, chances(0), chances(1))
    with pytest.raises(DataError, match="probabilities that sum to 1"):
        abstraction_weights(logged, np.full((N_SLATES, 2), 0.4), chances(0), chances(1))
    with pytest.raises(ConfigError, match="n_groups"):
        group_by_reward(EVERY, np.zeros(N_SLATES), EVERY, 0)
    with pytest.raises(ConfigError, match=r"n_folds must lie in 2\.\.12"):
        learned_abstraction_weights(
            EVERY, np.zeros(N_SLATES), EVERY, chances(0), chances(1), n_folds=1
        )


def test_slates_of_equal_reward_are_grouped_in_order_of_reward() -> None:
    rewards = (EVERY[:, 0] == 3) * 2.0 + (EVERY[:, 1] == 3) * 1.0
    groups = group_by_reward(EVERY, rewards, EVERY, 3, ridge=1e-6)
    np.testing.assert_array_equal(groups, rewards.astype(np.int64))


def test_learned_groups_estimate_with_less_variance_and_little_bias() -> None:
    """200 logs of 300 slates: a bias of 0.02 and 4 standard errors of their mean are allowed."""
    target, logging = chances(2), chances(3)
    means = (EVERY[:, 0] == 3) * 2.0 + (EVERY[:, 1] == 3) * 1.0
    truth = float((target[0] * means).sum())
    latent, joint = [], []
    for log in range(200):
        rng = np.random.default_rng([7, log])
        logged = rng.choice(N_SLATES, size=300, p=logging[0])
        rewards = means[logged] + rng.normal(size=300)
        weights = learned_abstraction_weights(
            EVERY[logged], rewards, EVERY, target, logging, n_groups=3
        )
        sample = SlateSample(slate_rewards=rewards, abstraction_weights=weights)
        latent.append(LatentIPS().terms(sample).value)
        joint.append((target[0, logged] / logging[0, logged] * rewards).mean())
    assert np.std(latent) < 0.5 * np.std(joint)
    error = np.std(latent) / math.sqrt(200)
    assert abs(np.mean(latent) - truth) < 0.02 + 4 * error


def test_a_users_own_rewards_do_not_choose_their_weights() -> None:
    rng = np.random.default_rng(8)
    users = np.repeat(np.arange(20), 3)
    slates, rewards = EVERY[rng.integers(N_SLATES, size=60)], rng.normal(size=60)
    given = (EVERY, chances(4), chances(5))
    before = learned_abstraction_weights(slates, rewards, *given, users=users)
    rewards[users == 7] += 100.0
    after = learned_abstraction_weights(slates, rewards, *given, users=users)
    np.testing.assert_array_equal(before[users == 7], after[users == 7])
    assert (before != after).any()


def test_logged_slates_are_found_among_all() -> None:
    assert slate_indices(EVERY[[4, 2]], EVERY).tolist() == [4, 2]
