"""API keys, for senders and scripts: ``vdt_<id>_<secret>``.

The id is not secret: the key is found, listed and logged by it. The secret is 256 random bits, shown once; kept is the
SHA-256 of the whole key. Each use asks the database, so that a key that is revoked is refused by every process at once.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from vedette.errors import AccessError, UnknownNameError
from vedette.server.access import audit
from vedette.server.access.rights import ALL_MODELS, Scope, checked_models
from vedette.server.access.secrets import digest_of, new_secret, same
from vedette.server.database.connection import Database
from vedette.server.database.tables import Key

__all__ = ["KeyHolder", "Keys", "key_id"]

_KEY = re.compile(r"vdt_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")
_USED_EVERY = timedelta(minutes=1)
_UNKNOWN = digest_of("")


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """A key that holds now: its name in the audit log, and its scopes on each of its models."""

    name: str
    granted: tuple[tuple[str, Scope], ...]


def key_id(text: str) -> str:
    """The id in the text of a key, which is not secret; empty for what is no key.

    >>> key_id("vdt_3f9c0a1b2c3d_" + "A" * 43), key_id("secret")
    ('3f9c0a1b2c3d', '')
    """
    match = _KEY.fullmatch(text)
    return match[1] if match else ""


def _document(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": key.scopes,
        "models": key.models,
        "created": key.created.isoformat(),
        "created_by": key.created_by,
        "expires": key.expires and key.expires.isoformat(),
        "revoked": key.revoked and key.revoked.isoformat(),
        "used": key.used and key.used.isoformat(),
    }


class Keys:
    """The API keys of a server."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        name: str,
        scopes: Collection[str],
        models: Collection[str] | None = None,
        *,
        actor: str,
        now: datetime,
        expires: datetime | None = None,
    ) -> tuple[dict[str, Any], str]:
        """A new key, and the text of it, which is shown this once."""
        if not 1 <= len(name) <= 128 or not name.isprintable():
            raise AccessError(
                f"name={name!r}: must be 1 to 128 printable characters that say what the key is for"
            )
        try:
            held = sorted({Scope(scope) for scope in scopes})
        except ValueError:
            raise AccessError(f"scopes={sorted(scopes)}: must be some of {', '.join(Scope)}") from None
        if not held:
            raise AccessError(f"scopes: none is given: must be some of {', '.join(Scope)}")
        named = checked_models(models)
        if expires is not None and expires <= now:
            raise AccessError(f"expires={expires.isoformat()}: must be after now")
        identifier = secrets.token_hex(6)
        text = f"vdt_{identifier}_{new_secret()}"
        key = Key(
            id=identifier, digest=digest_of(text), name=name, scopes=[str(scope) for scope in held],
            models=named, created=now, created_by=actor, expires=expires,
        )  # fmt: skip
        with self._database.writing() as work:
            work.add(key)
            audit.record(
                work, now, actor, "key.add", identifier,
                {"name": name, "scopes": key.scopes, "models": named, "expires": expires and expires.isoformat()},
            )  # fmt: skip
        return _document(key), text

    def list(self) -> list[dict[str, Any]]:
        """All keys, the newest first, without what is secret."""
        with self._database.reading() as work:
            return [_document(key) for key in work.scalars(select(Key).order_by(Key.created.desc(), Key.id))]

    def revoke(self, identifier: str, *, actor: str, now: datetime) -> dict[str, Any]:
        """Refuse a key from now on."""
        with self._database.writing() as work:
            key = work.get(Key, identifier)
            if key is None:
                raise UnknownNameError(f"key {identifier!r}: there is none with this id")
            if key.revoked is None:
                key.revoked = now
                audit.record(work, now, actor, "key.revoke", key.id, {"name": key.name})
            return _document(key)

    def holder(self, text: str, now: datetime) -> KeyHolder | None:
        """Whose key this is, None where it is none, or holds no more."""
        match = _KEY.fullmatch(text)
        with self._database.reading() as work:
            key = work.get(Key, match[1]) if match else None
        right = same(digest_of(text), _UNKNOWN if key is None else key.digest)
        if key is None or not right or key.revoked is not None:
            return None
        if key.expires is not None and key.expires <= now:
            return None
        if key.used is None or now - key.used >= _USED_EVERY:
            with self._database.writing() as work:
                work.execute(update(Key).where(Key.id == key.id).values(used=now))
        models = [ALL_MODELS] if key.models is None else key.models
        return KeyHolder(
            f"key:{key.id}", tuple((model, Scope(scope)) for model in models for scope in key.scopes)
        )
