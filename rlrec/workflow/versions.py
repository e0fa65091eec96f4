"""What a run was made with: versions, commit, machine. Reads metadata, imports nothing heavy."""

import os
import platform
import subprocess
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


def describe_machine() -> dict[str, Any]:
    """Return versions of the packages that decide results, the git commit, and the machine."""
    versions = {name: _version(package) for name, package in _PACKAGES.items()}
    return {
        "versions": {"python": platform.python_version(), **versions},
        "commit": _commit(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }


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
