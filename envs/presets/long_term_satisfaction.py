"""RecSim's long-term satisfaction: clickbait engages now and wears the user out."""

from functools import partial
from typing import Any

from rlrec.data.history import HistoryShape
from rlrec.envs.arguments import (
    MOST_CANDIDATES,
    check_catalogue_size,
    check_flag,
    check_size,
    check_whole_number,
)
from rlrec.envs.blocks.choice import FirstChoice
from rlrec.envs.blocks.sensitisation import Engagement, Sensitisation
from rlrec.envs.blocks.user_types import SameForAll
from rlrec.envs.blocks.visit_length import VisitLength
from rlrec.envs.documents import ClickbaitDocuments, KeptDocuments
from rlrec.envs.items import CatalogueItems, FreshDocuments
from rlrec.envs.planning.exposure import ExposurePlanner
from rlrec.envs.presets.recsim import Published, documents_on_offer, limit_line, offer_line
from rlrec.envs.simulator import Assumption, Problem, UserSimulator
from rlrec.envs.users import Users
from rlrec.policy import SlatePolicy

ENV_ID = "rlrec/LongTermSatisfaction-v0"


def long_term_satisfaction(
    n_users: int,
    first_user: int = 0,
    *,
    n_items: int | None = None,
    n_candidates: int = 10,
    slate_size: int = 2,
    catalogue_seed: int = 0,
    resample_documents: bool = True,
    sensitivity: float = 0.3,
    memory: float = 0.7,
    noise: float = 0.05,
    choc_mean: float = 5.0,
    choc_sd: float = 1.0,
    kale_mean: float = 4.0,
    kale_sd: float = 1.0,
    n_steps: int = 60,
    history_length: int = 20,
    max_steps: int | None = None,
) -> UserSimulator:
    """Return users of RecSim's long-term satisfaction, with fresh documents or a fixed catalogue.

    Documents have a clickbait score s, uniform on [0, 1] and seen. The user always consumes the
    item in slot 0, and no other. Engagement is exp(Normal(z (5 s + 4 (1 - s)), 1)), so clickbait
    engages more; but it lowers a hidden exposure n, and with it the satisfaction z = 1 / (1 +
    exp(-sensitivity * n)): n <- 0.7 n - 2 (s - 1/2) + Normal(0, 0.05). With the published
    sensitivity of 0.01 satisfaction hardly moves and always showing clickbait is best; from about
    0.07 on restraint pays, and with the default of 0.3 it earns three times as much.

    Observation:
        With fresh documents: `candidate_features` (M, 1) clickbait scores, `history_responses`
        (H, 2), `last_response` (K, 2), `topic_counts` (2,) steps so far (there is one topic, and
        something is always consumed). With a catalogue (whose features are the scores):
        `history_items` (H,), `history_responses` (H, 2), `last_slate` (K,), `last_response` (K, 2).
        Exposure and satisfaction are never observed; engagement tells of them, with much noise.

    Action:
        `MultiDiscrete([M] * K)` positions among the candidates, or `MultiDiscrete([N] * K)` items.
        Slots below the top are ignored.

    Reward:
        The engagement, in full (what is observed of it is clipped at 100).

    Episode end:
        `terminated` after `n_steps`; `truncated` after `max_steps`, if given and smaller.

    Arguments:
        n_users: B.
        first_user: Number of the first user of the batch.
        n_items: Size N of a fixed catalogue; None for fresh documents at every step.
        n_candidates: M, fresh documents on offer (unused with a catalogue).
        slate_size: K.
        catalogue_seed: Seed of the clickbait scores of a catalogue, or of kept documents.
        resample_documents: Whether documents are fresh at every step; if not, M documents are drawn
            once (from `catalogue_seed`) and kept for all users (unused with a catalogue).
        sensitivity: How much satisfaction follows exposure; 0.01 as published.
        memory: Share of the exposure that stays for a step, in 0..1, below 1.
        noise: Standard deviation of the exposure's innovation.
        choc_mean: Mean of log engagement with full clickbait at full satisfaction.
        choc_sd: Standard deviation of log engagement with full clickbait.
        kale_mean: As `choc_mean`, for a clickbait score of 0.
        kale_sd: As `choc_sd`, for a clickbait score of 0.
        n_steps: Length of a visit.
        history_length: H.
        max_steps: Limit of an episode; None for none.

    Version history:
        v0: Ie et al., 2019, "RecSim", as published in version 0.2.4, but for `sensitivity` (0.01
            there); the catalogue is ours.
    """
    check_size("n_candidates", n_candidates, most=MOST_CANDIDATES)
    check_flag("resample_documents", resample_documents)
    check_whole_number("catalogue_seed", catalogue_seed, 0)
    documents = ClickbaitDocuments()
    items: CatalogueItems | FreshDocuments | KeptDocuments
    if n_items is None:
        items = documents_on_offer(documents, n_candidates, catalogue_seed, resample_documents)
    else:
        check_catalogue_size(n_items)
        items = CatalogueItems.drawn(documents, n_items, catalogue_seed, ("all",))
    sensitisation = Sensitisation(memory=memory, sensitivity=sensitivity, noise=noise)
    arguments: dict[str, Any] = {
        "n_items": n_items,
        "n_candidates": n_candidates,
        "slate_size": slate_size,
        "catalogue_seed": catalogue_seed,
        "resample_documents": resample_documents,
        "sensitivity": sensitivity,
        "memory": memory,
        "noise": noise,
        "choc_mean": choc_mean,
        "choc_sd": choc_sd,
        "kale_mean": kale_mean,
        "kale_sd": kale_sd,
        "n_steps": n_steps,
        "history_length": history_length,
        "max_steps": max_steps,
    }
    problem = Problem(
        env_id=ENV_ID,
        arguments=arguments,
        users=Users(
            items=items,
            taste=SameForAll(),
            choice=FirstChoice(),
            response=Engagement(
                sensitisation=sensitisation,
                source=items,
                choc_mean=choc_mean,
                choc_sd=choc_sd,
                kale_mean=kale_mean,
                kale_sd=kale_sd,
            ),
            slate_size=slate_size,
            blocks=(sensitisation,),
            leaving=VisitLength(n_steps=n_steps),
        ),
        slate_size=slate_size,
        history=_history(slate_size, history_length, n_items is not None),
        catalogue=items.catalogue if isinstance(items, CatalogueItems) else None,
        max_steps=max_steps,
        card=_card(arguments),
        plan=_plan,
    )
    return UserSimulator(problem, n_users, first_user)


def _plan(simulator: UserSimulator, n_users: int, seed: int) -> SlatePolicy:
    """Return the planner; it needs no users to try things with."""
    return ExposurePlanner.solve(simulator)


def _history(slate_size: int, length: int, with_catalogue: bool) -> HistoryShape:
    which = ("history_items", "last_slate") if with_catalogue else ("topic_counts",)
    return HistoryShape(
        keys=("history_responses", "last_response", *which),
        slate_size=slate_size,
        n_channels=len(Engagement.channels),
        n_topics=1,
        length=length,
    )


def _card(arguments: dict[str, Any]) -> tuple[Assumption, ...]:
    line = partial(_PUBLISHED.line, arguments)
    sensitivity = line("satisfaction", "1 / (1 + exp(-{sensitivity} * exposure))", "sensitivity")
    if arguments["sensitivity"] != _PUBLISHED.values["sensitivity"]:
        sensitivity = sensitivity._replace(
            note="0.01 as published, with which restraint never pays; chosen here"
        )
    return (
        line("clickbait score s", "uniform on [0, 1]"),
        line("choice", "always slot 0"),
        line(
            "engagement",
            "exp(Normal(satisfaction * ({choc_mean} s + {kale_mean} (1 - s)), "
            "{choc_sd} s + {kale_sd} (1 - s)))",
            *("choc_mean", "kale_mean", "choc_sd", "kale_sd"),
        ),
        line(
            "exposure",
            "{memory} n - 2 (s - 1/2) + Normal(0, {noise}), at first (U - 1/2) / (1 - {memory})",
            *("memory", "noise"),
        ),
        sensitivity,
        line("length of a visit", "{n_steps} steps", "n_steps"),
        offer_line(arguments),
        limit_line(arguments),
    )


_PUBLISHED = Published(
    "long-term satisfaction",
    {
        "sensitivity": 0.01,
        "memory": 0.7,
        "noise": 0.05,
        "choc_mean": 5.0,
        "choc_sd": 1.0,
        "kale_mean": 4.0,
        "kale_sd": 1.0,
        "n_steps": 60,
    },
)
