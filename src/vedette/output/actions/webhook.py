"""Calls a URL: a POST of what set it off, signed as the channel of that name signs, the key in ``Idempotency-Key``."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import urlsplit

from vedette.config import is_web_url
from vedette.errors import ChannelError
from vedette.output.channels.guarded import Reach, request
from vedette.output.channels.webhook import environment, signature
from vedette.records.actions import Occasion

__all__ = ["Webhook"]


@dataclass(frozen=True)
class Webhook:
    """``url`` or ``url_env``; ``secret`` or ``secret_env`` signs; ``allow`` are the only hosts that may be reached."""

    repeatable: ClassVar[bool] = True  # by its key

    url: str = field(default="", repr=False)
    url_env: str | None = None
    secret: str | None = field(default=None, repr=False)
    secret_env: str | None = None
    allow: Sequence[str] = ()
    timeout_s: float = 10.0
    clock: Callable[[], float] = field(default=time.time, repr=False)

    def __post_init__(self) -> None:
        if bool(self.url) == (self.url_env is not None):
            raise ValueError("must have one of url and url_env, the environment variable that holds it")
        if self.url and not is_web_url(self.url):
            raise ValueError("url: must be a URL with https:// or http:// and a host")

    def plan(self, occasion: Occasion) -> str:  # noqa: ARG002
        """What it would do, in words: the host, and not the path, which may hold a token."""
        where = f"the URL in ${self.url_env}" if self.url_env is not None else urlsplit(self.url).hostname
        return f"POST to {where}"

    def found(self, occasion: Occasion) -> Mapping[str, Any] | None:  # noqa: ARG002
        """What is behind a URL is not known."""
        return None

    def act(self, occasion: Occasion, key: str) -> str:
        """Send it; ``ChannelError`` where nothing answers in time, or the answer is not 200 to 299."""
        return self._send({"id": key, "undo": False, **occasion.document()}, key)

    def reversible(self, before: Mapping[str, Any] | None) -> bool:  # noqa: ARG002
        """Whoever listens is told."""
        return True

    def undo(self, occasion: Occasion, before: Mapping[str, Any] | None, key: str) -> str:  # noqa: ARG002
        """Send the same with ``undo`` true, under a key of its own."""
        return self._send({"id": key, "undo": True, **occasion.document()}, f"{key}-undo")

    def _send(self, document: Mapping[str, Any], key: str) -> str:
        url = self.url if self.url_env is None else environment("url_env", self.url_env)
        if not is_web_url(url):
            raise ChannelError(f"url_env={self.url_env!r}: holds no URL with https:// or http:// and a host")
        secret = self.secret if self.secret_env is None else environment("secret_env", self.secret_env)
        content = json.dumps(document, sort_keys=True).encode()
        headers = {"Idempotency-Key": key, "User-Agent": "vedette", "Content-Type": "application/json"}
        if secret is not None:
            headers["Vedette-Signature"] = signature(secret, int(self.clock()), content)
        answer = request(url, content, headers, timeout_s=self.timeout_s, reach=Reach(allow=self.allow))
        if not answer.taken:
            raise ChannelError(f"answered {answer.said}")
        return answer.said
