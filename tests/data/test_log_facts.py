"""What a log holds, counted block by block."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rlrec.data import Catalogue, InteractionLog, LogMetadata, Ratings
from rlrec.data.log_facts import log_facts


def made(n_rows: int, n_users: int, n_items: int, seed: int = 0) -> InteractionLog:
    """Return a log of random slates of two items, of visits of three slates."""
    rng = np.random.default_rng(seed)
    users = np.sort(rng.integers(n_users, size=n_rows))
    starts = np.searchsorted(users, users)
    places = np.arange(n_rows) - starts
    ends = np.append((np.diff(users) != 0) | (places[1:] % 3 == 0), True)
    clicks = rng.random((n_rows, 2)) < 0.3
    return InteractionLog.from_columns(
        {
            "user_id": users,
            "episode_id": places // 3,
            "step": places % 3,
            "timestamp": 1000 + np.arange(n_rows),
            "slate": rng.integers(n_items, size=(n_rows, 2)),
            "response.click": clicks,
            "reward": clicks.sum(axis=1),
            "terminated": ends,
            "truncated": np.zeros(n_rows, bool),
            "log_propensity": np.log(rng.uniform(0.1, 0.5, n_rows)),
        },
        LogMetadata(slate_size=2, response_channels=("click",)),
    )


@pytest.mark.parametrize("block_rows", [1, 7, 10_000])
def test_counts_are_those_of_the_whole_log_however_it_is_read(
    monkeypatch: pytest.MonkeyPatch, block_rows: int
) -> None:
    whole = made(500, 20, 30)
    blocks = whole.blocks
    monkeypatch.setattr(whole, "blocks", lambda names: blocks(names, block_rows))
    facts = log_facts(whole)
    users, slates = whole.column("user_id"), whole.column("slate")
    pairs = {(user, item) for user, slate in zip(users, slates, strict=True) for item in slate}
    episodes = set(zip(users.tolist(), whole.column("episode_id").tolist(), strict=True))
    assert (facts.n_rows, facts.n_users, facts.n_items) == (500, 20, len(np.unique(slates)))
    assert (facts.n_pairs, facts.n_episodes) == (len(pairs), len(episodes))
    assert facts.density == len(pairs) / (20 * facts.n_items)


def test_values_have_their_ranges(tmp_path: Path) -> None:
    whole = made(500, 20, 30)
    whole.write(tmp_path / "log")
    facts = log_facts(InteractionLog.open(tmp_path / "log"))
    assert facts.time_span == (1000, 1499)
    assert facts.responses["click"].mean == pytest.approx(whole.response("click").mean())
    assert facts.reward.high == 2
    assert facts.propensity is not None
    assert 0.1 <= facts.propensity.low < facts.propensity.high <= 0.5


def test_what_a_log_lacks_is_none() -> None:
    ratings = Ratings(
        user_ids=np.array(["ann", "bob"]),
        user_index=np.array([0, 1, 0]),
        item_index=np.array([2, 2, 2]),
        values=np.array([3.0, 1.0, 2.0]),
        timestamps=None,
        catalogue=Catalogue.of_ids(np.arange(5)),
    )
    facts = log_facts(ratings.to_log())
    assert facts.propensity is None and facts.time_span is None
    assert (facts.n_users, facts.n_items, facts.n_pairs) == (2, 1, 2)
    assert facts.responses["rating"] == (1, 3, 2)
    later = log_facts(replace(ratings, timestamps=np.array([5, 9, 7])).to_log())
    assert later.time_span == (5, 9)
