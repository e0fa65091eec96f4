"""The sessions of a log: which rows they have, and how weights grow along them."""

from dataclasses import dataclass

import numpy as np

from rlrec.arrays import Bools, Floats, Ints
from rlrec.data.log import InteractionLog
from rlrec.errors import PropensityError
from rlrec.evaluation.offline.user_blocks import user_numbers
from rlrec.evaluation.offline.verdict import summed


@dataclass(frozen=True, eq=False)
class Sessions:
    """Sessions of whole users: which rows, whose, and what each earned."""

    starts: Ints
    """Shape (m,). First row of each session."""
    of_rows: Ints
    """Shape (n,). Session of each row."""
    users: Ints
    """Shape (m,). User of each session, numbered from 0."""
    rewards: Floats
    """Shape (n,)."""
    discounted: Floats
    """Shape (n,). discount^step times reward."""
    returns: Floats
    """Shape (m,)."""
    longest: int
    """Steps of the longest session."""

    @classmethod
    def of(cls, part: InteractionLog, discount: float) -> "Sessions":
        """Return the sessions of a log that is in memory."""
        steps = part.column("step")
        starts = np.flatnonzero(steps == 0)
        of_rows = (np.cumsum(steps == 0) - 1).astype(np.int64)
        rewards = part.column("reward")
        discounted = rewards * discount ** steps.astype(np.float64)
        returns = summed(of_rows, discounted, len(starts))
        users = user_numbers(part)[starts]
        longest = int(steps.max()) + 1
        return cls(starts, of_rows, users, rewards, discounted, returns, longest)

    def weights_so_far(self, log_ratios: Floats) -> Floats:
        """Return the product of ratios from each session's start to each row, (n,) to (n,)."""
        impossible: Bools = np.isneginf(log_ratios)
        finite = np.where(impossible, 0.0, log_ratios)
        weights = np.exp(self._within(np.cumsum(finite), finite))
        n_impossible = self._within(np.cumsum(impossible).astype(np.float64), impossible)
        return np.where(n_impossible > 0, 0.0, weights)

    def _within(self, running: Floats, values: Floats | Bools) -> Floats:
        """Return running sums (n,) that begin anew with each session."""
        before = running[self.starts] - values[self.starts]
        return running - before[self.of_rows]

    @property
    def last_rows(self) -> Ints:
        """Shape (m,). Last row of each session."""
        return np.append(self.starts[1:], len(self.of_rows)) - 1


def possible_range(
    lowest: float, highest: float, longest: int, discount: float
) -> tuple[float, float]:
    """Return the lowest and highest discounted return that rewards and lengths allow.

    Args:
        lowest: Reward of a step.
        highest: The same.
        longest: Steps of the longest session; the shortest is taken to have one.
        discount: Weight of the reward one step ahead.

    Returns:
        Both; infinite where all rewards are equal, which tells nothing of what they may be.
    """
    if lowest == highest:
        return -np.inf, np.inf
    total = float(np.sum(discount ** np.arange(longest, dtype=np.float64)))
    low = lowest * (total if lowest < 0 else 1.0)
    return low, highest * (total if highest > 0 else 1.0)


def has_propensities(log: InteractionLog) -> bool:
    """Return whether a log says how likely its slates were."""
    return log.has("log_propensity") or log.has("propensity_given_prefix")


def check_propensities(log: InteractionLog) -> None:
    """Raise PropensityError for a log without propensities, and name the way out."""
    if not has_propensities(log):
        raise PropensityError(
            f"{log.name} has neither log_propensity nor propensity_given_prefix, so it does not "
            f"say how likely its slates were; estimate them with estimate_logging_policy and give "
            f"the result as `logging`, or use the estimator 'dm' alone"
        )


def logged_log_propensities(part: InteractionLog) -> Floats:
    """Return the logarithm of the propensity of each row's slate, (n_rows,)."""
    if part.has("log_propensity"):
        joint: Floats = part.column("log_propensity")
        return joint
    total: Floats = np.log(part.column("propensity_given_prefix")).sum(axis=1)
    return total
