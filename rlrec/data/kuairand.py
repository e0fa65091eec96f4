"""KuaiRand: short videos shown by a recommender, and some drawn at random, with many responses."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
import pandas as pd

from rlrec.arrays import Bools, Ints
from rlrec.data.catalogue import Catalogue
from rlrec.data.csv_blocks import CsvBlock, csv_blocks, place
from rlrec.data.feature_tables import read_features
from rlrec.data.item_labels import label_items
from rlrec.data.known_counts import Counts, check_expect, check_known
from rlrec.data.kuai_rows import (
    RowReading,
    files_of,
    floats_of,
    milliseconds_of,
    new_spool,
    refuse_first,
)
from rlrec.data.log import InteractionLog
from rlrec.data.log_columns import Columns
from rlrec.data.raw_files import RawFile
from rlrec.data.streamed_log import LogForm, Repeats, write_streamed
from rlrec.errors import ConfigError, DataError, UnknownNameError, nearest_hint

_logger = logging.getLogger(__name__)

TERMS = (
    "published by Kuaishou and USTC as CC BY-SA 4.0: name the source (Gao et al., CIKM 2022, "
    "KuaiRand), and pass rows on, changed or not, only under the same licence"
)

Part = Literal["standard", "random", "all"]

KNOWN: dict[str, dict[str, Counts]] = {
    "standard": {
        "KuaiRand-Pure": Counts(1_436_609, 27_285, 7_551),
        "KuaiRand-1K": Counts(11_713_045, 1_000, 4_369_953),
        "KuaiRand-27K": Counts(322_278_385, 27_285, 32_038_725),
    },
    "random": {
        "KuaiRand-Pure and -27K": Counts(1_186_059, 27_285, 7_583),
        "KuaiRand-1K": Counts(43_028, 1_000, 7_388),
    },
    "all": {"KuaiRand-Pure": Counts(2_622_668, 27_285, 7_583)},
}
"""Rows, users and videos of each version and part, from its readme file."""

_VIDEOS = "video_features_basic"

POOL_SIZE = 7_583
"""Videos from which those shown at random were drawn, each as likely."""

CHANNELS = (
    "click",
    "like",
    "follow",
    "comment",
    "forward",
    "hate",
    "long_view",
    "play_seconds",
)

_SIGNALS = {
    name: name if name == "long_view" else f"is_{name}" for name in CHANNELS if "play" not in name
}
_BINARY = (*_SIGNALS.values(), "is_rand")
_KINDS = {
    "user_id": int,
    "video_id": int,
    "time_ms": int,
    "play_time_ms": float,
    **dict.fromkeys(_BINARY, int),
}


@dataclass(frozen=True, eq=False)
class KuaiRand:
    """One part of a version of KuaiRand.

    Stability: experimental.
    """

    log: InteractionLog
    """A video a row, with the channels of `CHANNELS`. The part "random" has propensities."""
    catalogue: Catalogue
    """Videos of `video_features_basic`, with tags as features; topics are the rarest of each.
    Without that file, the videos that were shown."""
    users: pd.DataFrame | None
    """A row a user of `user_features`; None where the file is not there."""
    is_random: Bools
    """Shape (n_rows,). Whether the video of each row of the log was drawn at random."""
    n_repeats: int
    """Rows that repeat user, video and time of another one."""


class KuaiRandFeatures(NamedTuple):
    """The tables of features as they are published, by their ids."""

    users: pd.DataFrame
    videos: pd.DataFrame
    """The column `tag` holds text, tags separated by commas."""


def load_kuairand(
    folder: str | Path,
    part: Part = "standard",
    path: str | Path | None = None,
    *,
    reward: str = "click",
    visit_gap_minutes: float | None = 30.0,
    pool_size: int = POOL_SIZE,
    repeats: Repeats = "refuse",
    expect: tuple[int, int, int] | None = None,
    overwrite: bool = False,
) -> KuaiRand:
    """Read KuaiRand (Pure, 1K or 27K) as a log, without ever holding a whole file.

    The files are `log_standard_*.csv` and `log_random_*.csv`, and if they are there
    `video_features_basic_*.csv` and `user_features_*.csv`; each may be gzipped.

    Videos of the part "random" replaced recommended ones and were drawn uniformly from a pool, so
    their log is one of rounds with propensity 1 / `pool_size`: given that a video was replaced, of
    what stood in its place. How the recommender chose is not known, so the other parts have no
    propensities; their episodes are visits.

    Args:
        folder: That holds the files, or the folder `data` with them.
        part: "standard" (recommended), "random" (drawn at random) or "all" (both, by time).
        path: Folder of the log to write; None keeps it in memory, up to five million rows.
        reward: The channel that is the reward.
        visit_gap_minutes: Minutes without a row after which another visit, an episode, begins;
            None for one episode a user.
        pool_size: Videos in the pool.
        repeats: What becomes of rows that repeat user, video and time of another: "refuse" the
            files, "drop" the rows, or "keep" them as events.
        expect: Rows, users and videos there must be; by default those of the published version
            near which the files come.
        overwrite: Replace a log that is at `path` already.

    Raises:
        DataError: A file is missing, damaged or breaks a rule; names file, line and column.
        UnknownNameError: There is no such part, channel or way with repeats.
        ConfigError: An argument is outside what it may be.

    Reference:
        Gao, Li, Zhang, Chen, Li, Lei, Jiang and He, 2022, "KuaiRand: An Unbiased Sequential
        Recommendation Dataset with Randomly Exposed Videos".
    """
    check_expect(expect)
    form = _form(part, reward, visit_gap_minutes, pool_size, repeats)
    path = None if path is None else Path(path)
    files = files_of(folder)
    features = _at_most_one(files, folder, "user_features")
    users = None if features is None else read_features(features.path, "user_id")
    reading = _reading(files, folder, part, users)
    with new_spool(path, overwrite) as spool:
        reading.read_into(spool)
        check_known(reading.counts, folder, KNOWN[part], expect)
        _check_rows(reading.counts, folder, part, pool_size)
        catalogue = reading.items_seen()
        made = write_streamed(spool, form, catalogue, path, reading.where, overwrite)
    _logger.info(
        "%s, part %s: %s; %d rows of the other kind left out; %d rows repeat another (%s); %s",
        folder,
        part,
        reading.counts,
        reading.n_left_out,
        made.n_repeats,
        repeats,
        TERMS,
    )
    return KuaiRand(made.log, catalogue, users, made.marks, made.n_repeats)


def load_kuairand_features(folder: str | Path) -> KuaiRandFeatures:
    """Read the tables of features of a version, `user_features_*` and `video_features_basic_*`.

    They are loaded whole: those of videos are small in KuaiRand-Pure only.

    Raises:
        DataError: A file is missing or damaged, or ids are wrong; names file, line and column.
    """
    files = files_of(folder)
    users, videos = (_needed(files, folder, name) for name in ("user_features", _VIDEOS))
    return KuaiRandFeatures(
        read_features(users.path, "user_id"), read_features(videos.path, "video_id", ("tag",))
    )


def _form(
    part: str, reward: str, visit_gap_minutes: float | None, pool_size: int, repeats: Repeats
) -> LogForm:
    if part not in get_args(Part):
        raise UnknownNameError(
            f"no part is called {part!r}.{nearest_hint(str(part), get_args(Part))}"
        )
    if type(pool_size) is not int or pool_size < 1:
        raise ConfigError(f"pool_size must be a whole number of 1 or more, got {pool_size!r:.80}")
    is_random = part == "random"
    return LogForm(
        channels=CHANNELS,
        reward=reward,
        logging_policy="uniform" if is_random else f"unknown (KuaiRand, {part})",
        propensity=1 / pool_size if is_random else None,
        are_rounds=is_random,
        visit_gap_minutes=visit_gap_minutes,
        repeats=repeats,
    )


def _reading(
    files: list[RawFile], folder: str | Path, part: Part, users: pd.DataFrame | None
) -> RowReading:
    kinds = ("standard", "random") if part == "all" else (part,)
    sources = [file for kind in kinds for file in _called(files, f"log_{kind}")]
    if not sources:
        wanted = " or ".join(f"'log_{kind}_*.csv'" for kind in kinds)
        raise DataError(f"{folder}: expected {wanted} (or with .gz), found none")
    videos = _at_most_one(files, folder, _VIDEOS)
    return RowReading(
        sources=[file.path for file in sources],
        kinds=_KINDS,
        convert=_rows,
        catalogue=None if videos is None else _catalogue(videos),
        user_ids=None if users is None else np.sort(users.index.to_numpy(np.int64)),
        keeps=None if part == "all" else lambda rows: rows["mark"] == (part == "random"),
    )


def _called(files: list[RawFile], beginning: str) -> list[RawFile]:
    return [file for file in files if file.name.startswith(beginning) and file.name[-4:] == ".csv"]


def _at_most_one(files: list[RawFile], folder: str | Path, beginning: str) -> RawFile | None:
    found = _called(files, beginning)
    if len(found) > 1:
        raise DataError(
            f"{folder}: expected one file '{beginning}_*.csv' (or with .gz), found "
            f"{[file.name for file in found]}; give the folder of one version"
        )
    return found[0] if found else None


def _needed(files: list[RawFile], folder: str | Path, beginning: str) -> RawFile:
    found = _at_most_one(files, folder, beginning)
    if found is None:
        raise DataError(f"{folder}: expected '{beginning}_*.csv' (or with .gz), found none")
    return found


def _check_rows(found: Counts, folder: str | Path, part: Part, pool_size: int) -> None:
    if not found.n_ratings:
        raise DataError(f"{folder}: expected rows of the part {part!r}, found none")
    if part == "random" and found.n_items > pool_size:
        raise DataError(
            f"{folder}: {found.n_items:,} different videos were drawn at random, so that the pool "
            f"cannot hold {pool_size:,}; pass its size as pool_size"
        )


def _rows(block: CsvBlock) -> Columns:
    columns = block.columns
    for name in _BINARY:
        refuse_first(block, name, ~np.isin(columns[name], (0, 1)), "0 or 1")
    rows = {
        "user_id": columns["user_id"],
        "item_id": columns["video_id"],
        "milliseconds": milliseconds_of(block, "time_ms", per_second=1000),
        "mark": columns["is_rand"] == 1,
        "play_seconds": floats_of(block, "play_time_ms") / 1000,
    }
    signals = {name: columns[column].astype(np.float32) for name, column in _SIGNALS.items()}
    return rows | signals


def _catalogue(source: RawFile) -> Catalogue:
    """Return the videos in the order of their ids; only ids and tags are kept in memory."""
    ids: list[Ints] = []
    which: list[Ints] = []
    lists: dict[str, int] = {}
    for block in csv_blocks(source.path, {"video_id": int, "tag": str}, may_lack=("tag",)):
        refuse_first(block, "video_id", block.columns["video_id"] < 0, "0 or more")
        codes, distinct = pd.factorize(pd.Series(block.columns["tag"]).fillna(""))
        known = [lists.setdefault(text, len(lists)) for text in distinct]
        ids.append(block.columns["video_id"])
        which.append(np.array(known)[codes])
    item_ids, first = np.unique(np.concatenate(ids), return_index=True)
    _refuse_repeated_videos(source, np.concatenate(ids), len(item_ids))
    labels = [[tag for tag in text.split(",") if tag] for text in lists]
    labelled = label_items(labels, np.concatenate(which)[first])
    return Catalogue(
        item_ids=item_ids,
        topics=labelled.topics,
        features=labelled.flags,
        topic_names=labelled.names,
    )


def _refuse_repeated_videos(source: RawFile, ids: Ints, n_items: int) -> None:
    if n_items != len(ids):
        repeated = pd.Series(ids).duplicated().to_numpy()
        row = int(repeated.argmax())
        raise DataError(
            f"{place(source.path, row + 2, 'video_id')}: expected each id once, found {ids[row]} "
            f"again ({int(repeated.sum())} such rows)"
        )
