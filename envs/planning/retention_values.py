"""What the states of users who come back are worth: semi-Markov value iteration on a grid."""

from typing import NamedTuple, Self

import numpy as np
from scipy.sparse import csr_array
from scipy.special import expit

from rlrec.arrays import Bools, Floats, Ints
from rlrec.envs.blocks.satisfaction import MOST_MOOD
from rlrec.envs.blocks.state import State
from rlrec.envs.blocks.visits import Visits

_GAPS = (np.arange(8) + 0.5) / 8  # quantiles of the gap that stand for all
_LOGIT_OF_THE_END = 6.0  # fatigue at which a visit is as good as over
_STEPS_WITHOUT_LIMIT = 2000


class Traits(NamedTuple):
    """What differs between users; arrays of one shape."""

    set_point: Floats
    sensitivity: Floats
    tiring: Floats
    base_gap_hours: Floats

    @classmethod
    def of(cls, state: State) -> Self:
        """Return the traits of users, (F, 1)."""
        return cls(*(state[name][:, None] for name in cls._fields))

    @classmethod
    def typical(cls, visits: Visits) -> Self:
        """Return the medians."""
        half = np.full(1, 0.5)
        parts = (visits.satisfaction, visits.satisfaction, visits.patience, visits.returning)
        priors = (getattr(part, name) for part, name in zip(parts, cls._fields, strict=True))
        return cls(*(prior.of(half) for prior in priors))


class Step(NamedTuple):
    """What a step consumed."""

    idle: Bools
    """Whether nothing was."""
    quality: Floats
    """Of what was consumed; 0 where nothing was."""
    surprise: Floats
    """Quality above the user's expectation; 0 where nothing was."""


class After(NamedTuple):
    """Where a user is after a step, with probabilities that sum to 1 less that of churn.

    Either the visit goes on, or the next one begins after one of G gaps, without fatigue.
    """

    goes_on: Floats
    """Shape (...). P(the visit goes on)."""
    mood: Floats
    """Shape (...)."""
    fatigue: Floats
    """Shape (...)."""
    comes_back: Floats
    """Shape (..., G). P(comes back after this gap)."""
    mood_then: Floats
    """Shape (..., G)."""


def after(visits: Visits, traits: Traits, moods: Floats, fatigue: Floats, step: Step) -> After:
    """Return where users are after a step, but for the noise; all shapes are broadcast."""
    satisfaction, patience, returning = visits.satisfaction, visits.patience, visits.returning
    moods = satisfaction.moved(moods, traits.set_point, traits.sensitivity, step.surprise)
    poor = np.maximum(-step.quality, 0.0)
    fatigue = fatigue + patience.tired(traits.tiring, step.idle, poor)
    satisfied = expit(moods)
    ends = patience.hazard(fatigue, satisfied)
    medians = returning.median_gap_hours(traits.base_gap_hours, satisfied)
    gap_hours = returning.gap_hours(medians[..., None], _GAPS)
    share_back = (1.0 - returning.churn_probability(gap_hours)) / len(_GAPS)
    set_point = np.broadcast_to(traits.set_point, moods.shape)[..., None]
    mood_then = set_point + (moods[..., None] - set_point) * satisfaction.left_after(gap_hours)
    return After(1.0 - ends, moods, fatigue, ends[..., None] * share_back, mood_then)


class Corners(NamedTuple):
    """The C corners of the cell around each place, and what they count there."""

    places: Ints
    """Shape (C, ...). Number of the state."""
    weights: Floats
    """Shape (C, ...). 0 or more, sum 1."""


class Grid:
    """States of a user: mood and fatigue; beyond the grid the nearest state stands in.

    Args:
        moods: Shape (S,), rising evenly.
        fatigue: Shape (L,), rising evenly from 0.
    """

    def __init__(self, moods: Floats, fatigue: Floats) -> None:
        self.moods = moods
        self.fatigue = fatigue
        self.n_states = len(moods) * len(fatigue)

    @classmethod
    def of(cls, visits: Visits, traits: Traits, quality: Floats) -> Self:
        """Return a grid that holds what these users meet.

        Args:
            visits: Their dynamics.
            traits: Of a typical user.
            quality: Qualities that may be consumed.
        """
        patience, memory = visits.patience, visits.satisfaction.memory
        most = float(np.abs(quality).max() * traits.sensitivity[0])
        reach = np.clip(most / max(1.0 - memory, 1e-2), 1.0, 12.0) + 1.0
        center = float(traits.set_point[0])
        lowest, highest = max(center - reach, -MOST_MOOD), min(center + reach, MOST_MOOD)
        logits = _LOGIT_OF_THE_END - (patience.base or 0.0) + patience.relief
        limit = max(logits, 1.0) / max(patience.fatigue_weight, 1e-3)
        return cls(np.linspace(lowest, highest, 49), np.linspace(0.0, limit, 25))

    def corners(self, moods: Floats, fatigue: Floats | None = None) -> Corners:
        """Return the states around each place; `fatigue` None is 0, where two corners count."""
        low_mood, up = _cell(self.moods, moods)
        n = len(self.fatigue)
        if fatigue is None:
            places = np.stack([low_mood * n, low_mood * n + n])
            return Corners(places, np.stack([1.0 - up, up]))
        low_fatigue, right = _cell(self.fatigue, fatigue)
        first = low_mood * n + low_fatigue
        places = np.stack([first, first + 1, first + n, first + n + 1])
        down, left = 1.0 - up, 1.0 - right
        return Corners(places, np.stack([down * left, down * right, up * left, up * right]))


class Values(NamedTuple):
    """Worth of the states by the steps left, to read off anywhere."""

    grid: Grid
    quality: Floats
    """Shape (J,), rising evenly. Qualities between which the worth is taken as linear."""
    table: Floats
    """Shape (number of steps left + 1, states); without a time limit one row, of the limit."""

    def read(self, place: After, steps_left: Ints | None) -> Floats:
        """Return the expected worth of where users are, (F, ...).

        Args:
            place: Where, (F, ...).
            steps_left: Shape (F,); None without a time limit.
        """
        rows = np.zeros(1, np.int64) if steps_left is None else steps_left
        going_on = place.goes_on * self._at(place.mood, place.fatigue, rows)
        coming_back = place.comes_back * self._at(place.mood_then, None, rows)
        worth: Floats = going_on + coming_back.sum(axis=-1)
        return worth

    def _at(self, moods: Floats, fatigue: Floats | None, rows: Ints) -> Floats:
        corners = self.grid.corners(moods, fatigue)
        begins = (rows * self.grid.n_states).reshape(-1, *[1] * (moods.ndim - 1))
        total = np.zeros(moods.shape)
        for places, weights in zip(*corners, strict=True):
            total += weights * self.table.ravel().take(places + begins)
        return total


class Kinds(NamedTuple):
    """A few kinds of slates, averaged over users."""

    quality: Floats
    """Shape (J,), rising evenly."""
    taken: Floats
    """Shape (A, J + 1). P(an item of about this quality is taken), last of nothing; sum 1."""
    rewards: Floats
    """Shape (A,). Expected reward."""


def values_by_steps_left(visits: Visits, kinds: Kinds, max_steps: int | None) -> Values:
    """Return what states are worth to a typical user who is shown the best kind of slate.

    Backward induction from a worth of 0 when no step is left.

    Args:
        visits: The users' dynamics.
        kinds: Among which slates to choose.
        max_steps: Limit of an episode; None plans 2,000 steps ahead, as an approximation.
    """
    traits = Traits.typical(visits)
    grid = Grid.of(visits, traits, kinds.quality)
    moves = _moves(visits, traits, grid, kinds.quality)
    n_steps = _STEPS_WITHOUT_LIMIT if max_steps is None else max_steps
    table = np.zeros((n_steps + 1, grid.n_states))
    for left in range(1, n_steps + 1):
        ahead = (moves @ table[left - 1]).reshape(grid.n_states, -1)  # (states, J + 1)
        table[left] = (kinds.rewards + ahead @ kinds.taken.T).max(axis=1)
    return Values(grid, kinds.quality, table[-1:] if max_steps is None else table)


def _moves(visits: Visits, traits: Traits, grid: Grid, quality: Floats) -> csr_array:
    """Return P(state after), (states * (J + 1), states), for each state and what it consumes."""
    moods = np.repeat(grid.moods, len(grid.fatigue))[:, None]
    fatigue = np.tile(grid.fatigue, len(grid.moods))[:, None]
    idle = np.arange(len(quality) + 1) == len(quality)
    consumed = np.append(quality, 0.0)
    place = after(visits, traits, moods, fatigue, Step(idle, consumed, consumed))
    on = grid.corners(place.mood, place.fatigue)
    back = grid.corners(place.mood_then)
    rows = np.arange(place.mood.size).reshape(place.mood.shape)
    parts = (
        (on.weights * place.goes_on, on.places, np.broadcast_to(rows, on.places.shape)),
        (
            back.weights * place.comes_back,
            back.places,
            np.broadcast_to(rows[..., None], back.places.shape),
        ),
    )
    weights, columns, which = (np.concatenate([p[i].ravel() for p in parts]) for i in range(3))
    return csr_array((weights, (which, columns)), shape=(rows.size, grid.n_states))


def _cell(nodes: Floats, values: Floats) -> tuple[Ints, Floats]:
    """Return the node below each value and how far the value is on to the next, in 0..1."""
    width = (nodes[-1] - nodes[0]) / (len(nodes) - 1)
    place = np.clip((values - nodes[0]) / width, 0.0, len(nodes) - 1)
    low = np.minimum(place.astype(np.int64), len(nodes) - 2)
    return low, place - low
