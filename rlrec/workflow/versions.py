"""What a run was made with: versions, commit, machine. Reads metadata, imports nothing heavy."""

import os
import platform
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

_PACKAGES = {
    "rlrec": "rlrec",
    "numpy": "numpy",
    "torch": "torch",
    "stable-baselines3": "stable_baselines3",
    "gymnasium": "gymnasium",
    "pandas": "pandas",
    "scipy": "scipy",
    "implicit": "implicit",
}


def rlrec_version() -> str:
    """Return the installed version of rlrec, or `unknown` where it is only on the path."""
    return _version("rlrec")


@cache
def running_code() -> dict[str, Any]:
    """Return versions of the packages that decide results, and the git commit at first call."""
    versions = {name: _version(package) for name, package in _PACKAGES.items()}
    return {
        "versions": {"python": platform.python_version(), **versions},
        "commit": _commit(),
    }


def describe_machine() -> dict[str, Any]:
    """Return the code that runs (`running_code`) and the machine."""
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return {**running_code(), "machine": machine}


def code_differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return one line for each version, and the commit, in which two `running_code` differ."""
    pairs = [("commit", before.get("commit"), now.get("commit"))]
    old, new = before.get("versions"), now.get("versions")
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        pairs += [(name, old.get(name), new.get(name)) for name in new]
    return [f"{name} {was} before, {is_} now" for name, was, is_ in pairs if was != is_]


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"


def _commit() -> str | None:
    """Return the commit of the checkout this code runs from, with a mark if files differ."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    commit = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    return f"{commit} with changes" if commit and changed else commit or None


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
