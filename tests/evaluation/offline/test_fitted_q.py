"""Fitted Q evaluation and learned weights on problems whose answers are known."""

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rlrec.arrays import Floats, Ints
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation.offline.fitted_q import (
    Cut,
    IteratedQ,
    LinearQ,
    QModel,
    fitted_values,
    with_fitted_values,
)
from rlrec.evaluation.offline.marginal_weights import (
    minimax_state_weights,
    minimax_weights,
    regressed_state_weights,
    regressed_weights,
)
from rlrec.evaluation.offline.marginalised import DRL, SAMIS, SMIS
from rlrec.evaluation.offline.reward_models import FittedModel, NetworkModel, RidgeModel
from rlrec.evaluation.offline.sequential import PDIS, SequentialDM
from rlrec.evaluation.offline.session_sample import SessionSample
from rlrec.evaluation.offline.step_features import (
    StepFeatures,
    action_features,
    kernel_features,
)
from tests.evaluation.offline.session_problem import (
    LOGGING,
    TARGET,
    Population,
    log_of,
    q_values,
    sessions,
    truth,
    visits,
    whole,
)

LOG = whole(sessions())
"""The population of sessions as a finite log: what is fitted to it has no noise."""


def _states(log: Population) -> Floats:
    """An entry for each step and state."""
    return np.asarray(np.eye(6)[2 * log.steps + log.states])


def _features(log: Population) -> StepFeatures:
    return action_features(_states(log), log.actions, TARGET[log.states])


# The chain: states 0 to 4, action 1 steps right (past 4 it ends, with reward 1), action 0 left.
RIGHT, CHAIN_DISCOUNT = 0.8, 0.9


def _chain_truth() -> Floats:
    """Return Q (5, 2) by solving the linear equations of the chain."""
    moves = np.zeros((10, 10))
    rewards = np.zeros(10)
    rewards[2 * 4 + 1] = 1.0
    for state in range(5):
        for action, after in ((0, max(state - 1, 0)), (1, state + 1)):
            if after < 5:
                moves[2 * state + action, 2 * after : 2 * after + 2] = [1 - RIGHT, RIGHT]
    q = np.linalg.solve(np.eye(10) - CHAIN_DISCOUNT * moves, rewards)
    return np.asarray(q, np.float64).reshape(5, 2)


def _chain_log(n_sessions: int, n_steps: int, seed: int) -> tuple[SessionSample, StepFeatures]:
    """Sessions of equally likely actions from equally likely states, cut off after n_steps."""
    rng = np.random.default_rng(seed)
    states, actions, lengths, terminated, after = [], [], [], [], []
    for _ in range(n_sessions):
        state, length = int(rng.integers(5)), 0
        while state < 5 and length < n_steps:
            action = int(rng.integers(2))
            states.append(state)
            actions.append(action)
            state = state + 1 if action else max(state - 1, 0)
            length += 1
        lengths.append(length)
        terminated.append(state == 5)
        after.append(min(state, 4))
    shown, taken = np.array(states), np.array(actions)
    sample = SessionSample(
        rewards=((shown == 4) & (taken == 1)).astype(float),
        lengths=np.array(lengths),
        terminated=np.array(terminated),
        discount=CHAIN_DISCOUNT,
        propensities=np.full(len(shown), 0.5),
        target_probs=np.where(taken == 1, RIGHT, 1 - RIGHT),
    )
    probs = np.array([1 - RIGHT, RIGHT])
    features = action_features(
        np.eye(5)[shown],
        taken,
        np.tile(probs, (len(shown), 1)),
        np.eye(5)[np.array(after)],
        np.tile(probs, (len(after), 1)),
    )
    return sample, features


CHAIN, CHAIN_FEATURES = _chain_log(n_sessions=60, n_steps=7, seed=4)


class _Means:
    """A regression model of a user's own: the mean target of rows with equal features."""

    def fit(self, features: Floats, targets: Floats, weights: Floats | None = None) -> FittedModel:
        kinds = features @ np.arange(1, features.shape[1] + 1)
        level = np.zeros(features.shape[1] + 1)
        for kind in np.unique(kinds):
            level[int(kind)] = targets[kinds == kind].mean()
        return _Table(level)


class _Table:
    def __init__(self, level: Floats) -> None:
        self.level = level

    def predict(self, features: Floats) -> Floats:
        kinds = features @ np.arange(1, features.shape[1] + 1)
        return np.asarray(self.level[kinds.round().astype(int)])


@pytest.mark.parametrize(
    ("model", "tolerance"),
    [
        (LinearQ(penalty=0), 1e-10),
        (IteratedQ(model=_Means(), n_rounds=400, tolerance=1e-12), 1e-10),
        (IteratedQ(model=RidgeModel(penalty=1e-9), n_rounds=400, tolerance=1e-12), 1e-6),
    ],
    ids=["linear", "means", "ridge"],
)
@pytest.mark.parametrize("n_folds", [1, 3])
def test_a_chain_is_solved_exactly(model: QModel, tolerance: float, n_folds: int) -> None:
    assert not CHAIN.ends_terminated.all()  # so some values stand on those of cut-off sessions
    values = fitted_values(CHAIN, CHAIN_FEATURES, model=model, n_folds=n_folds)
    q = _chain_truth()
    shown = CHAIN_FEATURES.logged.argmax(axis=1)
    np.testing.assert_allclose(values.q_hat, q[shown % 5, shown // 5], atol=tolerance)
    v = q @ [1 - RIGHT, RIGHT]
    np.testing.assert_allclose(values.v_hat, v[shown % 5], atol=tolerance)
    assert values.v_after is not None
    assert CHAIN_FEATURES.after is not None
    after = CHAIN_FEATURES.after[:, 0].argmax(axis=1)
    np.testing.assert_allclose(values.v_after, v[after], atol=tolerance)


def test_last_rows_without_a_state_after_are_left_out_where_sessions_go_on() -> None:
    features = replace(CHAIN_FEATURES, after=None, after_probs=None)
    values = fitted_values(CHAIN, features, model=LinearQ(penalty=0), n_folds=1)
    shown = CHAIN_FEATURES.logged.argmax(axis=1)
    np.testing.assert_allclose(values.q_hat, _chain_truth()[shown % 5, shown // 5], atol=1e-10)
    ended = fitted_values(CHAIN, features, model=LinearQ(penalty=0), n_folds=1, cut="end")
    assert np.abs(ended.q_hat - values.q_hat).max() > 0.01


@pytest.mark.parametrize("model", [LinearQ(), IteratedQ(model=_Means(), n_rounds=9)], ids=repr)
def test_where_a_cut_is_the_end_the_state_after_it_is_not_read(
    model: QModel, caplog: pytest.LogCaptureFixture
) -> None:
    bare = replace(CHAIN_FEATURES, after=None, after_probs=None)
    with caplog.at_level(logging.ERROR):  # nine fits are not enough to settle
        found = fitted_values(CHAIN, CHAIN_FEATURES, model=model, cut="end")
        expected = fitted_values(CHAIN, bare, model=model, cut="end")
    np.testing.assert_array_equal(found.q_hat, expected.q_hat)


@pytest.mark.parametrize(
    "model", [LinearQ(penalty=0), IteratedQ(model=_Means(), n_rounds=5, tolerance=1e-12)], ids=repr
)
def test_the_time_limit_of_a_task_is_part_of_its_values(model: QModel) -> None:
    values = fitted_values(LOG.sample(), _features(LOG), model=model, n_folds=1, cut="end")
    np.testing.assert_allclose(values.q_hat, LOG.columns(q_values()), atol=1e-9)
    sample = with_fitted_values(LOG.sample(), values)
    assert SequentialDM().terms(sample).value == pytest.approx(truth(), abs=1e-9)


def test_values_of_a_user_come_from_models_of_others() -> None:
    log = log_of(sessions(), 40, seed=5)
    users = np.repeat(np.arange(8), 5)
    sample, features = log.sample(), _features(log)
    values = fitted_values(sample, features, users, n_folds=4, cut="end")
    theirs = np.isin(sample.sessions, np.flatnonzero(users == 3))
    richer = replace(sample, rewards=sample.rewards + 100 * theirs)
    changed = fitted_values(richer, features, users, n_folds=4, cut="end")
    np.testing.assert_array_equal(changed.q_hat[theirs], values.q_hat[theirs])
    assert np.abs(changed.q_hat - values.q_hat)[~theirs].max() > 1


def test_a_network_comes_near() -> None:
    model = IteratedQ(model=NetworkModel(n_updates=300), n_rounds=3)
    log = log_of(sessions(), 2000, seed=6)
    values = fitted_values(log.sample(), _features(log), model=model, n_folds=2, cut="end")
    off = values.q_hat - log.columns(q_values())
    spread = log.columns(q_values()).std()
    assert np.sqrt((off**2).mean()) < 0.2 * spread


def test_fits_that_do_not_settle_are_said(caplog: pytest.LogCaptureFixture) -> None:
    model = IteratedQ(model=_Means(), n_rounds=3, tolerance=1e-12)
    with caplog.at_level(logging.WARNING):
        fitted_values(CHAIN, CHAIN_FEATURES, model=model, n_folds=1)
    assert "has not settled after n_rounds=3" in caplog.text


def _true_weights(log: Population) -> tuple[Floats, Floats]:
    there, here = visits(TARGET), visits(LOGGING)
    states = (there.sum(axis=2) / here.sum(axis=2))[log.steps, log.states]
    return states, log.columns(there / here)


def test_minimax_weights_are_the_true_ratios() -> None:
    of_states, of_both = _true_weights(LOG)
    sample = LOG.sample()
    found = minimax_weights(sample, _features(LOG), penalty=1e-14, n_folds=1, cut="end")
    np.testing.assert_allclose(found, of_both, atol=1e-5)
    estimate = SAMIS().terms(replace(sample, state_action_weights=found)).value
    assert estimate == pytest.approx(truth(), abs=1e-6)
    found = minimax_state_weights(sample, _states(LOG), penalty=1e-14, n_folds=1, cut="end")
    np.testing.assert_allclose(found, of_states, atol=1e-5)
    estimate = SMIS().terms(replace(sample, state_weights=found)).value
    assert estimate == pytest.approx(truth(), abs=1e-6)


def _cell_errors(targets: Floats, cells: Ints) -> Floats:
    """Return the standard error of the mean target of each row's cell in two thirds of the log."""
    errors = np.empty(len(targets))
    for cell in np.unique(cells):
        inside = cells == cell
        errors[inside] = targets[inside].std() / np.sqrt(inside.sum() * 2 / 3)
    return errors


def test_regressed_weights_are_the_true_ratios_but_for_noise() -> None:
    of_states, of_both = _true_weights(LOG)
    sample = LOG.sample()
    cells = 4 * LOG.steps + 2 * LOG.states + LOG.actions
    found = regressed_weights(sample, _features(LOG).logged, model=_Means())
    # 32,768 sessions, two thirds for each model; 5 standard errors of each cell's mean
    assert (np.abs(found - of_both) <= 5 * _cell_errors(sample.weights, cells) + 1e-9).all()
    above = regressed_state_weights(sample, _states(LOG), model=_Means())
    errors = _cell_errors(sample.moved_down(sample.weights, 1.0), cells // 2)
    assert (np.abs(above - of_states) <= 5 * errors + 1e-9).all()


@pytest.mark.parametrize("way", ["regressed", "minimax"])
def test_weights_of_a_user_are_learned_from_others(way: str) -> None:
    log = log_of(sessions(), 60, seed=9)
    users = np.repeat(np.arange(12), 5)
    features = _features(log)

    def weights(sample: SessionSample, shown: StepFeatures) -> Floats:
        if way == "regressed":
            return regressed_weights(sample, shown.logged, users)
        return minimax_weights(sample, shown, users, cut="end")

    sample = log.sample()
    theirs = np.isin(sample.sessions, np.flatnonzero(users == 3))
    flipped = np.where(theirs[:, None], features.option_probs[:, ::-1], features.option_probs)
    probs = sample.needed("target_probs")
    other_probs = np.where(theirs, 1 - probs, probs)
    before = weights(sample, features)
    after = weights(
        replace(sample, target_probs=other_probs), replace(features, option_probs=flipped)
    )
    np.testing.assert_array_equal(after[theirs], before[theirs])
    assert np.abs(after - before)[~theirs].max() > 1e-3


def test_stationary_weights_give_the_value_of_a_chain() -> None:
    sample, features = _chain_log(n_sessions=4000, n_steps=30, seed=8)
    value = float((_chain_truth() @ [1 - RIGHT, RIGHT]).mean())
    weights = minimax_weights(sample, features, penalty=1e-10)
    # Tabular balance on a log: the same number as tabular FQE, whose noise is that of the log.
    terms = SAMIS().terms(replace(sample, state_action_weights=weights))
    error = terms.influences().std() / np.sqrt(sample.n_sessions)
    # n = 4000 sessions; 4 standard errors
    assert abs(terms.value - value) < 4 * error
    assert error < 0.02


def test_weights_of_a_kernel_class_with_enough_centres_are_tabular_ones() -> None:
    features = _features(LOG)
    near = kernel_features(np.eye(12), width=0.5)
    kernel = minimax_weights(
        LOG.sample(), features.mapped(near), penalty=1e-14, n_folds=1, cut="end"
    )
    np.testing.assert_allclose(kernel, _true_weights(LOG)[1], atol=1e-4)


def test_drl_with_learned_parts_beats_pdis() -> None:
    errors: dict[str, list[float]] = {"drl": [], "pdis": []}
    for seed in range(20):
        log = log_of(sessions(), 300, seed=100 + seed)
        sample, features = log.sample(), _features(log)
        values = fitted_values(sample, features, cut="end", seed=seed)
        weights = minimax_weights(sample, features, cut="end", seed=seed)
        drl = replace(with_fitted_values(sample, values), state_action_weights=weights)
        errors["drl"].append(DRL().terms(drl).value - truth())
        errors["pdis"].append(PDIS().terms(sample).value - truth())
    mean_squares = {name: np.mean(np.square(each)) for name, each in errors.items()}
    assert mean_squares["drl"] < mean_squares["pdis"]
    # n = 20 logs; 4 standard errors
    drl_errors = np.array(errors["drl"])
    assert abs(drl_errors.mean()) < 4 * drl_errors.std(ddof=1) / np.sqrt(20)


def _given(**changes: Any) -> dict[str, Any]:
    return {
        "logged": np.zeros((3, 2)),
        "options": np.zeros((3, 2, 2)),
        "option_probs": np.full((3, 2), 0.5),
        **changes,
    }


def test_bad_features_are_refused() -> None:
    off = np.array([[0.5, 0.5], [0.5, 0.6], [0.5, 0.5]])
    for changes, words in (
        ({"options": np.zeros((3, 2, 4))}, "options must have shape"),
        ({"option_probs": off}, "sum to 1 in each row; row 1 sums to 1.1"),
        ({"logged": np.array([[0, 0], [0, 0], [0, np.nan]])}, "logged must be finite; row 2"),
        ({"after": np.zeros((1, 2, 2))}, "given together"),
    ):
        with pytest.raises(DataError, match=words):
            StepFeatures(**_given(**changes))
    with pytest.raises(DataError, match=r"actions must lie in 0..1; row 1 has 2"):
        action_features(np.zeros((2, 1)), np.array([0, 2]), np.full((2, 2), 0.5))


def _fit(cut: Any = "bootstrap", users: Ints | None = None, **changes: Any) -> None:
    sample = replace(CHAIN, **changes)
    fitted_values(sample, CHAIN_FEATURES, users, cut=cut)


def test_fits_that_make_no_sense_are_refused() -> None:
    nobody_left = np.zeros(CHAIN.n_sessions, bool)
    with pytest.raises(ConfigError, match="values grow without end"):
        _fit(discount=1.0, terminated=nobody_left)
    with pytest.raises(ConfigError, match='"bootstrap" or "end"'):
        _fit(cut="stop")
    with pytest.raises(DataError, match="users must have shape"):
        _fit(users=np.zeros(3, np.int64))
    with pytest.raises(ConfigError, match="number of users in the log"):
        _fit(users=np.zeros(CHAIN.n_sessions, np.int64))
    with pytest.raises(DataError, match="features must be of the"):
        fitted_values(LOG.sample(), CHAIN_FEATURES)


CUTS: tuple[Cut, ...] = ("bootstrap", "end")


@pytest.mark.parametrize("cut", CUTS)
def test_only_sessions_that_go_on_have_values_after(cut: Cut) -> None:
    values = fitted_values(CHAIN, CHAIN_FEATURES, cut=cut)
    assert (values.v_after is None) == (cut == "end")
