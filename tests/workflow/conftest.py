from pathlib import Path

import pytest

from rlrec.workflow.config import BaselineConfig, EnvironmentConfig, RunConfig


@pytest.fixture
def config() -> RunConfig:
    return RunConfig(
        name="small",
        seed=3,
        environment=EnvironmentConfig(id="rlrec/InterestEvolution-v0", arguments={"n_items": 50}),
        baselines=(BaselineConfig(name="als"),),
    )


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(
        "name: small\n"
        "environment:\n"
        "  id: rlrec/InterestEvolution-v0\n"
        "  arguments: {n_items: 50}\n"
        "logging:\n"
        "  n_steps: 100\n"
        "baselines:\n"
        "  - name: als\n"
        "    settings: {regularisation: 1e-2}\n"
    )
    return path
