"""Rewards less what fitted worlds disagree about."""

from pathlib import Path
from typing import Any, Self

import numpy as np

from rlrec.arrays import Floats, Ints
from rlrec.envs.arguments import check_number
from rlrec.envs.fitting.ratings.model import FittedUsersModel
from rlrec.envs.fitting.worlds.worlds import (
    FittedWorlds,
    chosen_users,
    chosen_worlds,
    name_of_users,
)
from rlrec.envs.wrappers.wrapper import SimulatorWrapper
from rlrec.errors import ConfigError
from rlrec.simulation import SimulatorStep, SteppedSimulator
from rlrec.slates import repeated_slots


class PessimisticReward(SimulatorWrapper):
    """The reward of a step, less how much fitted worlds disagree about what was taken.

        reward - kappa * sum over items taken of u(person, item)

    u is the standard deviation over the worlds of what the item brings once it is taken
    (`Disagreement`): of its quality in worlds fitted to ratings, of the reward of a look at it in
    those fitted to slates. So an agent keeps away from items of which the log says too little.
    Users do as before. Agents are to be trained with this and judged without.

    Args:
        wrapped: Users of one of the worlds or of all of them, who are shown items of the whole
            catalogue. In worlds fitted to ratings their persons must be those of the worlds, as
            they are where all come from one `fit_worlds`; of users from a folder this is checked,
            of those in memory it cannot be.
        worlds: From `fit_worlds` or `fit_slate_worlds`, or the folder they are saved in.
        kappa: 0 or more. Reward given up for a unit of disagreement.

    Raises:
        ConfigError: The worlds are of other items or of different persons, slates are positions
            among candidates, or kappa is below 0.
        ModelFileError: The folder holds no worlds.

    Reference:
        Yu et al., 2020, "MOPO: Model-based Offline Policy Optimization" (reward less the
        uncertainty of learned dynamics); Gao et al., 2023, "Alleviating Matthew Effect of Offline
        Reinforcement Learning in Interactive Recommendation" (DORL; its bonus for exploration is
        not here). Which uncertainty is charged is ours.
    """

    def __init__(
        self, wrapped: SteppedSimulator, worlds: FittedWorlds | str | Path, kappa: float = 1.0
    ) -> None:
        super().__init__(wrapped)
        check_number("kappa", kappa, 0.0)
        self.worlds = chosen_worlds(worlds)
        self.kappa = float(kappa)
        catalogue = self.worlds[0].catalogue
        if wrapped.catalogue is None or wrapped.catalogue.fingerprint != catalogue.fingerprint:
            raise ConfigError(
                f"the worlds must be of the items that users of {wrapped.env_id} are shown"
            )
        _check_shows_items(wrapped)
        self._named = name_of_users(worlds) or str(worlds)
        self._disagreement = self.worlds.disagreement
        _check_persons(wrapped, self.worlds)
        self._persons: Ints = np.zeros(self.n_users, np.int64)
        self._shown: Ints = np.zeros((self.n_users, self.slate_size), np.int64)

    @property
    def settings(self) -> dict[str, Any]:
        """The folder of the worlds, or their fingerprint, and kappa."""
        return {"worlds": self._named, "kappa": self.kappa}

    def expected_reward(self, slates: Ints) -> Floats:
        """Return the expected reward of showing `slates` now, less the expected penalty, (B,).

        Raises:
            TruthError: It is not known.
        """
        expected = self.wrapped.expected_reward(slates)
        taken = self.wrapped.choice_probabilities(slates)[:, :-1]
        about = self._disagreement.of_slates(self.wrapped.user_ids, slates)
        penalties = np.where(repeated_slots(slates), 0.0, taken * about)
        less: Floats = expected - self.kappa * np.ascontiguousarray(penalties).sum(axis=1)
        return less

    def _around(self, wrapped: SteppedSimulator) -> Self:
        other = type(self)(wrapped, self.worlds, self.kappa)
        other._named = self._named
        return other

    def _slates(self, slates: Ints) -> Ints:
        # Who is served now: users whose episode this step ends are replaced within it.
        self._persons, self._shown = self.wrapped.user_ids, slates
        return slates

    def _changed(self, step: SimulatorStep) -> SimulatorStep:
        taken = step.responses[:, :, 0] > 0
        penalties = np.where(taken, self._disagreement.of_slates(self._persons, self._shown), 0.0)
        return step._replace(rewards=step.rewards - self.kappa * penalties.sum(axis=1))


def _check_shows_items(wrapped: SteppedSimulator) -> None:
    offered = {"candidates", "candidate_features"} & set(wrapped.observation_spaces)
    if offered:
        raise ConfigError(
            f"disagreement is about items, but slates of {wrapped.env_id} are positions among "
            f"{sorted(offered)}: put PessimisticReward around the users, and candidates around it"
        )


def _check_persons(wrapped: SteppedSimulator, worlds: FittedWorlds) -> None:
    """Raise ConfigError where row p is known to be another person than in the worlds."""
    given = wrapped.arguments
    if not isinstance(worlds[0], FittedUsersModel) or given.get("model", "") is not None:
        return  # persons play no part, or are not to be had again: the users were in memory
    fitted = chosen_users(None, given.get("path"))
    model = fitted[given.get("world") or 0] if isinstance(fitted, FittedWorlds) else fitted
    if not np.array_equal(model.person_ids, worlds[0].person_ids):
        raise ConfigError(
            f"the worlds must be of the persons whom {wrapped.env_id} simulates: fit both to the "
            "same ratings, or take the users from the worlds"
        )
