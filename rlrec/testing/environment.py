"""All that an environment must keep, in one list."""

from rlrec.testing.face_checks import FACE_CHECKS
from rlrec.testing.simulator_checks import SIMULATOR_CHECKS
from rlrec.testing.traces import SimulatorMaker
from rlrec.testing.truth_checks import TRUTH_CHECKS

ENVIRONMENT_CHECKS = (*SIMULATOR_CHECKS, *TRUTH_CHECKS, *FACE_CHECKS)


def check_environment(make: SimulatorMaker) -> None:
    """Run all ENVIRONMENT_CHECKS.

    Args:
        make: Takes `n_users` and `first_user`, returns a simulator that is not reset yet.

    Raises:
        AssertionError: A rule is broken; the message says which.
    """
    for check in ENVIRONMENT_CHECKS:
        check(make)
