"""What the tests of the server's documents and pages share: one lake, built once, and an application that lets all in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra server is not installed")
pytest.importorskip("httpx", reason="the extra server is not installed")
pytest.importorskip("jinja2", reason="the extra server is not installed")
pytest.importorskip("python_multipart", reason="the extra server is not installed")

from fastapi import FastAPI, HTTPException, Request
from fastapi.testclient import TestClient

from vedette.lake.tables import Lake
from vedette.server import api, pages
from vedette.server.application import application
from vedette.server.needs import Caller, Need


class Open:
    """An authority that lets everybody in as ``ann``, to all models or to those named."""

    def __init__(self, models: frozenset[str] | None = None) -> None:
        self.models = models

    def check(self, request: Request, need: Need, model: str | None) -> Caller:
        if model is not None and self.models is not None and model not in self.models:
            raise HTTPException(404, f"model={model!r}: not in the lake")
        request.state.csrf = "the-token"
        return Caller("ann", self.models)


def app_of(lake: Lake, models: frozenset[str] | None = None) -> FastAPI:
    """The documents and the pages of a lake, and what watches it."""
    return application(lake, Open(models), [*api.routers, *pages.routers], [api.watch])


@contextmanager
def client_of(folder: Path, models: frozenset[str] | None = None) -> Iterator[TestClient]:
    """A client of the application of a lake, once every model was read."""
    app = app_of(Lake.at(folder), models)
    with TestClient(app) as client:
        assert app.state.watching.whole.wait(60)
        yield client
