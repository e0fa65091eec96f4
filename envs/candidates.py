"""Which items of a catalogue may be shown: the same always, the user's own, or those of the day."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rlrec.arrays import Bools, Floats, Floats32, Ints
from rlrec.data.catalogue import Catalogue
from rlrec.envs.arguments import check_whole_number
from rlrec.envs.blocks.calendar import Calendar
from rlrec.envs.blocks.state import Shown, State, put
from rlrec.envs.items import Quality
from rlrec.errors import ConfigError, UserModelError
from rlrec.simulation import Space

Retrieval = Callable[[State, Ints], NDArray[Any]]
"""Takes the state of all B users and the positions (F,) of those to retrieve for; returns M
different items (F, M) for each of them, or a mask (F, N) of what may be shown, at least M true."""


class Candidates:
    """M items of a catalogue may be shown; slates hold positions among them.

    What is shown, consumed and remembered is known by item_index. Agents see `candidates` (M,).
    An offer of your own overrides `among`, and `draw` where it takes chance or must be remembered.

    Args:
        catalogue: N items.
        quality: Hidden quality of the items.
        n_candidates: M, at most N.

    Stability: experimental.
    """

    n_draws = 0

    def __init__(self, catalogue: Catalogue, quality: Quality, n_candidates: int) -> None:
        check_whole_number("n_candidates", n_candidates, 1, catalogue.n_items)
        self.catalogue = catalogue
        self.n_choices = n_candidates
        self._quality = quality

    def among(self, state: State, users: Ints | slice) -> Ints:
        """Return the item_index of the candidates of some users, (F, M); a new array."""
        raise NotImplementedError

    def draw(self, state: State, users: Ints, draws: Floats) -> None:
        """Do nothing: what is on offer follows from the state."""

    def shown(self, state: State, slates: Ints) -> Shown:
        """Return the items at the positions of the slates, and their topics."""
        items = np.take_along_axis(self.among(state, slice(None)), slates, axis=1)
        return Shown(items, self.catalogue.topics[items])

    def offer(self, state: State) -> Shown:
        """Return all candidates of each user."""
        items = self.among(state, slice(None))
        return Shown(items, self.catalogue.topics[items])

    def quality(self, state: State, users: Ints, choices: Ints) -> Floats:
        """Return the quality of items consumed, by item_index."""
        return self._quality.of(state, users, choices)

    def offer_quality(self, state: State) -> Floats:
        """Return the quality of all candidates, (B, M)."""
        items, quality = self.among(state, slice(None)), self._quality.of_all(state)
        return np.take_along_axis(
            np.broadcast_to(quality, (len(items), quality.shape[1])), items, 1
        )

    def spaces(self) -> dict[str, Space]:
        """Add the candidates."""
        return {"candidates": Space((self.n_choices,), np.int64, 0, self.catalogue.n_items - 1)}

    def observe(self, state: State, users: Ints | slice) -> dict[str, NDArray[Any]]:
        """Return the candidates of some users, (F, M)."""
        return {"candidates": self.among(state, users)}


class FixedCandidates(Candidates):
    """The same part of a catalogue for everybody, always.

    Args:
        catalogue: N items.
        quality: Hidden quality of the items.
        candidates: Shape (M,). item_index of what may be shown, none twice.

    Raises:
        ConfigError: Candidates repeat, are not in the catalogue, or are none.
    """

    def __init__(self, catalogue: Catalogue, quality: Quality, candidates: ArrayLike) -> None:
        items = np.asarray(candidates)
        if items.ndim != 1 or items.dtype.kind not in "iu" or len(np.unique(items)) != items.size:
            raise ConfigError(
                "candidates must be different whole numbers (item_index) in one row, got "
                f"{items.dtype} of shape {items.shape}, {len(np.unique(items))} of them different"
            )
        super().__init__(catalogue, quality, items.size)
        if items.min() < 0 or items.max() >= catalogue.n_items:
            raise ConfigError(
                f"candidates must lie in 0..{catalogue.n_items - 1}, got "
                f"{items.min()}..{items.max()}"
            )
        self._items = items.astype(np.int64)

    def among(self, state: State, users: Ints | slice) -> Ints:
        """Return the same items for each user."""
        n_users = len(next(iter(state.values()))[users])
        return np.tile(self._items, (n_users, 1))


class UserCandidates(Candidates):
    """Each user's own candidates, retrieved when a visit begins and after every step.

    A retrieval that returns items gives them their positions. One that returns a mask lets more
    than M items through at will: then M that follow one another among them are on offer, from a
    place drawn at random, so that each has the same chance.

    Args:
        catalogue: N items.
        quality: Hidden quality of the items.
        n_candidates: M, at most N.
        retrieve: Says what may be shown to whom. It reads rows of these users only, and draws
            nothing: the same state gives the same candidates.
    """

    n_draws = 1

    def __init__(
        self, catalogue: Catalogue, quality: Quality, n_candidates: int, retrieve: Retrieval
    ) -> None:
        super().__init__(catalogue, quality, n_candidates)
        self._retrieve = retrieve

    def draw(self, state: State, users: Ints, draws: Floats) -> None:
        """Retrieve the candidates of some users.

        Raises:
            UserModelError: The retrieval returned something else than it must.
        """
        found = np.asarray(self._retrieve(state, users))
        if found.dtype.kind == "b":
            found = self._from_mask(found, users, draws[:, 0])
        put(state, "candidates", users, self._checked(found, users), np.int64)

    def among(self, state: State, users: Ints | slice) -> Ints:
        """Return what was retrieved last."""
        return np.array(state["candidates"][users])

    def _from_mask(self, mask: Bools, users: Ints, draws: Floats) -> Ints:
        self._check_shape(mask, (len(users), self.catalogue.n_items))
        counts = mask.sum(axis=1)
        few = np.flatnonzero(counts < self.n_choices)
        if few.size:
            raise UserModelError(
                f"a retrieval's mask must let {self.n_choices} items through, got "
                f"{counts[few[0]]} for user {users[few[0]]}"
            )
        items = np.flatnonzero(mask) % mask.shape[1]  # user by user
        begins = np.cumsum(counts) - counts
        ranks = (draws * counts).astype(np.int64)[:, None] + np.arange(self.n_choices)
        chosen: Ints = items[begins[:, None] + ranks % counts[:, None]]
        return chosen

    def _checked(self, found: NDArray[Any], users: Ints) -> NDArray[Any]:
        self._check_shape(found, (len(users), self.n_choices))
        if found.dtype.kind not in "iu":
            raise UserModelError(
                f"a retrieval must return whole numbers or a mask, got {found.dtype}"
            )
        n_items = self.catalogue.n_items
        wrong = np.argwhere((found < 0) | (found >= n_items))
        if wrong.size:
            row, place = wrong[0]
            raise UserModelError(
                f"a retrieval must return items in 0..{n_items - 1}, got {found[row, place]} for "
                f"user {users[row]}"
            )
        ordered = np.sort(found, axis=1)
        twice = np.argwhere(ordered[:, 1:] == ordered[:, :-1])
        if twice.size:
            row, place = twice[0]
            raise UserModelError(
                f"a retrieval must return different items, got {ordered[row, place]} twice for "
                f"user {users[row]}"
            )
        return found

    @staticmethod
    def _check_shape(found: NDArray[Any], expected: tuple[int, int]) -> None:
        if found.shape != expected:
            kind = "mask" if found.dtype.kind == "b" else "items"
            raise UserModelError(
                f"a retrieval must return {kind} of shape {expected} for {expected[0]} users, got "
                f"shape {found.shape}"
            )


class CalendarItems(Candidates):
    """The items that are alive at the user's moment of a calendar, each in its place.

    Args:
        catalogue: N items, in the order in which they arrive.
        quality: Hidden quality of the items.
        calendar: Says what is alive when; it must stand among the blocks of the users.
        features: Shape (L, M, F). What is openly seen of the item in each place at each moment, as
            `candidate_features`; None for nothing.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        quality: Quality,
        calendar: Calendar,
        features: Floats32 | None = None,
    ) -> None:
        super().__init__(catalogue, quality, calendar.n_places)
        n_items = len(calendar.succession.places)
        if n_items != catalogue.n_items:
            raise ConfigError(
                f"the calendar must be one of the catalogue's {catalogue.n_items} items, got one "
                f"of {n_items}"
            )
        expected = calendar.alive.shape
        if features is not None and (features.ndim != 3 or features.shape[:2] != expected):
            raise ConfigError(
                f"features must have shape {(*expected, 'F')} (moments, places, features), got "
                f"{features.shape}"
            )
        self._alive = calendar.alive
        self._features = None if features is None else features.astype(np.float32)

    def draw(self, state: State, users: Ints, draws: Floats) -> None:
        """Do nothing; refuse users who know no moment.

        Raises:
            ConfigError: The calendar is missing among the blocks of the users.
        """
        if "moment" not in state:
            raise ConfigError("users with CalendarItems need its calendar among their blocks")

    def among(self, state: State, users: Ints | slice) -> Ints:
        """Return the items alive at each user's moment."""
        return self._alive[state["moment"][users]]

    def shown(self, state: State, slates: Ints) -> Shown:
        """Return the items at the positions of the slates, and their topics."""
        items = self._alive[state["moment"][:, None], slates]
        return Shown(items, self.catalogue.topics[items])

    def spaces(self) -> dict[str, Space]:
        """Add the candidates, and what is seen of them."""
        spaces = super().spaces()
        if self._features is not None:
            large = float(np.finfo(np.float32).max)
            shape = self._features.shape[1:]
            spaces["candidate_features"] = Space(shape, np.float32, -large, large)
        return spaces

    def observe(self, state: State, users: Ints | slice) -> dict[str, NDArray[Any]]:
        """Return the candidates of some users, (F, M), and their features, (F, M, F)."""
        observed = super().observe(state, users)
        if self._features is not None:
            observed["candidate_features"] = self._features[state["moment"][users]]
        return observed
