"""The Python of the pages in docs runs as it stands there, with smaller numbers."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import yaml

import rlrec
from rlrec.envs import registration
from rlrec.workflow.config_file import parse_assignments

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
OWN_USERS = (ROOT / "docs" / "your_own_users.md").read_text(encoding="utf-8")
OWN_LOG = (ROOT / "docs" / "your_own_log.md").read_text(encoding="utf-8")

_SHRINK = 20  # of all counts written with an underscore


def smaller(code: str) -> str:
    """Return code whose counts of steps, updates and users are those of a test."""
    return re.sub(r"\b\d+(?:_\d{3})+\b", lambda count: str(int(count[0]) // _SHRINK), code)


def ran(page: str, name: str, defined: dict[str, Any]) -> dict[str, Any]:
    """Return what a page's code defines, run from top to bottom."""
    for block in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL):
        exec(compile(smaller(block), name, "exec"), defined)
    return defined


@pytest.fixture(scope="module")
def names() -> Iterator[dict[str, Any]]:
    """What the page on users of one's own defines; its environments are forgotten afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registration, "_ENTRIES", dict(registration._ENTRIES))
        yield ran(OWN_USERS, "your_own_users.md", {})
    for env_id in [env_id for env_id in gym.registry if env_id.startswith("mine/")]:
        del gym.registry[env_id]


def test_users_of_ones_own_are_trained_and_judged(names: dict[str, Any]) -> None:
    table = names["results"].table(floor="random", reference="reference")
    assert list(table.index) == ["random", "ALS", "agent", "reference"]
    assert names["agent"].num_timesteps >= 50_000 // _SHRINK
    assert names["one_user"].unwrapped.simulator.arguments["loss"] == 2.0


def test_who_tires_of_items_takes_less_of_the_same_slate(names: dict[str, Any]) -> None:
    taken = []
    for loss in (0.0, 3.0):
        simulator = rlrec.make_simulator("mine/Habituated-v0", 1000, loss=loss)
        simulator.reset(0)
        slates = np.tile(np.arange(5), (1000, 1))
        rewards = [simulator.step(slates).rewards for _ in range(20)]
        taken.append(np.sum(rewards[10:], axis=0))
    lost = taken[0] - taken[1]
    assert lost.mean() > 10 * lost.std() / 1000**0.5  # 10 standard errors of 1000 users


def test_who_knows_the_likings_serves_commuters_best(names: dict[str, Any]) -> None:
    table = names["commuted"].table(floor="random", reference="reference")
    assert table.loc["random", "score"] == 0 and table.loc["reference", "score"] == 1
    assert table.loc["EASE", "score"] < 1


def test_configuration_and_command_line_make_the_composed_users_of_the_page(
    names: dict[str, Any],
) -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", OWN_USERS, flags=re.DOTALL)
    environment = yaml.safe_load(block)["environment"]
    words = re.findall(r'--arg "(.*?)"', OWN_USERS)
    for arguments in (environment["arguments"], parse_assignments(words, "--arg")):
        made = rlrec.make_simulator(environment["id"], 1, **arguments)
        assert made.arguments == names["composed"].arguments


def test_candidates_of_the_page_are_of_favourite_topics(names: dict[str, Any]) -> None:
    users = names["offered"]
    candidates = users.reset(seed=1)["candidates"]
    favourites = np.argsort(users.latent_state()["tastes"], axis=1)[:, -4:]
    topics = users.catalogue.topics[candidates]
    assert candidates.shape == (100, 10)
    assert (topics[:, :, None] == favourites[:, None, :]).any(axis=2).all()
    assert names["newest"].n_choices == 20


def test_the_whole_model_is_as_short_as_the_page_says(names: dict[str, Any]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", OWN_USERS, flags=re.DOTALL)
    (model,) = (block for block in blocks if "class Commuters" in block)
    assert len(model.splitlines()) < 60


@pytest.fixture(scope="module")
def of_log(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the page on a log of one's own defines."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("page"))
        return ran(OWN_LOG, "your_own_log.md", {})


def test_users_of_a_log_of_ones_own_are_near_the_truth(of_log: dict[str, Any]) -> None:
    estimates = of_log["model"].estimates
    for name, truth in {"decay": 0.85, "taste_sd": 1.0}.items():
        found = estimates[name]
        # 25 members: 95 % intervals, stretched to 3.5 standard errors
        assert abs(found.value - truth) < 3.5 * found.standard_error, (name, found)


def test_its_verdicts_are_about_members_who_were_kept_aside(of_log: dict[str, Any]) -> None:
    fitting, judging = of_log["fitting"], of_log["judging"]
    assert not set(fitting.column("user_id")) & set(judging.column("user_id"))
    words = {one.aspect: one.word for one in of_log["verdicts"]}
    assert words["click rate by slot"] == "agrees"


def test_policies_are_tried_on_users_of_the_log(of_log: dict[str, Any]) -> None:
    table = of_log["table"]
    assert list(table.index) == ["random", "ALS", "agent", "reference"]
    assert table.loc["reference", "mean_return"] > table.loc["random", "mean_return"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_links_to_is_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
