"""What RecSim's three problems share: documents on offer, their history, lines of the card."""

from typing import Any, NamedTuple

from rlrec.data.history import HistoryShape
from rlrec.envs.documents import Documents, KeptDocuments
from rlrec.envs.items import FreshDocuments
from rlrec.envs.simulator import Assumption


def documents_on_offer(
    documents: Documents, n_candidates: int, seed: int, resample: bool
) -> FreshDocuments | KeptDocuments:
    """Return candidates without identity: new at every step, or one set for all and for ever.

    Args:
        documents: What kind they are.
        n_candidates: M.
        seed: Of the set that stays.
        resample: Whether they are new at every step.
    """
    if resample:
        return FreshDocuments(n_candidates, documents)
    return KeptDocuments(documents, n_candidates, seed)


def history_of_topics(
    slate_size: int, n_channels: int, n_topics: int, length: int, has_catalogue: bool
) -> HistoryShape:
    """Return the history where responses are counted by topic; items are kept if they have names.

    Args:
        slate_size: K.
        n_channels: R.
        n_topics: T.
        length: H.
        has_catalogue: Whether items have identity.
    """
    counted = ("last_response", "topic_counts")
    named = ("history_items", "history_responses", "last_slate")
    return HistoryShape(
        keys=(*named, *counted) if has_catalogue else counted,
        slate_size=slate_size,
        n_channels=n_channels,
        n_topics=n_topics,
        length=length,
    )


class Published(NamedTuple):
    """The values of a problem as published, for a card that says where others were chosen."""

    problem: str
    """Such as "interest evolution"."""
    values: dict[str, Any]
    """By argument, as they stand in JSON."""

    def line(self, arguments: dict[str, Any], name: str, value: str, *parts: str) -> Assumption:
        """Return a line of the card.

        Args:
            arguments: Of the environment.
            name: Of the line.
            value: What holds; fields in braces are arguments.
            parts: Arguments that the line tells of.
        """
        changed = [part for part in parts if arguments[part] != self.values[part]]
        note = f"as published for RecSim's {self.problem}"
        if changed:
            note = f"{', '.join(changed)} chosen here"
        return Assumption(name, value.format_map(arguments), "assumed", note)


def offer_line(arguments: dict[str, Any]) -> Assumption:
    """Return the line of the card that says what is on offer."""
    n_items = arguments["n_items"]
    documents = "fresh documents" if arguments["resample_documents"] else "kept documents"
    offer = documents if n_items is None else f"a catalogue of {n_items}"
    return Assumption("offer", offer, "assumed", "a catalogue is ours; documents as published")


def limit_line(arguments: dict[str, Any]) -> Assumption:
    """Return the line of the card that says when an episode is truncated."""
    limit = arguments["max_steps"]
    value = "no limit" if limit is None else f"{limit} steps"
    return Assumption("limit of an episode", value, "assumed", "as asked for")
