"""Collaborative filtering: the models every agent has to beat, and the first loggers."""

from rlrec.baselines.als import ALS
from rlrec.baselines.biased_svd import BiasedSVD
from rlrec.baselines.ease import EASE
from rlrec.baselines.item_knn import ItemKNN
from rlrec.baselines.popularity import Popularity
from rlrec.baselines.pure_svd import PureSVD
from rlrec.baselines.recommender import Recommender
from rlrec.baselines.registry import BASELINE_NAMES, load_baseline, make_baseline
from rlrec.baselines.topic_cap import TopicCapped

__all__ = [
    "ALS",
    "BASELINE_NAMES",
    "EASE",
    "BiasedSVD",
    "ItemKNN",
    "Popularity",
    "PureSVD",
    "Recommender",
    "TopicCapped",
    "load_baseline",
    "make_baseline",
]
