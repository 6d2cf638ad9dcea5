"""The server's database: its revisions, in SQLite and in a real PostgreSQL."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra 'server' is not installed")
pytest.importorskip("sqlalchemy", reason="the extra 'server' is not installed")
pytest.importorskip("alembic", reason="the extra 'server' is not installed")
pytest.importorskip("argon2", reason="the extra 'server' is not installed")
pytest.importorskip("prometheus_client", reason="the extra 'server' is not installed")
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.exc import DBAPIError

from tests.server_access import ORIGIN, world_at
from vedette.errors import AccessError, ConfigError, DatabaseError
from vedette.server.access import audit
from vedette.server.access.delay import FREE, Delay
from vedette.server.access.users import find_user, set_grants
from vedette.server.database.connection import Database
from vedette.server.database.migrate import newest, revision_of, to_newest
from vedette.server.database.tables import Base


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL of the test's own, under a user without rights: the URL of an empty database."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda one: int(one.parts[-3]))
    missing = None if found else "PostgreSQL is not installed"
    try:
        import psycopg  # noqa: F401
    except ModuleNotFoundError:
        missing = "psycopg is not installed"
    if missing:
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    programs, place = found[-1].parent, Path("/tmp") / f"vedette-postgresql-{os.getpid()}"
    place.mkdir(mode=0o700)
    given = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    if given:
        os.chown(place, 65534, 65534)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    data = place / "data"
    try:
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "vedette", "--auth=trust", "--no-sync", "-E", "UTF8"],
            check=True, capture_output=True, cwd=place, **given,
        )  # fmt: skip
        server = subprocess.Popen(
            [programs / "postgres", "-D", data, "-p", str(port), "-k", place, "-c", "listen_addresses=127.0.0.1"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=place, **given,
        )  # fmt: skip
        try:
            asked = [programs / "pg_isready", "-h", "127.0.0.1", "-p", str(port)]
            for _ in range(200):
                if subprocess.run(asked, capture_output=True).returncode == 0:
                    break
                threading.Event().wait(0.1)
            yield f"postgresql://vedette:canary-password@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(30)
    finally:
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database, of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'a.db'}"
        return
    found = request.getfixturevalue("postgresql")
    yield found
    engine = create_engine(found.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()


def test_the_revisions_make_the_tables_that_the_code_has(url: str) -> None:
    """Alembic's own comparison finds no difference."""
    database = Database.open(url)
    with database.engine.connect() as connection:
        assert revision_of(connection) == newest()
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    database.close()


def test_the_server_works_on_it(url: str, tmp_path: Path) -> None:
    """Users, keys, logins and the chained log, to the end of a session."""
    with world_at(tmp_path, url) as world:
        world.user("root", every="admin")
        root = world.login("root")
        key = root.post("/v1/admin/keys", json={"name": "k", "scopes": ["read"], "models": ["delays"]}).json()
        assert world.bearer(key["key"]).get("/v1/me").json()["models"] == ["delays"]
        root.post(f"/v1/admin/keys/{key['id']}/revoke", json={})
        assert world.bearer(key["key"]).get("/v1/me").status_code == 401
        assert root.put("/v1/admin/users/root/roles", json={"roles": {}}).status_code == 409
        codes = [
            world.client(**ORIGIN)
            .post("/v1/login", json={"name": "root", "password": "wrong, wrong"})
            .status_code
            for _ in range(8)
        ]
        assert codes.count(429) == 2
        with pytest.raises(DBAPIError, match="only grows"), world.access.database.writing() as work:
            work.execute(text("DELETE FROM audit"))
        assert root.get("/v1/admin/audit/verify").json()["intact"]


def test_entries_of_many_writers_are_one_chain(url: str) -> None:
    """Threads that write at once make no gap and no fork."""
    database = Database.open(url)

    def write() -> None:
        for _ in range(5):
            with database.writing() as work:
                audit.record(work, datetime.now(UTC), "test", "write")

    threads = [threading.Thread(target=write) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    with database.reading() as work:
        assert audit.verify(work) == (30, None)
    database.close()


def test_of_two_admins_who_are_demoted_at_once_one_stays(url: str, tmp_path: Path) -> None:
    """The second waits for the first to commit, and then finds that it would take the last one."""
    now = datetime.now(UTC)
    with world_at(tmp_path, url) as world, ThreadPoolExecutor(1) as other:
        for name in ("ann", "bob"):
            world.user(name, every="admin")
        with world.access.database.writing() as work:
            set_grants(work, find_user(work, "ann"), {}, actor="test", now=now)
            second = other.submit(world.access.users.set_roles, "bob", {}, actor="test", now=now)
            threading.Event().wait(0.5)  # it would have counted the admins by now
            assert not second.done()
        with pytest.raises(AccessError, match="last admin"):
            second.result()
        assert world.access.users.has_admin()


def test_logins_at_once_are_counted_one_by_one(url: str) -> None:
    """Of 15 at an account that nobody failed at before, as many are let try as one after the other: no more, no error."""
    database, now, n = Database.open(url), datetime.now(UTC), 15
    delay, begin = Delay(database), threading.Barrier(n)

    def admit(number: int) -> timedelta:
        begin.wait()
        both = ("address:192.0.2.1", "account:ann")
        return delay.admit(both if number % 2 else both[::-1], now)

    with ThreadPoolExecutor(n) as many:
        waits = list(many.map(admit, range(n)))
    assert waits.count(timedelta(0)) == FREE + 1
    database.close()


def test_an_older_database_is_brought_on_and_copied_before(url: str, tmp_path: Path) -> None:
    """From the first revision to the newest; of a file, what it was is kept."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    to_newest(engine, "0001")
    engine.dispose()
    again = Database.open(url)
    assert "audit" in inspect(again.engine).get_table_names()
    if again.is_sqlite:
        copy = tmp_path / "a.db.before-0001"
        with sqlite3.connect(copy) as raw:
            assert raw.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]
        raw.close()
        assert copy.stat().st_mode & 0o777 == 0o600
    again.close()


def test_a_newer_database_is_refused_and_left_alone(url: str) -> None:
    """The message says at which revision it is, and what to do."""
    database = Database.open(url)
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    with pytest.raises(DatabaseError, match=r"9999.*newer one has written it"):
        Database.open(url)


def test_two_that_start_at_once_make_one_database(url: str) -> None:
    """Each waits for the other; both find the newest revision."""
    code = "import sys; from vedette.server.database.connection import Database; Database.open(sys.argv[1]).close()"
    both = [subprocess.Popen([sys.executable, "-c", code, url]) for _ in range(2)]
    assert [one.wait(60) for one in both] == [0, 0]


def test_a_kill_in_the_middle_leaves_the_revision_that_was_whole(url: str) -> None:
    """Killed within the second revision: the first is there, none of the second, and the next start goes on."""
    code = (
        "import os, sys, sqlalchemy\n"
        "from sqlalchemy import event\n"
        "from sqlalchemy.engine import Engine\n"
        "from vedette.server.database.connection import Database\n"
        "@event.listens_for(Engine, 'after_cursor_execute')\n"
        "def after(c, cursor, statement, *rest):\n"
        "    if 'CREATE TABLE audit' in statement: os.kill(os.getpid(), 9)\n"
        "Database.open(sys.argv[1])\n"
    )
    assert subprocess.run([sys.executable, "-c", code, url]).returncode == -9
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        assert revision_of(connection) == "0001"
    assert "audit" not in inspect(engine).get_table_names()
    engine.dispose()
    database = Database.open(url)
    to_newest(database.engine)
    assert "audit" in inspect(database.engine).get_table_names()
    database.close()


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    """The database and what SQLite lays beside it."""
    database = Database.open(f"sqlite:///{tmp_path / 's' / 'a.db'}")
    with database.writing() as work:
        work.execute(text("DELETE FROM users"))
    found = {one.name: one.stat().st_mode & 0o777 for one in (tmp_path / "s").iterdir()}
    assert set(found.values()) == {0o600}
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o700
    database.close()


@pytest.mark.parametrize(
    "wrong",
    ["postgresql://u:canary-password@127.0.0.1:1/x", "mysql://u:canary-password@h/x", "canary-password"],
)
def test_a_database_that_cannot_be_had_is_named_without_its_password(wrong: str) -> None:
    """Not there, of another kind, or no URL."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    with pytest.raises((DatabaseError, ConfigError)) as refused:
        Database.open(wrong)
    assert "canary-password" not in str(refused.value)
