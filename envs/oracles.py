"""Policies that read the truth: the ceiling against which everything else is measured."""

from typing import Self

import numpy as np

from rlrec.arrays import Floats, Ints, Observations
from rlrec.envs.choice import ChoiceModel, ChoiceWeights, FirstChoice
from rlrec.envs.leaving import TimeBudget
from rlrec.envs.scanning import CascadeChoice, DependentClickChoice, PositionBasedChoice
from rlrec.envs.simulator import UserSimulator
from rlrec.envs.users import Outlook, Users
from rlrec.errors import ConfigError
from rlrec.simulation import Simulator
from rlrec.slates import SlateDraw, best_slates, slate_values, top_slates

_LOWERED = 0.7  # factor of one try to lower the price of time


class _Oracle:
    """Shows the slate of highest expected value, given a value for each item."""

    def __init__(self) -> None:
        self._simulator: UserSimulator | None = None

    def bind(self, simulator: Simulator) -> Self:
        """Return this policy reading the truth of `simulator`, which must be the one it acts in."""
        if not isinstance(simulator, UserSimulator):
            raise TypeError(
                "an oracle reads the truth of a rlrec.envs simulator, got "
                f"{type(simulator).__name__}"
            )
        bound = self._copy()
        bound._simulator = simulator
        return bound

    def act(
        self, observations: Observations, rng: np.random.Generator, deterministic: bool = False
    ) -> SlateDraw:
        """Return the best slate of each user; nothing is drawn."""
        slates = self._slates()
        return SlateDraw(slates, np.zeros(slates.shape))

    def log_probs(self, observations: Observations, slates: Ints) -> Floats:
        """Return 0 for the best slate of each user, -inf for any other."""
        same = (slates == self._slates()).all(axis=1, keepdims=True)
        return np.broadcast_to(np.where(same, 0.0, -np.inf), slates.shape)

    def _slates(self, users: Ints | None = None) -> Ints:
        """Return the best slates of some users, by default of all."""
        simulator = self._bound()
        rows = np.arange(simulator.n_users) if users is None else users
        return self._choose(simulator.outlook(users), simulator.slate_size, rows)

    def _bound(self) -> UserSimulator:
        if self._simulator is None:
            raise RuntimeError(f"{type(self).__name__} reads the truth: call bind(simulator) first")
        return self._simulator

    def _choose(self, outlook: Outlook, slate_size: int, users: Ints) -> Ints:
        raise NotImplementedError

    def _copy(self) -> Self:
        return type(self)()


class MyopicOracle(_Oracle):
    """Maximises the expected reward of this step, knowing the user's true tastes.

    Where users weigh the whole slate (`WeighingChoice`) it is exact. Where they scan it, items come
    in the order of attraction times reward, the largest where users look most.
    """

    def _choose(self, outlook: Outlook, slate_size: int, users: Ints) -> Ints:
        choice = _users_of(self._bound()).choice
        if isinstance(choice, PositionBasedChoice | CascadeChoice | DependentClickChoice):
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


class PlanningReference(_Oracle):
    """Maximises reward minus the price of the time it costs, knowing tastes and quality.

    A visit is a budget of time, so the best stationary rule earns the most reward a minute spent.
    With `price` the reward a minute can earn, an item is worth `reward - price * cost` and nothing
    `-price * idle cost`; the slate is exact (`best_slates`). Where tastes stand still, the right
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
        earned = _mean_return(cls(price), users, seed)
        while price > 1e-3:  # the same users meet each price
            lower = _LOWERED * price
            earned_lower = _mean_return(cls(lower), users, seed)
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
                earned = _mean_return(cls(price), users, seed) / budget
                settled = abs(earned - price) < tolerance * earned
                price = earned
                if settled:
                    break
        return price

    def _choose(self, outlook: Outlook, slate_size: int, users: Ints) -> Ints:
        budget, choice = _budget_of(self._bound()), _users_of(self._bound()).choice
        weights: ChoiceWeights = choice.weights(outlook.scores)  # type: ignore[attr-defined]
        values = np.empty_like(weights.items)
        np.multiply(budget.cost(outlook.quality), -self.price, out=values)
        values += outlook.rewards
        nothing = np.full(len(users), -self.price * budget.idle_cost)
        if self._levels is None:
            self._levels = nothing.copy()  # the first call is for all users
        start = self._levels[users]
        slates = best_slates(weights.items, values, weights.nothing, nothing, slate_size, start)
        self._levels[users] = slate_values(slates, weights.items, values, weights.nothing, nothing)
        return slates

    def _copy(self) -> Self:
        return type(self)(self.price)


def _users_of(simulator: UserSimulator) -> Users:
    users = simulator.problem.users
    if not isinstance(users, Users):
        raise TypeError(f"this oracle knows users made of blocks, got {type(users).__name__}")
    return users


def _budget_of(simulator: UserSimulator) -> TimeBudget:
    leaving = _users_of(simulator).leaving
    if not isinstance(leaving, TimeBudget):
        raise TypeError(
            "PlanningReference plans with a TimeBudget; the users of "
            f"{simulator.env_id} leave by {type(leaving).__name__}"
        )
    return leaving


def _placed(slates: Ints, choice: ChoiceModel) -> Ints:
    """Return slates, best first, with their best items where users look most."""
    if not isinstance(choice, PositionBasedChoice):
        return slates
    placed = np.empty_like(slates)
    placed[:, np.argsort(-choice.examination(slates.shape[1]), kind="stable")] = slates
    return placed


def _mean_return(policy: _Oracle, simulator: UserSimulator, seed: int) -> float:
    """Return the mean return of every user's first episode."""
    simulator.reset(seed)
    bound = policy.bind(simulator)
    returns, running = np.zeros(simulator.n_users), np.arange(simulator.n_users)
    slates = np.empty((simulator.n_users, simulator.slate_size), np.int64)
    while running.size:  # who has left is served the last slate again, and not counted
        slates[running] = bound._slates(running)
        step = simulator.step(slates)
        returns[running] += step.rewards[running]
        running = running[~(step.terminated | step.truncated)[running]]
    return float(returns.mean())
