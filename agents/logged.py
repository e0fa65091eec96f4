"""From a log to transitions that an agent can learn from."""

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray

from rlrec.agents.replay import LoggedTransitions
from rlrec.data import HistoryShape, InteractionLog, rebuild_observations
from rlrec.data.catalogue import Catalogue
from rlrec.errors import CatalogueMismatchError, LogFormatError


def logged_transitions(
    log: InteractionLog,
    catalogue: Catalogue | None,
    space: spaces.Dict,
    n_choices: int,
    discount: float,
    device: torch.device,
) -> LoggedTransitions:
    """Return the transitions of a log, with the observations that an environment would have given.

    Args:
        log: Slates with responses, rewards and ends.
        catalogue: Items of the environment; None for fresh documents.
        space: Observation space of the environment.
        n_choices: Items (or candidates) that slates may name.
        discount: Weight of the reward one step ahead, for the returns seen in the log.
        device: Where batches go.

    Raises:
        CatalogueMismatchError: The log belongs to another catalogue.
        LogFormatError: The log lacks an observation key of `space`, or has it in another shape.
    """
    _check_catalogue(log, catalogue)
    observations = rebuild_observations(log, catalogue, history_shape(log, space))
    _check_observations(log, observations, space)
    columns = log.columns(["step", "slate", "reward", "terminated"])
    if columns["slate"].max() >= n_choices:
        raise CatalogueMismatchError(
            f"slates of {log.name} must name items in 0..{n_choices - 1}, got "
            f"{columns['slate'].max()}"
        )
    return LoggedTransitions(
        {key: observations[key] for key in space.spaces},
        columns["slate"],
        log.responses(),
        columns["reward"],
        columns["terminated"],
        np.append(columns["step"][1:] == 0, True),
        discount,
        device,
    )


def history_shape(log: InteractionLog, space: spaces.Dict) -> HistoryShape:
    """Return the history keys and sizes that an observation space declares."""
    shapes = {key: box.shape or () for key, box in space.spaces.items()}
    metadata = log.metadata
    return HistoryShape.declared(shapes, metadata.slate_size, len(metadata.response_channels))


def _check_catalogue(log: InteractionLog, catalogue: Catalogue | None) -> None:
    recorded = log.metadata.catalogue_fingerprint
    given = None if catalogue is None else catalogue.fingerprint
    if recorded != given and recorded is not None:
        raise CatalogueMismatchError(
            f"{log.name} was recorded with the catalogue {recorded}, but that of the agent's users "
            f"is {given}; record a log with these users"
        )


def _check_observations(
    log: InteractionLog, observations: dict[str, NDArray[Any]], space: spaces.Dict
) -> None:
    missing = sorted(set(space.spaces) - set(observations))
    if missing:
        raise LogFormatError(
            f"{log.name} must hold what the agent observes; it lacks {missing}. Record it in the "
            "same environment, with the same arguments"
        )
    for key, expected in space.spaces.items():
        if observations[key].shape[1:] != expected.shape:
            raise LogFormatError(
                f"{log.name} must hold {key!r} of shape {expected.shape} a row, as the agent "
                f"observes it, got {observations[key].shape[1:]}"
            )
