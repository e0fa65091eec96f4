"""Verdicts: simulated persons beside those of a log, and one half of a log beside the other."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from rlrec.arrays import Floats, Ints
from rlrec.envs.fitting.validation.aspects import Aspect, ByPerson, CountsByPerson, distance
from rlrec.envs.fitting.validation.concentration import gini, zipf_slope
from rlrec.envs.fitting.validation.discriminator import discriminator_auc
from rlrec.errors import ConfigError

Word = Literal["agrees", "differs", "not told", "not compared"]
TOLD_APART = "told apart by a classifier"
MOST_RATIO = 2.0
"""Times the distance of two halves of the log up to which simulated users agree with it."""
MOST_AUC = 0.75
FEWEST_PERSONS = 20
"""Of a log that is to be halved."""
_MOST_LONGER = 1.2  # times as many takings of a person, up to which persons may be mixed


class Verdict(NamedTuple):
    """What is found of one aspect."""

    aspect: str
    simulated: float
    """Distance of simulated users from those of the log; of `TOLD_APART` the area under the ROC
    curve, 0.5 for no difference."""
    control: float
    """The same between two halves of the log."""
    p_value: float
    """Of the hypothesis that persons of the log and simulated ones are alike, by permuting them;
    nan where no such test is made."""
    word: Word
    """`agrees` up to twice the control (of the area: up to 0.75), else `differs`; `not told` where
    the log says too little, `not compared` where simulated users were not asked for it."""


class Seen(NamedTuple):
    """An aspect of two halves of the log and of as many simulated users, to be looked at."""

    log: Aspect
    other: Aspect
    simulated: Aspect


@dataclass(frozen=True, eq=False)
class Behaviour:
    """How persons behave."""

    n_persons: int
    aspects: Mapping[str, ByPerson]
    features: Floats
    """Shape (m, D). What a classifier is to tell visits or persons by."""
    owners: Ints
    """Shape (m,). Row of the person of each."""

    def features_of(self, persons: Ints) -> Floats:
        """Return the features of these persons."""
        return self.features[np.isin(self.owners, persons)]

    @property
    def everybody(self) -> Ints:
        """The rows of all persons."""
        return np.arange(self.n_persons)


class Figure(NamedTuple):
    """A number of all persons of the log, and of as many simulated ones."""

    name: str
    log: float
    simulated: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a comparison of simulated users with those of a log finds."""

    verdicts: list[Verdict]
    seen: dict[str, Seen]
    """By aspect, as the first halving has it."""
    figures: list[Figure]
    """How concentrated the items are."""
    n_persons: int
    """Of the log."""


Make = Callable[[Ints, int], Behaviour]
"""Given rows of persons of the log and a seed: as many simulated ones, who saw as much."""


def compared(
    log: Behaviour,
    make: Make,
    aspects: Sequence[str],
    *,
    n_halvings: int = 5,
    n_permutations: int = 199,
    seed: int = 0,
) -> Comparison:
    """Return a verdict for each aspect.

    The persons of the log are halved at random, over and over; one half is compared with the other,
    and with simulated persons. A logistic regression, judged on rows it did not see, tries to tell
    them apart. The p-value is that of a test which permutes all persons of the log and as many
    simulated ones.

    Args:
        log: Of the persons of the log, 20 or more.
        make: Makes simulated ones.
        aspects: In the order of the verdicts; those that the log lacks are `not told`, those
            that only simulated persons lack `not compared`.
        n_halvings: 1 or more; distances are means over them.
        n_permutations: Of each test, 0 for none.
        seed: Of halves, simulated persons and permutations.

    Raises:
        ConfigError: There are no halvings, or fewer than no permutations.

    Reference:
        Lopez-Paz and Oquab, 2017, "Revisiting Classifier Two-Sample Tests"; Good, 2005,
        "Permutation, Parametric, and Bootstrap Tests of Hypotheses".
    """
    if n_halvings < 1 or n_permutations < 0:
        raise ConfigError(
            f"n_halvings must be 1 or more and n_permutations 0 or more, got {n_halvings!r} and "
            f"{n_permutations!r}"
        )
    rng = np.random.default_rng(seed)
    pairs: dict[str, list[tuple[float, float]]] = {}
    seen: dict[str, Seen] = {}
    for number in range(n_halvings):
        one, other = np.array_split(rng.permutation(log.n_persons), [log.n_persons // 2])
        made = make(np.sort(one), seed + number)
        halves = _seen(log, one, other, made)
        seen = seen or {name: halves[name] for name in aspects if name in halves}
        for aspect, each in halves.items():
            pair = distance(each.log, each.simulated), distance(each.log, each.other)
            pairs.setdefault(aspect, []).append(pair)
        pairs.setdefault(TOLD_APART, []).append(_areas(log, one, other, made, rng))
    whole = make(log.everybody, seed + n_halvings)
    p_values = _p_values(log, whole, n_permutations, rng)
    left_out = log.aspects.keys() - whole.aspects.keys()
    verdicts = [
        _without_numbers(aspect, "not compared")
        if aspect in left_out
        else _verdict(aspect, pairs.get(aspect, []), p_values.get(aspect, math.nan))
        for aspect in (*aspects, TOLD_APART)
    ]
    return Comparison(verdicts, seen, _figures(log, whole), log.n_persons)


def word_of(simulated: float, control: float, most: float | None = None) -> Word:
    """Return the word for a distance beside that of two halves of the log.

    Args:
        simulated: Of simulated users.
        control: Of two halves.
        most: Up to which they agree; by default twice the control.
    """
    if not (math.isfinite(simulated) and math.isfinite(control)):
        return "not told"
    return "agrees" if simulated <= (MOST_RATIO * control if most is None else most) else "differs"


def permutation_p(
    one: ByPerson, other: ByPerson, n_one: int, n_other: int, n: int, rng: np.random.Generator
) -> float:
    """Return the share of permuted groups of persons at least as far apart as these two.

    The groups themselves count as one of the permutations, so that it is never 0; nan where too
    little was seen.
    """
    both = one.joined(other)
    persons = np.arange(n_one + n_other)
    found = distance(both.of(persons[:n_one]), both.of(persons[n_one:]))
    if not math.isfinite(found) or n == 0:
        return math.nan
    n_farther = 0
    for _ in range(n):
        mixed = rng.permutation(persons)
        apart = distance(both.of(mixed[:n_one]), both.of(mixed[n_one:]))
        n_farther += apart >= found - 1e-12
    return (1 + n_farther) / (1 + n)


def _p_values(
    log: Behaviour, made: Behaviour, n: int, rng: np.random.Generator
) -> dict[str, float]:
    found = {}
    for aspect, own in log.aspects.items():
        other = made.aspects.get(aspect)
        if other is not None and _can_be_mixed(own, other):
            found[aspect] = permutation_p(own, other, log.n_persons, made.n_persons, n, rng)
    return found


def _can_be_mixed(own: ByPerson, other: ByPerson) -> bool:
    """Return whether groups mixed of both are like those compared.

    How often items were taken is spread the wider the fewer takings there are. Where simulated
    persons were seen much longer, mixed groups have more or fewer of them than either has.
    """
    if not (isinstance(own, CountsByPerson) and isinstance(other, CountsByPerson)):
        return True
    means = [each.counts.sum() / each.counts.shape[0] for each in (own, other)]
    return bool(max(means) <= _MOST_LONGER * min(means))


def _figures(log: Behaviour, made: Behaviour) -> list[Figure]:
    """Return Gini coefficient and Zipf slope of the items."""
    found = []
    for aspect, own in log.aspects.items():
        other = made.aspects.get(aspect)
        if isinstance(own, CountsByPerson) and isinstance(other, CountsByPerson):
            counts = own.totals(log.everybody), other.totals(made.everybody)
            found.append(Figure(f"{aspect}: Gini coefficient", *map(gini, counts)))
            found.append(Figure(f"{aspect}: Zipf slope", *map(zipf_slope, counts)))
    return found


def _seen(log: Behaviour, one: Ints, other: Ints, made: Behaviour) -> dict[str, Seen]:
    return {
        aspect: Seen(own.of(one), own.of(other), made.aspects[aspect].of(made.everybody))
        for aspect, own in log.aspects.items()
        if aspect in made.aspects
    }


def _areas(
    log: Behaviour, one: Ints, other: Ints, made: Behaviour, rng: np.random.Generator
) -> tuple[float, float]:
    own = log.features_of(one)
    control = discriminator_auc(own, log.features_of(other), rng)
    return discriminator_auc(own, made.features, rng), control


def _verdict(aspect: str, pairs: list[tuple[float, float]], p_value: float) -> Verdict:
    values = np.array(pairs).reshape(-1, 2)
    values = values[np.isfinite(values).all(axis=1)]
    if not len(values):
        return _without_numbers(aspect, "not told")
    simulated, control = (float(value) for value in values.mean(axis=0))
    most = MOST_AUC if aspect == TOLD_APART else None
    return Verdict(aspect, simulated, control, p_value, word_of(simulated, control, most))


def _without_numbers(aspect: str, word: Word) -> Verdict:
    return Verdict(aspect, math.nan, math.nan, math.nan, word)
