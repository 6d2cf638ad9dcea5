"""Options that many commands have, and where the lake is that they speak of."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from vedette import config

__all__ = ["JsonOption", "LakeOption", "ModelArgument", "where"]

LakeOption = Annotated[
    str | None,
    typer.Option(
        "--lake",
        help="Folder of the lake; default $VEDETTE_LAKE, vedette.toml, ./vedette-lake.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else.")]
ModelArgument = Annotated[str, typer.Argument(help="Name of the model.")]


def where(lake: str | None) -> str:
    """The lake that is meant: the one given, else that of the environment, of ``vedette.toml``, or the default."""
    return lake or os.environ.get("VEDETTE_LAKE") or config.read().lake or config.DEFAULT_LAKE
