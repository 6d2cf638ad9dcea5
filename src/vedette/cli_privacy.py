"""The commands of privacy: a subject's rows deleted for good, and whether a model tells which rows it was trained on."""

from __future__ import annotations

from typing import Annotated

import typer

from vedette.cli_options import JsonOption, LakeOption, ModelArgument, where

__all__ = ["forget", "membership", "privacy", "release"]


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
    from vedette.engine import commands_privacy
    from vedette.output import privacy_console
    from vedette.output.progress import told

    with told(f"deleting from {model}"):
        found = commands_privacy.forget(where(lake), model, subject, wait_s=wait, by=by)
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


def release(
    model: ModelArgument,
    kind: Annotated[str, typer.Argument(help="count, histogram, mean, accuracy, precision or recall.")],
    subject: Annotated[
        str, typer.Option(help="The column whose values are the subjects that are protected.")
    ],
    epsilon: Annotated[float, typer.Option(help="What it may spend of the budget.")],
    column: Annotated[str | None, typer.Option(help="Of a histogram or a mean.", show_default=False)] = None,
    level: Annotated[
        list[str] | None, typer.Option(help="Of a histogram; again for others.", show_default=False)
    ] = None,
    low: Annotated[float | None, typer.Option(help="Lower bound of a mean.", show_default=False)] = None,
    high: Annotated[float | None, typer.Option(help="Upper bound of a mean.", show_default=False)] = None,
    positive: Annotated[
        str | None, typer.Option(help="The class of precision and recall.", show_default=False)
    ] = None,
    rows_each: Annotated[int, typer.Option(help="Rows of each subject that count.")] = 1,
    by: Annotated[str | None, typer.Option(help="Who says so; default the user.", show_default=False)] = None,
    lake: LakeOption = None,
    json: JsonOption = False,
) -> None:
    """A figure with the noise of differential privacy, and its interval; what it spends is gone from the budget."""
    from vedette.engine import commands_privacy
    from vedette.engine.releasing import Question
    from vedette.output import privacy_console

    question = Question(kind, column, tuple(level or ()), low, high, positive)
    found = commands_privacy.release(
        where(lake), model, question, subject=subject, epsilon=epsilon, rows_each=rows_each, by=by
    )
    spending = commands_privacy.spending(where(lake), model)
    rows = [(one.name, one.value, one.low, one.high) for one in found]
    privacy_console.print_released(rows, spending, as_json=json)


def privacy(model: ModelArgument, lake: LakeOption = None, json: JsonOption = False) -> None:
    """What the releases of a model have spent of its budget of differential privacy."""
    from vedette.engine import commands_privacy
    from vedette.output import privacy_console

    privacy_console.print_spending(commands_privacy.spending(where(lake), model), as_json=json)
