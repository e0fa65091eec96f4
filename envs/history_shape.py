"""Which history keys a simulator shows, read from its observation spaces."""

from rlrec.data.history import HISTORY_KEYS, HistoryShape
from rlrec.simulation import Simulator


def history_shape_of(simulator: Simulator) -> HistoryShape:
    """Return the history keys that a simulator's observations have, and their sizes."""
    shapes = {key: space.shape for key, space in simulator.observation_spaces.items()}
    recent = shapes.get("history_items", shapes.get("history_responses", (1,)))
    return HistoryShape(
        keys=tuple(key for key in HISTORY_KEYS if key in shapes),
        slate_size=simulator.slate_size,
        n_channels=len(simulator.response_channels),
        n_topics=shapes.get("topic_counts", (1,))[0] - 1,
        length=recent[0],
    )
