"""The parts of a server together: what one has taken the others know."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra server is not installed")
pytest.importorskip("uvicorn", reason="the extra server is not installed")
pytest.importorskip("prometheus_client", reason="the extra server is not installed")
pytest.importorskip("httpx", reason="httpx is not installed")

import httpx

from tests.server_running import running
from vedette.engine import cycle
from vedette.engine.scraped import facts_of
from vedette.lake.ingest import now_of
from vedette.server import api
from vedette.server.ingest import ingest_router, ingest_service


def test_rows_that_were_answered_for_are_in_documents_and_metrics_at_once(tmp_path: Path) -> None:
    """Before any round, and after each row anew, though answers are kept; then in the tables, once."""
    row = {"features": {"a": 1.5}, "prediction": 1}
    parts = {"routers": [ingest_router(), *api.routers], "services": [ingest_service(), api.watch]}
    with running(tmp_path / "lake", **parts) as server:  # type: ignore[arg-type]
        seen = []
        for number in range(4):
            assert httpx.post(f"{server.url}/v1/models/net/predictions", json=row).status_code == 200
            if number == 2:
                cycle.once(server.lake)
            figures = httpx.get(f"{server.url}/v1/models/net/figures?metric=rows").json()["figures"]
            facts, _ = facts_of(server.lake, "net", now_of(time.time()))
            seen.append((sum(one["value"] for one in figures), dict(facts.rows)))
    key = "predictions"
    assert seen == [
        (1, {(key, "in_journal"): 1}),
        (2, {(key, "in_journal"): 2}),
        (3, {(key, "in_lake"): 3}),
        (4, {(key, "in_journal"): 1, (key, "in_lake"): 3}),
    ]
