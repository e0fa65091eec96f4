"""One user at a glance: what was shown, what came back, and what goes on within."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Floats, Floats32, Ints
from rlrec.envs.arguments import checked_slates
from rlrec.errors import ConfigError, SlateError, TruthError, UnknownNameError, nearest_hint
from rlrec.simulation import SimulatorStep, SteppedSimulator
from rlrec.slates import repeated_slots

RENDER_MODES = ("ansi", "rgb_array")
RENDER_FPS = 4
_MOST_BARS = 64  # longer arrays of the state are not drawn


class Slot(NamedTuple):
    """One place of a slate that was shown."""

    item: str
    topic: str
    """Empty where items have none."""
    chance: float | None
    """P(taken) before it was shown; None where users do not state it."""
    response: Floats32
    """Shape (R,)."""
    is_blank: bool
    """Whether it repeats an item above, and shows nothing."""


class Scene(NamedTuple):
    """What a picture of a user shows."""

    env_id: str
    user_id: int
    n_steps: int
    """Steps of the episode so far."""
    ending: str
    """How the episode ended; empty while it goes on."""
    channels: tuple[str, ...]
    slots: tuple[Slot, ...]
    """The slate shown last; empty at the start of an episode."""
    chance_of_nothing: float | None
    rewards: list[float]
    """Reward of each step."""
    lines: dict[str, list[float]]
    """Numbers of the user's hidden state, at the start and after each step: those that have changed
    first, then those that policies see, then all others."""
    bars: dict[str, Floats]
    """Arrays of the user's hidden state, such as interests by topic, as they are now: those that
    have changed first, none whose values are all the same."""


class Watch:
    """Follows the first user of a simulator through an episode; reads the truth, changes nothing.

    Args:
        simulator: Whose first user is followed.
        render_mode: One of RENDER_MODES.
    """

    def __init__(self, simulator: SteppedSimulator, render_mode: str) -> None:
        self._simulator = simulator
        self._mode = render_mode
        self._begun = False
        self._ending = ""
        catalogue = simulator.catalogue
        # A wrapper (which has no problem) may offer candidates by their positions.
        is_whole = catalogue is not None and simulator.n_choices == catalogue.n_items
        self._are_items = is_whole or hasattr(simulator, "problem")

    def begin(self) -> None:
        """Forget what was, for a new episode begins."""
        self._begun, self._ending = True, ""
        self._user_id = int(self._simulator.user_ids[0])
        self._slots: tuple[Slot, ...] = ()
        self._chances: Floats | None = None
        self._rewards: list[float] = []
        self._lines: dict[str, list[float]] = {}
        self._bars: dict[str, Floats] = {}
        self._first_bars: dict[str, Floats] = {}
        self._note_state()

    def before(self, slates: Ints) -> None:
        """Look at slates (B, K) that are about to be shown."""
        if self._ending:
            self.begin()
        simulator = self._simulator
        try:
            slates = checked_slates(
                slates, simulator.n_users, simulator.slate_size, simulator.n_choices
            )
            self._asked = _Asked(self._stated_chances(slates), *self._shown(slates))
        except SlateError:
            return  # showing them raises it, too

    def after(self, slates: Ints, step: SimulatorStep) -> None:
        """Take in what came back."""
        blank, asked = repeated_slots(slates[:1])[0], self._asked
        self._chances = asked.chances
        self._slots = tuple(
            Slot(
                self._named(asked.items[0, slot]),
                "" if asked.topics is None else self._topic_named(asked.topics[0, slot]),
                None if asked.chances is None else float(asked.chances[slot]),
                step.responses[0, slot],
                bool(blank[slot]),
            )
            for slot in range(slates.shape[1])
        )
        self._rewards.append(float(step.rewards[0]))
        if step.terminated[0] or step.truncated[0]:  # the state is that of the next episode now
            self._ending = "the user left" if step.terminated[0] else "time limit"
        else:
            self._note_state()

    def scene(self) -> Scene:
        """Return what is to be seen now.

        Raises:
            RuntimeError: No episode has begun.
        """
        if not self._begun:
            raise RuntimeError("call reset before render: there is no user to be seen yet")
        chances = self._chances
        return Scene(
            self._simulator.env_id,
            self._user_id,
            len(self._rewards),
            self._ending,
            self._simulator.response_channels,
            self._slots,
            None if chances is None or not self._slots else float(chances[-1]),
            self._rewards,
            self._telling_lines(),
            self._telling_bars(),
        )

    def render(self) -> str | NDArray[np.uint8]:
        """Return the scene as text, or as a picture (H, W, 3)."""
        if self._mode == "ansi":
            return as_text(self.scene())
        from rlrec.envs.rendering_pixels import as_picture  # only where pictures are drawn

        return as_picture(self.scene())

    def _stated_chances(self, slates: Ints) -> Floats | None:
        if not self._simulator.states("choice_probabilities"):
            return None
        try:
            chances: Floats = self._simulator.choice_probabilities(slates)[0]
            return chances
        except TruthError:  # a wrapper that changes users may not state it after all
            return None

    def _shown(self, slates: Ints) -> tuple[Ints, Ints | None]:
        """Return items and topics of the first user's slate, (1, K) each."""
        problem, catalogue = getattr(self._simulator, "problem", None), self._simulator.catalogue
        if problem is None:
            has_topics = catalogue is not None and self._are_items
            return slates[:1], catalogue.topics[slates[:1]] if catalogue and has_topics else None
        shown = problem.users.items.shown(self._state(), slates[:1])
        return slates[:1] if shown.items is None else shown.items, shown.topics

    def _state(self) -> dict[str, NDArray[Any]]:
        """Return the first user's hidden state, arrays with a leading axis of 1."""
        state_of = getattr(self._simulator, "state_of", None)
        if state_of is not None:
            state: dict[str, NDArray[Any]] = state_of(np.zeros(1, np.int64))
            return state
        try:
            return {key: array[:1] for key, array in self._simulator.latent_state().items()}
        except TruthError:
            return {}

    def _note_state(self) -> None:
        for name, array in self._state().items():
            kind, row = array.dtype.kind, array[0]
            if kind in "fiub" and row.ndim == 0 and name != "person":
                self._lines.setdefault(name, []).append(float(row))
            elif kind == "f" and row.ndim == 1 and 1 <= len(row) <= _MOST_BARS:
                self._bars[name] = row.astype(np.float64)
                self._first_bars.setdefault(name, self._bars[name])

    def _telling_lines(self) -> dict[str, list[float]]:
        seen = self._simulator.open_state
        order = sorted(
            self._lines, key=lambda name: (not _has_moved(self._lines[name]), name not in seen)
        )
        return {name: self._lines[name] for name in order}

    def _telling_bars(self) -> dict[str, Floats]:
        changed: dict[str, Floats] = {}
        still: dict[str, Floats] = {}
        for name, now in self._bars.items():
            has_moved = (now != self._first_bars[name]).any()
            if has_moved or now.min() < now.max():
                (changed if has_moved else still)[name] = now
        return changed | still

    def _named(self, item: np.int64) -> str:
        catalogue = self._simulator.catalogue
        if catalogue is None or not self._are_items:
            return f"document {item}" if catalogue is None else f"candidate {item}"
        if catalogue.titles:
            return catalogue.titles[item]
        return f"item {catalogue.item_ids[item]}"

    def _topic_named(self, topic: np.int64) -> str:
        catalogue = self._simulator.catalogue
        return f"topic {topic}" if catalogue is None else catalogue.topic_names[topic]


class _Asked(NamedTuple):
    """What was to be known of a slate before it was shown."""

    chances: Floats | None
    """Shape (K + 1,). P(taken) of each slot, and last of nothing."""
    items: Ints
    """Shape (1, K)."""
    topics: Ints | None
    """Shape (1, K)."""


def watch_of(simulator: SteppedSimulator, render_mode: str | None) -> Watch | None:
    """Return a watch of the first user, or None where nothing is to be rendered.

    Raises:
        UnknownNameError: No render mode is called so.
    """
    if render_mode is None:
        return None
    if render_mode not in RENDER_MODES:
        hint = nearest_hint(str(render_mode), RENDER_MODES)
        raise UnknownNameError(f"no render mode is called {render_mode!r}.{hint}")
    return Watch(simulator, render_mode)


def rendered(watch: Watch | None) -> str | NDArray[np.uint8]:
    """Return what a watch sees.

    Raises:
        ConfigError: There is no watch.
    """
    if watch is None:
        raise ConfigError(
            f"render needs a render_mode of {list(RENDER_MODES)} when the environment is made, "
            "such as gym.make(..., render_mode='ansi'); got None"
        )
    return watch.render()


_BLOCKS = "▁▂▃▄▅▆▇█"
_TEXT_WIDTH = 40


def as_text(scene: Scene) -> str:
    """Return a scene as lines of text."""
    total = sum(scene.rewards)
    last = f" (last {scene.rewards[-1]:.4g})" if scene.rewards else ""
    lines = [
        f"{scene.env_id}  user {scene.user_id}  step {scene.n_steps}  "
        f"reward {total:.4g}{last}{'  ' + scene.ending if scene.ending else ''}",
        *(_slot_line(place, slot, scene.channels) for place, slot in enumerate(scene.slots)),
    ]
    if scene.chance_of_nothing is not None:
        lines.append(f"  -  {'nothing':<32}  {_gauge(scene.chance_of_nothing)}")
    lines += [_series_line("reward", scene.rewards)] if scene.rewards else []
    moved = {name: values for name, values in scene.lines.items() if _has_moved(values)}
    lines += [_series_line(name, values) for name, values in moved.items()]
    lines += [_bars_line(name, values) for name, values in scene.bars.items()]
    still = [f"{name} {scene.lines[name][-1]:.4g}" for name in scene.lines if name not in moved]
    lines += [f"unchanged: {', '.join(still)}"] if still else []
    return "\n".join(lines)


def described_response(slot: Slot, channels: tuple[str, ...]) -> str:
    """Return what came back for a slot, in words; empty for no response."""
    if slot.is_blank:
        return "blank"
    if not slot.response[0]:
        return ""
    others = zip(channels[1:], slot.response[1:].tolist(), strict=True)
    return ", ".join([channels[0], *(f"{name} {value:.3g}" for name, value in others)])


def _has_moved(values: list[float]) -> bool:
    return min(values) < max(values)


def _slot_line(place: int, slot: Slot, channels: tuple[str, ...]) -> str:
    gauge = "" if slot.chance is None else _gauge(slot.chance)
    told = described_response(slot, channels)
    mark = "*" if slot.response[0] else " "
    line = f"{mark}{place + 1:>2}  {slot.item[:18]:<18}  {slot.topic[:12]:<12}  {gauge}  {told}"
    return line.rstrip()


def _gauge(chance: float) -> str:
    full = round(10 * chance)
    return f"{'█' * full}{'░' * (10 - full)} {chance:.3f}"


def _series_line(name: str, values: list[float]) -> str:
    return f"{name[:20]:<20}  {_sparkline(values[-_TEXT_WIDTH:]):<{_TEXT_WIDTH}}  {values[-1]:.4g}"


def _bars_line(name: str, values: Floats) -> str:
    ends = f"{values.min():.3g} to {values.max():.3g}"
    return f"{name[:20]:<20}  {_sparkline(values.tolist()):<{_TEXT_WIDTH}}  {ends}"


def _sparkline(values: list[float]) -> str:
    """Return one character a value, the lowest for the smallest."""
    low, high = min(values), max(values)
    span = high - low or 1.0
    return "".join(_BLOCKS[int((value - low) / span * (len(_BLOCKS) - 1))] for value in values)
