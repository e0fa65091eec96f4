"""Where simulated users behave like those of a log, and how well they foretell single choices."""

from rlrec.envs.fitting.validation.comparing import Comparison, Verdict
from rlrec.envs.fitting.validation.fidelity import fidelity
from rlrec.envs.fitting.validation.rating_fidelity import rating_fidelity

__all__ = ["Comparison", "Verdict", "fidelity", "rating_fidelity"]
