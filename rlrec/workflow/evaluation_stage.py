"""The stage that judges every policy on the same new users."""

from rlrec.evaluation import RolloutResults, rollout
from rlrec.workflow.policy_names import RANDOM, REFERENCE
from rlrec.workflow.progress import Reporter
from rlrec.workflow.run_folder import Results, RunFolder
from rlrec.workflow.runner import StageContext, stage_seed
from rlrec.workflow.saved_policies import all_policies, simulator_for


def evaluate(context: StageContext) -> Results:
    """Roll out every policy on the test users. Files: `rollouts.json`, `policies.csv`."""
    settings = context.config.evaluation
    results = evaluate_run(context.folder, settings.n_users, settings.seed, context.reporter)
    (context.path / "rollouts.json").write_text(results.to_json(), encoding="utf-8")
    table = results.table(floor=RANDOM, reference=REFERENCE)
    table.to_csv(context.path / "policies.csv")
    return {
        "n_users": results.n_users,
        "seed": results.seed,
        "policies": table.to_dict(orient="index"),
    }


def evaluate_run(folder: RunFolder, n_users: int, seed: int, reporter: Reporter) -> RolloutResults:
    """Return rollouts of all policies of a run on `n_users` new users.

    Args:
        folder: The run, its agent fine-tuned.
        n_users: Test users.
        seed: Of the test users; another one than that of the run.
        reporter: Told of the progress.
    """
    simulator = simulator_for(folder, n_users, "evaluation")
    reporter.say("    fitting the planning reference to training users")
    reference_seed = stage_seed(folder.config.seed, "reference users")
    policies = all_policies(folder, simulator, reference_seed)
    advance = reporter.task(f"rolling out {len(policies)} policies")
    return rollout(policies, simulator, n_users, seed, progress=advance)
