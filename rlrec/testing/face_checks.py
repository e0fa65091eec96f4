"""The faces of an environment must be the simulator, in the manners of Gymnasium and SB3."""

import warnings
from typing import Any

import numpy as np
from gymnasium.utils.env_checker import check_env as gymnasium_check_env
from gymnasium.utils.passive_env_checker import env_render_passive_checker
from numpy.typing import NDArray

from rlrec.arrays import Ints, Observations
from rlrec.envs.single import SlateEnv
from rlrec.envs.vector import SlateVectorEnv
from rlrec.simulation import SteppedSimulator
from rlrec.testing.traces import (
    SEED,
    SimulatorMaker,
    Trace,
    any_slates,
    assert_same_array,
    assert_same_observation,
    n_steps_of,
    play,
    row_of,
)

_USERS = 7
_EXPECTED_BY_DESIGN = ("unconventional shape",)  # SB3 on observations of two axes


def check_gymnasium_accepts_it(make: SimulatorMaker) -> None:
    """Gymnasium's `check_env` passes without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gymnasium_check_env(SlateEnv(make(1, 0)), skip_render_check=True)


def check_sb3_accepts_it(make: SimulatorMaker) -> None:
    """stable-baselines3's `check_env` passes; only two-axis observations may be warned of."""
    from stable_baselines3.common.env_checker import check_env  # imports torch

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(SlateEnv(make(1, 0)), skip_render_check=True)
    messages = [str(warning.message) for warning in caught]
    unexpected = [m for m in messages if not any(words in m for words in _EXPECTED_BY_DESIGN)]
    assert not unexpected, f"stable-baselines3 must not warn, got {unexpected}"


def check_one_user_face_is_the_simulator(make: SimulatorMaker) -> None:
    """The Gymnasium environment shows what the simulator does, through several episodes."""
    slates = any_slates(make(1, 0), n_steps_of(make))
    expected = play(make(1, 0), slates)
    env = SlateEnv(make(1, 0))
    seen, _ = env.reset(seed=SEED)
    for number, shown in enumerate(slates[:, 0]):
        assert_same_observation(seen, _of(expected.observations, number, 0), "one user")
        seen, reward, terminated, truncated, info = env.step(shown)
        assert (reward, terminated, truncated) == (
            expected.rewards[number, 0],
            expected.terminated[number, 0],
            expected.truncated[number, 0],
        ), f"reward, terminated and truncated of step {number} must be the simulator's"
        assert_same_array(info["response"], expected.responses[number, 0], "info['response']")
        assert info["blank_slots"] == expected.blank_slots[number, 0], "info['blank_slots']"
        if terminated or truncated:
            last = _of(expected.final_observations, number, 0)
            assert_same_observation(seen, last, "the last observation of one user")
            seen, _ = env.reset()


def check_vector_face_is_the_simulator(make: SimulatorMaker) -> None:
    """Gymnasium's vector environment shows what the simulator does, through several episodes."""
    slates = any_slates(make(_USERS, 0), n_steps_of(make))
    expected = play(make(_USERS, 0), slates)
    env = SlateVectorEnv(make(_USERS, 0))
    seen, _ = env.reset(seed=SEED)
    for number, shown in enumerate(slates):
        assert_same_observation(seen, row_of(expected.observations, number), "vector face")
        seen, rewards, terminated, truncated, info = env.step(shown)
        assert env.observation_space.contains(seen), "observations must lie in their space"
        assert_same_array(rewards, expected.rewards[number], "rewards of the vector face")
        assert_same_array(terminated, expected.terminated[number], "terminated")
        assert_same_array(truncated, expected.truncated[number], "truncated")
        assert_same_array(info["response"], expected.responses[number], "info['response']")
        assert_same_array(info["blank_slots"], expected.blank_slots[number], "info['blank_slots']")
        _check_final_of_vector(info, expected, number)


def check_sb3_face_is_the_simulator(make: SimulatorMaker) -> None:
    """The stable-baselines3 environment shows what the simulator does, in its manners."""
    from rlrec.envs.sb3 import SlateVecEnv  # imports torch

    slates = any_slates(make(_USERS, 0), n_steps_of(make))
    expected = play(make(_USERS, 0), slates)
    env = SlateVecEnv(make(_USERS, 0), seed=SEED)
    seen: Any = env.reset()
    for number, shown in enumerate(slates):
        assert_same_observation(seen, row_of(expected.observations, number), "SB3 face")
        seen, rewards, dones, infos = env.step(shown)
        assert_same_array(rewards, expected.rewards[number].astype(np.float32), "SB3 rewards")
        assert_same_array(dones, expected.ended[number], "SB3 dones")
        for user, info in enumerate(infos):
            assert bool(info) == bool(dones[user]), "infos must tell of finished users only"
            if dones[user]:
                _check_final_info(info, expected, number, user)


def check_faces_go_on_with_the_next_episode(make: SimulatorMaker) -> None:
    """Resetting without a seed begins the user's next episode in each face, not the first again."""
    from rlrec.envs.sb3 import SlateVecEnv  # imports torch

    single, vector = SlateEnv(make(1, 0)), SlateVectorEnv(make(_USERS, 0))
    sb3 = SlateVecEnv(make(_USERS, 0), seed=SEED)
    single.reset(seed=SEED)
    vector.reset(seed=SEED)
    sb3.reset()
    again: tuple[Any, Any, Any] = (single.reset()[0], vector.reset()[0], sb3.reset())
    for face in (single, vector, sb3):
        first = _first_ids(face.simulator)
        ids = face.simulator.episode_ids
        assert (ids != first).all(), f"{type(face).__name__} must begin new episodes, got {ids}"
    assert_same_observation(again[2], again[1], "reset of the SB3 face without a new seed")
    assert_same_observation(again[0], row_of(again[1], 0), "reset of one user without a seed")
    vector.reset(seed=SEED)
    assert_same_array(
        vector.simulator.episode_ids, _first_ids(vector.simulator), "ids after reset(seed)"
    )


def check_it_can_be_rendered(make: SimulatorMaker) -> None:
    """Every render mode gives frames as Gymnasium wants them, before and after steps and ends."""
    slates = any_slates(make(1, 0), n_steps_of(make, 1) + 2)[:, 0]
    for mode in SlateEnv.metadata["render_modes"]:
        env = SlateEnv(make(1, 0), render_mode=mode)
        env.reset(seed=SEED)
        _check_frame(env)
        for number, shown in enumerate(slates):
            *_, terminated, truncated, _ = env.step(shown)
            ended = terminated or truncated
            if number < 3 or ended:
                _check_frame(env)
            if ended:
                env.reset()
                _check_frame(env)


FACE_CHECKS = (
    check_gymnasium_accepts_it,
    check_sb3_accepts_it,
    check_one_user_face_is_the_simulator,
    check_vector_face_is_the_simulator,
    check_sb3_face_is_the_simulator,
    check_faces_go_on_with_the_next_episode,
    check_it_can_be_rendered,
)


def _check_frame(env: SlateEnv) -> None:
    """Raise at a frame that Gymnasium would warn of."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env_render_passive_checker(env)


def _of(observations: Observations, number: int, user: int) -> dict[str, NDArray[Any]]:
    return row_of(row_of(observations, number), user)


def _check_final_of_vector(info: dict[str, Any], trace: Trace, number: int) -> None:
    """Compare what Gymnasium's mode SAME_STEP is told at the end of episodes with the trace."""
    ended = trace.ended[number]
    for key in ("final_obs", "final_info"):
        assert ended.any() == (key in info), f"info[{key!r}] belongs to episode ends"
    if not ended.any():
        return
    for key in ("final_obs", "final_info"):
        assert_same_array(info[f"_{key}"], ended, f"info['_{key}']")
    for user, last in enumerate(info["final_obs"]):
        assert (last is not None) == ended[user], (
            f"info['final_obs'] must be an observation or, of users who go on, None; got {last!r} "
            f"for user {user}"
        )
        if last is not None:
            seen = _of(trace.final_observations, number, user)
            assert_same_observation(last, seen, "info['final_obs']")
    told = info["final_info"]["response"]
    assert_same_array(told[ended], trace.responses[number, ended], "response in final_info")


def _check_final_info(info: dict[str, Any], trace: Trace, number: int, user: int) -> None:
    """Compare what SB3 is told at the end of an episode with the trace."""
    last = _of(trace.final_observations, number, user)
    assert_same_observation(info["terminal_observation"], last, "info['terminal_observation']")
    truncated = bool(trace.truncated[number, user])
    assert info["TimeLimit.truncated"] is truncated, "info['TimeLimit.truncated']"
    steps = trace.episode_ids[: number + 1, user] == trace.episode_ids[number, user]
    episode = info["episode"]
    assert episode["l"] == steps.sum(), f"info['episode']['l'] must be {steps.sum()}, got {episode}"
    total = trace.rewards[: number + 1, user][steps].sum()
    assert np.isclose(episode["r"], total), f"info['episode']['r'] must be {total}, got {episode}"


def _first_ids(simulator: SteppedSimulator) -> Ints:
    other = simulator.with_users(simulator.n_users, simulator.first_user)
    other.reset(SEED)
    return other.episode_ids
