"""The audit log: who did what, each entry chained to the one before, so that a changed one is found.

``digest = SHA-256(JSON of [number, time, actor, action, target, detail, previous digest])``. The database refuses to change
or delete a row (triggers), but whoever owns the database can lift that. What is rewritten in the middle breaks the chain;
what is cut off at the end, or rewritten from some row on, does not: for that, the number and digest of each entry go to the
server's log as well, and :func:`verify` can be given one of them to hold the chain against.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import event, select, text
from sqlalchemy.orm import Session

from vedette.server.database.tables import AuditEntry

__all__ = ["GENESIS", "Fault", "document", "entries", "record", "verification", "verify"]

GENESIS = "0" * 64
"""What the first entry has for a digest before it."""

_ADVISORY = 0x7665646175  # "vedau": the number of PostgreSQL's lock
log = logging.getLogger("vedette.audit")


@dataclass(frozen=True, slots=True)
class Fault:
    """The first entry at which the chain does not hold, and in what way."""

    number: int
    reason: str


def _digest(entry: AuditEntry) -> str:
    covered = [
        entry.number, entry.time.isoformat(timespec="microseconds"), entry.actor, entry.action, entry.target,
        entry.detail, entry.previous,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(covered, ensure_ascii=True).encode()).hexdigest()


def record(
    session: Session,
    now: datetime,
    actor: str,
    action: str,
    target: str = "",
    detail: Mapping[str, object] | None = None,
) -> None:
    """Add an entry, in the transaction of what it tells of: both are kept, or neither.

    ``actor`` is who did it, such as ``user:ann``, ``key:3f9c...`` or ``console:root``; ``detail`` must hold no secret.
    """
    if session.get_bind().dialect.name == "postgresql":  # SQLite has one writer at a time by itself
        session.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _ADVISORY})
    last = session.scalar(select(AuditEntry).order_by(AuditEntry.number.desc()).limit(1))
    entry = AuditEntry(
        number=1 if last is None else last.number + 1,
        time=now,
        actor=actor,
        action=action,
        target=target,
        detail=json.dumps(detail or {}, sort_keys=True),
        previous=GENESIS if last is None else last.digest,
    )
    entry.digest = _digest(entry)
    session.add(entry)
    session.flush()
    said = {
        "audit": entry.number, "digest": entry.digest, "actor": actor, "action": action, "target": target,
    }  # fmt: skip
    event.listen(
        session, "after_commit", lambda _: log.info("audit: %s", action, extra={"said": said}), once=True
    )


def entries(session: Session, *, before: int | None = None, limit: int = 100) -> list[AuditEntry]:
    """The newest entries first, those before a number where one is given."""
    query = select(AuditEntry).order_by(AuditEntry.number.desc()).limit(limit)
    return list(session.scalars(query if before is None else query.where(AuditEntry.number < before)))


def verify(session: Session, anchor: tuple[int, str] | None = None) -> tuple[int, Fault | None]:
    """Walk the whole chain: how many entries hold, and the first that does not, None where all do.

    ``anchor`` is the number and digest of an entry as the server's log has it: an entry that is missing or has another
    digest is a fault too.
    """
    previous, number = GENESIS, 0
    for entry in _all(session):
        number += 1
        if entry.number != number:
            return number - 1, Fault(number, f"is missing: the next one is {entry.number}")
        if entry.previous != previous:
            return number - 1, Fault(number, "does not follow the one before")
        if entry.digest != _digest(entry):
            return number - 1, Fault(number, "is not what was written")
        if anchor is not None and anchor[0] == number and anchor[1] != entry.digest:
            return number - 1, Fault(number, "is not the one that the server's log has")
        previous = entry.digest
    if anchor is not None and anchor[0] > number:
        return number, Fault(number + 1, f"is missing: the server's log has {anchor[0]} entries or more")
    return number, None


def _all(session: Session) -> Iterator[AuditEntry]:
    query = select(AuditEntry).order_by(AuditEntry.number).execution_options(yield_per=1000)
    yield from session.scalars(query)


def document(entry: AuditEntry) -> dict[str, object]:
    """An entry as JSON has it."""
    return {
        "number": entry.number, "time": entry.time.isoformat(), "actor": entry.actor, "action": entry.action,
        "target": entry.target, "detail": json.loads(entry.detail), "digest": entry.digest,
    }  # fmt: skip


def verification(session: Session, anchor: tuple[int, str] | None = None) -> dict[str, object]:
    """What :func:`verify` finds, as JSON has it."""
    held, fault = verify(session, anchor)
    return {
        "intact": fault is None, "entries": held,
        "fault": None if fault is None else f"entry {fault.number} {fault.reason}",
    }  # fmt: skip
