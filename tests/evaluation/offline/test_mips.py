"""Weights of embeddings, and the search for the dimensions that matter."""

import numpy as np
import pytest

from rlrec.errors import ConfigError, DataError
from rlrec.evaluation.offline.bandit import IPS
from rlrec.evaluation.offline.bandit_sample import BanditSample
from rlrec.evaluation.offline.mips import (
    MIPS,
    SNMIPSOfMarginals,
    embedding_weights,
    regressed_embedding_weights,
)

N_ACTIONS, N_CATEGORIES, N_DIMENSIONS = 30, 3, 3


def embedded(n: int, seed: int, decisive: int) -> BanditSample:
    """Rounds whose reward depends on one dimension of the embedding, drawn given the action."""
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.full(N_CATEGORIES, 0.3), size=(N_ACTIONS, N_DIMENSIONS))
    logging = np.tile(rng.dirichlet(np.full(N_ACTIONS, 1.0)), (n, 1))
    target = np.tile(rng.dirichlet(np.full(N_ACTIONS, 1.0)), (n, 1))
    actions = (rng.random((n, 1)) > logging.cumsum(axis=1)).sum(axis=1).clip(max=N_ACTIONS - 1)
    cumulated = probs.cumsum(axis=2)[actions][:, :, :-1]
    embeddings = (rng.random((n, N_DIMENSIONS, 1)) > cumulated).sum(axis=2)
    rewards = embeddings[:, decisive] + 0.1 * rng.normal(size=n)
    rows = np.arange(n)
    return BanditSample(
        rewards=rewards,
        propensities=logging[rows, actions],
        target_probs=target[rows, actions],
        actions=actions,
        target_distribution=target,
        logging_distribution=logging,
        embeddings=embeddings,
        embedding_probs=probs.transpose(0, 2, 1),
    )


def test_weights_are_ratios_of_joint_probabilities() -> None:
    sample = embedded(20, 0, 0)
    assert sample.embeddings is not None
    assert sample.embedding_probs is not None
    assert sample.target_distribution is not None
    assert sample.logging_distribution is not None
    for row in range(20):
        likelihoods = np.ones(N_ACTIONS)
        for dimension, category in enumerate(sample.embeddings[row]):
            likelihoods *= sample.embedding_probs[:, category, dimension]
        wanted = (sample.target_distribution[row] * likelihoods).sum()
        shown = (sample.logging_distribution[row] * likelihoods).sum()
        found = embedding_weights(sample, range(N_DIMENSIONS))[row]
        assert found == pytest.approx(wanted / shown)


def test_weights_of_embeddings_vary_less_than_those_of_actions() -> None:
    sample = embedded(5_000, 1, 0)
    assert MIPS().terms(sample).influences().std() < 0.5 * (sample.weights * sample.rewards).std()


@pytest.mark.parametrize("is_greedy", [False, True])
@pytest.mark.parametrize("decisive", range(N_DIMENSIONS))
def test_the_search_keeps_the_dimension_that_rewards_depend_on(
    decisive: int, is_greedy: bool
) -> None:
    sample = embedded(20_000, 2, decisive)
    found = MIPS(fewest_dimensions=1, is_greedy=is_greedy).dimensions(sample)
    assert decisive in found
    assert len(found) < N_DIMENSIONS


def test_without_a_search_or_room_for_one_all_dimensions_count() -> None:
    sample = embedded(100, 3, 0)
    assert MIPS().dimensions(sample) == (0, 1, 2)
    assert MIPS(fewest_dimensions=3).dimensions(sample) == (0, 1, 2)


def test_products_of_marginals_are_not_the_joint_weights() -> None:
    sample = embedded(500, 4, 0)
    marginal = SNMIPSOfMarginals().terms(sample).weights
    assert marginal is not None
    assert not np.allclose(marginal, embedding_weights(sample, range(N_DIMENSIONS)), rtol=0.01)


def test_an_embedding_that_could_not_be_logged_is_refused_with_its_row() -> None:
    given = embedded(5, 5, 0)
    assert given.embedding_probs is not None
    impossible = given.embedding_probs.copy()
    impossible[:, :, 0] = [0.0, 0.0, 1.0]
    sample = BanditSample(
        rewards=given.rewards,
        propensities=given.propensities,
        target_probs=given.target_probs,
        target_distribution=given.target_distribution,
        logging_distribution=given.logging_distribution,
        embeddings=np.array([[2, 0, 0], [2, 0, 0], [1, 0, 0], [2, 0, 0], [2, 0, 0]]),
        embedding_probs=impossible,
    )
    with pytest.raises(DataError, match="row 2 has probability 0"):
        MIPS().terms(sample)


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="fewest_dimensions"):
        MIPS(fewest_dimensions=0)
    with pytest.raises(ConfigError, match="delta"):
        MIPS(delta=1.0)
    with pytest.raises(ConfigError, match="is 4, but embeddings have 3"):
        MIPS(fewest_dimensions=4).terms(embedded(10, 6, 0))


def learned(sample: BanditSample) -> BanditSample:
    """Return the sample with embedding weights that were learned, and no probabilities."""
    assert sample.embeddings is not None
    weights = regressed_embedding_weights(
        sample.weights, sample.embeddings, np.zeros((sample.n_rounds, 0))
    )
    return BanditSample(
        rewards=sample.rewards,
        propensities=sample.propensities,
        target_probs=sample.target_probs,
        embedding_weights=weights,
    )


def test_regressed_weights_tend_to_the_ratios_of_joint_probabilities() -> None:
    sample = embedded(40_000, 5, 0)
    exact = embedding_weights(sample, range(N_DIMENSIONS))
    found = learned(sample).embedding_weights
    assert found is not None
    # 27 combinations of at least some hundred rounds: weights of actions vary 20 times as much
    assert np.mean((found - exact) ** 2) < 0.05 * np.mean((sample.weights - exact) ** 2)
    assert found.mean() == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("seed", [6, 7, 8])
def test_learned_weights_meet_the_truth_with_less_spread_than_ips(seed: int) -> None:
    sample = embedded(20_000, seed, 1)
    assert sample.target_distribution is not None
    assert sample.embedding_probs is not None
    per_action = (sample.embedding_probs[:, :, 1] * np.arange(N_CATEGORIES)).sum(axis=1)
    truth = float(sample.target_distribution[0] @ per_action)
    mips, plain = MIPS().terms(learned(sample)), IPS().terms(sample)
    error = mips.influences().std() / np.sqrt(sample.n_rounds)
    # n = 20,000, 5 standard errors and half a percent for what the regression misses
    assert abs(mips.value - truth) < 5 * error + 0.005
    assert mips.influences().std() < 0.8 * plain.influences().std()


def test_learned_weights_leave_no_dimensions_to_search() -> None:
    with pytest.raises(ConfigError, match="learned embedding_weights"):
        MIPS(fewest_dimensions=1).terms(learned(embedded(300, 9, 0)))
    with pytest.raises(DataError, match="embedding_weights must be 0 or more"):
        BanditSample(
            rewards=np.ones(2),
            propensities=np.ones(2),
            target_probs=np.ones(2),
            embedding_weights=np.array([1.0, -0.1]),
        )


def test_many_combinations_of_categories_share_entries() -> None:
    rng = np.random.default_rng(10)
    embeddings = rng.integers(30, size=(4_000, 2))  # 900 combinations
    weights = embeddings[:, 0] / embeddings[:, 0].mean()
    found = regressed_embedding_weights(weights, embeddings, np.zeros((4_000, 0)))
    np.testing.assert_allclose(found, weights, atol=0.15)
