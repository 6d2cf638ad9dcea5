"""The page of comparisons and actions: what it shows, and what a person decides there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dashboard import client_of
from tests.test_chain import World, policy, route

pytest.importorskip("fastapi", reason="the extra server is not installed")

from vedette.capture.routing import read
from vedette.engine import chain, cycle
from vedette.lake.tables import Lake
from vedette.records.comparing import Difference
from vedette.server.pages.chain import Drawn


def test_a_person_approves_on_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The decision with its evidence and interval, the policy, the button; after it the router's file has the champion."""
    world = World(tmp_path)
    world.say(policy("back", route(world), approval='"person"', expires='"366d"'))
    monkeypatch.setenv("VEDETTE_CONFIG", str(world.config))
    cycle.once(Lake.at(world.lake))
    with client_of(world.lake) as client:
        page = client.get("/models/net/actions").text
        assert "accuracy is worse" in page
        assert 'class="sequence"' in page
        assert ">Approve</button>" in page
        (one,) = chain.actions(Lake.at(world.lake).model("net"))
        done = client.post(
            f"/models/net/actions/{one.id}", data={"how": "approve", "reason": "seen"}, follow_redirects=False
        )
        assert (done.status_code, done.headers["location"]) == (303, "/models/net/actions")
        cycle.once(Lake.at(world.lake))
        assert dict(read(world.routing).shares) == {"3": 1.0}
        after = client.get("/models/net/actions").text
        assert ">Undo</button>" in after
        assert ">Approve</button>" not in after


def test_an_interval_is_drawn_on_its_own_scale() -> None:
    """The margin of a figure of which more is better lies below nothing; without an end there is no picture."""
    one = Difference(
        "accuracy", "guard-rail", True, 0.02, 0.9, 0.88, -0.02, -0.05, 0.01, 9, 9, "undecided", "proved"
    )
    drawn = Drawn.of(one)
    assert drawn is not None
    assert drawn.margin is not None
    assert 0 < drawn.low < drawn.margin <= drawn.value < drawn.nothing < drawn.high < 1000
    endless = Difference(
        "mae", "shown", False, None, 1.0, 2.0, 1.0, -float("inf"), 3.0, 9, 9, "undecided", "calibrated"
    )
    assert Drawn.of(endless) is None
