"""A route of a page: what cannot be shown is said on a page."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute

from vedette.errors import ConfigError, VedetteError
from vedette.server.api.answers import said_of
from vedette.server.pages.templating import render

__all__ = ["PageRoute"]

_TITLES = {
    400: "That cannot be asked",
    403: "You may not",
    404: "There is no such page",
    409: "That cannot be done now",
    503: "Something must be mended first",
}


class PageRoute(APIRoute):
    """A route that answers an error with a page; who calls (401) is asked by whoever guards the application."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's handler, with errors told on a page."""
        handle = super().get_route_handler()

        async def told(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                words = "; ".join(
                    f"{'.'.join(str(part) for part in one['loc'][1:])}: {one['msg']}"
                    for one in error.errors()
                )
                return _page(request, 400, words)
            except (VedetteError, ValueError) as error:
                known = said_of(error)
                title = "The configuration is not right" if isinstance(error, ConfigError) else ""
                return _page(request, known.status_code, known.detail, title)
            except HTTPException as error:
                if error.status_code == 401 or error.status_code < 400:
                    raise
                return _page(request, error.status_code, str(error.detail))

        return told


def _page(request: Request, status: int, words: str, title: str = "") -> Response:
    title = title or _TITLES.get(status, "That did not work")
    return render(request, "error.html", status, title=title, words=words)
