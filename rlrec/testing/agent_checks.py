"""What a trained agent must keep: learning that repeats, slates, files."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rlrec.agents.slate_agent import SlateAgent
from rlrec.data import InteractionLog
from rlrec.envs import UserSimulator
from rlrec.envs.sb3 import SlateVecEnv
from rlrec.errors import ModelFileError
from rlrec.policy import RandomPolicy
from rlrec.slates import repeated_slots

AgentMaker = Callable[[SlateVecEnv, int], Any]
"""Takes users and a seed, and returns an agent whose updates begin within some hundred steps."""

_N_UPDATES, _N_INTERACTIONS, _SEED = 20, 512, 5


class _Trained(NamedTuple):
    agent: Any
    users: SlateVecEnv


def check_it_learns_from_both(make: AgentMaker, simulator: UserSimulator) -> None:
    """`pretrain` and `learn` return the agent and count; `learn` changes the networks."""
    agent = make(SlateVecEnv(simulator, _SEED), _SEED)
    log = _log(simulator)
    if type(agent).pretrain is not SlateAgent.pretrain:
        assert agent.pretrain(log, _N_UPDATES) is agent, "pretrain must return the agent"
        assert agent.n_pretraining_updates > 0, "n_pretraining_updates must count the updates"
    if not agent.learns_live:
        return
    before = _networks(agent)
    assert agent.learn(_N_INTERACTIONS) is agent, "learn must return the agent"
    assert agent.num_timesteps >= _N_INTERACTIONS, (
        f"num_timesteps must count {_N_INTERACTIONS} interactions, got {agent.num_timesteps}"
    )
    changed = any((before[name] != array).any() for name, array in _networks(agent).items())
    assert changed, f"learn({_N_INTERACTIONS}) must change the networks"


def check_same_seed_same_agent(make: AgentMaker, simulator: UserSimulator) -> None:
    """Two agents of one seed are equal to the bit, those of two seeds are not."""
    one, other, third = (_networks(_trained(make, simulator, s).agent) for s in (1, 1, 2))
    for name, array in one.items():
        assert (array == other[name]).all(), f"{name} must be the same under the same seed"
    assert any((one[name] != third[name]).any() for name in one), "agents of two seeds must differ"


def check_trained_slates_do_not_repeat(make: AgentMaker, simulator: UserSimulator) -> None:
    """Slates of a trained agent are int64 (B, K) without repeats, by `act` and `predict`."""
    agent, users = _trained(make, simulator)
    observations = users.simulator.reset(3)
    shape = (simulator.n_users, simulator.slate_size)
    for deterministic in (False, True):
        draw = agent.act(observations, np.random.default_rng(0), deterministic)
        for slates in (draw.slates, agent.predict(observations, deterministic=deterministic)[0]):
            assert slates.shape == shape, f"slates must have shape {shape}, got {slates.shape}"
            assert not repeated_slots(slates).any(), "a slate must not repeat an item"


def check_files_give_the_agent_back(make: AgentMaker, simulator: UserSimulator) -> None:
    """A saved and loaded agent has the same networks, and shows and draws the same slates."""
    agent, users = _trained(make, simulator)
    with tempfile.TemporaryDirectory() as folder:
        agent.save(Path(folder) / "agent")
        found = sorted(path.suffix for path in (Path(folder) / "agent").iterdir())
        assert found == [".json", ".safetensors"], f"an agent is a card and arrays, found {found}"
        loaded = type(agent).load(Path(folder) / "agent", users)
    assert loaded.config == agent.config, "a loaded agent must have the same settings"
    assert loaded.num_timesteps == agent.num_timesteps, "num_timesteps must be remembered"
    observations = users.simulator.reset(4)
    for deterministic in (False, True):
        one, other = (
            each.act(observations, np.random.default_rng(0), deterministic)
            for each in (agent, loaded)
        )
        assert (one.slates == other.slates).all(), "a loaded agent must show the same slates"
        assert (one.log_probs == other.log_probs).all(), "and state the same probabilities"


def check_damaged_files_are_refused(make: AgentMaker, simulator: UserSimulator) -> None:
    """A damaged file and another agent's folder are refused by a `ModelFileError`."""
    agent, users = _trained(make, simulator)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "agent"
        agent.save(folder)
        load = partial(type(agent).load, folder, users)
        card, arrays = folder / "model.json", folder / "arrays.safetensors"
        whole, text = arrays.read_bytes(), card.read_text()
        arrays.write_bytes(whole[:-4] + b"abcd")
        _refused(load, "arrays that are not those saved")
        arrays.write_bytes(whole)
        card.write_text(text.replace(f'"model": "{type(agent).__name__}"', '"model": "Other"'))
        _refused(load, "the folder of another agent")


def check_checkpoints_go_on_to_the_bit(make: AgentMaker, simulator: UserSimulator) -> None:
    """An agent brought back to a checkpoint learns what the one that went on learned."""
    went_on, _ = _trained(make, simulator)
    if not went_on.learns_live:
        return
    with tempfile.TemporaryDirectory() as name:
        went_on.save_checkpoint(Path(name) / "moment")
        went_on.learn(_N_INTERACTIONS, reset_num_timesteps=False)
        users = SlateVecEnv(simulator.with_users(simulator.n_users), _SEED)
        brought_back = make(users, _SEED)
        if hasattr(brought_back, "remember"):  # learns on from the log, which no checkpoint holds
            brought_back.remember(_log(simulator))
        brought_back.load_checkpoint(Path(name) / "moment")
    brought_back.learn(_N_INTERACTIONS, reset_num_timesteps=False)
    other = _networks(brought_back)
    for name, array in _networks(went_on).items():
        assert (array == other[name]).all(), f"{name} must be as if training had not stopped"


def _refused(load: Callable[[], Any], what: str) -> None:
    try:
        load()
    except ModelFileError:
        return
    raise AssertionError(f"load must refuse {what} by a ModelFileError")


def _log(simulator: UserSimulator) -> InteractionLog:
    random = RandomPolicy(simulator.n_choices, simulator.slate_size)
    return InteractionLog.record(random, simulator, 40 * simulator.n_users, seed=1)


def _trained(make: AgentMaker, simulator: UserSimulator, seed: int = _SEED) -> _Trained:
    users = SlateVecEnv(simulator.with_users(simulator.n_users), seed)
    agent = make(users, seed)
    if type(agent).pretrain is not SlateAgent.pretrain:
        agent.pretrain(_log(simulator), _N_UPDATES)
    if agent.learns_live:
        agent.learn(_N_INTERACTIONS)
    return _Trained(agent, users)


def _networks(agent: Any) -> dict[str, Any]:
    networks = {"policy": agent.policy, **agent.further_networks()}
    return {
        f"{name}.{key}": value.detach().cpu().numpy().copy()
        for name, network in networks.items()
        for key, value in network.state_dict().items()
    }


AGENT_CHECKS: tuple[Callable[[AgentMaker, UserSimulator], None], ...] = (
    check_it_learns_from_both,
    check_same_seed_same_agent,
    check_trained_slates_do_not_repeat,
    check_files_give_the_agent_back,
    check_damaged_files_are_refused,
    check_checkpoints_go_on_to_the_bit,
)


def check_agent(make: AgentMaker, simulator: UserSimulator) -> None:
    """Run all checks of an agent, to the first that fails.

    Args:
        make: Makes an untrained agent.
        simulator: Users it can serve.
    """
    for check in AGENT_CHECKS:
        check(make, simulator)
