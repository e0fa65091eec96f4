"""Users who do not respond as people do: robots, idle devices, random clicks."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Bools, Floats, Floats32, Ints
from rlrec.data.history import History
from rlrec.envs.arguments import check_number, checked_slates
from rlrec.envs.history_shape import history_shape_of
from rlrec.envs.wrappers.wrapper import SimulatorWrapper
from rlrec.errors import UnknownNameError, nearest_hint
from rlrec.simulation import SimulatorStep, SteppedSimulator
from rlrec.slates import repeated_slots

KINDS = ("always_click", "never_click", "random")
_WHO, _CLICKS = 0, 1  # purposes of the draws


class AbnormalUsers(SimulatorWrapper):
    """In a share of the episodes somebody else responds, whatever is shown.

    `always_click` clicks on every slot, `never_click` on none, `random` on each with probability
    1/2. Where users take at most one item, `always_click` takes the top one and `random` one of
    the slots or nothing, all equally likely. Blank slots are never clicked.

    A click of such a user is 1 in every channel and earns `click_reward`. The user who is hidden
    behind it sees the same slates, responds to nobody, and says when the episode ends. All others
    are as they were.

    Args:
        wrapped: The simulator.
        share: Probability that an episode is abnormal, 0 to 1; 0 changes nothing.
        kind: "always_click", "never_click" or "random".
        click_reward: Reward of an abnormal click.

    Raises:
        ConfigError: `share` or `click_reward` is out of range.
        UnknownNameError: There is no such kind.
    """

    def __init__(
        self,
        wrapped: SteppedSimulator,
        share: float,
        kind: str = "random",
        click_reward: float = 1.0,
    ) -> None:
        check_number("share", share, 0.0, 1.0)
        if kind not in KINDS:
            raise UnknownNameError(
                f"no abnormal users are called {kind!r}.{nearest_hint(str(kind), KINDS)}"
            )
        check_number("click_reward", click_reward)
        super().__init__(wrapped)
        self.share, self.kind, self.click_reward = share, kind, click_reward
        self._history = History(self.n_users, history_shape_of(wrapped))
        self._abnormal = np.zeros(self.n_users, bool)
        self._shown: Ints = np.zeros((self.n_users, self.slate_size), np.int64)
        self._topics: Ints = np.zeros_like(self._shown)

    @property
    def settings(self) -> dict[str, Any]:
        """How many are abnormal, and in what way."""
        return {"share": self.share, "kind": self.kind, "click_reward": self.click_reward}

    @property
    def is_abnormal(self) -> Bools:
        """Whether the running episode of each position is abnormal. Shape (B,)."""
        return self._abnormal.copy()

    def step(self, slates: Ints) -> SimulatorStep:
        """Show slates (B, K); users whose episode ends are replaced at once."""
        self._started()
        slates = checked_slates(slates, self.n_users, self.slate_size, self.n_choices)
        self._shown, self._topics = self._items_of(slates, self._offer())
        return super().step(slates)

    def choice_probabilities(self, slates: Ints) -> Floats:
        """Return the true P(each slot is taken), and last P(nothing is taken), shape (B, K + 1)."""
        stated = super().choice_probabilities(slates)
        return np.where(self._abnormal[:, None], self._stated(np.asarray(slates)), stated)

    def expected_reward(self, slates: Ints) -> Floats:
        """Return the true expected reward of showing `slates` now, shape (B,)."""
        stated = super().expected_reward(slates)
        clicks = self._stated(np.asarray(slates))[:, :-1].sum(axis=-1)
        return np.where(self._abnormal, self.click_reward * clicks, stated)

    def latent_state(self) -> dict[str, NDArray[Any]]:
        """Return copies of the users' hidden state, and `is_abnormal`."""
        return {**super().latent_state(), "is_abnormal": self.is_abnormal}

    def _changed(self, step: SimulatorStep) -> SimulatorStep:
        clicks = self._clicked(self._shown)
        clicked = np.broadcast_to(clicks[:, :, None], step.responses.shape)
        rows = self._abnormal
        responses: Floats32 = np.where(rows[:, None, None], clicked, step.responses)
        rewards = np.where(rows, self.click_reward * clicks.sum(axis=-1), step.rewards)
        self._history.record(self._shown, responses, self._topics)
        return step._replace(responses=responses, rewards=rewards)

    def _observed(
        self, observations: dict[str, NDArray[Any]], users: Ints, is_final: bool
    ) -> dict[str, NDArray[Any]]:
        return {**observations, **self._history.observe(users)}

    def _renew(self, users: Ints) -> None:
        self._history.clear(users)
        self._abnormal[users] = self._drawn(users)

    def _kept(self) -> dict[str, NDArray[Any]]:
        return self._history.observe()

    def _take_back(self, kept: dict[str, NDArray[Any]]) -> None:
        self._history.restore(kept)
        self._abnormal = self._drawn(np.arange(self.n_users))

    def _drawn(self, users: Ints) -> Bools:
        """Return whether episodes are abnormal; drawn once for each, by its number."""
        numbers = self.wrapped.episode_ids[users].tolist()
        return self._started().uniforms_of(users, 1, numbers, _WHO)[:, 0] < self.share

    def _clicked(self, slates: Ints) -> Floats32:
        """Return the clicks (B, K) of abnormal users at this step, 0 or 1."""
        draws = self._uniforms(self.slate_size, _CLICKS)
        p = self._stated(slates)[:, :-1]
        if not self.takes_one:
            return (draws < p).astype(np.float32)
        bounds = np.cumsum(p, axis=1)
        below = np.hstack([np.zeros((len(p), 1)), bounds[:, :-1]])
        return ((draws[:, :1] >= below) & (draws[:, :1] < bounds)).astype(np.float32)

    def _stated(self, slates: Ints) -> Floats:
        """Return the click probabilities (B, K + 1) of abnormal users, last of nothing."""
        open_slots = ~repeated_slots(slates)
        p = np.zeros((len(slates), self.slate_size + 1))
        if self.kind == "never_click":
            p[:, -1] = 1.0
        elif self.kind == "always_click":
            p[:, :-1] = open_slots
            p[:, 1:] *= not self.takes_one
        elif self.takes_one:
            p[:, :-1] = open_slots
            p[:, -1] = 1.0
            p /= p.sum(axis=-1, keepdims=True)
        else:
            p[:, :-1] = open_slots / 2
            p[:, -1] = 0.5 ** open_slots.sum(axis=-1)
        return p

    def _offer(self) -> dict[str, NDArray[Any]]:
        """Return what slates are positions in, if they are."""
        keys = {"candidates", "candidate_features"} & set(self.observation_spaces)
        seen = self.wrapped.observe() if keys else {}
        return {key: seen[key] for key in keys}

    def _items_of(self, slates: Ints, offer: dict[str, NDArray[Any]]) -> tuple[Ints, Ints]:
        """Return the items and topics of slates, as a history keeps them."""
        if "candidates" in offer:
            slates = np.take_along_axis(offer["candidates"], slates, axis=1)
        if self.catalogue is not None:
            return slates, self.catalogue.topics[slates]
        if "topic_counts" not in self.observation_spaces or "candidate_features" not in offer:
            return slates, np.zeros_like(slates)
        topics: Ints = np.argmax(offer["candidate_features"], axis=2)
        return slates, np.take_along_axis(topics, slates, axis=1)
