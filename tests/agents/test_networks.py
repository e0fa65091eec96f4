"""The networks that score items: shapes, agreement of their two forms, and symmetry."""

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import Tensor

from rlrec.agents.networks import ItemKnowledge, ItemScorer, TensorDict
from rlrec.errors import ConfigError

N_USERS, N_ITEMS, N_TOPICS, HISTORY = 5, 8, 4, 3
N_CANDIDATES, N_FEATURES = 6, 4


def box(*shape: int) -> spaces.Box:
    return spaces.Box(0.0, np.inf, shape, np.float32)


CATALOGUE = spaces.Dict(
    {"topic_counts": box(N_TOPICS + 1), "history_items": box(HISTORY), "user": box(2)}
)
FRESH = spaces.Dict(
    {
        "user": box(N_TOPICS),
        "topic_counts": box(N_TOPICS + 1),
        "candidate_features": box(N_CANDIDATES, N_FEATURES),
    }
)

AMONG = spaces.Dict(  # candidates from a catalogue
    {
        **CATALOGUE.spaces,
        "candidates": spaces.Box(0, N_ITEMS - 1, (N_CANDIDATES,), np.int64),
        "candidate_features": box(N_CANDIDATES, 2),
    }
)
AMONG_PLAIN = spaces.Dict({k: box for k, box in AMONG.items() if k != "candidate_features"})


def known_items(seed: int = 0) -> ItemKnowledge:
    rng = np.random.default_rng(seed)
    features, factors = rng.normal(size=(N_ITEMS, 3)), 50 * rng.normal(size=(N_ITEMS, 2))
    return ItemKnowledge(features.astype(np.float32), factors.astype(np.float32))


def scorer(
    space: spaces.Dict, n_choices: int, items: ItemKnowledge | None = None, has_base: bool = True
) -> ItemScorer:
    torch.manual_seed(0)
    net = ItemScorer(space, n_choices, items or ItemKnowledge(), 3, 7, has_base)
    for parameter in net.parameters():  # also those that begin at zero
        torch.nn.init.normal_(parameter, std=0.5)
    return net


def observed(space: spaces.Dict, n_users: int = N_USERS) -> TensorDict:
    rng = np.random.default_rng(1)
    seen: dict[str, Any] = {
        key: rng.poisson(2.0, size=(n_users, *(box.shape or ()))).astype(np.float32)
        for key, box in space.spaces.items()
    }
    if "history_items" in seen:
        seen["history_items"] = rng.integers(N_ITEMS + 1, size=(n_users, HISTORY))
    if "candidates" in seen:
        seen["candidates"] = rng.permuted(np.tile(np.arange(N_ITEMS), (n_users, 1)), axis=1)[
            :, :N_CANDIDATES
        ]
    return {key: torch.from_numpy(array) for key, array in seen.items()}


def some_slates(n_choices: int) -> Tensor:
    rng = np.random.default_rng(2)
    return torch.from_numpy(np.stack([rng.permutation(n_choices)[:3] for _ in range(N_USERS)]))


WORLDS = pytest.mark.parametrize(
    ("space", "n_choices", "items"),
    [
        (CATALOGUE, N_ITEMS, known_items()),
        (CATALOGUE, N_ITEMS, ItemKnowledge()),
        (FRESH, N_CANDIDATES, ItemKnowledge()),
        (AMONG, N_CANDIDATES, known_items()),
        (AMONG, N_CANDIDATES, ItemKnowledge()),
        (AMONG_PLAIN, N_CANDIDATES, known_items()),
    ],
    ids=[
        "catalogue",
        "unknown items",
        "fresh documents",
        "candidates",
        "unknown candidates",
        "candidates without features",
    ],
)


@WORLDS
def test_everything_on_offer_has_a_score_for_each_user(
    space: spaces.Dict, n_choices: int, items: ItemKnowledge
) -> None:
    scores = scorer(space, n_choices, items)(observed(space))
    assert scores.of_all().shape == (N_USERS, n_choices)
    assert scores.nothing.shape == (N_USERS,)
    assert scores.of_all().std(dim=1).min() > 0  # items are told apart
    assert scores.of_all().std(dim=0).min() > 0  # and users


@WORLDS
def test_scores_of_slates_are_those_of_all_at_the_same_places(
    space: spaces.Dict, n_choices: int, items: ItemKnowledge
) -> None:
    scores = scorer(space, n_choices, items)(observed(space))
    slates = some_slates(n_choices)
    torch.testing.assert_close(scores.of_slates(slates), scores.of_all().gather(1, slates))


@WORLDS
def test_users_are_scored_alone_as_in_the_batch(
    space: spaces.Dict, n_choices: int, items: ItemKnowledge
) -> None:
    net, seen = scorer(space, n_choices, items), observed(space)
    together = net(seen)
    for user in range(N_USERS):
        alone = net({key: array[user : user + 1] for key, array in seen.items()})
        torch.testing.assert_close(alone.of_all()[0], together.of_all()[user])
        torch.testing.assert_close(alone.nothing[0], together.nothing[user])


def test_relabelling_the_items_permutes_their_scores() -> None:
    items, seen = known_items(), observed(CATALOGUE)
    assert items.features is not None and items.factors is not None
    order = np.random.default_rng(3).permutation(N_ITEMS)  # new label i was order[i]
    relabelled = ItemKnowledge(items.features[order], items.factors[order])
    new_label = torch.from_numpy(np.concatenate([[0], 1 + np.argsort(order)]))
    seen_again = {**seen, "history_items": new_label[seen["history_items"]]}
    before = scorer(CATALOGUE, N_ITEMS, items)(seen)
    after = scorer(CATALOGUE, N_ITEMS, relabelled)(seen_again)
    torch.testing.assert_close(after.of_all(), before.of_all()[:, order])
    torch.testing.assert_close(after.nothing, before.nothing)


def test_reordering_fresh_documents_permutes_their_scores() -> None:
    seen = observed(FRESH)
    order = np.random.default_rng(3).permutation(N_CANDIDATES)
    reordered = {**seen, "candidate_features": seen["candidate_features"][:, order]}
    net = scorer(FRESH, N_CANDIDATES)
    torch.testing.assert_close(net(reordered).of_all(), net(seen).of_all()[:, order])


def test_candidates_are_scored_as_their_items_in_the_whole_catalogue() -> None:
    among, whole = observed(AMONG_PLAIN), scorer(CATALOGUE, N_ITEMS, known_items())
    net = scorer(AMONG_PLAIN, N_CANDIDATES, known_items())
    net.load_state_dict(whole.state_dict())
    everything = {key: array for key, array in among.items() if key != "candidates"}
    expected = whole(everything).of_all().gather(1, among["candidates"])
    torch.testing.assert_close(net(among).of_all(), expected)


def test_what_is_seen_of_candidates_matters() -> None:
    net, seen = scorer(AMONG, N_CANDIDATES, known_items()), observed(AMONG)
    before = net(seen).of_all()
    seen["candidate_features"][:, 2] += 1.0
    moved = (net(seen).of_all() - before).abs()
    assert moved[:, 2].min() > 1e-3 and moved[:, [0, 1, 3, 4, 5]].max() < 1e-6


def test_the_order_of_a_history_does_not_matter_but_its_items_do() -> None:
    net, seen = scorer(CATALOGUE, N_ITEMS, known_items()), observed(CATALOGUE)
    history = torch.tensor([[1, 2, 3]]).expand(N_USERS, -1)
    turned, other = history.flip(1), history + 1
    scores = [net({**seen, "history_items": h}).of_all() for h in (history, turned, other)]
    torch.testing.assert_close(scores[0], scores[1])
    assert (scores[0] - scores[2]).abs().max() > 1e-3


def test_empty_places_of_a_history_count_for_nothing() -> None:
    net, seen = scorer(CATALOGUE, N_ITEMS, known_items()), observed(CATALOGUE)
    short = torch.tensor([[0, 0, 4]]).expand(N_USERS, -1)
    full = torch.tensor([[4, 4, 4]]).expand(N_USERS, -1)
    torch.testing.assert_close(
        net({**seen, "history_items": short}).of_all(),
        net({**seen, "history_items": full}).of_all(),
    )


def test_without_a_base_nothing_shifts_all_scores_alike() -> None:
    net = scorer(CATALOGUE, N_ITEMS, known_items(), has_base=False)
    assert not net(observed(CATALOGUE)).base.any()


def test_the_scale_of_item_factors_does_not_matter() -> None:
    items, seen = known_items(), observed(CATALOGUE)
    assert items.factors is not None
    larger = ItemKnowledge(items.features, 1000 * items.factors)
    torch.testing.assert_close(
        scorer(CATALOGUE, N_ITEMS, larger)(seen).of_all(),
        scorer(CATALOGUE, N_ITEMS, items)(seen).of_all(),
    )


@WORLDS
def test_items_start_equal_and_learn_to_differ(
    space: spaces.Dict, n_choices: int, items: ItemKnowledge
) -> None:
    torch.manual_seed(0)
    net, seen = ItemScorer(space, n_choices, items, 8, 16, True), observed(space)
    assert net(seen).of_all().std(dim=1).max() < 1e-6
    slates = some_slates(n_choices)
    wanted = torch.tensor([1.0, 0.0, -1.0]).expand(N_USERS, -1)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(200):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(net(seen).of_slates(slates), wanted).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    torch.testing.assert_close(net(seen).of_slates(slates), wanted, atol=0.1, rtol=0.0)


@pytest.mark.parametrize("key", ["user", "context", "topic_counts", "history_items"])
def test_any_one_key_about_the_user_is_enough(key: str) -> None:
    space = spaces.Dict({key: box(HISTORY)})
    net = scorer(space, N_ITEMS, known_items())
    assert net(observed(space)).of_all().isfinite().all()


def test_observations_without_anything_about_the_user_are_refused() -> None:
    space = spaces.Dict({"last_response": box(3, 2)})
    with pytest.raises(ConfigError, match=r"at least one of .* got \['last_response'\]"):
        scorer(space, N_ITEMS)


@pytest.mark.parametrize("name", ["features", "factors"])
def test_knowledge_of_another_number_of_items_is_refused(name: str) -> None:
    items = ItemKnowledge(**{name: np.zeros((N_ITEMS - 1, 2), np.float32)})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=rf"{name} must have a row for each of the {N_ITEMS}"):
        scorer(CATALOGUE, N_ITEMS, items)
