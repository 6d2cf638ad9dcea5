"""Tells by an HTTP POST of JSON, with the notice's key, and signed where a secret is given.

Headers::

    Idempotency-Key: <key>                      the same for the same notice, however often it is sent
    Vedette-Signature: t=<seconds>,v1=<hex>     HMAC-SHA256, with the secret, over <seconds> + "." + the body's bytes

A receiver computes the same over what it got, compares in constant time, and refuses an old ``t``; ``docs/alerts.md`` has
the code. Answers of 200 to 299 mean that the notice was taken. A redirect within the host is followed with the notice; one
to another host, or from https to http, is an error: where alerts go is decided by the settings, not by who answers.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from typing import IO
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from vedette.config import is_web_url
from vedette.errors import ChannelError
from vedette.output.channels.words import body
from vedette.output.names import visible
from vedette.records import Notice

__all__ = ["Webhook", "signature"]

REDIRECTS_MAX = 3
_REDIRECTS = (301, 302, 307, 308)


def signature(secret: str, seconds: int, content: bytes) -> str:
    """The value of the header ``Vedette-Signature``.

    >>> signature("key", 0, b"{}")[:21]  # as openssl says: printf '0.{}' | openssl dgst -sha256 -hmac key
    't=0,v1=7314351dd949aa'
    """
    digest = hmac.new(secret.encode(), f"{seconds}.".encode() + content, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Leaves redirects to us: urllib's own would send a GET, without the notice."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        """Follow nothing."""


@dataclass(frozen=True)
class Webhook:
    """A URL that takes notices. ``clock`` gives seconds since 1970, for the signature."""

    url: str = field(default="", repr=False)
    url_env: str | None = None
    secret: str | None = field(default=None, repr=False)
    secret_env: str | None = None
    method: str = "POST"
    timeout_s: float = 10.0
    clock: Callable[[], float] = field(default=time.time, repr=False)

    def send(self, notice: Notice) -> str:
        """POST the notice; ``ChannelError`` where nothing answers in time, or the answer is not 200 to 299."""
        url = self.url if self.url_env is None else _environment("url_env", self.url_env)
        if not is_web_url(url):
            raise ChannelError(f"url_env={self.url_env!r}: holds no URL with https:// or http:// and a host")
        secret = self.secret if self.secret_env is None else _environment("secret_env", self.secret_env)
        content = None if self.method == "GET" else body(notice)
        headers = {"Idempotency-Key": notice.key, "User-Agent": "vedette"}
        if content is not None:
            headers["Content-Type"] = "application/json"
        if secret is not None:
            headers["Vedette-Signature"] = signature(secret, int(self.clock()), content or b"")
        for _ in range(1 + REDIRECTS_MAX):
            code, reason, location = self._once(url, content, headers)
            if 200 <= code < 300:
                return f"{code} {reason}".strip()
            if code not in _REDIRECTS or not location:
                raise ChannelError(f"answered {code} {reason}".strip())
            url = _within(url, location, code)
        raise ChannelError(f"answered with more than {REDIRECTS_MAX} redirects")

    def _once(self, url: str, content: bytes | None, headers: dict[str, str]) -> tuple[int, str, str | None]:
        """Status, reason and place of a redirect that one request got."""
        bare, login = _login(url)
        request = urllib.request.Request(bare, content, {**headers, **login}, method=self.method)  # noqa: S310
        try:
            with _opener().open(request, timeout=self.timeout_s) as answer:
                answer.read(1)  # so that the status is not all that came
                return answer.status, visible(answer.reason or "", 100), None
        except urllib.error.HTTPError as error:
            with error:
                return error.code, visible(str(error.reason or ""), 100), error.headers.get("Location")
        except urllib.error.URLError as error:
            raise ChannelError(_why(error.reason, self.timeout_s)) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ChannelError(_why(error, self.timeout_s)) from None


def _opener() -> urllib.request.OpenerDirector:
    """What opens http and https, and neither files nor ftp."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _NoRedirect(),
    ):
        opener.add_handler(handler)
    return opener


def _environment(key: str, name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise ChannelError(f"{key}={name!r}: no such environment variable, or it is empty")
    return value


def _login(url: str) -> tuple[str, dict[str, str]]:
    """The URL without user and password, and the header that holds them."""
    parts = urlsplit(url)
    login, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, {}
    token = base64.b64encode(unquote(login).encode()).decode("ascii")
    return urlunsplit(parts._replace(netloc=host)), {"Authorization": f"Basic {token}"}


def _within(url: str, location: str, code: int) -> str:
    """Where a redirect leads, with what was known of who we are; ``ChannelError`` where it leaves the host."""
    target = urljoin(url, location)
    old = urlsplit(url)
    if not is_web_url(target):
        raise ChannelError(f"answered {code}, a redirect to what is no web address: refused")
    new = urlsplit(target)
    same = (old.hostname, _port(old.scheme, old.port)) == (new.hostname, _port(new.scheme, new.port))
    upgraded = old.hostname == new.hostname and (old.port, new.port) == (None, None)
    if (old.scheme == "https" and new.scheme != "https") or not (same or upgraded):
        raise ChannelError(
            f"answered {code}, a redirect to another host, {visible(new.netloc[-80:])}: refused"
        )
    host = new.netloc.rpartition("@")[2]
    login, at, _ = old.netloc.rpartition("@")
    return urlunsplit(new._replace(netloc=f"{login}{at}{host}"))


def _port(scheme: str, port: int | None) -> int:
    return port or {"http": 80, "https": 443}[scheme]


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
