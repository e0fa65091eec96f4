"""From protos to slates: which items, without repeats, and what the critic has to say."""

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces

from rlrec.agents.networks import ItemKnowledge
from rlrec.agents.proto.item_embeddings import ItemEmbeddings
from rlrec.agents.proto.proto_decoder import Form, ProtoDecoder, least_value

SPACE = spaces.Dict({"user": spaces.Box(0.0, 1.0, (1,))})
ANGLES = np.deg2rad([0.0, 20.0, 50.0, 90.0, 180.0])
FACTORS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1).astype(np.float32)
NOBODY: dict[str, torch.Tensor] = {"user": torch.zeros(1, 1)}


class FirstNumber(torch.nn.Module):
    """A critic of one user number that likes slates by the first numbers of their items."""

    features_extractor = None

    def __init__(self, *weights: float) -> None:
        super().__init__()
        self.weights = torch.tensor(weights)
        self.q_networks = [self._value]

    def extract_features(self, observations: dict[str, torch.Tensor], _: Any) -> torch.Tensor:
        return observations["user"]

    def _value(self, rows: torch.Tensor) -> torch.Tensor:
        shown = rows[:, 1:].view(len(rows), -1, 2)
        return (shown[:, :, 0] * self.weights[: shown.shape[1]]).sum(dim=1, keepdim=True)

    def forward(self, observations: Any, protos: torch.Tensor) -> tuple[torch.Tensor, ...]:
        value = self._value(torch.cat([observations["user"], protos], dim=1))
        return value, value + 1.0


def decoder(form: Form, slate_size: int, n_nearest: int = 2) -> ProtoDecoder:
    items = ItemEmbeddings(SPACE, ItemKnowledge(None, FACTORS), None, beam=8)
    return ProtoDecoder(items, form, slate_size, n_nearest, n_choices=5)


def shown(form: Form, protos: list[float], n_nearest: int, critic: Any, slate_size: int) -> Any:
    made = decoder(form, slate_size, n_nearest)
    return made.slates(NOBODY, torch.tensor([protos]), critic)[0].tolist()


def test_one_proto_shows_the_items_of_the_largest_dot_product() -> None:
    assert shown("top_k", [0.9, 0.1], 1, FirstNumber(1.0), 3) == [0, 1, 2]
    assert shown("top_k", [-0.1, 0.05], 1, FirstNumber(1.0), 3) == [4, 3, 2]


def test_slots_without_a_choice_show_the_nearest_item_not_yet_shown() -> None:
    protos = [0.1, 0.9] * 3  # all near 90 degrees
    assert shown("slots", protos, 1, FirstNumber(1.0, 1.0, 1.0), 3) == [3, 2, 1]


def test_the_critic_chooses_among_the_nearest_of_each_slot() -> None:
    protos = [0.1, 0.9, 0.1, 0.9]
    assert shown("slots", protos, 2, FirstNumber(1.0, -1.0), 2) == [2, 3]
    assert shown("slots", protos, 3, FirstNumber(1.0, -1.0), 2) == [1, 3]
    assert shown("slots", protos, 9, FirstNumber(1.0, -1.0), 2) == [0, 4]


def test_a_slot_has_as_many_options_as_asked_for_whatever_is_above_it() -> None:
    # Item 3 is gone for the second slot: its two nearest are 2 and 1, of which 1 is larger.
    protos = [0.0, 1.0, 0.0, 1.0]
    assert shown("slots", protos, 2, FirstNumber(-1.0, 1.0), 2) == [3, 1]


@pytest.mark.parametrize("form", ["top_k", "slots"])
def test_what_was_shown_is_told_as_protos(form: Form) -> None:
    made = decoder(form, 2)
    told = made.executed(NOBODY, torch.tensor([[3, 0]]))
    expected = [[0.0, 1.0, 1.0, 0.0]] if form == "slots" else [[0.5, 0.5]]
    torch.testing.assert_close(told, torch.tensor(expected), atol=1e-6, rtol=0)
    assert told.shape[1] == made.proto_size


def test_a_slate_told_as_slots_is_shown_again() -> None:
    made = decoder("slots", 3, n_nearest=1)
    slates = torch.tensor([[4, 0, 2], [1, 3, 0]])
    nobody = {"user": torch.zeros(2, 1)}
    critic: Any = FirstNumber(1.0, 1.0, 1.0)
    assert torch.equal(made.slates(nobody, made.executed(nobody, slates), critic), slates)


def test_the_least_of_the_critics_counts() -> None:
    critic: Any = FirstNumber(1.0)
    assert least_value(critic, NOBODY, torch.tensor([[0.3, 0.0]])).tolist() == pytest.approx([0.3])
