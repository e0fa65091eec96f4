"""Global random generators of its own for code that draws from them."""

import random
from types import TracebackType

import numpy as np
from numpy.random.mtrand import get_bit_generator, set_bit_generator


class OwnChance:
    """Lends numpy's and Python's global generators to foreign code, in a state of its own.

    Within `with`, the global generators are where this code left them last time; outside, they are
    untouched by it. So environments that draw from `np.random` or `random` repeat themselves, do
    not disturb each other, and can be copied.

    Args:
        seed: 0 or more, below 2**32.
    """

    def __init__(self, seed: int = 0) -> None:
        self.reseed(seed)

    def reseed(self, seed: int) -> None:
        """Begin anew."""
        self._numpy: np.random.BitGenerator = np.random.MT19937(seed)
        self._python = random.Random(seed).getstate()

    def __enter__(self) -> None:
        self._outside = (
            get_bit_generator(),
            np.random.get_state(legacy=False),
            random.getstate(),
        )
        set_bit_generator(self._numpy)
        random.setstate(self._python)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        generator, state, python = self._outside
        del self._outside
        self._numpy, self._python = get_bit_generator(), random.getstate()
        set_bit_generator(generator)
        if state["has_gauss"]:  # a normal kept for the next call, which lies outside the generator
            np.random.set_state(state)
        random.setstate(python)
