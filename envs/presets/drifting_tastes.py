"""Users whose tastes drift on their own, while items come and go and trends rise and fall."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from rlrec.arrays import Floats
from rlrec.data.catalogue import Catalogue
from rlrec.data.history import HistoryShape
from rlrec.envs.arguments import (
    LARGEST,
    MOST_CANDIDATES,
    check_catalogue_size,
    check_flag,
    check_name,
    check_number,
    check_numbers,
    check_size,
    check_whole_number,
    plain,
)
from rlrec.envs.blocks.block import Block
from rlrec.envs.blocks.calendar import Calendar
from rlrec.envs.blocks.choice import ChoiceModel, LogitChoice
from rlrec.envs.blocks.drift import TasteDrift
from rlrec.envs.blocks.factor_taste import FactorTaste
from rlrec.envs.blocks.priors import Prior, Uniform, within
from rlrec.envs.blocks.response import Click
from rlrec.envs.blocks.scanning import LogisticAttraction, PositionBasedChoice
from rlrec.envs.blocks.trends import PopularityPath, Trends
from rlrec.envs.candidates import CalendarItems
from rlrec.envs.items import CatalogueItems, ItemQuality, Items
from rlrec.envs.planning.myopic import MyopicOracle
from rlrec.envs.simulator import Assumption, Problem, UserSimulator
from rlrec.envs.users import Users
from rlrec.errors import ConfigError
from rlrec.policy import SlatePolicy

ENV_ID = "rlrec/DriftingTastes-v0"
CHOICES = ("logit", "position_based")
_SIDE_WEIGHT = 0.5  # of an item's second topic, before its vector is brought to length 1
_LIFETIME_SPREAD = 0.5
_STANDING_MOMENTS = 400  # of the calendar beyond a visit, where nothing arrives

Range = float | Sequence[float]
"""A number for all users, or [low, high]: uniform, each user's own."""


def drifting_tastes(
    n_users: int,
    first_user: int = 0,
    *,
    n_items: int = 500,
    n_candidates: int = 50,
    n_topics: int = 10,
    slate_size: int = 5,
    lifetime: float | None = 60.0,
    taste_sd: float = 1.5,
    drift_persistence: Range = (0.9, 0.98),
    drift_sd: Range = 0.4,
    set_point_sd: Range = 0.05,
    influence: float = 0.0,
    trend_persistence: float = 0.9,
    trend_sd: float = 1.0,
    age_decay: float = 1.0,
    conformity: Range = (0.0, 1.0),
    choice: str = "logit",
    nothing_score: float = 4.0,
    examination_decay: float = 0.85,
    catalogue_seed: int = 0,
    tastes_observed: bool = False,
    history_length: int = 20,
    max_steps: int = 100,
) -> UserSimulator:
    """Return users whose hidden tastes drift whatever is shown, in a world that changes.

    An item is a vector of length 1 over 10 topics: a main topic, and half as much of another. The
    score of an item is (taste . vector) + conformity * (log-popularity of the item now). Tastes
    wander around a set-point that wanders slowly too (`TasteDrift`). The world has a calendar: 50
    items are alive at any moment, and when one retires the next of the catalogue takes its place;
    each one's log-popularity is a path fixed by `catalogue_seed` and falls with its age (`Trends`).
    A visit begins at a moment of the calendar drawn for the user, and each step takes one moment.
    So what was learned of a user, and of the items, grows old.

    What is shown moves nothing: the slate that is best now, given the true tastes, is the best
    policy, and the planning reference is the myopic oracle. With `influence` above 0 items pull
    tastes towards themselves; then that oracle is no longer optimal, though still the reference.

    With `drift_sd` 0, `set_point_sd` 0, `trend_sd` 0, `age_decay` 0 and `lifetime` None everything
    stands still: a catalogue of `n_candidates` items, of which nothing changes.

    Observation:
        `history_items` (H,), `history_responses` (H, 1), `topic_counts` (T + 1,), `last_slate`
        (K,), `last_response` (K, 1). Where items come and go or have trends also `candidates` (M,)
        and `candidate_features` (M, 2): age in mean lifetimes, and recent log-popularity (a running
        mean over the moments before this one, 0 for what is new). With `tastes_observed` also
        `user` (T,). The moment of the calendar, conformity and the rates of drift are never
        observed.

    Action:
        `MultiDiscrete([M] * K)` positions among the candidates.

    Reward:
        1 for each click.

    Episode end:
        `truncated` after `max_steps`: the user goes on living, only the visit is over. Nobody ever
        leaves.

    Arguments:
        n_users: B.
        first_user: Number of the first user of the batch.
        n_items: N, items in all over the calendar (unused where nothing arrives); with 50 places
            and lifetimes of 60 moments 500 items fill about 600 moments.
        n_candidates: M, items alive at each moment.
        n_topics: T, 2 or more.
        slate_size: K.
        lifetime: Mean moments an item stays (uniform, 0.5 to 1.5 times that); None for ever.
        taste_sd: Spread of the set-points of a taste, in each topic.
        drift_persistence: Share of the distance to the set-point that is left after a step; 1 is a
            random walk. A number, or [low, high] for a value of each user's own.
        drift_sd: What moves a taste in a step, in each topic; 0 for no drift. Likewise.
        set_point_sd: What moves the set-point in a step; 0 to keep it. Likewise.
        influence: How far a click pulls the taste to the item, in 0..1; 0 for tastes that drift on
            their own.
        trend_persistence: Of an item's log-popularity from moment to moment, in 0..1.
        trend_sd: Its spread; 0 for none.
        age_decay: Log-popularity lost over a mean lifetime.
        conformity: Weight of log-popularity in the score; 0 for users who do not mind. A number or
            [low, high].
        choice: "logit": at most one click, with weight exp(score), nothing with weight
            exp(`nothing_score`). "position_based": several, slot k with probability
            examination_decay ** k / (1 + exp(nothing_score - score)).
        nothing_score: Above.
        examination_decay: Above; unused with "logit".
        catalogue_seed: Seed of the items, their lifetimes and their trends.
        tastes_observed: Whether `user` is observed.
        history_length: H.
        max_steps: Steps of a visit.

    Version history:
        v0: Ours.
    """
    arguments = {name: plain(value) for name, value in locals().items() if name not in _BATCH}
    _check(arguments)
    world = _world_of(
        n_items if lifetime is not None else None,
        n_candidates,
        n_topics,
        lifetime,
        trend_persistence,
        trend_sd,
        age_decay,
        catalogue_seed,
        max_steps,
    )
    drift = TasteDrift(
        n_factors=n_topics,
        persistence=_prior("drift_persistence", drift_persistence, 0.0, 1.0),
        sd=_prior("drift_sd", drift_sd, 0.0),
        set_point_sd=_prior("set_point_sd", set_point_sd, 0.0),
    )
    trends = Trends(world.calendar, world.path, _prior("conformity", conformity, 0.0))
    blocks: tuple[Block, ...] = (drift, world.calendar, trends) if world.moves else (drift,)
    problem = Problem(
        env_id=ENV_ID,
        arguments=arguments,
        users=Users(
            items=_items(world),
            taste=FactorTaste(world.vectors, taste_sd, influence),
            choice=_choice(choice, nothing_score, examination_decay),
            response=Click(),
            slate_size=slate_size,
            blocks=blocks,
            tastes_observed=tastes_observed,
        ),
        slate_size=slate_size,
        history=HistoryShape(
            slate_size=slate_size,
            n_channels=len(Click.channels),
            n_topics=n_topics,
            length=history_length,
        ),
        catalogue=world.catalogue,
        max_steps=max_steps,
        card=_card(arguments, world),
        plan=_plan,
    )
    return UserSimulator(problem, n_users, first_user)


_BATCH = ("n_users", "first_user")


class _World(NamedTuple):
    """What is the same for all users."""

    catalogue: Catalogue
    vectors: Floats
    """Shape (N, T)."""
    calendar: Calendar
    path: PopularityPath
    moves: bool
    """Whether items arrive or have trends."""


@lru_cache(maxsize=8)
def _world_of(
    n_items: int | None,
    n_candidates: int,
    n_topics: int,
    lifetime: float | None,
    trend_persistence: float,
    trend_sd: float,
    age_decay: float,
    catalogue_seed: int,
    visit_length: int,
) -> _World:
    """Return the world; its items are the same whatever the trends are."""
    items_rng, time_rng, trend_rng = np.random.default_rng(catalogue_seed).spawn(3)
    if lifetime is None:
        moments = visit_length + _STANDING_MOMENTS
        calendar = Calendar.standing(n_candidates, moments, visit_length)
    else:
        assert n_items is not None
        calendar = Calendar.drawn(
            n_items, n_candidates, lifetime, _LIFETIME_SPREAD, visit_length, time_rng
        )
    path = PopularityPath(calendar, trend_persistence, trend_sd, age_decay, trend_rng)
    catalogue = _catalogue(len(calendar.succession.places), n_topics, items_rng)
    moves = lifetime is not None or trend_sd > 0
    return _World(catalogue, catalogue.features.astype(np.float64), calendar, path, moves)


def _catalogue(n_items: int, n_topics: int, rng: np.random.Generator) -> Catalogue:
    """Return items with a main topic and another one; their vectors are openly known."""
    draws = rng.random((n_items, 2))  # item by item: a longer catalogue begins with the same ones
    topics = (draws[:, 0] * n_topics).astype(np.int64)
    others = (topics + 1 + (draws[:, 1] * (n_topics - 1)).astype(np.int64)) % n_topics
    vectors = np.zeros((n_items, n_topics))
    rows = np.arange(n_items)
    vectors[rows, topics], vectors[rows, others] = 1.0, _SIDE_WEIGHT
    vectors /= np.hypot(1.0, _SIDE_WEIGHT)
    return Catalogue(
        item_ids=rows,
        topics=topics,
        features=vectors.astype(np.float32),
        topic_names=tuple(f"topic {number}" for number in range(n_topics)),
    )


def _items(world: _World) -> Items:
    quality = ItemQuality(np.zeros(world.catalogue.n_items))
    if not world.moves:
        return CatalogueItems(world.catalogue, quality)
    seen = np.stack([world.calendar.relative_ages(), world.path.recent], axis=2)
    return CalendarItems(world.catalogue, quality, world.calendar, seen.astype(np.float32))


def _choice(name: str, nothing_score: float, examination_decay: float) -> ChoiceModel:
    if name == "logit":
        return LogitChoice(nothing_score)
    return PositionBasedChoice(LogisticAttraction(offset=nothing_score), examination_decay)


def _plan(simulator: UserSimulator, n_users: int, seed: int) -> SlatePolicy:
    """Return the policy that knows the tastes: what is shown moves nothing, so it is the best."""
    return MyopicOracle()


def _check(arguments: dict[str, Any]) -> None:
    """Raise an error where an argument is wrong, whether or not the others leave it in use."""
    a = arguments
    check_catalogue_size(a["n_items"], a["n_topics"], 2)
    check_size("n_candidates", a["n_candidates"], most=MOST_CANDIDATES)
    check_size("max_steps", a["max_steps"])
    check_whole_number("catalogue_seed", a["catalogue_seed"], 0)
    if a["lifetime"] is not None:
        check_number("lifetime", a["lifetime"], 1.0)
    for name in ("taste_sd", "trend_sd", "age_decay"):
        check_number(name, a[name], 0.0)
    for name in ("influence", "trend_persistence", "examination_decay"):
        check_number(name, a[name], 0.0, 1.0)
    check_number("nothing_score", a["nothing_score"])
    check_name("choice", a["choice"], CHOICES)
    check_flag("tastes_observed", a["tastes_observed"])


def _prior(name: str, value: Range, low: float, high: float = LARGEST) -> Prior:
    """Return the prior that a number or [low, high] stands for."""
    ends = plain(value)
    if not isinstance(ends, list):
        return within(name, ends, low, high)
    if len(check_numbers(name, ends, low, high)) != 2:
        raise ConfigError(f"{name} must be a number or [low, high], got {value!r}")
    if ends[0] > ends[1]:
        raise ConfigError(f"{name} must be [low, high] with low at most high, got {value!r}")
    return within(name, Uniform(*ends), low, high)


def _card(arguments: dict[str, Any], world: _World) -> tuple[Assumption, ...]:
    def line(name: str, value: Any, note: str) -> Assumption:
        return Assumption(name, str(value), "assumed", note)

    a = arguments
    stays = "for ever" if a["lifetime"] is None else f"{a['lifetime']:g} moments, +-50 %"
    offered = f"{a['n_candidates']} of {world.catalogue.n_items}"
    return (
        line("items", offered, "alive at a moment, of all; a main topic and half of another"),
        line("items stay", stays, "uniform; the next item takes the place at once"),
        line("tastes", f"Normal(0, {a['taste_sd']:g}^2) in each of {a['n_topics']} topics", "ours"),
        line("drift: persistence", a["drift_persistence"], "of the distance to the set-point"),
        line("drift: sd", a["drift_sd"], "a step and topic; whatever is shown"),
        line("drift: sd of the set-point", a["set_point_sd"], "a step and topic"),
        line("influence of clicks", f"{a['influence']:g}", "0: what is shown moves nothing"),
        line("trends: persistence", f"{a['trend_persistence']:g}", "log-popularity, a moment"),
        line("trends: sd", f"{a['trend_sd']:g}", "of log-popularity; seen as a running mean"),
        line("trends: age decay", f"{a['age_decay']:g}", "log-popularity a mean lifetime"),
        line("conformity", a["conformity"], "weight of log-popularity; 0 for nobody follows"),
        line("choice", a["choice"], f"score of nothing {a['nothing_score']:g}"),
        line("examination", f"{a['examination_decay']:g} ** slot", "position-based choice only"),
        line("visits", f"begin at {world.calendar.n_begins} moments", "equally likely"),
        line("visit length", f"{a['max_steps']} steps", "cut off; nobody leaves"),
    )
