"""The errors rlrec raises at its public edge; each is also a built-in error."""

from collections.abc import Iterable
from difflib import get_close_matches


class RlrecError(Exception):
    """Base of all errors of this package."""


class ConfigError(RlrecError, ValueError):
    """A setting is outside what it may be."""


class UnknownNameError(RlrecError, KeyError):
    """A name (of a component, a key, a column) is not known."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class DataError(RlrecError, ValueError):
    """Input data breaks a rule; the message says where (file, line, column)."""


class CatalogueMismatchError(DataError):
    """A log and a catalogue do not belong together."""


class LogFormatError(DataError):
    """An interaction log is damaged, of another version, or lacks a needed column."""


class PropensityError(DataError):
    """A propensity is missing or outside (0, 1]."""


class SlateError(RlrecError, ValueError):
    """Slates have the wrong shape or name items that do not exist."""


class UserModelError(RlrecError, ValueError):
    """A user model returned something else than it must."""


class TruthError(RlrecError, NotImplementedError):
    """Users do not state the truth that was asked for."""


class RunFolderError(RlrecError, ValueError):
    """A run folder cannot be used: another version, another configuration, or damaged."""


class ModelFileError(RlrecError, ValueError):
    """A saved model is missing, damaged, foreign or of another version."""


def nearest_hint(name: object, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for what comes close to `name`, else a list of what is known.

    Upper and lower case are alike here, and the beginning of a name may stand for it.
    """
    names = sorted(known)
    asked = str(name).lower()
    close = get_close_matches(asked, [other.lower() for other in names], n=1)
    meant = [other for other in names if other.lower() in close]
    if not meant and asked:
        meant = [other for other in names if other.lower().startswith(asked)]
    if not meant:
        return f" Known: {names}."
    return f" Did you mean {' or '.join(repr(other) for other in meant)}?"
