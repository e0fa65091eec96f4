"""GeMS: soft actor-critic in the latent space of slates."""

from typing import Any, ClassVar, Self

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3 import SAC
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.sac.policies import MultiInputPolicy
from torch import Tensor

from rlrec.agents.networks import TensorDict, is_fresh
from rlrec.agents.proto.decoding import DecodesActions
from rlrec.agents.proto.entropy_weight import KeepsEntropyWeight
from rlrec.agents.proto.gems_config import GeMSConfig
from rlrec.agents.proto.item_embeddings import known_directions
from rlrec.agents.proto.slate_coder import SlateCoder
from rlrec.agents.replay import LoggedTransitions
from rlrec.agents.serving import blocks_of
from rlrec.agents.slate_agent import Progress
from rlrec.data.log import InteractionLog
from rlrec.errors import ConfigError

_SPANNED = 20_000  # logged slates that the box of latent actions holds


class GeMS(KeepsEntropyWeight, DecodesActions, SAC):  # type: ignore[misc]
    """Soft actor-critic whose actions are latent slates of a variational autoencoder.

    `pretrain` learns from a log what slates are like: an encoder gives a distribution of the latent
    vector z of a slate and its responses, a decoder the logits of items and responses, to make
    `CE(slate) + response_weight * CE(responses) + divergence_weight * KL(q(z) | N(0, 1))` small,
    with a term a slot for the first two. `learn` then is SAC with z as its action, within the box
    that the logged slates take up (`mean +- standard deviation`), and the decoder left as it is.
    Slates are decoded from the top, each slot its likeliest item not yet shown.

    Slates unlike any of the log cannot be reached, so the log should vary. Shown in earnest are the
    slates of the mean action, with a share of random ones.

    Args:
        env: Users: a `VecEnv` (such as `rlrec.make_users` returns) or the name of an environment.
        config: Settings.
        item_factors: Shape (N, F). Factors of a collaborative-filtering model, known to the
            autoencoder from the start; None for none.
        catalogue: The items; by default that of `env`, if it has one.
        seed: Of networks, exploration and sampling, and as in stable-baselines3 of `env` too; None
            leaves `env` with its own seed and draws the rest anew.
        tensorboard_log: Folder for TensorBoard, or None.
        verbose: As in stable-baselines3.
        device: As in stable-baselines3.

    Reference:
        Deffayet, Thonet, Renders and de Rijke, 2023, "Generative Slate Recommendation with
        Reinforcement Learning"; Haarnoja et al., 2018, "Soft Actor-Critic Algorithms and
        Applications".

    Stability: experimental.
    """

    config_class: ClassVar[type[GeMSConfig]] = GeMSConfig
    kept: ClassVar[tuple[str, ...]] = (
        "n_pretraining_updates",
        "num_timesteps",
        "log_entropy_weight",
    )
    network: ClassVar[type[BasePolicy]] = MultiInputPolicy
    config: GeMSConfig
    coder: SlateCoder

    def _prepare(self, users: Any) -> int:
        return self.config.latent_size

    def _algorithm_settings(self, users: Any) -> dict[str, Any]:
        return {
            **super()._algorithm_settings(users),
            "ent_coef": f"auto_{self.config.entropy}",
            "target_entropy": self.config.target_entropy * self.config.latent_size,
        }

    def _history_vectors(self, users: Any) -> Tensor | None:
        """Return vectors (N, d) of the items that histories name, where they are observed."""
        space = users.observation_space
        if "history_items" not in space.spaces or is_fresh(space):
            return None
        return torch.from_numpy(known_directions(self.items, self.catalogue))

    def _setup_model(self) -> None:
        super()._setup_model()
        config = self.config
        assert isinstance(self.observation_space, spaces.Dict)
        self.coder = SlateCoder(
            self.observation_space,
            self.n_choices,
            len(self.slate_space.nvec),
            self.items,
            config.item_size,
            config.latent_size,
            config.coder_hidden,
        ).to(self.device)
        self._coder_optimizer = torch.optim.Adam(
            self.coder.parameters(), lr=config.coder_learning_rate
        )

    def _setup_learn(self, *args: Any, **kwargs: Any) -> tuple[int, BaseCallback]:
        if not self.n_pretraining_updates:
            raise ConfigError(
                "GeMS acts in a latent space of slates, which must first be learned from a log: "
                "call pretrain(log) before learn"
            )
        return super()._setup_learn(*args, **kwargs)

    def further_networks(self) -> dict[str, torch.nn.Module]:
        """Return the autoencoder."""
        return {"coder": self.coder}

    def pretrain(
        self, log: InteractionLog, n_updates: int = 5_000, *, progress: Progress | None = None
    ) -> Self:
        """Learn the latent space of slates from a log; actor and critics wait for `learn`.

        Args:
            log: Slates with responses, from users like those of `env`.
            n_updates: Updates with `coder_batch_size` logged slates each.
            progress: Called with the updates done and `n_updates`.

        Returns:
            This agent, with its transitions from earlier interaction forgotten, since their actions
            have lost their meaning.

        Raises:
            CatalogueMismatchError: The log belongs to another catalogue.
        """
        logged = self.transitions_of(log, self.config.discount)
        for update in range(n_updates):
            self._coder_step(logged)
            if progress is not None and (update + 1) % 100 == 0:
                progress(update + 1, n_updates)
        self._span_log(logged)
        self.n_pretraining_updates += n_updates
        assert self.replay_buffer is not None
        self.replay_buffer.reset()
        return self

    def _coder_step(self, logged: LoggedTransitions) -> None:
        config = self.config
        batch = logged.sample(config.coder_batch_size, self._sampler, 1)
        noise = self._sampler.standard_normal((len(batch.slates), config.latent_size), np.float32)
        losses = self.coder.losses(
            batch.observations,
            batch.slates,
            (batch.responses > 0).float(),
            torch.as_tensor(noise, device=self.device),
        )
        loss = losses.items + config.response_weight * losses.responses
        loss = loss + config.divergence_weight * losses.divergence / self.coder.slate_size
        self._coder_optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._coder_optimizer.step()

    @torch.no_grad()
    def _span_log(self, logged: LoggedTransitions) -> None:
        """Let actions span the box that logged slates take up in the latent space."""
        lowest, highest = [], []
        for _ in range(-(-min(len(logged), _SPANNED) // 1_000)):
            batch = logged.sample(1_000, self._sampler, 1)
            responded = (batch.responses > 0).float()
            mean, log_variance = self.coder.encode(batch.observations, batch.slates, responded)
            deviation = (0.5 * log_variance).exp()
            lowest.append((mean - deviation).amin(dim=0))
            highest.append((mean + deviation).amax(dim=0))
        self.coder.span(torch.stack(lowest).amin(dim=0), torch.stack(highest).amax(dim=0))

    def best_slates(self, observations: TensorDict) -> Tensor:
        """Return the slates (B, K) that the actor's mean actions decode to."""
        actions = self.actor(observations, deterministic=True)
        return self.coder.slates(observations, self.coder.latent_of(actions))

    def _sample_action(
        self, learning_starts: int, action_noise: ActionNoise | None = None, n_envs: int = 1
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Show each user the slate of a drawn action, and keep that action."""
        assert isinstance(self._last_obs, dict)
        is_early = self.num_timesteps < learning_starts
        slates, actions = [], []
        for block in blocks_of(self._last_obs, self.observation_space, self.device):
            with torch.no_grad():
                drawn = self._even_actions(block) if is_early else self.actor(block)
                slates.append(self.coder.slates(block, self.coder.latent_of(drawn)).cpu().numpy())
            actions.append(drawn.cpu().numpy())
        return np.concatenate(slates), np.concatenate(actions)

    def _even_actions(self, observations: TensorDict) -> Tensor:
        n_users = len(next(iter(observations.values())))
        drawn = self._sampler.uniform(-1.0, 1.0, (n_users, self.config.latent_size))
        return torch.as_tensor(drawn.astype(np.float32), device=self.device)

    def _store_transition(
        self,
        replay_buffer: ReplayBuffer,
        buffer_action: NDArray[Any],
        new_obs: Any,
        reward: NDArray[Any],
        dones: NDArray[Any],
        infos: list[dict[str, Any]],
    ) -> None:
        scaled = reward / self.config.value_scale
        super()._store_transition(replay_buffer, buffer_action, new_obs, scaled, dones, infos)
