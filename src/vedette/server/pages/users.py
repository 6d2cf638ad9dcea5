"""The pages of admins: who there is, what each may do, and the keys of senders and scripts."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException, Query, Request
from fastapi.responses import RedirectResponse, Response

from vedette.config.roles import roles_of
from vedette.errors import AccessError
from vedette.server.access.rights import Scope
from vedette.server.access.state import Access
from vedette.server.needs import Caller, needs
from vedette.server.pages.route import PageRoute
from vedette.server.pages.templating import link, render

__all__ = ["PER_PAGE", "router"]

PER_PAGE = 100
_Admin = Annotated[Caller, needs("admin")]
_Search = Annotated[str, Query(max_length=100)]
_Page = Annotated[int, Query(ge=1, le=100_000)]


def router(access: Access) -> APIRouter:
    """The routes."""
    routes = APIRouter(route_class=PageRoute, include_in_schema=False)
    _users(routes, access)
    _keys(routes, access)
    return routes


def _paged(found: list[dict[str, Any]], page: int) -> dict[str, Any]:
    """A page of a list, and how many there are."""
    n_pages = max(1, -(-len(found) // PER_PAGE))
    page = min(page, n_pages)
    return {
        "rows": found[(page - 1) * PER_PAGE : page * PER_PAGE], "n_found": len(found), "page": page,
        "n_pages": n_pages,
    }  # fmt: skip


def _once(request: Request, what: str, secret: str, back: str) -> Response:
    """A page that shows a secret this once; no cache keeps it."""
    response = render(request, "once.html", what=what, secret=secret, back=back)
    response.headers["Cache-Control"] = "no-store"
    return response


def _split(text: str) -> list[str]:
    return [one.strip() for one in text.split(",") if one.strip()]


def _users(routes: APIRouter, access: Access) -> None:
    @routes.get("/users")
    def users(request: Request, _caller: _Admin, q: _Search = "", page: _Page = 1) -> Response:
        """All users, and a form to add one."""
        found = [one for one in access.users.list() if q.casefold() in one["name"]]
        return render(
            request, "users.html", q=q, **_paged(found, page),
            here=lambda **other: link("/users", **({"q": q} | other)),
        )  # fmt: skip

    @routes.post("/users")
    def add(
        request: Request,
        caller: _Admin,
        name: Annotated[str, Form(max_length=200)],
        roles: Annotated[str, Form(max_length=2000)] = "",
    ) -> Response:
        """Add one; their first password is shown once."""
        user, made = access.users.add(
            name, roles_of(_split(roles)), None, actor=caller.name, now=access.now()
        )
        return _once(
            request,
            f"The first password of {user['name']}",
            str(made),
            link("/users/{}", user["name"]),
        )

    @routes.get("/users/{name}")
    def user(request: Request, name: str, _caller: _Admin) -> Response:
        """A user."""
        one = access.users.one(name)
        return render(
            request, "user.html", user=one, roles=", ".join(_written(one["roles"])),
            has_password=access.identities.has_password(name), identities=access.identities.of(name),
            sessions=access.sessions.list(one["name"], access.now()),
            keys=[key for key in access.keys.list() if key["created_by"] == f"user:{one['name']}"],
        )  # fmt: skip

    @routes.post("/users/{name}/{action}")
    def act(
        request: Request,
        caller: _Admin,
        name: str,
        action: str,
        roles: Annotated[str, Form(max_length=2000)] = "",
    ) -> Response:
        """Change what a user may do, disable them or let them in again, end their sessions, or give them a new password."""
        who, now = caller.name, access.now()
        back = link("/users/{}", name)
        if action == "roles":
            access.users.set_roles(name, roles_of(_split(roles)), actor=who, now=now)
        elif action in ("disable", "enable"):
            access.users.set_disabled(name, action == "disable", actor=who, now=now)
        elif action == "sessions":
            access.sessions.end_some(access.users.one(name)["name"], actor=who, now=now)
        elif action == "password":
            made = access.users.set_password(name, None, actor=who, now=now)
            return _once(request, f"The first password of {name}", str(made), back)
        else:
            raise HTTPException(
                404, f"action={action!r}: must be roles, disable, enable, sessions or password"
            )
        return RedirectResponse(back, 303)


def _written(roles: dict[str, str]) -> list[str]:
    return [role if model == "*" else f"{role}:{model}" for model, role in roles.items()]


def _keys(routes: APIRouter, access: Access) -> None:
    @routes.get("/keys")
    def keys(request: Request, _caller: _Admin, q: _Search = "", page: _Page = 1) -> Response:
        """All keys, without what is secret, and a form to add one."""
        text = q.casefold()
        found = [
            one
            for one in access.keys.list()
            if text in one["name"].casefold() or text in one["id"] or text in one["created_by"]
        ]
        return render(
            request, "keys.html", q=q, scopes=list(Scope), moment=access.now().isoformat(), **_paged(found, page),
            here=lambda **other: link("/keys", **({"q": q} | other)),
        )  # fmt: skip

    @routes.post("/keys")
    def add(
        request: Request,
        caller: _Admin,
        name: Annotated[str, Form(max_length=200)],
        scope: Annotated[list[str] | None, Form()] = None,
        models: Annotated[str, Form(max_length=10_000)] = "",
        days: Annotated[int, Form(ge=0, le=3660)] = 0,
    ) -> Response:
        """Add one, which is shown once."""
        if len(scope or []) > len(Scope):
            raise AccessError(f"scopes: must be some of {', '.join(Scope)}")
        now = access.now()
        key, text = access.keys.add(
            name, scope or [], _split(models) or None, actor=caller.name, now=now,
            expires=now + timedelta(days=days) if days else None,
        )  # fmt: skip
        return _once(request, f"The key {key['id']}, {key['name']}", text, "/keys")

    @routes.post("/keys/{key}/revoke")
    def revoke(key: str, caller: _Admin) -> Response:
        """Refuse a key from now on."""
        access.keys.revoke(key, actor=caller.name, now=access.now())
        return RedirectResponse("/keys", 303)
