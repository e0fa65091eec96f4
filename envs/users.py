"""A user as blocks: what attracts, how one picks, what it yields, when one leaves."""

from typing import NamedTuple

import numpy as np

from rlrec.arrays import Bools, Floats, Floats32, Ints
from rlrec.envs.choice import ChoiceModel, ChoiceWeights
from rlrec.envs.items import Items
from rlrec.envs.leaving import TimeBudget, WatchTime
from rlrec.envs.taste import Consumed, Shown, State, Taste


class Outcome(NamedTuple):
    """What the users did with their slates."""

    responses: Floats32
    """Shape (B, K, R)."""
    rewards: Floats
    """Shape (B,)."""
    has_left: Bools
    """Shape (B,)."""


class Outlook(NamedTuple):
    """The truth about everything on offer, for oracles."""

    weights: ChoiceWeights
    """Choice weights of all items, (B, n_choices), and of nothing, (B,)."""
    rewards: Floats
    """Shape (B, 1). Reward of an item if it is taken."""
    costs: Floats
    """Broadcastable to (B, n_choices). Time an item costs if it is taken, net of its bonus."""
    nothing_cost: float
    """Time it costs to take nothing."""


class Users:
    """Users who take at most one item of a slate and stay while their time lasts.

    The state of B users is a dict of arrays that the blocks fill and change; nothing else is kept
    between steps, so a copy of the state is a snapshot.

    Args:
        items: What may be shown.
        taste: What attracts, and how consuming changes it.
        choice: How one item, or nothing, is picked.
        budget: How long a visit lasts.
    """

    def __init__(self, items: Items, taste: Taste, choice: ChoiceModel, budget: TimeBudget) -> None:
        self.items = items
        self.taste = taste
        self.choice = choice
        self.budget = budget
        self.response = WatchTime()
        self.n_initial_draws = taste.n_initial_draws + items.n_draws
        self.n_step_draws = 1 + taste.n_step_draws

    def start(self, state: State, users: Ints, draws: Floats) -> None:
        """Let new users in at the given positions; `draws` has shape (F, n_initial_draws)."""
        self.taste.start(state, users, draws[:, : self.taste.n_initial_draws])
        self.items.draw(state, users, draws[:, self.taste.n_initial_draws :])
        self.budget.start(state, users)

    def scores(self, state: State, shown: Shown, blank: Bools | None = None) -> Floats:
        """Return the attraction of what is shown; blank slots get -inf."""
        scores = self.taste.scores(state, shown)
        return scores if blank is None else np.where(blank, -np.inf, scores)

    def respond(
        self, state: State, slates: Ints, shown: Shown, blank: Bools | None, draws: Floats
    ) -> Outcome:
        """Let all users respond and change their state; `draws` has shape (B, n_step_draws)."""
        probabilities = self.choice.probabilities(self.scores(state, shown, blank))
        slots = _pick(probabilities, draws[:, 0])
        n_users, slate_size = slates.shape
        takers = np.flatnonzero(slots < slate_size)
        taken = slots[takers]
        items = slates[takers, taken]
        consumed = Consumed(
            takers,
            items,
            shown.topics[takers, taken],
            self.items.quality(state, takers, items),
        )
        minutes = self.budget.watch_time(state, takers)
        responses = np.zeros((n_users, slate_size, len(self.response.channels)), np.float32)
        responses[takers, taken] = self.response.responses(minutes)
        rewards = np.zeros(n_users)
        rewards[takers] = minutes
        self.taste.consume(state, consumed, draws[takers, 1:])
        self.budget.spend(state, consumed, minutes)
        return Outcome(responses, rewards, self.budget.has_ended(state))

    def expected_reward(self, state: State, probabilities: Floats) -> Floats:
        """Return the expected reward of slates with these choice probabilities, shape (B,)."""
        everyone = np.arange(len(probabilities))
        return (1.0 - probabilities[:, -1]) * self.budget.watch_time(state, everyone)

    def outlook(self, state: State) -> Outlook:
        """Return the truth about everything on offer."""
        weights = self.choice.weights(self.taste.scores(state, self.items.offer(state)))
        everyone = np.arange(len(weights.items))
        return Outlook(
            weights,
            self.budget.watch_time(state, everyone)[:, None],
            self.budget.cost(self.items.offer_quality(state)),
            self.budget.idle_cost,
        )


def _pick(probabilities: Floats, draws: Floats) -> Ints:
    """Return the slot whose stretch of the cumulated probabilities holds the draw; K = nothing."""
    slots = np.zeros(len(draws), np.int64)
    edge = np.zeros(len(draws))
    for slot in range(probabilities.shape[1] - 1):  # faster than along the short axis of a slate
        edge += probabilities[:, slot]
        slots += edge <= draws
    return slots
