"""Looks, put into sequences of a person and a topic, against a loop over a small log."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest

from rlrec.data import Catalogue, InteractionLog, LogMetadata
from rlrec.envs.fitting.slates.topic_sequences import (
    NEW_VISIT,
    TopicSequences,
    topic_sequences,
)
from rlrec.errors import ConfigError, DataError

N_ITEMS, N_TOPICS, SLATE_SIZE = 9, 3, 4
Look = tuple[int, int, bool, int, int]
"""Slot, item, taken, gap, before."""


def catalogue() -> Catalogue:
    return Catalogue(
        item_ids=np.arange(N_ITEMS),
        topics=np.arange(N_ITEMS) % N_TOPICS,
        features=np.zeros((N_ITEMS, 1), np.float32),
        topic_names=("a", "b", "c"),
    )


def small_log(taken: float = 0.3, seed: int = 0, repeats: bool = True) -> InteractionLog:
    """Return 3 persons with 2 visits each of up to 6 steps, some slates with a repeated item."""
    rng = np.random.default_rng(seed)
    rows: dict[str, list[Any]] = {name: [] for name in ("user", "visit", "step", "slate", "taken")}
    for visit in range(6):
        for step in range(int(rng.integers(2, 7))):
            slate = rng.choice(N_ITEMS, SLATE_SIZE, replace=repeats)
            first = np.array([item not in slate[:k] for k, item in enumerate(slate)])
            rows["user"].append(visit // 2 + 10)
            rows["visit"].append(visit)
            rows["step"].append(step)
            rows["slate"].append(slate)
            rows["taken"].append((rng.random(SLATE_SIZE) < taken) & first)
    n = len(rows["user"])
    visits = np.array(rows["visit"])
    last = np.append(visits[1:] != visits[:-1], True)
    return InteractionLog.from_columns(
        {
            "user_id": np.array(rows["user"]),
            "episode_id": visits,
            "step": np.array(rows["step"]),
            "slate": np.array(rows["slate"]),
            "response.click": np.array(rows["taken"], np.float32),
            "reward": np.zeros(n),
            "terminated": last,
            "truncated": np.zeros(n, bool),
        },
        LogMetadata(
            slate_size=SLATE_SIZE,
            response_channels=("click",),
            catalogue_fingerprint=catalogue().fingerprint,
            n_topics=N_TOPICS,
        ),
    )


def by_hand(log: InteractionLog, scanning: str) -> dict[tuple[int, int], list[Look]]:
    """Return the looks of each person and topic, found step by step."""
    names = ("user_id", "episode_id", "step", "slate", "response.click")
    looks: dict[tuple[int, int], list[Look]] = {}
    last: dict[tuple[int, int], tuple[int, int]] = {}  # visit and step of the last look
    bought: dict[tuple[int, int, int, int], int] = {}
    for user, visit, step, slate, clicks in zip(*(log.column(name) for name in names), strict=True):
        for slot, item in enumerate(slate):
            if item in slate[:slot]:
                continue
            pair = int(user), int(item) % N_TOPICS
            then = last.get(pair)
            gap, before = NEW_VISIT, 0
            if then is not None and then[0] == visit:
                gap = int(step) - then[1]
                before = bought.get((*pair, *then), 0) if gap else 0
            looks.setdefault(pair, []).append((slot, int(item), bool(clicks[slot]), gap, before))
            last[pair] = int(visit), int(step)
            now = (*pair, int(visit), int(step))
            bought[now] = bought.get(now, 0) + int(clicks[slot])
            if scanning == "cascade" and clicks[slot]:
                break
    return looks


def as_looks(told: TopicSequences) -> dict[tuple[int, int], list[Look]]:
    found: dict[tuple[int, int], list[Look]] = {}
    for block in told.blocks(cells=8):
        for column, row in enumerate(block.rows):
            length = sum(column < n for n in block.n_active)
            pair = int(told.person_ids[told.persons[row]]), int(told.topics[row])
            found[pair] = [
                (
                    int(block.slot[at, column]),
                    int(block.item[at, column]),
                    bool(block.taken[at, column]),
                    int(block.gap[at, column]),
                    int(block.before[at, column]),
                )
                for at in range(length)
            ]
    return found


@pytest.mark.parametrize("scanning", ["position_based", "cascade"])
def test_looks_are_those_found_step_by_step(scanning: Any) -> None:
    log = small_log()
    told = topic_sequences(log, catalogue(), scanning)
    assert as_looks(told) == by_hand(log, scanning)
    assert told.n_visits == 6 and len(told.person_ids) == 3


def test_of_many_visits_whole_ones_are_drawn() -> None:
    log = small_log()
    told = topic_sequences(log, catalogue(), "position_based", most_visits=3, seed=1)
    assert told.n_visits == 3
    found = sorted(as_looks(told).values())
    visits = log.column("episode_id")
    every = (
        sorted(by_hand(part(log, np.isin(visits, chosen)), "position_based").values())
        for chosen in combinations(range(6), 3)
    )
    assert found in every


def test_visits_may_be_numbered_anew_for_each_person() -> None:
    log = small_log()
    columns = {name: log.column(name) for name in log.column_names}
    columns["episode_id"] = columns["episode_id"] % 2
    renumbered = InteractionLog.from_columns(columns, log.metadata)
    for most in (None, 3):
        one, other = (
            topic_sequences(each, catalogue(), "position_based", most_visits=most)
            for each in (log, renumbered)
        )
        assert as_looks(one) == as_looks(other) and one.n_visits == other.n_visits


def part(log: InteractionLog, rows: Any) -> InteractionLog:
    return InteractionLog.from_columns(
        {name: log.column(name)[rows] for name in log.column_names}, log.metadata
    )


@pytest.mark.parametrize(("taken", "word"), [(0.0, "nothing"), (1.1, "every item")])
def test_logs_that_tell_no_attraction_are_refused(taken: float, word: str) -> None:
    log = small_log(taken, repeats=False)
    with pytest.raises(DataError, match=f"{word} that was shown was taken"):
        topic_sequences(log, catalogue(), "position_based")


def test_another_scanning_is_refused() -> None:
    with pytest.raises(ConfigError, match="scanning must be one of"):
        topic_sequences(small_log(), catalogue(), "backwards")  # type: ignore[arg-type]


def test_a_block_holds_few_cells_however_long_one_sequence_is() -> None:
    lengths = np.append(1_000, np.full(500, 2))
    n = int(lengths.sum())
    told = TopicSequences(
        persons=np.arange(501),
        topics=np.zeros(501, np.int64),
        starts=np.cumsum(lengths) - lengths,
        lengths=lengths,
        slot=np.zeros(n, np.int64),
        item=np.zeros(n, np.int64),
        taken=np.zeros(n, bool),
        gap=np.zeros(n, np.int64),
        before=np.zeros(n, np.int64),
        person_ids=np.arange(501),
        n_visits=501,
        slate_size=1,
    )
    blocks = list(told.blocks(cells=2_000))
    assert max(block.slot.size for block in blocks) <= 2_000
    assert sum(sum(block.n_active) for block in blocks) == n
