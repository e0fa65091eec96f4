"""LinUCB: slates of the items whose response might be highest."""

from typing import ClassVar

from torch import Tensor

from rlrec.agents.bandits.crossed_features import Crossed
from rlrec.agents.bandits.lin_ucb_config import LinUCBConfig
from rlrec.agents.bandits.slate_bandit import SlateBandit


class LinUCB(SlateBandit):
    """Ranks items by an upper confidence bound on their response, which is linear in features.

    `x'm + width * sqrt(x' A^-1 x)` with `m = A^-1 b`, `A = l I + sum of x x'` and
    `b = sum of r x`; x are the products of the user's state and the item's vector, each with an
    entry of 1 (one model for all items), or the state alone (`disjoint`, a model an item). Only
    examined slots teach (`examination`); the past may be forgotten (`forgetting`).

    `act` and `learn` show the highest bounds, mixed with random slates (`exploration`), which is
    the distribution that `log_probs` states. `predict`, and `act` where `deterministic`, show the
    highest expectations.

    Items are ranked one by one: where users take one item of a slate, items that are alike compete,
    and such slates may bring less than varied, even random ones.

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
        Li, Chu, Langford and Schapire, 2010, "A Contextual-Bandit Approach to Personalized News
        Article Recommendation".

    Stability: experimental.
    """

    config_class: ClassVar[type[LinUCBConfig]] = LinUCBConfig
    config: LinUCBConfig

    def _scores(self, crossed: Crossed) -> Tensor:
        bounds = self.policy.expected(crossed) + self.config.width * self.policy.spreads(crossed)
        return bounds[:, None]
