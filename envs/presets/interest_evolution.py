"""Users whose interests evolve with what they watch, and whose time follows quality."""

from typing import Any

import numpy as np

from rlrec.arrays import Floats
from rlrec.data.catalogue import Catalogue
from rlrec.data.history import HistoryShape
from rlrec.envs.arguments import check_whole_number
from rlrec.envs.blocks.choice import ProportionalChoice
from rlrec.envs.blocks.leaving import TimeBudget
from rlrec.envs.blocks.response import WatchTime
from rlrec.envs.blocks.taste import InterestDrift, TopicTaste
from rlrec.envs.documents import TopicDocuments
from rlrec.envs.items import CatalogueItems, FreshDocuments, ItemQuality, Items
from rlrec.envs.planning.time_price import PlanningReference
from rlrec.envs.simulator import Assumption, Problem, UserSimulator
from rlrec.envs.users import Users

ENV_ID = "rlrec/InterestEvolution-v0"
N_TOPICS = 20
QUALITY_SD = 0.1


def interest_evolution(
    n_users: int,
    first_user: int = 0,
    *,
    n_items: int | None = None,
    n_candidates: int = 10,
    slate_size: int | None = None,
    catalogue_seed: int = 0,
    tastes_observed: bool | None = None,
    history_length: int = 20,
    max_steps: int | None = None,
) -> UserSimulator:
    """Return users of RecSim's interest evolution, with fresh documents or a fixed catalogue.

    Items have one of 20 topics and a hidden quality, Normal(mean of the topic, 0.1); 14 topics have
    means spread evenly from -3 to 0 and 6 from 0 to 3. A user has an interest in [-1, 1] in each
    topic and 200 minutes. Clicks follow interests: an item is taken with weight interest + 1,
    nothing with weight 2. Time follows quality: an item costs 4 minutes and gives back 0.2647
    minutes for each minute watched and unit of quality; taking nothing costs half a minute. Each
    click moves the interest in its topic (`InterestDrift`). So clicking well is not serving well.

    Observation:
        With fresh documents: `user` (20,) the interests, `candidate_features` (M, 20) topics of the
        candidates one-hot, `topic_counts` (21,), `last_response` (K, 2). With a catalogue:
        `history_items` (H,), `history_responses` (H, 2), `topic_counts` (21,), `last_slate` (K,),
        `last_response` (K, 2). The remaining time and the quality are never observed.

    Action:
        `MultiDiscrete([M] * K)` positions among the candidates, or `MultiDiscrete([N] * K)` items.

    Reward:
        Minutes watched in this step: 4 for a click (less if less time is left), else 0.

    Episode end:
        `terminated` when the user's time is used up; `truncated` after `max_steps`, if given.

    Arguments:
        n_users: B.
        first_user: Number of the first user of the batch.
        n_items: Size N of a fixed catalogue; None for fresh documents at every step.
        n_candidates: M, fresh documents on offer (unused with a catalogue).
        slate_size: K; by default 3 with fresh documents and 10 with a catalogue.
        catalogue_seed: Seed of the catalogue's topics and qualities.
        tastes_observed: Whether `user` is observed; by default with fresh documents only.
        history_length: H.
        max_steps: Limit of an episode; None for none.

    Version history:
        v0: Ie et al., 2019, "RecSim", as published in version 0.2.4; the catalogue is ours.
    """
    check_whole_number("n_candidates", n_candidates, 1)
    check_whole_number("catalogue_seed", catalogue_seed, 0)
    if n_items is not None:
        check_whole_number("n_items", n_items, 1)
    if slate_size is None:
        slate_size = 3 if n_items is None else 10
    tastes_observed = (n_items is None) if tastes_observed is None else tastes_observed
    items = _items(n_items, n_candidates, catalogue_seed)
    budget = TimeBudget()
    problem = Problem(
        env_id=ENV_ID,
        arguments={
            "n_items": n_items,
            "n_candidates": n_candidates,
            "slate_size": slate_size,
            "catalogue_seed": catalogue_seed,
            "tastes_observed": tastes_observed,
            "history_length": history_length,
            "max_steps": max_steps,
        },
        users=Users(
            items=items,
            taste=TopicTaste(N_TOPICS, InterestDrift()),
            choice=ProportionalChoice(),
            response=WatchTime(budget),
            slate_size=slate_size,
            leaving=budget,
            tastes_observed=tastes_observed,
        ),
        slate_size=slate_size,
        history=_history(slate_size, history_length, n_items is not None),
        catalogue=items.catalogue if isinstance(items, CatalogueItems) else None,
        max_steps=max_steps,
        card=_card(),
        plan=PlanningReference.fit,
    )
    return UserSimulator(problem, n_users, first_user)


def topic_means() -> Floats:
    """Return the mean quality of each topic, (20,)."""
    return np.concatenate([np.linspace(-3.0, 0.0, 14), np.linspace(0.0, 3.0, 6)])


def _items(n_items: int | None, n_candidates: int, catalogue_seed: int) -> Items:
    if n_items is None:
        return FreshDocuments(n_candidates, TopicDocuments(topic_means(), QUALITY_SD))
    rng = np.random.default_rng(catalogue_seed)
    topics = rng.integers(N_TOPICS, size=n_items)
    quality = topic_means()[topics] + QUALITY_SD * rng.standard_normal(n_items)
    catalogue = Catalogue(
        item_ids=np.arange(n_items),
        topics=topics,
        features=np.eye(N_TOPICS, dtype=np.float32)[topics],
        topic_names=tuple(f"topic {number}" for number in range(N_TOPICS)),
    )
    return CatalogueItems(catalogue, ItemQuality(quality))


def _history(slate_size: int, length: int, with_catalogue: bool) -> HistoryShape:
    counted = ("last_response", "topic_counts")
    named = ("history_items", "history_responses", "last_slate")
    return HistoryShape(
        keys=(*named, *counted) if with_catalogue else counted,
        slate_size=slate_size,
        n_channels=len(WatchTime.channels),
        n_topics=N_TOPICS,
        length=length,
    )


def _card() -> tuple[Assumption, ...]:
    def line(name: str, value: Any, note: str) -> Assumption:
        return Assumption(name, str(value), "assumed", note)

    published = "as published for RecSim's interest evolution"
    return (
        line("interests", "uniform on [-1, 1] in 20 topics", published),
        line("choice", "weight interest + 1; nothing: weight 2", published),
        line("interest drift", "0.3 (1 - |x|)(1 - x), up with probability (x + 1) / 2", published),
        line("quality of a topic", "14 means from -3 to 0, 6 from 0 to 3; sd 0.1", published),
        line("time", "200 minutes; item 4, idle 0.5, bonus 0.2647 a minute and unit", published),
    )
