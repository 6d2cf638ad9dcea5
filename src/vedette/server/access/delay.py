"""How long whoever failed to log in must wait: by account and by address, never for good.

After :data:`FREE` failures each further one doubles the wait, up to :data:`WAIT_MAX`; a quarter of an hour without a failure
forgets them. An attempt is counted before the password is looked at and taken back when it was right, so that many at once
gain nothing. Guesses at an account from elsewhere do not keep its owner out: a browser that has logged in as that user before
is counted by itself (OWASP's device cookies).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete

from vedette.server.access.secrets import digest_of
from vedette.server.database.connection import Database
from vedette.server.database.tables import Attempt

__all__ = ["FREE", "WAIT_MAX", "Delay", "subjects"]

FREE = 5
WAIT_MAX = timedelta(minutes=1)
_FREE_ADDRESS = 20  # many people may come from one address
_FORGET = timedelta(minutes=15)


def subjects(account: str, address: str, device: str | None) -> tuple[str, ...]:
    """What a login counts for: the address, and the account, or the browser where that account knows it (``device``)."""
    return (f"address:{address}", f"device:{device}" if device is not None else f"account:{account}")


def _wait(failures: int, free: int) -> timedelta:
    """The wait that so many failures make.

    >>> [int(_wait(n, 5).total_seconds()) for n in (5, 6, 7, 8, 20)]
    [0, 1, 2, 4, 60]
    """
    if failures <= free:
        return timedelta(0)
    return min(timedelta(seconds=2 ** min(failures - free - 1, 30)), WAIT_MAX)


class Delay:
    """Counts failed logins, in the database: it is the same in every process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def admit(self, of: Sequence[str], now: datetime) -> timedelta:
        """Nothing where an attempt may be made now, which is counted as failed; else how long to wait for one."""
        with self._database.writing() as work:
            work.execute(delete(Attempt).where(Attempt.last < now - _FORGET))
            found = {subject: work.get(Attempt, digest_of(subject)) for subject in of}
            wait = max((one.until - now for one in found.values() if one is not None), default=timedelta(0))
            if wait > timedelta(0):
                return wait
            for subject, one in found.items():
                failures = 1 if one is None else one.failures + 1
                free = _FREE_ADDRESS if subject.startswith("address:") else FREE
                if one is None:
                    one = Attempt(subject=digest_of(subject))
                    work.add(one)
                one.failures, one.last, one.until = failures, now, now + _wait(failures, free)
        return timedelta(0)

    def succeeded(self, of: Sequence[str]) -> None:
        """Take back what was counted: the account or browser from the start, the address by this one attempt."""
        with self._database.writing() as work:
            for subject in of:
                one = work.get(Attempt, digest_of(subject))
                if one is None:
                    continue
                if subject.startswith("address:") and one.failures > 1:
                    one.failures -= 1
                    one.until = one.last
                else:
                    work.delete(one)
