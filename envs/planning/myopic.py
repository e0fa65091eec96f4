"""The best slate for this step alone."""

import numpy as np

from rlrec.arrays import Ints
from rlrec.envs.blocks.choice import ChoiceWeights, FirstChoice
from rlrec.envs.blocks.sameness import Sameness
from rlrec.envs.blocks.scanning import (
    CascadeChoice,
    DependentClickChoice,
    DynamicBayesianChoice,
    PositionBasedChoice,
    ScanningChoice,
)
from rlrec.envs.planning.oracle import Oracle, users_of
from rlrec.envs.planning.scanned_slates import best_scanned_slates
from rlrec.envs.planning.varied_slates import best_of_topics, earned_by, sameness_of
from rlrec.envs.users import Outlook
from rlrec.slates import best_slates, top_slates

_SCANNING = (PositionBasedChoice, CascadeChoice, DependentClickChoice, DynamicBayesianChoice)


class MyopicOracle(Oracle):
    """Maximises the expected reward of this step, knowing the user's true tastes.

    It is exact. Where users scan the slate, what is shown above decides whether they look further
    (`best_scanned_slates`), or items come in the order of attraction times reward, the largest
    where users look most.

    With `Sameness` it shows the better of the best slate as if there were none, and the best one
    that is not too much of the same. This is exact where no reward is a loss and either every slot
    is looked at, whatever is taken, or rewards are equal and the scan depends on nothing but what
    is taken (a cascade, dependent clicks); elsewhere it is near.
    """

    def _choose(self, users: Ints) -> Ints:
        simulator = self._bound()
        slates = self._best(simulator.outlook(users))
        sameness = sameness_of(simulator)
        if sameness is not None:
            shown = users_of(simulator).items.shown(simulator.state_of(users), slates)
            alike = np.flatnonzero(sameness.is_alike(shown.topics))
            if alike.size:
                slates[alike] = self._varied(users[alike], slates[alike], sameness)
        return slates

    def _best(self, outlook: Outlook) -> Ints:
        """Return the best slates, as if items did not depend on what they are shown with."""
        choice, slate_size = users_of(self._bound()).choice, self._bound().slate_size
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
        nothing = np.zeros(len(outlook.scores))
        return best_slates(weights.items, rewards, weights.nothing, nothing, slate_size)

    def _varied(self, users: Ints, slates: Ints, sameness: Sameness) -> Ints:
        """Return `slates`, or slates of fewer items a topic where those earn more."""
        simulator = self._bound()
        outlook, offer = simulator.outlook(users), users_of(simulator).items.offer
        worth = sameness.attraction.of(outlook.scores) * outlook.rewards
        topics = offer(simulator.state_of(users)).topics
        kept = best_of_topics(worth, topics, sameness.n_topics, sameness.too_many - 1)
        scores = np.where(kept, outlook.scores, -np.inf)
        varied = self._best(outlook._replace(scores=scores))
        earns_more = earned_by(simulator, users, varied) > earned_by(simulator, users, slates)
        return np.where(earns_more[:, None], varied, slates)


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
