"""Users: who there is, what each may do, and their passwords."""

from __future__ import annotations

import re
import unicodedata
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session as Work

from vedette.errors import AccessError, UnknownNameError
from vedette.server.access import audit
from vedette.server.access.passwords import Passwords, check_password, first_password
from vedette.server.access.rights import ALL_MODELS, Role, checked_roles
from vedette.server.database.connection import Database
from vedette.server.database.tables import Device, Grant, Session, User

__all__ = ["Users", "canonical_name", "checked_name", "find_user", "put_user", "set_grants"]

_NAME = re.compile(r"[\w][\w.@+-]{0,127}")


def canonical_name(name: str) -> str:
    """A user's name as it is kept: two that look the same are one.

    >>> canonical_name("Ann@Example.org")
    'ann@example.org'
    """
    return unicodedata.normalize("NFKC", name).casefold().strip()


def checked_name(name: str) -> str:
    """A name that a user may have, as it is kept. Raises ``AccessError`` for another."""
    name = canonical_name(name)
    if not _NAME.fullmatch(name):
        raise AccessError(
            f"user {name!r}: must be 1 to 128 letters, digits and . _ @ + -, a letter or digit first"
        )
    return name


def _document(user: User) -> dict[str, Any]:
    return {
        "name": user.name,
        "roles": {grant.model: grant.role for grant in user.grants},
        "disabled": user.disabled,
        "created": user.created.isoformat(),
        "change_by": user.change_by and user.change_by.isoformat(),
    }


class Users:
    """The users of a server. Each change is in the audit log, under the name of who made it (``actor``).

    A password that is made here lets in for ``first_lasts``, and must be changed before it lets do anything.
    """

    def __init__(
        self, database: Database, passwords: Passwords, *, first_lasts: timedelta = timedelta(days=7)
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._first_lasts = first_lasts

    def add(
        self, name: str, roles: Mapping[str, str], password: str | None, *, actor: str, now: datetime
    ) -> tuple[dict[str, Any], str | None]:
        """A new user, and the password that was made where none was given."""
        name = checked_name(name)
        granted = checked_roles(roles)
        made = first_password() if password is None else None
        chosen = made or password or ""
        check_password(chosen, name)
        kept = self._passwords.hash(chosen)
        with self._database.writing() as work:
            user = put_user(work, name, granted, now=now, actor=actor, password=kept)
            user.change_by = None if made is None else now + self._first_lasts
            return _document(user), made

    def first_admin(self, name: str, *, now: datetime) -> str | None:
        """An admin with a password that is returned, where there is no user at all; None where there is one."""
        password = first_password()
        with self._database.reading() as work:
            if work.scalar(select(func.count()).select_from(User)):
                return None
        kept = self._passwords.hash(password)
        with self._database.writing() as work:
            if work.scalar(select(func.count()).select_from(User)):  # another process was quicker
                return None
            user = put_user(work, name, {ALL_MODELS: Role.ADMIN}, now=now, actor="server", password=kept)
            user.change_by = now + self._first_lasts
        return password

    def has_admin(self) -> bool:
        """Whether somebody who is not disabled may do everything."""
        with self._database.reading() as work:
            return work.scalar(_admins()) not in (None, 0)

    def list(self) -> list[dict[str, Any]]:
        """All users, by name."""
        with self._database.reading() as work:
            return [_document(user) for user in work.scalars(select(User).order_by(User.name))]

    def one(self, name: str) -> dict[str, Any]:
        """One user. Raises ``AccessError`` where there is none of this name."""
        with self._database.reading() as work:
            return _document(find_user(work, name))

    def is_there(self, name: str) -> bool:
        """Whether there is a user of this name."""
        with self._database.reading() as work:
            return work.scalar(select(User.id).where(User.name == canonical_name(name))) is not None

    def set_roles(self, name: str, roles: Mapping[str, str], *, actor: str, now: datetime) -> dict[str, Any]:
        """Give a user these roles and no others. The last admin stays one."""
        granted = checked_roles(roles)
        with self._database.writing() as work:
            user = find_user(work, name)
            set_grants(work, user, granted, actor=actor, now=now)
            return _document(user)

    def set_disabled(self, name: str, disabled: bool, *, actor: str, now: datetime) -> dict[str, Any]:
        """Disable a user, who is logged out everywhere at once, or let them in again. The last admin stays."""
        with self._database.writing() as work:
            user = find_user(work, name)
            user.disabled = disabled
            work.flush()
            _keep_an_admin(work)
            if disabled:
                _forget(work, user)
            audit.record(work, now, actor, "user.disable" if disabled else "user.enable", user.name)
            return _document(user)

    def set_password(self, name: str, password: str | None, *, actor: str, now: datetime) -> str | None:
        """A new password, returned where it was made here; the user is logged out everywhere.

        One that was made here must be changed after the first login, and lets in for so long only.
        """
        made = first_password() if password is None else None
        chosen = made or password or ""
        check_password(chosen, canonical_name(name))
        kept = self._passwords.hash(chosen)
        with self._database.writing() as work:
            user = find_user(work, name)
            user.password = kept
            user.change_by = None if made is None else now + self._first_lasts
            _forget(work, user)
            audit.record(work, now, actor, "user.password", user.name)
        return made

    def check(self, name: str, password: str) -> User | None:
        """The user whose password this is, None for anybody else; it takes as long for a user that is not there.

        Where the hash was made with older parameters, it is made anew.
        """
        with self._database.reading() as work:
            user = work.scalar(select(User).where(User.name == canonical_name(name)))
        right = self._passwords.matches(None if user is None else user.password, password)
        if user is None or not right or user.disabled:
            return None
        if self._passwords.outdated(user.password):
            renewed = self._passwords.hash(password)
            with self._database.writing() as work:
                current = work.get(User, user.id)
                if current is not None and current.password == user.password:
                    current.password = renewed
        return user


def put_user(
    work: Work, name: str, roles: Mapping[str, Role], *, now: datetime, actor: str, password: str
) -> User:
    """Add a user, with the hash of a password or none (empty). Raises ``AccessError`` where the name is taken."""
    if work.scalar(select(User).where(User.name == name)) is not None:
        raise AccessError(f"user {name!r}: is there already: choose another name")
    user = User(id=uuid.uuid4().hex, name=name, disabled=False, created=now, password=password)
    user.grants = [Grant(model=model, role=role) for model, role in sorted(roles.items())]
    work.add(user)
    work.flush()
    audit.record(work, now, actor, "user.add", name, {"roles": dict(roles)})
    return user


def set_grants(work: Work, user: User, roles: Mapping[str, Role], *, actor: str, now: datetime) -> None:
    """Give a user these roles and no others. Raises ``AccessError`` where it would take the last admin away."""
    before = {grant.model: grant.role for grant in user.grants}
    if before == dict(roles):
        return
    user.grants.clear()
    work.flush()  # the rows of before go first
    user.grants = [Grant(model=model, role=role) for model, role in sorted(roles.items())]
    work.flush()
    _keep_an_admin(work)
    audit.record(work, now, actor, "user.roles", user.name, {"before": before, "after": dict(roles)})


def find_user(work: Work, name: str) -> User:
    """The user of a name. Raises ``UnknownNameError`` where there is none."""
    user = work.scalar(select(User).where(User.name == canonical_name(name)))
    if user is None:
        raise UnknownNameError(f"user {name!r}: there is none of that name")
    return user


def _forget(work: Work, user: User) -> None:
    """End all sessions of a user, and trust no browser of theirs."""
    work.execute(delete(Session).where(Session.user_id == user.id))
    work.execute(delete(Device).where(Device.user_id == user.id))


def _admins() -> Any:
    return (
        select(func.count())
        .select_from(Grant)
        .join(User, User.id == Grant.user_id)
        .where(Grant.model == ALL_MODELS, Grant.role == Role.ADMIN.value, User.disabled.is_(False))
    )


def _keep_an_admin(work: Work) -> None:
    if not work.scalar(_admins()):
        raise AccessError("the last admin of all models: must stay; make another one first")
