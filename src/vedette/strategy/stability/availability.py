"""How much of the time a served model was up, from looks at it, with an interval that knows that failures come in runs.

A thousand failed looks in one night are one outage. An interval that takes looks for independent is then ten times too
narrow; this one counts outages. The time down is a sum over outages, each of a length of its own, so that two things are
uncertain: how many there are, and how long. With D the time down in n outages, U the time up and N = U + D,

* lengths and times between exponential: (D/n)/(U/n) over its truth is F distributed; limits of the odds of being down are
  D/U times F quantiles on (2n, 2n + 2) and, times (n + 1)/n, on (2n + 2, 2n) degrees of freedom;
* any lengths, outages at a constant rate: a weighted sum of Poisson counts; limits by the gamma distribution (Fay and Feuer).

The limits are the further out of both on each side: the first is right with few outages, the second where some are far longer
than others. It is conservative. Without an outage the upper limit of the share down is that of no event (3.69 outages at 95 %)
times the length that an outage is taken to have.

Sources: M. P. Fay and E. J. Feuer (1997), Statistics in Medicine 16, 791-801; R. E. Barlow and F. Proschan (1975), Statistical
Theory of Reliability and Life Testing, chapter 7.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from vedette.statistics.intervals import garwood
from vedette.statistics.measured import CONSERVATIVE, Measured, unknown

__all__ = ["GAP", "OUTAGE_S", "Looked", "availability", "looked"]

Floats = npt.NDArray[np.float64]

GAP = 1.5
"""Two looks further apart than so many times their usual distance leave the time between unobserved."""

OUTAGE_S = 300.0
"""How long an outage is taken to last where none was seen: what a restart with its warm-up may take."""


class Looked(NamedTuple):
    """What looks saw: time observed and down in seconds, the length of each outage, and the share of the time that was seen."""

    observed_s: float
    down_s: float
    outages: Floats
    completeness: float
    n: int


def looked(
    times: npt.ArrayLike,
    up: npt.ArrayLike,
    every_s: float,
    *,
    start: float | None = None,
    end: float | None = None,
) -> Looked:
    """The time that looks stand for: each until the next one, at most 1.5 times ``every_s``.

    Parameters
    ----------
    times, up
        When each look was, in seconds, and whether the model was up; in any order.
    every_s
        The usual distance of two looks in seconds.
    start, end
        The span that should have been seen, half-open; default from the first look to ``every_s`` after the last.

    An outage goes on over a gap in looking where the looks on both sides found the model down; the gap itself counts as
    neither up nor down, and is told as ``completeness``.

    >>> found = looked([0, 10, 20, 30, 100], [1, 0, 0, 1, 1], 10.0)
    >>> found.observed_s, found.down_s, found.outages.tolist(), found.completeness
    (55.0, 20.0, [20.0], 0.5)
    """
    if not (math.isfinite(every_s) and every_s > 0):
        raise ValueError(f"every_s={every_s!r}: must be more than 0 seconds")
    at, is_up = np.asarray(times, dtype=np.float64), np.asarray(up, dtype=np.bool_)
    if at.shape != is_up.shape or at.ndim != 1:
        raise ValueError(f"times of shape {at.shape}, up of shape {is_up.shape}: must be of one length")
    if not len(at):
        return Looked(0.0, 0.0, np.zeros(0), 0.0, 0)
    order = np.argsort(at, kind="stable")
    at, is_up = at[order], is_up[order]
    first = float(at[0]) if start is None else start
    last = float(at[-1]) + every_s if end is None else end
    stands_for = np.minimum(np.diff(np.append(at, max(last, at[-1]))), GAP * every_s)
    down = np.where(is_up, 0.0, stands_for)
    number = np.cumsum(np.concatenate([[True], np.diff(is_up)]) & ~is_up)
    lengths = np.asarray(np.bincount(number[~is_up], weights=down[~is_up])[1:], dtype=np.float64)
    observed = float(stands_for.sum())
    span = last - first
    return Looked(
        observed,
        float(down.sum()),
        lengths[lengths > 0],
        min(1.0, observed / span) if span > 0 else 0.0,
        len(at),
    )


def availability(seen: Looked, level: float = 0.95, outage_s: float = OUTAGE_S) -> Measured:
    """The share of the time that the model is up; ``n`` counts looks.

    ``outage_s`` is how long an outage is taken to last where none was seen. UNKNOWN where nothing was seen; where the model was
    never up the interval says nothing.

    >>> found = availability(Looked(86_400.0, 0.0, np.zeros(0), 1.0, 5760))     # 1 - 3.689 * 300/86,400
    >>> found.value, round(found.low, 4), found.high
    (1.0, 0.9872, 1.0)
    >>> seen = Looked(864_000.0, 900.0, np.array([300.0, 600.0]), 1.0, 57_600)
    >>> round(availability(seen).value, 5), availability(seen).note
    (0.99896, 'conservative; 2 outages')
    """
    if not 0 < level < 1:
        raise ValueError(f"level={level!r}: must lie between 0 and 1")
    if seen.observed_s <= 0:
        return unknown("nothing was seen: no look came")
    if seen.down_s >= seen.observed_s:  # how long it stays up once it is up was not seen: anything may be
        return Measured.of(0.0, 0.0, 1.0, seen.n, f"{CONSERVATIVE}; it was never up")
    whole, n = seen.observed_s, len(seen.outages)
    if not n:
        most = float(garwood(0, level)[1]) * min(outage_s, whole) / whole
        note = f"{CONSERVATIVE}; no outage was seen: one is taken to last {outage_s:g} s"
        return Measured.of(1.0, max(0.0, 1.0 - most), 1.0, seen.n, note)
    odds = [_exponential(seen, level), _weighted(seen, level)]
    least, most = min(one[0] for one in odds), max(one[1] for one in odds)
    note = f"{CONSERVATIVE}; {n} outage{'s' if n > 1 else ''}"
    return Measured.of(1 - seen.down_s / whole, max(0.0, 1 - most), 1 - least, seen.n, note)


def _exponential(seen: Looked, level: float) -> tuple[float, float]:
    """Limits of the share down where outages and the times between are exponential."""
    n, tail = len(seen.outages), (1 - level) / 2
    odds = seen.down_s / (seen.observed_s - seen.down_s)
    low = odds * float(special.fdtri(2 * n, 2 * n + 2, tail))
    high = odds * float(special.fdtri(2 * n + 2, 2 * n, 1 - tail)) * (n + 1) / n
    return low / (1 + low), high / (1 + high)


def _weighted(seen: Looked, level: float) -> tuple[float, float]:
    """Limits of the share down where outages of any lengths come at a constant rate (Fay and Feuer)."""
    tail, y = (1 - level) / 2, float(seen.outages.sum())
    v, most = float(np.square(seen.outages).sum()), float(seen.outages.max())
    low = v / y * float(special.gammaincinv(y * y / v, tail))
    above, spread = y + most, v + most * most
    high = spread / above * float(special.gammaincinv(above * above / spread, 1 - tail))
    return low / seen.observed_s, high / seen.observed_s
