"""Maintenances, incidents and what is done with an alert, over HTTP and on pages: who may, and where it is said what is wrong."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import polars as pl
import pytest

from tests.dashboard import client_of

from fastapi.testclient import TestClient  # isort: skip  # after what skips where it is missing

import vedette
from tests.dashboard_lake import DAY, DAYS, START, rows
from tests.server_access import world_at
from vedette import config
from vedette.engine import commands, commands_alerting, cycle, delivery
from vedette.lake.tables import Lake

LEVELS = """
[channels.boss]
type = "terminal"
[[alerts.escalate]]
after = "30m"
channels = ["boss"]
"""


@pytest.fixture
def folder(dashboard_lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lake of its own, with a level of escalation."""
    shutil.copytree(dashboard_lake, tmp_path / "lake")
    (tmp_path / "vedette.toml").write_text(LEVELS)
    monkeypatch.setenv("VEDETTE_CONFIG", str(tmp_path / "vedette.toml"))
    return tmp_path / "lake"


@pytest.fixture
def client(folder: Path) -> Iterator[TestClient]:
    """A client that may do all."""
    with client_of(folder) as found:
        yield found


def a_day_more(folder: Path) -> None:
    """Rows of the days after those of the lake, with their labels: a rule begins where it was made."""
    random, now = np.random.default_rng(3), START + DAYS * DAY
    own = vedette.Monitor("flights", "2", folder, clock=lambda: now.timestamp())
    for day in (DAYS, DAYS + 1, DAYS + 2):
        now = START + DAY * (day + 1)
        frame = pl.DataFrame(rows(random, 200)).with_columns(
            pl.Series("time", [START + DAY * day + timedelta(seconds=400 * row) for row in range(200)]),
            pl.Series("id", [f"more-{day}-{row}" for row in range(200)]),
        )
        own.log_many(frame.drop("label"))
        own.label_many(frame.select("id", "label"))
    own.close()


def head_of(client: TestClient) -> dict[str, object]:
    """The alert at the head of the incident of the lake."""
    (one,) = client.get("/v1/incidents").json()["incidents"]
    found: dict[str, object] = one["alerts"][0]
    return found


def test_alerts_of_one_cause_are_one_incident(client: TestClient) -> None:
    """Six alerts are one thing with its parts, over HTTP, on the pages, and in their titles."""
    found = client.get("/v1/incidents").json()
    (one,) = found["incidents"]
    assert (found["total"], one["n"], one["n_explained"], one["verdict"]) == (1, 6, 4, "ALARM")
    told, *parts = one["alerts"]
    assert (told["watch"].endswith(".location"), told["segment"], told["cause"]) == (True, "", None)
    assert [each["watch"] for each in parts if each["cause"] is None] == ["accuracy"]
    assert {each["cause"] for each in parts} == {None, told["id"]}
    page = client.get("/alerts").text
    assert "<title>vedette: 1 alarm, 1 open incident</title>" in page
    assert page.count('<li class="card') == 1
    assert "5 more, 4 explained" in page
    model = client.get("/models/flights").text
    assert model.count('<li class="card is-ALARM') == 2  # what explains the others, and what nothing explains
    assert "4 more that one of these explains" in model
    assert "<title>vedette: 1 alarm in 3 models</title>" in client.get("/").text


def test_the_time_since_is_that_of_the_verdict_everywhere(client: TestClient) -> None:
    """In the documents, on the page of the alert, and in the list."""
    told = head_of(client)
    verdicts = client.get("/v1/models/flights/verdicts").json()["verdicts"]
    since = next(one["since"] for one in verdicts if (one["watch"], one["segment"]) == (told["watch"], ""))
    assert client.get("/v1/incidents").json()["incidents"][0]["since"] == since
    shown = f'since <time datetime="{since}">'
    assert shown in client.get(f"/models/flights/alerts/{told['id']}").text
    assert shown in client.get("/alerts").text


def test_a_maintenance_over_http(client: TestClient, folder: Path) -> None:
    """Made, listed as the command line lists it, beside the alerts that it holds back, on the time axis, and ended."""
    made = client.post("/v1/maintenance", json={"reason": "moving", "for": "2h", "models": ["flights"]})
    assert made.status_code == 200, made.text
    assert made.json()["by"] == "ann"
    assert client.get("/v1/maintenance").json() == [made.json()]
    assert [one.id for one in commands_alerting.maintenances(str(folder))] == [made.json()["id"]]
    alerts = client.get("/v1/models/flights/alerts").json()
    assert {one["hushed"] for one in alerts} == {made.json()["to"]}
    assert "nobody is told until" in client.get(f"/models/flights/alerts/{alerts[0]['id']}").text
    for _ in range(1200):  # the thread that looks takes a small share of a core that others use
        if "nobody is told until" in client.get("/alerts").text:
            break
        time.sleep(0.05)
    else:
        pytest.fail("the list does not know of it")
    ended = client.post(f"/v1/maintenance/{made.json()['id']}/end", json={})
    assert ended.json()["ended"] is not None
    assert client.get("/v1/maintenance").json() == []
    assert client.post(f"/v1/maintenance/{made.json()['id']}/end", json={}).status_code == 409
    past = {
        "reason": "m",
        "from": "2026-01-05T00:00",
        "to": "2026-01-06T00:00",
        "every": "week",
        "segments": [""],
    }
    assert client.post("/v1/maintenance", json=past).status_code == 200
    drawn = client.get("/models/flights/series?metric=rows").json()["maintenance"]
    assert [one["start"] for one in drawn] == [1767571200.0, 1768176000.0]
    assert {one["words"] for one in drawn} == {"maintenance: m"}


@pytest.mark.parametrize(
    ("given", "status", "words"),
    [
        ({"reason": "r"}, 400, "to and for: one of them"),
        ({"reason": "r", "for": "2 hours"}, 400, "for='2 hours'"),
        ({"reason": "r", "from": "2020-01-01", "for": "1h"}, 400, "must be a time to come"),
        ({"reason": "r", "for": "1h", "models": []}, 422, "body.models"),
        ({"reason": "r", "for": "1h", "what": 1}, 422, "body.what"),
    ],
)
def test_a_maintenance_that_cannot_be_meant_is_refused(
    client: TestClient, given: dict[str, object], status: int, words: str
) -> None:
    """With the thing, its value and what is right."""
    answer = client.post("/v1/maintenance", json=given)
    assert (answer.status_code, words in answer.json()["error"]) == (status, True), answer.text


def test_a_maintenance_is_made_and_ended_by_those_who_may_change_all_its_models(tmp_path: Path) -> None:
    """Of one model or of all; seen by those who may see a model of it."""
    with world_at(tmp_path) as world:
        world.user("one", delays="editor")
        world.user("every", every="editor")
        world.user("other", churn="editor")
        one, every, other = (world.login(name) for name in ("one", "every", "other"))
        table = {"reason": "r", "for": "1h"}
        refused = one.post("/v1/maintenance", json=table)
        assert refused.status_code == 403
        assert (
            "models=['*']: must be some of those that user:one may change: delays" in refused.json()["error"]
        )
        assert one.post("/v1/maintenance", json=table | {"models": ["delays", "churn"]}).status_code == 403
        own = one.post("/v1/maintenance", json=table | {"models": ["delays"]}).json()
        whole = every.post("/v1/maintenance", json=table).json()
        assert [each["id"] for each in one.get("/v1/maintenance").json()].count(whole["id"]) == 1
        assert [each["id"] for each in other.get("/v1/maintenance").json()] == [whole["id"]]
        assert one.post(f"/v1/maintenance/{whole['id']}/end", json={}).status_code == 403
        hidden = other.post(f"/v1/maintenance/{own['id']}/end", json={})
        assert (hidden.status_code, own["id"] in hidden.json()["error"].partition(";")[2]) == (409, False)
        assert every.post(f"/v1/maintenance/{own['id']}/end", json={}).status_code == 200
        assert [each["id"] for each in every.get("/v1/maintenance").json()] == [whole["id"]]


def test_a_maintenance_names_no_model_that_one_may_not_see(tmp_path: Path) -> None:
    """Not in the document, on the page, or where one may not end it; what is of one's own and of all is said."""
    with world_at(tmp_path) as world:
        world.user("one", delays="editor")
        world.user("every", every="editor")
        one, every = world.login("one"), world.login("every")
        for models in (["secret-x", "delays"], ["delay*", "secret-[xy]"], ["*"]):
            made = every.post("/v1/maintenance", json={"reason": "r", "for": "1h", "models": models}).json()
            assert made["models"] == models
            refused = one.post(f"/v1/maintenance/{made['id']}/end", json={})
            assert refused.status_code == 403
            assert "secret" not in refused.text
        found = sorted(tuple(each["models"]) for each in one.get("/v1/maintenance").json())
        assert found == [("*",), ("delays", "others"), ("delays", "others")]
        page = one.get("/maintenance").text
        assert ("secret" in page, page.count("models delays, others")) == (False, 2)
        assert "secret-x, delays" in every.get("/maintenance").text


def test_buttons_are_for_those_who_may_press_them(tmp_path: Path, folder: Path) -> None:
    """A viewer sees the alert and its history, an editor what can be done as well."""
    shutil.copytree(folder, tmp_path / "seen" / "lake")
    alert = commands.alerts(str(folder), "flights")[-2].id
    with world_at(tmp_path / "seen") as world:
        world.user("looks", flights="viewer")
        world.user("acts", flights="editor")
        for name, buttons in (("looks", 0), ("acts", 4)):
            page = world.login(name).get(f"/models/flights/alerts/{alert}")
            assert page.status_code == 200
            assert len(re.findall(r"<button[^>]*alerts/", page.text)) >= buttons
            assert ("What to do" in page.text) == (buttons > 0)
            assert ("Plan one" in world.login(name).get("/maintenance").text) == (buttons > 0)


@pytest.mark.parametrize("action", ["silence", "escalate"])
def test_what_needs_a_reason_says_so_beside_the_field(client: TestClient, action: str) -> None:
    """The page comes again with what was given, and nothing is done; with a reason it is done."""
    told = head_of(client)
    where = f"/models/flights/alerts/{told['id']}"
    answer = client.post(f"{where}/{action}", data={"duration": "1d", "incident": "true"})
    assert answer.status_code == 422
    assert 'aria-describedby="wrong-reason"' in answer.text
    assert "Nothing was done" in answer.text
    assert "<option selected>1d</option>" in answer.text
    assert 'name="incident" value="true" checked' in answer.text
    assert head_of(client) == told
    done = client.post(f"{where}/{action}", data={"reason": "seen", "duration": "1d"}, follow_redirects=False)
    assert (done.status_code, done.headers["location"]) == (303, where)


def test_somebody_has_seen_it_without_saying_why(client: TestClient) -> None:
    """On the page as over HTTP and on the command line: who is woken may have nothing to say yet."""
    told = head_of(client)
    where = f"/models/flights/alerts/{told['id']}"
    assert client.post(f"{where}/acknowledge", data={}).status_code == 200
    (one,) = (each for each in client.get("/v1/models/flights/alerts").json() if each["id"] == told["id"])
    assert (one["state"], one["reason"]) == ("acknowledged", None)


@pytest.mark.parametrize(("action", "says"), [("accept", "normal from now on"), ("false", "false alarm")])
def test_what_cannot_be_taken_back_is_asked_once_more(client: TestClient, action: str, says: str) -> None:
    """The first press says what it does and does nothing, and keeps what was written; the second does it."""
    told = head_of(client)
    where = f"/models/flights/alerts/{told['id']}"
    asked = client.post(f"{where}/{action}", data={"reason": "a <b>new</b> fleet", "duration": "4h"})
    form = asked.text[asked.text.index('id="do-form"') : asked.text.index('id="steps"')]
    assert (asked.status_code, says in form) == (200, True)
    assert head_of(client) == told
    sent = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form)) | {"csrf": ""}
    assert sent["reason"] == "a &lt;b&gt;new&lt;/b&gt; fleet"
    assert re.findall(r'formaction="([^"]+)"', form) == [f"{where}/{action}"]
    done = client.post(f"{where}/{action}", data=sent, follow_redirects=False)
    assert (done.status_code, done.headers["location"]) == (303, where)
    (one,) = (each for each in client.get("/v1/models/flights/alerts").json() if each["id"] == told["id"])
    assert (one["state"], one["false"]) == (
        ("resolved", False) if action == "accept" else ("acknowledged", True)
    )


def test_what_cannot_be_done_any_more_is_said_on_the_page(client: TestClient) -> None:
    """Not on a page of its own: the alert, and what is so of it."""
    told = head_of(client)
    where = f"/models/flights/alerts/{told['id']}"
    assert client.post(f"{where}/acknowledge", data={"reason": "seen"}).status_code == 200
    answer = client.post(f"{where}/escalate", data={"reason": "late"})
    assert answer.status_code == 409
    assert "only what fires is told on" in answer.text
    assert "<h1><a href=" in answer.text
    answer = client.post(f"{where}/silence", data={"reason": "r", "duration": "soon"})
    assert (answer.status_code, 'aria-describedby="wrong-duration"' in answer.text) == (422, True)
    assert client.post(f"{where}/explode", data={"reason": "r"}).status_code == 404


def test_a_person_tells_on_over_http(client: TestClient) -> None:
    """The level is asked for once; then none is left."""
    told = head_of(client)
    where = f"/v1/models/flights/alerts/{told['id']}/escalate"
    assert "boss is told" in client.get(f"/models/flights/alerts/{told['id']}").text
    assert client.post(where, json={"reason": ""}).status_code == 422
    answer = client.post(where, json={"reason": "customers call"})
    assert (answer.status_code, answer.json()[0]["id"]) == (200, told["id"])
    again = client.post(where, json={"reason": "customers call"})
    assert (again.status_code, "every level was told" in again.json()["error"]) == (409, True)
    events = client.get("/v1/models/flights/events").json()
    found = [one for one in events if one["kind"] == "escalation"]
    assert [(one["name"], one["detail"]["by"]) for one in found] == [(told["id"], "ann")]


def test_telling_on_is_in_the_history_of_the_alert(client: TestClient, folder: Path) -> None:
    """Who asked for it and why, and which channel was told when."""
    told = head_of(client)
    page = f"/models/flights/alerts/{told['id']}"
    assert "escalated" not in client.get(page).text
    lake = Lake.at(folder)
    for _ in range(2):
        delivery.deliver(lake, ["flights"], clock=time.time, completed=False)
    client.post(f"{page}/escalate", data={"reason": "customers <i>call</i>"})
    delivery.deliver(lake, ["flights"], clock=time.time, completed=False)
    client.app.state.watching.look()  # type: ignore[attr-defined]
    text = client.get(page).text
    history = [
        re.sub(r"<[^>]+>", "", one) for one in re.findall(r"<li>.*?</li>", text[text.index('id="history"') :])
    ]
    said = [one.partition(" escalated")[2] for one in history if "escalated" in one]
    assert said[0] == " by ann: customers &lt;i&gt;call&lt;/i&gt;"
    assert ": boss is told" in said[1:]
    other = next(one for one in client.get("/v1/models/flights/alerts").json() if one["id"] != told["id"])
    assert "customers" not in client.get(f"/models/flights/alerts/{other['id']}").text


@pytest.mark.parametrize(
    ("rule", "metric", "feature"),
    [("accuracy < 0.99", "accuracy", ""), ("mean(age) > 1", "mean", "age"), ("rows > 1", "rows", "")],
)
def test_a_rule_s_alert_has_a_picture_of_what_it_watches(
    folder: Path, rule: str, metric: str, feature: str
) -> None:
    """The figure of the rule, drawn from a document that has windows with values."""
    lake = Lake.at(folder)
    said = config.Config(models={"flights": {"rules": {"mine": rule}}})
    cycle.once(lake, models=["flights"], written=said)
    a_day_more(folder)
    cycle.once(lake, models=["flights"], written=said)
    with client_of(folder) as client:
        one = next(
            each for each in client.get("/v1/models/flights/alerts").json() if each["watch"] == "rule:mine"
        )
        page = client.get(f"/models/flights/alerts/{one['id']}").text
        source = re.search(r'data-source="([^"]*)"', page)
        assert source is not None
        asked = parse_qs(urlsplit(unescape(source[1])).query)
        assert (asked["metric"], asked.get("feature", [""])) == ([metric], [feature])
        (line,) = client.get(unescape(source[1])).json()["lines"]
    assert any(value is not None for value in line["value"])


def test_a_segment_s_picture_is_of_the_segment(client: TestClient) -> None:
    """Its own line and its own reference, and its name in the title."""
    alerts = client.get("/v1/models/flights/alerts").json()
    one = next(each for each in alerts if each["watch"] == "accuracy")
    page = client.get(f"/models/flights/alerts/{one['id']}").text
    caption = re.search(r"<figcaption>(.*?)</figcaption>", page)
    assert caption is not None
    assert "device=web" in caption[1]
    source = re.search(r'data-source="([^"]*)"', page)
    assert source is not None
    drawn = client.get(source[1].replace("&amp;", "&")).json()
    assert [line["name"] for line in drawn["lines"]] == ["device=web"]
    whole = client.get("/models/flights/series?metric=accuracy").json()
    by = client.get("/v1/models/flights/figures?metric=accuracy&by=device").json()["figures"]
    own = {each["start"]: each["value"] for each in by if each["segment"] == "device=web"}
    assert drawn["lines"][0]["value"] == list(own.values())
    assert drawn["reference"]["n"] < whole["reference"]["n"]
    assert f"accuracy went from {100 * drawn['reference']['value']:.3g} %" in one["evidence"]


def test_an_alert_of_a_training_run_says_why(tmp_path: Path) -> None:
    """How its run ended, and what can be done; what is normal of a run nobody knows."""
    import vedette
    from vedette.engine import cycle
    from vedette.lake.tables import Lake

    monitor = vedette.Monitor("net", "1", tmp_path)

    def train() -> None:
        with monitor.run("night") as run:
            for step in range(30):
                run.log(step, loss=1.0 / (1 + step))
            raise RuntimeError("out of memory on the second card")

    with pytest.raises(RuntimeError):
        train()
    monitor.close()
    cycle.once(Lake.at(tmp_path))
    with client_of(tmp_path) as client:
        (one,) = client.get("/v1/models/net/alerts").json()
        assert (one["watch"], one["segment"]) == ("run.failed", "night")
        page = client.get(f"/models/net/alerts/{one['id']}").text
        assert re.search(
            r"Run <a href=\"/models/net/runs/night\">.*failed.*at step 29: .*out of memory", page
        )
        assert "watched no more" not in page
        assert "Acknowledge</button>" in page
        assert "Accept as normal" not in page
        answer = client.post(f"/models/net/alerts/{one['id']}/acknowledge", data={"reason": "a card broke"})
        assert "a card broke" in answer.text
        assert client.get("/v1/models/net/alerts").json()[0]["state"] == "acknowledged"


def test_the_form_of_a_maintenance(client: TestClient) -> None:
    """What is wrong is said beside its field, with what was given; what is right is planned, and can be ended."""
    wrong = client.post("/maintenance", data={"reason": "r", "for": "soon", "models": "flights, calm"})
    assert (wrong.status_code, 'id="wrong-for"' in wrong.text, 'value="flights, calm"' in wrong.text) == (
        422,
        True,
        True,
    )
    assert client.post("/maintenance", data={"for": "1h"}).text.count("must say what is done") == 1
    done = client.post("/maintenance", data={"reason": "backup <b>", "for": "2h", "models": "flights, calm"})
    assert (done.status_code, "goes on" in done.text, "<b>" in done.text.replace("<b>model", "")) == (
        200,
        True,
        False,
    )
    (one,) = client.get("/v1/maintenance").json()
    assert one["models"] == ["flights", "calm"]
    assert "None goes on" in client.post(f"/maintenance/{one['id']}/end").text
    assert "none of that id" in client.post(f"/maintenance/{one['id']}/end").text
