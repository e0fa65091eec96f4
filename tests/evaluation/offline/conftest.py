"""Small logs whose truth is known."""

from collections.abc import Callable

import numpy as np
import pytest

from rlrec.arrays import Floats, Ints, Observations
from rlrec.data import InteractionLog, LogMetadata
from rlrec.slates import SlateDraw

Table = Floats
"""Probability of each of A choices in each of C contexts, (C, A)."""


class TablePolicy:
    """Draws one of A choices by a table over an observed context (one number, 0..C - 1)."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def act(
        self, observations: Observations, rng: np.random.Generator, deterministic: bool = False
    ) -> SlateDraw:
        chances = self.table[_contexts(observations)]
        slates = (np.cumsum(chances, axis=1) < rng.random((len(chances), 1))).sum(axis=1)[:, None]
        return SlateDraw(slates, self.log_probs(observations, slates))

    def log_probs(self, observations: Observations, slates: Ints) -> Floats:
        with np.errstate(divide="ignore"):
            return np.log(self.table[_contexts(observations)[:, None], slates])


def _contexts(observations: Observations) -> Ints:
    return observations["context"][:, 0].astype(np.int64)


REWARDS = np.array([[0.1, 0.5, 0.9], [0.8, 0.4, 0.2]])
"""Chance of a click, by context and choice."""


class Bandit:
    """Users in one of two contexts; the logging policy prefers what does not pay."""

    logging = TablePolicy(np.array([[0.5, 0.3, 0.2], [0.2, 0.3, 0.5]]))
    target = TablePolicy(np.array([[0.2, 0.3, 0.5], [0.5, 0.3, 0.2]]))
    best = TablePolicy(np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]))

    def log(self, n_rows: int, seed: int = 0, never: int | None = None) -> InteractionLog:
        """A log of `n_rows` rounds, two a user; `never` is a choice that is not logged."""
        rng = np.random.default_rng(seed)
        contexts = rng.integers(2, size=n_rows)
        table = self.logging.table.copy()
        if never is not None:
            table[:, never] = 0.0
            table /= table.sum(axis=1, keepdims=True)
        observations = {"context": contexts[:, None].astype(np.float32)}
        draw = TablePolicy(table).act(observations, rng)
        clicks = rng.random(n_rows) < REWARDS[contexts, draw.slates[:, 0]]
        return InteractionLog.from_columns(
            {
                "user_id": np.arange(n_rows) // 2,
                "episode_id": np.arange(n_rows),
                "step": np.zeros(n_rows, np.int64),
                "slate": draw.slates,
                "response.click": clicks[:, None],
                "reward": clicks.astype(np.float64),
                "terminated": np.ones(n_rows, bool),
                "truncated": np.zeros(n_rows, bool),
                "context": observations["context"],
                "log_propensity": draw.log_probs[:, 0],
            },
            LogMetadata(slate_size=1, response_channels=("click",)),
        )

    @staticmethod
    def value(policy: TablePolicy) -> float:
        """Its true mean reward."""
        return float((policy.table * REWARDS).sum(axis=1).mean())


@pytest.fixture
def bandit() -> Bandit:
    return Bandit()


class Visits:
    """Sessions of two contexts, which the choice before decides; users leave at random."""

    leaves, longest = 0.3, 4

    def record(self, policy: TablePolicy, n_users: int, seed: int) -> InteractionLog:
        """Let a policy serve users, two sessions each."""
        rng = np.random.default_rng(seed)
        n = 2 * n_users
        contexts = np.zeros(n, np.int64)
        alive = np.ones(n, bool)
        rows = []
        for step in range(self.longest):
            seen = np.flatnonzero(alive)
            here = contexts[seen]
            observations = {"context": here[:, None].astype(np.float32)}
            draw = policy.act(observations, rng)
            choice = draw.slates[:, 0]
            clicks = (rng.random(len(seen)) < REWARDS[here, choice]).astype(np.float64)
            leaves = rng.random(len(seen)) < self.leaves
            ends = leaves | (step == self.longest - 1)
            ids = (seen // 2, seen, np.full(len(seen), step))
            rows.append((*ids, here, choice, clicks, leaves, ends & ~leaves, draw.log_probs[:, 0]))
            contexts[seen] = (choice + here) % 2
            alive[seen[ends]] = False
        columns = [np.concatenate(parts) for parts in zip(*rows, strict=True)]
        order = np.lexsort((columns[2], columns[1]))
        users, episodes, steps, here, choice, clicks, left, cut, logged = (
            column[order] for column in columns
        )
        return InteractionLog.from_columns(
            {
                "user_id": users,
                "episode_id": episodes,
                "step": steps,
                "slate": choice[:, None],
                "response.click": clicks[:, None],
                "reward": clicks,
                "terminated": left,
                "truncated": cut,
                "context": here[:, None].astype(np.float32),
                "log_propensity": logged,
            },
            LogMetadata(slate_size=1, response_channels=("click",)),
        )

    def value(self, policy: TablePolicy, discount: float = 1.0) -> float:
        """The true mean return of a session."""
        here, total = np.array([1.0, 0.0]), 0.0
        for step in range(self.longest):
            reached = here[:, None] * policy.table  # (C, A)
            total += float((reached * REWARDS).sum()) * (discount * (1 - self.leaves)) ** step
            moved = np.zeros(2)
            for context in range(2):
                for choice in range(3):
                    moved[(choice + context) % 2] += reached[context, choice]
            here = moved
        return total


@pytest.fixture
def visits() -> Visits:
    return Visits()


Maker = Callable[[Table], TablePolicy]


@pytest.fixture
def table_policy() -> Maker:
    return TablePolicy
