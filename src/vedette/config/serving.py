"""How a server serves: the keys of ``[server]`` that ``vedette serve`` reads, and its identity provider."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vedette.config.channels import is_variable_name, is_web_url
from vedette.config.values import duration_s, refuse_unknown
from vedette.errors import ConfigError

__all__ = ["PROVIDER_KEYS", "SERVING_KEYS", "ProviderSettings", "ServingSettings", "serving_of"]

SERVING_KEYS = {
    "database_env": "the environment variable that holds the URL of the server's database",
    "hosts": "names that the server may be called by, beside that of the address it listens on",
    "trusted_proxies": "networks of the proxies whose X-Forwarded-For and X-Forwarded-Proto are believed",
    "session_idle": "how long a login lasts without a request",
    "session_max": "how long a login lasts in any case",
    "provider": "a table: the identity provider (OpenID Connect) that people log in through",
}
PROVIDER_KEYS = {
    "issuer": "the provider's address, below which it says where all else is",
    "client_id": "what it knows this server by",
    "client_secret_env": "the environment variable that holds the secret it knows this server by; none for a public client",
    "scopes": "what is asked for",
    "name_claim": "the claim that becomes the user's name",
    "role_claim": "the claim whose values give roles; without it an admin gives them",
    "roles": "a table: a value of that claim, and the role it gives, such as viewer, or editor:delays for one model",
}


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """An identity provider. ``roles`` are pairs of a claim's value and a role (``viewer``, or ``editor:delays``)."""

    issuer: str
    client_id: str
    client_secret_env: str | None = None
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    name_claim: str = "preferred_username"
    role_claim: str | None = None
    roles: tuple[tuple[str, str], ...] = ()

    def client_secret(self) -> str | None:
        """The secret as it is now, None for a public client. Raises ``ConfigError`` where the variable is not set."""
        if self.client_secret_env is None:
            return None
        secret = os.environ.get(self.client_secret_env)
        if not secret:
            raise ConfigError(
                f"[server.provider] client_secret_env={self.client_secret_env!r}: the variable is not set"
            )
        return secret


@dataclass(frozen=True, slots=True)
class ServingSettings:
    """How a server serves; see :data:`SERVING_KEYS`."""

    database_env: str | None = None
    hosts: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    session_idle_s: float = 8 * 3600.0
    session_max_s: float = 7 * 86400.0
    provider: ProviderSettings | None = field(default=None)


def serving_of(table: Mapping[str, Any], path: Path) -> ServingSettings:
    """The settings that ``[server]`` gives; ``ConfigError`` names what is impossible."""
    where = f"{path}: [server]"
    found: dict[str, Any] = {}
    if "database_env" in table:
        found["database_env"] = _variable(table, "database_env", where, "the URL")
    for key in ("hosts", "trusted_proxies"):
        if key in table:
            found[key] = _texts(table[key], f"{where}: {key}")
    for network in found.get("trusted_proxies", ()):
        try:
            ipaddress.ip_network(network)
        except ValueError:
            raise ConfigError(
                f"{where}: trusted_proxies: {network!r}: must be an address or a network, such as 10.0.0.0/8"
            ) from None
    for key in ("session_idle", "session_max"):
        if key in table:
            try:
                found[f"{key}_s"] = duration_s(table[key], key)
            except ValueError as error:
                raise ConfigError(f"{where}: {error}") from None
    if "provider" in table:
        found["provider"] = _provider(table["provider"], path)
    return ServingSettings(**found)


def _provider(table: Any, path: Path) -> ProviderSettings:
    where = f"{path}: [server.provider]"
    if not isinstance(table, Mapping):
        raise ConfigError(f"{path}: server.provider={table!r}: must be a table")
    refuse_unknown(table, PROVIDER_KEYS, where)
    found: dict[str, Any] = {}
    for key in ("issuer", "client_id"):
        if not isinstance(table.get(key), str) or not table[key]:
            raise ConfigError(f"{where}: {key}={table.get(key)!r}: must be text, and must be given")
        found[key] = table[key]
    if not is_web_url(found["issuer"]):
        raise ConfigError(
            f"{where}: issuer={found['issuer']!r}: must be a web address, such as https://login.example.org"
        )
    if "client_secret_env" in table:
        found["client_secret_env"] = _variable(table, "client_secret_env", where, "the secret")
    for key in ("name_claim", "role_claim"):
        if key in table:
            if not isinstance(table[key], str) or not table[key]:
                raise ConfigError(f"{where}: {key}={table[key]!r}: must be the name of a claim")
            found[key] = table[key]
    if "scopes" in table:
        found["scopes"] = _texts(table["scopes"], f"{where}: scopes")
        if "openid" not in found["scopes"]:
            raise ConfigError(f"{where}: scopes={list(found['scopes'])}: must hold openid")
    roles = table.get("roles", {})
    if not isinstance(roles, Mapping) or not all(isinstance(role, str) for role in roles.values()):
        raise ConfigError(f"{where}: roles={roles!r}: must be a table, such as ops = 'admin'")
    for value, role in roles.items():
        if role.partition(":")[0] not in ("viewer", "editor", "admin"):
            raise ConfigError(
                f"{where}: roles.{value}={role!r}: must be viewer, editor or admin, or like editor:delays"
            )
    if roles and "role_claim" not in found:
        raise ConfigError(f"{where}: roles without role_claim: must say which claim has these values")
    found["roles"] = tuple(sorted(roles.items()))
    return ProviderSettings(**found)


def _variable(table: Mapping[str, Any], key: str, where: str, what: str) -> str:
    name = table[key]
    if not isinstance(name, str) or not is_variable_name(
        name
    ):  # what stands there may be secret: it is not shown
        raise ConfigError(f"{where}: {key}: must be the name of an environment variable, not {what}")
    return name


def _texts(given: Any, where: str) -> tuple[str, ...]:
    if (
        isinstance(given, str)
        or not isinstance(given, list)
        or not all(isinstance(one, str) and one for one in given)
    ):
        raise ConfigError(f"{where}={given!r}: must be a list of texts")
    return tuple(given)
