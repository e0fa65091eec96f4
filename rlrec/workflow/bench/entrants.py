"""Who takes part in the bench: a new agent is one entry here."""

from dataclasses import dataclass, field
from typing import Any, Literal

from rlrec.errors import UnknownNameError, nearest_hint
from rlrec.workflow.bench.tasks import Task

Kind = Literal["floor", "baseline", "agent", "oracle"]
Mode = Literal["scratch", "offline", "finetuned"]
Serves = Literal["best", "drawn"]

RANDOM, REFERENCE = "Random slates", "Planning reference"


@dataclass(frozen=True, kw_only=True)
class Entrant:
    """A policy, or an agent with its settings and the way it learns."""

    name: str
    kind: Kind = "agent"
    agent: str | None = None
    """Name in `rlrec.agents`."""
    mode: Mode = "scratch"
    """`scratch`: interaction alone; `offline`: the log alone; `finetuned`: the log, then as many
    interactions as from scratch."""
    settings: dict[str, Any] = field(default_factory=dict)
    """That differ from the agent's defaults, on all tasks."""
    on_task: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Further settings by task (`live` for all of `live-*`)."""
    n_updates: int | None = None
    """Of pretraining; by default the task's."""
    serves: Serves = "best"
    """Whether the agent shows its best slates or draws them."""
    takes_discount: bool = True
    """Whether the task's discount is one of the agent's settings."""
    item_factors: bool = True
    """Whether it knows the item factors of ALS, fitted to the log, where items have identity."""
    tasks: tuple[str, ...] | None = None
    """Tasks it makes sense on (`live` for all of `live-*`); None for all."""
    tuned: str = "not tuned"
    """How many trials, on which users, chose the settings."""

    def enters(self, task: Task) -> bool:
        """Return whether it takes part in a task."""
        return self.tasks is None or bool({task.name, _family(task)} & set(self.tasks))

    def settings_on(self, task: Task) -> dict[str, Any]:
        """Return its settings on a task."""
        discount = {"discount": task.discount} if self.takes_discount else {}
        special = self.on_task.get(task.name, self.on_task.get(_family(task), {}))
        return {**discount, **self.settings, **special}


_WITH_CATALOGUE = ("boredom", "drift", "return", "live")
_ONE_CHOICE = ("interest", "satisfaction", "drift", "return", "live")
_VALUE_SCALES: dict[str, dict[str, Any]] = {
    "satisfaction": {"value_scale": 500.0},
    "drift": {"value_scale": 10.0},
    "return": {"value_scale": 20.0},
}
_PPO_SCALES: dict[str, dict[str, Any]] = {
    "interest": {"value_scale": 50.0},
    "satisfaction": {"value_scale": 300.0},
    "live": {"value_scale": 100.0},
}
_PPO_BOREDOM: dict[str, Any] = {
    "credit": "own",
    "learning_rate": 3e-3,
    "n_epochs": 8,
    "n_transitions": 16_384,
}

ENTRANTS = (
    Entrant(name=RANDOM, kind="floor"),
    Entrant(name="Popularity", kind="baseline", tasks=_WITH_CATALOGUE),
    Entrant(name="ItemKNN", kind="baseline", tasks=_WITH_CATALOGUE),
    Entrant(
        name="ALS",
        kind="baseline",
        tasks=_WITH_CATALOGUE,
        on_task={
            "boredom": {"factors": 32, "regularisation": 1.0, "alpha": 5.0, "temperature": 0.3}
        },
        tuned="boredom: 3 sizes, 6 temperatures, 150 users of another seed",
    ),
    Entrant(name="EASE", kind="baseline", tasks=_WITH_CATALOGUE),
    Entrant(
        name="ALS, topics capped",
        kind="baseline",
        tasks=("boredom",),
        settings={"factors": 32, "regularisation": 1.0, "alpha": 5.0, "temperature": 0.3},
        tuned="4 caps, 6 temperatures, 150 users of another seed",
    ),
    Entrant(name="Myopic oracle", kind="oracle"),
    Entrant(name=REFERENCE, kind="oracle"),
    Entrant(
        name="SlateQ, scratch",
        agent="SlateQ",
        on_task=_VALUE_SCALES,
        tasks=_ONE_CHOICE,
    ),
    Entrant(
        name="SlateQ, offline",
        agent="SlateQ",
        mode="offline",
        on_task=_VALUE_SCALES,
        tasks=_ONE_CHOICE,
    ),
    Entrant(
        name="SlateQ, fine-tuned",
        agent="SlateQ",
        mode="finetuned",
        on_task=_VALUE_SCALES,
        tasks=_ONE_CHOICE,
    ),
    Entrant(
        name="SlatePPO, scratch",
        agent="SlatePPO",
        serves="drawn",
        on_task={**_PPO_SCALES, "boredom": {**_PPO_BOREDOM, "topic_spread": 2.5}},
        tuned="boredom: 4 values of topic_spread, one seed of training, other users",
    ),
    Entrant(
        name="SlatePPO, fine-tuned",
        agent="SlatePPO",
        mode="finetuned",
        serves="drawn",
        settings={"leash": 0.05, "frozen_actor": 0.05},
        on_task={**_PPO_SCALES, "boredom": {**_PPO_BOREDOM, "leash": 0.0}},
    ),
)


def entrant_named(name: str) -> Entrant:
    """Return an entrant.

    Raises:
        UnknownNameError: There is none of this name.
    """
    known = {entrant.name: entrant for entrant in ENTRANTS}
    if name not in known:
        raise UnknownNameError(
            f"there is no entrant {name!r}.{nearest_hint(name, known)} Entrants: {list(known)}"
        )
    return known[name]


def _family(task: Task) -> str:
    return task.name.split("-")[0]
