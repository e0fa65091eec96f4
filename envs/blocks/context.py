"""What surrounds a visit: the hour of the day and the device, which favour some topics."""

from dataclasses import dataclass

import numpy as np

from rlrec.arrays import Floats, Floats32, Ints
from rlrec.envs.arguments import check_number, check_whole_number
from rlrec.envs.blocks.block import Block
from rlrec.envs.blocks.shares import Shares
from rlrec.envs.blocks.state import Event, Shown, State, put

HOURS_A_DAY = 24.0


@dataclass(frozen=True, kw_only=True)
class DayAndDevice(Block):
    """The hour of the day passes, the device changes between visits, and both move the scores.

    An item of topic t at hour h on device d of D scores

        score + hour_strength * cos(2 pi (h / 24 - t / T)) + device_strength * [t mod D = d]

    so topics have their best hours spread over the day, and each device a share of the topics that
    suit it. New users come at any hour, equally likely. Each step lasts `step_minutes`. Devices
    are a Markov chain over visits: with probability `device_stay` it stays the same, else it is
    drawn by `device_shares`, which therefore are its stationary distribution. Both strengths at 0
    switch it off: hour and device are told, and mean nothing.

    Reference:
        Additive contexts as in Adomavicius and Tuzhilin, 2011, "Context-Aware Recommender
        Systems"; the form is ours.
    """

    n_topics: int
    """T."""
    hour_strength: float = 0.0
    """0 or more, on the scale of the scores."""
    device_strength: float = 0.0
    """0 or more, on the scale of the scores."""
    device_shares: tuple[float, ...] = (0.7, 0.3)
    """Share of each of the D devices; 0 or more, together 1."""
    device_stay: float = 0.8
    """In 0..1."""
    step_minutes: float = 2.0
    """In 0..1440: minutes a step lasts."""

    open_state = ("hour", "device")
    n_initial_draws = 2
    n_step_draws = 1

    def __post_init__(self) -> None:
        check_whole_number("n_topics", self.n_topics, 1)
        shares = Shares("device_shares", self.device_shares).values.tolist()
        object.__setattr__(self, "device_shares", tuple(shares))
        for name in ("hour_strength", "device_strength"):
            check_number(name, getattr(self, name), 0.0)
        check_number("device_stay", self.device_stay, 0.0, 1.0)
        check_number("step_minutes", self.step_minutes, 0.0, 1440.0)

    @property
    def n_devices(self) -> int:
        """D."""
        return len(self.device_shares)

    def start(self, state: State, users: Ints, draws: Floats) -> None:
        """Let new users come at any hour, on a device drawn by its share."""
        put(state, "hour", users, HOURS_A_DAY * draws[:, 0])
        put(state, "device", users, self._device(draws[:, 1]), np.int64)

    def adjust(self, state: State, shown: Shown, scores: Floats) -> Floats:
        """Add what hour and device are worth to the topic of each item shown."""
        if self.hour_strength:
            phase = state["hour"][:, None] / HOURS_A_DAY - shown.topics / self.n_topics
            scores = scores + self.hour_strength * np.cos(2.0 * np.pi * phase)
        if self.device_strength:
            suits = shown.topics % self.n_devices == state["device"][:, None]
            scores = scores + self.device_strength * suits
        return scores

    def update(self, state: State, event: Event, draws: Floats) -> None:
        """Let the minutes of a step pass."""
        state["hour"][:] = np.mod(state["hour"] + self.step_minutes / 60.0, HOURS_A_DAY)

    def come_back(self, state: State, users: Ints, gap_hours: Floats, draws: Floats) -> None:
        """Let F users come back after some hours, perhaps on another device; `draws` is (F,)."""
        state["hour"][users] = np.mod(state["hour"][users] + gap_hours, HOURS_A_DAY)
        # The same draw decides whether to change and to what: its place within the part it fell in.
        change = 1.0 - self.device_stay
        changes = draws < change
        place = np.minimum(draws / max(change, 1e-300), 1.0)
        state["device"][users] = np.where(changes, self._device(place), state["device"][users])

    def told(self, state: State, users: Ints | slice) -> Floats32:
        """Return sine and cosine of the hour and the device one-hot, (F, 2 + D)."""
        angle = 2.0 * np.pi * state["hour"][users] / HOURS_A_DAY
        devices = np.eye(self.n_devices)[state["device"][users]]
        told = np.column_stack([np.sin(angle), np.cos(angle), devices])
        return told.astype(np.float32)

    def _device(self, uniforms: Floats) -> Ints:
        return Shares("device_shares", self.device_shares).of(uniforms)
