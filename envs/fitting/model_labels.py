"""Ids, titles and names of topics of a saved user model: they may be numbers or texts."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlrec.data.catalogue import Catalogue


def label_arrays(catalogue: Catalogue, person_ids: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Return what a model folder keeps of items and persons; labels as bytes of JSON."""
    labels = {
        "person_ids": person_ids.tolist(),
        "item_ids": catalogue.item_ids.tolist(),
        "titles": list(catalogue.titles),
        "topic_names": list(catalogue.topic_names),
    }
    text = json.dumps(labels, ensure_ascii=False)
    return {"labels": np.frombuffer(text.encode(), np.uint8)}


def labelled(arrays: Mapping[str, Any]) -> tuple[Catalogue, NDArray[Any]]:
    """Return catalogue and person ids from the arrays of a model folder.

    Raises:
        KeyError: An array or a label is missing.
        ValueError: The labels are damaged.
    """
    labels = json.loads(arrays["labels"].tobytes())
    catalogue = Catalogue(
        item_ids=np.array(labels["item_ids"]),
        topics=arrays["topics"],
        features=arrays["features"],
        topic_names=tuple(labels["topic_names"]),
        titles=tuple(labels["titles"]),
    )
    return catalogue, np.array(labels["person_ids"])
