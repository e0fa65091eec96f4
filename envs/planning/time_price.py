"""Planning with a budget of time: an item is worth its reward less the price of its time."""

from typing import Self

import numpy as np

from rlrec.arrays import Floats, Ints
from rlrec.envs.blocks.choice import ChoiceWeights
from rlrec.envs.blocks.leaving import TimeBudget
from rlrec.envs.blocks.scanning import CascadeChoice
from rlrec.envs.planning.oracle import Oracle, mean_return, users_of
from rlrec.envs.planning.scanned_slates import best_scanned_slates
from rlrec.envs.simulator import UserSimulator
from rlrec.errors import ConfigError
from rlrec.slates import best_slates, slate_values

_LOWERED = 0.7  # factor of one try to lower the price of time


class PlanningReference(Oracle):
    """Maximises reward minus the price of the time it costs, knowing tastes and quality.

    A visit is a budget of time, so the best stationary rule earns the most reward a minute spent.
    With `price` the reward a minute can earn, an item is worth `reward - price * cost` and nothing
    `-price * idle cost`; the slate is exact (`best_slates`, for a cascade `best_scanned_slates`,
    in which an item is worth what it gains over nothing). Where tastes stand still, the right
    price is the return of the rule itself divided by the budget. Where consuming moves them, a
    lower price can earn more: `fit` finds the fixed point and lowers the price while that pays. It
    is a reference, not a proven optimum.

    Args:
        price: Reward a minute, 0 or more.

    Reference:
        Ross, 1970, "Average cost semi-Markov decision processes" (renewal-reward rule).
    """

    def __init__(self, price: float) -> None:
        super().__init__()
        if not price >= 0:
            raise ConfigError(f"price must be 0 or more, got {price!r}")
        self.price = price
        self._levels: Floats | None = None  # values of the last slates: a near start, no memory

    @classmethod
    def fit(
        cls, simulator: UserSimulator, n_users: int = 500, seed: int = 0, rounds: int = 8
    ) -> Self:
        """Return the rule with the best price found, at or below its fixed point.

        First the fixed point is searched: the price that equals the return of its own rule divided
        by the budget. From there the price goes down by steps of factor 0.7 while the same users
        return more, or until it is 0.001 or less; the price before the first step that does not
        pay is taken. Nothing above the fixed point, between steps or beyond that step is tried.

        Args:
            simulator: The environment; users of its own are made, it is left as it is.
            n_users: Simulated users a round and a step.
            seed: Seed of these users.
            rounds: To the fixed point: at most so many with a fifth of the users, until the price
                moves by less than 3 %, then with all, until it moves by less than 0.5 %.
        """
        price = cls._fixed_point(simulator, n_users, seed, rounds)
        users = simulator.with_users(n_users)
        earned = mean_return(cls(price), users, seed)
        while price > 1e-3:  # the same users meet each price
            lower = _LOWERED * price
            earned_lower = mean_return(cls(lower), users, seed)
            if earned_lower <= earned:
                break
            price, earned = lower, earned_lower
        return cls(price)

    @classmethod
    def _fixed_point(cls, simulator: UserSimulator, n_users: int, seed: int, rounds: int) -> float:
        """Return the price that equals the return of its rule divided by the budget."""
        price = 0.0
        few = max(1, n_users // 5)  # a price that is far off needs no precision
        for n_simulated, tolerance in ((few, 0.03), (n_users, 0.005)):
            users = simulator.with_users(n_simulated)
            budget = _budget_of(users).initial
            for _ in range(rounds):
                earned = mean_return(cls(price), users, seed) / budget
                settled = abs(earned - price) < tolerance * earned
                price = earned
                if settled:
                    break
        return price

    def _choose(self, users: Ints) -> Ints:
        outlook, slate_size = self._bound().outlook(users), self._bound().slate_size
        budget, choice = _budget_of(self._bound()), users_of(self._bound()).choice
        values = np.empty_like(outlook.scores)
        np.multiply(budget.cost(outlook.quality), -self.price, out=values)
        values += outlook.rewards
        if isinstance(choice, CascadeChoice):
            taken = choice.scan(outlook.scores).attraction
            gains = taken * (values + self.price * budget.idle_cost)
            return best_scanned_slates(gains, 1.0 - taken, slate_size)
        weights: ChoiceWeights = choice.weights(outlook.scores)  # type: ignore[attr-defined]
        nothing = np.full(len(users), -self.price * budget.idle_cost)
        if self._levels is None:
            self._levels = nothing.copy()  # the first call is for all users
        start = self._levels[users]
        slates = best_slates(weights.items, values, weights.nothing, nothing, slate_size, start)
        self._levels[users] = slate_values(slates, weights.items, values, weights.nothing, nothing)
        return slates

    def _copy(self) -> Self:
        return type(self)(self.price)


def _budget_of(simulator: UserSimulator) -> TimeBudget:
    leaving = users_of(simulator).leaving
    if not isinstance(leaving, TimeBudget):
        raise TypeError(
            "PlanningReference plans with a TimeBudget; the users of "
            f"{simulator.env_id} leave by {type(leaving).__name__}"
        )
    return leaving
