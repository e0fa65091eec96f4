"""Settings of SlateQ."""

from dataclasses import dataclass
from typing import Any, ClassVar

from rlrec.agents.settings import (
    CheckedSettings,
    Rule,
    above_0,
    count,
    not_negative,
    share,
    share_above_0,
)
from rlrec.errors import ConfigError

_SEARCHES = ("exact", "greedy", "top_k")


@dataclass(frozen=True, kw_only=True)
class SlateQConfig(CheckedSettings):
    """Settings of `SlateQ`."""

    discount: float = 1.0
    """Weight of the value one step ahead, in 0..1."""
    learning_rate: float = 1e-3
    """Step size of Adam, above 0."""
    finetuning_rate: float = 0.2
    """Factor of the step size in `learn` after pretraining."""
    log_share: float = 0.5
    """Part of each batch of `learn` that comes from the log, if there is one, in 0..1: it keeps
    showing what the agent no longer tries."""
    comparing_rate: float = 0.1
    """Factor of the step size for what sets items apart in the values. Returns vary by far more
    than what one item changes, so this is learned slowly, as an average over many steps."""
    batch_size: int = 256
    """Transitions an update, 1 or more."""
    buffer_size: int = 100_000
    """Transitions kept from interaction."""
    learning_starts: int = 5_000
    """Interactions before the first update of `learn`."""
    updates_per_transition: float = 1 / 16
    """Updates of `learn` for each transition."""
    target_rate: float = 0.002
    """Share by which the slow copy of the values follows after each update of `learn`, in (0, 1].
    The slow copy bootstraps the targets and also chooses the slates: greedy slates flip at tiny
    differences, which averaging over updates evens out."""
    pretraining_target_rate: float = 0.01
    """The same in `pretrain`, at whose end the copy is made equal."""
    exploration_start: float = 1.0
    """Share of users shown a random slate when `learn` starts without pretraining."""
    exploration_end: float = 0.05
    """The same once exploration has shrunk, and throughout after pretraining."""
    exploration_share: float = 0.3
    """Part of `learn` over which exploration shrinks."""
    value_scale: float = 100.0
    """Values are learned in this unit of return; a typical return / 5 serves."""
    item_size: int = 32
    """Length of an item's vector."""
    hidden: int = 256
    """Width of the two hidden layers."""
    search_rounds: int = 4
    """Rounds of the slate search when acting; four are exact in nearly all cases."""
    target_rounds: int = 2
    """Rounds of the slate search in the targets of updates."""
    n_steps: int = 10
    """Steps that `learn` follows before the value of the best slate takes over, 1 or more. Above 1
    the slates shown in between count as if they were the agent's own. That pulls values towards
    those of who showed them (the agent a while ago; the logging policy for the logged share), and
    in return bootstraps less often, which steadies them. `pretrain` follows a log for one step."""
    warmup_share: float = 0.25
    """Part of `pretrain` that learns from returns seen in the log, before bootstrapping."""
    learns_nothing: bool = True
    """Learn the value of showing a slate from which nothing is taken; False fixes it at 0."""
    choice: str = "fitted"
    """Where choice weights come from: "fitted" to what was taken, nothing included; "known": stated
    by the users (`TellsChoice`)."""
    target: str = "q_learning"
    """What follows in the targets: "q_learning", the best next slate; "sarsa", the one that was
    shown next (steps after which none is known are left out)."""
    optimiser: str = "exact"
    """Search for the slates shown: "exact", "greedy" (item by item) or "top_k" (by weight times
    value). The latter two only serve comparisons."""
    target_optimiser: str = "exact"
    """The same for the best next slates of "q_learning"."""
    clicks: str = "one"
    """"one": at most one item of a slate is taken; "several": any number, each with a probability
    that depends on the item and its slot, and their gains add up."""
    compat: str | None = None
    """"recsim" repeats the mistakes of RecSim's published code, for comparison only: targets follow
    from the present state instead of the next, taking nothing is worth 0 and teaches nothing,
    slates are greedy and shown in the order of their numbers. It brings its own `n_steps`,
    `warmup_share`, `learns_nothing`, `optimiser` and `target_optimiser`."""

    rules: ClassVar[tuple[Rule, ...]] = (
        above_0("learning_rate finetuning_rate comparing_rate value_scale updates_per_transition"),
        share_above_0("target_rate pretraining_target_rate"),
        share(
            "discount log_share exploration_start exploration_end exploration_share warmup_share"
        ),
        count("batch_size buffer_size item_size hidden search_rounds target_rounds n_steps"),
        not_negative("learning_starts"),
    )
    choices: ClassVar[dict[str, tuple[str | None, ...]]] = {
        "choice": ("fitted", "known"),
        "target": ("q_learning", "sarsa"),
        "optimiser": _SEARCHES,
        "target_optimiser": _SEARCHES,
        "clicks": ("one", "several"),
        "compat": (None, "recsim"),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.compat == "recsim":
            self._take_on(_RECSIM)
        if self.clicks == "several":
            self._check_several()

    def _take_on(self, settings: dict[str, Any]) -> None:
        """Set what `compat` implies, where nothing else was asked for."""
        for name, value in settings.items():
            given, default = getattr(self, name), type(self).__dataclass_fields__[name].default
            if given not in (value, default):
                raise ConfigError(
                    f"{name} of SlateQ must be {value!r} with compat={self.compat!r}, got "
                    f"{given!r}; leave it out"
                )
            object.__setattr__(self, name, value)

    def _check_several(self) -> None:
        """Check that the rest fits users who take several items."""
        needed = {"choice": "fitted", "optimiser": "exact", "target_optimiser": "exact"}
        for name, value in {**needed, "compat": None}.items():
            if getattr(self, name) != value:
                raise ConfigError(
                    f'{name} of SlateQ must be {value!r} with clicks="several", got '
                    f"{getattr(self, name)!r}; the other settings are about users who take one item"
                )


_RECSIM: dict[str, Any] = {
    "target": "q_learning",
    "n_steps": 1,
    "warmup_share": 0.0,
    "learns_nothing": False,
    "optimiser": "greedy",
    "target_optimiser": "greedy",
}
