"""Comparisons and actions over HTTP: what stands, and what a person decides."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dashboard import client_of
from tests.test_chain import COMPARED, World, policy, route

pytest.importorskip("fastapi", reason="the extra server is not installed")

from fastapi.testclient import TestClient

from vedette.capture.routing import read
from vedette.engine import cycle
from vedette.lake.tables import Lake


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Two versions, of which one is worse, and a policy that waits for a person."""
    made = World(tmp_path)
    made.say(policy("back", route(made), approval='"person"', expires='"366d"'))
    monkeypatch.setenv("VEDETTE_CONFIG", str(made.config))
    cycle.once(Lake.at(made.lake))  # by the wall's clock, which is the server's
    return made


@pytest.fixture
def client(world: World) -> Iterator[TestClient]:
    """Who may change everything."""
    with client_of(world.lake) as found:
        yield found


def test_a_comparison_is_the_document_of_the_command(world: World, client: TestClient) -> None:
    """The decision with its evidence; kept until the model moves on; none where the file has none."""
    answer = client.get("/v1/models/net/comparisons")
    assert answer.status_code == 200, answer.text
    (one,) = answer.json()
    assert one["decision"] == "roll back"
    assert one["found"][0]["claim"] == "worse"
    again = client.get("/v1/models/net/comparisons", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    world.say(compared="")
    assert client.get("/v1/models/net/comparisons").json() == []


def test_what_waits_is_approved_and_undone(world: World, client: TestClient) -> None:
    """Approved it is done by the next round; then it cannot be refused; undone the shares are back."""
    (one,) = client.get("/v1/models/net/actions").json()
    assert one["status"] == "waiting for approval"
    where = f"/v1/models/net/actions/{one['id']}"
    (told,) = client.post(f"{where}/approve", json={"reason": "seen"}).json()
    assert (told["status"], told["reason"]) == ("approved", "seen")
    assert told["by"]
    cycle.once(Lake.at(world.lake))
    assert dict(read(world.routing).shares) == {"3": 1.0}
    late = client.post(f"{where}/refuse", json={})
    assert late.status_code == 409
    assert "does not wait: it is done by" in late.json()["error"]
    (back,) = client.post(f"{where}/undo", json={}).json()
    assert back["status"] == "undone"
    assert dict(read(world.routing).shares) == {"3": 0.9, "4": 0.1}
    assert client.post("/v1/models/net/actions/nothing/undo", json={}).status_code == 409
    assert client.post(f"{where}/undo", json={"why": "?"}).status_code in (400, 422)


def test_a_comparison_that_cannot_be_made_says_why(world: World, client: TestClient) -> None:
    """As the command does."""
    world.say(compared=COMPARED.replace("accuracy", "acuracy"))
    answer = client.get("/v1/models/net/comparisons")
    (one,) = answer.json()
    assert one["decision"] == "unknown"
    assert "did you mean accuracy" in one["why"][0]
