"""All of access over one database: what the routes, the authority and the command line work with."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from vedette.config import ServingSettings
from vedette.server.access.delay import Delay
from vedette.server.access.identities import Identities
from vedette.server.access.keys import Keys
from vedette.server.access.passwords import Passwords
from vedette.server.access.provider import Provider
from vedette.server.access.sessions import Sessions
from vedette.server.access.users import Users
from vedette.server.database.connection import Database

__all__ = ["Access"]


@dataclass(frozen=True, slots=True)
class Access:
    """Users, keys, sessions and delays of one server, by one clock; and its identity provider, where it has one."""

    database: Database
    users: Users
    keys: Keys
    sessions: Sessions
    delay: Delay
    identities: Identities
    provider: Provider | None = None
    clock: Callable[[], float] = time.time
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    """Of this process: what is logged of a text that may be a secret is its digest under it."""

    @classmethod
    def over(
        cls,
        database: Database,
        serving: ServingSettings | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> Access:
        """Over an open database."""
        said = serving or ServingSettings()
        sessions = Sessions(
            database,
            idle=timedelta(seconds=said.session_idle_s),
            absolute=timedelta(seconds=said.session_max_s),
        )
        return cls(
            database,
            Users(database, Passwords(), first_lasts=timedelta(seconds=said.first_password_lasts_s)),
            Keys(database),
            sessions,
            Delay(database),
            Identities(database),
            None if said.provider is None else Provider(said.provider, clock),
            clock,
        )

    def now(self) -> datetime:
        """The time, UTC."""
        return datetime.fromtimestamp(self.clock(), UTC)
