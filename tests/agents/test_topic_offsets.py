"""Which offset an item of a slate gets by the items of its topic above it."""

import numpy as np
import torch

from rlrec.agents.plackett_luce import Groups
from rlrec.agents.topic_offsets import offsets_of_slots


def test_an_item_gets_the_offset_of_its_place_in_its_topic_and_repeats_do_not_count() -> None:
    groups = Groups(np.array([0, 1, 0, 0, 1]))
    offsets = torch.arange(2 * 2 * 4, dtype=torch.float).reshape(2, 2, 4)  # user, topic, place
    slates = torch.tensor([[0, 1, 2, 4], [2, 2, 3, 1]])  # user 1: item 2 again
    found = offsets_of_slots(offsets, groups, slates)
    places = torch.tensor([[0, 0, 1, 1], [0, 1, 1, 0]])
    topics = torch.tensor([[0, 1, 0, 1], [0, 0, 0, 1]])
    rows = torch.arange(2)[:, None]
    torch.testing.assert_close(found, offsets[rows, topics, places])
