"""Planning with an exposure that builds up: value iteration on one latent number."""

from typing import Self

import numpy as np

from rlrec.arrays import Floats, Ints
from rlrec.envs.blocks.sensitisation import Engagement, Sensitisation
from rlrec.envs.blocks.visit_length import VisitLength
from rlrec.envs.documents import ClickbaitDocuments
from rlrec.envs.items import FreshDocuments
from rlrec.envs.planning.oracle import Oracle, users_of
from rlrec.envs.simulator import UserSimulator
from rlrec.slates import top_slates

_N_SCORES = 200  # clickbait scores that stand for all in [0, 1]
_N_NOISE = 7  # points that stand for the noise of the exposure


class ExposurePlanner(Oracle):
    """Maximises the return of users who consume the top item and whose exposure builds up.

    With t steps left and the exposure n, showing clickbait score s on top is worth

        Q_t(n, s) = E reward(n, s) + E V_{t-1}(n'),    V_t(n) = E max over what is on offer of Q_t,

    from V_0 = 0. V is found backwards on a grid of exposures, with the maximum over a fixed set of
    documents, or the expected maximum of M fresh ones (from the distribution of the largest of M
    draws). It acts by Q for the true exposure, the steps left and what is really on offer, so it is
    optimal up to the grid. The slots below the top are filled in the order of Q; nobody looks.

    Args:
        continuation: Shape (n_steps + 1, G). E V_t(n + noise) for exposures n of the grid.
        limit: Exposures of the grid go from -limit to limit.
    """

    def __init__(self, continuation: Floats, limit: float) -> None:
        super().__init__()
        self.continuation = continuation
        self.limit = limit

    @classmethod
    def solve(cls, simulator: UserSimulator, n_grid: int = 401) -> Self:
        """Return the planner for users made of `Sensitisation`, `Engagement` and `VisitLength`.

        Args:
            simulator: The environment; it is left as it is.
            n_grid: G, 2 or more.

        Raises:
            TypeError: Its users are made of other blocks.
        """
        response, n_steps = _engagement_of(simulator), _n_steps_of(simulator)
        exposures = response.sensitisation
        # Nothing takes exposures further than 1 / (1 - memory), but for noise; five sd of it.
        spread = exposures.noise / np.sqrt(1.0 - exposures.memory**2)
        limit = 1.0 / (1.0 - exposures.memory) + 5.0 * spread
        grid = np.linspace(-limit, limit, n_grid)
        scores, shares = _offered_best(simulator)
        rewards = response.expected_of(exposures.satisfaction(grid)[:, None], scores)
        nodes, node_weights = np.polynomial.hermite_e.hermegauss(_N_NOISE)
        noisy = grid[:, None] + exposures.noise * nodes
        continuation = np.zeros((n_steps + 1, n_grid))
        for t in range(1, n_steps + 1):
            later = np.interp(exposures.moved(grid[:, None], scores), grid, continuation[t - 1])
            values = np.sort(rewards + later, axis=1) @ shares
            weighted = np.interp(noisy, grid, values) @ node_weights
            continuation[t] = weighted / node_weights.sum()
        return cls(continuation, limit)

    def action_values(self, users: Ints) -> Floats:
        """Return Q of everything on offer, (F, n_choices), for the users at these positions."""
        simulator = self._bound()
        outlook, state = simulator.outlook(users), simulator.state_of(users)
        exposures: Sensitisation = _engagement_of(simulator).sensitisation
        then = exposures.moved(state["exposure"][:, None], outlook.quality)
        later = self._continued(self._steps_left(users) - 1, then)
        values: Floats = outlook.rewards + later
        return values

    def _choose(self, users: Ints) -> Ints:
        return top_slates(self.action_values(users), self._bound().slate_size)

    def _steps_left(self, users: Ints) -> Ints:
        simulator = self._bound()
        left: Ints = simulator.state_of(users)["steps_left"]
        if simulator.problem.max_steps is not None:
            left = np.minimum(left, simulator.problem.max_steps - simulator.steps[users])
        return left

    def _continued(self, steps_left: Ints, exposures: Floats) -> Floats:
        """Return the interpolated continuation of exposures (F, n), with steps left (F,)."""
        n_grid = self.continuation.shape[1]
        place = (exposures + self.limit) * ((n_grid - 1) / (2.0 * self.limit))
        below = np.clip(place.astype(np.int64), 0, n_grid - 2)
        share = np.clip(place - below, 0.0, 1.0)
        rows = steps_left[:, None]
        low, high = self.continuation[rows, below], self.continuation[rows, below + 1]
        continued: Floats = low + share * (high - low)
        return continued

    def _copy(self) -> Self:
        return type(self)(self.continuation, self.limit)


def _offered_best(simulator: UserSimulator) -> tuple[Floats, Floats]:
    """Return clickbait scores, and P(best offered is the j-th best of them), worst first."""
    items = users_of(simulator).items
    if isinstance(items, FreshDocuments):
        if not isinstance(items.documents, ClickbaitDocuments):
            raise TypeError(_refusal(simulator, items.documents, ClickbaitDocuments))
        scores = (np.arange(_N_SCORES) + 0.5) / _N_SCORES
        below = (np.arange(_N_SCORES + 1) / _N_SCORES) ** items.n_choices
        return scores, np.diff(below)
    scores = np.unique(items.offer_quality({}))
    return scores, np.eye(len(scores))[-1]


def _engagement_of(simulator: UserSimulator) -> Engagement:
    response = users_of(simulator).response
    if not isinstance(response, Engagement):
        raise TypeError(_refusal(simulator, response, Engagement))
    return response


def _n_steps_of(simulator: UserSimulator) -> int:
    leaving = users_of(simulator).leaving
    if not isinstance(leaving, VisitLength):
        raise TypeError(_refusal(simulator, leaving, VisitLength))
    return leaving.n_steps


def _refusal(simulator: UserSimulator, got: object, expected: type) -> str:
    return (
        f"ExposurePlanner plans for users with {expected.__name__}; those of {simulator.env_id} "
        f"have {type(got).__name__}"
    )
