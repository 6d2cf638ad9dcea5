"""How a server serves: the keys of ``[server]`` that ``vedette serve`` reads."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vedette.config.channels import is_variable_name
from vedette.config.provider import ProviderSettings, provider_of
from vedette.config.values import duration_s
from vedette.errors import ConfigError

__all__ = ["SERVING_KEYS", "ServingSettings", "serving_of"]

SERVING_KEYS = {
    "database_env": "the environment variable that holds the URL of the server's database",
    "hosts": "names that the server may be called by, beside that of the address it listens on",
    "trusted_proxies": "networks of the proxies whose X-Forwarded-For and X-Forwarded-Proto are believed",
    "session_idle": "how long a login lasts without a request",
    "session_max": "how long a login lasts in any case",
    "first_password_lasts": "how long a password that the server made may be used to choose another",
    "provider": "a table: an identity provider by which people log in",
}


@dataclass(frozen=True, slots=True)
class ServingSettings:
    """How a server serves; see :data:`SERVING_KEYS`."""

    database_env: str | None = None
    hosts: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    session_idle_s: float = 8 * 3600.0
    session_max_s: float = 7 * 86400.0
    first_password_lasts_s: float = 7 * 86400.0
    provider: ProviderSettings | None = None


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
    for key in ("session_idle", "session_max", "first_password_lasts"):
        if key in table:
            try:
                found[f"{key}_s"] = duration_s(table[key], key)
            except ValueError as error:
                raise ConfigError(f"{where}: {error}") from None
    if "provider" in table:
        found["provider"] = provider_of(table["provider"], path)
    return ServingSettings(**found)


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
