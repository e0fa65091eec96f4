"""Who is judged, whose ratings policies learn from, whose the simulator does, and what is seen."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from rlrec.arrays import Floats, Ints, Observations
from rlrec.baselines.settings import check_count, check_seed
from rlrec.data.ratings import Ratings
from rlrec.errors import ConfigError, DataError

LIKED, RATING = 0, 1
"""Channels of `history_responses`: 1 for items rated above the mean of the person's history, else
0; and the rating."""
_FEWEST_PERSONS = 10


@dataclass(frozen=True, kw_only=True)
class BlockSettings:
    """Settings of `split_by_block` and `rank_in_block`."""

    judged_share: float = 0.5
    """Of the persons who rated everything, in (0, 1]; the rest of them goes with the others."""
    log_size: int = 40
    """Ratings at most that the logs hold of a person, drawn at random; so they are sparse."""
    history_size: int = 20
    """Ratings of a person that policies see; persons with fewer are left out."""
    slate_size: int = 5
    """K."""
    n_draws: int = 10
    """Slates shown to each person, whose mean counts; for policies that draw."""
    seed: int = 0
    """Of who is judged, of what is logged and seen, and of policies that draw."""

    def __post_init__(self) -> None:
        for name in ("log_size", "history_size", "slate_size", "n_draws"):
            check_count(name, getattr(self, name))
        check_seed(self.seed)
        if not 0 < self.judged_share <= 1:
            raise ConfigError(f"judged_share must lie in (0, 1], got {self.judged_share!r}")
        if self.history_size > self.log_size:
            raise ConfigError(
                f"history_size must be at most log_size, got {self.history_size} and "
                f"{self.log_size}: what is seen of a person is from the log"
            )


class Served(NamedTuple):
    """Persons as policies see them."""

    persons: Ints
    """Shape (B,). Rows in `user_ids` of the ratings."""
    observations: Observations
    """`history_items` (B, H), `history_responses` (B, H, 2) with the channels liked and rating, and
    `candidates` (B, N - H): all items that are not in the history."""

    def items(self, slates: Ints) -> Ints:
        """Return slates (B, K) of positions among the candidates as item_index."""
        return np.take_along_axis(self.observations["candidates"], slates, axis=1)


@dataclass(frozen=True, eq=False, kw_only=True)
class BlockSplit:
    """Three groups of persons who have nothing to do with each other."""

    policy_log: Ratings
    """What policies learn from."""
    world_log: Ratings
    """What the simulator is fitted to."""
    judged: Served
    """Persons who rated everything."""
    values: Floats
    """Shape (B, N). What they gave."""
    settings: BlockSettings

    def served(self, persons: Ints, rng: np.random.Generator) -> Served:
        """Return persons of the simulator's log, each with a part of it drawn as the history.

        Args:
            persons: Shape (B,). Rows in `user_ids`; a person may come more than once.
            rng: Source of the draws.
        """
        return _served(self._world_matrix, persons, self.settings.history_size, rng)

    @property
    def _world_matrix(self) -> csr_array:
        return csr_array(self.world_log.matrix())


def split_by_block(ratings: Ratings, settings: BlockSettings | None = None) -> BlockSplit:
    """Return persons to be judged, and two logs of other persons.

    The persons who rated every item are the block; a share of them is judged. All others are
    divided into two halves at random, for policies and for the simulator, so that neither has seen
    a rating of who is judged, nor one that the other has seen.

    Raises:
        DataError: Nobody rated everything, or too few persons or items are left.
    """
    settings = BlockSettings() if settings is None else settings
    rng = np.random.default_rng(settings.seed)
    matrix = csr_array(ratings.matrix())
    n_rated = np.diff(matrix.indptr)
    if ratings.n_items < settings.history_size + settings.slate_size:
        raise DataError(
            f"a history of {settings.history_size} and a slate of {settings.slate_size} need as "
            f"many items, got {ratings.n_items}"
        )
    block = rng.permutation(np.flatnonzero(n_rated == ratings.n_items))
    judged = np.sort(block[: round(settings.judged_share * len(block))])
    others = np.setdiff1d(np.flatnonzero(n_rated >= settings.history_size), judged)
    if len(judged) < _FEWEST_PERSONS or len(others) < 2 * _FEWEST_PERSONS:
        raise DataError(
            f"judging takes {_FEWEST_PERSONS} or more persons who rated all {ratings.n_items} "
            f"items and {2 * _FEWEST_PERSONS} others with {settings.history_size} ratings or more, "
            f"got {len(judged)} and {len(others)}"
        )
    halves = np.array_split(rng.permutation(others), 2)
    logs = [_log(ratings, matrix, np.sort(half), settings.log_size, rng) for half in halves]
    return BlockSplit(
        policy_log=logs[0],
        world_log=logs[1],
        judged=_served(matrix, judged, settings.history_size, rng),
        values=matrix[judged].toarray(),
        settings=settings,
    )


def liked(log: Ratings) -> csr_array:
    """Return 1 where a person rated an item above the mean of that person's log, (U, N)."""
    matrix = csr_array(log.matrix())
    counts = np.diff(matrix.indptr)
    persons = np.repeat(np.arange(len(counts)), counts)
    means = np.bincount(persons, matrix.data, len(counts)) / np.maximum(counts, 1)
    above = matrix.data > means[persons]
    cells = (persons[above], matrix.indices[above])
    return csr_array((np.ones(int(above.sum())), cells), shape=matrix.shape)


def _log(
    ratings: Ratings, matrix: csr_array, persons: Ints, size: int, rng: np.random.Generator
) -> Ratings:
    """Return up to `size` ratings of each of some persons."""
    counts = np.diff(matrix.indptr)[persons]
    rows = [
        matrix.indptr[person] + np.sort(rng.permutation(count)[:size])
        for person, count in zip(persons, counts, strict=True)
    ]
    cells = np.concatenate(rows)
    return Ratings(
        user_ids=ratings.user_ids,
        user_index=np.repeat(persons, np.minimum(counts, size)),
        item_index=matrix.indices[cells].astype(np.int64),
        values=matrix.data[cells],
        timestamps=None,
        catalogue=ratings.catalogue,
    )


def _served(matrix: csr_array, persons: Ints, size: int, rng: np.random.Generator) -> Served:
    """Return persons with `size` of their ratings, in random order, as the history."""
    counts = np.diff(matrix.indptr)[persons]
    places = np.stack([rng.permutation(count)[:size] for count in counts])  # (B, H)
    cells = matrix.indptr[persons][:, None] + places
    items, values = matrix.indices[cells].astype(np.int64), matrix.data[cells]
    unseen = np.ones((len(persons), matrix.shape[1]), bool)
    unseen[np.arange(len(persons))[:, None], items] = False
    responses = np.stack([values > values.mean(axis=1, keepdims=True), values], axis=2)
    return Served(
        persons,
        {
            "history_items": items + 1,
            "history_responses": responses.astype(np.float32),
            "candidates": np.nonzero(unseen)[1].reshape(len(persons), -1),
        },
    )
