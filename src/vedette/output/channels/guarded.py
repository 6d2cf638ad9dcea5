"""One HTTP request to an address that was looked up once, checked, and is the one that is connected to.

A channel sends where its settings say, so whoever writes settings chooses what this machine reaches: its own services, the
metadata of its cloud, its neighbours. Who may reach what:

* Who writes ``vedette.toml`` owns the machine that runs it, and could send the same with curl; many send to a relay on
  localhost. So loopback and private addresses are reached, as they always were. What no webhook can mean is not:
  link-local addresses (169.254.169.254, the metadata of clouds, would answer with credentials), multicast, unspecified and
  reserved ones. ``allow = [...]`` makes the list of hosts and networks the only ones.
* Who sets a channel on the pages of a server owns nothing of it (``public``): public addresses alone, on the ports of the
  web or above 1023, and what ``[server] channels_allow`` names, an explicit word of who runs the server.

The name is looked up once and every address that came is checked; one that may not be reached refuses them all, since
nobody honest has a name that means both. The connection goes to the address that was checked, so that a second look-up
cannot say another; the certificate is checked against the name. No redirect is followed. What was answered is read as far
as the caller needs it, and is never part of a message.
"""

from __future__ import annotations

import base64
import http.client
import ipaddress
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from vedette.config import is_web_url
from vedette.errors import ChannelError, NotAllowedError
from vedette.output.names import visible

__all__ = ["Answer", "Reach", "request"]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_PORTS = {"http": 80, "https": 443}
_PORT_MIN = (
    1024  # of those beside the web's that a public channel may reach: below are mail, shells and databases
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Reach:
    """What may be reached: hosts and networks of ``allow`` alone or, where ``public``, beside public addresses."""

    public: bool = False
    allow: Sequence[str] = ()

    def refusal(self, host: str, address: Address, port: int) -> str | None:
        """Why an address may not be reached, None where it may.

        >>> Reach().refusal("meta", ipaddress.ip_address("169.254.169.254"), 80)
        'is a link-local address, which no channel reaches'
        >>> Reach(public=True).refusal("me", ipaddress.ip_address("::ffff:127.0.0.1"), 443)
        'is not a public address'
        """
        inner = _inner(address)
        networks = [ipaddress.ip_network(one, strict=False) for one in self.allow if _is_network(one)]
        if any(one in network for network in networks for one in (address, inner)):
            return None
        for kind in ("link_local", "multicast", "unspecified", "reserved"):
            if getattr(inner, f"is_{kind}"):
                return f"is a {kind.replace('_', '-')} address, which no channel reaches"
        if host.lower() in {one.lower() for one in self.allow}:
            return None
        if not self.public:
            return "is not among what allow names" if self.allow else None
        if not inner.is_global:
            return "is not a public address"
        if port not in _PORTS.values() and port < _PORT_MIN:
            return f"port {port}: must be 80, 443 or {_PORT_MIN} and above"
        return None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, its phrase as the standard has it, and the first bytes of the body."""

    code: int
    content: bytes

    @property
    def said(self) -> str:
        """The status in words: the server's own could be anything.

        >>> Answer(404, b"").said, Answer(299, b"").said
        ('404 Not Found', '299')
        """
        try:
            return f"{self.code} {HTTPStatus(self.code).phrase}"
        except ValueError:
            return str(self.code)

    @property
    def taken(self) -> bool:
        return 200 <= self.code < 300


def request(
    url: str,
    content: bytes | None,
    headers: Mapping[str, str],
    *,
    timeout_s: float,
    reach: Reach,
    method: str = "POST",
    size_max: int = 1,
) -> Answer:
    """Send one request, and read at most ``size_max`` bytes of what is answered.

    ``timeout_s`` bounds the connecting and each reading; a look-up of the name is the system's. Raises ``ChannelError``
    where the address may not be reached or nothing answers; its message shows neither path nor login of the URL.
    """
    if not is_web_url(url):
        raise ChannelError("url: must begin with https:// or http:// and name a host (not shown)")
    parts = urlsplit(url)
    connection: http.client.HTTPConnection
    try:
        proxy = None if reach.public else _proxy(parts)
        if proxy is not None:
            return _by_proxy(url, content, headers, timeout_s, method, size_max)
        connection = _Pinned(parts, reach, timeout_s)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request(method, target, content, {**headers, **_login(parts)})
            answer = connection.getresponse()
            return _checked(answer.status, answer.read(size_max))
        finally:
            connection.close()
    except ChannelError:
        raise
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ChannelError(_why(error, timeout_s)) from None


def _checked(code: int, content: bytes) -> Answer:
    if 300 <= code < 400:
        raise ChannelError(
            f"answered {Answer(code, b'').said}, a redirect, which is not followed: give its target as url"
        )
    return Answer(code, content)


class _Pinned(http.client.HTTPConnection):
    """A connection to one of the addresses that were checked, under the name that was asked for."""

    def __init__(self, parts: SplitResult, reach: Reach, timeout_s: float) -> None:
        assert parts.hostname is not None
        try:
            host = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode()
        except UnicodeError:
            raise ChannelError("url: its host is no name (not shown)") from None
        self._secure = parts.scheme == "https"
        self.default_port = _PORTS[
            parts.scheme
        ]  # so that the header Host has no port where it is the usual one
        super().__init__(host, parts.port or self.default_port, timeout=timeout_s)
        self._reach, self._left_s = reach, timeout_s

    def connect(self) -> None:
        """Look the name up, check what it means, and connect to the first address that answers."""
        deadline = time.monotonic() + self._left_s
        failed: OSError = OSError("the name has no address")
        for family, place in self._places():
            made = socket.socket(family, socket.SOCK_STREAM)
            made.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                made.connect(place)
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                made.settimeout(self._left_s)
                if self._secure:
                    made = ssl.create_default_context().wrap_socket(made, server_hostname=self.host)
            except OSError as error:
                made.close()
                failed = error
                continue
            self.sock = made
            return
        raise failed

    def _places(self) -> list[tuple[int, Any]]:
        """The addresses of the name; ``ChannelError`` where one of them may not be reached."""
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        for _, _, _, _, place in found:
            address = ipaddress.ip_address(str(place[0]).partition("%")[0])
            refused = self._reach.refusal(self.host, address, self.port)
            if refused is not None:
                # what a name means inside is not told to who may not know it
                shown = "the host" if self._reach.public else f"{visible(self.host, 100)} ({address})"
                raise NotAllowedError(f"{shown} {refused}")
        return [(family, place) for family, _, _, _, place in found]


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, where it does: what is reached in the end."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    inside = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
    if inside is None and (address in _NAT64 or (int(address) >> 32 == 0 and int(address) > 1)):
        inside = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return inside or address


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _login(parts: SplitResult) -> dict[str, str]:
    """The header that holds user and password of a URL."""
    login, at, _ = parts.netloc.rpartition("@")
    if not at:
        return {}
    token = base64.b64encode(unquote(login).encode()).decode("ascii")
    return {"Authorization": f"Basic {token}"}


def _proxy(parts: SplitResult) -> str | None:
    """The proxy that the environment names for a URL: it looks names up, and who set it decides what it reaches."""
    assert parts.hostname is not None
    named = urllib.request.getproxies().get(parts.scheme)
    return None if named is None or urllib.request.proxy_bypass(parts.hostname) else named


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Follow nothing."""


def _by_proxy(
    url: str,
    content: bytes | None,
    headers: Mapping[str, str],
    timeout_s: float,
    method: str,
    size_max: int,
) -> Answer:
    """The request by the proxy of the environment."""
    parts = urlsplit(url)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    opener = urllib.request.OpenerDirector()  # http and https, and neither files nor ftp; every answer is one
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        _NoRedirect(),
    ):
        opener.add_handler(handler)
    asked = urllib.request.Request(bare, content, {**headers, **_login(parts)}, method=method)  # noqa: S310
    try:
        with opener.open(asked, timeout=timeout_s) as answer:
            return _checked(answer.status, answer.read(size_max))
    except urllib.error.URLError as error:
        raise ChannelError(_why(error.reason, timeout_s)) from None


def _why(reason: object, timeout_s: float) -> str:
    """What went wrong, without the URL: some errors of the standard library hold it."""
    if isinstance(reason, TimeoutError) or "timed out" in str(reason):
        return f"no answer within {timeout_s:g} s"
    if isinstance(reason, ConnectionRefusedError):
        return "connection refused"
    if isinstance(reason, http.client.HTTPException | ValueError) and not isinstance(reason, OSError):
        return f"the request failed: {type(reason).__name__}"
    if isinstance(reason, OSError):
        return visible(reason.strerror or str(reason) or type(reason).__name__, 200)
    return visible(str(reason), 200)
