"""What a choice model must keep: probabilities, blank slots, order, large scores."""

import numpy as np

from rlrec.arrays import Floats
from rlrec.envs.blocks.choice import ChoiceModel, ChoiceWeights

_ROWS, _SLOTS = 200, 4


def check_rows_sum_to_one(model: ChoiceModel) -> None:
    """K scores give K + 1 probabilities, nothing last; they sum to one if one item is taken."""
    for n_slots in (1, _SLOTS):
        probabilities = model.probabilities(_scores(n_slots))
        expected = (_ROWS, n_slots + 1)
        assert probabilities.shape == expected, (
            f"{n_slots} scores must give shape {expected}, got {probabilities.shape}"
        )
        check_distribution(probabilities, model.takes_one)


def check_large_scores_are_finite(model: ChoiceModel) -> None:
    """Scores from -1000 to 1000 give finite probabilities, without a numerical warning."""
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        probabilities = model.probabilities(1000.0 * _scores())
    assert np.isfinite(probabilities).all(), "probabilities of scores of +-1000 must be finite"


def check_blank_slots_are_never_taken(model: ChoiceModel) -> None:
    """A score of -inf gets probability 0, and the rest is as if nobody ever took that item."""
    scores = _scores()
    blank = scores.copy()
    blank[:, 1] = -np.inf
    with np.errstate(all="raise", under="ignore"):
        probabilities = model.probabilities(blank)
        nothing_left = model.probabilities(np.full((3, _SLOTS), -np.inf))
    assert (probabilities[:, 1] == 0).all(), "a score of -inf must get probability 0"
    hated = scores.copy()
    hated[:, 1] = -1e6
    same = np.allclose(probabilities, model.probabilities(hated), rtol=1e-12)
    assert same, "a blank slot must leave the other probabilities as if nobody took its item"
    assert (nothing_left[:, -1] == 1).all(), "where all slots are blank, nothing must be taken"


def check_a_higher_score_is_taken_more_often(model: ChoiceModel) -> None:
    """Raising one score never lowers its probability, and never raises that of another option."""
    scores = _scores()
    raised = scores.copy()
    raised[:, 2] += 0.5
    before, after = model.probabilities(scores), model.probabilities(raised)
    assert (after[:, 2] >= before[:, 2]).all(), "a higher score must not be taken less often"
    assert (after[:, 2] > before[:, 2]).any(), "a higher score must be taken more often"
    others = np.delete(after - before, 2, axis=1)
    assert (others <= 1e-12).all(), "a higher score must not make other options more likely"


def check_weights_agree_with_probabilities(model: ChoiceModel) -> None:
    """`probabilities` are the weights' shares of their total, where a model has weights."""
    if not hasattr(model, "weights"):
        return
    scores = _scores()
    weights: ChoiceWeights = model.weights(scores)
    options = np.hstack([weights.items, weights.nothing[:, None]])
    assert (options >= 0).all(), "choice weights must be 0 or more"
    shares = options / options.sum(axis=1, keepdims=True)
    same = np.allclose(shares, model.probabilities(scores), rtol=1e-12, atol=1e-15)
    assert same, "choice probabilities must be shares of the choice weights"


def check_rows_are_independent(model: ChoiceModel) -> None:
    """A user's probabilities do not depend on the other users, and scores are not changed."""
    scores = _scores()
    given = scores.copy()
    together = model.probabilities(given)
    assert (given == scores).all(), "probabilities must not change the scores they are given"
    alone = np.vstack([model.probabilities(scores[row : row + 1]) for row in range(20)])
    assert (alone == together[:20]).all(), "a row must be the same alone as in a batch"


CHOICE_MODEL_CHECKS = (
    check_rows_sum_to_one,
    check_large_scores_are_finite,
    check_blank_slots_are_never_taken,
    check_a_higher_score_is_taken_more_often,
    check_weights_agree_with_probabilities,
    check_rows_are_independent,
)


def check_choice_model(model: ChoiceModel) -> None:
    """Run all CHOICE_MODEL_CHECKS."""
    for check in CHOICE_MODEL_CHECKS:
        check(model)


def check_distribution(probabilities: Floats, takes_one: bool) -> None:
    """Raise unless rows (B, K + 1) are probabilities of each slot, and last of none."""
    assert (probabilities >= 0).all(), "choice probabilities must be 0 or more"
    slots, nothing = probabilities[:, :-1], probabilities[:, -1]
    if takes_one:
        off = np.abs(probabilities.sum(axis=1) - 1.0).max()
        assert off < 1e-12, f"choice probabilities must sum to 1, a row is off by {off:.2g}"
        return
    assert (nothing <= 1.0 - slots.max(axis=1) + 1e-12).all(), (
        "P(nothing taken) must be at most 1 - P(slot taken) of every slot"
    )
    assert (nothing >= 1.0 - slots.sum(axis=1) - 1e-12).all(), (
        "P(nothing taken) must be at least 1 - the sum of P(slot taken)"
    )


def _scores(n_slots: int = _SLOTS) -> Floats:
    return np.random.default_rng(5).uniform(-1.0, 1.0, (_ROWS, n_slots))
