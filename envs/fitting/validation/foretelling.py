"""How well what persons take is foretold: log-loss beside controls, and calibration."""

import math
from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np

from rlrec.arrays import Bools, Floats, Ints
from rlrec.envs.fitting.validation.comparing import Verdict, Word, word_of
from rlrec.evaluation import Estimate, mean_interval

FORETOLD = "foretold better than by its controls"
CALIBRATED = "calibration"
N_BINS = 10


class Predictions(NamedTuple):
    """Stated probabilities, and what happened."""

    probabilities: Floats
    """Shape (m,). That an item is taken."""
    taken: Bools
    """Shape (m,)."""
    persons: Ints
    """Shape (m,). Row of whose it is."""


class Loss(NamedTuple):
    """Log-loss of one way to foretell."""

    name: str
    log_loss: float
    """Nats of one event, mean over all."""
    worse_by: Estimate | None
    """By how much it is worse than the model, mean over persons with a 95 % interval; None for the
    model itself."""
    is_control: bool = True
    """Whether the model must be better; else, as the model itself, it is only to be looked at."""

    @property
    def is_beaten(self) -> bool:
        """Whether it is surely worse than the model, by the interval."""
        return self.worse_by is not None and self.worse_by.low > 0


class Bin(NamedTuple):
    """Predictions of nearly the same probability."""

    n: int
    predicted: float
    """Mean of the stated probabilities."""
    observed: float
    """Share that was taken."""


class Reference(NamedTuple):
    """The same figures in another setting, to tell what they are due to; no control to beat."""

    name: str
    log_loss: float
    calibration: float
    """As in the verdict on calibration."""


class Foretold(NamedTuple):
    """How well what persons of a log take is foretold."""

    unit: str
    """What one event is."""
    losses: tuple[Loss, ...]
    """The model first, then its controls, and what need not be worse."""
    bins: tuple[Bin, ...]
    """By probability, from low to high, each with as many expected takings as the others."""
    calibration_error: float
    """Mean over predictions of |taken - stated| of their bin."""
    verdicts: tuple[Verdict, ...]
    references: tuple[Reference, ...] = ()

    @property
    def controls(self) -> list[Loss]:
        """What the model must be better than."""
        return [loss for loss in self.losses if loss.is_control]

    @property
    def unbeaten(self) -> list[Loss]:
        """The controls that are not surely worse than the model."""
        return [loss for loss in self.controls if not loss.is_beaten]

    def as_reference(self, name: str) -> Reference:
        """Return the figures of the model under a name."""
        calibration = next(each for each in self.verdicts if each.aspect == CALIBRATED)
        return Reference(name, self.losses[0].log_loss, calibration.simulated)


def foretold(
    unit: str,
    losses: Mapping[str, Floats],
    persons: Ints,
    predictions: Predictions,
    *,
    no_controls: Collection[str] = (),
    n_halvings: int = 5,
    seed: int = 0,
) -> Foretold:
    """Return losses, calibration and a verdict on each.

    `agrees` where the model is better than every control, by the 95 % interval of the mean
    difference over persons; and where the stated probabilities are at most twice as far from what
    half of the persons did, bin by bin, as the other half is (in which what was stated of each half
    is taken off): distances are sums over bins of |taken - expected|, over all that was expected.

    Args:
        unit: What one event is.
        losses: By name, the model first, then controls: log-loss (n,) of each event in nats.
        persons: Shape (n,). Row of whose event it is.
        predictions: For calibration; m may be more than n.
        no_controls: Names of losses that the model need not be better than.
        n_halvings: Of persons.
        seed: Of these.
    """
    names = list(losses)
    own = _by_person(losses[names[0]], persons)
    found = [Loss(names[0], float(losses[names[0]].mean()), None, is_control=False)]
    for name in names[1:]:
        worse = mean_interval(_by_person(losses[name], persons) - own)
        found.append(Loss(name, float(losses[name].mean()), worse, name not in no_controls))
    bins, place = _bins(predictions)
    n = sum(each.n for each in bins)
    error = sum(each.n * abs(each.observed - each.predicted) for each in bins) / n
    verdicts = _of_losses(found), _of_bins(predictions, place, n_halvings, seed)
    return Foretold(unit, tuple(found), bins, error, verdicts)


def _by_person(losses: Floats, persons: Ints) -> Floats:
    """Return the mean loss of each person who has any."""
    counts = np.bincount(persons)
    sums = np.bincount(persons, losses)
    return sums[counts > 0] / counts[counts > 0]


def _of_losses(found: list[Loss]) -> Verdict:
    controls = [loss for loss in found if loss.is_control]
    best = min(controls, key=lambda loss: loss.log_loss)
    word: Word = "agrees" if all(loss.is_beaten for loss in controls) else "differs"
    if not all(loss.worse_by and math.isfinite(loss.worse_by.low) for loss in controls):
        word = "not told"
    return Verdict(FORETOLD, found[0].log_loss, best.log_loss, math.nan, word)


def _bins(predictions: Predictions) -> tuple[tuple[Bin, ...], Ints]:
    """Return bins with as many expected takings each, and which one each prediction is in."""
    stated = predictions.probabilities
    order = np.argsort(stated, kind="stable")
    total = np.cumsum(stated[order])
    place = np.empty(len(order), np.int64)
    place[order] = np.minimum(total / total[-1] * N_BINS, N_BINS - 1).astype(np.int64)
    counts = np.bincount(place, minlength=N_BINS)
    sums = np.bincount(place, stated, N_BINS)
    hits = np.bincount(place, predictions.taken, N_BINS)
    rows = [(n, p, h) for n, p, h in zip(counts.tolist(), sums, hits, strict=True) if n]
    return tuple(Bin(n, float(p / n), float(h / n)) for n, p, h in rows), place


def _of_bins(predictions: Predictions, place: Ints, n_halvings: int, seed: int) -> Verdict:
    rng = np.random.default_rng(seed)
    n_persons = int(predictions.persons.max()) + 1
    pairs = []
    for _ in range(n_halvings):
        is_first = np.zeros(n_persons, bool)
        is_first[rng.permutation(n_persons)[: n_persons // 2]] = True
        one, other = (_excess(predictions, place, is_first == half) for half in (True, False))
        pairs.append((np.abs(one).sum(), np.abs(one - other).sum()))
    simulated, control = (float(value) for value in np.mean(pairs, axis=0))
    return Verdict(CALIBRATED, simulated, control, math.nan, word_of(simulated, control))


def _excess(predictions: Predictions, place: Ints, is_meant: Bools) -> Floats:
    """Return by how much some persons took more than stated, by bin, over all that was stated."""
    rows = is_meant[predictions.persons]
    stated = predictions.probabilities[rows]
    taken = predictions.taken[rows].astype(np.float64)
    hits = np.bincount(place[rows], taken, N_BINS)
    excess = hits - np.bincount(place[rows], stated, N_BINS)
    return np.asarray(excess / max(float(stated.sum()), 1e-300), np.float64)
