"""The stages of a run, in order. Importing this imports torch."""

from collections.abc import Mapping

from rlrec.workflow.agent_stages import finetune, pretrain
from rlrec.workflow.data_stages import describe_data, make_environment
from rlrec.workflow.evaluation_stage import evaluate
from rlrec.workflow.log_stages import fit_baselines, record_log
from rlrec.workflow.runner import Stage

STAGES: Mapping[str, Stage] = {
    "data": describe_data,
    "environment": make_environment,
    "log": record_log,
    "baselines": fit_baselines,
    "pretrain": pretrain,
    "finetune": finetune,
    "evaluate": evaluate,
}
