"""What visits cost in all, however many rounds they last."""

import numpy as np

from rlrec.arrays import Bools, Floats


class VisitCosts:
    """Adds up J costs of the running visits of B users, from round to round.

    Args:
        n_users: B.
        n_costs: J.
    """

    def __init__(self, n_users: int, n_costs: int) -> None:
        self.running = np.zeros((n_users, n_costs))
        """Shape (B, J). Of the visit that each user is in."""
        self.is_whole = np.zeros(n_users, bool)
        """Shape (B,). Whether that visit was seen from its beginning."""

    def forget(self) -> None:
        """Drop the running visits, as where users are about to be replaced."""
        self.running[:], self.is_whole[:] = 0.0, False

    def ended(self, costs: Floats, begins: Bools) -> Floats:
        """Return the costs (n, J) of the visits that ended in a round, and keep the others.

        Args:
            costs: Shape (S, B, J). Of each of S steps.
            begins: Shape (S + 1, B). Whether a visit begins with a step, the one after the round
                too.
        """
        found = []
        for step, begun in enumerate(begins):
            found.append(self.running[begun & self.is_whole])
            self.running[begun] = 0.0
            if step == len(costs):  # the next round begins with this step, and says so again
                self.is_whole &= ~begun
                break
            self.is_whole |= begun
            self.running += costs[step]
        return np.concatenate(found)
