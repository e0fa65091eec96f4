"""One of several kinds at random: topics of documents, types of users."""

from collections.abc import Sequence

import numpy as np

from rlrec.arrays import Floats, Ints
from rlrec.envs.arguments import check_numbers
from rlrec.errors import ConfigError


class Shares:
    """Probabilities of kinds 0, 1, 2, ...; each draw of a kind takes one uniform.

    Args:
        name: What they are called in errors.
        values: Probabilities, 0 or more, that sum to 1.
    """

    def __init__(self, name: str, values: Sequence[float]) -> None:
        shares = np.array(check_numbers(name, values), np.float64)
        if not (shares >= 0).all() or abs(shares.sum() - 1.0) > 1e-9:
            raise ConfigError(f"{name} must be 0 or more and sum to 1, got {values!r}")
        self.values = shares
        self._edges = np.cumsum(shares)[:-1]

    def of(self, uniforms: Floats) -> Ints:
        """Return kinds for uniforms in [0, 1), of the same shape."""
        return np.searchsorted(self._edges, uniforms, side="right")
