"""Users whose interests evolve with what they watch, and whose time follows quality."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from rlrec.arrays import Floats
from rlrec.data.catalogue import Catalogue
from rlrec.envs.arguments import (
    MOST_CANDIDATES,
    check_catalogue_size,
    check_flag,
    check_name,
    check_number,
    check_size,
    check_whole_number,
)
from rlrec.envs.blocks.choice import ChoiceModel, LogitChoice, ProportionalChoice
from rlrec.envs.blocks.leaving import TimeBudget
from rlrec.envs.blocks.response import WatchTime
from rlrec.envs.blocks.scanning import (
    Attraction,
    CascadeChoice,
    ExponentialAttraction,
    ProportionalAttraction,
)
from rlrec.envs.blocks.taste import InterestDrift, TopicTaste
from rlrec.envs.documents import TopicDocuments
from rlrec.envs.items import CatalogueItems, ItemQuality, Items
from rlrec.envs.planning.time_price import PlanningReference
from rlrec.envs.presets.recsim import (
    Published,
    documents_on_offer,
    history_of_topics,
    limit_line,
    offer_line,
)
from rlrec.envs.simulator import Assumption, Problem, UserSimulator
from rlrec.envs.users import Users

ENV_ID = "rlrec/InterestEvolution-v0"
N_TOPICS = 20
QUALITY_SD = 0.1
CHOICES = ("proportional", "logit", "cascade")
CASCADE_FORMS = ("exponential", "proportional")


def interest_evolution(
    n_users: int,
    first_user: int = 0,
    *,
    n_items: int | None = None,
    n_candidates: int = 10,
    slate_size: int | None = None,
    catalogue_seed: int = 0,
    resample_documents: bool = True,
    choice: str = "proportional",
    nothing_score: float = 1.0,
    minimum_score: float = -1.0,
    cascade_form: str = "exponential",
    attention_prob: float = 0.65,
    score_scaling: float = 0.05,
    drift_rate: float = 0.3,
    initial_budget: float = 200.0,
    item_length: float = 4.0,
    idle_cost: float = 0.5,
    quality_bonus: float = 0.9 / 3.4,
    tastes_observed: bool | None = None,
    history_length: int = 20,
    max_steps: int | None = None,
) -> UserSimulator:
    """Return users of RecSim's interest evolution, with fresh or kept documents, or a catalogue.

    Items have one of 20 topics and a hidden quality, Normal(mean of the topic, 0.1); 14 topics have
    means spread evenly from -3 to 0 and 6 from 0 to 3. A user has an interest in [-1, 1] in each
    topic and 200 minutes. Clicks follow interests: an item is taken with weight interest + 1,
    nothing with weight 2. Time follows quality: an item costs 4 minutes and gives back 0.2647
    minutes for each minute watched and unit of quality; taking nothing costs half a minute. Each
    click moves the interest in its topic (`InterestDrift`). So clicking well is not serving well.

    Observation:
        With documents: `user` (20,) the interests, `candidate_features` (M, 20) topics of the
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
        slate_size: K; by default 3 with documents and 10 with a catalogue.
        catalogue_seed: Seed of the topics and qualities of a catalogue, or of kept documents.
        resample_documents: Whether documents are fresh at every step; if not, M documents are drawn
            once (from `catalogue_seed`) and kept for all users (unused with a catalogue).
        choice: "proportional": weight score - `minimum_score`; "logit": weight exp(score);
            "cascade": from the top, each item is taken with a probability of its own
            (`cascade_form`) unless one above was.
        nothing_score: Score of taking nothing (unused by the cascade).
        minimum_score: Score of weight or probability 0, in the proportional forms.
        cascade_form: "exponential": `attention_prob * score_scaling * exp(score)`; "proportional":
            `attention_prob * score_scaling * (score - minimum_score)`; at most `attention_prob`.
        attention_prob: In 0..1.
        score_scaling: Above 0.
        drift_rate: Of `InterestDrift`, in 0..1; 0 switches it off.
        initial_budget: Minutes a visit begins with.
        item_length: Minutes an item lasts.
        idle_cost: Minutes lost when nothing is taken.
        quality_bonus: Minutes given back for each minute watched and unit of quality.
        tastes_observed: Whether `user` is observed; by default with documents, not a catalogue.
        history_length: H.
        max_steps: Limit of an episode; None for none.

    Version history:
        v0: Ie et al., 2019, "RecSim", as published in version 0.2.4; the catalogue is ours. Kept
            documents are the same for all users of a seed, and published ones last as long as their
            environment. Left out: documents without a topic, which no published setting uses.
    """
    if slate_size is None:
        slate_size = 3 if n_items is None else 10
    tastes_observed = (n_items is None) if tastes_observed is None else tastes_observed
    arguments: dict[str, Any] = {
        "n_items": n_items,
        "n_candidates": n_candidates,
        "slate_size": slate_size,
        "catalogue_seed": catalogue_seed,
        "resample_documents": resample_documents,
        "choice": choice,
        "nothing_score": nothing_score,
        "minimum_score": minimum_score,
        "cascade_form": cascade_form,
        "attention_prob": attention_prob,
        "score_scaling": score_scaling,
        "drift_rate": drift_rate,
        "initial_budget": initial_budget,
        "item_length": item_length,
        "idle_cost": idle_cost,
        "quality_bonus": quality_bonus,
        "tastes_observed": tastes_observed,
        "history_length": history_length,
        "max_steps": max_steps,
    }
    _check(arguments)
    items = _items(n_items, n_candidates, catalogue_seed, resample_documents)
    budget = TimeBudget(
        initial=initial_budget, item_length=item_length, idle_cost=idle_cost, bonus=quality_bonus
    )
    problem = Problem(
        env_id=ENV_ID,
        arguments=arguments,
        users=Users(
            items=items,
            taste=TopicTaste(N_TOPICS, InterestDrift(rate=drift_rate)),
            choice=_choice(arguments),
            response=WatchTime(budget),
            slate_size=slate_size,
            leaving=budget,
            tastes_observed=tastes_observed,
        ),
        slate_size=slate_size,
        history=history_of_topics(
            slate_size,
            len(WatchTime.channels),
            N_TOPICS,
            history_length,
            has_catalogue=n_items is not None,
        ),
        catalogue=items.catalogue if isinstance(items, CatalogueItems) else None,
        max_steps=max_steps,
        card=_card(arguments),
        plan=PlanningReference.fit,
    )
    return UserSimulator(problem, n_users, first_user)


def topic_means() -> Floats:
    """Return the mean quality of each topic, (20,)."""
    return np.concatenate([np.linspace(-3.0, 0.0, 14), np.linspace(0.0, 3.0, 6)])


def _check(arguments: dict[str, Any]) -> None:
    """Raise an error where an argument is wrong, whether or not the others leave it in use."""
    a = arguments
    if a["n_items"] is not None:
        check_catalogue_size(a["n_items"], N_TOPICS)
    check_size("n_candidates", a["n_candidates"], most=MOST_CANDIDATES)
    check_whole_number("catalogue_seed", a["catalogue_seed"], 0)
    check_name("choice", a["choice"], CHOICES)
    check_name("cascade_form", a["cascade_form"], CASCADE_FORMS)
    for name in ("resample_documents", "tastes_observed"):
        check_flag(name, a[name])
    for name in ("nothing_score", "minimum_score"):
        check_number(name, a[name])
    for name in ("attention_prob", "drift_rate"):
        check_number(name, a[name], 0.0, 1.0)
    for name in ("score_scaling", "initial_budget", "item_length", "idle_cost"):
        check_number(name, a[name], 0.0, above=True)
    check_number("quality_bonus", a["quality_bonus"], 0.0)


def _choice(arguments: dict[str, Any]) -> ChoiceModel:
    nothing, minimum = arguments["nothing_score"], arguments["minimum_score"]
    scaling, attention = arguments["score_scaling"], arguments["attention_prob"]
    made: dict[str, Callable[[], ChoiceModel]] = {
        "proportional": lambda: ProportionalChoice(minimum, nothing),
        "logit": lambda: LogitChoice(nothing),
        "cascade": lambda: CascadeChoice(attractions[form](), attention),
    }
    attractions: dict[str, Callable[[], Attraction]] = {
        "exponential": lambda: ExponentialAttraction(scaling),
        "proportional": lambda: ProportionalAttraction(scaling, minimum),
    }
    form = arguments["cascade_form"]
    return made[arguments["choice"]]()


def _items(n_items: int | None, n_candidates: int, catalogue_seed: int, is_fresh: bool) -> Items:
    if n_items is None:
        documents = TopicDocuments(topic_means(), QUALITY_SD)
        return documents_on_offer(documents, n_candidates, catalogue_seed, is_fresh)
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


def _card(arguments: dict[str, Any]) -> tuple[Assumption, ...]:
    line = partial(_PUBLISHED.line, arguments)
    choice = arguments["choice"]
    if choice == "cascade":
        choice = f"{arguments['cascade_form']} cascade"
    return (
        line("interests", "uniform on [-1, 1] in 20 topics"),
        line("choice", *_CHOICES[choice]),
        line(
            "interest drift",
            "{drift_rate} (1 - |x|)(1 - x), up with probability (x + 1) / 2",
            "drift_rate",
        ),
        line("quality of a topic", "14 means from -3 to 0, 6 from 0 to 3; sd 0.1"),
        line(
            "time",
            "{initial_budget:g} minutes; item {item_length:g}, idle {idle_cost:g}, "
            "bonus {quality_bonus:.4f} a minute and unit",
            *("initial_budget", "item_length", "idle_cost", "quality_bonus"),
        ),
        offer_line(arguments),
        limit_line(arguments),
    )


_PUBLISHED = Published(
    "interest evolution",
    {
        "choice": "proportional",
        "nothing_score": 1.0,
        "minimum_score": -1.0,
        "cascade_form": "exponential",
        "attention_prob": 0.65,
        "score_scaling": 0.05,
        "drift_rate": 0.3,
        "initial_budget": 200.0,
        "item_length": 4.0,
        "idle_cost": 0.5,
        "quality_bonus": 0.9 / 3.4,
    },
)
_CASCADE = "cascade, P(taken) {attention_prob:g} * {score_scaling:g} * "
_CASCADE_PARTS = ("choice", "attention_prob", "score_scaling")
_CHOICES: dict[str, tuple[str, ...]] = {
    "proportional": (
        "score above {minimum_score:g}; score of nothing {nothing_score:g}",
        *("nothing_score", "minimum_score"),
    ),
    "logit": ("weight exp(interest); nothing: exp({nothing_score:g})", "choice", "nothing_score"),
    "exponential cascade": (_CASCADE + "exp(interest)", *_CASCADE_PARTS),
    "proportional cascade": (
        _CASCADE + "(interest - {minimum_score:g})",
        *(*_CASCADE_PARTS, "cascade_form", "minimum_score"),
    ),
}
