"""Many users as one native Gymnasium vector environment."""

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from rlrec.arrays import Bools, Floats, Ints, Observations
from rlrec.envs.rendering import RENDER_FPS, RENDER_MODES, rendered, watch_of
from rlrec.envs.spaces import action_space, observation_space
from rlrec.errors import ConfigError
from rlrec.simulation import SimulatorStep, SteppedSimulator

BatchedObservation = dict[str, NDArray[Any]]


class SlateVectorEnv(VectorEnv[BatchedObservation, NDArray[np.int64], NDArray[Any]]):
    """B users stepped together; `gym.make_vec` returns it.

    Users whose episode ends are replaced in the same step. `info` holds `response` (B, K, R),
    `blank_slots` (B,) and `user_id` (B,) of the step, also for users whose episode ended in it.
    Where episodes ended it holds what Gymnasium's mode SAME_STEP promises: `final_obs`, an object
    array (B,) of the last observation of each finished user and None for the others, and
    `final_info`, their `info`. Each `key` has its mask `_key` (B,).

    In Gymnasium's mode NEXT_STEP, which some of its wrappers need (`NormalizeObservation` and all
    others of observations), the step that ends an episode returns its last observation; the slate
    after it is ignored, earns 0, and returns the first observation of the user's next visit. That
    visit is the next but one of the simulator, which has spent one meanwhile.

    Args:
        simulator: Simulator of B users.
        autoreset_mode: `AutoresetMode.SAME_STEP` or `AutoresetMode.NEXT_STEP`, or its value.
        render_mode: "ansi" for text, "rgb_array" for a picture of the first user; None costs
            nothing.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012
        "autoreset_mode": AutoresetMode.SAME_STEP,
        "render_modes": list(RENDER_MODES),
        "render_fps": RENDER_FPS,
    }

    def __init__(
        self,
        simulator: SteppedSimulator,
        render_mode: str | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
    ) -> None:
        self.simulator = simulator
        self.metadata = {**self.metadata, "autoreset_mode": _checked_mode(autoreset_mode)}
        self.num_envs = simulator.n_users
        self.single_observation_space = observation_space(simulator)
        self.single_action_space = action_space(simulator)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.render_mode = render_mode
        self._watch = watch_of(simulator, render_mode)
        self._started = False
        self._waiting = np.zeros(self.num_envs, bool)  # in NEXT_STEP: who is to begin a visit

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[BatchedObservation, dict[str, Any]]:
        """Start new visits: the first of all users under `seed`, or without a seed the next ones.

        Args:
            seed: One seed for all.
            options: `reset_mask`, a boolean array (B,), starts the next visit of only those users.

        Raises:
            ConfigError: `seed` is a list, or `reset_mask` has another shape or type, is all False,
                or comes with a seed or before the first reset.
        """
        if isinstance(seed, (list, tuple, np.ndarray)):
            raise ConfigError(
                f"seed must be one whole number, got {seed!r}: under one seed each user has "
                "random numbers of its own already"
            )
        begun = np.ones(self.num_envs, bool)
        if options is not None and "reset_mask" in options:
            begun = self._checked_mask(options["reset_mask"], seed)
        super().reset(seed=seed)
        if seed is not None or not self._started:
            drawn = int(self.np_random.integers(2**31)) if seed is None else seed
            observations = self.simulator.reset(drawn)
        else:
            observations = self.simulator.next_episode(np.flatnonzero(begun))
        self._started = True
        self._waiting &= ~begun
        if self._watch is not None and begun[0]:
            self._watch.begin()
        user_ids = np.where(begun, self.simulator.user_ids, 0)
        return dict(observations), _masked({"user_id": user_ids}, begun)

    def step(
        self, actions: NDArray[np.int64]
    ) -> tuple[BatchedObservation, Floats, Bools, Bools, dict[str, Any]]:
        """Show slates (B, K)."""
        if self._waiting.any():
            return self._step_and_begin(np.array(actions))
        user_ids = self.simulator.user_ids
        slates = np.asarray(actions)
        if self._watch is not None:
            self._watch.before(slates)
        step = self.simulator.step(slates)
        if self._watch is not None:
            self._watch.after(slates, step)
        told: dict[str, NDArray[Any]] = {
            "response": step.responses,
            "blank_slots": step.blank_slots,
            "user_id": user_ids,
        }
        info = _masked(told, np.ones(self.num_envs, bool))
        if self.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP:
            return self._waits(step, dict(step.observations), info)
        if step.finished.size:
            last: dict[str, Any] = {
                "final_obs": _one_by_one(step.final_observations, step.finished, self.num_envs),
                "final_info": _of_finished(told, step.terminated | step.truncated),
            }
            info |= _masked(last, step.terminated | step.truncated)
        return dict(step.observations), step.rewards, step.terminated, step.truncated, info

    def render(self) -> tuple[Any, ...]:
        """Return the first user as text or as a picture, in a tuple of one frame.

        Raises:
            ConfigError: The environment was made without a render mode.
        """
        return (rendered(self._watch),)

    def _step_and_begin(
        self, slates: NDArray[np.int64]
    ) -> tuple[BatchedObservation, Floats, Bools, Bools, dict[str, Any]]:
        """Begin a visit of the users who wait for one, while the others are shown their slates."""
        begun = self._waiting.copy()
        user_ids = self.simulator.user_ids
        slates[begun] = np.arange(self.simulator.slate_size)  # ignored, but they must be slates
        is_watched = self._watch is not None and not begun[0]
        if self._watch is not None and is_watched:
            self._watch.before(slates)
        step = self.simulator.step(slates)
        if self._watch is not None and is_watched:
            self._watch.after(slates, step)
        observations = dict(self.simulator.next_episode(np.flatnonzero(begun)))
        if self._watch is not None and not is_watched:
            self._watch.begin()
        told: dict[str, NDArray[Any]] = {
            "response": step.responses * ~begun[:, None, None],
            "blank_slots": step.blank_slots * ~begun,
        }
        info = _masked(told, ~begun)
        user_ids = np.where(begun, self.simulator.user_ids, user_ids)
        info |= _masked({"user_id": user_ids}, np.ones(self.num_envs, bool))
        shown = step._replace(
            rewards=np.where(begun, 0.0, step.rewards),
            terminated=step.terminated & ~begun,
            truncated=step.truncated & ~begun,
        )
        return self._waits(shown, observations, info)

    def _waits(
        self, step: SimulatorStep, observations: BatchedObservation, info: dict[str, Any]
    ) -> tuple[BatchedObservation, Floats, Bools, Bools, dict[str, Any]]:
        """Return a step in the manner of NEXT_STEP: finished users show what they saw last."""
        self._waiting = step.terminated | step.truncated
        finished = self._waiting[step.finished]
        for key, array in step.final_observations.items():
            observations[key] = observations[key].copy()
            observations[key][step.finished[finished]] = array[finished]
        return observations, step.rewards, step.terminated, step.truncated, info

    def _checked_mask(self, mask: Any, seed: Any) -> Bools:
        expected = (self.num_envs,)
        if not isinstance(mask, np.ndarray) or mask.shape != expected or mask.dtype != np.bool_:
            found = f"{mask.dtype} of shape {mask.shape}" if isinstance(mask, np.ndarray) else mask
            raise ConfigError(f"reset_mask must be a bool array of shape {expected}, got {found}")
        if not mask.any():
            raise ConfigError("reset_mask must name at least one user, got only False")
        if seed is not None or not self._started:
            raise ConfigError(
                "reset_mask starts the next visits of some users, which needs an earlier reset of "
                "all of them and no seed: a seed is one for all users"
            )
        return mask


def _checked_mode(mode: AutoresetMode | str) -> AutoresetMode:
    known = (AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP)
    try:
        mode = AutoresetMode(mode)
    except ValueError:
        mode = str(mode)
    if mode not in known:
        names = [str(known_mode) for known_mode in known]
        raise ConfigError(f"autoreset_mode must be one of {names}, got {mode!r}")
    return AutoresetMode(mode)


def _masked(values: dict[str, Any], mask: Bools) -> dict[str, Any]:
    """Return Gymnasium's form of `info`: each key with a mask of the users it tells about."""
    info: dict[str, Any] = {}
    for key, value in values.items():
        info[key], info[f"_{key}"] = value, mask.copy()
    return info


def _one_by_one(observations: Observations, rows: Ints, n_rows: int) -> NDArray[np.object_]:
    """Return an array (n_rows,) that holds one observation at each of `rows`, elsewhere None."""
    single = np.full(n_rows, None, dtype=object)
    for number, row in enumerate(rows.tolist()):
        single[row] = {key: array[number] for key, array in observations.items()}
    return single


def _of_finished(values: dict[str, NDArray[Any]], ended: Bools) -> dict[str, Any]:
    spread = {key: np.zeros_like(array) for key, array in values.items()}
    for key, array in values.items():
        spread[key][ended] = array[ended]
    return _masked(spread, ended)
