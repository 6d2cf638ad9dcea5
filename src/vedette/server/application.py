"""The application: all routes, each behind the authority."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

import vedette
from vedette.lake.tables import Lake
from vedette.server.needs import Authority, need_of, routes_of

__all__ = ["Service", "application"]

Service = Callable[[FastAPI], AbstractAsyncContextManager[object]]
"""What runs beside the routes from the application's start to its end: threads, queues, connections."""


def application(
    lake: Lake,
    authority: Authority,
    routers: Sequence[APIRouter],
    services: Sequence[Service] = (),
) -> FastAPI:
    """The application that serves a lake.

    Raises ``UnguardedRouteError`` where a route does not say what it needs.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for service in services:
                await stack.enter_async_context(service(app))
            yield

    app = FastAPI(
        title="vedette", version=vedette.__version__, lifespan=lifespan,
        docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False,
    )  # fmt: skip
    app.state.lake, app.state.authority = lake, authority
    for router in routers:
        app.router.routes.extend(router.routes)  # as they are: some versions hide those of an included router
    for route in routes_of(app):
        need_of(route)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _malformed)
    return app


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == 405:  # the first route of a path knows its own methods alone
        headers["Allow"] = ", ".join(sorted(_methods(request)))
    return JSONResponse({"error": error.detail}, status_code=error.status_code, headers=headers)


def _methods(request: Request) -> set[str]:
    """Those that the routes of the request's path answer: of the first template that it fits, and that template's others."""
    routes = [route for route in routes_of(request.app) if isinstance(route, APIRoute)]
    fitting = [route.path for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return {method for route in routes if route.path in fitting[:1] for method in route.methods or ()}


async def _malformed(_request: Request, error: Exception) -> Response:
    """What was given is not what the route takes: each place and what is right, without the value, which may be secret."""
    assert isinstance(error, RequestValidationError)
    said = "; ".join(f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors())
    return JSONResponse({"error": said}, status_code=422)
