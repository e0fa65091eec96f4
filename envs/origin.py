"""Which simulator a snapshot is of, so that no other one takes it."""

from typing import Any, NamedTuple

from rlrec.errors import ConfigError
from rlrec.simulation import Simulator


class Origin(NamedTuple):
    """An environment and all it was made with, its wrappers included."""

    env_id: str
    arguments: dict[str, Any]


def origin_of(simulator: Simulator) -> Origin:
    """Return what a simulator is."""
    return Origin(simulator.env_id, simulator.arguments)


def check_origin(snapshot: object, kind: type[Any], simulator: Simulator) -> None:
    """Raise ConfigError unless a snapshot is one of this environment in these wrappers.

    Args:
        snapshot: What is to be restored; one without an origin is taken for the right one.
        kind: Type of the simulator's own snapshots.
        simulator: Where it is to be restored.
    """
    here = origin_of(simulator)
    origin = getattr(snapshot, "origin", None)
    if isinstance(snapshot, kind) and origin in (None, here):
        return
    what = f"a {type(snapshot).__name__}" if origin is None else f"a snapshot of {origin.env_id}"
    changed = "" if origin is None else _differences(origin.arguments, here.arguments)
    raise ConfigError(
        f"{what} cannot be restored in {here.env_id} as it is here{changed}: make the simulator as "
        "it was made for the snapshot, wrappers included"
    )


def _differences(there: dict[str, Any], here: dict[str, Any]) -> str:
    """Return which arguments differ; empty where none does."""
    names = [name for name in there | here if there.get(name) != here.get(name)]
    told = ", ".join(f"{name} is {here.get(name)!r}, was {there.get(name)!r}" for name in names)
    return f" ({told})" if told else ""
