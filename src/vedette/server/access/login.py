"""Logging in and out: a page and its form, and the same as JSON."""

from __future__ import annotations

import hmac
import math
from collections.abc import Sequence
from importlib import resources
from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from jinja2 import Environment, PackageLoader
from pydantic import BaseModel, ConfigDict, SecretStr

from vedette.server.access import audit
from vedette.server.access.browser import check_origin, cookie_name, is_json, local_target, set_cookie
from vedette.server.access.delay import subjects
from vedette.server.access.secrets import digest_of
from vedette.server.access.sessions import BY_PASSWORD
from vedette.server.access.state import Access
from vedette.server.access.users import canonical_name
from vedette.server.database.tables import User
from vedette.server.needs import Caller, needs

__all__ = ["address_of", "attempt", "begin_session", "end_session", "page", "refuse_soon", "router"]

_WRONG = "name or password: not right"
_ENDED = "this first password has ended, unused for too long: ask an admin for a new one"
_DEVICE_LASTS_S = 90 * 86400.0
_pages = Environment(loader=PackageLoader("vedette.server.access"), autoescape=True)


class Credentials(BaseModel):
    """What a login takes."""

    model_config = ConfigDict(extra="forbid")
    name: str
    password: SecretStr


def address_of(request: Request) -> str:
    """The address of who calls, as far as it is believed."""
    return request.client.host if request.client else ""


def page(access: Access, target: str, error: str = "", status: int = 200) -> HTMLResponse:
    """The page to log in at."""
    provider = None if access.provider is None else access.provider.settings.name
    text = _pages.get_template("login.html").render(target=target, error=error, provider=provider)
    return HTMLResponse(text, status_code=status)


def refuse_soon(access: Access, counted: Sequence[str]) -> None:
    """Count an attempt as failed. Raises 429 with ``Retry-After`` where there were too many."""
    wait = access.delay.admit(counted, access.now())
    if wait:
        seconds = math.ceil(wait.total_seconds())
        raise HTTPException(
            429, f"too many logins failed: try again in {seconds} s", {"Retry-After": str(seconds)}
        )


def attempt(access: Access, request: Request, name: str, password: str) -> User:
    """The user whose name and password these are.

    Raises 401, the same for an unknown name as for a wrong password, or 429 with ``Retry-After`` where there were too many.
    """
    now, address = access.now(), address_of(request)
    account = canonical_name(name)
    device = request.cookies.get(cookie_name(request, "device"))
    known = device if access.sessions.knows_device(device, account, now) else None
    counted = subjects(digest_of(account), address, known)
    refuse_soon(access, counted)
    user = access.users.check(account, password)
    if user is None:
        _failed(access, request, account)
        raise HTTPException(401, _WRONG)
    if user.change_by is not None and user.change_by <= now:
        _failed(access, request, account, "its first password has ended")
        raise HTTPException(401, _ENDED)
    access.delay.succeeded(counted)
    return user


def _failed(access: Access, request: Request, account: str, reason: str = "") -> None:
    """Write down that a login failed, in the audit log and for the server's: by its name where there is such an account.

    Any other text may be a password in the wrong field. Of it there is the start of a digest under a secret of this
    process: who tries the same text again can be told, and the text cannot be looked up.
    """
    detail: dict[str, object] = {"address": address_of(request)}
    known = access.users.is_there(account)
    if known:
        request.state.caller = Caller(f"refused user:{account}")
    else:
        detail["unknown"] = hmac.new(access.secret, account.encode("utf-8", "replace"), "sha256").hexdigest()[
            :8
        ]
    if reason:
        detail["reason"] = reason
    with access.database.writing() as work:
        audit.record(work, access.now(), "nobody", "login.failed", account if known else "", detail)


def begin_session(
    access: Access, request: Request, response: Response, user: User, *, way: str = BY_PASSWORD
) -> None:
    """Log a user in: new cookies, whatever the browser had before."""
    before = request.cookies.get(cookie_name(request))
    cookie, device = access.sessions.begin(
        user, address=address_of(request), now=access.now(), before=before, way=way,
        browser=request.headers.get("user-agent", ""),
    )  # fmt: skip
    set_cookie(request, response, "session", cookie, access.sessions.absolute.total_seconds())
    set_cookie(request, response, "device", device, _DEVICE_LASTS_S)


def end_session(access: Access, request: Request, response: Response) -> None:
    """Log out, and have the browser forget what it keeps of this server."""
    cookie = request.cookies.get(cookie_name(request))
    if cookie:
        access.sessions.end(cookie, now=access.now())
    response.delete_cookie(
        cookie_name(request), path="/", httponly=True, samesite="lax", secure=request.url.scheme == "https"
    )
    response.headers["Clear-Site-Data"] = '"cache", "storage"'


def router(access: Access) -> APIRouter:
    """The routes of logging in and out."""
    routes = APIRouter()
    style = resources.files("vedette.server.access").joinpath("templates/login.css").read_text("utf-8")

    @routes.get("/login", dependencies=[needs("nobody")], response_class=HTMLResponse)
    def login_page(next: str = "/") -> Response:  # noqa: A002 - what it is called in the address
        """The page to log in at."""
        return page(access, local_target(next))

    @routes.get("/login/style.css", dependencies=[needs("nobody")])
    def login_style() -> Response:
        """How it looks."""
        return Response(style, media_type="text/css")

    @routes.post("/login", dependencies=[needs("nobody")], response_class=HTMLResponse)
    def login_form(
        request: Request,
        name: Annotated[str, Form()],
        password: Annotated[SecretStr, Form()],
        next: Annotated[str, Form()] = "/",  # noqa: A002
    ) -> Response:
        """Log in from the page."""
        check_origin(request, required=True)
        target = local_target(next)
        try:
            user = attempt(access, request, name, password.get_secret_value())
        except HTTPException as error:
            refused = page(access, target, str(error.detail), error.status_code)
            refused.headers.update(error.headers or {})
            return refused
        response = RedirectResponse(target, status_code=303)
        begin_session(access, request, response, user)
        return response

    @routes.post("/v1/login", dependencies=[needs("nobody")])
    def login(request: Request, given: Credentials) -> Response:
        """Log in; the answer has the cookie, and the token that forms must hold."""
        if not is_json(request):
            raise HTTPException(415, "content-type: must be application/json")
        check_origin(request, required=False)
        user = attempt(access, request, given.name, given.password.get_secret_value())
        response = JSONResponse(access.users.one(user.name))
        begin_session(access, request, response, user)
        return response

    @routes.post("/logout", dependencies=[needs("account")])
    def logout_form(request: Request) -> Response:
        """Log out from a page."""
        response: Response = RedirectResponse("/login", status_code=303)
        end_session(access, request, response)
        return response

    @routes.post("/v1/logout", dependencies=[needs("account")])
    def logout(request: Request) -> dict[str, Any]:
        """Log out."""
        response = JSONResponse({})
        end_session(access, request, response)
        return response  # type: ignore[return-value]

    return routes
