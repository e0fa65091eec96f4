from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlrec.baselines import EASE, Popularity
from rlrec.data import Catalogue, InteractionLog, LogMetadata
from rlrec.errors import CatalogueMismatchError, DataError

SLATES = [[0, 3], [3, 1], [0, 3], [2, 1], [1, 0]]
CLICKS = [[1, 0], [1, 1], [1, 0], [0, 0], [0, 1]]


def catalogue(n_items: int = 6) -> Catalogue:
    return Catalogue(
        item_ids=np.arange(n_items) + 100,
        topics=np.zeros(n_items, dtype=np.int64),
        features=np.zeros((n_items, 0), dtype=np.float32),
        topic_names=("all",),
    )


def log(fingerprint: str | None = None, **changed: Any) -> InteractionLog:
    """Users "b" (steps 0, 1 and a second episode of one step) and "c" (two steps)."""
    columns = {
        "user_id": np.array(["b", "b", "b", "c", "c"]),
        "episode_id": np.array([0, 0, 1, 0, 0]),
        "step": np.array([0, 1, 0, 0, 1]),
        "slate": np.array(SLATES),
        "response.click": np.array(CLICKS, dtype=np.float32),
        "response.watch": np.full((5, 2), 7.0, dtype=np.float32),
        "reward": np.ones(5),
        "terminated": np.array([False, True, True, False, True]),
        "truncated": np.zeros(5, dtype=bool),
    }
    metadata = LogMetadata(
        slate_size=2, response_channels=("click", "watch"), catalogue_fingerprint=fingerprint
    )
    return InteractionLog.from_columns({**columns, **changed}, metadata)


def test_responses_are_counted_by_user_and_item() -> None:
    model = Popularity().fit(log())
    np.testing.assert_array_equal(model.interactions.toarray(), [[2, 1, 0, 1], [1, 0, 0, 0]])


def test_a_log_tells_the_slate_size() -> None:
    assert Popularity().fit(log()).slate_size == 2
    assert Popularity(slate_size=3).fit(log()).slate_size == 3


def test_a_log_on_disk_gives_the_same_model(tmp_path: Path) -> None:
    log().write(tmp_path / "log")
    on_disk = EASE(1.0).fit(InteractionLog.open(tmp_path / "log"))
    np.testing.assert_array_equal(on_disk.scores([0, 1]), EASE(1.0).fit(log()).scores([0, 1]))


def test_the_catalogue_tells_of_items_never_shown() -> None:
    model = Popularity().fit(log(catalogue().fingerprint), catalogue())
    assert model.n_items == 6


def test_a_log_of_another_catalogue_is_refused() -> None:
    with pytest.raises(CatalogueMismatchError, match="recorded with the catalogue"):
        Popularity().fit(log(catalogue(7).fingerprint), catalogue())


def test_items_beyond_the_catalogue_are_refused() -> None:
    with pytest.raises(CatalogueMismatchError, match=r"0\.\.2.*got 3"):
        Popularity().fit(log(), catalogue(3))


def test_slates_among_candidates_are_counted_by_item() -> None:
    candidates = np.tile([5, 4, 3, 2], (5, 1))
    model = Popularity().fit(log(candidates=candidates))
    np.testing.assert_array_equal(
        model.interactions.toarray(), [[0, 0, 1, 0, 1, 2], [0, 0, 0, 0, 0, 1]]
    )


def test_fresh_candidates_without_identity_are_refused() -> None:
    fresh = np.zeros((5, 4, 2), dtype=np.float32)
    with pytest.raises(DataError, match="without identity"):
        Popularity().fit(log(candidate_features=fresh))


def test_a_log_without_any_response_is_refused() -> None:
    silent: dict[str, Any] = {"response.click": np.zeros((5, 2), dtype=np.float32)}
    with pytest.raises(DataError, match="no interactions"):
        Popularity().fit(log(**silent))
