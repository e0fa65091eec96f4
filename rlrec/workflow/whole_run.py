"""A run from its configuration to its report."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from rlrec.errors import ConfigError
from rlrec.workflow.component_checks import check_components
from rlrec.workflow.config import RunConfig
from rlrec.workflow.config_file import (
    apply_overrides,
    check_config,
    dump_config,
    load_config,
    parse_yaml,
)
from rlrec.workflow.progress import Reporter
from rlrec.workflow.report import write_report
from rlrec.workflow.report_data import gather, judge
from rlrec.workflow.run_folder import STAGE_NAMES, RunFolder, json_text, write_file
from rlrec.workflow.runner import run_stages, stage_seed
from rlrec.workflow.stages import STAGES


class Outcome(NamedTuple):
    """What a run ends in."""

    headline: str
    """The main result."""
    report: Path


def prepare_run(
    config_path: Path | None, overrides: Sequence[str], output: Path | None, command: str
) -> RunFolder:
    """Return the folder of a new run, its configuration checked as far as that is quick.

    Raises:
        ConfigError, UnknownNameError, DataError: The configuration cannot work; no folder is made.
        RunFolderError: `output` holds something.
    """
    if config_path is None:
        raise ConfigError("rlrec run needs a configuration file, or --resume DIR")
    config = load_config(config_path, overrides)
    check_components(config)
    seeds = {"run": config.seed} | {name: stage_seed(config.seed, name) for name in STAGE_NAMES}
    return RunFolder.create(config, output, command, seeds | {"evaluate": config.evaluation.seed})


def open_run(
    path: Path, config_path: Path | None, overrides: Sequence[str], output: Path | None
) -> RunFolder:
    """Return the folder of an earlier run to go on with.

    Raises:
        RunFolderError: It cannot be used, or `config_path` and `overrides` say something else.
    """
    if output is not None:
        raise ConfigError("--resume goes on in its own folder: leave --output out")
    if config_path is not None:
        return RunFolder.open(path, load_config(config_path, overrides))
    folder = RunFolder.open(path)
    if overrides:
        stored = parse_yaml(dump_config(folder.config), str(path / "config.yaml"))
        wanted = check_config(*apply_overrides(*stored, overrides), "--set", RunConfig)
        return RunFolder.open(path, wanted)
    return folder


def carry_out(folder: RunFolder, reporter: Reporter, is_new: bool) -> Outcome:
    """Run all stages that are not finished and write the report.

    Args:
        folder: The run.
        reporter: Told of the progress.
        is_new: The folder was made just now: it goes if already the first stage refuses its input.
    """
    torch.set_num_threads(1)  # sums do not depend on the machine; more threads are seldom faster
    results = run_stages(folder, STAGES, reporter, discard_refused=is_new)
    write_file(folder.path / "results.json", json_text(results))
    report_path = write_report(folder)
    return Outcome(judge(gather(folder).rollouts).headline, report_path)
