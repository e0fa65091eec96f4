"""What a policy would earn, estimated from a log of another one, with honest intervals."""

from rlrec.evaluation.offline.bandit_sample import BanditSample
from rlrec.evaluation.offline.choice_columns import Embeddings
from rlrec.evaluation.offline.evaluate import evaluate_offline, evaluate_samples
from rlrec.evaluation.offline.further_columns import Learning
from rlrec.evaluation.offline.logging_policy import EstimatedLogging, estimate_logging_policy
from rlrec.evaluation.offline.offline_results import OfflineEstimate, OfflineResults
from rlrec.evaluation.offline.policy_probabilities import PredictingPolicy, TargetProbabilities
from rlrec.evaluation.offline.resampling import Resamples
from rlrec.evaluation.offline.reward_models import (
    BoostedModel,
    NetworkModel,
    RewardModel,
    RidgeModel,
)
from rlrec.evaluation.offline.selection import Ranking, rank_policies
from rlrec.evaluation.offline.session_columns import WeightLearning
from rlrec.evaluation.offline.session_sample import SessionSample
from rlrec.evaluation.offline.slate import SlateSample
from rlrec.evaluation.offline.slot_probabilities import SlotDraws
from rlrec.evaluation.offline.streaming import stream_offline
from rlrec.evaluation.offline.terms import Terms
from rlrec.evaluation.offline.verdict import Thresholds

__all__ = [
    "BanditSample",
    "BoostedModel",
    "Embeddings",
    "EstimatedLogging",
    "Learning",
    "NetworkModel",
    "OfflineEstimate",
    "OfflineResults",
    "PredictingPolicy",
    "Ranking",
    "Resamples",
    "RewardModel",
    "RidgeModel",
    "SessionSample",
    "SlateSample",
    "SlotDraws",
    "TargetProbabilities",
    "Terms",
    "Thresholds",
    "WeightLearning",
    "estimate_logging_policy",
    "evaluate_offline",
    "evaluate_samples",
    "rank_policies",
    "stream_offline",
]
