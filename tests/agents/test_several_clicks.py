"""Slates from which several items may be taken."""

from itertools import permutations

import numpy as np
import pytest
import torch

import rlrec
from rlrec.agents import RandomPolicy, SlateQ, SlateQConfig
from rlrec.agents.several_clicks import Slots
from rlrec.arrays import Floats
from rlrec.data import HistoryShape, InteractionLog
from rlrec.envs import UserSimulator
from rlrec.envs.blocks.leaving import TimeBudget
from rlrec.envs.blocks.response import Click
from rlrec.envs.blocks.scanning import LogisticAttraction, PositionBasedChoice
from rlrec.envs.blocks.state import Shown, State
from rlrec.envs.sb3 import SlateVecEnv
from rlrec.envs.simulator import Problem
from rlrec.envs.users import Users
from rlrec.slates import repeated_slots
from tests.agents.test_known_answers import TwoTastes, world

N_SLOTS, N_ITEMS, DECAY, DISCOUNT = 2, 3, 0.5, 0.9


def slots(looked_at: list[float]) -> Slots:
    made = Slots(len(looked_at))
    with torch.no_grad():
        made.logits.copy_(torch.logit(torch.tensor(looked_at)))
    return made


@pytest.mark.parametrize("low", [-1.0, 0.0], ids=["gains and losses", "gains"])
def test_the_best_slate_is_as_good_as_any_in_any_order(low: float) -> None:
    rng = np.random.default_rng(4)
    scores = torch.from_numpy(rng.normal(size=(100, 5)))
    values = torch.from_numpy(rng.uniform(low, 1.0, size=(100, 5)))
    null = torch.from_numpy(rng.uniform(-1.0, 0.0, size=100))
    with torch.no_grad():
        made = slots([0.3, 0.9, 0.5]).double()
        slates, worth = made.best_slates(scores, values, null)
        every = torch.tensor(list(permutations(range(5), 3)))
        each = made.values_of(
            scores[:, every].flatten(0, 1),
            values[:, every].flatten(0, 1),
            null.repeat_interleave(60),
        )
        own = made.values_of(scores.gather(1, slates), values.gather(1, slates), null)
    torch.testing.assert_close(worth, each.reshape(100, 60).amax(dim=1))
    torch.testing.assert_close(worth, own)


def test_the_value_is_that_of_nothing_plus_what_each_click_adds() -> None:
    made = slots([1.0 - 1e-7, 0.5])
    scores, values = torch.tensor([[0.0, 0.0]]), torch.tensor([[8.0, 4.0]])
    worth = made.values_of(scores, values, torch.tensor([2.0]))
    assert worth.item() == pytest.approx(2.0 + 0.5 * 6.0 + 0.25 * 2.0)
    blank = torch.tensor([[0.0, -torch.inf]])
    assert made.values_of(blank, values, torch.tensor([2.0])).item() == pytest.approx(5.0)


def test_blank_slots_do_not_count_in_the_loss() -> None:
    made, clicks = slots([0.8, 0.8]), torch.tensor([[1.0, 0.0]])
    loss = made.loss(torch.tensor([[0.0, -torch.inf]]), clicks)
    assert loss.item() == pytest.approx(-np.log(0.4), rel=1e-5)


class ThreeItems(TwoTastes):
    """Users of two kinds: one likes item 0 and dislikes item 2, the other the reverse."""

    def scores(self, state: State, shown: Shown) -> Floats:
        items = np.arange(N_ITEMS)[None] if shown.items is None else shown.items
        likes_first = np.where(state["liked"][:, None], -1.0, 1.0)
        return np.asarray((1.0 - items) * likes_first, np.float64)


def clicking_users() -> Problem:
    """Return users who look at every slot, half as often at the second, and never leave."""
    like = world(ThreeItems(), TimeBudget(), n_items=N_ITEMS, slate_size=N_SLOTS, max_steps=12)
    users = Users(
        items=like.users.items,
        taste=ThreeItems(),
        choice=PositionBasedChoice(LogisticAttraction(), decay=DECAY),
        response=Click(),
        slate_size=N_SLOTS,
        tastes_observed=True,
    )
    history = HistoryShape(
        keys=("last_response",), slate_size=N_SLOTS, n_channels=1, n_topics=N_ITEMS
    )
    return Problem(
        env_id="Clicks",
        arguments={},
        users=users,
        slate_size=N_SLOTS,
        history=history,
        catalogue=like.catalogue,
        max_steps=12,
        card=(),
    )


CONFIG = SlateQConfig(
    clicks="several",
    discount=DISCOUNT,
    hidden=16,
    item_size=4,
    learning_rate=3e-3,
    comparing_rate=1.0,
    batch_size=128,
    value_scale=2.0,
    pretraining_target_rate=0.05,
    target_rate=0.05,
    n_steps=1,
    exploration_end=1.0,
    learning_starts=1000,
    updates_per_transition=0.1,
)


@pytest.mark.parametrize("way", ["log", "interaction"])
def test_users_who_take_several_are_shown_the_best_order_and_their_clicks_foretold(
    way: str,
) -> None:
    problem = clicking_users()
    agent = SlateQ(SlateVecEnv(UserSimulator(problem, 50)), CONFIG, seed=0)
    if way == "log":
        users = UserSimulator(problem, 200)
        log = InteractionLog.record(RandomPolicy(N_ITEMS, N_SLOTS), users, 15_000, seed=1)
        agent.pretrain(log, 1500)
    else:
        agent.learn(15_000)
    seen = {"user": np.eye(2, dtype=np.float32), "last_response": np.zeros((2, 2, 1), np.float32)}
    assert agent.predict(seen)[0].tolist() == [[0, 1], [2, 1]]
    tensors = {key: torch.from_numpy(array) for key, array in seen.items()}
    policy = agent.policy
    assert policy.slots is not None
    with torch.no_grad():
        clicked = torch.sigmoid(policy.choice(tensors).of_all())[:, :, None]
        clicked = clicked * policy.slots.examination()
        _, worth = policy.best_slates(policy.target, tensors, 1)
    attraction = 1.0 / (1.0 + np.exp([-1.0, 0.0, 1.0]))
    truth = attraction[:, None] * np.array([1.0, DECAY])
    # 2,500 slates of each item, taste and slot: a standard error of .01; Adam wanders by as much
    assert np.abs(clicked[0].numpy() - truth).max() < 0.06
    # For ever: 12 steps are a time limit; were they taken for leaving, the value at their end would
    # be 1 instead of 10, and about 7 on average.
    forever = (attraction[0] + DECAY * attraction[1]) / (1.0 - DISCOUNT)
    assert np.abs(CONFIG.value_scale * worth.numpy() - forever).max() < 0.6


def test_slates_of_ten_of_a_thousand_items_teach_where_users_look() -> None:
    users = rlrec.make_users("rlrec/TopicBoredom-v0", 64, seed=0, counts_observed=True)
    config = SlateQConfig(
        clicks="several", discount=0.8, value_scale=5.0, learning_rate=3e-3, hidden=32, item_size=16
    )
    agent = SlateQ(users, config, seed=0)
    others = users.simulator.with_users(200)
    log = InteractionLog.record(RandomPolicy(1000, 10), others, 20_000, seed=5)
    agent.pretrain(log, 400).learn(192)
    seen = dict(others.reset(3))
    slates = agent.act(seen, np.random.default_rng(0), deterministic=True).slates
    assert slates.shape == (200, 10) and not repeated_slots(slates).any()
    assert agent.policy.slots is not None
    looked_at = agent.policy.slots.examination().detach().numpy()
    # 20,000 looks at each slot, of which 3 in 100 end with a click: a standard error of 4 %
    # of each, and the rest of what 400 updates leave open
    np.testing.assert_allclose(looked_at[1:] / looked_at[0], 0.85 ** np.arange(1, 10), atol=0.2)


@pytest.mark.parametrize("clicks", ["one", "several"])
def test_a_log_of_several_clicks_is_told_to_an_agent_that_counts_one(
    clicks: str, caplog: pytest.LogCaptureFixture
) -> None:
    users = rlrec.make_users("rlrec/TopicBoredom-v0", 8, n_items=20, slate_size=4)
    log = InteractionLog.record(RandomPolicy(20, 4), users, 400, seed=0)
    config = SlateQConfig(hidden=8, item_size=4, clicks=clicks)
    SlateQ(users, config, seed=0).pretrain(log, 1)
    assert ("of which SlateQ counts the first" in caplog.text) is (clicks == "one")
