"""Interaction logs as Minari data sets, and back."""

import copy
import importlib
import json
import logging
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rlrec.data.catalogue import Catalogue
from rlrec.data.history import HistoryShape
from rlrec.data.log import InteractionLog
from rlrec.data.log_columns import OBSERVED_KEYS
from rlrec.data.log_metadata import LogMetadata
from rlrec.data.minari_episodes import LoggedEpisodes, read_columns
from rlrec.data.rebuild import rebuild_histories
from rlrec.errors import ConfigError, DataError, RlrecError, nearest_hint

_logger = logging.getLogger(__name__)

METADATA_KEY = "rlrec_log"
"""Under which a data set's metadata hold those of the log, as JSON."""
REPEATED_KEY = "rlrec_repeated_at_end"
"""Under which they name the observation keys whose value after the last action is not known."""


def to_minari(
    log: InteractionLog,
    dataset_id: str,
    catalogue: Catalogue | None = None,
    shape: HistoryShape | None = None,
    *,
    overwrite: bool = False,
) -> Any:
    """Write a log as a Minari data set, and return it.

    An episode is a visit of T slates, in the order of the log, with T + 1 observations as
    policies saw them: rebuilt history, then what the log stored. No transition is left out. After
    the last slate the history is exact; what the log stores (`user`, `context`, `candidates`,
    `candidate_features`) is not known there, so that the last known value is repeated. The info
    `observation_is_known` is then False in that row, and the metadata list the keys under
    `rlrec_repeated_at_end`. This matters for values after a truncated episode only.

    Actions are the slates. Infos have T + 1 rows, and row t belongs to action t, also for what
    came of it; the last row is filler, as said here:

    | info | a row | last row |
    |---|---|---|
    | `user_id`, `episode_id` | integer or text | the same again |
    | `timestamp`, where logged | unix seconds | -1 |
    | `response` | (K, R) | NaN |
    | `log_propensity`, where logged | natural logarithm of the joint probability | NaN |
    | `propensity_given_prefix`, `propensity_marginal`, where logged | (K,) | NaN |
    | `observation_is_known` | True or False | see above |

    Tools that read Minari data sets commonly drop infos, and propensities with them; join
    observations of T + 1 rows to actions of T rows, which shifts all later episodes; or lose the
    last transition of truncated episodes. Judge policies on the log itself.

    The log is loaded whole. The format is HDF5, where an episode takes tens of kilobytes: for
    millions of short visits keep the log's own format.

    Args:
        log: The log.
        dataset_id: `name-v0`, after a namespace and `/` if wanted. Minari keeps it in the folder
            that the environment variable MINARI_DATASETS_PATH names.
        catalogue: The items, for topics; see `rebuild_observations`.
        shape: The history that policies saw, such as `history_shape_of(simulator)`; None for
            observations of the stored keys alone.
        overwrite: Replace a data set of this name.

    Returns:
        A `minari.MinariDataset`. Its environment can be made again (`recover_environment`) where
        the log names one that Gymnasium can make.

    Raises:
        ConfigError: The package minari is missing, the name is none that Minari takes, there is
            nothing to observe, or `shape` does not fit the log.
        DataError: A data set of this name is there already.
        CatalogueMismatchError: Topics are needed and no catalogue is given, or it lacks items.

    Stability: experimental.
    """
    minari = _package()
    _check_id(dataset_id)
    stored = {key: log.column(key) for key in OBSERVED_KEYS if log.has(key)}
    if not stored and (shape is None or not shape.keys):
        raise ConfigError(
            f"{log.name} stores no observation, so that the history has to be one: give its shape, "
            f"such as HistoryShape(slate_size={log.metadata.slate_size}, "
            f"n_channels={len(log.metadata.response_channels)}, n_topics=..., keys=...)"
        )
    if catalogue is not None:
        log.check(catalogue)
    histories = rebuild_histories(log, catalogue, shape or _no_history(log.metadata))
    episodes = LoggedEpisodes(log, histories, stored)
    n_items = _n_items(log, catalogue)
    place = _free_place(dataset_id, overwrite)
    facts = {METADATA_KEY: log.metadata.to_json(), REPEATED_KEY: sorted(stored)}
    spec = _recoverable(log.metadata)
    try:
        with warnings.catch_warnings():
            # Minari asks for authors, links and the like, of which a log knows nothing.
            warnings.simplefilter("ignore", UserWarning)
            dataset = minari.create_dataset_from_buffers(
                dataset_id,
                episodes.buffers(minari.data_collector.EpisodeBuffer),
                observation_space=_observation_space(episodes.sample(), n_items),
                action_space=_action_space(log, n_items),
                algorithm_name=log.metadata.logging_policy,
                description="An interaction log of rlrec: an episode a visit, an action a slate.",
                data_format="hdf5",  # arrow cannot read infos of one axis
            )
        dataset.storage.update_metadata(facts if spec is None else {**facts, "env_spec": spec})
    except BaseException:  # half a data set would look like a whole one
        shutil.rmtree(place, ignore_errors=True)
        raise
    return minari.load_dataset(dataset_id)


def from_minari(dataset: Any, propensity_key: str | None = None) -> InteractionLog:
    """Return a Minari data set as a log, in memory.

    What `to_minari` wrote comes back as the same log, column by column. A set made of such ones by
    `minari.combine_datasets` has lost the log's metadata and counts as another tool's; its response
    channels are then `channel_0`, `channel_1`, and so on.

    In a data set of another tool, actions become slates: K = 1 for `Discrete`, K for
    `MultiDiscrete` of one axis, counted from 0; all positions are taken to choose among the same
    items. Infos under the keys of `to_minari` are read; without them each episode is a user, and
    there are no propensities, so that estimators which need them refuse. The one response channel
    is then `reward`: the step's reward where a slate is one item, and 0 in larger ones, of which it
    is not known what item it came from. An observation that is a number or a box becomes `context`
    in float32 (`Discrete` one-hot); of a Dict only the keys that a log has are kept.

    A log has no place for the observation after the last action; that one is dropped. An episode
    that neither terminates nor is truncated counts as truncated.

    Args:
        dataset: A `minari.MinariDataset`, or the name of a local one.
        propensity_key: Info that holds the probability in (0, 1] of each action under the policy
            that chose it, row t for action t, such as "behavior_action_prob"; for data sets
            without `log_propensity`.

    Raises:
        ConfigError: The package minari is missing; a key was given for propensities that are there.
        DataError: No such data set, actions that are no slates, arrays that do not fit together.
        UnknownNameError: No info is called `propensity_key`.
        LogFormatError: Rows that no log may have; see `InteractionLog.from_columns`.
        PropensityError: A propensity is outside (0, 1].

    Stability: experimental.
    """
    minari = _package()
    if isinstance(dataset, str):
        dataset = _loaded(minari, dataset)
    if not isinstance(dataset, minari.MinariDataset):
        raise ConfigError(f"from_minari takes a MinariDataset or its name, got {dataset!r:.80}")
    facts = dataset.storage.metadata
    text = facts.get(METADATA_KEY)
    metadata = None if text is None else LogMetadata.from_json(text)
    columns, channels = read_columns(dataset, metadata, propensity_key)
    if metadata is None:
        spec = dataset.env_spec
        arguments = {} if spec is None else {k: v for k, v in spec.kwargs.items() if k != "env_id"}
        metadata = LogMetadata(
            slate_size=columns["slate"].shape[1],
            response_channels=channels,
            logging_policy=str(facts.get("algorithm_name", "unknown")),
            env_id=None if spec is None else spec.id,
            env_arguments=arguments,
        )
    return InteractionLog.from_columns(columns, metadata)


def _package() -> Any:
    try:
        for name in ("h5py", "PIL.Image", "minari.data_collector"):  # HDF5 needs the former two
            importlib.import_module(name)
        return importlib.import_module("minari")
    except ImportError as error:
        raise ConfigError(
            f"Minari data sets need more packages ({error}): pip install 'rlrec[minari]'"
        ) from None


def _check_id(dataset_id: str) -> None:
    from minari.dataset.minari_dataset import parse_dataset_id

    try:
        parse_dataset_id(dataset_id)
    except (ValueError, TypeError):  # the latter where the version is missing
        raise ConfigError(
            f"dataset_id must be a name with a version, such as 'visits-v0' or 'shop/visits-v0', "
            f"got {dataset_id!r}"
        ) from None


def _free_place(dataset_id: str, overwrite: bool) -> Path:
    """Return the folder of a data set to be written, after emptying it if that is wanted."""
    from minari.storage.datasets_root_dir import get_dataset_path

    place = Path(get_dataset_path(dataset_id))
    if place.exists():
        if not overwrite:
            raise DataError(
                f"{place} is there already: choose another name or version than {dataset_id!r}, or "
                f"say overwrite=True"
            )
        if not (place / "data" / "metadata.json").is_file():
            raise DataError(f"{place} is no Minari data set, so that it is not overwritten")
        shutil.rmtree(place)
    return place


def _loaded(minari: Any, dataset_id: str) -> Any:
    from minari.storage.datasets_root_dir import get_dataset_path

    try:
        return minari.load_dataset(dataset_id)
    except FileNotFoundError:
        root = Path(get_dataset_path())
        known = [file.parents[1].relative_to(root) for file in root.rglob("data/metadata.json")]
        hint = nearest_hint(dataset_id, [each.as_posix() for each in known])
        raise DataError(
            f"no Minari data set {dataset_id!r} is in {root}.{hint} Others can be fetched with "
            f"minari.download_dataset; MINARI_DATASETS_PATH names another folder"
        ) from None
    except (ValueError, KeyError, AssertionError, OSError) as error:
        raise DataError(f"the Minari data set {dataset_id!r} cannot be read: {error}") from error


def _no_history(metadata: LogMetadata) -> HistoryShape:
    n_channels = len(metadata.response_channels)
    return HistoryShape(keys=(), slate_size=metadata.slate_size, n_channels=n_channels, n_topics=0)


def _n_items(log: InteractionLog, catalogue: Catalogue | None) -> int:
    """Return how many items history may name."""
    if catalogue is not None:
        return catalogue.n_items
    shown = log.column("candidates" if log.has("candidates") else "slate")
    return int(shown.max()) + 1


def _action_space(log: InteractionLog, n_items: int) -> spaces.MultiDiscrete:
    """Return the space of slates: of items, or of positions among candidates."""
    offers = [log.column(key) for key in ("candidates", "candidate_features") if log.has(key)]
    n_choices = int(offers[0].shape[1]) if offers else n_items
    return spaces.MultiDiscrete(np.full(log.metadata.slate_size, n_choices))


def _observation_space(observations: Mapping[str, NDArray[Any]], n_items: int) -> spaces.Dict:
    """Return the space of arrays (1, ...): integers name items, from 1 on in histories."""
    return spaces.Dict(
        {
            key: spaces.Box(0, n_items, array.shape[1:], np.int64)
            if array.dtype.kind == "i"
            else spaces.Box(-np.inf, np.inf, array.shape[1:], np.float32)
            for key, array in observations.items()
        }
    )


def _recoverable(metadata: LogMetadata) -> str | None:
    """Return the environment of a log as Minari stores it; None where it cannot be made."""
    if metadata.env_id not in gym.registry:
        return None
    spec = copy.deepcopy(gym.spec(str(metadata.env_id)))
    spec.kwargs.update(metadata.env_arguments)
    try:
        gym.make(spec).close()
        text: str = spec.to_json()
        json.loads(text)
    except (RlrecError, gym.error.Error, TypeError, ValueError, OSError) as error:
        _logger.info("%s is left out of the data set: %s", metadata.env_id, error)
        return None
    return text
