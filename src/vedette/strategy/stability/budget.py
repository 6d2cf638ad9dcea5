"""Service-level objectives: how much of an error budget is left, how fast it burns, and when somebody should be told.

Of all events (requests, looks) a share ``objective`` must be good over a ``period``; the rest is the error budget. The burn
rate is the share of bad events over the share that is allowed: at 1 the budget is used up exactly at the end of the period.
Somebody is told where the burn is high over a long window, so that it matters, and over a short one too, so that it still goes
on: 14.4 times over 1 h and 5 min (2 % of a 30-day budget in an hour), 6 times over 6 h and 30 min (5 %), once over 3 d and 6 h
(10 %). The lengths are those of a period of 30 days, and scale with it, so that each tells of the same share of the budget.

Source: The Site Reliability Workbook (Beyer, Murphy, Rensin, Kawahara and Thorne, 2018), chapter 5, "Alerting on SLOs",
table 5-8.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette.config.slo import check_objective
from vedette.statistics.clusters import Clustered
from vedette.statistics.intervals import hall, share
from vedette.statistics.measured import CONSERVATIVE, Measured, unknown

__all__ = [
    "WINDOWS",
    "Budget",
    "Burn",
    "BurnWindow",
    "budget",
    "burns",
    "exhausted_in",
    "share_bad",
    "windows_of",
]

Floats = npt.NDArray[np.float64]

MONTH_S = 30 * 86_400.0
_BLOCKS = 60  # of the span, which are taken to be independent: 12 hours of 30 days


@dataclass(frozen=True, slots=True)
class BurnWindow:
    """A burn rate that must not be reached over a long and a short window; an alarm, or a warning that pages nobody.

    >>> WINDOWS[0].budget_share(MONTH_S)     # what it takes in its long window
    0.02
    """

    factor: float
    long_s: float
    short_s: float
    severity: str

    def budget_share(self, period_s: float) -> float:
        """The share of the budget that is used up over the long window at this rate."""
        return self.factor * self.long_s / period_s


WINDOWS = (
    BurnWindow(14.4, 3600.0, 300.0, "alarm"),
    BurnWindow(6.0, 6 * 3600.0, 1800.0, "alarm"),
    BurnWindow(1.0, 3 * 86_400.0, 6 * 3600.0, "warn"),
)
"""Those of the workbook for a period of 30 days: two that page and one that makes a ticket."""


def windows_of(period_s: float) -> tuple[BurnWindow, ...]:
    """The windows for a period: lengths scale with it, the factors stay.

    >>> [(one.factor, one.long_s, one.short_s) for one in windows_of(3 * 86_400.0)]
    [(14.4, 360.0, 30.0), (6.0, 2160.0, 180.0), (1.0, 25920.0, 2160.0)]
    """
    by = period_s / MONTH_S
    return tuple(BurnWindow(one.factor, one.long_s * by, one.short_s * by, one.severity) for one in WINDOWS)


@dataclass(frozen=True, slots=True)
class Burn:
    """How fast a budget burns by one pair of windows: the rates over both, and the rows that they rest on.

    ``broken`` says whether both are reached; None where too few rows came to tell.
    """

    window: BurnWindow
    long: float
    short: float
    n_long: float
    n_short: float
    broken: bool | None


def burns(
    ends: npt.ArrayLike,
    bad: npt.ArrayLike,
    total: npt.ArrayLike,
    now: float,
    objective: float,
    *,
    period_s: float = MONTH_S,
    min_rows: float = 50.0,
    windows: Sequence[BurnWindow] | None = None,
) -> tuple[Burn, ...]:
    """The burn rates at ``now`` over each pair of windows.

    Parameters
    ----------
    ends, bad, total
        Of buckets of time: their ends in seconds, the bad events and all events in each.
    objective
        The share of events that must be good, above 0 and below 1.
    min_rows
        Events in a long window with fewer of which nothing is told.

    >>> ends = np.arange(60.0, 7260.0, 60.0)
    >>> found = burns(ends, np.where(ends > 3600, 2.0, 0.0), np.full(120, 100.0), 7200.0, 0.999)
    >>> [(round(one.long, 1), round(one.short, 1), one.broken) for one in found]
    [(20.0, 20.0, True), (10.0, 20.0, True), (10.0, 10.0, True)]
    """
    allowed = 1 - check_objective(objective)
    at, wrong, every = (np.asarray(one, dtype=np.float64) for one in (ends, bad, total))
    out = []
    for window in windows or windows_of(period_s):
        rates, sizes = [], []
        for length in (window.long_s, window.short_s):
            inside = (at > now - length) & (at <= now)
            n = float(every[inside].sum())
            sizes.append(n)
            rates.append(float(wrong[inside].sum()) / n / allowed if n > 0 else math.nan)
        broken = None
        if sizes[0] >= min_rows:  # a short window without rows burns nothing
            broken = rates[0] >= window.factor and (sizes[1] > 0 and rates[1] >= window.factor)
        out.append(Burn(window, rates[0], rates[1], sizes[0], sizes[1], broken))
    return tuple(out)


def share_bad(bad: npt.ArrayLike, total: npt.ArrayLike, level: float = 0.95) -> Measured:
    """The share of bad events, with an interval that knows that those of one stretch of time hang together.

    Buckets are joined to 60 stretches, which are taken to be independent. The limits are the further out of those of a share of
    effective rows (Korn and Graubard) and of Hall's for the stretches' skewed deviations: a stretch with an outage lies far above
    all others. With fewer than ten stretches that have rows each counts as one row, which is conservative.
    ``n`` counts events.

    >>> found = share_bad(np.full(100, 1), np.full(100, 100))
    >>> found.value, found.low < 0.01 < found.high, found.n
    (0.01, True, 10000)
    """
    wrong, every = np.asarray(bad, dtype=np.float64), np.asarray(total, dtype=np.float64)
    n = float(every.sum())
    if n <= 0:
        return unknown("no rows")
    cuts = np.unique(np.linspace(0, len(every), min(_BLOCKS, len(every)) + 1).astype(np.int64))[:-1]
    hits, rows = (np.rint(np.add.reduceat(one, cuts)) for one in (wrong, every))
    p = float(wrong.sum()) / n
    found = Clustered.of(hits, rows).share(level, "stretches of time", "rows")
    if not found.known:
        stretches = float(np.count_nonzero(rows))
        low, high = share(p * stretches, stretches, level)
        return Measured.of(p, float(low), float(high), round(n), CONSERVATIVE)
    below, above = _skewed(hits, rows, p, level)
    return Measured.of(
        p, max(0.0, min(found.low, below)), min(1.0, max(found.high, above)), round(n), found.note
    )


def _skewed(hits: Floats, rows: Floats, p: float, level: float) -> tuple[float, float]:
    """Hall's limits of the share, by the deviations of stretches from it."""
    has = rows > 0
    m = int(has.sum())
    apart = (hits - p * rows)[has] * m / rows.sum()
    sd = float(apart.std(ddof=1))
    if sd <= 0:
        return p, p
    skewness = float(np.mean(apart**3)) / sd**3
    below, above = hall(np.array([skewness]), m, level)
    return p - sd * float(below[0]), p + sd * float(above[0])


@dataclass(frozen=True, slots=True)
class Budget:
    """An error budget over a period: what was bad, what was allowed, and the share of the budget that is left.

    ``left`` is 1 where nothing was bad, 0 where all is used up, negative beyond; its interval is that of the rate behind it.
    """

    objective: float
    bad: float
    total: float
    left: Measured


def budget(bad: npt.ArrayLike, total: npt.ArrayLike, objective: float, level: float = 0.95) -> Budget:
    """What is left of the budget over all buckets.

    >>> found = budget(np.full(60, 5.0), np.full(60, 10_000.0), 0.999)     # half of what is allowed
    >>> round(found.left.value, 6), found.bad, found.total
    (0.5, 300.0, 600000.0)
    """
    allowed = 1 - check_objective(objective)
    rate = share_bad(bad, total, level)
    sums = float(np.asarray(bad).sum()), float(np.asarray(total).sum())
    if not rate.known:
        return Budget(objective, *sums, unknown(rate.reason or ""))
    left = Measured.of(
        1 - rate.value / allowed, 1 - rate.high / allowed, 1 - rate.low / allowed, rate.n, rate.note
    )
    return Budget(objective, *sums, left)


def exhausted_in(
    left: Measured,
    bad: npt.ArrayLike,
    total: npt.ArrayLike,
    objective: float,
    period_s: float,
    level: float = 0.95,
) -> Measured:
    """In how many seconds the budget is used up at the present rate, from the buckets of the last while.

    What is left over the burn rate, times the period, for as much traffic as there was. UNKNOWN where it is used up already,
    where nothing came, and where the rate is surely such that it never is (a burn rate of 1 or less gives as much back as it
    takes, as old events leave the period). The upper limit is the period itself where the rate may be that low.

    >>> n = np.full(60, 10_000.0)
    >>> left = budget(np.full(60, 5.0), n, 0.999).left
    >>> round(exhausted_in(left, np.full(60, 20.0), n, 0.999, 30 * 86_400.0).value / 86_400, 2)     # .5 of 30 d at 2
    7.5
    """
    if not left.known:
        return unknown(left.reason or "")
    if left.value <= 0:
        return unknown("the budget is used up", left.n)
    now = share_bad(bad, total, level)
    if not now.known:
        return unknown("no rows of late: the present rate is not known", now.n)
    allowed = 1 - objective
    burn, low, high = (one / allowed for one in (now.value, now.low, now.high))
    if burn <= 1:
        return unknown(f"the present rate, {burn:.3g} times what is allowed, does not use it up", now.n)
    last = left.value / low * period_s if low > 0 else math.inf
    return Measured.of(
        left.value / burn * period_s, left.value / high * period_s, min(last, period_s), now.n, CONSERVATIVE
    )
