"""What holds for all tests: one thread, and benchmarks only when asked for."""

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything imports numpy or torch

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "benchmark" in config.getoption("markexpr"):
        return
    skip = pytest.mark.skip(reason="a speed; ask for it with -m benchmark")
    for item in items:
        if item.get_closest_marker("benchmark") is not None:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder that holds `pyproject.toml`."""
    return Path(__file__).resolve().parents[1]
