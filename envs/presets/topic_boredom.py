"""Users who tire of topics: too many clicks on one topic spoil the visit for a while."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from rlrec.data.catalogue import Catalogue
from rlrec.data.history import HistoryShape
from rlrec.envs.arguments import (
    check_catalogue_size,
    check_flag,
    check_name,
    check_number,
    check_one_of,
    check_size,
    check_whole_number,
)
from rlrec.envs.blocks.block import Block
from rlrec.envs.blocks.boredom import SCOPES, Boredom, Scope
from rlrec.envs.blocks.influence import Influence
from rlrec.envs.blocks.item_vectors import ItemVectors
from rlrec.envs.blocks.response import Click
from rlrec.envs.blocks.sameness import Sameness
from rlrec.envs.blocks.scanning import LogisticAttraction, PositionBasedChoice
from rlrec.envs.blocks.vector_taste import SCALES, FewTopics, Scale, VectorTaste, unit
from rlrec.envs.blocks.visit_length import VisitLength
from rlrec.envs.items import CatalogueItems, ItemQuality
from rlrec.envs.opening import OpenedUsers
from rlrec.envs.planning.topic_filling import BoredomPlanner
from rlrec.envs.simulator import Assumption, Problem, UserSimulator
from rlrec.envs.users import Users

ENV_ID = "rlrec/TopicBoredom-v0"
Counted = Literal["last_10", "window"]
COUNTED: tuple[Counted, ...] = ("last_10", "window")
_WINDOW = 5
_DURATION = 5
_LEAST_TOPICS = 3


@dataclass(frozen=True, kw_only=True)
class _Setting:
    """What a preset decides."""

    n_items: int = 1000
    slate_size: int = 10
    n_topics: int = 10
    n_steps: int = 100
    slope: float = 100.0
    offset: float = 0.65
    decay: float = 0.85
    two_way: bool = False
    influence: float = 0.0
    published_influence: bool = False
    threshold: int = 5
    counted: Counted = "last_10"
    bored_scope: Scope = "visit"
    relevance_scale: Scale = "best_item"
    diversity_penalty: float = 1.0
    opening_slate: bool = False


_SARDINE = _Setting(relevance_scale="item_norm", opening_slate=True)
_INFLUENCED = replace(_SARDINE, influence=0.05, published_influence=True)
_NEVER = 11  # more clicks than are counted
_RERANK = replace(
    _SARDINE, n_items=10, n_steps=10, slope=5.0, offset=0.3, decay=0.7, threshold=_NEVER
)
PRESETS: dict[str, _Setting] = {
    "TopK-Bored": _SARDINE,
    "TopK-BoredInf": _INFLUENCED,
    "TopK-Uncertain": replace(_INFLUENCED, slope=10.0),
    "SingleItem-Static": replace(_SARDINE, slate_size=1, threshold=_NEVER),
    "SingleItem-BoredInf": replace(_INFLUENCED, slate_size=1),
    "SingleItem-Uncertain": replace(_SARDINE, slate_size=1, slope=10.0, threshold=_NEVER),
    "Rerank-Static": _RERANK,
    "Rerank-Bored": replace(_RERANK, threshold=4),
}


def topic_boredom(
    n_users: int,
    first_user: int = 0,
    *,
    preset: str | None = None,
    n_items: int | None = None,
    slate_size: int | None = None,
    n_topics: int | None = None,
    n_steps: int | None = None,
    slope: float | None = None,
    offset: float | None = None,
    decay: float | None = None,
    two_way: bool | None = None,
    influence: float | None = None,
    published_influence: bool | None = None,
    threshold: int | None = None,
    counted: Counted | None = None,
    bored_scope: Scope | None = None,
    relevance_scale: Scale | None = None,
    diversity_penalty: float | None = None,
    opening_slate: bool | None = None,
    catalogue_seed: int = 0,
    tastes_observed: bool = False,
    counts_observed: bool = False,
    history_length: int = 20,
    max_steps: int | None = None,
) -> UserSimulator:
    """Return users who like some topics, click what they like, and tire of what they click.

    An item is a unit vector over topics, Uniform(0, 1) in two or three of them, and its main topic
    is the largest. A user is a unit vector too, Uniform(0, 1) in three to five topics. An item is
    relevant with probability 1 / (1 + exp(-slope (score - offset))), the score being their dot
    product divided by that of the user's best item, and clicked in slot k (from 0) with decay^k of
    it. A topic with 5 counted clicks or more is bored for 5 steps, and while any topic is bored the
    whole visit has no interest (`Boredom`). So clicking well now is clicking nothing later.

    Observation:
        `history_items` (H,), `history_responses` (H, 1), `topic_counts` (T + 1,), `last_slate`
        (K,), `last_response` (K, 1). With `tastes_observed` also `user` (T,), the taste; with
        `counts_observed` also `context` (T,), counted clicks divided by `threshold`, at most 1. The
        vectors of items and what is bored are never observed, the main topics are.

    Action:
        `MultiDiscrete([N] * K)` items of the catalogue.

    Reward:
        Clicks in this step.

    Episode end:
        `terminated` after `n_steps`; `truncated` after `max_steps`, if given and smaller.

    Arguments:
        n_users: B.
        first_user: Number of the first user of the batch.
        preset: A published setting, or None for ours, given below in brackets. It stands for the
            arguments down to `opening_slate`; those that are given go before it. "TopK-Bored":
            slates of 10, boredom. "TopK-BoredInf": clicks also draw tastes (`influence` 0.05).
            "TopK-Uncertain": that, and clicks follow tastes less sharply (`slope` 10).
            "SingleItem-Static": one item at a time, nobody is ever bored. "SingleItem-BoredInf":
            one item, boredom and influence. "SingleItem-Uncertain": one item, `slope` 10, nobody is
            bored. "Rerank-Static": 10 items in all, to be put in order in visits of 10 steps, and
            nobody is bored. "Rerank-Bored": that, with boredom from 4 clicks on.
        n_items: N (1000).
        slate_size: K (10).
        n_topics: T (10), 3 or more.
        n_steps: Length of a visit (100).
        slope: How sharply relevance follows the score (100), above 0.
        offset: Score of relevance 1/2 (0.65).
        decay: Factor from one slot to the next in looking at it (0.85), in 0..1.
        two_way: Whether half of the users look from the bottom (False).
        influence: Weight with which clicked items draw the taste towards them (0), in 0..1.
        published_influence: Whether that pulls towards equal interest in all topics instead, as the
            published code does by mistake (False).
        threshold: Counted clicks on a topic that bore (5); 11 with "last_10" is never.
        counted: Of the clicks of the last 5 steps, those among the last 10 clicks ("last_10"), or
            all ("window").
        bored_scope: What a bored topic spoils: the whole "visit", or that "topic" alone.
        relevance_scale: Scores are divided by that of the user's best item ("best_item"), or by the
            largest length of an item, which is 1 ("item_norm").
        diversity_penalty: What relevance is divided by where 4 items of a slate or more share a
            main topic (1: off), 1 or more.
        opening_slate: Whether a visit begins with a random slate whose clicks bore and influence,
            but are neither rewarded nor observed (False).
        catalogue_seed: Seed of the items.
        tastes_observed: Whether `user` is observed.
        counts_observed: Whether `context` is observed.
        history_length: H.
        max_steps: Limit of an episode; None for none.

    Version history:
        v0: Deffayet et al., 2023, "SARDINE: A Simulator for Automated Recommendation in Dynamic and
            Interactive Environments", as published in version 1.0.8; items, `relevance_scale`
            "best_item" and counting by "window" are ours. Ten items are few, so returns of
            "Rerank-Static" depend on them: random slates earn 13.60, 14.13, 14.43, 14.92, 14.70 and
            14.24 clicks with `catalogue_seed` 0 to 5 (standard error 0.08 or less), and 14.67 with
            the published items.
    """
    given: dict[str, Any] = {
        "n_items": n_items,
        "slate_size": slate_size,
        "n_topics": n_topics,
        "n_steps": n_steps,
        "slope": slope,
        "offset": offset,
        "decay": decay,
        "two_way": two_way,
        "influence": influence,
        "published_influence": published_influence,
        "threshold": threshold,
        "counted": counted,
        "bored_scope": bored_scope,
        "relevance_scale": relevance_scale,
        "diversity_penalty": diversity_penalty,
        "opening_slate": opening_slate,
    }
    setting = _setting(preset, given)
    check_whole_number("catalogue_seed", catalogue_seed, 0)
    check_flag("tastes_observed", tastes_observed)
    check_flag("counts_observed", counts_observed)
    vectors = item_vectors(setting.n_items, setting.n_topics, catalogue_seed)
    items = CatalogueItems(_catalogue(vectors), ItemQuality(np.zeros(vectors.n_items)))
    problem = Problem(
        env_id=ENV_ID,
        arguments={
            "preset": preset,
            **asdict(setting),
            "catalogue_seed": catalogue_seed,
            "tastes_observed": tastes_observed,
            "counts_observed": counts_observed,
            "history_length": history_length,
            "max_steps": max_steps,
        },
        users=_users(setting, vectors, items, tastes_observed, counts_observed),
        slate_size=setting.slate_size,
        history=HistoryShape(
            slate_size=setting.slate_size,
            n_channels=len(Click.channels),
            n_topics=setting.n_topics,
            length=history_length,
        ),
        catalogue=items.catalogue,
        max_steps=max_steps,
        card=_card(preset, setting, max_steps),
        plan=BoredomPlanner.fit,
    )
    return UserSimulator(problem, n_users, first_user)


def item_vectors(n_items: int, n_topics: int, seed: int) -> ItemVectors:
    """Return items drawn from a seed: unit vectors, uniform in two or three random topics."""
    rng = np.random.default_rng(seed)
    weights = 1.0 - rng.random((n_items, n_topics))  # above 0
    n_kept = rng.integers(2, 4, size=n_items)
    order = np.argsort(rng.random((n_items, n_topics)), axis=1)
    kept = np.zeros((n_items, n_topics), bool)
    np.put_along_axis(kept, order, np.arange(n_topics) < n_kept[:, None], axis=1)
    return ItemVectors(unit(np.where(kept, weights, 0.0)))


def _setting(preset: str | None, given: dict[str, Any]) -> _Setting:
    """Return the setting of a preset with what is given in its place, checked."""
    if preset is not None:
        check_name("preset", preset, PRESETS)
    base = _Setting() if preset is None else PRESETS[preset]
    setting = replace(base, **{name: value for name, value in given.items() if value is not None})
    _check(setting)
    return setting


def _check(setting: _Setting) -> None:
    """Raise an error where an argument is wrong, whether or not the others leave it in use."""
    check_catalogue_size(setting.n_items, setting.n_topics, _LEAST_TOPICS)
    check_whole_number("slate_size", setting.slate_size, 1, setting.n_items)
    check_size("n_steps", setting.n_steps)
    check_size("threshold", setting.threshold)
    check_number("slope", setting.slope, 0.0, above=True)
    check_number("offset", setting.offset)
    check_number("decay", setting.decay, 0.0, 1.0)
    check_number("influence", setting.influence, 0.0, 1.0)
    check_number("diversity_penalty", setting.diversity_penalty, 1.0)
    for name in ("two_way", "published_influence", "opening_slate"):
        check_flag(name, getattr(setting, name))
    known = {"counted": COUNTED, "bored_scope": SCOPES, "relevance_scale": SCALES}
    for name, words in known.items():
        check_one_of(name, getattr(setting, name), words)


def _catalogue(vectors: ItemVectors) -> Catalogue:
    topics = vectors.main_topics
    return Catalogue(
        item_ids=np.arange(vectors.n_items),
        topics=topics,
        features=np.eye(vectors.n_topics, dtype=np.float32)[topics],
        topic_names=tuple(f"topic {number}" for number in range(vectors.n_topics)),
    )


def _users(
    setting: _Setting,
    vectors: ItemVectors,
    items: CatalogueItems,
    tastes_observed: bool,
    counts_observed: bool,
) -> Users:
    taste = VectorTaste(vectors, FewTopics(), setting.relevance_scale)
    attraction = LogisticAttraction(setting.slope, setting.offset)
    boredom = Boredom(
        n_topics=setting.n_topics,
        threshold=setting.threshold,
        window=_WINDOW,
        most_counted=10 if setting.counted == "last_10" else _WINDOW * setting.slate_size,
        duration=_DURATION,
        scope=setting.bored_scope,
        counts_observed=counts_observed,
    )
    blocks: list[Block] = [boredom]
    if setting.diversity_penalty != 1:
        blocks.append(Sameness(attraction, setting.n_topics, setting.diversity_penalty))
    if setting.influence != 0:
        blocks.append(Influence(taste, setting.influence, setting.published_influence))
    kind = OpenedUsers if setting.opening_slate else Users
    return kind(
        items=items,
        taste=taste,
        choice=PositionBasedChoice(attraction, setting.decay, setting.two_way),
        response=Click(),
        slate_size=setting.slate_size,
        blocks=blocks,
        leaving=VisitLength(n_steps=setting.n_steps),
        tastes_observed=tastes_observed,
    )


def _card(preset: str | None, setting: _Setting, max_steps: int | None) -> tuple[Assumption, ...]:
    published = PRESETS["TopK-Bored"] if preset is None else PRESETS[preset]
    source = f"as published for SARDINE's {'TopK-Bored' if preset is None else preset}"

    def line(name: str, value: str, *parts: str) -> Assumption:
        changed = [part for part in parts if getattr(setting, part) != getattr(published, part)]
        note = f"{', '.join(changed)} chosen here" if changed else source
        return Assumption(name, value.format_map(asdict(setting)), "assumed", note)

    examined = "({decay}^k + {decay}^(K - 1 - k)) / 2" if setting.two_way else "{decay}^k"
    pull = "an equal interest in all topics" if setting.published_influence else "clicked items"
    counted = "among the last 10" if setting.counted == "last_10" else "all of them"
    spoiled = "the whole visit" if setting.bored_scope == "visit" else "that topic"
    scale = {"best_item": "that of the user's best item", "item_norm": "the largest item length"}
    opening = "a random slate, neither rewarded nor observed" if setting.opening_slate else "none"
    return (
        Assumption(
            "items",
            f"{setting.n_items}, Uniform(0, 1) in 2 or 3 of {setting.n_topics} topics, length 1",
            "assumed",
            "of the shape of SARDINE's item file, which is not used",
        ),
        line("tastes", "Uniform(0, 1) in 3 to 5 topics (each with chance 0.4), length 1"),
        line(
            "score", f"dot product divided by {scale[setting.relevance_scale]}", "relevance_scale"
        ),
        line("relevance", "1 / (1 + exp(-{slope} (score - {offset})))", "slope", "offset"),
        line("slots looked at", f"with probability {examined}", "decay", "two_way"),
        line("a slate of one topic", "relevance divided by {diversity_penalty}, from 4 items of it")
        if setting.diversity_penalty != 1
        else line("a slate of one topic", "no effect", "diversity_penalty"),
        line("counted clicks", f"of the last {_WINDOW} steps, {counted}", "counted"),
        line(
            "boredom",
            f"from {{threshold}} counted clicks on a topic; {spoiled} for {_DURATION} steps",
            *("threshold", "bored_scope"),
        ),
        line(
            "influence",
            f"weight {{influence}} towards {pull}" if setting.influence else "none",
            *("influence", "published_influence"),
        ),
        line("opening slate", opening, "opening_slate"),
        line("length of a visit", "{n_steps} steps", "n_steps"),
        Assumption("limit of an episode", str(max_steps), "assumed", "as asked for"),
    )
