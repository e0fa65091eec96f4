"""What makes an item attractive to everybody, besides its topic."""

import numpy as np

from rlrec.arrays import Floats
from rlrec.envs.blocks.block import Block
from rlrec.envs.blocks.state import Shown, State
from rlrec.errors import ConfigError


class ItemAppeal(Block):
    """Adds a fixed number to the score of each item, the same for all users.

    score of item i  <-  score + values[i].  Zeros switch it off.

    Args:
        values: Shape (N,), finite; such as a weight times the clickbait of the items.
    """

    def __init__(self, values: Floats) -> None:
        if np.ndim(values) != 1 or not np.isfinite(values).all():
            raise ConfigError("values of the items' appeal must be finite, one for each item")
        self.values = np.array(values, np.float64)

    def adjust(self, state: State, shown: Shown, scores: Floats) -> Floats:
        """Add the appeal of what is shown."""
        scores += self.values[None, :] if shown.items is None else self.values[shown.items]
        return scores
