"""What other monitors answer silently wrong (S1 to S28), asked of vedette: the report of two tables and the monitor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import vedette
from tests.world import START, World
from vedette.engine.two_files.run import report
from vedette.errors import SchemaError
from vedette.output.comparison import Column, Comparison, Figures
from vedette.records import Status

N = 500
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=N), RNG.normal(size=N)
GROUPS = RNG.choice(["u", "v", "w"], N).astype(object)


def column(found: Comparison, name: str = "a") -> Column:
    return next(one for one in found.columns if one.name == name)


def figure(found: Comparison, metric: str) -> Figures:
    return next(one for one in found.figures if one.metric == metric)


def compared(current: Any, reference: Any) -> tuple[Status, Column]:
    """The verdict and the one column of a report."""
    found = report({"a": current}, {"a": reference})
    return found.verdict, column(found)


def but(values: np.ndarray, value: object, places: object = 0) -> np.ndarray:
    """The values with some of them replaced."""
    out = values.copy()
    out[places] = value
    return out


def classified(n: int = 2000) -> dict[str, np.ndarray]:
    """Labels, predictions that are right nine times of ten, and probabilities."""
    label = RNG.integers(0, 2, n)
    prediction = np.where(RNG.uniform(size=n) < 0.1, 1 - label, label)
    return {"label": label, "prediction": prediction, "probability": 0.2 + 0.6 * prediction}


NOW, BEFORE = classified(), classified()


@pytest.mark.parametrize(("current", "reference"), [(but(Y + 5, np.nan), X), (Y + 5, but(X, np.nan))])
def test_s1_s2_one_nan_hides_no_drift(current: np.ndarray, reference: np.ndarray) -> None:
    """One NaN among good values, on either side, changes nothing about a shift of five deviations."""
    verdict, one = compared(current, reference)
    plain = compared(Y + 5, X)[1]
    assert (verdict, one.changed, one.words[:9]) == (Status.WARN, True, plain.words[:9])
    assert one.distances["psi"].value == pytest.approx(plain.distances["psi"].value, rel=0.05)


def test_s3_a_column_more_is_a_finding() -> None:
    """A new column is named, with its figures; it is not ignored."""
    found = report({"a": X, "b": X, "c": X + 99}, {"a": X, "b": X})
    one = column(found, "c")
    assert (found.verdict, one.changed, one.words) == (
        Status.WARN,
        True,
        "is new: the reference does not have it",
    )
    assert one.current is not None
    assert one.current.figures["mean"].value == pytest.approx(X.mean() + 99)


@pytest.mark.parametrize(
    ("current", "reference"),
    [
        (np.full(N, np.nan), X),
        (pl.Series([None] * N), X),
        (pl.Series([None] * N, dtype=pl.String), GROUPS),
        (pl.Series([None] * N), GROUPS),
        (np.full(N, np.inf), X),
    ],
    ids=["numbers", "no type", "text", "no type for text", "infinite"],
)
def test_s4_s5_s6_s28_a_dead_column_is_an_alarm(current: Any, reference: Any) -> None:
    """A column without a usable value alarms, whatever it is made of."""
    verdict, one = compared(current, reference)
    assert (verdict, one.changed, one.matters) == (Status.ALARM, True, True)


@pytest.mark.parametrize("values", [np.full(N, np.nan), pl.Series([None] * N), np.full(N, np.inf)])
def test_s24_what_never_had_a_value_is_not_green(values: Any) -> None:
    """A column that is dead in both files cannot be judged: that is not the same as unchanged."""
    verdict, one = compared(values, values)
    assert (verdict, one.changed) == (Status.UNKNOWN, None)
    assert one.reason


def test_s7_missing_categories_are_a_finding() -> None:
    """Half the values of a category gone missing is named, with the share."""
    verdict, one = compared(but(GROUPS, None, slice(None, None, 2)), GROUPS)
    assert (verdict, one.words) == (Status.WARN, "missing 0 % to 50 %")


def test_s8_one_infinite_value_in_the_reference_hides_nothing() -> None:
    """Infinity is counted apart, and the shift is seen."""
    verdict, one = compared(X + 3, but(X, np.inf, 3))
    assert (verdict, one.changed) == (Status.WARN, True)
    assert one.reference is not None
    assert one.reference.inf == 1


@pytest.mark.parametrize("rows", [1, 2, 49])
def test_s9_s10_few_rows_are_unknown(rows: int) -> None:
    """A tail of a few rows is no window: neither drift nor health is said."""
    verdict, one = compared(X[:rows] + 2, X)
    assert (verdict, one.changed, one.reason) == (Status.UNKNOWN, None, f"fewer than 50 values: {rows}")


def test_s11_rows_without_probability_are_told() -> None:
    """Half of the probabilities NaN: the figure rests on the other half and says so, and the loss is a finding."""
    found = report({**NOW, "probability": but(NOW["probability"], np.nan, slice(None, None, 2))}, BEFORE)
    assert (column(found, "probability").words, figure(found, "roc_auc").current.n) == (
        "missing 0 % to 50 %",
        1000,
    )


def test_s12_no_labels_is_a_state() -> None:
    """All labels missing: the figures say why they are none, and the column alarms."""
    found = report({**NOW, "label": np.full(2000, np.nan)}, BEFORE)
    accuracy = figure(found, "accuracy")
    assert (accuracy.current.value, accuracy.current.reason, accuracy.labelled) == (None, "no labels", 0.0)
    assert (found.verdict, column(found, "label").changed) == (Status.ALARM, True)


def test_s12_one_class_has_no_auc() -> None:
    """Labels of one class: what cannot be computed has a reason."""
    auc = figure(report({**NOW, "label": np.ones(2000, dtype=int)}, BEFORE), "roc_auc").current
    assert auc.value is None
    assert "negative labels: 0" in str(auc.reason)


def test_s13_labels_that_are_not_the_classes_of_the_predictions_are_said() -> None:
    """Labels 1 and 2 against predictions 0 and 1 are named, never a figure alone."""
    found = report({**NOW, "label": NOW["label"] + 1}, {**BEFORE, "label": BEFORE["label"] + 1})
    said = [one.words for one in found.findings if one.about == "label"]
    assert found.verdict is Status.WARN
    assert [one.partition(" rows: ")[2] for one in said] == ["labels 1, 2; predictions 0, 1"] * 2


def test_s13_labels_that_changed_their_classes_are_said() -> None:
    """A reference whose labels are 1 and 2: which classes came and went is named."""
    found = report(NOW, {**BEFORE, "label": BEFORE["label"] + 1})
    assert found.verdict is Status.WARN
    assert "new: '0'" in column(found, "label").words
    assert "gone: '2'" in column(found, "label").words


@pytest.mark.parametrize("name", ["time", "when"])
def test_s14_times_with_and_without_a_zone_are_said(name: str) -> None:
    """A zone in one file only is told, and that UTC is taken."""
    times = pd.date_range("2026-01-01", periods=N, freq="min")
    found = report(
        pd.DataFrame({name: times.tz_localize("UTC"), "a": X}), pd.DataFrame({name: times, "a": X})
    )
    assert found.notes == (f"{name}: with a time zone in one file only; times without one are taken as UTC.",)


def test_s15_a_column_less_is_an_alarm() -> None:
    """A vanished column is named first; it does not vanish from the report."""
    found = report({"a": X}, {"a": X, "b": X})
    assert (found.verdict, found.findings[0].words) == (
        Status.ALARM,
        "has vanished: the current file does not have it",
    )
    assert column(found, "b").reference is not None


def test_s16_a_column_that_is_nearly_dead_is_a_finding() -> None:
    """499 of 500 values missing: the missing values are the news."""
    verdict, one = compared(but(np.full(N, np.nan), 0.1), X)
    assert (verdict, one.changed) == (Status.WARN, True)
    assert one.words.startswith("missing 0 %")


def test_s17_infinite_values_are_a_finding() -> None:
    """Two of five values infinite: their rise is named, and none of them is dropped in silence."""
    verdict, one = compared(but(Y, np.inf, slice(0, 200)), X)
    assert (verdict, one.words) == (Status.WARN, "infinite 0 % to 40 %")


def test_s18_disjoint_identifiers_say_that_none_was_seen() -> None:
    """100,000 ids that come once each: a text, and every one of them new; nobody can say that they changed."""
    current, before = [f"{i:06}" for i in range(100_000)], [f"{i:06}" for i in range(100_000, 200_000)]
    verdict, one = compared(current, before)
    assert (one.kind, one.distances["unseen_share"].value) == ("text", 1.0)
    assert one.current is not None
    assert one.current.figures["distinct"].value == 100_000
    assert verdict is Status.OK


def test_s18_new_values_where_the_old_ones_came_again_are_a_finding() -> None:
    """20,000 customers with five rows each here and there, none of whom the reference knows."""
    who = RNG.permutation(np.repeat(np.arange(20_000), 5))
    verdict, one = compared([f"{i:05}" for i in who], [f"{i + 20_000:05}" for i in who])
    assert (verdict, one.words) == (
        Status.WARN,
        "100 % of values do not occur in the reference",
    )


def test_s19_unlabelled_rows_are_told() -> None:
    """One in five labels missing: the share of labelled rows stands beside the figure, and the loss is a finding."""
    found = report({**NOW, "label": but(NOW["label"].astype(float), np.nan, slice(0, 400))}, BEFORE)
    accuracy = figure(found, "accuracy")
    assert (accuracy.labelled, accuracy.current.n) == (pytest.approx(0.8), 1600)
    assert column(found, "label").words.startswith("missing 0 % to 20 %")


def test_s20_a_constant_reference_gives_no_absurd_distance() -> None:
    """From 1.0 to about 50: the distance is 49 in the column's own unit, and none in deviations of zero."""
    verdict, one = compared(RNG.normal(50, 1, N), np.ones(N))
    assert (verdict, one.distances["wasserstein"].value) == (Status.WARN, pytest.approx(49, abs=1))
    assert one.distances["wasserstein_sd"].value is None
    assert one.distances["wasserstein_sd"].reason


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int8, np.uint64, np.bool_])
def test_s21_every_number_is_a_number(dtype: type) -> None:
    """Whatever numpy calls it, the value counts."""
    one = compared(np.ones(60, dtype=dtype), np.ones(60, dtype=dtype))[1]
    assert (one.changed, one.kind) == (False, "boolean" if dtype is np.bool_ else "numeric")


def test_s22_unsigned_integers_do_not_wrap() -> None:
    """2**64 - 1 is the greatest of them, not -1."""
    side = compared(np.array([2**64 - 1, 1] * 50, dtype=np.uint64), X)[1].current
    assert side is not None
    assert (side.minimum, side.maximum, side.figures["mean"].value) == (1.0, 2.0**64, 2.0**63)


def test_s23_numbers_that_came_as_text_are_an_alarm() -> None:
    """A column that changed its type is named with both types, and both sides keep their figures."""
    verdict, one = compared(["-5", "-7"] * 50, [5, 7] * 50)
    assert (verdict, one.words) == (
        Status.ALARM,
        "has another type: Int64 (such as 5) in the reference, String (such as '-5') in the current file",
    )
    assert one.reference is not None
    assert one.reference.figures["mean"].value == 6.0


@pytest.mark.parametrize(("current", "reference"), [([], X), (X, []), ([], [])])
def test_s24_no_rows_are_unknown(current: Any, reference: Any) -> None:
    """Zero rows pass nothing: UNKNOWN, and the reason first."""
    found = report({"a": np.array(current)}, {"a": np.array(reference)})
    assert (found.verdict, found.findings[0].status) == (Status.UNKNOWN, Status.UNKNOWN)
    assert "has no rows" in found.findings[0].words


def test_s25_two_columns_of_one_name_are_an_error() -> None:
    """Which of them is ``a`` cannot be known."""
    with pytest.raises(SchemaError, match="two columns have one name"):
        report(pd.DataFrame(np.zeros((3, 2)), columns=["a", "a"]), {"a": X})


def test_s27_the_same_rows_twice_are_said() -> None:
    """A batch that came twice repeats its ids."""
    rows = pl.DataFrame({"id": np.arange(N), "a": X})
    found = report(pl.concat([rows, rows]), rows)
    assert any(one.words.startswith("500 rows repeat an id") for one in found.findings)
    assert found.verdict is Status.WARN


# ---- the same of the monitor


def days(world: World, change: Callable[[pl.DataFrame], pl.DataFrame], rows: int = 200, n: int = 3) -> World:
    """A reference, a day as it should be, and days that are changed; all judged."""
    world.monitor.reference(world.rows(1000))
    world.log_day(world.rows(rows))
    for _ in range(n):
        world.log_day(change(world.rows(rows)))
    world.round()
    return world


def every(k: int, value: float | None, name: str) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """A change: of every k-th row the value of a column."""
    return lambda rows: rows.with_columns(
        pl.when(pl.int_range(pl.len()) % k == 0).then(pl.lit(value)).otherwise(pl.col(name)).alias(name)
    )


@pytest.mark.parametrize(
    ("change", "watch", "said"),
    [
        (every(1, float("nan"), "x"), "x.missing", "100 % of the values are NaN"),
        (every(1, None, "c"), "c.missing", "100 % of the values are null"),
        (every(2, None, "c"), "c.missing", "50 % of the values are null"),
        (every(3, float("inf"), "x"), "x.missing", "% of the values are infinite"),
        (every(2, float("nan"), "probability"), "probability.missing", "50 % of the values are NaN"),
        (lambda rows: rows.drop("x"), "x.missing", "100 % of the values are null"),
    ],
    ids=["S4 S5 S28", "S6", "S7", "S17", "S11", "S15"],
)
def test_values_that_go_missing_alarm(
    world: World, change: Callable[[pl.DataFrame], pl.DataFrame], watch: str, said: str
) -> None:
    """Dead sensors, nulls, infinities and vanished columns alarm, and the verdict says which."""
    verdict = days(world, change).verdict(watch)
    assert verdict.verdict is Status.ALARM
    assert said in verdict.evidence


def test_one_nan_a_day_hides_no_drift_from_the_monitor(world: World) -> None:
    """S1: a shift of three deviations with one NaN beside it alarms."""
    days(world, lambda rows: every(rows.height, float("nan"), "x")(rows.with_columns(pl.col("x") + 3)))
    assert world.verdict("x.location").verdict is Status.ALARM


@pytest.mark.parametrize("odd", [float("inf"), float("nan")])
def test_one_odd_value_in_the_reference_hides_no_drift(world: World, odd: float) -> None:
    """S2, S8: one NaN or infinite value of a thousand in the reference leaves the watch as it is."""
    world.monitor.reference(every(1000, odd, "x")(world.rows(1000)))
    for _ in range(4):
        world.log_day(world.rows(200, shift=3.0))
    world.round()
    assert world.verdict("x.location").verdict is Status.ALARM


def test_windows_of_two_rows_are_not_judged(world: World) -> None:
    """S9, S10: a few rows are UNKNOWN with their number, neither healthy nor an alarm."""
    days(world, lambda rows: rows, rows=2)
    assert world.health().verdict is Status.UNKNOWN
    assert world.verdict("x.location").reason == "fewer than 50 rows: 6"


def test_rows_without_a_probability_are_not_in_the_auc(world: World) -> None:
    """S11: the number of rows that a figure rests on is told."""
    days(world, every(2, float("nan"), "probability"), rows=400)
    assert world.monitor.figures("roc_auc")["n"].to_list() == [400, 200, 200, 200]


def test_figures_without_labels_say_so(world: World) -> None:
    """S12, S19: no labels is a reason, few labels a share; neither is a figure of all rows."""
    world.log_day(world.rows(100), labels=False)
    ids = world.log_day(world.rows(100), labels=False)
    for name in ids[:80]:
        world.monitor.label(name, 1, time=world.now)
    world.round()
    found = world.monitor.figures("accuracy").select("labelled", "n", "reason").rows()
    assert found[0] == (0.0, 0, "no labels")
    assert found[1][:2] == (pytest.approx(0.8), 80)


def test_times_without_a_zone_are_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """S14: a batch with naive times is taken as UTC, and a line of the log says so."""
    world.monitor.log_many({"x": [1.0], "time": [START.replace(tzinfo=None)]})
    assert "times without a zone: taken as UTC" in caplog.text


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (np.float32(1.5), 1.5),
        (np.float16(1.5), 1.5),
        (np.int8(-3), -3),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (2**64 - 1, 2**64 - 1),
        (np.bool_(True), True),
    ],
)
def test_numpy_values_are_logged_exactly(world: World, value: Any, stored: object) -> None:
    """S21, S22: the dtypes of model scores and of 64-bit ids arrive as they are, alone and in batches."""
    world.monitor.log({"a": value}, 1, time=START)
    world.monitor.log_many({"a": np.array([value]), "time": [START]})
    world.round()
    rows = world.lake.model("m")["predictions"].scan().select("a").collect()["a"].to_list()
    assert rows == [stored, stored]


@pytest.mark.parametrize("value", ["\ud800", 2**70, object(), [1, 2]])
def test_values_that_cannot_be_kept_are_rejected_and_counted(world: World, value: Any) -> None:
    """Half a character, an integer of 71 bits, an object: no exception, and the ledger has the row."""
    world.monitor.log({"a": value}, 1, time=START)
    world.monitor.log({"a": "good"}, 1, time=START)
    world.round()
    ledger = world.monitor.ledger()
    assert (ledger.total("seen"), ledger.total("rejected") + ledger.total("in_lake"), ledger.balanced) == (
        2,
        2,
        True,
    )


def test_a_label_of_none_is_no_label(world: World) -> None:
    """It counts as seen, and no figure takes it for a class."""
    for name, label in (("1", None), ("2", 1)):
        world.monitor.log({"x": 1.0}, 1, id=name, time=START)
        world.monitor.label(name, label, time=START)
    assert world.monitor.figures("accuracy").select("value", "n", "labelled").row(0) == (1.0, 1, 0.5)


def test_the_same_batch_twice_counts_rows_twice_and_labels_once(world: World) -> None:
    """S27: a label belongs to the first prediction with its id; rows that repeat an id are rows all the same."""
    rows = world.rows(100).with_columns(id=pl.int_range(100).cast(pl.String))
    world.monitor.log_many(rows)
    once = world.monitor.figures("accuracy").select("value", "n").row(0)
    world.monitor.log_many(rows)
    twice = world.monitor.figures("accuracy").select("value", "n", "labelled").row(0)
    assert twice == (*once, 0.5)
    assert world.monitor.figures("rows")["value"].to_list() == [200.0]
    assert world.monitor.ledger().balanced


def test_two_columns_of_one_name_cannot_be_logged(world: World) -> None:
    """S25: refused with the name; no row is taken."""
    with pytest.raises(SchemaError, match="two columns have one name"):
        world.monitor.log_many(pd.DataFrame(np.zeros((3, 2)), columns=["a", "a"]))


def test_a_new_column_is_an_event(world: World) -> None:
    """S3: a column that the reference does not have is written down."""
    days(world, lambda rows: rows.with_columns(z=pl.lit(99.0)), n=1)
    events = world.lake.model("m")["events"].scan().select("kind", "name").collect().rows()
    assert ("column_appeared", "z") in events


def test_a_constant_reference_is_watched(world: World) -> None:
    """S20: what was always 1.0 and is now about 50 alarms."""
    world.monitor.reference(world.rows(1000).with_columns(x=pl.lit(1.0)))
    for _ in range(4):
        world.log_day(world.rows(200, shift=50.0))
    world.round()
    assert world.verdict("x.location").verdict is Status.ALARM


def test_s2_a_reference_without_values_is_not_green(world: World) -> None:
    """Nothing can be said of a feature of which the reference has no finite value: UNKNOWN, with the reason."""
    world.monitor.reference(world.rows(400).with_columns(x=pl.lit(float("nan"))))
    world.log_day(world.rows(200))
    world.round()
    verdict = world.verdict("x.location")
    assert (verdict.verdict, verdict.reason) == (Status.UNKNOWN, "fewer than 50 rows in the reference: 0")


def test_s13_a_reference_with_labels_of_other_classes_is_refused(world: World) -> None:
    """Labels 1 and 2 beside predictions 0 and 1 are an error, not an accuracy of 5 %."""
    reference = world.rows(400).with_columns(label=pl.Series([1, 2] * 200))
    with pytest.raises(SchemaError, match="label '2' is none of the classes 0, 1"):
        world.monitor.reference(reference)


def test_labels_outside_the_named_classes_are_refused(tmp_path: Path) -> None:
    """Where the classes are named, a label that is none of them is an error at the reference."""
    monitor = vedette.Monitor("m", lake=tmp_path, classes=["0", "1", "2"])
    with pytest.raises(SchemaError, match="label '7' is none of the classes"):
        monitor.reference({"prediction": [0, 1] * 200, "label": [0, 7] * 200})
    monitor.close()


@pytest.mark.parametrize("kind", [pl.Categorical, pl.Enum(["0", "1"])])
def test_labels_of_any_text_type_are_classes(kind: pl.DataType) -> None:
    """A categorical label in one file and a numeric one in the other are the same classes."""
    text = {"label": pl.Series(["0", "1"] * 500, dtype=kind), "prediction": [0, 1] * 500}
    found = report(text, {"label": [0, 1] * 500, "prediction": [0, 1] * 500})
    assert figure(found, "accuracy").current.value == 1.0


def test_nearly_all_is_not_said_to_be_all() -> None:
    """499 of 500 missing values are more than 99.7 %, not 100 %."""
    found = report({"a": but(np.full(500, np.nan), 1.0)}, {"a": X[:500]})
    assert column(found).words.startswith("missing 0 % to 99.8 %")


def test_rows_of_one_user_in_a_row_are_one_visit() -> None:
    """Users come in runs of ten rows, others in each file: as many visits, and no change."""
    files = [np.repeat(RNG.integers(0, 20_000, 2000), 10) for _ in range(2)]
    one = compared(*([f"user-{i:05}" for i in who] for who in files))[1]
    assert (one.changed, one.kind) == (False, "text")
