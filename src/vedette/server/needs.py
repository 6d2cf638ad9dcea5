"""What a route needs of who calls it. A route that says nothing is not served at all."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.routing import BaseRoute, Mount

from vedette.errors import VedetteError
from vedette.records import owner_of

__all__ = [
    "Authority",
    "Caller",
    "Need",
    "StrictRoute",
    "UnguardedRouteError",
    "again",
    "may",
    "need_of",
    "needs",
    "routes_of",
]


_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class UnguardedRouteError(VedetteError):
    """A route that does not say what it needs: it would be open to everybody."""


class Need(StrEnum):
    """What who calls must be allowed to do. Where the route's path has a ``{model}``, with that model."""

    NOBODY = "nobody"
    """Nothing: the route answers anyone, and so says nothing that is anybody's."""
    ACCOUNT = "account"
    """To be somebody: a user with a session, or a key."""
    VIEW = "view"
    """To read what is known of a model."""
    EDIT = "edit"
    """To change what is judged and told of a model: acknowledge, silence, rules, deployments."""
    ADMIN = "admin"
    """To change who may do what, and what holds for all models."""
    INGEST = "ingest"
    """To send rows, labels, points and events of a model; it allows reading nothing."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: ``name`` is a user's, or that of a key, as the audit log has it; empty for nobody.

    ``models`` are those that it may do this with, None for all.
    """

    name: str = ""
    models: frozenset[str] | None = None

    def may(self, model: str) -> bool:
        """True where the model, or the one that it stands beside, is one of those."""
        return self.models is None or owner_of(model) in self.models


class Authority(Protocol):
    """Who decides."""

    def check(self, request: Request, need: Need, model: str | None) -> Caller:
        """Who calls, where it may.

        ``model`` is that of the route's path, of ``net.run`` its owner ``net``; None where it has none. Raises
        ``HTTPException``: 401 for nobody known, 403 for somebody who may not, 404 for a model that it may not know of.
        """
        ...


class StrictRoute(APIRoute):
    """A route that refuses a parameter that it does not have: an answer without it would be one to another question.

    Whoever may not call the route is told that first.
    """

    def check_query(self, request: Request) -> None:
        """Raise ``HTTPException`` 400 for a parameter that is not one of the route's."""
        names: list[str] = []
        waiting = [self.dependant]
        while waiting:
            one = waiting.pop(0)
            names += [field.alias for field in one.query_params]
            waiting += one.dependencies
        for name in request.query_params:
            if name not in names:
                near = difflib.get_close_matches(name, names, 1)
                hint = f", did you mean {near[0]}?" if near else ""
                right = f"must be one of {', '.join(names)}{hint}" if names else "there is none here"
                raise HTTPException(400, f"parameter {name[:60]!r}: {right}")


class _Guard:
    """The dependency of a route that asks the authority."""

    def __init__(self, need: Need) -> None:
        self.need = need

    async def __call__(self, request: Request) -> Caller:
        if self.need is Need.NOBODY:
            return Caller()
        if request.headers.get("content-type", "").lower().startswith(_FORMS):
            request.state.form = await request.form()  # the authority looks for its token there
        authority: Authority = request.app.state.authority
        model = request.path_params.get("model")
        model = None if model is None else owner_of(model)
        caller: Caller = await run_in_threadpool(authority.check, request, self.need, model)
        request.state.caller = caller
        route = request.scope.get("route")
        if isinstance(route, StrictRoute):
            route.check_query(request)
        return caller


def needs(need: Need | str) -> Any:
    """The dependency by which a route says what it needs; its value is the :class:`Caller`.

    >>> from fastapi import APIRouter
    >>> router = APIRouter()
    >>> @router.get("/v1/models/{model}/figures", dependencies=[needs("view")])
    ... def figures(model: str) -> dict[str, str]:
    ...     return {"model": model}
    """
    return Depends(_Guard(Need(need)))


def may(request: Request, need: Need | str, model: str | None = None) -> bool:
    """True where whoever calls may also do this: a page has a button for those alone who may press it."""
    authority: Authority = request.app.state.authority
    try:
        authority.check(request, Need(need), model)
    except HTTPException:
        return False
    return True


def again(request: Request, need: Need | str) -> Caller:
    """Who calls, asked of the authority anew while an answer goes on; raises as :meth:`Authority.check`.

    It is no new request of theirs: ``request.state.goes_on`` tells the authority that no login is to last longer for it.
    """
    authority: Authority = request.app.state.authority
    request.state.goes_on = True
    return authority.check(request, Need(need), None)


def routes_of(app: FastAPI) -> Iterator[BaseRoute]:
    """Every route of an application, those of its mounts too."""
    waiting = list(app.routes)
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, Mount) and one.routes:
            waiting += one.routes
        else:
            yield one


def need_of(route: BaseRoute) -> Need:
    """What a route needs. Raises ``UnguardedRouteError`` where it does not say, or says two things."""
    guards = (
        [one.call for one in route.dependant.dependencies if isinstance(one.call, _Guard)]
        if isinstance(route, APIRoute)
        else []
    )
    if len(guards) != 1:
        path = getattr(route, "path", route)
        said = " and ".join(one.need for one in guards) or "nothing"
        raise UnguardedRouteError(
            f"route {path}: says of what it needs {said}: must say one thing, with needs(...), "
            f"of {', '.join(Need)}"
        )
    return guards[0].need
