"""Users made of blocks: what attracts, how one picks, what it yields, what it does to one."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Bools, Floats, Ints
from rlrec.envs.blocks.block import Block, Leaving
from rlrec.envs.blocks.choice import ChoiceModel, pick, pick_by_weight
from rlrec.envs.blocks.response import Response
from rlrec.envs.blocks.scanning import ScanningChoice, scan_responses
from rlrec.envs.blocks.state import Consumed, Event, Outcome, Shown, State, summed
from rlrec.envs.blocks.taste import Taste
from rlrec.envs.items import Items
from rlrec.errors import ConfigError, UserModelError
from rlrec.simulation import Space


class UserModel(Protocol):
    """All users of an environment at once: how they begin, respond and change.

    Their state is a dict of arrays with a leading axis of users; nothing else is kept between
    steps, so a copy of the state is a snapshot. The model draws nothing itself: it is given
    uniforms in [0, 1), as many a user as it asks for, and rows of users must not influence one
    another (sums over a short axis rather than BLAS, which rounds by batch size).

    A model may tell the truth too: `choice_probabilities(state, shown, blank)`, (B, K + 1), and
    `expected_reward(state, shown, blank)`, (B,). It may add observations: `spaces()` and
    `observe(state, users)`. `Users` does all of this from blocks.

    Stability: experimental.
    """

    items: Items
    """What may be shown."""
    channels: tuple[str, ...]
    """Names of the R response channels; the first says whether there was a response."""
    n_initial_draws: int
    """Uniforms a user needs at the start of an episode."""
    n_step_draws: int
    """Uniforms a user needs at each step."""

    def start(self, state: State, users: Ints, draws: Floats) -> None:
        """Begin an episode of F users at positions `users`; `draws` has shape (F, n_initial_draws).

        At the first call `users` are all positions and `state` is empty (see `put`).
        """
        ...

    def respond(self, state: State, shown: Shown, blank: Bools | None, draws: Floats) -> Outcome:
        """Let all users respond to what is shown and change their state.

        Args:
            state: Hidden state of B users.
            shown: Items and topics of their slates, (B, K) each.
            blank: Shape (B, K). Slots that show nothing; None where none is blank.
            draws: Shape (B, n_step_draws).
        """
        ...


class Outlook(NamedTuple):
    """The truth about everything on offer, for oracles."""

    scores: Floats
    """Shape (B, n_choices). Attraction of all that may be shown."""
    rewards: Floats
    """Broadcastable to (B, n_choices). Expected reward of an item if it is taken."""
    quality: Floats
    """Broadcastable to (B, n_choices). Hidden quality of an item."""


class Users:
    """Users made of blocks.

    In a step: `taste` scores what is shown, `blocks` adjust the scores in turn, `choice` says what
    is taken, `response` what that yields; then taste, blocks and leaving change the state, in this
    order.

    Args:
        items: What may be shown.
        taste: What attracts, and how consuming changes it.
        choice: How items are picked.
        response: What an item yields.
        slate_size: K.
        blocks: Further parts of the users' inner life, in the order in which they act.
        leaving: When an episode ends; None for never.
        tastes_observed: Whether the observation has `user`.

    Raises:
        ConfigError: Two parts add the same observation key.
    """

    def __init__(
        self,
        *,
        items: Items,
        taste: Taste,
        choice: ChoiceModel,
        response: Response,
        slate_size: int,
        blocks: Sequence[Block] = (),
        leaving: Leaving | None = None,
        tastes_observed: bool = False,
    ) -> None:
        self.items = items
        self.taste = taste
        self.choice = choice
        self.response = response
        self.slate_size = slate_size
        self.leaving = Leaving() if leaving is None else leaving
        self.blocks: tuple[Block, ...] = (*blocks, self.leaving)
        self.tastes_observed = tastes_observed
        self.channels = response.channels
        tastes = ("tastes",) if tastes_observed else ()
        offered: tuple[str, ...] = getattr(items, "open_state", ())
        of_blocks = (key for block in self.blocks for key in block.open_state)
        self.open_state = (*tastes, *offered, *of_blocks)
        self._adjusting = [b for b in self.blocks if type(b).adjust is not Block.adjust]
        self._updating = [b for b in self.blocks if type(b).update is not Block.update]
        self._observing = [b for b in self.blocks if type(b).observe is not Block.observe]
        self._most_taken = 1 if choice.takes_one else slate_size
        self.n_initial_draws = (
            taste.n_initial_draws + items.n_draws + sum(b.n_initial_draws for b in self.blocks)
        )
        self.n_step_draws = self._most_taken * (1 + response.n_draws + taste.n_step_draws) + sum(
            b.n_step_draws for b in self.blocks
        )
        self._spaces = self._all_spaces()

    def start(self, state: State, users: Ints, draws: Floats) -> None:
        """Let new users in at the given positions; `draws` has shape (F, n_initial_draws)."""
        dealt = _Dealer(draws)
        self.taste.start(state, users, dealt.next(self.taste.n_initial_draws))
        offer_draws = dealt.next(self.items.n_draws)
        for block in self.blocks:
            block.start(state, users, dealt.next(block.n_initial_draws))
        self.items.draw(state, users, offer_draws)  # last: what is on offer may depend on the rest

    def scores(self, state: State, shown: Shown, blank: Bools | None = None) -> Floats:
        """Return the attraction of what is shown; blank slots get -inf."""
        scores = self.taste.scores(state, shown)
        for block in self._adjusting:
            adjusted = block.adjust(state, shown, scores)
            if getattr(adjusted, "shape", None) != scores.shape:
                raise _wrong_scores(block, scores, adjusted)
            scores = adjusted
        return scores if blank is None else np.where(blank, -np.inf, scores)

    def respond(self, state: State, shown: Shown, blank: Bools | None, draws: Floats) -> Outcome:
        """Let all users respond and change their state; `draws` has shape (B, n_step_draws)."""
        dealt, most = _Dealer(draws), self._most_taken
        taken = self._taken(self.scores(state, shown, blank), dealt.next(most))
        consumed = self._consumed(state, shown, taken)
        n_users, n_slots = shown.topics.shape
        responses = np.zeros((n_users, n_slots, len(self.channels)), np.float32)
        given = dealt.next(most * self.response.n_draws)
        moved = dealt.next(most * self.taste.n_step_draws)
        if len(taken.cells):
            yielded = self.response.respond(state, consumed, _of_items(given, taken, most))
            responses.reshape(-1, len(self.channels))[taken.cells] = yielded.channels
            rewards = self._summed(yielded.rewards, taken.users, n_users)
            self.taste.consume(state, consumed, _of_items(moved, taken, most))
        else:
            rewards = np.zeros(n_users)
        event = Event(shown, blank, consumed, responses, rewards)
        for block in self._updating:
            block.update(state, event, dealt.next(block.n_step_draws))
        return Outcome(responses, rewards, self.leaving.has_left(state), taken.cells)

    def choice_probabilities(self, state: State, shown: Shown, blank: Bools | None) -> Floats:
        """Return P(slot taken) of each slot and P(nothing taken), shape (B, K + 1)."""
        return self.choice.probabilities(self.scores(state, shown, blank))

    def expected_reward(self, state: State, shown: Shown, blank: Bools | None) -> Floats:
        """Return the expected reward of what is shown, shape (B,)."""
        taken = self.choice_probabilities(state, shown, blank)[:, :-1]
        earned = taken * self.response.expected(state, shown)
        # Rows of one layout whatever the batch, for how they lie in memory decides the rounding.
        expected: Floats = np.ascontiguousarray(earned).sum(axis=1)
        return expected

    def outlook(self, state: State) -> Outlook:
        """Return the truth about everything on offer."""
        offer = self.items.offer(state)
        return Outlook(
            self.scores(state, offer),
            self.response.expected(state, offer),
            self.items.offer_quality(state),
        )

    def spaces(self) -> dict[str, Space]:
        """Return the observation keys that the users' blocks add."""
        return dict(self._spaces)

    def observe(self, state: State, users: Ints | slice) -> dict[str, NDArray[Any]]:
        """Return those keys for some users."""
        observed: dict[str, NDArray[Any]] = {}
        for block in self._observing:
            observed.update(block.observe(state, users))
        if self.tastes_observed:
            observed["user"] = self.taste.observe(state, users)
        return observed

    def _all_spaces(self) -> dict[str, Space]:
        spaces: dict[str, Space] = {}
        if self.tastes_observed:
            large = float(np.finfo(np.float32).max)
            spaces["user"] = Space((self.taste.n_observed,), np.float32, -large, large)
        for block in self.blocks:
            for key, space in block.spaces().items():
                if key in spaces:
                    raise ConfigError(
                        f"two parts of the users add the observation {key!r}, the second is "
                        f"{type(block).__name__}"
                    )
                spaces[key] = space
        return spaces

    def _taken(self, scores: Floats, draws: Floats) -> "_Taken":
        """Return which slots are taken; one draw a user, or one a slot where several may be."""
        n_slots = scores.shape[1]
        if self.choice.takes_one:
            slots = self._picked(scores, draws[:, 0])
            users = np.flatnonzero(slots < n_slots)
            return _Taken(users, slots[users], users * n_slots + slots[users])
        scanning: ScanningChoice = self.choice  # type: ignore[assignment]
        cells = scan_responses(scanning.scan(scores), draws).ravel().nonzero()[0]
        if not len(cells):
            return _Taken(cells, cells, cells)
        users = cells // n_slots
        return _Taken(users, cells - users * n_slots, cells)

    def _picked(self, scores: Floats, draws: Floats) -> Ints:
        """Return the slot each user takes, K for nothing."""
        if hasattr(self.choice, "weights"):
            return pick_by_weight(self.choice.weights(scores), draws)
        return pick(self.choice.probabilities(scores), draws)

    def _summed(self, rewards: Floats, users: Ints, n_users: int) -> Floats:
        """Return the reward of each user, (B,), from those of the items taken, (F,)."""
        if not self.choice.takes_one:
            return summed(users, rewards, n_users)
        spread = np.zeros(n_users)
        spread[users] = rewards
        return spread

    def _consumed(self, state: State, shown: Shown, taken: "_Taken") -> Consumed:
        assert shown.items is not None  # a slate, not the whole catalogue
        if not len(taken.cells):
            nothing = taken.cells
            return Consumed(nothing, nothing, nothing, nothing, np.zeros(0))
        items = shown.items.take(taken.cells)
        quality = self.items.quality(state, taken.users, items)
        topics = shown.topics.take(taken.cells)
        return Consumed(taken.users, taken.slots, items, topics, quality)


def _wrong_scores(block: Block, scores: Floats, adjusted: object) -> UserModelError:
    got = f"shape {adjusted.shape}" if isinstance(adjusted, np.ndarray) else repr(adjusted)
    return UserModelError(
        f"`adjust` of {type(block).__name__} must return scores of the shape {scores.shape} it is "
        f"given, got {got}"
    )


class _Taken(NamedTuple):
    users: Ints
    """Shape (F,)."""
    slots: Ints
    """Shape (F,)."""
    cells: Ints
    """Shape (F,). users * K + slots."""


class _Dealer:
    """Deals a step's draws out, some columns at a time."""

    def __init__(self, draws: Floats) -> None:
        self._draws = draws
        self._none = draws[:, :0]
        self._dealt = 0

    def next(self, n_draws: int) -> Floats:
        """Return the next columns, (B, n_draws)."""
        if not n_draws:
            return self._none
        begin = self._dealt
        self._dealt += n_draws
        return self._draws[:, begin : self._dealt]


def _of_items(draws: Floats, taken: _Taken, most_taken: int) -> Floats:
    """Return the draws of each item taken, (F, n), of those of each user, (B, most_taken * n)."""
    if most_taken == 1:
        return draws[taken.users]
    return draws.reshape(len(draws), most_taken, -1)[taken.users, taken.slots]
