"""The commands ``vedette maintenance`` and ``vedette escalate``: when nobody is told, and who is told at once."""

from __future__ import annotations

from typing import Annotated

import typer

from vedette.cli_options import JsonOption, LakeOption, where

__all__ = ["escalate", "maintenance_app"]

maintenance_app = typer.Typer(
    help="Spans in which nobody is told of alerts, which are judged and recorded as ever.",
    no_args_is_help=True,
)

ByOption = Annotated[str | None, typer.Option(help="Who says so; default the user.", show_default=False)]


@maintenance_app.command("add")
def maintenance_add(
    reason: Annotated[str, typer.Option(help="What is done.")],
    duration: Annotated[
        str | None, typer.Option("--for", help="How long: 30m, 2h.", show_default=False)
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--from", help="When it begins: 2026-12-01T22:00; default now.", show_default=False),
    ] = None,
    to: Annotated[
        str | None, typer.Option(help="When it ends, in the place of --for.", show_default=False)
    ] = None,
    every: Annotated[
        str | None, typer.Option(help="day or week: it comes again at that time.", show_default=False)
    ] = None,
    until: Annotated[str | None, typer.Option(help="When it comes no more.", show_default=False)] = None,
    timezone: Annotated[str, typer.Option(help="Whose clock on the wall is meant.")] = "UTC",
    model: Annotated[
        list[str] | None,
        typer.Option(help="Pattern of models; may be given several times.", show_default="all"),
    ] = None,
    watch: Annotated[
        list[str] | None,
        typer.Option(help="Pattern of watches; may be given several times.", show_default="all"),
    ] = None,
    segment: Annotated[
        list[str] | None, typer.Option(help="Pattern of segments; '' is all rows.", show_default="all")
    ] = None,
    by: ByOption = None,
    lake: LakeOption = None,
    json: JsonOption = False,
) -> None:
    """Plan one. What is still open at its end is told then, once."""
    from vedette.engine import commands_alerting
    from vedette.output import maintenance_console

    table = {
        "reason": reason, "from": since, "to": to, "for": duration, "every": every, "until": until,
        "timezone": timezone, "models": model, "watches": watch, "segments": segment,
    }  # fmt: skip
    given = {key: value for key, value in table.items() if value is not None and value != []}
    maintenance_console.print_maintenances(
        [commands_alerting.maintenance_add(where(lake), given, by=by)], as_json=json
    )


@maintenance_app.command("end")
def maintenance_end(
    name: Annotated[
        str, typer.Argument(help="Its id, as 'vedette maintenance list' shows it.", metavar="ID")
    ],
    by: ByOption = None,
    lake: LakeOption = None,
    json: JsonOption = False,
) -> None:
    """End one now, for good: what is open is told."""
    from vedette.engine import commands_alerting
    from vedette.output import maintenance_console

    maintenance_console.print_maintenances(
        [commands_alerting.maintenance_end(where(lake), name, by=by)], as_json=json
    )


@maintenance_app.command("list")
def maintenance_list(lake: LakeOption = None, json: JsonOption = False) -> None:
    """Those that go on or will come, of vedette.toml and made by people."""
    from vedette.engine import commands_alerting
    from vedette.output import maintenance_console

    maintenance_console.print_maintenances(commands_alerting.maintenances(where(lake)), as_json=json)


def escalate(
    alert: Annotated[str, typer.Argument(help="Id of the alert, as 'vedette alerts' shows it.")],
    reason: Annotated[str, typer.Option(help="Why it cannot wait.")],
    by: ByOption = None,
    lake: LakeOption = None,
    json: JsonOption = False,
) -> None:
    """Tell the next level of escalation of an alert now, without waiting for its time."""
    from vedette.engine import commands_alerting
    from vedette.output import console

    console.print_alerts(commands_alerting.escalate(where(lake), alert, by=by, reason=reason), as_json=json)
