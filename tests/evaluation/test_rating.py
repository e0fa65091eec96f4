import math

import numpy as np
import pytest

from rlrec.errors import DataError
from rlrec.evaluation import rating_metrics, threshold_metrics


def test_rating_errors_worked_out_by_hand() -> None:
    found = rating_metrics([3.0, 5.0, 1.0], [3.0, 3.0, 2.0])
    assert found.rmse == pytest.approx(math.sqrt((0 + 4 + 1) / 3))
    assert found.mae == pytest.approx(1.0)
    assert found.n == 3


def test_threshold_metrics_worked_out_by_hand() -> None:
    true = np.array([5, 4, 4, 2, 1, 4])
    predicted = np.array([4.5, 4.0, 3.9, 4.2, 1.0, 4.1])
    found = threshold_metrics(predicted, true, threshold=4)
    # rows: truth below, at or above; columns: predicted below, at or above
    assert found.confusion.tolist() == [[1, 1], [1, 3]]
    assert found.precision == pytest.approx(3 / 4)
    assert found.recall == pytest.approx(3 / 4)
    assert found.f1 == pytest.approx(3 / 4)


def test_confusion_matrix_has_the_truth_in_its_rows() -> None:
    assert threshold_metrics([1.0], [5.0], 4).confusion.tolist() == [[0, 0], [1, 0]]
    assert threshold_metrics([5.0], [1.0], 4).confusion.tolist() == [[0, 1], [0, 0]]


def test_shares_of_nothing_are_not_defined() -> None:
    nothing = threshold_metrics([1.0], [1.0], 4)
    assert math.isnan(nothing.precision) and math.isnan(nothing.recall) and math.isnan(nothing.f1)
    missed = threshold_metrics([1.0], [5.0], 4)
    assert math.isnan(missed.precision) and missed.recall == 0.0 and missed.f1 == 0.0


def test_rating_metrics_refuse_what_cannot_be_compared() -> None:
    with pytest.raises(DataError, match=r"\(1,\) and \(2,\)"):
        rating_metrics([1.0], [1.0, 2.0])
    with pytest.raises(DataError, match="n >= 1"):
        rating_metrics([], [])
    with pytest.raises(DataError, match="predicted ratings must be numbers, the one at row 1"):
        threshold_metrics([1.0, np.nan], [1.0, 2.0], 4)
