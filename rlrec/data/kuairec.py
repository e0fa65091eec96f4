"""KuaiRec: how far users watched short videos, in a large sparse matrix and a small full one."""

import logging
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from rlrec.data.catalogue import Catalogue
from rlrec.data.csv_blocks import CsvBlock
from rlrec.data.feature_tables import read_features, whole_ids
from rlrec.data.item_labels import label_items
from rlrec.data.known_counts import Counts, check_expect, check_known
from rlrec.data.kuai_rows import RowReading, files_of, floats_of, milliseconds_of, new_spool
from rlrec.data.log import InteractionLog
from rlrec.data.log_columns import Columns
from rlrec.data.observed_block import ObservedBlock, block_of_log
from rlrec.data.raw_files import RawFile, named
from rlrec.data.streamed_log import LogForm, Repeats, write_streamed
from rlrec.data.tables import Table
from rlrec.errors import ConfigError, DataError, UnknownNameError, nearest_hint

if TYPE_CHECKING:
    import pandas as pd

_logger = logging.getLogger(__name__)

TERMS = (
    "published by Kuaishou and USTC as CC BY-SA 4.0: name the source (Gao et al., CIKM 2022, "
    "KuaiRec), and pass rows on, changed or not, only under the same licence"
)
KNOWN = {
    "big matrix of KuaiRec": Counts(12_530_806, 7_176, 10_728),
    "small matrix of KuaiRec": Counts(4_676_570, 1_411, 3_327),
}
CHANNELS = ("watched", "watch_ratio", "play_seconds")
"""Whether it counts as a response; time watched by length of the video, above 1 where it was
watched again; time watched."""

Matrix = Literal["big", "small"]

_KINDS = {
    "user_id": int,
    "video_id": int,
    "play_duration": float,
    "timestamp": float,
    "watch_ratio": float,
}
_LIST = re.compile(r"\[\s*(\d+(\s*,\s*\d+)*)?\s*\]")


@dataclass(frozen=True, eq=False)
class KuaiRec:
    """One of the two matrices.

    Stability: experimental.
    """

    log: InteractionLog
    """A video a row, with the channels of `CHANNELS`, without propensities."""
    catalogue: Catalogue
    """All videos, with their categories as features; topics are the rarest of each."""
    users: "pd.DataFrame | None"
    """A row a user of `user_features.csv`; None where the file is not there."""
    n_repeats: int
    """Rows that repeat user, video and time of another one."""

    def block(self, channel: str = "watch_ratio") -> ObservedBlock:
        """Return users by videos; of the small matrix nearly all cells are known."""
        return block_of_log(self.log, channel)


def load_kuairec(
    folder: str | Path,
    matrix: Matrix = "big",
    path: str | Path | None = None,
    *,
    reward: str = "watch_ratio",
    watched_from: float = 1.0,
    visit_gap_minutes: float | None = 30.0,
    repeats: Repeats = "drop",
    expect: tuple[int, int, int] | None = None,
    overwrite: bool = False,
) -> KuaiRec:
    """Read a matrix of KuaiRec as a log, without ever holding the whole file.

    The files are `big_matrix.csv` or `small_matrix.csv`, and if they are there
    `item_categories.csv` and `user_features.csv`; each may be gzipped. Where rows have no time,
    as in the small matrix, the log has no timestamps and each user is one episode.

    Args:
        folder: That holds the files, or the folder `data` with them.
        matrix: "big" (sparse), or "small", in which nearly every user saw every video.
        path: Folder of the log to write; None keeps it in memory, up to five million rows.
        reward: The channel that is the reward.
        watched_from: Watch ratio from which on a row counts as a response, in the channel `watched`
            that histories and baselines go by; the authors' experiments also use 2.
        visit_gap_minutes: Minutes without a row after which another visit, an episode, begins;
            None for one episode a user.
        repeats: What becomes of rows that repeat user, video and time of another: "drop" them,
            "keep" them as events, or "refuse" the file.
        expect: Rows, users and videos there must be; by default those of the published matrix
            near which the file comes.
        overwrite: Replace a log that is at `path` already.

    Raises:
        DataError: A file is missing, damaged or breaks a rule; names file, line and column.
        UnknownNameError: There is no such matrix, channel or way with repeats.
        ConfigError: An argument is outside what it may be.

    Reference:
        Gao, Li, Lei, Chen, Li, Jiang, He, Mao and Chua, 2022, "KuaiRec: A Fully-Observed Dataset
        and Insights for Evaluating Recommender Systems".
    """
    check_expect(expect)
    form = _form(matrix, reward, watched_from, visit_gap_minutes, repeats)
    path = None if path is None else Path(path)
    files = files_of(folder)
    source = named(files, f"{matrix}_matrix.csv")
    if source is None:
        raise DataError(f"{folder}: expected '{matrix}_matrix.csv' (or with .gz), found none")
    features = named(files, "user_features.csv")
    users = None if features is None else read_features(features.path, "user_id")
    categories = named(files, "item_categories.csv")
    reading = RowReading(
        sources=[source.path],
        kinds=_KINDS,
        convert=partial(_rows, watched_from=watched_from),
        may_lack=("timestamp",),
        catalogue=None if categories is None else _catalogue(categories),
        user_ids=None if users is None else np.sort(users.index.to_numpy(np.int64)),
    )
    with new_spool(path, overwrite) as spool:
        reading.read_into(spool)
        check_known(reading.counts, source, KNOWN, expect)
        catalogue = reading.items_seen()
        made = write_streamed(spool, form, catalogue, path, reading.where, overwrite)
    repeated = f"{made.n_repeats:,} rows repeat another ({repeats})"
    _logger.info("%s: %s; %s; %s", source, reading.counts, repeated, TERMS)
    return KuaiRec(made.log, catalogue, users, made.n_repeats)


def _form(
    matrix: str,
    reward: str,
    watched_from: float,
    visit_gap_minutes: float | None,
    repeats: Repeats,
) -> LogForm:
    if matrix not in get_args(Matrix):
        hint = nearest_hint(str(matrix), get_args(Matrix))
        raise UnknownNameError(f"no matrix is called {matrix!r}.{hint}")
    if not (isinstance(watched_from, int | float) and watched_from > 0):
        raise ConfigError(f"watched_from must be above 0, got {watched_from!r:.80}")
    return LogForm(
        channels=CHANNELS,
        reward=reward,
        logging_policy=f"unknown (KuaiRec, {matrix} matrix)",
        visit_gap_minutes=visit_gap_minutes,
        repeats=repeats,
    )


def _rows(block: CsvBlock, watched_from: float) -> Columns:
    users, ratios = block.columns["user_id"], block.columns["watch_ratio"]
    return {
        "user_id": users,
        "item_id": block.columns["video_id"],
        "milliseconds": milliseconds_of(block, "timestamp", per_second=1),
        "mark": np.zeros(len(users), bool),
        "watched": (ratios >= watched_from).astype(np.float32),
        "watch_ratio": floats_of(block, "watch_ratio"),
        "play_seconds": floats_of(block, "play_duration") / 1000,
    }


def _catalogue(source: RawFile) -> Catalogue:
    """Return the videos of `item_categories.csv`, in the order of their ids."""
    table = Table(source.path, ids=("video_id", "feat"))
    ids = whole_ids(table, source.path, "video_id")
    if "feat" not in table.names:
        raise DataError(f"{source}, line 1: expected a column 'feat', found {list(table.names)}")
    lists = table.texts("feat")
    for row, text in enumerate(lists):
        if not _LIST.fullmatch(text):
            raise DataError(
                f"{table.where(row, 'feat')}: expected a list of categories such as '[8]', found "
                f"{text!r:.40}"
            )
    order = np.argsort(ids)
    labelled = label_items([re.findall(r"\d+", lists[row]) for row in order])
    return Catalogue(
        item_ids=ids[order],
        topics=labelled.topics,
        features=labelled.flags,
        topic_names=labelled.names,
    )
