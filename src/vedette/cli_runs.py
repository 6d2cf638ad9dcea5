"""The commands ``vedette runs`` and ``vedette run``: trainings and their curves."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from vedette.cli_options import JsonOption, LakeOption, ModelArgument, where

__all__ = ["run", "runs"]


def runs(
    model: ModelArgument,
    page: Annotated[
        str | None,
        typer.Option(
            "--html", help="Write a page, parameters against results, to this file too.", show_default=False
        ),
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="The result that the page shows; default three.", show_default=False)
    ] = None,
    lake: LakeOption = None,
    json: JsonOption = False,
) -> None:
    """The training runs of a model, the newest first: how each stands, its parameters beside its results."""
    from vedette.engine import runs_shown
    from vedette.output import runs_console
    from vedette.output.progress import told

    with told(f"runs of {model}"):
        frame = runs_shown.list_runs(where(lake), model)
    runs_console.print_runs(frame, as_json=json)
    if page is not None:
        written = runs_shown.write_list(where(lake), model, metric, Path(page))
        typer.echo(f"page: {written}", err=True)


def run(
    model: ModelArgument,
    names: Annotated[list[str], typer.Argument(help="Runs; several are laid over each other.")],
    metric: Annotated[
        str | None, typer.Option(help="The metric to show; default all.", show_default=False)
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Draw anew until the runs have ended.")] = False,
    page: Annotated[
        str | None, typer.Option("--html", help="Write a page to this file too.", show_default=False)
    ] = None,
    lake: LakeOption = None,
    json: JsonOption = False,
) -> None:
    """The curves of training runs, train and validation laid over each other, with the band that each bucket spans."""
    from vedette.engine import runs_shown
    from vedette.output import runs_console

    read = runs_shown.show_runs(where(lake), model, names, metric)
    runs_console.print_run(read, as_json=json, follow=follow)
    if page is not None:
        written = runs_shown.write_page(where(lake), model, names, metric, Path(page))
        print(f"written: {written}", file=sys.stderr)
