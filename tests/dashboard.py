"""What the tests of the server's documents and pages share: one lake, built once, and an application that lets all in."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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

CHROMIUM = Path("/usr/bin/chromium")


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


@contextmanager
def site_of(app: FastAPI) -> Iterator[str]:
    """The address of a server of an application, once every model was read."""
    uvicorn = pytest.importorskip("uvicorn", reason="the extra server is not installed")
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    for _ in range(2400):
        if server.started and app.state.watching.whole.is_set():
            break
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)


@contextmanager
def chromium() -> Iterator[Any]:
    """Chromium without a head; what is missing is an error where CI is true."""
    if not CHROMIUM.exists() and os.environ.get("CI") != "true":
        pytest.skip(f"{CHROMIUM} is not installed")
    if os.environ.get("CI") != "true":
        pytest.importorskip("playwright", reason="playwright is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as engine:
        found = engine.chromium.launch(executable_path=str(CHROMIUM))
        yield found
        found.close()
