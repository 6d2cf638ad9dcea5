"""What the server says to people: of a file that is wrong, of events, of what an action does, and of passwords."""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.dashboard import client_of

from fastapi.testclient import TestClient  # isort: skip  # after what skips where it is missing

from tests.server_access import PASSWORD, world_at
from vedette.engine.scheduled import make_due
from vedette.errors import AccessError
from vedette.output.links import report_url
from vedette.server.access.passwords import RULES, check_password
from vedette.server.pages.life import _words


@pytest.fixture
def client(dashboard_lake: Path) -> Iterator[TestClient]:
    """A client that may do all, of a lake that is only looked at."""
    with client_of(dashboard_lake) as found:
        yield found


@pytest.mark.parametrize(
    "path",
    [
        "/models/flights",
        "/models/flights/series?metric=accuracy",
        "/v1/models/flights/figures?metric=accuracy",
    ],
)
def test_a_file_that_is_wrong_is_told_with_its_key_and_what_is_right(
    client: TestClient, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not that the server failed: which file, which key, which there are; and it goes on once the file is mended."""
    written = tmp_path / "vedette.toml"
    written.write_text("[models.flights]\nwindw = '1h'\n", "utf-8")
    monkeypatch.setenv("VEDETTE_CONFIG", str(written))
    answer = client.get(path)
    assert answer.status_code == 503
    assert all(word in answer.text for word in (str(written), "windw", "window"))
    if not path.startswith("/v1") and "series" not in path:
        assert "<h1>The configuration is not right</h1>" in answer.text
    written.write_text("[models.flights]\nwindow = '1d'\n", "utf-8")
    assert client.get(path).status_code == 200


def test_ready_says_that_the_configuration_is_wrong_and_takes_rows_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line of its own, without what is in the file: anybody may ask. Nothing that is there lacks for it."""
    written = tmp_path / "vedette.toml"
    written.write_text("", "utf-8")
    monkeypatch.setenv("VEDETTE_CONFIG", str(written))
    with world_at(tmp_path / "lake") as world:
        before = world.client().get("/ready")
        written.write_text("sikret = 'abc'\n", "utf-8")
        after = world.client().get("/ready")
    assert (before.json()["configuration"], after.json()["configuration"]) == (True, False)
    assert before.status_code == after.status_code
    assert before.json()["ready"] == after.json()["ready"]
    assert "sikret" not in after.text


def test_browsers_find_the_picture_where_they_look_for_it(client: TestClient) -> None:
    """Beside what is no page, and says no address of it."""
    found = client.get("/favicon.ico")
    assert (found.status_code, found.headers["content-type"]) == (200, "image/svg+xml")
    assert "<svg" in found.text


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        ({"stage": "canary", "share": 0.1, "by": ""}, "stage canary, share 0.1"),
        ({"columns": ["age", "region"], "forced": True}, "columns age and region, forced yes"),
        ({"classes": ["a", "b", "c"], "from": None, "left_out": []}, "classes a, b and c"),
        ({"limits": {"low": 1 / 3, "high": None}}, "limits low 0.333333, high none"),
        ({"window_s": 86400.0, "long": "x" * 81, "digest": "c47a7c47"}, "window 86400 s"),
    ],
)
def test_events_are_told_as_people_write(detail: dict[str, object], words: str) -> None:
    """No brackets, quotes, True or None of a program."""
    assert _words(json.dumps(detail)) == words


def test_the_page_of_versions_shows_no_texts_of_a_program(client: TestClient) -> None:
    """Nothing of what happened reads as a list, a mapping, True or None of Python."""
    page = client.get("/models/flights/versions").text
    history = page[page.index("What happened") :]
    assert not [mark for mark in ("[&#39;", "{&#39;", " True", " False", " None") if mark in history]


def test_what_a_password_must_be_is_said_before_it_is_chosen(tmp_path: Path) -> None:
    """On the page where a first password must be changed, the whole of it: what is refused broke one of these."""
    with world_at(tmp_path) as world:
        _, made = world.access.users.add("eve", {"*": "viewer"}, None, actor="test", now=world.access.now())
        page = world.login("eve", made).get("/account").text
    assert html.unescape(re.search(r'id="rules">([^<]+)\.<', page)[1]) == RULES  # type: ignore[index]
    assert 'aria-describedby="rules"' in page
    for password, of in (
        ("short1!", "12 to 256"),
        ("x" * 257, "12 to 256"),
        ("aaaabbbbcccc", "at least 5"),
        ("only-eve@example-will", "user's name"),
        ("vedette-is-it!", "the product's"),
        ("1q2w3e4r5t6y", "common"),
    ):
        assert of in RULES
        with pytest.raises(AccessError):
            check_password(password, "eve@example")


def test_a_scheduled_report_is_where_its_link_leads(
    dashboard_lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page as it was written, to who may view the model; nothing of it may run; what is none is told in words."""
    with world_at(tmp_path) as world:
        shutil.copytree(dashboard_lake, world.lake.path, dirs_exist_ok=True)
        written = tmp_path / "vedette.toml"
        written.write_text(
            '[[reports]]\nname = "weekly"\nmodels = ["calm"]\nfolder = "reports"\nkeep = 2\n', "utf-8"
        )
        monkeypatch.setenv("VEDETTE_CONFIG", str(written))
        [made] = make_due(world.lake, clock=datetime(2026, 1, 21, 12, tzinfo=UTC).timestamp)
        (tmp_path / "reports" / "calm-2026-01-19-0701.html").write_text("another's", "utf-8")
        path = report_url("", "calm", "weekly", datetime(2026, 1, 19, 7, tzinfo=UTC))
        world.access.users.add("root", {"*": "admin"}, PASSWORD, actor="test", now=world.access.now())
        world.access.users.add("eve", {"flights": "viewer"}, PASSWORD, actor="test", now=world.access.now())
        root, eve = world.login("root"), world.login("eve", PASSWORD)
        found = root.get(path)
        assert (found.status_code, found.text) == (200, Path(made.path).read_text("utf-8"))
        policy = found.headers["content-security-policy"]
        assert "sandbox" in policy
        assert "script-src" not in policy
        assert "default-src 'none'" in policy
        assert eve.get(path).status_code == 404
        assert world.client().get(path, follow_redirects=False).status_code in (303, 401)
        for other in (
            path.replace("weekly", "daily"),
            path.replace("0700", "0701"),
            path.replace("2026-01-19-0700", "..%2F..%2Fvedette"),
            path.replace("weekly", "..%2Fweekly"),
        ):
            assert root.get(other).status_code in (400, 404), other
