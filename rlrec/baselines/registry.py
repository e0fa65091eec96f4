"""Baselines by name."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rlrec.baselines.als import ALS
from rlrec.baselines.ease import EASE
from rlrec.baselines.item_knn import ItemKNN
from rlrec.baselines.model_folder import read_model
from rlrec.baselines.popularity import Popularity
from rlrec.baselines.pure_svd import PureSVD
from rlrec.baselines.recommender import Recommender
from rlrec.errors import ConfigError, ModelFileError, UnknownNameError, nearest_hint

_MAKERS: dict[str, Callable[..., Recommender]] = {
    "popularity": Popularity,
    "itemknn": partial(ItemKNN, "cosine"),
    "itemknn_tfidf": partial(ItemKNN, "tfidf"),
    "als": ALS,
    "ease": EASE,
    "puresvd": PureSVD,
}

_CLASSES: tuple[type[Recommender], ...] = (Popularity, ItemKNN, ALS, EASE, PureSVD)

BASELINE_NAMES = tuple(_MAKERS)
"""Names that `make_baseline` knows."""


def make_baseline(name: str, **settings: Any) -> Recommender:
    """Return an unfitted baseline.

    Args:
        name: One of BASELINE_NAMES.
        settings: Arguments of its class.

    Raises:
        UnknownNameError: No baseline has that name.
        ConfigError: A setting is unknown or outside what it may be.
    """
    if name not in _MAKERS:
        raise UnknownNameError(
            f"no baseline is called {name!r}.{nearest_hint(name, BASELINE_NAMES)}"
        )
    try:
        return _MAKERS[name](**settings)
    except TypeError as error:
        raise ConfigError(f"baseline {name!r}: {error}") from None


def load_baseline(folder: Path | str) -> Recommender:
    """Read a saved baseline of any class.

    Raises:
        ModelFileError: The folder is missing, damaged, of another kind or version.
    """
    saved = read_model(folder)
    for kind in _CLASSES:
        if kind.name == saved.model:
            return kind._restored(saved, folder)
    raise ModelFileError(f"{folder} holds {saved.model!r}, which is not a slate recommender")
