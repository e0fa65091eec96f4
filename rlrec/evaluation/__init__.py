"""How good policies and rankings are: metrics, rollouts on the same users, statistics."""

from rlrec.evaluation.exposure import coverage, gini
from rlrec.evaluation.ranking import (
    RankingMetrics,
    evaluate_ranking,
    rank_items,
    ranking_metrics,
)
from rlrec.evaluation.rating import (
    RatingMetrics,
    ThresholdMetrics,
    rating_metrics,
    threshold_metrics,
)
from rlrec.evaluation.results import PolicyRollout, RolloutResults, Timeline
from rlrec.evaluation.rollout import rollout
from rlrec.evaluation.statistics import (
    Estimate,
    interquartile_mean,
    mean_interval,
    paired_difference,
    performance_profile,
    probability_interval,
    probability_of_improvement,
    stratified_bootstrap_interval,
)
from rlrec.evaluation.worlds import WorldResults, gain_kept, rollout_across

__all__ = [
    "Estimate",
    "PolicyRollout",
    "RankingMetrics",
    "RatingMetrics",
    "RolloutResults",
    "ThresholdMetrics",
    "Timeline",
    "WorldResults",
    "coverage",
    "evaluate_ranking",
    "gain_kept",
    "gini",
    "interquartile_mean",
    "mean_interval",
    "paired_difference",
    "performance_profile",
    "probability_interval",
    "probability_of_improvement",
    "rank_items",
    "ranking_metrics",
    "rating_metrics",
    "rollout",
    "rollout_across",
    "stratified_bootstrap_interval",
    "threshold_metrics",
]
