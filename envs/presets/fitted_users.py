"""Users learned from a log of ratings: choices teach what attracts, ratings what satisfies."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from rlrec.arrays import Ints
from rlrec.baselines.model_folder import read_model
from rlrec.data.history import HistoryShape
from rlrec.envs.arguments import check_flag, check_name, check_number
from rlrec.envs.blocks.choice import ChoiceModel, LogitChoice
from rlrec.envs.blocks.leaving import TimeBudget
from rlrec.envs.blocks.response import WatchTime
from rlrec.envs.blocks.scanning import CascadeChoice, LogisticAttraction
from rlrec.envs.blocks.taste import InterestDrift
from rlrec.envs.fitting.blocks import FittedTaste, RatedQuality
from rlrec.envs.fitting.fit import fit_users
from rlrec.envs.fitting.made_up_ratings import made_up_ratings
from rlrec.envs.fitting.model import FittedUsersModel
from rlrec.envs.fitting.populations import POPULATIONS
from rlrec.envs.fitting.slate_users import SlateUsersModel
from rlrec.envs.items import CatalogueItems
from rlrec.envs.planning.time_price import PlanningReference
from rlrec.envs.presets.slate_users import slate_users_problem
from rlrec.envs.simulator import Assumption, Problem, UserSimulator
from rlrec.envs.users import Users
from rlrec.errors import ConfigError, ModelFileError

ENV_ID = "rlrec/FittedUsers-v0"
FITTED_CHOICES = ("logit", "cascade")
_SLATE_SIZE, _DRIFT_WEIGHT, _BUDGET = 10, 1.0, 200.0
_IN_MEMORY = "in memory: "


def fitted_users(
    n_users: int,
    first_user: int = 0,
    *,
    model: str | Path | FittedUsersModel | SlateUsersModel | None = None,
    population: str = "train",
    slate_size: int | None = None,
    tastes_observed: bool = False,
    history_length: int = 20,
    max_steps: int | None = None,
    drift_weight: float = _DRIFT_WEIGHT,
    initial_budget: float = _BUDGET,
    choice: str = "logit",
    comes_back: bool = False,
    path: str | Path | None = None,
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
        model: Folder of a saved `FittedUsersModel`, or such a model; None for a small one fitted to
            made-up ratings (200 persons, 120 items). A model in memory works alike, but is named in
            `arguments` by its fingerprint, from which it cannot be made again: save it for that.
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
        path: Another name for `model`, as a folder.

    Version history:
        v0: Ours; dynamics of time and interests as Ie et al., 2019, "RecSim".
    """
    fitted = _model_at(path) if model is None and path is not None else _model_of(model)
    model = _one_of(model, path)
    check_flag("tastes_observed", tastes_observed)
    check_flag("comes_back", comes_back)
    asked = {
        "model": _name_of(model),
        "population": population,
        "tastes_observed": tastes_observed,
        "history_length": history_length,
        "max_steps": max_steps,
        "comes_back": comes_back,
        "path": None,  # told as model
    }
    if isinstance(fitted, SlateUsersModel):
        _check_for_slates(drift_weight, initial_budget, choice)
        size = fitted.slate_size if slate_size is None else slate_size
        problem = slate_users_problem(
            fitted,
            {**asked, "slate_size": size},
            env_id=ENV_ID,
            population=population,
            slate_size=size,
            tastes_observed=tastes_observed,
            history_length=history_length,
            max_steps=max_steps,
            comes_back=comes_back,
        )
        return UserSimulator(problem, n_users, first_user)
    if comes_back:
        raise ConfigError("comes_back is for users learned from slates: ratings tell no visits")
    slate_size = _SLATE_SIZE if slate_size is None else slate_size
    check_number("drift_weight", drift_weight, 0.0)
    check_number("initial_budget", initial_budget, 0.0, above=True)
    check_name("choice", choice, FITTED_CHOICES)
    budget = TimeBudget(initial=initial_budget, bonus_when_cut_short=False)
    catalogue = fitted.catalogue
    taste = FittedTaste(
        fitted.attraction,
        fitted.traits,
        _population(fitted, population),
        catalogue.n_topics,
        InterestDrift(),
        drift_weight,
    )
    problem = Problem(
        env_id=ENV_ID,
        arguments={
            **asked,
            "slate_size": slate_size,
            "drift_weight": drift_weight,
            "initial_budget": initial_budget,
            "choice": choice,
        },
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
            *_source(model),
            *fitted.card(),
            *_assumptions(population, drift_weight, budget, max_steps, choice),
        ),
        plan=PlanningReference.fit,
    )
    return UserSimulator(problem, n_users, first_user)


_Model = FittedUsersModel | SlateUsersModel


def _one_of(
    model: str | Path | _Model | None, path: str | Path | None
) -> str | Path | _Model | None:
    if model is not None and path is not None:
        raise ConfigError("model and path are two names of one thing: give one of them")
    return model if path is None else path


def _model_at(path: object) -> _Model:
    if not isinstance(path, str | Path):
        raise ConfigError(
            f"path must be the folder of saved fitted users, got {type(path).__name__}"
        )
    try:
        return _model_of(path)
    except ModelFileError as error:
        raise ModelFileError(f"path: {error}") from None


def _check_for_slates(drift_weight: float, initial_budget: float, choice: str) -> None:
    given = {
        "drift_weight": drift_weight != _DRIFT_WEIGHT,
        "initial_budget": initial_budget != _BUDGET,
        "choice": choice != FITTED_CHOICES[0],
    }
    for name in (name for name, is_given in given.items() if is_given):
        raise ConfigError(
            f"{name} is for users learned from ratings; those learned from slates do as the log "
            "says (see card())"
        )


def _model_of(model: str | Path | _Model | None) -> _Model:
    if isinstance(model, FittedUsersModel | SlateUsersModel):
        return model
    if model is None:
        return _made_up_model()
    if not isinstance(model, str | Path):
        raise ConfigError(
            "model must be the folder of saved fitted users, such a model or None, got "
            f"{type(model).__name__}"
        )
    if str(model).startswith(_IN_MEMORY):
        raise ModelFileError(
            f"the model {str(model)!r} was never saved: save it, and pass its folder as `model`"
        )
    path = Path(model).absolute()
    try:
        saved = (path / "model.json").stat()
    except OSError:
        return load_fitted(path)  # says what is wrong
    return _loaded(path, saved.st_mtime_ns, saved.st_ino)


@lru_cache(maxsize=4)
def _loaded(path: Path, written_ns: int, inode: int) -> _Model:
    """Load a folder once, unless it has been written anew."""
    return load_fitted(path)


def load_fitted(path: str | Path) -> _Model:
    """Return users learned from ratings or from slates, whichever a folder holds.

    Raises:
        ModelFileError: The folder is missing, damaged, of another kind or version.
    """
    is_of_slates = read_model(path, "user-model").model == "slate_users"
    return SlateUsersModel.load(path) if is_of_slates else FittedUsersModel.load(path)


@lru_cache(maxsize=1)
def _made_up_model() -> FittedUsersModel:
    return fit_users(made_up_ratings(), factors=8, rating_factors=8, choice_regularisation=1.0)


def _name_of(model: str | Path | _Model | None) -> str | None:
    if isinstance(model, FittedUsersModel | SlateUsersModel):
        return f"{_IN_MEMORY}{model.fingerprint}"
    return None if model is None else str(model)


def _population(fitted: FittedUsersModel, name: str) -> Ints:
    check_name("population", name, POPULATIONS)
    if not len(fitted.populations[name]):
        raise ConfigError(f"nobody is in the population {name!r}: its share is 0")
    return fitted.populations[name]


def _source(model: str | Path | _Model | None) -> tuple[Assumption, ...]:
    if model is not None:
        return ()
    note = "fitted to these, for want of a log; nothing here is about real users"
    return (Assumption("ratings", "made up", "assumed", note),)


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
