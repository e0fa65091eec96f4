import math

import numpy as np
import pytest

from rlrec.seeding import EpisodeDraws, UserStreams


@pytest.mark.parametrize("n_draws", [1, 3, 4, 5, 21])
@pytest.mark.parametrize("n_users", [1, 7, 1000])
def test_a_user_gets_the_same_draws_in_batches_of_any_size(n_users: int, n_draws: int) -> None:
    large = UserStreams(seed=5).uniforms(1000, n_draws, tick=3, purpose=1)
    batch = UserStreams(seed=5).uniforms(n_users, n_draws, tick=3, purpose=1)
    np.testing.assert_array_equal(batch, large[:n_users])


@pytest.mark.parametrize("first_user", [1, 6, 999])
def test_a_user_gets_the_same_draws_wherever_the_batch_begins(first_user: int) -> None:
    everyone = UserStreams(seed=5).uniforms(1000, 6, tick=3, purpose=1)
    later = UserStreams(seed=5, first_user=first_user).uniforms(1, 6, tick=3, purpose=1)
    np.testing.assert_array_equal(later[0], everyone[first_user])


@pytest.mark.parametrize("first_user", [0, 40])
def test_draws_of_some_users_equal_the_rows_of_the_whole_batch(first_user: int) -> None:
    streams = UserStreams(seed=5, first_user=first_user)
    users, ticks = np.array([9, 0, 4, 9]), [2, 0, 7, 3]
    some = streams.uniforms_of(users, 5, ticks, purpose=2)
    for row, (user, tick) in enumerate(zip(users, ticks, strict=True)):
        np.testing.assert_array_equal(some[row], streams.uniforms(10, 5, tick, 2)[user])


def test_draws_do_not_depend_on_what_was_drawn_before() -> None:
    streams = UserStreams(seed=1)
    first = streams.uniforms(3, 2, tick=0, purpose=0)
    streams.uniforms(50, 7, tick=9, purpose=1)
    streams.uniforms_of(np.array([1]), 3, [4], purpose=1)
    np.testing.assert_array_equal(streams.uniforms(3, 2, tick=0, purpose=0), first)


def test_seeds_ticks_purposes_users_and_draws_are_unrelated() -> None:
    drawn = np.concatenate(
        [
            UserStreams(seed).uniforms(20, 6, tick, purpose).ravel()
            for seed in (0, 1)
            for tick in (0, 1)
            for purpose in (0, 1)
        ]
    )
    assert len(np.unique(drawn)) == drawn.size


def test_draws_are_uniform() -> None:
    n = 100_000
    drawn = UserStreams(seed=3).uniforms(n, 1, tick=0, purpose=0)[:, 0]
    shares = np.bincount((10 * drawn).astype(int), minlength=10) / n
    # 5 standard errors for each of ten tenths: a right stream fails at one seed in 170,000
    assert np.abs(shares - 0.1).max() < 5 * math.sqrt(0.1 * 0.9 / n)
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 5 / math.sqrt(n)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="non-negative"):
        UserStreams(seed=-1)


def test_draws_of_an_episode_are_the_same_one_by_one_and_all_at_once() -> None:
    n_users, rng = 200, np.random.default_rng(3)
    draws = EpisodeDraws(UserStreams(5, first_user=3), n_users, 6, purpose=1)
    numbers = np.zeros(n_users, np.int64)
    for _ in range(60):
        users = np.flatnonzero(rng.random(n_users) < rng.choice([0.02, 0.3, 1.0]))
        numbers[users] += 1
        if users.size:
            expected = UserStreams(5, 3).uniforms_of(users, 6, numbers[users].tolist(), 1)
            np.testing.assert_array_equal(draws.of(users, numbers[users]), expected)
    assert draws._held.max() > 8
