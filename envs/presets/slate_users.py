"""Users learned from a log of slates: the problem that a `SlateUsersModel` makes."""

from typing import Any

import numpy as np

from rlrec.data.history import HistoryShape
from rlrec.envs.arguments import check_name
from rlrec.envs.blocks.block import Block, Leaving
from rlrec.envs.blocks.choice import ChoiceModel
from rlrec.envs.blocks.context import DayAndDevice
from rlrec.envs.blocks.drift import TasteDrift
from rlrec.envs.blocks.item_appeal import ItemAppeal
from rlrec.envs.blocks.patience import Patience
from rlrec.envs.blocks.person_taste import PersonTaste
from rlrec.envs.blocks.priors import LogNormal
from rlrec.envs.blocks.response import ItemYield
from rlrec.envs.blocks.returning import Returning
from rlrec.envs.blocks.satiation import Satiation
from rlrec.envs.blocks.satisfaction import Satisfaction
from rlrec.envs.blocks.scanning import CascadeChoice, LogisticAttraction, PositionBasedChoice
from rlrec.envs.blocks.visits import Visits
from rlrec.envs.fitting.populations import POPULATIONS
from rlrec.envs.fitting.slates.slate_users import NEW, SlateUsersModel
from rlrec.envs.items import CatalogueItems, ItemQuality
from rlrec.envs.planning.myopic import MyopicOracle
from rlrec.envs.simulator import Assumption, Problem, UserSimulator
from rlrec.envs.users import Users
from rlrec.errors import ConfigError


def slate_users_problem(
    model: SlateUsersModel,
    env_id: str,
    arguments: dict[str, Any],
    *,
    population: str,
    slate_size: int,
    tastes_observed: bool,
    history_length: int,
    max_steps: int | None,
    comes_back: bool,
) -> Problem:
    """Return the problem of users learned from slates.

    Args:
        model: What was learned.
        env_id: Of the environment.
        arguments: As the environment was asked for, to make it again.
        population: "train", "validation", "test", or "new".
        slate_size: K.
        tastes_observed: Whether the interests are observed.
        history_length: H.
        max_steps: Limit of an episode; None for none.
        comes_back: Whether an episode is all visits of a user rather than one.

    Raises:
        ConfigError: The population is not known or empty, or users come back for ever.
    """
    if comes_back and max_steps is None:
        raise ConfigError(
            "users that come back do so for ever, since a log does not tell who never will: give "
            "max_steps too"
        )
    catalogue = model.catalogue
    return Problem(
        env_id=env_id,
        arguments=arguments,
        users=Users(
            items=CatalogueItems(catalogue, ItemQuality(np.zeros(catalogue.n_items))),
            taste=_taste(model, population),
            choice=_choice(model),
            response=ItemYield(model.yields),
            slate_size=slate_size,
            blocks=_blocks(model),
            leaving=_leaving(model, comes_back),
            tastes_observed=tastes_observed,
        ),
        slate_size=slate_size,
        history=HistoryShape(
            slate_size=slate_size,
            n_channels=len(ItemYield.channels),
            n_topics=catalogue.n_topics,
            length=history_length,
        ),
        catalogue=catalogue,
        max_steps=max_steps,
        card=(*model.card(), *_assumptions(population, comes_back, max_steps)),
        plan=_myopic,
    )


def _taste(model: SlateUsersModel, population: str) -> PersonTaste:
    check_name("population", population, (*POPULATIONS, NEW))
    n_topics = model.catalogue.n_topics
    if population == NEW:
        variance = model.values["taste_sd"] ** 2
        return PersonTaste(np.zeros((1, n_topics)), np.full((1, n_topics), variance))
    rows = model.population(population)
    return PersonTaste(model.tastes[rows], model.taste_variances[rows], rows)


def _choice(model: SlateUsersModel) -> ChoiceModel:
    attraction = LogisticAttraction(offset=model.values["offset"])
    if model.scanning == "cascade":
        return CascadeChoice(attraction)
    return PositionBasedChoice(attraction, decay=model.values["decay"])


def _blocks(model: SlateUsersModel) -> list[Block]:
    values, n_topics = model.values, model.catalogue.n_topics
    persistence = values["persistence"]
    return [
        TasteDrift(
            n_factors=n_topics,
            persistence=persistence,
            sd=values["drift_sd"] * float(np.sqrt(1.0 - persistence**2)),
        ),
        ItemAppeal(model.appeals),
        Satiation(n_topics=n_topics, strength=values["strength"], memory=values["memory"]),
    ]


def _leaving(model: SlateUsersModel, comes_back: bool) -> Leaving:
    values = model.values
    patience = Patience(
        base=values["visit_base"],
        step_cost=values["visit_step_cost"],
        idle_cost=values["visit_idle_cost"],
        poor_cost=0.0,
        relief=0.0,
        fatigue_weight=1.0,
        tiring=1.0,
    )
    if not comes_back:
        return patience
    gaps = LogNormal(values["gap_median_hours"], values["gap_person_sd"])
    return Visits(
        satisfaction=Satisfaction(sensitivity=0.0, noise=0.0),
        patience=patience,
        returning=Returning(
            base_gap_hours=gaps, pull=0.0, spread=values["gap_spread"], tolerance_hours=None
        ),
        context=DayAndDevice(n_topics=model.catalogue.n_topics),
    )


def _myopic(simulator: UserSimulator, n_users: int, seed: int) -> MyopicOracle:
    """Return who knows the tastes of the moment: a floor for planning, where topics satiate."""
    return MyopicOracle()


def _assumptions(
    population: str, comes_back: bool, max_steps: int | None
) -> tuple[Assumption, ...]:
    def line(name: str, value: str, note: str) -> Assumption:
        return Assumption(name, value, "assumed", note)

    who = "like those seen, but none of them" if population == NEW else "equally likely"
    return (
        line("users", f"of the population {population!r}", who),
        line(
            "an episode", "all visits of a user" if comes_back else "one visit", "by `comes_back`"
        ),
        line("longest episode", str(max_steps or "no limit"), "in steps"),
    )
