"""What a policy would earn, estimated from a log of another one, with honest intervals."""

from rlrec.evaluation.offline.resampling import Resamples
from rlrec.evaluation.offline.terms import Terms

__all__ = ["Resamples", "Terms"]
