"""Titles of the policies in a run's tables, and what kind each is."""

from collections.abc import Iterable, Sequence
from typing import Literal

RANDOM = "Random slates"
LOGGING = "Logging policy"
MYOPIC = "Myopic oracle"
REFERENCE = "Planning reference"
_PRETRAINED, _FINETUNED = ", pretrained", ", fine-tuned"

Kind = Literal["floor", "logger", "baseline", "agent", "oracle"]

RESERVED_TITLES = (RANDOM, LOGGING, MYOPIC, REFERENCE, "auto")
"""What no baseline may be called; `auto` is a value of `agent.item_factors`."""

_STAGE_FILES = ("done.json", "timing.json")

_KINDS: dict[str, Kind] = {
    RANDOM: "floor",
    LOGGING: "logger",
    MYOPIC: "oracle",
    REFERENCE: "oracle",
}


def pretrained(agent: str) -> str:
    """Return the title of an agent as it is after pretraining."""
    return agent + _PRETRAINED


def finetuned(agent: str) -> str:
    """Return the title of an agent as it is in the end."""
    return agent + _FINETUNED


def agent_of(titles: Iterable[str]) -> str:
    """Return the name of the agent among the titles of a run's policies."""
    return next(title for title in titles if title.endswith(_FINETUNED))[: -len(_FINETUNED)]


def kind_of(title: str) -> Kind:
    """Return what a policy is; a title that is not one of the above is a baseline's."""
    if title.endswith((_PRETRAINED, _FINETUNED)):
        return "agent"
    return _KINDS.get(title, "baseline")


def file_name(title: str) -> str:
    """Return a title as a name for a folder."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in title)


def check_title(title: str) -> None:
    """Raise ValueError for a title that no baseline may have."""
    if len(title) > 80 or not any(letter.isalpha() for letter in title):
        raise ValueError(
            f"the name or label of a baseline needs a letter and at most 80 characters, got "
            f"{title[:100]!r}"
        )
    taken = {name.casefold() for name in (*RESERVED_TITLES, *_STAGE_FILES)}
    if title.casefold().endswith((_PRETRAINED, _FINETUNED)):
        raise ValueError(f"no baseline may be called {title!r}: agents of a run are called so")
    if title.casefold() in taken or file_name(title).casefold() in taken:
        raise ValueError(f"no baseline may be called {title!r}: the run itself uses that name")


def check_titles_differ(titles: Sequence[str]) -> None:
    """Raise ValueError if two titles would share a folder, on any file system."""
    seen: dict[str, str] = {}
    for title in titles:
        other = seen.setdefault(file_name(title).casefold(), title)
        if other is not title or titles.count(title) > 1:
            raise ValueError(
                f"each baseline needs a label of its own, repeated: {sorted({other, title})} "
                f"(folder {file_name(title)!r})"
            )
