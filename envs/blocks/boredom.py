"""Boredom: too many clicks on a topic in a short time switch interest off for a while."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Floats, Ints
from rlrec.envs.arguments import check_whole_number
from rlrec.envs.blocks.block import Block
from rlrec.envs.blocks.state import Consumed, Event, State, put
from rlrec.errors import ConfigError
from rlrec.simulation import Space

Scope = Literal["visit", "topic"]
SCOPES: tuple[Scope, ...] = ("visit", "topic")


@dataclass(frozen=True, kw_only=True)
class Boredom(Block):
    """A topic with `threshold` counted clicks or more is bored for `duration` steps.

    Counted are the clicks of the last `window` steps, as far as they are among the last
    `most_counted` clicks of the visit. After each step the boredom of bored topics falls by 1, then
    every topic that is not bored and has enough counted clicks becomes bored. While a topic is
    bored, the whole visit is without interest, or with the scope "topic" that topic alone.

    State: `boredom` (B, T), steps of boredom left; `counted_clicks` (B, T); `bored` (B, T), the
    topics that count 0 now, for the taste to read; `click_log_topics` and `click_log_steps`
    (B, most_counted), `n_clicked` (B,) and `boredom_clock` (B,), which say what is counted.

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
    """Clicks, 1 or more; `window` times the slate size, or more, counts all clicks of the window."""
    duration: int = 5
    """Steps, 1 or more."""
    scope: Scope = "visit"
    """"visit" or "topic"."""
    counts_observed: bool = False
    """Whether `context` shows counted clicks divided by `threshold`, at most 1, by topic."""

    def __post_init__(self) -> None:
        for name in ("n_topics", "threshold", "window", "most_counted", "duration"):
            check_whole_number(f"{name} of boredom", getattr(self, name), 1)
        if self.scope not in SCOPES:
            raise ConfigError(f"scope of boredom must be one of {SCOPES}, got {self.scope!r}")

    @property
    def never(self) -> bool:
        """Whether nobody can be bored."""
        return self.threshold > self.most_counted

    def start(self, state: State, users: Ints, draws: Floats) -> None:
        """Let new users in with nothing clicked."""
        nowhere = np.zeros((len(users), self.n_topics), np.int64)
        log = np.zeros((len(users), self.most_counted), np.int64)
        put(state, "boredom", users, nowhere, np.int64)
        put(state, "counted_clicks", users, nowhere, np.int64)
        put(state, "bored", users, nowhere, bool)
        put(state, "click_log_topics", users, log, np.int64)
        put(state, "click_log_steps", users, log - self.window, np.int64)  # none counts
        put(state, "n_clicked", users, 0, np.int64)
        put(state, "boredom_clock", users, 0, np.int64)

    def update(self, state: State, event: Event, draws: Floats) -> None:
        """Count the clicks of this step, let time pass, and bore those who had too many."""
        if self.never and not self.counts_observed:
            return
        clock = state["boredom_clock"]
        clock += 1
        self._log(state, event.consumed)
        self._count(state)
        boredom = state["boredom"]
        boredom -= boredom > 0
        boredom[(state["counted_clicks"] >= self.threshold) & (boredom == 0)] = self.duration
        bored_cells = np.flatnonzero(boredom)
        bored = state["bored"]
        bored[:] = False
        if self.scope == "visit":
            bored[bored_cells // self.n_topics] = True
        else:
            bored.reshape(-1)[bored_cells] = True

    def counts_after(self, state: State, n_new: Ints) -> Ints:
        """Return the clicks so far that count still after one more step, by topic, (B, T).

        Args:
            state: State of B users.
            n_new: Shape (B,). Clicks in that step, which push old ones out; they are not counted.
        """
        size, n_clicked = self.most_counted, state["n_clicked"][:, None]
        newer = (n_clicked - 1 - np.arange(size)) % size  # clicks since that of each place
        recent = state["click_log_steps"] > state["boredom_clock"][:, None] + 1 - self.window
        kept = recent & (newer + n_new[:, None] < size)
        cells = np.flatnonzero(kept)
        return self._by_topic(state, cells, len(n_clicked))

    def spaces(self) -> dict[str, Space]:
        """Add the counts, where they are observed."""
        if not self.counts_observed:
            return {}
        return {"context": Space((self.n_topics,), np.float32, 0.0, 1.0)}

    def observe(self, state: State, users: Ints | slice) -> dict[str, NDArray[Any]]:
        """Return the counts of some users, where they are observed."""
        if not self.counts_observed:
            return {}
        shares = state["counted_clicks"][users] / self.threshold
        return {"context": np.minimum(shares, 1.0).astype(np.float32)}

    def _log(self, state: State, consumed: Consumed) -> None:
        """Put the clicks of this step over the oldest ones of the log."""
        users, n_clicked = consumed.users, state["n_clicked"]
        counts = np.bincount(users, minlength=len(n_clicked))
        # The clicks of a user stand together: their numbers rise from the first one's by 1.
        numbers = np.arange(len(users)) + (n_clicked - np.cumsum(counts) + counts)[users]
        cells = users * self.most_counted + numbers % self.most_counted
        state["click_log_topics"].reshape(-1)[cells] = consumed.topics
        state["click_log_steps"].reshape(-1)[cells] = state["boredom_clock"][users]
        n_clicked += counts

    def _count(self, state: State) -> None:
        """Count the clicks of the log that lie in the window."""
        first = state["boredom_clock"] - self.window  # the last step that is outside
        cells = np.flatnonzero(state["click_log_steps"] > first[:, None])
        state["counted_clicks"][:] = self._by_topic(state, cells, len(first))

    def _by_topic(self, state: State, cells: Ints, n_users: int) -> Ints:
        """Return the number of clicks in some cells of the log, by topic, (B, T)."""
        topics = state["click_log_topics"].reshape(-1)[cells]
        places = cells // self.most_counted * self.n_topics + topics
        counts = np.bincount(places, minlength=n_users * self.n_topics)
        return counts.reshape(n_users, self.n_topics)
