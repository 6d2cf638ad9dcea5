"""An identity provider by which people log in to a server: the table ``[server.provider]``."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from vedette.config.channels import is_variable_name, is_web_url
from vedette.config.roles import roles_of
from vedette.config.values import refuse_unknown
from vedette.errors import ConfigError

__all__ = ["PROVIDER_KEYS", "ProviderSettings", "is_secure_url", "provider_of"]

PROVIDER_KEYS = {
    "issuer": "the provider's issuer, a URL below which /.well-known/openid-configuration lies",
    "client_id": "by which the provider knows this server",
    "client_secret_env": "the environment variable that holds the client's secret",
    "name": "what the login page calls the provider",
    "scopes": "scopes that are asked for beside openid",
    "claim": "the claim of the ID token whose values give roles",
    "roles": "a table: a value of that claim, or * for everybody, and the roles that it gives",
    "domains": "domains of verified mail addresses, of which an account must have one",
    "create": "whether somebody who logs in for the first time gets an account",
}
_TEXTS = ("client_id", "name", "claim")


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """How people log in by an identity provider; see :data:`PROVIDER_KEYS`.

    ``roles`` are by value of the claim, and of each by model or ``*``.
    """

    issuer: str
    client_id: str
    client_secret_env: str | None = None
    name: str = "your organisation"
    scopes: tuple[str, ...] = ("email", "profile")
    claim: str = "groups"
    roles: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    domains: tuple[str, ...] = ()
    create: bool = False

    def client_secret(self) -> str | None:
        """The client's secret as it is now, None for a public client. Raises ``ConfigError`` where its variable is not set."""
        if self.client_secret_env is None:
            return None
        found = os.environ.get(self.client_secret_env)
        if not found:
            raise ConfigError(
                f"[server.provider] client_secret_env={self.client_secret_env!r}: the variable is not set: "
                "must hold the client's secret"
            )
        return found


def is_secure_url(url: str) -> bool:
    """Whether nobody on the way reads what is sent there: ``https``, or this machine itself.

    >>> is_secure_url("https://login.example.org/realm"), is_secure_url("http://127.0.0.1:9000")
    (True, True)
    >>> is_secure_url("http://login.example.org"), is_secure_url("https://ann:secret@login.example.org")
    (False, False)
    """
    if not is_web_url(url):
        return False
    parts = urlsplit(url)
    if "@" in parts.netloc or parts.hostname is None:
        return False
    if parts.scheme == "https" or parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname).is_loopback
    except ValueError:
        return False


def provider_of(table: Any, path: Path) -> ProviderSettings:
    """The settings that the table of a file gives; ``ConfigError`` names what is impossible."""
    where = f"{path}: [server.provider]"
    if not isinstance(table, Mapping):
        raise ConfigError(f"{path}: [server]: provider={table!r}: must be a table")
    refuse_unknown(table, PROVIDER_KEYS, where)
    for key in ("issuer", "client_id"):
        if key not in table:
            raise ConfigError(f"{where}: {key}: is not given: must be {PROVIDER_KEYS[key]}")
    issuer = table["issuer"]
    if (
        not isinstance(issuer, str)
        or not is_secure_url(issuer)
        or set("?#") & set(issuer)
        or len(issuer) > 255
    ):
        raise ConfigError(
            f"{where}: issuer={issuer!r}: must be like https://login.example.org/realm; "
            "http:// is for this machine alone"
        )
    found: dict[str, Any] = {"issuer": issuer}
    for key in _TEXTS:
        if key in table:
            found[key] = _text(table[key], f"{where}: {key}")
    if "client_secret_env" in table:
        name = table["client_secret_env"]
        if not isinstance(name, str) or not is_variable_name(name):  # it may be the secret: not shown
            raise ConfigError(
                f"{where}: client_secret_env: must be the name of an environment variable, not the secret"
            )
        found["client_secret_env"] = name
    for key in ("scopes", "domains"):
        if key in table:
            found[key] = _list(table[key], f"{where}: {key}")
    if "domains" in found:
        found["domains"] = tuple(one.casefold().removeprefix("@") for one in found["domains"])
    if "create" in table:
        if not isinstance(table["create"], bool):
            raise ConfigError(f"{where}: create={table['create']!r}: must be true or false")
        found["create"] = table["create"]
    if "roles" in table:
        found["roles"] = _roles(table["roles"], f"{where}: roles")
    return ProviderSettings(**found)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value or not value.isprintable() or len(value) > 200:
        raise ConfigError(f"{where}={value!r}: must be a text of 1 to 200 characters")
    return value


def _list(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ConfigError(f"{where}={value!r}: must be a list of texts")
    return tuple(_text(one, where) for one in value)


def _roles(value: Any, where: str) -> dict[str, dict[str, str]]:
    """``{"ops" = "admin", "team" = ["viewer", "editor:delays"]}`` by value, and of each by model."""
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where}={value!r}: must be a table")
    found: dict[str, dict[str, str]] = {}
    for group, given in value.items():
        try:
            found[group] = roles_of(_list([given] if isinstance(given, str) else given, f"{where}: {group}"))
        except ValueError as error:
            raise ConfigError(f"{where}: {group}: {error}") from None
    return found
