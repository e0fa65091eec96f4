"""Users learned from a log of ratings: choices teach what attracts, ratings what satisfies."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rlrec.data.history import HistoryShape
from rlrec.envs.arguments import check_flag, check_name, check_number, check_whole_number
from rlrec.envs.blocks.choice import ChoiceModel, LogitChoice
from rlrec.envs.blocks.leaving import TimeBudget
from rlrec.envs.blocks.response import WatchTime
from rlrec.envs.blocks.scanning import CascadeChoice, LogisticAttraction
from rlrec.envs.blocks.taste import InterestDrift
from rlrec.envs.fitting.blocks import FittedTaste, RatedQuality
from rlrec.envs.fitting.chosen_model import FittedModel
from rlrec.envs.fitting.populations import POPULATIONS
from rlrec.envs.fitting.ratings.model import FittedUsersModel
from rlrec.envs.fitting.slates.slate_users import SlateUsersModel
from rlrec.envs.fitting.worlds.worlds import FittedWorlds, chosen_users, name_of_users
from rlrec.envs.items import CatalogueItems
from rlrec.envs.mixed_users import MixedUsers
from rlrec.envs.planning.time_price import PlanningReference
from rlrec.envs.presets.slate_users import slate_users_problem
from rlrec.envs.simulator import Assumption, Problem, UserSimulator
from rlrec.envs.users import Users
from rlrec.errors import ConfigError

ENV_ID = "rlrec/FittedUsers-v0"
FITTED_CHOICES = ("logit", "cascade")
_SLATE_SIZE = 10
_OF_RATINGS = {"drift_weight": 1.0, "initial_budget": 200.0, "choice": "logit"}
_MADE_UP = (
    Assumption(
        "ratings",
        "made up",
        "assumed",
        "fitted to these, for want of a log; nothing here is about real users",
    ),
)


def fitted_users(
    n_users: int,
    first_user: int = 0,
    *,
    path: str | Path | None = None,
    model: FittedModel | FittedWorlds | None = None,
    world: int | None = None,
    population: str = "train",
    slate_size: int | None = None,
    tastes_observed: bool = False,
    history_length: int = 20,
    max_steps: int | None = None,
    drift_weight: float = 1.0,
    initial_budget: float = 200.0,
    choice: str = "logit",
    comes_back: bool = False,
) -> UserSimulator:
    """Return users and items learned from a log of ratings (`fit_users`), or of slates.

    Users learned from slates (`fit_slate_users`) have the dynamics of the log: topics that satiate,
    tastes that drift, slots that are looked at less; `drift_weight`, `initial_budget` and `choice`
    are not for them. The rest of this says what users learned from ratings do.

    Each visit is that of a person drawn from a population of the log. An item is taken with weight
    exp(attraction + drift_weight * interest in its topic), nothing with weight exp(score of
    nothing). Attraction is learned from what persons chose to rate; interests begin at 0 and each
    click moves the interest in its topic (`InterestDrift`). Quality is learned from how persons
    rated, in -3..3. As in `rlrec/InterestEvolution-v0` a visit has 200 minutes; an item costs 4
    minutes and gives back 0.2647 minutes for each minute watched and unit of quality (unless the
    end of the time cuts it short); taking nothing costs half a minute. So clicking well is not
    serving well. `card()` lists what of this is estimated and what is assumed.

    Observation:
        `history_items` (H,), `history_responses` (H, 2), `topic_counts` (T + 1,), `last_slate`
        (K,), `last_response` (K, 2). With `tastes_observed` also `user` (D + T,): the person's
        factors and the interests. Remaining time and quality are never observed. From slates:
        one channel, `click`; `user` (T,), the interests; with `comes_back` also `context`, as in
        `rlrec/UserReturn-v0`.

    Action:
        `MultiDiscrete([N] * K)` items of the catalogue.

    Reward:
        Minutes watched in this step: 4 for a click (less if less time is left), else 0. From
        slates: the mean reward that each item taken brought in the log.

    Episode end:
        `terminated` when the user's time is used up; `truncated` after `max_steps`, if given.

    Arguments:
        n_users: B.
        first_user: Number of the first user of the batch.
        path: Folder of saved users or worlds; without it and without `model`, small users fitted
            to made-up ratings (200 persons, 120 items).
        model: Fitted users in memory. They are named in `arguments` by their fingerprint, from
            which they cannot be made again: save them for that, and give `path`.
        world: Of several fitted worlds (`fit_worlds`, `fit_halves`): the one to live in, from 0 on;
            None draws one for each episode, where all are of the same persons. There is a planning
            reference in a single world only.
        population: "train", "validation" or "test": different persons of the same log; from slates
            also "new": users like those, but none of them.
        slate_size: K; by default 10, from slates that of the log. The score of nothing is
            calibrated for the slate size of the model.
        tastes_observed: Whether `user` is observed.
        history_length: H.
        max_steps: Limit of an episode; None for none.
        drift_weight: Logit of an interest of 1; 0 keeps tastes as they are.
        initial_budget: Minutes a visit begins with.
        choice: "logit": as above, what the model was fitted with. "cascade": another world to test
            in, where from the top each item is taken with probability 1 / (1 + exp(score of
            nothing - score)) unless one above was.
        comes_back: From slates: whether an episode is all visits of a user; needs `max_steps`.

    Version history:
        v0: Ours; dynamics of time and interests as Ie et al., 2019, "RecSim".
    """
    fitted = chosen_users(model, path)
    worlds = _lived_in(fitted, world)
    check_flag("tastes_observed", tastes_observed)
    check_flag("comes_back", comes_back)
    if slate_size is None:
        first = worlds[0]
        slate_size = first.slate_size if isinstance(first, SlateUsersModel) else _SLATE_SIZE
    shared: dict[str, Any] = {
        "population": population,
        "slate_size": slate_size,
        "tastes_observed": tastes_observed,
        "history_length": history_length,
        "max_steps": max_steps,
    }
    of_ratings: dict[str, Any] = {
        "drift_weight": drift_weight,
        "initial_budget": initial_budget,
        "choice": choice,
    }
    arguments = {
        "model": name_of_users(model),
        "path": None if path is None else str(path),
        "world": world,
        **shared,
        **of_ratings,
        "comes_back": comes_back,
    }
    is_made_up = model is None and path is None
    problems = [
        _problem(one, arguments, is_made_up, shared, of_ratings, comes_back) for one in worlds
    ]
    problem = problems[0]
    if len(problems) > 1:
        assert isinstance(fitted, FittedWorlds)
        problem = _mixed(problems, fitted)
    return UserSimulator(problem, n_users, first_user)


def _lived_in(fitted: FittedModel | FittedWorlds, world: int | None) -> tuple[FittedModel, ...]:
    """Return the models of the worlds that users live in."""
    if world is not None:
        check_whole_number("world", world, 0)
    if isinstance(fitted, FittedWorlds):
        if world is not None:
            return (fitted[world],)
        if not fitted.has_same_persons:  # then a row is no one person, nor is a user id
            raise ConfigError("these worlds are of different persons: say which one (`world`)")
        return fitted.models
    if world is not None:
        raise ConfigError(f"world {world} is asked for, but these users were fitted as one world")
    return (fitted,)


def _problem(
    fitted: FittedModel,
    arguments: dict[str, Any],
    is_made_up: bool,
    shared: dict[str, Any],
    of_ratings: dict[str, Any],
    comes_back: bool,
) -> Problem:
    """Return the problem of one world; the last three are arguments of `fitted_users`."""
    if isinstance(fitted, SlateUsersModel):
        _check_left_alone(of_ratings, _OF_RATINGS, "users learned from ratings")
        return slate_users_problem(fitted, ENV_ID, arguments, comes_back=comes_back, **shared)
    _check_left_alone({"comes_back": comes_back}, {"comes_back": False}, "those from slates")
    return _rated_users_problem(fitted, arguments, is_made_up, **shared, **of_ratings)


def _mixed(problems: Sequence[Problem], worlds: FittedWorlds) -> Problem:
    """Return the problem in which each episode is lived in one of several worlds."""
    first = problems[0]
    of_one_world = len(worlds[0].card())
    users: list[Any] = [problem.users for problem in problems]
    card = (*worlds.card(), *first.card[of_one_world:])
    return replace(first, users=MixedUsers(users), card=card, plan=None)


def _check_left_alone(given: Mapping[str, object], usual: Mapping[str, object], whose: str) -> None:
    """Raise ConfigError where an argument that is not for these users is not left as it is."""
    for name, value in given.items():
        if value != usual[name]:
            raise ConfigError(f"{name} is for {whose}; these do as their card says: leave it out")


def _rated_users_problem(
    fitted: FittedUsersModel,
    arguments: dict[str, Any],
    is_made_up: bool,
    *,
    population: str,
    slate_size: int,
    tastes_observed: bool,
    history_length: int,
    max_steps: int | None,
    drift_weight: float,
    initial_budget: float,
    choice: str,
) -> Problem:
    """Return the problem of users learned from ratings; arguments as those of `fitted_users`."""
    check_number("drift_weight", drift_weight, 0.0)
    check_number("initial_budget", initial_budget, 0.0, above=True)
    check_name("choice", choice, FITTED_CHOICES)
    check_name("population", population, POPULATIONS)
    budget = TimeBudget(initial=initial_budget, bonus_when_cut_short=False)
    catalogue = fitted.catalogue
    taste = FittedTaste(
        fitted.attraction,
        fitted.traits,
        fitted.population(population),
        catalogue.n_topics,
        InterestDrift(),
        drift_weight,
    )
    return Problem(
        env_id=ENV_ID,
        arguments=arguments,
        users=Users(
            items=CatalogueItems(catalogue, RatedQuality(fitted.quality)),
            taste=taste,
            choice=_choice(choice, fitted.nothing_score),
            response=WatchTime(budget),
            slate_size=slate_size,
            leaving=budget,
            tastes_observed=tastes_observed,
        ),
        slate_size=slate_size,
        history=HistoryShape(
            slate_size=slate_size,
            n_channels=len(WatchTime.channels),
            n_topics=catalogue.n_topics,
            length=history_length,
        ),
        catalogue=catalogue,
        max_steps=max_steps,
        card=(
            *(_MADE_UP if is_made_up else ()),
            *fitted.card(),
            *_assumptions(population, drift_weight, budget, max_steps, choice),
        ),
        plan=PlanningReference.fit,
    )


def _choice(name: str, nothing_score: float) -> ChoiceModel:
    if name == "logit":
        return LogitChoice(nothing_score)
    return CascadeChoice(LogisticAttraction(offset=nothing_score))


def _assumptions(
    population: str, drift_weight: float, budget: TimeBudget, max_steps: int | None, choice: str
) -> tuple[Assumption, ...]:
    def line(name: str, value: Any, note: str) -> Assumption:
        return Assumption(name, str(value), "assumed", note)

    as_there = "as in interest evolution"
    minutes = (
        f"{budget.initial:g} minutes; item {budget.item_length:g}, idle {budget.idle_cost:g}, "
        f"bonus {budget.bonus:.4f} a minute and unit"
    )
    return (
        line("visits", f"each by a person of the population {population!r}", "equally likely"),
        line("choice", "logit: at most one item of a slate", "position plays no part")
        if choice == "logit"
        else line("choice", "cascade: at most one item of a slate", "the top is looked at first"),
        line("items taken before", "attract and satisfy as at first", "a log of ratings is silent"),
        line("drift weight", f"{drift_weight:g}", "logit of an interest of 1"),
        line("interest drift", "0.3 (1 - |x|)(1 - x), up with probability (x + 1) / 2", as_there),
        line("interests at first", "0 in every topic", "what lasts is in the attraction"),
        line("time", minutes, f"{as_there}; an item cut short by the end gives nothing back"),
        line("longest visit", max_steps or "no limit", "in steps"),
    )
