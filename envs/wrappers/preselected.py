"""Two stages: a retrieval policy picks candidates, the agent shows slates of them."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rlrec.arrays import Ints
from rlrec.envs.arguments import check_whole_number, checked_slates
from rlrec.envs.wrappers.wrapper import SimulatorWrapper
from rlrec.errors import ConfigError, SlateError
from rlrec.policy import SlatePolicy, bound_to
from rlrec.simulation import Space, SteppedSimulator


class Preselected(SimulatorWrapper):
    """Agents see `candidates`, M of the N items, and show slates of positions among them.

    The retrieval policy sees what users of the whole catalogue show, and its best M items become
    the candidates, best first. It must be certain of them: a policy that draws would give a user
    other candidates in another batch. Without one, M random items are offered, all equally likely,
    new at each step.

    Args:
        wrapped: The simulator, of a whole catalogue.
        retrieval: A policy that shows slates of M items, such as `EASE(slate_size=M)`; None for
            random candidates.
        n_candidates: M, from the slate size up to N.

    Raises:
        ConfigError: `n_candidates` is out of range; the wrapped simulator has no catalogue, or
            candidates already; or the policy reads the truth or draws.
        SlateError: The policy shows slates of another size.
    """

    keeps_slates = False

    def __init__(
        self, wrapped: SteppedSimulator, retrieval: SlatePolicy | None, n_candidates: int
    ) -> None:
        super().__init__(wrapped)
        offered = {"candidates", "candidate_features"} & set(wrapped.observation_spaces)
        if wrapped.catalogue is None or offered:
            raise ConfigError(
                "candidates are picked from a whole catalogue, but users of "
                f"{wrapped.env_id} are offered {sorted(offered) or 'no catalogue'}"
            )
        check_whole_number("n_candidates", n_candidates, self.slate_size, wrapped.n_choices)
        if retrieval is not None and not isinstance(retrieval, SlatePolicy):
            raise ConfigError(
                "retrieval must be a slate policy, such as a fitted rlrec.make_baseline('ease', "
                f"slate_size={n_candidates}), or None for random candidates, got {retrieval!r}"
            )
        if retrieval is not None and bound_to(retrieval, wrapped) is not retrieval:
            raise ConfigError(
                f"a retrieval policy must know only what is observed, got "
                f"{type(retrieval).__name__}, which is bound to the truth or is a mixture"
            )
        self.retrieval = retrieval
        self._n_items = wrapped.n_choices
        self.n_choices = n_candidates
        self.observation_spaces["candidates"] = Space(
            (n_candidates,), np.int64, 0, self._n_items - 1
        )
        self._candidates: Ints = np.zeros((self.n_users, n_candidates), np.int64)

    @property
    def settings(self) -> dict[str, Any]:
        """How many candidates there are, and the name of what picks them."""
        name = None if self.retrieval is None else type(self.retrieval).__name__
        return {"retrieval": name, "n_candidates": self.n_choices}

    def _around(self, wrapped: SteppedSimulator) -> Self:
        return type(self)(wrapped, self.retrieval, self.n_choices)

    def _slates(self, slates: Ints) -> Ints:
        self._started()
        slates = checked_slates(slates, self.n_users, self.slate_size, self.n_choices)
        return np.take_along_axis(self._candidates, slates, axis=1)

    def _observed(
        self, observations: dict[str, NDArray[Any]], users: Ints, is_final: bool
    ) -> dict[str, NDArray[Any]]:
        candidates = self._picked(observations, users, is_final)
        if not is_final:
            self._candidates = candidates
        return {**observations, "candidates": candidates.copy()}

    def _picked(self, observations: dict[str, NDArray[Any]], users: Ints, is_final: bool) -> Ints:
        if self.retrieval is None:
            draws = self._uniforms(self._n_items, int(is_final))[users]
            return np.argsort(draws, axis=1)[:, : self.n_choices].astype(np.int64, copy=False)
        draw = self.retrieval.act(observations, np.random.default_rng(0), deterministic=True)
        if draw.slates.shape != (len(users), self.n_choices):
            raise SlateError(
                f"the retrieval policy must show slates of {self.n_choices} items, got an array of "
                f"shape {draw.slates.shape} for {len(users)} users"
            )
        if draw.log_probs.any():
            raise ConfigError(
                f"the retrieval policy must be certain of its items, but "
                f"{type(self.retrieval).__name__} draws them; None picks random ones"
            )
        return draw.slates.astype(np.int64)
