"""The workbench for recommenders that think ahead.

Simulated users, slate agents pretrained from logs and fine-tuned by interaction. Importing it makes
the environments known to `gymnasium.make`; all else here is loaded when first used, so that
`import rlrec` stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import gymnasium as _gymnasium

if TYPE_CHECKING:
    from rlrec.baselines import make_baseline
    from rlrec.data import Catalogue, InteractionLog, load_ratings
    from rlrec.envs import describe_environments, make_simulator, make_users
    from rlrec.evaluation import rollout
    from rlrec.policy import MixturePolicy, RandomPolicy, SlatePolicy

__version__ = "0.1.0"

_HOMES = {
    "Catalogue": "rlrec.data",
    "InteractionLog": "rlrec.data",
    "MixturePolicy": "rlrec.policy",
    "RandomPolicy": "rlrec.policy",
    "SlatePolicy": "rlrec.policy",
    "describe_environments": "rlrec.envs",
    "load_ratings": "rlrec.data",
    "make_baseline": "rlrec.baselines",
    "make_simulator": "rlrec.envs",
    "make_users": "rlrec.envs",
    "rollout": "rlrec.evaluation",
}

_ENVIRONMENTS = (
    "rlrec/ComposedUsers-v0",
    "rlrec/DriftingTastes-v0",
    "rlrec/FittedUsers-v0",
    "rlrec/InterestEvolution-v0",
    "rlrec/InterestExploration-v0",
    "rlrec/LongTermSatisfaction-v0",
    "rlrec/TopicBoredom-v0",
    "rlrec/UserReturn-v0",
)

for _env_id in _ENVIRONMENTS:  # by name: what makes them is imported when one is made
    if _env_id not in _gymnasium.registry:
        _gymnasium.register(
            id=_env_id,
            entry_point="rlrec.envs.registration:make_single_env",
            vector_entry_point="rlrec.envs.registration:make_vector_env",
            kwargs={"env_id": _env_id},
        )

__all__ = [
    "Catalogue",
    "InteractionLog",
    "MixturePolicy",
    "RandomPolicy",
    "SlatePolicy",
    "__version__",
    "describe_environments",
    "load_ratings",
    "make_baseline",
    "make_simulator",
    "make_users",
    "rollout",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'rlrec' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
