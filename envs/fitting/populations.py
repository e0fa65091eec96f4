"""Disjoint populations of the persons of a log: to train with, to choose by, to be judged on."""

import numpy as np

from rlrec.arrays import Ints
from rlrec.errors import ConfigError, DataError

POPULATIONS = ("train", "validation", "test")


def check_shares(shares: object) -> None:
    """Raise ConfigError unless these are the shares of the three populations."""
    is_complete = isinstance(shares, tuple) and len(shares) == len(POPULATIONS)
    numbers = [
        share
        for share in (shares if isinstance(shares, tuple) else ())
        if isinstance(share, int | float) and not isinstance(share, bool) and share >= 0
    ]
    if not is_complete or len(numbers) < len(POPULATIONS) or abs(sum(numbers) - 1) > 1e-9:
        raise ConfigError(
            f"shares must be {len(POPULATIONS)} numbers of 0 or more that sum to 1, for the "
            f"populations {', '.join(POPULATIONS)}, got {shares!r}"
        )


def drawn_populations(
    n_persons: int, shares: tuple[float, ...], rng: np.random.Generator
) -> dict[str, Ints]:
    """Return rows of persons by population, ascending.

    Raises:
        DataError: A population with a share has nobody.
    """
    ends = np.rint(np.cumsum(shares) * n_persons).astype(np.int64)
    parts = np.split(rng.permutation(n_persons), ends[:-1])
    for name, share, part in zip(POPULATIONS, shares, parts, strict=True):
        if share > 0 and not len(part):
            raise DataError(
                f"a share of {share:g} of {n_persons} persons leaves nobody in the population "
                f"{name!r}: fitting users needs more persons"
            )
    return {name: np.sort(part) for name, part in zip(POPULATIONS, parts, strict=True)}
