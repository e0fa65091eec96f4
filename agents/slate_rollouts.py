"""What on-policy agents collect between updates: slates with the response in each slot."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.buffers import DictRolloutBuffer
from torch import Tensor

from rlrec.agents.networks import TensorDict
from rlrec.errors import DataError

_SHOWN_RESPONSE = "last_response"


class SlateRollout(NamedTuple):
    """Some transitions of a round."""

    observations: TensorDict
    slates: Tensor
    """Shape (B, K)."""
    log_probs: Tensor
    """Shape (B, K). Under the policy that acted."""
    advantages: Tensor
    """Shape (B,)."""
    returns: Tensor
    """Shape (B,). What values are moved to."""
    responses: Tensor
    """Shape (B, K). Channel 0."""
    is_known: Tensor
    """Shape (B,). Whether the responses were seen; those to the last slate of a visit are not where
    users do not tell what was observed at its end."""


class SlateRolloutBuffer(DictRolloutBuffer):
    """SB3's dictionary rollout buffer with log-probabilities and responses slot by slot.

    Responses are read from `last_response` of the next observation, or of the one at the end.
    """

    responses: NDArray[np.float32]
    is_known: NDArray[np.bool_]

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        if _SHOWN_RESPONSE not in self.observations:
            raise DataError(
                f"an on-policy agent learns from the response to each slate: the environment must "
                f"observe {_SHOWN_RESPONSE!r}, got {sorted(self.observations)}"
            )
        shape = (self.buffer_size, self.n_envs)
        self.log_probs = np.zeros((*shape, self.action_dim), np.float32)
        self.responses = np.zeros((*shape, self.action_dim), np.float32)
        self.is_known = np.zeros(shape, bool)
        self._ends: dict[tuple[int, int], NDArray[np.float32]] = {}

    def see_ends(self, infos: list[dict[str, Any]], dones: Any) -> None:
        """Read the responses to last slates of visits, before the step is added."""
        for user in np.flatnonzero(dones):
            final = infos[user].get("terminal_observation")
            if final is not None:
                self._ends[self.pos, int(user)] = final[_SHOWN_RESPONSE][..., 0]

    def see_responses(self, last_observations: dict[str, NDArray[Any]], begins: Any) -> None:
        """Read the responses, once all steps are there.

        Args:
            last_observations: After the last step.
            begins: Shape (n_envs,). Whether they are of a new visit.
        """
        seen = self.observations[_SHOWN_RESPONSE][..., 0]
        self.responses[:-1], self.responses[-1] = (
            seen[1:],
            last_observations[_SHOWN_RESPONSE][..., 0],
        )
        self.is_known[:-1] = self.episode_starts[1:] == 0
        self.is_known[-1] = ~np.asarray(begins, bool)
        for place, responses in self._ends.items():
            self.responses[place], self.is_known[place] = responses, True

    def tensors(self) -> SlateRollout:
        """Return all transitions of the round."""

        def flat(array: NDArray[Any]) -> Tensor:
            return torch.as_tensor(array.reshape(-1, *array.shape[2:]), device=self.device)

        return SlateRollout(
            {key: flat(array) for key, array in self.observations.items()},
            flat(self.actions).long(),
            flat(self.log_probs),
            flat(self.advantages),
            flat(self.returns),
            flat(self.responses),
            flat(self.is_known),
        )


def parts(
    whole: SlateRollout, batch_size: int, rng: np.random.Generator
) -> Iterator[tuple[Tensor, SlateRollout]]:
    """Yield the transitions of a round in random order, with their row numbers."""
    order = torch.from_numpy(rng.permutation(len(whole.slates))).to(whole.slates.device)
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        fields = [field[rows] for field in whole[1:]]
        yield rows, SlateRollout({k: v[rows] for k, v in whole.observations.items()}, *fields)
