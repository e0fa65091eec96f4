"""Transitions with the choice of each slate: from interaction and from a log."""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.buffers import DictReplayBuffer
from torch import Tensor

from rlrec.agents.networks import TensorDict
from rlrec.arrays import Ints
from rlrec.errors import DataError

_SHOWN_RESPONSE = "last_response"


class SlateBatch(NamedTuple):
    """Transitions of B users."""

    observations: TensorDict
    slates: Tensor
    """Shape (B, K)."""
    choices: Tensor
    """Shape (B,). Slot responded to first; K for none."""
    responses: Tensor
    """Shape (B, K). Channel 0: what came back from each slot."""
    rewards: Tensor
    """Shape (B,). Discounted sum over the steps to `next_observations`."""
    next_observations: TensorDict
    next_discounts: Tensor
    """Shape (B,). Weight of the value of `next_observations`: 0 where the user left, else the
    discount to the power of the steps in between."""
    next_slates: Tensor
    """Shape (B, K). Shown at `next_observations`; -1 where it is not known: after the newest step,
    at a time limit, and where the user left."""


class SeenReturns(NamedTuple):
    """Rows of a log, with what came of them."""

    observations: TensorDict
    slates: Tensor
    """Shape (B, K)."""
    responses: Tensor
    """Shape (B, K). Channel 0."""
    returns: Tensor
    """Shape (B,). Discounted reward to the end of the visit, or to where the log cuts it off."""
    is_known: Tensor
    """Shape (B,). Whether the visit ended within the log, so that nothing is missing from
    `returns`; true of all where no visit did."""


def choices_of(responses: NDArray[np.float32]) -> Ints:
    """Return the first slot responded to in (B, K) responses, K where there is none."""
    responded = responses > 0
    none = ~responded.any(axis=-1)
    slots: Ints = np.where(none, responded.shape[-1], responded.argmax(axis=-1)).astype(np.int64)
    return slots


def joined(first: SlateBatch, second: SlateBatch) -> SlateBatch:
    """Return the transitions of both batches as one."""
    return SlateBatch(
        _joined_observations(first.observations, second.observations),
        torch.cat([first.slates, second.slates]),
        torch.cat([first.choices, second.choices]),
        torch.cat([first.responses, second.responses]),
        torch.cat([first.rewards, second.rewards]),
        _joined_observations(first.next_observations, second.next_observations),
        torch.cat([first.next_discounts, second.next_discounts]),
        torch.cat([first.next_slates, second.next_slates]),
    )


def _joined_observations(first: TensorDict, second: TensorDict) -> TensorDict:
    return {key: torch.cat([first[key], second[key]]) for key in first}


class SlateReplayBuffer(DictReplayBuffer):
    """SB3's dictionary buffer that also keeps what came back from each slot.

    They are read from `last_response` of the next observation, so any environment that observes
    what came back can fill it.
    """

    def __init__(self, *args: Any, discount: float, n_steps: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if _SHOWN_RESPONSE not in self.observations:
            raise DataError(
                f"slate agents learn from the response to each slate: the environment must observe "
                f"{_SHOWN_RESPONSE!r}, got {sorted(self.observations)}"
            )
        self.discount = discount
        self.n_steps = n_steps
        shape = (self.buffer_size, self.n_envs, self.action_dim)
        self.responses = np.zeros(shape, np.float32)

    def add(self, obs: Any, next_obs: Any, *args: Any, **kwargs: Any) -> None:
        """Add one transition of every user."""
        self.responses[self.pos] = next_obs[_SHOWN_RESPONSE][..., 0]
        super().add(obs, next_obs, *args, **kwargs)

    def cut_off(self) -> None:
        """End the running visits as at a time limit: what is added next are other ones."""
        if self.full or self.pos:
            newest = (self.pos - 1) % self.buffer_size
            self.timeouts[newest] = np.where(self.dones[newest] == 0, 1, self.timeouts[newest])
            self.dones[newest] = 1

    def sample_slates(self, batch_size: int, rng: np.random.Generator) -> SlateBatch:
        """Return transitions of `n_steps` steps drawn uniformly with replacement.

        Fewer steps where the episode ends, or where the newest row is reached.
        """
        filled = self.buffer_size if self.full else self.pos
        ages = rng.integers(filled, size=batch_size)  # 0 is the newest row
        users = rng.integers(self.n_envs, size=batch_size)
        first = (self.pos - 1 - ages) % self.buffer_size
        last, rewards = first, self.rewards[first, users].astype(np.float64)
        weights = np.full(batch_size, self.discount)
        goes_on = np.ones(batch_size, bool)
        for step in range(1, self.n_steps):
            goes_on &= (self.dones[last, users] == 0) & (step <= ages)
            last = np.where(goes_on, (first + step) % self.buffer_size, last)
            rewards += np.where(goes_on, weights * self.rewards[last, users], 0.0)
            weights = np.where(goes_on, weights * self.discount, weights)
        responses = self.responses[first, users]
        left = self.dones[last, users] * (1.0 - self.timeouts[last, users])
        return SlateBatch(
            {key: self.to_torch(array[first, users]) for key, array in self.observations.items()},
            self.to_torch(self.actions[first, users]).long(),
            self.to_torch(choices_of(responses)),
            self.to_torch(responses),
            self.to_torch(rewards.astype(np.float32)),
            {
                key: self.to_torch(array[last, users])
                for key, array in self.next_observations.items()
            },
            self.to_torch((weights * (1.0 - left)).astype(np.float32)),
            self.to_torch(self._slates_after(last, users)).long(),
        )

    def _slates_after(self, rows: Ints, users: Ints) -> NDArray[Any]:
        """Return the slates (B, K) shown after some rows, -1 where a visit or the buffer ends."""
        newest = (self.pos - 1) % self.buffer_size
        goes_on = (self.dones[rows, users] == 0) & (rows != newest)
        following = self.actions[(rows + 1) % self.buffer_size, users]
        return np.where(goes_on[:, None], following, -1)


class LoggedTransitions:
    """The transitions of a log in memory, ready to be drawn.

    Steps cut off by a time limit have no next observation in a log and are left out.

    Args:
        observations: Observation before each of n rows.
        slates: Shape (n, K).
        responses: Shape (n, K, R).
        rewards: Shape (n,).
        terminated: Shape (n,).
        is_last: Shape (n,). Whether a row is the last of its episode.
        discount: Weight of the reward one step ahead.
        device: Where batches go.
    """

    def __init__(
        self,
        observations: dict[str, NDArray[Any]],
        slates: Ints,
        responses: NDArray[np.float32],
        rewards: NDArray[np.float64],
        terminated: NDArray[np.bool_],
        is_last: NDArray[np.bool_],
        discount: float,
        device: torch.device,
    ) -> None:
        def tensor(array: NDArray[Any]) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(array)).to(device)

        self._observations = {key: tensor(array) for key, array in observations.items()}
        self._slates = tensor(slates)
        self._choices = tensor(choices_of(responses[..., 0]))
        self._responses = tensor(responses[..., 0])
        ends = np.flatnonzero(is_last)
        self._end = np.repeat(ends, np.diff(ends, prepend=-1))  # last row of each row's episode
        self._terminated = terminated
        self._sums = _discounted_sums(rewards, is_last, discount)
        firsts = np.append(0, ends[:-1] + 1)
        self._of_visit = np.repeat(self._sums[firsts], np.diff(ends, prepend=-1))
        self._discount = discount
        self._whole = np.flatnonzero(terminated[self._end])
        self._usable = np.flatnonzero(terminated | ~is_last)
        if self._usable.size == 0:
            raise DataError(
                "a log to learn from needs a step that is followed by another, got none"
            )

    def __len__(self) -> int:
        return int(self._usable.size)

    @property
    def most_responses(self) -> int:
        """Largest number of slots of a slate that were responded to."""
        return int((self._responses > 0).sum(dim=1).max())

    def attach(self, name: str, values: NDArray[Any]) -> None:
        """Let batches hold further values of each row (n, ...) among the observations."""
        tensor = torch.from_numpy(np.ascontiguousarray(values)).to(self._slates.device)
        self._observations[name] = tensor

    def sample(self, batch_size: int, rng: np.random.Generator, n_steps: int | None) -> SlateBatch:
        """Return transitions of `n_steps` steps drawn uniformly with replacement.

        Args:
            batch_size: B.
            rng: Source of chance.
            n_steps: Steps from one observation to the next, fewer where the episode ends; None for
                all to the end of the visit (only visits that ended within the log are then drawn).
        """
        rows = self._whole if n_steps is None and self._whole.size else self._usable
        drawn = rows[rng.integers(rows.size, size=batch_size)]
        ends = self._end[drawn]
        stops = ends + 1 if n_steps is None else np.minimum(drawn + n_steps, ends + 1)
        # A visit cut off by the log has no observation after its last row: stop at that row.
        stops = np.where((stops > ends) & ~self._terminated[ends], ends, stops)
        powers = self._discount ** (stops - drawn)
        beyond = np.where(stops > ends, 0.0, self._sums[np.minimum(stops, len(self._sums) - 1)])
        following = torch.from_numpy(np.minimum(stops, ends))
        at = torch.from_numpy(drawn)
        return SlateBatch(
            {key: array[at] for key, array in self._observations.items()},
            self._slates[at],
            self._choices[at],
            self._responses[at],
            self._float(self._sums[drawn] - powers * beyond),
            {key: array[following] for key, array in self._observations.items()},
            self._float(np.where(stops > ends, 0.0, powers)),
            torch.where(self._tensor(stops > ends)[:, None], -1, self._slates[following]),
        )

    def sample_returns(
        self, batch_size: int, rng: np.random.Generator, share: float = 1.0
    ) -> SeenReturns:
        """Return rows drawn uniformly with replacement, with their returns.

        Args:
            batch_size: B.
            rng: Source of chance.
            share: Part of the rows to draw from, in (0, 1]: those of the visits of highest return,
                as far as the log goes.
        """
        rows = np.arange(len(self._sums))
        if share < 1.0:
            rows = np.flatnonzero(self._of_visit >= np.quantile(self._of_visit, 1.0 - share))
        drawn = rows[rng.integers(rows.size, size=batch_size)]
        at = torch.from_numpy(drawn)
        is_known = self._terminated[self._end[drawn]] | (self._whole.size == 0)
        return SeenReturns(
            {key: array[at] for key, array in self._observations.items()},
            self._slates[at],
            self._responses[at],
            self._float(self._sums[drawn]),
            self._tensor(is_known),
        )

    def rows(self, rows: Ints) -> tuple[TensorDict, Tensor, Tensor]:
        """Return observations, slates (n, K) and responses (n, K) of given rows of the log."""
        at = torch.from_numpy(rows)
        seen = {key: array[at] for key, array in self._observations.items()}
        return seen, self._slates[at], self._responses[at]

    def return_quantile(self, share: float) -> float:
        """Return the discounted return, as far as the log goes, that a share of the rows misses."""
        return float(np.quantile(self._sums, share))

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self._slates.device)

    def _float(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array.astype(np.float32)).to(self._slates.device)


def _discounted_sums(
    rewards: NDArray[np.float64], is_last: NDArray[np.bool_], discount: float
) -> NDArray[np.float64]:
    """Return the discounted reward from each row to the last row of its episode."""
    ends = np.flatnonzero(is_last)
    lengths = np.diff(ends, prepend=-1)
    episode = np.repeat(np.arange(ends.size), lengths)
    before_end = ends[episode] - np.arange(len(rewards))
    order = np.argsort(before_end, kind="stable")
    starts = np.searchsorted(before_end[order], np.arange(lengths.max() + 1))
    sums, following = np.zeros(len(rewards)), np.zeros(ends.size)
    for start, stop in pairwise(starts):  # all episodes at once, from their ends backwards
        rows = order[start:stop]
        following[episode[rows]] = rewards[rows] + discount * following[episode[rows]]
        sums[rows] = following[episode[rows]]
    return sums
