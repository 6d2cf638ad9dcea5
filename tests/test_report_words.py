"""What a report says changed is what changed, in words that are true of the rows."""

from __future__ import annotations

import io
import json
import re

import numpy as np
import polars as pl
import pytest

from vedette.engine.two_files.run import report
from vedette.output.comparison import Column, to_json
from vedette.output.comparison_console import print_comparison
from vedette.output.comparison_page import page
from vedette.output.comparison_words import metric_words
from vedette.records import Status

N = 5000


def draws(seed: int) -> np.random.Generator:
    """A generator of its own."""
    return np.random.default_rng(seed)


def only(current: object, reference: object) -> Column:
    """The one column of a report."""
    return report({"x": current}, {"x": reference}).columns[0]


def told(current: object, reference: object) -> str:
    """What is said of a column that changed."""
    one = only(current, reference)
    assert one.changed
    return one.words


def test_a_stuck_sensor_is_called_stuck() -> None:
    """One value in all rows, where there was a spread."""
    assert told(np.full(N, 5.0), draws(1).normal(4, 2, N)).startswith(
        "stuck: every value is 5; in the reference the mean is"
    )


def test_another_shape_is_not_told_by_the_mean() -> None:
    """Two humps in place of one, mean and spread alike."""
    humps = np.where(draws(1).random(N) < 0.5, -2.0, 2.0) + draws(2).normal(size=N)
    words = told(humps, draws(3).normal(0, np.sqrt(5), N))
    assert words.startswith("another shape about the same mean, values moved by 0.")


def test_a_new_greatest_value_is_told_by_its_value() -> None:
    """A cap that was raised from 94 to 95 moves no mean that anyone could see."""
    words = told(np.minimum(draws(1).integers(0, 97, N), 95), np.minimum(draws(2).integers(0, 97, N), 94))
    assert words.startswith("greatest value 94 to 95")


def test_numbers_far_from_zero_are_told_apart() -> None:
    """A mean of a billion that moved by one is not said to have moved from 1e9 to 1e9."""
    words = told(1e9 + 1 + draws(1).normal(size=N), 1e9 + draws(2).normal(size=N))
    moved = re.match(r"mean 1e9 and ([\d.]+) more", words)
    assert moved is not None
    assert float(moved[1]) == pytest.approx(1, abs=0.1)


def test_shares_of_categories_are_of_the_values() -> None:
    """Half of the rows hold nothing: the share that is told is that of the others."""
    empty = np.arange(N) % 2 == 0
    now = [
        None if gone else level
        for gone, level in zip(empty, draws(1).choice(["a", "b"], N, p=[0.9, 0.1]), strict=True)
    ]
    was = [None if gone else level for gone, level in zip(empty, draws(2).choice(["a", "b"], N), strict=True)]
    share = re.fullmatch(r"'b' [\d.]+ % to ([\d.]+) % of values", told(now, was))
    assert share is not None
    assert float(share[1]) == pytest.approx(10, abs=2)


def test_truths_are_no_numbers() -> None:
    """True and false, in words and in the picture."""
    one = only(draws(1).random(N) < 0.4, draws(2).random(N) < 0.2)
    assert re.fullmatch(r"'true' [\d.]+ % to [\d.]+ % of values", one.words)
    assert one.picture is not None
    assert set(one.picture.labels) == {"true", "false"}


def test_far_values_matter_where_the_reference_has_some() -> None:
    """One value in a hundred of the reference is a thousand times as far out: its deviation says little of the others."""
    n = 400_000
    column, before = (
        draws(k).normal(size=n) * np.where(draws(k + 9).random(n) < p, 1000, 1)
        for k, p in ((1, 0.012), (2, 0.01))
    )
    one = only(column, before)
    assert (one.changed, one.matters) == (True, True)


def test_a_level_of_one_in_a_hundred_that_is_gone_matters() -> None:
    """A share that changed by more than one in a hundred is not too small."""
    n = 400_000
    before = draws(1).choice(["a", "b", "c"], n, p=[0.6, 0.38, 0.02])
    one = only(draws(2).choice(["a", "b"], n, p=[0.61, 0.39]), before)
    assert (one.changed, one.matters) == (True, True)
    assert "gone: 'c' (2" in one.words


def test_gaps_that_are_new_are_told_though_chance_may_have_made_them() -> None:
    """One long gap is one event: no test tells it from chance, but the reference has none."""
    column = draws(1).normal(size=N)
    gap = np.where((np.arange(N) > 1000) & (np.arange(N) < 1200), np.nan, column)
    found = report({"x": gap}, {"x": draws(2).normal(size=N)})
    assert found.columns[0].changed is False
    [one] = found.findings
    assert (one.status, one.about, found.verdict) == (Status.UNKNOWN, "x", Status.OK)
    assert one.words.startswith("4.0 % of rows have no value, in the reference all have one;")


def test_probabilities_in_percent_are_recognised() -> None:
    """From 0 to 100: what to do is said."""
    rows = {"label": draws(1).integers(0, 2, N), "probability": 100 * draws(2).random(N)}
    found = report(rows, rows)
    assert any(one.about == "probability" and "divide them by 100" in one.words for one in found.findings)


def test_figures_that_got_worse_together_leave_room_for_the_columns() -> None:
    """Accuracy and all that goes with it take three of the ten places, and none is lost."""
    label = draws(1).integers(0, 2, N)
    now = {"label": label, "prediction": np.where(draws(2).random(N) < 0.7, label, 1 - label)}
    found = report(now, {"label": label, "prediction": label})
    alarms = [one for one in found.findings if one.status is Status.ALARM]
    assert [one.about for one in alarms] == ["accuracy", "precision", "recall"]
    said = " ".join(f"{metric_words(one.about)} {one.words}" for one in alarms)
    changed = [one.metric for one in found.figures if one.changed]
    assert len(changed) >= 5
    assert all(metric_words(name) in said for name in changed)


def test_a_file_alone_is_described_in_a_terminal() -> None:
    """Each column with its rows, gaps, values and ends."""
    rows = {
        "age": np.arange(N) % 60 + 20.0,
        "city": np.resize(["Oslo", "Rome"], N),
        "gap": np.where(np.arange(N) % 4 == 0, np.nan, 1.0),
    }
    out = io.StringIO()
    print_comparison(report(rows), as_json=False, file=out)
    lines = {line.split()[0]: " ".join(line.split()) for line in out.getvalue().splitlines() if line.strip()}
    assert lines["age"].startswith("age numeric 5,000 0 % 60 mean 49.")
    assert lines["city"] == "city category 5,000 0 % 2 Oslo 50.0 %, Rome 50.0 %"
    assert "25.0 %" in lines["gap"]


def test_without_a_reference_the_reason_is_that() -> None:
    """Null is explained, and not on every card of the page."""
    found = report({"x": draws(1).normal(size=N)})
    document = json.loads(to_json(found))
    assert (document["columns"]["x"]["changed"], document["columns"]["x"]["reason"]) == (None, "no reference")
    assert "no reference<" not in page(found)


def test_every_figure_says_how_much_of_the_file_it_saw() -> None:
    """A quarter of the values are missing: the mean rests on the others."""
    column = np.where(np.arange(N) % 4 == 0, np.nan, draws(1).normal(size=N))
    document = json.loads(to_json(report({"x": column}, {"x": column})))
    mean = document["columns"]["x"]["current"]["figures"]["mean"]
    assert (mean["n"], mean["completeness"]) == (3750, 0.75)


def test_figures_without_probabilities_share_a_line() -> None:
    """Five figures that lack the same thing are one line in a terminal and on the page."""
    label = draws(1).integers(0, 2, N)
    found = report({"label": label, "prediction": label})
    out = io.StringIO()
    print_comparison(found, as_json=False, file=out)
    assert " ".join(out.getvalue().split()).count("no probabilities: ROC AUC, average precision") == 1
    assert page(found).count("no probabilities") == 1


def test_bars_of_whole_numbers_hold_as_many_numbers_each() -> None:
    """Evenly spread years give bars of one height."""
    column = np.resize(np.arange(1950, 2020), 70_000)
    picture = only(column, column).picture
    assert picture is not None
    widths = np.diff(picture.edges)
    assert len(set(widths)) == 1
    assert picture.current[:-1] == pytest.approx([widths[0] / 70] * (len(widths) - 1), rel=1e-3)


def test_latencies_and_durations_are_told_in_seconds() -> None:
    """Latencies by their median and p99, durations by their mean."""
    slow, fast = draws(1).exponential(0.2, N), draws(2).exponential(0.1, N)
    found = report({"latency_s": slow}, {"latency_s": fast}).columns[0]
    assert re.match(
        r"median 0\.0\d+ s to 0\.1\d+ s, p99 0\.4\d+ s to 0\.9\d+ s, values moved by", found.words
    )
    now, was = (pl.Series(one * 1e6).cast(pl.Int64).cast(pl.Duration("us")) for one in (slow, fast))
    assert re.match(r"mean 0\.\d+ s to 0\.\d+ s, standard deviation 0\.\d+ s to", told(now, was))


def test_a_rare_event_is_told_by_its_share() -> None:
    """One row in a hundred became one and a half: the mean says it, though it is small beside the deviation."""
    n = 100_000
    words = told((draws(1).random(n) < 0.015).astype(float), (draws(2).random(n) < 0.01).astype(float))
    assert re.match(r"mean 0\.0\d+ to 0\.01\d+, standard deviation", words)


def test_infinite_values_are_not_stuck_at_the_finite_one() -> None:
    """Every finite value is five, and some are none."""
    x = np.full(N, 5.0)
    x[:50] = np.inf
    assert "stuck" not in told(x, draws(1).normal(size=N))


def test_slightly_slower_is_too_small_to_matter() -> None:
    """A hundredth of the mean of a million latencies."""
    n = 1_000_000
    now, before = draws(1).exponential(0.101, n), draws(2).exponential(0.1, n)
    one = report({"latency_s": now}, {"latency_s": before}).columns[0]
    assert (one.changed, one.matters) == (True, False)
