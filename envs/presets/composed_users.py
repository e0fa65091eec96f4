"""Users composed by configuration: any choice model, response and blocks, by name."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from rlrec.data.catalogue import Catalogue
from rlrec.data.history import HistoryShape
from rlrec.envs.arguments import check_whole_number
from rlrec.envs.blocks.leaving import TimeBudget
from rlrec.envs.blocks.response import WatchTime
from rlrec.envs.composition import Built, build, build_part, read_prior
from rlrec.envs.items import CatalogueItems, ItemQuality
from rlrec.envs.menus import BLOCKS, CHOICES, LEAVINGS, RESPONSES, TASTES
from rlrec.envs.planning.myopic import MyopicOracle
from rlrec.envs.planning.time_price import PlanningReference
from rlrec.envs.simulator import Assumption, Planner, Problem, UserSimulator
from rlrec.envs.users import Users
from rlrec.errors import ConfigError, UnknownNameError, nearest_hint

ENV_ID = "rlrec/ComposedUsers-v0"
Spec = str | Mapping[str, Any]
"""The name of a part, or a mapping of `name` and parameters."""


def composed_users(
    n_users: int,
    first_user: int = 0,
    *,
    n_items: int = 200,
    n_topics: int = 10,
    quality: float | Mapping[str, Any] | None = None,
    slate_size: int = 5,
    taste: Spec = "topics",
    choice: Spec = "logit",
    response: Spec = "click",
    blocks: Mapping[str, Any] | None = None,
    leaving: Spec = "never",
    catalogue_seed: int = 0,
    tastes_observed: bool = False,
    history_length: int = 20,
    max_steps: int | None = 100,
) -> UserSimulator:
    """Return users put together from parts that are named, each with parameters of its own.

    The place to try any combination: everything can stand in a YAML file. A part is its name, or a
    mapping such as `{"name": "cascade", "attention": 0.8, "attraction": {"name": "logistic",
    "slope": 2.0}}`. A parameter that may differ between users takes a number or a prior:
    `{"uniform": [low, high]}`, `{"normal": [mean, sd]}` or `{"log_normal": [median, sigma]}`.
    `rlrec.envs.menus` lists the parts; the classes it names document their parameters.

    Items have one topic of T, drawn uniformly, and a hidden quality, which some parts act on.

    Observation:
        `history_items` (H,), `history_responses` (H, R), `topic_counts` (T + 1,), `last_slate` (K,)
        and `last_response` (K, R); `user` (T,), the interests, with `tastes_observed`.

    Action:
        `MultiDiscrete([N] * K)` items.

    Reward:
        As the response says: with "click" the number of items taken, with "watch_time" minutes.

    Episode end:
        `terminated` when the user leaves, `truncated` after `max_steps`.

    Arguments:
        n_users: B.
        first_user: Number of the first user of the batch.
        n_items: N.
        n_topics: T.
        quality: Number or prior that the items' qualities are drawn from; by default a standard
            normal.
        slate_size: K.
        taste: "topics", with `interests` (a prior) and `drift` (0..1).
        choice: "logit", "proportional", "first", "position_based", "cascade", "dependent_click" or
            "dynamic_bayesian".
        response: "click", or "watch_time" (which needs `leaving="time_budget"`).
        blocks: Parameters of each block that is switched on, by its name: "satiation",
            "operant_conditioning". `{}` takes a block's defaults; null, or leaving it out, is off.
        leaving: "never" or "time_budget".
        catalogue_seed: Seed of the items' topics and qualities.
        tastes_observed: Whether `user` is observed.
        history_length: H.
        max_steps: Limit of an episode; None for none.

    The planning reference is `MyopicOracle`, or with a time budget, watch time and a choice that
    weighs the slate `PlanningReference`. Where blocks carry effects over to later steps it knows
    nothing of them: a floor for planning then, not a ceiling.

    Version history:
        v0: First version.
    """
    for name, number in (("n_items", n_items), ("n_topics", n_topics)):
        check_whole_number(name, number, 1)
    check_whole_number("catalogue_seed", catalogue_seed, 0)
    quality = {"normal": [0.0, 1.0]} if quality is None else quality
    items = _items(n_items, n_topics, quality, catalogue_seed)
    parts = _parts(taste, choice, response, blocks, leaving, n_topics)
    problem = Problem(
        env_id=ENV_ID,
        arguments={
            "n_items": n_items,
            "n_topics": n_topics,
            "quality": quality,
            "slate_size": slate_size,
            **parts.settings,
            "catalogue_seed": catalogue_seed,
            "tastes_observed": tastes_observed,
            "history_length": history_length,
            "max_steps": max_steps,
        },
        users=parts.users(items, slate_size, tastes_observed),
        slate_size=slate_size,
        history=HistoryShape(
            slate_size=slate_size,
            n_channels=len(parts.response.part.channels),
            n_topics=n_topics,
            length=history_length,
        ),
        catalogue=items.catalogue,
        max_steps=max_steps,
        card=_card(n_topics, quality, parts),
        plan=parts.planner,
    )
    return UserSimulator(problem, n_users, first_user)


class _Parts(NamedTuple):
    taste: Built
    choice: Built
    response: Built
    leaving: Built
    blocks: dict[str, Built]
    """Those that are on, in the order in which they act."""

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments that make these parts again."""
        one_each = ("taste", "choice", "response", "leaving")
        settings: dict[str, Any] = {kind: getattr(self, kind).settings for kind in one_each}
        return {**settings, "blocks": {name: b.settings for name, b in self.blocks.items()}}

    def users(self, items: CatalogueItems, slate_size: int, tastes_observed: bool) -> Users:
        return Users(
            items=items,
            taste=self.taste.part,
            choice=self.choice.part,
            response=self.response.part,
            slate_size=slate_size,
            blocks=[block.part for block in self.blocks.values()],
            leaving=self.leaving.part,
            tastes_observed=tastes_observed,
        )

    @property
    def planner(self) -> Planner:
        is_timed = isinstance(self.response.part, WatchTime)
        if is_timed and hasattr(self.choice.part, "weights"):
            return PlanningReference.fit
        return _myopic


def _parts(
    taste: Spec,
    choice: Spec,
    response: Spec,
    blocks: Mapping[str, Any] | None,
    leaving: Spec,
    n_topics: int,
) -> _Parts:
    stays = build("leaving", leaving, LEAVINGS)
    given = {"n_topics": n_topics, "budget": stays.part}
    yields = build("response", response, RESPONSES, given)
    if isinstance(yields.part, WatchTime) and not isinstance(stays.part, TimeBudget):
        raise ConfigError(
            f"response 'watch_time' needs leaving 'time_budget', which says how long an item is "
            f"watched; got leaving {leaving!r}"
        )
    return _Parts(
        build("taste", taste, TASTES, given),
        build("choice", choice, CHOICES),
        yields,
        stays,
        _blocks({} if blocks is None else blocks, given),
    )


def _blocks(configured: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Built]:
    if not isinstance(configured, Mapping):
        raise ConfigError(
            f'blocks must be a mapping such as {{"satiation": {{"strength": 1.0}}}}, '
            f"got {configured!r}"
        )
    for name in configured:
        if name not in BLOCKS:
            hint = nearest_hint(str(name), BLOCKS)
            raise UnknownNameError(f"no block is called {name!r}.{hint}")
    return {
        name: build_part(f"block {name!r}", configured[name], part, given)
        for name, part in BLOCKS.items()
        if configured.get(name) is not None
    }


def _items(n_items: int, n_topics: int, quality: Any, catalogue_seed: int) -> CatalogueItems:
    rng = np.random.default_rng(catalogue_seed)
    topics = rng.integers(n_topics, size=n_items)
    qualities = read_prior("quality", quality).of(rng.random(n_items))
    catalogue = Catalogue(
        item_ids=np.arange(n_items),
        topics=topics,
        features=np.eye(n_topics, dtype=np.float32)[topics],
        topic_names=tuple(f"topic {number}" for number in range(n_topics)),
    )
    return CatalogueItems(catalogue, ItemQuality(qualities))


def _myopic(simulator: UserSimulator, n_users: int, seed: int) -> MyopicOracle:
    return MyopicOracle()


def _card(n_topics: int, quality: Any, parts: _Parts) -> tuple[Assumption, ...]:
    def line(name: str, value: str) -> Assumption:
        return Assumption(name, value, "assumed", "as configured, with defaults filled in")

    lines = [
        line("items", f"one topic of {n_topics} each, uniform; quality {quality}"),
        *(line(kind, getattr(parts, kind).described) for kind in ("taste", "choice", "response")),
    ]
    for name in BLOCKS:
        is_on = name in parts.blocks
        lines.append(line(f"block {name}", parts.blocks[name].described if is_on else "off"))
    return (*lines, line("leaving", parts.leaving.described))
