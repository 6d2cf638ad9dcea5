"""What is asked of a request that came with a cookie: that a page of this server sent it, not another's (CSRF)."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import HTTPException, Request, Response

from vedette.server.access.secrets import same
from vedette.server.access.sessions import form_token

__all__ = [
    "SAFE_METHODS",
    "check_forgery",
    "check_origin",
    "cookie_name",
    "is_json",
    "local_target",
    "set_cookie",
]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def cookie_name(request: Request, kind: str = "session") -> str:
    """The cookie of a session or device; under TLS one that no other host or path can set (``__Host-``)."""
    return f"__Host-vedette-{kind}" if request.url.scheme == "https" else f"vedette-{kind}"


def set_cookie(request: Request, response: Response, kind: str, value: str, lasts_s: float) -> None:
    """Give the browser a cookie that scripts cannot read."""
    response.set_cookie(
        cookie_name(request, kind), value, max_age=int(lasts_s), path="/", httponly=True, samesite="lax",
        secure=request.url.scheme == "https",
    )  # fmt: skip


def is_json(request: Request) -> bool:
    """Whether the body says that it is JSON, which a page of another site cannot have it say unasked."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


def check_origin(request: Request, *, required: bool) -> None:
    """Raise 403 where the browser says that another site's page sent this.

    ``required``: also where it says nothing, as what is no browser does.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    said = site is not None or origin is not None
    ours = site in (None, "same-origin", "none") and (origin is None or _same_origin(request, origin))
    if (said and not ours) or (required and not said):
        raise HTTPException(
            403, "the request comes from another site's page: must come from this server's own"
        )


def _same_origin(request: Request, origin: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return (parts.scheme, parts.netloc.lower()) == (request.url.scheme, request.url.netloc.lower())


def check_forgery(request: Request, cookie: str) -> None:
    """Raise 403 where a request that changes something was not sent by a page of this server.

    It must come from our own origin, and either be JSON or hold the form's token: in ``X-CSRF-Token``, or in the field
    ``csrf`` of a form.
    """
    if request.method in SAFE_METHODS:
        return
    check_origin(request, required=True)
    if is_json(request):
        return
    form = getattr(request.state, "form", None)
    given = request.headers.get("x-csrf-token") or (form.get("csrf") if form is not None else None)
    if not isinstance(given, str) or not same(given, form_token(cookie)):
        raise HTTPException(
            403, "the form's token is missing or another's: load the page again, and send it from there"
        )


def local_target(target: str | None) -> str:
    """Where to go after a login: a path of this server, else its first page.

    >>> local_target("/models/delays?window=1h"), local_target("//evil.example"), local_target("https://evil.example")
    ('/models/delays?window=1h', '/', '/')
    """
    if not target or not target.startswith("/") or target.startswith("//") or "\\" in target:
        return "/"
    return target if target.isprintable() and len(target) <= 2000 else "/"
