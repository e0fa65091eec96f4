"""Drift, satiation, position effects and the level of taking nothing, estimated from slates."""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import chi2

from rlrec.arrays import Floats
from rlrec.data.catalogue import Catalogue
from rlrec.data.log import InteractionLog
from rlrec.envs.fitting.intervals import Told, estimate_on, what_is_told
from rlrec.envs.fitting.slates.dynamics_search import PRIORS, Objective, Search, roughly
from rlrec.envs.fitting.slates.taste_filter import Dynamics, filtered
from rlrec.envs.fitting.slates.topic_sequences import (
    Scanning,
    TopicSequences,
    topic_sequences,
)
from rlrec.evaluation import Estimate

NAMES = ("offset", "decay", "taste_sd", "persistence", "drift_sd", "strength", "memory")
"""Of the parameters that all users share, see `Dynamics`."""
STEP_SD = "drift_step_sd"
EFFECTS: Mapping[str, tuple[str, ...]] = {
    "drift": ("drift_sd", "persistence"),
    "satiation": ("strength", "memory"),
    "effect of positions": ("decay",),
}
"""What may be absent, and its parameters, the size first."""
FEWEST_LOOKS = 200
"""Looks that must bear on a parameter for it to be estimated."""
_FEW_VISITS = 2_000
_CERTAIN = 0.15  # standard error, on the scale of its prior, of a size that is surely not 0

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedDynamics:
    """What slates tell of how users choose, drift and have enough; the model is `Dynamics`."""

    scanning: Scanning
    values: dict[str, float]
    """By name, those of `NAMES`: estimated, or assumed (`ASSUMED`)."""
    estimates: dict[str, Estimate]
    """Of those that the log tells, with 95 % intervals; and of `drift_step_sd`, what moves a taste
    in one step."""
    doubts: dict[str, str]
    """Of those searched that it hardly tells, or nearly as well without: why."""
    hardly: dict[str, Estimate]
    """Of these, with their wide intervals; of an effect that may be absent, from its absence on."""
    appeals: Floats
    """Shape (N,)."""
    appeal_variances: Floats
    """Shape (N,). What prior and looks leave open of each, about; 1, as the prior has it, where an
    item was never looked at."""
    tastes: Floats
    """Shape (P, T). Of each person seen: its mean given the log."""
    taste_variances: Floats
    """Shape (P, T). What the log leaves open; that of the population where it says nothing."""
    person_ids: NDArray[Any]
    log_likelihood: float
    """Mean of a look."""
    constant_log_likelihood: float
    """The same where one click rate holds for all."""
    n_looks: int
    n_visits: int
    ended_early: str = ""
    """Why the search ended before it was done, empty where it was: then estimates may be off."""

    @property
    def drift_step_sd(self) -> float:
        """Standard deviation of what moves a taste in one step."""
        return self.values["drift_sd"] * math.sqrt(1.0 - self.values["persistence"] ** 2)


def fit_dynamics(
    log: InteractionLog,
    catalogue: Catalogue,
    scanning: Scanning = "position_based",
    *,
    channel: str | None = None,
    most_visits: int | None = 20_000,
    seed: int = 0,
) -> FittedDynamics:
    """Return the dynamics under which the responses to slates are most likely.

    The marginal likelihood of all looks, tastes and their drift integrated out, times weak priors
    (`PRIORS`; of the items' appeals a normal one around 0 with standard deviation 1), is made
    largest by L-BFGS. Intervals are normal ones on the scale of logarithms and logits, from the
    priors and the outer products of the scores of pairs of a person and a topic (Berndt, Hall, Hall
    and Hausman, 1974). A parameter of which the log leaves more than half of the doubt of the prior
    is no estimate. What fewer than 200 looks bear on is assumed, see `told_parameters`, and so is
    the absence of drift, satiation or an effect of positions where that is nearly as likely.
    The level of nothing is that beside the average item shown, whose appeal is 0; how sure the
    other appeals are is not in its interval.

    Args:
        log: Slates with responses.
        catalogue: Its items, with topics.
        scanning: How users go through a slate, see `topic_sequences`.
        channel: Above 0 where an item was taken; by default the first.
        most_visits: Of more, as many drawn at random.
        seed: Of that draw.

    Raises:
        ConfigError: `scanning` is not known.
        DataError: Nothing was ever taken, or everything.
    """
    few, told = (
        topic_sequences(log, catalogue, scanning, channel=channel, most_visits=most, seed=seed)
        for most in (_few(most_visits), most_visits)
    )
    pilot = roughly(Objective(few, told_parameters(few, scanning), catalogue.n_items))
    whole = Objective(told, told_parameters(told, scanning), catalogue.n_items)
    if whole.names != pilot.objective.names:  # of more visits more can be told
        pilot = roughly(whole)
    seen = _of_what_is_seen(pilot.refined(whole))
    return _fitted(told, seen, catalogue, scanning)


def with_persons_of(
    log: InteractionLog,
    catalogue: Catalogue,
    found: FittedDynamics,
    *,
    channel: str | None = None,
    most_visits: int | None = 20_000,
    seed: int = 0,
) -> FittedDynamics:
    """Return dynamics with the persons of another log and what that tells of their tastes.

    Args:
        log: Slates with responses.
        catalogue: The items that the dynamics were fitted with.
        found: What holds for all persons.
        channel: As in `fit_dynamics`, as are the next two.
        most_visits: Of more, as many drawn at random.
        seed: Of that draw.

    Raises:
        DataError: Nothing was ever taken, or everything.
    """
    told = topic_sequences(
        log, catalogue, found.scanning, channel=channel, most_visits=most_visits, seed=seed
    )
    values = {name: torch.tensor(found.values[name], dtype=torch.float64) for name in NAMES}
    dynamics = Dynamics(**values, appeals=torch.from_numpy(found.appeals))
    seen = _tastes(told, dynamics, catalogue.n_topics)
    return replace(
        found, person_ids=told.person_ids, tastes=seen.tastes, taste_variances=seen.variances
    )


class _Tastes(NamedTuple):
    """What looks tell of the tastes of P persons."""

    tastes: Floats
    """Shape (P, T). Means."""
    variances: Floats
    """Shape (P, T). What the looks leave open."""
    log_likelihood: float
    """Of all looks together."""


def _tastes(told: TopicSequences, dynamics: Dynamics, n_topics: int) -> _Tastes:
    tastes: Floats = np.zeros((len(told.person_ids), n_topics))
    variances = np.full(tastes.shape, float(dynamics.taste_sd) ** 2)
    likely = 0.0
    for block in told.blocks():
        with torch.no_grad():
            part = filtered(block, dynamics)
        cells = told.persons[block.rows], told.topics[block.rows]
        tastes[cells], variances[cells] = part.tastes.numpy(), part.variances.numpy()
        likely += float(part.log_likelihoods.sum())
    return _Tastes(tastes, np.maximum(variances, 0.0), likely)


class _Seen(NamedTuple):
    """A search without the effects whose absence is nearly as likely."""

    search: Search
    reasons: dict[str, str]
    """By parameter of these effects."""
    limits: dict[str, Estimate]
    """How far they may go even so."""


def _of_what_is_seen(search: Search) -> _Seen:
    """Leave out effects by the likelihood ratio at 5 %, as an interval of logarithms holds no 0."""
    reasons: dict[str, str] = {}
    limits: dict[str, Estimate] = {}
    for effect, names in EFFECTS.items():
        if names[0] not in search.objective.names or _is_certain(search, names[0]):
            continue
        without = search.refined(search.objective.without(names))
        gain = 2.0 * (search.log_likelihood - without.log_likelihood)
        enough = float(chi2.ppf(0.95, len(names)))
        if gain < enough:
            found = _limits(search, names)
            reason = f"no {effect} is nearly as likely (likelihood ratio {gain:.1f} < {enough:.1f})"
            for name in names:
                low, high = found[name].low, found[name].high
                reasons[name] = f"{reason}; {low:.3g} to {high:.3g} with it (95 %)"
            limits |= found
            search = without
    return _Seen(search, reasons, limits)


def _limits(search: Search, names: tuple[str, ...]) -> dict[str, Estimate]:
    """Return intervals of an effect that may be absent: sizes from 0, decay up to 1."""
    told = _told(search.objective, search.point)
    found = {**told.estimates, **told.hardly}
    limits = {name: found[name] for name in (*names, STEP_SD) if name in found}
    if "drift_sd" not in names:
        limits.pop(STEP_SD, None)
    for name, estimate in limits.items():
        if name in ("drift_sd", STEP_SD, "strength"):
            limits[name] = estimate._replace(value=0.0, low=0.0)
        elif name == "decay":
            limits[name] = estimate._replace(value=1.0, high=1.0)
    return limits


def _is_certain(search: Search, name: str) -> bool:
    place = search.objective.names.index(name)
    covariance = np.linalg.inv(search.objective.information(search.point))
    return bool(covariance[place, place] < _CERTAIN**2)


def _few(most_visits: int | None) -> int:
    return _FEW_VISITS if most_visits is None else min(_FEW_VISITS, most_visits)


def told_parameters(told: TopicSequences, scanning: Scanning) -> tuple[str, ...]:
    """Return the names of the parameters that enough looks bear on, in the order of `NAMES`.

    The level of nothing always; `decay` where lower slots were looked at by position; `taste_sd`
    where a person looked at a topic again; drift where that was at another step of a visit;
    satiation where something of the topic had been taken before in the visit.
    """
    again = np.diff(np.append(told.starts, len(told.slot)))
    evidence = {
        "decay": int((told.slot > 0).sum()) if scanning == "position_based" else 0,
        "taste_sd": int((again - 1).sum()),
        "persistence": int((told.gap > 0).sum()),
        "drift_sd": int((told.gap > 0).sum()),
        "strength": int((told.before > 0).sum()),
        "memory": int((told.before > 0).sum()),
    }
    return tuple(name for name in NAMES if evidence.get(name, FEWEST_LOOKS) >= FEWEST_LOOKS)


def _fitted(
    told: TopicSequences,
    effects: _Seen,
    catalogue: Catalogue,
    scanning: Scanning,
) -> FittedDynamics:
    search = effects.search.centred()
    objective, point = search.objective, search.point
    if search.ended_early:
        _logger.warning(
            "the search for the likeliest dynamics ended early (%s): estimates may be off",
            search.ended_early,
        )
    with torch.no_grad():
        dynamics = objective.at(torch.tensor(point))
    seen = _tastes(told, dynamics, catalogue.n_topics)
    parameters = _told(objective, point)
    rate = float(told.taken.mean())
    return FittedDynamics(
        scanning=scanning,
        values={name: float(getattr(dynamics, name)) for name in NAMES},
        estimates=parameters.estimates,
        doubts={**parameters.doubts, **effects.reasons},
        hardly={**parameters.hardly, **effects.limits},
        appeals=point[len(objective.names) :],
        appeal_variances=1.0 / objective.of_appeals(),
        tastes=seen.tastes,
        taste_variances=seen.variances,
        person_ids=told.person_ids,
        log_likelihood=seen.log_likelihood / objective.n_looks,
        constant_log_likelihood=rate * math.log(rate) + (1.0 - rate) * math.log(1.0 - rate),
        n_looks=objective.n_looks,
        n_visits=told.n_visits,
        ended_early=search.ended_early,
    )


def _told(objective: Objective, point: Floats) -> Told:
    n = objective.n_looks
    covariance: Floats = np.linalg.inv(objective.information(point)).astype(np.float64)
    priors = {name: PRIORS[name] for name in objective.names}
    found = what_is_told(priors, point[: len(priors)], np.sqrt(np.diag(covariance)), n)
    if "drift_sd" in priors:
        places = {name: number for number, name in enumerate(priors)}
        value, error = _step_sd(places, point, covariance)
        kind = found.estimates if PRIORS["drift_sd"].is_told(error) else found.hardly
        kind[STEP_SD] = estimate_on("log", value, error, n)
    return found


def _step_sd(places: Mapping[str, int], point: Floats, covariance: Floats) -> tuple[float, float]:
    """Return the logarithm of drift_sd * sqrt(1 - persistence^2), and its standard error."""
    persistence, drift = places["persistence"], places["drift_sd"]
    kept = float(expit(point[persistence]))
    slope: Floats = np.zeros(len(places))
    slope[drift], slope[persistence] = 1.0, -(kept**2) / (1.0 + kept)
    value = float(point[drift]) + 0.5 * math.log(1.0 - kept**2)
    return value, math.sqrt(max(float(slope @ covariance @ slope), 0.0))
