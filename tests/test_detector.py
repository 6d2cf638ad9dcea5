"""The default detector: budget, delay, latch, recovery, and what its states and watches promise."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy import special, stats

from vedette.errors import DataError, GridError
from vedette.records import Status
from vedette.statistics import (
    Summary,
    category_grid,
    latency_grid,
    numeric_grid,
    quality_grid,
    summarise_category,
    summarise_numeric,
    summarise_quality,
)
from vedette.strategy import (
    Measure,
    State,
    accept,
    batch_numbers,
    begin,
    describe,
    extend,
    inflation,
    plan,
    source_of,
    verdicts,
)
from vedette.strategy.detector import EDetector
from vedette.strategy.scores import uniform, window_scores
from vedette.strategy.watches import BINS

HOUR = 3600.0
NAMES = ("a", "b", "c", "d")
GRIDS = {
    "distance": numeric_grid("distance", np.random.default_rng(0).normal(size=500)),
    "carrier": category_grid("carrier", {"a": 60, "b": 30, "c": 10}, ["d"]),
    "_quality": quality_grid(("0", "1")),
    "latency_s": latency_grid(),
}


def window(
    random, n=300, *, shift=0.0, scale=1.0, missing=0.02, wrong=0.1, slow=1.0, mix=(0.6, 0.29, 0.1, 0.01)
):
    """Summaries of n rows of one window."""
    label = random.integers(0, 2, n)
    prediction = np.where(random.random(n) < wrong, 1 - label, label)
    score = np.full(n, np.nan)
    values, present = random.normal(size=n) * scale + shift, random.random(n) >= missing
    return {
        "distance": summarise_numeric(GRIDS["distance"], values, present),
        "carrier": summarise_category(GRIDS["carrier"], random.choice(4, n, p=mix), NAMES),
        "_quality": summarise_quality(GRIDS["_quality"], label, prediction, ("0", "1"), score),
        "latency_s": summarise_numeric(GRIDS["latency_s"], random.lognormal(-4, 0.5, n) * slow),
    }


def start(random, columns=tuple(GRIDS), n=3000, windows_per_month=720):
    """A plan over a reference of n rows, and its state."""
    reference = {column: one for column, one in window(random, n).items() if column in columns}
    watches = plan(reference, "model")
    return watches, begin(watches, reference, np.ones(len(watches.key)), windows_per_month=windows_per_month)


def run(watches, state, days):
    """Alarms and recoveries as (window, watch), and the last state."""
    alarms, closed = [], []
    for w, summaries in enumerate(days):
        evidence, state = EDetector().judge(watches.step(summaries, w, w * HOUR), state)
        alarms += [(w, watches.watches[k].id) for k in np.flatnonzero(evidence.alarm)]
        closed += [(w, watches.watches[k].id) for k in np.flatnonzero(evidence.recovered)]
    return alarms, closed, state


def index(watches, name):
    return [watch.id for watch in watches.watches].index(name)


def autoregressive(random, phi, n):
    noise = random.normal(size=n) * np.sqrt(1 - phi * phi)
    for t in range(1, n):
        noise[t] += phi * noise[t - 1]
    return noise


# --- what is watched


def test_watches_of_each_kind():
    """Every kind of column brings its watches, under the names that verdicts show."""
    watches, _ = start(np.random.default_rng(1))
    assert [watch.id for watch in watches.watches] == [
        *("distance.location", "distance.spread", "distance.missing"),
        *("carrier.mix", "carrier.unseen", "carrier.missing"),
        "accuracy",
        *("latency.location", "latency.slow"),
    ]


def test_too_small_a_reference_is_unknown():
    """A column with fewer than 50 rows of reference is not watched, and its verdict is UNKNOWN with the reason."""
    random = np.random.default_rng(2)
    watches = plan({"distance": window(random, 40, missing=0.0)["distance"]}, "model")
    state = begin(watches, {}, np.ones(0), windows_per_month=720)
    found = verdicts(watches, state, 0, "calibrated")
    assert {(one.watch, one.verdict, one.reason) for one in found} == {
        (f"distance.{kind}", Status.UNKNOWN, "fewer than 50 rows in the reference: 40")
        for kind in ("location", "spread", "missing")
    }


def test_counts_keep_every_row():
    """The coarse counts of location hold the finite rows, those of missing all rows."""
    random = np.random.default_rng(3)
    watches, _ = start(random)
    summaries = window(random, 500, missing=0.3)
    counts, one = watches.counts(summaries), summaries["distance"]
    assert counts[0].sum() == one.counts.sum()
    assert counts[2, :2].tolist() == [one.counts.sum(), one.missing[0]]


def test_nan_and_infinity_count_as_missing():
    """A value that is NaN or infinite is no value: the watch of missing values sees it."""
    random = np.random.default_rng(4)
    watches, _ = start(random, ("distance",))
    values = np.r_[np.full(10, np.nan), np.full(20, np.inf), np.zeros(70)]
    counts = watches.counts({"distance": summarise_numeric(GRIDS["distance"], values)})
    assert counts[2, :2].tolist() == [70, 30]


def test_a_level_that_the_pilot_had_not_is_unseen():
    """Known levels of the reference that the pilot had not, and levels never seen, are one share."""
    random = np.random.default_rng(5)
    watches, _ = start(random, ("carrier",))
    row = watches.first[index(watches, "carrier.unseen")]
    counts = watches.counts(
        {"carrier": summarise_category(GRIDS["carrier"], [0, 1, 2, 3], ("a", "b", "d", "z"))}
    )
    assert counts[row, :2].tolist() == [2, 2]


def test_many_steps_at_once_are_the_steps_one_by_one():
    """The steps of forty windows, with a column that has none, are those of each window alone."""
    random = np.random.default_rng(12)
    watches, _ = start(random)
    days = [window(random, 80) for _ in range(40)]
    whole = {
        name: Summary.stack([day[name] for day in days]) for name in ("distance", "carrier", "latency_s")
    }
    many = list(watches.steps(whole, range(40), [w * HOUR for w in range(40)]))
    for w, (day, step) in enumerate(zip(days, many, strict=True)):
        one = watches.step({name: day[name] for name in whole}, w, w * HOUR)
        assert np.array_equal(one.counts, step.counts)
        assert (one.window, one.start) == (step.window, step.start)


def test_another_grid_is_refused():
    """Counts on another grid than the plan's are an error, never a silent comparison."""
    random = np.random.default_rng(6)
    watches, _ = start(random, ("distance",))
    other = numeric_grid("distance", random.normal(size=300))
    with pytest.raises(GridError, match="came on grid"):
        watches.counts({"distance": summarise_numeric(other, np.zeros(60))})


# --- scores


def score(pool, counts, measure, chance=0.5):
    """z of windows within pools that hold them."""
    pool, counts = np.atleast_2d(pool), np.atleast_2d(counts)
    kinds, free = np.full(len(pool), measure, dtype=np.int8), np.zeros(len(pool), dtype=np.int8)
    told = np.broadcast_to(chance, len(pool))
    return window_scores(pool - counts, counts, kinds, free, lambda rows: told[rows]).z


def test_location_score_is_the_rank_sum_test():
    """z of a window within its pool is the Wilcoxon-Mann-Whitney z with ties and without continuity correction."""
    random = np.random.default_rng(7)
    reference, current = (
        random.multinomial(400, np.ones(BINS) / BINS),
        random.multinomial(150, np.arange(1, 33) / 528),
    )
    cells = np.arange(BINS)
    expected = stats.mannwhitneyu(
        np.repeat(cells, current), np.repeat(cells, reference), use_continuity=False, method="asymptotic"
    )
    z = score(reference + current, current, Measure.LOCATION)
    assert 2 * stats.norm.sf(abs(z[0])) == pytest.approx(expected.pvalue, rel=1e-9)


def test_share_score_is_the_exact_test():
    """z of a share is Phi^-1 of the randomised hypergeometric p-value."""
    pool, counts = np.zeros((2, 1, BINS), dtype=np.int64)
    pool[0, :2], counts[0, :2] = (960, 40), (190, 10)
    law = stats.hypergeom(1000, 40, 200)
    z = score(pool, counts, Measure.SHARE, chance=0.3)
    assert special.ndtr(-z[0]) == pytest.approx(law.sf(10) + 0.3 * law.pmf(10), rel=1e-9)


def test_scores_of_a_lopsided_column_are_normal():
    """Where nearly all rows share one value, the score is exact: its e-values average 1, not thousands."""
    random = np.random.default_rng(8)
    n = 20_000
    pool = np.zeros((n, BINS), dtype=np.int64)
    pool[:, 0], pool[:, 1], pool[:, 2] = 9960, 30, 10
    counts = np.zeros_like(pool)
    counts[:, :3] = random.multivariate_hypergeometric([9960, 30, 10], 500, size=n)
    z = score(pool, counts, Measure.LOCATION, random.random(n))
    assert np.exp(2.5 * z - 2.5**2 / 2).mean() < 2.0
    assert stats.kstest(z, "norm").pvalue > 0.01


def test_p_values_in_sequence_are_uniform_and_independent():
    """Over the windows of one stream the exact p-values are uniform and not correlated with those before."""
    random = np.random.default_rng(9)
    pool, p = np.zeros((200, BINS), dtype=np.int64), []
    pool[:, :2] = random.multinomial(300, [0.9, 0.1], size=200)
    for _ in range(30):
        counts = np.zeros_like(pool)
        counts[:, :2] = random.multinomial(100, [0.9, 0.1], size=200)
        pool += counts
        z = score(pool, counts, Measure.SHARE, random.random(200))
        p.append(special.ndtr(z))
    table = np.array(p)
    assert stats.kstest(table.ravel(), "uniform").pvalue > 0.01
    assert abs(np.corrcoef(table[:-1].ravel(), table[1:].ravel())[0, 1]) < 0.04


def test_chance_is_uniform_and_repeats():
    """The seeded numbers are uniform over rows, differ between windows, and are the same in every run."""
    key = np.random.default_rng(10).integers(0, 2**63, 5000).astype(np.uint64)
    none = np.zeros(5000, dtype=np.int64)
    one, next_one = uniform(key, 0.0, none), uniform(key, HOUR, none)
    assert stats.kstest(one, "uniform").pvalue > 0.01
    assert abs(np.corrcoef(one, next_one)[0, 1]) < 0.05
    assert np.array_equal(one, uniform(key, 0.0, none))


# --- inflation


def batches_of(values):
    batch, n = batch_numbers(len(values))
    return {"x": summarise_numeric(numeric_grid("x", values[:500]), values, None, batch, n)}


def inflation_of(values):
    some = batches_of(values)
    return inflation(plan({"x": some["x"].merged()}, "model"), some)[0]


def test_independent_rows_are_not_inflated():
    """Rows that do not hang together keep a variance inflation near 1, but for the margin."""
    assert 1.0 <= inflation_of(np.random.default_rng(11).normal(size=20_000)) < 1.35


@pytest.mark.parametrize("phi", [0.5, 0.8])
def test_autocorrelated_rows_are_inflated(phi):
    """For an AR(1) the inflation lies near theory, (1 + phi)/(1 - phi), within a third."""
    values = autoregressive(np.random.default_rng(12), phi, 30_000)
    assert inflation_of(values) == pytest.approx((1 + phi) / (1 - phi), rel=0.33)


def test_a_short_reference_has_the_cautious_inflation():
    """Where there are no batches to compare, 2.5 is assumed."""
    random = np.random.default_rng(13)
    watches, _ = start(random, ("distance",))
    assert inflation(watches, {}).tolist() == [2.5, 2.5, 2.5]


def test_the_rows_of_a_source_are_found_without_a_search():
    """Each source has the rows of its watches, and finding those of many takes no longer for each than of few."""
    random = np.random.default_rng(14)
    reference = window(random, 3000) | {
        source_of("distance", f"r={at}"): one
        for at in range(400)
        for one in [window(random, 60 if at % 2 else 40)["distance"]]
    }
    watches = plan(reference, "model")
    ends = np.append(watches.first, len(watches.key))
    for source in watches.grids:
        own = [at for at, watch in enumerate(watches.watches) if watch.source == source]
        rows = watches.rows_of(source)
        expected = range(int(ends[own[0]]), int(ends[own[-1] + 1])) if own else range(0)
        assert range(rows.start, rows.stop) == expected
    assert watches.rows_of("no such column") == slice(0, 0)


def test_inflation_of_many_segments_takes_moments():
    """2,000 sources in less than two seconds of the processor: the search alone took five."""
    random = np.random.default_rng(15)
    one = batches_of(random.normal(size=1000))["x"]
    batches = {source_of("x", f"r={at}"): one for at in range(2000)}
    watches = plan({source: some.merged() for source, some in batches.items()}, "model")
    begun = time.process_time()
    found = inflation(watches, batches)
    assert time.process_time() - begun < 2.0
    assert np.array_equal(found.reshape(2000, 3), np.tile(found[:3], (2000, 1)))


def noise_over(values, n_windows):
    """v0 of location by batches alone, and with windows of time beside them."""
    grid = numeric_grid("x", values[:500])
    batch, n_batches = batch_numbers(len(values))
    day = np.arange(len(values)) * n_windows // len(values)
    batches = {"x": summarise_numeric(grid, values, None, batch, n_batches)}
    windows = {"x": summarise_numeric(grid, values, None, day, n_windows)}
    watches = plan({"x": batches["x"].merged()}, "model")
    return inflation(watches, batches)[0], inflation(watches, batches, windows)[0]


def test_days_that_differ_inflate_by_the_rows_of_a_day():
    """With a day effect of 0.1 sd and 2,000 rows a day, v is 1 + 2,000 x 0.01 = 21, not the 2 of 100 rows."""
    random = np.random.default_rng(32)
    values = random.normal(size=80_000) + np.repeat(random.normal(scale=0.1, size=40), 2000)
    by_batches, by_days = noise_over(values, 40)
    assert (by_batches < 4, 14 < by_days < 35) == (True, True)


def test_hours_that_differ_do_not_inflate_days():
    """A daily wave makes neighbouring rows alike, but days that all have it do not differ."""
    random = np.random.default_rng(33)
    wave = np.sin(2 * np.pi * np.arange(40_000) / 1000)
    by_batches, by_days = noise_over(random.normal(size=40_000) + wave, 40)
    assert (by_batches > 10, by_days < 2) == (True, True)


def test_few_windows_leave_the_batches_to_decide():
    """Seven windows are too few to say anything that batches do not."""
    by_batches, by_days = noise_over(autoregressive(np.random.default_rng(34), 0.5, 7000), 7)
    assert by_days == by_batches


# --- false alarms and delay


@pytest.mark.parametrize("phi", [0.0, 0.5])
def test_false_alarms_keep_the_budget(phi):
    """A budget of 5 a month over 60 watches holds for independent and for autocorrelated rows (AR .5)."""
    random = np.random.default_rng(14)
    n_alarms, n_days, n_runs, n, n_columns = 0, 60, 4, 200, 20
    names = [f"x{i}" for i in range(n_columns)]
    for _ in range(n_runs):
        rows = np.stack([autoregressive(random, phi, (15 + n_days) * n) for _ in names])
        grids = {name: numeric_grid(name, rows[i, : 5 * n]) for i, name in enumerate(names)}
        batch, n_batches = batch_numbers(10 * n)
        held = {
            name: summarise_numeric(grids[name], rows[i, 5 * n : 15 * n], None, batch, n_batches)
            for i, name in enumerate(names)
        }
        reference = {name: one.merged() for name, one in held.items()}
        watches = plan(reference, "model")
        state = begin(watches, reference, inflation(watches, held), windows_per_month=30, budget=5.0)
        day = np.repeat(np.arange(n_days), n)
        days = {
            name: summarise_numeric(grids[name], rows[i, 15 * n :], None, day, n_days)
            for i, name in enumerate(names)
        }
        n_alarms += len(
            run(watches, state, [{k: v.take([d]) for k, v in days.items()} for d in range(n_days)])[0]
        )
    assert n_alarms <= stats.poisson(5.0 * n_runs * n_days / 30).ppf(0.975)


def test_delay_on_half_a_deviation():
    """A shift of 0.5 sd from window 10 on is told within two windows of 300 rows, in eight runs of eight."""
    delays = []
    for seed in range(8):
        random = np.random.default_rng(100 + seed)
        watches, state = start(random, ("distance",))
        days = [window(random, shift=0.5 if w >= 10 else 0.0) for w in range(16)]
        alarms, _, _ = run(watches, state, days)
        delays.append(next(w - 9 for w, name in alarms if name == "distance.location"))
    assert max(delays) <= 2


@pytest.mark.parametrize(
    ("change", "watch"),
    [
        ({"shift": 0.5}, "distance.location"),
        ({"shift": -0.5}, "distance.location"),
        ({"scale": 1.6}, "distance.spread"),
        ({"scale": 0.6}, "distance.spread"),
        ({"missing": 0.2}, "distance.missing"),
        ({"mix": (0.3, 0.59, 0.1, 0.01)}, "carrier.mix"),
        ({"mix": (0.58, 0.27, 0.08, 0.07)}, "carrier.unseen"),
        ({"wrong": 0.25}, "accuracy"),
        ({"slow": 1.5}, "latency.location"),
        ({"slow": 1.5}, "latency.slow"),
    ],
)
def test_each_fault_reaches_its_watch(change, watch):
    """Every kind of change alarms the watch that is named after it, within eight windows."""
    random = np.random.default_rng(15)
    watches, state = start(random)
    days = [window(random) for _ in range(10)] + [window(random, **change) for _ in range(8)]
    alarms, _, _ = run(watches, state, days)
    assert watch in {name for w, name in alarms if w >= 10}


@pytest.mark.parametrize(
    ("change", "watch"), [({"wrong": 0.02}, "accuracy"), ({"slow": 0.5}, "latency.location")]
)
def test_a_change_for_the_better_is_silent(change, watch):
    """Accuracy that rises and latency that falls alarm nobody."""
    random = np.random.default_rng(16)
    watches, state = start(random)
    days = [window(random) for _ in range(10)] + [window(random, **change) for _ in range(20)]
    alarms, _, _ = run(watches, state, days)
    assert watch not in {name for _, name in alarms}


# --- latch and recovery


def test_the_alarm_tells_when_it_began():
    """``since`` is the window where the evidence began, ``opened`` the window that told."""
    random = np.random.default_rng(17)
    watches, state = start(random, ("distance",))
    alarms, _, state = run(watches, state, [window(random, shift=0.3 if w >= 12 else 0.0) for w in range(20)])
    told = next(w for w, name in alarms if name == "distance.location")
    assert (state.since[0] / HOUR, state.opened[0] / HOUR) == (12, told)


def test_the_verdict_is_latched_while_the_fault_lasts():
    """A fault that stays for 60 windows is one alarm, and the verdict is ALARM all along."""
    random = np.random.default_rng(18)
    watches, state = start(random)
    days = [window(random, shift=0.6 if w >= 10 else 0.0) for w in range(70)]
    alarms, closed, state = run(watches, state, days)
    assert [name for _, name in alarms].count("distance.location") == 1
    assert (bool(state.latched[0]), closed) == (True, [])


def test_the_verdict_recovers_when_the_fault_ends():
    """A fault of ten windows closes soon after it ended, and the return to normal is no new alarm."""
    random = np.random.default_rng(19)
    watches, state = start(random)
    fault = {"shift": 1.0, "wrong": 0.3, "missing": 0.3, "slow": 2.0}
    days = [window(random, **(fault if 10 <= w < 20 else {})) for w in range(60)]
    alarms, closed, state = run(watches, state, days)
    last = {name: w for w, name in closed}
    assert {"distance.location", "distance.missing", "accuracy", "latency.slow"} <= set(last)
    assert max(last.values()) <= 26
    assert not state.latched.any()
    assert max(w for w, _ in alarms) < 20


def test_a_closed_incident_leaves_the_pool():
    """After recovery the rows judged during the alarm are no part of what is normal."""
    random = np.random.default_rng(20)
    watches, state = start(random, ("distance",))
    days = [window(random, missing=0.0, shift=3.0 if 10 <= w < 20 else 0.0) for w in range(40)]
    _, closed, after = run(watches, state, days)
    told, gone = (
        int(after.pool[0].sum() - state.pool[0].sum()),
        next(w for w, n in closed if n == "distance.location"),
    )
    assert told == 300 * (40 - 2 - (gone - 10 + 1))  # nor are the two windows of the warm-up


def test_a_small_change_must_be_seen_to_go():
    """A lasting shift below the tolerance that alarmed stays an alarm: it did not get better."""
    random = np.random.default_rng(21)
    watches, state = start(random, ("distance",), n=20_000)
    days = [window(random, 3000, shift=0.15 if w >= 5 else 0.0) for w in range(30)]
    alarms, closed, state = run(watches, state, days)
    assert ("distance.location" in {name for _, name in alarms}, closed) == (True, [])


def test_an_accepted_alarm_is_closed():
    """A person who accepts takes the latch off; other watches keep theirs."""
    random = np.random.default_rng(22)
    watches, state = start(random)
    days = [window(random, shift=1.0 if w >= 5 else 0.0, missing=0.3 if w >= 5 else 0.0) for w in range(12)]
    _, _, state = run(watches, state, days)
    mask = np.arange(len(watches.watches)) == index(watches, "distance.location")
    after = accept(state, mask)
    assert (after.latched & mask).any() == False  # noqa: E712 - numpy's bool
    assert np.array_equal(after.latched[~mask], state.latched[~mask])


def test_an_accepted_change_is_not_told_again():
    """After acceptance the new level is normal: no second alarm while it stays, and one when it ends."""
    random = np.random.default_rng(23)
    watches, state = start(random, ("distance",))
    _, _, state = run(watches, state, [window(random, shift=0.5 if w >= 5 else 0.0) for w in range(40)])
    state = accept(state, np.ones(3, dtype=bool))
    alarms = []
    for w in range(40, 80):
        summaries = window(random, shift=0.5 if w < 70 else 0.0)
        evidence, state = EDetector().judge(watches.step(summaries, w, w * HOUR), state)
        alarms += [(w, k) for k in np.flatnonzero(evidence.alarm).tolist()]
    assert [(70 <= w < 73, k) for w, k in alarms] == [(True, 0)]


# --- verdicts in words


def test_evidence_in_words():
    """The evidence names what moved, by how much, and the two numbers it was decided by."""
    random = np.random.default_rng(24)
    watches, state = start(random)
    _, _, state = run(watches, state, [window(random, shift=0.5, wrong=0.3) for _ in range(6)])
    location, accuracy = (
        describe(watches, state, index(watches, n)) for n in ("distance.location", "accuracy")
    )
    assert location.startswith("location moved by +0.")
    assert " needed" in location
    assert accuracy.startswith("accuracy went from ")


def test_a_silent_model_is_unknown():
    """What was judged is OK for some windows; after that it is UNKNOWN with the reason, never green."""
    random = np.random.default_rng(25)
    watches, state = start(random, ("distance",))
    _, _, state = run(watches, state, [window(random) for _ in range(5)])
    words = [verdicts(watches, state, w, "calibrated")[0].verdict for w in (4, 7, 8)]
    assert words == [Status.OK, Status.OK, Status.UNKNOWN]


def test_too_few_rows_are_unknown():
    """Before the first judgement the verdict says how many rows there are."""
    random = np.random.default_rng(26)
    watches, state = start(random, ("distance",))
    _, _, state = run(watches, state, [window(random, 12, missing=0.0)])
    found = verdicts(watches, state, 0, "calibrated")[0]
    assert (found.verdict, found.reason) == (Status.UNKNOWN, "fewer than 50 rows: 12")


# --- budget shares and stored states


def test_shares_never_exceed_the_budget():
    """However many watches join, and however often, the shares ever given add up to 1 at most."""
    random = np.random.default_rng(27)
    reference = {}
    given, state = 0.0, None
    for number in range(30):
        name = f"x{number}"
        values = random.normal(size=200)
        reference[name] = summarise_numeric(numeric_grid(name, values), values)
        watches = plan(reference, "model")
        noise = np.ones(len(watches.key))
        if state is None:
            state = begin(watches, reference, noise, windows_per_month=720)
        else:
            state = extend(state, watches, reference, noise)
        given = float(state.weight.sum())
    assert 0.9 < given < 1.0


def test_a_watch_that_stays_keeps_its_evidence():
    """When a column joins, the watches that were there keep state and share, wherever they stand now."""
    random = np.random.default_rng(28)
    reference = window(random, 3000)
    one = plan({"distance": reference["distance"]}, "model")
    state = begin(one, reference, np.ones(len(one.key)), windows_per_month=720)
    _, _, state = run(one, state, [window(random) for _ in range(6)])
    both = plan({"carrier": reference["carrier"], "distance": reference["distance"]}, "model")
    after = extend(state, both, reference, np.ones(len(both.key)))
    rows = both.rows_of("distance")
    assert np.array_equal(after.bets[rows], state.bets)
    assert np.array_equal(after.pool[rows], state.pool)
    assert np.array_equal(after.weight[3:], state.weight)
    assert np.array_equal(after.winner[3:] - after.first[3:], state.winner - state.first)


@pytest.mark.parametrize("damage", [b"", b"VDSTATE0", b"VDSTATE1", b"cut", b"flip"])
def test_a_damaged_state_is_refused(damage):
    """Bytes that are not a whole state of this version are a DataError."""
    whole = start(np.random.default_rng(29), ("distance",))[1].to_bytes()
    data = {b"cut": whole[:-20], b"flip": whole[:-40] + b"\x00" * 40}.get(damage, damage)
    with pytest.raises(DataError, match="state"):
        State.from_bytes(data)


@pytest.mark.parametrize(("windows", "budget"), [(0.0, 1.0), (720.0, 0.0), (720.0, -1.0)])
def test_an_impossible_budget_is_refused(windows, budget):
    """A budget or a month of nothing is an error that names both."""
    reference = window(np.random.default_rng(30), 300)
    watches = plan(reference, "model")
    with pytest.raises(ValueError, match="must be greater than 0"):
        begin(watches, reference, np.ones(len(watches.key)), windows_per_month=windows, budget=budget)


def test_an_impossible_tolerance_is_refused():
    """A tolerance of nothing could never be met."""
    with pytest.raises(ValueError, match=r"tolerance=0\.0"):
        EDetector(tolerance=0.0)


def test_a_common_shock_calms_the_prior():
    """After windows in which all watches swing, even a watch that was calm is scaled by their common noise."""
    random = np.random.default_rng(31)
    names = [f"x{i}" for i in range(10)]
    pilot = random.normal(size=500)
    grids = {name: numeric_grid(name, pilot) for name in names}
    reference = {name: summarise_numeric(grids[name], random.normal(size=2000)) for name in names}
    watches = plan(reference, "model")
    state = begin(watches, reference, np.ones(len(watches.key)), windows_per_month=720, budget=1e-9)
    days = []
    for w in range(6):
        sign = 1 - 2 * (w % 2)
        days.append(
            {name: summarise_numeric(grids[name], random.normal(size=400) + 0.3 * sign) for name in names}
        )
    _, _, after = run(watches, state, days)
    assert (EDetector()._scale(after) > 10).all()


def test_days_of_another_level_are_no_change_of_spread():
    """Each of 360 days lies about a level of its own: alarms of spread stay far within twelve months of one each."""
    told = []
    for seed in range(3):
        random = np.random.default_rng(seed)

        def day(random=random, n=20_000):
            return random.normal(random.normal(0, 0.2), 1, n)

        rows = np.concatenate([day() for _ in range(10)])
        reference = {"distance": summarise_numeric(GRIDS["distance"], rows)}
        watches = plan(reference, "model")
        state = begin(watches, reference, np.array([960.0, 1.0, 1.0]), windows_per_month=30)
        days = [{"distance": summarise_numeric(GRIDS["distance"], day())} for _ in range(120)]
        told += [watch for _, watch in run(watches, state, days)[0]]
    assert told.count("distance.spread") <= 4


def test_a_wider_spread_is_told_where_levels_differ():
    """Beside levels that differ from window to window, values spread by a quarter more from window 40 on."""
    random = np.random.default_rng(3)
    reference = {
        "distance": summarise_numeric(
            GRIDS["distance"],
            np.concatenate([random.normal(random.normal(0, 0.15), 1, 4000) for _ in range(10)]),
        )
    }
    watches = plan(reference, "model")
    state = begin(watches, reference, np.array([90.0, 1.0, 1.0]), windows_per_month=30)
    days = [
        {
            "distance": summarise_numeric(
                GRIDS["distance"], random.normal(random.normal(0, 0.15), 1.25 if day >= 40 else 1.0, 4000)
            )
        }
        for day in range(60)
    ]
    alarms = [day for day, watch in run(watches, state, days)[0] if watch == "distance.spread"]
    assert alarms
    assert 40 <= alarms[0] <= 43


def test_acceptance_of_a_level_is_one_of_its_spread_too():
    """After the location of a column was accepted its spread is judged against the same rows: no alarm follows."""
    for seed in range(8):
        random = np.random.default_rng(seed)
        watches, state = start(random, ("distance",))
        _, _, state = run(watches, state, [window(random, shift=0.5 if w >= 5 else 0.0) for w in range(40)])
        state = accept(state, np.ones(3, dtype=bool))
        for w in range(40, 70):
            evidence, state = EDetector().judge(watches.step(window(random, shift=0.5), w, w * HOUR), state)
            assert not evidence.alarm.any()


@pytest.mark.parametrize("shift", [0.25, 0.5])
def test_a_level_that_is_there_from_the_first_window_on_is_a_change(shift: float) -> None:
    """Skew between training and serving in one of 20 independent columns: told within six days, and it alone."""
    random = np.random.default_rng(11)
    names = [f"x{at:02d}" for at in range(20)]
    grids = {name: numeric_grid(name, random.normal(size=1000)) for name in names}
    reference = {name: summarise_numeric(grid, random.normal(size=4000)) for name, grid in grids.items()}
    watches = plan(reference, "model")
    state = begin(watches, reference, np.ones(len(watches.key)), windows_per_month=30)
    told: dict[str, int] = {}
    for day in range(10):
        rows = {
            name: summarise_numeric(grid, random.normal(shift * (name == "x00"), size=2000))
            for name, grid in grids.items()
        }
        evidence, state = EDetector().judge(watches.step(rows, day, day * 86400.0), state)
        for k in np.flatnonzero(evidence.alarm):
            told.setdefault(watches.watches[k].id, day + 1)
    assert {name.split(".")[0] for name in told} == {"x00"}
    assert told["x00.location"] <= 6
