"""The page of one's own account: password, sessions, the login of an identity provider, and the keys that one made."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import SecretStr

from vedette.errors import AccessError, ProviderError, UnknownNameError
from vedette.server.access.browser import cookie_name
from vedette.server.access.login import attempt, begin_session
from vedette.server.access.own import change_password, user_of
from vedette.server.access.passwords import LENGTH_MAX, LENGTH_MIN, RULES
from vedette.server.access.provider_login import keep_secret, way_there
from vedette.server.access.state import Access
from vedette.server.needs import Caller, needs
from vedette.server.pages.route import PageRoute
from vedette.server.pages.templating import render

__all__ = ["router"]

_Account = Annotated[Caller, needs("account")]


def router(access: Access) -> APIRouter:
    """The routes."""
    routes = APIRouter(route_class=PageRoute, include_in_schema=False)
    _password(routes, access)
    _sessions(routes, access)
    _provider(routes, access)
    _keys(routes, access)
    return routes


def _page(
    access: Access, request: Request, name: str, *, error: str = "", wrong: str = "", status: int = 200
) -> Response:
    """The page; ``error`` is shown at the form that was ``wrong``."""
    user = access.users.one(name)
    response = render(
        request, "account.html", status, user=user, rules=RULES,
        length=(LENGTH_MIN, LENGTH_MAX), error=error, wrong=wrong, must_change=user["change_by"] is not None,
        has_password=access.identities.has_password(name), identities=access.identities.of(name),
        provider=None if access.provider is None else access.provider.settings.name,
        sessions=access.sessions.list(name, access.now(), current=_cookie(request)),
        keys=[one for one in access.keys.list() if one["created_by"] == f"user:{name}"],
    )  # fmt: skip
    response.headers["Cache-Control"] = "no-store"
    return response


def _cookie(request: Request) -> str | None:
    return request.cookies.get(cookie_name(request))


def _back() -> Response:
    return RedirectResponse("/account", 303)


def _password(routes: APIRouter, access: Access) -> None:
    @routes.get("/account")
    def account(request: Request, caller: _Account) -> Response:
        """One's own account."""
        return _page(access, request, user_of(caller))

    @routes.post("/account/password")
    def password(
        request: Request,
        caller: _Account,
        current: Annotated[SecretStr, Form()],
        password: Annotated[SecretStr, Form()],
        again: Annotated[SecretStr, Form()],
    ) -> Response:
        """Change it: all sessions end, and this browser gets a new one."""
        name, chosen = user_of(caller), password.get_secret_value()
        try:
            if chosen != again.get_secret_value():
                raise AccessError("password: the two are not the same")
            user = change_password(access, request, name, current.get_secret_value(), chosen)
        except (AccessError, HTTPException) as error:
            said, status = _said(error)
            return _page(access, request, name, error=said, wrong="password", status=status)
        response = _back()
        begin_session(access, request, response, user)
        return response


def _said(error: AccessError | HTTPException) -> tuple[str, int]:
    """What is told of a form that was not right. A wrong password is no reason to be sent to the login (401)."""
    if isinstance(error, AccessError):
        return str(error), 409
    if error.status_code == 401:
        return "the current password is not right", 400
    return str(error.detail), error.status_code


def _sessions(routes: APIRouter, access: Access) -> None:
    @routes.post("/account/sessions/end")
    def end_others(request: Request, caller: _Account) -> Response:
        """End all of one's sessions but this one."""
        name = user_of(caller)
        access.sessions.end_some(name, actor=caller.name, now=access.now(), but=_cookie(request))
        return _back()

    @routes.post("/account/sessions/{session}/end")
    def end_one(session: str, caller: _Account) -> Response:
        """End one of one's own sessions."""
        name = user_of(caller)
        if not access.sessions.end_some(name, actor=caller.name, now=access.now(), one=session):
            raise UnknownNameError(f"session {session!r}: you have none of that id")
        return _back()


def _provider(routes: APIRouter, access: Access) -> None:
    @routes.post("/account/provider")
    def connect(request: Request, caller: _Account, current: Annotated[SecretStr, Form()]) -> Response:
        """Begin to connect the login of the identity provider: by the password, so that nobody else does it.

        The answer is a page with the address: a form may not lead to another site (``form-action``).
        """
        name = user_of(caller)
        try:
            if access.provider is None:
                raise ProviderError("this server has no identity provider")
            attempt(access, request, name, current.get_secret_value())
            address, secret = way_there(access, access.provider, request, target="/account", connects=name)
        except (AccessError, HTTPException) as error:
            said, status = _said(error)
            return _page(access, request, name, error=said, wrong="provider", status=status)
        response = render(request, "connect.html", there=address, provider=access.provider.settings.name)
        response.headers["Cache-Control"] = "no-store"
        keep_secret(request, response, secret)
        return response

    @routes.post("/account/provider/disconnect")
    def disconnect(caller: _Account, issuer: Annotated[str, Form(max_length=255)]) -> Response:
        """Untie it."""
        access.identities.disconnect(user_of(caller), issuer, actor=caller.name, now=access.now())
        return _back()


def _keys(routes: APIRouter, access: Access) -> None:
    @routes.post("/account/keys/{key}/revoke")
    def revoke(key: str, caller: _Account) -> Response:
        """Revoke a key that one made, whatever one may do by now."""
        mine: list[dict[str, Any]] = [one for one in access.keys.list() if one["id"] == key]
        if not mine or mine[0]["created_by"] != f"user:{user_of(caller)}":
            raise UnknownNameError(f"key {key!r}: you made none with this id")
        access.keys.revoke(key, actor=caller.name, now=access.now())
        return _back()
