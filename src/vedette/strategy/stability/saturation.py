"""The load at which a model saturates: where its latency begins to rise, from what was observed.

Latency is level up to some load and rises from there on: log latency = a + b max(0, load - c), fitted by least squares over all
c (a line that is bent at a knee). The interval of c has every knee whose fit is not surely worse than the best one:

    (RSS(c) - RSS(best)) / s^2 <= F quantile on (1, m - 3) degrees of freedom,    s^2 = RSS(best)/(m - 3)

with m the independent buckets that the n buckets are worth: neighbours in time hang together, so that sums are those of m
= n (1 - r)/(1 + r) buckets, r the correlation of neighbours' residuals. UNKNOWN where the load never varied enough, and where
a line without a knee, or with its knee outside what was seen, explains the latencies as well. A latency that bends slowly (one
queue: 1/(capacity - load)) has no knee: then it is the load at which two pieces fit best, well below the capacity, and the
interval is of that.

Sources: D. V. Hinkley (1971), J. Am. Stat. Assoc. 66, 736-743 (two-phase regression); P. I. Feder (1975), Ann. Stat. 3, 49-83
(what holds of it in large samples).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from vedette.statistics.measured import Measured, unknown

__all__ = ["BUCKETS_MIN", "VARIED", "Knee", "saturation"]

Floats = npt.NDArray[np.float64]

BUCKETS_MIN = 30
"""Buckets of time with fewer of which no knee is looked for."""

VARIED = 1.5
"""The 90th percentile of the load over the 10th: with less the load never varied enough."""

_KNEES = 200  # places that are tried
_RISES = 0.001  # level at which latency must be shown to rise, and the level part to be level
_TAIL = 0.05  # of the buckets lie on either side of a knee, at least


@dataclass(frozen=True, slots=True)
class Knee:
    """The load from which on latency rises, the latency below it, and by which factor it has risen at the highest load seen."""

    load: Measured
    latency_s: float | None
    rises: float | None


def saturation(load: npt.ArrayLike, latency_s: npt.ArrayLike, level: float = 0.95) -> Knee:
    """The knee of latency over load, of buckets in order of time.

    Parameters
    ----------
    load
        Requests a second, or calls at the same time, in each bucket; [N].
    latency_s
        A latency of the bucket in seconds (its median or mean), above 0; [N].

    >>> rng = np.random.default_rng(7)
    >>> load = rng.uniform(5, 100, 400)
    >>> seconds = np.exp(-3 + 0.03 * np.maximum(0, load - 60) + 0.05 * rng.standard_normal(400))
    >>> found = saturation(load, seconds).load
    >>> 57 < found.low < 60 < found.high < 63
    True
    """
    x, y = np.asarray(load, dtype=np.float64), np.asarray(latency_s, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"load of shape {x.shape}, latency_s of shape {y.shape}: must be of one length")
    good = np.isfinite(x) & np.isfinite(y) & (x > 0) & (y > 0)
    x, y = x[good], np.log(y[good])
    n = len(x)
    if n < BUCKETS_MIN:
        return _none(f"{n} buckets with load and latency: {BUCKETS_MIN} are needed", n)
    least, most = np.quantile(x, [0.1, 0.9])
    if most < VARIED * least:
        return _none(f"the load never varied enough: {least:.3g} to {most:.3g} (10 % to 90 %)", n)
    first, last = (float(one) for one in np.quantile(x, [_TAIL, 1 - _TAIL]))
    knees = np.linspace(first, last, _KNEES)
    rss, slopes, bases = _fits(x, y, knees)
    best = int(np.argmin(rss))
    m = _worth(x, y, float(knees[best]), float(slopes[best]), float(bases[best]))
    df = m - 3
    if df < 5:
        return _none(f"the buckets hang together: worth {m:.0f} independent ones", n)
    best_rss = max(float(rss[best]), 1e-300)
    flat = float(np.square(y - y.mean()).sum())
    rising = (flat / best_rss - 1) * df / 2
    if slopes[best] <= 0 or special.fdtrc(2, df, rising) > _RISES:
        return _none(f"latency does not rise with the load, up to {float(x.max()):.3g}", n)
    limit = float(special.fdtri(1, df, level))
    ratio = (rss / best_rss - 1) * df
    inside = knees[ratio <= limit]
    if inside[0] <= knees[0]:
        return _none(
            f"latency rises from the lowest load on, {float(knees[0]):.3g}: there is no level part", n
        )
    if inside[-1] >= knees[-1]:
        return _none(f"the knee may lie beyond the highest load seen, {float(knees[-1]):.3g}", n)
    step = float(knees[1] - knees[0])
    found = Measured.of(float(knees[best]), float(inside[0]) - step, float(inside[-1]) + step, n)
    above = float(slopes[best]) * (float(x.max()) - float(knees[best]))
    return Knee(found, float(np.exp(bases[best])), float(np.exp(above)))


def _none(reason: str, n: int) -> Knee:
    return Knee(unknown(reason, n), None, None)


def _fits(x: Floats, y: Floats, knees: Floats) -> tuple[Floats, Floats, Floats]:
    """Residual sums of squares, slopes and levels by knee."""
    bent = np.maximum(0.0, x[None, :] - knees[:, None])
    middle = bent.mean(axis=1, keepdims=True)
    squares = np.square(bent - middle).sum(axis=1)
    slopes = ((bent - middle) * (y - y.mean())).sum(axis=1) / np.maximum(squares, 1e-300)
    bases = y.mean() - slopes * middle[:, 0]
    rest = y[None, :] - bases[:, None] - slopes[:, None] * bent
    return np.square(rest).sum(axis=1), slopes, bases


def _worth(x: Floats, y: Floats, knee: float, slope: float, base: float) -> float:
    """How many independent buckets these are worth."""
    rest = y - base - slope * np.maximum(0.0, x - knee)
    power, n = float(rest @ rest), len(rest)
    near = float(rest[1:] @ rest[:-1]) / power if power > 0 else 0.0
    r = min(max(near + (1 + 4 * near) / n, 0.0), 0.95)
    return n * (1 - r) / (1 + r)
