"""The files that pages load: read once, named by what is in them, and so kept by browsers for good."""

from __future__ import annotations

import gzip
import hashlib
from importlib.resources import files

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from vedette.output.runs_page import LINES
from vedette.output.theme import DARK, LIGHT
from vedette.server.needs import needs

__all__ = ["address", "router"]

_TYPES = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml"}
_LINES_LIGHT = "--l0:#1f6feb;--l1:#b35900;--l2:#1a7f4b;--l3:#7a3fb0;--l4:#0b7285;--l5:#c62828"
_LINES_DARK = "--l0:#6ea8fe;--l1:#f0a050;--l2:#56c98a;--l3:#c69bf0;--l4:#5ccfe0;--l5:#ff7b72"


def _theme() -> bytes:
    """The colours of all pages of vedette, for the system's choice and for a person's."""
    light, dark = f"{LIGHT};{_LINES_LIGHT}", f"{DARK};{_LINES_DARK}"
    lines = "".join(
        f".m{k}{{stroke:var(--l{k});fill:none;stroke-width:1.6}}.b{k}{{fill:var(--l{k});opacity:.2}}"
        f".d{k}{{background:var(--l{k})}}"
        for k in range(LINES)
    )
    return (
        f":root{{color-scheme:light dark;{light}}}"
        f"@media(prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}"
        f":root[data-theme=dark]{{color-scheme:dark;{dark}}}:root[data-theme=light]{{color-scheme:light}}"
        f"@media print{{:root:root:root{{color-scheme:light;{light}}}}}{lines}"
    ).encode()


def _read() -> dict[str, bytes]:
    folder = files("vedette.server.pages") / "static"
    found = {one.name: one.read_bytes() for one in folder.iterdir() if one.name.rpartition(".")[2] in _TYPES}
    return found | {"theme.css": _theme()}


_FILES = _read()
_PACKED = {name: gzip.compress(body, 9) for name, body in _FILES.items()}
_TAGS = {name: hashlib.sha256(body).hexdigest()[:16] for name, body in _FILES.items()}

router = APIRouter()


def address(name: str) -> str:
    """Where a file is served; another file has another address."""
    return f"/static/{name}?{_TAGS[name]}"


@router.get("/favicon.ico", dependencies=[needs("nobody")], include_in_schema=False)
def icon(request: Request) -> Response:
    """The picture of the pages, at the address where browsers look for it beside what is no page."""
    return static(request, "vedette.svg")


@router.get("/static/{name}", dependencies=[needs("nobody")], include_in_schema=False)
def static(request: Request, name: str) -> Response:
    """A file of the pages; nothing in it is anybody's."""
    if name not in _FILES:
        raise HTTPException(404, f"file={name!r}: there is none")
    kept = "public, max-age=31536000, immutable" if request.url.query == _TAGS[name] else "no-cache"
    headers = {
        "Cache-Control": kept,
        "ETag": f'"{_TAGS[name]}"',
        "X-Content-Type-Options": "nosniff",
        "Vary": "Accept-Encoding",
    }
    if f'"{_TAGS[name]}"' in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    media_type = _TYPES[name.rpartition(".")[2]]
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(_PACKED[name], media_type=media_type, headers={**headers, "Content-Encoding": "gzip"})
    return Response(_FILES[name], media_type=media_type, headers=headers)
