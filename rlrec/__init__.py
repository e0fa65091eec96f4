"""The workbench for recommenders that think ahead.

Simulated users, slate agents pretrained from logs and fine-tuned by interaction. The names here
are loaded when first used, so that `import rlrec` is light; `import rlrec.envs` makes the
environments known to `gymnasium.make`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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
