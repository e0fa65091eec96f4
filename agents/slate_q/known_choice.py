"""Users whose choice weights are known to an agent, instead of fitted to what they took."""

from collections.abc import Callable
from typing import Any, Protocol

import torch
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn
from torch import Tensor

from rlrec.agents.networks import TensorDict
from rlrec.agents.slate_value import Weights
from rlrec.arrays import Floats
from rlrec.envs.blocks.choice import ChoiceWeights
from rlrec.errors import ConfigError


class KnownChoice(Protocol):
    """Tells what users take, by what is observed of them."""

    def __call__(self, observations: TensorDict) -> Weights:
        """Return the weights of all on offer, (B, n), and of taking nothing, (B,)."""
        ...


class WeighsScores(Protocol):
    """A choice model by weights, such as `ProportionalChoice` and `LogitChoice`."""

    def weights(self, scores: Floats) -> ChoiceWeights:
        """(B, n) scores to choice weights."""
        ...


class ScoredChoice:
    """Choice weights of a model at scores that are read off what is observed.

    With tastes observed, those of `rlrec/InterestEvolution-v0` are
    `ScoredChoice(affinity, ProportionalChoice())`.

    Args:
        scores: Maps observations of B users to scores (B, n) of all on offer.
        model: Turns scores into weights.
    """

    def __init__(self, scores: Callable[[TensorDict], Tensor], model: WeighsScores) -> None:
        self.scores = scores
        self.model = model

    def __call__(self, observations: TensorDict) -> Weights:
        """Return the weights of all on offer and of taking nothing."""
        scores = self.scores(observations)
        weights = self.model.weights(scores.double().cpu().numpy())
        items, nothing = (torch.as_tensor(part).to(scores) for part in weights)
        return Weights(items, nothing)


def affinity(observations: TensorDict) -> Tensor:
    """Return `user` times `candidate_features`, (B, M)."""
    return torch.einsum(
        "bd,bmd->bm", observations["user"].float(), observations["candidate_features"].float()
    )


class TellsChoice(VecEnvWrapper):
    """Users who come with a statement of how they choose, for agents with `choice="known"`.

    The statement is the caller's: it is not checked against what the users do.

    Args:
        venv: Users.
        known_choice: Their choice weights by what is observed.
    """

    def __init__(self, venv: VecEnv, known_choice: KnownChoice) -> None:
        super().__init__(venv)
        self.known_choice = known_choice

    def reset(self) -> VecEnvObs:
        """Start anew."""
        return self.venv.reset()

    def step_wait(self) -> VecEnvStepReturn:
        """Show the slates."""
        return self.venv.step_wait()


def known_choice_of(env: Any, agent: str) -> KnownChoice:
    """Return how users say that they choose.

    Args:
        env: Users.
        agent: Name, for the message.

    Raises:
        ConfigError: They do not say it.
    """
    told: KnownChoice | None = getattr(env, "known_choice", None)
    if told is None:
        raise ConfigError(
            f'{agent} with choice="known" needs users that state their choice weights, got '
            f"{type(env).__name__}: wrap them, TellsChoice(users, known_choice), or fit the "
            'weights with choice="fitted"'
        )
    return told
