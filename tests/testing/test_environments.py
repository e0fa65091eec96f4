"""Every registered environment keeps the contract, at its defaults and at interesting arguments."""

from collections.abc import Callable
from typing import Any

import pytest

from rlrec.envs import describe_environments, make_simulator
from rlrec.testing import ENVIRONMENT_CHECKS, SimulatorMaker, check_environment

INTEREST = "rlrec/InterestEvolution-v0"
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    **{entry.env_id: (entry.env_id, {}) for entry in describe_environments()},
    "catalogue": (INTEREST, {"n_items": 60}),
    "catalogue with open tastes": (INTEREST, {"n_items": 60, "tastes_observed": True}),
    "fresh documents with hidden tastes": (INTEREST, {"tastes_observed": False}),
    "slates of one": (INTEREST, {"slate_size": 1}),
    "drifting tastes, several choices a slate": (
        "rlrec/DriftingTastes-v0",
        {
            "n_items": 80,
            "n_candidates": 8,
            "slate_size": 3,
            "lifetime": 9.0,
            "choice": "position_based",
            "influence": 0.1,
            "tastes_observed": True,
            "max_steps": 12,
        },
    ),
    "drifting tastes, nothing arrives": (
        "rlrec/DriftingTastes-v0",
        {"n_candidates": 12, "lifetime": None, "drift_persistence": 1.0, "max_steps": 9},
    ),
    "drifting tastes, standing still": (
        "rlrec/DriftingTastes-v0",
        {
            "n_candidates": 12,
            "lifetime": None,
            "drift_sd": 0.0,
            "set_point_sd": 0.0,
            "trend_sd": 0.0,
            "max_steps": 9,
        },
    ),
    "slates of everything": (INTEREST, {"n_candidates": 4, "slate_size": 4}),
    "composed, one choice a slate": (
        "rlrec/ComposedUsers-v0",
        {
            "choice": "cascade",
            "taste": {"name": "topics", "drift": 0.2},
            "blocks": {"satiation": {"strength": {"log_normal": [0.5, 0.3]}, "noise": 0.1}},
            "response": "watch_time",
            "leaving": {"name": "time_budget", "initial": 60.0},
            "max_steps": None,
        },
    ),
    "composed, several choices a slate": (
        "rlrec/ComposedUsers-v0",
        {
            "choice": {
                "name": "dynamic_bayesian",
                "satisfaction": {"name": "logistic", "slope": 2},
            },
            "blocks": {
                "satiation": {"memory": {"uniform": [0.2, 0.9]}},
                "operant_conditioning": {},
            },
            "tastes_observed": True,
            "max_steps": 12,
        },
    ),
    "boredom with open tastes and counts": (
        "rlrec/TopicBoredom-v0",
        {
            "n_items": 60,
            "slate_size": 4,
            "n_steps": 14,
            "threshold": 2,
            "counted": "window",
            "bored_scope": "topic",
            "tastes_observed": True,
            "counts_observed": True,
        },
    ),
    "boredom with influence": (
        "rlrec/TopicBoredom-v0",
        {
            "preset": "TopK-Uncertain",
            "n_items": 50,
            "n_steps": 15,
            "relevance_scale": "best_item",
            "published_influence": False,
            "diversity_penalty": 3.0,
            "two_way": True,
            "threshold": 3,
        },
    ),
    "boredom, one item a slate": (
        "rlrec/TopicBoredom-v0",
        {"preset": "SingleItem-BoredInf", "n_steps": 20, "max_steps": 13},
    ),
    "boredom, items to be ordered": ("rlrec/TopicBoredom-v0", {"preset": "Rerank-Bored"}),
    "composed, who come back": (
        "rlrec/ComposedUsers-v0",
        {
            "item_topics": 3,
            "taste": "unit_vectors",
            "choice": {"name": "position_based", "attraction": {"name": "logistic", "slope": 4}},
            "response": "channels",
            "blocks": {
                "influence": {"weight": 0.1},
                "biased_assimilation": {"rate": 0.1},
                "boredom": {"scope": "topic", "threshold": 3},
                "sameness": {"penalty": 2.0},
            },
            "leaving": {"name": "visits", "patience": {"base": -3.0}},
            "max_steps": 40,
        },
    ),
    "time limit": (INTEREST, {"n_items": 30, "slate_size": 2, "max_steps": 17}),
    "time limit with fresh documents": (INTEREST, {"max_steps": 5, "history_length": 1}),
    "kept documents": (INTEREST, {"resample_documents": False, "catalogue_seed": 4}),
    "logit users": (INTEREST, {"choice": "logit", "nothing_score": 0.0, "drift_rate": 0.0}),
    "cascade users": (INTEREST, {"choice": "cascade", "score_scaling": 0.3, "max_steps": 40}),
    "cascade users with a catalogue": (
        INTEREST,
        {
            "n_items": 40,
            "choice": "cascade",
            "cascade_form": "proportional",
            "score_scaling": 0.4,
            "initial_budget": 30.0,
        },
    ),
    "exploration with a catalogue": (
        "rlrec/InterestExploration-v0",
        {"n_items": 40, "tastes_observed": True, "max_steps": 12},
    ),
    "exploration of three topics": (
        "rlrec/InterestExploration-v0",
        {
            "topic_shares": [0.5, 0.2, 0.3],
            "topic_qualities": [0.0, 0.5, 1.0],
            "affinities": [[0.5, 0.2, 0.1], [0.0, 1.0, 0.3]],
            "nothing_score": 2.0,
            "max_steps": 9,
        },
    ),
    "exploration of kept documents": (
        "rlrec/InterestExploration-v0",
        {"resample_documents": False, "catalogue_seed": 3, "max_steps": 9},
    ),
    "satisfaction with kept documents": (
        "rlrec/LongTermSatisfaction-v0",
        {"resample_documents": False, "n_candidates": 5, "n_steps": 9},
    ),
    "satisfaction with a catalogue": (
        "rlrec/LongTermSatisfaction-v0",
        {"n_items": 40, "slate_size": 5, "n_steps": 12},
    ),
    "satisfaction with a time limit": (
        "rlrec/LongTermSatisfaction-v0",
        {"sensitivity": 0.01, "max_steps": 7, "choc_sd": 0.5},
    ),
    "return, several clicks a slate": (
        "rlrec/UserReturn-v0",
        {
            "n_items": 40,
            "slate_size": 3,
            "choice": "position_based",
            "reward_weights": [1.0, 0.5, 2.0, -5.0],
            "interest_drift": 0.1,
            "satisfaction": {"expectation_rate": 0.2, "sensitivity": {"uniform": [0.1, 0.6]}},
            "patience": {"base": -2.0},
            "returning": {"distribution": "weibull", "tolerance_hours": 100},
            "context": {"device_shares": [0.5, 0.3, 0.2], "step_minutes": 45},
            "tastes_observed": True,
            "max_steps": None,
        },
    ),
    "return, long slates": (
        "rlrec/UserReturn-v0",
        {"n_items": 40, "slate_size": 12, "max_steps": 12},
    ),
    "return, all dynamics off": (
        "rlrec/UserReturn-v0",
        {
            "n_items": 30,
            "slate_size": 2,
            "choice": "cascade",
            "satisfaction": {"sensitivity": 0.0},
            "patience": {"base": None},
            "returning": {"tolerance_hours": None},
            "context": {"hour_strength": 0, "device_strength": 0},
            "max_steps": 12,
        },
    ),
}


def maker(case: str) -> SimulatorMaker:
    env_id, arguments = CASES[case]
    return lambda n_users, first_user: make_simulator(env_id, n_users, first_user, **arguments)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("check", ENVIRONMENT_CHECKS, ids=lambda check: check.__name__)
def test_environment_contract(check: Callable[[SimulatorMaker], None], case: str) -> None:
    check(maker(case))


def test_all_checks_run_at_once() -> None:
    calls: list[int] = []

    def make(n_users: int, first_user: int) -> Any:
        calls.append(n_users)
        return maker("time limit")(n_users, first_user)

    check_environment(make)
    assert {1, 7, 1000} <= set(calls)
