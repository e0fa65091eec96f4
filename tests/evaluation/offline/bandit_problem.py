"""A bandit of two contexts and three actions, small enough to list every log of it."""

from itertools import product
from typing import Any

import numpy as np

from rlrec.arrays import Floats, Ints
from rlrec.evaluation.offline.bandit import BanditEstimator
from rlrec.evaluation.offline.bandit_sample import BanditSample

CONTEXTS: Floats = np.array([0.3, 0.7])
LOGGING: Floats = np.array([[0.5, 0.2, 0.3], [0.1, 0.6, 0.3]])
TARGET: Floats = np.array([[0.1, 0.6, 0.3], [0.7, 0.0, 0.3]])
CLICKS: Floats = np.array([[0.2, 0.9, 0.4], [0.8, 0.1, 0.5]])  # P(reward 1)
Q_HAT: Floats = np.array([[0.6, 0.1, 0.9], [0.3, 0.3, 0.0]])  # a wrong model on purpose
FEATURES: Floats = np.random.default_rng(5).normal(size=(2, 3, 2))


class Bandit:
    """P(context, action, reward) and what each such round looks like."""

    def __init__(
        self, logging: Floats = LOGGING, target: Floats = TARGET, clicks: Floats = CLICKS
    ) -> None:
        self.logging, self.target, self.clicks = logging, target, clicks

    @property
    def truth(self) -> float:
        """What the target policy earns a round."""
        return float(CONTEXTS @ (self.target * self.clicks).sum(axis=1))

    def sample(self, contexts: Ints, actions: Ints, rewards: Ints, **extra: Any) -> BanditSample:
        """Return these rounds."""
        given: dict[str, Any] = {
            "rewards": rewards,
            "propensities": self.logging[contexts, actions],
            "target_probs": self.target[contexts, actions],
            "actions": actions,
            "target_distribution": self.target[contexts],
            "logging_distribution": self.logging[contexts],
            "q_hat": Q_HAT[contexts],
            "features": FEATURES[contexts],
        }
        return BanditSample(**(given | extra))

    def chances(self, contexts: Ints, actions: Ints, rewards: Ints) -> Floats:
        """Return the probability of each round."""
        clicks = self.clicks[contexts, actions]
        taken = np.where(rewards == 1, clicks, 1.0 - clicks)
        chances: Floats = CONTEXTS[contexts] * self.logging[contexts, actions] * taken
        return chances

    def expectation(self, estimator: BanditEstimator, n_rounds: int, **extra: Any) -> float:
        """Return the expected estimate over every log of so many rounds."""
        total = 0.0
        rounds = list(product(range(2), range(3), range(2)))
        for log in product(rounds, repeat=n_rounds):
            contexts, actions, rewards = (np.array(column) for column in zip(*log, strict=True))
            if not (chance := self.chances(contexts, actions, rewards).prod()):
                continue
            sample = self.sample(contexts, actions, rewards, **extra)
            total += float(chance) * estimator.terms(sample).value
        return total

    def drawn(self, n: int, seed: int, **extra: Any) -> BanditSample:
        """Return n rounds drawn at random."""
        rng = np.random.default_rng(seed)
        contexts = (rng.random(n) > CONTEXTS[0]).astype(np.int64)
        cumulated = self.logging[contexts].cumsum(axis=1)
        actions = (rng.random((n, 1)) > cumulated[:, :2]).sum(axis=1)
        rewards = (rng.random(n) < self.clicks[contexts, actions]).astype(np.int64)
        return self.sample(contexts, actions, extra.pop("rewards", rewards), **extra)
