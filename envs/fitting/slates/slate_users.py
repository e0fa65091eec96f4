"""Users learned from a log of slates: how they choose, drift, have enough, leave and come back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Floats, Ints
from rlrec.data.catalogue import Catalogue
from rlrec.envs.fitting.saved_users import SavedUsers
from rlrec.envs.simulator import Assumption
from rlrec.errors import DataError
from rlrec.evaluation import Estimate

NEW = "new"
"""Population of users who are like those seen, but none of them."""

ASSUMED: Mapping[str, float] = {
    "visit_base": -3.0,
    "visit_step_cost": 0.0,
    "visit_idle_cost": 0.0,
    "gap_median_hours": 24.0,
    "gap_person_sd": 0.3,
    "gap_spread": 0.8,
}
"""What is assumed of visits where the log does not tell: each step is the last of one in twenty,
and users come back after a day."""

_NOTES: Mapping[str, str] = {
    "offset": "score at which half of those who look take an item",
    "decay": "a slot is looked at so much less often than the one above",
    "taste_sd": "spread of the interests of a person in topics, on the scale of the scores",
    "persistence": "share of what moved a taste that is left after a step",
    "drift_sd": "how far tastes are from what they are in the long run",
    "strength": "what the score loses a unit of satiation",
    "memory": "share of satiation that is left after a step",
    "visit_base": "logit of the chance that a visit ends after a step, without the next two",
    "visit_step_cost": "what each step of the visit adds to it",
    "visit_idle_cost": "what each step in which nothing was taken adds to it",
    "gap_median_hours": "between visits, of the middle user",
    "gap_person_sd": "spread of the logarithm of that over users",
    "gap_spread": "spread of the logarithm of the gaps of one user",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class SlateUsersModel(SavedUsers):
    """P persons and N items learned from slates, made by `fit_slate_users`.

    Stability: experimental.
    """

    saved_name: ClassVar[str] = "slate_users"
    saved_version: ClassVar[int] = 2
    learned: ClassVar[tuple[str, ...]] = (
        "appeals",
        "appeal_variances",
        "yields",
        "tastes",
        "taste_variances",
    )

    catalogue: Catalogue
    scanning: str
    """`position_based` or `cascade`."""
    values: dict[str, float]
    """Every parameter by name."""
    estimates: dict[str, Estimate]
    """Of those that the log tells; the others are assumed."""
    appeals: Floats
    """Shape (N,). What makes an item attractive to everybody, besides its topic."""
    appeal_variances: Floats
    """Shape (N,). What the log leaves open of each, about; 1, as the prior has it, of items that it
    never shows."""
    yields: Floats
    """Shape (N,). Mean reward of an item taken."""
    tastes: Floats
    """Shape (P, T). Interests of each person, as far as the log tells."""
    taste_variances: Floats
    """Shape (P, T). What it leaves open."""
    person_ids: NDArray[Any]
    populations: dict[str, Ints]
    """Rows of the persons of "train", "validation" and "test"; disjoint."""
    slate_size: int
    """Of the log."""
    figures: dict[str, float]
    """How many rows, visits, looks and so on there were, and how likely they are."""
    silent: dict[str, str] = field(default_factory=dict)
    """By part (`visits`, `gaps`) or parameter: why the log does not tell it; `search`: why that for
    the likeliest dynamics ended before it was done."""

    def __post_init__(self) -> None:
        shape = (len(self.person_ids), self.catalogue.n_topics)
        wanted = {
            "appeals": (self.catalogue.n_items,),
            "appeal_variances": (self.catalogue.n_items,),
            "yields": (self.catalogue.n_items,),
            "tastes": shape,
            "taste_variances": shape,
        }
        for name, needed in wanted.items():
            array = getattr(self, name)
            if array.shape != needed or not np.isfinite(array).all():
                raise DataError(
                    f"{name} needs shape {needed} of finite numbers, got shape {array.shape}"
                )

    def card(self) -> tuple[Assumption, ...]:
        """Return every value of the model with its status: estimated, with interval, or assumed."""
        figures = self.figures
        seen = Assumption(
            "persons and items",
            f"{self.n_persons:,} persons, {self.catalogue.n_items:,} items",
            "estimated",
            f"from {figures['n_looks']:,.0f} looks in {figures['n_visits']:,.0f} visits; "
            f"{figures['log_likelihood']:.4f} a look, where one click rate for all gives "
            f"{figures['constant_log_likelihood']:.4f}",
        )
        told = [name for name in _NOTES if name != "decay" or self.scanning != "cascade"]
        lines = [seen, *(self._line(name) for name in told), *self._further_lines()]
        if "search" in self.silent:
            early = f"the search for the likeliest dynamics: {self.silent['search']}"
            lines.append(Assumption("estimates", "may be off", "estimated", early))
        return tuple(lines)

    def _line(self, name: str) -> Assumption:
        value, estimate = self.values[name], self.estimates.get(name)
        if estimate is None:
            part = self.silent.get(f"{name.split('_')[0]}s", "too little in the log bears on it")
            why = self.silent.get(name, part)
            return Assumption(name, f"{value:.3g}", "assumed", f"{_NOTES[name]}; {why}")
        told = f"{value:.3g} ({estimate.low:.3g} to {estimate.high:.3g})"
        return Assumption(name, told, "estimated", _NOTES[name])

    def _further_lines(self) -> tuple[Assumption, ...]:
        scan = "each slot on its own" if self.scanning == "position_based" else "cascade"
        return (
            *self._blind_spots(),
            Assumption("scanning", self.scanning, "assumed", f"how slates are looked at: {scan}"),
            Assumption(
                "reward of an item taken",
                f"{self.yields.mean():.3g} on average",
                "estimated",
                "mean of the log by item, drawn towards the mean of all",
            ),
            Assumption("satisfaction, churn", "none", "assumed", "a log of clicks is silent"),
        )

    def _blind_spots(self) -> list[Assumption]:
        """Return what the log has nothing of, and what is made of that."""
        figures, catalogue, found = self.figures, self.catalogue, []
        items, topics = (
            int(figures.get(f"n_{name}_never_shown", 0)) for name in ("items", "topics")
        )
        if items:
            note = "as attractive as the average item shown; taking one brings the mean of all"
            told = f"{items:,} of {catalogue.n_items:,}"
            found.append(Assumption("items never shown", told, "assumed", note))
        if topics:
            note = "interests in them are spread as those in the others"
            told = f"{topics} of {catalogue.n_topics}"
            found.append(Assumption("topics never shown", told, "assumed", note))
        if figures.get("unearned_share", 0.0) > 0:
            note = "of all reward, where nothing was taken; simulated users never bring it"
            told = f"{figures['unearned_share']:.1%}"
            found.append(Assumption("reward without a taking", told, "assumed", note))
        return found

    def _plain(self) -> dict[str, Any]:
        return {
            "scanning": self.scanning,
            "values": self.values,
            "estimates": {name: list(found) for name, found in self.estimates.items()},
            "slate_size": self.slate_size,
            "figures": self.figures,
            "silent": self.silent,
        }

    @classmethod
    def _restored(cls, settings: dict[str, Any], state: dict[str, Any]) -> dict[str, Any]:
        found = {name: Estimate(*numbers) for name, numbers in state["estimates"].items()}
        return {**state, "estimates": found}
