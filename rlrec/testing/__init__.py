"""The contract checks of rlrec's parts, for components of your own.

Each check is a function that raises an AssertionError saying what must hold. A list can be run at
once (`check_environment(make)`), or one by one under pytest:

    @pytest.mark.parametrize("check", ENVIRONMENT_CHECKS, ids=lambda check: check.__name__)
    def test_my_environment(check):
        check(lambda n_users, first_user: my_environment(n_users, first_user))
"""

from rlrec.testing.agent_checks import AGENT_CHECKS, check_agent
from rlrec.testing.choice_checks import CHOICE_MODEL_CHECKS, check_choice_model
from rlrec.testing.environment import ENVIRONMENT_CHECKS, check_environment
from rlrec.testing.policy_checks import POLICY_CHECKS, check_policy
from rlrec.testing.recommender_checks import RECOMMENDER_CHECKS, check_recommender
from rlrec.testing.traces import SimulatorMaker

__all__ = [
    "AGENT_CHECKS",
    "CHOICE_MODEL_CHECKS",
    "ENVIRONMENT_CHECKS",
    "POLICY_CHECKS",
    "RECOMMENDER_CHECKS",
    "SimulatorMaker",
    "check_agent",
    "check_choice_model",
    "check_environment",
    "check_policy",
    "check_recommender",
]
