"""The best slate for this step alone."""

import numpy as np

from rlrec.arrays import Ints
from rlrec.envs.blocks.choice import ChoiceModel, ChoiceWeights, FirstChoice
from rlrec.envs.blocks.scanning import (
    CascadeChoice,
    DependentClickChoice,
    DynamicBayesianChoice,
    PositionBasedChoice,
)
from rlrec.envs.planning.oracle import Oracle, users_of
from rlrec.slates import best_slates, top_slates

_SCANNING = (PositionBasedChoice, CascadeChoice, DependentClickChoice, DynamicBayesianChoice)


class MyopicOracle(Oracle):
    """Maximises the expected reward of this step, knowing the user's true tastes.

    Where users weigh the whole slate (`WeighingChoice`) it is exact. Where they scan it, items come
    in the order of attraction times reward, the largest where users look most.
    """

    def _choose(self, users: Ints) -> Ints:
        simulator = self._bound()
        outlook, slate_size = simulator.outlook(users), simulator.slate_size
        choice = users_of(simulator).choice
        if isinstance(choice, _SCANNING):
            worth = choice.attraction.of(outlook.scores) * outlook.rewards
            return _placed(top_slates(worth, slate_size), choice)
        if isinstance(choice, FirstChoice):
            every = np.broadcast_to(outlook.rewards, outlook.scores.shape)
            return top_slates(every, slate_size)
        weights: ChoiceWeights = choice.weights(outlook.scores)  # type: ignore[attr-defined]
        if outlook.rewards.shape[1] == 1:  # equal rewards: the slate most likely to be taken from
            return top_slates(weights.items, slate_size)
        rewards = np.broadcast_to(outlook.rewards, weights.items.shape)
        nothing = np.zeros(len(users))
        return best_slates(weights.items, rewards, weights.nothing, nothing, slate_size)


def _placed(slates: Ints, choice: ChoiceModel) -> Ints:
    """Return slates, best first, with their best items where users look most."""
    if not isinstance(choice, PositionBasedChoice):
        return slates
    placed = np.empty_like(slates)
    placed[:, np.argsort(-choice.examination(slates.shape[1]), kind="stable")] = slates
    return placed
