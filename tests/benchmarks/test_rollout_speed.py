"""What a rollout adds to the cost of the users and of the policy."""

import time

import numpy as np
import pytest

from rlrec.data.catalogue import Catalogue
from rlrec.evaluation.first_episodes import _ItemCounts


@pytest.mark.benchmark
def test_counting_what_2000_users_are_shown_takes_less_than_two_milliseconds() -> None:
    n_users, n_items, slate_size, n_steps = 2_000, 1_000, 10, 200
    rng = np.random.default_rng(0)
    catalogue = Catalogue(
        item_ids=np.arange(n_items),
        topics=rng.integers(20, size=n_items),
        features=np.zeros((n_items, 0), np.float32),
        topic_names=tuple(map(str, range(20))),
    )
    counts = _ItemCounts(catalogue)
    slates = rng.permuted(np.tile(np.arange(n_items), (n_users, 1)), axis=1)[:, :slate_size]
    responses = np.zeros((n_users, slate_size, 2), np.float32)
    responses[np.arange(n_users), rng.integers(slate_size, size=n_users)] = 1.0
    began = time.process_time()
    for _ in range(n_steps):
        counts.count(slates, responses)
    milliseconds = 1_000 * (time.process_time() - began) / n_steps
    print(f"rollout: {milliseconds:.2f} ms of CPU a step to count {n_users} slates of {slate_size}")
    assert milliseconds < 2.0
