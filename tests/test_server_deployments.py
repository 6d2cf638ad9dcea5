"""Deployments by way of a server: shipped by a monitor, as JSON from anyone, read as JSON and on the page of versions."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra 'server' is not installed")
pytest.importorskip("sqlalchemy", reason="the extra 'server' is not installed")
pytest.importorskip("argon2", reason="the extra 'server' is not installed")
pytest.importorskip("prometheus_client", reason="the extra 'server' is not installed")

import httpx

import vedette
from tests.server_running import RunningServer, running
from tests.servers import end_senders
from tests.test_sender_faults import free_port
from vedette.capture.shipping import shipping as shipping_module
from vedette.engine import cycle
from vedette.engine.deployments import deployments, deployments_of
from vedette.lake.tables import Lake
from vedette.server import api, pages
from vedette.server.ingest import ingest_router, ingest_service


@pytest.fixture(autouse=True)
def no_senders_left(tmp_path: Path) -> Iterator[None]:
    """Senders outlive their monitors, but not the tests."""
    yield
    shipping_module._all.clear()
    end_senders(tmp_path)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    """A server that takes rows, answers questions and has pages, over an empty lake."""
    routers = [ingest_router(), *api.routers, *pages.routers]
    with running(tmp_path / "lake", routers=routers, services=[ingest_service(), api.watch]) as one:
        yield one


def post(server: RunningServer, body: Any, model: str = "net") -> httpx.Response:
    where, kind = f"{server.url}/v1/models/{model}/deployments", {"content-type": "application/json"}
    return httpx.post(where, content=json.dumps(body), headers=kind, timeout=20)


def test_a_monitor_tells_a_server(server: RunningServer, tmp_path: Path) -> None:
    """What a monitor tells is acknowledged when ``flush`` returns, and read there before any ingester was at work."""
    with vedette.Monitor("net", "4", server.url, journal=tmp_path / "journal", resources=False) as monitor:
        handle = monitor.deploy(stage="canary", by="ann", host="node-1", environment=False)
        handle.serving(note="5 %")
        monitor.flush(60)
        [found] = httpx.get(f"{server.url}/v1/models/net/deployments", timeout=20).json()
        assert (found["id"], found["status"], found["by"], found["where"]["host"]) == (
            handle.id,
            "serving",
            "ann",
            "node-1",
        )
        [before] = deployments_of(server.lake, "net")
    cycle.once(server.lake)
    [after] = deployments(server.lake.model("net"))
    assert (after.steps, after.where) == (before.steps, before.where)


TOLD = """
import os, sys, vedette
url, journal = sys.argv[1:]
monitor = vedette.Monitor("net", "4", url, journal=journal, resources=False)
handle = monitor.deploy("4", stage="canary", environment=False)
handle.starting()
handle.serving()
os.kill(os.getpid(), 9)
"""


def test_what_was_told_while_the_server_is_away_is_not_lost(tmp_path: Path) -> None:
    """The process is killed, the server is not there: when it comes, all statuses are there, in their order and once."""
    port = free_port()
    url, journal = f"http://127.0.0.1:{port}", str(tmp_path / "journal")
    done = subprocess.run([sys.executable, "-c", TOLD, url, journal], check=False, capture_output=True)
    assert done.returncode == -9, done.stderr
    command = [
        sys.executable,
        "-m",
        "vedette",
        "deploy",
        "net",
        "4",
        "--stage",
        "canary",
        "--status",
        "draining",
    ]
    told = subprocess.run(
        [*command, "--lake", url, "--journal", journal, "--wait-s", "1"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0
    assert "kept in" in told.stderr
    end_senders(tmp_path)
    routers = [ingest_router()]
    with running(tmp_path / "lake", routers=routers, services=[ingest_service()], port=port) as one:
        shipped = subprocess.run(
            [sys.executable, "-m", "vedette", "ship", "--once", "--lake", url, "--journal", journal],
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        assert shipped.returncode == 0, shipped.stderr
        cycle.once(one.lake)
    [found] = deployments(Lake.at(tmp_path / "lake").model("net"))
    assert [str(step.status) for step in found.steps] == ["requested", "starting", "serving", "draining"]


def test_anyone_tells_a_deployment_as_json(server: RunningServer) -> None:
    """A request is a status; with numbers one that is sent again is there once; what else it says is kept."""
    at = datetime(2026, 11, 20, tzinfo=UTC)
    said = {
        "version": "4", "stage": "canary", "by": "pipeline 12", "host": "node-1", "cluster": "west", "run": "night",
        "artefact": f"sha256:{'a' * 64}", "time": at.isoformat(), "producer": "ci", "first": 1,
        "differences": ["another driver", {"what": "package", "name": "numpy", "trained": "1", "served": "2"}],
    }  # fmt: skip
    assert post(server, said).json()["duplicate"] is False
    assert post(server, said).json()["duplicate"] is True
    assert (
        post(server, {"version": "4", "stage": "canary", "status": "failed", "note": "crash"}).status_code
        == 200
    )
    for _ in range(2):  # from the log, and from the tables
        [found] = deployments_of(server.lake, "net")
        assert found.id == "net:4:canary:20261120T000000.000000Z"
        assert (str(found.status), found.by, found.run, found.steps[-1].note) == (
            "failed",
            "pipeline 12",
            "night",
            "crash",
        )
        assert [one.words for one in found.differences or ()] == [
            "told another driver: trained with nothing, served with nothing",
            "package numpy: trained with 1, served with 2",
        ]
        cycle.once(server.lake)


def test_a_wrong_request_is_refused_in_words(server: RunningServer) -> None:
    """The answer is 400 and names the thing, its value, and what is right; nothing is kept."""
    wrong: tuple[tuple[Any, str], ...] = (
        ({}, "version=''"),
        ([], "list: must be an object"),
        ({"version": "4", "status": "live"}, "status='live'"),
        ({"version": "4", "colour": "red"}, "'colour': is no key"),
        ({"version": "4", "artefact": "model.bin"}, "artefact='model.bin'"),
        ({"version": "4", "environment": "python"}, "environment="),
        ({"version": "4", "differences": [{"name": "x"}]}, "differences="),
        ({"version": "4", "time": "2999-01-01"}, "time"),
        ({"version": "\ud800"}, "surrogate"),
        ({"version": "4", "environment": {"python": "\ud800"}}, "surrogate"),
    )
    for body, said in wrong:
        answer = post(server, body)
        assert (answer.status_code, said in answer.json()["error"]) == (400, True), (body, answer.text)
    assert server.app.state.desk.log.records == 0


def test_the_description_has_the_route(server: RunningServer) -> None:
    """Each key of the request stands in the OpenAPI document, and the statuses that there are."""
    paths = httpx.get(f"{server.url}/v1/openapi.json", timeout=20).json()["paths"]
    schema = paths["/v1/models/{model}/deployments"]["post"]["requestBody"]["content"]["application/json"][
        "schema"
    ]
    assert schema["properties"]["status"]["enum"][4] == "serving"
    assert {"version", "stage", "artefact", "producer", "first"} <= schema["properties"].keys()


def test_the_page_of_versions_shows_stage_and_status(server: RunningServer, tmp_path: Path) -> None:
    """A version with rows has its stages beside it, a deployment its steps and what was told wrongly; texts are escaped."""
    monitor = vedette.Monitor("net", "4", server.lake.path, resources=False)
    monitor.log({"x": 1.0}, 1)
    handle = monitor.deploy(stage="<b>canary", environment=False, note="<script>")
    handle.serving()
    handle.starting()
    monitor.close()
    cycle.once(server.lake)
    page = httpx.get(f"{server.url}/models/net/versions", timeout=20).text
    assert "&lt;b&gt;canary" in page
    assert "<script>" not in page.replace("<script src", "").replace("<script type", "")
    assert "starting after serving" in page
    assert page.count("deployment-starting") >= 2
    assert time.strftime("%Y") in page
