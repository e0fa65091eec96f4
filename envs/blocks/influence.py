"""How what users see and take moves their tastes; three rules, each off when its weight is 0."""

import numpy as np

from rlrec.arrays import Floats, Ints
from rlrec.envs.arguments import check_flag, check_number
from rlrec.envs.blocks.block import Block
from rlrec.envs.blocks.state import Event, State, turns
from rlrec.envs.blocks.vector_taste import VectorTaste


class Influence(Block):
    """What is taken draws the taste towards it: u <- norm((1 - weight) u + weight m).

    m is the mean vector of the items taken in this step; without any the taste stays.

    Args:
        taste: Whose tastes move.
        weight: In 0..1; 0 switches the influence off.
        published_defect: Take for m, in every topic, the mean over items and topics, as the
            published code does: then every taste is drawn towards equal interest in all topics,
            not towards what was taken.

    Reference:
        Deffayet, Thonet, Hwang, Lehoux, Renders and de Rijke, 2023, "SARDINE: A Simulator for
        Automated Recommendation in Dynamic and Interactive Environments".
    """

    def __init__(
        self, taste: VectorTaste, weight: float = 0.0, published_defect: bool = False
    ) -> None:
        self.taste = taste
        check_number("weight of influence", weight, 0.0, 1.0)
        check_flag("published_defect", published_defect)
        self.weight = weight
        self.published_defect = published_defect

    def update(self, state: State, event: Event, draws: Floats) -> None:
        """Move the tastes of those who took something."""
        users = event.consumed.users
        if self.weight == 0 or not len(users):
            return
        tastes = state["tastes"]
        counts = np.bincount(users, minlength=len(tastes))
        moved = np.flatnonzero(counts)
        mean = self.taste.items.sums(users, event.consumed.items, len(tastes))[moved]
        mean /= counts[moved, None]
        if self.published_defect:
            mean[:] = mean.sum(axis=1, keepdims=True) / mean.shape[1]
        vectors = (1.0 - self.weight) * tastes[moved] + self.weight * mean
        self.taste.move(state, moved, vectors)


class MereExposure(Block):
    """What is merely shown draws the taste towards it: u <- norm(u + rate (m - u)).

    m is the mean vector of the items shown in this step, whether or not they were taken; blank
    slots show nothing.

    Args:
        taste: Whose tastes move.
        rate: In 0..1; 0 switches the influence off.

    Reference:
        Zajonc, 1968, "Attitudinal Effects of Mere Exposure".
    """

    def __init__(self, taste: VectorTaste, rate: float = 0.0) -> None:
        self.taste = taste
        check_number("rate of mere exposure", rate, 0.0, 1.0)
        self.rate = rate

    def update(self, state: State, event: Event, draws: Floats) -> None:
        """Move the tastes of all users."""
        if self.rate == 0:
            return
        tastes, mean = state["tastes"], self._mean_shown(event)
        self.taste.move(state, np.arange(len(tastes)), tastes + self.rate * (mean - tastes))

    def _mean_shown(self, event: Event) -> Floats:
        """Return the mean vector of the items shown to each user, (B, T)."""
        slates = event.shown.items
        assert slates is not None  # a slate, not the whole catalogue
        n_users, slate_size = slates.shape
        users: Ints = np.repeat(np.arange(n_users), slate_size)
        items = slates.reshape(-1)
        if event.blank is not None:
            seen = np.flatnonzero(~event.blank)  # in slate order, user by user
            users, items = users[seen], items[seen]
        counts = np.bincount(users, minlength=n_users)
        return self.taste.items.sums(users, items, n_users) / counts[:, None]


class BiasedAssimilation(Block):
    """What is taken draws the taste the more, the more it agrees: u <- norm(u + rate (u . x) x).

    x is the vector of the item; of several items each moves the taste in turn, in slate order. So
    tastes that lean to one side end there.

    Args:
        taste: Whose tastes move.
        rate: 0 or more; 0 switches the influence off.

    Reference:
        Dean and Morgenstern, 2022, "Preference Dynamics Under Personalized Recommendations".
    """

    def __init__(self, taste: VectorTaste, rate: float = 0.0) -> None:
        check_number("rate of biased assimilation", rate, 0.0)
        self.taste = taste
        self.rate = rate

    def update(self, state: State, event: Event, draws: Floats) -> None:
        """Move the tastes of those who took something."""
        if self.rate == 0 or not len(event.consumed.users):
            return
        items = self.taste.items
        for rows in turns(event.consumed.users):
            users, taken = event.consumed.users[rows], event.consumed.items[rows]
            tastes = state["tastes"][users]
            agreement = items.scores(tastes, taken[:, None])
            self.taste.move(state, users, tastes + self.rate * agreement * items.dense[taken])
