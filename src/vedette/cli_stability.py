"""The commands ``vedette endpoints`` and ``vedette stability``: where a model is served, and how stable that is."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from vedette.cli_options import JsonOption, LakeOption, ModelArgument, where

__all__ = ["endpoints", "stability"]


def endpoints(
    model: ModelArgument,
    follow: Annotated[
        bool, typer.Option("--follow", help="Look again and again, until it is ended.")
    ] = False,
    lake: LakeOption = None,
    json: JsonOption = False,
) -> None:
    """Look at the endpoints of a model that vedette.toml names, and record each look. Exit 1 where one is down."""
    from vedette.engine.endpoints import watching
    from vedette.lake.tables import Lake
    from vedette.output import stability_console

    at = Lake.at(where(lake))
    if follow:
        tell = stability_console.look_printer(as_json=json)
        try:
            watching.follow(
                at, lambda: False, model=model, tell=lambda one: tell(one.model, one.endpoint.name, one.look)
            )
        except KeyboardInterrupt:
            raise typer.Exit from None
    looked = watching.look_once(at, model)
    stability_console.print_looks(
        model, [(one.endpoint.name, one.look, one.refused) for one in looked], as_json=json
    )
    raise typer.Exit(0 if all(one.look is not None and one.look.up for one in looked) else 1)


def stability(
    model: ModelArgument,
    version: Annotated[str | None, typer.Option(help="This version alone.", show_default=False)] = None,
    since: Annotated[
        str | None, typer.Option(help="From which on, ISO; default 30 days ago.", show_default=False)
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Before which, ISO; default now.", show_default=False)
    ] = None,
    tolerance: Annotated[
        float, typer.Option(help="By which answers to equal inputs may differ, absolute or relative.")
    ] = 0.0,
    lake: LakeOption = None,
    json: JsonOption = False,
) -> None:
    """How stable a model is: availability, error budgets, restarts, memory, latency, load, equal inputs."""
    from vedette.engine.stability.stability import stability_of
    from vedette.lake.ingest import now_of
    from vedette.output import stability_console
    from vedette.output.progress import told

    with told(f"stability of {model}"):
        found = stability_of(
            where(lake),
            model,
            now_of(time.time()),
            version=version,
            since=since,
            until=until,
            tolerance=tolerance,
        )
    stability_console.print_stability(found, as_json=json)
