"""Saved agents act alike elsewhere; damaged and foreign files are refused, and run nothing."""

import hashlib
import json
import pickle
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from rlrec.agents import SlateQ, SlateQConfig
from rlrec.baselines import load_baseline
from rlrec.data import InteractionLog
from rlrec.envs.sb3 import SlateVecEnv
from rlrec.errors import ConfigError, ModelFileError

MakeAgent = Callable[..., SlateQ]
MakeUsers = Callable[..., Any]
CARD, ARRAYS = "model.json", "arrays.safetensors"

ACT_ELSEWHERE = """
    import sys
    import numpy as np
    from rlrec.agents import SlateQ
    from rlrec.envs import make_simulator
    from rlrec.envs.sb3 import SlateVecEnv

    users = make_simulator(
        "rlrec/InterestEvolution-v0", 16, n_items=12, slate_size=3, history_length=5
    )
    agent = SlateQ.load(sys.argv[1], SlateVecEnv(users))
    seen = dict(np.load(sys.argv[2]))
    best, drawn = (
        agent.act(seen, np.random.default_rng(4), deterministic) for deterministic in (True, False)
    )
    np.savez(sys.argv[3], best=best.slates, drawn=drawn.slates, log_probs=drawn.log_probs)
"""


def parameters(agent: SlateQ) -> dict[str, NDArray[Any]]:
    return {key: value.numpy().copy() for key, value in agent.policy.state_dict().items()}


def some_factors() -> NDArray[np.float32]:
    return np.random.default_rng(8).normal(size=(12, 5)).astype(np.float32)


@pytest.fixture
def trained(make_users: MakeUsers, log: InteractionLog) -> SlateQ:
    """Return an agent that knows item factors, a little trained."""
    config = SlateQConfig(
        hidden=16,
        item_size=4,
        batch_size=32,
        buffer_size=1600,
        learning_starts=100,
        exploration_end=0.4,
    )
    agent = SlateQ(SlateVecEnv(make_users()), config, item_factors=some_factors(), seed=2)
    return agent.pretrain(log, 20).learn(320)


@pytest.fixture
def saved(trained: SlateQ, tmp_path: Path) -> Path:
    trained.save(tmp_path / "agent")
    return tmp_path / "agent"


def seen_by(users: Any) -> dict[str, NDArray[Any]]:
    observations, rng = users.reset(3), np.random.default_rng(3)
    for _ in range(8):
        slates = np.stack([rng.permutation(12)[:3] for _ in range(users.n_users)])
        observations = users.step(slates).observations
    return dict(observations)


def test_a_saved_agent_acts_alike_in_another_process(
    trained: SlateQ, saved: Path, make_users: MakeUsers, tmp_path: Path
) -> None:
    seen = seen_by(make_users())
    np.savez(tmp_path / "seen.npz", **seen)  # type: ignore[arg-type]
    script = textwrap.dedent(ACT_ELSEWHERE)
    files = [str(path) for path in (saved, tmp_path / "seen.npz", tmp_path / "acts.npz")]
    subprocess.run([sys.executable, "-W", "error", "-c", script, *files], check=True)
    elsewhere = np.load(tmp_path / "acts.npz")
    best = trained.act(seen, np.random.default_rng(4), deterministic=True)
    drawn = trained.act(seen, np.random.default_rng(4))
    np.testing.assert_array_equal(elsewhere["best"], best.slates)
    np.testing.assert_array_equal(elsewhere["drawn"], drawn.slates)
    np.testing.assert_array_equal(elsewhere["log_probs"], drawn.log_probs)


def test_a_loaded_agent_is_the_same_to_the_bit(
    trained: SlateQ, saved: Path, make_users: MakeUsers
) -> None:
    loaded = SlateQ.load(saved, SlateVecEnv(make_users()))
    assert loaded.config == trained.config
    assert loaded.seed == trained.seed
    assert loaded.num_timesteps == trained.num_timesteps == 320
    assert loaded.exploration == trained.exploration == 0.4
    assert loaded.n_pretraining_updates == 20
    ours, theirs = parameters(trained), parameters(loaded)
    assert ours.keys() == theirs.keys()
    for key, array in ours.items():
        np.testing.assert_array_equal(array, theirs[key])
    assert loaded.items.factors is not None
    np.testing.assert_array_equal(loaded.items.factors, some_factors())


def test_a_loaded_agent_goes_on_learning(saved: Path, make_users: MakeUsers) -> None:
    loaded = SlateQ.load(saved, SlateVecEnv(make_users()))
    before = parameters(loaded)
    loaded.learn(320)
    assert (parameters(loaded)["values.query.0.weight"] != before["values.query.0.weight"]).any()


def test_an_agent_of_fresh_documents_is_saved_too(
    make_agent: MakeAgent, make_users: MakeUsers, tmp_path: Path
) -> None:
    agent = make_agent(fresh=True)
    agent.save(tmp_path / "agent")
    users = make_users(fresh=True)
    loaded = SlateQ.load(tmp_path / "agent", SlateVecEnv(users))
    seen = users.reset(0)
    np.testing.assert_array_equal(loaded.predict(seen)[0], agent.predict(seen)[0])


def test_an_agent_may_be_loaded_over_users_that_do_not_tell_their_catalogue(
    saved: Path, make_users: MakeUsers
) -> None:
    class Wrapped(gym.Env[Any, Any]):
        def __init__(self, users: SlateVecEnv) -> None:
            self.observation_space, self.action_space = users.observation_space, users.action_space

    users = make_users()
    env = Wrapped(SlateVecEnv(users))
    with pytest.raises(ModelFileError, match="given have None"):
        SlateQ.load(saved, env)
    assert SlateQ.load(saved, env, catalogue=users.catalogue).catalogue is users.catalogue


def test_saving_again_replaces_the_agent(saved: Path, make_agent: MakeAgent) -> None:
    make_agent(hidden=8).save(saved)
    assert json.loads((saved / CARD).read_text())["settings"]["hidden"] == 8
    assert [path.name for path in saved.parent.iterdir()] == ["agent"]


# Files that are not what they should be


def load(folder: Path, make_users: MakeUsers) -> SlateQ:
    return SlateQ.load(folder, SlateVecEnv(make_users()))


def change_card(folder: Path, **changes: Any) -> None:
    card = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps({**card, **changes}))


@pytest.mark.parametrize("position", [0, 200, -1])
def test_weights_with_a_changed_byte_are_refused(
    position: int, saved: Path, make_users: MakeUsers
) -> None:
    damaged = bytearray((saved / ARRAYS).read_bytes())
    damaged[position] ^= 1
    (saved / ARRAYS).write_bytes(damaged)
    with pytest.raises(ModelFileError, match="damaged"):
        load(saved, make_users)


def test_truncated_weights_are_refused(saved: Path, make_users: MakeUsers) -> None:
    (saved / ARRAYS).write_bytes((saved / ARRAYS).read_bytes()[:-100])
    with pytest.raises(ModelFileError, match="damaged"):
        load(saved, make_users)


@pytest.mark.parametrize("name", [CARD, ARRAYS])
def test_missing_files_are_refused(name: str, saved: Path, make_users: MakeUsers) -> None:
    (saved / name).unlink()
    with pytest.raises(ModelFileError, match=name):
        load(saved, make_users)


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return open, (str(self.path), "w")


@pytest.mark.parametrize("name", [CARD, ARRAYS])
def test_a_pickle_in_the_place_of_a_file_is_refused_and_not_run(
    name: str, saved: Path, make_users: MakeUsers, tmp_path: Path
) -> None:
    mark = tmp_path / "executed"
    (saved / name).write_bytes(pickle.dumps(Bomb(mark)))
    if name == ARRAYS:  # even where the card vouches for it
        digest = hashlib.sha256((saved / ARRAYS).read_bytes()).hexdigest()
        change_card(saved, sha256=digest)
    with pytest.raises(ModelFileError, match=name):
        load(saved, make_users)
    assert not mark.exists()


def test_a_pickle_in_the_place_of_a_checkpoint_is_refused_and_not_run(
    make_agent: MakeAgent, tmp_path: Path
) -> None:
    folder, mark = tmp_path / "checkpoint", tmp_path / "executed"
    agent = make_agent().learn(16)
    agent.save_checkpoint(folder)
    (folder / ARRAYS).write_bytes(pickle.dumps(Bomb(mark)))
    change_card(folder, sha256=hashlib.sha256((folder / ARRAYS).read_bytes()).hexdigest())
    with pytest.raises(ModelFileError, match=ARRAYS):
        agent.load_checkpoint(folder)
    assert not mark.exists()


def test_a_file_in_the_place_of_the_folder_is_refused(
    tmp_path: Path, make_users: MakeUsers
) -> None:
    mark = tmp_path / "executed"
    (tmp_path / "agent.zip").write_bytes(pickle.dumps(Bomb(mark)))
    with pytest.raises(ModelFileError):
        load(tmp_path / "agent.zip", make_users)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 99}, "version 99"),
        ({"format": "rlrec-baseline"}, "is not the card of"),
        ({"format": "other"}, "is not the card of"),
        ({"model": "SlatePPO"}, "holds a SlatePPO, not a SlateQ"),
        ({"settings": {"colour": "red"}}, "settings of another kind: .*colour"),
        ({"settings": {"discount": 7}}, r"settings of another kind: discount of SlateQ"),
        ({"state": {}}, "its state lacks"),
        ({"settings": {}}, "must hold values.* of shape"),  # the defaults are larger
    ],
)
def test_a_changed_card_is_refused(
    changes: dict[str, Any], message: str, saved: Path, make_users: MakeUsers
) -> None:
    change_card(saved, **changes)
    with pytest.raises(ModelFileError, match=message):
        load(saved, make_users)


def test_weights_of_another_agent_are_refused(
    saved: Path, make_agent: MakeAgent, make_users: MakeUsers, tmp_path: Path
) -> None:
    make_agent().save(tmp_path / "other")
    (saved / ARRAYS).write_bytes((tmp_path / "other" / ARRAYS).read_bytes())
    with pytest.raises(ModelFileError, match="belongs to another model"):
        load(saved, make_users)


def test_weights_that_are_missing_from_the_file_are_refused_by_name(
    saved: Path, make_users: MakeUsers
) -> None:
    arrays = load_file(saved / ARRAYS)
    del arrays["policy/choice/nothing"]
    save_file(arrays, saved / ARRAYS)
    digest = hashlib.sha256((saved / ARRAYS).read_bytes()).hexdigest()
    change_card(saved, sha256=digest)
    with pytest.raises(ModelFileError, match=r"must hold choice\.nothing of shape \(4,\)"):
        load(saved, make_users)


def test_an_agent_is_no_baseline(saved: Path) -> None:
    with pytest.raises(ModelFileError, match="is not the card of a baseline"):
        load_baseline(saved)


def test_users_must_be_given(saved: Path) -> None:
    with pytest.raises(ConfigError, match="needs users"):
        SlateQ.load(saved, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"catalogue_seed": 1}, "was made for catalogue"),
        ({"n_items": 13}, r"\[12, 12, 12\].*\[13, 13, 13\]"),
        ({"slate_size": 4}, r"\[12, 12, 12\].*\[12, 12, 12, 12\]"),
        ({"history_length": 6}, "'history_items': .5.*'history_items': .6"),
        ({"tastes_observed": True}, "'user'"),
        ({"fresh": True}, "was made for"),
    ],
)
def test_users_who_offer_or_observe_something_else_are_refused(
    arguments: dict[str, Any], message: str, saved: Path, make_users: MakeUsers
) -> None:
    with pytest.raises(ModelFileError, match=message):
        SlateQ.load(saved, SlateVecEnv(make_users(**arguments)))


# Checkpoints

CHUNK = 800  # 50 steps of 16 users: more than learning starts after, and than a visit may last


def next_slates(agent: SlateQ) -> NDArray[Any]:
    """Return what the agent shows its users next, as `learn` would."""
    return agent._sample_action(0, n_envs=16)[0]


def learned(agent: SlateQ) -> SlateQ:
    return agent.learn(CHUNK, reset_num_timesteps=False)


@pytest.mark.parametrize("fresh", [False, True], ids=["catalogue", "fresh documents"])
@pytest.mark.parametrize("pretrains", [False, True], ids=["from scratch", "pretrained"])
def test_going_on_from_a_checkpoint_is_going_on_without_one(
    pretrains: bool,
    fresh: bool,
    make_agent: MakeAgent,
    log: InteractionLog,
    fresh_log: InteractionLog,
    tmp_path: Path,
) -> None:
    logged = fresh_log if fresh else log

    def begun() -> SlateQ:
        agent = make_agent(fresh=fresh, buffer_size=1000)  # the ring begins anew on the way
        return agent.pretrain(logged, 20) if pretrains else agent

    straight = learned(learned(begun()))
    learned(begun()).save_checkpoint(tmp_path / "checkpoint")
    resumed = make_agent(fresh=fresh, buffer_size=1000)
    if pretrains:
        resumed.remember(logged)
    resumed.load_checkpoint(tmp_path / "checkpoint")
    learned(resumed)
    ours, theirs = parameters(straight), parameters(resumed)
    for key, array in ours.items():
        np.testing.assert_array_equal(array, theirs[key], err_msg=key)
    assert straight.num_timesteps == resumed.num_timesteps == 2 * CHUNK
    assert straight._n_updates == resumed._n_updates > 0
    np.testing.assert_array_equal(next_slates(straight), next_slates(resumed))


def test_a_checkpoint_that_learned_beside_a_log_asks_for_that_log(
    make_agent: MakeAgent, log: InteractionLog, tmp_path: Path
) -> None:
    learned(make_agent().pretrain(log, 5)).save_checkpoint(tmp_path / "with")
    learned(make_agent()).save_checkpoint(tmp_path / "without")
    with pytest.raises(ModelFileError, match=r"the agent has none: call remember\(log\)"):
        make_agent().load_checkpoint(tmp_path / "with")
    reminded = make_agent()
    reminded.remember(log)
    with pytest.raises(ModelFileError, match="goes on without a log"):
        reminded.load_checkpoint(tmp_path / "without")


def test_a_loaded_agent_says_that_it_has_no_log_to_go_on_with(
    make_agent: MakeAgent,
    make_users: MakeUsers,
    log: InteractionLog,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    make_agent().pretrain(log, 5).save(tmp_path / "agent")
    for remembers in (True, False):
        caplog.clear()
        loaded = load(tmp_path / "agent", make_users)
        if remembers:
            loaded.remember(log)
        loaded.learn(16)
        assert ("has no log at hand" in caplog.text) is not remembers


def test_the_users_of_a_checkpoint_go_on_as_well(make_agent: MakeAgent, tmp_path: Path) -> None:
    agent = learned(make_agent())
    agent.save_checkpoint(tmp_path / "checkpoint")
    resumed = make_agent()
    resumed.load_checkpoint(tmp_path / "checkpoint")
    one: Any = agent.env
    other: Any = resumed.env
    for _ in range(60):
        slates = next_slates(agent)
        np.testing.assert_array_equal(slates, next_slates(resumed))
        agent._last_obs, rewards, _, infos = one.step(slates)
        resumed._last_obs, same_rewards, _, same_infos = other.step(slates)
        np.testing.assert_array_equal(rewards, same_rewards)
        episodes, same_episodes = ([i.get("episode") for i in each] for each in (infos, same_infos))
        assert episodes == same_episodes
    first, same_first = one.reset(), other.reset()
    for key, array in first.items():
        np.testing.assert_array_equal(array, same_first[key])


def test_a_checkpoint_may_be_written_over_an_older_one(
    make_agent: MakeAgent, tmp_path: Path
) -> None:
    agent = learned(make_agent())
    agent.save_checkpoint(tmp_path / "checkpoint")
    learned(agent).save_checkpoint(tmp_path / "checkpoint")
    resumed = make_agent()
    resumed.load_checkpoint(tmp_path / "checkpoint")
    assert resumed.num_timesteps == 2 * CHUNK


def test_an_agent_for_use_is_no_checkpoint(saved: Path, make_agent: MakeAgent) -> None:
    with pytest.raises(ModelFileError, match="is not the card of a training"):
        make_agent().load_checkpoint(saved)


def test_an_agent_that_has_not_learned_has_no_checkpoint(
    make_agent: MakeAgent, tmp_path: Path
) -> None:
    with pytest.raises(ModelFileError, match="has not begun"):
        make_agent().save_checkpoint(tmp_path / "checkpoint")
    assert not any(tmp_path.iterdir())


def test_a_checkpoint_needs_users_that_can_be_kept(tmp_path: Path) -> None:
    env = gym.make("rlrec/InterestEvolution-v0", n_items=12, slate_size=3)
    agent = SlateQ(env, SlateQConfig(hidden=16)).learn(5)
    with pytest.raises(ModelFileError, match=r"needs those of rlrec\.make_users, got DummyVecEnv"):
        agent.save_checkpoint(tmp_path / "checkpoint")


@pytest.mark.parametrize(
    ("users", "config", "message"),
    [
        ({}, {"discount": 0.9}, "other settings"),
        ({"catalogue_seed": 1}, {}, "was made for catalogue"),
        ({"history_length": 6}, {}, "history_items"),
        ({"n_users": 20}, {}, "holds 16 users, the agent serves 20"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused_and_changes_nothing(
    users: dict[str, Any],
    config: dict[str, Any],
    message: str,
    make_agent: MakeAgent,
    make_users: MakeUsers,
    tmp_path: Path,
) -> None:
    learned(make_agent()).save_checkpoint(tmp_path / "checkpoint")
    other = make_agent(make_users(**users), seed=1, **config)
    before = parameters(other)
    with pytest.raises(ModelFileError, match=message):
        other.load_checkpoint(tmp_path / "checkpoint")
    for key, array in parameters(other).items():
        np.testing.assert_array_equal(array, before[key])
