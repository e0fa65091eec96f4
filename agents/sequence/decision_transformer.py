"""DecisionTransformer: slates that were followed by returns of a wanted rank."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, NamedTuple, Self

import torch
from stable_baselines3.common.policies import BasePolicy

from rlrec.agents.drawing import DrawsSlates
from rlrec.agents.log_and_live import LogAndLiveAgent
from rlrec.agents.networks import TensorDict
from rlrec.agents.plackett_luce import PlackettLuce
from rlrec.agents.replay import LoggedTransitions, SlateBatch
from rlrec.agents.sequence.decision_transformer_config import (
    DecisionTransformerConfig,
    check_quantile,
)
from rlrec.agents.sequence.sequence_policy import SequencePolicy
from rlrec.agents.slate_agent import Progress
from rlrec.data.log import InteractionLog


class DecisionTransformer(DrawsSlates, LogAndLiveAgent):  # type: ignore[misc]
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

    config_class: ClassVar[type[DecisionTransformerConfig]] = DecisionTransformerConfig
    network: ClassVar[type[BasePolicy]] = SequencePolicy
    config: DecisionTransformerConfig
    policy: SequencePolicy

    @property
    def _n_steps(self) -> int:
        return self.config.n_steps

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
        with self._own_chance():
            return super().pretrain(log, n_updates, progress=progress)

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """Do updates on visits from interaction and from the log (called by `learn`)."""
        with self._own_chance():
            super().train(gradient_steps, batch_size)

    def _learn_from(self, logged: LoggedTransitions, n_steps: int | None) -> None:
        """Do one update of `pretrain`, on visits to their end; at first on quantiles alone."""
        batch = logged.sample(self.config.batch_size, self._sampler, n_steps=len(logged))
        self._update(batch, is_warmup=n_steps is None)

    def _update(self, batch: SlateBatch, is_warmup: bool = False) -> dict[str, float]:
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
        return {"quantile_loss": quantile_loss.item(), "log_likelihood": likely.item()}

    @torch.no_grad()
    def _returns(self, batch: SlateBatch) -> torch.Tensor:
        """Return the returns of a batch, with the median of what is not seen of a visit."""
        if not batch.next_discounts.any():
            return batch.rewards
        quantiles = self.policy.return_quantiles(batch.next_observations)
        following = self.policy.quantiles.middle(quantiles)
        return batch.rewards + batch.next_discounts * following

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
