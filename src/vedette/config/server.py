"""A lake behind a server: its URL, the folder of the journal that is shipped to it, and the table ``[server]``."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vedette.config.allow import check_allow
from vedette.config.channels import is_variable_name, is_web_url
from vedette.config.serving import SERVING_KEYS
from vedette.config.values import refuse_unknown
from vedette.errors import ConfigError, LakeError

__all__ = ["SERVER_KEYS", "ServerSettings", "journal_folder", "server_of", "server_url"]

SERVER_KEYS = {
    "url": "the address of the server's pages, which what is sent of alerts links to",
    "channels_allow": "hosts and networks that channels set on the server's pages may reach beside public ones",
    "token_env": "the environment variable that holds the token",
    "token_file": "the file that holds the token; read again for each connection",
    "connect_timeout_s": "seconds until a connection must stand",
    "timeout_s": "seconds until a request must be answered, beside what its bytes take",
}
_TOKEN_ENV = "VEDETTE_TOKEN"  # noqa: S105 - the name of a variable
_TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")
_TIMEOUT_S_MIN, _TIMEOUT_S_MAX = 0.1, 600.0


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How a server is spoken to. The token itself is not kept here: it is read when it is needed, and never shown."""

    token_env: str = _TOKEN_ENV
    token_file: Path | None = field(default=None, repr=False)
    connect_timeout_s: float = 10.0
    timeout_s: float = 60.0
    url: str | None = None
    channels_allow: tuple[str, ...] = ()

    def token(self) -> str | None:
        """The token as it is now, None where there is none. Raises ``ConfigError``, without the token in it."""
        if self.token_file is None:
            where, token = f"environment variable {self.token_env}", os.environ.get(self.token_env, "")
        else:
            where = f"token_file {self.token_file}"
            try:
                token = self.token_file.read_text("utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(f"{where}: cannot be read: {_reason(error)}") from None
        token = token.strip()
        if not token and self.token_file is None:
            return None
        if not _TOKEN.fullmatch(token):
            raise ConfigError(
                f"{where}: holds no token: must be 1 to 4,096 visible ASCII characters, without blanks"
            )
        return token


def _reason(error: Exception) -> str:
    return (error.strerror or "") if isinstance(error, OSError) else "not UTF-8"


def server_of(table: Any, path: Path) -> ServerSettings:
    """The settings that the table ``[server]`` of a file gives; ``ConfigError`` names what is impossible."""
    where = f"{path}: [server]"
    if not isinstance(table, Mapping):
        raise ConfigError(f"{path}: server={table!r}: must be a table")
    refuse_unknown(table, SERVER_KEYS | SERVING_KEYS, where)
    if "token_env" in table and "token_file" in table:
        raise ConfigError(f"{where}: token_env and token_file are both given: one of them holds the token")
    found: dict[str, Any] = {}
    if "token_env" in table:
        if not isinstance(table["token_env"], str) or not is_variable_name(table["token_env"]):
            # what stands there may be the token itself: it is not shown
            raise ConfigError(
                f"{where}: token_env: must be the name of an environment variable, not the token"
            )
        found["token_env"] = table["token_env"]
    if "token_file" in table:
        if not isinstance(table["token_file"], str) or not table["token_file"]:
            raise ConfigError(f"{where}: token_file: must be the path of a file")
        found["token_file"] = path.absolute().parent / Path(table["token_file"]).expanduser()
    if "url" in table:
        found["url"] = _url(table["url"], where)
    if "channels_allow" in table:
        try:
            check_allow(table["channels_allow"])
        except ValueError as error:
            raise ConfigError(f"{where}: channels_{error}") from None
        found["channels_allow"] = tuple(table["channels_allow"])
    for key in ("connect_timeout_s", "timeout_s"):
        if key in table:
            value = table[key]
            if (
                isinstance(value, bool)
                or not isinstance(value, int | float)
                or not _TIMEOUT_S_MIN <= value <= _TIMEOUT_S_MAX
            ):
                raise ConfigError(f"{where}: {key}={value!r}: must lie between 0.1 and 600 seconds")
            found[key] = float(value)
    return ServerSettings(**found)


def _url(value: Any, where: str) -> str:
    """The address that links begin with; ``ConfigError`` for one with a password, a query or a fragment in it."""
    try:
        url = server_url(value) if isinstance(value, str) else None
    except LakeError:
        url = None  # its message speaks of a lake
    if url is None:
        raise ConfigError(
            f"{where}: url: must be like https://vedette.example.org, without user, '?' and '#' (not shown)"
        )
    return url


def server_url(location: str | Path) -> str | None:
    """The URL of a server without a slash at its end; None for a location that is no web address.

    Raises ``LakeError`` for one with a user or password, a query or a fragment.

    >>> server_url("https://Example.org/vedette/"), server_url("./lake")
    ('https://example.org/vedette', None)
    """
    from urllib.parse import urlsplit  # only where a server is used

    text = str(location)
    scheme, separator, _ = text.partition("://")
    if not separator or scheme.lower() not in ("http", "https"):
        return None
    parts = urlsplit(text) if is_web_url(scheme.lower() + text[len(scheme) :]) else None
    if parts is None:
        raise LakeError("lake: no web address: must be like https://host:8470")
    if "@" in parts.netloc:  # not shown: a password stands there
        raise LakeError("lake: a URL with a user or a password: give the token by VEDETTE_TOKEN")
    if parts.query or parts.fragment:
        raise LakeError(
            "lake: a URL with a '?' or '#': must end with the path"
        )  # not shown: a token may stand there
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


def journal_folder(url: str, given: str | Path | None, written: str | None) -> Path:
    """The folder of the journal that is shipped to a server: one for each server, below what was given.

    Where nothing was, it is below ``$VEDETTE_JOURNAL``, else what ``vedette.toml`` says (``written``), else
    ``$XDG_STATE_HOME/vedette``, else ``~/.local/state/vedette``.
    """
    import hashlib  # only where a server is used

    base = given or os.environ.get("VEDETTE_JOURNAL") or written
    if not base:
        base = Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state") / "vedette"
    try:
        folder = Path(base).expanduser().absolute()
    except RuntimeError:
        raise LakeError(
            f"lake={url!r}: there is no home folder for its journal: give journal= or VEDETTE_JOURNAL"
        ) from None
    host = re.sub(r"[^a-z0-9.-]+", "-", url.partition("://")[2])[:60].strip("-.")
    return folder / f"{host}-{hashlib.sha256(url.encode()).hexdigest()[:8]}"
