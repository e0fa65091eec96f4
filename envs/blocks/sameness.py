"""A slate of one topic attracts less."""

import numpy as np

from rlrec.arrays import Bools, Floats, Ints
from rlrec.envs.arguments import check_number, check_whole_number
from rlrec.envs.blocks.block import Block
from rlrec.envs.blocks.scanning import LogisticAttraction
from rlrec.envs.blocks.state import Shown, State


class Sameness(Block):
    """Where too many items of a slate share a topic, all its attractions are divided by `penalty`.

    Scores are lowered so that the logistic attraction comes out divided: with z = slope (score -
    offset), z becomes -log(penalty - 1 + penalty exp(-z)). Blank slots count with their topic.

    Args:
        attraction: Which turns scores into P(taken | looked at).
        n_topics: T, 1 or more.
        penalty: 1 or more; 1 switches it off.
        too_many: Items of one topic from which on a slate is too much of the same, 1 or more.

    Reference:
        Deffayet, Thonet, Hwang, Lehoux, Renders and de Rijke, 2023, "SARDINE: A Simulator for
        Automated Recommendation in Dynamic and Interactive Environments".
    """

    def __init__(
        self,
        attraction: LogisticAttraction,
        n_topics: int,
        penalty: float = 1.0,
        too_many: int = 4,
    ) -> None:
        check_whole_number("n_topics of sameness", n_topics, 1)
        check_whole_number("too_many of sameness", too_many, 1)
        check_number("penalty of sameness", penalty, 1.0)
        self.attraction = attraction
        self.n_topics = n_topics
        self.penalty = penalty
        self.too_many = too_many

    def adjust(self, state: State, shown: Shown, scores: Floats) -> Floats:
        """Lower the scores of slates that are too much of the same; the catalogue is no slate."""
        if self.penalty == 1 or shown.items is None:
            return scores
        alike = self.is_alike(shown.topics)
        scores[alike] = self._lowered(scores[alike])
        return scores

    def is_alike(self, topics: Ints) -> Bools:
        """Return which slates have too many items of one topic, (B,), given topics (B, K)."""
        cells = topics + (np.arange(len(topics)) * self.n_topics)[:, None]
        counts = np.bincount(cells.reshape(-1), minlength=len(topics) * self.n_topics)
        alike: Bools = counts.reshape(len(topics), self.n_topics).max(axis=1) >= self.too_many
        return alike

    def _lowered(self, scores: Floats) -> Floats:
        slope, offset = self.attraction.slope, self.attraction.offset
        odds = np.log(self.penalty) - slope * (scores - offset)
        lowered: Floats = offset - np.logaddexp(np.log(self.penalty - 1.0), odds) / slope
        return lowered
