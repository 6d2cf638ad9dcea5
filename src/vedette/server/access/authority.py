"""The authority over the server's database: who calls, and whether that one may."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import HTTPException, Request

from vedette.server.access.browser import check_forgery, cookie_name
from vedette.server.access.keys import KeyHolder, key_id
from vedette.server.access.rights import ALL_MODELS, allowed_models
from vedette.server.access.sessions import SessionHolder, form_token
from vedette.server.access.state import Access
from vedette.server.needs import Caller, Need

__all__ = ["DatabaseAuthority", "unknown_model"]

_TO_CHANGE = frozenset(
    {"/account", "/account/password", "/v1/me", "/v1/me/password", "/logout", "/v1/logout"}
)
_UNKNOWN = "nobody that is known here: must log in, or send a key that holds as 'Authorization: Bearer ...'"


def unknown_model(model: str) -> HTTPException:
    """The answer for a model that is not there, and for one that who calls may not know of: they are the same."""
    return HTTPException(404, f"model {model!r}: there is none that you may see")


class DatabaseAuthority:
    """Asks the database at every request: what is revoked or changed there holds at once, in every process."""

    def __init__(self, access: Access) -> None:
        self.access = access

    def check(self, request: Request, need: Need, model: str | None) -> Caller:
        """Who calls, where it may; see :class:`~vedette.server.needs.Authority`."""
        holder = self._holder(request)
        request.state.caller = Caller(holder.name)  # for the log, of one who is refused too
        if isinstance(holder, SessionHolder) and holder.must_change:
            _only_to_change(request)
        if need is Need.ACCOUNT:
            return Caller(holder.name, allowed_models(holder.granted, Need.VIEW))
        allowed = allowed_models(holder.granted, need)
        if allowed is None or (model in allowed if model is not None else allowed and need is not Need.ADMIN):
            return Caller(holder.name, allowed)
        if model is not None and not any(one in (model, ALL_MODELS) for one, _ in holder.granted):
            raise unknown_model(model)
        raise HTTPException(403, f"{holder.name}: may not do this: needs {need}")

    def _holder(self, request: Request) -> KeyHolder | SessionHolder:
        now = self.access.now()
        header = request.headers.get("authorization")
        if header is not None:
            scheme, _, text = header.partition(" ")
            key = self.access.keys.holder(text.strip(), now) if scheme.lower() == "bearer" else None
            if key is None:
                named = key_id(text.strip())
                request.state.caller = Caller(f"refused key:{named}" if named else "")
                raise HTTPException(401, _UNKNOWN, {"WWW-Authenticate": "Bearer"})
            return key
        cookie = request.cookies.get(cookie_name(request))
        counts = not getattr(request.state, "goes_on", False)
        session = self.access.sessions.holder(cookie, now, counts=counts) if cookie else None
        if session is None or cookie is None:
            raise _to_login(request)
        check_forgery(request, cookie)
        request.state.csrf = form_token(cookie)  # what the forms of the page must hold
        return session


def _only_to_change(request: Request) -> None:
    """Raise where somebody with a password that was made for them asks for anything but to change it, or to leave."""
    path = request.url.path
    if path in _TO_CHANGE:
        return
    if request.method == "GET" and not path.startswith("/v1/"):
        raise HTTPException(303, "change the password first", {"Location": "/account"})
    raise HTTPException(403, "the password was made for you: must be changed before anything else")


def _to_login(request: Request) -> HTTPException:
    """Who looks at a page is sent to the login; all others are told."""
    path = request.url.path
    wants_page = request.method == "GET" and "text/html" in request.headers.get("accept", "")
    if not wants_page or path.startswith("/v1/"):
        return HTTPException(401, _UNKNOWN, {"WWW-Authenticate": "Bearer"})
    target = path if not request.url.query else f"{path}?{request.url.query}"
    return HTTPException(303, "log in first", {"Location": f"/login?next={quote(target, safe='')}"})
