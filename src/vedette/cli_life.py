"""The command ``vedette story``: the life of a version, and its model card."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from vedette.cli_options import JsonOption, LakeOption, ModelArgument, where

__all__ = ["story"]


def story(
    model: ModelArgument,
    version: Annotated[str, typer.Argument(help="The version whose life it is.")],
    markdown: Annotated[
        Path | None,
        typer.Option(help="Write the model card as Markdown to this file too.", show_default=False),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write it as a page that opens offline too.", show_default=False)
    ] = None,
    lake: LakeOption = None,
    json: JsonOption = False,
) -> None:
    """The life of a version: code, data, runs, validation, deployments, traffic, drift, labels, alerts, actions."""
    from vedette.engine import commands_life
    from vedette.output import model_card_console
    from vedette.output.progress import told

    with told(f"the life of {model} {version}"):
        life = commands_life.story(where(lake), model, version, markdown=markdown, html=html)
    model_card_console.print_life(life, as_json=json)
    for path in (markdown, html):
        if path is not None:
            print(f"written: {path}", file=sys.stderr)
