"""The history keys a simulator shows, and their spaces."""

import numpy as np

from rlrec.data.history import HistoryShape
from rlrec.simulation import Simulator, Space

_LARGE = float(np.finfo(np.float32).max)


def history_shape_of(simulator: Simulator) -> HistoryShape:
    """Return the history keys that a simulator's observations have, and their sizes."""
    shapes = {key: space.shape for key, space in simulator.observation_spaces.items()}
    return HistoryShape.declared(shapes, simulator.slate_size, len(simulator.response_channels))


def history_spaces(shape: HistoryShape, n_items: int, least_response: float) -> dict[str, Space]:
    """Return the spaces of the history keys.

    Args:
        shape: Which keys there are, and their sizes.
        n_items: Items, or choices where they have no identity.
        least_response: Below which no response lies.
    """
    slots, channels = (shape.slate_size,), shape.n_channels
    known = {
        "history_items": Space((shape.length,), np.int64, 0, n_items),
        "history_responses": Space((shape.length, channels), np.float32, least_response, _LARGE),
        "last_slate": Space(slots, np.int64, 0, n_items),
        "last_response": Space((*slots, channels), np.float32, least_response, _LARGE),
        "topic_counts": Space((shape.n_topics + 1,), np.float32, 0.0, _LARGE),
    }
    return {key: space for key, space in known.items() if key in shape.keys}
