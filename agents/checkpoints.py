"""Checkpoints: all that training depends on, to go on to the bit. Safetensors with a JSON card."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.buffers import DictReplayBuffer
from stable_baselines3.common.vec_env import VecEnvWrapper

from rlrec.agents.saving import (
    Arrays,
    check_catalogue,
    check_meets,
    dense_arrays,
    made_for,
    network_arrays,
    read_agent,
    restore_networks,
    write_agent,
)
from rlrec.baselines.model_folder import SavedModel
from rlrec.envs.sb3 import SlateVecEnv
from rlrec.envs.simulator import Snapshot, UserSimulator
from rlrec.errors import ModelFileError

_KIND = "training"
_COUNTERS = ("num_timesteps", "_n_updates", "_episode_num", "_total_timesteps")
_STATE = ("n_users", "counters", "sampler", "numpy", "replay", "users", "n_logged")
_REPLAYED = ("actions", "rewards", "dones", "timeouts", "responses")


def save_training(folder: Path, agent: Any) -> None:
    """Write everything that the training of an agent depends on, between two calls of `learn`.

    Raises:
        ModelFileError: `learn` has not begun, or the users are not those of rlrec.
    """
    users, replay = _users(agent), _replay(agent)
    if not isinstance(agent._last_obs, dict):
        raise ModelFileError("a checkpoint is a moment of `learn`, which this agent has not begun")
    moment = _simulator(users).snapshot()
    arrays = network_arrays(agent) | _optimizer_arrays(agent)
    arrays |= {f"state/{key}": array for key, array in moment.state.items()}
    arrays |= {f"history/{key}": array for key, array in moment.history.items()}
    arrays |= {"episodes": moment.episodes, "steps": moment.steps}
    arrays |= {f"face/{key}": getattr(users, key) for key in ("_returns", "_lengths")}
    arrays |= {f"seen/{key}": array for key, array in agent._last_obs.items()}
    arrays |= {"begins": np.asarray(agent._last_episode_starts), "torch": _torch_state(agent)}
    chance = np.random.get_state(legacy=False)  # stable-baselines3 samples replay buffers by it
    assert isinstance(chance, dict)
    arrays |= {"numpy": chance["state"]["key"]}
    if replay is not None:
        filled = replay.buffer_size if replay.full else replay.pos
        kept = _replay_arrays(replay).items()
        arrays |= {f"replay/{key}": array[:filled] for key, array in kept}
    state = {
        "n_users": users.num_envs,
        "n_logged": _n_logged(agent),
        "counters": {name: int(getattr(agent, name, 0)) for name in _COUNTERS},
        "sampler": json.dumps(agent._sampler.bit_generator.state),
        "numpy": {"pos": int(chance["state"]["pos"])},
        "replay": None if replay is None else {"pos": replay.pos, "full": replay.full},
        "users": {
            "seed": moment.seed,
            "tick": moment.tick,
            "first_user": moment.first_user,
            "next_seed": users._seed,
        },
    }
    write_agent(folder, agent, state, arrays, _KIND)


def load_training(folder: Path, agent: Any) -> None:
    """Bring an agent back to a checkpoint.

    Raises:
        ModelFileError: The files are missing, damaged, or of another agent, settings or users.
    """
    saved = read_agent(folder, _KIND, type(agent), _STATE)
    users, replay = _users(agent), _replay(agent)
    _check_same_training(folder, saved, agent)
    arrays, state = dense_arrays(folder, saved), saved.state
    restore_networks(folder, saved, agent, arrays)
    _restore_optimizers(agent, arrays)
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
    if replay is not None:
        for key, array in _replay_arrays(replay).items():
            array[: len(arrays[f"replay/{key}"])] = arrays[f"replay/{key}"]
        replay.pos, replay.full = state["replay"]["pos"], state["replay"]["full"]
    agent._last_obs = _under(arrays, "seen")
    agent._last_episode_starts = arrays["begins"]
    for name, value in state["counters"].items():
        setattr(agent, name, value)
    agent._sampler.bit_generator.state = json.loads(state["sampler"])
    _restore_torch(agent, arrays["torch"])
    np.random.set_state(("MT19937", arrays["numpy"], state["numpy"]["pos"], 0, 0.0))


def _users(agent: Any) -> SlateVecEnv:
    users = agent.env
    while isinstance(users, VecEnvWrapper):
        users = users.venv
    if not isinstance(users, SlateVecEnv):
        raise ModelFileError(
            f"a checkpoint holds the users too, which needs those of rlrec.make_users, got "
            f"{type(users).__name__}; `save` keeps the networks of any agent"
        )
    return users


def _simulator(users: SlateVecEnv) -> UserSimulator:
    if not isinstance(users.simulator, UserSimulator):
        raise ModelFileError(
            f"a checkpoint holds the users too, which only users of rlrec itself allow, got "
            f"{type(users.simulator).__name__}; `save` keeps the networks of any agent"
        )
    return users.simulator


def _replay(agent: Any) -> DictReplayBuffer | None:
    """Return the transitions that an agent learns from; those that learn on policy keep none."""
    replay = getattr(agent, "replay_buffer", None)
    return replay if isinstance(replay, DictReplayBuffer) else None


def _replay_arrays(replay: DictReplayBuffer) -> Arrays:
    parts = {name: getattr(replay, name) for name in _REPLAYED if hasattr(replay, name)}
    for kind in ("observations", "next_observations"):
        parts |= {f"{kind}/{key}": array for key, array in getattr(replay, kind).items()}
    return parts


def _torch_state(agent: Any) -> Any:
    """Return the state of the generator that slates are drawn with in `learn`."""
    if agent.device.type == "cuda":
        return torch.cuda.get_rng_state(agent.device).numpy()
    return torch.get_rng_state().numpy()


def _restore_torch(agent: Any, state: Any) -> None:
    if agent.device.type == "cuda":
        torch.cuda.set_rng_state(torch.from_numpy(state.copy()), agent.device)
    else:
        torch.set_rng_state(torch.from_numpy(state.copy()))


def _optimizer_arrays(agent: Any) -> Arrays:
    return {
        f"{optimizer_name}/{index}/{name}": value.cpu().numpy()
        for optimizer_name, optimizer in agent.optimizers().items()
        for index, moments in optimizer.state_dict()["state"].items()
        for name, value in moments.items()
    }


def _restore_optimizers(agent: Any, arrays: Arrays) -> None:
    for optimizer_name, optimizer in agent.optimizers().items():
        state: dict[int, dict[str, torch.Tensor]] = {}
        for path, array in _under(arrays, optimizer_name).items():
            index, name = path.split("/")
            moment = torch.from_numpy(array.copy())
            # The writer makes a scalar a vector of one; optimisers count their steps in a scalar.
            moment = moment.reshape(()) if name == "step" else moment
            state.setdefault(int(index), {})[name] = moment
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": state, "param_groups": groups})


def _check_same_training(folder: Path, saved: SavedModel, agent: Any) -> None:
    """Check that a checkpoint fits the agent that is to go on from it."""
    if saved.settings != json.loads(json.dumps(asdict(agent.config))):
        raise ModelFileError(f"{folder} is a checkpoint of an agent with other settings")
    check_meets(folder, saved, made_for(agent)["meets"])
    check_catalogue(folder, saved, agent)
    if saved.state["n_users"] != agent.n_envs:
        raise ModelFileError(
            f"the checkpoint in {folder} holds {saved.state['n_users']} users, the agent serves "
            f"{agent.n_envs}"
        )
    needed, found = saved.state["n_logged"], _n_logged(agent)
    if needed != found:
        raise ModelFileError(
            f"the checkpoint in {folder} goes on with {needed} transitions of a log, the agent has "
            f"{found or 'none'}: call remember(log) with the log of pretrain first"
            if needed
            else f"the checkpoint in {folder} goes on without a log, the agent has {found} "
            "transitions of one: take a new agent"
        )


def _n_logged(agent: Any) -> int:
    """Return how many transitions of a log `learn` draws from."""
    logged = getattr(agent, "_logged", None)
    return 0 if logged is None else len(logged)


def _under(arrays: Arrays, prefix: str) -> Arrays:
    start = f"{prefix}/"
    return {name[len(start) :]: array for name, array in arrays.items() if name.startswith(start)}
