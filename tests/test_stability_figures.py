"""The pure figures of stability: against scipy and brute force, and the coverage of each interval by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from vedette.records import Status
from vedette.strategy.stability import (
    WINDOWS,
    Latencies,
    Looked,
    availability,
    budget,
    burns,
    crash_loop,
    exhausted_in,
    exhaustion,
    looked,
    restarts_per_day,
    sameness,
    saturation,
    slower,
    time_between,
    windows_of,
)
from vedette.strategy.stability.budget import share_bad

DAY = 86_400.0


def chain(rng: np.random.Generator, up: float, down: float, n: int, lengths: str) -> np.ndarray:
    """Whether each of n looks, 15 s apart, finds a process up: times up exponential, outages of one of three shapes."""
    many = int(3 * n * 15 / up + 50)
    ups = rng.exponential(up, many)
    downs = {
        "exponential": rng.exponential(down, many),
        "fixed": np.full(many, down),
        "long-tailed": down * np.exp(rng.normal(-0.5, 1.0, many)),
    }[lengths]
    turns = np.cumsum(np.stack([ups, downs], axis=1).ravel())
    at = 10 * (up + down) + 15.0 * np.arange(n)  # by then it does not matter where it began
    return np.searchsorted(turns, at, side="right") % 2 == 0


# --- availability ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_looks_are_counted_as_by_hand(seed: int) -> None:
    """Time observed, time down, outages and gaps are those that a loop over the looks finds."""
    rng = np.random.default_rng(seed)
    times = np.sort(rng.choice(400, 60, replace=False)).astype(float)
    up = rng.random(60) < 0.7
    observed, down, outages, before = 0.0, 0.0, [], True
    for one, (at, is_up) in enumerate(zip(times, up, strict=True)):
        until = times[one + 1] if one + 1 < len(times) else at + 5.0
        span = min(until - at, 7.5)
        observed += span
        if not is_up:
            down += span
            if before:
                outages.append(0.0)
            outages[-1] += span
        before = bool(is_up)
    shuffled = rng.permutation(60)
    found = looked(times[shuffled], up[shuffled], 5.0)
    assert found.observed_s == pytest.approx(observed)
    assert found.down_s == pytest.approx(down)
    assert found.outages.tolist() == pytest.approx(outages)
    assert found.completeness == pytest.approx(observed / (times[-1] + 5.0 - times[0]))


@pytest.mark.parametrize(
    ("up", "down", "days", "lengths", "least"),
    [
        (86_400.0, 300.0, 30, "exponential", 0.93),
        (20_000.0, 300.0, 2, "exponential", 0.93),
        (3600.0, 300.0, 3, "exponential", 0.93),
        (20_000.0, 300.0, 7, "fixed", 0.95),
        (20_000.0, 600.0, 7, "long-tailed", 0.93),
    ],
)
def test_the_interval_of_availability_holds_the_truth(
    up: float, down: float, days: int, lengths: str, least: float
) -> None:
    """Failures in runs, of whatever lengths: at least 93 of a hundred intervals hold the truth (nominal 95)."""
    rng = np.random.default_rng(11)
    n, held = 200, 0
    looks = 15.0 * np.arange(days * 5760)
    for _ in range(n):
        found = availability(looked(looks, chain(rng, up, down, len(looks), lengths), 15.0))
        held += found.low <= up / (up + down) <= found.high
    assert held / n >= least - 0.02  # and the noise of 200


def test_looks_taken_for_independent_would_be_wrong() -> None:
    """What it is for: an interval of a share of independent looks holds the truth under half of the time."""
    rng = np.random.default_rng(3)
    looks = 15.0 * np.arange(7 * 5760)
    held = 0
    for _ in range(100):
        is_up = chain(rng, 20_000.0, 600.0, len(looks), "exponential")
        limits = stats.binomtest(int(is_up.sum()), len(is_up)).proportion_ci(method="wilson")
        held += limits.low <= 20_000 / 20_600 <= limits.high
    assert held < 50


def test_without_an_outage_the_limit_is_that_of_no_event() -> None:
    """1 less the upper Poisson limit of nothing seen, times the length that an outage is taken to have."""
    found = availability(Looked(30 * DAY, 0.0, np.zeros(0), 1.0, 172_800), outage_s=600.0)
    limit = stats.chi2.ppf(0.975, 2) / 2 * 600.0 / (30 * DAY)
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(1 - limit)
    assert not availability(looked([], [], 15.0)).known


def test_one_that_was_never_up_is_told() -> None:
    """All looks down: the availability is 0, and how it would go on is not known."""
    found = availability(looked(15.0 * np.arange(10), np.zeros(10), 15.0))
    assert (found.value, found.low, found.high) == (0.0, 0.0, 1.0)


# --- restarts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 7, 100])
def test_time_between_restarts_has_chi_square_limits(n: int) -> None:
    """2T over the quantiles of chi-square, as scipy has them."""
    found = time_between(n, 1000.0)
    assert found.value == pytest.approx(1000.0 / n)
    assert found.low == pytest.approx(2000 / stats.chi2.ppf(0.975, 2 * n + 2))
    assert found.high == pytest.approx(2000 / stats.chi2.ppf(0.025, 2 * n))
    rate = restarts_per_day(n, 1000.0)
    assert rate.value == pytest.approx(DAY / found.value)
    assert (rate.low, rate.high) == pytest.approx((DAY / found.high, DAY / found.low))


def test_without_a_restart_the_least_time_is_said() -> None:
    """There is no value, and the limit that is known is in the reason."""
    found = time_between(0, 86_400.0)
    least = 2 * 86_400.0 / stats.chi2.ppf(0.975, 2)
    assert not found.known
    assert f"at least {least:.6g} s" in str(found.reason)


@pytest.mark.parametrize("shape", [1.0, 0.5, 0.3])
def test_intervals_of_restarts_hold_the_truth_in_bursts_too(shape: float) -> None:
    """Gamma times between restarts, of the exponential's shape and of burstier ones: 92 of a hundred and more."""
    rng = np.random.default_rng(5)
    held = n = 0
    for _ in range(600):
        at = np.cumsum(rng.gamma(shape, 100.0 / shape, 300))
        at = at[(at > 3000) & (at < 7000)]
        found = time_between(len(at), 4000.0, np.diff(at))
        n += found.known
        held += found.low <= 100.0 <= found.high
    assert held / n > 0.915


def test_a_constant_rate_is_hardly_ever_called_a_crash_loop() -> None:
    """Looked at after each of 40 restarts, for ever: at most the level."""
    rng = np.random.default_rng(8)
    found = [
        crash_loop(at, 0.0, float(at[-1]), level=0.05).going_on
        for _ in range(300)
        for at in [np.cumsum(rng.exponential(1000.0, 40))]
    ]
    assert np.mean(found) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 300)


def test_the_chance_of_a_crash_loop_is_that_of_simulation() -> None:
    """The share of the last three of ten times between is as rare at a constant rate as the p-value says."""
    rng = np.random.default_rng(2)
    gaps = rng.exponential(1.0, (200_000, 10))
    share = gaps[:, -3:].sum(axis=1) / gaps.sum(axis=1)
    assert np.mean(share <= 0.05) == pytest.approx(stats.beta.cdf(0.05, 3, 7), abs=0.0006)
    at = np.concatenate([np.arange(1, 8) * 100.0, 700.0 + np.arange(1, 4)])
    found = crash_loop(at, 0.0, 704.0)
    beta = min(stats.beta.cdf(sum([1.0] * 3 + [100.0] * (k - 3)) / 703.0, k, 10 - k) for k in range(3, 10))
    assert found.p_value == pytest.approx(beta * 7)


def test_a_crash_loop_is_found_and_ends() -> None:
    """Restarts a day, then one in 30 s: found by the fourth, going on while they come, over when it was long quiet."""
    days = [DAY * one for one in range(1, 15)]
    loop = [15.2 * DAY + 30.0 * one for one in range(5)]
    assert crash_loop([*days, *loop[:2]], 0.0, loop[1]).going_on is False
    found = crash_loop([*days, *loop], 0.0, loop[-1] + 20.0)
    assert found.going_on is True
    assert found.k in (3, 4)
    assert f"{found.k} restarts within" in found.words
    assert crash_loop([*days, *loop], 0.0, loop[-1] + 3600.0).going_on is False
    assert crash_loop([1.0, 2.0], 0.0, 3.0).reason is not None


# --- objectives -----------------------------------------------------------------------------------------------------


def test_the_windows_are_those_of_the_workbook() -> None:
    """Table 5-8: 2 % of the budget in an hour, 5 % in six, 10 % in three days; for any period the same shares."""
    assert [(one.factor, one.long_s, one.short_s) for one in WINDOWS] == [
        (14.4, 3600, 300),
        (6.0, 21_600, 1800),
        (1.0, 259_200, 21_600),
    ]
    for days in (1, 7, 30, 90):
        shares = [one.budget_share(days * DAY) for one in windows_of(days * DAY)]
        assert shares == pytest.approx([0.02, 0.05, 0.1])


@pytest.mark.parametrize("seed", range(10))
def test_burn_rates_are_those_of_brute_force(seed: int) -> None:
    """Each is the share of bad rows whose bucket ends within the window, over what is allowed; both must be reached."""
    rng = np.random.default_rng(seed)
    ends = np.arange(60.0, 4 * DAY, 60.0)
    total = rng.poisson(20, len(ends)).astype(float)
    bad = rng.binomial(total.astype(int), np.where(ends > 4 * DAY - 4000 * seed, 0.05, 0.001)).astype(float)
    now = float(ends[-1])
    for one in burns(ends, bad, total, now, 0.995):
        rates = []
        for length in (one.window.long_s, one.window.short_s):
            wrong = every = 0.0
            for end, b, n in zip(ends.tolist(), bad.tolist(), total.tolist(), strict=True):
                if now - length < end <= now:
                    wrong, every = wrong + b, every + n
            rates.append(wrong / every / 0.005)
        assert (one.long, one.short) == pytest.approx(tuple(rates))
        assert one.broken == all(rate >= one.window.factor for rate in rates)


def test_a_short_outage_that_is_over_is_not_told() -> None:
    """The long window still burns, the short one does not: nobody is woken for what has ended."""
    ends = np.arange(60.0, 7260.0, 60.0)
    bad = np.where((ends > 4000) & (ends <= 5200), 100.0, 0.0)
    first = burns(ends, bad, np.full(120, 100.0), 7200.0, 0.999)[0]
    assert first.long > 14.4
    assert first.broken is False


def test_too_few_rows_tell_nothing() -> None:
    """One bad of ten is no burn of a hundred times."""
    found = burns([60.0], [1.0], [10.0], 60.0, 0.999, min_rows=50)
    assert [one.broken for one in found] == [None, None, None]


def test_the_interval_of_a_share_knows_that_bad_rows_come_in_bursts() -> None:
    """Bursts of 20 minutes among a week: 93 of a hundred and more hold the truth; of independent rows far fewer do."""
    rng = np.random.default_rng(4)
    minutes, held, naive, n = 1440 * 7, 0, 0, 300
    truth = 0.001 + (1 - math.exp(-20 / 700)) * 0.049
    for _ in range(n):
        rate = np.full(minutes, 0.001)
        for start in np.flatnonzero(rng.random(minutes) < 1 / 700):
            rate[start : start + rng.geometric(1 / 20)] = 0.05
        rows = rng.poisson(100, minutes)
        bad = rng.binomial(rows, rate)
        found = share_bad(bad, rows)
        held += found.low <= truth <= found.high
        limits = stats.binomtest(int(bad.sum()), int(rows.sum())).proportion_ci(method="wilson")
        naive += limits.low <= truth <= limits.high
    assert held / n > 0.92
    assert naive / n < 0.7


def test_the_budget_and_when_it_is_used_up() -> None:
    """A quarter is used, at present eight times what is allowed: in three quarters of an eighth of the period."""
    whole = budget(np.full(100, 2.5), np.full(100, 10_000.0), 0.999)
    assert whole.left.value == pytest.approx(0.75)
    assert whole.left.low <= 0.75 <= whole.left.high
    later = exhausted_in(whole.left, np.full(60, 80.0), np.full(60, 10_000.0), 0.999, 30 * DAY)
    assert later.value == pytest.approx(0.75 / 8 * 30 * DAY)
    calm = exhausted_in(whole.left, np.full(60, 5.0), np.full(60, 10_000.0), 0.999, 30 * DAY)
    assert "does not use it up" in str(calm.reason)
    used = budget(np.full(100, 25.0), np.full(100, 10_000.0), 0.999)
    assert exhausted_in(used.left, [1.0], [10.0], 0.999, DAY).reason == "the budget is used up"


# --- memory ---------------------------------------------------------------------------------------------------------


def related(rng: np.random.Generator, n: int, r: float) -> np.ndarray:
    """Noise whose neighbours correlate by r, of standard deviation 1."""
    noise = rng.standard_normal(n)
    for one in range(1, n):
        noise[one] = r * noise[one - 1] + math.sqrt(1 - r * r) * noise[one]
    return noise


@pytest.mark.parametrize("r", [0.0, 0.5])
def test_the_set_of_times_until_memory_is_full_holds_the_truth(r: float) -> None:
    """Of readings that hang together: 92 of a hundred sets and more (nominal 95), and of the slope's intervals."""
    rng = np.random.default_rng(6)
    at, n = 60.0 * np.arange(600), 200
    truth = (2e9 - 1e9 - 1e4 * at[-1]) / 1e4
    sets = slopes = 0
    for _ in range(n):
        found = exhaustion(at, 1e9 + 1e4 * at + 5e7 * related(rng, 600, r), limit=2e9)
        assert found.earliest_s is not None
        assert found.latest_s is not None
        sets += found.earliest_s <= truth <= found.latest_s
        slopes += found.slope_per_day.low <= 1e4 * DAY <= found.slope_per_day.high
    assert sets / n >= 0.905
    assert slopes / n >= 0.905


def test_memory_that_does_not_grow_is_no_leak_and_has_no_end() -> None:
    """Level readings: OK, and the set of times has no end."""
    rng = np.random.default_rng(1)
    found = [
        exhaustion(60.0 * np.arange(300), 1e9 + 1e7 * rng.standard_normal(300), limit=2e9) for _ in range(100)
    ]
    assert sum(one.leak is not Status.OK for one in found) <= 1
    assert sum(one.latest_s == math.inf for one in found) >= 93


def test_few_readings_are_unknown() -> None:
    """Under thirty a slope is not told from noise."""
    found = exhaustion(np.arange(10.0), np.arange(10.0) + 1)
    assert (found.leak, found.reason) == (Status.UNKNOWN, "10 readings: 30 are needed")


# --- latency --------------------------------------------------------------------------------------------------------


def calls(rng: np.random.Generator, mean: float, windows: int = 60) -> Latencies:
    """Windows of calls whose means wander by a tenth."""
    n = 1.0 + rng.poisson(200, windows)
    own = mean * (1 + 0.1 * rng.standard_normal(windows))
    total = n * own + 0.05 * np.sqrt(n) * rng.standard_normal(windows)
    return Latencies(n, total, n * (own**2 + 0.05**2))


def test_a_slower_version_is_found_and_an_equal_one_is_not() -> None:
    """A fifth slower is found in each of 40 rollouts; of 200 equal ones at most 5 % are called either."""
    rng = np.random.default_rng(9)
    assert all(slower(calls(rng, 0.1), calls(rng, 0.12)).note == "slower" for _ in range(40))
    equal = [slower(calls(rng, 0.1), calls(rng, 0.1)) for _ in range(200)]
    assert sum(one.note is not None for one in equal) <= 10
    assert sum(one.low <= 0 <= one.high for one in equal) >= 190
    assert (
        slower(calls(rng, 0.1, 7), calls(rng, 0.1)).reason
        == "7 windows with rows of both versions: 8 are needed"
    )


# --- equal inputs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_answers_that_differ_are_counted_as_by_hand(seed: int) -> None:
    """Shares of inputs, within a place, over hosts of a version, and over versions, as loops over all pairs find them."""
    rng = np.random.default_rng(seed)
    rows = [
        (int(rng.integers(12)), float(rng.integers(3)), f"h{rng.integers(2)}", f"{rng.integers(2)}")
        for _ in range(60)
    ]
    found = sameness(*(list(part) for part in zip(*rows, strict=True)))  # type: ignore[arg-type]
    firsts: dict[tuple[int, str, str], float] = {}
    for key, answer, host, version in rows:
        firsts.setdefault((key, host, version), answer)
    want = {"within": [0, 0], "hosts": [0, 0], "versions": [0, 0]}
    for key in {row[0] for row in rows}:
        own = [row for row in rows if row[0] == key]
        pairs = [(a, b) for at, a in enumerate(own) for b in own[at + 1 :] if a[2:] == b[2:]]
        if pairs:
            want["within"][1] += 1
            want["within"][0] += any(a[1] != b[1] for a, b in pairs)
        first = [(h, v, firsts[key, h, v]) for h in ("h0", "h1") for v in ("0", "1") if (key, h, v) in firsts]
        both = [(a, b) for a in first for b in first if a[1] == b[1] and a[0] < b[0]]
        if both:
            want["hosts"][1] += 1
            want["hosts"][0] += any(a[2] != b[2] for a, b in both)
        by_version = {v: next(row[1] for row in own if row[3] == v) for v in {row[3] for row in own}}
        if len(by_version) > 1:
            want["versions"][1] += 1
            want["versions"][0] += len(set(by_version.values())) > 1
    for name, (k, n) in want.items():
        one = getattr(found, name)
        assert (one.known, one.n) == (n > 0, n)
        assert n == 0 or one.value == pytest.approx(k / n)


def test_numbers_may_differ_by_the_tolerance() -> None:
    """Absolute or relative to the larger; NaN is as NaN."""

    def of(*answers: float | str, tolerance: float = 0.0) -> float:
        n = len(answers)
        return sameness(["x"] * n, list(answers), ["h"] * n, ["1"] * n, tolerance=tolerance).within.value

    assert (of(1.0, 1.0 + 1e-9), of(1.0, 1.0 + 1e-9, tolerance=1e-6)) == (1.0, 0.0)
    assert (of(1e9, 1e9 + 1, tolerance=1e-8), of(math.nan, math.nan), of(math.nan, 1.0)) == (0.0, 0.0, 1.0)
    assert (of("a", "a"), of("a", "b")) == (0.0, 1.0)


# --- saturation -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("r", [0.0, 0.6])
def test_the_interval_of_the_knee_holds_it(r: float) -> None:
    """Buckets that hang together or not: 93 of a hundred and more (nominal 95)."""
    rng = np.random.default_rng(12)
    held, n = 0, 150
    for _ in range(n):
        load = (
            rng.uniform(5, 100, 300) if r == 0 else 50 + 45 * np.sin(np.arange(300) / 20 + rng.uniform(0, 6))
        )
        seconds = np.exp(-3 + 0.02 * np.maximum(0, load - 60) + 0.15 * related(rng, 300, r))
        found = saturation(load, seconds).load
        held += found.known and found.low <= 60 <= found.high
    assert held / n >= 0.925


def test_where_the_load_never_varied_or_nothing_rises_there_is_no_knee() -> None:
    """UNKNOWN with the reason: too even a load, latencies that do not rise, a rise from the lowest load on."""
    rng = np.random.default_rng(0)
    noise = np.exp(0.1 * rng.standard_normal(200))
    even = saturation(rng.uniform(50, 60, 200), noise)
    assert "never varied enough" in str(even.load.reason)
    load = rng.uniform(5, 100, 200)
    assert "does not rise" in str(saturation(load, noise).load.reason)
    assert "no level part" in str(saturation(load, noise * np.exp(0.02 * load)).load.reason)
    assert "30 are needed" in str(saturation(load[:20], noise[:20]).load.reason)


def test_a_queue_has_its_knee_below_its_capacity() -> None:
    """Latencies of a queue with one server, 1/(capacity - load): the knee lies below the capacity, and latency has risen."""
    rng = np.random.default_rng(3)
    load = rng.uniform(5, 95, 500)
    knee = saturation(load, 1 / (100 - load) * np.exp(0.05 * rng.standard_normal(500)))
    assert knee.load.known
    assert 20 < knee.load.low < knee.load.high < 95
    assert knee.rises is not None
    assert knee.rises > 3
