"""Figures of a model agree with what the rows say, by window, segment and day of knowledge."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from sklearn import metrics

import vedette
from tests.world import DAY, START, World
from vedette.engine import cycle
from vedette.engine import view as view_module
from vedette.engine.figures import FIGURE_SCHEMA
from vedette.lake.tables import Lake, Table


def one(frame: pl.DataFrame, column: str = "value") -> float:
    assert frame.height == 1
    return float(frame[column][0])


def test_quality_agrees_with_scikit_learn(world: World) -> None:
    """Accuracy, precision, recall and F1 of a day are those of its rows, to 1e-9."""
    rows = world.rows(400, wrong=0.3)
    world.log_day(rows)
    world.round()
    label, prediction = rows["label"].to_numpy(), rows["prediction"].to_numpy()
    expected = {
        "accuracy": metrics.accuracy_score(label, prediction),
        "precision": metrics.precision_score(label, prediction),
        "recall": metrics.recall_score(label, prediction),
        "f1": metrics.f1_score(label, prediction),
    }
    assert {name: one(world.monitor.figures(name)) for name in expected} == pytest.approx(expected, abs=1e-9)


def test_moments_agree_with_numpy(world: World) -> None:
    """The mean of a feature is that of its rows; n says how many."""
    rows = world.rows(300)
    world.log_day(rows)
    figure = world.monitor.figures("mean", feature="x")
    assert one(figure) == pytest.approx(rows["x"].mean(), abs=1e-12)
    assert one(figure, "n") == 300


def test_all_values_lie_in_their_intervals(world: World) -> None:
    """Every figure that has a value has it inside its interval; every other one has a reason."""
    world.monitor.reference(world.rows(500))
    world.log_day(world.rows(200))
    frame = world.monitor.figures()
    told = frame.filter(pl.col("value").is_not_null())
    assert told.height > 20
    assert told.filter(~((pl.col("low") <= pl.col("value")) & (pl.col("value") <= pl.col("high")))).is_empty()
    assert frame.filter(pl.col("value").is_null() == pl.col("reason").is_null()).is_empty()
    assert dict(frame.schema) == FIGURE_SCHEMA


def test_a_window_without_labels_says_so(world: World) -> None:
    """A day whose labels have not come has an accuracy row without value, with its reason."""
    world.log_day(world.rows(100))
    world.log_day(world.rows(100), labels=False)
    frame = world.monitor.figures("accuracy")
    assert frame["value"].is_null().to_list() == [False, True]
    assert (frame["reason"][1], frame["labelled"].to_list()) == ("no labels", [1.0, 0.0])


def test_a_late_label_restates_its_own_window(world: World) -> None:
    """A label counts in the window of its prediction; as of a day before it came, it does not."""
    ids = world.log_day(world.rows(100), labels=False)
    world.now += 3 * DAY
    for name in ids[:60]:
        world.monitor.label(name, 1, time=world.now)
    world.round()
    now = world.monitor.figures("accuracy")
    then = world.monitor.figures("accuracy", as_of=world.now - DAY)
    assert (now["start"].to_list(), now["n"].to_list(), now["labelled"].to_list()) == ([START], [60], [0.6])
    assert then["n"].to_list() == [0]


def test_windows_merge_to_longer_ones(world: World) -> None:
    """A window of three days holds the rows of its days; ``all`` those of all."""
    for _ in range(3):
        world.log_day(world.rows(50))
    frame = world.monitor.figures("accuracy", window="all")
    assert (frame["n"].to_list(), frame["start"][0], frame["end"][0]) == ([150], START, START + 3 * DAY)
    assert world.monitor.figures("rows", window="3d")["n"].sum() == 150


def test_segments_are_those_of_the_rows(world: World) -> None:
    """Accuracy by a column is that of the rows with each of its values."""
    rows = world.rows(600, wrong=0.3)
    world.log_day(rows[:400])
    world.round()
    world.log_day(rows[400:])  # still in the journal
    right = pl.col("prediction") == pl.col("label")
    expected = {f"c={level}": share for level, share in rows.group_by("c").agg(right.mean()).rows()}
    frame = world.monitor.figures("accuracy", by="c", window="all")
    assert dict(frame.select("segment", "value").rows()) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("window", [None, "2d", "all"])
@pytest.mark.parametrize("by", [None, "c"])
def test_what_is_asked_apart_is_what_is_asked_together(
    world: World, window: str | None, by: str | None
) -> None:
    """Only what a metric needs is read; its figures are those among all figures, to the bit."""
    world.monitor.reference(world.rows(300))
    for day in range(3):
        world.log_day(world.rows(60), labels=day != 1)
        if day < 2:
            world.round()
    whole = world.monitor.figures(window=window, by=by)
    names = ["rows", "distinct", "psi", "accuracy", "p50", "latency_p50_s"]
    several = world.monitor.figures(names, window=window, by=by)
    assert several.equals(whole.filter(pl.col("metric").is_in(names)))
    for name in names:
        one_metric = world.monitor.figures(name, window=window, by=by)
        assert one_metric.height
        assert one_metric.equals(whole.filter(pl.col("metric") == name))
    features = world.monitor.figures(feature=["x", "latency_s"], window=window, by=by)
    asked = whole.filter(pl.col("feature").is_in(["x", "latency_s"]))
    assert features.filter(pl.col("metric") != "rows").equals(asked)


@pytest.mark.parametrize("version", [None, "1"])
@pytest.mark.parametrize("window", [None, "all"])
def test_labels_are_matched_only_for_what_rests_on_them(
    world: World, monkeypatch: pytest.MonkeyPatch, window: str | None, version: str | None
) -> None:
    """Of rows in the journals, figures without labels need no pass over all ids; they are the same figures."""
    world.monitor.reference(world.rows(300))
    world.log_day(world.rows(40))
    world.round()
    world.log_day(world.rows(30))
    asked = {"metric": ["rows", "mean", "psi"], "window": window, "version": version}
    among_all = world.monitor.figures(window=window, version=version)
    calls = []

    def counted(*args: pl.DataFrame) -> pl.DataFrame:
        calls.append(args)
        return matches(*args)  # type: ignore[arg-type]

    matches = view_module.matches
    monkeypatch.setattr(view_module, "matches", counted)
    found = world.monitor.figures(**asked)  # type: ignore[arg-type]
    assert found.equals(among_all.filter(pl.col("metric").is_in(asked["metric"])))
    x = world.monitor.figures("mean", feature="x", window=window, version=version)
    assert x.equals(among_all.filter((pl.col("metric") == "mean") & (pl.col("feature") == "x")))
    assert not calls
    assert world.monitor.figures("accuracy", window=window)["n"].sum() == 70
    assert len(calls) == 1


def test_a_producers_defaults_override_nothing_before_the_ingest(world: World) -> None:
    """Fresh rows of a process that gives no window are shown in the windows of the model."""
    world.log_day(world.rows(20))
    world.round()
    with vedette.Monitor("m", lake=world.folder, clock=lambda: world.now.timestamp()) as other:
        other.log({"x": 1.0, "c": "a"}, 1)
        frame = other.figures("rows")
    assert (frame["end"] - frame["start"]).to_list() == [DAY, DAY]


def test_bounds_are_half_open(world: World) -> None:
    """``since`` is in, ``until`` is not."""
    for _ in range(4):
        world.log_day(world.rows(30))
    frame = world.monitor.figures("rows", since=START + DAY, until="2026-01-04")
    assert frame["start"].to_list() == [START + DAY, START + 2 * DAY]


def test_a_late_row_goes_to_its_own_window(world: World) -> None:
    """A row that is logged days after its time counts where its time says."""
    world.log_day(world.rows(30))
    world.round()
    world.now += 5 * DAY
    world.monitor.log({"x": 1.0, "c": "a"}, 1, time=START + timedelta(hours=3))
    assert world.monitor.figures("rows")["n"].to_list() == [31]


def test_nan_inf_and_null_are_counted_apart(world: World) -> None:
    """Missing and infinite values are shares of their own, and the mean rests on the others."""
    for value in (1.0, 3.0, None, float("nan"), float("inf")):
        world.monitor.log({"x": value}, 1, time=START)
    got = {
        name: world.monitor.figures(name, feature="x").select("value", "n").row(0)
        for name in ("missing_share", "infinite_share", "mean")
    }
    assert got["mean"] == (2.0, 2)
    assert (got["missing_share"][0], got["infinite_share"][0]) == pytest.approx((0.4, 0.2))


def test_a_dead_sensor_is_seen(world: World) -> None:
    """A feature that is null in every row is missing in every row, not absent from the figures."""
    world.monitor.reference(world.rows(300))
    world.round()
    world.log_day(world.rows(100).with_columns(x=pl.lit(None, pl.Float64)))
    assert one(world.monitor.figures("missing_share", feature="x")) == 1.0


def test_a_vanished_feature_counts_as_missing(world: World) -> None:
    """A feature of the reference that no longer comes is missing in every row."""
    world.monitor.reference(world.rows(300))
    world.round()
    world.log_day(world.rows(100).drop("x"))
    assert one(world.monitor.figures("missing_share", feature="x")) == 1.0


def test_psi_of_the_same_law_is_small_and_of_another_is_not(world: World) -> None:
    """PSI's interval holds zero for rows of the reference's law, and lies above 0.1 for a shift of one sd."""
    world.monitor.reference(world.rows(4000))
    world.round()
    world.log_day(world.rows(1000))
    world.log_day(world.rows(1000, shift=1.0))
    frame = world.monitor.figures("psi", feature="x")
    assert frame["low"][0] == 0.0
    assert frame["low"][1] > 0.1


def test_a_column_that_the_newest_reference_lacks_has_none(world: World) -> None:
    """A new reference replaces the whole of the old one, and what else is asked for changes nothing about it."""
    world.monitor.reference(world.rows(300))
    world.round()
    world.log_day(world.rows(50))
    world.monitor.reference(world.rows(300).drop("x"))
    world.round()
    for names in ("x", ["x", "c"], None):
        found = world.monitor.figures("psi", feature=names)
        assert found.filter(pl.col("feature") == "x").select("value", "reason").rows() == [
            (None, "no reference")
        ]


def test_labels_of_before_a_new_grid_are_said_to_be_on_an_older_one(world: World) -> None:
    """A window that was counted before a reference cut the grid anew has labels, and says why it has no figure."""
    world.log_day(world.rows(40))
    world.round()
    world.monitor.reference(world.rows(1500))  # enough scores to cut other bins than 40 do
    world.round()
    ids = world.log_day(world.rows(60), labels=False)
    for name in ids[:15]:
        world.monitor.label(name, 1)
    world.log_day(world.rows(10), labels=False)
    found = world.monitor.figures(["accuracy", "roc_auc"]).sort("metric", "start")
    accuracy, auc = found[:3], found[3:]
    assert accuracy["n"].to_list() == [0, 15, 0]
    for frame in (accuracy, auc):
        assert frame["labelled"].to_list() == [1.0, 0.25, 0.0]
        assert (frame["reason"][0], frame["reason"][2]) == ("counted on an older grid", "no labels")
        assert frame["value"].is_null().to_list()[::2] == [True, True]
    assert accuracy["reason"][1] is None
    by_rows = world.monitor.figures("accuracy", by="version")  # counted again, on the grid in force
    assert by_rows["n"].to_list() == [40, 15, 0]


def test_auc_agrees_with_scikit_learn(world: World) -> None:
    """The binned area under the ROC curve is the exact one to within a cell's width."""
    rng = np.random.default_rng(3)
    label = rng.integers(0, 2, 2000)
    score = 1 / (1 + np.exp(-(2 * label - 1 + rng.normal(0, 2, 2000))))
    rows = pl.DataFrame(
        {"x": score, "c": ["a"] * 2000, "prediction": (score > 0.5) * 1, "probability": score, "label": label}
    )
    world.log_day(rows)
    assert one(world.monitor.figures("roc_auc")) == pytest.approx(
        metrics.roc_auc_score(label, score), abs=0.002
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"metric": "acuracy"}, "metric='acuracy': did you mean accuracy"),
        ({"feature": "z"}, "feature='z': the model has"),
        (
            {"metric": "accuracy", "feature": "x"},
            "metric='accuracy': is read off columns of the kind quality, and 'x' is of the kind numeric: leave feature=",
        ),
        (
            {"metric": "mean", "feature": "c"},
            "metric='mean': is read off columns of the kind numeric.*'c' is of the kind category: the model has .*x",
        ),
        ({"metric": "error_rate", "feature": "x"}, "metric='error_rate': .*the model has prediction for it"),
        ({"by": "z"}, "by='z': the model has no such column"),
        ({"window": "90m"}, "must be a multiple"),
        ({"since": "yesterday"}, "since='yesterday': must be"),
        ({"metric": "psi", "feature": "c", "window": "soon"}, "window='soon'"),
    ],
)
def test_what_cannot_be_asked_is_refused(world: World, arguments: dict[str, str], said: str) -> None:
    """A wrong name, window or time is an error that names it and what would be right."""
    world.log_day(world.rows(20))
    with pytest.raises(ValueError, match=said):
        world.monitor.figures(**arguments)  # type: ignore[arg-type]


def test_labels_of_strangers_are_kept_and_matched_later(world: World) -> None:
    """A label for an id that nobody knows waits for its prediction, and then counts."""
    world.monitor.label("late", 1, time=START)
    world.round()
    world.monitor.log({"x": 1.0}, 1, id="late", time=START)
    world.round()
    assert one(world.monitor.figures("accuracy")) == 1.0


def test_a_repeated_id_is_labelled_once(world: World) -> None:
    """Two rows with one id count as two rows and one labelled row."""
    for _ in range(2):
        world.monitor.log({"x": 1.0}, 1, id="twin", time=START)
    world.monitor.label("twin", 1, time=START)
    assert (one(world.monitor.figures("rows"), "n"), one(world.monitor.figures("accuracy"), "n")) == (2, 1)


def test_no_rows_are_no_figures(world: World) -> None:
    """A model that was never logged to has an empty frame of the right columns."""
    assert dict(world.monitor.figures().schema) == FIGURE_SCHEMA


@pytest.mark.parametrize("first", [False, True])
def test_no_row_is_labelled_that_is_not_counted(
    world: World, monkeypatch: pytest.MonkeyPatch, first: bool
) -> None:
    """A prediction that an ingester brings in after the journals were read is not matched with a label from them."""
    if not first:
        world.monitor.log({"x": 1.0}, 1, id="old", time=START)
        world.monitor.label("old", 1)
        world.round()
    world.monitor.label("new", 1)
    collect, write, collected = view_module.collect, Table.write, []

    def stopped(self: Table, *args: object, **more: object) -> bool:
        if self.name == "summaries":
            raise RuntimeError("between its commits")
        return write(self, *args, **more)  # type: ignore[arg-type]

    def collect_then_ingest(*args: object) -> object:
        found = collect(*args)  # type: ignore[arg-type]
        if not collected:
            world.monitor.log({"x": 1.0}, 1, id="new", time=START)
            monkeypatch.setattr(Table, "write", stopped)
            with pytest.raises(RuntimeError, match="between"):
                cycle.once(Lake.at(world.folder), models=["m"])
            monkeypatch.setattr(Table, "write", write)
        collected.append(True)
        return found

    monkeypatch.setattr(view_module, "collect", collect_then_ingest)
    frame = world.monitor.figures(["rows", "accuracy"])
    assert dict(frame.select("metric", "n").rows()) == {"rows": 1, "accuracy": 1}
    after = dict(world.monitor.figures(["rows", "accuracy"]).select("metric", "n").rows())
    assert after == ({"rows": 1, "accuracy": 1} if first else {"rows": 2, "accuracy": 2})


@pytest.mark.parametrize("by", [None, "c"])
def test_bounds_cut_no_window_in_two(world: World, by: str | None) -> None:
    """Of windows of two days those that begin between the bounds are returned, each with all its rows."""
    for n in (10, 20, 30, 40, 50):
        world.log_day(world.rows(n))
    begin = START + 2 * DAY  # windows of two days begin on the days that are even since 1970
    whole = world.monitor.figures("rows", window="2d", by=by)
    assert set(whole["start"]) == {START, begin, begin + 2 * DAY}
    for since, until, kept in [
        (begin - DAY, begin + DAY, [begin]),
        (begin + timedelta(hours=1), begin + 3 * DAY, [begin + 2 * DAY]),
        (begin, begin + 2 * DAY, [begin]),
    ]:
        found = world.monitor.figures("rows", window="2d", by=by, since=since, until=until)
        assert found.equals(whole.filter(pl.col("start").is_in(kept)))
    all_of = world.monitor.figures("rows", window="all", by=by, since=begin, until=begin + DAY)
    assert all_of["n"].sum() == 30
