"""Catalogues, interaction logs, loaders of public rating formats, splits and histories."""

from rlrec.data.catalogue import Catalogue
from rlrec.data.catalogue_files import read_catalogue, write_catalogue
from rlrec.data.coat import load_coat
from rlrec.data.history import HISTORY_KEYS, History, HistoryShape
from rlrec.data.jester import load_jester
from rlrec.data.kuairand import load_kuairand, load_kuairand_features
from rlrec.data.kuairec import load_kuairec
from rlrec.data.lastfm import load_lastfm
from rlrec.data.loading import load_ratings
from rlrec.data.log import InteractionLog, LogMetadata
from rlrec.data.minari import from_minari, to_minari
from rlrec.data.movielens import load_movielens
from rlrec.data.msweb import load_msweb
from rlrec.data.observed_block import ObservedBlock, block_of_log, fully_observed
from rlrec.data.open_bandit import load_open_bandit
from rlrec.data.ratings import Ratings
from rlrec.data.rebuild import rebuild_observations
from rlrec.data.recbole import load_recbole
from rlrec.data.sequences import load_sequences
from rlrec.data.splits import Split, leave_one_out, random_split, split_positive_by_time
from rlrec.data.tables import load_table

__all__ = [
    "HISTORY_KEYS",
    "Catalogue",
    "History",
    "HistoryShape",
    "InteractionLog",
    "LogMetadata",
    "ObservedBlock",
    "Ratings",
    "Split",
    "block_of_log",
    "from_minari",
    "fully_observed",
    "leave_one_out",
    "load_coat",
    "load_jester",
    "load_kuairand",
    "load_kuairand_features",
    "load_kuairec",
    "load_lastfm",
    "load_movielens",
    "load_msweb",
    "load_open_bandit",
    "load_ratings",
    "load_recbole",
    "load_sequences",
    "load_table",
    "random_split",
    "read_catalogue",
    "rebuild_observations",
    "split_positive_by_time",
    "to_minari",
    "write_catalogue",
]
