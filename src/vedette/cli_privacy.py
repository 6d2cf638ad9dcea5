"""The command ``vedette forget``: the rows of a subject deleted for good."""

from __future__ import annotations

from typing import Annotated

import typer

from vedette.cli_options import JsonOption, LakeOption, ModelArgument, where

__all__ = ["forget"]


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
