"""What estimators need beyond propensities, found for those that are asked for.

The table in `docs/architecture.md` says which estimator needs what.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rlrec.evaluation.offline.bandit_sample import BanditSample
from rlrec.evaluation.offline.cascade_model import cascade_columns
from rlrec.evaluation.offline.choice_columns import Embeddings, choice_sample
from rlrec.evaluation.offline.estimator_menu import Chosen
from rlrec.evaluation.offline.judged_log import JudgedLog
from rlrec.evaluation.offline.session_columns import (
    WeightLearning,
    state_action_weights,
    state_weights,
)
from rlrec.evaluation.offline.session_sample import SessionSample
from rlrec.evaluation.offline.slate import SlateSample
from rlrec.evaluation.offline.slate_columns import (
    SlotColumns,
    abstraction_column,
    pseudo_inverse_column,
)
from rlrec.evaluation.offline.slot_probabilities import SlotDraws


@dataclass(frozen=True, kw_only=True)
class Learning:
    """How `evaluate_offline` finds what some estimators need beyond propensities."""

    slots: SlotDraws = field(default_factory=SlotDraws)
    """Probabilities of items at their slots, for `iips` and `sniips`."""
    weights: WeightLearning = field(default_factory=WeightLearning)
    """Weights of states, for the marginalised estimators of sessions."""
    embeddings: Embeddings | None = None
    """Categories that stand for choices, for `mips`; None for the topics of the catalogue."""


class FurtherColumns:
    """Completes samples with what the chosen estimators need.

    Args:
        judged: The log and its policies.
        chosen: The estimators.
        learning: How.
    """

    def __init__(self, judged: JudgedLog, chosen: Sequence[Chosen], learning: Learning) -> None:
        self._judged, self._learning = judged, learning
        self._users: dict[str, str] = {}
        """The first estimator that needs a column, by column."""
        self.needs_slots = any(each.needs_slots for each in chosen)
        """Whether samples of slates need rewards and propensities of slots."""
        for each in chosen:
            for need in each.needs:
                self._users.setdefault(need, each.name)
        self._slots: SlotColumns | None = None
        if "slot_probabilities" in self._users:
            self._slots = SlotColumns(judged, self._users["slot_probabilities"], learning.slots)

    @property
    def notes(self) -> tuple[str, ...]:
        """What results must say of these columns."""
        note = None if self._slots is None else self._slots.note
        return () if note is None else (note,)

    def slates(self, sample: SlateSample, name: str) -> SlateSample:
        """Return a sample of slates with what is needed for one policy."""
        columns: dict[str, Any] = {}
        if self._slots is not None:
            columns |= self._slots.of(name)
        if "pseudo_inverse_weights" in self._users:
            columns["pseudo_inverse_weights"] = pseudo_inverse_column(
                self._judged, name, self._users["pseudo_inverse_weights"], self._learning.slots
            )
        if "abstraction_weights" in self._users:
            columns["abstraction_weights"] = abstraction_column(
                self._judged, name, self._users["abstraction_weights"]
            )
        if "q_hat" in self._users:
            columns |= cascade_columns(self._judged, name)._asdict()
        return replace(sample, **columns)

    def sessions(self, sample: SessionSample, name: str) -> SessionSample:
        """Return a sample of sessions with what is needed for one policy."""
        judged, how = self._judged, self._learning.weights
        columns: dict[str, Any] = {}
        if "state_weights" in self._users:
            columns["state_weights"] = state_weights(judged, name, sample, how)
        if "state_action_weights" in self._users:
            columns["state_action_weights"] = state_action_weights(judged, name, sample, how)
        return replace(sample, **columns) if columns else sample

    def choices(self, name: str) -> BanditSample | None:
        """Return rounds with what estimators of choices need; None where there are none."""
        needs = {"features", "embeddings", "embedding_probs"} & set(self._users)
        if not needs:
            return None
        return choice_sample(self._judged, name, needs, self._learning.embeddings)
