"""Catalogues, interaction logs, loaders of public rating formats, splits and histories."""

from rlrec.data.catalogue import Catalogue
from rlrec.data.history import HISTORY_KEYS, History, HistoryShape
from rlrec.data.log import InteractionLog, LogMetadata
from rlrec.data.rebuild import rebuild_observations

__all__ = [
    "HISTORY_KEYS",
    "Catalogue",
    "History",
    "HistoryShape",
    "InteractionLog",
    "LogMetadata",
    "rebuild_observations",
]
