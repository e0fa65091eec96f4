"""Saved agents (for use) and checkpoints (to go on training), as safetensors with a JSON card."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.base_class import maybe_make_env
from stable_baselines3.common.type_aliases import GymEnv

from rlrec.baselines.model_folder import Fitted, SavedModel, read_model, write_model
from rlrec.data.catalogue import Catalogue
from rlrec.envs.sb3 import SlateVecEnv
from rlrec.envs.simulator import Snapshot, UserSimulator
from rlrec.errors import ConfigError, ModelFileError

if TYPE_CHECKING:
    from rlrec.agents.slate_q import SlateQ

Arrays = dict[str, NDArray[Any]]

_USE, _TRAINING = "agent", "training"
_COUNTERS = ("num_timesteps", "_n_updates", "_episode_num", "_total_timesteps")
_TRAINING_STATE = (
    "n_users",
    "counters",
    "n_pretraining_updates",
    "exploration",
    "sampler",
    "replay",
    "users",
)


class SavedInFolder:
    """`save` and `load` of agents: folders of safetensors with a JSON card, instead of pickles."""

    config_class: ClassVar[type[Any]]
    """Of the settings."""
    kept: ClassVar[tuple[str, ...]]
    """What a saved agent remembers beside its networks."""

    def further_networks(self) -> dict[str, torch.nn.Module]:
        """Return networks that are saved beside the policy, by name."""
        return {}

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
    arrays = _numpy(agent.policy.state_dict(), "policy")
    for name, network in agent.further_networks().items():
        arrays |= _numpy(network.state_dict(), name)
    items = {"features": agent.items.features, "factors": agent.items.factors}
    arrays |= {f"items/{name}": array for name, array in items.items() if array is not None}
    kept = {name: getattr(agent, name) for name in agent.kept}
    _write(folder, agent, {**_meets(agent), "seed": agent.seed, **kept}, arrays, _USE)


def load_agent(
    agent_class: type[Any],
    folder: Path,
    env: Any,
    device: torch.device | str,
    catalogue: Catalogue | None,
) -> Any:
    """Return a saved agent over users `env`."""
    saved = _read(folder, _USE, agent_class, ("seed", *agent_class.kept))
    config = _config(folder, saved, agent_class)
    env = maybe_make_env(env, 0) if isinstance(env, str) else env
    if env is not None:
        _check_spaces(folder, saved, env)
    arrays = _dense(folder, saved)
    agent = agent_class(
        env,
        config,
        item_factors=arrays.get("items/factors"),
        catalogue=catalogue,
        seed=saved.state["seed"],
        device=device,
    )
    _check_catalogue(folder, saved, agent)
    agent.policy.load_state_dict(_tensors(folder, arrays, agent.policy))
    for name in agent.kept:
        setattr(agent, name, saved.state[name])
    for name, network in agent.further_networks().items():
        network.load_state_dict(_tensors(folder, arrays, network, name))
    return agent


def save_training(folder: Path, agent: "SlateQ") -> None:
    """Write everything that training depends on."""
    users, replay = _users(agent), agent.replay_buffer
    assert replay is not None
    if not isinstance(agent._last_obs, dict):
        raise ModelFileError("a checkpoint is a moment of `learn`, which this agent has not begun")
    moment = _simulator(users).snapshot()
    filled = replay.buffer_size if replay.full else replay.pos
    arrays = _numpy(agent.policy.state_dict(), "policy") | _optimizer_arrays(agent)
    arrays |= {f"state/{key}": array for key, array in moment.state.items()}
    arrays |= {f"history/{key}": array for key, array in moment.history.items()}
    arrays |= {"episodes": moment.episodes, "steps": moment.steps}
    arrays |= {f"replay/{key}": array[:filled] for key, array in _replay_arrays(replay).items()}
    arrays |= {f"face/{key}": getattr(users, key) for key in ("_returns", "_lengths")}
    arrays |= {f"seen/{key}": array for key, array in agent._last_obs.items()}
    state = {
        **_meets(agent),
        "n_users": users.num_envs,
        "counters": {name: int(getattr(agent, name)) for name in _COUNTERS},
        "n_pretraining_updates": agent.n_pretraining_updates,
        "exploration": agent.exploration,
        "sampler": json.dumps(agent._sampler.bit_generator.state),
        "replay": {"pos": replay.pos, "full": replay.full},
        "users": {
            "seed": moment.seed,
            "tick": moment.tick,
            "first_user": moment.first_user,
            "next_seed": users._seed,
        },
    }
    _write(folder, agent, state, arrays, _TRAINING)


def load_training(folder: Path, agent: "SlateQ") -> None:
    """Bring an agent back to a checkpoint."""
    saved = _read(folder, _TRAINING, type(agent), _TRAINING_STATE)
    users, replay = _users(agent), agent.replay_buffer
    assert replay is not None
    _check_same_training(folder, saved, agent)
    arrays, state = _dense(folder, saved), saved.state
    agent.policy.load_state_dict(_tensors(folder, arrays, agent.policy))
    _restore_optimizer(agent, arrays)
    moment = Snapshot(
        state["users"]["seed"],
        state["users"]["tick"],
        arrays["episodes"],
        arrays["steps"],
        _under(arrays, "state"),
        _under(arrays, "history"),
        state["users"]["first_user"],
    )
    _simulator(users).restore(moment)
    users._seed = state["users"]["next_seed"]
    for key, array in _under(arrays, "face").items():
        getattr(users, key)[:] = array
    for key, array in _replay_arrays(replay).items():
        array[: len(arrays[f"replay/{key}"])] = arrays[f"replay/{key}"]
    replay.pos, replay.full = state["replay"]["pos"], state["replay"]["full"]
    agent._last_obs = _under(arrays, "seen")
    for name, value in state["counters"].items():
        setattr(agent, name, value)
    agent.n_pretraining_updates = state["n_pretraining_updates"]
    agent.exploration = state["exploration"]
    agent._sampler.bit_generator.state = json.loads(state["sampler"])


def _users(agent: "SlateQ") -> SlateVecEnv:
    if not isinstance(agent.env, SlateVecEnv):
        raise ModelFileError(
            f"a checkpoint holds the users too, which needs those of rlrec.make_users, got "
            f"{type(agent.env).__name__}; `save` keeps the networks of any agent"
        )
    return agent.env


def _simulator(users: SlateVecEnv) -> UserSimulator:
    if not isinstance(users.simulator, UserSimulator):
        raise ModelFileError(
            f"a checkpoint holds the users too, which only users of rlrec itself allow, got "
            f"{type(users.simulator).__name__}; `save` keeps the networks of any agent"
        )
    return users.simulator


def _replay_arrays(replay: Any) -> Arrays:
    names = ("actions", "rewards", "dones", "timeouts", "responses")
    parts = {name: getattr(replay, name) for name in names}
    for kind in ("observations", "next_observations"):
        parts |= {f"{kind}/{key}": array for key, array in getattr(replay, kind).items()}
    return parts


def _optimizer_arrays(agent: "SlateQ") -> Arrays:
    states = agent.policy.optimizer.state_dict()["state"]
    return {
        f"optimizer/{index}/{name}": value.cpu().numpy()
        for index, moments in states.items()
        for name, value in moments.items()
    }


def _restore_optimizer(agent: "SlateQ", arrays: Arrays) -> None:
    state: dict[int, dict[str, torch.Tensor]] = {}
    for path, array in _under(arrays, "optimizer").items():
        index, name = path.split("/")
        moment = torch.from_numpy(array.copy())
        # The writer makes a scalar a vector of one; the optimiser counts its steps in a scalar.
        state.setdefault(int(index), {})[name] = moment.reshape(()) if name == "step" else moment
    groups = agent.policy.optimizer.state_dict()["param_groups"]
    agent.policy.optimizer.load_state_dict({"state": state, "param_groups": groups})


def _write(folder: Path, agent: Any, state: dict[str, Any], arrays: Arrays, kind: str) -> None:
    fitted: dict[str, Fitted] = {**arrays}
    saved = SavedModel(type(agent).__name__, asdict(agent.config), state, fitted)
    write_model(folder, saved, kind)


def _read(folder: Path, kind: str, agent_class: type[Any], needed: tuple[str, ...]) -> SavedModel:
    """Return what `_write` wrote for an agent of this class."""
    saved = read_model(folder, kind)
    if saved.model != agent_class.__name__:
        raise ModelFileError(f"{folder} holds a {saved.model}, not a {agent_class.__name__}")
    missing = [name for name in (*needed, "meets", "catalogue") if name not in saved.state]
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


def _meets(agent: Any) -> dict[str, Any]:
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


def _check_spaces(folder: Path, saved: SavedModel, env: Any) -> None:
    meets = _described(env.observation_space, env.action_space)
    if meets != saved.state["meets"]:
        raise ModelFileError(
            f"the agent in {folder} was made for {saved.state['meets']}, the users given have "
            f"{meets}"
        )


def _check_catalogue(folder: Path, saved: SavedModel, agent: Any) -> None:
    fingerprint = _meets(agent)["catalogue"]
    if fingerprint != saved.state["catalogue"]:
        raise ModelFileError(
            f"the agent in {folder} was made for catalogue {saved.state['catalogue']}, the users "
            f"given have {fingerprint}"
        )


def _check_same_training(folder: Path, saved: SavedModel, agent: "SlateQ") -> None:
    """Check that a checkpoint fits the agent that is to go on from it."""
    if saved.settings != asdict(agent.config):
        raise ModelFileError(f"{folder} is a checkpoint of an agent with other settings")
    _check_spaces(folder, saved, agent)
    _check_catalogue(folder, saved, agent)
    if saved.state["n_users"] != agent.n_envs:
        raise ModelFileError(
            f"the checkpoint in {folder} holds {saved.state['n_users']} users, the agent serves "
            f"{agent.n_envs}"
        )


def _dense(folder: Path, saved: SavedModel) -> Arrays:
    sparse = [name for name, array in saved.arrays.items() if not isinstance(array, np.ndarray)]
    if sparse:
        raise ModelFileError(f"{folder} must hold dense arrays only, found sparse ones: {sparse}")
    return {name: np.asarray(array) for name, array in saved.arrays.items()}


def _numpy(tensors: dict[str, torch.Tensor], prefix: str) -> Arrays:
    """Return copies as arrays; a dot would be read as the part of a sparse matrix."""
    return {
        f"{prefix}/{name.replace('.', '/')}": tensor.detach().cpu().numpy().copy()
        for name, tensor in tensors.items()
    }


def _tensors(
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


def _under(arrays: Arrays, prefix: str) -> Arrays:
    start = f"{prefix}/"
    return {name[len(start) :]: array for name, array in arrays.items() if name.startswith(start)}
