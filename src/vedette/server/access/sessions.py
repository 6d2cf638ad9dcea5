"""Sessions: who is logged in, kept by the server.

The cookie is 256 random bits, new at each login; kept is its SHA-256. A session ends after ``idle`` without a request, after
``absolute`` in any case, at logout, and with all others of its user when their password is changed or they are disabled.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, update

from vedette.server.access import audit
from vedette.server.access.rights import Role
from vedette.server.access.secrets import digest_of, new_secret
from vedette.server.database.connection import Database
from vedette.server.database.tables import Device, Session, User

__all__ = ["BY_PASSWORD", "BY_PROVIDER", "SessionHolder", "Sessions", "form_token"]

BY_PASSWORD, BY_PROVIDER = "password", "provider"

_SEEN_EVERY = timedelta(minutes=1)
_DEVICE_LASTS = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class SessionHolder:
    """Somebody who is logged in: their name, and their role on each model or ``*``.

    ``must_change``: by a password that was made for them, which they must change before anything else.
    """

    user: str
    granted: tuple[tuple[str, Role], ...]
    must_change: bool = False

    @property
    def name(self) -> str:
        """As the audit log has it."""
        return f"user:{self.user}"


def form_token(cookie: str) -> str:
    """What a form must hold to be taken from who has this cookie: it cannot be had without it, nor the cookie from it."""
    return hmac.new(cookie.encode("utf-8", "surrogateescape"), b"vedette form", hashlib.sha256).hexdigest()


class Sessions:
    """The sessions of a server's users, and the browsers that they used."""

    def __init__(self, database: Database, *, idle: timedelta, absolute: timedelta) -> None:
        self._database = database
        self.idle = idle
        self.absolute = absolute

    def begin(
        self,
        user: User,
        *,
        address: str,
        now: datetime,
        before: str | None,
        way: str = BY_PASSWORD,
        browser: str = "",
    ) -> tuple[str, str]:
        """A new session, in place of the one that the browser had: its cookie, and that of the browser.

        ``browser`` is what it says that it is, for its user to know it again.
        """
        cookie, device = new_secret(), new_secret()
        with self._database.writing() as work:
            if before is not None:
                work.execute(delete(Session).where(Session.digest == digest_of(before)))
            work.execute(delete(Session).where(Session.expires <= now))
            work.execute(delete(Session).where(Session.seen <= now - self.idle))
            work.execute(delete(Device).where(Device.expires <= now))
            work.add(
                Session(
                    digest=digest_of(cookie),
                    user_id=user.id,
                    created=now,
                    seen=now,
                    expires=now + self.absolute,
                    id=secrets.token_hex(8),
                    way=way,
                    address=address[:64],
                    browser=browser[:160],
                )
            )
            work.add(Device(digest=digest_of(device), user_id=user.id, expires=now + _DEVICE_LASTS))
            audit.record(work, now, f"user:{user.name}", "login", user.name, {"address": address, "way": way})
        return cookie, device

    def holder(self, cookie: str, now: datetime, *, counts: bool = True) -> SessionHolder | None:
        """Who is logged in with this cookie, None for nobody, or where it has ended.

        ``counts``: as a request, from which the time without one begins anew.
        """
        digest = digest_of(cookie)
        with self._database.reading() as work:
            found = work.execute(
                select(Session, User).join(User, User.id == Session.user_id).where(Session.digest == digest)
            ).first()
            if found is None:
                return None
            session, user = found
            granted = tuple((grant.model, Role(grant.role)) for grant in user.grants)
        if user.disabled or session.expires <= now or session.seen + self.idle <= now:
            return None
        if counts and now - session.seen >= _SEEN_EVERY:
            with self._database.writing() as work:
                work.execute(update(Session).where(Session.digest == digest).values(seen=now))
        must_change = user.change_by is not None and session.way == BY_PASSWORD
        return SessionHolder(user.name, granted, must_change)

    def list(self, user: str, now: datetime, *, current: str | None = None) -> list[dict[str, Any]]:
        """The sessions of a user that hold now, the one that was used last first; ``current`` is the cookie of one's own."""
        with self._database.reading() as work:
            found = work.scalars(
                select(Session)
                .join(User, User.id == Session.user_id)
                .where(User.name == user, Session.expires > now, Session.seen > now - self.idle)
                .order_by(Session.seen.desc(), Session.id)
            )
            own = None if current is None else digest_of(current)
            return [
                {
                    "id": one.id, "created": one.created, "seen": one.seen, "way": one.way,
                    "address": one.address, "browser": one.browser, "current": one.digest == own,
                }
                for one in found
            ]  # fmt: skip

    def end_some(
        self, user: str, *, actor: str, now: datetime, one: str | None = None, but: str | None = None
    ) -> int:
        """End the sessions of a user: the one with an id, all but that of a cookie (``but``), or all. How many they were."""
        with self._database.writing() as work:
            owner = work.scalar(select(User).where(User.name == user))
            if owner is None:
                return 0
            which = [Session.user_id == owner.id]
            which += [] if one is None else [Session.id == one]
            which += [] if but is None else [Session.digest != digest_of(but)]
            ended = list(work.scalars(select(Session).where(*which)))
            for session in ended:
                work.delete(session)
            if ended:
                audit.record(work, now, actor, "session.end", user, {"sessions": len(ended)})
            return len(ended)

    def end(self, cookie: str, *, now: datetime) -> None:
        """Log out."""
        with self._database.writing() as work:
            found = work.execute(
                select(Session, User)
                .join(User, User.id == Session.user_id)
                .where(Session.digest == digest_of(cookie))
            ).first()
            if found is not None:
                work.delete(found[0])
                audit.record(work, now, f"user:{found[1].name}", "logout", found[1].name)

    def knows_device(self, device: str | None, user: str, now: datetime) -> bool:
        """Whether this browser logged in as this user before."""
        if not device:
            return False
        with self._database.reading() as work:
            return (
                work.scalar(
                    select(Device.digest)
                    .join(User, User.id == Device.user_id)
                    .where(Device.digest == digest_of(device), User.name == user, Device.expires > now)
                )
                is not None
            )
