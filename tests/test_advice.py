"""The adviser's parts: replays that are like the history, faults that are what they say, delays, thresholds, the choice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from scipy import stats

from vedette.statistics import (
    STATISTICS,
    Summary,
    category_grid,
    latency_grid,
    numeric_grid,
    quality_grid,
    summarise_category,
    summarise_numeric,
    summarise_quality,
)
from vedette.strategy import EDetector, Step, begin, inflation, plan, source_of
from vedette.strategy.advice import (
    CANDIDATES,
    FAULTS,
    Advised,
    Replays,
    advise,
    faults_of,
    history,
    inject,
    race,
)
from vedette.strategy.advice.bootstrap import block_length, draw, length_of, orders
from vedette.strategy.advice.copies import copies
from vedette.strategy.advice.elimination import confidence_sequence
from vedette.strategy.advice.expected import figures_of, series_of
from vedette.strategy.advice.faults import deviation, moved
from vedette.strategy.advice.figures import distances, figures
from vedette.strategy.advice.noise import noises_of
from vedette.strategy.advice.plain import opened
from vedette.strategy.advice.rounds import delays
from vedette.strategy.advice.survival import (
    delay_of,
    kaplan_meier,
    median_of,
    poisson_limits,
    restricted_mean,
)
from vedette.strategy.advice.track import Track

DAY_S = 86400.0
START = datetime(2026, 1, 1, tzinfo=UTC)


def past(seed=0, n_windows=28, n=200, level=None, budget=1.0, mixed=False, window_s=DAY_S, series=False):
    """A history of one normal column (and a category and an accuracy), and its parts; ``level`` [W] moves the windows."""
    random = np.random.default_rng(seed)
    level = np.zeros(n_windows) if level is None else level
    window = np.repeat(np.arange(n_windows), n)
    old, new = random.normal(size=3000), random.normal(size=n_windows * n) + np.repeat(level, n)
    grid = numeric_grid("x", old[:1000])
    batch = np.repeat(np.arange(20), 100)
    reference = {"x": summarise_numeric(grid, old[1000:], random.random(2000) > 0.02, batch, 20)}
    windows = {"x": summarise_numeric(grid, new, random.random(len(new)) > 0.02, window, n_windows)}
    if mixed:
        names, shares = ("a", "b", "d"), [0.6, 0.3, 0.1]
        kind = category_grid("c", {"a": 60, "b": 30, "d": 10})
        quality = quality_grid(("0", "1"), None, "_quality")
        for into, size, where, number in (
            (reference, 2000, batch, 20),
            (windows, n * n_windows, window, n_windows),
        ):
            label = random.integers(0, 2, size)
            wrong = np.where(random.random(size) < 0.1, 1 - label, label)
            into["c"] = summarise_category(kind, random.choice(3, size, p=shares), names, where, number)
            into["_quality"] = summarise_quality(
                quality, label, wrong, ("0", "1"), np.full(size, np.nan), where, number
            )
    merged = {name: one.merged() for name, one in reference.items()}
    watches = plan(merged, "m")
    noise = inflation(watches, reference)
    start = np.arange(n_windows) * window_s + 4 * DAY_S
    return history(
        watches, merged, windows, start, inflation=noise, window_s=window_s, budget=budget, series=series
    )


def calm(own, n_runs, n_windows, seed=1):
    """Replays of the column x."""
    random = np.random.default_rng(seed)
    order, again = (orders(own, n_runs, n, random) for n in (n_windows, len(own.start)))
    return draw(own, noises_of(own)["x"], order, again, random)


def test_too_little_history_says_what_is_needed() -> None:
    """Thirteen windows are too few, and so are fourteen of 49 rows; the message has both numbers."""
    with pytest.raises(ValueError, match="needs 14 clean windows of 50 rows or more; has 13"):
        past(n_windows=13)
    with pytest.raises(ValueError, match="has 0"):
        past(n_windows=14, n=49)


def test_the_length_of_blocks_grows_with_what_hangs_together() -> None:
    """Of independent values blocks are short; of an autoregression they are near what theory says is best."""
    random = np.random.default_rng(3)
    noise = random.normal(size=(20, 400))
    short = [block_length(one) for one in noise]
    long = []
    for one in noise:
        x = np.zeros(400)
        for t in range(1, 400):
            x[t] = 0.8 * x[t - 1] + one[t]
        long.append(block_length(x))
    # of AR(1): G = 2 r/(1-r)^2/(1-r^2) s2, g = s2/(1-r)^2: b = (2 G^2/(4/3 g^2))^(1/3) n^(1/3)
    best = (1.5 * (2 * 0.8 / (1 - 0.8**2)) ** 2) ** (1 / 3) * 400 ** (1 / 3)
    assert np.median(short) < 6.0
    assert 0.6 * best < np.median(long) < 1.4 * best
    assert block_length(np.ones(50)) == 1.0


def test_replays_vary_as_the_history_does() -> None:
    """Means of replayed windows have the variance of the law, for independent rows and for days that differ by .2 sd."""
    random = np.random.default_rng(5)
    for level, law in ((None, 1 / 300), (random.normal(scale=0.2, size=60), 1 / 300 + 0.04)):
        own = past(7, 60, 300, level)
        column, counts = own.columns["x"], calm(own, 60, 30)
        n = counts[:, :, :-1].sum(axis=2)
        mean = (counts[:, :, :-1] @ column.values) / n
        seen = (column.counts[:, :-1] @ column.values) / column.counts[:, :-1].sum(axis=1)
        assert mean.var() == pytest.approx(seen.var(), rel=0.35)
        assert mean.var() == pytest.approx(law, rel=0.5)
        spread = (counts[:, :, :-1] @ np.square(column.values)) / n - mean**2
        assert spread.var() < 2.5 * 2 / 300  # 2 s^4/n of normal values: levels add no noise to the spread
        assert (counts[:, :, -1].sum() / counts.sum()) == pytest.approx(0.02, rel=0.2)


def test_replays_keep_the_weekday() -> None:
    """A weekly wave is found, and each replayed day has the level of its weekday."""
    days = np.arange(42)
    own = past(2, 42, 400, 0.4 * np.sin(2 * np.pi * days / 7))
    assert own.period == 7
    counts = calm(own, 40, 14)
    mean = (counts[:, :, :-1] @ own.columns["x"].values) / counts[:, :, :-1].sum(axis=2)
    assert np.abs(mean.mean(axis=0) - 0.4 * np.sin(2 * np.pi * np.arange(42, 56) / 7)).max() < 0.08
    order = orders(own, 50, 14, np.random.default_rng(0))
    assert (order % 7 == np.arange(14) % 7).all()
    assert past(2, 42, 400).period == 1


def test_blocks_are_neighbours() -> None:
    """Within a block the windows follow each other; the length is what was asked for."""
    own = past(0, 40)
    order = orders(own, 200, 30, np.random.default_rng(1), length=5)
    follows = np.diff(order, axis=1) == 1
    assert follows[:, :4].mean() > 0.85  # but for blocks that begin near the end
    assert 1 <= length_of(own) <= 14
    assert order.min() >= 0
    assert order.max() < 40


def test_moved_mass_is_where_the_values_would_be() -> None:
    """Counts that were moved are those of values that were; without a change they stay."""
    random = np.random.default_rng(11)
    x = random.normal(size=200_000)
    own = past(0)
    column = own.columns["x"]
    grid = column.grid
    shares = summarise_numeric(grid, x, None).counts[0] / len(x)
    for scale, shift in ((1.0, 0.25), (1.3, -0.1), (-1.0, 0.0)):
        expected = summarise_numeric(grid, scale * x + shift, None).counts[0] / len(x)
        found = shares @ moved(column, scale, shift)
        assert np.abs(np.cumsum(found) - np.cumsum(expected)).max() < 0.01
    assert np.allclose(moved(column, 1.0, 0.0), np.eye(grid.cells), atol=1e-9)


def test_single_values_move_as_points() -> None:
    """In a discrete column a value that is moved by less than a step lies between, by a step on the next one."""
    grid = numeric_grid("k", np.array([0.0, 1.0, 2.0] * 50))
    own = past(0).columns["x"]
    counts = summarise_numeric(grid, np.array([0.0] * 50 + [1.0] * 30 + [2.0] * 20), None)
    column = replace(own, grid=grid, reference=counts, counts=np.append(counts.counts[0], 0)[None])
    shares = counts.counts[0].astype(float)
    assert (shares @ moved(column, 1.0, 1.0))[[3, 5]].tolist() == [50.0, 30.0]
    assert (shares @ moved(column, 1.0, 0.5))[[1, 3, 5]].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_keeps_the_rows_and_begins_when_it_says(name: str) -> None:
    """Counts stay whole and not negative, windows before the beginning stay as they are, only a delay changes the rows."""
    fault = FAULTS[name]
    own = past(4, 28, 300, 0.3 * np.sin(2 * np.pi * np.arange(28) / 7), mixed=True)
    random = np.random.default_rng(2)
    onset = np.array([0, 3, 6])
    struck = 0
    for source, column in own.columns.items():
        counts = column.counts[:12][None].repeat(3, axis=0)
        if column.grid.kind not in fault.kinds:
            with pytest.raises(ValueError, match=f"fault '{name}': strikes columns of the kind"):
                inject(own, column, fault, fault.sizes[0], counts, onset, random)
            continue
        for size in fault.sizes:
            found = inject(own, column, fault, size, counts, onset, random)
            struck += 1
            assert found.dtype == np.int64
            assert found.min() >= 0
            for run, first in enumerate(onset):
                assert (found[run, :first] == counts[run, :first]).all()
            if name != "delay":
                cells = column.grid.row_cells
                kept = np.r_[:cells, -1] if column.grid.kind == "quality" else slice(None)
                assert (found[..., kept].sum(axis=2) == counts[..., kept].sum(axis=2)).all()
            assert source in own.columns
    assert struck


def test_sizes_of_faults_are_what_they_say() -> None:
    """A step moves the mean by so many sd, accuracy falls by so many points, so many values go missing."""
    own = past(6, 28, 2000, mixed=True)
    random, onset = np.random.default_rng(0), np.zeros(1, dtype=np.int64)

    def struck(source: str, name: str, size: float):
        column = own.columns[source]
        return column, inject(own, column, FAULTS[name], size, column.counts[None], onset, random)[0]

    column, found = struck("x", "step", 0.5)
    before, after = (
        one[:, :-1].sum(axis=0) @ column.values / one[:, :-1].sum() for one in (column.counts, found)
    )
    assert (after - before) / deviation(column) == pytest.approx(0.5, abs=0.03)
    column, found = struck("x", "missing", 0.2)
    assert found[:, -1].sum() / found.sum() == pytest.approx(0.02 + 0.98 * 0.2, abs=0.01)
    column, found = struck("x", "variance", 0.5)
    ratio = deviation(replace(column, counts=found)) / deviation(column)
    assert ratio == pytest.approx(1.5, abs=0.08)
    column, found = struck("_quality", "accuracy", 0.05)
    wrong = [figures(column, one, column.coarse(one))[:, 0].mean() for one in (column.counts, found)]
    assert wrong[1] - wrong[0] == pytest.approx(0.05, abs=0.003)
    column, found = struck(
        "_quality", "label_flip", 0.1
    )  # right becomes wrong and the other way: .1 (2 a - 1)
    flipped = figures(column, found, column.coarse(found))[:, 0].mean()
    assert flipped - wrong[0] == pytest.approx(0.1 * (1 - 2 * wrong[0]), abs=0.005)
    column, found = struck("c", "swapped", 1.0)
    assert found[:, 0].sum() == column.counts[:, 1].sum()
    column, found = struck("x", "unit", 1000.0)
    assert found[:, [0, -2]].sum() > 0.95 * found[:, :-1].sum()
    column, found = struck("_quality", "delay", 2.0)
    assert found[:2].sum() == 0
    assert (found[2:] == column.counts[:-2]).all()


def test_a_season_can_be_lost_only_where_there_is_one() -> None:
    """The fault is tried on a seasonal history alone."""
    plain, seasonal = past(2, 42), past(2, 42, 400, 0.4 * np.sin(2 * np.pi * np.arange(42) / 7))
    names = [{fault.name for fault, _ in faults_of(own, own.columns["x"])} for own in (plain, seasonal)]
    assert "lost_season" not in names[0]
    assert "lost_season" in names[1]


def test_kaplan_and_meier_agree_with_the_sample_and_with_scipy() -> None:
    """Without censoring the curve is that of the sample; with it, SciPy's."""
    random = np.random.default_rng(8)
    time = random.integers(1, 12, 60).astype(float)
    all_seen = np.ones(60, dtype=bool)
    times, curve = kaplan_meier(time, all_seen)
    assert curve == pytest.approx([(time > t).mean() for t in times])
    assert restricted_mean(time, all_seen, 12.0) == pytest.approx(time.mean())
    seen = random.random(60) < 0.7
    other = stats.ecdf(stats.CensoredData(uncensored=time[seen], right=time[~seen])).sf
    times, curve = kaplan_meier(time, seen)
    assert curve == pytest.approx(other.evaluate(times))
    assert median_of(np.array([1.0, 5.0, 5.0]), np.array([True, False, False])) == np.inf


def test_the_interval_of_a_median_covers_it() -> None:
    """Of 200 samples of 40 delays the 95 % interval covers the median at least 180 times."""
    random, hits = np.random.default_rng(9), 0
    for _ in range(200):
        time = random.geometric(0.08, 40).astype(float)
        delay = delay_of(np.minimum(time, 30.0), time <= 30, 30.0, random)
        hits += delay.low <= 9.0 <= delay.high  # the median of a geometric law: ceil(-1/log2(.92)) = 9
    assert hits >= 180


def test_limits_of_a_rate_are_those_of_chi_square() -> None:
    """Garwood's limits by SciPy's chi-square quantiles; none at nothing."""
    low, high = poisson_limits(7, 2.0)
    assert low == pytest.approx(stats.chi2.ppf(0.025, 14) / 4)
    assert high == pytest.approx(stats.chi2.ppf(0.975, 16) / 4)
    assert poisson_limits(0, 1.0) == (0.0, pytest.approx(stats.chi2.ppf(0.975, 2) / 2))


def test_a_confidence_sequence_holds_at_every_look() -> None:
    """Of 300 sequences of mean 0, looked at 40 times each, at most 5 % ever exclude it (with room for chance)."""
    random, missed = np.random.default_rng(10), 0
    for _ in range(300):
        x = random.normal(size=800)
        limits = [confidence_sequence(x[:n]) for n in range(20, 801, 20)]
        missed += any(low > 0 or high < 0 for low, high in limits)
    assert missed <= 27


def test_delays_count_from_the_beginning_and_are_censored() -> None:
    """The first window is 1; alarms before do not count; none is the horizon, and at once where one stood already."""
    opens, stands = np.zeros((4, 8, 1), dtype=bool), np.zeros((4, 8, 1), dtype=bool)
    opens[0, 2] = opens[1, 4] = opens[2, 1] = True
    stands[2, 1:] = True
    time, seen = delays(opens, stands, np.array([2, 2, 3, 0]), 5)
    assert time.tolist() == [1.0, 3.0, 0.0, 5.0]
    assert seen.tolist() == [True, True, False, False]


def test_copies_judge_as_the_one_does() -> None:
    """Runs side by side open the same alarms in the same windows as each run alone."""
    own = past(12, 28, 300)
    column, random = own.columns["x"], np.random.default_rng(0)
    counts = column.coarse(inject(own, column, FAULTS["step"], 0.5, calm(own, 6, 10), np.full(6, 3), random))
    state = begin(own.plan, own.reference, own.state.inflation, windows_per_month=30, budget=1.0)
    many = copies(state, column.rows, column.at, 6)
    detector, found = EDetector(), []
    for t in range(10):
        evidence, many = detector.judge(
            Step(counts[:, t].reshape(len(many.key), -1), many.key, t + 100, t * DAY_S), many
        )
        found.append(evidence.alarm.reshape(6, -1))
    for run in range(6):
        alone, detector = copies(state, column.rows, column.at, 1), EDetector()
        for t in range(10):
            evidence, alone = detector.judge(Step(counts[run, t], alone.key, t + 100, t * DAY_S), alone)
            assert (
                evidence.alarm[:2] == found[t][run][:2]
            ).all()  # shares have random ranks, of their own name


def test_distances_are_the_figures() -> None:
    """What rules would be held against is what the statistics say."""
    own = past(0, 28, 300)
    column = own.columns["x"]
    summary = replace(
        Summary.empty(column.grid, 28, 0),
        rows=column.counts.sum(axis=1),
        counts=column.counts[:, :-1],
        missing=column.counts[:, -1],
    )
    for name in ("psi", "kolmogorov_smirnov"):
        assert distances(column, column.counts, name) == pytest.approx(
            STATISTICS[name].figures(summary, column.reference).value
        )
    found = figures(column, column.counts, column.past)
    assert found[:, 2] == pytest.approx(STATISTICS["missing_share"].figures(summary).value)


def test_rules_fire_after_so_many_windows_in_a_row() -> None:
    """Against a loop by hand over random deviations, some of them missing."""
    random = np.random.default_rng(1)
    deviation = random.normal(size=(5, 40, 2))
    deviation[random.random(deviation.shape) < 0.1] = np.nan
    told = opened(deviation, 0.5, 2)
    for run, k in np.ndindex(5, 2):
        in_row, firing = 0, False
        for t in range(40):
            value, before = deviation[run, t, k], firing
            if not np.isnan(value):
                in_row = in_row + 1 if value > 0.5 else 0
                firing = in_row >= 2
            assert told.opens[run, t, k] == (firing and not before)
            assert told.stands[run, t, k] == firing


def test_thresholds_keep_the_budget_on_calm_replays() -> None:
    """The rule's threshold opens 0.4 of the budget's alarms on what it was set on, and not many more on other replays."""
    own = past(13, 40, 300)
    track = Track.of(own)
    set_on, other = (track.calm(150, np.random.default_rng(seed)) for seed in (1, 2))
    months = 150 * track.n_windows * own.months
    for name in ("limits", "limits_2", "ewma", "psi"):
        ready = CANDIDATES[name].fit(own, set_on)
        column = own.columns["x"]
        assert ready.opens(column, set_on["x"]).opens.sum() <= 0.5 * months
        assert ready.opens(column, other["x"]).opens.sum() <= 1.0 * months
        assert ready.opens(column, other["x"]).opens.sum() > 0


def test_rules_are_written_so_that_they_can_be_read() -> None:
    """The lines of limits are TOML, one for each watch, and rules that vedette reads; what remembers has none."""
    import tomllib

    from vedette.strategy.rules import parse

    own = past(13, 28, 300, mixed=True)
    calm_replays = Track.of(own).calm(60, np.random.default_rng(1))
    said = tomllib.loads("\n".join(CANDIDATES["limits_2"].fit(own, calm_replays).lines))["rules"]
    rules = {name: parse(name, text) for name, text in said.items()}
    assert {(one.metric, one.source) for one in rules.values()} >= {
        ("mean", "x"), ("sd", "x"), ("missing_share", "x"), ("total_variation", "c"), ("accuracy", "_quality"),
    }  # fmt: skip
    assert {one.windows for one in rules.values()} == {2}
    assert CANDIDATES["ewma"].fit(own, calm_replays).lines == ()
    lines = CANDIDATES["e_detector_rows"].fit(own, calm_replays).lines
    assert lines == ('rows = "independent"', "series = false")


def test_a_watch_without_a_figure_has_no_line() -> None:
    """Labels that come late are watched, but no rule can say it: the lines are those of the other watches."""
    own = past(13, 20, 150)
    column = own.columns["x"]
    late = replace(column.watches[0], kind="late")
    ready = CANDIDATES["limits"].fit(own, Track.of(own).calm(20, np.random.default_rng(1)))
    other = replace(column, watches=(late, *column.watches[1:]))
    changed = replace(own, columns={"x": other})
    ready = CANDIDATES["limits"].fit(changed, Track.of(own).calm(20, np.random.default_rng(1)))
    assert len(ready.lines) == len(column.watches) - 1


def test_series_are_the_figures_of_windows() -> None:
    """Means and accuracies are what the statistics say of the same rows; categories and segments have no series."""
    own = past(0, 20, 300, mixed=True)
    for source, metric in (("x", "mean"), ("_quality", "accuracy")):
        column = own.columns[source]
        assert series_of(source, column.grid.kind) == (("x" if source == "x" else "accuracy", metric),)
        found = figures_of(column, column.counts, metric)
        coarse = figures(column, column.counts, column.past)[:, 0]
        assert found == pytest.approx(coarse if metric == "mean" else 1.0 - coarse)
        few = figures_of(column, column.counts // 20, metric)  # about 15 rows a window
        assert np.isnan(few).all()
    assert series_of("c", "category") == ()
    assert series_of(source_of("x", "region=north"), "numeric") == ()


def test_latencies_are_quantiles_of_the_counts() -> None:
    """The median and the 95th percentile of a window's latencies, against NumPy on the rows."""
    random = np.random.default_rng(3)
    rows = random.lognormal(-2.0, 0.5, size=(4, 2000))
    grid = latency_grid()
    counts = np.stack([summarise_numeric(grid, one, None).counts[0] for one in rows])
    reference = summarise_numeric(grid, rows.ravel(), None)
    column = replace(past(0).columns["x"], grid=grid, reference=reference)
    counts = np.concatenate([counts, np.zeros((4, 1), dtype=np.int64)], axis=1)
    for name, metric in series_of("_latency", "latency"):
        found = figures_of(column, counts, metric)
        level = 0.95 if name == "latency_p95" else 0.5
        assert found == pytest.approx(np.quantile(rows, level, axis=1), rel=0.03)


@pytest.fixture(scope="module")
def long():
    """A history with enough windows for series, and the candidate that watches them, ready."""
    own = past(16, 60, 150, series=True)
    calm_replays = Track.of(own).calm(8, np.random.default_rng(2))
    return own, CANDIDATES["series"].fit(own, calm_replays), calm_replays


def test_replays_of_series_side_by_side_are_judged_as_each_alone(long) -> None:
    """Alarms of runs judged together are those of each run by itself, after those of the detectors."""
    own, ready, replays = long
    column, n = own.columns["x"], len(own.columns["x"].watches)
    struck = inject(
        own, column, FAULTS["step"], 0.5, replays["x"].counts, np.full(8, 4), np.random.default_rng(0)
    )
    told = ready.opens(column, Replays(struck, replays["x"].start))
    detectors = ready.detectors.opens(column, Replays(struck, replays["x"].start))
    assert told.opens.shape[2] == n + 1
    assert (told.opens[..., :n] == detectors.opens).all()
    assert told.opens[..., n].any(axis=1).sum() >= 6  # half a standard deviation is six of a mean of 150 rows
    for run in (0, 3, 7):
        alone = ready.opens(column, Replays(struck[run : run + 1], replays["x"].start))
        assert (alone.opens[0, :, n] == told.opens[run, :, n]).all()
        assert (alone.stands[0, :, n] == told.stands[run, :, n]).all()


def test_series_have_a_fifth_of_the_budget_and_detectors_the_rest(long) -> None:
    """The limit of the series is T/B of its share; the detectors' budget is 0.8, and all of it without series."""
    own, ready, replays = long
    assert ready.detectors.state.budget[0] == pytest.approx(0.8)
    assert ready.series.state.limit[0] == pytest.approx(30.0 / (0.2 * 0.9))
    assert CANDIDATES["e_detector"].fit(own, replays).state.budget[0] == 1.0
    assert ready.lines == ("series = true",)
    assert CANDIDATES["e_detector"].fit(own, replays).lines == ("series = false",)


def test_too_little_history_leaves_series_out_and_says_why() -> None:
    """With 28 windows the series cannot race, and detectors race with what they have beside series to come."""
    own = past(14, 28, 150, series=True)
    assert CANDIDATES["series"].unfit(own) == "series need 50 windows of history; there are 28"
    assert CANDIDATES["e_detector"].fit(own, {}).state.budget[0] == pytest.approx(0.8)
    assert CANDIDATES["e_detector"].fit(own, {}).lines == ()
    assert past(14, 60, 60, series=True).detectors == 1.0
    assert CANDIDATES["series"].unfit(past(14, 50, 60)) is None


def test_a_race_with_series_says_what_they_are_worth(long) -> None:
    """Both race on the same replays; their alarms count together against the budget."""
    own = long[0]
    some = {name: CANDIDATES[name] for name in ("e_detector", "series")}
    found = race(own, seed=1, rounds_max=1, candidates=some)
    advice = advise(found, in_force="series")
    entries = {one.name: one for one in advice.entries}
    assert entries["series"].delay == pytest.approx(entries["e_detector"].delay, rel=0.5)
    assert advice.in_force == "series"
    said = str(Advised("m", replace(advice, choice=entries["e_detector"], sure=True), START, START, 0, None))
    assert "e_detector is advised instead of series" in said
    assert "series = false" in said
    assert "from the next round on" in said


@pytest.fixture(scope="module")
def course():
    """A short race on independent rows."""
    own = past(14, 28, 200, mixed=True)
    some = {name: CANDIDATES[name] for name in ("e_detector", "limits_3")}
    return race(own, seed=3, rounds_max=1, candidates=some)


def test_the_race_advises_what_is_fast_within_the_budget(course) -> None:
    """On independent rows the e-detector wins against limits that need three windows; both are told of."""
    advice = advise(course)
    assert advice.choice.name == "e_detector"
    assert advice.sure
    assert advice.choice.rate_high <= advice.budget
    entries = {one.name: one for one in advice.entries}
    assert entries["limits_3"].delay > 1.5 * advice.choice.delay
    assert advice.lead is not None
    assert advice.runner_up is not None
    assert advice.lead[1] <= advice.lead[0] <= advice.lead[2]
    assert advice.regret == 0.0
    with pytest.raises(ValueError, match="in_force='psi': must be one of those who raced"):
        advise(course, in_force="psi")


def test_larger_faults_are_seen_sooner_and_a_delay_of_labels_is_not_seen(course) -> None:
    """Medians fall with the size; labels that come later change no distribution."""
    sights = {(one.fault, one.size): one.delay for one in advise(course).sights}
    steps = [sights["step", size].median for size in FAULTS["step"].sizes]
    assert steps == sorted(steps, reverse=True)
    assert steps[-1] <= 2
    assert sights["unit", 1000.0].median == 1.0
    assert np.isinf(sights["delay", 2.0].median)
    falls = [sights["accuracy", size].mean for size in FAULTS["accuracy"].sizes]
    assert falls == sorted(falls, reverse=True)


def test_the_same_seed_gives_the_same_advice() -> None:
    """All chance comes from the seed."""
    own = past(15, 20, 150)
    some = {"limits": CANDIDATES["limits"]}
    first, second = (race(own, seed=5, rounds_max=1, candidates=some) for _ in range(2))
    assert np.array_equal(first.loss(first.runners[0]), second.loss(second.runners[0]))
    assert first.runners[0].false_alarms == second.runners[0].false_alarms


def test_a_budget_that_nothing_was_shown_to_keep_leaves_what_is_in_force() -> None:
    """With so little budget that a few replays show nothing, the default stays, and is not said to be sure."""
    own = past(15, 20, 150, budget=0.001, series=True)
    some = {name: CANDIDATES[name] for name in ("e_detector", "three_sigma", "series")}
    advice = advise(race(own, seed=5, rounds_max=1, candidates=some))
    assert (advice.choice.name, advice.sure) == ("e_detector", False)
    assert advice.left_out == (("series", "series need 50 windows of history; there are 20"),)
    assert {one.name for one in advice.entries} == {"e_detector", "three_sigma"}
    assert advice.detectors == 0.8


def test_a_race_ends_when_there_is_no_more_time() -> None:
    """It is asked before each round but the first, and progress is told."""
    told: list[tuple[int, int, str]] = []
    own = past(15, 20, 150)
    some = {"limits": CANDIDATES["limits"]}
    found = race(
        own, seed=5, rounds_max=50, candidates=some, go_on=lambda: False, tell=lambda *said: told.append(said)
    )
    assert (found.rounds, found.stopped) == (1, "the time was over")
    assert told[0][:2] == (0, 50)


def test_columns_without_rows_break_nothing() -> None:
    """A column that never came in the windows is replayed as nothing, and no rule is made of it."""
    own = past(0, 20, 150)
    empty = replace(
        own.columns["x"], counts=np.zeros_like(own.columns["x"].counts), past=own.columns["x"].past * 0
    )
    own = replace(own, columns={"x": empty})
    replays = Track.of(own).calm(3, np.random.default_rng(0))
    assert replays["x"].counts.sum() == 0
    ready = CANDIDATES["limits"].fit(own, replays)
    assert not ready.opens(empty, Replays(replays["x"].counts, replays["x"].start)).opens.any()
