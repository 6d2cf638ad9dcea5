"""The commands of privacy: a subject's rows deleted for good, and whether a model tells which rows it was trained on."""

from __future__ import annotations

from typing import Annotated

import typer

from vedette.cli_options import JsonOption, LakeOption, ModelArgument, where

__all__ = ["forget", "membership"]


def forget(
    model: ModelArgument,
    subject: Annotated[
        str, typer.Option(help="Whose: COLUMN=VALUE, the value in the clear.", show_default=False)
    ],
    wait: Annotated[
        float, typer.Option(help="Seconds for which files of living processes are waited for.")
    ] = 0.0,
    by: Annotated[str | None, typer.Option(help="Who says so; default the user.", show_default=False)] = None,
    lake: LakeOption = None,
    json: JsonOption = False,
) -> None:
    """Delete all rows of a subject, with their labels, for good, and search every file. Exit 1 where something is left."""
    from vedette.engine import commands
    from vedette.output import privacy_console
    from vedette.output.progress import told

    with told(f"deleting from {model}"):
        found = commands.forget(where(lake), model, subject, wait_s=wait, by=by)
    privacy_console.print_forgotten(found.document(), as_json=json)
    raise typer.Exit(0 if found.done else 1)


def membership(
    table: Annotated[
        str, typer.Argument(help="A table with a row for each row: CSV, Parquet, Arrow or Delta.")
    ],
    score: Annotated[
        str, typer.Option(help="Its column of scores, such as the loss or the confidence in the true class.")
    ] = "loss",
    member: Annotated[
        str, typer.Option(help="Its column of who was trained on: 1 or true, 0 or false.")
    ] = "member",
    higher: Annotated[
        bool,
        typer.Option("--higher", help="Rows trained on score higher (a confidence); default lower (a loss)."),
    ] = False,
    delta: Annotated[float, typer.Option(help="Of the (epsilon, delta) of which epsilon is bounded.")] = 0.0,
    json: JsonOption = False,
) -> None:
    """Whether a model tells which rows it was trained on, from its scores of those and of others. Exit 1 where it does."""
    from vedette.engine import auditing
    from vedette.output import privacy_console

    found = auditing.membership_of(table, score, member, higher=higher, delta=delta)
    privacy_console.print_membership(auditing.document(found), as_json=json)
    raise typer.Exit(1 if found.leaks else 0)
