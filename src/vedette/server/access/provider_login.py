"""Logging in by an identity provider: the way there, and the way back.

All that a login must be held against on its way back is made of one secret, which is in a cookie of the browser that
began it: the state that the provider hands back holds what is to be known (where to go, since when, for whom), signed with
it; the nonce of the ID token and the verifier of PKCE (RFC 7636) are its digests. So nothing is kept of logins that were
only begun. A way back is gone once: its state is kept until it has ended.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from vedette.errors import AccessError, ProviderError
from vedette.server.access import audit
from vedette.server.access.browser import cookie_name, local_target, set_cookie
from vedette.server.access.delay import subjects
from vedette.server.access.login import address_of, begin_session, page, refuse_soon
from vedette.server.access.provider import Identity, Provider
from vedette.server.access.secrets import digest_of, new_secret, same
from vedette.server.access.sessions import BY_PROVIDER
from vedette.server.access.state import Access
from vedette.server.needs import needs

__all__ = ["BACK", "Way", "read_state", "router", "state_of", "way_there"]

BACK = "/login/provider/return"
_LASTS = timedelta(minutes=10)
_TEXT_MAX = 4096
_ERRORS = frozenset(  # RFC 6749, 4.1.2.1, and OpenID Connect Core 1.0, 3.1.2.6
    (
        "access_denied", "invalid_request", "invalid_scope", "server_error", "temporarily_unavailable",
        "unauthorized_client", "unsupported_response_type", "interaction_required", "login_required",
        "account_selection_required", "consent_required",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Way:
    """A login that was begun: where to go after it, when it began, and the user whom it is to be connected with, if any."""

    target: str
    begun_s: int
    connects: str = ""


def _derived(secret: str, use: str) -> str:
    made = hmac.new(secret.encode(), f"vedette {use}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode()


def state_of(secret: str, way: Way) -> str:
    """The state of a login: what is to be known, and a signature that only this browser's secret makes."""
    said = json.dumps([way.target, way.begun_s, way.connects], separators=(",", ":"))
    body = base64.urlsafe_b64encode(said.encode()).rstrip(b"=").decode()
    return f"{body}.{_derived(secret, f'state {body}')}"


def read_state(secret: str, state: str, now: datetime) -> Way:
    """What a state says. Raises ``ProviderError`` for one that this browser did not begin, or too long ago.

    >>> from datetime import UTC, datetime
    >>> now = datetime(2026, 5, 3, tzinfo=UTC)
    >>> way = Way("/models/delays", int(now.timestamp()))
    >>> read_state("secret", state_of("secret", way), now) == way
    True
    >>> read_state("another", state_of("secret", way), now)
    Traceback (most recent call last):
    ...
    vedette.errors.ProviderError: this login was not begun in this browser: begin again
    """
    body, dot, signature = state.partition(".")
    if not dot or not same(signature, _derived(secret, f"state {body}")):
        raise ProviderError("this login was not begun in this browser: begin again")
    target, begun_s, connects = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    way = Way(target, begun_s, connects)
    if not timedelta(0) <= now - datetime.fromtimestamp(way.begun_s, UTC) + timedelta(seconds=1) <= _LASTS:
        raise ProviderError(f"this login was begun more than {_LASTS.seconds // 60} minutes ago: begin again")
    return way


def way_there(
    access: Access, provider: Provider, request: Request, *, target: str, connects: str = ""
) -> tuple[str, str]:
    """The provider's address to log in at, and the secret that the browser must bring back in its cookie ``login``."""
    secret = new_secret()
    way = Way(local_target(target), int(access.now().timestamp()), connects)
    address = provider.address(
        redirect_uri=_back(request), state=state_of(secret, way), nonce=_derived(secret, "nonce"),
        verifier=_derived(secret, "verifier"),
    )  # fmt: skip
    return address, secret


def keep_secret(request: Request, response: Response, secret: str) -> None:
    """Give the browser the secret of a login that begins."""
    set_cookie(request, response, "login", secret, _LASTS.total_seconds())


def _back(request: Request) -> str:
    """Where the provider sends the browser back to: this server under the name that it was called by, which is checked."""
    return f"{request.url.scheme}://{request.url.netloc}{BACK}"


def router(access: Access) -> APIRouter:
    """The routes; without a provider they say that there is none."""
    routes = APIRouter()

    @routes.get("/login/provider", dependencies=[needs("nobody")], response_class=HTMLResponse)
    def begin(request: Request, next: Annotated[str, Query(max_length=2000)] = "/") -> Response:  # noqa: A002
        """Go to the provider; from a page of another site only to the login, where one says so oneself."""
        if request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            return page(access, local_target(next))
        try:
            address, secret = way_there(access, _provider(access), request, target=next)
        except AccessError as error:
            # anybody may begin, again and again: the log, which only grows, takes as many from an address as failed logins;
            # counted apart from those, since a provider that is down must keep no password out
            if not access.delay.admit((f"provider:{address_of(request)}",), access.now()):
                _told(access, request, str(error))
            return page(access, local_target(next), str(error), 503)
        response = RedirectResponse(address, 303)
        keep_secret(request, response, secret)
        return response

    @routes.get(BACK, dependencies=[needs("nobody")], response_class=HTMLResponse)
    def back(
        request: Request,
        code: Annotated[str, Query(max_length=_TEXT_MAX)] = "",
        state: Annotated[str, Query(max_length=_TEXT_MAX)] = "",
        iss: Annotated[str, Query(max_length=_TEXT_MAX)] = "",
        error: Annotated[str, Query(max_length=_TEXT_MAX)] = "",
    ) -> Response:
        """Come back from it."""
        counted = subjects("", address_of(request), None)[:1]  # by the address: who it is, is not known yet
        try:
            refuse_soon(access, counted)
            response = _came_back(access, request, code, state, iss, error)
            access.delay.succeeded(counted)
        except HTTPException as refused:
            response = page(access, "/", str(refused.detail), refused.status_code)
            response.headers.update(refused.headers or {})
        except AccessError as refused:
            _told(access, request, str(refused))
            response = page(access, "/", str(refused), 400)
        name = cookie_name(request, "login")
        response.delete_cookie(
            name, path="/", httponly=True, samesite="lax", secure=request.url.scheme == "https"
        )
        return response

    return routes


def _provider(access: Access) -> Provider:
    if access.provider is None:
        raise ProviderError("this server has no identity provider: log in with a password")
    return access.provider


def _told(access: Access, request: Request, reason: str) -> None:
    """Write into the audit log that nobody came in; the reason is in our words and has no secret.

    Nothing where there is no provider: nobody could have come in.
    """
    if access.provider is None:
        return
    with access.database.writing() as work:
        detail = {"address": address_of(request), "way": BY_PROVIDER, "reason": reason[:300]}
        audit.record(work, access.now(), "nobody", "login.failed", "", detail)


def _came_back(access: Access, request: Request, code: str, state: str, iss: str, error: str) -> Response:
    provider, now = _provider(access), access.now()
    secret = request.cookies.get(cookie_name(request, "login"))
    if not secret:
        raise ProviderError("this login was not begun in this browser: begin again")
    way = read_state(secret, state, now)
    access.identities.spend(digest_of(state), expires=now + _LASTS, now=now)
    provider.check_issuer(iss)
    if error or not code:
        raise ProviderError("the provider let nobody in" + (f" ({error})" if error in _ERRORS else ""))
    identity = provider.identity(
        code, redirect_uri=_back(request), verifier=_derived(secret, "verifier"), nonce=_derived(secret, "nonce")
    )  # fmt: skip
    if way.connects:
        return _connected(access, request, identity, way)
    user = access.identities.user(identity, provider.settings, now=now)
    response = RedirectResponse(local_target(way.target), 303)
    begin_session(access, request, response, user, way=BY_PROVIDER)
    return response


def _connected(access: Access, request: Request, identity: Identity, way: Way) -> Response:
    """Tie the identity to the user who asked for it, who must still be logged in here."""
    cookie = request.cookies.get(cookie_name(request))
    holder = access.sessions.holder(cookie, access.now()) if cookie else None
    if holder is None or holder.user != way.connects or holder.must_change:
        raise ProviderError("another user is logged in than the one who is to be connected: begin again")
    access.identities.connect(identity, holder.user, now=access.now())
    return RedirectResponse("/account", 303)
