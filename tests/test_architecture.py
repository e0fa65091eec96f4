"""Imports go one way, as docs/architecture.md says."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LINKED = {"envs": "rlrec.envs", "agents": "rlrec.agents"}

BELOW: dict[str, set[str]] = {
    "core": set(),
    "rlrec.data": {"core"},
    "rlrec.baselines": {"core", "rlrec.data"},
    "rlrec.evaluation": {"core", "rlrec.data", "rlrec.baselines"},
    "rlrec.envs": {"core", "rlrec.data", "rlrec.baselines", "rlrec.evaluation"},
    "rlrec.agents": {"core", "rlrec.data", "rlrec.baselines", "rlrec.evaluation", "rlrec.envs"},
}
BELOW["rlrec.testing"] = set(BELOW["rlrec.agents"]) | {"rlrec.agents"}
BELOW["rlrec.workflow"] = set(BELOW["rlrec.testing"])
BELOW["experiments"] = BELOW["rlrec.workflow"] | {"rlrec.workflow"}

# A simulator has a catalogue; nothing else of the core leads upwards.
EXCEPTIONS = {("rlrec.simulation", "rlrec.data.catalogue")}


def modules() -> Iterator[tuple[str, Path]]:
    """Yield every module of the library and the experiments, as it is imported."""
    for path in sorted([*ROOT.glob("rlrec/**/*.py"), *ROOT.glob("experiments/**/*.py")]):
        yield _name(path.relative_to(ROOT)), path
    for folder in LINKED:
        for path in sorted(ROOT.glob(f"{folder}/**/*.py")):
            yield f"rlrec.{_name(path.relative_to(ROOT))}", path


def _name(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and full name of everything a file imports, also within functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def part(name: str) -> str:
    """Return the part of the project a module belongs to."""
    pieces = name.split(".")
    if pieces[0] == "experiments":
        return "experiments"
    two = ".".join(pieces[:2])
    return two if two in BELOW else "core"


LIBRARY = {name: path for name, path in modules() if name != "rlrec"}  # which is the front door


def test_there_is_something_to_check() -> None:
    assert {part(name) for name in LIBRARY} >= set(BELOW) - {"experiments"}
    assert len(LIBRARY) > 40


@pytest.mark.parametrize("name", LIBRARY)
def test_imports_go_one_way(name: str) -> None:
    here = part(name)
    for line, target in imported(LIBRARY[name]):
        if not target.startswith(("rlrec", "experiments")):
            continue
        there = part(target)
        is_allowed = there == here or there in BELOW[here]
        is_named = any(name == a and target.startswith(b) for a, b in EXCEPTIONS)
        assert is_allowed or is_named, f"{name}, line {line}: {here} must not import {target}"


@pytest.mark.parametrize("path", sorted(ROOT.glob("tests/**/*.py")), ids=lambda p: p.name)
def test_nobody_imports_the_folders_by_their_bare_names(path: Path) -> None:
    _check_no_bare_names(path)


@pytest.mark.parametrize("name", LIBRARY)
def test_the_library_imports_neither_bare_folders_nor_tests(name: str) -> None:
    _check_no_bare_names(LIBRARY[name])
    tested = [target for _, target in imported(LIBRARY[name]) if target.split(".")[0] == "tests"]
    assert not tested


def _check_no_bare_names(path: Path) -> None:
    for line, target in imported(path):
        assert target.split(".")[0] not in LINKED, f"{path}:{line} must import rlrec.{target}"


def test_the_package_list_names_every_folder() -> None:
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {
        name if path.stem == "__init__" else name.rpartition(".")[0] for name, path in modules()
    }
    packages = {name for name in folders if name.startswith("rlrec")}
    assert sorted(setup["packages"]) == sorted(packages)
    assert setup["package-dir"] == {
        "rlrec": "rlrec",
        "rlrec.envs": "envs",
        "rlrec.agents": "agents",
    }


@pytest.mark.parametrize("folder", LINKED)
def test_the_linked_folders_are_reached_by_relative_links(folder: str) -> None:
    link = ROOT / "rlrec" / folder
    assert link.is_symlink()
    assert link.readlink() == Path("..") / folder
