"""Saved agents, for use: safetensors with a JSON card."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.base_class import maybe_make_env
from stable_baselines3.common.type_aliases import GymEnv

from rlrec.baselines.model_folder import Fitted, SavedModel, read_model, write_model
from rlrec.data.catalogue import Catalogue
from rlrec.errors import ConfigError, ModelFileError

Arrays = dict[str, NDArray[Any]]

_USE = "agent"


class SavedInFolder:
    """`save` and `load` of agents: folders of safetensors with a JSON card, instead of pickles."""

    config_class: ClassVar[type[Any]]
    """Of the settings."""
    kept: ClassVar[tuple[str, ...]]
    """What a saved agent remembers beside its networks."""

    def further_networks(self) -> dict[str, torch.nn.Module]:
        """Return networks that are saved beside the policy, by name."""
        return {}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Return the optimisers, whose moments checkpoints hold, by name."""
        agent: Any = self
        return {"optimizer": agent.policy.optimizer}

    def save(self, path: str | Path) -> None:
        """Write the networks to a folder, for use: safetensors and a JSON card.

        Args:
            path: The folder; a model saved there earlier is replaced.
        """
        save_agent(Path(path), self)

    @classmethod
    def load(
        cls,
        path: str | Path,
        env: GymEnv | str,
        device: torch.device | str = "auto",
        *,
        catalogue: Catalogue | None = None,
    ) -> Self:
        """Return the agent saved in a folder; nothing is unpickled.

        Args:
            path: The folder.
            env: Users like those it was made for.
            device: As in stable-baselines3.
            catalogue: The items; by default that of `env`, if it has one.

        Raises:
            ModelFileError: The files are missing, damaged, foreign or of another version, or `env`
                offers or observes something else.
        """
        agent: Self = load_agent(cls, Path(path), env, device, catalogue)
        return agent


def save_agent(folder: Path, agent: Any) -> None:
    """Write the networks of an agent, and what it must meet to be used again."""
    arrays = network_arrays(agent)
    items = {"features": agent.items.features, "factors": agent.items.factors}
    arrays |= {f"items/{name}": array for name, array in items.items() if array is not None}
    write_agent(folder, agent, {"seed": agent.seed}, arrays, _USE)


def load_agent(
    agent_class: type[Any],
    folder: Path,
    env: Any,
    device: torch.device | str,
    catalogue: Catalogue | None,
) -> Any:
    """Return a saved agent over users `env`."""
    saved = read_agent(folder, _USE, agent_class, ("seed",))
    config = _config(folder, saved, agent_class)
    env = maybe_make_env(env, 0) if isinstance(env, str) else env
    if env is not None:
        check_meets(folder, saved, _described(env.observation_space, env.action_space))
    arrays = dense_arrays(folder, saved)
    agent = agent_class(
        env,
        config,
        item_factors=arrays.get("items/factors"),
        catalogue=catalogue,
        seed=saved.state["seed"],
        device=device,
    )
    check_catalogue(folder, saved, agent)
    restore_networks(folder, saved, agent, arrays)
    return agent


def network_arrays(agent: Any) -> Arrays:
    """Return the parameters of all networks of an agent."""
    arrays = as_arrays(agent.policy.state_dict(), "policy")
    for name, network in agent.further_networks().items():
        arrays |= as_arrays(network.state_dict(), name)
    return arrays


def restore_networks(folder: Path, saved: SavedModel, agent: Any, arrays: Arrays) -> None:
    """Give an agent the parameters saved, and what else it remembers."""
    agent.policy.load_state_dict(as_tensors(folder, arrays, agent.policy))
    for name in agent.kept:
        setattr(agent, name, saved.state[name])
    for name, network in agent.further_networks().items():
        network.load_state_dict(as_tensors(folder, arrays, network, name))


def write_agent(folder: Path, agent: Any, state: dict[str, Any], arrays: Arrays, kind: str) -> None:
    """Write arrays with a card of the settings, what the agent remembers and what it must meet."""
    kept = {name: getattr(agent, name) for name in agent.kept}
    state = {**made_for(agent), **kept, **state}
    fitted: dict[str, Fitted] = {**arrays}
    saved = SavedModel(type(agent).__name__, asdict(agent.config), state, fitted)
    write_model(folder, saved, kind)


def read_agent(
    folder: Path, kind: str, agent_class: type[Any], needed: tuple[str, ...]
) -> SavedModel:
    """Return what `write_agent` wrote for an agent of this class."""
    saved = read_model(folder, kind)
    if saved.model != agent_class.__name__:
        raise ModelFileError(f"{folder} holds a {saved.model}, not a {agent_class.__name__}")
    missing = [
        name
        for name in (*needed, *agent_class.kept, "meets", "catalogue")
        if name not in saved.state
    ]
    if missing:
        raise ModelFileError(f"the card in {folder} is damaged: its state lacks {missing}")
    return saved


def _config(folder: Path, saved: SavedModel, agent_class: type[Any]) -> Any:
    try:
        return agent_class.config_class(**saved.settings)
    except (TypeError, ConfigError) as error:
        raise ModelFileError(
            f"the card in {folder} has settings of another kind: {error}"
        ) from None


def made_for(agent: Any) -> dict[str, Any]:
    """Return what an agent was made for, ready for JSON."""
    return {
        "meets": _described(agent.observation_space, agent.slate_space),
        "catalogue": None if agent.catalogue is None else agent.catalogue.fingerprint,
    }


def _described(observation_space: Any, action_space: Any) -> dict[str, Any]:
    if not isinstance(observation_space, spaces.Dict):
        return {"observations": str(observation_space), "slate": str(action_space)}
    keys = {key: list(space.shape or ()) for key, space in observation_space.spaces.items()}
    return {"observations": keys, "slate": [int(n) for n in action_space.nvec]}


def check_meets(folder: Path, saved: SavedModel, meets: dict[str, Any]) -> None:
    """Check that users offer and observe (`meets`) what an agent was made for."""
    if meets != saved.state["meets"]:
        raise ModelFileError(
            f"the agent in {folder} was made for {saved.state['meets']}, the users given have "
            f"{meets}"
        )


def check_catalogue(folder: Path, saved: SavedModel, agent: Any) -> None:
    """Check that an agent was made for the items of these users."""
    fingerprint = made_for(agent)["catalogue"]
    if fingerprint != saved.state["catalogue"]:
        raise ModelFileError(
            f"the agent in {folder} was made for catalogue {saved.state['catalogue']}, the users "
            f"given have {fingerprint}"
        )


def dense_arrays(folder: Path, saved: SavedModel) -> Arrays:
    """Return the arrays of an agent, of which none is sparse."""
    sparse = [name for name, array in saved.arrays.items() if not isinstance(array, np.ndarray)]
    if sparse:
        raise ModelFileError(f"{folder} must hold dense arrays only, found sparse ones: {sparse}")
    return {name: np.asarray(array) for name, array in saved.arrays.items()}


def as_arrays(tensors: dict[str, torch.Tensor], prefix: str) -> Arrays:
    """Return copies as arrays; a dot would be read as the part of a sparse matrix."""
    return {
        f"{prefix}/{name.replace('.', '/')}": tensor.detach().cpu().numpy().copy()
        for name, tensor in tensors.items()
    }


def as_tensors(
    folder: Path, arrays: Arrays, network: torch.nn.Module, prefix: str = "policy"
) -> dict[str, torch.Tensor]:
    """Return the saved parameters of a network."""
    tensors = {}
    for name, like in network.state_dict().items():
        array = arrays.get(f"{prefix}/{name.replace('.', '/')}")
        if array is None or tuple(array.shape) != tuple(like.shape):
            found = None if array is None else array.shape
            raise ModelFileError(
                f"{folder} must hold {name} of shape {tuple(like.shape)}, found {found}"
            )
        tensors[name] = torch.from_numpy(np.array(array))
    return tensors
