"""Tells by an HTTP POST of JSON, with the notice's key, and signed where a secret is given.

Headers::

    Idempotency-Key: <key>                      the same for the same notice, however often it is sent
    Vedette-Signature: t=<seconds>,v1=<hex>     HMAC-SHA256, with the secret, over <seconds> + "." + the body's bytes

A receiver computes the same over what it got, compares in constant time, and refuses an old ``t``; ``docs/alerts.md`` has
the code. Answers of 200 to 299 mean that the notice was taken. A redirect is an error: where alerts go is decided by the
settings, not by who answers. What may be reached is in ``guarded.py``.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from vedette.config import is_web_url
from vedette.errors import ChannelError
from vedette.output.channels.guarded import Reach, request
from vedette.output.channels.words import body, document, indented
from vedette.records import Notice

__all__ = ["Webhook", "environment", "signature"]


def signature(secret: str, seconds: int, content: bytes) -> str:
    """The value of the header ``Vedette-Signature``.

    >>> signature("key", 0, b"{}")[:21]  # as openssl says: printf '0.{}' | openssl dgst -sha256 -hmac key
    't=0,v1=7314351dd949aa'
    """
    digest = hmac.new(secret.encode(), f"{seconds}.".encode() + content, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"


@dataclass(frozen=True)
class Webhook:
    """A URL that takes notices. ``clock`` gives seconds since 1970, for the signature."""

    COMMON: ClassVar[tuple[str, ...]] = ("public",)

    url: str = field(default="", repr=False)
    url_env: str | None = None
    secret: str | None = field(default=None, repr=False)
    secret_env: str | None = None
    method: str = "POST"
    allow: Sequence[str] = ()
    public: bool = False
    timeout_s: float = 10.0
    clock: Callable[[], float] = field(default=time.time, repr=False)

    def send(self, notice: Notice) -> str:
        """POST the notice; ``ChannelError`` where nothing answers in time, or the answer is not 200 to 299."""
        url = self.url if self.url_env is None else environment("url_env", self.url_env)
        if not is_web_url(url):
            raise ChannelError(f"url_env={self.url_env!r}: holds no URL with https:// or http:// and a host")
        secret = self.secret if self.secret_env is None else environment("secret_env", self.secret_env)
        content = None if self.method == "GET" else body(notice)
        headers = {"Idempotency-Key": notice.key, "User-Agent": "vedette"}
        if content is not None:
            headers["Content-Type"] = "application/json"
        if secret is not None:
            headers["Vedette-Signature"] = signature(secret, int(self.clock()), content or b"")
        answer = request(
            url,
            content,
            headers,
            timeout_s=self.timeout_s,
            reach=Reach(self.public, self.allow),
            method=self.method,
        )
        if not answer.taken:
            raise ChannelError(f"answered {answer.said}")
        return answer.said

    def preview(self, notice: Notice) -> str:
        """The headers and the body; a signature is made when it is sent."""
        if self.method == "GET":
            return f"GET, without a body\nIdempotency-Key: {notice.key}"
        signed = (
            "" if self.secret is None and self.secret_env is None else "\nVedette-Signature: t=...,v1=..."
        )
        head = f"POST\nContent-Type: application/json\nIdempotency-Key: {notice.key}{signed}"
        return f"{head}\n\n{indented(document(notice))}"


def environment(key: str, name: str) -> str:
    """What an environment variable holds; ``ChannelError`` names the key of the settings where it holds nothing."""
    value = os.environ.get(name)
    if not value:
        raise ChannelError(f"{key}={name!r}: no such environment variable, or it is empty")
    return value
