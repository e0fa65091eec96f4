"""Users composed by configuration: any choice model, response and blocks, by name."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from rlrec.arrays import Floats, Ints
from rlrec.data.catalogue import Catalogue
from rlrec.data.history import HistoryShape
from rlrec.envs.arguments import check_catalogue_size, check_flag, check_whole_number, plain
from rlrec.envs.blocks.response import WatchTime
from rlrec.envs.blocks.vector_taste import unit
from rlrec.envs.combinations import check_blocks_fit, check_ends_fit
from rlrec.envs.composition import Built, build, build_part, read_prior
from rlrec.envs.items import CatalogueItems, ItemQuality
from rlrec.envs.menus import BLOCKS, CHOICES, LEAVINGS, RESPONSES, TASTES
from rlrec.envs.planning.myopic import MyopicOracle
from rlrec.envs.planning.time_price import PlanningReference
from rlrec.envs.simulator import Assumption, Planner, Problem, UserSimulator
from rlrec.envs.users import Users
from rlrec.errors import UnknownNameError, nearest_hint

ENV_ID = "rlrec/ComposedUsers-v0"
Spec = str | Mapping[str, Any]
"""The name of a part, or a mapping of `name` and parameters."""


def composed_users(
    n_users: int,
    first_user: int = 0,
    *,
    n_items: int = 200,
    n_topics: int = 10,
    item_topics: int = 1,
    quality: float | Mapping[str, Any] | None = None,
    slate_size: int = 5,
    taste: Spec = "topics",
    choice: Spec = "logit",
    response: Spec = "click",
    blocks: Mapping[str, Any] | None = None,
    leaving: Spec = "fixed_length",
    catalogue_seed: int = 0,
    tastes_observed: bool = False,
    history_length: int = 20,
    max_steps: int | None = None,
) -> UserSimulator:
    """Return users put together from parts that are named, each with parameters of its own.

    The place to try any combination: everything can stand in a YAML file. A part is its name, or a
    mapping such as `{"name": "cascade", "attention": 0.8, "attraction": {"name": "logistic",
    "slope": 2.0}}`. A parameter that may differ between users takes a number or a prior:
    `{"uniform": [low, high]}`, `{"normal": [mean, sd]}` or `{"log_normal": [median, sigma]}`.
    `rlrec.envs.menus` lists the parts; the classes it names document their parameters.

    Items have a main topic of T, drawn uniformly, and a hidden quality, which some parts act on.
    Tastes that are vectors see an item as a unit vector: 1 in its topic, or with `item_topics`
    above 1 weights in so many topics, of which that of the main topic is the largest.

    Observation:
        `history_items` (H,), `history_responses` (H, R), `topic_counts` (T + 1,), `last_slate` (K,)
        and `last_response` (K, R); `user` (T,), the interests, with `tastes_observed`; `context`
        with leaving "visits" or with `counts_observed` of "boredom".

    Action:
        `MultiDiscrete([N] * K)` items.

    Reward:
        As the response says: with "click" the number of items taken, with "watch_time" minutes,
        with "channels" the weighted channels, with "engagement" the engagement.

    Episode end:
        `terminated` when the user leaves, `truncated` after `max_steps`.

    Arguments:
        n_users: B.
        first_user: Number of the first user of the batch.
        n_items: N.
        n_topics: T.
        item_topics: Topics of an item, 1..T.
        quality: Number or prior that the items' qualities are drawn from; by default a standard
            normal.
        slate_size: K.
        taste: "topics", with `interests` (a prior) and `drift` (0..1); "factors", normal and with
            `influence`; or "unit_vectors", which boredom and the blocks of influence need.
        choice: "logit", "proportional", "first", "position_based", "cascade", "dependent_click" or
            "dynamic_bayesian".
        response: "click", "watch_time" (needs leaving "time_budget"), "channels", or "engagement"
            (needs the block "sensitisation").
        blocks: Parameters of each block that is switched on, by its name: "taste_drift",
            "hedonic_adaptation", "influence", "mere_exposure", "biased_assimilation",
            "quality_appeal", "satiation", "operant_conditioning", "satisfaction", "sensitisation",
            "boredom", "sameness". `{}` takes a block's defaults; null, or leaving it out, is off.
        leaving: "fixed_length", "never", "time_budget", "patience", or "visits", after which users
            come back (an episode is then a user's whole time).
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
    check_catalogue_size(n_items, n_topics)
    check_whole_number("item_topics", item_topics, 1, n_topics)
    check_whole_number("catalogue_seed", catalogue_seed, 0)
    check_flag("tastes_observed", tastes_observed)
    quality = {"normal": [0.0, 1.0]} if quality is None else plain(quality)
    items = _items(n_items, n_topics, item_topics, quality, catalogue_seed)
    parts = _parts(taste, choice, response, blocks, leaving, items)
    problem = Problem(
        env_id=ENV_ID,
        arguments={
            "n_items": n_items,
            "n_topics": n_topics,
            "item_topics": item_topics,
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
        card=_card(n_topics, item_topics, quality, parts),
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
    items: CatalogueItems,
) -> _Parts:
    n_topics = items.catalogue.n_topics
    given: dict[str, Any] = {"n_topics": n_topics, "n_factors": n_topics, "source": items}
    given["vectors"] = items.catalogue.features.astype(np.float64)
    likes = build("taste", taste, TASTES, given)
    chooses = build("choice", choice, CHOICES)
    given |= {"taste": likes.part, "attraction": getattr(chooses.part, "attraction", None)}
    check_blocks_fit({} if blocks is None else blocks, likes.part, chooses.part)
    inner = _blocks({} if blocks is None else blocks, given)
    stays = build("leaving", leaving, LEAVINGS, given)
    given["budget"] = stays.part
    given["sensitisation"] = inner["sensitisation"].part if "sensitisation" in inner else None
    yields = build("response", response, RESPONSES, given)
    check_ends_fit(stays.part, yields.part, {name: b.part for name, b in inner.items()}, items)
    return _Parts(likes, chooses, yields, stays, inner)


def _blocks(configured: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Built]:
    for name in configured:
        if name not in BLOCKS:
            hint = nearest_hint(str(name), BLOCKS)
            raise UnknownNameError(f"no block is called {name!r}.{hint}")
    return {
        name: build_part(f"block {name!r}", configured[name], part, given)
        for name, part in BLOCKS.items()
        if configured.get(name) is not None
    }


def _items(
    n_items: int, n_topics: int, item_topics: int, quality: Any, catalogue_seed: int
) -> CatalogueItems:
    rng = np.random.default_rng(catalogue_seed)
    topics = rng.integers(n_topics, size=n_items)
    qualities = read_prior("quality", quality).of(rng.random(n_items))
    catalogue = Catalogue(
        item_ids=np.arange(n_items),
        topics=topics,
        features=_vectors(topics, n_topics, item_topics, rng).astype(np.float32),
        topic_names=tuple(f"topic {number}" for number in range(n_topics)),
    )
    return CatalogueItems(catalogue, ItemQuality(qualities))


def _vectors(topics: Ints, n_topics: int, item_topics: int, rng: np.random.Generator) -> Floats:
    """Return items as unit vectors (N, T), the main topic's weight the largest."""
    main = np.eye(n_topics)[topics]
    others = rng.random((len(topics), n_topics)) * (1.0 - main)
    kept = np.argsort(np.argsort(-others, axis=1), axis=1) < item_topics - 1
    return unit(main + np.where(kept, others, 0.0))


def _myopic(simulator: UserSimulator, n_users: int, seed: int) -> MyopicOracle:
    return MyopicOracle()


def _card(n_topics: int, item_topics: int, quality: Any, parts: _Parts) -> tuple[Assumption, ...]:
    def line(name: str, value: str) -> Assumption:
        return Assumption(name, value, "assumed", "as configured, with defaults filled in")

    lines = [
        line("items", f"{item_topics} topics of {n_topics} each, uniform; quality {quality}"),
        *(line(kind, getattr(parts, kind).described) for kind in ("taste", "choice", "response")),
    ]
    for name in BLOCKS:
        is_on = name in parts.blocks
        lines.append(line(f"block {name}", parts.blocks[name].described if is_on else "off"))
    return (*lines, line("leaving", parts.leaving.described))
