"""Titles of the policies in a run's tables, and what kind each is."""

from typing import Literal

RANDOM = "Random slates"
LOGGING = "Logging policy"
MYOPIC = "Myopic oracle"
REFERENCE = "Planning reference"
PRETRAINED = "SlateQ, pretrained"
FINETUNED = "SlateQ, fine-tuned"

Kind = Literal["floor", "logger", "baseline", "agent", "oracle"]

_KINDS: dict[str, Kind] = {
    RANDOM: "floor",
    LOGGING: "logger",
    MYOPIC: "oracle",
    REFERENCE: "oracle",
    PRETRAINED: "agent",
    FINETUNED: "agent",
}


def kind_of(title: str) -> Kind:
    """Return what a policy is; a title that is not one of the above is a baseline's."""
    return _KINDS.get(title, "baseline")
