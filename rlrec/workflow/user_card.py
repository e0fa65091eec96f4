"""The card of fitted users: what is found of them beside a log, in words, rows and JSON."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rlrec.envs.fitting.validation.aspects import Aspect, Rates
from rlrec.envs.fitting.validation.comparing import (
    MOST_AUC,
    TOLD_APART,
    Comparison,
    Seen,
    Verdict,
)
from rlrec.envs.fitting.validation.foretelling import CALIBRATED, FORETOLD, Foretold
from rlrec.envs.simulator import Assumption
from rlrec.workflow.run_folder import json_text
from rlrec.workflow.runner import ready_for_json
from rlrec.workflow.versions import running_code

COLUMNS = ("aspect", "simulated users", "control", "p", "verdict")
_FORMAT, _VERSION = "rlrec user fidelity", 3
AUC_RULE = f"(rule: AUC up to {MOST_AUC:g})"
_MOST_LABELS = 40  # situations of an aspect that are written out
_WITH_WORDS = (TOLD_APART, FORETOLD, CALIBRATED)  # aspects whose faults have a sentence each
_SILENT = ("not told", "not compared")


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
    n_known: int = 0
    """Persons of the log with the label of one whom the users were fitted to."""

    @property
    def verdicts(self) -> list[Verdict]:
        """All verdicts: aspects, the classifier, what is foretold."""
        return [*self.comparison.verdicts, *self.foretold.verdicts]

    def named(self, word: str) -> list[str]:
        """Return the aspects of which a word is the verdict."""
        return [verdict.aspect for verdict in self.verdicts if verdict.word == word]

    @property
    def n_told(self) -> int:
        """Number of aspects that the log tells and that were compared."""
        return sum(verdict.word not in _SILENT for verdict in self.verdicts)

    @property
    def headline(self) -> str:
        """The verdict in one sentence."""
        n_told, n_agree = self.n_told, len(self.named("agrees"))
        words = f"{n_agree} of {n_told} aspects"
        if n_agree == n_told:
            which = "were compared" if self.named("not compared") else "it tells"
            words = f"all {n_told} aspects that {which}"
        known = f"; {self._known_persons}" if self.n_known else ""
        return f"These users agree with the log in {words}{known}."

    @property
    def _known_persons(self) -> str:
        n_persons = self.comparison.n_persons
        return f"{self.n_known:,} of its {n_persons:,} persons have labels of those fitted to"

    @property
    def advice(self) -> list[str]:
        """What to trust them for and what not, a sentence each."""
        told = (
            ("differs", "Do not trust them for"),
            ("agrees", "They agree in"),
            ("not told", "The log is silent on"),
            ("not compared", "Told by the log, but not compared"),
        )
        found = [_TOO_KIND] if self.n_known else []
        for word, words in told:
            aspects = [aspect for aspect in self.named(word) if aspect not in _WITH_WORDS]
            found += [f"{words}: {', '.join(aspects)}."] if aspects else []
            found += self._faults() if word == "differs" else []
        return found

    def _faults(self) -> list[str]:
        differing = self.named("differs")
        return [self._fault(aspect) for aspect in _WITH_WORDS if aspect in differing]

    def _fault(self, aspect: str) -> str:
        verdict = self.of(aspect)
        simulated, control = number(verdict.simulated), number(verdict.control)
        if aspect == TOLD_APART:
            return (
                f"A classifier tells them from the log (AUC {simulated}, of which at most "
                f"{MOST_AUC:g} agrees; two halves of the log {control})."
            )
        if aspect == CALIBRATED:
            return (
                f"The probabilities that they state are off (by {simulated} of all takings, chance "
                f"{control})."
            )
        others = ", ".join(
            f"{loss.name} ({number(loss.log_loss)})" for loss in self.foretold.unbeaten
        )
        return (
            f"What persons take is not surely foretold better (log-loss {simulated}) than by: "
            f"{others}."
        )

    def of(self, aspect: str) -> Verdict:
        """Return the verdict on one aspect."""
        return next(verdict for verdict in self.verdicts if verdict.aspect == aspect)


_TOO_KIND = (
    "Persons of the log have labels of those whom the users were fitted to: unless these are other "
    "persons, or the log is of another time, every verdict is too kind."
)


def verdict_rows(card: UserCard) -> list[list[str]]:
    """Return a row a verdict, as in `COLUMNS`."""
    return [
        [
            one.aspect,
            number(one.simulated),
            number(one.control),
            number(one.p_value),
            word_and_rule(one),
        ]
        for one in card.verdicts
    ]


def word_and_rule(verdict: Verdict) -> str:
    """Return the word of a verdict, with its rule where that is not the ratio to the control."""
    is_fixed = verdict.aspect == TOLD_APART and verdict.word not in _SILENT
    return f"{verdict.word} {AUC_RULE}" if is_fixed else verdict.word


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
        "n_known_persons": card.n_known,
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
                    "is_control": loss.is_control,
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


_WORDS = ("agrees", "differs", *_SILENT)


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
