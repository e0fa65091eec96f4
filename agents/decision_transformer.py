"""DecisionTransformer: slates that were followed by returns of a wanted rank."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv

from rlrec.agents.decision_transformer_config import DecisionTransformerConfig, check_quantile
from rlrec.agents.drawing import DrawsSlates
from rlrec.agents.networks import TensorDict
from rlrec.agents.plackett_luce import PlackettLuce
from rlrec.agents.replay import LoggedTransitions, SlateBatch, SlateReplayBuffer, joined
from rlrec.agents.sequence_policy import SequencePolicy
from rlrec.agents.slate_agent import Progress, SlateAgent
from rlrec.arrays import Floats32
from rlrec.data.catalogue import Catalogue
from rlrec.data.log import InteractionLog


class DecisionTransformer(DrawsSlates, SlateAgent, OffPolicyAlgorithm):  # type: ignore[misc]
    """Supervised learning of what was shown before returns of a given rank.

    A causal transformer reads the history observed of a user (items responded to and what came
    back), the state, and a token for the return to come; its answer are the logits of a slate
    (Plackett-Luce), fitted by `-log pi(A | history, state, return)` to the rows of a log.

    Raw returns are no prompt: they depend on how much of the visit is left, and some lie beyond
    all that was seen. So the token is the *rank* of the return among those that follow from such a
    state, which a second head learns as quantiles (pinball loss) at the state's token, where the
    return is not yet read. To serve, the rank `quantile` is wanted at every step: the return-to-go
    it stands for is that quantile given all that was observed so far, rewards included, and never
    one that the data lack. So the agent needs no memory of its own. Where a visit is cut off, its
    return goes on with the median.

    What is shown to a user at one step can be lucky. The longer the horizon (`discount`), the more
    a high rank means luck, and the closer the agent comes to imitating the log.

    `learn` goes on with slates drawn for `quantile`, which join the log in a replay buffer. Fresh
    documents have no history by name: the sequence is then the state and the return.

    Args:
        env: Users: a `VecEnv` (such as `rlrec.make_users` returns) or the name of an environment.
            It must observe `last_response`.
        config: Settings.
        item_factors: Shape (N, F). Factors of a collaborative-filtering model; None for none.
        catalogue: The items; by default that of `env`, if it has one.
        seed: Of networks, draws and of `env` too; None leaves `env` with its own seed.
        tensorboard_log: Folder for TensorBoard, or None.
        verbose: As in stable-baselines3.
        device: As in stable-baselines3.

    Reference:
        Chen et al., 2021, "Decision Transformer: Reinforcement Learning via Sequence Modeling";
        online: Zheng, Zhang and Grover, 2022, "Online Decision Transformer".

    Stability: experimental.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {"SequencePolicy": SequencePolicy}
    config_class: ClassVar[type[DecisionTransformerConfig]] = DecisionTransformerConfig
    policy: SequencePolicy

    def __init__(
        self,
        env: GymEnv | str | None,
        config: DecisionTransformerConfig | None = None,
        *,
        item_factors: Floats32 | None = None,
        catalogue: Catalogue | None = None,
        seed: int | None = None,
        tensorboard_log: str | None = None,
        verbose: int = 0,
        device: torch.device | str = "auto",
        _init_setup_model: bool = True,
    ) -> None:
        self.config = config = config or DecisionTransformerConfig()
        env = self._meet(env, item_factors, catalogue, verbose=verbose)
        self._logged: LoggedTransitions | None = None
        updates_a_step = getattr(env, "num_envs", 1) * config.updates_per_transition
        steps_between = max(1, round(1 / updates_a_step))
        super().__init__(
            SequencePolicy,
            env,
            config.learning_rate,
            buffer_size=config.buffer_size,
            learning_starts=config.learning_starts,
            batch_size=config.batch_size,
            gamma=config.discount,
            train_freq=steps_between,
            gradient_steps=max(1, round(updates_a_step * steps_between)),
            replay_buffer_class=SlateReplayBuffer,
            replay_buffer_kwargs={"discount": config.discount, "n_steps": config.n_steps},
            policy_kwargs={"items": self.items, "config": config},
            tensorboard_log=tensorboard_log,
            verbose=verbose,
            device=device,
            support_multi_env=True,
            seed=seed,
            sde_support=False,
            supported_action_spaces=(spaces.MultiDiscrete,),
        )
        self._sampler = np.random.default_rng(seed)
        if _init_setup_model:
            self._setup_model()

    def prompted(self, quantile: float) -> "Prompted":
        """Return the policy that wants returns of another rank; it goes on learning with this one.

        Args:
            quantile: Rank, 0.05 to 0.95.
        """
        return Prompted(self, quantile)

    def pretrain(
        self, log: InteractionLog, n_updates: int = 3_000, *, progress: Progress | None = None
    ) -> Self:
        """Learn from the rows of a log what was shown before returns of each rank.

        Args:
            log: Slates with responses, rewards and ends, from users like those of `env`.
            n_updates: Updates with `batch_size` logged rows each.
            progress: Called with the updates done and `n_updates`.

        Returns:
            This agent; `learn` goes on with a share of the log.

        Raises:
            CatalogueMismatchError: The log belongs to another catalogue.
            LogFormatError: The log lacks what the agent observes.
        """
        logged = self.remember(log)
        n_warmup = round(n_updates * self.config.warmup_share)
        with self._own_chance():
            for update in range(n_updates):
                self._set_rate(1.0 - 0.9 * update / n_updates)
                batch = logged.sample(self.config.batch_size, self._sampler, n_steps=len(log))
                self._update(batch, is_warmup=update < n_warmup)
                if progress is not None and (update + 1) % 100 == 0:
                    progress(update + 1, n_updates)
        self.n_pretraining_updates += n_updates
        return self

    def remember(self, log: InteractionLog) -> LoggedTransitions:
        """Keep a log's transitions for the updates of `learn` (`pretrain` does it by itself).

        Args:
            log: As in `pretrain`.
        """
        self._logged = self.transitions_of(log, self.gamma)
        return self._logged

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """Do updates on visits from interaction and from the log (called by `learn`)."""
        self._set_rate(self.config.finetuning_rate if self.n_pretraining_updates else 1.0)
        with self._own_chance():
            told = [self._update(self._sample(batch_size)) for _ in range(gradient_steps)]
        self._n_updates += gradient_steps
        for name, values in zip(_Told._fields, zip(*told, strict=True), strict=True):
            self.logger.record(f"train/{name}", float(np.mean(values)))
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")

    def _update(self, batch: SlateBatch, is_warmup: bool = False) -> "_Told":
        """Do one step on the quantiles of the return and on what was shown for its rank."""
        policy = self.policy
        policy.set_training_mode(False)
        returns = self._returns(batch)
        with torch.no_grad():
            quantiles = policy.return_quantiles(batch.observations)
            ranks = policy.quantiles.ranks(quantiles, returns)
        policy.set_training_mode(True)
        read = policy.read(batch.observations, ranks)
        quantile_loss = policy.quantiles.loss(read.quantiles, returns)
        likely = read.slates.log_probs(batch.slates).mean()
        loss = quantile_loss if is_warmup else quantile_loss - likely
        policy.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(policy.parameters(), self.config.max_grad_norm)
        policy.optimizer.step()
        return _Told(quantile_loss.item(), likely.item())

    @torch.no_grad()
    def _returns(self, batch: SlateBatch) -> torch.Tensor:
        """Return the returns of a batch, with the median of what is not seen of a visit."""
        if not batch.next_discounts.any():
            return batch.rewards
        quantiles = self.policy.return_quantiles(batch.next_observations)
        following = self.policy.quantiles.middle(quantiles)
        return batch.rewards + batch.next_discounts * following

    def _sample(self, batch_size: int) -> SlateBatch:
        """Return rows from interaction, a share of them from the log if there is one."""
        assert isinstance(self.replay_buffer, SlateReplayBuffer)
        n_logged = round(batch_size * self.config.log_share) if self._logged else 0
        if self._logged is None or n_logged == 0:
            return self.replay_buffer.sample_slates(batch_size, self._sampler)
        logged = self._logged.sample(n_logged, self._sampler, self.config.n_steps)
        if n_logged == batch_size:
            return logged
        live = self.replay_buffer.sample_slates(batch_size - n_logged, self._sampler)
        return joined(live, logged)

    def _sample_action(
        self,
        learning_starts: int,
        action_noise: ActionNoise | None = None,
        n_envs: int = 1,
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Show each user a slate drawn for the wanted rank."""
        assert isinstance(self._last_obs, dict)
        slates = self.act(self._last_obs, self._sampler).slates
        return slates, slates

    def _setup_learn(self, *args: Any, **kwargs: Any) -> tuple[int, BaseCallback]:
        """End the visits in the replay buffer where `learn` is about to start new ones."""
        resets = args[2] if len(args) > 2 else kwargs.get("reset_num_timesteps", True)
        if (resets or self._last_obs is None) and isinstance(self.replay_buffer, SlateReplayBuffer):
            self.replay_buffer.cut_off()
        return super()._setup_learn(*args, **kwargs)

    def _set_rate(self, share: float) -> None:
        for group in self.policy.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * share

    @contextmanager
    def _own_chance(self) -> Iterator[None]:
        """Let dropout follow this agent's seed, whatever else draws from torch's own source."""
        with torch.random.fork_rng():
            torch.manual_seed(int(self._sampler.integers(2**31)))
            yield


class Prompted(DrawsSlates):
    """A decision transformer that wants returns of another rank, as a slate policy.

    Args:
        agent: The agent.
        quantile: Rank, 0.05 to 0.95.
    """

    def __init__(self, agent: DecisionTransformer, quantile: float) -> None:
        check_quantile(quantile)
        self.policy = _Wanting(agent.policy, quantile)
        self.observation_space, self.device = agent.observation_space, agent.device


class _Wanting(NamedTuple):
    policy: SequencePolicy
    quantile: float

    def distribution(self, obs: TensorDict) -> PlackettLuce:
        return self.policy.distribution(obs, self.quantile)

    def set_training_mode(self, mode: bool) -> None:
        self.policy.set_training_mode(mode)


class _Told(NamedTuple):
    """What the log of training shows of an update."""

    quantile_loss: float
    log_likelihood: float
