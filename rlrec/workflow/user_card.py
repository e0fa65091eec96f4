"""The card of fitted users: what is found of them beside a log, in words, rows and JSON."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rlrec.envs.fitting.validation.aspects import Aspect, Rates
from rlrec.envs.fitting.validation.comparing import TOLD_APART, Comparison, Seen, Verdict
from rlrec.envs.fitting.validation.foretelling import CALIBRATED, FORETOLD, Foretold
from rlrec.envs.simulator import Assumption
from rlrec.workflow.run_folder import json_text
from rlrec.workflow.runner import ready_for_json
from rlrec.workflow.versions import running_code

COLUMNS = ("aspect", "simulated users", "control", "p", "verdict")
_FORMAT, _VERSION = "rlrec user fidelity", 2
_MOST_LABELS = 40  # situations of an aspect that are written out
_FAULTS = {
    TOLD_APART: "A classifier tells them from the log (AUC {}, two halves of the log {}).",
    FORETOLD: (
        "What persons take is not surely foretold better than without these users (log-loss {}, "
        "best control {})."
    ),
    CALIBRATED: "The probabilities that they state are off (by {} of all takings, chance {}).",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class UserCard:
    """Where fitted users are like those of a log, and where they are not."""

    users: str
    """Folder of the users."""
    data: str
    """What they were compared with: a folder of slates, or ratings."""
    kind: str
    """`slates` or `ratings`."""
    population: str
    seed: int
    comparison: Comparison
    foretold: Foretold
    assumptions: Sequence[Assumption]
    """What the users are made of, estimated and assumed."""

    @property
    def verdicts(self) -> list[Verdict]:
        """All verdicts: aspects, the classifier, what is foretold."""
        return [*self.comparison.verdicts, *self.foretold.verdicts]

    def named(self, word: str) -> list[str]:
        """Return the aspects of which a word is the verdict."""
        return [verdict.aspect for verdict in self.verdicts if verdict.word == word]

    @property
    def n_told(self) -> int:
        """Number of aspects that the log tells."""
        return len(self.verdicts) - len(self.named("not told"))

    @property
    def headline(self) -> str:
        """The verdict in one sentence."""
        n_told = self.n_told
        n_agree = len(self.named("agrees"))
        if n_agree == n_told:
            return f"These users agree with the log in all {n_told} aspects that it tells."
        return f"These users agree with the log in {n_agree} of {n_told} aspects."

    @property
    def advice(self) -> list[str]:
        """What to trust them for and what not, a sentence each."""
        told = (
            ("differs", "Do not trust them for"),
            ("agrees", "They agree in"),
            ("not told", "The log is silent on"),
        )
        found = []
        for word, words in told:
            aspects = [aspect for aspect in self.named(word) if aspect not in _FAULTS]
            found += [f"{words}: {', '.join(aspects)}."] if aspects else []
            found += self._faults() if word == "differs" else []
        return found

    def _faults(self) -> list[str]:
        differing = [self.of(aspect) for aspect in _FAULTS if aspect in self.named("differs")]
        return [
            _FAULTS[verdict.aspect].format(number(verdict.simulated), number(verdict.control))
            for verdict in differing
        ]

    def of(self, aspect: str) -> Verdict:
        """Return the verdict on one aspect."""
        return next(verdict for verdict in self.verdicts if verdict.aspect == aspect)


def verdict_rows(card: UserCard) -> list[list[str]]:
    """Return a row a verdict, as in `COLUMNS`."""
    return [
        [one.aspect, number(one.simulated), number(one.control), number(one.p_value), one.word]
        for one in card.verdicts
    ]


def number(value: float, digits: int = 3) -> str:
    """Return a number as text, nothing for nan."""
    return f"{value:.{digits}f}" if math.isfinite(value) else ""


def card_json(card: UserCard) -> str:
    """Return the card as JSON."""
    foretold = card.foretold
    told = {
        "format": _FORMAT,
        "version": _VERSION,
        "users": card.users,
        card.kind: card.data,
        "population": card.population,
        "n_persons": card.comparison.n_persons,
        "seed": card.seed,
        "verdict": {
            "headline": card.headline,
            **{word.replace(" ", "_"): card.named(word) for word in _WORDS},
        },
        "aspects": [one._asdict() for one in card.verdicts],
        "figures": [one._asdict() for one in card.comparison.figures],
        "seen": {name: _seen(each) for name, each in card.comparison.seen.items()},
        "foretold": {
            "unit": foretold.unit,
            "losses": [
                {
                    "name": loss.name,
                    "log_loss": loss.log_loss,
                    "worse_by": None if loss.worse_by is None else loss.worse_by._asdict(),
                }
                for loss in foretold.losses
            ],
            "references": [each._asdict() for each in foretold.references],
            "calibration_error": foretold.calibration_error,
            "bins": [each._asdict() for each in foretold.bins],
        },
        "users_card": [one._asdict() for one in card.assumptions],
        **running_code(),
    }
    return json_text(ready_for_json(told))


_WORDS = ("agrees", "differs", "not told")


def _seen(seen: Seen) -> dict[str, Any]:
    """Return rates by situation, or deciles of samples, of the first halving."""
    groups = seen._asdict()
    if isinstance(seen.log, Rates) and len(seen.log.labels) > _MOST_LABELS:
        return {}
    told = {name: _values(aspect) for name, aspect in groups.items()}
    return {"of": _labels(seen.log), **told}


def _labels(aspect: Aspect) -> list[str]:
    if isinstance(aspect, Rates):
        return list(aspect.labels)
    return [f"{share}%" for share in range(0, 101, 10)]


def _values(aspect: Aspect) -> Any:
    if isinstance(aspect, Rates) or not len(aspect.values):
        return aspect.values
    return np.quantile(aspect.values, np.linspace(0.0, 1.0, 11))
