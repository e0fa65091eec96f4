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


class EpisodeDraws:
    """Draws that episodes begin with, addressed by (seed, user, episode number).

    Users begin their episodes one by one, but mostly about the same number of them. Once enough
    users have asked for an episode number, its draws are made for all users at once, which costs
    less, and kept while they are of use; the numbers are the same either way.

    Args:
        streams: The users' streams.
        n_users: Users in the batch, B.
        n_draws: Draws a user.
        purpose: As in `UserStreams.uniforms`.
    """

    _MOST_BLOCKS = 8
    _MOST_DRAWS = 2**22  # in all blocks, 32 MiB

    def __init__(self, streams: UserStreams, n_users: int, n_draws: int, purpose: int) -> None:
        self._streams = streams
        self._shape = (n_users, n_draws)
        self._purpose = purpose
        self._n_blocks = min(self._MOST_BLOCKS, self._MOST_DRAWS // max(n_users * n_draws, 1))
        self._blocks = np.empty((self._n_blocks, n_users, n_draws))
        self._held = np.full(self._n_blocks, -1)  # episode number of each block
        self._asked: dict[int, int] = {}

    def of(self, users: Ints, numbers: Ints) -> Floats:
        """Return draws (F, n_draws) of users at positions (F,), each at an episode of its own."""
        n_users, n_draws = self._shape
        if len(users) == n_users and (numbers == numbers[0]).all():
            return self._streams.uniforms(n_users, n_draws, int(numbers[0]), self._purpose)
        if not self._n_blocks:
            return self._streams.uniforms_of(users, n_draws, numbers.tolist(), self._purpose)
        places = numbers % self._n_blocks
        missing = self._held[places] != numbers
        if missing.any():
            self._make_blocks(numbers[missing])
            missing = self._held[places] != numbers
        draws = self._blocks[places, users]
        if missing.any():
            rest = np.flatnonzero(missing)
            draws[rest] = self._streams.uniforms_of(
                users[rest], n_draws, numbers[rest].tolist(), self._purpose
            )
        return draws

    def _make_blocks(self, numbers: Ints) -> None:
        """Make blocks of the episode numbers that enough users have asked for."""
        n_users, n_draws = self._shape
        for number in numbers.tolist():
            place = number % self._n_blocks
            if number < self._held[place]:
                continue  # few users are still there
            self._asked[number] = self._asked.get(number, 0) + 1
            if 64 * self._asked[number] >= n_users and number > self._held[place]:
                streams, purpose = self._streams, self._purpose
                self._blocks[place] = streams.uniforms(n_users, n_draws, number, purpose)
                self._held[place] = number
                self._asked = {n: asked for n, asked in self._asked.items() if n > number}
