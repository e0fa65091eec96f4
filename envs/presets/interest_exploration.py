"""RecSim's interest exploration: topics of mass appeal hide what the user really likes."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from rlrec.envs.arguments import (
    MOST_CANDIDATES,
    MOST_LOG,
    MOST_LOG_SD,
    check_catalogue_size,
    check_flag,
    check_number,
    check_numbers,
    check_size,
    check_whole_number,
    plain,
)
from rlrec.envs.blocks.appeal import QualityAppeal
from rlrec.envs.blocks.choice import LogitChoice
from rlrec.envs.blocks.response import Click
from rlrec.envs.blocks.user_types import UserTypes
from rlrec.envs.documents import KeptDocuments, TopicDocuments
from rlrec.envs.items import CatalogueItems, FreshDocuments
from rlrec.envs.planning.myopic import MyopicOracle
from rlrec.envs.presets.recsim import Published, documents_on_offer, history_of_topics, offer_line
from rlrec.envs.simulator import Assumption, Problem, UserSimulator
from rlrec.envs.users import Users
from rlrec.errors import ConfigError
from rlrec.policy import SlatePolicy

ENV_ID = "rlrec/InterestExploration-v0"


def interest_exploration(
    n_users: int,
    first_user: int = 0,
    *,
    n_items: int | None = None,
    n_candidates: int = 10,
    slate_size: int = 3,
    catalogue_seed: int = 0,
    resample_documents: bool = True,
    nothing_score: float = 5.0,
    topic_shares: Sequence[float] = (0.2, 0.8),
    topic_qualities: Sequence[float] = (0.8, 0.2),
    quality_sd: float = 0.1,
    type_shares: Sequence[float] = (0.3, 0.7),
    affinities: Sequence[Sequence[float]] = ((0.1, 0.7), (0.7, 0.1)),
    affinity_sd: float = 0.1,
    tastes_observed: bool = False,
    history_length: int = 20,
    max_steps: int | None = 100,
) -> UserSimulator:
    """Return users of RecSim's interest exploration, with fresh documents or a fixed catalogue.

    Documents have a topic and a quality, both seen. Users are of one of two types, and have a
    hidden affinity to each topic that stays as it is. An item is taken with weight exp(affinity to
    its topic + its quality), nothing with weight exp(5). Topic 0 is rare and of higher quality,
    topic 1 common and of lower. Most users like topic 0 by far; the others like topic 1, which
    makes up for its quality, so both topics attract them about alike, and which of its documents do
    best is for the agent to find out. Nothing that is shown changes a user, so the myopic oracle,
    which knows the affinities, is optimal: the planning reference.

    Observation:
        With fresh documents: `candidate_features` (M, T + 1) topics of the candidates one-hot, and
        their quality; `topic_counts` (T + 1,), `last_response` (K, 1). With a catalogue (whose
        features hold topic and quality): `history_items` (H,), `history_responses` (H, 1),
        `topic_counts` (T + 1,), `last_slate` (K,), `last_response` (K, 1). With `tastes_observed`
        also `user` (T,), the affinities. The type is never observed.

    Action:
        `MultiDiscrete([M] * K)` positions among the candidates, or `MultiDiscrete([N] * K)` items.

    Reward:
        1 for a click, else 0.

    Episode end:
        Users never leave; `truncated` after `max_steps`.

    Arguments:
        n_users: B.
        first_user: Number of the first user of the batch.
        n_items: Size N of a fixed catalogue; None for fresh documents at every step.
        n_candidates: M, fresh documents on offer (unused with a catalogue).
        slate_size: K.
        catalogue_seed: Seed of the topics and qualities of a catalogue, or of kept documents.
        resample_documents: Whether documents are fresh at every step; if not, M documents are drawn
            once (from `catalogue_seed`) and kept for all users (unused with a catalogue).
        nothing_score: Logit of taking nothing.
        topic_shares: T probabilities of the topics of documents.
        topic_qualities: T means of the logarithm of quality.
        quality_sd: Of the logarithm of quality, within a topic.
        type_shares: Probabilities of the types of users.
        affinities: A row for each type, a column for each topic: mean of the logarithm of the
            affinity.
        affinity_sd: Of the logarithm of the affinity, within a type.
        tastes_observed: Whether `user` is observed.
        history_length: H (unused with fresh documents).
        max_steps: Limit of an episode; None for one that never ends.

    Version history:
        v0: Ie et al., 2019, "RecSim", as published in version 0.2.4, which leaves the limit to the
            caller; the catalogue is ours.
    """
    arguments: dict[str, Any] = {
        "n_items": n_items,
        "n_candidates": n_candidates,
        "slate_size": slate_size,
        "catalogue_seed": catalogue_seed,
        "resample_documents": resample_documents,
        "nothing_score": nothing_score,
        "topic_shares": plain(topic_shares),
        "topic_qualities": plain(topic_qualities),
        "quality_sd": quality_sd,
        "type_shares": plain(type_shares),
        "affinities": plain(affinities),
        "affinity_sd": affinity_sd,
        "tastes_observed": tastes_observed,
        "history_length": history_length,
        "max_steps": max_steps,
    }
    _check(arguments)
    documents = TopicDocuments(
        topic_qualities,
        quality_sd,
        topic_shares=topic_shares,
        log_quality=True,
        quality_observed=True,
    )
    taste = UserTypes(type_shares, affinities, affinity_sd)
    if taste.n_topics != documents.n_topics:
        raise ConfigError(
            f"affinities must have a column for each of {documents.n_topics} topic_qualities, got "
            f"{taste.n_topics}"
        )
    items: CatalogueItems | FreshDocuments | KeptDocuments
    if n_items is None:
        items = documents_on_offer(documents, n_candidates, catalogue_seed, resample_documents)
    else:
        check_catalogue_size(n_items, documents.n_topics)
        names = tuple(f"topic {number}" for number in range(documents.n_topics))
        items = CatalogueItems.drawn(documents, n_items, catalogue_seed, names)
    problem = Problem(
        env_id=ENV_ID,
        arguments=arguments,
        users=Users(
            items=items,
            taste=taste,
            choice=LogitChoice(nothing_score),
            response=Click(),
            slate_size=slate_size,
            blocks=(QualityAppeal(source=items),),
            tastes_observed=tastes_observed,
        ),
        slate_size=slate_size,
        history=history_of_topics(
            slate_size,
            len(Click.channels),
            documents.n_topics,
            history_length,
            has_catalogue=n_items is not None,
        ),
        catalogue=items.catalogue if isinstance(items, CatalogueItems) else None,
        max_steps=max_steps,
        card=_card(arguments),
        plan=_plan,
    )
    return UserSimulator(problem, n_users, first_user)


def _check(arguments: dict[str, Any]) -> None:
    """Raise an error where an argument is wrong, whether or not the others leave it in use."""
    a = arguments
    check_size("n_candidates", a["n_candidates"], most=MOST_CANDIDATES)
    check_whole_number("catalogue_seed", a["catalogue_seed"], 0)
    check_number("nothing_score", a["nothing_score"])
    check_numbers("topic_qualities", a["topic_qualities"], -MOST_LOG, MOST_LOG)
    for name in ("topic_shares", "type_shares"):
        check_numbers(name, a[name], 0.0, 1.0)
    for name in ("quality_sd", "affinity_sd"):
        check_number(name, a[name], 0.0, MOST_LOG_SD)
    for name in ("resample_documents", "tastes_observed"):
        check_flag(name, a[name])


def _plan(simulator: UserSimulator, n_users: int, seed: int) -> SlatePolicy:
    """Return the myopic oracle: where nothing changes there is nothing to plan."""
    return MyopicOracle()


def _card(arguments: dict[str, Any]) -> tuple[Assumption, ...]:
    line = partial(_PUBLISHED.line, arguments)
    limit = arguments["max_steps"]
    return (
        line("topics of documents", "shares {topic_shares}", "topic_shares"),
        line(
            "quality",
            "exp(Normal({topic_qualities} by topic, {quality_sd}))",
            "topic_qualities",
            "quality_sd",
        ),
        line("types of users", "shares {type_shares}", "type_shares"),
        line(
            "affinity",
            "exp(Normal({affinities} by type and topic, {affinity_sd})), never changes",
            "affinities",
            "affinity_sd",
        ),
        line(
            "choice",
            "weight exp(affinity + quality); nothing: exp({nothing_score})",
            "nothing_score",
        ),
        offer_line(arguments),
        Assumption("length of a visit", f"{limit} steps", "assumed", "published without a limit"),
    )


_PUBLISHED = Published(
    "interest exploration",
    {
        "nothing_score": 5.0,
        "topic_shares": [0.2, 0.8],
        "topic_qualities": [0.8, 0.2],
        "quality_sd": 0.1,
        "type_shares": [0.3, 0.7],
        "affinities": [[0.1, 0.7], [0.7, 0.1]],
        "affinity_sd": 0.1,
    },
)
