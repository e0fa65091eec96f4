"""The best slate for this step alone."""

import numpy as np

from rlrec.arrays import Ints
from rlrec.envs.blocks.choice import ChoiceWeights, FirstChoice
from rlrec.envs.blocks.scanning import (
    CascadeChoice,
    DependentClickChoice,
    DynamicBayesianChoice,
    PositionBasedChoice,
    ScanningChoice,
)
from rlrec.envs.planning.oracle import Oracle, users_of
from rlrec.envs.planning.scanned_slates import best_scanned_slates
from rlrec.envs.users import Outlook
from rlrec.slates import best_slates, top_slates

_SCANNING = (PositionBasedChoice, CascadeChoice, DependentClickChoice, DynamicBayesianChoice)


class MyopicOracle(Oracle):
    """Maximises the expected reward of this step, knowing the user's true tastes.

    It is exact. Where users scan the slate, what is shown above decides whether they look further
    (`best_scanned_slates`), or items come in the order of attraction times reward, the largest
    where users look most.
    """

    def _choose(self, users: Ints) -> Ints:
        simulator = self._bound()
        outlook, slate_size = simulator.outlook(users), simulator.slate_size
        choice = users_of(simulator).choice
        if isinstance(choice, _SCANNING):
            return _scanned(choice, outlook, slate_size)
        if isinstance(choice, FirstChoice):
            every = np.broadcast_to(outlook.rewards, outlook.scores.shape)
            return top_slates(every, slate_size)
        weights: ChoiceWeights = choice.weights(outlook.scores)  # type: ignore[attr-defined]
        if outlook.rewards.shape[1] == 1:
            # Equal rewards: the slate most likely to be taken from, or least where they are losses.
            return top_slates(weights.items * np.sign(outlook.rewards), slate_size)
        rewards = np.broadcast_to(outlook.rewards, weights.items.shape)
        nothing = np.zeros(len(users))
        return best_slates(weights.items, rewards, weights.nothing, nothing, slate_size)


def _scanned(choice: ScanningChoice, outlook: Outlook, slate_size: int) -> Ints:
    """Return the best slates of users who scan them."""
    if isinstance(choice, PositionBasedChoice):
        worth = choice.attraction.of(outlook.scores) * outlook.rewards
        return _placed(top_slates(worth, slate_size), choice)
    scan = choice.scan(outlook.scores)
    worth = scan.attraction * outlook.rewards
    is_alike = outlook.rewards.shape[1] == 1 and not isinstance(scan.after_taking, np.ndarray)
    if is_alike and scan.after_taking <= scan.after_passing:  # then the most attractive are best
        return top_slates(worth, slate_size)
    goes_on = scan.attraction * scan.after_taking + (1.0 - scan.attraction) * scan.after_passing
    return best_scanned_slates(worth, goes_on, slate_size)


def _placed(slates: Ints, choice: PositionBasedChoice) -> Ints:
    """Return slates, best first, with their best items where users look most."""
    placed = np.empty_like(slates)
    placed[:, np.argsort(-choice.examination(slates.shape[1]), kind="stable")] = slates
    return placed
