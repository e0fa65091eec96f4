"""The cap on topics: slates within it, exact propensities, and what it is good for."""

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from scipy.sparse import csr_array

from rlrec.arrays import Observations
from rlrec.baselines import ALS, Popularity, TopicCapped
from rlrec.data import Catalogue, InteractionLog
from rlrec.envs import UserSimulator, make_simulator
from rlrec.errors import ConfigError
from rlrec.evaluation import rollout
from rlrec.policy import RandomPolicy, SlatePolicy
from rlrec.testing import POLICY_CHECKS

TOPICS = np.array([0, 0, 0, 1, 1, 2])


def catalogue() -> Catalogue:
    features = np.eye(6, dtype=np.float32)
    return Catalogue(np.arange(6), TOPICS, features, topic_names=("a", "b", "c"))


def capped(most: int, temperature: float = 0.0, slate_size: int = 3) -> TopicCapped:
    popular = Popularity(slate_size=slate_size).fit(csr_array([[6.0, 5.0, 4.0, 3.0, 2.0, 1.0]]))
    return TopicCapped(popular.softened(temperature), catalogue(), most)


def seen(history: list[int], context: list[float] | None = None) -> Observations:
    history_keys: Observations = {
        "history_items": np.array([history]),
        "history_responses": np.ones((1, len(history), 1), np.float32),
    }
    if context is None:
        return history_keys
    return {**history_keys, "context": np.array([context], np.float32)}


@pytest.mark.parametrize(
    ("most", "history", "context", "expected"),
    [
        (3, [0, 0], None, [0, 1, 2]),
        (2, [0, 0], None, [0, 1, 3]),
        (1, [0, 0], None, [0, 3, 5]),
        (2, [0, 1], None, [0, 3, 4]),  # item 0, of topic 0, was responded to
        (2, [0, 1], [0, 2, 0], [0, 1, 5]),  # what `context` counts goes before the history
        (1, [0, 0], [1, 1, 1], [0, 1, 2]),  # no topic has room: all have
    ],
)
def test_the_best_items_that_there_is_room_for_are_shown(
    most: int, history: list[int], context: list[float] | None, expected: list[int]
) -> None:
    draw = capped(most).act(seen(history, context), np.random.default_rng(0))
    assert draw.slates.tolist() == [expected] and not draw.log_probs.any()


def test_context_may_count_in_other_units() -> None:
    policy = capped(3)
    policy = TopicCapped(policy.baseline, catalogue(), 3, unit=5.0)
    # 0.2 and 0.6 in single precision are not quite 1 and 3 of 5
    draw = policy.act(seen([0, 0], [0.2, 0.6, 0.0]), np.random.default_rng(0))
    assert draw.slates.tolist() == [[0, 1, 5]]
    with pytest.raises(ConfigError, match=r"unit must be 0 or more, got -1\.0"):
        TopicCapped(policy.baseline, catalogue(), unit=-1.0)


def test_propensities_of_all_slates_add_up_to_one() -> None:
    policy, observations = capped(2, temperature=1.0), seen([0, 1])
    slates = np.array(list(permutations(range(6), 3)))
    many = {key: np.repeat(array, len(slates), axis=0) for key, array in observations.items()}
    joint = np.exp(policy.log_probs(many, slates).sum(axis=1))
    assert joint.sum() == pytest.approx(1.0)
    n_topic_0 = (TOPICS[slates] == 0).sum(axis=1)
    assert not joint[n_topic_0 > 1].any() and (joint[n_topic_0 <= 1] > 0).sum() > 10


def test_slates_are_drawn_as_often_as_stated() -> None:
    policy, n = capped(2, temperature=0.7), 4000
    observations = {key: np.repeat(a, n, axis=0) for key, a in seen([0, 1]).items()}
    draw = policy.act(observations, np.random.default_rng(1))
    stated = dict(zip(map(tuple, draw.slates.tolist()), draw.log_probs.sum(axis=1), strict=True))
    for slate, count in Counter(map(tuple, draw.slates.tolist())).items():
        share = np.exp(stated[slate])
        assert abs(count / n - share) < 5 * np.sqrt(share * (1 - share) / n)  # 5 standard errors


@pytest.fixture(scope="module")
def bored_users() -> UserSimulator:
    arguments = {"n_items": 60, "slate_size": 4, "n_steps": 30, "counts_observed": True}
    return make_simulator("rlrec/TopicBoredom-v0", 200, **arguments)


@pytest.fixture(scope="module")
def als(bored_users: UserSimulator) -> ALS:
    log = InteractionLog.record(RandomPolicy(60, 4), bored_users, n_steps=20_000, seed=1)
    model = ALS(factors=8, regularisation=1.0, alpha=5.0)
    return model.fit(log, bored_users.catalogue).softened(0.3)


@pytest.mark.parametrize("check", POLICY_CHECKS, ids=lambda check: check.__name__)
def test_policy_contract(check: object, als: ALS, bored_users: UserSimulator) -> None:
    assert callable(check) and bored_users.catalogue is not None
    check(TopicCapped(als, bored_users.catalogue, most=3), bored_users.with_users(20))


def test_users_who_tire_of_topics_take_more_of_capped_slates(
    als: ALS, bored_users: UserSimulator
) -> None:
    assert bored_users.catalogue is not None
    policies: dict[str, SlatePolicy] = {
        "plain": als,
        "capped": TopicCapped(als, bored_users.catalogue, most=2),
    }
    results = rollout(policies, bored_users, 400, seed=7, deterministic=False)
    difference = results.difference("capped", "plain")
    assert difference.value > 5 * difference.standard_error  # n = 400 users


def test_what_it_cannot_serve_is_refused() -> None:
    with pytest.raises(ConfigError, match="must be 1 or more, got 0 and 10"):
        TopicCapped(capped(1).baseline, catalogue(), most=0)
    offered = {**seen([0, 0]), "candidates": np.array([[0, 1, 2]])}
    with pytest.raises(ConfigError, match="not candidates"):
        capped(1).act(offered, np.random.default_rng(0))
