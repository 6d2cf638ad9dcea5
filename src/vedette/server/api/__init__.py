"""Documents that go out: what the command line prints with ``--json``, with the same keys, over HTTP.

A request comes in by a route of one of the files here and is answered by the same function of ``engine`` that the command
of that name calls. Nothing here judges or ingests: an answer is what the last round left. Documents of figures are kept as
bytes until a table of their model moves on (``answers``), the list of models is kept up to date by a thread (``watching``)
that also tells what changed (``stream``). To add a document, write its route beside its like, with ``route_class=JsonRoute``
and what it needs, and add the router to ``routers``.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from vedette.server.api import alerts, chain, figures, life, maintenance, models, rules, stream
from vedette.server.api.answers import JsonRoute
from vedette.server.api.watching import watch
from vedette.server.description import description
from vedette.server.needs import needs

__all__ = ["routers", "watch"]

_described = APIRouter(route_class=JsonRoute, tags=["description"])


@_described.get(
    "/v1/openapi.json", dependencies=[needs("account")], summary="This description", include_in_schema=False
)
def openapi(request: Request) -> dict[str, Any]:
    """The description of the API, OpenAPI 3."""
    return description(request.app)


routers: tuple[APIRouter, ...] = (
    _described, models.router, figures.router, alerts.router, maintenance.router, rules.router, chain.router,
    life.router, stream.router,
)  # fmt: skip
"""The routes of the documents; ``watch`` must be among the services of the application that has them."""
