from pathlib import Path

import numpy as np

from rlrec.baselines import load_baseline
from rlrec.data import InteractionLog
from rlrec.workflow.config import BaselineConfig, EnvironmentConfig, LoggingConfig, RunConfig
from rlrec.workflow.log_stages import fit_baselines, record_log
from rlrec.workflow.progress import Silent
from rlrec.workflow.recording import LogOrder, record
from rlrec.workflow.run_folder import RunFolder
from rlrec.workflow.runner import StageContext

N_ITEMS = 200


def short_run(path: Path) -> RunFolder:
    """Return a run whose logs are far too short to show all items."""
    popularity = BaselineConfig(name="popularity")
    config = RunConfig(
        name="short",
        environment=EnvironmentConfig(
            id="rlrec/InterestEvolution-v0", arguments={"n_items": N_ITEMS, "slate_size": 2}
        ),
        logging=LoggingConfig(
            n_steps=40, n_users=10, n_bootstrap_steps=30, baseline=popularity, random_share=0
        ),
        baselines=(popularity,),
    )
    return RunFolder.create(config, path / "run")


def test_baselines_know_items_that_the_log_never_shows(tmp_path: Path) -> None:
    folder = short_run(tmp_path)
    context = StageContext(folder, "log", folder.begin("log"))
    results = record_log(context)
    folder.finish("log", results, 0.0)
    log = InteractionLog.open(folder.stage_path("log") / "log")
    assert log.column("slate").max() < N_ITEMS - 1
    assert results["mean_reward"] == np.mean(log.column("reward"))
    assert results["n_episodes"] == len(np.unique(log.column("episode_id")))
    fit_baselines(StageContext(folder, "baselines", folder.begin("baselines")))
    assert load_baseline(folder.stage_path("log") / "baseline").n_items == N_ITEMS
    saved = folder.path / "stages" / "baselines.partial" / "popularity"
    assert load_baseline(saved).n_items == N_ITEMS


def test_a_log_of_a_baseline_can_be_recorded_from_few_random_slates(tmp_path: Path) -> None:
    order = LogOrder(
        env_id="rlrec/InterestEvolution-v0",
        arguments={"n_items": N_ITEMS, "slate_size": 2},
        policy="popularity",
        n_steps=40,
        n_users=10,
        seed=0,
        temperature=1.0,
        random_share=0.1,
        n_fit_steps=20,
    )
    assert record(order, tmp_path / "log", Silent()).n_rows >= 40
