"""What the tests of access share: a server over a database of its own, and those who call it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from fastapi import FastAPI
from starlette.testclient import TestClient

from vedette.lake.tables import Lake
from vedette.output.prometheus.own import ServerMetrics
from vedette.server.access.state import Access
from vedette.server.database.connection import Database, default_url
from vedette.server.serve import build, parts
from vedette.server.settings import Settings

PASSWORD = "correct horse battery"
ORIGIN = {"Origin": "http://testserver", "Sec-Fetch-Site": "same-origin"}


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.time = 1_750_000_000.0

    def __call__(self) -> float:
        return self.time


@dataclass
class World:
    """A server: its lake, its database and all that it serves."""

    lake: Lake
    access: Access
    app: FastAPI
    front: object
    clock: Clock = field(default_factory=Clock)

    def user(self, name: str, **roles: str) -> None:
        """Add a user with roles by model; ``every`` stands for all models."""
        given = {("*" if model == "every" else model): role for model, role in roles.items()}
        self.access.users.add(name, given, PASSWORD, actor="test", now=self.access.now())

    def client(self, **headers: str) -> TestClient:
        """Somebody who calls from this machine."""
        return TestClient(
            self.front, base_url="http://testserver", headers=headers, follow_redirects=False,
            raise_server_exceptions=False,  # what a service that does not run would answer is let in, all the same
        )  # fmt: skip

    def login(self, name: str, password: str = PASSWORD) -> TestClient:
        """A browser in which somebody has logged in."""
        client = self.client(**ORIGIN)
        answer = client.post("/v1/login", json={"name": name, "password": password})
        assert answer.status_code == 200, answer.text
        return client

    def key(
        self, *scopes: str, models: list[str] | None = None, lasts: timedelta | None = None
    ) -> tuple[str, str]:
        """The id and text of a new key."""
        now = self.access.now()
        key, text = self.access.keys.add(
            "k", scopes, models, actor="test", now=now, expires=None if lasts is None else now + lasts
        )
        return key["id"], text

    def bearer(self, text: str) -> TestClient:
        """A script that has a key."""
        return self.client(Authorization=f"Bearer {text}")


@contextmanager
def world_at(path: Path, url: str | None = None, **given: object) -> Iterator[World]:
    """A server at a folder, all of its routes in it; its services do not run."""
    lake = Lake.at(path / "lake")
    lake.path.mkdir(parents=True, exist_ok=True)
    settings = Settings.written(_serving(given.pop("serving", None)), **given)
    database = Database.open(url or default_url(lake))
    clock = Clock()
    access = Access.over(database, settings.serving, clock=clock)
    own = ServerMetrics()
    routers, _services = parts(lake, own)
    served = build(lake, settings, access, routers, metrics=own)
    try:
        yield World(lake, access, served.app, served.front, clock)
    finally:
        database.close()


def _serving(given: object) -> object:
    from dataclasses import replace

    from vedette.config import ServingSettings

    said = given if isinstance(given, ServingSettings) else ServingSettings()
    return replace(said, hosts=(*said.hosts, "testserver"))
