"""Who somebody of an identity provider is here: by issuer and subject, never by a name or a mail address alone.

A name or an address can be given to somebody else, or be claimed by them; the subject cannot. An account that is there is
connected by its user, who has logged in to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session as Work

from vedette.config.provider import ProviderSettings
from vedette.errors import AccessError, ProviderError
from vedette.server.access import audit
from vedette.server.access import provider as providers
from vedette.server.access.rights import ALL_MODELS, Role, checked_roles
from vedette.server.access.users import checked_name, find_user, put_user, set_grants
from vedette.server.database.connection import Database
from vedette.server.database.tables import Identity, Return, User

__all__ = ["Identities", "check_domain", "roles_by"]

_GRAVEST = (Role.VIEWER, Role.EDITOR, Role.ADMIN)


def roles_by(settings: ProviderSettings, identity: providers.Identity) -> dict[str, Role]:
    """The roles that the values of the claim give, of each model the one that may do most.

    >>> given = ProviderSettings("https://a", "b", roles={"*": {"*": "viewer"}, "ops": {"delays": "editor"}})
    >>> roles_by(given, providers.Identity("https://a", "1", {"groups": ["ops", "other"]}))
    {'*': <Role.VIEWER: 'viewer'>, 'delays': <Role.EDITOR: 'editor'>}
    """
    found: dict[str, Role] = {}
    for value in (ALL_MODELS, *sorted(identity.values(settings.claim) - {ALL_MODELS})):
        for model, role in checked_roles(settings.roles.get(value, {})).items():
            found[model] = max(found.get(model, role), role, key=_GRAVEST.index)
    return found


def check_domain(settings: ProviderSettings, identity: providers.Identity) -> None:
    """Raise ``ProviderError`` where the account has no verified mail address of one of the domains, if any are named."""
    if not settings.domains:
        return
    email = identity.verified_email
    if email is None or email.rpartition("@")[2].casefold() not in settings.domains:
        raise ProviderError("the account has no verified mail address of a domain that may log in here")


class Identities:
    """The identities of a server's users."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def spend(self, digest: str, *, expires: datetime, now: datetime) -> None:
        """Go a way back from the provider. Raises ``ProviderError`` for one that was gone before."""
        try:
            with self._database.writing() as work:
                work.execute(delete(Return).where(Return.expires <= now))
                work.add(Return(digest=digest, expires=expires))
        except IntegrityError:
            raise ProviderError("this login was used before: begin again") from None

    def user(self, identity: providers.Identity, settings: ProviderSettings, *, now: datetime) -> User:
        """The user that somebody is here; a new one where the settings say so. What they may do follows the provider.

        Roles of a user whom an admin made stay as the admin says.
        """
        check_domain(settings, identity)
        actor = f"provider:{identity.issuer}"[:160]
        with self._database.writing() as work:
            held = work.get(Identity, (identity.issuer, identity.subject))
            if held is None and not settings.create:
                raise ProviderError(
                    "no account is connected with this login: log in with a password and connect it, or ask an admin"
                )
            roles = roles_by(settings, identity)
            if held is None:
                user = self._made(work, identity, roles, actor, now)
            else:
                user = work.scalars(select(User).where(User.id == held.user_id)).one()
                if held.managed and settings.roles and not user.disabled:
                    set_grants(work, user, roles, actor=actor, now=now)
            if user.disabled:
                raise ProviderError("the account is disabled: ask an admin")
            return user

    def _made(
        self, work: Work, identity: providers.Identity, roles: Mapping[str, Role], actor: str, now: datetime
    ) -> User:
        user = put_user(work, _name(identity), roles, now=now, actor=actor, password="")
        _tie(work, identity, user, managed=True, actor=actor, now=now)
        return user

    def connect(self, identity: providers.Identity, user: str, *, now: datetime) -> None:
        """Tie an identity to a user who is there. Raises ``ProviderError`` where it is tied already."""
        with self._database.writing() as work:
            if work.get(Identity, (identity.issuer, identity.subject)) is not None:
                raise ProviderError(
                    "this login is connected with an account already: disconnect it there first"
                )
            _tie(work, identity, find_user(work, user), managed=False, actor=f"user:{user}", now=now)

    def disconnect(self, user: str, issuer: str, *, actor: str, now: datetime) -> None:
        """Untie the identities of a user at an issuer. Raises ``AccessError`` where there would be no way left to log in."""
        with self._database.writing() as work:
            owner = find_user(work, user)
            held = _held(work, owner, issuer)
            if not held:
                raise AccessError(f"user {user!r}: has no login of {issuer!r}")
            if not owner.password:
                raise AccessError(
                    f"user {user!r}: has no password, and could not log in any more: set one first"
                )
            for one in held:
                work.delete(one)
            audit.record(work, now, actor, "identity.disconnect", owner.name, {"issuer": issuer})

    def of(self, user: str) -> list[dict[str, Any]]:
        """The identities of a user: at which issuer, since when."""
        with self._database.reading() as work:
            return [
                {"issuer": one.issuer, "created": one.created, "managed": one.managed}
                for one in _held(work, find_user(work, user))
            ]

    def has_password(self, user: str) -> bool:
        """Whether a user can log in with a password at all."""
        with self._database.reading() as work:
            return bool(find_user(work, user).password)


def _held(work: Work, owner: User, issuer: str | None = None) -> list[Identity]:
    query = select(Identity).where(Identity.user_id == owner.id).order_by(Identity.created)
    return list(work.scalars(query if issuer is None else query.where(Identity.issuer == issuer)))


def _tie(
    work: Work, identity: providers.Identity, user: User, *, managed: bool, actor: str, now: datetime
) -> None:
    work.add(
        Identity(
            issuer=identity.issuer, subject=identity.subject, user_id=user.id, managed=managed, created=now
        )
    )
    audit.record(
        work, now, actor, "identity.connect", user.name,
        {"issuer": identity.issuer, "subject": identity.subject},
    )  # fmt: skip


def _name(identity: providers.Identity) -> str:
    """What a new user is called: the provider's name for them, else their mail address, else the subject."""
    for said in (identity.claims.get("preferred_username"), identity.verified_email, identity.subject):
        if isinstance(said, str):
            try:
                return checked_name(said)
            except AccessError:
                continue
    raise ProviderError("the provider gives no name that an account can have: ask an admin for one")
