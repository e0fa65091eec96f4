"""The Python of the README runs as it stands there, with smaller numbers."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rlrec.data import InteractionLog
from rlrec.envs import describe_environments, fit_slate_users, make_simulator
from rlrec.policy import RandomPolicy

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)

_SHRINK = 50  # of all counts written with an underscore, and of vectors of users


def smaller(code: str) -> str:
    """Return code whose counts of steps, updates and users are those of a test."""
    code = re.sub(r"\b\d+(?:_\d{3})+\b", lambda n: str(int(n[0]) // _SHRINK), code)
    code = re.sub(r"n_users=(256|300)", "n_users=16", code)
    return code.replace("num_envs=4096", "num_envs=16").replace("progress_bar=True", "")


def write_plays(path: Path) -> None:
    """Write made-up ratings: 60 listeners rate 20 of 40 tracks each."""
    rng = np.random.default_rng(0)
    listeners = np.repeat(np.arange(60), 20)
    tracks = np.concatenate([rng.permutation(40)[:20] for _ in range(60)])
    stars = 1 + (listeners + tracks + rng.integers(0, 2, len(tracks))) % 5
    columns = {"listener": listeners, "track": tracks, "stars": stars, "time": np.arange(1200)}
    pd.DataFrame(columns).to_csv(path, index=False)


def write_users(path: Path) -> None:
    """Write users fitted to a small log, as `rlrec fit-users` does."""
    users = make_simulator("rlrec/TopicBoredom-v0", 20, n_items=20, slate_size=3, n_steps=20)
    log = InteractionLog.record(RandomPolicy(20, 3), users, 1_000, seed=0)
    assert users.catalogue is not None
    fit_slate_users(log, users.catalogue).save(path)


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What all blocks of the README define, run one after the other in an empty folder."""
    folder = tmp_path_factory.mktemp("readme")
    write_plays(folder / "plays.csv")
    write_users(folder / "USERS")
    defined: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for block in BLOCKS:
            exec(compile(smaller(block), "README.md", "exec"), defined)
    return defined


def test_the_example_judges_every_policy_between_random_and_the_reference(
    names: dict[str, Any],
) -> None:
    table = names["results"].table(floor="random", reference="reference")
    assert list(table.index) == ["random", "ALS", "agent", "reference"]
    assert table.loc["random", "score"] == 0 and table.loc["reference", "score"] == 1
    assert names["agent"].num_timesteps >= 200_000 // _SHRINK


def test_the_log_of_the_example_has_its_propensities(names: dict[str, Any]) -> None:
    log = names["log"]
    assert log.n_rows == 100_000 // _SHRINK
    assert "propensity_given_prefix" in log.column_names


def test_the_users_of_the_example_come_in_all_three_faces(names: dict[str, Any]) -> None:
    names["one_user"].reset(seed=0)
    observations, _ = names["many_users"].reset(seed=0)
    assert observations["history_items"].shape[0] == 16
    for fitted in ("listeners", "shoppers"):
        assert names[fitted].reset()["history_items"].shape[0] == 16


def test_the_example_reads_own_ratings(names: dict[str, Any]) -> None:
    assert len(names["plays"]) == 1200 and names["plays"].n_users == 60


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_what_the_readme_links_to_is_there(target: str) -> None:
    assert (ROOT / target).exists()


def test_the_table_of_environments_has_each_with_its_measured_returns() -> None:
    rows = re.findall(r"^\| `(rlrec/\w+-v0)` \| [^|]+ \| ([^|]+) \| ([^|]+) \|$", README, re.M)
    entries = describe_environments()
    told = {env_id: (floor, reference) for env_id, floor, reference in rows}
    assert sorted(told) == sorted(entry.env_id for entry in entries)
    for entry in entries:
        for text, measured in zip(told[entry.env_id], (entry.floor, entry.reference), strict=True):
            for number in re.findall(r"\d+\.?\d*", text.split(" where")[0].split(" with")[0]):
                assert number in re.findall(r"\d+\.?\d*", measured), (entry.env_id, text, measured)


@pytest.mark.parametrize("folder", re.findall(r"^\| `([\w/]+)` \|", README, flags=re.MULTILINE))
def test_every_folder_the_readme_names_is_there(folder: str) -> None:
    assert (ROOT / folder).is_dir()


@pytest.mark.parametrize("command", sorted(set(re.findall(r"^rlrec ([a-z-]+)", README, re.M))))
def test_every_command_the_readme_names_exists(command: str) -> None:
    from rlrec.workflow.cli import app

    registered = [
        each.name or each.callback.__name__ for each in app.registered_commands if each.callback
    ]
    assert command in registered
