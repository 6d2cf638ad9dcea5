"""The page of the channels: what each sends and how that goes, what it would send, a test that is sent by a button,
and channels that admins set, with an undo."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException, Query, Request
from fastapi.responses import RedirectResponse, Response
from markupsafe import Markup, escape

from vedette import config
from vedette.config.public_channels import PUBLIC_TYPES
from vedette.engine import channel_changes, commands
from vedette.engine.channel_changes import SetChannel
from vedette.engine.channel_tries import preview_channel, try_channel
from vedette.engine.glance import alerts_of
from vedette.errors import ChannelError, VedetteError
from vedette.lake.tables import Lake
from vedette.output.names import visible
from vedette.records import Alert, AlertState
from vedette.server.access import audit
from vedette.server.access.state import Access
from vedette.server.api.answers import lake_of, now
from vedette.server.api.channels import changing
from vedette.server.needs import Caller, needs
from vedette.server.pages.route import PageRoute
from vedette.server.pages.templating import link, render

__all__ = ["router"]

ALERTS_SHOWN = 50
CHANGES_SHOWN = 100
_ASKED = ("url", "url_env", "urls_env", "secret_env", "models", "watches", "repeat")

Text = Annotated[str, Query(max_length=100)]
Given = Annotated[str, Form(max_length=100)]
_Admin = Annotated[Caller, needs("admin")]


def router(access: Access) -> APIRouter:
    """The routes, which write who sent a test into the audit log."""
    routes = APIRouter(route_class=PageRoute, include_in_schema=False)

    @routes.get("/channels", dependencies=[needs("admin")])
    def page(request: Request, channel: Text = "", model: Text = "", alert: Text = "") -> Response:
        """Every channel; with ``channel`` what it would send: a test, or an alert of a model."""
        return _page(request, channel, model, alert)

    @routes.post("/channels")
    def send(
        request: Request, caller: _Admin, channel: Given, model: Given = "", alert: Given = ""
    ) -> Response:
        """Send what the page shows, and say what came back."""
        try:
            said, taken = try_channel(channel, lake_of(request), model=model, alert=alert), True
        except ChannelError as error:
            said, taken = str(error), False
        detail = {"model": model, "alert": alert, "taken": taken}
        with access.database.writing() as session:
            audit.record(session, access.now(), caller.name, "channel.try", channel, detail)
        return _page(request, channel, model, alert, sent=(taken, said))

    @routes.post("/channels/set")
    def change(
        request: Request,
        caller: _Admin,
        action: Annotated[str, Form(max_length=20)],
        version: Annotated[int, Form(ge=0)],
        name: Annotated[str, Form(max_length=63)] = "",
        kind: Annotated[str, Form(max_length=20)] = "",
        where: Annotated[str, Form(max_length=500)] = "",
        secret_env: Given = "",
        models: Annotated[str, Form(max_length=1000)] = "",
        watches: Annotated[str, Form(max_length=1000)] = "",
        repeat: Annotated[str, Form(max_length=20)] = "",
        reason: Annotated[str, Form(max_length=2000)] = "",
        number: Annotated[int, Form(ge=0)] = 0,
    ) -> Response:
        """Save a channel, take one away, or undo a change; and back to the channels."""
        lake = lake_of(request)
        said = _said(kind, where, secret_env, models, watches, repeat)
        try:
            with changing(access, lake, caller) as changed:
                if action == "save":
                    kept = next((one.said for one in _set(lake) if one.name == name), {})
                    if kept.get("type") == kind:  # what the form does not ask for stays
                        said = {key: one for key, one in kept.items() if key not in _ASKED} | said
                    changed.put(name, said, reason, version)
                elif action == "remove":
                    changed.remove(name, reason, version)
                elif action == "undo":
                    changed.undo(number, version)
                else:
                    raise HTTPException(404, f"action={action!r}: must be save, remove or undo")
        except ValueError as error:  # what stood in the form stays there, but for what may be a secret
            return _page(request, "", "", "", asked={"name": name, **said}, refused=str(error))
        return RedirectResponse(link("/channels"), 303)

    return routes


def _said(kind: str, where: str, secret_env: str, models: str, watches: str, repeat: str) -> dict[str, Any]:
    """The channel of the form, as ``vedette.toml`` has it. An address is a URL, or the name of a variable that holds it."""
    key = "url" if "://" in where and kind != "apprise" else "urls_env" if kind == "apprise" else "url_env"
    said: dict[str, Any] = {"type": kind, key: where.strip()}
    said |= {name: one.split() for name, one in (("models", models), ("watches", watches)) if one.split()}
    return said | {name: one for name, one in (("secret_env", secret_env), ("repeat", repeat)) if one}


def _set(lake: Lake) -> list[SetChannel]:
    return channel_changes.set_by_people(lake, config.read())


def _page(
    request: Request,
    channel: str,
    model: str,
    alert: str,
    sent: tuple[bool, str] | None = None,
    asked: dict[str, Any] | None = None,
    refused: str = "",
) -> Response:
    lake = lake_of(request)
    shown, problem = "", ""
    if channel:
        try:
            shown = preview_channel(channel, lake, model=model, alert=alert)
        except (VedetteError, ValueError) as error:
            problem = str(error)
    written = config.read()
    people = _set(lake)
    if asked is None:
        asked = next(({"name": one.name, **one.said} for one in people if one.name == channel), {})
    asked = dict.fromkeys(("name", "type", *_ASKED), "") | asked
    changes = channel_changes.changes(lake)
    return render(
        request, "channels.html", 400 if refused else 200, channels=commands.channels(str(lake.path)),
        there=written.path is not None, file=[one.name for one in written.channels], channel=channel, model=model,
        alert=alert, shown=_whole(shown), problem=problem, sent=sent, alerts=_alerts(request, model), people=people,
        asked=asked, refused=refused, kinds=PUBLIC_TYPES, version=len(changes), changes=changes[:CHANGES_SHOWN],
    )  # fmt: skip


def _whole(text: str) -> Markup:
    """A message line by line, escaped and with what cannot be seen made visible; none of it is cut."""
    return Markup("\n").join(escape(visible(line)) for line in text.split("\n"))


def _alerts(request: Request, model: str) -> list[Alert]:
    """The newest alerts of a model that somebody was told of, those that can be chosen."""
    lake = lake_of(request)
    if not model or not lake.has(model):
        return []
    found = [one for one in alerts_of(lake, model, now()) if one.state is not AlertState.PENDING]
    return found[:ALERTS_SHOWN]
