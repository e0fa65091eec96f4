"""The share of a policy's mass on what a log never shows."""

from typing import Any

import numpy as np
import pytest

from rlrec.arrays import Floats, Ints, Observations
from rlrec.data import InteractionLog, LogMetadata
from rlrec.errors import DataError
from rlrec.evaluation.offline.log_samples import ValueDraws
from rlrec.evaluation.offline.never_shown import share_never_shown
from rlrec.evaluation.offline.policy_probabilities import TargetProbabilities
from rlrec.evaluation.offline.user_blocks import Observer
from rlrec.slates import SlateDraw


class FixedSlates:
    """Shows one of given slates, with equal chances."""

    def __init__(self, slates: Ints) -> None:
        self.slates = slates

    def act(
        self, observations: Observations, rng: np.random.Generator, deterministic: bool = False
    ) -> SlateDraw:
        drawn = self.slates[rng.integers(len(self.slates), size=len(observations["context"]))]
        return SlateDraw(drawn, self.log_probs(observations, drawn))

    def log_probs(self, observations: Observations, slates: Ints) -> Floats:
        with np.errstate(divide="ignore"):
            chances = (slates[:, None] == self.slates).all(axis=2).mean(axis=1)
            log_probs = np.zeros(slates.shape)
            log_probs[:, 0] = np.log(chances)
        return log_probs


def log_of(slates: Ints, n_users: int = 50, **extra: Any) -> InteractionLog:
    n = len(slates)
    columns: dict[str, Any] = {
        "user_id": np.arange(n) * n_users // n,
        "episode_id": np.arange(n),
        "step": np.zeros(n, np.int64),
        "slate": slates,
        "response.click": np.ones(slates.shape, bool),
        "reward": np.ones(n),
        "terminated": np.ones(n, bool),
        "truncated": np.zeros(n, bool),
        "context": (np.arange(n) % 2)[:, None].astype(np.float32),
    }
    metadata = LogMetadata(slate_size=slates.shape[1], response_channels=("click",))
    return InteractionLog.from_columns(columns | extra, metadata)


def test_mass_on_a_choice_never_logged_is_counted(bandit: Any) -> None:
    log = bandit.log(400, never=2)
    observer = Observer(log)  # the log alone does not say that there is a third choice
    contexts = log.column("context")[:, 0].astype(int)
    array = TargetProbabilities.of_all_choices(bandit.target.table[contexts], log.column("slate"))
    blind = TargetProbabilities(array.given_prefix)
    policies = {"policy": bandit.target, "array": array, "blind": blind, "best": bandit.best}
    found = share_never_shown(log, policies, observer)
    expected = bandit.target.table[contexts, 2].mean()
    assert found["policy"].share == pytest.approx(expected, rel=1e-12)
    assert found["array"].share == pytest.approx(expected, rel=1e-12)
    assert found["policy"].error == pytest.approx(found["array"].error)
    assert 0 < found["array"].error < 0.02
    assert np.isnan(found["blind"].share)
    assert found["best"].share == pytest.approx((contexts == 0).mean())


def test_a_new_choice_of_an_array_beyond_the_log_counts(bandit: Any) -> None:
    log = bandit.log(100)
    tomorrow = np.zeros((100, 5))
    tomorrow[:, 4] = 1.0
    policy = TargetProbabilities.of_all_choices(tomorrow, log.column("slate"))
    (found,) = share_never_shown(log, {"tomorrow": policy}, Observer(log)).values()
    assert (found.share, found.error) == (1.0, 0.0)
    (found,) = share_never_shown(log, {"target": bandit.target}, Observer(log)).values()
    assert (found.share, found.error) == (0.0, 0.0)


@pytest.mark.parametrize("most_choices", [50, 1])
def test_counting_and_drawing_agree(bandit: Any, most_choices: int) -> None:
    log = bandit.log(3_000, never=2)
    observer = Observer(log)
    draws = ValueDraws(most_choices=most_choices)
    (found,) = share_never_shown(log, {"policy": bandit.target}, observer, draws).values()
    contexts = log.column("context")[:, 0].astype(int)
    # 16 draws in each of 3,000 rows: 4 standard errors are 0.009
    tolerance = 1e-12 if most_choices == 50 else 0.009
    assert found.share == pytest.approx(bandit.target.table[contexts, 2].mean(), abs=tolerance)


def test_of_slates_the_share_of_slots_is_told() -> None:
    log = log_of(np.tile([[0, 1], [1, 2]], (100, 1)))
    observer = Observer(log)
    policy = FixedSlates(np.array([[0, 3], [4, 3]]))
    (found,) = share_never_shown(log, {"policy": policy}, observer).values()
    # half or all of a slate, drawn 16 x 200 times: 4 standard errors are 0.018
    assert found.share == pytest.approx(0.75, abs=0.018)
    assert found.error < 0.01


def test_candidates_are_told_by_their_items() -> None:
    # Position 0 holds item 5 or 6, and always is what is shown; position 1 holds 6 or 7.
    candidates = np.tile([[5, 6], [6, 7]], (40, 1))
    log = log_of(np.zeros((80, 1), np.int64), candidates=candidates)
    policy = FixedSlates(np.array([[1]]))
    array = TargetProbabilities.of_all_choices(np.tile([0.2, 0.8], (80, 1)), log.column("slate"))
    found = share_never_shown(log, {"policy": policy, "array": array}, Observer(log))
    assert found["policy"].share == 0.5
    assert found["array"].share == pytest.approx(0.4)
    wide = TargetProbabilities(np.ones(80), np.tile([0.2, 0.8, 0.0], (80, 1)))
    with pytest.raises(DataError, match=r"shape of the candidates \(80, 2\), got \(80, 3\)"):
        share_never_shown(log, {"wide": wide}, Observer(log))


def test_fresh_documents_have_no_share() -> None:
    features = np.zeros((40, 2, 3), np.float32)
    log = log_of(np.zeros((40, 1), np.int64), candidate_features=features)
    policy = FixedSlates(np.array([[1]]))
    (found,) = share_never_shown(log, {"policy": policy}, Observer(log)).values()
    assert np.isnan(found.share)


def test_probabilities_of_another_log_are_refused(bandit: Any) -> None:
    short = TargetProbabilities(np.ones(3), np.ones((3, 1)))
    with pytest.raises(DataError, match="a row for each of the 40 rows of the log, got 3"):
        share_never_shown(bandit.log(40), {"short": short}, Observer(bandit.log(40)))
