"""What is watched of a regression: whether its errors move and whether they grow."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from vedette.engine.words import _in_own_unit
from vedette.records import Status
from vedette.statistics import (
    error_grid,
    latency_grid,
    numeric_grid,
    summarise_error,
    summarise_numeric,
)
from vedette.strategy import begin, causes, describe, plan, verdicts
from vedette.strategy.detector import EDetector

HOUR = 3600.0
PILOT = np.random.default_rng(0).normal(size=(2, 500))
GRID = error_grid(100 + PILOT[0], 100 + PILOT[0] + PILOT[1], "_error")


def window(random, n=300, *, scale=1.0, shift=0.0):
    """The summary of n labels and predictions whose errors have this scale and mean."""
    label = random.normal(100, 10, n)
    return summarise_error(GRID, label, label + scale * random.normal(size=n) + shift)


def run(scales, shifts):
    """Alarms as (window, watch) over windows with these errors, the plan and the last state."""
    random = np.random.default_rng(1)
    reference = {"_error": window(random, 3000)}
    watches = plan(reference, "model")
    state = begin(watches, reference, np.ones(len(watches.key)), windows_per_month=720)
    alarms = []
    for w, (scale, shift) in enumerate(zip(scales, shifts, strict=True)):
        summaries = {"_error": window(random, scale=scale, shift=shift)}
        evidence, state = EDetector().judge(watches.step(summaries, w, w * HOUR), state)
        alarms += [(w, watches.watches[k].id) for k in np.flatnonzero(evidence.alarm)]
    return alarms, watches, state


def test_errors_bring_two_watches():
    """Where errors lie is watched on both sides, how large they are only for a rise."""
    watches = plan({"_error": window(np.random.default_rng(2), 1000)}, "model")
    assert [(one.id, one.column, one.kind, one.side) for one in watches.watches] == [
        ("error.location", "_error", "bias", 0),
        ("error.spread", "_error", "errors", 1),
    ]


@pytest.mark.parametrize("name", ["error", "latency"])
def test_a_feature_may_be_called_like_a_watch(name):
    """A feature named error or latency keeps its watches, and the model's own are named after their column."""
    random = np.random.default_rng(3)
    x = random.normal(size=300)
    own = {
        "_error": window(random),
        "latency_s": summarise_numeric(latency_grid("latency_s"), np.exp(x)),
        name: summarise_numeric(numeric_grid(name, x), x),
    }
    ids = [watch.id for watch in plan(own, "model").watches]
    column = {"error": "_error", "latency": "latency_s"}[name]
    assert len(set(ids)) == len(ids) == 7
    assert {f"{name}.location", f"{column}.location"} <= set(ids)


def test_steady_errors_do_not_alarm():
    """A month of hours whose errors stay as they were has no alarm."""
    alarms, *_ = run([1.0] * 300, [0.0] * 300)
    assert alarms == []


def test_doubled_errors_alarm():
    """Errors of twice the size are an alarm of the spread within a few windows, told as larger errors."""
    alarms, watches, state = run([1.0] * 20 + [2.0] * 10, [0.0] * 30)
    assert [watch for _, watch in alarms] == ["error.spread"]
    assert 20 <= alarms[0][0] <= 24
    said = describe(watches, state, 1)
    assert said.startswith("errors are larger by +")
    assert verdicts(watches, state, 29, "calibrated")[1].verdict is Status.ALARM


def test_smaller_errors_do_not_alarm():
    """Errors of half the size harm nobody."""
    alarms, *_ = run([1.0] * 20 + [0.5] * 40, [0.0] * 60)
    assert alarms == []


@pytest.mark.parametrize(("shift", "word"), [(0.7, "higher"), (-0.7, "lower")])
def test_biased_predictions_alarm(shift, word):
    """Predictions that have become too high or too low are an alarm of the location that says which."""
    alarms, watches, state = run([1.0] * 30, [0.0] * 20 + [shift] * 10)
    assert "error.location" in [watch for _, watch in alarms]
    assert describe(watches, state, 0).startswith(f"predictions are {word} against labels by ")


def test_a_change_is_told_in_the_unit_of_the_label():
    """Larger errors are told by their mean size, moved ones by their mean."""
    before = summarise_error(GRID, np.zeros(4), [1.0, -1.0, 2.0, -2.0])
    after = summarise_error(GRID, np.zeros(4), [4.0, -2.0, 4.0, -2.0])
    assert _in_own_unit("errors", before, after) == ["mean absolute error went from 1.5 to 3"]
    assert _in_own_unit("bias", before, after) == ["mean error went from 0 to 1"]


def test_missing_labels_are_no_cause():
    """Rows that wait for their labels are not missing values."""
    random = np.random.default_rng(5)
    before = window(random)
    after = dataclasses.replace(before, rows=before.rows + 300, missing=before.missing + 300)
    assert causes(before, after) == ()
