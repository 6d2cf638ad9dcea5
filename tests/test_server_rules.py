"""Rules over HTTP: what holds and where it is from, a dry run, changes by who may, and what each refuses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dashboard import app_of, client_of

pytest.importorskip("fastapi", reason="the extra server is not installed")

from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from vedette import config
from vedette.cli import app as command
from vedette.engine import cycle
from vedette.lake.tables import Lake
from vedette.server.api.answers import JsonRoute
from vedette.server.needs import routes_of

RULES = "/v1/models/flights/rules"


@pytest.fixture
def client(dashboard_lake: Path, tmp_path: Path) -> Iterator[TestClient]:
    """A client of a copy of the lake of the dashboard's tests, with one rule in its file."""
    folder = tmp_path / "lake"
    shutil.copytree(dashboard_lake, folder)
    said = config.Config(models={"flights": {"rules": {"few": "rows < 10"}}})
    cycle.once(Lake.at(folder), models=["flights"], written=said)
    with client_of(folder) as found:
        found.folder = folder  # type: ignore[attr-defined]
        yield found


def test_a_rule_is_set_judged_changed_and_taken_away(client: TestClient) -> None:
    """Each answer has the rules as they are then; the next round says what it thinks of the new one."""
    made = client.put(
        f"{RULES}/low", json={"when": "accuracy < 0.87 for 2 windows", "reason": "seen in March"}
    )
    assert made.status_code == 200, made.text
    few, low = made.json()["rules"]
    assert (few["name"], few["source"], few["verdict"]) == ("few", "file", "OK")
    assert (low["watches"], low["min_rows"], low["source"], low["holds"]) == ("accuracy", 50, "server", True)
    assert low["verdict"] is None
    cycle.once(Lake.at(client.folder), models=["flights"], written=config.Config())  # type: ignore[attr-defined]
    low = client.get(RULES).json()["rules"][1]
    assert (low["verdict"], low["reason"]) == ("UNKNOWN", "no window has ended since the rule was made")
    client.put(f"{RULES}/low", json={"when": "accuracy < 0.5", "severity": "warn"})
    gone = client.delete(f"{RULES}/low", params={"reason": "too loud"})
    assert [one["name"] for one in gone.json()["rules"]] == ["few"]
    told = [
        (one["number"], one["change"], one["by"], one["reason"])
        for one in client.get(f"{RULES}/changes").json()
    ]
    assert told == [
        (3, "removed", "ann", "too loud"), (2, "changed", "ann", ""), (1, "added", "ann", "seen in March")
    ]  # fmt: skip
    back = client.post(f"{RULES}/changes/3/undo", params={"version": 3})
    assert back.json()["version"] == 4
    assert back.json()["rules"][1]["when"] == "accuracy < 0.5"
    audit = client.get("/v1/models/flights/audit").json()
    assert audit[-1]["detail"].endswith("undoes change 3")


def test_a_dry_run_is_that_of_the_command_line(client: TestClient) -> None:
    """The same document, and nothing is kept."""
    rule = "accuracy < 0.87 for 2 windows"
    answer = client.post(f"{RULES}/low/dry-run", json={"when": rule})
    assert answer.status_code == 200, answer.text
    words = ["rules", "replay", "flights", f"low = {rule}", "--json", "--lake", str(client.folder)]  # type: ignore[attr-defined]
    assert answer.json() == json.loads(CliRunner().invoke(command, words).stdout)
    [one] = answer.json()["rules"]
    assert len(one["firings"]) == 1
    assert one["per_month"]["low"] < one["per_month"]["value"] < one["per_month"]["high"]
    never = client.post(f"{RULES}/low/dry-run", json={"when": "accuracy < 0.01"}).json()
    assert never["rules"][0]["missed"] == [one["name"] for one in never["incidents"]] != []
    assert client.get(RULES).json()["version"] == 0


def test_a_false_alarm_that_a_rule_would_repeat_is_named(client: TestClient) -> None:
    """An alert marked as false is no incident; a rule that fires while it was open says so."""
    found = client.get("/v1/models/flights/alerts").json()
    for one in found:
        if one["state"] in ("firing", "acknowledged"):
            client.post(f"/v1/models/flights/alerts/{one['id']}/false", json={"reason": "a test"})
    false = {one["id"] for one in client.get("/v1/models/flights/alerts").json() if one["false"]}
    [rule] = client.post(f"{RULES}/low/dry-run", json={"when": "accuracy < 0.87"}).json()["rules"]
    assert false
    assert set(rule["repeated"]) <= false
    assert rule["repeated"]
    assert rule["false"] == len(rule["firings"]) > 0


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("PUT", "low", {"when": "accurcy < 0.9"}, 400, "figure 'accurcy': there is none of that name: did you mean accuracy"),
        ("PUT", "low", {"when": "accuracy < 9"}, 400, "outside the possible"),
        ("PUT", "low", {"when": "rows < 5", "colour": "red"}, 422, "body.colour: Extra inputs are not permitted"),
        ("PUT", "Low", {"when": "rows < 5"}, 422, "path.name"),
        ("PUT", "few", {"when": "rows < 5"}, 409, "vedette.toml has one of this name"),
        ("DELETE", "few", None, 409, "must be taken away there"),
        ("DELETE", "ghost", None, 404, "rule='ghost': there is none of that name; set here are none"),
        ("PUT", "low?version=7", {"when": "rows < 5"}, 409, "version=7: the rules were changed since"),
        ("PUT", "low?vrsion=7", {"when": "rows < 5"}, 400, "parameter 'vrsion': must be one of version, did you mean version?"),
        ("POST", "changes/1/undo", None, 404, "change=1: there is none of that number; the newest is 0"),
        ("POST", "low/dry-run", {"when": "accuracy"}, 400, "must come <"),
        ("POST", "low/dry-run?since=soon", {"when": "rows < 5"}, 400, "since='soon'"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_words(
    client: TestClient, method: str, path: str, body: object, status: int, words: str
) -> None:
    """With the status that it has, and the rules stay as they were."""
    answer = client.request(method, f"{RULES}/{path}", json=body)
    assert (answer.status_code, words in answer.json()["error"]) == (status, True), answer.text
    assert client.get(RULES).json()["version"] == 0


def test_runs_have_no_rules(client: TestClient) -> None:
    """A rule beside a model's runs would never be judged: it is refused."""
    answer = client.put("/v1/models/flights.run/rules/low", json={"when": "rows < 5"})
    assert answer.status_code == 400
    assert "runs have no rules" in answer.json()["error"]


def test_a_parameter_that_a_route_does_not_have_is_refused(dashboard_lake: Path) -> None:
    """Of every route of the documents: an answer without it would be one to another question."""
    app = app_of(Lake.at(dashboard_lake))
    names = [
        (method, one.path)
        for one in routes_of(app)
        if isinstance(one, APIRoute) and isinstance(one, JsonRoute)
        for method in one.methods
    ]
    assert len(names) > 20
    with client_of(dashboard_lake) as client:
        for method, path in names:
            filled = path.replace("{model}", "flights").replace("{name}", "base").replace("{number}", "1")
            answer = client.request(method, f"{filled}?nonsense=1", json=None if method == "GET" else {})
            assert answer.status_code == 400, (path, answer.text)
            assert "parameter 'nonsense': " in answer.json()["error"]
        figures = client.get("/v1/models/flights/figures?metrics=accuracy").json()["error"]
    assert figures == (
        "parameter 'metrics': must be one of metric, feature, by, version, window, since, until, as_of, "
        "estimate, against, did you mean metric?"
    )


def test_a_rule_is_tried_saved_changed_and_undone_on_its_page(client: TestClient) -> None:
    """A dry run keeps nothing; what is saved is shown with where it is from; an old page changes nothing."""
    page = "/models/flights/rules"
    when = "accuracy < 0.87 for 2 windows"
    tried = client.get(page, params={"name": "low", "when": when}).text
    assert "Would have fired <b>once</b>" in tried
    assert client.get(RULES).json()["version"] == 0
    given = {
        "action": "save",
        "version": 0,
        "name": "low",
        "when": when,
        "severity": "warn",
        "min_rows": "100",
    }
    saved = client.post(page, data=given | {"reason": "tried"}, follow_redirects=False)
    assert (saved.status_code, saved.headers["location"]) == (303, page)
    low = client.get(RULES).json()["rules"][1]
    assert (low["when"], low["severity"], low["min_rows"], low["source"]) == (when, "warn", 100, "server")
    edited = client.get(page, params={"edit": "low"}).text
    assert 'value="100"' in edited
    assert "Take low away" in edited
    late = client.post(page, data=given | {"when": "accuracy < 0.5"})
    assert (late.status_code, "the rules were changed since" in late.text) == (409, True)
    wrong = client.get(page, params={"name": "low", "when": "acuracy < 0.9"}).text
    assert "did you mean accuracy" in wrong
    client.post(page, data={"action": "remove", "version": 1, "name": "low"})
    assert len(client.get(RULES).json()["rules"]) == 1
    client.post(page, data={"action": "undo", "version": 2, "number": 2})
    assert client.get(RULES).json()["rules"][1]["min_rows"] == 100
    assert client.post(page, data={"action": "burn", "version": 3}).status_code == 404


def test_a_rule_of_a_name_that_the_file_came_to_have_says_that_it_does_not_hold(client: TestClient) -> None:
    """Both are shown, and which one holds."""
    client.put(f"{RULES}/low", json={"when": "accuracy < 0.5"})
    said = config.Config(models={"flights": {"rules": {"few": "rows < 10", "low": "accuracy < 0.6"}}})
    cycle.once(Lake.at(client.folder), models=["flights"], written=said)  # type: ignore[attr-defined]
    found = [
        (one["name"], one["source"], one["holds"], one["when"]) for one in client.get(RULES).json()["rules"]
    ]
    assert found[1:] == [("low", "file", True, "accuracy < 0.6"), ("low", "server", False, "accuracy < 0.5")]
    assert (
        "does not hold: <code>vedette.toml</code> has another of this name"
        in client.get("/models/flights/rules").text
    )
