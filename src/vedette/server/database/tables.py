"""The tables, as SQLAlchemy has them. Times are UTC, kept as microseconds since 1970, the same in every database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Dialect,
    ForeignKey,
    Integer,
    String,
    Text,
    TypeDecorator,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

__all__ = [
    "Attempt",
    "AuditEntry",
    "Base",
    "Device",
    "Grant",
    "Identity",
    "Key",
    "Moment",
    "Return",
    "Session",
    "User",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Moment(TypeDecorator[datetime]):
    """A time as whole microseconds since 1970."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """To the database."""
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """From the database."""
        return None if value is None else _EPOCH + timedelta(microseconds=int(value))


class Base(DeclarativeBase):
    """What all tables have in common."""

    type_annotation_map = {datetime: Moment()}


class User(Base):
    """Somebody who logs in."""

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(128), unique=True)
    password: Mapped[str] = mapped_column(
        String(255)
    )  # argon2id, with its parameters and salt; empty for none
    change_by: Mapped[datetime | None]  # the password was made by the server, and lets in until then
    disabled: Mapped[bool] = mapped_column(Boolean)
    created: Mapped[datetime]
    grants: Mapped[list[Grant]] = relationship(
        cascade="all, delete-orphan", lazy="selectin", order_by="Grant.model"
    )

    def __repr__(self) -> str:
        return f"User({self.name!r})"  # never the hash


class Grant(Base):
    """A role of a user: of one model, or of all (``*``)."""

    __tablename__ = "grants"

    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    model: Mapped[str] = mapped_column(String(64), primary_key=True)
    role: Mapped[str] = mapped_column(String(16))


class Key(Base):
    """An API key. What it is told apart by (``id``) is not secret; of the key itself there is only a SHA-256."""

    __tablename__ = "keys"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(128))
    scopes: Mapped[list[str]] = mapped_column(JSON)
    models: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))  # null: all
    created: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(160))
    expires: Mapped[datetime | None]
    revoked: Mapped[datetime | None]
    used: Mapped[datetime | None]  # to about a minute

    def __repr__(self) -> str:
        return f"Key({self.id!r})"


class Session(Base):
    """Somebody who is logged in. The cookie's SHA-256 is kept, not the cookie."""

    __tablename__ = "sessions"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created: Mapped[datetime]
    seen: Mapped[datetime]  # to about a minute
    expires: Mapped[datetime]
    id: Mapped[str] = mapped_column(
        String(16), server_default=""
    )  # not secret: by it one ends another of one's own
    way: Mapped[str] = mapped_column(String(16), server_default="")  # password or provider
    address: Mapped[str] = mapped_column(String(64), server_default="")
    browser: Mapped[str] = mapped_column(String(160), server_default="")

    def __repr__(self) -> str:
        return f"Session(of {self.user_id!r})"


class Identity(Base):
    """Somebody of an identity provider, and the user that they are here."""

    __tablename__ = "identities"

    issuer: Mapped[str] = mapped_column(String(255), primary_key=True)
    subject: Mapped[str] = mapped_column(String(255), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    managed: Mapped[bool] = mapped_column(Boolean)  # the provider made the user, and says their roles
    created: Mapped[datetime]


class Return(Base):
    """A way back from an identity provider that was gone: it is gone once."""

    __tablename__ = "returns"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires: Mapped[datetime]


class Device(Base):
    """A browser that somebody has logged in with before: guesses made elsewhere do not delay it."""

    __tablename__ = "devices"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    expires: Mapped[datetime]


class Attempt(Base):
    """Failed logins of late: of an account, an address or a device, by the SHA-256 of which it is."""

    __tablename__ = "attempts"

    subject: Mapped[str] = mapped_column(String(64), primary_key=True)
    failures: Mapped[int] = mapped_column(Integer)
    last: Mapped[datetime] = mapped_column(index=True)
    until: Mapped[datetime]


class AuditEntry(Base):
    """Who did what, when. Each entry's ``digest`` covers it and the digest of the one before."""

    __tablename__ = "audit"

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    time: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(160))
    action: Mapped[str] = mapped_column(String(64))
    target: Mapped[str] = mapped_column(String(160))
    detail: Mapped[str] = mapped_column(Text)  # JSON, keys in order
    previous: Mapped[str] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(String(64))
