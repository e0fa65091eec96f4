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
    tried: Mapping[str, str] = field(default_factory=dict)
    """By family of tasks: what was tried by hand to choose settings, for the tables."""
    draws: bool | Literal["only"] = False
    """Whether the agent may serve drawn slates, so that validation users decide between these and
    its best ones; or `only` drawn ones."""
    needs_items: bool = False
    """Whether items need an identity."""
    needs_counts: bool = False
    """Whether counted clicks of topics must be observed."""
    tasks: tuple[str, ...] = ()
    """Names or families of the tasks that this is for; all of them for none."""
    learns: bool = True
    """Whether the seed of a training matters: without a log there is one cell a task."""

    def fits(self, task: Task) -> bool:
        """Return whether this policy makes sense for a task."""
        return (
            (task.has_items or not self.needs_items)
            and (task.counts_observed or not self.needs_counts)
            and (not self.tasks or not {task.name, task.family}.isdisjoint(self.tasks))
        )

    def settings_for(self, task: Task) -> dict[str, Any]:
        """Return the settings for a task: the nearer to it, the later they count."""
        by_family, by_name = self.by_task.get(task.family, {}), self.by_task.get(task.name, {})
        return {**self.settings, **by_family, **by_name}


_TUNED_ALS: dict[str, Any] = {
    "factors": 32,
    "regularisation": 1.0,
    "alpha": 5.0,
    "temperature": 0.3,
}
"""For topic boredom: drawn slates bore less. Of 3 sizes and 6 temperatures, on 150 other users."""

FLOOR, REFERENCE, LOGGER, MYOPIC = "random", "reference", "logger", "myopic"

_FIXED = (
    Entry(name=FLOOR, kind="floor", builder="random", learns=False),
    Entry(name=REFERENCE, kind="oracle", builder="reference", learns=False),
    Entry(name=MYOPIC, kind="oracle", builder="myopic", learns=False),
    Entry(name=LOGGER, kind="logger", builder="logger"),
    *(
        Entry(name=name, kind="baseline", builder=name.lower(), needs_items=True)
        for name in ("popularity", "ItemKNN", "EASE")
    ),
    Entry(
        name="ALS",
        kind="baseline",
        builder="als",
        settings={"factors": 16},
        by_task={"boredom": _TUNED_ALS},
        tried={"boredom": "3 sizes, 6 temperatures, 150 to 200 users"},
        needs_items=True,
    ),
    Entry(
        name="ALS-capped",
        kind="baseline",
        builder="als-capped",
        settings=_TUNED_ALS,
        tried={"boredom": "ALS's, then 3 caps at 2 temperatures, 150 users"},
        needs_items=True,
        needs_counts=True,
    ),
)


def agent_entries(
    builder: str,
    *modes: Mode,
    settings: Mapping[str, Any] | None = None,
    by_task: Mapping[str, Mapping[str, Any]] | None = None,
    tried: Mapping[str, str] | None = None,
    draws: bool | Literal["only"] = False,
    needs_items: bool = False,
    tasks: tuple[str, ...] = (),
    label: str | None = None,
) -> Iterator[Entry]:
    """Yield an agent once for each way in which it learns.

    Args:
        builder: Its class in `rlrec.agents`; settings are those of its `config_class`.
        modes: By default `scratch`, `offline` and `finetuned`.
        settings: For all tasks; `discount` and `value_scale` are those of the task by default.
        by_task: By task or family.
        tried: What was tried by hand, by family.
        draws: Whether it may serve drawn slates, or `only` these.
        needs_items: Whether it cannot serve documents without identity.
        tasks: Names or families of those it is for; all of them by default.
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
            tried=tried or {},
            draws=draws,
            needs_items=needs_items or mode == "informed",
            tasks=tasks,
        )


_PPO_BY_TASK: dict[str, dict[str, Any]] = {
    "boredom": {
        "credit": "own",
        "learning_rate": 3e-3,
        "n_epochs": 8,
        "n_transitions": 16_384,
        "topic_spread": 2.5,
    },
    "drift": {"credit": "own"},
    "return": {"n_transitions": 16_384, "trace": 0.95},
}
_PPO_TRIED = {
    "boredom": "short runs of one or two seeds, other users",
    "return": "about 14 runs from scratch, 4 from the log, one seed each, other users",
}
_PPO: dict[str, Any] = {"by_task": _PPO_BY_TASK, "tried": _PPO_TRIED, "draws": True}
_LEASHED = {"leash": 1.0, "leash_budget": 0.01, "frozen_actor": 0.1}
_SEVERAL_CLICKS = {"boredom": {"clicks": "several"}}
_BY_POSITION = {"boredom": {"examination": "position"}}
_USUAL = {"n_epochs": 10, "batch_size": 64, "clipping": "slate"}
"""As PPO is run by those who take the defaults of stable-baselines3."""
_OFF: dict[str, dict[str, Any]] = {
    "warm-values": {"warm_values": False},
    "frozen-actor": {"frozen_actor": 0.0},
    "small-steps": {"finetuning_rate": 1.0},
    "stop": {"stop_kl": 1e6},
    "leash": {"leash": 0.0},
}
"""What keeps a clone from being unlearned, and the settings without it."""


def _kits() -> Iterator[Entry]:
    """Yield usual PPO from a log with all of `_OFF` left in, all left out, and all but one left in.

    On the log of an expert, where a clone has the most to lose. Judged by drawn slates, which are
    what policy gradients improve: likeliest slates change by leaps as a policy moves.
    """
    kit, naive = _USUAL | _LEASHED, dict(_USUAL)
    for without in _OFF.values():
        naive |= without
    variants = {"kit": kit, "naive": naive}
    variants |= {f"kit-less-{part}": kit | without for part, without in _OFF.items()}
    for name, settings in variants.items():
        yield from agent_entries(
            "SlatePPO",
            "finetuned",
            settings=settings,
            draws="only",
            tasks=("log-to-live-expert",),
            label=f"SlatePPO-{name}",
        )


_AGENTS = (
    *agent_entries("SlateQ", by_task=_SEVERAL_CLICKS),
    *agent_entries(
        "SlateQ",
        "scratch",
        settings={"learns_nothing": False, "n_steps": 1},
        tasks=("interest",),
        label="SlateQ-null-0",
    ),
    *agent_entries(
        "SlateQ",
        "scratch",
        settings={"compat": "recsim"},
        tasks=("interest",),
        label="SlateQ-recsim",
    ),
    *agent_entries("SlatePPO", "scratch", "informed", **_PPO),
    *agent_entries(
        "SlatePPO",
        "offline",
        "finetuned",
        settings=_LEASHED,
        by_task=_PPO_BY_TASK,
        tried=_PPO_TRIED,
        draws=True,
    ),
    *agent_entries(
        "SlatePPO",
        "finetuned",
        by_task=_PPO_BY_TASK,
        tried=_PPO_TRIED,
        draws=True,
        label="SlatePPO-unleashed",
    ),
    *_kits(),
    *agent_entries("SlateA2C", "scratch", "finetuned", draws=True),
    *agent_entries("SlateBC", "offline", draws=True),
    *agent_entries(
        "SlateBC", "offline", settings={"cloned_share": 0.1}, draws=True, label="SlateBC-best"
    ),
    *agent_entries(
        "SlateIQL",
        "offline",
        "finetuned",
        by_task=_SEVERAL_CLICKS,
        tried={"log-to-live": "about 70 short runs of one other seed, validation users"},
        draws=True,
    ),
    *agent_entries("SlateCQL", "offline", "finetuned", draws=True),
    *agent_entries(
        "SlateCQL", "finetuned", settings={"calibrated": True}, draws=True, label="Cal-QL"
    ),
    *agent_entries("SlateBCQ", "offline", draws=True),
    *agent_entries("TopKReinforce", "offline", draws=True),
    *agent_entries("DecisionTransformer", "offline", draws=True),
    *agent_entries("WolpertingerTD3", "offline", "finetuned"),
    *agent_entries("WolpertingerSAC", "scratch"),
    *agent_entries("GeMS", "finetuned"),
    *agent_entries("LinUCB", "scratch", by_task=_BY_POSITION),
    *agent_entries("ThompsonSampling", "scratch", by_task=_BY_POSITION, draws=True),
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
            hint = nearest_hint(name, {*MENU, *builders})
            raise ConfigError(f"no agent is called {name!r}.{hint}")
    scale = {FLOOR, REFERENCE}
    return [
        entry
        for entry in MENU.values()
        if not wanted or entry.name in scale | wanted or entry.builder in wanted
    ]
