"""``vedette serve``: the whole server in one process, from its database to its last answer."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from types import FrameType
from typing import NamedTuple

import uvicorn
from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse
from sqlalchemy.exc import OperationalError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Scope

from vedette.engine.scraped import Scraped
from vedette.errors import ConfigError
from vedette.lake.tables import Lake
from vedette.output.prometheus.own import ServerMetrics
from vedette.output.prometheus.text import Exposition
from vedette.server import api, health, pages
from vedette.server.access import login, provider_login, routes
from vedette.server.access.authority import DatabaseAuthority
from vedette.server.access.state import Access
from vedette.server.api import channels as channel_routes
from vedette.server.application import Service, application
from vedette.server.connections import Listening, TimedHeads
from vedette.server.counted import Counted
from vedette.server.database.connection import Database, default_url
from vedette.server.endpoints import endpoints
from vedette.server.front import Front
from vedette.server.ingest import ingest_router, ingest_service
from vedette.server.ingester import ingester
from vedette.server.logs import AccessLog, set_up
from vedette.server.metrics import metrics_router, metrics_service
from vedette.server.needs import Need, need_of, routes_of
from vedette.server.pages import account, channels, users
from vedette.server.reports import reports
from vedette.server.security import BodyLimit, SafeHeaders
from vedette.server.settings import Settings, is_loopback

__all__ = ["Served", "build", "check_binding", "parts", "serve"]

FIRST_ADMIN = "admin"
_GRACE_S = 10
_HEAD_BYTES_MAX = 16384
_CONNECTIONS_MAX = 1000
log = logging.getLogger("vedette.server")


class Served(NamedTuple):
    """The application, whose routes can be read, and it with all that stands in front, which is what is served."""

    app: FastAPI
    front: ASGIApp


def build(
    lake: Lake,
    settings: Settings,
    access: Access,
    routers: Sequence[APIRouter] = (),
    services: Sequence[Service] = (),
    *,
    metrics: ServerMetrics | None = None,
) -> Served:
    """The server over an open database: the routes of access and health and those given, behind the authority.

    Requests are counted in ``metrics``, where they are given.
    """
    own = [
        health.router(lake, access.database),
        login.router(access),
        provider_login.router(access),
        routes.router(access),
        account.router(access),
        users.router(access),
        channels.router(access),
        channel_routes.router(access),
    ]
    app = application(lake, DatabaseAuthority(access), [*own, *routers], services)
    if metrics is not None:
        app.add_middleware(Counted, metrics=metrics)
    app.add_exception_handler(OperationalError, _database_down)
    app.add_exception_handler(Exception, _failed)
    front = AccessLog(
        SafeHeaders(
            Front(
                BodyLimit(app, _limited(app)),
                hosts=settings.allowed_hosts,
                proxies=settings.serving.trusted_proxies,
            )
        )
    )
    return Served(app, front)


def _limited(app: FastAPI) -> Callable[[Scope], bool]:
    """Whether the general limit on bodies holds for a request: not for routes that take rows, which have their own."""
    takes_rows = [route for route in routes_of(app) if need_of(route) is Need.INGEST]

    def limited(scope: Scope) -> bool:
        return not any(route.matches(scope)[0] is Match.FULL for route in takes_rows)

    return limited


async def _database_down(_request: Request, error: Exception) -> Response:
    log.error("database: %s", type(getattr(error, "orig", error)).__name__)
    return JSONResponse({"error": "database: does not answer: try again"}, 503, {"Retry-After": "5"})


async def _failed(_request: Request, _error: Exception) -> Response:
    """What went wrong is in the log, not in the answer."""
    return JSONResponse({"error": "the server failed; what went wrong is in its log"}, 500)


def check_binding(settings: Settings, access: Access) -> None:
    """Raise ``ConfigError`` for an address that others reach, without an admin and TLS, unless it was said in so many words."""
    if is_loopback(settings.host) or settings.insecure:
        return
    lacking = []
    if not access.users.has_admin():
        lacking.append("an admin (vedette users add NAME --role admin)")
    if not settings.tls:
        lacking.append("TLS (--tls-cert and --tls-key)")
    if lacking:
        raise ConfigError(
            f"host={settings.host!r}: others can reach it, and there is not yet {' and '.join(lacking)}: "
            "must be 127.0.0.1 until then, or say --insecure where something else keeps others out"
        )


def serve(lake: Lake, settings: Settings) -> None:
    """Serve a lake until SIGTERM or SIGINT; then stop accepting, finish what was begun, and return."""
    set_up(as_json=settings.log_json)
    if settings.serving.provider is not None:
        settings.serving.provider.client_secret()  # that it is not there is said now, not at the first login
    lake.path.mkdir(parents=True, exist_ok=True)
    database = Database.open(settings.database or default_url(lake))
    try:
        access = Access.over(database, settings.serving)
        check_binding(settings, access)
        if not is_loopback(settings.host):
            names = ", ".join(sorted(settings.allowed_hosts))
            log.info("answers to the names %s; others are named in [server] hosts", names)
        password = access.users.first_admin(FIRST_ADMIN, now=access.now())
        if password is not None:
            print(
                f"first start: log in as {FIRST_ADMIN} with the password {password}\n"
                f"It is shown this once, and must be changed at the first login, by {_until(settings, access)}",
                flush=True,
            )
        own = ServerMetrics()
        served = build(lake, settings, access, *parts(lake, own), metrics=own)
        _run(served.front, settings)
    finally:
        database.close()
    log.info("ended")


def _until(settings: Settings, access: Access) -> str:
    ends = access.now() + timedelta(seconds=settings.serving.first_password_lasts_s)
    return f"{ends:%Y-%m-%d %H:%M} UTC"


def parts(lake: Lake, own: ServerMetrics) -> tuple[list[APIRouter], list[Service]]:
    """The routers of all other parts of the server, and what runs beside them."""
    scraped = Scraped(lake)
    metrics = metrics_router(Exposition(scraped.reading, own.registry))
    routers = [ingest_router(), *api.routers, *pages.routers, metrics]
    return routers, [
        ingester(lake),
        reports(lake),
        endpoints(lake),
        ingest_service(metrics=own),
        api.watch,
        metrics_service(scraped),
    ]


def _run(app: ASGIApp, settings: Settings) -> None:
    config = uvicorn.Config(
        app, host=settings.host, port=settings.port, http=TimedHeads, ws="none", lifespan="on",
        log_config=None, access_log=False, server_header=False, proxy_headers=False,
        h11_max_incomplete_event_size=_HEAD_BYTES_MAX, limit_concurrency=_CONNECTIONS_MAX,
        timeout_keep_alive=15, timeout_graceful_shutdown=_GRACE_S,
        ssl_certfile=settings.tls_cert, ssl_keyfile=settings.tls_key,
    )  # fmt: skip
    before = {number: signal.signal(number, _noted) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        server = Listening(config)
        with suppress(SystemExit):  # with which uvicorn ends where it cannot start; its log has said why
            server.run()
        if not server.started:
            raise ConfigError(f"server: did not start on {settings.host}:{settings.port}; its log says why")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.stdout.flush()


def _noted(_number: int, _frame: FrameType | None) -> None:
    """uvicorn ends by the signal, and raises it once more when all is done: that is no reason to fail."""
