"""From any older revision to the newest: one process at a time, one transaction a revision.

What is cut off leaves the revision that was whole, and the next start goes on from there. A file of SQLite is copied to
``vedette.db.before-<revision>`` first.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from vedette.errors import DatabaseError
from vedette.lake.locks import lock

__all__ = ["newest", "revision_of", "to_newest"]

_HERE = Path(__file__).parent
_LOCK_WAIT_S = 60.0
_ADVISORY = 0x76656465747465  # "vedette": the number of PostgreSQL's lock


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(_HERE), version_locations=[str(_HERE / "versions")])


def newest() -> str:
    """The revision that this vedette works with."""
    return str(_scripts().get_current_head())


def revision_of(connection: Connection) -> str | None:
    """The revision that a database is at, None for an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


def to_newest(engine: Engine, target: str = "head") -> None:
    """Bring a database to the newest revision; nothing where it is there.

    Raises ``DatabaseError`` for one of a newer vedette: it is left as it is.
    """
    scripts = _scripts()
    with engine.connect() as connection:
        found = revision_of(connection)
    _refuse_newer(scripts, found)
    if found == scripts.get_current_head():
        return
    with _alone(engine):
        with engine.connect() as connection:
            found = revision_of(connection)  # somebody else may have been quicker
        _refuse_newer(scripts, found)
        if found is not None and engine.dialect.name == "sqlite":
            path = Path(str(engine.url.database))
            _copy(path, path.with_name(f"{path.name}.before-{found}"))
        with engine.connect() as connection:
            _upgrade(scripts, connection, target)


def _refuse_newer(scripts: ScriptDirectory, found: str | None) -> None:
    known = {script.revision for script in scripts.walk_revisions()}
    if found is not None and found not in known:
        raise DatabaseError(
            f"database: is at revision {found}, which this vedette does not know (it knows {', '.join(sorted(known))}): "
            "a newer one has written it; install that one, or restore the copy from before"
        )


def _upgrade(scripts: ScriptDirectory, connection: Connection, target: str) -> None:
    def steps(revision: Any, _context: MigrationContext) -> Any:
        return scripts._upgrade_revs(target, revision)  # what alembic's own command does

    config = Config()
    config.set_main_option("script_location", str(_HERE))
    with EnvironmentContext(config, scripts, fn=steps, destination_rev=target) as environment:
        environment.configure(connection=connection, transaction_per_migration=True)
        with environment.begin_transaction():
            environment.run_migrations()


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """Hold what only one process can hold."""
    if engine.dialect.name == "sqlite":
        path = Path(str(engine.url.database))
        with lock(path.with_name(f"{path.name}.migrate.lock"), wait_s=_LOCK_WAIT_S):
            yield
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SELECT pg_advisory_lock(:number)"), {"number": _ADVISORY})
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:number)"), {"number": _ADVISORY})


def _copy(source: Path, target: Path) -> None:
    """A whole copy of a file that others may be using."""
    os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600))
    with closing(sqlite3.connect(source)) as left, closing(sqlite3.connect(target)) as right:
        left.backup(right)
