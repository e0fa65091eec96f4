"""The catalogue beside a log on disk, so that the log can be read without what made it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rlrec.data.catalogue import Catalogue
from rlrec.errors import DataError

CATALOGUE_FILE = "catalogue.parquet"
_META = b"rlrec catalogue"


def write_catalogue(folder: str | Path, catalogue: Catalogue) -> Path:
    """Write a catalogue into a folder, such as that of a log; it appears whole or not at all.

    One row an item: `item_id`, `topic`, `features` (D float32), `title` where there are titles;
    names of topics in the metadata.
    """
    features = (
        pa.FixedSizeListArray.from_arrays(
            pa.array(catalogue.features.ravel()), max(catalogue.features.shape[1], 1)
        )
        if catalogue.features.shape[1]
        else None
    )
    columns: dict[str, Any] = {
        "item_id": pa.array(catalogue.item_ids.tolist()),
        "topic": pa.array(catalogue.topics),
    }
    if features is not None:
        columns["features"] = features
    if catalogue.titles:
        columns["title"] = pa.array(list(catalogue.titles))
    told = json.dumps({"topic_names": list(catalogue.topic_names)}, ensure_ascii=False)
    table = pa.table(columns).replace_schema_metadata({_META: told.encode()})
    path = Path(folder) / CATALOGUE_FILE
    partial = path.with_name(f".{CATALOGUE_FILE}.partial")
    pq.write_table(table, partial, write_page_checksum=True)
    partial.rename(path)
    return path


def read_catalogue(folder: str | Path) -> Catalogue:
    """Return the catalogue in a folder, such as that of a log.

    Raises:
        DataError: There is none, or it is damaged.
    """
    path = Path(folder) / CATALOGUE_FILE
    if not path.is_file():
        raise DataError(
            f"{folder} holds no {CATALOGUE_FILE}: record or load the log again with this release, "
            "or write_catalogue(folder, catalogue) there"
        )
    try:
        table = pq.read_table(path, page_checksum_verification=True)
        told = json.loads(table.schema.metadata[_META])
        n_items, names = table.num_rows, table.column_names
        features = np.zeros((n_items, 0), np.float32)
        if "features" in names:
            flat = table["features"].combine_chunks().flatten().to_numpy()
            features = flat.reshape(n_items, -1)
        return Catalogue(
            item_ids=np.array(table["item_id"].to_pylist()),
            topics=table["topic"].to_numpy(),
            features=features,
            topic_names=tuple(told["topic_names"]),
            titles=tuple(table["title"].to_pylist()) if "title" in names else (),
        )
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path}: expected a catalogue, found a damaged file ({reason})") from error
