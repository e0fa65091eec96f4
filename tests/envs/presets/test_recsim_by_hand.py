"""RecSim's problems against its statistics, and against one user at a time in plain loops."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest

from rlrec.arrays import Floats
from rlrec.envs import UserSimulator, make_simulator
from rlrec.policy import RandomPolicy

EVOLUTION = "rlrec/InterestEvolution-v0"
EXPLORATION = "rlrec/InterestExploration-v0"
SATISFACTION = "rlrec/LongTermSatisfaction-v0"
N_BATCHED, N_BY_HAND = 4000, 300


class Visit(NamedTuple):
    """What is counted of a visit with random slates; floats, or arrays (n_users,)."""

    returns: Any
    lengths: Any
    clicks: Any
    quality: Any
    """Sum of the quality of what was clicked."""
    log_second: Any
    """Sum of log(channel 1 as observed) of what was clicked; 0 where there is no such channel."""
    last_taste: Any
    """Sum of the squares of the affinities to topics, at the last step; 0 without tastes."""


def batched(env_id: str, n_users: int, seed: int, **arguments: Any) -> Visit:
    simulator = make_simulator(env_id, n_users, **arguments)
    policy = RandomPolicy(simulator.n_choices, simulator.slate_size)
    simulator.reset(seed)
    rng = np.random.default_rng(seed)
    totals, running = np.zeros((6, n_users)), np.ones(n_users, bool)
    while running.any():
        slates, state = policy.act({"any": np.zeros(n_users)}, rng).slates, simulator.latent_state()
        offered = simulator.problem.users.items.offer_quality(state)
        offered = np.broadcast_to(offered, (n_users, simulator.n_choices))
        quality = np.take_along_axis(offered, slates, axis=1)
        step = simulator.step(slates)
        clicks, second = step.responses[:, :, 0], step.responses[:, :, -1]
        logs = np.log(np.where(second > 0, second, 1.0))
        now = [
            step.rewards,
            np.ones(n_users),
            clicks.sum(1),
            (clicks * quality).sum(1),
            logs.sum(1),
        ]
        totals[:5] += np.where(running, now, 0.0)
        tastes = state.get("tastes", np.zeros((n_users, 1)))
        totals[5, running] = (tastes[running] ** 2).sum(axis=1)
        running &= ~(step.terminated | step.truncated)
    return Visit(*totals)


def documents_of(simulator: UserSimulator) -> list[tuple[int, float]] | None:
    """Return topic and quality of each document where they stay; None where they are fresh."""
    items: Any = simulator.problem.users.items
    if items.n_draws:
        return None
    topics = items.offer({}).topics[0]
    return list(zip(topics.tolist(), items.offer_quality({})[0].tolist(), strict=True))


def drawn(weights: Sequence[float], rng: np.random.Generator) -> int:
    """Return the place of one of the weights, drawn in proportion to them."""
    point = rng.random() * sum(weights)
    for place, weight in enumerate(weights):
        point -= weight
        if point < 0:
            return place
    return len(weights) - 1


def clicked(scores: list[float], rng: np.random.Generator, a: dict[str, Any]) -> int | None:
    """Return the slot clicked, or None."""
    if a["choice"] == "cascade":
        for slot, score in enumerate(scores):
            appeal = math.exp(score)
            if a["cascade_form"] == "proportional":
                appeal = score - a["minimum_score"]
            if rng.random() < a["attention_prob"] * min(1.0, a["score_scaling"] * appeal):
                return slot
        return None
    weights = [math.exp(score) for score in (*scores, a["nothing_score"])]
    if a["choice"] == "proportional":
        weights = [score - a["minimum_score"] for score in (*scores, a["nothing_score"])]
    slot = drawn(weights, rng)
    return None if slot == len(scores) else slot


def evolution_visit(
    rng: np.random.Generator, a: dict[str, Any], kept: list[tuple[int, float]] | None
) -> Visit:
    means = [-3 + 3 * k / 13 for k in range(14)] + [3 * k / 5 for k in range(6)]
    interests = rng.uniform(-1, 1, 20).tolist()
    budget = a["initial_budget"]
    earned, length, clicks, quality = 0.0, 0, 0, 0.0
    while budget > 0:
        documents, square = kept, sum(x * x for x in interests)
        if kept is None:
            topics = rng.integers(20, size=a["n_candidates"]).tolist()
            documents = [(topic, rng.normal(means[topic], 0.1)) for topic in topics]
        assert documents is not None
        slate = rng.permutation(len(documents))[: a["slate_size"]].tolist()
        slot = clicked([interests[documents[i][0]] for i in slate], rng, a)
        length += 1
        if slot is None:
            budget -= a["idle_cost"]
            continue
        topic, worth = documents[slate[slot]]
        watched = min(budget, a["item_length"])
        x = interests[topic]
        step = a["drift_rate"] * (1 - abs(x)) * (1 - x)
        moved = x + step if rng.random() < (x + 1) / 2 else x - step
        interests[topic] = max(-1.0, min(1.0, moved))
        budget += watched * (a["quality_bonus"] * worth - 1)
        earned, clicks, quality = earned + watched, clicks + 1, quality + worth
    return Visit(earned, length, clicks, quality, 0.0, square)


def exploration_visit(
    rng: np.random.Generator, a: dict[str, Any], kept: list[tuple[int, float]] | None
) -> Visit:
    likes = a["affinities"][drawn(a["type_shares"], rng)]
    affinity = [math.exp(rng.normal(mean, a["affinity_sd"])) for mean in likes]
    clicks, quality = 0, 0.0
    for _ in range(a["max_steps"]):
        documents = kept
        if kept is None:
            topics = [drawn(a["topic_shares"], rng) for _ in range(a["n_candidates"])]
            spread, logs = a["quality_sd"], a["topic_qualities"]
            documents = [(k, math.exp(rng.normal(logs[k], spread))) for k in topics]
        assert documents is not None
        slate = rng.permutation(len(documents))[: a["slate_size"]].tolist()
        shown = [documents[i] for i in slate]
        logits = [affinity[topic] + worth for topic, worth in shown] + [a["nothing_score"]]
        slot = drawn([math.exp(logit) for logit in logits], rng)
        if slot < len(shown):
            clicks, quality = clicks + 1, quality + shown[slot][1]
    return Visit(float(clicks), a["max_steps"], clicks, quality, 0.0, sum(g * g for g in affinity))


def satisfaction_visit(
    rng: np.random.Generator, a: dict[str, Any], kept: list[tuple[int, float]] | None
) -> Visit:
    exposure = (rng.random() - 0.5) / (1 - a["memory"])
    earned, quality, logs = 0.0, 0.0, 0.0
    for _ in range(a["n_steps"]):
        score = rng.random() if kept is None else kept[rng.integers(len(kept))][1]
        satisfaction = 1 / (1 + math.exp(-a["sensitivity"] * exposure))
        mean = satisfaction * (a["choc_mean"] * score + a["kale_mean"] * (1 - score))
        engagement = math.exp(rng.normal(mean, a["choc_sd"] * score + a["kale_sd"] * (1 - score)))
        exposure = a["memory"] * exposure - 2 * (score - 0.5) + rng.normal(0, a["noise"])
        earned, quality = earned + engagement, quality + score
        logs += math.log(min(engagement, 100.0))
    return Visit(earned, a["n_steps"], a["n_steps"], quality, logs, 0.0)


BY_HAND: dict[str, Callable[..., Visit]] = {
    EVOLUTION: evolution_visit,
    EXPLORATION: exploration_visit,
    SATISFACTION: satisfaction_visit,
}
PUBLISHED = [  # environment, what, mean and standard error of 4000 visits with C = 10, K = 2
    (EVOLUTION, "return", 154.25, 0.18),
    (EVOLUTION, "length", 83.89, 0.18),
    (EVOLUTION, "clicks", 39.02, 0.05),
    (EVOLUTION, "quality of a click", -0.612, 0.005),
    (EXPLORATION, "return", 23.00, 0.08),
    (EXPLORATION, "length", 100.0, 0.0),
    (EXPLORATION, "clicks", 23.00, 0.08),
    (EXPLORATION, "quality of a click", 1.710, 0.003),
    (SATISFACTION, "return", 947.2, 2.5),
    (SATISFACTION, "length", 60.0, 0.0),
    (SATISFACTION, "clicks", 60.0, 0.0),
    (SATISFACTION, "log engagement", 2.247, 0.002),
]
OTHERS: list[tuple[str, dict[str, Any]]] = [
    (EVOLUTION, {"slate_size": 2}),
    (EVOLUTION, {"n_candidates": 6, "slate_size": 4, "choice": "logit", "nothing_score": 0.5}),
    (EVOLUTION, {"slate_size": 3, "choice": "cascade", "score_scaling": 0.3}),
    (
        EVOLUTION,
        {
            "n_candidates": 5,
            "slate_size": 5,
            "choice": "cascade",
            "cascade_form": "proportional",
            "score_scaling": 0.4,
            "attention_prob": 0.9,
            "minimum_score": -1.2,
        },
    ),
    (EVOLUTION, {"resample_documents": False, "n_candidates": 8, "catalogue_seed": 5}),
    (EVOLUTION, {"n_items": 50, "slate_size": 6, "catalogue_seed": 2}),
    (
        EVOLUTION,
        {
            "nothing_score": 0.2,
            "minimum_score": -1.5,
            "drift_rate": 0.8,
            "initial_budget": 90.0,
            "item_length": 3.0,
            "idle_cost": 1.5,
            "quality_bonus": 0.15,
        },
    ),
    # Few topics and much drift, so that its direction is felt.
    (EVOLUTION, {"n_items": 3, "slate_size": 2, "drift_rate": 0.9, "quality_bonus": 0.1}),
    (EXPLORATION, {"n_candidates": 4, "slate_size": 3}),
    (EXPLORATION, {"n_items": 25, "slate_size": 5, "max_steps": 40, "nothing_score": 4.0}),
    (
        EXPLORATION,
        {
            "topic_shares": (0.5, 0.2, 0.3),
            "topic_qualities": (0.0, 0.5, 1.0),
            "quality_sd": 0.3,
            "type_shares": (0.2, 0.5, 0.3),
            "affinities": ((0.5, 0.2, 0.1), (0.0, 1.0, 0.3), (0.9, 0.0, 0.4)),
            "affinity_sd": 0.2,
        },
    ),
    (SATISFACTION, {"sensitivity": 0.01}),
    (SATISFACTION, {"sensitivity": 0.1, "n_candidates": 3, "slate_size": 1}),
    (SATISFACTION, {"n_items": 20, "slate_size": 4, "catalogue_seed": 3}),
    (SATISFACTION, {"sensitivity": 0.8, "memory": 0.8, "noise": 2.0, "choc_sd": 0.2}),
    (
        SATISFACTION,
        {
            "memory": 0.9,
            "noise": 0.5,
            "choc_mean": 3.0,
            "choc_sd": 0.7,
            "kale_mean": 2.0,
            "kale_sd": 0.3,
            "n_steps": 25,
        },
    ),
]


@pytest.fixture(scope="module")
def as_published() -> dict[str, Visit]:
    """Return 4000 visits of each problem with random slates of two of ten documents."""
    return {
        EVOLUTION: batched(EVOLUTION, N_BATCHED, seed=1, slate_size=2),
        EXPLORATION: batched(EXPLORATION, N_BATCHED, seed=1, slate_size=2),
        SATISFACTION: batched(SATISFACTION, N_BATCHED, seed=1, sensitivity=0.01),
    }


@pytest.mark.parametrize(("env_id", "name", "published", "error"), PUBLISHED)
def test_random_slates_give_recsims_statistics(
    as_published: dict[str, Visit], env_id: str, name: str, published: float, error: float
) -> None:
    visits = as_published[env_id]
    values: Floats = {
        "return": visits.returns,
        "length": visits.lengths,
        "clicks": visits.clicks,
        "quality of a click": visits.quality / visits.clicks,
        "log engagement": visits.log_second / visits.clicks,
    }[name]
    # 3 standard errors of both samples: a right simulator fails one comparison in 370.
    assert abs(values.mean() - published) <= 3 * math.hypot(error, standard_error(values))


@pytest.mark.parametrize(("env_id", "arguments"), OTHERS)
def test_users_in_a_batch_do_what_users_by_hand_do(env_id: str, arguments: dict[str, Any]) -> None:
    simulator = make_simulator(env_id, 1, **arguments)
    rng, kept = np.random.default_rng(7), documents_of(simulator)
    by_hand = [BY_HAND[env_id](rng, simulator.arguments, kept) for _ in range(N_BY_HAND)]
    many = batched(env_id, N_BATCHED, seed=3, **arguments)
    for name, ours, theirs in zip(Visit._fields, many, np.array(by_hand).T, strict=True):
        if env_id == EVOLUTION and name == "log_second":
            continue  # minutes watched, which the return holds
        # 4 standard errors of the difference of 4000 and 300 visits: one false alarm in 16,000.
        allowed = 4 * math.hypot(standard_error(ours), standard_error(theirs)) + 1e-9
        assert abs(ours.mean() - theirs.mean()) <= allowed, name


def standard_error(values: Floats) -> float:
    return float(values.std(ddof=1) / math.sqrt(values.size))
