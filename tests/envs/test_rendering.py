"""Text and pictures of one user: what they show, and that looking changes nothing."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from rlrec.envs import SlateEnv, describe_environments, make_simulator
from rlrec.envs.bitmap_font import text_dots
from rlrec.envs.rendering import Watch, as_text
from rlrec.envs.rendering_pixels import as_picture
from rlrec.envs.wrappers import AbnormalUsers, FeatureNoise, Preselected
from rlrec.errors import ConfigError, SlateError, UnknownNameError
from rlrec.testing.traces import any_slates, assert_same_array

COMPOSED = "rlrec/ComposedUsers-v0"
SATIATED: dict[str, Any] = {
    "n_items": 12, "slate_size": 3, "blocks": {"satiation": {}, "operant_conditioning": {}}
}  # fmt: skip
ENVIRONMENTS = [entry.env_id for entry in describe_environments()]


def watched(n_steps: int, env_id: str = COMPOSED, **arguments: Any) -> tuple[Watch, SlateEnv]:
    """Return the watch of a user who was shown items 0, 1, ... again and again."""
    env = SlateEnv(make_simulator(env_id, 1, **arguments), render_mode="ansi")
    env.reset(seed=3)
    for _ in range(n_steps):
        env.step(np.arange(env.simulator.slate_size))
    assert env._watch is not None
    return env._watch, env


@pytest.mark.parametrize("mode", ["ansi", "rgb_array"])
@pytest.mark.parametrize("env_id", ENVIRONMENTS)
def test_gymnasium_accepts_every_way_to_render(env_id: str, mode: str) -> None:
    env = gym.make(env_id, render_mode=mode)
    check_env(env.unwrapped)  # with its render checks
    assert env.unwrapped.render_mode == mode


def test_a_scene_tells_what_was_shown_and_its_chances_before() -> None:
    simulator = make_simulator(COMPOSED, 1, **SATIATED)
    env = SlateEnv(simulator, render_mode="ansi")
    env.reset(seed=0)
    slate = np.array([4, 9, 4])
    chances = simulator.choice_probabilities(slate[None])[0]
    _, reward, *_, info = env.step(slate)
    assert env._watch is not None
    scene = env._watch.scene()
    assert [slot.item for slot in scene.slots] == ["item 4", "item 9", "item 4"]
    assert [slot.chance for slot in scene.slots] == chances[:-1].tolist()
    assert scene.chance_of_nothing == chances[-1]
    assert [slot.is_blank for slot in scene.slots] == [False, False, True]
    for slot, response in zip(scene.slots, info["response"], strict=True):
        assert_same_array(slot.response, response, "response")
    assert scene.rewards == [reward]
    catalogue = simulator.catalogue
    assert catalogue is not None and scene.slots[1].topic == f"topic {catalogue.topics[9]}"


def test_a_scene_follows_the_hidden_state() -> None:
    watch, env = watched(5, **SATIATED)
    scene, state = watch.scene(), env.simulator.latent_state()
    assert len(scene.lines["expected_quality"]) == 6
    assert scene.lines["expected_quality"][-1] == state["expected_quality"][0]
    np.testing.assert_array_equal(scene.bars["satiation"], state["satiation"][0])
    assert list(scene.bars)[-1] == "tastes"  # which does not change; what does comes first
    assert "satiation_memory" not in scene.bars  # the same for all topics


def test_what_moves_is_told_before_what_stays() -> None:
    """Users who return: over several visits their clock, fatigue and gaps move, traits stay."""
    env = SlateEnv(make_simulator("rlrec/UserReturn-v0", 1), render_mode="ansi")
    env.reset(seed=3)
    slates = any_slates(env.simulator, 40)[:, 0]
    while env.simulator.latent_state()["visit"][0] < 3:
        step, slates = slates[0], slates[1:]
        env.step(step)
    assert env._watch is not None
    scene, text = env._watch.scene(), env.render()
    assert {"fatigue", "visit", "hour", "gap_hours"} <= set(list(scene.lines)[:8])
    moves = [min(values) < max(values) for values in scene.lines.values()]
    assert moves == sorted(moves, reverse=True) and moves[0] and not moves[-1]
    assert isinstance(text, str)
    for line in text.splitlines()[:-1]:
        assert not line.startswith(("sensitivity", "set_point", "tiring"))
    assert text.splitlines()[-1].startswith("unchanged: ")
    assert "sensitivity" in text.splitlines()[-1]


def test_four_channels_are_written_in_full() -> None:
    watch, _ = watched(1, n_items=5, slate_size=5)
    names = ("click", "long_view", "like", "hide")
    written = []
    for hide in (0.0, 1.0):  # the last word that is told
        response = np.array([1.0, 1.0, 1.0, hide], np.float32)
        slots = tuple(slot._replace(response=response) for slot in watch.scene().slots)
        written.append(as_picture(watch.scene()._replace(channels=names, slots=slots)))
    assert (written[0] != written[1]).any()


def test_the_last_scene_of_an_episode_is_not_the_next_ones() -> None:
    watch, env = watched(4, max_steps=4, **SATIATED)
    scene = watch.scene()
    assert scene.ending == "time limit" and scene.n_steps == 4
    assert env.simulator.steps[0] == 0 and (scene.bars["satiation"] > 0).any()
    env.reset()
    assert watch.scene().n_steps == 0 and not watch.scene().ending


def test_the_picture_of_a_user_who_left_says_so() -> None:
    env = SlateEnv(make_simulator("rlrec/InterestEvolution-v0", 1), render_mode="ansi")
    env.reset(seed=0)
    while not env.step(np.arange(3))[2]:
        assert "the user left" not in env.render()
    assert "the user left" in env.render().splitlines()[0]


def test_the_text_names_items_taken_and_totals() -> None:
    watch, _ = watched(3, n_items=5, slate_size=5, choice="position_based")
    text, scene = as_text(watch.scene()), watch.scene()
    assert f"reward {sum(scene.rewards):.4g}" in text.splitlines()[0]
    for place, (slot, line) in enumerate(zip(scene.slots, text.splitlines()[1:], strict=False)):
        assert line.startswith("*") == bool(slot.response[0]) == line.endswith("click")
        assert f"{place + 1}  {slot.item}" in line and f"{slot.chance:.3f}" in line


def test_pictures_differ_where_scenes_do_and_only_there() -> None:
    watch, env = watched(2, **SATIATED)
    picture = as_picture(watch.scene())
    assert picture.shape == (640, 960, 3) and picture.dtype == np.uint8
    np.testing.assert_array_equal(as_picture(watch.scene()), picture)
    env.step(np.array([7, 8, 9]))
    changed = (as_picture(watch.scene()) != picture).any(axis=2)
    assert changed[78:].any() and changed[46:60].any()  # slate and state, and the line of totals
    assert not changed[:46].any()  # the name of the environment


@pytest.mark.parametrize("slate_size", [1, 12, 40])
def test_slates_of_any_size_are_drawn(slate_size: int) -> None:
    watch, _ = watched(1, n_items=40, slate_size=slate_size)
    assert as_picture(watch.scene()).shape == (640, 960, 3)


def test_the_chance_of_an_item_is_as_long_as_its_bar() -> None:
    watch, _ = watched(1, **SATIATED)
    scene = watch.scene()
    lengths = []
    for chance in (0.25, 0.5):
        slot = scene.slots[0]._replace(chance=chance, response=np.zeros(1, np.float32))
        picture = as_picture(scene._replace(slots=(slot,), chance_of_nothing=None))
        lengths.append(int((picture[96, :468] == (66, 120, 190)).all(axis=1).sum()))
    assert abs(lengths[1] - 2 * lengths[0]) <= 1 and lengths[0] > 20


def test_text_is_drawn_dot_by_dot() -> None:
    rows = ["#####"] + ["  #  "] * 6
    assert ["".join(" #"[dot] for dot in row[:5].astype(int)) for row in text_dots("T")] == rows
    np.testing.assert_array_equal(text_dots("é"), text_dots("?"))
    assert text_dots("ab", scale=3).shape == (21, 36)


@pytest.mark.parametrize("mode", ["ansi", "rgb_array"])
def test_looking_changes_nothing(mode: str) -> None:
    seen = []
    for render_mode in (None, mode):
        env = SlateEnv(make_simulator(COMPOSED, 1, max_steps=6, **SATIATED), render_mode)
        observation, _ = env.reset(seed=5)
        steps = []
        for slate in any_slates(make_simulator(COMPOSED, 1, **SATIATED), 15)[:, 0]:
            observation, reward, _, truncated, info = env.step(slate)
            if render_mode is not None:
                env.render()
            steps.append((reward, info["response"].tolist(), observation["last_slate"].tolist()))
            if truncated:
                env.reset()
        seen.append(steps)
    assert seen[0] == seen[1]


def test_the_vector_environment_shows_its_first_user_through_episodes() -> None:
    env: Any = gym.make_vec(COMPOSED, num_envs=3, render_mode="ansi", max_steps=2, **SATIATED)
    env.reset(seed=0)
    slates = np.tile([0, 1, 2], (3, 1))
    for number in range(5):
        env.step(slates)
        (text,) = env.render()
        assert f"step {number % 2 + 1}" in text and ("time limit" in text) == (number % 2 == 1)
    env.reset(options={"reset_mask": np.array([False, True, False])})
    assert "step 1" in env.render()[0]
    env.reset(options={"reset_mask": np.array([True, False, False])})
    assert "step 0" in env.render()[0]


def test_a_wrong_slate_is_refused_as_without_rendering() -> None:
    _, env = watched(1, **SATIATED)
    before = env.render()
    with pytest.raises(SlateError, match="got 99"):
        env.step(np.array([0, 1, 99]))
    assert env.render() == before


@pytest.mark.parametrize(
    ("wrap", "item", "topic"),
    [
        (lambda users: FeatureNoise(users, 0.1), "item 1", "topic "),
        (lambda users: Preselected(users, None, 5), "candidate 1", ""),
        (lambda users: AbnormalUsers(users, 1.0, "always_click"), "item 1", "topic "),
    ],
)
def test_wrapped_users_are_shown_as_far_as_they_tell(wrap: Any, item: str, topic: str) -> None:
    users = make_simulator(COMPOSED, 1, tastes_observed=True, **SATIATED)
    env = SlateEnv(wrap(users), render_mode="ansi")
    env.reset(seed=0)
    env.step(np.array([1, 2, 3]))
    assert env._watch is not None
    scene = env._watch.scene()
    assert scene.slots[0].item == item and scene.slots[0].topic.startswith(topic)
    assert bool(scene.slots[0].topic) == bool(topic)
    assert as_picture(scene).shape == (640, 960, 3) and item in as_text(scene)
    with pytest.raises(SlateError, match="got 99"):
        env.step(np.array([0, 1, 99]))


def test_rendering_needs_a_mode_and_a_user() -> None:
    env = SlateEnv(make_simulator(COMPOSED, 1))
    env.reset(seed=0)
    with pytest.raises(ConfigError, match=r"render needs a render_mode of .*'ansi'.*got None"):
        env.render()
    with pytest.raises(RuntimeError, match="call reset before render"):
        SlateEnv(make_simulator(COMPOSED, 1), render_mode="ansi").render()


@pytest.mark.parametrize("make", [gym.make, gym.make_vec])
def test_an_unknown_mode_gives_the_nearest_name(make: Any) -> None:
    with pytest.raises(
        UnknownNameError, match=r"no render mode is called 'ansy'\. Did you mean 'ansi'"
    ):
        make(COMPOSED, render_mode="ansy")


def test_nothing_is_watched_unless_asked_for() -> None:
    assert SlateEnv(make_simulator(COMPOSED, 1))._watch is None
