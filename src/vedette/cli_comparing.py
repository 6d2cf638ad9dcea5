"""The command ``vedette compare``: two versions held against each other."""

from __future__ import annotations

from typing import Annotated

import typer

from vedette.cli_options import JsonOption, LakeOption, ModelArgument, where

__all__ = ["compare"]


def compare(
    model: ModelArgument,
    name: Annotated[
        str | None, typer.Argument(help="A comparison of vedette.toml; default all.", show_default=False)
    ] = None,
    champion: Annotated[
        str | None,
        typer.Option(help="The version in charge; default the one before the newest.", show_default=False),
    ] = None,
    challenger: Annotated[
        str | None,
        typer.Option(help="The version that may replace it; default the newest.", show_default=False),
    ] = None,
    mode: Annotated[
        str | None,
        typer.Option(help="canary, ab, interleaved, or shadow: both answer each row.", show_default="canary"),
    ] = None,
    goal: Annotated[
        list[str] | None,
        typer.Option(help="A figure in which it must be better; again for others.", show_default=False),
    ] = None,
    guard_rail: Annotated[
        list[str] | None,
        typer.Option(
            help="accuracy=0.01: a figure in which it must not be worse by more; again for others.",
            show_default=False,
        ),
    ] = None,
    shown: Annotated[
        list[str] | None,
        typer.Option(help="A figure that is only shown; again for others.", show_default=False),
    ] = None,
    lower_is_better: Annotated[
        list[str] | None,
        typer.Option(
            help="A figure of which less is better, as mean(cost); again for others.", show_default=False
        ),
    ] = None,
    unit: Annotated[
        str | None, typer.Option(help="The column by which traffic is split.", show_default=False)
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Rows from this time on, ISO.", show_default=False)
    ] = None,
    alpha: Annotated[
        float | None, typer.Option(help="Probability of a wrong decision.", show_default="0.05")
    ] = None,
    lake: LakeOption = None,
    json: JsonOption = False,
) -> None:
    """Promote the challenger, hold, or roll it back: two versions side by side, looked at as often as you like.

    Exit 0 promote or hold, 1 roll back, 2 unknown.
    """
    from vedette.engine import commands_comparing as commands
    from vedette.output.comparing_console import print_evaluated
    from vedette.output.progress import told

    said = {
        "champion": champion,
        "challenger": challenger,
        "mode": mode,
        "goals": goal,
        "guard_rails": _margins(guard_rail or []),
        "shown": shown,
        "lower_is_better": lower_is_better,
        "unit": unit,
        "since": since,
        "alpha": alpha,
    }
    with told(f"comparing versions of {model}"):
        found = commands.compare(where(lake), model, name, said)
    print_evaluated(found, as_json=json)
    decisions = {one.decision for one in found}
    if "roll back" in decisions:
        raise typer.Exit(1)
    if "unknown" in decisions:
        raise typer.Exit(2)


def _margins(texts: list[str]) -> dict[str, float]:
    """``accuracy=0.01`` texts as a mapping."""
    found = {}
    for text in texts:
        figure, equal, margin = text.rpartition("=")
        try:
            found[figure] = float(margin)
        except ValueError:
            equal = ""
        if not equal or not figure:
            raise ValueError(f"--guard-rail {text!r}: must be like accuracy=0.01")
    return found
