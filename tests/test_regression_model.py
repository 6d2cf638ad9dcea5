"""Models other than of two classes, through the public face: regressions and several classes, labels late."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn import metrics
from typer.testing import CliRunner

import vedette
from tests.world import START
from vedette.cli import app
from vedette.engine import cycle
from vedette.lake.tables import Lake

HOUR = timedelta(hours=1)
CLASSES = ["ant", "bee", "cat"]


class Town:
    """A lake with one model whose windows are hours, and a clock that the test moves."""

    def __init__(self, folder: Path, task: str | None = None) -> None:
        self.folder, self.now = folder, START
        self.monitor = vedette.Monitor(
            "m", lake=folder, window="1h", task=task, clock=lambda: self.now.timestamp()
        )

    def round(self) -> None:
        """Ingest and judge, in this process."""
        cycle.once(Lake.at(self.folder), models=["m"])

    def values(self, metric: str, **arguments: object) -> list[float | None]:
        """The values of a metric by window, or part."""
        return self.monitor.figures(metric, **arguments)["value"].to_list()  # type: ignore[arg-type]


def times(rng: np.random.Generator, n: int, hours: int) -> pl.Series:
    """So many moments within some hours, in order."""
    return pl.Series(np.sort(rng.integers(0, hours * 3_600_000_000, n))).cast(pl.Duration("us")) + START


def houses(n: int = 600, hours: int = 3) -> pl.DataFrame:
    """Prices and what a model said of them, over some hours."""
    rng = np.random.default_rng(8)
    label = rng.normal(300, 50, n)
    return pl.DataFrame(
        {
            "id": [f"h{i}" for i in range(n)],
            "time": times(rng, n, hours),
            "area": rng.normal(100, 20, n),
            "prediction": label + rng.normal(3, 10, n),
            "label": label,
        }
    )


def animals(n: int = 900, hours: int = 3) -> pl.DataFrame:
    """Rows of three classes with their probabilities."""
    rng = np.random.default_rng(9)
    label = rng.integers(0, 3, n)
    odds = np.exp(rng.normal(size=(n, 3)) + 1.5 * np.eye(3)[label])
    p = odds / odds.sum(axis=1, keepdims=True)
    return pl.DataFrame(
        {
            "id": [f"a{i}" for i in range(n)],
            "time": times(rng, n, hours),
            "weight": rng.normal(size=n),
            "prediction": np.array(CLASSES)[p.argmax(axis=1)],
            **{f"probability_{name}": p[:, i] for i, name in enumerate(CLASSES)},
            "label": np.array(CLASSES)[label],
        }
    )


def by_hour(frame: pl.DataFrame) -> list[pl.DataFrame]:
    """The rows of each hour, in order."""
    return frame.with_columns(pl.col("time").dt.truncate("1h").alias("hour")).partition_by(
        "hour", maintain_order=True
    )


@pytest.mark.parametrize("task", [None, "regression"])
def test_errors_of_a_regression_agree_with_scikit_learn(tmp_path: Path, task: str | None) -> None:
    """By hour, mae, rmse, mape, r2, bias and pinball losses are those of the rows, to 1e-9; late labels come in parts."""
    town, frame = Town(tmp_path, task), houses()
    town.now = START + 3 * HOUR
    town.monitor.log_many(frame.drop("label"))
    town.round()
    assert set(town.monitor.figures("mae")["reason"]) == {"no labels"}
    for half in (frame[::2], frame[1::2]):  # the second half stays in the journal
        town.round()
        town.now += 2 * HOUR
        town.monitor.label_many(half.select("id", "label"))
    expected = {
        "mae": metrics.mean_absolute_error,
        "rmse": metrics.root_mean_squared_error,
        "mape": metrics.mean_absolute_percentage_error,
        "r2": metrics.r2_score,
        "bias": lambda y, p: (p - y).mean(),
        "quantile_loss_p90": lambda y, p: metrics.mean_pinball_loss(y, p, alpha=0.9),
    }
    hours = [(one["label"].to_numpy(), one["prediction"].to_numpy()) for one in by_hour(frame)]
    for name, independent in expected.items():
        assert town.values(name) == pytest.approx([independent(*hour) for hour in hours], rel=1e-9), name
    assert town.monitor.figures("mae")["labelled"].to_list() == [1.0, 1.0, 1.0]


def test_a_corrected_truth_replaces_the_old_one(tmp_path: Path) -> None:
    """A label that comes again with another value counts instead; as of before, the old one counts."""
    town, frame = Town(tmp_path), houses(300, hours=1)
    town.now = START + HOUR
    town.monitor.log_many(frame)
    town.round()
    town.now += 5 * HOUR
    right = frame.with_columns(pl.col("label") + 10)[:100]
    town.monitor.label_many(right.select("id", "label"))
    truth = np.concatenate([right["label"].to_numpy(), frame["label"].to_numpy()[100:]])
    predicted = frame["prediction"].to_numpy()
    for _ in ("in the journal", "in the lake"):
        now = town.monitor.figures(["bias", "mae"])
        assert dict(now.select("metric", "value").rows()) == pytest.approx(
            {"bias": (predicted - truth).mean(), "mae": np.abs(predicted - truth).mean()}, rel=1e-9
        )
        assert now["n"].to_list() == [300, 300]
        before = town.values("bias", as_of=START + 3 * HOUR)
        assert before == pytest.approx([(predicted - frame["label"].to_numpy()).mean()], rel=1e-9)
        town.round()


def test_errors_by_segment_are_those_of_its_rows(tmp_path: Path) -> None:
    """By a column, the errors are those of the rows with each of its values."""
    town = Town(tmp_path)
    frame = houses().with_columns(side=pl.Series(["left", "right"] * 300))
    town.now = START + 3 * HOUR
    town.monitor.log_many(frame)
    error = (pl.col("prediction") - pl.col("label")).abs().mean()
    expected = {f"side={side}": value for side, value in frame.group_by("side").agg(error).rows()}
    found = town.monitor.figures("mae", by="side", window="all")
    assert dict(found.select("segment", "value").rows()) == pytest.approx(expected, rel=1e-9)


def test_a_regression_has_no_accuracy(tmp_path: Path) -> None:
    """A metric of classes is refused for a model of numbers, and the other way round, with words."""
    town = Town(tmp_path / "a")
    town.now = START + 3 * HOUR
    town.monitor.log_many(houses())
    with pytest.raises(ValueError, match=r"accuracy.*is read off columns of the kind quality"):
        town.monitor.figures("accuracy")
    other = Town(tmp_path / "b")
    other.now = START + 3 * HOUR
    other.monitor.log_many(animals())
    with pytest.raises(ValueError, match=r"mae.*is read off columns of the kind error"):
        other.monitor.figures("mae")


def test_a_regression_with_a_reference_is_judged(tmp_path: Path) -> None:
    """A model of numbers whose errors grow fourfold alarms on its errors."""
    town = Town(tmp_path, "regression")
    rng = np.random.default_rng(1)
    town.monitor.reference(houses(3000).drop("id", "time"))
    for hour in range(12):
        town.now = START + HOUR * (hour + 1)
        label = rng.normal(300, 50, 200)
        spread = 10 if hour < 6 else 40
        town.monitor.log_many(
            {
                "time": [town.now - timedelta(minutes=30)] * 200,
                "id": [f"{hour}-{i}" for i in range(200)],
                "area": rng.normal(100, 20, 200),
                "prediction": label + rng.normal(3, spread, 200),
                "label": label,
            }
        )
        town.round()
    verdicts = {one.watch: one.verdict for one in town.monitor.check().verdicts}
    assert verdicts["error.spread"] is vedette.Status.ALARM
    assert verdicts["area.location"] is not vedette.Status.ALARM


def test_several_classes_agree_with_scikit_learn(tmp_path: Path) -> None:
    """By hour, the averages over classes, the log loss and the Brier score are those of the rows, to 1e-9."""
    town, frame = Town(tmp_path), animals()
    town.now = START + 3 * HOUR
    town.monitor.log_many(frame.drop("label"))
    town.round()
    town.now += HOUR
    town.monitor.label_many(frame.select("id", "label"))

    def score(hour: pl.DataFrame) -> np.ndarray:
        return hour.select(f"probability_{name}" for name in CLASSES).to_numpy()

    def brier(hour: pl.DataFrame) -> float:
        truth = np.array(CLASSES) == hour["label"].to_numpy()[:, np.newaxis]
        return float(((score(hour) - truth) ** 2).sum(axis=1).mean())

    expected = {
        "accuracy": lambda h: metrics.accuracy_score(h["label"], h["prediction"]),
        "balanced_accuracy": lambda h: metrics.balanced_accuracy_score(h["label"], h["prediction"]),
        "log_loss": lambda h: metrics.log_loss(h["label"], score(h), labels=CLASSES),
        "brier": brier,
        **{
            f"{name}_{average}": lambda h, f=function, a=average: f(h["label"], h["prediction"], average=a)
            for name, function in (
                ("precision", metrics.precision_score),
                ("recall", metrics.recall_score),
                ("f1", metrics.f1_score),
            )
            for average in ("macro", "micro", "weighted")
        },
    }
    for name, independent in expected.items():
        assert town.values(name) == pytest.approx([independent(h) for h in by_hour(frame)], abs=1e-9), name


def test_a_breakdown_has_a_row_for_each_part(tmp_path: Path) -> None:
    """Precision of each class and the confusion are given by name, with their part; other figures have none."""
    town, frame = Town(tmp_path), animals()
    town.now = START + 3 * HOUR
    town.monitor.log_many(frame)
    found = town.monitor.figures(["precision_per_class", "accuracy"], window="all")
    own = found.filter(pl.col("metric") == "precision_per_class")
    expected = metrics.precision_score(frame["label"], frame["prediction"], average=None, labels=CLASSES)
    assert own["part"].to_list() == CLASSES
    assert own["value"].to_list() == pytest.approx(expected.tolist(), abs=1e-9)
    assert found.filter(pl.col("metric") == "accuracy")["part"].to_list() == [None]
    table = metrics.confusion_matrix(frame["label"], frame["prediction"], labels=CLASSES, normalize="true")
    shares = dict(town.monitor.figures("confusion", window="all").select("part", "value").rows())
    assert shares["ant>bee"] == pytest.approx(table[0, 1], abs=1e-9)
    assert "precision_per_class" not in set(town.monitor.figures()["metric"])


def test_the_command_line_tells_parts_and_pairs(tmp_path: Path) -> None:
    """A breakdown by a pair of columns is told line by line, with the class and the segment."""
    town = Town(tmp_path)
    town.now = START + 3 * HOUR
    town.monitor.log_many(animals().with_columns(side=pl.Series([1, 2, 3] * 300), new=pl.lit(value=True)))
    told = CliRunner().invoke(
        app,
        ["figures", "m", "--metric", "recall_per_class,accuracy", "--by", "side,new", "--window", "all", "--lake", str(tmp_path)],
        env={"COLUMNS": "200"},
    )  # fmt: skip
    assert told.exit_code == 0, told.output
    for line in ("accuracy [side=1, new=1]", "recall_per_class of cat [side=3, new=1]"):
        assert line in told.output


def test_rates_are_said_of_the_predictions(tmp_path: Path) -> None:
    """Rows a second go by the length of the window; what failed is the share of rows without a prediction."""
    town, frame = Town(tmp_path, "regression"), houses(720)
    failed = frame.with_columns(
        pl.when(pl.int_range(pl.len()) % 10 > 0).then(pl.col("prediction")), side=pl.Series([1, 2, 2] * 240)
    )
    town.now = START + 3 * HOUR
    town.monitor.log_many(failed)
    counts = [one.height for one in by_hour(frame)]
    found = town.monitor.figures(["throughput_per_s", "error_rate"])
    assert set(found["feature"]) == {"prediction"}
    assert town.values("throughput_per_s") == pytest.approx([n / 3600 for n in counts])
    assert town.values("throughput_per_s", window="all") == pytest.approx([720 / (3 * 3600)])
    assert town.values(
        "throughput_per_s", window="3h", by="area" if False else None
    )  # three hours, one window
    assert town.values("throughput_per_s", window="all", by="side") == pytest.approx(
        [240 / 10800, 480 / 10800]
    )
    assert town.values("error_rate", window="all") == pytest.approx([0.1])


def test_values_that_cannot_be_are_kept_told_and_not_counted(tmp_path: Path) -> None:
    """A probability over 1 and a latency under 0 stay in the rows, are an event with their number, and in no figure."""
    town = Town(tmp_path)
    town.now = START + HOUR
    town.monitor.log_many(
        {
            "id": ["a", "b", "c", "d"],
            "prediction": [1, 0, 1, 0],
            "probability": [0.9, 1.7, -0.2, 0.3],
            "latency_s": [0.1, 0.2, -3.0, 0.1],
            "label": [1, 0, 1, 1],
        }
    )
    town.round()
    tables = Lake.at(tmp_path).model("m")
    events = tables["events"].scan().filter(pl.col("kind") == "contract_violation").collect()
    assert dict(events.select("name", "detail").rows()) == {
        "probability": '{"rows": 2, "of": 4, "allowed": "0 to 1"}',
        "latency_s": '{"rows": 1, "of": 4, "allowed": "0 or more"}',
    }
    assert tables["predictions"].scan().collect()["probability"].to_list() == [0.9, 1.7, -0.2, 0.3]
    means = town.monitor.figures(["mean", "missing_share"], feature="probability")
    assert means["value"].to_list() == pytest.approx([0.5, 0.6])
    assert town.monitor.figures("accuracy")["n"].to_list() == [4]
    assert town.monitor.figures("log_loss")["n"].to_list() == [2]
