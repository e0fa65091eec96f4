"""Catalogues, interaction logs, loaders of public rating formats, splits and histories."""

from rlrec.data.catalogue import Catalogue
from rlrec.data.history import HISTORY_KEYS, History, HistoryShape

__all__ = ["HISTORY_KEYS", "Catalogue", "History", "HistoryShape"]
