"""What to do about rows that hang together: take out what the rows before tell, or count them as fewer.

An e-value that is right for independent rows is far off for rows that are not (121 false alarms instead of one at a
correlation of .5 with the row before). So the reference is tested, by Ljung and Box, and what was done is said in words.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from vedette.strategy.dependence import ljung_box

__all__ = [
    "LEVEL",
    "LEVEL_DECLARED",
    "N_LAGS",
    "autoregression",
    "hangs_together",
    "inflation_of",
    "lagged",
    "residuals",
]

Floats = NDArray[np.float64]

LEVEL, LEVEL_DECLARED = 0.05, 0.01
"""Of the test of a reference; the second where rows were declared independent. To take out what is not there costs
next to nothing, to leave in what is there costs false alarms."""
N_LAGS = 10
_ROWS_MIN = 30  # fewer tell nothing of dependence
_WHOLE_MIN = 20
_BATCHES = (50, 20)  # how many batches at most, of how many rows at least


def hangs_together(scores: Floats, level: float = LEVEL) -> bool:
    """True where Ljung and Box's test of ``scores`` [n], NaN where missing, rejects independence.

    It is made over 10 lags and over the first alone, which a few rows tell more of; the level is of both (Bonferroni).
    Missing rows count as the mean. Fewer than 30 rows are not tested.
    """
    if np.isfinite(scores).sum() < _ROWS_MIN:
        return False
    filled = np.where(np.isfinite(scores), scores, np.nanmean(scores))
    return min(ljung_box(filled, n_lags)[1] for n_lags in (1, N_LAGS)) < level / 2.0


def lagged(values: Floats, n_lags: int) -> Floats:
    """[n, n_lags]: the values one to ``n_lags`` rows before each, NaN before the first.

    >>> lagged(np.array([1.0, 2.0, 3.0]), 2).tolist()
    [[nan, nan], [1.0, nan], [2.0, 1.0]]
    """
    out = np.full((len(values), n_lags), np.nan)
    for lag in range(1, n_lags + 1):
        out[lag:, lag - 1] = values[:-lag]
    return out


def autoregression(values: Floats, order_max: int = N_LAGS) -> tuple[Floats, float]:
    """The coefficients of the autoregression of ``values`` [n], as many as BIC says, and how unsure their sum is.

    The second is by how much the variance of means of the residuals may be too large, since the sum s of the coefficients is
    known to its standard error: ((1 - s)/(1 - s - se))^2, at most 16.

    Least squares about the mean, of all orders on the same rows: N log(RSS/N) + p log N is least. Rows with a missing
    value among those before them are left out; the order is no more than a twentieth of the rows. None where fewer than
    20 rows are left, or all are equal.

    Source: Schwarz (1978), "Estimating the dimension of a model"; Brockwell and Davis (1991), "Time Series:
    Theory and Methods", section 9.3.
    """
    order_max = min(order_max, len(values) // 20)
    centred = values - np.nanmean(values)
    centred = centred / max(
        float(np.nanmax(np.abs(centred), initial=0.0)), 1e-300
    )  # squares of any unit are finite
    before = lagged(centred, order_max)
    whole = np.isfinite(centred) & np.isfinite(before).all(axis=1)
    x, y = before[whole], centred[whole]
    n = len(y)
    if n < _WHOLE_MIN or not float(y @ y) > 0:
        return np.zeros(0), 1.0
    gram, right, power = x.T @ x, x.T @ y, float(y @ y)
    chosen: Floats = np.zeros(0)
    best, se = np.inf, 0.0
    for order in range(1, order_max + 1):
        found = np.linalg.lstsq(gram[:order, :order], right[:order], rcond=None)[0]
        rest = power - float(found @ right[:order])
        score = n * float(np.log(max(rest / n, 1e-12 * power / n))) + order * float(np.log(n))
        if score < best:
            best, chosen = score, np.asarray(found)
            ones = np.linalg.lstsq(gram[:order, :order], np.ones(order), rcond=None)[0]
            se = float(np.sqrt(max(rest, 0.0) / n * ones.sum()))
    slack = max(1.0 - float(chosen.sum()), 1e-6)
    return chosen, (slack / max(slack - se, slack / 4.0)) ** 2


def residuals(values: Floats, coefficients: Floats, centre: float) -> Floats:
    """[n]: the values less ``centre`` less what those before tell; NaN where one of them is missing."""
    if not len(coefficients):
        return values - centre
    return np.asarray(values - centre - lagged(values - centre, len(coefficients)) @ coefficients)


def inflation_of(scores: Floats) -> float:
    """How many rows of ``scores`` [n] tell as much as one that is independent: the upper 90 % limit, at least 1.

    Means of up to 50 batches of consecutive rows have a variance v times that of independent rows; v (k - 1) over the
    tenth percentile of chi-square on k - 1 degrees of freedom is its upper limit. With fewer than 3 batches of 20 rows
    it is 1.

    Source: Law and Kelton (2000), "Simulation Modeling and Analysis", section 9.5.3 (batch means).
    """
    scores = scores[np.isfinite(scores)]
    size = max(_BATCHES[1], len(scores) // _BATCHES[0])
    k = len(scores) // size
    if k < 3 or not float(scores.var()) > 0:
        return 1.0
    means = scores[: k * size].reshape(k, size).mean(axis=1)
    ratio = size * float(means.var(ddof=1)) / float(scores.var())
    return max(1.0, ratio * (k - 1) / float(special.chdtri(k - 1, 0.9)))


@dataclass(frozen=True, slots=True)
class Treatment:
    """What was done about one series: ``coefficients`` of the autoregression taken out, rows ``inflation`` to one."""

    coefficients: Floats
    inflation: float

    @property
    def words(self) -> str:
        """In words, for people."""
        told = []
        n = len(self.coefficients)
        if n:
            told.append(
                f"what the {'row' if n == 1 else f'{n} rows'} before tell{'s' if n == 1 else ''} was taken out"
            )
        if self.inflation >= 1.005:
            told.append(f"{self.inflation:.3g} rows count as one")
        return " and ".join(told) if told else "rows as they are: no test found that they hang together"
