"""What a server is started with: the command line over ``vedette.toml`` over the defaults."""

from __future__ import annotations

import ipaddress
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path

from vedette.config import ServingSettings
from vedette.errors import ConfigError

__all__ = ["BODY_BYTES_MAX", "Settings", "is_loopback"]

BODY_BYTES_MAX = 1 << 20
"""Bytes of a request's body, unless the route takes rows."""

_LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address that a server binds to.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0"), is_loopback("localhost")
    (True, True, False, True)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Settings:
    """How a server listens, and whom it believes.

    ``hosts`` are the names that it may be called by, beside those of ``host``; ``trusted_proxies`` the networks whose
    forwarded headers are believed. ``database`` is a URL, None for SQLite in the lake; it is never shown.
    """

    host: str = "127.0.0.1"
    port: int = 8470
    database: str | None = field(default=None, repr=False)
    tls_cert: Path | None = None
    tls_key: Path | None = None
    insecure: bool = False
    log_json: bool = False
    serving: ServingSettings = field(default_factory=ServingSettings)

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port={self.port}: must lie between 0, for any that is free, and 65535")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key: one is given without the other: must be both, or none")

    @classmethod
    def written(cls, serving: ServingSettings, **given: object) -> Settings:
        """Settings of the command line, and what the file says. Raises ``ConfigError`` where a variable is not set."""
        database = given.pop("database", None)
        if database is None and serving.database_env is not None:
            database = os.environ.get(serving.database_env)
            if not database:
                raise ConfigError(
                    f"[server] database_env={serving.database_env!r}: the variable is not set: must hold the database's URL"
                )
        return cls(database=database, serving=serving, **given)  # type: ignore[arg-type]

    @property
    def tls(self) -> bool:
        """Whether the server itself speaks TLS."""
        return self.tls_cert is not None

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """Names that the server may be called by, in lower case and without a port."""
        own = {self.host.lower(), *_LOOPBACK_HOSTS}
        if not is_loopback(self.host):
            own |= {socket.gethostname().lower(), socket.getfqdn().lower()}
        return frozenset(own | {host.lower() for host in self.serving.hosts})
