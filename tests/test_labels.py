"""Labels as such: how long they take, by what rule they count, and what is left to say where late ones differ."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import vedette
from vedette.cli import app
from vedette.engine import cycle
from vedette.engine.explain import explain
from vedette.engine.health import health
from vedette.engine.label_watch import ARRIVAL, count_arrivals, usual_delay
from vedette.engine.summarise import Shape
from vedette.lake.tables import Lake
from vedette.statistics import STATISTICS, quality_grid, summarise_quality
from vedette.statistics.bounds import BOUNDED, has_bounds, worst_and_best
from vedette.statistics.label_delay import (
    Delays,
    completeness,
    delay_dependence,
    expected_completeness,
    quantile_delay,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def drawn(seed: int, n_windows: int = 12, rows: int = 50) -> tuple[np.ndarray, np.ndarray]:
    """The window of each of some labels and the window in which it was known; of the rest no label comes."""
    random = np.random.default_rng(seed)
    own = np.repeat(np.arange(n_windows), rows)
    delay = random.geometric(0.4, len(own)) - 1
    kept = random.random(len(own)) < 0.8
    return own[kept], (own + delay)[kept]


def counted(own: np.ndarray, known: np.ndarray, present: int, n_windows: int = 12, rows: int = 50) -> Delays:
    """Those that were known by then."""
    seen = known <= present
    return Delays.of(
        np.arange(n_windows), np.full(n_windows, rows), own[seen], known[seen], np.ones(seen.sum()), present
    )


def test_without_censoring_the_share_is_that_of_the_rows() -> None:
    """Where every window is old enough, the share within a delay is the plain one."""
    own, known = drawn(1)
    found = completeness(counted(own, known, 100))
    plain = [((known - own) <= depth).sum() / 600 for depth in range(12)]
    np.testing.assert_allclose(found.value[:12], plain, atol=1e-12)


def test_the_curve_is_kaplan_and_meiers() -> None:
    """The share is that of the product-limit estimate over single rows, each censored at the age of its window."""
    own, known = drawn(2)
    present = 11
    found = completeness(counted(own, known, present))
    ages = np.repeat(present - np.arange(12), 50)
    events = np.full(600, 10**6)
    place = {window: itertools.count(50 * window) for window in range(12)}
    for window, at in zip(own, known, strict=True):
        events[next(place[window])] = at - window
    alive, expected = 1.0, []
    for depth in range(12):
        risk = (ages >= depth) & (events >= depth)
        alive *= 1 - ((events == depth) & risk).sum() / risk.sum()
        expected.append(1 - alive)
    np.testing.assert_allclose(found.value[:11], expected[:11], atol=1e-12)
    assert found.reason[11] == "fewer than 2 windows of that age: 1"


def test_delays_add_up_in_any_order() -> None:
    """The delays of all rows are the sum of those of any parts, in any order."""
    own, known = drawn(3)
    whole = counted(own, known, 11)
    parts = np.random.default_rng(0).integers(0, 3, len(own))
    rows = [np.full(12, 20), np.full(12, 25), np.full(12, 5)]
    some = [
        Delays.of(np.arange(12), n, own[one], known[one], np.ones(one.sum()), 11)
        for number, n in enumerate(rows)
        for one in [(parts == number) & (known <= 11)]
    ]
    for order in ((0, 1, 2), (2, 0, 1)):
        total = some[order[0]] + some[order[1]] + some[order[2]]
        assert (total.start == whole.start).all()
        np.testing.assert_array_equal(total.predictions, whole.predictions)
        np.testing.assert_array_equal(total.arrivals, whole.arrivals)


def test_a_window_that_has_not_closed_says_nothing() -> None:
    """Labels of the present window change no figure."""
    own, known = drawn(4)
    seen = known <= 8
    before = Delays.of(
        np.arange(9),
        np.full(9, 50),
        own[seen & (own < 9)],
        known[seen & (own < 9)],
        np.ones((seen & (own < 9)).sum()),
        8,
    )
    with_open = before + Delays.of([9], [50], [9] * 30, [9] * 30, np.ones(30), 8)
    np.testing.assert_array_equal(completeness(before).value, completeness(with_open).value)


@pytest.mark.parametrize(
    ("delays", "reason"),
    [
        (Delays.of([], [], [], [], [], 5), "no predictions"),
        (Delays.of([5], [10], [5], [5], [3], 5), "fewer than 2 windows of that age: 1"),
    ],
)
def test_too_little_is_a_reason(delays: Delays, reason: str) -> None:
    """With no predictions, or one window, there is no share but a reason."""
    assert completeness(delays).reason[0] == reason


def test_the_ends_have_exact_intervals() -> None:
    """Where all labels have come, or none, the limits are Clopper and Pearson's."""
    every = completeness(Delays.of([0, 1], [10, 10], [0, 1], [0, 1], [10, 10], 2))
    none = completeness(Delays.of([0, 1], [10, 10], [], [], [], 2))
    assert every.value[0] == 1.0
    assert every.low[0] == pytest.approx(0.025 ** (1 / 20))
    assert none.value[0] == 0.0
    assert none.high[0] == pytest.approx(1 - 0.025 ** (1 / 20))


def test_more_labels_than_predictions_are_all_of_them() -> None:
    """Labels of rows that were not counted in the window make no share above 1."""
    found = completeness(Delays.of([0, 1, 2], [5, 5, 5], [0, 1, 2], [0, 1, 2], [9, 5, 5], 4))
    assert found.value[0] == 1.0


def test_what_is_to_be_expected_at_an_age() -> None:
    """The expected share is 0 before the window, and at most what was seen."""
    delays = Delays.of([0, 1, 2], [10] * 3, [0, 1, 2], [1, 2, 3], [6] * 3, 4)
    assert expected_completeness(delays, [-1, 0, 1, 50]).round(3).tolist() == [0.0, 0.0, 0.6, 0.6]
    assert np.isnan(expected_completeness(Delays.of([5], [3], [], [], [], 4), [0])).all()
    assert quantile_delay(delays, 0.5) == 1
    assert quantile_delay(delays, 0.9) is None
    with pytest.raises(ValueError, match=r"p=1.5: must lie between 0 and 1"):
        quantile_delay(delays, 1.5)


def test_arrays_that_do_not_fit_are_refused() -> None:
    """Arrays of different lengths are named with their shapes."""
    with pytest.raises(ValueError, match="must be as many"):
        Delays.of([0, 1], [10], [], [], [], 1)
    with pytest.raises(ValueError, match=r"must be \[windows, delays, 1, 2\]"):
        delay_dependence(np.zeros((3, 2, 2, 2)), ("right",))


def test_late_labels_that_differ_are_told_from_those_that_do_not() -> None:
    """A share that falls with the delay is found; the same share at all delays, whatever days do, is not."""
    random = np.random.default_rng(5)
    level = random.uniform(0.2, 0.8, 20)
    alike = np.zeros((20, 3, 1, 2))
    falling = np.zeros((20, 3, 1, 2))
    for depth, drop in enumerate((0.0, 0.1, 0.2)):
        alike[:, depth, 0, 1] = random.binomial(100, level)
        falling[:, depth, 0, 1] = random.binomial(100, np.clip(level - drop, 0.01, 1))
    for table in (alike, falling):
        table[..., 0] = 100 - table[..., 1]
    assert not delay_dependence(alike, ("right",)).depends
    found = delay_dependence(falling, ("right",))
    assert found.depends
    assert found.of == "right"
    assert -0.2 < found.slope < -0.1
    assert (
        delay_dependence(alike[:3], ("right",)).reason
        == "fewer than 5 windows with labels of different delays: 3"
    )


def test_bounds_hold_all_that_missing_labels_can_make_of_a_figure() -> None:
    """The worst and the best summary give the least and greatest figure over every way to fill in the labels."""
    random = np.random.default_rng(6)
    for _ in range(10):
        label, prediction = random.integers(0, 2, 6), random.integers(0, 2, 6)
        grid = quality_grid(["no", "yes"])
        some = summarise_quality(grid, label, prediction, ["no", "yes"])
        open_rows = random.integers(0, 2, 5)
        unlabelled = [[int((open_rows == 0).sum()), int((open_rows == 1).sum()), 0]]
        pair = worst_and_best(some, unlabelled)
        for name in BOUNDED:
            low, high = (float(STATISTICS[name].figures(one).value[0]) for one in pair)
            found = []
            for filled in itertools.product((0, 1), repeat=5):
                whole = summarise_quality(grid, [*label, *filled], [*prediction, *open_rows], ["no", "yes"])
                found.append(float(STATISTICS[name].figures(whole).value[0]))
            told = [one for one in found if not np.isnan(one)]
            if not np.isnan([low, high]).any():
                assert (low, high) == pytest.approx((min(told), max(told)))


def test_bounds_are_for_what_they_hold_for() -> None:
    """Of more than two classes accuracy has bounds alone, of scores none has."""
    two, three = (
        summarise_quality(quality_grid(names), [0], [0], names) for names in (["a", "b"], ["a", "b", "c"])
    )
    assert has_bounds("f1", two)
    assert not has_bounds("roc_auc", two)
    assert has_bounds("accuracy", three)
    assert not has_bounds("f1", three)
    with pytest.raises(ValueError, match=r"unlabelled of shape \(1, 2\): must be \(1, 3\)"):
        worst_and_best(two, [[1, 2]])
    with pytest.raises(ValueError, match="unlabelled=-1: must be 0 or more"):
        worst_and_best(two, [[1, -1, 0]])


class Late:
    """A model of days whose labels come as late as the test says, through the lake."""

    def __init__(self, folder: Path, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.folder, self.day = folder, 0
        self.due = pl.DataFrame()
        self.monitor = vedette.Monitor(
            "m",
            lake=folder,
            window="1d",
            classes=("0", "1"),
            clock=lambda: (START + DAY * self.day + DAY * 0.95).timestamp(),
        )

    def run(
        self,
        days: int,
        *,
        later: int = 0,
        positives: int = 0,
        held: int = 0,
        rounds: bool = True,
        slow: int = 0,
        kept: dict[str, float] | None = None,
    ) -> None:
        """So many days of 200 rows, then a round; labels come a geometric number of days on, and ``later`` and more.

        Those of the group a come ``slow`` days later; of each group the share ``kept`` is sampled, and its chance told.
        """
        for _ in range(days):
            n, at = 200, START + DAY * self.day
            p = self.random.uniform(0.05, 0.95, n)
            label = (self.random.random(n) < p).astype(int)
            ids = [f"{self.day}-{i}" for i in range(n)]
            frame = pl.DataFrame(
                {
                    "x": p,
                    "g": self.random.choice(["a", "b"], n),
                    "probability": p,
                    "prediction": (p > 0.5).astype(int),
                }
            )
            if self.day == 0:
                self.monitor.reference(frame.with_columns(pl.Series("label", label)))
            group = frame["g"].to_numpy()
            told = frame.with_columns(pl.Series("id", ids), pl.Series("time", [at + DAY / 2] * n))
            if kept is not None:
                chance = np.where(group == "a", kept["a"], kept["b"])
                told = told.with_columns(pl.Series("inclusion", chance))
                told = told.filter(pl.Series(self.random.random(n) < chance))
            self.monitor.log_many(told)
            delay = self.random.geometric(0.6, n) - 1 + later + positives * label + slow * (group == "a")
            times = [at + DAY * int(one) + DAY * 0.8 for one in delay]
            new = pl.DataFrame({"id": ids, "label": label, "time": times})
            self.due = pl.concat([self.due, new]) if self.due.height else new
            come = pl.col("time") <= at + DAY * (0.9 - held)
            if self.due.filter(come).height:
                self.monitor.label_many(self.due.filter(come))
                self.due = self.due.filter(~come)
            self.day += 1
        if rounds:
            cycle.once(Lake.at(self.folder), models=["m"])

    def verdict(self) -> vedette.Verdict | None:
        found = [one for one in health(Lake.at(self.folder), "m").verdicts if one.watch == "labels.late"]
        return found[0] if found else None


def test_what_became_of_labels_adds_up(tmp_path: Path) -> None:
    """Labels that repeat, correct, contradict or wait are counted apart, and all are counted."""
    now = [START + DAY]
    monitor = vedette.Monitor("m", lake=tmp_path, window="1d", clock=lambda: now[0].timestamp())
    for name, at in (("a", 1), ("b", 2), ("c", 3), ("a", 4)):
        monitor.log({"x": 1.0}, 1, id=name, time=START + timedelta(hours=at))
    monitor.log({"x": 1.0}, 1, time=START + timedelta(hours=5))
    hour = timedelta(hours=6)
    for name, value, at in (
        *(
            ("a", 1, 6),
            ("a", 1, 7),
            ("a", 0, 8),
            ("b", 1, 6),
            ("b", 0, 6),
            ("stranger", 1, 6),
            ("c", None, 6),
        ),
    ):
        monitor.label(name, value, time=START + hour + timedelta(hours=at - 6))
    found = monitor.labels()
    kinds = {
        name: getattr(found, name) for name in ("counted", "again", "corrected", "contradicting", "waiting")
    }
    assert kinds == {"counted": 2, "again": 1, "corrected": 1, "contradicting": 1, "waiting": 1}
    assert found.received == sum(kinds.values())
    assert (found.predictions, found.labelled, found.without_id, found.repeated) == (5, 2, 1, 1)
    monitor.log({"x": 1.0}, 1, id="stranger", time=START + timedelta(hours=9))
    assert monitor.labels().waiting == 0
    assert monitor.figures("accuracy", window="all")["n"].item() == 3


def test_a_figure_is_given_as_it_was_known_at_each_of_several_moments(tmp_path: Path) -> None:
    """A list of moments gives each its own rows, the same as asked for alone; a corrected label changes the later only."""
    late = Late(tmp_path, 1)
    late.run(6, rounds=False)
    moments = ["2026-01-03", "2026-01-05"]
    both = late.monitor.figures("accuracy", as_of=moments)
    for one in moments:
        alone = late.monitor.figures("accuracy", as_of=one)
        assert both.filter(pl.col("as_of") == datetime.fromisoformat(one).replace(tzinfo=UTC)).equals(alone)
    first = both.filter(pl.col("start") == START)
    assert first["n"][0] < first["n"][1]
    with pytest.raises(ValueError, match="must be a moment, or a list of moments"):
        late.monitor.figures("accuracy", as_of=[])


def test_windows_have_bounds_where_late_labels_differ(tmp_path: Path) -> None:
    """Where positives come later, the interval of a window with labels missing holds what all labels will make of it."""
    late = Late(tmp_path, 2)
    late.run(16, positives=2, rounds=False)
    known = late.monitor.figures("accuracy")
    assert late.monitor.labels().late_differ is True
    open_rows = known.filter(pl.col("labelled") < 1)
    assert open_rows.height >= 2
    assert open_rows["note"].str.starts_with("bounds over all labels that may come: late ones differ").all()
    assert known.filter(pl.col("labelled") == 1)["note"].is_null().all()
    late.monitor.label_many(
        late.due.with_columns(pl.lit(START + DAY * (late.day - 1) + DAY * 0.94).alias("time"))
    )
    settled = late.monitor.figures("accuracy")
    assert (settled["labelled"] == 1).all()
    assert (known["low"] <= settled["value"]).all()
    assert (settled["value"] <= known["high"]).all()
    area = known.join(late.monitor.figures("roc_auc", as_of="2026-01-14"), on="start", suffix="_auc")
    said = area.filter(pl.col("labelled_auc") < 1, pl.col("value_auc").is_not_null())["note_auc"]
    assert said.str.starts_with("of the labels that are there: late ones differ").all()


def test_no_bounds_where_late_labels_are_like_early_ones(tmp_path: Path) -> None:
    """Labels whose delay has nothing to do with them leave figures as they are."""
    late = Late(tmp_path, 3)
    late.run(12, rounds=False)
    assert late.monitor.labels().late_differ is False
    assert late.monitor.figures("accuracy")["note"].is_null().all()


def test_labels_that_come_later_are_an_alarm(tmp_path: Path) -> None:
    """A delay that grows by two days is found within days of its being seen, and an unchanged one is not."""
    late = Late(tmp_path, 4)
    late.run(28)
    before = late.verdict()
    assert before is not None
    assert before.verdict == "OK"
    late.run(8, later=2)
    after = late.verdict()
    assert after is not None
    assert after.verdict == "ALARM"
    assert after.evidence.startswith("share of predictions without a label after ")
    lake = Lake.at(tmp_path)
    told = explain(lake, "m", "labels.late")
    assert told is not None
    assert told.search is not None
    assert told.began is not None
    tables = lake.model("m")
    known = pl.col("known").dt.truncate("1d") - pl.col("time").dt.truncate("1d")
    labels = tables["labels"].scan().select("id", pl.col("time").alias("known"))
    rows = tables["predictions"].scan().join(labels, on="id", how="left").with_columns(known.alias("age"))
    late = pl.col("age").is_null() | (pl.col("age") > DAY * int(after.evidence.split("after ")[1].split()[0]))
    first = rows.filter(pl.col("time") < told.began.first).select(late.mean()).collect().item()
    assert told.search.segments[0].before == pytest.approx(first)


def test_labels_that_are_sent_late_are_not_late(tmp_path: Path) -> None:
    """What was known in time and is sent three days later has its label: windows are counted after that."""
    late = Late(tmp_path, 8)
    late.run(30, held=3)
    found = late.verdict()
    assert found is not None
    assert found.verdict == "OK"
    rows = (
        Lake.at(tmp_path)
        .model("m")["summaries"]
        .scan()
        .filter(pl.col("column") == ARRIVAL, pl.col("part") == "live")
    )
    assert rows.select(pl.col("missing").sum() / pl.col("rows").sum()).collect().item() < 0.12


def test_windows_of_labels_are_counted_once(tmp_path: Path) -> None:
    """Counting again, as after a crash, adds nothing; each window is counted when it is of the age, and whole."""
    late = Late(tmp_path, 5)
    late.run(18)
    tables = Lake.at(tmp_path).model("m")
    shape = Shape.of(tables)
    assert count_arrivals(tables, shape, START) == 0
    rows = tables["summaries"].scan().filter(pl.col("column") == ARRIVAL, pl.col("part") == "live").collect()
    assert rows["start"].n_unique() == rows.height == late.day - 3 - shape.grids[ARRIVAL].length
    assert (rows["rows"] == 200).all()
    curve = late.monitor.label_delay()
    at = curve.filter(pl.col("delay_s") == shape.grids[ARRIVAL].length * 86400.0)["share"].item()
    assert 1 - rows["missing"].sum() / rows["rows"].sum() == pytest.approx(at, abs=0.01)


def test_sampled_rows_stand_for_those_left_out(tmp_path: Path) -> None:
    """A sampler that keeps more of the rows whose labels are slow, as of one day, is no alarm: the share without a label is
    that of all rows, sampled or not; and labels of sampled rows that come later are one."""
    late = Late(tmp_path, 9)
    late.run(32, slow=2, kept={"a": 0.4, "b": 0.8})
    turned = late.day
    late.run(12, slow=2, kept={"a": 1.0, "b": 0.25})
    verdict = late.verdict()
    assert verdict is not None
    assert verdict.verdict == "OK"
    tables = Lake.at(tmp_path).model("m")
    rows = tables["summaries"].scan().filter(pl.col("column") == ARRIVAL, pl.col("part") == "live").collect()
    assert set(rows["weight"].round(6)) == {2.5, 1.25, 1.0, 4.0}
    before, after = (
        rows.filter((pl.col("start") >= START + DAY * turned) == late_ones) for late_ones in (False, True)
    )

    def share(some: pl.DataFrame, weight: str) -> float:
        one = pl.col(weight)
        return float(some.select((pl.col("missing") * one).sum() / (pl.col("rows") * one).sum()).item())

    # of half the rows (a) a label comes 2 days and a geometric number on, of the others the latter alone
    usual = Shape.of(tables).grids[ARRIVAL].length
    expected = (0.4 ** (usual - 1) + 0.4 ** (usual + 1)) / 2
    for some in (before, after):
        n = float(some["rows"].sum())
        assert share(some, "weight") == pytest.approx(expected, abs=4 * np.sqrt(2 * expected / n))
    plain = [share(some.with_columns(one=1.0), "one") for some in (before, after)]
    assert plain[1] > 1.5 * plain[0]
    late.run(10, slow=2, later=3, kept={"a": 1.0, "b": 0.25})
    verdict = late.verdict()
    assert verdict is not None
    assert verdict.verdict == "ALARM"


def test_a_delay_that_is_not_seen_to_end_is_not_learned() -> None:
    """As long as labels still come in the later half of what was watched, no age is taken for the usual one."""
    start = np.arange(20)
    own = np.repeat(start, 20)
    known = own + np.tile(np.arange(20), 20)
    seen = known <= 19
    growing = Delays.of(start, np.full(20, 40), own[seen], known[seen], np.ones(seen.sum()), 19)
    assert usual_delay(growing) is None
    assert (
        usual_delay(Delays.of(start, np.full(20, 40), start[:19], start[:19] + 1, np.full(19, 36), 19)) == 1
    )
    assert usual_delay(Delays.of(start, np.full(20, 40), [], [], [], 19)) is None


def test_delays_by_segment(tmp_path: Path) -> None:
    """Each value of a column has its own curve, as counted from its rows alone."""
    late = Late(tmp_path, 6)
    late.run(10, rounds=False)
    found = late.monitor.label_delay(by="g")
    assert found["segment"].unique().sort().to_list() == ["g=a", "g=b"]
    whole = late.monitor.label_delay()
    first = found.filter(pl.col("delay_s") == 0)
    mean = (first["share"] * first["n"]).sum() / first["n"].sum()
    assert mean == pytest.approx(whole["share"][0])


def test_the_command_gives_the_same(tmp_path: Path) -> None:
    """``vedette labels`` prints the numbers and the curve; ``--json`` is one document."""
    late = Late(tmp_path, 7)
    late.run(8)
    runner = CliRunner()
    told = runner.invoke(app, ["labels", "m", "--lake", str(tmp_path)])
    assert told.exit_code == 0, told.output
    assert "labels received" in told.output
    assert "same window" in told.output
    document = json.loads(
        runner.invoke(app, ["labels", "m", "--by", "g", "--json", "--lake", str(tmp_path)]).stdout
    )
    assert document["counted"] == late.monitor.labels().counted
    assert {one["segment"] for one in document["delays"]} == {"g=a", "g=b"}
    several = runner.invoke(
        app,
        [
            "figures",
            "m",
            "--metric",
            "accuracy",
            "--as-of",
            "2026-01-03,2026-01-05",
            "--json",
            "--lake",
            str(tmp_path),
        ],
    )
    assert len({one["as_of"] for one in json.loads(several.stdout)["figures"]}) == 2
