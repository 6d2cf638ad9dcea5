"""The page of the channels: what each sends and how that goes, what it would send, and a test that is sent by a button."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import Response
from markupsafe import Markup, escape

from vedette import config
from vedette.engine import commands
from vedette.engine.channel_tries import preview_channel, try_channel
from vedette.engine.glance import alerts_of
from vedette.errors import ChannelError, VedetteError
from vedette.output.names import visible
from vedette.records import Alert, AlertState
from vedette.server.access import audit
from vedette.server.access.state import Access
from vedette.server.api.answers import lake_of, now
from vedette.server.needs import Caller, needs
from vedette.server.pages.route import PageRoute
from vedette.server.pages.templating import render

__all__ = ["router"]

ALERTS_SHOWN = 50

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

    return routes


def _page(
    request: Request, channel: str, model: str, alert: str, sent: tuple[bool, str] | None = None
) -> Response:
    lake = lake_of(request)
    shown, problem = "", ""
    if channel:
        try:
            shown = preview_channel(channel, lake, model=model, alert=alert)
        except (VedetteError, ValueError) as error:
            problem = str(error)
    written = config.read()
    return render(
        request, "channels.html", channels=commands.channels(str(lake.path)), there=written.path is not None,
        channel=channel, model=model, alert=alert, shown=_whole(shown), problem=problem, sent=sent,
        alerts=_alerts(request, model),
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
