"""The hazard of a visit's end, from visits whose hazard is known."""

from typing import Any

import numpy as np
import pytest

from rlrec.data import InteractionLog
from rlrec.envs import make_simulator
from rlrec.envs.fitting.slates.visit_ends import fit_visit_ends
from rlrec.errors import DataError
from rlrec.policy import RandomPolicy

PATIENCE = {"base": -3.0, "step_cost": 0.15, "idle_cost": 0.4}


def log_of(n_steps: int, patience: dict[str, Any] | None = None, seed: int = 0) -> InteractionLog:
    users = make_simulator(
        "rlrec/ComposedUsers-v0",
        200,
        n_items=40,
        slate_size=3,
        leaving={
            "name": "patience",
            "relief": 0.0,
            "poor_cost": 0.0,
            "tiring": 1.0,
            **(PATIENCE if patience is None else patience),
        },
    )
    return InteractionLog.record(RandomPolicy(40, 3), users, n_steps, seed=seed)


def test_a_known_hazard_is_recovered() -> None:
    found = fit_visit_ends(log_of(40_000))
    for name, value in PATIENCE.items():
        estimate = found.parameters.estimates[name]
        assert abs(estimate.value - value) < 4 * estimate.standard_error
        assert estimate.standard_error < 0.1 * abs(value)
    assert found.patience().idle_cost == found.parameters.estimates["idle_cost"].value


def test_survival_is_the_share_of_visits_that_last_longer() -> None:
    log = log_of(20_000)
    found = fit_visit_ends(log)
    ended = np.flatnonzero(log.column("terminated"))
    lengths = log.column("step")[ended] + 1
    for step in (1, 3, 8):
        share = (lengths > step).mean()  # nearly all visits ended within the log
        assert found.survival[step - 1] == pytest.approx(share, abs=0.05)
    assert (np.diff(found.survival) <= 0).all()


def test_it_is_the_same_however_a_log_is_cut_into_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    log = log_of(3_000)
    whole = fit_visit_ends(log)
    blocks = type(log).blocks
    monkeypatch.setattr(type(log), "blocks", lambda self, names: blocks(self, names, n_rows=7))
    assert fit_visit_ends(log).parameters.estimates == whole.parameters.estimates


def test_a_hazard_that_does_not_rise_has_no_costs_below_0() -> None:
    found = fit_visit_ends(log_of(20_000, {"base": -2.0, "step_cost": 0.0, "idle_cost": 0.0}))
    costs = [found.parameters.estimates[name] for name in ("step_cost", "idle_cost")]
    assert all(0.0 <= cost.value < 4 * cost.standard_error for cost in costs)


def test_visits_that_were_all_cut_off_tell_no_length() -> None:
    log = log_of(200, {"base": None, "step_cost": 0.0, "idle_cost": 0.0})
    with pytest.raises(DataError, match="0 of 200 visits ended"):
        fit_visit_ends(log)
