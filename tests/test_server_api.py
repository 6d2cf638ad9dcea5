"""The documents over HTTP are those of the library and of the command line, and say how whole they are."""

from __future__ import annotations

import itertools
import json
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra server is not installed")

import httpx
from fastapi import HTTPException, Request
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from tests.dashboard import app_of, client_of, site_of
from tests.dashboard_lake import HOSTILE
from vedette.cli import app as command
from vedette.engine.figures import figures
from vedette.lake.tables import Lake
from vedette.server.api import stream as stream_module
from vedette.server.api import watching as watching_module
from vedette.server.api.glances import KeptGlances
from vedette.server.api.watching import Watching
from vedette.server.needs import Caller, Need


@pytest.fixture(scope="module")
def client(dashboard_lake: Path) -> Iterator[TestClient]:
    """A client of the lake of the dashboard's tests."""
    with client_of(dashboard_lake) as found:
        yield found


def printed(*words: str) -> object:
    """What the command line prints with ``--json``."""
    result = CliRunner().invoke(command, [*words, "--json"])
    return json.loads(result.stdout)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("verdicts", ["check", "flights"]),
        ("figures", ["figures", "flights"]),
        ("figures?metric=accuracy,mean&by=device&since=2026-01-04&window=2d",
         ["figures", "flights", "--metric", "accuracy,mean", "--by", "device", "--since", "2026-01-04", "--window", "2d"]),
        ("figures?metric=accuracy&as_of=2026-01-05", ["figures", "flights", "--metric", "accuracy", "--as-of", "2026-01-05"]),
        ("alerts", ["alerts", "flights"]),
        ("ledger", ["ledger", "flights"]),
        ("labels", ["labels", "flights"]),
        ("runs", ["runs", "flights"]),
        ("runs/base,wide?metric=loss", ["run", "flights", "base", "wide", "--metric", "loss"]),
        ("explain?watch=accuracy [device=web]", ["explain", "flights", "accuracy [device=web]"]),
        ("audit", ["audit", "flights"]),
        ("stability?since=2026-01-01&until=2026-02-01",
         ["stability", "flights", "--since", "2026-01-01", "--until", "2026-02-01"]),
    ],
)  # fmt: skip
def test_a_document_is_that_of_the_command_line(
    client: TestClient, dashboard_lake: Path, path: str, words: list[str]
) -> None:
    """The same keys and the same values: there is one way to say a thing."""
    answer = client.get(f"/v1/models/flights/{path}")
    assert answer.status_code == 200, answer.text
    assert answer.json() == printed(*words, "--lake", str(dashboard_lake))


def test_the_list_of_models_is_what_each_model_says(client: TestClient) -> None:
    """By name, runs apart from none; each as its own document, but for the age, which goes by the clock."""
    found = client.get("/v1/models").json()
    assert [one["model"] for one in found["models"]] == ["calm", "flights", "quiet"]
    assert (found["total"], found["read"], found["of"]) == (3, 3, 3)
    for one in found["models"]:
        own = client.get(f"/v1/models/{one['model']}").json()
        assert own | {"age_s": 0} == one | {"age_s": 0}
        assert own["age_s"] >= one["age_s"] > 0


def test_the_counts_are_of_the_models_that_the_caller_may_see(dashboard_lake: Path) -> None:
    """Whoever may see one model does not learn how many others there are, before or after all were read."""
    with client_of(dashboard_lake, frozenset({"calm"})) as one:
        found = one.get("/v1/models").json()
        assert (found["total"], found["read"], found["of"]) == (1, 1, 1)
    watching, ann = Watching(Lake.at(dashboard_lake)), Caller("ann", frozenset({"calm"}))
    watching.names = ("calm", "flights", "quiet")  # as when its first round begins
    watching.glance("flights")
    assert (watching.counts(Caller("root")), watching.counts(ann)) == ((1, 3), (0, 1))


def test_what_stands_beside_a_model_is_none_of_the_models(dashboard_lake: Path) -> None:
    """The page of its runs by their own name leaves the list as it was."""
    with client_of(dashboard_lake) as one:
        before = one.get("/v1/models").json()
        assert one.get("/models/flights.run").status_code == 200
        after = one.get("/v1/models").json()
    assert [each["model"] for each in after["models"]] == [each["model"] for each in before["models"]]
    assert (after["total"], after["read"], after["of"]) == (3, 3, 3)


def test_a_model_that_goes_while_it_is_looked_at_is_as_it_was_read(
    dashboard_lake: Path, tmp_path: Path
) -> None:
    """Another thread's round finds that it is gone between its being read and its being answered."""
    folder = shutil.copytree(dashboard_lake, tmp_path / "lake")
    one = Watching(Lake.at(folder))

    def goes() -> None:
        deaf()
        for kept in [each for each in (folder, one.lake.journal) if (each / "calm").is_dir()]:
            shutil.rmtree(kept / "calm")
        one.look()

    deaf = one.listen(goes)
    assert one.glance("calm").model == "calm"
    assert [each.glance.model for each in one.models()] == ["flights", "quiet"]


def test_a_model_at_a_glance_is_its_ledger_and_its_verdicts(client: TestClient) -> None:
    """Rows and completeness are those of the ledger, counts those of the verdicts and the alerts."""
    one = client.get("/v1/models/flights").json()
    ledger = client.get("/v1/models/flights/ledger").json()
    alerts = client.get("/v1/models/flights/alerts").json()
    verdicts = client.get("/v1/models/flights/verdicts").json()
    windows = [each for each in ledger["windows"] if each["stream"] == "predictions"]
    last = max(each["start"] for each in windows)
    newest = [each for each in windows if each["start"] == last]
    assert one["rows"] == ledger["in_lake"] == 16 * 600
    assert one["window"]["start"] == last
    assert one["completeness"] == sum(each["in_lake"] for each in newest) / sum(
        each["seen"] for each in newest
    )
    assert one["alerts"]["firing"] == sum(each["state"] == "firing" for each in alerts) == 5
    assert one["alerts"]["acknowledged"] == 1
    assert sum(one["verdicts"].values()) == len(verdicts["verdicts"])
    assert one["verdict"] == verdicts["verdict"] == "ALARM"


def test_unknown_is_never_well(client: TestClient) -> None:
    """A model without a reference is UNKNOWN, with the reason."""
    assert client.get("/v1/models/quiet").json()["verdict"] == "UNKNOWN"
    (one,) = client.get("/v1/models/quiet/verdicts").json()["verdicts"]
    assert "no reference" in one["reason"]


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/v1/models/nope/figures", 404, "model='nope': not in the lake"),
        ("/v1/models/NOPE/figures", 422, "path.model"),
        ("/v1/models/flights/figures?metric=nope", 400, "metric='nope'"),
        ("/v1/models/flights/figures?since=yesterday", 400, "since='yesterday'"),
        ("/v1/models/flights/figures?since=2026-02-01&until=2026-01-01", 400, "must be later than since"),
        ("/v1/models/flights/figures?window=7", 400, "window='7'"),
        ("/v1/models/flights/figures?against=nothing", 422, "query.against"),
        ("/v1/models/flights/runs/none", 404, "run='none'"),
        ("/v1/models/quiet/runs/none", 404, "run='none'"),
        ("/v1/models/flights/runs/" + ",".join("abcdefghijklm"), 400, "at most 12"),
        ("/v1/models/flights/explain?watch=nope", 400, "watch='nope'"),
        ("/v1/models/flights/events?limit=0", 422, "query.limit"),
    ],
)
def test_what_cannot_be_answered_says_what_is_wrong(
    client: TestClient, path: str, status: int, words: str
) -> None:
    """The thing, its value and what is right, as one JSON document, and nothing of the place where the lake lies."""
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["error"]
    assert "/tmp" not in answer.text


def test_too_many_figures_are_refused_before_they_are_sent(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is said, and how to ask for fewer."""
    monkeypatch.setattr("vedette.server.api.figures.FIGURES_MAX", 3)
    answer = client.get("/v1/models/flights/figures?metric=accuracy&until=2026-01-09")
    assert answer.status_code == 400
    assert "8 figures: at most 3" in answer.json()["error"]


def test_figures_that_did_not_change_are_not_read_again(
    dashboard_lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept until a table of the model moves on: then they are read anew, and not before."""
    folder = tmp_path / "lake"
    shutil.copytree(dashboard_lake, folder)
    read: list[str] = []

    def counted(*args: object, **asked: object) -> object:
        read.append("once")
        return figures(*args, **asked)  # type: ignore[arg-type]

    monkeypatch.setattr("vedette.server.api.figures.figures_module.figures", counted)
    time.sleep(0.1)  # beyond the tick of the clock of the files just copied
    with client_of(folder) as client:
        path = "/v1/models/flights/figures?metric=accuracy"
        first = client.get(path)
        again = client.get(path)
        same = client.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.content, same.status_code, same.content, len(read)) == (first.content, 304, b"", 1)
        tables = Lake.at(folder).model("flights")
        tables["events"].write(tables["events"].scan().head(1).collect(), {})
        assert client.get(path).content == first.content
        assert len(read) == 2


@pytest.mark.parametrize(
    "path", ["/v1/models/flights/figures?metric=rows", "/models/flights/series?metric=rows"]
)
def test_small_figures_are_hidden_as_soon_as_the_file_says_so(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """An answer that was kept before ``[privacy]`` k was set is not given any longer, not even as one that did not change."""
    file = tmp_path / "vedette.toml"
    file.write_text("")
    monkeypatch.setenv("VEDETTE_CONFIG", str(file))
    client.get(path)
    time.sleep(0.1)  # beyond the tick of the clock of a lake that was just built
    before = client.get(path)
    assert "suppressed" not in before.text
    file.write_text("[privacy]\nk = 1000000\n")
    after = client.get(path, headers={"If-None-Match": before.headers["etag"]})
    assert (after.status_code, "suppressed" in after.text) == (200, True)
    file.write_text("")
    assert client.get(path).content == before.content


def test_the_newest_figures_of_a_page_are_hidden_as_soon_as_the_file_says_so(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table of a model's page, too, is made anew where ``[privacy]`` k was set."""
    file = tmp_path / "vedette.toml"
    file.write_text("")
    monkeypatch.setenv("VEDETTE_CONFIG", str(file))
    client.get("/models/flights?figure=rows")
    time.sleep(0.1)  # beyond the tick of the clock of a lake that was just built
    assert "suppressed" not in client.get("/models/flights?figure=rows").text
    file.write_text("[privacy]\nk = 1000000\n")
    assert "suppressed" in client.get("/models/flights?figure=rows").text


def test_a_document_comes_packed_to_whom_takes_it(client: TestClient) -> None:
    """Gzip where it is accepted, and the same bytes after it."""
    path = "/v1/models/flights/figures?metric=psi"
    packed, plain = client.get(path), client.get(path, headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content


def test_who_may_see_one_model_sees_no_other(dashboard_lake: Path) -> None:
    """Neither in the list, nor by name, nor in an error."""
    with client_of(dashboard_lake, frozenset({"calm"})) as client:
        assert [one["model"] for one in client.get("/v1/models").json()["models"]] == ["calm"]
        assert client.get("/v1/models").json()["total"] == 1
        assert client.get("/v1/models/flights").status_code == 404
        for path in ("/", "/alerts", "/?q=fli"):
            assert "flights" not in client.get(path).text


def test_a_person_acknowledges_silences_accepts_and_calls_false(dashboard_lake: Path, tmp_path: Path) -> None:
    """Each is a step of the alert by who called; what is closed can be nothing any more."""
    folder = tmp_path / "lake"
    shutil.copytree(dashboard_lake, folder)
    with client_of(folder) as client:
        where = "/v1/models/flights/alerts"
        first, second, third, fourth, *_ = [
            one["id"] for one in client.get(where).json() if one["state"] == "firing"
        ]

        def act(alert: str, action: str, **said: object) -> dict[str, object]:
            answer = client.post(f"{where}/{alert}/{action}", json=said)
            assert answer.status_code == 200, answer.text
            found: dict[str, object] = answer.json()[0]
            return found

        seen = act(first, "acknowledge", reason=HOSTILE)
        assert (seen["state"], seen["by"], seen["reason"]) == ("acknowledged", "ann", HOSTILE)
        assert act(second, "silence", reason="moving", duration="2h")["state"] == "silenced"
        assert act(third, "accept")["state"] == "resolved"
        assert act(fourth, "false")["false"] is True
        closed = client.post(f"{where}/{third}/acknowledge", json={})
        assert (closed.status_code, "was resolved" in closed.json()["error"]) == (409, True)
        unknown = client.post(f"{where}/nope/acknowledge", json={})
        assert (unknown.status_code, "calm" in unknown.text) == (409, False)
        assert client.post("/v1/models/calm/alerts/" + first + "/acknowledge", json={}).status_code == 409
        assert (
            client.post(f"{where}/{second}/silence", json={"reason": "x", "duration": "-4h"}).status_code
            == 400
        )
        assert client.post(f"{where}/{second}/silence", json={"reason": ""}).status_code == 422
        states = {one["id"]: one["state"] for one in client.get(where).json()}
        assert [states[one] for one in (first, second, third, fourth)] == [
            "acknowledged", "silenced", "resolved", "acknowledged"
        ]  # fmt: skip
        said = [row["what"] for row in client.get("/v1/models/flights/audit").json() if row["by"] == "ann"]
        assert {"acknowledged", "accepted", "false alarm"} <= set(said)


def test_what_watches_reads_only_what_moved_on(
    dashboard_lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round over models of which none moved on reads none; after a commit it reads that one."""
    folder = tmp_path / "lake"
    shutil.copytree(dashboard_lake, folder)
    time.sleep(0.1)
    read: list[str] = []
    own = watching_module.glance

    def counted(lake: Lake, model: str, moment: object) -> object:
        read.append(model)
        return own(lake, model, moment)  # type: ignore[arg-type]

    monkeypatch.setattr(watching_module, "glance", counted)
    one = Watching(Lake.at(folder))
    one.look()
    one.look()
    assert read == ["calm", "flights", "quiet"]
    before = one.number
    tables = Lake.at(folder).model("calm")
    tables["events"].write(tables["events"].scan().head(1).collect(), {})
    one.look()
    assert read[3:] == ["calm"]
    assert one.number == before  # it is as it was: nobody is told


def test_a_restart_reads_only_what_moved_on(
    dashboard_lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each model is at a glance what it was before the end, from the disk; one that moved on since is read from its tables."""
    folder = tmp_path / "lake"
    shutil.copytree(dashboard_lake, folder)
    lake = Lake.at(folder)
    time.sleep(0.1)
    before = Watching(lake, kept=KeptGlances(lake))
    before.look()
    read: list[str] = []
    own = watching_module.glance

    def counted(lake: Lake, model: str, moment: object) -> object:
        read.append(model)
        return own(lake, model, moment)  # type: ignore[arg-type]

    monkeypatch.setattr(watching_module, "glance", counted)
    after = Watching(lake, kept=KeptGlances(lake))
    after.look()
    assert read == []
    assert after.whole.is_set()
    assert [one.glance for one in after.models()] == [one.glance for one in before.models()]
    assert any(one.glance.alerts for one in after.models())

    tables = lake.model("calm")
    tables["events"].write(tables["events"].scan().head(1).collect(), {})
    shutil.rmtree(folder / "quiet")
    shutil.rmtree(lake.journal / "quiet", ignore_errors=True)
    third = Watching(lake, kept=KeptGlances(lake))
    third.look()
    assert read == ["calm"]
    assert [one.glance.model for one in third.models()] == ["calm", "flights"]


def test_what_is_said_of_alerts_is_part_of_a_glance(
    dashboard_lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ``vedette.toml`` that is wrong is found in the next round and after a restart, and so is its mending."""
    folder = tmp_path / "lake"
    shutil.copytree(dashboard_lake, folder)
    monkeypatch.setenv("VEDETTE_CONFIG", str(tmp_path / "vedette.toml"))
    lake = Lake.at(folder)

    def told() -> bool:
        one.look()
        return any(each.watch == "vedette.toml" for each in one.models()[0].glance.health.verdicts)

    written = tmp_path / "vedette.toml"
    written.write_text("", "utf-8")
    one = Watching(lake, kept=KeptGlances(lake))
    assert not told()
    written.write_text("[alerts]\nrepeet = 1\n", "utf-8")
    assert told()
    written.write_text("[alerts]\n", "utf-8")
    one = Watching(lake, kept=KeptGlances(lake))
    assert not told()


@pytest.mark.parametrize("content", [b"no database at all, but text" * 50, b"SQLite format 3\0 cut short"])
def test_a_file_of_glances_that_is_broken_is_begun_anew(
    dashboard_lake: Path, tmp_path: Path, content: bytes
) -> None:
    """All models are read from their tables, and the next start finds them kept."""
    lake = Lake.at(shutil.copytree(dashboard_lake, tmp_path / "lake"))
    file = lake.path / ".server" / "glances.db"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)
    time.sleep(0.1)
    one = Watching(lake, kept=KeptGlances(lake))
    one.look()
    assert len(one.models()) == 3
    kept = KeptGlances(lake)
    assert {each.glance.model: kept.found(each.glance.model, each.moved) for each in one.models()} == {
        each.glance.model: each.glance for each in one.models()
    }
    assert file.stat().st_mode & 0o077 == 0


def test_a_glance_of_another_version_is_not_believed(dashboard_lake: Path, tmp_path: Path) -> None:
    """What another layout wrote is read again, and so is what is no glance."""
    lake = Lake.at(shutil.copytree(dashboard_lake, tmp_path / "lake"))
    time.sleep(0.1)
    one = Watching(lake, kept=KeptGlances(lake))
    one.look()
    moved = {each.glance.model: each.moved for each in one.models()}
    with sqlite3.connect(lake.path / ".server" / "glances.db") as raw:
        raw.execute("UPDATE glances SET glance = '{}' WHERE model = 'calm'")
    raw.close()
    kept = KeptGlances(lake)
    assert kept.found("calm", moved["calm"]) is None
    assert kept.found("flights", moved["flights"]) is not None
    with sqlite3.connect(lake.path / ".server" / "glances.db") as raw:
        raw.execute("UPDATE layout SET name = '0.0.1/1'")
    raw.close()
    assert KeptGlances(lake).found("flights", moved["flights"]) is None


def test_a_lake_that_nothing_can_be_kept_in_is_watched_all_the_same(
    dashboard_lake: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says once that nothing is kept."""
    lake = Lake.at(shutil.copytree(dashboard_lake, tmp_path / "lake"))
    shutil.rmtree(lake.path / ".server", ignore_errors=True)
    (lake.path / ".server").write_text("in the way", "utf-8")
    one = Watching(lake, kept=KeptGlances(lake))
    one.look()
    tables = lake.model("calm")
    tables["events"].write(tables["events"].scan().head(1).collect(), {})
    one.look()
    assert len(one.models()) == 3
    assert [each.message.count("cannot be written") for each in caplog.records] == [1]


def test_a_model_that_cannot_be_read_hides_no_other(dashboard_lake: Path, tmp_path: Path) -> None:
    """It is UNKNOWN with the reason."""
    folder = tmp_path / "lake"
    shutil.copytree(dashboard_lake, folder)
    for log in (folder / "calm" / "state" / "_delta_log").glob("*.json"):
        log.write_text("{", "utf-8")
    with client_of(folder) as client:
        found = {one["model"]: one["verdict"] for one in client.get("/v1/models").json()["models"]}
        assert found == {"calm": "UNKNOWN", "flights": "ALARM", "quiet": "UNKNOWN"}
        assert "cannot be read" in client.get("/?q=calm").text


def test_every_route_is_described(client: TestClient) -> None:
    """The description names each document, its errors and what it answers; pages are not in it."""
    found = client.get("/v1/openapi.json").json()
    assert all(path.startswith("/v1/") for path in found["paths"])
    for path, methods in found["paths"].items():
        for method, one in methods.items():
            assert one["summary"], path
            assert one["description"], path
            if path != "/v1/events/stream":
                assert one["responses"]["200"]["content"]["application/json"]["schema"], (path, method)
                assert one["responses"]["404"]["content"]["application/json"]["schema"]["$ref"].endswith(
                    "ErrorDocument"
                )


def test_a_stream_ends_where_its_reader_may_no_more(
    dashboard_lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The authority is asked anew at each pulse: a stream goes on while it agrees, and ends at the next where it does not."""
    monkeypatch.setattr(stream_module, "_PULSE_S", 0.2)
    monkeypatch.setattr(stream_module, "LIFE_S", 8.0)
    app = app_of(Lake.at(dashboard_lake))
    own, refuses = app.state.authority.check, threading.Event()

    def check(request: Request, need: Need, model: str | None) -> Caller:
        if refuses.is_set():
            raise HTTPException(401, "who is there?")
        return own(request, need, model)  # type: ignore[no-any-return]

    monkeypatch.setattr(app.state.authority, "check", check)
    with site_of(app) as site, httpx.stream("GET", f"{site}/v1/events/stream", timeout=10) as answer:
        lines = (line for line in answer.iter_lines() if line == ": still here")
        assert len(list(itertools.islice(lines, 3))) == 3
        refuses.set()
        assert len(list(lines)) <= 2


def test_a_stream_tells_what_its_reader_may_see_by_then(
    dashboard_lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that was taken from the reader since the stream began is no more told of."""
    monkeypatch.setattr(stream_module, "_PULSE_S", 0.2)
    app = app_of(Lake.at(shutil.copytree(dashboard_lake, tmp_path / "lake")))
    with site_of(app) as site, httpx.stream("GET", f"{site}/v1/events/stream", timeout=10) as answer:
        lines = answer.iter_lines()
        next(line for line in lines if line == ": still here")
        app.state.authority.models = frozenset({"calm"})
        for _ in range(3):
            next(line for line in lines if line == ": still here")
        before = app.state.watching.number
        shutil.rmtree(tmp_path / "lake" / "flights" / "state")  # so that it is another than it was
        while app.state.watching.number == before:
            time.sleep(0.05)
        shutil.rmtree(tmp_path / "lake" / "calm" / "state")
        told = next(line for line in lines if line.startswith("data: "))
        assert json.loads(told.removeprefix("data: "))["model"] == "calm"


def test_the_stream_ends_with_the_application(dashboard_lake: Path) -> None:
    """What listens is told at once that it is over: a server that stops waits for nobody."""
    app = app_of(Lake.at(dashboard_lake))
    with TestClient(app):
        watching = app.state.watching
        told = threading.Event()
        watching.listen(told.set)
    assert watching.stopped
    assert told.is_set()
