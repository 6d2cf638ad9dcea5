"""Opening the database, and the two ways to work with it: reading and writing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import NullPool

from vedette.errors import ConfigError, DatabaseError, MissingExtraError
from vedette.lake.tables import Lake
from vedette.server.database.migrate import to_newest

__all__ = ["Database", "default_url"]

_WAIT_S = 10  # for a writer of SQLite's one at a time
_IMMEDIATE = "vedette_immediate"
_ADVISORY = 0x7665647772  # "vedwr": the number of PostgreSQL's lock


def default_url(lake: Lake) -> str:
    """Where the database of a lake is unless another is named."""
    return f"sqlite:///{lake.path / '.server' / 'vedette.db'}"


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # the text is not shown: a password may stand in it
        raise ConfigError("database: no URL: must be like postgresql://user@host/name") from None
    if parsed.get_backend_name() == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite") or not parsed.database:
        raise ConfigError(
            f"database={parsed.drivername!r}: must be a postgresql:// URL, or sqlite:/// with the path of a file"
        )
    return parsed


class Database:
    """A database that is ready for use: at the newest revision.

    ``reading`` and ``writing`` give a session each; a change that returns is durable. Any thread may use it; a process
    that was forked opens its own.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._sessions = sessionmaker(engine, expire_on_commit=False)

    @classmethod
    def open(cls, url: str) -> Database:
        """Open it and bring it to the newest revision, under a lock.

        Raises ``DatabaseError`` where it cannot be reached or is newer than this vedette.
        """
        parsed = _parsed(url)
        engine = _sqlite(parsed) if parsed.get_backend_name() == "sqlite" else _postgresql(parsed)
        try:
            to_newest(engine)
        except SQLAlchemyError as error:
            engine.dispose()
            said = str(getattr(error, "orig", None) or type(error).__name__).strip().splitlines()[0]
            shown = parsed.render_as_string(hide_password=True)
            if parsed.password:
                said = said.replace(str(parsed.password), "***")
            raise DatabaseError(f"database {shown}: {said}") from None
        except BaseException:
            engine.dispose()
            raise
        return cls(engine)

    @property
    def is_sqlite(self) -> bool:
        """True for a file, False for PostgreSQL."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session whose reads see one state; nothing of it is kept."""
        with self._sessions() as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session that commits at its end, or changes nothing where an error goes through it.

        It takes the turn to write at once, so that what it reads stays true until it commits: SQLite has one writer at a
        time, and in PostgreSQL a lock is held to the end of the transaction. It comes before all other locks, so that no
        two wait for each other.
        """
        with self._sessions() as session:
            session.connection(execution_options={_IMMEDIATE: True})
            if not self.is_sqlite:
                session.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _ADVISORY})
            yield session
            session.commit()

    def ping(self) -> None:
        """Raise ``DatabaseError`` where it does not answer."""
        try:
            with self.engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        except (OperationalError, SQLAlchemyError) as error:
            raise DatabaseError(f"database: does not answer: {type(error).__name__}") from None

    def close(self) -> None:
        """Close all connections; what SQLite still has in its write-ahead log goes to the file."""
        if self.is_sqlite:
            with self.engine.connect() as connection:
                connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]
        self.engine.dispose()


def _postgresql(url: URL) -> Engine:
    try:
        return create_engine(
            url, pool_pre_ping=True, pool_size=5, max_overflow=15, hide_parameters=True,
            isolation_level="READ COMMITTED",  # whoever waited for the turn sees what the one before committed
            connect_args={"connect_timeout": 10, "options": "-c statement_timeout=30000"},
        )  # fmt: skip
    except ModuleNotFoundError:
        raise MissingExtraError("PostgreSQL needs psycopg: pip install 'vedette[postgresql]'") from None


def _sqlite(url: URL) -> Engine:
    path = Path(str(url.database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # made here, so that nobody else can read it at any moment; SQLite gives its other files the same mode
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        path.chmod(0o600)
    except OSError as error:
        raise DatabaseError(f"database {path}: cannot be made: {error.strerror}; must be writable") from error
    engine = create_engine(
        url, poolclass=NullPool, hide_parameters=True,
        connect_args={"timeout": _WAIT_S, "check_same_thread": False},
    )  # fmt: skip

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # BEGIN is ours to say, so that migrations are whole
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "trusted_schema=OFF"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get(_IMMEDIATE)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine
