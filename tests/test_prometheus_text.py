"""The text of /metrics: every figure, verdict and count as it is in the lake, and nothing that is not known."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.world import DAY, World

pytest.importorskip("prometheus_client", reason="the extra 'prometheus' is not installed")
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as families

from vedette import cli
from vedette.engine import cycle
from vedette.engine import scraped as scraped_module
from vedette.engine.figures import figures
from vedette.engine.scraped import Scraped, facts_of
from vedette.lake.ledger import ledger
from vedette.output.prometheus.chosen import MODEL_FIGURES_MAX, chosen, share
from vedette.output.prometheus.collector import ModelCollector
from vedette.output.prometheus.facts import FigureFact, ModelFacts, Reading
from vedette.output.prometheus.own import ServerMetrics
from vedette.output.prometheus.text import Exposition
from vedette.output.prometheus.textfile import write_atomically
from vedette.records import Status, Verdict

Key = tuple[str, tuple[tuple[str, str], ...]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A model with a reference, days that are like it, and days that are not: one alarm at the least."""
    made = World(tmp_path_factory.mktemp("prometheus") / "lake")
    made.monitor.reference(made.rows(2000))
    for shift in (0.0, 0.0, 3.0, 3.0):
        made.log_day(made.rows(200, shift=shift))
        cycle.once(made.lake, models=["m"], clock=made.now.timestamp)  # by the rows' own clock: no replay
    made.monitor.close()
    return made


def samples(text: bytes, parse: Any = families) -> dict[Key, float]:
    """The samples of a text by name and labels; each set of labels once."""
    found: dict[Key, float] = {}
    for family in parse(text.decode("utf-8")):
        for one in family.samples:
            key = one.name, tuple(sorted(one.labels.items()))
            assert key not in found
            found[key] = one.value
    return found


def key(name: str, **labels: str) -> Key:
    return name, tuple(sorted(labels.items()))


def facts(model: str = "m", n: int = 2, **more: Any) -> ModelFacts:
    """A model by hand, with so many figures of features."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    made = ModelFacts(
        model=model,
        version="1",
        verdict=Status.OK,
        verdicts=(Verdict("x.location", "", Status.OK, None, "", "proved"),),
        alerts={"firing": 0},
        window=(start, start + DAY),
        figures=tuple(
            FigureFact("mean", f"x{i}", "", "", float(i), None, None, 5, 1.0, None) for i in range(n)
        ),
        unknown={},
        rows={("predictions", "in_lake"): 5},
        unexplained=0,
        false_alarms=None,
        ingested=start,
        judged=None,
    )
    return replace(made, **more)


def test_every_figure_of_the_newest_closed_window_is_told_as_the_lake_has_it(world: World) -> None:
    """Value, ends of the interval, rows and completeness; what is null is absent, and counted by reason."""
    text, _ = Exposition(Scraped(world.lake, clock=world.now.timestamp).reading)()
    got = samples(text)
    last = world.now - DAY
    every = figures(
        world.lake, "m", since=last - DAY, until=last
    )  # the newest has ended this instant: still waited for
    assert got[key("vedette_window_end_timestamp_seconds", model="m")] == last.timestamp()
    columns = {"": "value", "_low": "low", "_high": "high", "_rows": "n", "_completeness": "completeness",
               "_labelled_ratio": "labelled"}  # fmt: skip
    expected: dict[Key, float] = {}
    for row in every.filter(every["value"].is_not_null()).iter_rows(named=True):
        labels = {name: row[name] or "" for name in ("metric", "feature", "part", "segment")}
        for end, column in columns.items():
            if row[column] is not None:
                expected[key(f"vedette_figure{end}", model="m", **labels)] = row[column]
    assert {k: v for k, v in got.items() if k[0] in {f"vedette_figure{end}" for end in columns}} == expected
    unknown = {k: v for k, v in got.items() if k[0] == "vedette_figures_unknown"}
    assert sum(unknown.values()) == every["value"].is_null().sum() > 0


def test_verdicts_alerts_and_the_ledger_are_told_as_they_stand(world: World) -> None:
    """One of four states of each verdict is 1, alerts are counted by state, the parts of the ledger add up to what was seen."""
    got = samples(Exposition(Scraped(world.lake, clock=world.now.timestamp).reading)()[0])
    health = world.health()
    for one in health.verdicts:
        states = [
            got[key("vedette_verdict", model="m", watch=one.watch, segment=one.segment, verdict=status)]
            for status in Status
        ]
        assert dict(zip(Status, states, strict=True)) == {s: float(s is one.verdict) for s in Status}
    assert got[key("vedette_model_verdict", model="m", verdict="ALARM")] == 1
    firing = [one for one in health.verdicts if one.verdict is Status.ALARM]
    assert got[key("vedette_alerts", model="m", state="firing")] == len(firing) > 0
    book = ledger(world.lake, "m")
    seen = sum(v for (name, labels), v in got.items()
               if name == "vedette_ledger_rows" and ("stream", "predictions") in labels)  # fmt: skip
    assert seen == sum(one.seen for one in book.producers if one.stream == "predictions")
    assert got[key("vedette_false_alarms_per_month_budget", model="m")] == 1.0
    assert got[key("vedette_false_alarms_told", model="m")] == len(firing)


def test_both_formats_say_the_same_and_openmetrics_is_whole(world: World) -> None:
    """What a strict parser of OpenMetrics reads is what the plain text says, and it ends as it must, once."""
    own = ServerMetrics()
    own.requests.labels("GET", "/v1/models", "200").inc(3)
    made = Exposition(Scraped(world.lake, clock=world.now.timestamp).reading, own.registry)
    plain, kind = made("text/plain")
    opened, open_kind = made("application/openmetrics-text;version=1.0.0")
    assert (kind.split(";")[0], open_kind.split(";")[0]) == ("text/plain", "application/openmetrics-text")
    assert opened.endswith(b"# EOF\n")
    assert opened.count(b"# EOF") == 1

    def of_models(found: dict[Key, float]) -> dict[Key, float]:
        return {
            k: v
            for k, v in found.items()
            if k[0].startswith(("vedette_figure", "vedette_verdict", "vedette_models"))
        }

    assert of_models(samples(plain)) == of_models(samples(opened, open_families))
    asked = key("vedette_http_requests_total", method="GET", route="/v1/models", status="200")
    assert samples(plain)[asked] == samples(opened, open_families)[asked] == 3


def test_the_collector_of_a_registry_tells_what_the_text_tells(world: World) -> None:
    """The plain way, by a registry, is an independent writing of the same samples."""
    from prometheus_client import CollectorRegistry, generate_latest

    scraped = Scraped(world.lake, clock=world.now.timestamp)
    registry = CollectorRegistry()
    registry.register(ModelCollector(scraped.reading))
    assert generate_latest(registry) == Exposition(scraped.reading)()[0]


def test_a_model_is_read_again_only_when_its_tables_move_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is opened for a second scrape; a commit, and the end of a window, have one model read."""
    world = World(tmp_path / "lake")
    world.monitor.reference(world.rows(500))
    world.log_day(world.rows(100))
    world.round()
    read: list[str] = []

    def counted(lake: Any, model: str, *rest: Any, **more: Any) -> Any:
        read.append(model)
        return facts_of(lake, model, *rest, **more)

    monkeypatch.setattr(scraped_module, "facts_of", counted)
    scraped = Scraped(world.lake, clock=lambda: world.now.timestamp())
    first, again = scraped.reading(), scraped.reading()
    assert read == ["m"]
    assert again.number == first.number
    assert first.models[0].window is None  # rows of the day may still be on their way
    world.now += timedelta(minutes=2)
    assert scraped.reading().models[0].window == (
        world.now - timedelta(minutes=2) - DAY,
        world.now - timedelta(minutes=2),
    )
    assert read == ["m", "m"]
    world.log_day(world.rows(100))
    world.round()
    assert scraped.reading().number > again.number
    assert read == ["m"] * 3
    world.monitor.close()


def test_what_time_alone_brings_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that stop coming make verdicts UNKNOWN without any commit: a cache of what was OK would hide it."""
    monkeypatch.setattr(
        scraped_module, "STALE", timedelta(days=1000)
    )  # not read again just because it is old
    now = world.now
    scraped = Scraped(world.lake, clock=lambda: now.timestamp())
    before = {one.watch: one.verdict for one in scraped.reading().models[0].verdicts}
    now += 10 * DAY
    after = {one.watch: one.verdict for one in scraped.reading().models[0].verdicts}
    ok = [watch for watch, verdict in before.items() if verdict is Status.OK]
    assert ok
    assert {after[watch] for watch in ok} == {Status.UNKNOWN}


def test_a_scrape_ends_in_time_and_says_what_it_did_not_come_to(world: World) -> None:
    """With no time one model is read each time; the others are unread, never 0; a model that cannot be read is failed."""
    import shutil

    folder = world.folder.parent / "several"
    for name in ("a", "b", "c"):
        shutil.copytree(world.folder / "m", folder / name)
    from vedette.lake.tables import Lake

    scraped = Scraped(Lake.at(folder), patience_s=0.0, clock=world.now.timestamp)
    made = Exposition(scraped.reading)
    states = []
    for _ in range(3):
        got = samples(made()[0])
        states.append([got[key("vedette_models", state=state)] for state in ("current", "unread", "failed")])
    assert states == [[1, 2, 0], [2, 1, 0], [3, 0, 0]]
    log = next((folder / "b" / "summaries" / "_delta_log").glob("*1.json"))
    log.write_text("no json")
    for file in (folder / "c" / "summaries").glob("*.parquet"):
        file.write_bytes(b"no parquet")
    after = Scraped(Lake.at(folder), clock=world.now.timestamp)
    got = samples(Exposition(after.reading)()[0])
    assert [got[key("vedette_models", state=state)] for state in ("current", "failed")] == [1, 2]
    assert key("vedette_model_info", model="b", version="1") not in got
    assert got[key("vedette_reading_failures_total")] == 2


def test_only_what_is_said_to_have_moved_on_is_read(world: World) -> None:
    """Where somebody else looks through the tables, a model that moved on is read once it is told, and what was not is."""
    scraped = Scraped(world.lake, patience_s=None, clock=world.now.timestamp)
    assert scraped.refresh(None, moved=())  # never read: nobody needs to say so
    first = scraped.reading().number
    tables = world.lake.model("m")
    tables["events"].write(tables["events"].scan().head(1).collect(), {})
    with scraped._turn:  # so that the scrape itself reads nothing
        assert scraped.reading().behind == ["m"]
    assert scraped.refresh(None, moved=())
    with scraped._turn:
        assert scraped.reading().behind == ["m"]
    assert scraped.refresh(None, moved=("m",))
    after = scraped.reading()
    assert (after.number, after.behind) == (first + 1, [])


def test_what_is_too_much_is_left_out_and_counted() -> None:
    """The whole before its parts, up to the limits of a model and of all; no label twice, no name that tears a line."""
    figures_of = [
        FigureFact("rows", "", "", f"region={i}", 1.0, None, None, 1, None, None) for i in range(600)
    ]
    whole = FigureFact("rows", "", "", "", 600.0, None, None, 600, None, None)
    told, lost = chosen(facts(figures=(*figures_of, whole, whole)))
    assert (len(told.figures), told.figures[0], lost) == (MODEL_FIGURES_MAX, whole, 102)
    limit = share([40] * 100, 1000)
    assert 0 < limit <= 10
    many = Reading([facts(f"m{i}", 40) for i in range(100)], number=1)
    got = samples(Exposition(lambda: many, figures_max=1000)()[0])
    n = sum(name == "vedette_figure" for name, _ in got)
    assert n == 100 * limit <= 1000
    assert got[key("vedette_left_out", model="m7")] == 40 - limit
    odd = 'a"b\\c\nd\ud800'
    hostile = facts(figures=(FigureFact("mean", odd, "", "x" * 10_000, 1.0, None, None, 1, None, None),))
    said = Exposition(lambda: Reading([hostile]))()[0]
    ((_, labels),) = [one for one in samples(said) if one[0] == "vedette_figure"]
    assert dict(labels)["feature"] == 'a"b\\c⟨U+000A⟩d⟨U+D800⟩'
    assert len(dict(labels)["segment"]) == 200


def test_who_may_know_of_some_models_is_told_of_those_alone() -> None:
    """No name, no count and no health of the server gives away the others; who may know all is told all, before and after."""
    own = ServerMetrics()
    many = Reading([facts("mine"), facts("theirs")], unread=["theirs-too"], failed=["theirs-also"], number=1)
    made = Exposition(lambda: many, own.registry)
    whole = made()[0]
    some = made(may=lambda model: model == "mine")[0]
    assert b"theirs" not in some
    assert b"process_" not in some
    got = samples(some)
    assert [got[key("vedette_models", state=state)] for state in ("current", "unread", "failed")] == [1, 0, 0]
    assert {k: v for k, v in samples(whole).items() if ("model", "mine") in k[1]} == {
        k: v for k, v in got.items() if ("model", "mine") in k[1]
    }
    assert set(samples(made()[0])) == set(samples(whole))


def test_reasons_are_few_however_many_numbers_they_hold() -> None:
    """A reason with a count in it is one series, not one for each count."""
    unknown = {f"{n} rows: fewer than 30": 1 for n in range(20)}
    got = samples(Exposition(lambda: Reading([facts(unknown=unknown)]))()[0])
    assert {k: v for k, v in got.items() if k[0] == "vedette_figures_unknown"} == {
        key("vedette_figures_unknown", model="m", reason="N rows: fewer than N"): 20
    }


def test_segments_that_are_watched_are_told(tmp_path: Path) -> None:
    """The figures by a column that the settings name, each with its segment as a label."""
    from vedette import Monitor

    now = datetime(2026, 1, 2, 1, tzinfo=UTC)
    with Monitor(
        "s", version="1", lake=tmp_path / "lake", window="1h", segments=["c"], clock=now.timestamp
    ) as monitor:
        for i in range(60):
            monitor.log(
                {"x": float(i), "c": "ab"[i % 2]}, i % 2, id=f"i{i}", time=now - timedelta(minutes=90)
            )
    from vedette.lake.tables import Lake

    cycle.once(Lake.at(tmp_path / "lake"), clock=now.timestamp)
    got = samples(Exposition(Scraped(Lake.at(tmp_path / "lake"), clock=now.timestamp).reading)()[0])
    rows = {dict(labels)["segment"]: value for (name, labels), value in got.items()
            if name == "vedette_figure" and ("metric", "rows") in labels}  # fmt: skip
    assert rows == {"": 60.0, "c=a": 30.0, "c=b": 30.0}


def test_the_command_prints_and_writes_the_text(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``vedette metrics`` prints it or writes a file whole; a name that node_exporter would not read is refused."""
    monkeypatch.setenv("VEDETTE_LAKE", str(world.folder))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["vedette", *arguments])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        return stopped.value.code or 0, *capsys.readouterr()  # type: ignore[return-value]

    path = tmp_path / "vedette.prom"
    assert run("metrics", "m", "--output", str(path)) == (0, "", "")
    assert samples(path.read_bytes())[key("vedette_model_info", model="m", version="1")] == 1
    assert [one.name for one in tmp_path.iterdir()] == ["vedette.prom"]
    code, out, _ = run("metrics", "--all", "--openmetrics")
    assert (code, out[-6:]) == (0, "# EOF\n")
    for arguments, wanted, message in (
        (["metrics", "m", "--output", str(tmp_path / "x.txt")], 64, "must end in .prom"),
        (["metrics"], 64, "name models, or give --all"),
        (["metrics", "nosuch"], 70, "model='nosuch'"),
        (["prometheus", "rules"], 64, "name models, or give --all"),
    ):
        code, _, err = run(*arguments)
        assert (code, message in err) == (wanted, True)
    for kind in ("scrape", "rules", "grafana"):
        code, out, err = run("prometheus", kind, "m")
        assert (code, err) == (0, "")
        assert "vedette" in out


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    """The name of the file is in the error, and nothing is left beside it."""
    path = tmp_path / "dir.prom"
    path.mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        write_atomically(path, b"x")
    assert [one.name for one in tmp_path.iterdir()] == ["dir.prom"]


def test_no_figure_is_nan(world: World) -> None:
    """What is told is a number: NaN would say that there is something to know."""
    got = samples(Exposition(Scraped(world.lake, clock=world.now.timestamp).reading)()[0])
    assert [k for k, v in got.items() if math.isnan(v)] == []
    assert json.dumps(list(got.values()), allow_nan=False)
