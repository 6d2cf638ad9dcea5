"""The commands ``vedette deploy`` and ``vedette deployments``: telling how far a version came, and reading it back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vedette.cli_options import JsonOption, LakeOption, ModelArgument, where

__all__ = ["deploy", "deployments"]


def deploy(
    model: ModelArgument,
    version: Annotated[str, typer.Argument(help="The version that is deployed.")],
    stage: Annotated[
        str, typer.Option(help="Where to: shadow, canary, staging, production, or a name of your own.")
    ] = "production",
    status: Annotated[
        str,
        typer.Option(
            help="requested, building, starting, healthy, serving, draining, retired or failed; requested begins a deployment."
        ),
    ] = "requested",
    name: Annotated[
        str | None,
        typer.Option(
            "--id",
            help="Of which deployment; default a new one, or the newest of this version and stage.",
            show_default=False,
        ),
    ] = None,
    by: Annotated[str | None, typer.Option(help="Who deploys; default the user.", show_default=False)] = None,
    host: Annotated[
        str | None, typer.Option(help="Where it runs; default this machine.", show_default=False)
    ] = None,
    container: Annotated[
        str | None, typer.Option(help="In which container; found where this is one.", show_default=False)
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(help="In which cluster; found where this is one.", show_default=False)
    ] = None,
    artefact: Annotated[
        str | None,
        typer.Option(help="The file or folder that is deployed, or sha256:...", show_default=False),
    ] = None,
    run: Annotated[
        str | None,
        typer.Option(
            help="The training run that it came from; default that of the artefact.", show_default=False
        ),
    ] = None,
    environment: Annotated[
        bool,
        typer.Option(
            "--environment/--no-environment",
            help="Keep what this process runs in, where it tells that it starts or serves.",
        ),
    ] = True,
    preprocessing: Annotated[
        Path | None,
        typer.Option(help="The file or folder of the preprocessing, for its digest.", show_default=False),
    ] = None,
    note: Annotated[
        str | None, typer.Option(help="A word for those who read it.", show_default=False)
    ] = None,
    time: Annotated[
        str | None, typer.Option(help="When it happened, ISO; default now.", show_default=False)
    ] = None,
    journal: Annotated[
        Path | None, typer.Option(help="With a server: the folder of the journal.", show_default=False)
    ] = None,
    wait_s: Annotated[float, typer.Option(help="Seconds to wait for the lake or the server.")] = 20.0,
    lake: LakeOption = None,
    json: JsonOption = False,
) -> None:
    """Tell how far a version of a model is deployed. It is kept once this returns, also while the server is away."""
    from vedette.engine.deployments.tell import deploy as tell
    from vedette.output import deployments_console

    told = tell(
        where(lake), model, version, journal=None if journal is None else str(journal), wait_s=wait_s, stage=stage,
        status=status, id=name, by=by, host=host, container=container, cluster=cluster, artefact=artefact, run=run,
        environment=environment, preprocessing=preprocessing, note=note, time=time,
    )  # fmt: skip
    deployments_console.print_told(told.id, told.taken, told.journal, told.why, as_json=json)


def deployments(
    model: ModelArgument,
    version: Annotated[
        str | None, typer.Option("--version", help="Of this version alone.", show_default=False)
    ] = None,
    stage: Annotated[str | None, typer.Option(help="Of this stage alone.", show_default=False)] = None,
    lake: LakeOption = None,
    json: JsonOption = False,
) -> None:
    """The deployments of a model, the newest first: how far each came, from what, and what differs from its training."""
    from vedette.engine import commands_deployments
    from vedette.engine.deployments import deployments_json
    from vedette.output import deployments_console
    from vedette.output.console import print_json

    found = commands_deployments.deployments(where(lake), model, version, stage)
    if json:
        print_json(deployments_json(found))
    else:
        deployments_console.print_deployments(found)
