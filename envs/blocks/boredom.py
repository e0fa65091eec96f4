"""Boredom: too many clicks on a topic in a short time switch interest off for a while."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Bools, Floats, Ints
from rlrec.envs.arguments import check_flag, check_one_of, check_size
from rlrec.envs.blocks.block import Block
from rlrec.envs.blocks.state import Consumed, Event, Shown, State, put
from rlrec.simulation import Space

Scope = Literal["visit", "topic"]
SCOPES: tuple[Scope, ...] = ("visit", "topic")


@dataclass(frozen=True, kw_only=True)
class Boredom(Block):
    """A topic with `threshold` counted clicks or more is bored for `duration` steps.

    Counted are the clicks of the last `window` steps, as far as they are among the last
    `most_counted` clicks of the visit. After each step the boredom of bored topics falls by 1, then
    every topic that is not bored and has enough counted clicks becomes bored. While a topic is
    bored, the whole visit is without interest, or with the scope "topic" that topic alone. No
    interest is a score of 0, so this is made for tastes that are 0 or more, as `VectorTaste` is.

    State: `bored_until` (B, T), the clock at which boredom with a topic ends; `spoiled_until` (B,),
    that of the last topic; `boredom_clock` (B,), steps so far; `click_log` (B, most_counted), T *
    clock + topic of the last clicks, click i in place i modulo `most_counted`; `n_clicked` (B,).
    With the scope "topic" also `bored_topics` (B, T), for the taste to read.

    Reference:
        Deffayet, Thonet, Hwang, Lehoux, Renders and de Rijke, 2023, "SARDINE: A Simulator for
        Automated Recommendation in Dynamic and Interactive Environments".
    """

    n_topics: int
    """T, 1 or more."""
    threshold: int = 5
    """1 or more; above `most_counted` nobody is ever bored."""
    window: int = 5
    """Steps, 1 or more."""
    most_counted: int = 10
    """Clicks, 1 or more; with `window` times the slate size all clicks of the window count."""
    duration: int = 5
    """Steps, 1 or more."""
    scope: Scope = "visit"
    """"visit" or "topic"."""
    counts_observed: bool = False
    """Whether `context` shows counted clicks divided by `threshold`, at most 1, by topic."""

    def __post_init__(self) -> None:
        for name in ("n_topics", "threshold", "window", "most_counted", "duration"):
            check_size(f"{name} of boredom", getattr(self, name))
        check_one_of("scope of boredom", self.scope, SCOPES)
        check_flag("counts_observed", self.counts_observed)

    @property
    def never(self) -> bool:
        """Whether nobody can be bored."""
        return self.threshold > self.most_counted

    def start(self, state: State, users: Ints, draws: Floats) -> None:
        """Let new users in with nothing clicked."""
        nowhere = np.zeros((len(users), self.n_topics), np.int64)
        long_ago = np.full((len(users), self.most_counted), -self.window * self.n_topics)
        put(state, "bored_until", users, nowhere, np.int64)
        put(state, "spoiled_until", users, 0, np.int64)
        put(state, "boredom_clock", users, 0, np.int64)
        put(state, "click_log", users, long_ago, np.int64)
        put(state, "n_clicked", users, 0, np.int64)
        if self.scope == "topic":
            put(state, "bored_topics", users, nowhere, bool)

    def adjust(self, state: State, shown: Shown, scores: Floats) -> Floats:
        """Give everything the score 0 where the visit is spoiled; what scores less stays so."""
        if self.scope == "visit":
            spoiled = (state["spoiled_until"] > state["boredom_clock"]).nonzero()[0]
            if len(spoiled):
                scores[spoiled] = np.minimum(scores[spoiled], 0.0)
        return scores

    def update(self, state: State, event: Event, draws: Floats) -> None:
        """Log the clicks of this step, let time pass, and bore those who had too many."""
        if self.never and not self.counts_observed:
            return
        state["boredom_clock"] += 1
        self._log(state, event.consumed)
        self._bore(state, event.consumed.users)
        if self.scope == "topic":
            clock = state["boredom_clock"][:, None]
            np.greater(state["bored_until"], clock, out=state["bored_topics"])

    def counted(self, state: State, users: Ints | slice = slice(None)) -> Ints:
        """Return the counted clicks of some users, by topic, (F, T)."""
        log, oldest = state["click_log"][users], self._oldest(state["boredom_clock"][users])
        return self._by_topic(log, log >= oldest[:, None])

    def counted_later(self, state: State, n_new: Ints) -> Ints:
        """Return the clicks so far that count still after one more step, by topic, (B, T).

        Args:
            state: State of B users.
            n_new: Shape (B,). Clicks in that step, which push old ones out; they are not counted.
        """
        log, size = state["click_log"], self.most_counted
        newer = (state["n_clicked"][:, None] - 1 - np.arange(size)) % size  # clicks since then
        oldest = self._oldest(state["boredom_clock"] + 1)
        return self._by_topic(log, (log >= oldest[:, None]) & (newer < size - n_new[:, None]))

    def spaces(self) -> dict[str, Space]:
        """Add the counts, where they are observed."""
        if not self.counts_observed:
            return {}
        return {"context": Space((self.n_topics,), np.float32, 0.0, 1.0)}

    def observe(self, state: State, users: Ints | slice) -> dict[str, NDArray[Any]]:
        """Return the counts of some users, where they are observed."""
        if not self.counts_observed:
            return {}
        shares = self.counted(state, users) / self.threshold
        return {"context": np.minimum(shares, 1.0).astype(np.float32)}

    def _log(self, state: State, consumed: Consumed) -> None:
        """Put the clicks of this step over the oldest ones of the log."""
        users, n_clicked = consumed.users, state["n_clicked"]
        if not len(users):
            return
        counts = np.bincount(users, minlength=len(n_clicked))
        # The clicks of a user stand together: their numbers rise from the first one's by 1.
        numbers = np.arange(len(users))
        numbers += (n_clicked + counts - counts.cumsum()).take(users)
        numbers %= self.most_counted
        numbers += users * self.most_counted
        clicks = state["boredom_clock"].take(users) * self.n_topics + consumed.topics
        state["click_log"].reshape(-1)[numbers] = clicks
        n_clicked += counts

    def _bore(self, state: State, clicked: Ints) -> None:
        """Begin the boredom of topics with too many counted clicks; `clicked` are who clicked."""
        if self.never:
            return
        log, clock, size = state["click_log"], state["boredom_clock"], self.most_counted
        # Counts reach the threshold by a click, or stay there until boredom ends.
        may_be = state["spoiled_until"] >= clock
        may_be[clicked] = True
        users = may_be.nonzero()[0]
        if not len(users):
            return
        # Whose click number `threshold`, from the newest back, is too old has too few to count.
        place = (state["n_clicked"].take(users) - self.threshold) % size
        place += users * size
        users = users[log.take(place) >= self._oldest(clock.take(users))]
        if not len(users):
            return
        rows, topics = (self.counted(state, users) >= self.threshold).nonzero()
        users = users[rows]
        begins = state["bored_until"][users, topics] <= clock[users]
        users, topics = users[begins], topics[begins]
        state["bored_until"][users, topics] = clock[users] + self.duration
        state["spoiled_until"][users] = clock[users] + self.duration

    def _oldest(self, clock: Ints) -> Ints:
        """Return the least entry of the log that lies in the window, (F,)."""
        return (clock - (self.window - 1)) * self.n_topics

    def _by_topic(self, log: Ints, is_counted: Bools) -> Ints:
        """Return the number of some clicks of a log (F, most_counted), by topic, (F, T)."""
        cells = is_counted.reshape(-1).nonzero()[0]
        places = cells // self.most_counted * self.n_topics + log.take(cells) % self.n_topics
        counts = np.bincount(places, minlength=len(log) * self.n_topics)
        return counts.reshape(len(log), self.n_topics)
