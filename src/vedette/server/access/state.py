"""All of access over one database: what the routes, the authority and the command line work with."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from vedette.config import ServingSettings
from vedette.server.access.delay import Delay
from vedette.server.access.keys import Keys
from vedette.server.access.passwords import Passwords
from vedette.server.access.sessions import Sessions
from vedette.server.access.users import Users
from vedette.server.database.connection import Database

__all__ = ["Access"]


@dataclass(frozen=True, slots=True)
class Access:
    """Users, keys, sessions and delays of one server, by one clock."""

    database: Database
    users: Users
    keys: Keys
    sessions: Sessions
    delay: Delay
    clock: Callable[[], float] = time.time

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
        return cls(database, Users(database, Passwords()), Keys(database), sessions, Delay(database), clock)

    def now(self) -> datetime:
        """The time, UTC."""
        return datetime.fromtimestamp(self.clock(), UTC)
