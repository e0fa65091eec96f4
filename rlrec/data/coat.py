"""The Coat set: ratings of coats that people chose to rate, and of coats drawn at random."""

import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from rlrec.arrays import Bools, Floats, Floats32
from rlrec.data.catalogue import Catalogue
from rlrec.data.log import InteractionLog, LogMetadata
from rlrec.data.rating_rules import Scale
from rlrec.data.ratings import Ratings
from rlrec.data.raw_files import RawFile, files_at, lines_of, named
from rlrec.errors import ConfigError, DataError

_logger = logging.getLogger(__name__)

_SCALE = Scale(1.0, 5.0, 1.0)
_OFFICIAL = (290, 300, 6_960, 4_640)
TERMS = (
    "published by its authors (Schnabel et al., 2016) for research, without a licence: do not "
    "pass rows on"
)


@dataclass(frozen=True, eq=False)
class Coat:
    """Ratings of the same people under two ways of exposure.

    Stability: experimental.
    """

    chosen: Ratings
    """Of coats that people picked themselves: higher than what they would give to any coat."""
    random: Ratings
    """Of coats drawn uniformly at random for each person."""
    user_features: Floats32
    """Shape (U, P). Binary."""
    user_feature_names: tuple[str, ...]
    item_feature_names: tuple[str, ...]
    """Of the columns of `chosen.catalogue.features`."""
    propensities: Floats | None
    """Shape (U, N). Estimated probability that a person rated a coat of their own choice, in
    (0, 1]; None where the file is not there. Not what a policy does: they do not sum to 1."""

    def rounds(self, part: Literal["random", "chosen"] = "random") -> InteractionLog:
        """Return ratings as a log of rounds: a coat shown, its rating the reward.

        In the part `random` each rating is a round in which one coat was drawn with propensity
        1 / N; a person's rounds share their `user_id`. The other part has no propensities.
        """
        if part not in ("random", "chosen"):
            raise ConfigError(f"part must be 'random' or 'chosen', got {part!r}")
        ratings = self.random if part == "random" else self.chosen
        order = ratings.by_user_and_time()
        users, n_rows = ratings.user_index[order], len(ratings)
        columns = {
            "user_id": ratings.user_ids[users],
            "episode_id": np.arange(n_rows),
            "step": np.zeros(n_rows, np.int64),
            "slate": ratings.item_index[order, None],
            "response.rating": ratings.values[order, None],
            "reward": ratings.values[order],
            "terminated": np.ones(n_rows, bool),
            "truncated": np.zeros(n_rows, bool),
            "user": self.user_features[users],
        }
        if part == "random":
            propensity = 1.0 / ratings.n_items
            columns["log_propensity"] = np.full(n_rows, math.log(propensity))
            columns["propensity_given_prefix"] = np.full((n_rows, 1), propensity)
        return InteractionLog.from_columns(
            columns,
            LogMetadata(
                slate_size=1,
                response_channels=("rating",),
                catalogue_fingerprint=ratings.catalogue.fingerprint,
                n_topics=ratings.catalogue.n_topics,
                logging_policy="uniform" if part == "random" else "unknown (people's own choice)",
            ),
        )


def load_coat(folder: str | Path) -> Coat:
    """Read the Coat ratings.

    The files are `train.ascii` (ratings of people's own choice), `test.ascii` (of random coats),
    and if they are there `propensities.ascii`, each a matrix of users by coats with 0 where
    nothing was rated; and the binary features with their maps in `user_item_features`. Each may
    be gzipped.

    Args:
        folder: That holds them.

    Returns:
        Ratings, features and propensities. A coat's topic is its kind (`jackettype`).

    Raises:
        DataError: A file is missing, damaged or breaks a rule; names file, line and column.

    Reference:
        Schnabel, Swaminathan, Singh, Chandak and Joachims, 2016, "Recommendations as Treatments".
    """
    if not isinstance(folder, str | Path):
        raise ConfigError(f"folder must be a path, got {folder!r:.80}")
    folder = Path(folder)
    files = files_at(folder)
    train = _matrix(_needed(files, folder, "train.ascii"))
    test = _matrix(_needed(files, folder, "test.ascii"), train.shape)
    beside = folder / "user_item_features"
    features = files_at(beside)
    n_users, n_items = train.shape
    user_names = _names(_needed(features, beside, "user_features_map.txt"))
    item_names = _names(_needed(features, beside, "item_features_map.txt"))
    user_file = _needed(features, beside, "user_features.ascii")
    user_features = _matrix(user_file, (n_users, len(user_names)))
    _refuse(user_file, user_features, ~np.isin(user_features, (0, 1)), "0 or 1")
    item_file = _needed(features, beside, "item_features.ascii")
    item_features = _matrix(item_file, (n_items, len(item_names)))
    catalogue = _catalogue(item_file, item_features, item_names)
    source = named(files, "propensities.ascii")
    coat = Coat(
        chosen=_ratings(_needed(files, folder, "train.ascii"), train, catalogue),
        random=_ratings(_needed(files, folder, "test.ascii"), test, catalogue),
        user_features=user_features.astype(np.float32),
        user_feature_names=user_names,
        item_feature_names=item_names,
        propensities=None if source is None else _propensities(source, train.shape),
    )
    _check_counts(folder, coat)
    _logger.info(
        "%s: chosen %s; random %s; %s", folder, coat.chosen.summary(), coat.random.summary(), TERMS
    )
    return coat


def _matrix(source: RawFile, shape: tuple[int, ...] | None = None) -> Floats:
    rows = []
    for number, line in enumerate(lines_of(source.read().decode("utf-8", "replace")), start=1):
        try:
            rows.append([float(text) for text in line.split()])
        except ValueError as error:
            raise DataError(f"{source}, line {number}: expected numbers ({error})") from None
        if len(rows[-1]) != len(rows[0]):
            raise DataError(
                f"{source}, line {number}: expected {len(rows[0])} numbers as in line 1, found "
                f"{len(rows[-1])}"
            )
    matrix = np.asarray(rows, np.float64)
    if shape is not None and matrix.shape != shape:
        raise DataError(
            f"{source}: expected {shape[0]} lines of {shape[1]} numbers, found "
            f"{matrix.shape[0]} of {matrix.shape[1]}; the file is cut off or altered"
        )
    return matrix


def _ratings(source: RawFile, matrix: Floats, catalogue: Catalogue) -> Ratings:
    _refuse(source, matrix, (matrix != 0) & ~np.isin(matrix, np.arange(1, 6)), f"0 or {_SCALE}")
    users, items = np.nonzero(matrix)
    if not users.size:
        raise DataError(f"{source}: expected one rating or more, found only 0 (not rated)")
    return Ratings(
        user_ids=np.arange(len(matrix)),
        user_index=users.astype(np.int64),
        item_index=items.astype(np.int64),
        values=matrix[users, items],
        timestamps=None,
        catalogue=catalogue,
    )


def _propensities(source: RawFile, shape: tuple[int, ...]) -> Floats:
    matrix = _matrix(source, shape)
    _refuse(source, matrix, ~((matrix > 0) & (matrix <= 1)), "a probability in (0, 1]")
    return matrix


def _catalogue(source: RawFile, features: Floats, names: tuple[str, ...]) -> Catalogue:
    _refuse(source, features, ~np.isin(features, (0, 1)), "0 or 1")
    kinds = [place for place, name in enumerate(names) if name.startswith("jackettype:")]
    if not kinds:
        raise DataError(f"{source}: the map beside it must name columns 'jackettype:...'")
    return Catalogue(
        item_ids=np.arange(len(features)),
        topics=features[:, kinds].argmax(axis=1),
        features=features.astype(np.float32),
        topic_names=tuple(names[place].partition(":")[2] for place in kinds),
    )


def _refuse(source: RawFile, matrix: Floats, wrong: Bools, wanted: str) -> None:
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise DataError(
            f"{source}, line {row + 1}, column {column + 1}: expected {wanted}, found "
            f"{matrix[row, column]:g} ({int(wrong.sum())} such numbers)"
        )


def _names(source: RawFile) -> tuple[str, ...]:
    return tuple(line.strip() for line in lines_of(source.read().decode("utf-8", "replace")))


def _needed(files: list[RawFile], folder: Path, name: str) -> RawFile:
    found = named(files, name)
    if found is None:
        raise DataError(f"{folder}: expected {name!r} (or with .gz) there, found none")
    return found


def _check_counts(folder: Path, coat: Coat) -> None:
    chosen, random = coat.chosen, coat.random
    found = (chosen.n_users, chosen.n_items, len(chosen), len(random))
    if found[:2] == _OFFICIAL[:2] and found != _OFFICIAL:
        raise DataError(
            f"{folder}: expected {_OFFICIAL[2]:,} chosen and {_OFFICIAL[3]:,} random ratings, "
            f"found {found[2]:,} and {found[3]:,}; a file is cut off or altered"
        )
