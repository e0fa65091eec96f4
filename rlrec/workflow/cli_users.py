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
    holdout: Annotated[
        float, typer.Option(help="Share of the persons of ratings to leave out, to compare with.")
    ] = 0.0,
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
                holdout=holdout,
                worlds=worlds,
                seed=seed,
            )
        )
        print("\n".join(card_lines(model)))
        print(f'Users: {out}  (gym.make("rlrec/FittedUsers-v0", path="{out}"))')


def validate_users(
    users: Annotated[Path, typer.Option(metavar="DIR", help="Folder of fitted users.")],
    log: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Slates, not those which the users were fitted to."),
    ] = None,
    ratings: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Ratings; persons who were fitted to are left out."),
    ] = None,
    population: Annotated[
        str | None, typer.Option(help="train, validation or test; of slates also new, the default.")
    ] = None,
    channel: Annotated[
        str | None, typer.Option(help="Response above 0 where an item was taken; the first.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write card.html and card.json there.")
    ] = None,
) -> None:
    """Say where fitted users behave like those of a log, and where they do not."""
    with one_line_errors("Nothing was written."):
        from rlrec.workflow.user_card import COLUMNS, verdict_rows
        from rlrec.workflow.user_card_page import check_card_folder, write_card
        from rlrec.workflow.validating import ValidateOrder, validate

        if out is not None:
            check_card_folder(out)
        card = validate(
            ValidateOrder(
                users=users,
                log=log,
                ratings=ratings,
                population=population,
                channel=channel,
                seed=seed,
            )
        )
        print("\n".join([card.headline, *card.advice]))
        title = "How far simulated users are from those of the log"
        print_table(title, list(COLUMNS), verdict_rows(card))
        if out is not None:
            print(f"Card: {write_card(out, card)}")
