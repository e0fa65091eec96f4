"""Random numbers that belong to a user: the same in a batch of one and of ten thousand."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rlrec.arrays import Floats, Ints

_WORDS_A_BLOCK = 4  # Philox4x64 yields four 64-bit words for each value of its counter


class UserStreams:
    """Uniform draws addressed by (seed, user, tick, purpose), from numpy's Philox generator.

    Every user owns a fixed stretch of the generator's counter, so which draws a user gets does not
    depend on how many users there are or on what the others do. Each draw is one 64-bit word, so
    the number of words used never depends on a value drawn.

    Args:
        seed: 0 or more. Two seeds give unrelated streams.
        first_user: Number of the first user of the batch, 0 or more.

    Reference:
        Salmon, Moraes, Dror and Shaw, 2011, "Parallel Random Numbers: As Easy as 1, 2, 3".
    """

    def __init__(self, seed: int, first_user: int = 0) -> None:
        self.seed = seed
        self.first_user = first_user
        self._bits = np.random.Philox(
            key=np.random.SeedSequence(seed).generate_state(2, dtype=np.uint64)
        )
        self._generator = np.random.Generator(self._bits)
        self._state: Any = dict(self._bits.state)
        # Plain numbers, which the generator reads faster than arrays.
        self._key = tuple(self._state["state"]["key"].tolist())
        self._state["buffer"] = (0,) * _WORDS_A_BLOCK
        self._state["buffer_pos"] = _WORDS_A_BLOCK  # forget words buffered before a seek

    def uniforms(self, n_users: int, n_draws: int, tick: int, purpose: int) -> Floats:
        """Return uniforms in [0, 1) for all users of the batch at one tick.

        Args:
            n_users: Users in the batch, B.
            n_draws: Draws a user, the same at every call with this `purpose`.
            tick: Moment of the draw, 0 or more.
            purpose: Keeps draws of different meaning apart.

        Returns:
            Shape (B, n_draws).
        """
        blocks = -(-n_draws // _WORDS_A_BLOCK)
        self._seek(self.first_user * blocks, tick, purpose)
        drawn = self._generator.random((n_users, blocks * _WORDS_A_BLOCK))
        return drawn[:, :n_draws]

    def uniforms_of(self, users: Ints, n_draws: int, ticks: Sequence[int], purpose: int) -> Floats:
        """Return uniforms in [0, 1) for some users, each at a tick of its own.

        Equal to the matching row of `uniforms` at the same tick and purpose.

        Args:
            users: Shape (F,). Positions in the batch.
            n_draws: Draws a user.
            ticks: F moments, 0 or more.
            purpose: As in `uniforms`.

        Returns:
            Shape (F, n_draws).
        """
        blocks = -(-n_draws // _WORDS_A_BLOCK)
        drawn = np.empty((len(users), n_draws))
        for row, (user, tick) in enumerate(zip(users.tolist(), ticks, strict=True)):
            self._seek((self.first_user + user) * blocks, tick, purpose)
            self._generator.random(out=drawn[row])
        return drawn

    def _seek(self, block: int, tick: int, purpose: int) -> None:
        self._state["state"] = {"counter": (block, tick, purpose, 0), "key": self._key}
        self._bits.state = self._state
