"""Sequential estimators on a task whose sessions can all be listed."""

import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rlrec.arrays import Floats
from rlrec.errors import ConfigError, DataError, PropensityError
from rlrec.evaluation.offline import session_sample
from rlrec.evaluation.offline.marginalised import (
    DRL,
    MARGINALISED,
    SAMDR,
    SAMIS,
    SAMSNDR,
    SAMSNIS,
    SMDR,
    SMIS,
    SMSNDR,
    SMSNIS,
)
from rlrec.evaluation.offline.sequential import (
    PDIS,
    SEQUENTIAL,
    SNPDIS,
    SNTIS,
    TIS,
    PrefixPDIS,
    SequentialDM,
    SequentialDR,
    SequentialEstimator,
    SequentialSNDR,
    SNPrefixPDIS,
)
from rlrec.evaluation.offline.session_sample import SessionSample, session_lengths
from tests.evaluation.offline.session_problem import (
    LOGGING,
    N_STEPS,
    expectation,
    log_of,
    q_values,
    sessions,
    truth,
    with_values,
    with_weights,
)

ALL = sessions()
WRONG_Q = q_values() * 0.5 + np.arange(12).reshape(3, 2, 2) / 7


def _sample(q: Floats = WRONG_Q) -> SessionSample:
    return with_values(ALL, with_weights(ALL, ALL.sample()), q)


def test_the_listed_sessions_are_all_there_are() -> None:
    assert ALL.probs.sum() == pytest.approx(1, abs=1e-12)
    assert set(ALL.lengths) == {1, 2, 3}
    np.testing.assert_array_equal(ALL.terminated, ALL.lengths < N_STEPS)


@pytest.mark.parametrize(
    "estimator",
    [TIS(), PDIS(), SequentialDR()]
    + [each(exact_steps=k) for each in (SAMIS, SMIS, SAMDR, SMDR) for k in (0, 1, 5)]
    + [DRL()],
    ids=repr,
)
def test_the_expectation_is_the_truth(estimator: SequentialEstimator) -> None:
    terms = estimator.terms(_sample())
    assert terms.denominators is None
    assert expectation(terms, ALL) == pytest.approx(truth(), abs=1e-12)


@pytest.mark.parametrize(
    "estimator",
    [SNTIS(), SNPDIS(), SequentialSNDR()]
    + [each(exact_steps=k) for each in (SAMSNIS, SMSNIS, SAMSNDR, SMSNDR) for k in (0, 1)],
    ids=repr,
)
def test_a_normalised_form_tends_to_the_truth(estimator: SequentialEstimator) -> None:
    terms = estimator.terms(_sample())
    assert terms.denominators is not None
    assert expectation(terms, ALL) == pytest.approx(truth(), abs=1e-12)


def test_the_mean_weight_of_running_sessions_alone_would_not_lead_to_the_truth() -> None:
    terms = SNPDIS().terms(_sample())
    assert terms.denominators is not None
    over = np.arange(N_STEPS) >= ALL.lengths[:, None]
    running = np.where(over, 0.0, terms.denominators)
    wrong = expectation(replace(terms, denominators=running), ALL)
    assert abs(wrong - truth()) > 0.1


@pytest.mark.parametrize("estimator", [*SEQUENTIAL, *MARGINALISED], ids=lambda one: one.name)
def test_mean_weights_are_1(estimator: Any) -> None:
    if estimator in (PrefixPDIS, SNPrefixPDIS, SequentialDM):
        return
    weights = estimator().terms(_sample()).weights
    assert (ALL.probs * weights).sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(
    "estimator", [SequentialDM(), SequentialDR(), SequentialSNDR(), SAMDR(), SMSNDR()], ids=repr
)
def test_with_the_right_model_values_are_the_truth_whatever_the_weights(
    estimator: SequentialEstimator,
) -> None:
    wrong = np.linspace(0.1, 3, 12).reshape(3, 2, 2)
    sample = replace(
        _sample(q_values()),
        state_weights=wrong[ALL.steps, ALL.states, 0],
        state_action_weights=ALL.columns(wrong),
    )
    assert expectation(estimator.terms(sample), ALL) == pytest.approx(truth(), abs=1e-12)


@pytest.mark.parametrize(
    "estimator",
    [
        each()
        for each in (TIS, SNTIS, PDIS, SNPDIS, SAMIS, SMIS, SAMSNIS, SMSNIS, SequentialDR, DRL)
    ],
    ids=repr,
)
def test_the_logging_policy_itself_earns_what_the_log_says(estimator: Any) -> None:
    log = log_of(ALL, 500, seed=1)
    ones = np.ones(len(log.states))
    sample = replace(
        log.sample(target=LOGGING),
        state_weights=ones,
        state_action_weights=ones,
        q_hat=0.7 * ones,  # where both policies are one, Q and V of what was shown agree
        v_hat=0.7 * ones,
    )
    assert estimator.terms(sample).value == pytest.approx(sample.returns.mean(), abs=1e-12)


def test_values_after_a_cut_count_for_sessions_cut_off_only() -> None:
    sample = replace(_sample(), v_after=np.full(len(ALL.lengths), 10.0))
    gained = expectation(SequentialDR().terms(sample), ALL) - truth()
    cut = ~ALL.terminated
    weights = _sample().weights[_sample().last_rows]
    reached = (ALL.probs * weights)[cut].sum()
    assert gained == pytest.approx(0.9**N_STEPS * reached * 10.0, abs=1e-12)


def _slates() -> tuple[SessionSample, Floats, float]:
    """All sessions of two steps with slates of two slots of two items, and the truth.

    The reward of a slot depends on it and the slots above; whether a second step comes, on the
    whole slate.
    """
    first, second = np.array([0.25, 0.75]), np.array([[0.5, 0.5], [0.25, 0.75]])
    target = np.array([0.6, 0.4]), np.array([[0.9, 0.1], [0.3, 0.7]])
    stays = np.array([[0.5, 0.25], [0.75, 0.5]])
    gains = np.array([1.0, 3.0]), np.array([[2.0, -1.0], [0.5, 1.0]])
    pairs = [(a, b) for a in (0, 1) for b in (0, 1)]
    found = []
    for a, b in pairs:
        here = first[a] * second[a, b]
        found.append((here * (1 - stays[a, b]), [(a, b)]))
        for c, d in pairs:
            found.append((here * stays[a, b] * first[c] * second[c, d], [(a, b), (c, d)]))
    rows = np.array([pair for _, shown in found for pair in shown])
    a, b = rows.T
    slot_rewards = np.stack([gains[0][a], gains[1][a, b]], axis=1)
    sample = SessionSample(
        rewards=slot_rewards.sum(axis=1),
        lengths=np.array([len(shown) for _, shown in found]),
        discount=0.8,
        slot_rewards=slot_rewards,
        slot_propensities=np.stack([first[a], second[a, b]], axis=1),
        slot_target_probs=np.stack([target[0][a], target[1][a, b]], axis=1),
    )
    joint = target[0][:, None] * target[1]
    step = (joint * (gains[0][:, None] + gains[1])).sum()
    return sample, np.array([prob for prob, _ in found]), step * (1 + 0.8 * (joint * stays).sum())


def test_slots_within_steps_are_unbiased_and_vary_less_than_steps() -> None:
    sample, probs, value = _slates()
    joint = replace(
        sample,
        propensities=sample.needed("slot_propensities").prod(axis=1),
        target_probs=sample.needed("slot_target_probs").prod(axis=1),
    )
    by_slot = PrefixPDIS().terms(sample).numerators[:, 0]
    by_step = PDIS().terms(joint).numerators[:, 0]
    assert (probs * by_slot).sum() == pytest.approx(value, abs=1e-12)
    assert (probs * by_step).sum() == pytest.approx(value, abs=1e-12)
    assert (probs * (by_slot - value) ** 2).sum() < (probs * (by_step - value) ** 2).sum()
    terms = SNPrefixPDIS().terms(sample)
    assert terms.denominators is not None
    totals = (probs[:, None] * terms.numerators).sum(axis=0)
    means = (probs[:, None] * terms.denominators).sum(axis=0)
    np.testing.assert_allclose(means, 1, atol=1e-12)
    assert (totals / means).sum() == pytest.approx(value, abs=1e-12)


def test_a_session_alone_is_weighed_as_among_others() -> None:
    sample = _sample()
    alone = SessionSample(
        rewards=sample.rewards[:2],
        lengths=sample.lengths[1:2],
        discount=sample.discount,
        propensities=sample.needed("propensities")[1:3],
        target_probs=sample.needed("target_probs")[1:3],
    )
    assert sample.lengths[:2].tolist() == [1, 2]
    np.testing.assert_array_equal(alone.weights, sample.weights[1:3])


def _refused(error: type[Exception], words: str, **changes: Any) -> None:
    given: dict[str, Any] = {
        "rewards": np.arange(4.0),
        "lengths": np.array([1, 3]),
        "propensities": np.full(4, 0.5),
        "target_probs": np.full(4, 0.5),
    }
    SessionSample(**given)
    with pytest.raises(error, match=words):
        SessionSample(**{**given, **changes})


def test_bad_columns_are_refused_with_their_row() -> None:
    here = r"row 2 \(session 1, step 1\)"
    for wrong in (0.0, 1.2, np.nan, -0.1):
        off = np.array([0.5, 0.5, wrong, 0.5])
        _refused(PropensityError, rf"propensities must lie in \(0, 1\].*{here}", propensities=off)
    off = np.array([0.5, 0.0, 1.5, 0.5])
    _refused(
        PropensityError, rf"target_probs must lie in \[0, 1\].*1 of 4.*{here}", target_probs=off
    )
    _refused(DataError, f"rewards must be finite.*{here}", rewards=[0, 0, np.inf, 0])
    _refused(DataError, "must sum to the 4 rows", lengths=np.array([1, 2]))
    _refused(DataError, "session 1 has 0", lengths=np.array([4, 0]))
    _refused(DataError, "lengths must be whole numbers", lengths=np.array([1.0, 3.0]))
    _refused(ConfigError, "discount must be above 0", discount=0.0)
    _refused(DataError, r"q_hat must have shape \(4,\)", q_hat=np.zeros(3))
    _refused(DataError, "v_after.*session 0", terminated=[False, True], v_after=[np.nan, np.nan])


def test_slots_that_do_not_agree_with_their_slate_are_refused() -> None:
    slots = np.array([[1, 0.5], [0.5, 1], [0.5, 0.5], [0.5, 1]])
    _refused(PropensityError, "propensities must be the product.*row 2", slot_propensities=slots)
    _refused(DataError, "must sum to rewards.*row 1", slot_rewards=np.zeros((4, 2)))
    bad = np.array([[1, 0.5], [0.5, 1.5], [0.5, 0.5], [0.5, 1]])
    _refused(PropensityError, "row 1 .*slot 1", slot_propensities=bad)


def test_lengths_are_counted_from_steps_in_order_only() -> None:
    assert session_lengths(np.array([0, 0, 1, 2, 0])).tolist() == [1, 3, 1]
    for steps, words in (([0, 1, 3], "row 2 has step 3"), ([1, 2], "row 0"), ([0, 1, 1], "row 2")):
        with pytest.raises(DataError, match=words):
            session_lengths(np.array(steps))


def test_a_missing_column_is_named() -> None:
    with pytest.raises(DataError, match="needs `q_hat`"):
        SequentialDR().terms(replace(_sample(), q_hat=None))
    with pytest.raises(ConfigError, match="exact_steps of sam_is"):
        SAMIS(exact_steps=-1)


@pytest.mark.parametrize("estimator", [*SEQUENTIAL, *MARGINALISED], ids=lambda one: one.name)
def test_each_says_what_it_needs(estimator: Any) -> None:
    sample = _slates()[0] if "slot_rewards" in estimator.needs else _sample()
    columns = {"rewards", "lengths", "terminated", "discount", *estimator.needs}
    names = set(SessionSample.__dataclass_fields__)
    left_out: dict[str, Any] = dict.fromkeys(names - columns)
    bare = replace(sample, **left_out)
    assert np.isfinite(estimator().terms(bare).value)
    for name in estimator.needs:
        lacking: dict[str, Any] = {name: None}
        with pytest.raises(DataError, match=f"needs `{name}`"):
            estimator().terms(replace(bare, **lacking))


def test_a_very_long_session_among_short_ones_is_weighed_without_a_table() -> None:
    lengths = np.ones(1000, np.int64)
    lengths[0] = 20_000  # a table of sessions by steps would hold 20 million numbers
    n_rows = int(lengths.sum())
    rng = np.random.default_rng(3)
    ratios = np.exp(rng.normal(0, 1e-3, n_rows))
    sample = SessionSample(
        rewards=rng.random(n_rows),
        lengths=lengths,
        propensities=np.full(n_rows, 0.5),
        target_probs=0.5 * np.minimum(ratios, 2),
    )
    np.testing.assert_array_equal(sample.weights[:20_000], np.cumprod(sample.ratios[:20_000]))


def test_a_table_of_steps_holds_each_weight_and_the_last_one_of_sessions_that_are_over() -> None:
    sample = log_of(ALL, 300, seed=6).sample()
    terms = SNPDIS().terms(sample)
    values = sample.discounts * sample.weights * sample.rewards
    for step in range(sample.n_steps):
        runs = sample.lengths > step
        rows = sample.first_rows + np.minimum(step, sample.lengths - 1)
        expected = np.where(runs, values[rows], 0.0)
        np.testing.assert_array_equal(terms.numerators[:, step], expected)
        assert terms.denominators is not None
        np.testing.assert_array_equal(terms.denominators[:, step], sample.weights[rows])


NORMALISED = (SNPDIS, SNPrefixPDIS, SequentialSNDR, SAMSNIS, SMSNIS, SAMSNDR, SMSNDR)


@pytest.mark.parametrize("estimator", NORMALISED)
def test_steps_that_share_a_term_are_divided_by_their_mean_weight(
    estimator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_sample, "_FEW_STEPS", 1)
    monkeypatch.setattr(session_sample, "_MOST_STEPS", 1)
    sample = _slates()[0] if "slot_rewards" in estimator.needs else _sample()
    assert (sample.own_steps, sample.n_steps > 1) == (1, True)
    terms = estimator().terms(sample)
    assert terms.denominators is not None
    n_slots = 1 if sample.slot_rewards is None else sample.slot_rewards.shape[1]
    extra = int("v_hat" in estimator.needs)
    assert terms.numerators.shape[1] == 2 * n_slots + extra
    monkeypatch.undo()
    whole = estimator().terms(replace(sample))
    assert whole.denominators is not None
    # By hand from the whole table: per slot, the first step apart, later ones joined.
    n_steps = sample.n_steps
    shares = np.array([(sample.lengths > step).sum() for step in range(n_steps)], float)
    shares *= sample.discount ** np.arange(n_steps)
    shares[0] = 0.0
    shares /= shares.sum()
    for slot in range(n_slots):
        steps = slice(extra + slot * n_steps, extra + (slot + 1) * n_steps)
        joined = extra + 2 * slot + 1
        summed = whole.numerators[:, steps][:, 1:].sum(axis=1)
        np.testing.assert_allclose(terms.numerators[:, joined], summed, atol=1e-12)
        divisor = (whole.denominators[:, steps] * shares).sum(axis=1)
        np.testing.assert_allclose(terms.denominators[:, joined], divisor, atol=1e-12)
        np.testing.assert_array_equal(
            terms.numerators[:, joined - 1], whole.numerators[:, steps.start]
        )
        np.testing.assert_array_equal(
            terms.denominators[:, joined - 1], whole.denominators[:, steps.start]
        )


def _with_one_long(n: int, length: int, longest: int) -> SessionSample:
    """`n` sessions of one length and one that is far longer, under ratios whose mean is 1."""
    lengths = np.append(np.full(n, length), longest)
    n_rows = int(lengths.sum())
    rng = np.random.default_rng(4)
    return SessionSample(
        rewards=rng.random(n_rows),
        lengths=lengths,
        discount=0.99,
        propensities=np.full(n_rows, 0.5),
        target_probs=rng.choice([0.4, 0.6], n_rows),
    )


def test_one_long_session_costs_memory_by_its_rows() -> None:
    sample = _with_one_long(2_000, 10, 40_000)  # a whole table would hold 640 MB
    tracemalloc.start()
    terms = SNPDIS().terms(sample)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert terms.numerators.shape == (2_001, 11)
    assert peak < 15e6  # of columns of 60,000 rows, 0.5 MB each
    # Each step's value is about 0.5, discounted; all sessions end after 10 but one of 2,001.
    assert terms.value == pytest.approx(0.5 * (1 - 0.99**10) / 0.01, rel=0.05)


def test_the_steps_with_a_term_of_their_own_grow_with_the_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert _with_one_long(100, 10, 4_000).own_steps == 4_000  # small: every step
    assert _with_one_long(2_000, 10, 4_000).own_steps == 10  # one session alone goes further
    assert _with_one_long(5, 10, 5_000).own_steps == 10
    monkeypatch.setattr(session_sample, "_SMALL_TABLE", 1)
    all_long = SessionSample(rewards=np.zeros(30 * 5_000), lengths=np.full(30, 5_000))
    assert all_long.own_steps == 5_000  # all reach the end
    monkeypatch.setattr(session_sample, "_CELLS_PER_ROW", 2)
    spread = SessionSample(
        rewards=np.zeros(5_000), lengths=np.append(np.ones(930), [58] * 69 + [68]).astype(np.int64)
    )
    assert spread.n_rows == 5_000
    assert spread.own_steps == 10  # twice the mean length
