"""From a log to transitions that an agent can learn from."""

import numpy as np
import torch
from gymnasium import spaces

from rlrec.agents.replay import LoggedTransitions
from rlrec.data import HistoryShape, InteractionLog, rebuild_observations
from rlrec.data.catalogue import Catalogue
from rlrec.data.history import HISTORY_KEYS
from rlrec.errors import LogFormatError


def logged_transitions(
    log: InteractionLog,
    catalogue: Catalogue | None,
    space: spaces.Dict,
    discount: float,
    device: torch.device,
) -> LoggedTransitions:
    """Return the transitions of a log, with the observations that an environment would have given.

    Args:
        log: Slates with responses, rewards and ends.
        catalogue: Items of the environment; None for fresh documents.
        space: Observation space of the environment.
        discount: Weight of the reward one step ahead, for the returns seen in the log.
        device: Where batches go.

    Raises:
        LogFormatError: The log lacks an observation key of `space`.
    """
    observations = rebuild_observations(log, catalogue, history_shape(log, space))
    missing = sorted(set(space.spaces) - set(observations))
    if missing:
        raise LogFormatError(
            f"the log must hold what the agent observes; it lacks {missing}. Record it in the same "
            "environment, with the same arguments"
        )
    channels = log.metadata.response_channels
    responses = np.stack([log.response(channel) for channel in channels], axis=-1)
    columns = log.columns(["episode_id", "slate", "reward", "terminated"])
    episode = columns["episode_id"]
    is_last = np.append(episode[1:] != episode[:-1], True)
    return LoggedTransitions(
        {key: observations[key] for key in space.spaces},
        columns["slate"],
        responses,
        columns["reward"],
        columns["terminated"],
        is_last,
        discount,
        device,
    )


def history_shape(log: InteractionLog, space: spaces.Dict) -> HistoryShape:
    """Return the history keys and sizes that an observation space declares."""
    shapes = {key: box.shape or () for key, box in space.spaces.items()}
    counts = shapes.get("topic_counts", (1,))
    return HistoryShape(
        keys=tuple(key for key in HISTORY_KEYS if key in shapes),
        slate_size=log.metadata.slate_size,
        n_channels=len(log.metadata.response_channels),
        n_topics=counts[0] - 1,
        length=shapes.get("history_items", shapes.get("history_responses", (1,)))[0],
    )
