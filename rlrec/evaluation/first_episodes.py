"""Adding up what happens in the first episode of every user."""

from typing import NamedTuple

import numpy as np

from rlrec.arrays import Floats32, Ints, Observations
from rlrec.data.catalogue import Catalogue
from rlrec.evaluation.exposure import shown_counts
from rlrec.evaluation.results import PolicyRollout, Timeline
from rlrec.simulation import Simulator, SimulatorStep
from rlrec.slates import repeated_slots


class FirstEpisodes:
    """Adds up the first episode of each user; what follows it is ignored.

    Args:
        simulator: The users, at the first step of their first episode.
        observations: What is observed at that step.
    """

    def __init__(self, simulator: Simulator, observations: Observations) -> None:
        n_users = simulator.n_users
        self.running: Ints = np.arange(n_users)
        """Users whose first episode goes on."""
        self.n_steps = 0
        self._returns = np.zeros(n_users)
        self._lengths = np.zeros(n_users, np.int64)
        self._responses = np.zeros((n_users, len(simulator.response_channels)))
        self._blank_slots = np.zeros(n_users, np.int64)
        self._terminated = np.zeros(n_users, bool)
        self._step_users: list[int] = []
        self._step_rewards: list[float] = []
        catalogue = identified_items(simulator, observations)
        self._items = None if catalogue is None else _ItemCounts(catalogue)

    def record(self, observations: Observations, slates: Ints, step: SimulatorStep) -> None:
        """Take in one step: what was observed, what was then shown and what happened."""
        rows = self.running
        rewards, responses = step.rewards[rows], step.responses[rows]
        if self._items is not None:
            self._items.count(_items_of(observations, slates)[rows], responses)
        self.n_steps += 1
        self._step_users.append(rows.size)
        self._step_rewards.append(float(rewards.sum()))
        self._returns[rows] += rewards
        self._lengths[rows] += 1
        self._responses[rows] += np.einsum("bkr->br", responses)
        self._blank_slots[rows] += step.blank_slots[rows]
        self._terminated[rows] = step.terminated[rows]
        self.running = rows[~(step.terminated[rows] | step.truncated[rows])]

    def result(self, n_bins: int, bin_width: int) -> PolicyRollout:
        """Return all of it, with the steps in `n_bins` bins of `bin_width`; they must all fit."""
        cut_short = np.zeros(self._returns.size, bool)
        cut_short[self.running] = True
        items = self._items
        return PolicyRollout(
            returns=self._returns,
            lengths=self._lengths,
            responses=self._responses,
            blank_slots=self._blank_slots,
            terminated=self._terminated,
            cut_short=cut_short,
            items_shown=None if items is None else items.shown,
            topics_a_slate=(
                None if items is None else float(items.topics_met / self._lengths.sum())
            ),
            timeline=self._timeline(n_bins, bin_width),
        )

    def _timeline(self, n_bins: int, bin_width: int) -> Timeline:
        bins = np.arange(self.n_steps) // bin_width
        user_steps, reward_sums = np.zeros(n_bins, np.int64), np.zeros(n_bins)
        np.add.at(user_steps, bins, self._step_users)
        np.add.at(reward_sums, bins, self._step_rewards)
        n_topics = 0 if self._items is None else self._items.n_topics
        shown, responded = np.zeros((2, n_bins, n_topics), np.int64)
        if self._items is not None:
            np.add.at(shown, bins, [step.shown for step in self._items.topics_by_step])
            np.add.at(responded, bins, [step.responded for step in self._items.topics_by_step])
        return Timeline(
            edges=np.arange(n_bins + 1) * bin_width,
            user_steps=user_steps,
            reward_sums=reward_sums,
            topics_shown=shown,
            topics_responded=responded,
        )


class _TopicCounts(NamedTuple):
    """Slots of each topic in one step, (T,): all of them, and those with a response."""

    shown: Ints
    responded: Ints


class _ItemCounts:
    """Counts which items and topics were shown, blank slots left out."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.n_topics = catalogue.n_topics
        self.shown = np.zeros(catalogue.n_items, np.int64)
        self.topics_met = 0
        self.topics_by_step: list[_TopicCounts] = []
        self._topic_of = catalogue.topics

    def count(self, items: Ints, responses: Floats32) -> None:
        """Count one step: `items` (B, K) as item_index, `responses` (B, K, R)."""
        topics = self._topic_of[items]
        repeats = repeated_slots(items)
        has_repeats = repeats.any()
        self.shown += shown_counts(items[~repeats] if has_repeats else items, self.shown.size)
        self.topics_met += topics.size - int(np.count_nonzero(repeated_slots(topics)))
        self.topics_by_step.append(
            _TopicCounts(
                shown_counts(topics[~repeats] if has_repeats else topics, self.n_topics),
                shown_counts(topics[responses[:, :, 0] > 0], self.n_topics),
            )
        )


def identified_items(simulator: Simulator, observations: Observations) -> Catalogue | None:
    """Return the catalogue, or None where what is shown has no identity (fresh documents)."""
    fresh = "candidate_features" in observations and "candidates" not in observations
    return None if fresh else simulator.catalogue


def _items_of(observations: Observations, slates: Ints) -> Ints:
    """Return slates as item_index, also where they name positions among candidates."""
    candidates = observations.get("candidates")
    return slates if candidates is None else np.take_along_axis(candidates, slates, axis=1)
