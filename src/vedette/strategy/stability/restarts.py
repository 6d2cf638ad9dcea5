"""Restarts: how much time passes between two, and whether a process restarts far oftener than it used to.

Restarts at a constant rate have exponential times between them, which gives exact intervals: of n restarts in a time T the
rate has Garwood's limits, and the mean time between them 2T over quantiles of chi-square on 2n + 2 and 2n degrees of freedom.
Restarts that come in bursts have times that vary more than that; where Bartlett's test finds it, the times are taken for
gamma distributed of a shape a < 1 that is fitted, and the degrees of freedom become 2na.

A crash loop: at a constant rate the share of the last k of n times between restarts in all n of them is Beta(k, n - k)
distributed, whatever the rate. The p-value of "no more often than before" is the chance of so small a share, over all k that
are tried, and at the n-th restart it is held against level/(n (n + 1)), which add up to ``level`` over all restarts there
ever are: one may look after each.

Sources: F. Garwood (1936), Biometrika 28, 437-442; B. Epstein and M. Sobel (1953), J. Am. Stat. Assoc. 48, 486-502; M. S.
Bartlett (1937), Proc. R. Soc. A 160, 268-282; D. R. Cox and P. A. W. Lewis (1966), The Statistical Analysis of Series of
Events, chapter 3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from vedette.statistics.intervals import garwood
from vedette.statistics.measured import CONSERVATIVE, Measured, unknown

__all__ = ["LEVEL", "CrashLoop", "crash_loop", "restarts_per_day", "time_between"]

Floats = npt.NDArray[np.float64]

DAY_S = 86_400.0
LEVEL = 0.001
"""The chance that a process which restarts at a constant rate is ever said to be in a crash loop."""

_LOOP_MIN, _LOOP_MAX = 3, 20  # restarts in the loop: two are no loop, and more say nothing new
_BURSTS = 0.01  # level of the test for bursts
_QUIET = (
    10.0  # a loop is over once it was quiet for as many times its longest pause, or for what was usual before
)


def restarts_per_day(n: int, observed_s: float, level: float = 0.95) -> Measured:
    """The rate of restarts, with Garwood's exact limits; ``n`` counts restarts.

    >>> found = restarts_per_day(10, 10 * 86_400.0)     # his table II: 4.795 to 18.39 for 10
    >>> found.value, round(found.low, 4), round(found.high, 3)
    (1.0, 0.4795, 1.839)
    """
    if observed_s <= 0:
        return unknown("nothing was seen: no look came")
    low, high = garwood(n, level)
    days = observed_s / DAY_S
    return Measured.of(n / days, float(low) / days, float(high) / days, n, CONSERVATIVE)


def time_between(n: int, observed_s: float, gaps_s: npt.ArrayLike = (), level: float = 0.95) -> Measured:
    """The mean time between restarts in seconds: observed over n, with chi-square limits.

    ``gaps_s`` are the times between successive restarts, from which it is seen whether they come in bursts. UNKNOWN without a
    restart, with the limit that is known all the same.

    >>> found = time_between(10, 1000.0)     # 2 T / chi2: scipy.stats.chi2.ppf(.975, 22) = 36.781, (.025, 20) = 9.5908
    >>> found.value, round(found.low, 2), round(found.high, 2)
    (100.0, 54.38, 208.53)
    """
    if observed_s <= 0:
        return unknown("nothing was seen: no look came")
    if n < 1:
        least = observed_s / float(garwood(0, level)[1])
        return unknown(f"no restart was seen: at least {least:.6g} s at {level:.0%}", 0)
    shape = _burst_shape(np.asarray(gaps_s, dtype=np.float64))
    tail, a = (1 - level) / 2, n * shape
    low = observed_s / n * a / float(special.gammaincinv(a + 1.0, 1 - tail))
    high = observed_s / n * a / float(special.gammaincinv(a, tail))
    note = CONSERVATIVE if shape == 1.0 else f"restarts come in bursts (gamma shape {shape:.2f})"
    return Measured.of(observed_s / n, low, high, n, note)


def _burst_shape(gaps: Floats) -> float:
    """The shape of the gamma distribution of times that vary more than exponential ones do, as far as is sure; else 1.

    Bartlett's statistic 2n (log mean - mean log)/(1 + (n + 1)/6n) has chi-square on n - 1 degrees of freedom for exponential
    times. The shape is the maximum likelihood's in Thom's approximation.
    """
    gaps = gaps[gaps > 0]
    n = len(gaps)
    if n < 5:
        return 1.0
    spread = math.log(float(gaps.mean())) - float(np.log(gaps).mean())
    statistic = 2 * n * spread / (1 + (n + 1) / (6 * n))
    if spread <= 0 or special.chdtrc(n - 1, statistic) > _BURSTS:
        return 1.0
    return min(1.0, (1 + math.sqrt(1 + 4 * spread / 3)) / (4 * spread))


@dataclass(frozen=True, slots=True)
class CrashLoop:
    """Whether a process is in a crash loop: ``k`` restarts within ``span_s`` seconds, one in ``usual_s`` before.

    ``p_value`` is the chance of so many in so short a time at the rate before, over all spans that were tried; ``limit`` what
    it was held against. ``going_on`` is True where it was found and the quiet since is not yet long.
    """

    k: int
    span_s: float
    usual_s: float
    p_value: float
    limit: float
    going_on: bool
    reason: str | None = None

    @property
    def words(self) -> str:
        """What was found, in words.

        >>> CrashLoop(3, 60.0, 86_400.0, 1e-8, 1e-5, True).words
        '3 restarts within 60 s, before that one in 86400 s: chance at that rate explains it with p = 1e-08'
        """
        if self.reason is not None:
            return self.reason
        return (
            f"{self.k} restarts within {self.span_s:.6g} s, before that one in {self.usual_s:.6g} s: "
            f"chance at that rate explains it with p = {self.p_value:.2g}"
        )


def crash_loop(restarts: npt.ArrayLike, start: float, now: float, level: float = LEVEL) -> CrashLoop:
    """Whether the last restarts come faster than those before, as chance does not explain.

    Parameters
    ----------
    restarts
        Times of restarts in seconds, planned ones (deployments) left out.
    start, now
        From when on restarts would have been seen, and until when.
    level
        The chance of ever saying so of a process whose restarts come at a constant rate.

    >>> days = [86_400.0 * at for at in range(1, 11)]
    >>> crash_loop([*days, 900_000.0, 900_030.0, 900_060.0, 900_090.0], 0.0, 900_100.0).going_on
    True
    >>> crash_loop(days, 0.0, 900_000.0).going_on
    False
    """
    at = np.sort(np.asarray(restarts, dtype=np.float64))
    at = at[(at > start) & (at <= now)]
    nothing = math.nan
    if len(at) <= _LOOP_MIN:
        words = f"{len(at)} restarts were seen: more than {_LOOP_MIN} are needed to tell a loop from what is usual"
        return CrashLoop(0, nothing, nothing, 1.0, nothing, going_on=False, reason=words)
    best: CrashLoop | None = None
    for n in range(_LOOP_MIN + 1, len(at) + 1):  # as it was looked at after each restart
        found = _at_restart(at[:n], start, level)
        if found.p_value <= found.limit:
            best = found
            ended = at[n - 1]
    if best is None:
        return _at_restart(at, start, level)
    longest = max(float(np.diff(at[at <= ended][-best.k :]).max(initial=0.0)), 60.0)
    quiet = now - float(at[-1])
    return CrashLoop(
        best.k, best.span_s, best.usual_s, best.p_value, best.limit,
        going_on=quiet <= min(_QUIET * longest, max(best.usual_s, longest)),
    )  # fmt: skip


def _at_restart(at: Floats, start: float, level: float) -> CrashLoop:
    """What the last of restarts tells, over all numbers of them that may be the loop."""
    n = len(at)
    gaps = np.diff(np.concatenate([[start], at]))
    ks = np.arange(_LOOP_MIN, min(n - 1, _LOOP_MAX) + 1)
    total = float(at[-1] - start)
    shares = np.cumsum(gaps[::-1])[ks - 1] / total
    chances = special.betainc(ks, n - ks, np.minimum(shares, 1.0))
    best = int(np.argmin(chances))
    k = int(ks[best])
    span = float(shares[best]) * total
    return CrashLoop(
        k,
        span,
        (total - span) / (n - k),
        min(1.0, float(chances[best]) * len(ks)),
        level / (n * (n + 1)),
        going_on=False,
    )
