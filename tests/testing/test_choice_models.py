"""Every choice model keeps the contract."""

from collections.abc import Callable

import pytest

from rlrec.envs.blocks.choice import ChoiceModel, LogitChoice, ProportionalChoice
from rlrec.envs.blocks.scanning import DynamicBayesianChoice, LogisticAttraction
from rlrec.testing import CHOICE_MODEL_CHECKS, check_choice_model

MODELS: dict[str, ChoiceModel] = {
    "proportional": ProportionalChoice(),
    "proportional above -3": ProportionalChoice(minimum=-3.0, nothing_score=-2.0),
    "logit": LogitChoice(),
    "cold logit": LogitChoice(nothing_score=0.3, temperature=0.1),
    "dynamic bayesian": DynamicBayesianChoice(LogisticAttraction(), LogisticAttraction(2.0)),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("check", CHOICE_MODEL_CHECKS, ids=lambda check: check.__name__)
def test_choice_model_contract(check: Callable[[ChoiceModel], None], name: str) -> None:
    check(MODELS[name])


def test_all_checks_run_at_once() -> None:
    check_choice_model(LogitChoice())
