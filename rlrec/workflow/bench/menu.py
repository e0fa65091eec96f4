"""The policies that a benchmark compares: a new agent is one line of `_AGENTS`."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from rlrec.errors import ConfigError, nearest_hint
from rlrec.workflow.bench.tasks import Task

Mode = Literal["scratch", "informed", "offline", "finetuned"]
MODES: tuple[Mode, ...] = get_args(Mode)
"""From interaction alone; that, with item factors of ALS fitted to the log; from the log alone;
from the log and then by interaction."""

Kind = Literal["floor", "logger", "baseline", "oracle", "agent"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One policy that is judged, and how it is made."""

    name: str
    """As in tables and folders."""
    kind: Kind
    builder: str
    """The class in `rlrec.agents`, or which of the policies that need no training."""
    mode: Mode | None = None
    """How an agent learns; None for what is no agent."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of the agent or of the baseline."""
    by_task: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Settings that differ, by task or family."""
    draws: bool = False
    """Whether the agent may serve drawn slates; validation users decide between these and its best
    ones."""
    needs_items: bool = False
    """Whether items need an identity."""
    needs_counts: bool = False
    """Whether counted clicks of topics must be observed."""
    learns: bool = True
    """Whether the seed of a training matters: without a log there is one cell a task."""

    def fits(self, task: Task) -> bool:
        """Return whether this policy makes sense for a task."""
        return (task.has_items or not self.needs_items) and (
            task.counts_observed or not self.needs_counts
        )

    def settings_for(self, task: Task) -> dict[str, Any]:
        """Return the settings for a task: the nearer to it, the later they count."""
        by_family, by_name = self.by_task.get(task.family, {}), self.by_task.get(task.name, {})
        return {**self.settings, **by_family, **by_name}


FLOOR, REFERENCE, LOGGER, MYOPIC = "random", "reference", "logger", "myopic"

_FIXED = (
    Entry(name=FLOOR, kind="floor", builder="random", learns=False),
    Entry(name=REFERENCE, kind="oracle", builder="reference", learns=False),
    Entry(name=MYOPIC, kind="oracle", builder="myopic", learns=False),
    Entry(name=LOGGER, kind="logger", builder="logger"),
    *(
        Entry(name=name, kind="baseline", builder=builder, settings=settings, needs_items=True)
        for name, builder, settings in (
            ("popularity", "popularity", {}),
            ("ItemKNN", "itemknn", {}),
            ("ALS", "als", {"factors": 16}),
            ("EASE", "ease", {}),
        )
    ),
    Entry(
        name="ALS-capped",
        kind="baseline",
        builder="als-capped",
        settings={"factors": 16},
        needs_items=True,
        needs_counts=True,
    ),
)


def agent_entries(
    builder: str,
    *modes: Mode,
    settings: Mapping[str, Any] | None = None,
    by_task: Mapping[str, Mapping[str, Any]] | None = None,
    draws: bool = False,
    needs_items: bool = False,
    label: str | None = None,
) -> Iterator[Entry]:
    """Yield an agent once for each way in which it learns.

    Args:
        builder: Its class in `rlrec.agents`; settings are those of its `config_class`.
        modes: By default `scratch`, `offline` and `finetuned`.
        settings: For all tasks; `discount` and `value_scale` are those of the task by default.
        by_task: By task or family.
        draws: Whether it may serve drawn slates.
        needs_items: Whether it cannot serve documents without identity.
        label: First part of the names, by default the class.
    """
    for mode in modes or ("scratch", "offline", "finetuned"):
        yield Entry(
            name=f"{label or builder}-{mode}",
            kind="agent",
            builder=builder,
            mode=mode,
            settings=settings or {},
            by_task=by_task or {},
            draws=draws,
            needs_items=needs_items or mode == "informed",
        )


_PPO_BY_TASK: dict[str, dict[str, Any]] = {
    "boredom": {"credit": "own", "learning_rate": 3e-3, "n_epochs": 8, "n_transitions": 16_384},
    "drift": {"credit": "own"},
}
_LEASHED = {"leash": 1.0, "frozen_actor": 0.1}

_AGENTS = (
    *agent_entries("SlateQ"),
    *agent_entries("SlatePPO", "scratch", "informed", by_task=_PPO_BY_TASK, draws=True),
    *agent_entries(
        "SlatePPO", "offline", "finetuned", settings=_LEASHED, by_task=_PPO_BY_TASK, draws=True
    ),
    *agent_entries(
        "SlatePPO", "finetuned", by_task=_PPO_BY_TASK, draws=True, label="SlatePPO-unleashed"
    ),
)

MENU: dict[str, Entry] = {entry.name: entry for entry in (*_FIXED, *_AGENTS)}


def chosen_entries(names: Iterable[str]) -> list[Entry]:
    """Return the policies that are named, always with floor and reference; all for no name.

    A name may be that of a class, which stands for all its ways to learn.

    Raises:
        ConfigError: No policy has that name.
    """
    wanted = set(names)
    builders = {entry.builder for entry in _AGENTS}
    for name in sorted(wanted):
        if name not in MENU and name not in builders:
            raise ConfigError(
                f"no agent is called {name!r}.{nearest_hint(name, {*MENU, *builders})}"
            )
    scale = {FLOOR, REFERENCE}
    return [
        entry
        for entry in MENU.values()
        if not wanted or entry.name in scale | wanted or entry.builder in wanted
    ]
