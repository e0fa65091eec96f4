"""Planning with boredom: slates filled topic by topic, so that no topic is clicked too often."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol, Self

import numpy as np

from rlrec.arrays import Bools, Floats, Ints
from rlrec.envs.arguments import check_whole_number
from rlrec.envs.blocks.boredom import Boredom
from rlrec.envs.blocks.sameness import Sameness
from rlrec.envs.blocks.scanning import PositionBasedChoice
from rlrec.envs.blocks.visit_length import VisitLength
from rlrec.envs.planning.oracle import Oracle, mean_return, users_of
from rlrec.envs.planning.varied_slates import sameness_of
from rlrec.envs.simulator import UserSimulator
from rlrec.errors import ConfigError
from rlrec.slates import top_slates

_PRICES = (0.0, 1.0, 3.0, 10.0)  # that `BoredomPlanner.fit` tries
_FULL = 1e9  # worth that a topic loses which has all the items it may have


class Rule(Protocol):
    """What the next item of each topic is worth, given what a slate holds so far."""

    def worth(self, chances: Floats) -> Floats:
        """Return worths (F, T) of items that would be clicked with `chances` (F, T)."""
        ...

    def add(self, topics: Ints, chances: Floats) -> None:
        """Take in that each of F slates gets an item of a topic (F,), with its chance (F,)."""
        ...


class Filled(NamedTuple):
    """Slates of F users."""

    slates: Ints
    """Shape (F, K)."""
    chances: Floats
    """Shape (F, K). P(clicked) of each slot."""
    worth: Floats
    """Shape (F,). What the rule said the items are worth, summed."""

    def instead(self, others: "Filled", where: Bools) -> "Filled":
        """Return these slates, and others where (F,) says so."""
        slates = np.where(where[:, None], others.slates, self.slates)
        chances = np.where(where[:, None], others.chances, self.chances)
        return Filled(slates, chances, np.where(where, others.worth, self.worth))


class Ranked(NamedTuple):
    """The most relevant items of each topic for F users, best first."""

    items: Ints
    """Shape (F, T, K)."""
    relevance: Floats
    """Shape (F, T, K). P(clicked | looked at); -1 where a topic has no further item."""

    def filled(self, examination: Floats, rule: Rule, most: int | None = None) -> Filled:
        """Return slates filled from the slot most looked at, each with the item worth most.

        Args:
            examination: Shape (K,). P(looked at).
            rule: Says what items are worth.
            most: Items of a topic, beyond which any other topic goes first; None for any number.
        """
        n_users, n_topics, size = self.items.shape
        rows = np.arange(n_users)
        used = np.zeros((n_users, n_topics, 1), np.int64)
        relevance = np.pad(self.relevance, ((0, 0), (0, 0), (0, 1)), constant_values=-1.0)
        shape = (n_users, size)
        filled = Filled(np.empty(shape, np.int64), np.empty(shape), np.zeros(n_users))
        for slot in np.argsort(-examination, kind="stable").tolist():
            now = np.take_along_axis(relevance, used, axis=2)[:, :, 0]
            chances = now * examination[slot]
            worth = np.where(now < 0, -np.inf, rule.worth(chances))
            is_full = used[:, :, 0] >= (size if most is None else most)
            topics = np.argmax(np.where(is_full, worth - _FULL, worth), axis=1)
            place = (rows, topics)
            filled.worth[:] += worth[place]
            filled.slates[:, slot] = self.items[rows, topics, used[rows, topics, 0]]
            filled.chances[:, slot] = chances[place]
            used[place] += 1
            rule.add(topics, chances[place])
        return filled


class TopicFilling(Oracle):
    """Fills slates with the most relevant items of well chosen topics, by a `Rule`.

    A rule of your own overrides `_filled`. It knows users made of `VectorTaste` or any other taste,
    `PositionBasedChoice` and `Boredom`, with a catalogue.
    """

    def _choose(self, users: Ints) -> Ints:
        boredom_of(self._bound())  # or it refuses these users
        return self._filled(users, self._ranked(users)).slates

    def _filled(self, users: Ints, ranked: Ranked) -> Filled:
        """Return slates for the users at these positions of `_bound()`."""
        raise NotImplementedError

    def _ranked(self, users: Ints) -> Ranked:
        simulator = self._bound()
        catalogue, size = simulator.catalogue, simulator.slate_size
        assert catalogue is not None
        attraction = choice_of(simulator).attraction
        relevance = attraction.of(simulator.outlook(users).scores)
        shape = (len(users), catalogue.n_topics, size)
        ranked = Ranked(np.zeros(shape, np.int64), np.full(shape, -1.0))
        for topic in range(catalogue.n_topics):
            items = np.flatnonzero(catalogue.topics == topic)
            if items.size:
                best = top_slates(relevance[:, items], min(size, items.size))
                n = best.shape[1]
                ranked.items[:, topic, :n] = items[best]
                ranked.relevance[:, topic, :n] = np.take_along_axis(relevance, items[best], axis=1)
        return ranked

    def _examination(self) -> Floats:
        return choice_of(self._bound()).examination(self._bound().slate_size)


class CappedTopics(TopicFilling):
    """Shows the most relevant items, but of each topic only as many as its cap leaves room for.

    With c clicks on a topic counted now, a slate holds at most cap - c of its items; where nothing
    fits, the least likely click is placed. A rule of thumb: with a cap below the threshold nobody
    is ever bored, unless too few items are left to choose from.

    Args:
        cap: Counted clicks a topic may have, 0 or more.
    """

    def __init__(self, cap: int = 4) -> None:
        super().__init__()
        check_whole_number("cap", cap, 0)
        self.cap = cap

    def _filled(self, users: Ints, ranked: Ranked) -> Filled:
        simulator = self._bound()
        counts = boredom_of(simulator).counted(simulator.state_of(users))
        return ranked.filled(self._examination(), _Cap(self.cap - counts))

    def _copy(self) -> Self:
        return type(self)(self.cap)


class BoredomPlanner(TopicFilling):
    """Weighs each click against the boredom it may bring, knowing tastes and counted clicks.

    An item clicked with probability p is worth p (1 - price P(n = room) - crowding c / threshold):
    n are the clicks of this slate on its topic so far, room is how many of them do not bore yet,
    and c the topic's clicks that are still counted after this step, plus those to be expected of
    the slate. So clicks that may bore have a price, and topics take turns. Near the end of a visit
    the price falls to 0 in proportion to the steps that boredom could still spoil. Which old clicks
    are pushed out by new ones is judged by the new ones to be expected, less a standard deviation.
    Where a slate would be too much of the same (`Sameness`), it is filled again with fewer items a
    topic, and the better one is shown. It is a rule of one step, and a reference, not a proven
    optimum.

    Args:
        price: Clicks that boredom costs, 0 or more.
        crowding: 0 or more.
    """

    def __init__(self, price: float = 10.0, crowding: float = 0.2) -> None:
        super().__init__()
        for name, value in (("price", price), ("crowding", crowding)):
            if not 0 <= value < np.inf:
                raise ConfigError(f"{name} must be 0 or more and finite, got {value!r}")
        self.price = price
        self.crowding = crowding

    @classmethod
    def fit(cls, simulator: UserSimulator, n_users: int = 500, seed: int = 0) -> Self:
        """Return the rule with the price, of 0, 1, 3 and 10, with which users click most.

        Args:
            simulator: The environment; users of its own are made, it is left as it is.
            n_users: Simulated users; a fifth of them, at least 1, meets every price.
            seed: Seed of these users.

        Raises:
            TypeError: Its users are made of other blocks.
        """
        if boredom_of(simulator).never:
            return cls(0.0, 0.0)
        users = simulator.with_users(max(1, n_users // 5))
        earned = [mean_return(cls(price), users, seed) for price in _PRICES]
        return cls(_PRICES[int(np.argmax(earned))])

    def _filled(self, users: Ints, ranked: Ranked) -> Filled:
        simulator = self._bound()
        boredom, state = boredom_of(simulator), simulator.state_of(users)
        steps_after = _steps_left(simulator, users) - 1
        price = self.price * np.minimum(steps_after / boredom.duration, 1.0)
        stays_bored = state["bored_until"] > state["boredom_clock"][:, None] + 1
        n_new = np.zeros(len(users), np.int64)
        for _ in range(2):  # first as if nothing were pushed out
            counts = boredom.counted_later(state, n_new)
            filled = self._better(
                ranked, partial(self._rule, counts, stays_bored, boredom.threshold, price)
            )
            spread = np.sqrt((filled.chances * (1.0 - filled.chances)).sum(axis=1))
            least = np.floor(filled.chances.sum(axis=1) - spread)
            n_new = np.maximum(least, 0.0).astype(np.int64)
        return filled

    def _rule(self, counts: Ints, is_bored: Bools, threshold: int, price: Floats) -> "_Price":
        return _Price(_Risk(counts, is_bored, threshold), price, self.crowding)

    def _better(self, ranked: Ranked, make_rule: Callable[[], Rule]) -> Filled:
        """Return slates by the rule, with fewer items a topic where that is worth more."""
        simulator = self._bound()
        free = ranked.filled(self._examination(), make_rule())
        sameness, catalogue = sameness_of(simulator), simulator.catalogue
        if sameness is None or catalogue is None:
            return free
        varied = ranked.filled(self._examination(), make_rule(), sameness.too_many - 1)
        first, other = (_lowered(filled, sameness, catalogue.topics) for filled in (free, varied))
        return first.instead(other, other.worth > first.worth)

    def _copy(self) -> Self:
        return type(self)(self.price, self.crowding)


class _Cap:
    """Most likely clicks first, as long as there is room for the topic."""

    def __init__(self, room: Ints) -> None:
        self._room = room

    def worth(self, chances: Floats) -> Floats:
        return np.where(self._room > 0, chances, -1.0 - chances)

    def add(self, topics: Ints, chances: Floats) -> None:
        self._room[np.arange(len(topics)), topics] -= 1


class _Risk:
    """How close the clicks of a slate bring each topic to boredom."""

    def __init__(self, counts: Ints, is_bored: Bools, threshold: int) -> None:
        self._threshold = threshold
        self._rows = np.arange(len(counts))
        self._expected = counts.astype(np.float64)
        # Topics that stay bored anyway, or will be, cannot be bored once more.
        self._is_lost = is_bored | (counts >= threshold)
        self._room = np.where(self._is_lost, 0, threshold - 1 - counts)[:, :, None]
        self._clicks = np.zeros((*counts.shape, threshold))  # P(n clicks in this slate)
        self._clicks[:, :, 0] = 1.0

    def of_one_more(self) -> Floats:
        """Return P(one more click bores) by topic, (F, T)."""
        at_room = np.take_along_axis(self._clicks, self._room, axis=2)[:, :, 0]
        return np.where(self._is_lost, 0.0, at_room)

    def crowd(self) -> Floats:
        """Return expected counted clicks as a share of the threshold, (F, T)."""
        return self._expected / self._threshold

    def add(self, topics: Ints, chances: Floats) -> None:
        place = (self._rows, topics)
        self._expected[place] += chances
        clicks = self._clicks[place]
        moved = clicks * chances[:, None]
        clicks -= moved
        clicks[:, 1:] += moved[:, :-1]  # what goes beyond has bored, and is forgotten
        self._clicks[place] = clicks


class _Price:
    """The rule of `BoredomPlanner`."""

    def __init__(self, risk: _Risk, price: Floats, crowding: float) -> None:
        self._risk = risk
        self._price = price[:, None]
        self._crowding = crowding

    def worth(self, chances: Floats) -> Floats:
        cost = self._price * self._risk.of_one_more() + self._crowding * self._risk.crowd()
        return chances * (1.0 - cost)

    def add(self, topics: Ints, chances: Floats) -> None:
        self._risk.add(topics, chances)


def _lowered(filled: Filled, sameness: Sameness, topics: Ints) -> Filled:
    """Return slates with what being too much of the same leaves of them; `topics` are of items."""
    left = np.where(sameness.is_alike(topics[filled.slates]), 1.0 / sameness.penalty, 1.0)
    return Filled(filled.slates, filled.chances * left[:, None], filled.worth * left)


def boredom_of(simulator: UserSimulator) -> Boredom:
    """Return the boredom of a simulator's users; raise TypeError where they have none."""
    found = [block for block in users_of(simulator).blocks if isinstance(block, Boredom)]
    catalogue = simulator.catalogue
    if not found or catalogue is None or simulator.n_choices != catalogue.n_items:
        raise TypeError(
            "topics are filled for users with the block Boredom, to whom any item of a catalogue "
            f"may be shown; those of {simulator.env_id} are others"
        )
    return found[0]


def choice_of(simulator: UserSimulator) -> PositionBasedChoice:
    """Return the choice of a simulator's users; raise TypeError unless it is position-based."""
    choice = users_of(simulator).choice
    if not isinstance(choice, PositionBasedChoice):
        raise TypeError(
            "topics are filled for users with a PositionBasedChoice, those of "
            f"{simulator.env_id} have a {type(choice).__name__}"
        )
    return choice


def _steps_left(simulator: UserSimulator, users: Ints) -> Ints:
    """Return the steps that are left to each user, (F,); many where nothing ends a visit."""
    left = np.full(len(users), np.iinfo(np.int64).max // 2)
    if isinstance(users_of(simulator).leaving, VisitLength):
        left = simulator.state_of(users)["steps_left"]
    if simulator.problem.max_steps is not None:
        left = np.minimum(left, simulator.problem.max_steps - simulator.steps[users])
    return left
