"""A monitor and a report of the same rows tell the same figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import special

import vedette
from tests.world import DAY, START
from vedette.engine import cycle
from vedette.lake.tables import Lake

N = 3000
NEARLY = {"roc_auc": 0.002, "average_precision": 0.012} | {
    f"error_p{p:02}": 0.02 for p in (1, 5, 25, 50, 75, 95, 99)
}
"""Figures that are read off cells: those of the two are cut on other rows."""

LIMITS = 0.03
"""How far limits may lie apart that know of the outermost rows by which cells were cut."""


def of_classes(classes: int) -> pl.DataFrame:
    """Labels, predictions and probabilities of a model of two classes or more."""
    rng = np.random.default_rng(classes)
    logits = 1.5 * rng.normal(size=(N, classes))
    label = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    scores = special.softmax(logits, axis=1)
    names = np.array(["low", "high"] if classes == 2 else ["red", "green", "blue", "grey"])
    columns = {f"probability_{name}": scores[:, at] for at, name in enumerate(names)}
    return pl.DataFrame({"label": names[label], "prediction": names[scores.argmax(axis=1)]} | columns)


def of_numbers() -> pl.DataFrame:
    """Labels and predictions of a regression."""
    rng = np.random.default_rng(9)
    label = rng.lognormal(1, 0.4, N)
    return pl.DataFrame({"label": label, "prediction": label + 0.3 * rng.normal(size=N)})


@pytest.mark.parametrize(
    ("task", "rows"),
    [("classification", of_classes(2)), ("classification", of_classes(4)), ("regression", of_numbers())],
    ids=["two classes", "four classes", "numbers"],
)
def test_a_monitor_and_a_report_tell_the_same(tmp_path: Path, task: str, rows: pl.DataFrame) -> None:
    """Every figure of the model that a report has, a monitor has for the same rows: value, interval and rows."""
    monitor = vedette.Monitor(
        "m", lake=tmp_path, task=task, window="1d", clock=lambda: (START + 2 * DAY).timestamp()
    )
    monitor.reference(rows)
    times = pl.Series("time", [START] * N, dtype=pl.Datetime("us", "UTC"))
    monitor.log_many(rows.with_columns(times, id=pl.Series([f"r{at}" for at in range(N)])))
    cycle.once(Lake.at(tmp_path), models=["m"])
    theirs = {one.metric: one.current for one in vedette.report(rows, rows).figures if "[" not in one.metric}
    ours = monitor.figures(sorted(theirs), window="all").filter(pl.col("feature").is_null())
    assert ours["metric"].sort().to_list() == sorted(theirs)
    for one in ours.iter_rows(named=True):
        told, name = theirs[one["metric"]], one["metric"]
        assert one["n"] == told.n, name
        assert one["value"] == pytest.approx(told.value, abs=NEARLY.get(name, 1e-9)), name
        near = LIMITS if task == "regression" or name in NEARLY or name == "log_loss" else 1e-9
        assert [one["low"], one["high"]] == pytest.approx([told.low, told.high], abs=near), name
