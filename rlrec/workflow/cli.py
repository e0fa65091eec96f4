"""The command line. Heavy parts are imported inside the commands, so that help is quick."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from rlrec.workflow.cli_users import fit_users, validate_users
from rlrec.workflow.console import FAILED, one_line_errors, print_table, reporter

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="The path from a log to a fine-tuned slate recommender, judged on simulated users.",
)

Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Replace a value, such as seed=3; repeatable."),
]
Arguments = Annotated[
    list[str] | None,
    typer.Option("--arg", metavar="NAME=VALUE", help="Argument of the environment; repeatable."),
]


def main() -> None:
    """Run the command line."""
    app()


def _show_version(wanted: bool) -> None:
    if wanted:
        from rlrec.workflow.versions import rlrec_version

        print(f"rlrec {rlrec_version()}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and stop."
        ),
    ] = False,
) -> None:
    pass


@app.command()
def run(
    config: Annotated[
        Path | None, typer.Argument(help="YAML file; may be left out with --resume.")
    ] = None,
    overrides: Overrides = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Go on with an interrupted run.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="New folder; by default runs/NAME/TIME.")
    ] = None,
) -> None:
    """Run the whole path: log, baselines, pretraining, fine-tuning, evaluation, report."""
    with one_line_errors():
        from rlrec.workflow.whole_run import open_run, prepare_run

        if resume is not None:
            folder = open_run(resume, config, overrides or [], output)
        else:
            words = ["rlrec", "run", str(config)]
            words += [word for text in overrides or [] for word in ("--set", text)]
            folder = prepare_run(config, overrides or [], output, shlex.join(words))
    with (
        one_line_errors(f"Go on with: rlrec run --resume {shlex.quote(str(folder.path))}"),
        reporter() as told,
    ):
        from rlrec.workflow.whole_run import carry_out

        headline, report_path = carry_out(folder, told, is_new=resume is None)
    print(headline)
    print(f"Report: {report_path}")


@app.command()
def envs() -> None:
    """List what can be simulated, with the returns of well-known policies."""
    with one_line_errors():
        from rlrec.envs import describe_environments

        for entry in describe_environments():
            print(f"{entry.env_id}\n    {entry.title}")
            print(f"    random slates       {entry.floor}")
            print(f"    planning reference  {entry.reference}")
            print(f"    arguments           {_arguments_line(entry.arguments)}")
            for name, known in entry.choices.items():
                print(f"    {name:<19} {', '.join(known)}")
            print()


@app.command()
def data(
    name: Annotated[
        str | None, typer.Argument(help="Data set or format; without one, all are listed.")
    ] = None,
    path: Annotated[
        Path | None, typer.Argument(help="Its files; without them, it is described.")
    ] = None,
    arguments: Annotated[
        list[str] | None,
        typer.Option("--arg", metavar="NAME=VALUE", help="Argument of the loader; repeatable."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write it as an interaction log.")
    ] = None,
) -> None:
    """List the data sets that can be loaded, or say what one holds and under which terms."""
    with one_line_errors("No log was written."):
        from rlrec.errors import ConfigError
        from rlrec.workflow.data_sets import describe_data_set, list_data_sets, load_data_set

        if path is None and (out is not None or arguments):
            raise ConfigError("--out and --arg need a data set and its path")
        if name is None:
            lines = list_data_sets()
        elif path is None:
            lines = describe_data_set(name)
        else:
            lines = load_data_set(name, path, _parse_arguments(arguments), out)
        print("\n".join(lines))


@app.command()
def log(
    env: Annotated[str, typer.Option(help="Environment, such as rlrec/InterestEvolution-v0.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="New folder for the log.")],
    policy: Annotated[
        str, typer.Option(help="random, myopic, or a baseline fitted to random slates first.")
    ] = "random",
    steps: Annotated[int, typer.Option(min=1, help="Slates to show in all.")] = 50_000,
    users: Annotated[int, typer.Option(min=1, help="Users served side by side.")] = 500,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    temperature: Annotated[float, typer.Option(help="Softness of a baseline's choice.")] = 1.0,
    random_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of random slates mixed in.")
    ] = 0.1,
    fit_steps: Annotated[
        int, typer.Option(min=1, help="Random slates a baseline is fitted to.")
    ] = 20_000,
    arguments: Arguments = None,
) -> None:
    """Record an interaction log of a policy with simulated users."""
    with one_line_errors("No log was written."), reporter() as told:
        from rlrec.workflow.recording import LogOrder, record

        order = LogOrder(
            env_id=env,
            arguments=_parse_arguments(arguments),
            policy=policy,
            n_steps=steps,
            n_users=users,
            seed=seed,
            temperature=temperature,
            random_share=random_share,
            n_fit_steps=fit_steps,
        )
        recorded = record(order, out, told)
        told.say(f"{recorded.n_rows:,} slates in {out}")


app.command("fit-users")(fit_users)
app.command("validate-users")(validate_users)


@app.command()
def evaluate(
    paths: Annotated[list[Path], typer.Argument(metavar="RUN | MODEL...")],
    users: Annotated[int, typer.Option(min=2, help="New users to judge on.")] = 1_000,
    seed: Annotated[int, typer.Option(min=0, help="Of these users.")] = 20_000,
    env: Annotated[
        str | None, typer.Option(help="Environment, for saved models without a run.")
    ] = None,
    arguments: Arguments = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the rollouts as JSON.")
    ] = None,
) -> None:
    """Judge the policies of a finished run, or saved models, on other users."""
    with one_line_errors(), reporter() as told:
        from rlrec.workflow.evaluating import evaluate_paths, table_rows
        from rlrec.workflow.run_folder import check_writable, write_file

        if out is not None:
            check_writable(out)  # now, not after minutes
        results = evaluate_paths(paths, users, seed, env, _parse_arguments(arguments), told)
        if out is not None:
            write_file(out, results.to_json())
    with one_line_errors():
        title = f"{users:,} users of {results.env_id}, seed {seed}; 95 % intervals over users"
        print_table(title, *table_rows(results))


@app.command()
def ope(
    log: Annotated[Path, typer.Option(metavar="DIR", help="Folder of an interaction log.")],
    policies: Annotated[
        list[str],
        typer.Option("--policy", metavar="POLICY", help="random, a saved model or a run."),
    ],
    estimators: Annotated[
        list[str] | None,
        typer.Option("--estimator", metavar="NAME", help="Such as snips or clipped_ips=20."),
    ] = None,
    interval: Annotated[
        str,
        typer.Option(
            help="bootstrap, delta, student_t; hoeffding, empirical_bernstein with a range."
        ),
    ] = "bootstrap",
    contribution_range: Annotated[
        tuple[float, float] | None,
        typer.Option(metavar="LOW HIGH", help="What a unit can add, for the last two intervals."),
    ] = None,
    value_range: Annotated[
        tuple[float, float] | None,
        typer.Option(metavar="LOW HIGH", help="Of one unit's value; by default as seen."),
    ] = None,
    reward_model: Annotated[
        str | None, typer.Option(help="ridge, boosting or network; adds dm, dr and sndr.")
    ] = None,
    estimate_logging: Annotated[
        str | None,
        typer.Option(help="For a log without propensities: multinomial, popularity or a baseline."),
    ] = None,
    logging_policy: Annotated[
        str | None,
        typer.Option(
            metavar="POLICY",
            help="What wrote the log: random, a saved model or its run; for iips, pi, lips, mrdr.",
        ),
    ] = None,
    logging_random_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of random slates mixed into it.")
    ] = 0.0,
    temperature: Annotated[
        float | None, typer.Option(min=0, help="Softness of saved baselines; by default as saved.")
    ] = None,
    discount: Annotated[float, typer.Option(help="Weight of the reward a step later.")] = 1.0,
    confidence: Annotated[float, typer.Option(help="Of the intervals.")] = 0.95,
    seed: Annotated[int, typer.Option(min=0, help="Of resamples, folds and draws.")] = 0,
    env: Annotated[
        str | None, typer.Option(help="Environment; by default that of the log.")
    ] = None,
    arguments: Arguments = None,
    stream: Annotated[
        bool, typer.Option("--stream", help="Keep sums only, for a log larger than memory.")
    ] = False,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the estimates as JSON.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page with table and plot.")
    ] = None,
) -> None:
    """Estimate from a log what policies would earn, and say what the log cannot tell."""
    with one_line_errors(), reporter() as told:
        from rlrec.workflow.judging_offline import OfflineOrder, judge_offline, table_rows
        from rlrec.workflow.run_folder import check_writable, write_file

        for path in (json, html):
            if path is not None:
                check_writable(path)
        order = OfflineOrder(
            log=log,
            policies=tuple(policies),
            estimators=tuple(estimators or ()),
            interval=interval,
            reward_model=reward_model,
            estimate_logging=estimate_logging,
            logging_policy=logging_policy,
            logging_random_share=logging_random_share,
            temperature=temperature,
            discount=discount,
            confidence=confidence,
            seed=seed,
            env_id=env,
            arguments=_parse_arguments(arguments),
            value_range=value_range,
            contribution_range=contribution_range,
            stream=stream,
        )
        results = judge_offline(order, told)
        if json is not None:
            write_file(json, results.to_json())
        if html is not None:
            write_file(html, results.to_html())
    with one_line_errors():
        for title, columns, rows in table_rows(results):
            print_table(title, columns, rows)
        for caveat in results.facts.caveats:
            print(f"{caveat}.")


@app.command()
def bench(
    tasks: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME,...", help="Of these tasks only; repeatable."),
    ] = None,
    agents: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME,...", help="Of these agents or baselines only; repeatable."),
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="Seeds of each; 5, small: 1.")] = None,
    jobs: Annotated[int, typer.Option(help="Processes at the same time.")] = 1,
    results: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where finished cells are; runs/bench, small: -small."),
    ] = None,
    small: Annotated[
        bool, typer.Option("--small", help="Small worlds, a few agents; figures mean nothing.")
    ] = False,
    ratings: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Ratings for log-to-live, as MovieLens.")
    ] = None,
    tuned: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Of rlrec tune; repeatable.")
    ] = None,
    list_only: Annotated[bool, typer.Option("--list", help="Show the grid, run nothing.")] = False,
    report_only: Annotated[
        bool, typer.Option("--report-only", help="Write the report of what there is.")
    ] = False,
) -> None:
    """Run agents on the benchmark's tasks, or go on with it, and write one table of all."""
    with one_line_errors("Call it again to go on."), reporter() as told:
        from rlrec.workflow.bench import command as benchmark

        order = benchmark.BenchOrder(
            results=results or Path("runs/bench-small" if small else "runs/bench"),
            tasks=_names(tasks),
            agents=_names(agents),
            n_seeds=(1 if small else 5) if seeds is None else seeds,
            jobs=jobs,
            size="small" if small else "full",
            ratings=ratings,
            tuned=tuple(tuned or ()),
        )
        if list_only:
            print_table("Tasks", list(benchmark.LISTED), benchmark.listed(order))
            return
        words = shlex.join(["rlrec", *sys.argv[1:]])
        if report_only:
            finished = benchmark.report_again(order, words)
        else:
            finished = benchmark.run_bench(order, told.say, words)
    for table in finished.tables:
        if table.key != "improvement":  # too wide for most terminals
            print_table(table.title, table.columns, table.rows)
    print(f"Report: {finished.pages.html}")
    for name, problem in finished.outcome.failures.items():
        print(f"rlrec: {name} failed: {problem}", file=sys.stderr)
    if finished.outcome.failures:
        raise typer.Exit(FAILED)


@app.command()
def tune(
    config: Annotated[Path, typer.Argument(help="YAML file: agent, task, space, budget.")],
    overrides: Overrides = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="For rlrec bench --tuned; by default beside CONFIG."),
    ] = None,
) -> None:
    """Search for settings of an agent on a task, judged by validation users alone."""
    with one_line_errors("Nothing was written."), reporter() as told:
        from rlrec.workflow.bench.tuning import load_tuning, tune_agent
        from rlrec.workflow.bench.tunings import write_tuning
        from rlrec.workflow.run_folder import check_writable

        wanted = load_tuning(config, overrides or [])
        path = out or config.with_suffix(".tuned.json")
        check_writable(path)
        found = tune_agent(wanted, told)
        write_tuning(path, found)
    for name, value in found["settings"].items():
        print(f"{name}: {value}")
    print(
        f"Validation return {found['validation']:.2f}, default settings "
        f"{found['default_validation']:.2f}."
    )
    print(
        f"Tuning budget: {found['n_trials']} trials, {found['interactions']:,} interactions, "
        f"{found['updates']:,} updates, {found['cpu_seconds']:.0f} CPU seconds."
    )
    print(f"For rlrec bench --tuned: {path}")


@app.command()
def report(
    path: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a finished run.")],
) -> None:
    """Write the report of a finished run again."""
    with one_line_errors():
        from rlrec.workflow.report import write_report
        from rlrec.workflow.run_folder import RunFolder

        print(f"Report: {write_report(RunFolder.open(path))}")


def _names(words: list[str] | None) -> tuple[str, ...]:
    """Return names given one by one or with commas between them."""
    return tuple(name.strip() for word in words or () for name in word.split(",") if name.strip())


def _parse_arguments(words: list[str] | None) -> dict[str, object]:
    from rlrec.workflow.config_file import parse_assignments

    return parse_assignments(words or [], "--arg")


def _arguments_line(arguments: dict[str, object]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items())


if __name__ == "__main__":
    main()
