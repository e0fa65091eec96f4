"""The commands about fitted users: `rlrec fit-users` and `rlrec validate-users`."""

from pathlib import Path
from typing import Annotated

import typer

from rlrec.workflow.console import one_line_errors, print_table


def fit_users(
    out: Annotated[Path, typer.Option(metavar="DIR", help="New folder for the users.")],
    log: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of an interaction log of slates.")
    ] = None,
    ratings: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Ratings, in one of MovieLens' formats.")
    ] = None,
    catalogue: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Of the items, where the log has none.")
    ] = None,
    scanning: Annotated[
        str | None,
        typer.Option(help="How slates are looked at: position_based or cascade; as clicks tell."),
    ] = None,
    channel: Annotated[
        str | None, typer.Option(help="Response above 0 where an item was taken; the first.")
    ] = None,
    visits: Annotated[int, typer.Option(min=1, help="At most, for drift and satiation.")] = 20_000,
    worlds: Annotated[
        int, typer.Option(min=1, max=100, help="Models, each of bootstrapped users; 1: of all.")
    ] = 1,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Fit users to a log, for rlrec/FittedUsers-v0, and say what is estimated and what assumed."""
    with one_line_errors("No users were written."):
        from rlrec.workflow.fitting import FitOrder, card_lines, fit

        model = fit(
            FitOrder(
                out=out,
                log=log,
                ratings=ratings,
                catalogue=catalogue,
                scanning=scanning,
                channel=channel,
                most_visits=visits,
                worlds=worlds,
                seed=seed,
            )
        )
        print("\n".join(card_lines(model)))
        print(f'Users: {out}  (gym.make("rlrec/FittedUsers-v0", path="{out}"))')


def validate_users(
    users: Annotated[Path, typer.Option(metavar="DIR", help="Folder of fitted users.")],
    log: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Not that which they were fitted to."),
    ],
    population: Annotated[str, typer.Option(help="new, train, validation or test.")] = "new",
    channel: Annotated[
        str | None, typer.Option(help="Response above 0 where an item was taken; the first.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it as JSON.")] = None,
) -> None:
    """Say where fitted users behave like those of a log, and where they do not."""
    with one_line_errors("Nothing was written."):
        from rlrec.workflow.fitting import ValidateOrder, validate, verdict_json, verdict_rows
        from rlrec.workflow.run_folder import write_file

        order = ValidateOrder(
            users=users, log=log, population=population, channel=channel, seed=seed
        )
        found = validate(order)
        columns = ["aspect", "simulated users", "two halves of the log", "verdict"]
        print_table(
            "How far simulated users are from those of the log", columns, verdict_rows(found)
        )
        if out is not None:
            write_file(out, verdict_json(order, found))
            print(f"Verdict: {out}")
