"""A log kept in mind, so that `learn` goes on learning from it."""

import logging
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from rlrec.agents.replay import LoggedTransitions, SlateBatch, SlateReplayBuffer, joined
from rlrec.data.log import InteractionLog

_LOG = logging.getLogger(__name__)


class RemembersLog:
    """Mixed into off-policy agents: part of each batch of `learn` comes from the log.

    The setting `log_share` says which part. A saved agent holds no log: `remember` it again.
    """

    config: Any
    replay_buffer: Any
    n_pretraining_updates: int
    _sampler: np.random.Generator
    _logged: LoggedTransitions | None = None
    """The log, once there was one."""

    @property
    def _n_steps(self) -> int:
        """Steps that `learn` follows before values take over."""
        return 1

    def remember(self, log: InteractionLog) -> LoggedTransitions:
        """Keep a log's transitions for the updates of `learn` (`pretrain` does it by itself).

        Args:
            log: As in `pretrain`.
        """
        agent: Any = self
        logged: LoggedTransitions = agent.transitions_of(log, self.config.discount)
        if getattr(self.config, "clicks", "several") == "one" and logged.most_responses > 1:
            _LOG.warning(
                "users of this log took up to %d items of a slate, of which %s counts the first: "
                'set clicks="several"',
                logged.most_responses,
                type(self).__name__,
            )
        self._logged = logged
        return logged

    def _setup_learn(self, *args: Any, **kwargs: Any) -> tuple[int, BaseCallback]:
        if self.n_pretraining_updates and self._logged is None and self.config.log_share > 0:
            _LOG.warning(
                "%s was pretrained, but has no log at hand: it learns from interaction alone. Call "
                "remember(log) first, as after loading, or set log_share=0",
                type(self).__name__,
            )
        set_up: tuple[int, BaseCallback] = super()._setup_learn(*args, **kwargs)  # type: ignore[misc]
        return set_up

    def _sample(self, batch_size: int) -> SlateBatch:
        """Return transitions from interaction, a share of them from the log if there is one."""
        assert isinstance(self.replay_buffer, SlateReplayBuffer)
        n_logged = round(batch_size * self.config.log_share) if self._logged else 0
        if self._logged is None or n_logged == 0:
            return self.replay_buffer.sample_slates(batch_size, self._sampler)
        if n_logged == batch_size:
            return self._logged.sample(n_logged, self._sampler, self._n_steps)
        live = self.replay_buffer.sample_slates(batch_size - n_logged, self._sampler)
        return joined(live, self._logged.sample(n_logged, self._sampler, self._n_steps))
