"""An explanation of an alarm, from rows in a lake to the paragraph: what was planted is what is told."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import vedette
from vedette.cli import app
from vedette.engine import cycle
from vedette.engine.explain import explain
from vedette.engine.health import health
from vedette.lake.tables import Lake
from vedette.output.explanation import Explanation, explanation_json, paragraph

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
DAYS, CHANGE, ROWS = 16, 11, 600
OLDER = 5  # since when heights come in inches, in the lake whose accuracy falls later


def rows(random: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    """Inputs, predictions and labels with one error in ten."""
    label = random.integers(0, 2, n)
    return {
        "region": random.choice(["north", "south", "east", "west"], n),
        "device": random.choice(["phone", "web", "tv"], n, p=[0.5, 0.4, 0.1]),
        "age": random.normal(40, 12, n),
        "height": random.normal(170, 10, n),
        "prediction": np.where(random.uniform(size=n) < 0.1, 1 - label, label),
        "label": label,
    }


def spoil(kind: str, one: dict[str, np.ndarray], random: np.random.Generator) -> dict[str, np.ndarray]:
    """The rows of a day after the change."""
    n = len(one["age"])
    inside = (one["region"] == "north") & (one["device"] == "web")
    if kind == "segment":
        wrong = inside & (random.uniform(size=n) < 0.55)
        one["prediction"] = np.where(wrong, 1 - one["label"], one["prediction"])
    elif kind == "faults":
        one["age"], one["height"] = one["height"], one["age"]
        one["region"] = np.where(one["region"] == "north", "North", one["region"])
    elif kind == "inputs":
        one["age"] = one["age"] + 15.0 * (one["device"] == "tv")
        one["height"] = np.where(inside, np.nan, one["height"])
    return one


def made(folder: Path, kind: str, change: int = CHANGE) -> Lake:
    """A lake of 16 days, spoilt from one on; with ``segment`` a new version comes with it."""
    random = np.random.default_rng(7)
    now = START

    def monitor(version: str) -> vedette.Monitor:
        return vedette.Monitor(
            "m", version, folder, window="1d", task="classification", clock=lambda: now.timestamp()
        )

    own = monitor("1")
    own.reference(pl.DataFrame(rows(random, 3000)))
    for day in range(DAYS):
        now = START + DAY * (day + 1)
        if day == change and kind == "segment":
            own.close()
            own = monitor("2")
        one = rows(random, ROWS)
        if kind == "segment" and day >= OLDER:
            one["height"] = one["height"] / 2.54
        if day >= change:
            one = spoil(kind, one, random)
        times = [START + DAY * day + timedelta(seconds=120 * row) for row in range(ROWS)]
        own.log_many(pl.DataFrame(one).with_columns(pl.Series("time", times)))
    own.close()
    lake = Lake.at(folder)
    cycle.once(lake, models=["m"])
    return lake


@pytest.fixture(scope="module")
def lakes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Lake]:
    """A lake for each kind of change."""
    kinds = ("segment", "faults", "inputs", "none")
    return {kind: made(tmp_path_factory.mktemp(kind), kind) for kind in kinds}


def of(lakes: dict[str, Lake], kind: str, watch: str | None = None) -> Explanation:
    found = explain(lakes[kind], "m", watch or ("accuracy" if kind == "segment" else None))
    assert found is not None
    return found


def test_the_segment_the_time_and_the_version_are_told(lakes: dict[str, Lake]) -> None:
    """Errors in region=north, device=web from 12 January on, with version 2: all three, and that it is concept."""
    found = of(lakes, "segment")
    assert found.watch == "accuracy"
    assert found.search is not None
    assert [one.name for one in found.search.named] == ["region=north, device=web"]
    assert found.began is not None
    assert found.began.first <= START + CHANGE * DAY <= found.began.last
    assert [event.words for event in found.events] == ["version 2 was first seen"]
    assert found.decomposition is not None
    assert found.decomposition.within.low > 0
    assert abs(found.decomposition.mix.value) < 0.1 * found.decomposition.within.value
    assert found.concept is not None
    assert found.concept.concept.low > 0
    assert found.concept.covariate.low < 0 < found.concept.covariate.high
    text = str(found)
    for said in ("region=north, device=web", "version 2 was first seen", "2026-01-12", "concept"):
        assert said in text


def test_a_fault_that_was_there_before_is_no_cause(lakes: dict[str, Lake]) -> None:
    """Heights in inches since 6 January are told of the heights, and not of the accuracy that fell on the 12th."""
    fault = "height: unit change: values look multiplied by 0.3937 (centimetres to inches)"
    assert of(lakes, "segment", "height.location").faults[0] == fault
    found = of(lakes, "segment", "accuracy")
    assert found.faults == ()
    assert not any(name.startswith("height") for name, _ in found.features)


def test_without_a_name_it_is_the_alarm_with_most_evidence(lakes: dict[str, Lake]) -> None:
    """Of several alarms the strongest, as its verdict has it."""
    found = explain(lakes["segment"], "m")
    assert found is not None
    assert found.verdict == "ALARM"
    assert found.watch.startswith("height")
    assert "accuracy" in found.others
    assert "accuracy" in str(found).rpartition("too: name one to see why")[0]
    assert of(lakes, "segment", "accuracy").others == ()


def test_the_rows_of_a_segment_are_those_of_the_lake(lakes: dict[str, Lake]) -> None:
    """Counted again with Polars from the tables: rows and error rates of the segment that is named."""
    found = of(lakes, "segment")
    assert found.search is not None
    assert found.began is not None
    tables = lakes["segment"].model("m")
    both = tables["predictions"].scan().join(tables["labels"].scan().select("id", "label"), on="id").collect()
    own = both.filter((pl.col("region") == "north") & (pl.col("device") == "web"))
    judged = START + (DAYS - 1) * DAY  # the last day has not ended
    after = own.filter((pl.col("time") >= found.began.best) & (pl.col("time") < judged))
    before = own.filter(pl.col("time") < found.began.first)
    segment = found.search.segments[0]
    assert (segment.n_before, segment.n_after) == (before.height, after.height)
    assert segment.after == pytest.approx((after["prediction"] != after["label"]).mean())


def test_swapped_columns_are_named_by_the_alarm_and_the_explanation(lakes: dict[str, Lake]) -> None:
    """Both alarms lead with it; the explanation has it as the fault, and no unit change beside it."""
    words = "columns swapped: age and height look as if they had changed places"
    verdicts = {one.watch: one for one in health(lakes["faults"], "m").verdicts}
    assert verdicts["age.location"].evidence.startswith(words)
    assert words in of(lakes, "faults", "height.location").faults


def test_a_renamed_level_is_named(lakes: dict[str, Lake]) -> None:
    """north comes as North from 12 January on."""
    found = of(lakes, "faults", "region.mix")
    assert found.faults[0] == "region: category renamed: 'north' comes as 'North' (case or spaces)"
    assert len(found.faults) == 2  # and the columns that were swapped, no unit change of either


def test_a_value_that_moved_in_one_level_is_found_there(lakes: dict[str, Lake]) -> None:
    """The age of tv rows rose by 15: the segment of the outcome age."""
    found = of(lakes, "inputs", "age.location")
    assert found.search is not None
    assert found.search.named[0].name == "device=tv"
    assert found.search.named[0].low > 10
    assert found.concept is None  # no labels play a part


def test_missing_values_are_found_where_they_are(lakes: dict[str, Lake]) -> None:
    """A fault by name, and its segment."""
    found = of(lakes, "inputs", "height.missing")
    assert found.search is not None
    assert found.search.named[0].name == "region=north, device=web"
    assert found.search.named[0].after == 1.0
    assert any(fault.startswith("height: missing:") for fault in found.faults)


def test_where_nothing_alarms_nothing_is_explained(lakes: dict[str, Lake]) -> None:
    """None without a name; with one there are no faults, no names, and the words say that it is not sure."""
    assert explain(lakes["none"], "m") is None
    found = of(lakes, "none", "age.location")
    assert found.faults == ()
    assert found.search is None or found.search.named == ()
    assert "If anything changed" in str(found)


def test_a_change_from_the_first_window_on_is_said_to_be_one(tmp_path: Path) -> None:
    """There are no rows of before: no segment, and the reason."""
    found = explain(made(tmp_path, "inputs", change=0), "m", "age.location")
    assert found is not None
    assert found.search is None
    assert found.began is not None
    assert found.began.best == START
    assert "the change was there from the first window on" in str(found)


def test_a_watch_that_there_is_not_is_refused(lakes: dict[str, Lake]) -> None:
    """The error names those that there are."""
    with pytest.raises(
        ValueError,
        match=r"watch='nothing': is no watch of m that was judged; it has .*accuracy, age\.location",
    ):
        explain(lakes["segment"], "m", "nothing")


def test_what_has_words_of_its_own_is_told_in_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that holds, where nothing else alarms: its evidence, and no search."""
    path = tmp_path / "vedette.toml"
    path.write_text('[models.m.rules]\nolder = "mean(age) > 10"\n', "utf-8")
    monkeypatch.setenv("VEDETTE_CONFIG", str(path))
    found = explain(made(tmp_path / "lake", "none"), "m")
    assert found is not None
    assert (found.watch, found.search) == ("rule:older", None)
    assert "told in its own words" in str(found)
    assert found.evidence in str(found)


def test_an_alert_is_explained_by_its_id(lakes: dict[str, Lake]) -> None:
    """The id that ``vedette alerts`` shows is as good as the name of its watch."""
    alerts = lakes["segment"].model("m")["alerts"].scan().filter(pl.col("watch") == "accuracy").collect()
    alert = alerts["alert"][0]
    assert paragraph(of(lakes, "segment", alert)) == paragraph(of(lakes, "segment", "accuracy"))


def test_the_command_prints_json_without_nan(lakes: dict[str, Lake]) -> None:
    """One document, the same as the parts; a paragraph and a table without --json."""
    from typer.testing import CliRunner

    where = ["--lake", str(lakes["segment"].path)]
    done = CliRunner().invoke(app, ["explain", "m", "accuracy", "--json", *where])
    assert done.exit_code == 0
    assert json.loads(done.stdout) == json.loads(
        json.dumps(explanation_json(of(lakes, "segment")), allow_nan=False)
    )
    plain = CliRunner().invoke(app, ["explain", "m", "accuracy", *where])
    assert "region=north" in plain.stdout
    quiet = CliRunner().invoke(app, ["explain", "m", "--lake", str(lakes["none"].path)])
    assert "nothing alarms" in quiet.stdout


def test_a_deployment_in_the_events_is_a_suspect(lakes: dict[str, Lake]) -> None:
    """An event of the lake in the days of the change is told before anything else; one a week before is not."""
    lake = lakes["inputs"]
    events = lake.model("m")["events"]
    for day, name in ((CHANGE - 7, "old"), (CHANGE, "job 12")):
        row = {
            "time": START + day * DAY,
            "kind": "deployment",
            "name": name,
            "version": "1",
            "detail": '{"note": "new feed"}',
        }
        events.write(pl.DataFrame([row]).with_columns(pl.col("time").cast(pl.Datetime("us", "UTC"))), {})
    found = explain(lake, "m", "height.missing")
    assert found is not None
    assert [event.words for event in found.events] == ["deployment job 12 (new feed)"]


def test_the_code_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/causes.md does what it says."""
    monkeypatch.chdir(tmp_path)
    text = (Path(__file__).parent.parent / "docs" / "causes.md").read_text("utf-8")
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(block, "causes.md", "exec"), names)
    found = names["found"]
    assert isinstance(found, Explanation)
    assert found.search is not None
    assert found.search.segments[0].name == "region=north, device=web"
    assert found.began is not None
    assert found.began.first <= datetime(2026, 1, 11, tzinfo=UTC) <= found.began.last


def test_the_page_has_the_paragraph_the_picture_and_the_band(lakes: dict[str, Lake], tmp_path: Path) -> None:
    """The card of the alarm: segments, parts, and the windows in which it may have begun; names are escaped."""
    from vedette.engine.story import write_page

    text = write_page(lakes["segment"], "m", tmp_path / "page.html").read_text("utf-8")
    card = next(one for one in text.split("<article") if "card is-ALARM" in one and "why accuracy" in one)
    assert "version 2 was first seen" in card
    assert 'aria-label="why accuracy fired' in card
    assert card.count("region=north, device=web") >= 2
    assert 'fill="var(--ALARM)" opacity=".14"' in card
    assert not any('aria-label="why ' in one for one in text.split("<article") if "card is-OK" in one)


def test_a_hostile_name_is_shown_and_does_nothing(lakes: dict[str, Lake]) -> None:
    """A level with markup and a control character in it, in the paragraph and in the picture."""
    from dataclasses import replace

    from vedette.output.explanation_svg import fragment

    found = of(lakes, "segment")
    assert found.search is not None
    first = replace(found.search.segments[0], levels=(("region", "<script>alert(1)</script>\x1b[31m"),))
    text = fragment(
        replace(found, search=replace(found.search, segments=(first, *found.search.segments[1:])))
    )
    assert "<script>" not in text
    assert "\x1b" not in text
