"""Requests that a server refused because their numbers had been taken by other rows: kept apart, and counted.

Which of the two was meant nobody can say here: the rows that came first stay, the others lie in ``<lake>/.received/conflicts``
as they came, and the ledger counts them as rejected. ``conflicts.db`` (SQLite) has a row for each request, the body is a file
beside it. A request that is refused again is the same one. Bodies are kept for 30 days, 256 MiB and 10,000 of them at most,
the first that came; what is beyond that is counted alone.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vedette.capture.shipping.desk import put
from vedette.lake.received.index import logs_folder
from vedette.lake.received.records import Received
from vedette.lake.tables import Lake
from vedette.records import Counted

__all__ = ["REASON", "Conflict", "Conflicts"]

REASON = "numbers that were taken by other rows"
BODIES_MAX, BODIES_BYTES_MAX = 10_000, 256 * 2**20
BODIES_DAYS = 30

_HOUR_US = 3_600_000_000
_WAIT_S = 10.0
_SUFFIX = {"rows": "arrows", "batch": "arrow", "json": "json"}
_TABLE = """
CREATE TABLE IF NOT EXISTS conflicts (
    name TEXT PRIMARY KEY, model TEXT NOT NULL, producer TEXT NOT NULL, stream TEXT NOT NULL, first INTEGER NOT NULL,
    "end" INTEGER NOT NULL, n_rows INTEGER NOT NULL, received_us INTEGER NOT NULL, file TEXT, n_bytes INTEGER NOT NULL
) WITHOUT ROWID
"""
_BY_MODEL = "CREATE INDEX IF NOT EXISTS by_model ON conflicts (model, producer, stream)"


@dataclass(frozen=True, slots=True)
class Conflict:
    """A request that was refused. ``path`` is its body, None where it is not kept (any more)."""

    model: str
    producer: str
    stream: str
    first: int
    end: int
    n_rows: int
    received_us: int
    path: Path | None


class Conflicts:
    """The requests of a lake that were refused with a conflict. Several processes may use it at once."""

    def __init__(self, lake: Lake) -> None:
        self.folder = logs_folder(lake) / "conflicts"
        self._file = self.folder / "conflicts.db"

    def keep(self, received: Received, body: bytes, received_us: int) -> bool:
        """Keep a request, once; False where it was there. Raises ``OSError`` where it cannot be written."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        parts = (*received.key, str(received.first), str(received.end), received.digest)
        name = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
        with self._open() as db, db:
            db.execute("BEGIN IMMEDIATE")
            if db.execute("SELECT 1 FROM conflicts WHERE name = ?", (name,)).fetchone():
                return False
            self._age(db, received_us)
            kept, n_bytes = db.execute(
                "SELECT count(file), coalesce(sum(n_bytes), 0) FROM conflicts"
            ).fetchone()
            file = None
            if kept < BODIES_MAX and n_bytes + len(body) <= BODIES_BYTES_MAX:
                file = f"{name}.{_SUFFIX[received.kind]}"
                put(self.folder / file, body, sync=True)
            db.execute(
                "INSERT INTO conflicts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (name, received.model, received.producer, received.stream, received.first, received.end,
                 int(received.about.get("n_rows", 0)), received_us, file, len(body) if file else 0),
            )  # fmt: skip
        return True

    def _age(self, db: sqlite3.Connection, now_us: int) -> None:
        """Delete the bodies that are too old; that they were there stays known."""
        before = now_us - BODIES_DAYS * 24 * _HOUR_US
        old = "file IS NOT NULL AND received_us < ?"
        for (file,) in db.execute(f"SELECT file FROM conflicts WHERE {old}", (before,)).fetchall():  # noqa: S608 - own text
            (self.folder / file).unlink(missing_ok=True)
        db.execute(f"UPDATE conflicts SET file = NULL, n_bytes = 0 WHERE {old}", (before,))  # noqa: S608 - own text

    def forget(self, model: str) -> int:
        """Delete the bodies of a model, and tell how many; that they were there stays known, and counted."""
        n = 0
        if not self._file.exists():
            return n
        with self._open() as db, db:
            db.execute("BEGIN IMMEDIATE")
            own = "model = ? AND file IS NOT NULL"
            for (file,) in db.execute(f"SELECT file FROM conflicts WHERE {own}", (model,)).fetchall():  # noqa: S608 - own text
                (self.folder / file).unlink(missing_ok=True)
                n += 1
            db.execute(f"UPDATE conflicts SET file = NULL, n_bytes = 0 WHERE {own}", (model,))  # noqa: S608 - own text
        return n

    def of(self, model: str) -> list[Conflict]:
        """Those of a model, in the order in which they came."""
        rows = self._rows(
            'SELECT file, producer, stream, first, "end", n_rows, received_us FROM conflicts WHERE model = ? '
            "ORDER BY received_us",
            model,
        )
        return [
            Conflict(model, producer, stream, first, end, n_rows, at, self.folder / file if file else None)
            for file, producer, stream, first, end, n_rows, at in rows
        ]

    def counted(self, model: str) -> dict[tuple[str, str], tuple[Counted, ...]]:
        """Rows that were refused by producer and stream, and the hour in which they came, as the ledger counts them."""
        found: dict[tuple[str, str], tuple[Counted, ...]] = {}
        for producer, stream, start, n in self._rows(
            f"SELECT producer, stream, received_us / {_HOUR_US} * {_HOUR_US} AS start, sum(n_rows) FROM conflicts "  # noqa: S608 - own number
            "WHERE model = ? GROUP BY producer, stream, start ORDER BY start",
            model,
        ):
            one = Counted("rejected", REASON, start, _HOUR_US, n)
            found[producer, stream] = (*found.get((producer, stream), ()), one)
        return found

    def _rows(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        if not self._file.exists():
            return []
        with self._open() as db:
            return db.execute(query, values).fetchall()

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._file, timeout=_WAIT_S, isolation_level=None)) as db:
                db.execute(_TABLE)
                db.execute(_BY_MODEL)
                yield db
        except sqlite3.Error as error:
            raise OSError(f"{self._file}: cannot be used: {error}") from error
