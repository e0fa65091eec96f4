"""Sequences: lines of a user and an item, in the order of time within each user."""

import logging
from pathlib import Path

import numpy as np

from rlrec.data.catalogue import Catalogue
from rlrec.data.csv_tables import CsvLayout
from rlrec.data.known_counts import Counts, check_expect, check_known
from rlrec.data.rating_rules import indexed
from rlrec.data.ratings import Ratings
from rlrec.data.raw_files import RawFile
from rlrec.data.tables import Table
from rlrec.errors import DataError

_logger = logging.getLogger(__name__)

TERMS = (
    "sequences carry the terms of the set they were made from; those of Amazon reviews are for "
    "research, to be cited (McAuley et al., 2015), without a right to pass rows on"
)
KNOWN = {"Amazon Beauty of BERT4Rec": Counts(353_962, 40_226, 54_542)}


def load_sequences(path: str | Path, expect: tuple[int, int, int] | None = None) -> Ratings:
    """Read events from lines of `user item`, separated by a space or a tab, without a header.

    The lines of a user stand in the order of time, those of different users anyhow. An item may
    come again: each line is an event.

    Args:
        path: The file, plain or `.gz`.
        expect: Events, users and items there must be; by default those of the known file near
            which it comes.

    Returns:
        Ratings in file order, all of them 1. It is not known when an event was, so there are no
        timestamps; `is_ordered` tells splits by time that the order is that of the file.

    Raises:
        DataError: The file is missing, damaged or breaks a rule; names file, line and column.
        ConfigError: `expect` is not three counts.

    Reference:
        Kang and McAuley, 2018, "Self-Attentive Sequential Recommendation", whose form this is.
    """
    check_expect(expect)
    source = Path(path)
    if source.suffix.lower() == ".parquet":
        raise DataError(f"{source}: expected lines of text; read Parquet files with load_table")
    first = RawFile(source).first_line().strip()
    layout = CsvLayout("\t" if b"\t" in first else " ", ("user", "item"), may_quote=False)
    table = Table(source, layout, ids=("user", "item"))
    user_index, user_ids = indexed(table.ids("user"))
    item_index, item_ids = indexed(table.ids("item"))
    ratings = Ratings(
        user_ids=user_ids,
        user_index=user_index,
        item_index=item_index,
        values=np.ones(len(user_index)),
        timestamps=None,
        catalogue=Catalogue.of_ids(item_ids),
        is_ordered=True,
    )
    check_known(Counts(len(ratings), len(user_ids), len(item_ids)), source, KNOWN, expect)
    lengths = np.bincount(user_index)
    _logger.info(
        "%s: %s events of %s users and %s items, %d to %d a user; %s",
        source,
        f"{len(ratings):,}",
        f"{len(user_ids):,}",
        f"{len(item_ids):,}",
        lengths.min(),
        lengths.max(),
        TERMS,
    )
    return ratings
