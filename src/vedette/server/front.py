"""The first thing that a request meets: what its path, its host and its proxies say, checked once for everything behind.

A path that can be read in two ways is refused here, so that the router and whoever decides by the path see the same.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["Front", "host_name", "path_fault"]

_PATH_MAX = 2048
_ODD = re.compile(r"%(?![0-9a-fA-F]{2})|%(?:2e|2f|5c|25|3b|7f|[01][0-9a-f])|[;\\]|//", re.IGNORECASE)
_PLAIN = re.compile(r"[\x21-\x7e]*")
_FORWARDED = (
    b"x-forwarded-",
    b"forwarded",
    b"x-real-ip",
    b"x-original-",
    b"x-rewrite-",
    b"x-remote-",
    b"remote-",
)
_ANY_HOST = frozenset({"/health", "/ready"})  # they say nothing, and a balancer asks them by an address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def path_fault(raw: bytes) -> str | None:
    """What is odd about a path as it was sent, None for a plain one.

    >>> path_fault(b"/v1/models"), path_fault(b"/v1/%2e%2e/admin")
    (None, 'an encoded or doubled separator, dot, percent sign or control character')
    >>> path_fault(b"/v1/../admin"), path_fault(b"/v1/models/")
    ('a step . or ..', 'a slash at its end')
    """
    path = raw.decode("latin-1").partition("?")[0]
    if not path.startswith("/"):
        return "no slash at its start"
    if len(path) > _PATH_MAX:
        return f"more than {_PATH_MAX} characters"
    if not _PLAIN.fullmatch(path):
        return "a blank, a control character or one outside ASCII"
    if _ODD.search(path):
        return "an encoded or doubled separator, dot, percent sign or control character"
    if any(step in (".", "..") for step in path.split("/")):
        return "a step . or .."
    if len(path) > 1 and path.endswith("/"):
        return "a slash at its end"
    return None


def host_name(header: str) -> str:
    """The name in a Host header, without its port.

    >>> host_name("Example.org:8470"), host_name("[::1]:8470")
    ('example.org', '::1')
    """
    header = header.strip().lower()
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.rpartition(":")[0] if re.fullmatch(r"[^:]*:\d{1,5}", header) else header


class Front:
    """ASGI middleware: 400 for an odd path or an unknown host; forwarded headers of a trusted proxy become the request's own.

    ``hosts`` are the names that the server may be called by, ``proxies`` the networks of trusted proxies. Forwarded headers
    of all others are removed: nothing behind can believe them.
    """

    def __init__(self, app: ASGIApp, *, hosts: Collection[str], proxies: Iterable[str] = ()) -> None:
        self._app = app
        self._hosts = frozenset(hosts)
        self._proxies: list[Network] = [ipaddress.ip_network(one) for one in proxies]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # there is nothing here that speaks over a WebSocket
        fault = path_fault(scope.get("raw_path") or scope["path"].encode())
        if fault is None:
            fault = self._host_fault(scope)
        if fault is not None:
            said = fault if fault.startswith("host") else f"path: has {fault}: must be a plain one"
            await JSONResponse({"error": said}, 400)(scope, receive, send)
            return
        self._believe(scope)
        await self._app(scope, receive, send)

    def _host_fault(self, scope: Scope) -> str | None:
        given = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if len(given) != 1:
            return "host: must be given once"
        if scope["path"] in _ANY_HOST or host_name(given[0]) in self._hosts:
            return None
        return "host: this server does not go by that name: must be one of [server] hosts in vedette.toml"

    def _trusts(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._proxies if network.version == parsed.version)

    def _believe(self, scope: Scope) -> None:
        """Make the request what it was when it came to the first proxy that is trusted; in place, so that the log sees it."""
        told = [(name, value) for name, value in scope["headers"] if name.startswith(_FORWARDED)]
        if not told:
            return
        scope["headers"] = [one for one in scope["headers"] if not one[0].startswith(_FORWARDED)]
        client = scope.get("client")
        if client is None or not self._trusts(client[0]):
            return
        protocols = [
            value.decode("latin-1").strip().lower() for name, value in told if name == b"x-forwarded-proto"
        ]
        if protocols and protocols[-1] in ("http", "https"):
            scope["scheme"] = protocols[-1]
        chain = ",".join(value.decode("latin-1") for name, value in told if name == b"x-forwarded-for")
        for hop in reversed([one.strip() for one in chain.split(",") if one.strip()]):
            try:
                ipaddress.ip_address(hop)
            except ValueError:
                break  # what stands before it may be anybody's invention
            scope["client"] = (hop, 0)
            if not self._trusts(hop):
                break
