"""Users of other packages, and users made of functions, as simulators."""

from rlrec.envs.adapters.adapted import AdaptedUsers, ForeignCopy, ForeignWorld, Reaction
from rlrec.envs.adapters.functions import FunctionUsers, users_from_function
from rlrec.envs.adapters.gymnasium_env import adapt_gymnasium
from rlrec.envs.adapters.own_chance import OwnChance
from rlrec.envs.adapters.recsim_env import adapt_recsim

__all__ = [
    "AdaptedUsers",
    "ForeignCopy",
    "ForeignWorld",
    "FunctionUsers",
    "OwnChance",
    "Reaction",
    "adapt_gymnasium",
    "adapt_recsim",
    "users_from_function",
]
