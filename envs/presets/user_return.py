"""Users who come back, or do not: clicks now against the visits to come."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from rlrec.arrays import Floats
from rlrec.data.catalogue import Catalogue
from rlrec.data.history import HistoryShape
from rlrec.envs.arguments import (
    check_catalogue_size,
    check_flag,
    check_name,
    check_number,
    check_numbers,
    check_whole_number,
    plain,
)
from rlrec.envs.blocks.channels import ClickChannels
from rlrec.envs.blocks.choice import ChoiceModel, LogitChoice
from rlrec.envs.blocks.context import DayAndDevice
from rlrec.envs.blocks.item_appeal import ItemAppeal
from rlrec.envs.blocks.patience import Patience
from rlrec.envs.blocks.returning import Returning
from rlrec.envs.blocks.satisfaction import Satisfaction
from rlrec.envs.blocks.scanning import CascadeChoice, LogisticAttraction, PositionBasedChoice
from rlrec.envs.blocks.taste import InterestDrift, TopicTaste
from rlrec.envs.blocks.visits import Visits
from rlrec.envs.composition import Built, Part, build_part
from rlrec.envs.items import CatalogueItems, ItemQuality
from rlrec.envs.planning.retention import RetentionReference
from rlrec.envs.simulator import Assumption, Problem, UserSimulator
from rlrec.envs.users import Users

ENV_ID = "rlrec/UserReturn-v0"
NOTHING_SCORE = 1.5
TEMPERATURE = 0.5
CHOICES = ("logit", "cascade", "position_based")
Settings = Mapping[str, Any]
"""Parameters of a block by name; a prior is a number, or such as {"log_normal": [72, 0.3]}."""


def user_return(
    n_users: int,
    first_user: int = 0,
    *,
    n_items: int = 200,
    n_topics: int = 10,
    slate_size: int = 5,
    catalogue_seed: int = 0,
    clickbait_appeal: float = 1.0,
    quality_sd: float = 0.2,
    interest_drift: float = 0.0,
    choice: str = "logit",
    reward_weights: Sequence[float] = (1.0, 0.0, 0.0, 0.0),
    satisfaction: Settings | None = None,
    patience: Settings | None = None,
    returning: Settings | None = None,
    context: Settings | None = None,
    tastes_observed: bool = False,
    history_length: int = 20,
    max_steps: int | None = 250,
) -> UserSimulator:
    """Return users who visit again and again, until one day they do not.

    An episode is a user's whole time with the service: many visits, each of many slates (steps).
    Clicks follow interests and clickbait. What was clicked moves a hidden satisfaction: quality,
    which clickbait lacks, lifts it and poor items lower it. Fatigue grows with every step, faster
    after a slate without a click and with poor items, until the visit ends (`Patience`). Then the
    user stays away for a gap of hours that is shorter the more satisfied the visit left them, and
    the longer the gap, the likelier it is for good (`Returning`); meanwhile satisfaction goes back
    to the user's set-point and fatigue is gone. So the seeker of clicks finds its users gone.

    The planning reference is one for `reward_weights` that count clicks alone. Weights that pay for
    quality already, such as (1, 1, 1, -2), leave it little to plan: there it earns no more than
    `MyopicOracle` (229 and 230; the difference of 1,000 users is -1.1, standard error 2.5).

    Items have one of T topics, uniform, a clickbait score c uniform on [0, 1], both openly known,
    and a hidden quality 1 - 2 c + Normal(0, quality_sd). A user has an interest in [-1, 1] in each
    topic. An item scores interest + clickbait_appeal * c, and what hour and device add; with the
    logit choice it is taken with weight exp(score / 0.5), nothing with weight exp(1.5 / 0.5). A
    click may be followed by a long view, a like or a hide (`ClickChannels`).

    Observation:
        `context` (2 + D + 3,): sine and cosine of the hour, the device one-hot, log(1 + hours of
        the gap before this visit), steps so far in this visit, number of the visit from 1.
        `history_items` (H,), `history_responses` (H, 4), `topic_counts` (T + 1,), `last_slate`
        (K,), `last_response` (K, 4), all over the whole episode. With `tastes_observed` also `user`
        (T,), the interests. Satisfaction, fatigue and quality are never observed; the first two
        stand in `latent_state()`, with the visit's number and gap.

    Action:
        `MultiDiscrete([N] * K)` items.

    Reward:
        Sum over the items clicked of `reward_weights` times click, long view, like and hide; by
        default the number of clicks (at most 1 with the logit choice).

    Episode end:
        `terminated` when the user does not come back; `truncated` after `max_steps`.

    Arguments:
        n_users: B.
        first_user: Number of the first user of the batch.
        n_items: N.
        n_topics: T.
        slate_size: K.
        catalogue_seed: Seed of topics, clickbait and quality.
        clickbait_appeal: Score of full clickbait, 0 or more; 0 takes its appeal away.
        quality_sd: Spread of quality among items of equal clickbait, 0 or more.
        interest_drift: Rate in 0..1 at which clicks move interests; 0 keeps them.
        choice: "logit", "cascade" (both at most one click) or "position_based" (several). The last
            two take an item that is looked at with probability 1 / (1 + exp(-2 (score - 1.5))).
        reward_weights: Of click, long view, like and hide.
        satisfaction: Parameters of `Satisfaction` other than its defaults, by name.
        patience: Those of `Patience`.
        returning: Those of `Returning`.
        context: Those of `DayAndDevice` (its strengths are 0.3 and 0.2 here).
        tastes_observed: Whether `user` is observed.
        history_length: H.
        max_steps: Limit of an episode; None for none.

    Version history:
        v0: First version; ours, after the retention problem of Cai et al., 2023, "Reinforcing User
            Retention in a Billion Scale Short Video Recommender System", and the satisfaction of
            Ie et al., 2019, "RecSim".
    """
    check_catalogue_size(n_items, n_topics)
    check_whole_number("catalogue_seed", catalogue_seed, 0)
    check_number("clickbait_appeal", clickbait_appeal, 0.0)
    check_number("quality_sd", quality_sd, 0.0)
    check_number("interest_drift", interest_drift, 0.0, 1.0)
    check_name("choice", choice, CHOICES)
    check_flag("tastes_observed", tastes_observed)
    items = _items(n_items, n_topics, quality_sd, catalogue_seed)
    parts = _parts(n_topics, satisfaction, patience, returning, context)
    response = ClickChannels(items.on_offer, reward_weights)
    problem = Problem(
        env_id=ENV_ID,
        arguments={
            "n_items": n_items,
            "n_topics": n_topics,
            "slate_size": slate_size,
            "catalogue_seed": catalogue_seed,
            "clickbait_appeal": clickbait_appeal,
            "quality_sd": quality_sd,
            "interest_drift": interest_drift,
            "choice": choice,
            "reward_weights": plain(reward_weights),
            **{name: part.settings for name, part in parts.items()},
            "tastes_observed": tastes_observed,
            "history_length": history_length,
            "max_steps": max_steps,
        },
        users=Users(
            items=items.on_offer,
            taste=TopicTaste(n_topics, InterestDrift(rate=interest_drift)),
            choice=_choice(choice),
            response=response,
            slate_size=slate_size,
            blocks=[ItemAppeal(clickbait_appeal * items.clickbait)],
            leaving=Visits(**{name: part.part for name, part in parts.items()}),
            tastes_observed=tastes_observed,
        ),
        slate_size=slate_size,
        history=HistoryShape(
            slate_size=slate_size,
            n_channels=len(ClickChannels.channels),
            n_topics=n_topics,
            length=history_length,
        ),
        catalogue=items.on_offer.catalogue,
        max_steps=max_steps,
        card=_card(clickbait_appeal, quality_sd, interest_drift, response, parts),
        plan=RetentionReference.fit,
    )
    return UserSimulator(problem, n_users, first_user)


class _Items(NamedTuple):
    on_offer: CatalogueItems
    clickbait: Floats
    """Shape (N,)."""


def _items(n_items: int, n_topics: int, quality_sd: float, seed: int) -> _Items:
    rng = np.random.default_rng(seed)
    topics = rng.integers(n_topics, size=n_items)
    clickbait = rng.random(n_items)
    quality = 1.0 - 2.0 * clickbait + quality_sd * rng.standard_normal(n_items)
    catalogue = Catalogue(
        item_ids=np.arange(n_items),
        topics=topics,
        features=np.column_stack([np.eye(n_topics)[topics], clickbait]).astype(np.float32),
        topic_names=tuple(f"topic {number}" for number in range(n_topics)),
    )
    return _Items(CatalogueItems(catalogue, ItemQuality(quality)), clickbait)


def _day_and_device(
    n_topics: int,
    hour_strength: float = 0.3,
    device_strength: float = 0.2,
    device_shares: Sequence[float] = (0.7, 0.3),
    device_stay: float = 0.8,
    step_minutes: float = 2.0,
) -> DayAndDevice:
    return DayAndDevice(
        n_topics=n_topics,
        hour_strength=hour_strength,
        device_strength=device_strength,
        device_shares=tuple(check_numbers("device_shares", device_shares)),
        device_stay=device_stay,
        step_minutes=step_minutes,
    )


_PARTS = {
    "satisfaction": Part(Satisfaction),
    "patience": Part(Patience),
    "returning": Part(Returning),
    "context": Part(_day_and_device, given=("n_topics",)),
}


def _parts(n_topics: int, *settings: Settings | None) -> dict[str, Built]:
    given = {"n_topics": n_topics}
    return {
        name: build_part(name, {} if chosen is None else chosen, part, given)
        for (name, part), chosen in zip(_PARTS.items(), settings, strict=True)
    }


def _choice(name: str) -> ChoiceModel:
    if name == "logit":
        return LogitChoice(NOTHING_SCORE, TEMPERATURE)
    attraction = LogisticAttraction(1.0 / TEMPERATURE, NOTHING_SCORE)
    if name == "cascade":
        return CascadeChoice(attraction)
    return PositionBasedChoice(attraction)


def _card(
    clickbait_appeal: float,
    quality_sd: float,
    interest_drift: float,
    response: ClickChannels,
    parts: Mapping[str, Built],
) -> tuple[Assumption, ...]:
    def line(name: str, value: Any, note: str) -> Assumption:
        return Assumption(name, str(value), "assumed", note)

    notes = {
        "satisfaction": "effect of quality after Ie et al., 2019 (RecSim); numbers ours",
        "patience": "hazard that rises with fatigue; ours",
        "returning": "the gap as what tells retention: Cai et al., 2023; equations, numbers ours",
        "context": "additive by topic; ours",
    }
    weights = zip(response.channels, response.reward_weights, strict=True)
    return (
        line("interests", "uniform on [-1, 1] in each topic", "ours"),
        line("interest drift", f"rate {interest_drift:g}", "form as published for RecSim"),
        line("clickbait", f"uniform on [0, 1]; appeal {clickbait_appeal:g}", "ours"),
        line("quality", f"1 - 2 clickbait + Normal(0, {quality_sd:g})", "centre after RecSim"),
        line("choice", f"nothing scores {NOTHING_SCORE}, temperature {TEMPERATURE}", "ours"),
        line("channels", response.described, "independent given a click; ours"),
        line("reward", ", ".join(f"{name} {weight:g}" for name, weight in weights), "ours"),
        *(line(name, part.described, notes[name]) for name, part in parts.items()),
    )
