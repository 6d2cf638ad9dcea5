"""A channel that somebody set on a server, who owns nothing of the machine that sends: no program, and no secret in it.

What is said is kept in the lake and shown to who may set channels, so a secret is the name of an environment variable of the
process that sends. A URL may stand there where nothing in it can be a secret: no login, no query, and a path of plain words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from vedette.config.channels import ChannelSettings, channel_of, is_web_url
from vedette.errors import ConfigError

__all__ = ["PUBLIC_TYPES", "VARIABLES", "public_channel"]

PUBLIC_TYPES = ("webhook", "apprise", "alertmanager")
"""Types that can be set on a server: a command would run there, and what a package brings cannot be looked into."""

VARIABLES = "VEDETTE_CHANNEL_"
"""How the environment variables begin that a channel set on a server may name: who sets one chooses where it goes as well, so
that by any other name the secrets of the process would leave it."""

_VARIABLES = {"url": "url_env", "secret": "secret_env", "urls": "urls_env"}
_WORD = r"(?:[A-Z]?[a-z]{1,15}|[A-Z]{1,8}|[A-Za-z]?[0-9]{1,4})"
_PLAIN = re.compile(rf"{_WORD}(?:[-_.~]{_WORD})*")  # a part of a path in which nobody hides a token


def public_channel(name: str, table: Mapping[str, Any], allow: Sequence[str] = ()) -> ChannelSettings:
    """The channel that a table of ``vedette.toml`` would name, for who may not reach what the owner of the machine may.

    ``allow`` is ``[server] channels_allow``. Raises ``ValueError`` for what cannot be meant, for a type that cannot be set
    on a server, and for what holds a secret; its message shows none.

    >>> public_channel("ops", {"type": "webhook", "url_env": "VEDETTE_CHANNEL_OPS"}).public
    True
    >>> public_channel("ops", {"type": "webhook", "url": "https://ann:pw@example.org/"})
    Traceback (most recent call last):
        ...
    ValueError: url: holds a login (not shown): must be the name of an environment variable, as url_env
    """
    kind = table.get("type")
    if kind not in PUBLIC_TYPES:
        shown = f"={kind!r}" if isinstance(kind, str) and kind.isalpha() and len(kind) <= 20 else ""
        raise ValueError(
            f"type{shown}: set on a server it must be one of {', '.join(PUBLIC_TYPES)}; others belong into vedette.toml"
        )
    if "allow" in table:
        raise ValueError("allow: what may be reached is said by channels_allow in [server] of vedette.toml")
    for key in ("secret", "urls"):
        if key in table:
            raise ValueError(
                f"{key}: holds a secret (not shown): must be the name of an environment variable, as {_VARIABLES[key]}"
            )
    if "url" in table and is_web_url(table["url"]) and (found := _secret_in(table["url"])) is not None:
        raise ValueError(
            f"url: holds {found} (not shown): must be the name of an environment variable, as url_env"
        )
    for key in _VARIABLES.values():
        if isinstance(table.get(key), str) and not table[key].startswith(VARIABLES):
            raise ValueError(
                f"{key}: must be the name of an environment variable that begins with {VARIABLES}: no other is theirs to name"
            )
    try:
        made = channel_of(name, table, f"channel {name}")
    except ConfigError as error:
        raise ValueError(str(error)) from None
    own = dict(made.own) if kind == "apprise" else {**made.own, "allow": list(allow)}
    return ChannelSettings(
        made.name, made.type, made.states, made.models, made.watches, made.repeat_s, made.timeout_s,
        made.heartbeat, own, public=True,
    )  # fmt: skip


def _secret_in(url: str) -> str | None:
    """What of a URL may be a secret, None where nothing can."""
    parts = urlsplit(url)
    if "@" in parts.netloc:
        return "a login"
    if parts.query or parts.fragment:
        return "a query, which may be a token"
    segments = [unquote(one) for one in parts.path.split("/") if one]
    return None if all(_PLAIN.fullmatch(one) for one in segments) else "what may be a token in its path"
