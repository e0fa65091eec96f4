"""Which items are there at each moment of the world's time, and where in it a visit takes place."""

import heapq
from typing import NamedTuple, Self

import numpy as np

from rlrec.arrays import Floats, Ints
from rlrec.envs.arguments import check_number, check_whole_number
from rlrec.envs.blocks.block import Block
from rlrec.envs.blocks.state import Event, State, put
from rlrec.errors import ConfigError

_MOST_MOMENTS = 10**6
_MOST_CELLS = 10**8


class Succession(NamedTuple):
    """N items in M places, one after another; item_index rises with the arrival."""

    places: Ints
    """Shape (N,). Place of each item, in 0..M-1."""
    arrivals: Ints
    """Shape (N,). First moment of each item; below 0 where it was there before the calendar."""


class Calendar(Block):
    """The moments of the world; each visit begins at one of them, drawn for it, and goes with time.

    The world has M places. Each is held by one item at a time: when that retires the next item of
    the catalogue takes the place at the same moment, so there are always exactly M. What happens
    at which moment is fixed once and is the same for all users; visits begin at any moment that
    leaves room for them, with equal probability, so users meet the world at different times.

    Args:
        succession: Which item holds which place from when on.
        n_moments: Length L of the calendar.
        lifetime: Mean moments an item stays, the unit of `relative_ages`; infinite for ever.
        visit_length: Steps a visit lasts at most; below L.

    Raises:
        ConfigError: The calendar is too short for a visit.
    """

    n_initial_draws = 1

    def __init__(
        self, succession: Succession, n_moments: int, lifetime: float, visit_length: int
    ) -> None:
        if visit_length >= n_moments:
            raise ConfigError(
                f"the calendar must be longer than a visit of {visit_length} steps, got "
                f"{n_moments} moments: give more items, longer lifetimes or shorter visits"
            )
        n_places = int(succession.places.max()) + 1
        if n_moments > _MOST_MOMENTS or n_moments * n_places > _MOST_CELLS:
            raise ConfigError(
                f"a calendar must have at most {_MOST_MOMENTS} moments, and {_MOST_CELLS} moments "
                f"times places, got {n_moments} times {n_places}: give fewer items or candidates, "
                "or a shorter lifetime or max_steps"
            )
        self.succession = succession
        self.n_moments = n_moments
        self.lifetime = lifetime
        self.n_begins = n_moments - visit_length  # the end of a visit is a moment too
        self.alive = _alive(succession, n_moments)
        """Shape (L, M). Item that holds each place at each moment."""
        self.alive.setflags(write=False)

    @classmethod
    def drawn(
        cls,
        n_items: int,
        n_places: int,
        lifetime: float,
        spread: float,
        visit_length: int,
        rng: np.random.Generator,
    ) -> Self:
        """Return a calendar of items that stay for times drawn at random.

        Lifetimes are uniform on lifetime * (1 - spread) .. lifetime * (1 + spread), in whole
        moments, at least 1. The first M items are there from the beginning, each somewhere in its
        life; the calendar ends a mean lifetime after the last item has come, and those there by
        then stay to its end.

        Args:
            n_items: N, at least M.
            n_places: M.
            lifetime: Mean lifetime in moments, 1 or more.
            spread: In 0..1.
            visit_length: Steps a visit lasts at most.
            rng: Source of the lifetimes.
        """
        check_whole_number("n_items", n_items, n_places)
        check_number("lifetime", lifetime, 1.0)
        check_number("spread of lifetimes", spread, 0.0, 1.0)
        drawn = lifetime * (1.0 + spread * (2.0 * rng.random(n_items) - 1.0))
        lives = np.maximum(np.rint(drawn), 1.0).astype(np.int64)
        gone = (rng.random(n_places) * lives[:n_places]).astype(np.int64)
        succession = _succession(lives, gone)
        n_moments = max(int(succession.arrivals.max()), 0) + round(lifetime)
        return cls(succession, n_moments, lifetime, visit_length)

    @classmethod
    def standing(cls, n_places: int, n_moments: int, visit_length: int) -> Self:
        """Return a calendar in which nothing arrives or retires: M items, L moments."""
        nothing = np.zeros(n_places, np.int64)
        return cls(Succession(np.arange(n_places), nothing), n_moments, np.inf, visit_length)

    @property
    def n_places(self) -> int:
        """M."""
        return int(self.alive.shape[1])

    def relative_ages(self) -> Floats:
        """Return the age of the item in each place in mean lifetimes, (L, M); 0 for ever."""
        moments = np.arange(self.n_moments)[:, None]
        ages: Floats = (moments - self.succession.arrivals[self.alive]) / self.lifetime
        return ages

    def start(self, state: State, users: Ints, draws: Floats) -> None:
        """Draw the moments at which visits begin."""
        put(state, "moment", users, (draws[:, 0] * self.n_begins).astype(np.int64), np.int64)

    def update(self, state: State, event: Event, draws: Floats) -> None:
        """Let every user's time go on by a moment; it stands still at the end of the calendar."""
        moment = state["moment"]
        moment += 1
        np.minimum(moment, self.n_moments - 1, out=moment)


def _succession(lives: Ints, gone: Ints) -> Succession:
    """Put items into places: whichever is free first gets the next item."""
    n_items, n_places = len(lives), len(gone)
    places, arrivals = np.arange(n_items), np.zeros(n_items, np.int64)
    arrivals[:n_places] = -gone
    free = [(int(lives[place] - gone[place]), place) for place in range(n_places)]
    heapq.heapify(free)
    for item in range(n_places, n_items):
        moment, place = free[0]
        places[item], arrivals[item] = place, moment
        heapq.heapreplace(free, (moment + int(lives[item]), place))
    return Succession(places, arrivals)


def _alive(succession: Succession, n_moments: int) -> Ints:
    alive = np.empty((n_moments, int(succession.places.max()) + 1), np.int64)
    for item, (place, arrival) in enumerate(zip(*succession, strict=True)):
        alive[max(arrival, 0) :, place] = item  # until the next one comes
    return alive
