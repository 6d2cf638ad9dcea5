"""``GET /metrics`` of a server: who may ask, of what, and how the server counts itself."""

from __future__ import annotations

import threading
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
from vedette.server import api
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
        [api.watch, metrics_service(scraped)],
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


def test_pages_and_scrapes_are_read_by_one_thread(served: FastAPI) -> None:
    """One thread looks through the tables and reads for both beside the requests, and is gone when the application is."""

    def threads() -> set[str]:
        return {one.name for one in threading.enumerate()}

    before = threads()
    with testclient.TestClient(served):
        until(lambda: served.state.watching.whole.is_set(), "round")
        assert {one for one in threads() - before if "vedette" in one or one == "metrics"} == {
            "vedette-watching"
        }
    assert "vedette-watching" not in threads() - before


def test_what_moves_on_is_read_without_a_scrape(served: FastAPI, tmp_path: Path) -> None:
    """A commit to a model's tables is found by the thread that watches; a scrape then finds it read."""
    lake = Lake.at(tmp_path / "lake")
    scraped = Scraped(lake, patience_s=0.0)
    app = application(lake, Keys(), [], [api.watch, metrics_service(scraped)])

    def numbers() -> tuple[int, list[str], list[str]]:
        with scraped._turn:  # held as by another: the reading itself reads nothing
            found = scraped.reading()
        return found.number, list(found.behind), list(found.unread)

    with testclient.TestClient(app):
        until(lambda: numbers() == (1, [], []), "the first reading")
        tables = lake.model("m")
        tables["events"].write(tables["events"].scan().head(1).collect(), {})
        until(lambda: numbers()[0] > 1 and not numbers()[1], "the reading of what moved on")


def test_training_runs_are_told_as_part_of_their_model(dashboard_lake: Path) -> None:
    """There is no model `flights.run`; the points of its runs are in the ledger of `flights`."""
    told = {one.model: one for one in Scraped(Lake.at(dashboard_lake), patience_s=None).reading().models}
    assert set(told) == {"flights", "quiet", "calm"}
    assert told["flights"].rows[("points", "in_lake")] == 120
    assert told["flights"].rows[("predictions", "in_lake")] == 9600
