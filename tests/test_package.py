"""What `import rlrec` gives, and what it costs."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import rlrec

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "stable_baselines3", "implicit", "matplotlib")


def modules_after(statement: str) -> set[str]:
    """Return what a fresh interpreter has imported after a statement."""
    code = f"{statement}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "statement",
    [
        "import rlrec",
        "import rlrec.data",
        "import rlrec.envs",
        "import rlrec.evaluation",
        "import rlrec; rlrec.make_simulator, rlrec.InteractionLog, rlrec.rollout",
        "import rlrec; rlrec.make_simulator('rlrec/InterestEvolution-v0', 2).reset(0)",
    ],
)
def test_torch_is_imported_by_nothing_that_does_not_learn(statement: str) -> None:
    assert modules_after(statement).isdisjoint(HEAVY)


def test_importing_rlrec_alone_imports_no_table_library_and_no_simulator() -> None:
    assert modules_after("import rlrec").isdisjoint({"pandas", "pyarrow", "rlrec.envs"})


def test_importing_rlrec_alone_makes_every_environment_known_to_gymnasium() -> None:
    known = {entry.env_id for entry in rlrec.describe_environments()}
    made = "; ".join(f"gymnasium.make({env_id!r}).reset(seed=0)" for env_id in sorted(known))
    assert "rlrec.envs" in modules_after(f"import gymnasium, rlrec; {made}")


def test_the_users_of_stable_baselines3_are_loaded_when_made() -> None:
    loaded = modules_after("import rlrec; rlrec.make_users('rlrec/InterestEvolution-v0', 2)")
    assert "stable_baselines3" in loaded


@pytest.mark.parametrize("name", rlrec.__all__)
def test_every_public_name_can_be_had(name: str) -> None:
    assert getattr(rlrec, name) is not None
    assert name in dir(rlrec)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'make_user'"):
        rlrec.make_user  # noqa: B018


def test_the_version_is_that_of_the_project_file() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert rlrec.__version__ == project["version"]


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(rlrec.__file__).parent / "py.typed").exists()
