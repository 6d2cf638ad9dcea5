"""Plain rules: what a line of text means, and what a rule makes of a series."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.records import Status
from vedette.statistics import STATISTICS
from vedette.strategy.bounds import bounds_of
from vedette.strategy.rules import Reading, RuleState, advance, broken_by, gaps_before, parse, standing_of


def reading(at: int, value: float | None, n: int = 500, width: float = 0.0) -> Reading:
    """A window of a minute."""
    if value is None:
        return Reading(60.0 * at, 60.0 * at + 60, None, None, None, 0, "no labels")
    return Reading(60.0 * at, 60.0 * at + 60, value, value - width, value + width, n)


@pytest.mark.parametrize(
    ("said", "metric", "source", "low", "high", "windows"),
    [
        ("accuracy < 0.9 for 3 windows", "accuracy", "_quality", 0.9, math.inf, 3),
        ("accuracy<0.9", "accuracy", "_quality", 0.9, math.inf, 1),
        ("missing_share(age) > 5 %", "missing_share", "age", -math.inf, 0.05, 1),
        ("mean( distance ) outside 100 to 2e3 for 1 window", "mean", "distance", 100, 2000, 1),
        ("values(temp) outside -40..60", "values", "temp", -40, 60, 1),
        ("mae >= 12.5", "mae", "_error", -math.inf, 12.5, 1),
        ("latency_p99_s > 0.3 for 2 windows", "latency_p99_s", "latency_s", -math.inf, 0.3, 2),
        ("error_rate > 1%", "error_rate", "prediction", -math.inf, 0.01, 1),
        ("rows < 100", "rows", "prediction", 100, math.inf, 1),
        ("mean(a column, with (brackets)) > 1", "mean", "a column, with (brackets)", -math.inf, 1, 1),
    ],
)
def test_a_line_says_figure_threshold_and_time(
    said: str, metric: str, source: str, low: float, high: float, windows: int
) -> None:
    """The figure, the column it is read off, the ends of what is allowed, and for how many windows."""
    rule = parse("r", said)
    assert (rule.metric, rule.source, rule.low, rule.high, rule.windows) == (
        metric,
        source,
        low,
        high,
        windows,
    )


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("accuracy < 1.7", "rule r: 'accuracy < 1.7': 1.7 is outside the possible: accuracy lies in 0 to 1"),
        ("accuracy > 90", "90 is outside the possible"),
        ("accuracy > 1", "is never so: accuracy lies in 0 to 1"),
        ("accuracy < 0", "is never so"),
        ("accuracy <= 1", "is always so"),
        ("rows >= 0", "is always so: rows lies in 0 and above"),
        ("r2 > 1.5", "r2 lies in 1 and below"),
        ("acuracy < 0.9", "figure 'acuracy': there is none of that name: did you mean accuracy"),
        ("zzz < 0.9", "docs/statistics.md lists the figures"),
        ("mean < 3", "mean: is said of a column, such as mean(age)"),
        ("accuracy(age) < 0.9", "accuracy is said of the model, without a column"),
        ("values < 3", "values: is said of a column"),
        ("values(x) surely outside 0 to 1", "single values have no interval to be sure of: must be without"),
        ("values(x) surely > 1", "single values have no interval to be sure of: must be without 'surely'"),
        ("recall_per_class < 0.5", "tells of several classes"),
        ("accuracy < nan", "threshold nan: must be a finite number"),
        ("mean(x) > inf", "must be a finite number"),
        ("mean(x) outside 5 to 1", "begins at 5 and ends at 1"),
        ("accuracy < 0.9 for 0 windows", "must be a whole number from 1 to 10,000"),
        ("accuracy < 0.9 for 1.5 windows", "must be a whole number"),
        ("accuracy", "after 'accuracy' must come <, <=, >, >="),
        ("accuracy = 0.9", "must come <, <=, >, >="),
        ("< 0.9", "must begin with a figure"),
        ("", "must be text"),
        ("no data for ever", "no data for='ever'"),
    ],
)
def test_a_line_that_cannot_be_meant_is_refused(said: str, words: str) -> None:
    """The error has the rule's name, what was said, and what would be right."""
    with pytest.raises(ValueError, match="rule r: ") as told:
        parse("r", said)
    assert words in str(told.value)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"when": "accuracy < 0.9", "severity": "page"}, "severity='page': must be 'alarm' or 'warn'"),
        ({"when": "accuracy < 0.9", "min_rows": -1}, "min_rows=-1: must be a whole number from 0"),
        ({"when": "accuracy < 0.9", "clear_after": 0}, "clear_after=0: must be a whole number from 1"),
        ({"when": 3}, "when=3: must be text"),
    ],
)
def test_impossible_keys_are_refused(table: dict[str, object], words: str) -> None:
    """Each key says what it may be."""
    with pytest.raises(ValueError, match=words):
        parse("r", table)


def test_a_name_is_simple() -> None:
    """Names go into watches and file names."""
    with pytest.raises(ValueError, match="the name must be 1 to 63 characters"):
        parse("Low accuracy", "accuracy < 0.9")


@pytest.mark.parametrize("metric", sorted(STATISTICS))
def test_every_figure_can_be_named_and_has_its_bounds(metric: str) -> None:
    """A rule on each figure; a threshold inside its bounds is read, one beyond them refused."""
    low, high = bounds_of(metric)
    inside = 0.5 if low == 0.0 else 0.25
    read = []
    for figure in (metric, f"{metric}(a)"):
        try:
            read.append(parse("r", f"{figure} > {inside}").metric)
        except ValueError as error:
            read.append(str(error).rpartition(":")[2].split(",")[0])
    assert metric in read  # with a column, without, or either
    if math.isfinite(high):
        with pytest.raises(ValueError, match=r"possible|said of"):
            parse("r", f"{metric} > {high + 1}")


def test_surely_asks_for_the_whole_interval() -> None:
    """A value below whose interval reaches above is not sure; a rule without the word asks the value alone."""
    near, far = reading(0, 0.88, width=0.03), reading(0, 0.8, width=0.03)
    sure, plain = parse("r", "accuracy surely < 0.9"), parse("r", "accuracy < 0.9")
    assert [broken_by(sure, one) for one in (near, far)] == [False, True]
    assert [broken_by(plain, one) for one in (near, far)] == [True, True]


def test_values_are_held_against_the_range_by_least_and_greatest() -> None:
    """One value outside is enough; the ends are allowed."""
    rule = parse("r", "values(age) outside 0 to 120")
    ends = [(0, 120), (-1, 50), (3, 121)]
    assert [broken_by(rule, Reading(0, 60, a, a, b, 3)) for a, b in ends] == [False, True, True]


def brute(windows: int, clear: int, series: list[bool | None]) -> list[str]:
    """Pending, firing or quiet after each window, told from the whole series up to it."""
    out = []
    known: list[bool] = []
    firing = False
    for one in series:
        if one is not None:
            known.append(one)
            tail = known[-windows:]
            if not firing and len(tail) == windows and all(tail):
                firing = True
            elif firing and not any(known[-clear:]) and len(known) >= clear:
                firing = False
        out.append("firing" if firing else "pending" if known and known[-1] else "quiet")
    return out


@given(
    st.integers(1, 4),
    st.integers(1, 3),
    st.lists(st.sampled_from([True, False, None]), max_size=40),
)
def test_a_rule_fires_and_closes_as_a_look_at_the_whole_series_says(
    windows: int, clear: int, series: list[bool | None]
) -> None:
    """Window by window comes to the same as all at once: pending, firing and quiet, and each change told once."""
    rule = parse("r", {"when": f"accuracy < 0.9 for {windows} windows", "clear_after": clear})
    state, found, told = RuleState(), [], []
    for at, one in enumerate(series):
        state, change = advance(rule, state, reading(at, None if one is None else 0.5 if one else 0.95))
        found.append("firing" if state.firing else "pending" if state.pending else "quiet")
        told.append(change)
    assert found == brute(windows, clear, series)
    steps = [one for one in told if one is not None]
    assert all(before != after for before, after in pairwise(steps))
    assert steps.count("opens") - (1 if found and found[-1] == "firing" else 0) <= steps.count("closes")


def test_since_is_the_first_broken_window_and_opened_the_one_that_told() -> None:
    """Both are starts of windows."""
    rule, state = parse("r", "accuracy < 0.9 for 3 windows"), RuleState()
    for at, value in enumerate([0.95, 0.8, 0.8, 0.8]):
        state, _ = advance(rule, state, reading(at, value))
    assert (state.since, state.opened) == (60.0, 180.0)
    assert state.evidence == (
        "accuracy 0.8 (0.8 to 0.8, 500 rows); accuracy < 0.9 for 3 windows: for 3 windows since 1970-01-01 00:01 UTC"
    )


def test_too_few_rows_say_nothing() -> None:
    """The reason names the least and the number there was; the rule's own number wins."""
    rule, state = parse("r", "accuracy < 0.9"), RuleState()
    state, change = advance(rule, state, reading(0, 0.5, n=49))
    assert (change, state.reason) == (None, "fewer than 50 rows: 49")
    own = parse("r", {"when": "accuracy < 0.9", "min_rows": 10})
    assert advance(own, RuleState(), reading(0, 0.5, n=49))[1] == "opens"


@pytest.mark.parametrize(
    ("state", "windows", "severity", "expected"),
    [
        (RuleState(), 0, "alarm", (Status.UNKNOWN, "no window has ended since the rule was made")),
        (RuleState(reason="no labels"), 0, "alarm", (Status.UNKNOWN, "no labels")),
        (RuleState(last=0.0), 3, "alarm", (Status.OK, None)),
        (RuleState(last=0.0), 4, "alarm", (Status.UNKNOWN, "no rows")),
        (RuleState(last=0.0, reason="no labels"), 3, "alarm", (Status.OK, None)),
        (RuleState(last=0.0, reason="no labels"), 4, "alarm", (Status.UNKNOWN, "no labels")),
        (RuleState(last=0.0, gap=24.0), 48, "alarm", (Status.OK, None)),
        (RuleState(last=0.0, gap=24.0), 49, "alarm", (Status.UNKNOWN, "no rows")),
        (RuleState(last=0.0, broken=1), 0, "alarm", (Status.WARN, None)),
        (RuleState(last=0.0, broken=1), 4, "alarm", (Status.UNKNOWN, "no rows")),
        (RuleState(last=0.0, broken=2, firing=True), 99, "alarm", (Status.ALARM, None)),
        (RuleState(last=0.0, broken=2, firing=True), 99, "warn", (Status.WARN, None)),
    ],
)
def test_an_answer_outlives_its_window_by_three_or_twice_the_usual_gap(
    state: RuleState, windows: int, severity: str, expected: tuple[Status, str | None]
) -> None:
    """Beyond that nobody knows, with the last reason; what fires goes on firing, without rows too."""
    rule = parse("r", {"when": "accuracy < 0.9 for 2 windows", "severity": severity})
    assert standing_of(rule, state, 60.0 * windows, 60.0) == expected


def test_gaps_are_windows_of_no_rows_for_counts_alone() -> None:
    """Between the second and the sixth window lie three; a figure of rows that did not come is none."""
    state = RuleState(last=60.0)
    gaps = list(gaps_before(parse("r", "throughput_per_s < 1"), state, reading(5, 500.0), 60.0))
    assert [(one.start, one.end, one.value, one.n) for one in gaps] == [
        (120.0, 180.0, 0.0, 0),
        (180.0, 240.0, 0.0, 0),
        (240.0, 300.0, 0.0, 0),
    ]
    assert list(gaps_before(parse("r", "accuracy < 0.9"), state, reading(5, 0.8), 60.0)) == []
    assert list(gaps_before(parse("r", "rows < 9"), RuleState(), reading(5, 500.0), 60.0)) == []
