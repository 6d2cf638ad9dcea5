"""``GET /metrics`` of a server: who may ask, of what, and how the server counts itself."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.programs import until
from tests.world import World

pytest.importorskip("fastapi", reason="the extra 'server' is not installed")
pytest.importorskip("prometheus_client", reason="the extra 'prometheus' is not installed")
pytest.importorskip("httpx", reason="httpx, which asks the application, is not installed")
from fastapi import FastAPI, HTTPException, Request
from prometheus_client.parser import text_string_to_metric_families as families
from starlette import testclient

from vedette.engine.scraped import Scraped
from vedette.lake.tables import Lake
from vedette.output.prometheus.own import ServerMetrics
from vedette.output.prometheus.text import Exposition
from vedette.server.application import application
from vedette.server.counted import Counted
from vedette.server.metrics import metrics_router, metrics_service
from vedette.server.needs import Caller, Need


class Keys:
    """Two keys: one that may view all, one that may view a model that is not there."""

    def check(self, request: Request, need: Need, model: str | None) -> Caller:
        known = {"Bearer all": None, "Bearer other": frozenset({"other"})}
        said = request.headers.get("Authorization", "")
        if said not in known:
            raise HTTPException(401, "no key")
        assert need is Need.VIEW
        return Caller("key", known[said])


@pytest.fixture
def served(tmp_path: Path) -> FastAPI:
    world = World(tmp_path / "lake")
    world.log_day(world.rows(50))
    world.round()
    world.monitor.close()
    own, scraped = ServerMetrics(), Scraped(world.lake, patience_s=0.0)
    app = application(
        world.lake,
        Keys(),
        [metrics_router(Exposition(scraped.reading, own.registry))],
        [metrics_service(scraped, 0.05)],
    )
    app.add_middleware(Counted, metrics=own)
    return app


def found(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (s.name, frozenset(s.labels.items())): s.value for family in families(text) for s in family.samples
    }


def test_a_key_is_told_what_it_may_know(served: FastAPI) -> None:
    """Nobody is refused; a key for all gets models and the server's health, one for another model neither."""
    with testclient.TestClient(served) as client:
        assert client.get("/metrics").status_code == 401
        whole = {"Authorization": "Bearer all"}
        until(
            lambda: 'vedette_models{state="current"} 1.0' in client.get("/metrics", headers=whole).text,
            "model",
        )
        every = client.get("/metrics", headers=whole)
        assert every.headers["content-type"].startswith("text/plain; version=")
        assert ("vedette_model_info", frozenset({("model", "m"), ("version", "1")})) in found(every.text)
        opened = client.get(
            "/metrics",
            headers={"Authorization": "Bearer all", "Accept": "application/openmetrics-text; version=1.0.0"},
        )
        assert opened.headers["content-type"].startswith("application/openmetrics-text")
        other = client.get("/metrics", headers={"Authorization": "Bearer other"})
        assert 'model="m"' not in other.text
        assert "vedette_http_requests" not in other.text


def test_requests_are_counted_by_their_route(served: FastAPI) -> None:
    """Paths and methods that come from outside make no series of their own."""
    with testclient.TestClient(served) as client:
        client.get("/metrics")
        for n in range(3):
            client.get(f"/nothing/{n}")
        client.request("BREW", "/metrics")
        got = found(client.get("/metrics", headers={"Authorization": "Bearer all"}).text)
    counts = {labels: value for (name, labels), value in got.items() if name == "vedette_http_requests_total"}
    by = {
        tuple(dict(labels)[key] for key in ("method", "route", "status")): n for labels, n in counts.items()
    }
    assert by == {("GET", "/metrics", "401"): 1, ("GET", "none", "404"): 3, ("other", "/metrics", "405"): 1}


def test_the_reading_begins_and_ends_with_the_application(served: FastAPI) -> None:
    """A thread reads beside the scrapes, and is gone when the application is."""
    import threading

    def reads() -> bool:
        return any(one.name == "metrics" and one.is_alive() for one in threading.enumerate())

    with testclient.TestClient(served):
        assert reads()
    deadline = time.monotonic() + 10
    while reads() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not reads()


def test_training_runs_are_told_as_part_of_their_model(dashboard_lake: Path) -> None:
    """There is no model `flights.run`; the points of its runs are in the ledger of `flights`."""
    told = {one.model: one for one in Scraped(Lake.at(dashboard_lake), patience_s=None).reading().models}
    assert set(told) == {"flights", "quiet", "calm"}
    assert told["flights"].rows[("points", "in_lake")] == 120
    assert told["flights"].rows[("predictions", "in_lake")] == 9600
