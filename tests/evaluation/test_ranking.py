import math

import numpy as np
import pytest
from scipy import sparse

from rlrec.arrays import Floats, Ints
from rlrec.errors import ConfigError, DataError
from rlrec.evaluation import RankingMetrics, evaluate_ranking, rank_items, ranking_metrics
from rlrec.evaluation import ranking as ranking_module


def matrix(rows: list[list[int]], n_items: int) -> sparse.csr_array:
    indptr = np.cumsum([0, *map(len, rows)])
    indices = np.concatenate([np.asarray(row, int) for row in rows])
    return sparse.csr_array((np.ones(indices.size), indices, indptr), shape=(len(rows), n_items))


def test_hidden_items_are_never_ranked() -> None:
    scores = np.array([[4.0, 3.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0]])
    hidden = matrix([[0, 2], [3]], 4)
    assert rank_items(scores, hidden, 2).tolist() == [[1, 3], [2, 1]]
    assert rank_items(scores, hidden.toarray() > 0, 2).tolist() == [[1, 3], [2, 1]]
    assert rank_items(scores, None, 2).tolist() == [[0, 1], [3, 2]]


def test_stored_zeros_hide_an_item_as_any_other_value() -> None:
    hidden = sparse.csr_array((np.zeros(1), np.array([1]), np.array([0, 1])), shape=(1, 2))
    assert rank_items(np.array([[0.0, 1.0]]), hidden, 1).tolist() == [[0]]


def test_ties_go_to_the_lower_item() -> None:
    assert rank_items(np.array([[1.0, 2.0, 2.0, 1.0, 1.0]]), None, 4).tolist() == [[1, 2, 0, 3]]


def test_places_without_an_item_left_hold_minus_one() -> None:
    scores = np.array([[1.0, 2.0, 3.0]])
    assert rank_items(scores, matrix([[2]], 3), 5).tolist() == [[1, 0, -1, -1, -1]]


def test_an_item_scored_minus_infinity_ranks_last_but_before_hidden_ones() -> None:
    scores = np.array([[0.0, -np.inf, -np.inf, 5.0]])
    assert rank_items(scores, matrix([[0, 1]], 4), 3).tolist() == [[3, 2, -1]]


def test_ranking_leaves_the_scores_as_they_are() -> None:
    scores = np.array([[-np.inf, 1.0]])
    rank_items(scores, matrix([[1]], 2), 1)
    assert scores.tolist() == [[-np.inf, 1.0]]


def test_bad_input_to_a_ranking_is_refused_saying_where() -> None:
    with pytest.raises(DataError, match="row 1 and item 0 is nan"):
        rank_items(np.array([[0.0, 1.0], [np.nan, 1.0]]), None, 1)
    with pytest.raises(DataError, match=r"shape of the scores \(1, 2\), got \(1, 3\)"):
        rank_items(np.zeros((1, 2)), matrix([[0]], 3), 1)
    with pytest.raises(DataError, match=r"users, items"):
        rank_items(np.zeros(3), None, 1)
    with pytest.raises(ConfigError, match="k must be 1 or more, got 0"):
        rank_items(np.zeros((1, 2)), None, 0)


def metrics_of(ranked: list[list[int]], relevant: list[list[int]]) -> RankingMetrics:
    return ranking_metrics(np.array(ranked), matrix(relevant, 10), 10)


def test_metrics_of_a_ranking_worked_out_by_hand() -> None:
    found = metrics_of([[7, 3, 5, 1]], [[1, 3, 9]])  # hits at ranks 2 and 4
    ideal = 1 + 1 / math.log2(3) + 1 / 2
    assert found.ndcg[0] == pytest.approx((1 / math.log2(3) + 1 / math.log2(5)) / ideal)
    assert found.recall[0] == pytest.approx(2 / 3)
    assert found.precision[0] == pytest.approx(2 / 4)
    assert found.hit_rate[0] == 1.0
    assert found.mrr[0] == pytest.approx(1 / 2)
    assert found.map[0] == pytest.approx((1 / 2 + 2 / 4) / 3)
    assert found.coverage == pytest.approx(4 / 10)
    assert found.k == 4


def test_a_perfect_ranking_scores_one_however_many_items_are_relevant() -> None:
    found = metrics_of([[4, 2], [0, 1]], [[4], [0, 1, 2, 3]])
    for name in ("ndcg", "map", "mrr", "hit_rate"):
        np.testing.assert_allclose(getattr(found, name), 1.0)
    np.testing.assert_allclose(found.recall, [1.0, 0.5])
    np.testing.assert_allclose(found.precision, [0.5, 1.0])


def test_a_ranking_without_hits_scores_zero() -> None:
    found = metrics_of([[0, 1, -1]], [[9]])
    for name in ("ndcg", "recall", "precision", "hit_rate", "mrr", "map"):
        assert getattr(found, name)[0] == 0.0


def slow_metrics(ranked: Ints, relevant: set[int]) -> dict[str, float]:
    """The definitions, item by item."""
    k, hits, gain, precisions, first = len(ranked), 0, 0.0, 0.0, 0.0
    for rank, item in enumerate(ranked.tolist(), start=1):
        if item in relevant:
            hits += 1
            gain += 1 / math.log2(rank + 1)
            precisions += hits / rank
            first = first or 1 / rank
    most = min(k, len(relevant))
    return {
        "ndcg": gain / sum(1 / math.log2(rank + 1) for rank in range(1, most + 1)),
        "recall": hits / len(relevant),
        "precision": hits / k,
        "hit_rate": float(hits > 0),
        "mrr": first,
        "map": precisions / most,
    }


def test_metrics_equal_their_definitions_on_random_rankings() -> None:
    rng = np.random.default_rng(0)
    ranked = np.argsort(rng.random((200, 30)), axis=1)[:, :10]
    relevant = rng.random((200, 30)) < 0.2
    relevant[:, 0] = True
    found = ranking_metrics(ranked, sparse.csr_array(relevant), 30)
    for user in range(200):
        expected = slow_metrics(ranked[user], set(np.flatnonzero(relevant[user]).tolist()))
        for name, value in expected.items():
            assert getattr(found, name)[user] == pytest.approx(value)


def test_metrics_do_not_depend_on_the_order_or_repetition_of_stored_entries() -> None:
    tidy = matrix([[1, 4], [0]], 5)
    untidy = sparse.csr_array(
        (np.ones(5), np.array([4, 1, 4, 0, 0]), np.array([0, 3, 5])), shape=(2, 5)
    )
    ranked = np.array([[4, 0, 1], [1, 0, 2]])
    np.testing.assert_array_equal(
        ranking_metrics(ranked, untidy, 5).recall, ranking_metrics(ranked, tidy, 5).recall
    )
    assert untidy.nnz == 5  # the argument is left as it was


def test_novelty_is_the_mean_self_information_in_bits() -> None:
    popularity = np.array([8, 4, 2, 2, 0])  # the last counts as the least popular one that has any
    found = ranking_metrics(
        np.array([[0, 1], [3, 4], [2, -1]]), matrix([[0]] * 3, 5), 5, popularity
    )
    assert found.novelty is not None
    np.testing.assert_allclose(found.novelty, [(1 + 2) / 2, 3.0, 3.0])


def test_diversity_is_one_minus_the_mean_cosine_of_pairs() -> None:
    features = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0], [0.0, 0.0]])
    ranked = np.array([[0, 1, -1], [0, 1, 2], [0, 3, -1], [0, -1, -1]])
    found = ranking_metrics(ranked, matrix([[0]] * 4, 4), 4, features=features)
    assert found.diversity is not None
    np.testing.assert_allclose(found.diversity, [0.0, 2 / 3, 1.0, np.nan], atol=1e-12)


def test_table_gives_means_and_standard_errors_over_users() -> None:
    table = metrics_of([[0, 1], [2, 3], [4, 5]], [[0], [9], [4]]).table()
    assert table.loc["hit_rate@2", "mean"] == pytest.approx(2 / 3)
    expected = np.std([1, 0, 1], ddof=1) / math.sqrt(3)
    assert table.loc["hit_rate@2", "standard_error"] == pytest.approx(expected)
    assert table.loc["hit_rate@2", "n_users"] == 3
    assert table.loc["coverage@2", "mean"] == pytest.approx(0.6)
    assert table["standard_error"].isna()["coverage@2"]
    assert "novelty@2" not in table.index


def test_table_leaves_out_users_for_whom_a_metric_is_not_defined() -> None:
    ranked, features = np.array([[0, 1], [1, -1]]), np.eye(2)
    table = ranking_metrics(ranked, matrix([[0], [1]], 2), 2, features=features).table()
    assert table.loc["diversity@2", "mean"] == pytest.approx(1.0)
    assert table.loc["diversity@2", "n_users"] == 1


def test_metrics_refuse_what_does_not_fit_together() -> None:
    ranked = np.array([[0, 1], [1, 0]])
    with pytest.raises(DataError, match="1 of 2 have none, the first at row 1"):
        ranking_metrics(ranked, matrix([[0], []], 2), 2)
    with pytest.raises(DataError, match=r"relevant \(users, 3\), got \(2, 2\) and \(2, 2\)"):
        ranking_metrics(ranked, matrix([[0], [1]], 2), 3)
    with pytest.raises(DataError, match=r"items in 0\.\.1 or -1, got 0\.\.2"):
        ranking_metrics(ranked * 2, matrix([[0], [1]], 2), 2)
    with pytest.raises(DataError, match="popularity needs 2 counts"):
        ranking_metrics(ranked, matrix([[0], [1]], 2), 2, popularity=np.zeros(2))
    with pytest.raises(DataError, match=r"features need shape \(2, D\)"):
        ranking_metrics(ranked, matrix([[0], [1]], 2), 2, features=np.zeros((3, 1)))


class Scoring:
    """Scores from a table; notes how many users it is asked for at a time."""

    def __init__(self, table: Floats) -> None:
        self.table = table
        self.asked: list[int] = []

    def scores(self, user_index: Ints) -> Floats:
        self.asked.append(len(user_index))
        return self.table[user_index]


def test_evaluation_judges_users_with_a_test_item_on_items_they_did_not_have() -> None:
    recommender = Scoring(np.array([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [1.0, 2.0, 3.0]]))
    train, test = matrix([[0], [0], [2]], 3), matrix([[1], [], [0]], 3)
    found = evaluate_ranking(recommender, train, test, k=1)
    assert found.n_users == 2
    assert found.hit_rate.tolist() == [1.0, 0.0]
    assert found.novelty is not None


def test_evaluation_in_blocks_equals_evaluation_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    recommender = Scoring(rng.normal(size=(50, 20)))
    train, test = (sparse.csr_array(rng.random((50, 20)) < 0.2) for _ in range(2))
    whole = evaluate_ranking(recommender, train, test, k=5)
    monkeypatch.setattr(ranking_module, "_SCORES_A_BLOCK", 7 * 20)
    recommender.asked.clear()
    blocks = evaluate_ranking(recommender, train, test, k=5)
    assert max(recommender.asked) == 7
    np.testing.assert_array_equal(blocks.ndcg, whole.ndcg)
    assert blocks.coverage == whole.coverage


def test_evaluation_refuses_a_test_without_items_and_shapes_that_differ() -> None:
    recommender = Scoring(np.zeros((2, 3)))
    with pytest.raises(DataError, match="there are none"):
        evaluate_ranking(recommender, matrix([[0], [1]], 3), matrix([[], []], 3))
    with pytest.raises(DataError, match=r"\(2, 3\) and \(2, 4\)"):
        evaluate_ranking(recommender, matrix([[0], [1]], 3), matrix([[0], [1]], 4))
